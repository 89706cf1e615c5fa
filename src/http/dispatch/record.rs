//! What the request log and the metrics may know of an answer: never a key, a password or a header.

use std::sync::Arc;

use super::super::auth::Fault;
use super::super::route::Answers;
use crate::domain::moment::Moment;
use crate::domain::principal::{Account, Denied};
use crate::domain::token::KeyStart;
use crate::ops::gate::Gate;

/// Why a request was answered as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// As asked.
    Done,
    /// No such path, or one that needs tables which are not there.
    NoRoute,
    /// Sent to the path with its slash.
    Redirected,
    /// `?format=` of something else than JSON, or a query beyond reading.
    Format,
    /// `Accept` leaves nothing.
    Accept,
    /// Nobody in particular asked.
    NoCredentials,
    /// An Authorization header that cannot be read.
    Malformed(Fault),
    /// Known credentials are not these.
    Denied(Denied),
    /// Too many requests of one address.
    Throttled,
    /// Too many failed logins by one user name.
    LoginsThrottled,
    /// Not a method of this path.
    Method,
    /// The body was not read to its end, or is not of a kind that is read.
    Body,
    /// The fields are not as they must be.
    Fields,
    /// Too many passwords wait to be checked.
    Busy,
    /// The database is away or may not be written to.
    Unavailable,
    /// Our fault.
    Failed,
}

impl Reason {
    /// A few words for the log.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Done => "",
            Self::NoRoute => "no such path",
            Self::Redirected => "slash missing",
            Self::Format => "format unknown",
            Self::Accept => "accepts no JSON",
            Self::NoCredentials => "no credentials",
            Self::Malformed(_) => "header malformed",
            Self::Denied(Denied::InvalidToken) => "no such key",
            Self::Denied(Denied::Inactive) => "user is off",
            Self::Denied(Denied::Credentials) => "wrong name or password",
            Self::Throttled => "too many requests",
            Self::LoginsThrottled => "too many failed logins",
            Self::Method => "method not allowed",
            Self::Body => "body not readable",
            Self::Fields => "fields not usable",
            Self::Busy => "too many logins at once",
            Self::Unavailable => "database away",
            Self::Failed => "internal error",
        }
    }
}

/// One answer, for the log.
#[derive(Clone, Debug)]
pub struct Record {
    /// What was asked; `None` where no route was reached.
    pub endpoint: Option<Answers>,
    /// Why it was answered so.
    pub reason: Reason,
    /// Who asked, if that is known. A name that failed to log in is not: people type passwords in its place.
    pub account: Option<Arc<Account>>,
    /// How the key began that was shown and refused.
    pub key: Option<KeyStart>,
    /// Whose key it was, where it is known to be a retired one.
    pub retired: Option<Arc<str>>,
    /// The key was replaced, and is taken until then.
    pub grace: Option<Moment>,
}

/// Shorter keys would be told in large part by their first eight characters.
const COVERABLE: usize = 32;

impl Record {
    pub(super) const fn of(endpoint: Option<Answers>, reason: Reason) -> Self {
        Self {
            endpoint,
            reason,
            account: None,
            key: None,
            retired: None,
            grace: None,
        }
    }

    pub(super) fn by(mut self, account: Option<&Arc<Account>>) -> Self {
        self.account = account.cloned();
        self
    }

    /// The key was replaced, and is taken until then.
    pub(super) const fn in_grace(mut self, until: Option<Moment>) -> Self {
        self.grace = until;
        self
    }

    /// The request showed `key` and was refused; `gate` may know whose it was. On the heap, for a request with a good
    /// key shall not carry the room for it.
    pub(super) async fn with_key(mut self, key: &str, gate: &Gate) -> Self {
        let coverable = key.chars().count() >= COVERABLE;
        self.key = coverable.then(|| KeyStart::of_key(key));
        if self.reason == Reason::Denied(Denied::InvalidToken) {
            self.retired = Box::pin(gate.retired(&key.into())).await;
        }
        self
    }
}
