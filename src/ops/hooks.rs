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
use crate::domain::audit::{Entry, Verb};
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
    /// Whether it is run for what users do at the listener too: a token got with a password, knox's login and logout.
    pub logins: bool,
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

/// So many changes wait for their turn; the command is not run for more, which is counted and told as one failure.
const MOST_WAITING: usize = 1_000;
/// So many failures are kept to be said; the audit and the log have them all.
const MOST_KEPT: usize = 20;
/// The first pause before another try; each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(500);
/// So often it is told how many were too many.
const COUNTED: Duration = Duration::from_mins(1);
/// So long it may take to write down how the last ones ended.
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
    /// No more changes are made.
    closing: CancellationToken,
    leaving: CancellationToken,
    /// The lines of what was cut off: very many go in together while there is time.
    cut: Mutex<Vec<(Ops, Entry)>>,
    /// For so many changes the command is not run, since it was told last.
    too_many: AtomicUsize,
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
                closing: CancellationToken::new(),
                leaving: CancellationToken::new(),
                cut: Mutex::default(),
                too_many: AtomicUsize::new(0),
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
        self.finish_within(self.longest()).await
    }

    /// The same, no longer than `limit` and a moment to write down what was cut off: whoever stops us may be less patient.
    pub async fn finish_within(&self, limit: Duration) -> Vec<String> {
        if self.inner.leaving.is_cancelled() {
            // They had their time.
            return Vec::new();
        }
        self.inner.closing.cancel();
        self.inner.waiting.close();
        if timeout(limit, self.inner.waiting.wait()).await.is_err() {
            self.inner.leaving.cancel();
            let last = async {
                self.inner.waiting.wait().await;
                self.write_down_cut().await;
            };
            if timeout(LAST, last).await.is_err() {
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

    /// Takes `job`, or counts it where too many wait: whoever made the change waits for neither.
    fn take(&self, job: Job) {
        let hooks = self.clone();
        if self.inner.waiting.len() >= MOST_WAITING {
            // The first of them has all told.
            if self.inner.too_many.fetch_add(1, Relaxed) == 0 {
                self.inner.waiting.spawn(async move {
                    hooks.tell_too_many(job.ops).await;
                });
            }
            return;
        }
        self.inner.waiting.spawn(async move {
            tokio::select! {
                biased;
                () = hooks.inner.leaving.cancelled() => hooks.cut_off(job),
                outcome = hooks.in_turn(&job) => hooks.ended(job, outcome).await,
            }
        });
    }

    /// Waits for more of them, and writes one line of all.
    async fn tell_too_many(&self, ops: Ops) {
        let _ = timeout(COUNTED, self.inner.closing.cancelled()).await;
        let count = self.inner.too_many.swap(0, Relaxed);
        let result = format!("failed: not run for {count} changes, too many wait for the command");
        tracing::warn!("hook: {result}");
        self.fail(format!("hook: {result}; the changes stand"));
        let ops = Ops { leak: None, ..ops };
        let line = ops.entry(Verb::Hook, "", None, result);
        self.write_down(&ops, &[line]).await;
    }

    /// Notes that `job` did not come to its end.
    fn cut_off(&self, job: Job) {
        let line = self.line_of(
            &job,
            Err("failed: not run to its end, tokenward was left".to_owned()),
        );
        self.inner
            .cut
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((job.ops, line));
    }

    async fn write_down_cut(&self) {
        let cut = std::mem::take(
            &mut *self
                .inner
                .cut
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        // As a rule they are all of one database.
        for some in cut.chunk_by(|(one, _), (next, _)| Arc::ptr_eq(&one.inner, &next.inner)) {
            let lines: Vec<Entry> = some.iter().map(|(_, line)| line.clone()).collect();
            if let Some((ops, _)) = some.first() {
                self.write_down(ops, &lines).await;
            }
        }
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
        let line = self.line_of(&job, outcome);
        self.write_down(&job.ops, &[line]).await;
    }

    /// The audit line of how `job` ended; a failure is told too.
    fn line_of(&self, job: &Job, outcome: Result<String, String>) -> Entry {
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
        job.ops
            .entry(Verb::Hook, &job.username, job.key.as_ref(), result)
    }

    async fn write_down(&self, ops: &Ops, lines: &[Entry]) {
        if let Err(missing) = ops.write_down(lines).await {
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

    /// The same operations for what a user does at the listener, which runs hooks only where that was asked for: a site has
    /// more logins than a command can be run for.
    pub(super) fn at_a_login(&self) -> Self {
        let hooks = self.hooks.clone();
        self.with_hooks(hooks.filter(|hooks| hooks.inner.settings.logins))
    }
}
