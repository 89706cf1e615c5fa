//! Reads what stands behind a word that announces a key, through the escapes of JSON, URLs and HTML, which often stand one
//! in the other.

use zeroize::Zeroizing;

use super::super::secret::Secret;
use super::window::Window;

/// One character as it is meant, and where the next begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unit {
    pub(super) byte: u8,
    pub(super) next: usize,
    /// Whether it was written as `%20` is.
    pub(super) percent: bool,
}

/// How a character is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// `%` is itself.
    Text,
    /// `%20` is a blank and belongs to the value.
    Url,
    /// The same, and what separates the values is written so too.
    UrlInUrl,
}

/// The character at `at`.
pub(super) fn unit(window: &Window<'_>, at: usize, reading: Reading) -> Option<Unit> {
    /// Text inside JSON inside JSON inside JSON doubles them each time.
    const MOST_BACKSLASHES: usize = 16;
    let byte = window.get(at)?;
    let plain = Unit {
        byte,
        next: at + 1,
        percent: false,
    };
    let read = match byte {
        b'\\' => {
            let rest = window.rest(at);
            let many = rest
                .iter()
                .take(MOST_BACKSLASHES)
                .take_while(|byte| **byte == b'\\')
                .count();
            backslash(&rest[many..]).map(|(byte, length)| Unit {
                byte,
                next: at + many + length,
                percent: false,
            })
        }
        b'%' if reading != Reading::Text => percent(window.rest(at)).map(|(byte, length)| Unit {
            byte,
            next: at + length,
            percent: true,
        }),
        b'&' => entity(window.rest(at)).map(|(byte, length)| Unit {
            byte,
            next: at + length,
            percent: false,
        }),
        _ => None,
    };
    Some(read.unwrap_or(plain))
}

/// What stands behind a backslash, and its length.
fn backslash(rest: &[u8]) -> Option<(u8, usize)> {
    match rest {
        [b'u', digits @ ..] if digits.len() >= 4 => {
            let code = std::str::from_utf8(&digits[..4]).ok()?;
            let code = u32::from_str_radix(code, 16).ok()?;
            Some((u8::try_from(code).ok().filter(u8::is_ascii)?, 5))
        }
        [b'n' | b'r', ..] => Some((b'\n', 1)),
        [b't', ..] => Some((b'\t', 1)),
        [b'\r', b'\n', ..] => Some((b'\n', 2)),
        [other, ..] if !other.is_ascii_alphanumeric() => Some((*other, 1)),
        _ => None,
    }
}

/// `%20`, also escaped again: `%2520`.
fn percent(rest: &[u8]) -> Option<(u8, usize)> {
    /// No proxy escapes more often.
    const MOST: usize = 4;
    let mut at = 1;
    for _ in 0..MOST {
        if rest.get(at..at + 2)? != b"25" {
            break;
        }
        at += 2;
    }
    let code = std::str::from_utf8(rest.get(at..at + 2)?).ok()?;
    let all_digits = code.bytes().all(|byte| byte.is_ascii_hexdigit());
    let byte = u8::from_str_radix(code, 16).ok().filter(|_| all_digits)?;
    Some((byte, at + 2))
}

fn entity(rest: &[u8]) -> Option<(u8, usize)> {
    const KNOWN: [(&[u8], u8); 6] = [
        (b"&quot;", b'"'),
        (b"&#34;", b'"'),
        (b"&#39;", b'\''),
        (b"&#x27;", b'\''),
        (b"&gt;", b'>'),
        (b"&nbsp;", b' '),
    ];
    let known = KNOWN.iter().find(|(name, _)| rest.starts_with(name))?;
    Some((known.1, known.0.len()))
}

/// What was read as a value.
#[derive(Debug)]
pub(super) struct Value {
    pub(super) text: Secret<String>,
    pub(super) begin: usize,
    pub(super) end: usize,
    pub(super) cut: bool,
}

/// Reads a value that begins at `begin`, behind the quote `quote` if there is one. `None` where there is no text, or more
/// of it than a key has.
pub(super) fn read(
    window: &Window<'_>,
    begin: usize,
    quote: Option<u8>,
    reading: Reading,
) -> Option<Value> {
    const MOST: usize = 320;
    let mut text = Zeroizing::new(Vec::new());
    let mut at = begin;
    let mut cut = false;
    while let Some(unit) = unit(window, at, reading) {
        cut = cuts(window.rest(at));
        if cut || stops(unit, quote, reading) {
            break;
        }
        text.push(unit.byte);
        at = unit.next;
        if text.len() > MOST {
            return None;
        }
    }
    if quote.is_none() && !cut {
        while let Some(b'.' | b':' | b'!' | b'?') = text.last() {
            text.pop();
            at -= 1;
        }
    }
    let text = std::str::from_utf8(&text)
        .ok()
        .filter(|text| !text.is_empty())?;
    Some(Value {
        text: Secret::from(text),
        begin,
        end: at,
        cut,
    })
}

fn cuts(rest: &[u8]) -> bool {
    let marks: [&[u8]; 4] = ["…".as_bytes(), b"...", b"***", b"\\u2026"];
    marks.iter().any(|mark| rest.starts_with(mark))
}

fn stops(unit: Unit, quote: Option<u8>, reading: Reading) -> bool {
    let byte = unit.byte;
    if byte.is_ascii_whitespace() || byte.is_ascii_control() {
        return true;
    }
    match quote {
        Some(quote) => byte == quote,
        None if unit.percent && reading == Reading::Url => matches!(byte, b'"' | b'\''),
        None => matches!(
            byte,
            b'"' | b'\'' | b'`' | b'<' | b'>' | b',' | b';' | b')' | b']' | b'}' | b'&' | b'|'
        ),
    }
}
