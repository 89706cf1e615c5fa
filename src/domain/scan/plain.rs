//! Keys told by their shape alone: hex digits, our own checksummed shape, and the beginnings of both.

use super::super::secret::Secret;
use super::bounds::{begins, ends, word_byte};
use super::window::{
    Found, KNOX_DIGITS, LONGEST_DRF, Window, hex_digit, is_hex, kind_of, kind_of_cut,
};
use super::{Context, Kind, Shape};

/// A run of at least 40 hex digits begins at the window's place.
pub(super) fn hex(window: &Window<'_>, tell: &mut dyn FnMut(Found)) {
    let digits = run(window.rest(window.at), hex_digit);
    let end = window.at + digits;
    if !ends(window, end) {
        return;
    }
    // The run's first digits may belong to an escape: `\b`, `%20`, `\u003d`.
    for escaped in [0, 1, 2, 4] {
        let kind = match digits.saturating_sub(escaped) {
            LONGEST_DRF => Kind::Drf,
            KNOX_DIGITS => Kind::Knox,
            _ => continue,
        };
        let begin = window.at + escaped;
        if begins(window, begin) {
            if let Some(key) = text(&window.bytes[begin..end]) {
                tell(window.found(begin..end, kind, Shape::Whole, key, Context::Bare));
            }
            return;
        }
    }
}

/// `twd_` stands at the window's place.
pub(super) fn checksummed(window: &Window<'_>, tell: &mut dyn FnMut(Found)) {
    let begin = window.at;
    let random = run(window.rest(begin + 4), |byte| byte.is_ascii_alphanumeric());
    let end = begin + 4 + random;
    if random != LONGEST_DRF - 4 || !begins(window, begin) || !ends(window, end) {
        return;
    }
    if let Some(key) = text(&window.bytes[begin..end])
        && let Some(kind) = kind_of(key.expose())
    {
        tell(window.found(begin..end, kind, Shape::Whole, key, Context::Bare));
    }
}

/// Something that cuts words off stands at the window's place, or the text ends there.
pub(super) fn cut(window: &Window<'_>, tell: &mut dyn FnMut(Found)) {
    let end = window.at;
    let before = &window.bytes[end.saturating_sub(KNOX_DIGITS + 4)..end];
    let chars = before
        .iter()
        .rev()
        .take_while(|byte| word_byte(**byte))
        .count();
    let word = &before[before.len() - chars..];
    let digits = word
        .iter()
        .rev()
        .take_while(|byte| hex_digit(**byte))
        .count();
    let ours = memchr::memmem::rfind(word, b"twd_").map(|at| word.len() - at);
    let lengths = [
        ours,
        Some(digits),
        digits.checked_sub(1),
        digits.checked_sub(2),
        digits.checked_sub(4),
    ];
    for chars in lengths.into_iter().flatten() {
        let begin = end - chars;
        if chars < Shape::SHORTEST_CUT || !begins(window, begin) {
            continue;
        }
        if let Some(key) = text(&window.bytes[begin..end])
            && let Some(kind) = kind_of_cut(key.expose(), Context::Bare)
        {
            tell(window.found(begin..end, kind, Shape::Cut, key, Context::Bare));
            return;
        }
    }
}

/// How many bytes at the beginning are of one sort; not more than tell a key from something longer.
pub(super) fn run(bytes: &[u8], sort: impl Fn(u8) -> bool) -> usize {
    const ENOUGH: usize = KNOX_DIGITS + 8;
    let near = &bytes[..bytes.len().min(ENOUGH)];
    near.iter().take_while(|byte| sort(**byte)).count()
}

/// The bytes as a secret text.
pub(super) fn text(bytes: &[u8]) -> Option<Secret<String>> {
    std::str::from_utf8(bytes).ok().map(Secret::from)
}

/// Whether a word might go on as a key of known shape: all hex digits, or a beginning of ours.
pub(super) fn may_go_on(word: &[u8]) -> bool {
    is_hex(word) || b"twd_".starts_with(word) || word.starts_with(b"twd_")
}
