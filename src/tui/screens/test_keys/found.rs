//! What is meant by what a person typed or pasted: one key, of any shape by itself or in its header, or the only one in a
//! line of a log; or a text whose keys are to be listed.

use thiserror::Error;

use crate::domain::scan::{Context, Scanner, Shape};
use crate::domain::secret::Secret;
use crate::domain::token::{DrfKey, pasted_key};
use crate::ops::leak::Sightings;
use crate::tui::text::grouped;

/// A longer text is not looked at before it is read for good: a key press must not wait for it.
const AT_ONCE: usize = 64 * 1024;
/// No longer text is taken.
const LONGEST: usize = 64 * 1024 * 1024;
/// The length of a knox key, of which the test of one key knows nothing.
const KNOX: usize = 64;

/// What is meant.
#[derive(Debug)]
pub enum Meant {
    /// This key.
    Key(DrfKey),
    /// A text with several, or one that is too long to tell at once.
    Leak,
}

/// Why no key is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NoKey {
    /// There is nothing.
    #[error("There is no text.")]
    Nothing,
    /// There is text, but none of it looks like a key.
    #[error("No key in that: a key is one word, alone or in its Authorization header.")]
    None,
    /// There is more text than is taken.
    #[error(
        "That text has {} MB and at most {} are taken; Ctrl-o reads a file of any size.",
        grouped(.0.div_ceil(1024 * 1024)),
        LONGEST / 1024 / 1024
    )]
    TooLong(u64),
}

/// What `text` means.
pub fn meant(text: &str) -> Result<Meant, NoKey> {
    if text.len() > LONGEST {
        return Err(NoKey::TooLong(text.len() as u64));
    }
    if text.len() > AT_ONCE {
        return Ok(Meant::Leak);
    }
    if text.trim().is_empty() {
        return Err(NoKey::Nothing);
    }
    if let Some(key) = pasted_key(text) {
        return Ok(if is_knox(&key) {
            Meant::Leak
        } else {
            Meant::Key(key)
        });
    }
    let mut all = Sightings::default();
    let mut scanner = Scanner::new();
    let mut add = |candidate| {
        all.add(candidate);
    };
    scanner.feed(text.as_bytes(), &mut add);
    scanner.finish(&mut add);
    let all = all.into_vec();
    let (whole, cut): (Vec<_>, Vec<_>) = all
        .iter()
        .partition(|sighting| sighting.shape == Shape::Whole);
    // The scanner tells some texts both ways.
    let is_told_whole = |key: &Secret<String>| {
        let mut keys = whole.iter().map(|sighting| sighting.key.expose());
        keys.any(|whole| whole == key.expose())
    };
    let cut = cut
        .iter()
        .filter(|sighting| sighting.context != Context::Bare && !is_told_whole(&sighting.key))
        .count();
    match (whole.as_slice(), cut) {
        ([], 0) => Err(NoKey::None),
        ([one], 0) if !is_knox(&one.key) => Ok(Meant::Key(one.key.clone())),
        ([..], _) => Ok(Meant::Leak),
    }
}

/// The one key in a line that was typed.
pub fn one_key(line: &str) -> Result<DrfKey, NoKey> {
    if line.trim().is_empty() {
        return Err(NoKey::Nothing);
    }
    if let Some(key) = pasted_key(line) {
        return Ok(key);
    }
    match meant(line)? {
        Meant::Key(key) => Ok(key),
        Meant::Leak => Err(NoKey::None),
    }
}

fn is_knox(key: &DrfKey) -> bool {
    let key = key.expose();
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    key.len() == KNOX && key.bytes().all(hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b";
    const B: &str = "62b46a1599c62bcf9418ad846dd0e4bbdfc6ee4b";

    fn found(text: &str) -> Result<String, NoKey> {
        meant(text).map(|meant| match meant {
            Meant::Key(key) => key.expose().clone(),
            Meant::Leak => "a leak".to_owned(),
        })
    }

    #[test]
    fn a_key_is_found_alone_in_a_header_and_in_a_log() {
        for text in [
            A.to_owned(),
            format!("Authorization: Token {A}"),
            format!("10.2.0.7 \"GET /api\" 200 \"Authorization: Token {A}\" 4 ms\n"),
            format!("a line\n{A}\nand the same again {A}"),
        ] {
            assert_eq!(found(&text).as_deref(), Ok(A), "{text}");
        }
        assert_eq!(found("made-by-hand").as_deref(), Ok("made-by-hand"));
        let ours = "twd_0123456789abcdefghijABCDEFGHIJ000000";
        assert_eq!(found(&format!("key={ours} ok")).as_deref(), Ok(ours));
    }

    #[test]
    fn no_key_several_keys_and_too_much_text_are_told_apart() {
        assert_eq!(found(" \n"), Err(NoKey::Nothing));
        assert_eq!(found("just some words"), Err(NoKey::None));
        for leak in [
            format!("{A}\n{B}"),
            format!("{A} and Token 62b46a15…"),
            format!("{A}{}", &B[..24]),
            "word ".repeat(20_000),
        ] {
            assert_eq!(found(&leak).as_deref(), Ok("a leak"));
        }
        assert_eq!(found(&format!("x {A}0 y")), Err(NoKey::None), "too long");
        let long = "x".repeat(LONGEST + 1);
        let error = meant(&long).unwrap_err();
        assert_eq!(
            error.to_string(),
            "That text has 65 MB and at most 64 are taken; Ctrl-o reads a file of any size."
        );
    }
}
