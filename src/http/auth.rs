//! The Authorization header, byte for byte as REST framework and knox read it (`rest_framework.authentication`,
//! `knox.auth`). Nothing here asks a database: `dispatch` does, with what was shown.

use std::borrow::Cow;

use hyper::HeaderMap;
use hyper::header::HeaderName;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::base64;
use super::route::Credential;
use crate::domain::secret::Secret;

/// What a header of one scheme shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown<T> {
    /// No header, or one of another scheme: the caller is nobody in particular.
    Nothing,
    /// What to look up.
    Given(T),
    /// A header of the scheme that cannot be read.
    Malformed(Fault),
}

/// Why a header of the right scheme cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The keyword alone.
    TokenMissing,
    /// More than one word after the keyword.
    TokenSpaces,
    /// Not UTF-8.
    TokenCharacters,
    /// `Basic` alone.
    BasicMissing,
    /// More than one word after `Basic`.
    BasicSpaces,
    /// Not base64, or without a colon.
    BasicEncoding,
}

impl Fault {
    /// REST framework's sentence for it.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::TokenMissing => "Invalid token header. No credentials provided.",
            Self::TokenSpaces => "Invalid token header. Token string should not contain spaces.",
            Self::TokenCharacters => {
                "Invalid token header. Token string should not contain invalid characters."
            }
            Self::BasicMissing => "Invalid basic header. No credentials provided.",
            Self::BasicSpaces => {
                "Invalid basic header. Credentials string should not contain spaces."
            }
            Self::BasicEncoding => {
                "Invalid basic header. Credentials not correctly base64 encoded."
            }
        }
    }
}

/// A name and a password from a Basic header.
#[derive(Clone, Debug)]
pub struct Login {
    /// The name, as it came: it may hold anything.
    pub username: String,
    /// The password.
    pub password: Secret<String>,
}

/// The header `name`; one that is repeated is joined with commas, as WSGI servers do (RFC 9110, section 5.3). For
/// Authorization that makes a text which no scheme accepts, so none of the two is picked in silence.
#[must_use]
pub fn joined<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<Cow<'a, [u8]>> {
    let mut values = headers.get_all(name).iter();
    let first = trimmed(values.next()?.as_bytes());
    match values.next() {
        None => Some(Cow::Borrowed(first)),
        Some(second) => {
            let mut all = first.to_vec();
            for value in std::iter::once(second).chain(values) {
                all.push(b',');
                all.extend_from_slice(trimmed(value.as_bytes()));
            }
            Some(Cow::Owned(all))
        }
    }
}

fn trimmed(value: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = value
        .iter()
        .position(|byte| !blank(byte))
        .unwrap_or(value.len());
    let end = value
        .iter()
        .rposition(|byte| !blank(byte))
        .map_or(start, |at| at + 1);
    &value[start..end]
}

/// The words of a header: Python's `bytes.split()`.
fn words(header: &[u8]) -> impl Iterator<Item = &[u8]> {
    let blank = |byte: &u8| matches!(byte, b'\t'..=b'\r' | b' ');
    header.split(blank).filter(|word| !word.is_empty())
}

/// The one word behind the keyword.
fn one_word<'a>(header: &'a [u8], keyword: &str, missing: Fault, spaces: Fault) -> Shown<&'a [u8]> {
    let mut words = words(header);
    match words.next() {
        Some(scheme) if scheme.eq_ignore_ascii_case(keyword.as_bytes()) => {}
        Some(_) | None => return Shown::Nothing,
    }
    match (words.next(), words.next()) {
        (None, _) => Shown::Malformed(missing),
        (Some(_), Some(_)) => Shown::Malformed(spaces),
        (Some(word), None) => Shown::Given(word),
    }
}

/// The token in an Authorization header. Nothing is assumed of its shape; the text is borrowed, the caller wraps it.
///
/// knox itself fails with a 500 where the token is not UTF-8; it gets REST framework's sentence.
#[must_use]
pub fn token<'a>(header: &'a [u8], keyword: &str) -> Shown<&'a str> {
    match one_word(header, keyword, Fault::TokenMissing, Fault::TokenSpaces) {
        Shown::Nothing => Shown::Nothing,
        Shown::Malformed(fault) => Shown::Malformed(fault),
        Shown::Given(word) => match std::str::from_utf8(word) {
            Ok(token) => Shown::Given(token),
            Err(_) => Shown::Malformed(Fault::TokenCharacters),
        },
    }
}

/// The login in an Authorization header: `BasicAuthentication`.
#[must_use]
pub fn basic(header: &[u8]) -> Shown<Login> {
    match one_word(header, "Basic", Fault::BasicMissing, Fault::BasicSpaces) {
        Shown::Nothing => Shown::Nothing,
        Shown::Malformed(fault) => Shown::Malformed(fault),
        Shown::Given(word) => {
            login(word).map_or(Shown::Malformed(Fault::BasicEncoding), Shown::Given)
        }
    }
}

fn login(word: &[u8]) -> Option<Login> {
    let bytes = base64::decode(word)?;
    // UTF-8 if it is that, else Latin-1, in which every byte is a character.
    let text = Secret::new(match std::str::from_utf8(&bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().copied().map(char::from).collect(),
    });
    let (username, password) = text.expose().split_once(':')?;
    Some(Login {
        username: username.to_owned(),
        password: Secret::from(password),
    })
}

impl Credential {
    /// Whether `header` shows this credential. Digests are compared, in a time that tells nothing of where they differ
    /// or how long the secret is.
    #[must_use]
    pub fn is_shown(&self, header: Option<&[u8]>) -> bool {
        let header = header.unwrap_or_default();
        let same = |shown: &[u8], kept: &str| {
            bool::from(Sha256::digest(shown).ct_eq(&Sha256::digest(kept.as_bytes())))
        };
        match self {
            Self::Bearer(kept) => {
                matches!(token(header, "Bearer"), Shown::Given(shown) if same(shown.as_bytes(), kept.expose()))
            }
            Self::Basic(kept) => match basic(header) {
                Shown::Given(login) => {
                    let shown = format!("{}:{}", login.username, login.password.expose());
                    same(Secret::new(shown).expose().as_bytes(), kept.expose())
                }
                Shown::Nothing | Shown::Malformed(_) => false,
            },
        }
    }
}

#[cfg(test)]
mod tests;
