//! Which audit is meant: that of the chosen database, where our schema is there, else the file of this machine.

use crate::cli::context::Context;
use crate::cli::exit::Failure;
use crate::config::Place;
use crate::db::private;
use crate::domain::audit::Entry;
use crate::domain::audit::chain::Hash;
use crate::ops::{self, AuditCheck, AuditLog, AuditQuery, Ops};

/// Where lines are read from.
pub enum Source {
    /// Our schema.
    Shared(Ops),
    /// The file, about whatever database.
    Local(AuditLog),
}

impl Source {
    /// Finds out which it is.
    ///
    /// # Errors
    /// When a database was named and cannot be opened.
    pub async fn find(cx: &Context) -> Result<Self, Failure> {
        let local = cx.opener.audit();
        if matches!(cx.config().profile.place, Place::Private) && !is_made(cx)? {
            // Nobody named a database: none is made to look for lines in it.
            return Ok(Self::Local(local));
        }
        let ops = match cx.ops().await {
            Ok(ops) => ops,
            Err(error) => {
                cx.out.note(&format!(
                    "what was written down on this machine is in {}",
                    local.path().display()
                ));
                return Err(error);
            }
        };
        // It knows what became of a change whose program was killed.
        ops.settle_audit().await;
        Ok(if ops.has_shared_audit() {
            Self::Shared(ops)
        } else {
            Self::Local(local)
        })
    }

    /// The lines that `query` asks for, newest first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn read(&self, query: AuditQuery) -> Result<Vec<Entry>, ops::Error> {
        match self {
            Self::Shared(ops) => ops.audit(&query).await,
            Self::Local(file) => file.read(&query),
        }
    }

    /// Checks all lines.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn check(&self, sought: Option<Hash>) -> Result<AuditCheck, ops::Error> {
        match self {
            Self::Shared(ops) => ops.check_audit(sought).await,
            Self::Local(file) => file.check(sought),
        }
    }
}

/// Whether there is a private database.
fn is_made(cx: &Context) -> Result<bool, Failure> {
    Ok(!matches!(
        private::status(&cx.opener.home())?,
        private::Status::NotMade
    ))
}
