//! Keys by their shape alone: whole and cut, and what only looks like one.

use super::*;

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
