//! What is wrong with a body, and the answer that Django gives to it. The dispatcher sends it.

use thiserror::Error;

use crate::http::reply::json;

/// Why a body yields no credentials. Nothing of the body is in it, but for the first surrogate of a field.
#[derive(Debug, Error)]
pub enum BodyError {
    /// No parser of the view takes this `Content-Type`, here with each byte as the character of its number.
    #[error("media type {0:?} is not taken; send JSON or a form")]
    UnsupportedMediaType(String),
    /// The `charset` parameter names a codec that bodies are not decoded with.
    #[error("charset {0:?} is not taken; send UTF-8")]
    UnsupportedCharset(String),
    /// The body is no JSON.
    #[error("the body is no JSON: {0}")]
    Json(String),
    /// The body is no multipart form.
    #[error("the body is no multipart form: {0}")]
    Multipart(String),
    /// The JSON is no object but what Python calls this.
    #[error("the JSON is no object but of type {0}")]
    NoObject(&'static str),
    /// The JSON is `null`.
    #[error("the JSON is null")]
    NoData,
    /// Fields are missing or not to be used.
    #[error("username: {username:?}, password: {password:?}")]
    Fields {
        /// What is wrong with `username`.
        username: Vec<FieldError>,
        /// What is wrong with `password`.
        password: Vec<FieldError>,
    },
    /// More than Django reads of one body: bytes, fields or files (`DATA_UPLOAD_MAX_…`), or made to keep its parser busy.
    #[error("the body is larger, or has more parts, than any form of two fields")]
    Excessive,
}

/// What is wrong with one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldError {
    /// It is not there.
    Required,
    /// It is `null`.
    Null,
    /// It is empty.
    Blank,
    /// It is neither text nor number.
    Invalid,
    /// U+0000 is in it.
    NullCharacter,
    /// This surrogate stands in it without its other half.
    Surrogate(u16),
}

impl FieldError {
    fn words(self) -> String {
        match self {
            Self::Required => "This field is required.".to_owned(),
            Self::Null => "This field may not be null.".to_owned(),
            Self::Blank => "This field may not be blank.".to_owned(),
            Self::Invalid => "Not a valid string.".to_owned(),
            Self::NullCharacter => "Null characters are not allowed.".to_owned(),
            Self::Surrogate(unit) => format!("Surrogate characters are not allowed: U+{unit:X}."),
        }
    }
}

impl BodyError {
    /// The status of the answer: 415 or 400.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::UnsupportedMediaType(_) => 415,
            Self::UnsupportedCharset(_)
            | Self::Json(_)
            | Self::Multipart(_)
            | Self::NoObject(_)
            | Self::NoData
            | Self::Fields { .. }
            | Self::Excessive => 400,
        }
    }

    /// The JSON text of the answer, or none: for [`Self::Excessive`], which escapes REST framework, Django itself answers, with
    /// its HTML page for a bad request and without `Allow`.
    #[must_use]
    pub fn json(&self) -> Option<String> {
        let detail = |text: String| format!("{{\"detail\":{}}}", json::string(&text));
        let general = |text: String| format!("{{\"non_field_errors\":[{}]}}", json::string(&text));
        Some(match self {
            Self::UnsupportedMediaType(name) => {
                detail(format!("Unsupported media type \"{name}\" in request."))
            }
            Self::UnsupportedCharset(name) => detail(format!(
                "Unsupported charset \"{name}\" in request Content-Type header."
            )),
            Self::Json(text) => detail(format!("JSON parse error - {text}")),
            Self::Multipart(text) => detail(format!("Multipart form parse error - {text}")),
            Self::NoObject(name) => general(format!(
                "Invalid data. Expected a dictionary, but got {name}."
            )),
            Self::NoData => general("No data provided".to_owned()),
            Self::Fields { username, password } => {
                let fields = [("username", username), ("password", password)];
                let fields = fields
                    .into_iter()
                    .filter(|(_, errors)| !errors.is_empty())
                    .map(|(name, errors)| {
                        let words: Vec<_> = errors
                            .iter()
                            .map(|error| json::string(&error.words()))
                            .collect();
                        format!("\"{name}\":[{}]", words.join(","))
                    });
                format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
            }
            Self::Excessive => return None,
        })
    }
}
