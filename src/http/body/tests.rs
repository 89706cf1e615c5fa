//! Bodies against Django's own answers, and against bytes that nobody meant.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::*;

/// A login, and what Django answers: `tests/golden/bodies.py` wrote it.
struct Golden {
    content_type: Option<Vec<u8>>,
    body: Vec<u8>,
    status: u64,
    json: Option<String>,
}

fn golden() -> Vec<Golden> {
    let file: Value =
        serde_json::from_str(include_str!("../../../tests/golden/bodies.json")).unwrap();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    file["cases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|case| Golden {
            // Written as Latin-1, a character for a byte.
            content_type: text(&case["type"])
                .map(|kind| kind.chars().map(|c| u8::try_from(c).unwrap()).collect()),
            body: STANDARD.decode(case["body"].as_str().unwrap()).unwrap(),
            status: case["status"].as_u64().unwrap(),
            json: text(&case["json"]),
        })
        .collect()
}

/// The status and the JSON that the golden file's view would answer.
fn answer(content_type: Option<&[u8]>, body: &[u8]) -> (u64, Option<String>) {
    match fields(content_type, body) {
        Ok(Credentials { username, password }) => {
            let pair = [("username", &username), ("password", password.expose())];
            let pair = pair.map(|(name, value)| {
                format!("\"{name}\":{}", crate::http::reply::json::string(value))
            });
            (200, Some(format!("{{{}}}", pair.join(","))))
        }
        Err(error) => (u64::from(error.status()), error.json()),
    }
}

/// Leaves out what a parse error says: it is Python's, and only JSON's own part of it is followed word by word.
fn comparable(json: Option<String>) -> Option<String> {
    const ERROR: &str = "{\"detail\":\"JSON parse error - ";
    json.map(|json| {
        if json.starts_with(ERROR) {
            ERROR.to_owned()
        } else {
            json
        }
    })
}

#[test]
fn answers_are_those_of_django() {
    let mut wrong = String::new();
    let cases = golden();
    assert!(cases.len() > 1000);
    for Golden {
        content_type,
        body,
        status,
        json,
    } in cases
    {
        let (our_status, ours) = answer(content_type.as_deref(), &body);
        if (our_status, comparable(ours.clone())) != (status, comparable(json.clone())) {
            let kind = content_type.map(|kind| kind.escape_ascii().to_string());
            writeln!(
                wrong,
                "{kind:?} {}\n  Django {status} {json:?}\n  we     {our_status} {ours:?}",
                body.escape_ascii()
            )
            .unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn json_errors_are_in_the_words_of_python() {
    let text = |body: &str| {
        fields(Some(b"application/json"), body.as_bytes())
            .err()
            .and_then(|error| error.json())
    };
    for (body, words) in [
        (
            "{",
            "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
        ),
        ("[1,]", "Expecting value: line 1 column 4 (char 3)"),
        ("{}\n \u{e9}", "Extra data: line 2 column 2 (char 4)"),
        (
            "[\"\u{e9}\t\"]",
            "Invalid control character at: line 1 column 4 (char 3)",
        ),
        (
            "\"a",
            "Unterminated string starting at: line 1 column 1 (char 0)",
        ),
        (
            "[NaN]",
            "Out of range float values are not JSON compliant: 'NaN'",
        ),
    ] {
        assert_eq!(
            text(body),
            Some(format!("{{\"detail\":\"JSON parse error - {words}\"}}"))
        );
    }
    let bytes = fields(Some(b"application/json"), b"{\"a\": \"\xe9\"}")
        .err()
        .and_then(|error| error.json());
    let words = "'utf-8' codec can't decode byte 0xe9 in position 7: invalid continuation byte";
    assert_eq!(
        bytes,
        Some(format!("{{\"detail\":\"JSON parse error - {words}\"}}"))
    );
}

#[test]
fn more_than_django_reads_is_refused() {
    let excessive = |kind: &str, body: &[u8]| {
        matches!(
            fields(Some(kind.as_bytes()), body),
            Err(BodyError::Excessive)
        )
    };
    for (kind, head) in [
        (
            "application/json",
            "{\"username\": \"a\", \"password\": \"b\"}",
        ),
        ("application/x-www-form-urlencoded", "username=a&password=b"),
    ] {
        let body = head.to_owned() + &" ".repeat(limits::BYTES - head.len());
        assert!(
            fields(Some(kind.as_bytes()), body.as_bytes()).is_ok(),
            "{kind}"
        );
        assert!(excessive(kind, (body + " ").as_bytes()), "{kind}");
    }
    // The name of a field and two bytes more count.
    let part = |room: usize| {
        format!(
            "--X\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n{}\r\n--X--",
            "b".repeat(room)
        )
    };
    let kind = "multipart/form-data; boundary=X";
    assert!(!excessive(kind, part(limits::BYTES - 3).as_bytes()));
    assert!(excessive(kind, part(limits::BYTES - 2).as_bytes()));
}

#[test]
fn nesting_ends_in_an_answer_not_in_a_stack_overflow() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let nested =
            |depth: usize| format!("{{\"a\":{}1{}}}", open.repeat(depth), close.repeat(depth));
        let error = |depth: usize| {
            fields(Some(b"application/json"), nested(depth).as_bytes())
                .err()
                .unwrap()
        };
        assert!(matches!(error(900), BodyError::Fields { .. }));
        assert!(matches!(error(1_000), BodyError::Json(_)));
        assert!(matches!(error(200_000), BodyError::Json(_)));
    }
}

#[test]
fn floats_are_printed_as_python_prints_them() {
    for (text, printed) in [
        ("1.50", "1.5"),
        ("12345.0", "12345.0"),
        ("1e5", "100000.0"),
        ("1e16", "1e+16"),
        ("123456789012345680.0", "1.2345678901234568e+17"),
        ("0.0001", "0.0001"),
        ("0.00001", "1e-05"),
        ("-0.0", "-0.0"),
        ("1e400", "inf"),
        ("5e-324", "5e-324"),
        // As near to …62 as to …63.
        ("84665094935279.625", "84665094935279.62"),
    ] {
        assert_eq!(python::float(text.parse().unwrap()), printed);
    }
}

/// Numbers that are as good as random and the same in every run (xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(sides).unwrap()).unwrap()
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.roll(256)).unwrap()
    }

    /// Changes, cuts, doubles or inserts here and there.
    fn spoil(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.roll(4) {
            let at = self.roll(bytes.len() + 1);
            match self.roll(5) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, self.byte()),
                2 => bytes.extend_from_within(at..),
                3 => drop(bytes.drain(at..(at + self.roll(4)).min(bytes.len()))),
                _ => {
                    let byte = self.byte();
                    if let Some(spoiled) = bytes.get_mut(at) {
                        *spoiled = byte;
                    }
                }
            }
        }
    }
}

/// What holds for every body.
fn check(content_type: Option<&[u8]>, body: &[u8]) {
    match fields(content_type, body) {
        Ok(Credentials { username, password }) => {
            assert!(!username.is_empty() && username == python::strip(&username));
            assert!(!password.expose().is_empty());
            assert!(!username.contains('\0') && !password.expose().contains('\0'));
        }
        Err(error) => {
            let Some(json) = error.json() else {
                assert!(matches!(error, BodyError::Excessive));
                return;
            };
            let json: Value = serde_json::from_str(&json).unwrap();
            assert!(json.as_object().is_some_and(|object| !object.is_empty()));
        }
    }
}

#[test]
fn no_bytes_at_all_can_make_it_panic() {
    let mut dice = Dice(0x5EED);
    let cases = golden();
    for _ in 0..20_000 {
        let case = &cases[dice.roll(cases.len())];
        if case.body.len() > 10_000 {
            continue;
        }
        let (mut kind, mut body) = (case.content_type.clone(), case.body.clone());
        match dice.roll(4) {
            0 => {
                let kind = kind.get_or_insert_default();
                dice.spoil(kind);
            }
            1 => body = (0..dice.roll(200)).map(|_| dice.byte()).collect(),
            2 => kind.clone_from(&cases[dice.roll(cases.len())].content_type),
            _ => {}
        }
        dice.spoil(&mut body);
        check(kind.as_deref(), &body);
    }
}

#[test]
fn nothing_of_a_password_is_shown_by_what_is_shown() {
    let secret = "hunter2-hunter2";
    for body in [
        format!("{{\"username\": true, \"password\": \"{secret}\"}}"),
        format!("{{\"username\": \"a\", \"password\": \"{secret}\\ud800\"}}"),
        format!("{{\"username\": \"a\", \"password\": \"{secret}"),
        format!("{{\"username\": \"a\", \"password\": {secret}}}"),
    ] {
        let error = fields(Some(b"application/json"), body.as_bytes())
            .err()
            .unwrap();
        let shown = format!("{error} {error:?} {:?}", error.json());
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
