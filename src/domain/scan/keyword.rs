//! Keys announced by a word: `Token x`, `Bearer x`, `Authorization: x`, `token=x`, `"token": "x"`. Only here is any text a
//! candidate, since sites make keys by hand.

use super::anchors::{Word, base64_byte};
use super::base64::decode;
use super::bounds::begins;
use super::value::{Reading, Value, read, unit};
use super::window::{Found, Window, hex_digit, kind_of, kind_of_cut};
use super::{Context, Kind, Shape, wrapped};

/// A word that announces a key stands around the window's place.
pub(super) fn look(window: &Window<'_>, word: Word, tell: &mut dyn FnMut(Found)) {
    let (name, into): (&[u8], usize) = match word {
        Word::Token => (b"token", 2),
        Word::Bearer => (b"bearer", 0),
        Word::Authorization => (b"authorization", 3),
    };
    let Some(begin) = window.at.checked_sub(into) else {
        return;
    };
    let end = begin + name.len();
    let written = window.bytes.get(begin..end);
    let longer = window
        .get(end)
        .is_some_and(|byte| byte.is_ascii_alphanumeric());
    if !written.is_some_and(|text| text.eq_ignore_ascii_case(name)) || longer {
        return;
    }
    match (word, separator(window, end)) {
        (Word::Authorization, Some(start)) => header(window, start, tell),
        (Word::Authorization, None) => {}
        (Word::Token, Some(start)) => field(window, begin, start, tell),
        (Word::Token | Word::Bearer, _) => {
            if begins(window, begin)
                && let Some(start) = blanks(window, end)
            {
                told(window, value(window, start), Context::Header, tell);
            }
        }
    }
}

/// Where a value begins, and how it is written.
#[derive(Clone, Copy, Debug)]
struct Start {
    at: usize,
    quote: Option<u8>,
    reading: Reading,
}

/// What is between a name and its value: `": "`, `=`, `%3D`, `=>`, `</b>: `, or HAR's `","value":"`. `None` when it is not
/// a name with a value.
fn separator(window: &Window<'_>, end: usize) -> Option<Start> {
    const MOST: usize = 24;
    let mut at = end;
    let mut reading = Reading::Text;
    let mut seen = false;
    let mut after_comma = false;
    for _ in 0..MOST {
        let unit = unit(window, at, Reading::Url)?;
        let url = match (unit.percent, unit.byte) {
            (true, _) => Some(Reading::UrlInUrl),
            (false, b'=') if !seen => Some(Reading::Url),
            _ => None,
        };
        match unit.byte {
            b':' | b'=' | b'>' => seen = true,
            b',' if !seen && !after_comma => after_comma = true,
            b'v' if after_comma && window.rest(at).starts_with(b"value") => {
                at += b"value".len();
                after_comma = false;
                continue;
            }
            b'"' | b'\'' | b'`' | b'[' | b']' if !seen => {}
            b' ' | b'\t' => {}
            b'+' if seen && reading != Reading::Text => {}
            b'\n' if seen || after_comma => {}
            _ => break,
        }
        reading = url.unwrap_or(reading);
        at = unit.next;
    }
    // Mail writes `=` as `=3D`.
    if seen && window.bytes[..at].ends_with(b"=") && window.rest(at).starts_with(b"3D") {
        at += 2;
    }
    seen.then(|| open(window, at, reading))
}

/// The blanks between a scheme and its key. A header may be folded there, a command may go on in the next line.
fn blanks(window: &Window<'_>, end: usize) -> Option<Start> {
    const MOST: usize = 32;
    let mut at = end;
    let mut reading = Reading::Text;
    let mut any = false;
    for _ in 0..MOST {
        let unit = unit(window, at, Reading::Url)?;
        if !matches!(unit.byte, b' ' | b'\t' | b'+' | b'\n' | b'\r') || (any && unit.byte == b'+') {
            break;
        }
        if unit.percent || unit.byte == b'+' {
            reading = Reading::UrlInUrl;
        }
        // The end of a line alone separates nothing: the next must be indented, or this one end in a backslash.
        any |= unit.byte != b'\n' && unit.byte != b'\r';
        at = unit.next;
    }
    any.then(|| open(window, at, reading))
}

/// Over a quote, if the value has one.
fn open(window: &Window<'_>, at: usize, reading: Reading) -> Start {
    match unit(window, at, Reading::Url) {
        Some(unit) if matches!(unit.byte, b'"' | b'\'' | b'`' | b'<') => {
            let close = if unit.byte == b'<' { b'>' } else { unit.byte };
            Start {
                at: unit.next,
                quote: Some(close),
                reading,
            }
        }
        _ => Start {
            at,
            quote: None,
            reading,
        },
    }
}

fn value(window: &Window<'_>, start: Start) -> Option<Value> {
    read(window, start.at, start.quote, start.reading)
}

/// Behind `Authorization:`. `Token` and `Bearer` are looked at when it is their turn.
fn header(window: &Window<'_>, start: Start, tell: &mut dyn FnMut(Found)) {
    let Some(scheme) = value(window, start) else {
        return;
    };
    let word = scheme.text.expose();
    let mut known = ["token", "bearer"].iter();
    if known.any(|known| word.eq_ignore_ascii_case(known)) {
        return;
    }
    let named = word
        .bytes()
        .all(|byte| byte.is_ascii_alphabetic() || byte == b'-');
    let second = blanks(window, scheme.end).filter(|_| named && !scheme.cut);
    let Some(second) = second.and_then(|second| {
        value(
            window,
            Start {
                quote: start.quote,
                ..second
            },
        )
    }) else {
        return told(window, Some(scheme), Context::Header, tell);
    };
    if word.eq_ignore_ascii_case("basic") {
        return basic(window, &second, tell);
    }
    told(window, Some(second), Context::Header, tell);
}

/// A name and a password in base64; some clients give the key as either.
fn basic(window: &Window<'_>, value: &Value, tell: &mut dyn FnMut(Found)) {
    let Some(clear) = decoded(value) else { return };
    for part in clear.split(':') {
        if let Some(kind) = kind_of(part) {
            tell(window.found(
                value.begin..value.end,
                kind,
                Shape::Whole,
                part.into(),
                Context::Header,
            ));
        }
    }
}

fn decoded(value: &Value) -> Option<zeroize::Zeroizing<String>> {
    const SHORTEST: usize = 8;
    let chars = value.text.expose().trim_end_matches('=').as_bytes();
    if value.cut || chars.len() < SHORTEST || !chars.iter().copied().all(base64_byte) {
        return None;
    }
    let clear = decode(chars)?;
    let text = std::str::from_utf8(&clear).ok()?.trim_end();
    let printable = !text.chars().any(char::is_control);
    printable.then(|| zeroize::Zeroizing::new(text.to_owned()))
}

/// Behind `token=`, `"token": ` and the like.
fn field(window: &Window<'_>, begin: usize, start: Start, tell: &mut dyn FnMut(Found)) {
    const NAME: usize = 24;
    let before = &window.bytes[begin.saturating_sub(NAME)..begin];
    let name = before
        .iter()
        .rev()
        .take_while(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'-'));
    let name = &before[before.len() - name.count()..];
    // Django's other tokens: each visitor has one, and none is a key.
    if name
        .to_ascii_lowercase()
        .windows(4)
        .any(|part| part == b"csrf" || part == b"xsrf")
    {
        return;
    }
    let Some(value) = value(window, start) else {
        return;
    };
    let word = value.text.expose();
    if ["token", "bearer"]
        .iter()
        .any(|known| word.eq_ignore_ascii_case(known))
    {
        return;
    }
    // A secret of Kubernetes, a value in a dump.
    if let Some(clear) = decoded(&value)
        && let Some(kind) = kind_of(&clear)
    {
        tell(window.found(
            value.begin..value.end,
            kind,
            Shape::Whole,
            clear.as_str().into(),
            Context::Field,
        ));
    }
    told(window, Some(value), Context::Field, tell);
}

/// Tells of a value if it may be a key.
fn told(window: &Window<'_>, value: Option<Value>, context: Context, tell: &mut dyn FnMut(Found)) {
    let Some(value) = value else { return };
    let place = value.begin..value.end;
    let text = value.text.expose();
    let line_ends = matches!(
        window.rest(value.end),
        [] | [b'\n' | b'\r' | b'=' | b'\\', ..]
    );
    if line_ends && !value.cut && wrapped::join(window, value.begin, context, tell) {
        return;
    }
    if !value.cut
        && let Some(kind) = kind_of(text)
    {
        let key = value.text.clone();
        tell(window.found(place.clone(), kind, Shape::Whole, key, context));
        if kind != Kind::Other || !line_ends || !text.bytes().all(hex_digit) {
            return;
        }
    } else if !value.cut {
        return;
    }
    if let Some(kind) = kind_of_cut(text, context) {
        tell(window.found(place, kind, Shape::Cut, value.text.clone(), context));
    }
}
