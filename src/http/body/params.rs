//! A header like `Content-Type` with its parameters, read as `parse_header_parameters` of `django/utils/http.py` reads it,
//! which leaves the work to Python's `email.message`: quotes, backslashes, RFC 2231's charsets and continuations.
//! [`super`] asks for the body's own type, [`super::multipart`] for the headers of a part.

use std::collections::BTreeMap;

use super::charset::{Charset, Named};
use super::python;

/// A header's value, split.
pub(super) struct Header {
    /// What stands before the parameters, in lower case.
    pub(super) value: String,
    params: Vec<(String, String)>,
}

/// The header cannot be read; Django raises.
pub(super) struct Unreadable;

impl Header {
    /// Splits `line`.
    pub(super) fn parse(line: &str) -> Result<Self, Unreadable> {
        if !line.contains(';') {
            return Ok(Self {
                value: python::strip(line).to_lowercase(),
                params: Vec::new(),
            });
        }
        let mut all = split(line).into_iter();
        let value = all
            .next()
            .map(|(name, _)| name.to_lowercase())
            .unwrap_or_default();
        let params = decode(all)?;
        Ok(Self { value, params })
    }

    /// The parameter of that name in lower case; the last one if there are several.
    pub(super) fn param(&self, name: &str) -> Option<&str> {
        self.params
            .iter()
            .rev()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// `_parseparam` and `_get_params_preserve`: names in lower case, values as they stand, quotes kept.
fn split(line: &str) -> Vec<(String, String)> {
    let mut params = Vec::new();
    let mut rest = Some(line);
    while let Some(line) = rest {
        let end = end_of_param(line);
        let (param, tail) = end.map_or((line, None), |end| {
            (line.get(..end).unwrap_or_default(), line.get(end + 1..))
        });
        rest = tail;
        params.push(match param.split_once('=') {
            Some((name, value)) => (
                python::strip(name).to_lowercase(),
                python::strip(value).to_owned(),
            ),
            None => (python::strip(param).to_owned(), String::new()),
        });
    }
    params
}

/// The first semicolon that has an even number of quotes before it, those behind a backslash not counted.
fn end_of_param(line: &str) -> Option<usize> {
    let mut before = b' ';
    let mut is_quoted = false;
    line.bytes().position(|byte| {
        is_quoted ^= byte == b'"' && before != b'\\';
        before = byte;
        byte == b';' && !is_quoted
    })
}

/// A parameter whose name ends in `*`, `*0` or `*0*` (RFC 2231).
struct Segment {
    number: Option<Number>,
    value: String,
    encoded: bool,
}

/// The number of a continuation without leading zeros: compared by length, then by digits.
type Number = (usize, String);

/// `decode_params` and what Django does with its result.
fn decode(
    params: impl Iterator<Item = (String, String)>,
) -> Result<Vec<(String, String)>, Unreadable> {
    let mut decoded = Vec::new();
    let mut names = Vec::new();
    let mut segments = BTreeMap::<String, Vec<Segment>>::new();
    for (name, value) in params {
        let encoded = name.ends_with('*');
        let value = unquote(&value);
        match continuation(&name) {
            Some((name, number)) => {
                let segment = Segment {
                    number,
                    value,
                    encoded,
                };
                if !segments.contains_key(name) {
                    names.push(name.to_owned());
                }
                segments.entry(name.to_owned()).or_default().push(segment);
            }
            None => decoded.push((name, unquote(&format!("\"{}\"", quote(&value))))),
        }
    }
    for name in names {
        let value = join(segments.remove(&name).unwrap_or_default())?;
        decoded.push((name, value));
    }
    decoded.retain(|(name, _)| !name.is_empty());
    Ok(decoded)
}

/// The pattern `^(\w+)\*(([0-9]+)\*?)?$`: the name, and the number if there is one.
fn continuation(name: &str) -> Option<(&str, Option<Number>)> {
    let (base, rest) = name.split_once('*')?;
    if base.is_empty() || !base.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return None;
    }
    if rest.is_empty() {
        return Some((base, None));
    }
    let digits = rest.strip_suffix('*').unwrap_or(rest);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = digits.trim_start_matches('0');
    Some((base, Some((digits.len(), digits.to_owned()))))
}

/// Puts the segments of one parameter together and decodes them.
fn join(mut segments: Vec<Segment>) -> Result<String, Unreadable> {
    let numbered = segments
        .iter()
        .filter(|segment| segment.number.is_some())
        .count();
    if numbered != 0 && numbered != segments.len() {
        return Err(Unreadable);
    }
    segments
        .sort_by(|a, b| (&a.number, &a.value, a.encoded).cmp(&(&b.number, &b.value, b.encoded)));
    let encoded = segments.iter().any(|segment| segment.encoded);
    let value: String = segments
        .into_iter()
        .map(|Segment { value, encoded, .. }| {
            if encoded {
                python::unquote(&value, &Charset::Latin1).to_string()
            } else {
                value
            }
        })
        .collect();
    let value = quote(&value);
    if !encoded {
        return Ok(unquote(&format!("\"{value}\"")));
    }
    let mut parts = value.splitn(3, '\'');
    let (charset, text) = match (parts.next(), parts.next(), parts.next()) {
        (Some(charset), Some(_language), Some(text)) => (charset, text),
        (..) => ("us-ascii", value.as_str()),
    };
    let text = unquote(&format!("\"{text}\""));
    match Charset::named(charset) {
        Named::Known(charset) => Ok(charset.lossy(&raw_unicode_escape(&text)).to_string()),
        Named::Refused => Ok(unquote(&text)),
        Named::Unknown if charset.is_empty() => Ok(unquote(&text)),
        Named::Unknown => Err(Unreadable),
    }
}

/// `bytes(text, "raw-unicode-escape")`.
fn raw_unicode_escape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for char in text.chars().map(u32::from) {
        match u8::try_from(char) {
            Ok(byte) => bytes.push(byte),
            Err(_) if char <= 0xFFFF => bytes.extend(format!("\\u{char:04x}").into_bytes()),
            Err(_) => bytes.extend(format!("\\U{char:08x}").into_bytes()),
        }
    }
    bytes
}

/// `email.utils.unquote`.
fn unquote(text: &str) -> String {
    let inside = |open: char, close: char| text.strip_prefix(open)?.strip_suffix(close);
    if let Some(text) = inside('"', '"') {
        return text.replace("\\\\", "\\").replace("\\\"", "\"");
    }
    inside('<', '>').unwrap_or(text).to_owned()
}

/// `email.utils.quote`.
fn quote(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}
