//! An `application/x-www-form-urlencoded` body, read as Django's `QueryDict` reads it (`django/http/request.py`,
//! `urllib.parse.parse_qsl`). [`super::fields()`] calls it.

use zeroize::Zeroizing;

use super::charset::{Charset, latin1};
use super::fields::{Members, Text, Value};
use super::{error::BodyError, limits, python};

/// Reads the fields of a login; the last value of each counts.
pub(super) fn parse(body: &[u8], charset: &Charset) -> Result<Members, BodyError> {
    // Bytes that are not of the charset make Django read all of them as Latin-1. Percent-escapes are another matter.
    let text = charset
        .strict(body)
        .unwrap_or_else(|_| Zeroizing::new(latin1(body)));
    if text.matches('&').count() >= limits::FIELDS {
        return Err(BodyError::Excessive);
    }
    let mut members = Members::default();
    for field in text.split('&').filter(|field| !field.is_empty()) {
        let (name, value) = field.split_once('=').unwrap_or((field, ""));
        members.set(
            &decoded(name, charset),
            Value::Text(Text::from(decoded(value, charset))),
        );
    }
    Ok(members)
}

fn decoded(text: &str, charset: &Charset) -> Zeroizing<String> {
    python::unquote(&Zeroizing::new(text.replace('+', " ")), charset)
}
