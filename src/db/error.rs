//! What can go wrong between us and Postgres, by what it means to the caller.

use diesel::result::{DatabaseErrorKind, Error as DieselError};
use thiserror::Error;

use super::connect;

/// A failed piece of work on a database.
#[derive(Clone, Debug, Error)]
pub enum Error {
    /// What the configuration says of the connection cannot be.
    #[error("{0}")]
    Config(String),
    /// The server cannot be reached, or the connection broke.
    #[error("{0}")]
    Unavailable(String),
    /// The server answers, and has no such database.
    #[error("{0}")]
    NoDatabase(String),
    /// The session, the server or the role's defaults allow no change.
    #[error("{0}")]
    ReadOnly(String),
    /// The role lacks a right.
    #[error("{0}")]
    Right(String),
    /// Somebody holds a lock that we need, longer than we wait.
    #[error("{0}")]
    Locked(String),
    /// Somebody else changed the same rows at the same time, and Postgres ended our transaction in his favour.
    #[error("{0}")]
    Deadlock(String),
    /// The statement took longer than its limit; the server gave it up.
    #[error("{0}")]
    Slow(String),
    /// Somebody asked the server to give the statement up.
    #[error("{0}")]
    Cancelled(String),
    /// A row that must be unique exists already.
    #[error("{0}")]
    Duplicate(String),
    /// A row that another one points to is gone.
    #[error("{0}")]
    Orphan(String),
    /// A value does not fit its column.
    #[error("{0}")]
    Value(String),
    /// The tables are not what we work on.
    #[error("{0}")]
    Shape(String),
    /// Anything else that Postgres said.
    #[error("{0}")]
    Other(String),
}

impl From<connect::Error> for Error {
    fn from(error: connect::Error) -> Self {
        let said = error.to_string();
        match error {
            connect::Error::Conninfo(_) | connect::Error::TlsFile { .. } => Self::Config(said),
            connect::Error::DatabaseMissing { .. } => Self::NoDatabase(said),
            connect::Error::Unreachable { .. }
            | connect::Error::AuthenticationFailed { .. }
            | connect::Error::NotAllowed { .. }
            | connect::Error::TlsRefused { .. }
            | connect::Error::TlsUntrusted { .. }
            | connect::Error::TlsFailed { .. }
            | connect::Error::WrongSessionKind { .. }
            | connect::Error::TooManyConnections { .. }
            | connect::Error::Refused { .. }
            | connect::Error::Pooled { .. }
            | connect::Error::Busy { .. }
            | connect::Error::Closed => Self::Unavailable(said),
        }
    }
}

impl From<DieselError> for Error {
    fn from(error: DieselError) -> Self {
        match error {
            DieselError::DatabaseError(kind, info) => {
                let message = info.message().to_owned();
                match kind {
                    DatabaseErrorKind::UniqueViolation => Self::Duplicate(message),
                    DatabaseErrorKind::ForeignKeyViolation => Self::Orphan(message),
                    // Where the role's default is a stricter isolation than Django's.
                    DatabaseErrorKind::SerializationFailure => Self::Deadlock(message),
                    DatabaseErrorKind::ReadOnlyTransaction => Self::ReadOnly(message),
                    DatabaseErrorKind::UnableToSendCommand
                    | DatabaseErrorKind::ClosedConnection => Self::Unavailable(message),
                    _ => by_words(message),
                }
            }
            // COMMIT failed, and so did the ROLLBACK after it: what the first said counts.
            DieselError::RollbackErrorOnCommit { commit_error, .. } => Self::from(*commit_error),
            DieselError::BrokenTransactionManager => {
                Self::Unavailable("the connection broke in the middle of a change".to_owned())
            }
            other => Self::Other(other.to_string()),
        }
    }
}

/// Diesel tells no SQLSTATE for these, so Postgres' own words must do. A server that speaks another language
/// gives [`Error::Other`]: less precise, never wrong.
fn by_words(message: String) -> Error {
    let says = |words: &str| message.contains(words);
    if says("prepared statement \"") {
        Error::Unavailable(format!("{message}; {}", connect::THROUGH_A_POOLER))
    } else if says("permission denied") || says("must be owner") {
        Error::Right(message)
    } else if says("deadlock detected") {
        Error::Deadlock(message)
    } else if says("lock timeout") {
        Error::Locked(message)
    } else if says("statement timeout") {
        Error::Slow(message)
    } else if says("canceling statement") {
        Error::Cancelled(message)
    } else if says("terminating connection") || says("shutting down") || says("starting up") {
        Error::Unavailable(message)
    } else if says("value too long") || says("invalid byte sequence") {
        Error::Value(message)
    } else {
        Error::Other(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pooler_that_mixes_up_sessions_is_named() {
        for said in [
            "prepared statement \"s3\" already exists",
            "prepared statement \"s0\" does not exist",
        ] {
            let error = by_words(said.to_owned());
            assert!(
                matches!(&error, Error::Unavailable(why) if why.contains("pool_mode=session")),
                "{error:?}"
            );
        }
    }
}
