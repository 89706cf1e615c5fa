//! Keys that somebody could guess: made by hand, cut from a pattern, or not quite what a program of ours or Django's made.
//! `doctor` asks; the database has picked out whatever might be one before ([`crate::db::doctor`]).

use std::collections::HashSet;
use std::fmt;

use super::token::{DrfKey, checksum_of};

/// Why a key is weak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weakness {
    /// Neither 40 lower-case hex digits nor of the checksummed format: a person made it, of so many characters.
    HandMade(usize),
    /// It begins as a key of the checksummed format, and its checksum is wrong.
    Checksum,
    /// It has the length, but only so many different characters. Of 40 random hex digits that is not to be expected once
    /// in a thousand million keys.
    FewCharacters(usize),
    /// Ten digits of it stand in a row as they are counted, up or down.
    Sequence,
    /// It is one piece, again and again.
    Repeats,
}

impl Weakness {
    /// Fewer different characters than this are too few.
    pub const FEWEST: usize = 8;
    /// So many digits in a row are a sequence.
    pub const RUN: usize = 10;
    /// As they are counted, twice, so that a run may go over the end.
    pub const COUNTED: &'static str = "0123456789abcdef0123456789abcdef";
}

impl fmt::Display for Weakness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HandMade(1) => f.write_str("made by hand, 1 character"),
            Self::HandMade(count) => write!(f, "made by hand, {count} characters"),
            Self::Checksum => f.write_str("made by hand, its checksum is wrong"),
            Self::FewCharacters(1) => f.write_str("1 character again and again"),
            Self::FewCharacters(count) => write!(f, "only {count} different characters"),
            Self::Sequence => f.write_str("digits in a row"),
            Self::Repeats => f.write_str("one piece again and again"),
        }
    }
}

/// What is weak in `key`, the worst first; `None` for one that looks random.
#[must_use]
pub fn weakness(key: &DrfKey) -> Option<Weakness> {
    let text = key.expose();
    match checksum_of(text) {
        Some(true) => return None,
        Some(false) => return Some(Weakness::Checksum),
        None => {}
    }
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if text.len() != 40 || !text.bytes().all(is_digit) {
        return Some(Weakness::HandMade(text.chars().count()));
    }
    let different = text.bytes().collect::<HashSet<u8>>().len();
    if different < Weakness::FEWEST {
        return Some(Weakness::FewCharacters(different));
    }
    if repeats(text) {
        return Some(Weakness::Repeats);
    }
    runs(text).then_some(Weakness::Sequence)
}

/// Whether it is one piece at least twice, the last one cut off perhaps.
fn repeats(text: &str) -> bool {
    let bytes = text.as_bytes();
    (1..=bytes.len() / 2).any(|piece| bytes[piece..] == bytes[..bytes.len() - piece])
}

fn runs(text: &str) -> bool {
    let down: String = Weakness::COUNTED.chars().rev().collect();
    text.as_bytes().windows(Weakness::RUN).any(|window| {
        std::str::from_utf8(window)
            .is_ok_and(|run| Weakness::COUNTED.contains(run) || down.contains(run))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::token::KeyFormat;

    fn of(text: &str) -> Option<Weakness> {
        weakness(&DrfKey::from(text))
    }

    #[test]
    fn what_a_person_made_is_weak() {
        assert_eq!(of("letmein"), Some(Weakness::HandMade(7)));
        assert_eq!(of(""), Some(Weakness::HandMade(0)));
        assert_eq!(
            of("9944B09199C62BCF9418AD846DD0E4BBDFC6EE4B"),
            Some(Weakness::HandMade(40))
        );
        assert_eq!(of(&"a".repeat(40)), Some(Weakness::FewCharacters(1)));
        assert_eq!(of(&"deadbeef".repeat(5)), Some(Weakness::FewCharacters(5)));
        assert_eq!(of(&"19c4f3e07a".repeat(4)), Some(Weakness::Repeats));
        assert_eq!(
            of("d0e4bbdfc6ee4b0123456789abc91cf2918ad846"),
            Some(Weakness::Sequence)
        );
        assert_eq!(
            of("d0e4bbdfc6ee4b76543210fedcc91cf2918ad846"),
            Some(Weakness::Sequence)
        );
        assert_eq!(
            of(&format!("twd_{}", "a".repeat(36))),
            Some(Weakness::Checksum)
        );
    }

    #[test]
    fn what_a_program_made_is_not() {
        assert_eq!(of("9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b"), None);
        for format in [KeyFormat::Drf, KeyFormat::Checksum] {
            for key in format.make_many(2_000).unwrap() {
                assert_eq!(of(&key), None);
            }
        }
    }
}
