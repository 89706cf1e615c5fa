//! The parameters after all sources are laid over each other: connection string, then service, then environment.
//! Each remembers where it came from, so that an error can send its reader there.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::keys::{Handling, KEYS, Key};
use super::{Environment, Error, parse, service};
use crate::domain::secret::Secret;

/// Where a parameter was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// In the connection string.
    Text,
    /// In the service of this name.
    Service(String),
    /// In this environment variable.
    Variable(&'static str),
    /// In this password file.
    PasswordFile(std::path::PathBuf),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => f.write_str("the connection string"),
            Self::Service(name) => write!(f, "service \"{name}\""),
            Self::Variable(name) => f.write_str(name),
            Self::PasswordFile(file) => write!(f, "{}", file.display()),
        }
    }
}

/// All parameters that somebody gave.
#[derive(Debug)]
pub(super) struct Given(BTreeMap<&'static str, (Secret<String>, Origin)>);

impl Given {
    /// Lays the sources over each other as libpq does (`conninfo_add_defaults`). A value that is given but empty
    /// hides those below it and then counts as absent.
    pub(super) fn gather(text: &str, environment: &Environment) -> Result<Self, Error> {
        let mut given = Self(BTreeMap::new());
        for (key, value) in parse::parse(text)? {
            given.0.insert(key.name, (value, Origin::Text));
        }
        let service = given
            .get("service")
            .or_else(|| environment.get("PGSERVICE"))
            .map(str::to_owned);
        if let Some(name) = service.filter(|name| !name.is_empty()) {
            let file = given
                .get("servicefile")
                .or_else(|| environment.get("PGSERVICEFILE"));
            for (key, value) in service::load(&name, file, environment)? {
                given
                    .0
                    .entry(key.name)
                    .or_insert_with(|| (value, Origin::Service(name.clone())));
            }
        }
        for key in KEYS {
            let Some(variable) = key.variable else {
                continue;
            };
            if let Some(value) = environment.get(variable) {
                given
                    .0
                    .entry(key.name)
                    .or_insert_with(|| (Secret::from(value), Origin::Variable(variable)));
            }
        }
        KEYS.iter().try_for_each(|key| given.check(key))?;
        Ok(given)
    }

    fn check(&self, key: &Key) -> Result<(), Error> {
        let Some(value) = self.get(key.name) else {
            return Ok(());
        };
        let (fine, except) = match key.handling {
            Handling::Taken | Handling::Ignored => (true, String::new()),
            Handling::Refused => (false, String::new()),
            Handling::Only(only) => (value == only, format!(" or set it to {only}")),
            Handling::Except(bad) => (value != bad, format!(" or set it to anything but {bad}")),
        };
        if fine {
            Ok(())
        } else {
            Err(Error::Unsupported {
                key: key.name,
                origin: self.origin(key.name),
                except,
            })
        }
    }

    /// The value of `key`, if there is one that is not empty.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.0
            .get(key)
            .map(|(value, _)| value.expose().as_str())
            .filter(|value| !value.is_empty())
    }

    /// The value of `key` with the place it came from.
    pub(super) fn with_origin(&self, key: &str) -> Option<(Secret<String>, Origin)> {
        self.0
            .get(key)
            .filter(|(value, _)| !value.expose().is_empty())
            .cloned()
    }

    fn origin(&self, key: &str) -> String {
        self.0
            .get(key)
            .map(|(_, origin)| origin.to_string())
            .unwrap_or_default()
    }

    /// The error for a value that `key` does not allow.
    pub(super) fn bad(&self, key: &'static str, wanted: &'static str) -> Error {
        Error::BadValue {
            key,
            origin: self.origin(key),
            wanted,
        }
    }

    /// The value of `key` read as a `T`, which `wanted` describes.
    pub(super) fn parsed<T: FromStr>(
        &self,
        key: &'static str,
        wanted: &'static str,
    ) -> Result<Option<T>, Error> {
        self.get(key)
            .map(|value| value.trim().parse().map_err(|_| self.bad(key, wanted)))
            .transpose()
    }

    /// The value of `key` as the one of `choices` that it names.
    pub(super) fn choice<T: Copy>(
        &self,
        key: &'static str,
        wanted: &'static str,
        choices: &[(&str, T)],
    ) -> Result<Option<T>, Error> {
        self.get(key)
            .map(|value| {
                choices
                    .iter()
                    .find(|(name, _)| *name == value)
                    .map(|(_, choice)| *choice)
                    .ok_or_else(|| self.bad(key, wanted))
            })
            .transpose()
    }

    /// The comma-separated parts of `key`; none if it is absent.
    pub(super) fn list(&self, key: &str) -> Vec<&str> {
        self.get(key)
            .map(|value| value.split(',').map(str::trim).collect())
            .unwrap_or_default()
    }
}
