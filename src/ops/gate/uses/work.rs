//! The task that writes the notes down, many at a time, and deletes the uses of tokens that are gone.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::Pace;
use super::notes::{Note, Notes, Token};
use crate::db::Stop;
use crate::db::uses::{self, Kind, Noted};
use crate::ops::{Error, Ops};
use crate::text;

/// So many are written at a time.
const BATCH: usize = 1_000;

/// Uses of tokens that are gone are deleted so often, so many at a time, and in so many steps at most.
const SWEEP: Duration = Duration::from_hours(1);

const SWEPT: u32 = 1_000;

const SWEEPS: usize = 100;

impl Notes {
    /// Writes down all that wait. What was not written because the database was away waits again.
    pub(super) async fn write(&self, ops: &Ops) -> Result<(), Error> {
        let _pen = self.pen.lock().await;
        let all = self.take();
        let mut rest = all.as_slice();
        while let Some((token, _)) = rest.first() {
            let kind = token.kind();
            let of_kind = rest.iter().take_while(|(token, _)| token.kind() == kind);
            let (batch, others) = rest.split_at(of_kind.take(BATCH).count());
            if let Err(error) = ops.write_uses(kind, batch).await {
                let kept = if is_lasting(&error) { others } else { rest };
                for (token, note) in kept {
                    self.add(*token, note.clone());
                }
                return Err(error);
            }
            rest = others;
        }
        Ok(())
    }
}

/// Whether the same uses would be refused the next time too.
const fn is_lasting(error: &Error) -> bool {
    match error {
        Error::Unavailable(_) | Error::Cancelled | Error::ReadOnly(_) | Error::MissingRight(_) => {
            false
        }
        Error::Invalid(_)
        | Error::NotFound(_)
        | Error::Conflict(_)
        | Error::Denied(_)
        | Error::Busy
        | Error::Internal(_) => true,
    }
}

pub(super) async fn work(ops: Ops, notes: Arc<Notes>, pace: Pace) {
    let (mut refused, mut is_troubled) = (None, false);
    let (mut next, mut swept) = (Instant::now(), None::<Instant>);
    loop {
        match ops.why_uses_are_unwritable().await {
            Ok(Some(why)) => {
                notes.refuse();
                if refused.as_ref() != Some(&why) {
                    let said = text::safe(&why);
                    tracing::info!("last uses are not written down: {said}");
                    refused = Some(why);
                }
                sleep(pace.every).await;
                continue;
            }
            Ok(None) => {
                refused = None;
                notes.is_wanted.store(true, Relaxed);
            }
            Err(error) => tracing::debug!("whether uses can be written is not known: {error}"),
        }
        notes.wake.notified().await;
        sleep(pace.first).await;
        sleep_until(next).await;
        match notes.write(&ops).await {
            Ok(()) => is_troubled = false,
            Err(error) => {
                if !is_troubled {
                    warn_unwritten(&ops, &error);
                }
                is_troubled = true;
                notes.wake.notify_one();
            }
        }
        next = Instant::now() + pace.every;
        let lost = notes.lost.swap(0, Relaxed);
        if lost > 0 {
            tracing::warn!("{lost} uses of tokens were not noted: too many wait to be written");
        }
        if !is_troubled && swept.is_none_or(|at| at.elapsed() >= SWEEP) {
            swept = Some(Instant::now());
            if let Err(error) = ops.sweep_uses().await {
                tracing::debug!("uses of tokens that are gone were not deleted: {error}");
            }
        }
    }
}

pub(super) fn warn_unwritten(ops: &Ops, error: &Error) {
    tracing::warn!(
        "the last uses of tokens on {} cannot be written down at this moment: {}",
        ops.place().name,
        text::safe(&error.to_string())
    );
}

impl Ops {
    async fn why_uses_are_unwritable(&self) -> Result<Option<String>, Error> {
        let mut conn = self.db().conn().await?;
        let stop = Stop::of(&conn);
        let work = uses::why_unwritable(&mut conn);
        Ok(self.db().obey(&self.cancel, stop, work).await?)
    }

    async fn write_uses(&self, kind: Kind, batch: &[(Token, Note)]) -> Result<(), Error> {
        let noted: Vec<Noted> = batch
            .iter()
            .map(|(token, note)| Noted {
                id: token.id(),
                made: note.made,
                last: note.last.clone(),
            })
            .collect();
        let mut conn = self.db().conn().await?;
        let stop = Stop::of(&conn);
        let work = uses::write(&mut conn, self.db().site(), kind, &noted);
        Ok(self.db().obey(&self.cancel, stop, work).await?)
    }

    /// Deletes the uses of tokens that are gone.
    async fn sweep_uses(&self) -> Result<(), Error> {
        let knox = self.has_knox().then_some(Kind::Knox);
        for kind in [Some(Kind::Drf), knox].into_iter().flatten() {
            for _ in 0..SWEEPS {
                let mut conn = self.db().conn().await?;
                let stop = Stop::of(&conn);
                let work = uses::sweep(&mut conn, self.db().site(), kind, SWEPT);
                if self.db().obey(&self.cancel, stop, work).await? < SWEPT as usize {
                    break;
                }
            }
        }
        Ok(())
    }
}
