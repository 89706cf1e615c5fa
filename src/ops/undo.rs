//! The last change of one key taken back: who opened a console may give back the key that he has just replaced or deleted,
//! for a while. The old key is held in memory only, and wiped when the time is over; an answer to a leak leaves none.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{Aim, Change, Error, Mode, Ops};
use crate::db::{drf_tokens, retired_keys};
use crate::domain::audit::Verb;
use crate::domain::moment::Moment;
use crate::domain::token::{CoveredKey, DrfKey, Fingerprint};
use crate::text;

/// So long an old key can be given back.
pub const UNDO_TIME: Duration = Duration::from_mins(10);

/// What can be taken back.
#[derive(Debug)]
struct Last {
    /// Tells it from later ones.
    nth: u64,
    aim: Aim,
    old: DrfKey,
    /// When the token with that key was made.
    created: Moment,
    /// The key that took its place; none after it was deleted.
    new: Option<CoveredKey>,
}

/// Holds it, for all clones of the operations that remember.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    count: u64,
    last: Option<Last>,
}

impl Memory {
    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, aim: &Aim, stored: drf_tokens::Stored, new: Option<CoveredKey>) {
        let mut kept = self.kept();
        kept.count += 1;
        let nth = kept.count;
        kept.last = Some(Last {
            nth,
            aim: aim.clone(),
            old: stored.key,
            created: stored.created,
            new,
        });
        drop(kept);
        let memory = Arc::downgrade(&self.kept);
        tokio::spawn(async move {
            tokio::time::sleep(UNDO_TIME).await;
            if let Some(kept) = memory.upgrade() {
                Self { kept }.forget(nth);
            }
        });
    }

    /// Forgets the `nth`, unless a later one came.
    fn forget(&self, nth: u64) {
        let mut kept = self.kept();
        kept.last.take_if(|last| last.nth == nth);
    }
}

impl Ops {
    /// The same operations, and the last key that they replace or delete can be given back for [`UNDO_TIME`].
    #[must_use]
    pub fn remembering(&self) -> Self {
        Self {
            memory: Some(Memory::default()),
            ..self.clone()
        }
    }

    /// The key that a change of `aim` is about to retire, where it may have to be given back.
    pub(super) async fn old_key(
        &self,
        conn: &mut crate::db::Conn,
        aim: &Aim,
        mode: Mode,
    ) -> Result<Option<drf_tokens::Stored>, crate::db::Error> {
        if self.memory.is_none() || mode == Mode::DryRun {
            return Ok(None);
        }
        let stored = drf_tokens::find_token(conn, aim.id).await?;
        let seen = aim.seen.as_ref().map(|seen| seen.fingerprint);
        Ok(stored.filter(|stored| Some(Fingerprint::of(&stored.key)) == seen))
    }

    /// A change of `aim` was made: its old key can be given back, where there is one and these operations remember.
    pub(super) fn remember(
        &self,
        aim: &Aim,
        old: Option<drf_tokens::Stored>,
        new: Option<&DrfKey>,
    ) {
        if let (Some(memory), Some(old)) = (&self.memory, old) {
            memory.keep(aim, old, new.map(CoveredKey::of));
        }
    }

    /// Nothing can be given back any more.
    pub fn forget_last(&self) {
        if let Some(memory) = &self.memory {
            memory.kept().last = None;
        }
    }

    /// Gives the last key that was replaced or deleted back to its user, only while he has the key, or none, that the
    /// change left him. Can be done once.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is nothing to take back, [`Error::Conflict`] when his token was changed since.
    pub async fn undo(&self) -> Result<Aim, Error> {
        let nothing = || {
            Error::NotFound(format!(
                "nothing to take back: only the last key that this console replaced or deleted, for {} minutes, and \
                 never after a leak",
                UNDO_TIME.as_secs() / 60
            ))
        };
        let memory = self.memory.as_ref().ok_or_else(nothing)?;
        let taken = memory.kept().last.take();
        let last = taken.ok_or_else(nothing)?;
        let outcome = self.give_back(&last).await;
        if matches!(outcome, Err(Error::Unavailable(_) | Error::Cancelled)) {
            // It may be tried again, unless there is a later one by now.
            memory.kept().last.get_or_insert(last);
        }
        outcome
    }

    async fn give_back(&self, last: &Last) -> Result<Aim, Error> {
        self.allow(match last.new {
            Some(_) => Change::Regenerate,
            None => Change::Generate,
        })?;
        let aim = &last.aim;
        let mut work = self.begin(Mode::Apply, Verb::Undo).await?;
        let given = match &last.new {
            Some(new) => {
                let conn = work.conn();
                drf_tokens::replace_token(conn, aim.id, new.fingerprint, &last.old, last.created)
                    .await
            }
            None => drf_tokens::insert_token(work.conn(), aim.id, &last.old, last.created).await,
        };
        let given = match self.db().explain(given).await {
            Err(crate::db::Error::Orphan(_)) => return Err(Error::no_user(&aim.username)),
            other => other?,
        };
        if given.is_none() {
            return Err(Error::Conflict(format!(
                "{}: changed meanwhile, so the old key was not given back",
                text::safe(&aim.username)
            )));
        }
        if last.new.is_none() {
            let forgotten = retired_keys::forget(work.conn(), &last.old).await;
            self.db().explain(forgotten).await?;
        }
        let old = CoveredKey::of(&last.old);
        let gone = last.new.as_ref().unwrap_or(&old);
        let done = self.finish(work, &aim.username, Some(gone.start())).await;
        self.forget(aim.id);
        done?;
        if let Some(new) = &last.new {
            self.retire(&Aim {
                seen: Some(new.clone()),
                ..aim.clone()
            });
        }
        let given = Aim {
            seen: Some(old),
            ..aim.clone()
        };
        self.run_hook(Verb::Undo, &given, Some(&last.old));
        Ok(given)
    }
}
