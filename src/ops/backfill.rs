//! Backfill: a token for everybody who lacks one, in many short transactions. It needs no state of its own: who
//! has a token is left out, so it can be stopped at any instant, started again, and run beside itself.

use std::time::{Duration, Instant};

use super::{Change, Control, Error, Mode, Ops, Progress};
use crate::db::backfill::{insert_tokens, load_lacking};
use crate::db::{self, Stop, users};
use crate::domain::audit::Verb;
use crate::domain::filter::Filter;
use crate::domain::moment::Moment;
use crate::domain::token::KeyFormat;
use crate::domain::user::UserId;

pub use crate::db::backfill::Audience;
use crate::db::users::Count;

/// Users by whether they are active.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Active ones.
    pub active: Count,
    /// The others.
    pub inactive: Count,
}

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

/// Users in one transaction: a tenth of a second's work, so that a cancel is prompt and no lock is held longer.
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
        let filter = Filter::default();
        Ok(Counts {
            active: self.count(&filter, true).await?,
            inactive: self.count(&filter, false).await?,
        })
    }

    async fn count(&self, filter: &Filter, active: bool) -> Result<Count, Error> {
        let mut conn = self.db().conn().await?;
        let stop = Stop::of(&conn);
        let count = users::count_users(&mut conn, self.db().site(), filter, active, Moment::now());
        Ok(self.db().obey(&self.cancel, stop, count).await?)
    }

    /// How many users the plan would give a token to.
    ///
    /// # Errors
    /// When the database is away, or the reading is cancelled.
    pub async fn count_backfill(&self, plan: &BackfillPlan) -> Result<u64, Error> {
        let mut filter = plan.filter.clone();
        if plan.audience == Audience::Staff {
            filter.words.push(crate::domain::filter::Word::staff());
        }
        let mut todo = self.count(&filter, true).await?.without();
        if plan.audience == Audience::All {
            todo += self.count(&filter, false).await?.without();
        }
        Ok(todo)
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
        let mut audit = self.audit_for(mode)?;
        let total = self.count_backfill(plan).await?;
        let mut run = Run {
            progress: Progress {
                total: Some(total),
                ..Progress::default()
            },
            ..Run::default()
        };
        control.report(&run.progress);
        if let Some(audit) = &mut audit {
            audit.append(&self.entry(
                Verb::Backfill,
                "",
                None,
                format!("started, {total} to do"),
            ))?;
        }
        let outcome = self
            .backfill_batches(plan, mode, &mut control, &mut run)
            .await;
        let Progress { done, already, .. } = run.progress;
        if let Some(audit) = &mut audit {
            let result = match &outcome {
                Ok(Ended::Complete) => format!("done, {done} made"),
                Ok(Ended::Stopped) => format!("stopped, {done} made"),
                Err(error) => format!("failed after {done} made: {error}"),
            };
            audit.append(&self.entry(Verb::Backfill, "", None, result))?;
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
            let (count, lacking) = match self.batch(plan, mode, run.after).await? {
                Batch::Stored(count, lacking) => (count, lacking),
                Batch::TakenBack(why) => {
                    tries += 1;
                    if tries == MOST_TRIES {
                        return Err(why.into());
                    }
                    continue;
                }
            };
            tries = 0;
            let reached = lacking.len();
            run.note(count, lacking, start.elapsed());
            control.report(&run.progress);
            if reached < BATCH {
                return Ok(Ended::Complete);
            }
        }
    }

    /// One transaction: a token for each of the next users after `after` who lack one.
    async fn batch(
        &self,
        plan: &BackfillPlan,
        mode: Mode,
        after: Option<UserId>,
    ) -> Result<Batch, Error> {
        let (site, audience, now) = (self.db().site(), plan.audience, Moment::now());
        let mut tx = self.db().begin().await?;
        let conn = tx.conn();
        let lacking = load_lacking(conn, site, audience, &plan.filter, after, BATCH, now).await;
        let lacking = self.db().explain(lacking).await?;
        if lacking.is_empty() {
            tx.rollback().await?;
            return Ok(Batch::Stored(0, lacking));
        }
        let owners: Vec<UserId> = lacking.iter().map(|(id, _)| *id).collect();
        let format = plan.format.unwrap_or(self.inner.format);
        let keys = format.make_many(owners.len())?;
        let store = async {
            let count = insert_tokens(tx.conn(), site, &owners, keys, now).await?;
            match mode {
                Mode::Apply => tx.commit().await?,
                Mode::DryRun => tx.rollback().await?,
            }
            Ok(count)
        };
        match store.await {
            Ok(count) => Ok(Batch::Stored(count, lacking)),
            Err(why @ (db::Error::Orphan(_) | db::Error::Deadlock(_))) => Ok(Batch::TakenBack(why)),
            Err(other) => Ok(self.db().explain(Err(other)).await?),
        }
    }
}

/// What became of one batch.
enum Batch {
    /// So many tokens were made for these users.
    Stored(u64, Vec<(UserId, String)>),
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
    fn note(&mut self, made: u64, mut reached: Vec<(UserId, String)>, took: Duration) {
        self.worked += took;
        self.progress.done += made;
        self.progress.already += (reached.len() as u64).saturating_sub(made);
        if let Some((id, name)) = reached.pop() {
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
