//! Backfill: a token for everybody who lacks one, in many short transactions. It needs no state of its own: who
//! has a token is left out, so it can be stopped at any instant, started again, and run beside itself.

use std::time::{Duration, Instant};

use super::{Change, Control, Error, Mode, Ops, Progress};
use crate::db::backfill::{insert_tokens, load_lacking};
use crate::db::{Stop, users};
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
        let format = plan.format.unwrap_or(self.inner.format);
        loop {
            if !control.go_on(&mut run.progress).await {
                return Ok(Ended::Stopped);
            }
            let start = Instant::now();
            let mut tx = self.db().begin().await?;
            let site = self.db().site();
            let (audience, now) = (plan.audience, Moment::now());
            let lacking = load_lacking(
                tx.conn(),
                site,
                audience,
                &plan.filter,
                run.after,
                BATCH,
                now,
            )
            .await?;
            let owners: Vec<UserId> = lacking.iter().map(|(id, _)| *id).collect();
            let keys = format.make_many(owners.len())?;
            let made = insert_tokens(tx.conn(), site, &owners, keys, now).await?;
            match mode {
                Mode::Apply => tx.commit().await?,
                Mode::DryRun => tx.rollback().await?,
            }
            let reached = owners.len();
            run.note(made, lacking, start.elapsed());
            control.report(&run.progress);
            if reached < BATCH {
                return Ok(Ended::Complete);
            }
        }
    }
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
