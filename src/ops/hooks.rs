//! A command of the site's that is run after each change, to tell a secret store or a chat. It runs when the change is made,
//! beside everything else: it can neither hold a change up nor undo it. How it ended is in the audit, and a failure is kept
//! for whoever has a place to say it. `event.rs` has what the command is told.

mod event;
mod run;

use std::collections::VecDeque;
use std::ffi::OsString;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use zeroize::Zeroizing;

use super::Ops;
use crate::domain::audit::Verb;
use crate::domain::token::KeyStart;
use crate::text;

pub(super) use event::Counts;

/// What is run, and how patiently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The program and its arguments. No shell sees them.
    pub command: Vec<OsString>,
    /// How long one try may take.
    pub limit: Duration,
    /// How often it is tried again.
    pub retries: u32,
    /// Whether it is told the new key.
    pub key: NewKey,
}

/// Whether the command is told the new key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NewKey {
    /// Its first characters are enough.
    #[default]
    Kept,
    /// It needs all of it, as a secret store does.
    Told,
}

/// So many changes wait for their turn; the command is not run for more, which is told as a failure.
const MOST_WAITING: usize = 1_000;
/// So many failures are kept to be said; the audit and the log have them all.
const MOST_KEPT: usize = 20;
/// The first pause before another try; each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(500);
/// So long it may take to write down how one ended.
const LAST: Duration = Duration::from_secs(2);

/// The hooks of one run of the program; cheap to clone.
#[derive(Clone, Debug)]
pub struct Hooks {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    settings: Settings,
    /// One at a time, in the order of the changes: a store must not end up with the older of two keys.
    turn: Semaphore,
    waiting: TaskTracker,
    leaving: CancellationToken,
    failures: Mutex<VecDeque<String>>,
    failed: Notify,
    /// Failures that are no longer kept.
    forgotten: AtomicUsize,
}

/// One run to be made.
struct Job {
    /// Without hooks, and for the same leak: writes how it ended.
    ops: Ops,
    /// Of whom; empty where no single user is meant.
    username: String,
    verb: Verb,
    key: Option<KeyStart>,
    event: Zeroizing<Vec<u8>>,
}

impl Hooks {
    /// Hooks as `settings` say.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            inner: Arc::new(Inner {
                settings,
                turn: Semaphore::new(1),
                waiting: TaskTracker::new(),
                leaving: CancellationToken::new(),
                failures: Mutex::default(),
                failed: Notify::new(),
                forgotten: AtomicUsize::new(0),
            }),
        }
    }

    /// Waits until there is a failure that nobody was told, and gives it.
    pub async fn next_failure(&self) -> String {
        loop {
            let heard = self.inner.failed.notified();
            if let Some(failure) = self.take_failure() {
                return failure;
            }
            heard.await;
        }
    }

    fn take_failure(&self) -> Option<String> {
        let kept = &self.inner.failures;
        kept.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front()
    }

    /// Waits for what is under way, no longer than one run with all its tries may take; what has not ended then is cut
    /// off. Gives the failures that nobody was told.
    pub async fn finish(&self) -> Vec<String> {
        self.inner.waiting.close();
        if timeout(self.longest(), self.inner.waiting.wait())
            .await
            .is_err()
        {
            self.inner.leaving.cancel();
            if timeout(LAST, self.inner.waiting.wait()).await.is_err() {
                self.fail(
                    "hook: left before it was written down how the last ones ended".to_owned(),
                );
            }
        }
        let mut failures: Vec<String> = std::iter::from_fn(|| self.take_failure()).collect();
        let forgotten = self.inner.forgotten.swap(0, Relaxed);
        if forgotten > 0 {
            failures.push(format!("hook: {forgotten} more failures are in the audit"));
        }
        failures
    }

    /// All tries of one run, the pauses between them, and the line that it leaves.
    fn longest(&self) -> Duration {
        let Settings { limit, retries, .. } = &self.inner.settings;
        let pauses = (0..*retries).map(pause).sum::<Duration>();
        limit.saturating_mul(retries.saturating_add(1)) + pauses + LAST
    }

    fn fail(&self, failure: String) {
        let mut kept = self
            .inner
            .failures
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if kept.len() < MOST_KEPT {
            kept.push_back(failure);
            drop(kept);
            self.inner.failed.notify_one();
        } else {
            self.inner.forgotten.fetch_add(1, Relaxed);
        }
    }

    /// Takes `job`, or writes down that too many wait: never waits for the command.
    async fn take(&self, job: Job) {
        let hooks = self.clone();
        if self.inner.waiting.len() >= MOST_WAITING {
            let said = format!("failed: not run, {MOST_WAITING} others wait for the command");
            return self.ended(job, Err(said)).await;
        }
        self.inner.waiting.spawn(async move {
            let cut = || Err("failed: not run to its end, tokenward was left".to_owned());
            let outcome = tokio::select! {
                biased;
                () = hooks.inner.leaving.cancelled() => cut(),
                outcome = hooks.in_turn(&job) => outcome,
            };
            hooks.ended(job, outcome).await;
        });
    }

    async fn in_turn(&self, job: &Job) -> Result<String, String> {
        // It is never closed.
        let _turn = self.inner.turn.acquire().await;
        let Settings { limit, retries, .. } = self.inner.settings;
        let mut tried = 0;
        loop {
            let ran = run::once(&self.inner.settings.command, &job.event, limit).await;
            let Err(why) = ran else {
                return Ok(match tried {
                    0 => "done".to_owned(),
                    again => format!("done, at try {}", again + 1),
                });
            };
            if tried == retries {
                let each = if tried == 0 { "" } else { ", at each try" };
                return Err(format!("failed: {why}{each}"));
            }
            sleep(pause(tried)).await;
            tried += 1;
        }
    }

    async fn ended(&self, job: Job, outcome: Result<String, String>) {
        let (result, failed) = match outcome {
            Ok(result) => (result, false),
            Err(result) => (result, true),
        };
        if failed {
            let what = match job.username.as_str() {
                "" => job.verb.to_string(),
                name => format!("the change of {}", text::safe(name)),
            };
            tracing::warn!("hook after {what}: {result}");
            self.fail(format!("hook after {what}: {result}; the change stands"));
        }
        let line = job
            .ops
            .entry(Verb::Hook, &job.username, job.key.as_ref(), result);
        if let Err(missing) = job.ops.write_down(&[line]).await {
            let missing = missing.after(Verb::Hook);
            tracing::warn!("{missing}");
            self.fail(missing.to_string());
        }
    }
}

fn pause(tried: u32) -> Duration {
    PAUSE.saturating_mul(1 << tried.min(10))
}

impl Ops {
    /// The same operations, and `hooks` are run after what they change.
    #[must_use]
    pub fn with_hooks(&self, hooks: Option<Hooks>) -> Self {
        Self {
            hooks,
            ..self.clone()
        }
    }

    /// What is run after changes, if anything is.
    #[must_use]
    pub const fn hooks(&self) -> Option<&Hooks> {
        self.hooks.as_ref()
    }
}
