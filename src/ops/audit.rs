//! The audit: who did what to whom. Where our schema is, it is a table there, shared by all who work on the database and
//! kept by its own triggers; else a local file. Either is a chain of lines, which is checked here.

mod file;
mod pending;
mod settle;

use super::{Error, Ops};
use crate::db::audit as table;
use crate::db::compat::SharedAudit;
use crate::db::{self, Stop};
use crate::domain::audit::chain::{Check, Checked, Hash};
use crate::domain::audit::{Entry, Verb};
use crate::domain::moment::Moment;

pub use file::AuditLog;
pub(super) use file::{Held, OpenAudit};
pub(super) use pending::{Mark, Pending};
pub(super) use settle::{append, blocking, settle};

/// Which entries to read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditQuery {
    /// Not older than this.
    pub since: Option<Moment>,
    /// About this database, by its name in the header.
    pub database: Option<String>,
    /// Of this user, by his exact name.
    pub user: Option<String>,
    /// With this text in any column, in any case.
    pub text: Option<String>,
    /// After this place in the chain.
    pub after: Option<i64>,
    /// At most so many, the newest.
    pub limit: usize,
}

impl AuditQuery {
    pub(super) fn wants(&self, entry: &Entry) -> bool {
        let old = self
            .since
            .is_some_and(|since| Moment::parse(&entry.when).is_none_or(|when| when < since));
        let other = self.user.as_ref().is_some_and(|user| *user != entry.whom);
        let unlike = self.text.as_ref().is_some_and(|text| {
            let text = text.to_lowercase();
            let key = entry.key.as_deref().unwrap_or_default();
            let actor = entry.actor.to_string();
            let leak = entry
                .for_leak
                .map_or_else(String::new, |leak| format!("leak {leak}"));
            let session = entry.session.as_deref().unwrap_or_default();
            ![
                entry.what.word(),
                &entry.whom,
                &entry.result,
                &actor,
                key,
                &leak,
                session,
            ]
            .iter()
            .any(|column| column.to_lowercase().contains(&text))
        });
        let elsewhere = self
            .database
            .as_ref()
            .is_some_and(|database| *database != entry.database);
        let seen = self
            .after
            .is_some_and(|after| entry.id.is_none_or(|id| id <= after));
        !(old || other || unlike || elsewhere || seen)
    }
}

/// What a check of the whole audit found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditCheck {
    /// Where it is kept, in words.
    pub place: String,
    /// Lines from before there was a chain, which nothing can be said of.
    pub before: u64,
    /// The rest.
    pub checked: Checked,
}

/// So many lines are held in memory at a time.
const PAGE: i64 = 1_000;

impl Ops {
    /// Whether this database has an audit of its own that we may read; else the local file is all there is.
    #[must_use]
    pub fn has_shared_audit(&self) -> bool {
        matches!(
            self.db().shape().audit,
            SharedAudit::There { select: true, .. }
        )
    }

    /// Why nothing may be changed here: who cannot write down what he does may not do it.
    pub(super) fn audit_refusal(&self) -> Option<String> {
        let shape = self.db().shape();
        matches!(shape.audit, SharedAudit::There { insert: false, .. }).then(|| {
            format!(
                "Role {} may not insert into tokenward.audit; `tokenward migrate`, run by the owner of the tables, \
                 grants it.",
                shape.access.role
            )
        })
    }

    /// Lines of the audit about this database, newest first.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn audit(&self, query: &AuditQuery) -> Result<Vec<Entry>, Error> {
        self.settle_audit().await;
        if self.has_shared_audit() {
            let mut conn = self.db().conn().await?;
            let stop = Stop::of(&conn);
            let wanted = table::Wanted {
                since: query.since,
                user: query.user.as_deref(),
                text: query.text.as_deref(),
                after: query.after,
                limit: query.limit,
            };
            let work = table::load_entries(&mut conn, &wanted);
            return Ok(self.db().obey(&self.cancel, stop, work).await?);
        }
        let mut query = query.clone();
        query.database = Some(self.place().name.clone());
        let audit = self.inner.audit.clone();
        blocking(move || audit.read(&query)).await?
    }

    /// Checks whether each line of the audit is as it was written, and whether `sought`, a last hash that somebody kept, is
    /// still in the chain.
    ///
    /// # Errors
    /// When it cannot be read. What is wrong with the lines is told in the answer.
    pub async fn check_audit(&self, sought: Option<Hash>) -> Result<AuditCheck, Error> {
        self.settle_audit().await;
        let audit = self.inner.audit.clone();
        if !self.has_shared_audit() {
            return blocking(move || audit.check(sought)).await?;
        }
        let mut tx = self.db().begin().await?;
        table::hold_still(tx.conn()).await?;
        let mut check = Check::new(sought);
        let mut after = None;
        loop {
            if self.cancel.is_cancelled() {
                return Err(Error::Cancelled);
            }
            let lines = table::load_chain(tx.conn(), after, PAGE).await?;
            for line in &lines {
                check.line(line);
            }
            match lines.last() {
                Some(last) => after = Some(last.id),
                None => break,
            }
        }
        check.end(table::find_head(tx.conn()).await?);
        tx.rollback().await?;
        let check = blocking(move || {
            audit.complain_of_left(&mut check)?;
            Ok::<_, Error>(check)
        });
        let check = check.await??;
        Ok(AuditCheck {
            place: format!("tokenward.audit on {}", self.place().name),
            before: 0,
            checked: check.finish(),
        })
    }
}

/// A line that is missing from the audit. What it means depends on what it was about.
#[derive(Debug)]
pub(in crate::ops) enum Unwritten {
    /// The file could not even be opened; the error says all.
    Unopened(Error),
    /// The file took it not, or not whole.
    File(String),
    /// Nor did the table.
    Table(db::Error),
}

impl Unwritten {
    /// It is about a deed of somebody else.
    pub(in crate::ops) fn alone(self) -> Error {
        match self {
            Self::Unopened(error) => error,
            Self::File(why) => Error::Internal(why),
            Self::Table(error) => Error::Internal(refused(&error.into())),
        }
    }

    /// The deed is done all the same.
    pub(in crate::ops) fn after(self, verb: Verb) -> Error {
        let why = match self {
            Self::Unopened(error) => error.to_string(),
            Self::File(why) => why,
            Self::Table(error) => refused(&error.into()),
        };
        Error::Internal(format!("{verb} was done, but {why}"))
    }

    /// So it was not done.
    pub(in crate::ops) fn instead_of(self, verb: Verb) -> Error {
        let instead = |why: &str| format!("{why}; {verb} was not done");
        match self {
            Self::Unopened(error) => error,
            Self::File(why) => Error::Internal(instead(&why)),
            Self::Table(error) => {
                let error = Error::from(error);
                let said = instead(&refused(&error));
                match error {
                    Error::ReadOnly(why) => Error::ReadOnly(instead(&why)),
                    Error::Unavailable(why) => Error::Unavailable(instead(&why)),
                    Error::MissingRight(_) => Error::MissingRight(said),
                    Error::Cancelled => Error::Cancelled,
                    Error::Invalid(_)
                    | Error::NotFound(_)
                    | Error::Conflict(_)
                    | Error::Denied(_)
                    | Error::Busy
                    | Error::Internal(_) => Error::Internal(said),
                }
            }
        }
    }
}

fn refused(error: &Error) -> String {
    format!("the audit in tokenward.audit could not be written: {error}")
}
