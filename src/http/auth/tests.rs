use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::*;

const KEY: &str = "278b23367b44510d12536336ba4b31cc4b42f05d";

fn latin1(text: &str) -> Vec<u8> {
    text.chars()
        .map(|c| u8::try_from(u32::from(c)).unwrap())
        .collect()
}

#[test]
fn a_token_header_is_read_as_the_reference_site_reads_it() {
    let given = |text: &str| Shown::Given(text.to_owned());
    let malformed = Shown::Malformed;
    let cases = [
        ("", Shown::Nothing),
        (" \t ", Shown::Nothing),
        ("Token", malformed(Fault::TokenMissing)),
        ("token", malformed(Fault::TokenMissing)),
        ("Token ", malformed(Fault::TokenMissing)),
        ("Token\t", malformed(Fault::TokenMissing)),
        ("Token @", given(KEY)),
        ("tOkEn @", given(KEY)),
        ("TOKEN\t@", given(KEY)),
        ("Token \t  @ \t", given(KEY)),
        (" Token @", given(KEY)),
        ("Token @ x", malformed(Fault::TokenSpaces)),
        ("Token @,Token @", malformed(Fault::TokenSpaces)),
        ("Token a \u{ff}", malformed(Fault::TokenSpaces)),
        (
            "Token @,",
            given("278b23367b44510d12536336ba4b31cc4b42f05d,"),
        ),
        ("Token,@", Shown::Nothing),
        ("@", Shown::Nothing),
        ("Token@", Shown::Nothing),
        ("TokenX @", Shown::Nothing),
        ("Token: @", Shown::Nothing),
        ("Token= @", Shown::Nothing),
        ("Toke @", Shown::Nothing),
        ("Basic @", Shown::Nothing),
        ("Bearer \u{ff}", Shown::Nothing),
        ("\u{ff}\u{fe} @", Shown::Nothing),
        ("Token\u{a0}@", Shown::Nothing),
        ("\u{a0}Token @", Shown::Nothing),
        ("Token \u{ff}", malformed(Fault::TokenCharacters)),
        ("Token \u{c3}", malformed(Fault::TokenCharacters)),
        (
            "Token \u{ed}\u{a0}\u{80}",
            malformed(Fault::TokenCharacters),
        ),
        ("Token \u{c0}\u{80}", malformed(Fault::TokenCharacters)),
        ("Token @\u{a0}", malformed(Fault::TokenCharacters)),
        ("Token \u{c3}\u{a9}", given("é")),
        ("Token \"x\"", given("\"x\"")),
        ("Token Token", given("Token")),
        ("Token token=1", given("token=1")),
    ];
    for (header, expected) in cases {
        let bytes = latin1(&header.replace('@', KEY));
        let shown = match token(&bytes, "Token") {
            Shown::Given(key) => Shown::Given(key.to_owned()),
            Shown::Nothing => Shown::Nothing,
            Shown::Malformed(fault) => Shown::Malformed(fault),
        };
        assert_eq!(shown, expected, "{header:?}");
    }
    assert_eq!(token(b"BEARER x", "Bearer"), Shown::Given("x"));
    assert_eq!(token(b"Token x", "Bearer"), Shown::Nothing);
}

/// The contract's table, row by row, over the list of a header's parts: no code in common with what it checks.
fn by_the_table(parts: &[Vec<u8>], keyword: &str) -> Shown<String> {
    let lower = |bytes: &[u8]| {
        bytes
            .iter()
            .map(u8::to_ascii_lowercase)
            .collect::<Vec<u8>>()
    };
    match parts {
        [] => Shown::Nothing,
        [first, ..] if lower(first) != lower(keyword.as_bytes()) => Shown::Nothing,
        [_] => Shown::Malformed(Fault::TokenMissing),
        [_, key] => match String::from_utf8(key.clone()) {
            Ok(key) => Shown::Given(key),
            Err(_) => Shown::Malformed(Fault::TokenCharacters),
        },
        [_, _, _, ..] => Shown::Malformed(Fault::TokenSpaces),
    }
}

#[test]
fn any_header_is_read_by_the_table() {
    let mut random = SmallRng::seed_from_u64(20_260_101);
    let mut seen = [0; 5];
    for _ in 0..50_000 {
        let keyword = ["Token", "Bearer", "X-1"][random.random_range(0..3)];
        let parts: Vec<Vec<u8>> = (0..random.random_range(0..5))
            .map(|place| match random.random_range(0..6) {
                0..=2 if place == 0 => {
                    let flip = |byte: u8| {
                        if random.random() {
                            byte.to_ascii_uppercase()
                        } else {
                            byte.to_ascii_lowercase()
                        }
                    };
                    keyword.bytes().map(flip).collect()
                }
                3 => "żółć…😀".bytes().take(random.random_range(1..17)).collect(),
                4 => KEY.as_bytes().to_vec(),
                // Any byte that is no blank, controls included.
                _ => (0..random.random_range(1..6))
                    .map(|_| random.random_range(0x21..=0xff_u8))
                    .collect(),
            })
            .collect();
        let blank = |random: &mut SmallRng, least: usize| -> Vec<u8> {
            (0..random.random_range(least..4))
                .map(|_| b" \t"[random.random_range(0..2)])
                .collect()
        };
        let mut header = blank(&mut random, 0);
        for (place, part) in parts.iter().enumerate() {
            if place > 0 {
                header.extend(blank(&mut random, 1));
            }
            header.extend(part);
        }
        header.extend(blank(&mut random, 0));
        let shown = match token(&header, keyword) {
            Shown::Given(key) => Shown::Given(key.to_owned()),
            Shown::Nothing => Shown::Nothing,
            Shown::Malformed(fault) => Shown::Malformed(fault),
        };
        let expected = by_the_table(&parts, keyword);
        assert_eq!(
            shown,
            expected,
            "{:?} by {keyword}",
            String::from_utf8_lossy(&header)
        );
        seen[match expected {
            Shown::Nothing => 0,
            Shown::Given(_) => 1,
            Shown::Malformed(Fault::TokenMissing) => 2,
            Shown::Malformed(Fault::TokenSpaces) => 3,
            Shown::Malformed(_) => 4,
        }] += 1;
    }
    assert!(
        seen.iter().all(|count| *count > 500),
        "every row of the table is met: {seen:?}"
    );
}

#[test]
fn a_repeated_header_is_joined_and_opens_nothing() {
    let name = hyper::header::AUTHORIZATION;
    let read = |values: &[&'static str]| {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(&name, hyper::header::HeaderValue::from_static(value));
        }
        joined(&headers, &name).map(|line| String::from_utf8(line.into_owned()).unwrap())
    };
    assert_eq!(read(&[]), None);
    assert_eq!(read(&["Token a"]).as_deref(), Some("Token a"));
    assert_eq!(
        read(&["Token a", " Token b\t"]).as_deref(),
        Some("Token a,Token b")
    );
    assert_eq!(read(&["", "Token a"]).as_deref(), Some(",Token a"));
    assert_eq!(
        token(b"Token a,Token a", "Token"),
        Shown::Malformed(Fault::TokenSpaces)
    );
    assert_eq!(token(b",Token a", "Token"), Shown::Nothing);
}

fn login_of(header: &str) -> Result<(String, String), Option<Fault>> {
    match basic(&latin1(header)) {
        Shown::Nothing => Err(None),
        Shown::Malformed(fault) => Err(Some(fault)),
        Shown::Given(login) => Ok((login.username.clone(), login.password.expose().clone())),
    }
}

#[test]
fn basic_is_read_as_the_reference_site_reads_it() {
    let bob = || Ok(("bob".to_owned(), "bob-pass-2".to_owned()));
    for (header, expected) in [
        ("", Err(None)),
        ("Token x", Err(None)),
        ("Digest x", Err(None)),
        ("Basic,Ym9iOmJvYi1wYXNzLTI=", Err(None)),
        ("Basic", Err(Some(Fault::BasicMissing))),
        ("basic ", Err(Some(Fault::BasicMissing))),
        ("BASIC a b", Err(Some(Fault::BasicSpaces))),
        ("Basic Ym9i OmJvYi1wYXNzLTI=", Err(Some(Fault::BasicSpaces))),
        ("Basic a", Err(Some(Fault::BasicEncoding))),
        ("Basic ab", Err(Some(Fault::BasicEncoding))),
        ("Basic abc", Err(Some(Fault::BasicEncoding))),
        ("Basic abcd", Err(Some(Fault::BasicEncoding))),
        ("Basic ====", Err(Some(Fault::BasicEncoding))),
        ("Basic !!!!", Err(Some(Fault::BasicEncoding))),
        ("Basic \u{ff}", Err(Some(Fault::BasicEncoding))),
        ("Basic YWxpY2U=", Err(Some(Fault::BasicEncoding))),
        ("Basic Ym9iOmJvYi1wYXNzLTI", Err(Some(Fault::BasicEncoding))),
        ("Basic Ym9iOmJvYi1wYXNzLTI=", bob()),
        ("bAsIc\tYm9iOmJvYi1wYXNzLTI=", bob()),
        ("Basic Ym9iOmJvYi1wYXNzLTI==", bob()),
        ("Basic Ym9iOmJvYi1wYXNzLTI=AAAA", bob()),
        ("Basic Ym9i.OmJvYi1wYXNzLTI=", bob()),
        ("Basic \u{ff}Ym9iOmJvYi1wYXNzLTI=", bob()),
        ("Basic Og==", Ok((String::new(), String::new()))),
        (
            "Basic azpjb2xvbjpwYTpzczp3b3Jk",
            Ok(("k".to_owned(), "colon:pa:ss:word".to_owned())),
        ),
        // caf\xe9 is no UTF-8, so it is Latin-1; ż is UTF-8.
        (
            "Basic ay1sYXRpbjpjYWbpLWxhdGlu",
            Ok(("k-latin".to_owned(), "café-latin".to_owned())),
        ),
        ("Basic xbw6xbw=", Ok(("ż".to_owned(), "ż".to_owned()))),
    ] {
        assert_eq!(login_of(header), expected, "{header:?}");
    }
}

#[test]
fn base64_is_as_lenient_as_python() {
    let bytes = |hex: &str| -> Vec<u8> {
        let pairs = hex.as_bytes().chunks(2);
        pairs
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    };
    let text = |hex: &str| String::from_utf8(bytes(hex)).unwrap();
    let mut lines = 0;
    for line in include_str!("../../../tests/golden/basic.txt").lines() {
        let (word, read) = line.split_once(' ').unwrap();
        let shown = login(&bytes(word))
            .map(|login| (login.username.clone(), login.password.expose().clone()));
        let expected = read
            .split_once(':')
            .map(|(name, password)| (text(name), text(password)));
        assert_eq!(
            shown,
            expected,
            "{:?}",
            String::from_utf8_lossy(&bytes(word))
        );
        lines += 1;
    }
    assert_eq!(lines, 296);
}

#[test]
fn a_credential_is_shown_whole_or_not_at_all() {
    let bearer = Credential::parse(Secret::from("a-long-enough-secret")).unwrap();
    let basic = Credential::parse(Secret::from("gateway:a-long-enough-secret")).unwrap();
    assert_eq!(bearer.challenge(), "Bearer");
    for (credential, header, shown) in [
        (&bearer, "Bearer a-long-enough-secret", true),
        (&bearer, "bearer  a-long-enough-secret ", true),
        (&bearer, "Bearer a-long-enough-secre", false),
        (&bearer, "Bearer a-long-enough-secret2", false),
        (&bearer, "Bearer", false),
        (&bearer, "Token a-long-enough-secret", false),
        (&bearer, "", false),
        (
            &basic,
            "Basic Z2F0ZXdheTphLWxvbmctZW5vdWdoLXNlY3JldA==",
            true,
        ),
        (
            &basic,
            "Basic Z2F0ZXdheTphLWxvbmctZW5vdWdoLXNlY3JldB==",
            true,
        ),
        (
            &basic,
            "Basic Z2F0ZXdheTphLWxvbmctZW5vdWdoLXNlY3JldDI=",
            false,
        ),
        (&basic, "Bearer gateway:a-long-enough-secret", false),
    ] {
        assert_eq!(
            credential.is_shown(Some(header.as_bytes())),
            shown,
            "{header}"
        );
    }
    assert!(!bearer.is_shown(None));
    assert!(!format!("{bearer:?} {basic:?}").contains("long-enough"));
}
