//! The file's lines, written off the threads that answer, and what a program left that was killed between a COMMIT and its
//! lines: the database is asked what became of the transaction, and the lines say so.

use super::pending::{Left, Pending};
use super::{AuditLog, OpenAudit, Unwritten};
use crate::db::leaks::{self, Fate, TransactionId};
use crate::db::{Pool, audit as table};
use crate::domain::audit::Entry;
use crate::ops::{Error, Ops};
use crate::text;

/// Runs `work`, which waits for files, on a thread that may wait.
pub(in crate::ops) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::Internal(format!("the work on the audit failed: {error}")))
}

/// Appends `lines` to the file. What waited for them is settled by it, and stays where they could not be written.
pub(in crate::ops) async fn append(
    file: OpenAudit,
    lines: Vec<Entry>,
    pending: Option<Pending>,
) -> Result<(), Unwritten> {
    let work = move || {
        file.append(&lines)?;
        if let Some(pending) = pending {
            pending.settle();
        }
        Ok(())
    };
    blocking(work).await.map_err(Unwritten::Unopened)?
}

const NOT_MADE: &str =
    "failed: tokenward ended before the change was made, and nothing was changed";
const FORGOTTEN: &str = "unknown: tokenward ended while the change was made, so long ago that the database does not know \
                         whether it was";

impl Ops {
    /// Writes the lines that programs left which ended while their changes were made, as far as this database knows what
    /// became of those. The rest stays where it is, and a check of the audit names it.
    pub async fn settle_audit(&self) {
        settle(&self.inner.audit, self.db().pool()).await;
    }
}

/// The same for who has connections and nothing else yet.
pub(in crate::ops) async fn settle(audit: &AuditLog, pool: &Pool) {
    let looked_through = audit.clone();
    let found = match blocking(move || looked_through.left_behind()).await {
        Ok(Ok((left, _))) => left,
        Ok(Err(error)) => {
            return tracing::warn!("what was left beside the audit cannot be read: {error}");
        }
        Err(error) => return tracing::warn!("{error}"),
    };
    if found.is_empty() {
        return;
    }
    if let Err(error) = try_settle(audit, pool, found).await {
        let said = error.to_string();
        tracing::warn!(
            "what was left beside the audit stays: {}",
            text::safe(&said)
        );
    }
}

async fn try_settle(audit: &AuditLog, pool: &Pool, found: Vec<Left>) -> Result<(), Error> {
    let mut conn = pool.get().await?;
    let (server, reached) = (table::find_server(&mut conn).await?, pool.servers());
    for left in found {
        if !left.mark.is_at(server.as_deref(), &reached) {
            continue;
        }
        let id = TransactionId::kept(left.mark.transaction.clone());
        let result = match leaks::find_fate(&mut conn, &id).await {
            Ok(Fate::Running) => continue,
            Ok(Fate::Committed) => None,
            Ok(Fate::Aborted) => Some(NOT_MADE),
            Ok(Fate::Forgotten) => Some(FORGOTTEN),
            // As of a number that a server restored from an older copy has not reached yet: the others go on.
            Err(error) => {
                let said = error.to_string();
                tracing::warn!("no answer about a transaction: {}", text::safe(&said));
                continue;
            }
        };
        let audit = audit.clone();
        let written = blocking(move || audit.bring_in(left, result)).await?;
        written.map_err(Unwritten::alone)?;
    }
    Ok(())
}
