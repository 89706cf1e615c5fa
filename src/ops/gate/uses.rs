//! When tokens were used, and from where, on its way to our schema. A request only leaves a note, and that once a minute for
//! each token and address; one task writes many of them down at a time, at most once a minute.
//!
//! **It holds nobody up, and it fails nobody.** What waits is bounded, and so is what is kept of each token. Where the
//! database refuses or is away the notes wait for the next time; where there is no table, or no right to write to it,
//! nothing is noted until there is.

mod notes;
mod work;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::super::Ops;
use crate::domain::last_use::Use;
use crate::domain::moment::Moment;
use crate::domain::principal::{Holds, Principal};
use notes::{Note, Notes, Token};
use work::{warn_unwritten, work};

/// So long the last ones may take when the gate is closed.
const LAST_MOMENT: Duration = Duration::from_secs(2);
/// When what was noted is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// So long after a note at the earliest: those that come together are written together.
    pub first: Duration,
    /// So long after the last time at the earliest.
    pub every: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(3),
            every: Duration::from_mins(1),
        }
    }
}

/// Notes uses and writes them down. Its task ends with it.
#[derive(Debug)]
pub(super) struct Uses {
    ops: Ops,
    notes: Arc<Notes>,
    writing: Option<JoinHandle<()>>,
}

impl Drop for Uses {
    fn drop(&mut self) {
        if let Some(writing) = &self.writing {
            writing.abort();
        }
    }
}

impl Uses {
    /// Writes to the database of `ops`; a session that may only read notes nothing.
    pub(super) fn start(ops: &Ops, pace: Pace) -> Self {
        let may_write = !ops.place().read_only;
        let notes = Arc::new(Notes::new(may_write));
        if !may_write {
            tracing::info!("last uses are not written down: this session may only read");
        }
        let writing = may_write.then(|| tokio::spawn(work(ops.clone(), Arc::clone(&notes), pace)));
        Self {
            ops: ops.clone(),
            notes,
            writing,
        }
    }

    /// A number that stands for `address`, where uses are wanted.
    pub(super) fn mark_of(&self, address: IpAddr) -> Option<u32> {
        self.notes
            .is_wanted
            .load(Relaxed)
            .then(|| self.notes.mark_of(address))
    }

    /// Notes that the token of `principal` was used at `address`. A key in its grace is one that was replaced: what used it
    /// did not use the token that is there.
    pub(super) fn note(&self, principal: &Principal, address: IpAddr) {
        if principal.grace().is_some() || !self.notes.is_wanted.load(Relaxed) {
            return;
        }
        let token = match &principal.token {
            Holds::Drf => Token::Drf(principal.account.id),
            Holds::Knox(digest) => Token::Knox(*digest),
        };
        let last = Use {
            at: Moment::now(),
            addresses: vec![address],
        };
        let made = principal.created;
        self.notes.add(token, Note { made, last });
        self.notes.wake.notify_one();
    }

    /// Writes down what still waits, if that does not take long.
    pub(super) async fn flush(&self) {
        if !self.notes.is_wanted.load(Relaxed) {
            return;
        }
        let written = timeout(LAST_MOMENT, self.notes.write(&self.ops)).await;
        match written {
            Ok(Ok(())) => {}
            Ok(Err(error)) => warn_unwritten(&self.ops, &error),
            Err(_late) => {
                let seconds = LAST_MOMENT.as_secs();
                tracing::warn!("the last uses of tokens were not written down within {seconds} s");
            }
        }
    }
}
