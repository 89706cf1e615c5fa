//! What is found in which text, and that neither the size of the buffer nor any bytes change or break it.

use std::fmt::Write;

use super::super::token::KeyFormat;
use super::*;

const A: &str = "9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b";
const B: &str = "62b46a1599c62bcf9418ad846dd0e4bbdfc6ee4b";
const KNOX: &str = "0bfbb1fd0123456789abcdef0123456789abcdef0123456789abcdef01234567";

type Told = (u64, Kind, Shape, String, Context, Range<u64>);

fn scan_with(capacity: usize, text: &[u8], step: usize) -> Vec<Told> {
    let mut told = Vec::new();
    let mut keep = |one: Candidate| {
        let key = one.key.expose().clone();
        told.push((one.line, one.kind, one.shape, key, one.context, one.place));
    };
    let mut scanner = Scanner::with_capacity(capacity);
    for chunk in text.chunks(step) {
        scanner.feed(chunk, &mut keep);
    }
    scanner.finish(&mut keep);
    told
}

/// What is found in `text`, which must not depend on where a buffer ends.
#[track_caller]
fn scan(text: &[u8]) -> Vec<Told> {
    let told = scan_with(Scanner::CAPACITY, text, usize::MAX);
    let tight = Window::BEHIND + Window::AHEAD;
    for (capacity, step) in [(tight + 1, 1), (tight + 700, 333)] {
        assert_eq!(scan_with(capacity, text, step), told, "{capacity}");
    }
    told
}

/// The lines and keys of what is whole and has a known shape.
#[track_caller]
fn keys(text: &str) -> Vec<(u64, String)> {
    let whole = scan(text.as_bytes())
        .into_iter()
        .filter(|one| one.2 == Shape::Whole && one.1 != Kind::Other);
    whole.map(|one| (one.0, one.3)).collect()
}

#[track_caller]
fn finds(text: &str, key: &str) {
    let told = scan(text.as_bytes());
    assert!(
        told.iter().any(|one| one.3 == key && one.2 == Shape::Whole),
        "{text:?}: {told:?}"
    );
}

#[test]
fn keys_of_known_shapes_are_found_with_their_lines() {
    let ours = KeyFormat::Checksum.make().unwrap();
    let text = format!("first\n{A} x\n\n({KNOX})\n  {}.", ours.expose());
    assert_eq!(
        keys(&text),
        [
            (2, A.to_owned()),
            (4, KNOX.to_owned()),
            (5, ours.expose().clone())
        ]
    );
    let told = scan(text.as_bytes());
    assert_eq!(told[2].1, Kind::Checksum(Checksum::Good));
    assert_eq!(told[0].5, 6..46);
    let wrong = format!("{}x", &ours.expose()[..39]);
    assert_eq!(scan(wrong.as_bytes())[0].1, Kind::Checksum(Checksum::Bad));
}

#[test]
fn part_of_something_longer_is_no_key() {
    for text in [
        format!("{A}0"),
        format!("0{A}"),
        format!("x{A}"),
        format!("{A}Z "),
        format!("{A}{B}"),
        A.to_uppercase(),
        KNOX[..63].to_owned() + " ",
        "a".repeat(5000),
        format!("{}{A}", "0".repeat(4000)),
        format!("twd_{}x", &A[..36]),
        format!("xtwd_{}", &A[..36]),
    ] {
        assert_eq!(keys(&text), [], "{text}");
    }
}

#[test]
fn a_key_stands_out_from_escapes_and_colours() {
    for before in [
        "=",
        "_",
        "…",
        "%3D",
        "%20",
        "%2520",
        "\\n",
        "\\t",
        "\\u0022",
        "\\u003d",
        "\\u003D",
        "\\x22",
        "\\b",
        "=3D",
        "=20",
        "\u{1b}[31m",
        "\u{1b}[01;31m\u{1b}[K",
        "\\033[0m",
        "/",
        "é",
    ] {
        for after in [
            "",
            " ",
            "%22",
            "\\n",
            "\u{1b}[0m",
            "_",
            "\"",
            "@host",
            "…more",
        ] {
            let text = format!("{before}{A}{after}");
            finds(&text, A);
            finds(&format!("a line\n{before}{KNOX}{after}"), KNOX);
        }
    }
}

#[test]
fn headers_and_fields_announce_any_text() {
    for text in [
        "Authorization: Token made-by-hand",
        "authorization:token made-by-hand\r\nHost: a",
        "curl -H 'Authorization: Token made-by-hand' http://h/",
        "curl -H \"Authorization: Token \\\n  made-by-hand\" http://h/",
        "Authorization: Token\r\n made-by-hand\r\n",
        "Authorization: Bearer made-by-hand.",
        "Authorization: made-by-hand\n",
        "Authorization: Api-Key made-by-hand\n",
        "{'Authorization': 'JWT made-by-hand'}",
        r#"{"name": "Authorization", "value": "Token made-by-hand"}"#,
        r#"{"name":"Authorization","value":"made-by-hand"}"#,
        r#"{"name": "token", "value": "made-by-hand"}"#,
        r#"{"token":"made-by-hand"}"#,
        r#"{"auth_token" : "made-by-hand", "x": 1}"#,
        r#"{"body":"{\"token\": \"made-by-hand\"}"}"#,
        r#"{"a":"{\"b\":\"{\\\"token\\\":\\\"made-by-hand\\\"}\"}"}"#,
        r#"{"h":"Authorization: Token\u0020made-by-hand"}"#,
        r#"{"\u0022token\u0022":\u0022made-by-hand\u0022}"#,
        r#"{"token":"\u006dade-by-hand"}"#,
        "GET /x?token=made-by-hand&b=1 HTTP/1.1",
        "GET /x?u=%2Fy%3Ftoken%3Dmade-by-hand%26b%3D1 HTTP/1.1",
        "h=Authorization%3A%20Token%20made-by-hand&x",
        "h=Authorization%3A+Token+made-by-hand&x",
        "h=Authorization%253A%2520Token%2520made-by-hand&x",
        "token: made-by-hand\n",
        "API_TOKEN=made-by-hand",
        "export TOKEN='made-by-hand'",
        "--token made-by-hand -v",
        "--auth-token=made-by-hand",
        "<token>made-by-hand</token>",
        "&quot;token&quot;: &quot;made-by-hand&quot;",
        "'token' => 'made-by-hand'",
        "Generated token made-by-hand for user user1",
        "Authorization: Basic dXNlcjptYWRlLWJ5LWhhbmQ=",
        "  token: bWFkZS1ieS1oYW5kCg==\n",
    ] {
        finds(text, "made-by-hand");
    }
    finds(r#"{"token":"made\/by\/hand"}"#, "made/by/hand");
    finds("?token=made%2Fby%2Fhand&x", "made/by/hand");
    finds("Token made%2Fby", "made%2Fby");
}

#[test]
fn words_that_only_look_like_an_announcement_are_left_alone() {
    for text in [
        "the tokens made-by-hand",
        "tokenize made-by-hand",
        "csrftoken=made-by-hand",
        "\"csrfmiddlewaretoken\": \"made-by-hand\"",
        "broken made-by-hand",
        "Authorization made-by-hand",
        "/api-token-auth/ made-by-hand",
    ] {
        assert_eq!(scan(text.as_bytes()), [], "{text}");
    }
    let long = format!("Token {}", "x".repeat(41));
    assert_eq!(scan(long.as_bytes()), []);
}

#[test]
fn one_key_is_told_once_with_what_announces_it() {
    let text = format!("Authorization: Token {A}\n{{\"token\":\"{B}\"}}\nBearer pre{KNOX}");
    let told = scan(text.as_bytes());
    let short: Vec<_> = told.iter().map(|one| (one.0, one.1, one.4)).collect();
    assert_eq!(
        short,
        [
            (1, Kind::Drf, Context::Header),
            (2, Kind::Drf, Context::Field),
            (3, Kind::Knox, Context::Header)
        ]
    );
}

#[test]
fn the_same_key_is_told_at_each_of_its_places() {
    let text = format!("{A}\n").repeat(10_000);
    let told = scan(text.as_bytes());
    assert_eq!(told.len(), 10_000);
    assert!(told.iter().zip(1..).all(|(one, line)| one.0 == line));
}

#[test]
fn wrapped_keys_are_put_together() {
    let ours = KeyFormat::Checksum.make().unwrap();
    for key in [A, KNOX, ours.expose()] {
        for at in [1, 3, 7, 20, 39] {
            let (one, two) = key.split_at(at);
            for wrap in [
                "\n", "\r\n", "=\n", "=\r\n", "\\\n", "\n    ", "\n\t> ", "\\\n  ",
            ] {
                let text = format!("a line\nkey {one}{wrap}{two} end");
                assert_eq!(keys(&text), [(2, key.to_owned())], "{text:?}");
            }
        }
        let text = format!(
            "Authorization: Token {}\n{}\n  {}\n",
            &key[..10],
            &key[10..25],
            &key[25..]
        );
        let told = scan(text.as_bytes());
        assert_eq!(
            (told[0].0, told[0].3.as_str(), told[0].4),
            (1, key, Context::Header),
            "{told:?}"
        );
        assert_eq!(told.len(), 1, "{told:?}");
    }
}

#[test]
fn lines_that_begin_and_end_in_digits_make_no_key() {
    for text in [
        format!("took 12\n{A}\n10.0.0.1"),
        format!("{A}\n{B}\n"),
        format!("ab{}\n{}", &A[..20], &A[20..]),
        format!("x {}\n{}", &A[..20], &A[..19]),
    ] {
        let all = keys(&text);
        assert!(all.iter().all(|(_, key)| key == A || key == B), "{all:?}");
    }
    assert_eq!(keys(&"9\n".repeat(200)), []);
}

#[test]
fn cut_keys_are_told_as_such() {
    let ours = KeyFormat::Checksum.make().unwrap();
    for (key, kind) in [
        (A, Kind::Drf),
        (ours.expose(), Kind::Checksum(Checksum::Unknown)),
    ] {
        for length in [8, 12, 39] {
            let part = &key[..length];
            for text in [
                format!("{part}…"),
                format!("key {part}... and"),
                format!("key={part}*** and"),
                format!("{{\"k\":\"{part}\\u2026\"}}"),
                format!("%3D{part}… "),
                format!("and then {part}"),
                format!("Token {part}…"),
                format!("Authorization: Token {part}***\n"),
            ] {
                let told = scan(text.as_bytes());
                let cut: Vec<_> = told.iter().filter(|one| one.2 == Shape::Cut).collect();
                assert_eq!(cut.len(), 1, "{text}: {told:?}");
                assert_eq!((cut[0].1, cut[0].3.as_str()), (kind, part), "{text}");
            }
        }
        for text in [
            format!("{}… ", &key[..7]),
            format!("{} ", &key[..20]),
            format!("x{}… ", &key[..20]),
        ] {
            assert_eq!(scan(text.as_bytes()), [], "{text}");
        }
    }
    let told = scan(format!("{}…", &KNOX[..50]).as_bytes());
    assert_eq!((told[0].1, told[0].2), (Kind::Knox, Shape::Cut));
    let told = scan(b"Token made-by-hand...");
    assert_eq!(
        (told[0].1, told[0].2, told[0].3.as_str()),
        (Kind::Other, Shape::Cut, "made-by-hand")
    );
    let told = scan(format!("Token {}\n", &A[..12]).as_bytes());
    let both: Vec<_> = told.iter().map(|one| (one.1, one.2)).collect();
    assert_eq!(both, [(Kind::Other, Shape::Whole), (Kind::Drf, Shape::Cut)]);
}

fn encoded(text: &str) -> String {
    use ::base64::Engine as _;
    ::base64::engine::general_purpose::STANDARD.encode(text)
}

#[test]
fn base64_is_looked_into() {
    let ours = KeyFormat::Checksum.make().unwrap();
    for key in [A, KNOX, ours.expose(), "made-by-hand"] {
        for before in ["", "a", "ab", "abc"] {
            let bare = format!(
                "{before}{}{key}\n",
                if before.is_empty() { "" } else { ":" }
            );
            let header = format!("{before} Authorization: Token {key}\r\nHost: h\r\n");
            let bearer = format!("{before}\nAuthorization: Bearer {key}");
            let field = format!("{before};TOKEN={key}\n");
            let json = format!("{before}{{\"token\":\"{key}\",\"n\":1}}");
            let clear = [bare, header, bearer, field, json];
            for clear in clear.iter().skip(usize::from(key == "made-by-hand")) {
                let blob = encoded(clear);
                finds(&blob, key);
                finds(&format!("data: {blob}\n"), key);
                finds(&format!("x/{blob}=="), key);
                finds(&blob.replace('+', "-").replace('/', "_"), key);
            }
        }
    }
}

#[test]
fn base64_over_many_lines_and_in_large_pieces_is_looked_into() {
    for filler in 0..90 {
        let clear = format!("{}\nkey={A}\n{}", "x".repeat(filler), "y".repeat(60));
        for wrap in ["\n", "\r\n", "\n    "] {
            let lines: Vec<String> = encoded(&clear)
                .as_bytes()
                .chunks(76)
                .map(|line| String::from_utf8_lossy(line).into_owned())
                .collect();
            finds(&format!("mail\n\n{}\n", lines.join(wrap)), A);
        }
    }
    let mut clear = String::new();
    for nth in 0..2_000 {
        writeln!(clear, "n{nth} {nth:040x} some words between").unwrap();
    }
    let told = scan(encoded(&clear).as_bytes());
    let found: Vec<_> = told.iter().map(|one| one.3.clone()).collect();
    let all: Vec<_> = (0..2_000).map(|nth| format!("{nth:040x}")).collect();
    assert_eq!(found, all);
}

/// A small generator, so that a failure comes again.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, most: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap() % most
    }
}

#[test]
fn plain_keys_are_those_that_a_regular_expression_finds() {
    let words = regex::Regex::new("[0-9A-Za-z]+").unwrap();
    let key = regex::Regex::new("^[0-9a-f]{40}$").unwrap();
    let mut dice = Dice(0x9944_b091);
    for _ in 0..60 {
        let mut text = String::new();
        while text.len() < 9_000 {
            match dice.below(6) {
                0 => text.push_str(&A[..dice.below(41)]),
                1 => write!(text, "{:016x}{:024x}", dice.next(), dice.next()).unwrap(),
                2 => text.push(char::from(b"gzGZ09af"[dice.below(8)])),
                3 => text.push_str([" ", ", ", "\" ", " - ", ":", "é"][dice.below(6)]),
                4 => write!(text, "{:x}", dice.next()).unwrap(),
                _ => text.push_str(" GET /items/ "),
            }
        }
        text.push(' ');
        let expected: Vec<(usize, &str)> = words
            .find_iter(&text)
            .filter(|word| key.is_match(word.as_str()))
            .map(|word| (word.start(), word.as_str()))
            .collect();
        let told = scan(text.as_bytes());
        let drf = told.iter().filter(|one| one.1 == Kind::Drf);
        let found: Vec<(usize, &str)> = drf
            .map(|one| (usize::try_from(one.5.start).unwrap(), one.3.as_str()))
            .collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn any_bytes_give_the_same_in_any_buffer() {
    let ours = KeyFormat::Checksum.make().unwrap();
    let blob = encoded(&format!("{{\"token\":\"{A}\"}} and Bearer made-by-hand"));
    let pieces: Vec<&[u8]> = vec![
        A.as_bytes(),
        KNOX.as_bytes(),
        ours.expose().as_bytes(),
        blob.as_bytes(),
        b"Token ",
        b"token=",
        b"\"token\":\"",
        b"Authorization: ",
        b"Basic ",
        b"\\",
        b"%",
        b"\\u00",
        b"=",
        b"\n",
        b"\r\n",
        b"  ",
        "…".as_bytes(),
        b"...",
        b"***",
        b"\x1b[",
        b"MNOY",
        b"twd_",
        b"\"",
    ];
    let mut dice = Dice(0x62b4_6a15);
    for _ in 0..60 {
        let mut text = Vec::new();
        while text.len() < 8_000 {
            let piece = pieces[dice.below(pieces.len())];
            match dice.below(5) {
                0 => text.extend_from_slice(&dice.next().to_le_bytes()),
                1 => text.extend_from_slice(&piece[..dice.below(piece.len() + 1)]),
                2 => text.extend(std::iter::repeat_n(piece[0], dice.below(200))),
                _ => text.extend_from_slice(piece),
            }
        }
        scan(&text);
    }
}

#[test]
fn inputs_made_to_be_slow_are_not() {
    let begun = std::time::Instant::now();
    for unit in [
        "a",
        "\n",
        "9\n",
        "=\n",
        "\\",
        "%25",
        ".",
        "…",
        "Token ",
        "token=\\\\\\\\",
        "b2tl",
        "TU5P",
        "MMMM",
        "twd_",
        "[",
        "Authorization: Basic ",
        "oken",
        "abcdefab...",
        "&quot;",
        "token=%25%25",
    ] {
        let text = unit.repeat(400_000 / unit.len());
        let mut count = 0;
        let mut scanner = Scanner::new();
        scanner.feed(text.as_bytes(), &mut |_| count += 1);
        scanner.finish(&mut |_| count += 1);
        let took = begun.elapsed().as_secs();
        assert!(
            took < 60,
            "{unit:?} with {count} candidates brought it to {took} s"
        );
    }
}

#[test]
fn a_scheme_is_known_in_any_case() {
    for scheme in [
        "Bearer", "bearer", "BEARER", "bEARER", "TOKEN", "tOKEN", "BeArEr", "ToKen",
    ] {
        let text = format!("Authorization: {scheme} made-by-hand\n");
        let told = scan(text.as_bytes());
        let keys: Vec<&str> = told.iter().map(|one| &*one.3).collect();
        assert_eq!(keys, ["made-by-hand"], "{scheme}");
    }
    // Where no header announces it, too: each letter large or small.
    for word in ["token", "bearer"] {
        for large in 0..1_u32 << word.len() {
            let letter = |(at, letter): (usize, char)| match large >> at & 1 {
                0 => letter,
                _ => letter.to_ascii_uppercase(),
            };
            let scheme: String = word.chars().enumerate().map(letter).collect();
            let told = scan(format!("curl with {scheme} made-by-hand\n").as_bytes());
            assert_eq!(told.len(), 1, "{scheme}");
            assert_eq!(
                (told[0].3.as_str(), told[0].4),
                ("made-by-hand", Context::Header)
            );
        }
    }
}
