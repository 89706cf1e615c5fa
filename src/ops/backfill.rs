//! Backfill: a token for everybody who lacks one, in many short transactions. It needs no state of its own: who
//! has a token is left out, so it can be stopped at any instant, started again, and run beside itself.

use std::time::{Duration, Instant};

use super::hooks::Counts as Told;
use super::{Change, Control, Error, Mode, Ops, Progress};
use crate::db::backfill::{Reached, insert_tokens, load_next};
use crate::db::{self, Stop, users};
use crate::domain::audit::Verb;
use crate::domain::filter::{Filter, Word};
use crate::domain::moment::Moment;
use crate::domain::token::KeyFormat;
use crate::domain::user::UserId;

pub use crate::db::backfill::Audience;
use crate::db::users::Counts;

/// What a backfill is to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackfillPlan {
    /// Who gets a token.
    pub audience: Audience,
    /// Only those of them.
    pub filter: Filter,
    /// How the keys look; as configured when `None`.
    pub format: Option<KeyFormat>,
}

/// What a backfill did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackfillReport {
    /// Tokens made.
    pub done: u64,
    /// Users for whom somebody else was faster.
    pub already: u64,
    /// Cancelled before the end.
    pub stopped: bool,
    /// Time worked.
    pub elapsed: Duration,
}

/// Users in one transaction, those who have a token included: a tenth of a second's work, so that a cancel is prompt
/// and no lock is held longer, wherever in the table the ones without a token are.
const BATCH: usize = 5_000;

/// A batch that others took back is tried this often in all; where it fails every time, somebody is at work who should
/// end first.
const MOST_TRIES: usize = 20;

impl Ops {
    /// Counts users with and without a token: reads the whole table.
    ///
    /// # Errors
    /// When the database is away, or the reading is cancelled.
    pub async fn counts(&self) -> Result<Counts, Error> {
        self.count(&Filter::default()).await
    }

    async fn count(&self, filter: &Filter) -> Result<Counts, Error> {
        let mut conn = self.db().conn().await?;
        let stop = Stop::of(&conn);
        let counts = users::count_users(&mut conn, self.db().site(), filter, Moment::now());
        Ok(self.db().obey(&self.cancel, stop, counts).await?)
    }

    /// How many users the plan would give a token to: reads the whole table.
    ///
    /// # Errors
    /// When the database is away, or the reading is cancelled.
    pub async fn count_backfill(&self, plan: &BackfillPlan) -> Result<u64, Error> {
        let mut filter = plan.filter.clone();
        if plan.audience == Audience::Staff {
            filter.words.push(Word::staff());
        }
        let Counts { active, inactive } = self.count(&filter).await?;
        Ok(match plan.audience {
            Audience::Active | Audience::Staff => active.without(),
            Audience::All => active.without() + inactive.without(),
        })
    }

    /// Gives a token to everybody of `plan` who lacks one. Safe beside a running Django and beside itself: who
    /// gets a token meanwhile keeps it.
    ///
    /// # Errors
    /// When the database goes away; what is done stays done, and starting again goes on.
    pub async fn backfill(
        &self,
        plan: &BackfillPlan,
        mode: Mode,
        mut control: Control,
    ) -> Result<BackfillReport, Error> {
        self.allow(Change::Generate)?;
        let is_written = mode == Mode::Apply;
        // Counting takes seconds too; it hears the same cancel as the work.
        let total = match self.cancellable(control.token()).count_backfill(plan).await {
            Err(Error::Cancelled) => {
                return Ok(BackfillReport {
                    stopped: true,
                    ..BackfillReport::default()
                });
            }
            total => total?,
        };
        let mut run = Run {
            progress: Progress {
                total: Some(total),
                ..Progress::default()
            },
            ..Run::default()
        };
        control.report(&run.progress);
        if is_written {
            let started = format!("started, {total} to do");
            let line = self.entry(Verb::Backfill, "", None, started);
            let written = self.write_down(&[line]).await;
            written.map_err(|missing| missing.instead_of(Verb::Backfill))?;
        }
        let outcome = self
            .backfill_batches(plan, mode, &mut control, &mut run)
            .await;
        let Progress { done, already, .. } = run.progress;
        if is_written {
            let result = match &outcome {
                Ok(Ended::Complete) => format!("done, {done} made"),
                Ok(Ended::Stopped) => format!("stopped, {done} made"),
                Err(error) => format!("failed after {done} made: {error}"),
            };
            let line = self.entry(Verb::Backfill, "", None, result);
            let written = self.write_down(&[line]).await;
            let ended = match &outcome {
                Ok(Ended::Complete) => "done",
                Ok(Ended::Stopped) => "stopped",
                Err(_) => "failed",
            };
            if done > 0 {
                self.run_backfill_hook(Told {
                    made: done,
                    already,
                    ended,
                });
            }
            if outcome.is_ok() {
                written.map_err(|missing| missing.after(Verb::Backfill))?;
            }
        }
        let stopped = outcome? == Ended::Stopped;
        Ok(BackfillReport {
            done,
            already,
            stopped,
            elapsed: run.worked,
        })
    }

    async fn backfill_batches(
        &self,
        plan: &BackfillPlan,
        mode: Mode,
        control: &mut Control,
        run: &mut Run,
    ) -> Result<Ended, Error> {
        let mut tries = 0;
        loop {
            if !control.go_on(&mut run.progress).await {
                return Ok(Ended::Stopped);
            }
            let start = Instant::now();
            let (new, reached) = match self.batch(plan, mode, run.after).await? {
                Batch::Stored { new, reached } => (new, reached),
                Batch::TakenBack(why) => {
                    tries += 1;
                    if tries == MOST_TRIES {
                        return Err(why.into());
                    }
                    continue;
                }
            };
            tries = 0;
            let ended = reached.users < BATCH;
            run.note(new, reached, start.elapsed());
            control.report(&run.progress);
            if ended {
                return Ok(Ended::Complete);
            }
        }
    }

    /// One transaction: a token for each of the next users after `after` who lacks one.
    async fn batch(
        &self,
        plan: &BackfillPlan,
        mode: Mode,
        after: Option<UserId>,
    ) -> Result<Batch, Error> {
        let (site, audience, now) = (self.db().site(), plan.audience, Moment::now());
        let mut tx = self.db().begin().await?;
        let conn = tx.conn();
        let reached = load_next(conn, site, audience, &plan.filter, after, BATCH, now).await;
        let reached = self.db().explain(reached).await?;
        if reached.lacking.is_empty() {
            tx.rollback().await?;
            return Ok(Batch::Stored { new: 0, reached });
        }
        let format = plan.format.unwrap_or(self.inner.format);
        let keys = format.make_many(reached.lacking.len())?;
        let store = async {
            let new = insert_tokens(tx.conn(), site, &reached.lacking, keys, now).await?;
            match mode {
                Mode::Apply => tx.commit().await?,
                Mode::DryRun => tx.rollback().await?,
            }
            Ok(new)
        };
        match store.await {
            Ok(new) => Ok(Batch::Stored { new, reached }),
            Err(why @ (db::Error::Orphan(_) | db::Error::Deadlock(_))) => Ok(Batch::TakenBack(why)),
            Err(other) => Ok(self.db().explain(Err(other)).await?),
        }
    }
}

/// What became of one batch.
enum Batch {
    /// So many tokens were made for those users who lacked one.
    Stored { new: u64, reached: Reached },
    /// Postgres took it back because of what others did meanwhile: one of the users was deleted between our reading
    /// and our commit, or somebody who makes tokens for the same users in another order met us in a deadlock. Read
    /// and tried again it goes well.
    TakenBack(db::Error),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Complete,
    Stopped,
}

/// A backfill on its way.
#[derive(Debug, Default)]
struct Run {
    progress: Progress,
    after: Option<UserId>,
    worked: Duration,
    /// How long the last batches took, in a ring.
    batches: Vec<Duration>,
    next: usize,
}

/// So many batches count for the p95.
const REMEMBERED: usize = 200;

impl Run {
    fn note(&mut self, made: u64, reached: Reached, took: Duration) {
        self.worked += took;
        self.progress.done += made;
        self.progress.already += (reached.lacking.len() as u64).saturating_sub(made);
        if let Some((id, name)) = reached.last {
            self.after = Some(id);
            self.progress.last = Some(name);
        }
        if self.batches.len() < REMEMBERED {
            self.batches.push(took);
        } else {
            self.batches[self.next % REMEMBERED] = took;
        }
        self.next += 1;
        let mut sorted = self.batches.clone();
        sorted.sort_unstable();
        self.progress.batch_p95 = sorted.get(sorted.len() * 95 / 100).copied();
        self.progress.worked(self.worked);
    }
}
