//! Who did what to whom: the vocabulary of the audit.

pub mod chain;

use std::fmt;

use serde::{Deserialize, Serialize};

/// What was done. The words are those of the commands, the methods of `Ops` and the help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// A token was made for one user.
    Generate,
    /// A key was replaced.
    Regenerate,
    /// A token was deleted.
    Revoke,
    /// Tokens were made for many users.
    Backfill,
    /// A key was shown.
    Show,
    /// A key was sent to the clipboard or to a file.
    Copy,
    /// A user was made.
    UserCreate,
    /// A password was set.
    UserPassword,
    /// A user was switched on.
    UserOn,
    /// A user was switched off.
    UserOff,
    /// Our schema was made, changed or dropped.
    Migrate,
    /// A knox token was made for a user who gave his password.
    Login,
    /// A knox token was deleted by who held it.
    Logout,
    /// All knox tokens of a user were deleted by who held one of them.
    Logoutall,
    /// A command of the site's was run after a change.
    Hook,
    /// A key that was replaced or deleted was given back.
    Undo,
}

impl Verb {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Generate => "generate",
            Self::Regenerate => "regenerate",
            Self::Revoke => "revoke",
            Self::Backfill => "backfill",
            Self::Show => "show",
            Self::Copy => "copy",
            Self::UserCreate => "user create",
            Self::UserPassword => "user password",
            Self::UserOn => "user on",
            Self::UserOff => "user off",
            Self::Migrate => "migrate",
            Self::Login => "login",
            Self::Logout => "logout",
            Self::Logoutall => "logoutall",
            Self::Hook => "hook",
            Self::Undo => "undo",
        }
    }
}

impl Verb {
    /// Every verb, and its name where lines are kept.
    const NAMES: [(Self, &'static str); 16] = [
        (Self::Generate, "generate"),
        (Self::Regenerate, "regenerate"),
        (Self::Revoke, "revoke"),
        (Self::Backfill, "backfill"),
        (Self::Show, "show"),
        (Self::Copy, "copy"),
        (Self::UserCreate, "user_create"),
        (Self::UserPassword, "user_password"),
        (Self::UserOn, "user_on"),
        (Self::UserOff, "user_off"),
        (Self::Migrate, "migrate"),
        (Self::Login, "login"),
        (Self::Logout, "logout"),
        (Self::Logoutall, "logoutall"),
        (Self::Hook, "hook"),
        (Self::Undo, "undo"),
    ];

    /// Its name where lines are kept: one word.
    #[must_use]
    pub fn name(self) -> &'static str {
        let found = Self::NAMES.iter().find(|(verb, _)| *verb == self);
        found.map_or("", |(_, name)| name)
    }

    /// The verb of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let found = Self::NAMES.iter().find(|(_, known)| *known == name);
        found.map(|(verb, _)| *verb)
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The operating system's user.
    pub os_user: String,
    /// The machine.
    pub host: String,
    /// The name given by `TOKENWARD_OPERATOR`, for shared accounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.operator.as_ref().unwrap_or(&self.os_user);
        f.pad(&format!("{name}@{}", self.host))
    }
}

/// One line of the audit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its place in the chain; none before it has one, and in lines from before there was a chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<i64>,
    /// When, RFC 3339 in UTC.
    pub when: String,
    /// Who.
    #[serde(flatten)]
    pub actor: Actor,
    /// Which database, by the name in the header.
    pub database: String,
    /// What.
    pub what: Verb,
    /// Whom: a user's name; empty where no single user is meant.
    pub whom: String,
    /// First 8 characters of the key: of the old one where one was retired, else of the new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// In answer to which leak.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_leak: Option<i64>,
    /// `done`, or why not.
    pub result: String,
    /// The database's role that wrote the line, as the database itself says, whoever the line names; none in the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
}

impl Entry {
    /// What it was done for, as the column FOR says it.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        self.for_leak.map(|leak| format!("leak {leak}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_is_kept_by_the_name_that_json_has_for_it() {
        for (verb, name) in Verb::NAMES {
            assert_eq!(serde_json::to_value(verb).unwrap(), name);
            assert_eq!(Verb::named(verb.name()), Some(verb));
        }
        assert_eq!(Verb::named("expire"), None);
    }
}
