//! Where a word begins and ends. Letters and digits around a run of hex digits make it part of something longer, unless
//! they belong to an escape: `%3D`, `\n`, `\u0022`, `=3D`, a colour of the terminal.

use super::window::Window;

/// Whether a word may begin at `at`.
pub(super) fn begins(window: &Window<'_>, at: usize) -> bool {
    let bytes = window.bytes;
    let back = |distance: usize| at.checked_sub(distance).map(|at| bytes[at]);
    let Some(last) = back(1) else { return true };
    if !last.is_ascii_alphanumeric() {
        return true;
    }
    let hex = |distance: usize| back(distance).is_some_and(|byte| byte.is_ascii_hexdigit());
    let two = hex(1) && hex(2);
    let escaped = match (back(2), back(3), back(4)) {
        (Some(b'\\'), ..) => matches!(last, b'n' | b'r' | b't' | b'b' | b'f' | b'v' | b'a' | b'e'),
        (_, Some(b'%'), _) | (_, Some(b'x'), Some(b'\\')) => two,
        // `%2520`
        (_, Some(b'5'), Some(b'2')) => two && back(5) == Some(b'%'),
        (_, Some(b'='), _) => two && quoted_printable(&bytes[at - 2..at]),
        _ => false,
    };
    escaped || unicode_escape(bytes, at) || terminal_code(bytes, at)
}

/// Whether a word may end before `at`.
pub(super) fn ends(window: &Window<'_>, at: usize) -> bool {
    window
        .get(at)
        .map_or(window.ended, |byte| !byte.is_ascii_alphanumeric())
}

/// A letter, a digit or `_`: what the keys of known shapes are made of.
pub(super) const fn word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Mail writes blanks, quotes, colons and equal signs so.
fn quoted_printable(code: &[u8]) -> bool {
    [b"20", b"3D", b"3A", b"22", b"27", b"09"]
        .iter()
        .any(|known| code.eq_ignore_ascii_case(*known))
}

/// `\u0022` before `at`.
fn unicode_escape(bytes: &[u8], at: usize) -> bool {
    at >= 6
        && bytes[at - 6..].starts_with(b"\\u")
        && bytes[at - 4..at].iter().all(u8::is_ascii_hexdigit)
}

/// `ESC [ 31 m` before `at`, the escape as a byte or written out.
fn terminal_code(bytes: &[u8], at: usize) -> bool {
    const LONGEST: usize = 16;
    let from = at.saturating_sub(LONGEST);
    let Some(bracket) = bytes[from..at].iter().rposition(|byte| *byte == b'[') else {
        return false;
    };
    let open = from + bracket;
    let (parameters, letter) = (&bytes[open + 1..at - 1], bytes[at - 1]);
    let escape = open.checked_sub(1).map(|before| bytes[before]);
    let introduced = escape == Some(0x1b) || matches!(letter, b'm' | b'K');
    introduced
        && letter.is_ascii_alphabetic()
        && parameters
            .iter()
            .all(|byte| matches!(byte, b'0'..=b'9' | b';' | b'?'))
}
