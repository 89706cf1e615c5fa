//! Tokens: generated, regenerated, revoked, revealed; one, or many one after the other.

use std::time::{Duration, Instant};

use super::{Aim, Change, Control, Error, Mode, Ops, Progress, Purpose};
use crate::db::{Stop, drf_tokens, users};
use crate::domain::audit::Verb;
use crate::domain::moment::Moment;
use crate::domain::token::{CoveredKey, Issued, Origin};
use crate::domain::user::Username;

/// What a change of one row gave.
#[derive(Clone, Debug)]
pub enum Changed {
    /// A token, found or made, with its key.
    Issued(Issued),
    /// A token was deleted; this was its key.
    Revoked(CoveredKey),
}

/// How one of many rows fared.
#[derive(Clone, Debug)]
pub struct RowResult {
    /// Whom it was about.
    pub aim: Aim,
    /// What became of it.
    pub outcome: Result<Changed, Error>,
}

/// How many rows fared, in the order in which they were given.
#[derive(Clone, Debug)]
pub struct ManyReport {
    /// Every row that was reached.
    pub rows: Vec<RowResult>,
    /// Ended before the last, cancelled or since the database is away: the rest was not touched.
    pub stopped: bool,
}

impl ManyReport {
    /// How many rows failed.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.rows.iter().filter(|row| row.outcome.is_err()).count()
    }
}

impl Ops {
    /// The user of this name as he is now, to aim a change at.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none.
    pub async fn aim(&self, name: &Username) -> Result<Aim, Error> {
        let mut conn = self.db().conn().await?;
        let stop = Stop::of(&conn);
        let work = users::find_by_name(&mut conn, self.db().site(), name);
        let found = self.db().obey(&self.cancel, stop, work).await?;
        found
            .as_ref()
            .map(Aim::from)
            .ok_or_else(|| Error::no_user(name.as_str()))
    }

    /// The user's token, made if he has none and left alone if he has: Django's `get_or_create`.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the user is gone.
    pub async fn generate(&self, aim: &Aim, mode: Mode) -> Result<Issued, Error> {
        if aim.seen.is_none() {
            self.allow(Change::Generate)?;
        }
        let mut work = self.begin(mode, Verb::Generate).await?;
        let stored = drf_tokens::find_token(work.conn(), aim.id).await;
        if let Some(stored) = self.db().explain(stored).await? {
            work.cancel().await?;
            return Ok(issued(aim, stored, Origin::Existing));
        }
        self.allow(Change::Generate)?;
        let key = self.inner.format.make()?;
        let inserted = drf_tokens::insert_token(work.conn(), aim.id, &key, Moment::now()).await;
        let inserted = self.db().explain(inserted).await;
        let Some(stored) = gone_if_orphan(inserted, aim)? else {
            // Somebody made one since we looked: his is the token.
            let stored = drf_tokens::find_token(work.conn(), aim.id).await?;
            work.cancel().await?;
            let stored = stored.ok_or_else(|| Error::changed(&aim.username))?;
            return Ok(issued(aim, stored, Origin::Existing));
        };
        let issued = issued(aim, stored, Origin::New);
        let key = CoveredKey::of(&issued.key);
        self.finish(work, &aim.username, Some(key.start())).await?;
        if mode == Mode::Apply {
            self.run_hook(Verb::Generate, aim, Some(&issued.key));
        }
        Ok(issued)
    }

    /// Replaces the user's key, only while it is still the one that `aim` saw.
    ///
    /// # Errors
    /// [`Error::Conflict`] when it is not, [`Error::NotFound`] when he had no token.
    pub async fn regenerate(&self, aim: &Aim, mode: Mode) -> Result<Issued, Error> {
        self.allow(Change::Regenerate)?;
        let seen = aim
            .seen
            .as_ref()
            .ok_or_else(|| Error::no_token(&aim.username))?;
        let key = self.inner.format.make()?;
        let mut work = self.begin(mode, Verb::Regenerate).await?;
        let old = self.old_key(work.conn(), aim, mode).await?;
        let replaced =
            drf_tokens::replace_token(work.conn(), aim.id, seen.fingerprint, &key, Moment::now())
                .await;
        let replaced = self.db().explain(replaced).await?;
        let stored = replaced.ok_or_else(|| Error::changed(&aim.username))?;
        let done = self.finish(work, &aim.username, Some(seen.start())).await;
        self.forget(aim.id);
        done?;
        if mode == Mode::Apply {
            self.retire(aim);
            self.remember(aim, old, Some(&stored.key));
            self.run_hook(Verb::Regenerate, aim, Some(&stored.key));
        }
        Ok(issued(aim, stored, Origin::New))
    }

    /// Deletes the user's token, only while its key is still the one that `aim` saw.
    ///
    /// # Errors
    /// [`Error::Conflict`] when it is not, [`Error::NotFound`] when he had none.
    pub async fn revoke(&self, aim: &Aim, mode: Mode) -> Result<CoveredKey, Error> {
        self.allow(Change::Revoke)?;
        let seen = aim
            .seen
            .as_ref()
            .ok_or_else(|| Error::no_token(&aim.username))?;
        let mut work = self.begin(mode, Verb::Revoke).await?;
        let old = self.old_key(work.conn(), aim, mode).await?;
        let deleted = drf_tokens::delete_token(work.conn(), aim.id, seen.fingerprint).await;
        if !self.db().explain(deleted).await? {
            return Err(Error::changed(&aim.username));
        }
        let done = self.finish(work, &aim.username, Some(seen.start())).await;
        self.forget(aim.id);
        done?;
        if mode == Mode::Apply {
            self.retire(aim);
            self.remember(aim, old, None);
            self.run_hook(Verb::Revoke, aim, None);
        }
        Ok(seen.clone())
    }

    /// The whole key of a row, to be shown or copied. The audit line is written before the key is handed out.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the key is no longer the one that `aim` saw.
    pub async fn reveal(&self, aim: &Aim, purpose: Purpose) -> Result<Issued, Error> {
        let seen = aim
            .seen
            .as_ref()
            .ok_or_else(|| Error::no_token(&aim.username))?;
        let verb = purpose.verb();
        let mut conn = self.db().conn().await?;
        let stored = drf_tokens::find_token(&mut conn, aim.id).await;
        drop(conn);
        let stored = self.db().explain(stored).await?;
        let stored = stored.ok_or_else(|| Error::changed(&aim.username))?;
        if CoveredKey::of(&stored.key).fingerprint != seen.fingerprint {
            return Err(Error::changed(&aim.username));
        }
        let line = self.entry(verb, &aim.username, Some(seen.start()), "done");
        let written = self.write_down(&[line]).await;
        written.map_err(|missing| missing.instead_of(verb))?;
        Ok(issued(aim, stored, Origin::Existing))
    }

    /// Writes to the audit that keys which were made just now, and are at hand, are shown or copied. To be called
    /// before they are.
    ///
    /// # Errors
    /// When the audit cannot be written; then they may not be.
    pub async fn hand_out(&self, made: &[Aim], purpose: Purpose) -> Result<(), Error> {
        let verb = purpose.verb();
        let line = |aim: &Aim| {
            let key = aim.seen.as_ref().map(CoveredKey::start);
            self.entry(verb, &aim.username, key, "done")
        };
        let lines: Vec<_> = made.iter().map(line).collect();
        let written = self.write_down(&lines).await;
        written.map_err(|missing| missing.instead_of(verb))
    }

    /// Makes `change` to each of `aims`, each in a transaction of its own: what fails fails alone, and what is
    /// done stays done when it is cancelled.
    ///
    /// # Errors
    /// When the role may not. What goes wrong later is told in the report, row by row.
    pub async fn change_many(
        &self,
        change: Change,
        aims: Vec<Aim>,
        mode: Mode,
        mut control: Control,
    ) -> Result<ManyReport, Error> {
        self.allow(change)?;
        let mut worked = Duration::ZERO;
        let mut progress = Progress {
            total: Some(aims.len() as u64),
            ..Progress::default()
        };
        let mut report = ManyReport {
            rows: Vec::with_capacity(aims.len()),
            stopped: false,
        };
        for aim in aims {
            if !control.go_on(&mut progress).await {
                report.stopped = true;
                break;
            }
            let start = Instant::now();
            let outcome = self.change_one(change, &aim, mode).await;
            worked += start.elapsed();
            // Each of the others would wait its whole time for a database that is away.
            report.stopped =
                matches!(outcome, Err(Error::Unavailable(_))) && self.ping().await.is_err();
            match &outcome {
                Ok(Changed::Issued(Issued {
                    origin: Origin::Existing,
                    ..
                })) => progress.already += 1,
                Ok(_) => progress.done += 1,
                Err(_) => progress.failed += 1,
            }
            progress.last = Some(aim.username.clone());
            progress.worked(worked);
            control.report(&progress);
            report.rows.push(RowResult { aim, outcome });
            if report.stopped {
                break;
            }
        }
        Ok(report)
    }

    async fn change_one(&self, change: Change, aim: &Aim, mode: Mode) -> Result<Changed, Error> {
        match change {
            Change::Generate => self.generate(aim, mode).await.map(Changed::Issued),
            Change::Regenerate => self.regenerate(aim, mode).await.map(Changed::Issued),
            Change::Revoke => self.revoke(aim, mode).await.map(Changed::Revoked),
            Change::UserCreate | Change::UserPassword | Change::UserOn | Change::UserOff => Err(
                Error::Invalid(format!("{} is not a change of tokens", change.verb())),
            ),
        }
    }
}

fn issued(aim: &Aim, stored: drf_tokens::Stored, origin: Origin) -> Issued {
    Issued {
        user_id: aim.id,
        username: aim.username.clone(),
        key: stored.key,
        created: stored.created,
        origin,
    }
}

/// A foreign key that points nowhere means that the user was deleted since he was seen.
fn gone_if_orphan<T>(result: Result<T, crate::db::Error>, aim: &Aim) -> Result<T, Error> {
    match result {
        Err(crate::db::Error::Orphan(_)) => Err(Error::no_user(&aim.username)),
        other => Ok(other?),
    }
}
