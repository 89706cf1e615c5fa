//! Exit codes, and the one place where a failed operation becomes one. Every command ends in a [`Code`] or in a
//! [`Failure`], which [`super::output`] words.

use crate::config::{Problem, Problems};
use crate::db::private;
use crate::ops;

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Code {
    /// Done, or nothing to do.
    Done = 0,
    /// Refused or failed: no such user, changed meanwhile; `verify` knows none.
    Failed = 1,
    /// Usage or configuration.
    Usage = 2,
    /// The database is out of reach, or a right is missing.
    Unreachable = 3,
    /// Partly done; the report says which.
    Partly = 4,
    /// Read only, or `--yes` is missing.
    Refused = 5,
    /// Something live was found where it should not be.
    Found = 10,
    /// The terminal hung up.
    Hangup = 129,
    /// Ctrl-C.
    Interrupted = 130,
    /// Told to end.
    Terminated = 143,
}

impl From<Code> for std::process::ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code as u8)
    }
}

/// Why a command failed.
#[derive(Debug)]
pub enum Failure {
    /// In words for people.
    Said {
        /// The exit code.
        code: Code,
        /// A whole sentence: what was tried, on what, what to do next.
        message: String,
    },
    /// In Django's words, which scripts of `manage.py` may look for.
    Django(String),
    /// Nobody reads our output any more. That is no error of ours: `head` does it.
    ClosedPipe,
}

impl Failure {
    /// A failure in words.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self::Said {
            code,
            message: message.into(),
        }
    }

    /// Wrong arguments or configuration.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Code::Usage, message)
    }

    /// What is said.
    pub fn message(&self) -> &str {
        match self {
            Self::Said { message, .. } | Self::Django(message) => message,
            Self::ClosedPipe => "nobody reads any more",
        }
    }

    /// The exit code it stands for.
    pub const fn code(&self) -> Code {
        match self {
            Self::Said { code, .. } => *code,
            Self::Django(_) => Code::Failed,
            Self::ClosedPipe => Code::Done,
        }
    }
}

/// The exit code of a failed operation.
pub const fn code_of(error: &ops::Error) -> Code {
    match error {
        ops::Error::Invalid(_) => Code::Usage,
        ops::Error::NotFound(_)
        | ops::Error::Conflict(_)
        | ops::Error::Denied(_)
        | ops::Error::Internal(_) => Code::Failed,
        ops::Error::ReadOnly(_) => Code::Refused,
        ops::Error::MissingRight(_) | ops::Error::Unavailable(_) | ops::Error::Busy => {
            Code::Unreachable
        }
        ops::Error::Cancelled => Code::Interrupted,
    }
}

impl From<ops::Error> for Failure {
    fn from(error: ops::Error) -> Self {
        Self::new(code_of(&error), error.to_string())
    }
}

impl From<private::Error> for Failure {
    fn from(error: private::Error) -> Self {
        Self::new(Code::Unreachable, error.to_string())
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::usage(problem.to_string())
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        Self::usage(problems.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::principal::Denied;

    #[test]
    fn each_error_has_the_code_that_scripts_rely_on() {
        let said = String::new;
        for (error, code) in [
            (ops::Error::Invalid(said()), 2),
            (ops::Error::NotFound(said()), 1),
            (ops::Error::Conflict(said()), 1),
            (ops::Error::ReadOnly(said()), 5),
            (ops::Error::MissingRight(said()), 3),
            (ops::Error::Unavailable(said()), 3),
            (ops::Error::Denied(Denied::InvalidToken), 1),
            (ops::Error::Busy, 3),
            (ops::Error::Cancelled, 130),
            (ops::Error::Internal(said()), 1),
        ] {
            assert_eq!(code_of(&error) as u8, code, "{error:?}");
        }
    }
}
