//! Keys broken over lines: by a terminal, by mail (`=` at the end of a line), by a shell (`\`), with or without an indent.

use zeroize::Zeroizing;

use super::super::secret::Secret;
use super::bounds::{begins, ends, word_byte};
use super::plain::{may_go_on, run};
use super::window::{Found, KNOX_DIGITS, LONGEST_DRF, Window, hex_digit, is_hex, kind_of};
use super::{Context, Kind, Shape};

/// More pieces no wrapping makes, and a column of numbers would.
const MOST_PIECES: usize = 4;
/// A line in the middle of a key has at least so many characters of it.
const SHORTEST_MIDDLE: usize = 8;
const LONGEST_INDENT: usize = 64;

/// A line ends at the window's place.
pub(super) fn look(window: &Window<'_>, tell: &mut dyn FnMut(Found)) {
    let end = line_end(window, window.at);
    let from = end.saturating_sub(KNOX_DIGITS);
    let before = &window.bytes[from..end];
    let digits = before.iter().rev().take_while(|byte| hex_digit(**byte));
    join(window, end - digits.count(), Context::Bare, tell);
    let word = before.iter().rev().take_while(|byte| word_byte(**byte));
    let begin = end - word.count();
    if window.get(begin) == Some(b't') && may_go_on(&window.bytes[begin..end]) {
        join(window, begin, Context::Bare, tell);
    }
}

/// Tells of the keys that begin at `begin` and go on over the end of the line; true if there are any.
pub(super) fn join(
    window: &Window<'_>,
    begin: usize,
    context: Context,
    tell: &mut dyn FnMut(Found),
) -> bool {
    let first = run(window.rest(begin), word_byte);
    let mut text = Zeroizing::new(window.bytes[begin..begin + first].to_vec());
    if first == 0 || !begins(window, begin) || !may_go_on(&text) {
        return false;
    }
    let mut any = false;
    let mut at = begin + first;
    for piece in 2..=MOST_PIECES {
        let Some(next) = next_line(window, at) else {
            break;
        };
        let length = run(window.rest(next), word_byte);
        text.extend_from_slice(&window.bytes[next..next + length]);
        at = next + length;
        if length == 0 || text.len() > KNOX_DIGITS || !may_go_on(&text) {
            break;
        }
        any |= tell_if_whole(window, begin..at, &text, context, tell);
        if length < SHORTEST_MIDDLE || piece == MOST_PIECES {
            break;
        }
    }
    any
}

fn tell_if_whole(
    window: &Window<'_>,
    place: std::ops::Range<usize>,
    text: &[u8],
    context: Context,
    tell: &mut dyn FnMut(Found),
) -> bool {
    let shaped = match text.len() {
        LONGEST_DRF => true,
        KNOX_DIGITS => is_hex(text),
        _ => false,
    };
    if !shaped || !ends(window, place.end) {
        return false;
    }
    let Ok(key) = std::str::from_utf8(text).map(Secret::from) else {
        return false;
    };
    match kind_of(key.expose()) {
        None | Some(Kind::Other) => false,
        Some(kind) => {
            tell(window.found(place, kind, Shape::Whole, key, context));
            true
        }
    }
}

/// Where the text of a line ends whose `\n` is at `at`.
fn line_end(window: &Window<'_>, at: usize) -> usize {
    let line = &window.bytes[..at];
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let soft = line.strip_suffix(b"=").or_else(|| line.strip_suffix(b"\\"));
    soft.unwrap_or(line).len()
}

/// Where the text goes on if a line ends at `at`, soft or hard.
fn next_line(window: &Window<'_>, at: usize) -> Option<usize> {
    let rest = window.rest(at);
    let rest = match rest.first()? {
        b'=' | b'\\' => &rest[1..],
        _ => rest,
    };
    let line = rest
        .strip_prefix(b"\r")
        .unwrap_or(rest)
        .strip_prefix(b"\n")?;
    Some(window.bytes.len() - line.len() + indent(line))
}

/// How far a line is indented, or quoted.
pub(super) fn indent(line: &[u8]) -> usize {
    let indent = line.iter().take(LONGEST_INDENT);
    indent
        .take_while(|byte| matches!(byte, b' ' | b'\t' | b'>' | b'|'))
        .count()
}
