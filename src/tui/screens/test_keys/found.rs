//! Which key is meant by what a person typed or pasted: a key of any shape by itself or in its header, or the only
//! key of a known shape in a line of a log.

use std::collections::HashSet;

use thiserror::Error;

use crate::domain::secret::Secret;
use crate::domain::token::{DrfKey, checksum_of, pasted_key};
use crate::tui::text::grouped;

/// Why no key is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NoKey {
    /// There is nothing.
    #[error("There is no text.")]
    Nothing,
    /// There is text, but none of it looks like a key.
    #[error("No key in that: a key is one word, alone or in its Authorization header.")]
    None,
    /// There are several.
    #[error("One key at a time: that text has {}. Paste one of them.", grouped(*.0))]
    Several(u64),
}

/// The one key in `text`.
pub fn one_key(text: &str) -> Result<DrfKey, NoKey> {
    if text.trim().is_empty() {
        return Err(NoKey::Nothing);
    }
    if let Some(key) = pasted_key(text) {
        return Ok(key);
    }
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let keys: HashSet<&str> = words.filter(|word| looks_like_key(word)).collect();
    match (keys.len(), keys.into_iter().next()) {
        (_, None) => Err(NoKey::None),
        (1, Some(key)) => Ok(Secret::from(key)),
        (many, Some(_)) => Err(NoKey::Several(many as u64)),
    }
}

/// The shapes that keys have when nobody made them by hand: those of REST framework and our own.
fn looks_like_key(word: &str) -> bool {
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (word.len() == 40 && word.bytes().all(hex)) || checksum_of(word).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b";
    const B: &str = "62b46a1599c62bcf9418ad846dd0e4bbdfc6ee4b";

    fn found(text: &str) -> Result<String, NoKey> {
        one_key(text).map(|key| key.expose().clone())
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
    fn no_key_and_several_keys_are_told_apart() {
        assert_eq!(found(" \n"), Err(NoKey::Nothing));
        assert_eq!(found("just some words"), Err(NoKey::None));
        assert_eq!(found(&format!("{A}\n{B}")), Err(NoKey::Several(2)));
        let said = NoKey::Several(2).to_string();
        assert_eq!(
            said,
            "One key at a time: that text has 2. Paste one of them."
        );
        assert_eq!(found(&format!("x {A}0 y")), Err(NoKey::None), "too long");
    }
}
