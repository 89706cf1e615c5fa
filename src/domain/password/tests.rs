use std::hint::black_box;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::*;

fn golden() -> Value {
    serde_json::from_str(include_str!("../../../tests/golden/django.json")).unwrap()
}

fn texts(value: &Value) -> impl Iterator<Item = Secret<String>> {
    value.as_array().unwrap().iter().map(text)
}

fn text(value: &Value) -> Secret<String> {
    Secret::from(value.as_str().unwrap())
}

/// The preferred hasher that did not write `encoded`, so that a wrong password costs no more than the string says.
fn other_than(encoded: &Secret<String>) -> Preferred {
    if encoded.expose().starts_with("bcrypt") {
        Preferred::Pbkdf2Sha256
    } else {
        Preferred::BcryptSha256
    }
}

fn opens(password: &str, encoded: &Secret<String>) -> Result<Match, Unreadable> {
    check(&Secret::from(password), encoded, other_than(encoded))
}

#[test]
fn what_django_wrote_opens_and_is_as_old_as_django_says() {
    let golden = golden();
    let entries = golden["passwords"].as_array().unwrap();
    for hasher in [
        "pbkdf2_sha256",
        "pbkdf2_sha1",
        "argon2",
        "bcrypt_sha256",
        "bcrypt",
        "scrypt",
    ] {
        assert!(entries.iter().filter(|e| e["hasher"] == hasher).count() > 5);
    }
    for entry in entries {
        let (password, encoded) = (text(&entry["password"]), text(&entry["encoded"]));
        let found = check(&password, &encoded, Preferred::Pbkdf2Sha256);
        let due = if entry["rewritten_at_login"].as_bool().unwrap() {
            Match::RightButOld
        } else {
            Match::Right
        };
        assert_eq!(found, Ok(due), "{entry}");
    }
}

#[test]
fn another_password_opens_nothing_that_django_wrote() {
    for entry in golden()["passwords"].as_array().unwrap() {
        let (password, encoded) = (text(&entry["password"]), text(&entry["encoded"]));
        let clear = password.expose();
        let other_first: String = "?".chars().chain(clear.chars().skip(1)).collect();
        assert_eq!(opens(&other_first, &encoded), Ok(Match::Wrong), "{entry}");
        if entry["hasher"] != "bcrypt" {
            let longer = format!("{clear} ");
            assert_eq!(opens(&longer, &encoded), Ok(Match::Wrong), "{entry}");
        }
    }
}

#[test]
fn plain_bcrypt_looks_at_72_bytes() {
    let entry = &golden()["bcrypt_72_bytes"];
    let encoded = text(&entry["encoded"]);
    let found = |name: &str| opens(entry[name].as_str().unwrap(), &encoded);
    assert_eq!(found("password"), Ok(Match::RightButOld));
    assert_eq!(found("also_right"), Ok(Match::RightButOld));
    assert_eq!(found("wrong"), Ok(Match::Wrong));
}

#[test]
fn what_opens_nothing_in_django_opens_nothing_here() {
    let golden = golden();
    let strings: Vec<_> = texts(&golden["malformed"]).collect();
    assert!(strings.len() > 100);
    for encoded in strings {
        let found = opens("secret", &encoded);
        let shown = encoded.expose();
        assert!(matches!(found, Err(_) | Ok(Match::Wrong)), "{shown}");
    }
    for encoded in texts(&golden["unusable"]).chain([Secret::from("!"), unusable().unwrap()]) {
        assert_eq!(opens("", &encoded), Err(Unreadable::Unusable));
    }
}

#[test]
fn no_string_makes_the_reading_panic() {
    for entry in golden()["passwords"].as_array().unwrap() {
        let encoded: Vec<char> = entry["encoded"].as_str().unwrap().chars().collect();
        for at in 0..encoded.len() {
            for put in [
                "",
                "$",
                "$$",
                "0",
                "9",
                "-",
                "=",
                "é",
                "\0",
                "99999999999999999999",
            ] {
                let mut changed: String = encoded[..at].iter().collect();
                changed.push_str(put);
                let kept: String = encoded[at + 1..].iter().collect();
                let whole = Secret::new(format!("{changed}{kept}"));
                let _ = black_box(Encoded::parse(&whole));
                let _ = black_box(Encoded::parse(&Secret::new(changed)));
            }
        }
    }
}

#[test]
fn a_cost_above_the_limits_is_refused_unseen() {
    let sha256 = "A".repeat(43) + "=";
    let sha512 = "A".repeat(86) + "==";
    let bcrypt = ".".repeat(53);
    let argon2 = |costs: &str| format!("argon2$argon2id$v=19${costs}$c2FsdHNhbHQ$AAAAAAAA");
    let scrypt = |n: u64, costs: &str| format!("scrypt${n}$salt${costs}${sha512}");
    let within = [
        format!("pbkdf2_sha256$10000000$salt${sha256}"),
        format!("bcrypt$$2b$16${bcrypt}"),
        argon2("m=1048576,t=2,p=4"),
        argon2("m=8,t=262144,p=1"),
        scrypt(1 << 17, "8$1"),
        scrypt(1 << 18, "8$3"),
    ];
    for encoded in within {
        assert!(
            Encoded::parse(&Secret::new(encoded.clone())).is_ok(),
            "{encoded}"
        );
    }
    let above = [
        format!("pbkdf2_sha256$10000001$salt${sha256}"),
        format!("pbkdf2_sha256$1000000000000$salt${sha256}"),
        format!("pbkdf2_sha256$1000${}${sha256}", "s".repeat(2000)),
        format!("bcrypt$$2b$17${bcrypt}"),
        format!("bcrypt_sha256$$2b$31${bcrypt}"),
        argon2("m=1048577,t=1,p=1"),
        argon2("m=1048576,t=3,p=1"),
        argon2("m=4294967295,t=4294967295,p=1"),
        argon2("m=99999999999,t=1,p=1"),
        scrypt(1 << 19, "8$1"),
        scrypt(1 << 18, "8$4"),
        scrypt(1 << 31, "4294967295$4294967295"),
        scrypt(2, "4294967295$1"),
        scrypt(2, "2048$2048"),
        scrypt(1 << 40, "8$1"),
    ];
    for encoded in above {
        let found = Encoded::parse(&Secret::new(encoded.clone()));
        assert_eq!(found.err(), Some(Unreadable::TooCostly), "{encoded}");
    }
}

#[test]
fn what_is_written_anew_is_djangos_form_and_opens() {
    // Nothing is refused: it has opened the account already.
    for clear in ["", "a\0b", "пароль-🔑", &"long ".repeat(2000)] {
        let password = Secret::from(clear);
        let encoded = encode_as(Preferred::BcryptSha256, &password).unwrap();
        let found = check(&password, &encoded, Preferred::BcryptSha256);
        assert_eq!(found, Ok(Match::Right), "{clear}");
    }
    let password = Secret::from("correct horse");
    let encoded = encode_as(Preferred::Pbkdf2Sha256, &password).unwrap();
    let parts: Vec<&str> = encoded.expose().split('$').collect();
    assert_eq!(parts[..2], ["pbkdf2_sha256", "1000000"]);
    assert_eq!((parts[2].len(), parts[3].len()), (22, 44));
    let found = |preferred| check(&password, &encoded, preferred);
    assert_eq!(found(Preferred::Pbkdf2Sha256), Ok(Match::Right));
    assert_eq!(found(Preferred::BcryptSha256), Ok(Match::RightButOld));
}

#[test]
fn salts_are_letters_and_digits_and_differ() {
    let salts: Vec<String> = (0..200).map(|_| salt().unwrap()).collect();
    let all: std::collections::BTreeSet<char> = salts.concat().chars().collect();
    assert!(salts.iter().all(|salt| salt.len() == SALT_CHARS));
    // 4,400 characters of 62: that one is missing has a chance below 10^-29.
    assert_eq!(all.len(), 62);
    assert!(all.iter().all(char::is_ascii_alphanumeric));
    assert_ne!(salts[0], salts[1]);
}

/// The least of two, since others compute on the same cores.
fn least_time(mut work: impl FnMut()) -> Duration {
    let times = (0..2).map(|_| {
        let start = Instant::now();
        work();
        start.elapsed()
    });
    times.min().unwrap()
}

#[test]
fn a_wrong_password_takes_as_long_for_a_cheap_string_of_the_preferred_hasher() {
    let wrong = Secret::from("wrong");
    let cheap = [
        (
            Preferred::Pbkdf2Sha256,
            Preferred::BcryptSha256,
            "pbkdf2_sha256",
        ),
        (
            Preferred::BcryptSha256,
            Preferred::Pbkdf2Sha256,
            "bcrypt_sha256",
        ),
    ];
    for (preferred, other, hasher) in cheap {
        let golden = golden();
        let mut entries = golden["passwords"].as_array().unwrap().iter();
        let entry = entries.find(|entry| entry["hasher"] == hasher).unwrap();
        let encoded = Encoded::parse(&text(&entry["encoded"])).unwrap();
        let time = |preferred| {
            least_time(|| {
                black_box(encoded.check(&wrong, preferred));
            })
        };
        // 1,000 iterations against 1,000,000; 2^4 rounds against 2^12.
        let plain = time(other);
        assert!(time(preferred) > 30 * plain, "{hasher}");
        let typical = Encoded::typical(preferred);
        let whole = least_time(|| {
            black_box(typical.check(&wrong, preferred));
        });
        assert!(whole > 30 * plain, "{hasher}");
    }
}

#[test]
fn unfit_passwords_are_not_set() {
    assert!(matches!(encode(&Secret::from("")), Err(Error::Empty)));
    assert!(matches!(encode(&Secret::from("a\0")), Err(Error::Nul)));
    assert!(matches!(
        encode(&Secret::new("a".repeat(4097))),
        Err(Error::TooLong)
    ));
    let encoded = encode(&Secret::from("correct horse")).unwrap();
    let text = encoded.expose();
    assert!(text.starts_with("bcrypt_sha256$$2b$12$"), "{text}");
    assert_eq!(text.len(), "bcrypt_sha256$".len() + 60);
}
