//! The operations, written once: the console, the command line and the tests ask for them here and show the
//! answer. A change is one transaction, holds only while the row is what was shown, and leaves one audit line.

pub mod audit;
pub mod backfill;
pub mod demo;
pub mod doctor;
mod error;
pub mod gate;
pub mod grace;
pub mod hashing;
pub mod hooks;
mod known;
pub mod knox;
pub mod leak;
pub mod migrate;
pub mod obtain;
pub mod progress;
mod tokens;
mod undo;
pub mod users;
pub mod verify;
mod work;

use std::sync::{Arc, Mutex, Once, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

pub use crate::db::users::{Count, Counts, Reach, UsersQuery};
pub use audit::{AuditCheck, AuditLog, AuditQuery};
pub use backfill::{Audience, BackfillPlan, BackfillReport};
pub use error::Error;
pub use hashing::Hashing;
pub use knox::KnoxIssued;
pub use obtain::Obtained;
pub use progress::{Control, Handle, Progress, control};
pub use tokens::{Changed, ManyReport, RowResult};
pub use undo::UNDO_TIME;
pub use users::UserDetail;
pub use verify::{Answer, Verdict};

use hooks::Hooks;
use known::Known;

use crate::db::{self, Db, Stop};
use crate::domain::audit::{Actor, Verb};
use crate::domain::moment::Moment;
use crate::domain::token::{CoveredKey, Issued, KeyFormat};
use crate::domain::user::{UserId, UserRow};

/// What the header tells of the database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlaceInfo {
    /// The profile's name; `private` or `demo`; else the database's own name.
    pub name: String,
    /// Role and host, as in `app@db1.internal`; empty for the private database.
    pub target: String,
    /// Changes must be confirmed by typing the name.
    pub protected: bool,
    /// The profile's colour.
    pub color: Option<String>,
    /// This session may only read.
    pub read_only: bool,
}

/// The handle that all faces hold; cheap to clone.
#[derive(Clone, Debug)]
pub struct Ops {
    inner: Arc<Inner>,
    cancel: CancellationToken,
    /// In answer to which leak changes are made.
    leak: Option<i64>,
    /// Until when our listener takes a key that they retire.
    grace: Option<Moment>,
    /// What is run after changes.
    hooks: Option<Hooks>,
    /// The last key that was replaced or deleted, where it can be given back.
    memory: Option<undo::Memory>,
}

#[derive(Debug)]
struct Inner {
    db: Db,
    place: PlaceInfo,
    actor: Actor,
    audit: AuditLog,
    format: KeyFormat,
    /// Held by whoever deletes tokens of knox that have expired.
    cleaning: tokio::sync::Mutex<()>,
    /// What the log is told once and not at every request.
    told: Told,
    /// What a gate on these operations remembers of keys; there is none while nothing listens.
    known: Mutex<Weak<Known>>,
}

/// What the role may not do though Django would, by the way, at a request that succeeds without it.
#[derive(Debug)]
struct Told {
    /// Writing a password anew.
    upgrade: Once,
    /// Noting a login.
    last_login: Once,
    /// Deleting tokens of knox that have expired.
    expired: Once,
}

impl Told {
    const fn nothing() -> Self {
        Self {
            upgrade: Once::new(),
            last_login: Once::new(),
            expired: Once::new(),
        }
    }
}

/// A user as somebody saw him: the thing that a change aims at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aim {
    /// His id.
    pub id: UserId,
    /// His name, for messages.
    pub username: String,
    /// The key that was seen, if there was one. A change holds only while it is still this one.
    pub seen: Option<CoveredKey>,
}

impl From<&UserRow> for Aim {
    fn from(row: &UserRow) -> Self {
        Self {
            id: row.user.id,
            username: row.user.username.clone(),
            seen: row.token.as_ref().map(|token| token.key.clone()),
        }
    }
}

impl From<&Issued> for Aim {
    fn from(issued: &Issued) -> Self {
        Self {
            id: issued.user_id,
            username: issued.username.clone(),
            seen: Some(CoveredKey::of(&issued.key)),
        }
    }
}

/// Whether a change is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Made, and written to the audit.
    #[default]
    Apply,
    /// Made in a transaction that is rolled back: everything is tried, nothing stays.
    DryRun,
}

/// Why a key is revealed; both are audited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To be seen.
    Show,
    /// To be sent to the clipboard or a file.
    Copy,
}

impl Purpose {
    /// The word for it in the audit.
    const fn verb(self) -> Verb {
        match self {
            Self::Show => Verb::Show,
            Self::Copy => Verb::Copy,
        }
    }
}

/// What can be changed, for asking whether it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// A token made where there is none.
    Generate,
    /// A key replaced.
    Regenerate,
    /// A token deleted.
    Revoke,
    /// A user made.
    UserCreate,
    /// A password set.
    UserPassword,
    /// A user switched on.
    UserOn,
    /// A user switched off.
    UserOff,
}

impl Change {
    /// The word for it in the audit.
    #[must_use]
    pub const fn verb(self) -> Verb {
        match self {
            Self::Generate => Verb::Generate,
            Self::Regenerate => Verb::Regenerate,
            Self::Revoke => Verb::Revoke,
            Self::UserCreate => Verb::UserCreate,
            Self::UserPassword => Verb::UserPassword,
            Self::UserOn => Verb::UserOn,
            Self::UserOff => Verb::UserOff,
        }
    }
}

impl Ops {
    /// Operations on `db`.
    #[must_use]
    pub fn new(
        db: Db,
        mut place: PlaceInfo,
        actor: Actor,
        audit: AuditLog,
        format: KeyFormat,
    ) -> Self {
        place.read_only = db.shape().access.read_only;
        let inner = Inner {
            db,
            place,
            actor,
            audit,
            format,
            cleaning: tokio::sync::Mutex::new(()),
            told: Told::nothing(),
            known: Mutex::default(),
        };
        Self {
            inner: Arc::new(inner),
            cancel: CancellationToken::new(),
            leak: None,
            grace: None,
            hooks: None,
            memory: None,
        }
    }

    /// What the header tells of the database.
    #[must_use]
    pub fn place(&self) -> &PlaceInfo {
        &self.inner.place
    }

    /// The user table's name, for messages.
    #[must_use]
    pub fn user_table(&self) -> String {
        self.db().shape().site.user_table.replace('"', "")
    }

    /// The same operations, but what they read is given up, on the server too, when `token` fires.
    #[must_use]
    pub fn cancellable(&self, token: CancellationToken) -> Self {
        Self {
            cancel: token,
            ..self.clone()
        }
    }

    /// Asks the database for nothing, and tells how long that took.
    ///
    /// # Errors
    /// When it is out of reach.
    pub async fn ping(&self) -> Result<Duration, Error> {
        let start = Instant::now();
        let mut conn = self.db().conn().await?;
        let stop = Stop::of(&conn);
        self.db()
            .obey(&self.cancel, stop, db::ping(&mut conn))
            .await?;
        Ok(start.elapsed())
    }

    /// Why `change` cannot be made here, in words; `None` when it can. Asks nobody: known since the database was
    /// opened.
    #[must_use]
    pub fn refusal(&self, change: Change) -> Option<String> {
        let shape = self.db().shape();
        let access = &shape.access;
        if access.read_only {
            return Some(format!(
                "READ ONLY: this session on {} may not change anything.",
                self.place().name
            ));
        }
        let tokens = "authtoken_token";
        let users = self.user_table();
        let (may, verb, table) = match change {
            Change::Generate => (access.insert_token, "insert into", tokens),
            Change::Regenerate => (access.update_token, "update", tokens),
            Change::Revoke => (access.delete_token, "delete from", tokens),
            Change::UserCreate => (access.insert_user, "insert into", users.as_str()),
            Change::UserPassword | Change::UserOn | Change::UserOff => {
                (access.update_user, "update", users.as_str())
            }
        };
        if !may {
            return Some(format!("Role {} may not {verb} {table}.", access.role));
        }
        self.audit_refusal()
    }

    /// What was remembered of this user's keys counts no longer. Whoever changes one calls it before he answers, however
    /// his commit ended: a gate of this process must not wait for Postgres to tell it.
    fn forget(&self, user: UserId) {
        let known = self.known_slot().upgrade();
        if let Some(known) = known {
            known.forget(user);
        }
    }

    /// The key `aim` saw is none any more: a gate of this process can say whose it was when somebody still calls with it.
    fn retire(&self, aim: &Aim) {
        let known = self.known_slot().upgrade();
        if let (Some(known), Some(seen)) = (known, &aim.seen) {
            known.retire(seen.fingerprint, &aim.username);
        }
    }

    fn known_slot(&self) -> std::sync::MutexGuard<'_, Weak<Known>> {
        self.inner
            .known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn allow(&self, change: Change) -> Result<(), Error> {
        match self.refusal(change) {
            None => Ok(()),
            Some(why) if self.place().read_only => Err(Error::ReadOnly(why)),
            Some(why) => Err(Error::MissingRight(why)),
        }
    }

    fn db(&self) -> &Db {
        &self.inner.db
    }
}
