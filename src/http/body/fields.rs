//! The two fields of a login, checked as REST framework's `AuthTokenSerializer` checks them (`CharField` in
//! `rest_framework/fields.py`). The parsers fill in [`Members`]; [`super::fields()`] asks for the verdict.

use zeroize::Zeroizing;

use super::error::{BodyError, FieldError};
use super::{Credentials, python};
use crate::domain::secret::Secret;

/// Text as Python has it, where a surrogate may stand alone.
pub(super) struct Text {
    /// The text; for a surrogate there is a U+FFFD.
    pub(super) text: Zeroizing<String>,
    /// The first surrogate.
    pub(super) surrogate: Option<u16>,
}

impl Text {
    /// The text, if no surrogate is in it.
    pub(super) fn whole(&self) -> Option<&str> {
        self.surrogate.is_none().then_some(self.text.as_str())
    }

    /// Appends a surrogate.
    pub(super) fn push_surrogate(&mut self, surrogate: u16) {
        self.surrogate.get_or_insert(surrogate);
        self.text.push(char::REPLACEMENT_CHARACTER);
    }
}

impl From<Zeroizing<String>> for Text {
    fn from(text: Zeroizing<String>) -> Self {
        Self {
            text,
            surrogate: None,
        }
    }
}

/// What a field was given.
pub(super) enum Value {
    Absent,
    Null,
    Text(Text),
    /// A number, as Python prints it.
    Int(String),
    Float(String),
    Bool,
    List,
    Object,
    /// An uploaded file, and whether its name is nothing but white space.
    File(FileName),
}

/// The name of an uploaded file, as far as it matters.
#[derive(Clone, Copy)]
pub(super) enum FileName {
    Blank,
    Visible,
}

impl Value {
    /// The name of its type in Python.
    pub(super) const fn python_type(&self) -> &'static str {
        match self {
            Self::Absent | Self::Null => "NoneType",
            Self::Text(_) => "str",
            Self::Int(_) => "int",
            Self::Float(_) => "float",
            Self::Bool => "bool",
            Self::List => "list",
            Self::Object => "dict",
            Self::File(_) => "InMemoryUploadedFile",
        }
    }
}

/// What the fields of a login were given.
pub(super) struct Members {
    username: Value,
    password: Value,
}

impl Default for Members {
    fn default() -> Self {
        Self {
            username: Value::Absent,
            password: Value::Absent,
        }
    }
}

/// Whether white space around a value counts.
#[derive(Clone, Copy)]
enum Space {
    Trimmed,
    Kept,
}

impl Members {
    /// Gives `value` to the field of that name, if it is one of a login; what it had before is forgotten.
    pub(super) fn set(&mut self, name: &str, value: Value) {
        match name {
            "username" => self.username = value,
            "password" => self.password = value,
            _ => {}
        }
    }

    /// The credentials, or all that is wrong with the fields.
    pub(super) fn check(self) -> Result<Credentials, BodyError> {
        match (
            text_of(self.username, Space::Trimmed),
            text_of(self.password, Space::Kept),
        ) {
            (Ok(username), Ok(mut password)) => Ok(Credentials {
                username: python::strip(&username).to_owned(),
                password: Secret::new(std::mem::take(&mut *password)),
            }),
            (username, password) => Err(BodyError::Fields {
                username: username.err().unwrap_or_default(),
                password: password.err().unwrap_or_default(),
            }),
        }
    }
}

/// The text of a field's value, before it is trimmed, or what is wrong with it.
fn text_of(value: Value, space: Space) -> Result<Zeroizing<String>, Vec<FieldError>> {
    let text = match value {
        Value::Absent => return Err(vec![FieldError::Required]),
        Value::Null => return Err(vec![FieldError::Null]),
        Value::Text(text) => text,
        Value::Int(digits) | Value::Float(digits) => Text::from(Zeroizing::new(digits)),
        Value::File(FileName::Blank) if matches!(space, Space::Trimmed) => {
            return Err(vec![FieldError::Blank]);
        }
        Value::Bool | Value::List | Value::Object | Value::File(_) => {
            return Err(vec![FieldError::Invalid]);
        }
    };
    let seen = match space {
        Space::Trimmed => python::strip(&text.text),
        Space::Kept => text.text.as_str(),
    };
    if seen.is_empty() {
        return Err(vec![FieldError::Blank]);
    }
    let nul = seen.contains('\0').then_some(FieldError::NullCharacter);
    let errors: Vec<_> = nul
        .into_iter()
        .chain(text.surrogate.map(FieldError::Surrogate))
        .collect();
    if errors.is_empty() {
        Ok(text.text)
    } else {
        Err(errors)
    }
}
