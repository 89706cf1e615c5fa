//! From the bytes of a login to its credentials: media type, charset, parsing and checking of the two fields, as Django
//! REST framework's `ObtainAuthToken` does it. The dispatcher calls [`fields()`] for the obtain endpoints, and sends what a
//! [`BodyError`] says if there are none.
//!
//! Pure functions of bytes: nothing waits, nothing is logged, nothing can panic. Input is bounded as Django bounds it and by
//! whoever read the body; JSON is followed to a bounded depth. Passwords are wiped after use where they are ours.

mod charset;
mod error;
mod fields;
mod form;
mod json;
mod limits;
mod multipart;
mod params;
mod python;
#[cfg(test)]
mod tests;

pub use error::{BodyError, FieldError};

use crate::domain::secret::Secret;
use charset::{Charset, Named};
use fields::Members;
use params::Header;

/// What a login brings.
pub struct Credentials {
    /// The name, white space around it trimmed.
    pub username: String,
    /// The password as it was sent.
    pub password: Secret<String>,
}

/// Reads the credentials of a login from its `Content-Type`, if it has one, and its body.
///
/// # Errors
///
/// What keeps them from being read, in the order in which REST framework looks: type, charset, syntax, fields.
pub fn fields(content_type: Option<&[u8]>, body: &[u8]) -> Result<Credentials, BodyError> {
    if body.is_empty() {
        return Members::default().check();
    }
    // WSGI hands headers over as Latin-1 (PEP 3333).
    let content_type = charset::latin1(content_type.unwrap_or_default());
    let Some((parser, header)) = select(&content_type) else {
        return Err(BodyError::UnsupportedMediaType(content_type));
    };
    match parser {
        Parser::Form | Parser::Json if body.len() > limits::BYTES => {
            return Err(BodyError::Excessive);
        }
        Parser::Form | Parser::Json | Parser::Multipart => {}
    }
    let charset = charset_of(&header)?;
    match parser {
        Parser::Form => form::parse(body, &charset)?,
        Parser::Multipart => multipart::parse(&content_type, body, &charset)?,
        Parser::Json => {
            let text = charset
                .stream(body)
                .map_err(|undecodable| BodyError::Json(undecodable.reason))?;
            match json::parse(&text).map_err(|broken| BodyError::Json(broken.0))? {
                json::Document::Object(members) => members,
                json::Document::Null => return Err(BodyError::NoData),
                json::Document::Other(name) => return Err(BodyError::NoObject(name)),
            }
        }
    }
    .check()
}

/// The parsers of REST framework's view.
#[derive(Clone, Copy)]
enum Parser {
    Form,
    Multipart,
    Json,
}

/// The parsers in the view's order, with the type and subtype they stand for.
const PARSERS: [(Parser, &str, &str); 3] = [
    (Parser::Form, "application", "x-www-form-urlencoded"),
    (Parser::Multipart, "multipart", "form-data"),
    (Parser::Json, "application", "json"),
];

/// The longest type that REST framework looks at (`max_media_type_length` in `rest_framework/negotiation.py`).
const LONGEST_TYPE: usize = 256;

/// The first parser that takes the type; a `*` in it takes any (`rest_framework/utils/mediatypes.py`).
fn select(content_type: &str) -> Option<(Parser, Header)> {
    if content_type.chars().count() > LONGEST_TYPE {
        return None;
    }
    // One that cannot be read makes Django fail; it is none that we know.
    let header = Header::parse(content_type).ok()?;
    let (kind, subtype) = header.value.split_once('/').unwrap_or((&header.value, ""));
    let is = |sent: &str, ours: &str| sent == "*" || sent == ours;
    let found = PARSERS
        .into_iter()
        .find(|(_, ours, sub)| is(kind, ours) && is(subtype, sub));
    found.map(|(parser, ..)| (parser, header))
}

/// The charset that the type names, or UTF-8 (`get_encoding` in `rest_framework/parsers.py`).
fn charset_of(header: &Header) -> Result<Charset, BodyError> {
    let Some(name) = header.param("charset") else {
        return Ok(Charset::Utf8);
    };
    match Charset::named(name) {
        Named::Unknown => Ok(Charset::Utf8),
        Named::Known(charset) => Ok(charset),
        Named::Refused => Err(BodyError::UnsupportedCharset(name.to_owned())),
    }
}
