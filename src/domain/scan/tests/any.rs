//! Any text at all: found are the keys that a slow and plain way finds, in any buffer, and in bounded time.

use super::*;

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
