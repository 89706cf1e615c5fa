//! What can go wrong in an operation, in terms of the product. Each face translates it once: to an exit code, a
//! notice, a status.

use thiserror::Error;

use crate::db;
use crate::domain::filter;
use crate::domain::principal::Denied;
use crate::domain::token::NoRandomness;
use crate::domain::user::InvalidUsername;
use crate::text;

/// A failed operation. The text is a whole sentence for people: what was tried, on what, what to do next.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Error {
    /// What was asked for cannot be.
    #[error("{0}")]
    Invalid(String),
    /// There is no such user, or no such token.
    #[error("{0}")]
    NotFound(String),
    /// Somebody else was faster: nothing was changed.
    #[error("{0}")]
    Conflict(String),
    /// This session may only read.
    #[error("{0}")]
    ReadOnly(String),
    /// The database's role lacks a right, or its tables are not what we work on.
    #[error("{0}")]
    MissingRight(String),
    /// The database is out of reach, or too busy to answer in time.
    #[error("{0}")]
    Unavailable(String),
    /// The caller is refused, whatever the database has to say.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The person cancelled it.
    #[error("cancelled")]
    Cancelled,
    /// Something that should not happen.
    #[error("{0}")]
    Internal(String),
}

impl Error {
    /// No user of this name, in words fit to print.
    pub(super) fn no_user(name: &str) -> Self {
        Self::NotFound(format!("no user {}", text::safe(name)))
    }

    /// The user has no token.
    pub(super) fn no_token(name: &str) -> Self {
        Self::NotFound(format!(
            "{} has no token; generate makes one",
            text::safe(name)
        ))
    }

    /// The answer to COMMIT did not come, or was no.
    pub(super) fn at_commit(error: db::Error, name: &str) -> Self {
        match error {
            db::Error::Unavailable(why) => Self::Unavailable(format!(
                "the connection broke while the change of {} was being committed ({}): whether it was made \
                 is not known; look at the user again",
                text::safe(name),
                text::safe(&why)
            )),
            // A deferred foreign key is checked at COMMIT: the user was deleted since he was seen.
            db::Error::Orphan(_) => Self::no_user(name),
            other => Self::from(other),
        }
    }

    /// The row is no longer what was shown.
    pub(super) fn changed(name: &str) -> Self {
        Self::Conflict(format!("{}: changed meanwhile", text::safe(name)))
    }
}

impl From<db::Error> for Error {
    fn from(error: db::Error) -> Self {
        let said = text::safe(&error.to_string()).into_owned();
        match error {
            db::Error::Unavailable(_) | db::Error::NoDatabase(_) => Self::Unavailable(said),
            db::Error::ReadOnly(_) => Self::ReadOnly(format!("READ ONLY: {said}")),
            db::Error::Right(_) | db::Error::Shape(_) => Self::MissingRight(said),
            db::Error::Locked(_) => Self::Unavailable(format!(
                "somebody else holds a lock on the table or the row ({said}); try again when it is gone"
            )),
            db::Error::Deadlock(_) => Self::Unavailable(format!(
                "somebody else changes the same rows at this moment ({said}); try again"
            )),
            db::Error::Slow(_) => Self::Unavailable(format!(
                "the database took too long ({said}); try again, or ask for less at a time"
            )),
            db::Error::Cancelled(_) => Self::Cancelled,
            db::Error::Duplicate(_) => Self::Conflict(said),
            db::Error::Orphan(_) => Self::NotFound(format!("the user is gone ({said})")),
            db::Error::Config(_) | db::Error::Value(_) => Self::Invalid(said),
            db::Error::Other(_) => Self::Internal(format!("the database refused: {said}")),
        }
    }
}

impl From<NoRandomness> for Error {
    fn from(error: NoRandomness) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<InvalidUsername> for Error {
    fn from(error: InvalidUsername) -> Self {
        Self::Invalid(error.to_string())
    }
}

impl From<filter::Invalid> for Error {
    fn from(error: filter::Invalid) -> Self {
        Self::Invalid(error.to_string())
    }
}
