//! The few threads that check passwords, and the queue before them. A check computes for a third of a second; on the
//! async workers eight logins at once would hold up every other answer. The gate owns a [`Hashing`] and asks it for
//! each login; whatever finds the queue full is told so at once.
//!
//! The threads are as many as the cores, so that no core idles while passwords wait, but have a lower priority than
//! the workers (Linux only): a worker that wakes up takes the core from them.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fmt;
use std::hint::black_box;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use thiserror::Error;
use tokio::sync::oneshot;

use crate::domain::password::{self, Encoded, Match, Preferred, Unreadable};
use crate::domain::secret::Secret;

/// How many checks wait for each thread before more are refused, unless the caller wants it otherwise: with Django's
/// own costs the last of them waits about five seconds, and whoever comes later had better come again.
pub const QUEUE_PER_THREAD: usize = 16;

/// How nice a hashing thread is, of 0 to 19. Measured on two busy cores, the 99th percentile of a small request grows
/// 40 times beside threads of niceness 0 and less than 2 times beside ones of 10; at 19 it is no better, but beside a
/// busy Postgres or Django on the same machine logins get next to no time.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// The answer to a check.
#[derive(Debug)]
pub enum Checked {
    /// Another password, or a stored one that nothing opens.
    Wrong,
    /// The password.
    Right,
    /// The password; Django would now store what is given here in place of what is stored.
    RightButOld(Secret<String>),
}

/// Every thread hashes and the queue is full, or the check could not be finished: nothing is known of the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("too many logins at once; try again in a few seconds")]
pub struct Busy;

/// The handle: cheap to clone. When the last one is dropped the threads end, each after what it has in hand.
#[derive(Clone)]
pub struct Hashing {
    pool: Arc<Pool>,
    preferred: Preferred,
}

/// Owned by the handles alone, so that its drop is the end of the last one.
struct Pool(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    /// How many jobs may wait.
    room: usize,
}

struct State {
    waiting: VecDeque<Job>,
    /// What a wasted check computes; `None` is what the preferred hasher writes.
    imitated: Option<Arc<Encoded>>,
    open: bool,
}

struct Job {
    /// `None` for a check that is only to take its time.
    encoded: Option<Secret<String>>,
    password: Secret<String>,
    preferred: Preferred,
    answer: oneshot::Sender<Checked>,
}

impl Hashing {
    /// Starts `threads` threads, before which at most `queue` checks (at least one) wait. Checks with the memory that Django's Argon2
    /// takes (100 MiB each) are bounded by the number of threads.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn new(threads: NonZeroUsize, queue: usize) -> std::io::Result<Self> {
        let hashing = Self::idle(queue);
        for number in 1..=threads.get() {
            hashing.start(number)?;
        }
        Ok(hashing)
    }

    /// A queue before which nobody works yet.
    fn idle(queue: usize) -> Self {
        Self {
            pool: Arc::new(Pool(Arc::new(Shared {
                state: Mutex::new(State {
                    waiting: VecDeque::new(),
                    imitated: None,
                    open: true,
                }),
                changed: Condvar::new(),
                room: queue.max(1),
            }))),
            preferred: Preferred::default(),
        }
    }

    fn start(&self, number: usize) -> std::io::Result<()> {
        let shared = Arc::clone(&self.pool.0);
        thread::Builder::new()
            .name(format!("hashing-{number}"))
            .spawn(move || work(&shared))
            .map(|_| ())
    }

    /// As many threads as there are cores, and [`QUEUE_PER_THREAD`].
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn for_this_machine() -> std::io::Result<Self> {
        let cores = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self::new(cores, cores.get() * QUEUE_PER_THREAD)
    }

    /// The same threads, but passwords are written anew with the site's own first hasher instead of Django's.
    #[must_use]
    pub fn preferring(mut self, preferred: Preferred) -> Self {
        self.preferred = preferred;
        self
    }

    /// From now on a wasted check ([`Self::waste`]) takes the time of one against `encoded`: give it a stored password
    /// of the site's commonest format and cost. Until then it is a new password of the preferred hasher.
    ///
    /// # Errors
    /// When `encoded` is nothing that can be checked; what was imitated before stays.
    pub fn imitate(&self, encoded: &Secret<String>) -> Result<(), Unreadable> {
        let encoded = Encoded::parse(encoded)?;
        self.pool.0.lock().imitated = Some(Arc::new(encoded));
        Ok(())
    }

    /// Checks `password` against `encoded`, as Django does ([`password::check`]). A stored password that nothing opens
    /// takes the time of a wasted check, as in Django. Dropping the future takes the check out of the queue; one that
    /// has begun runs to its end.
    ///
    /// # Errors
    /// [`Busy`] at once when the queue is full.
    pub async fn check(
        &self,
        encoded: Secret<String>,
        password: Secret<String>,
    ) -> Result<Checked, Busy> {
        self.ask(Some(encoded), password).await
    }

    /// Takes as long as a wrong password: for a name that nobody has, so that the time does not tell that nobody has
    /// it (Django, `ModelBackend.authenticate`).
    ///
    /// # Errors
    /// [`Busy`] at once when the queue is full: under load, too, nobody's name looks like somebody's.
    pub async fn waste(&self, password: Secret<String>) -> Result<(), Busy> {
        self.ask(None, password).await.map(|_| ())
    }

    async fn ask(
        &self,
        encoded: Option<Secret<String>>,
        password: Secret<String>,
    ) -> Result<Checked, Busy> {
        let (answer, answered) = oneshot::channel();
        self.pool.0.put(Job {
            encoded,
            password,
            preferred: self.preferred,
            answer,
        })?;
        answered.await.map_err(|_| Busy)
    }
}

impl fmt::Debug for Hashing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hashing")
            .field("waiting", &self.pool.0.lock().waiting.len())
            .field("room", &self.pool.0.room)
            .field("preferred", &self.preferred)
            .finish_non_exhaustive()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.open = false;
        state.waiting.clear();
        self.0.changed.notify_all();
    }
}

impl Shared {
    /// Nothing that holds the lock can panic half-way, so a poisoned one is whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a job. A full queue is first rid of those whose callers went away.
    fn put(&self, job: Job) -> Result<(), Busy> {
        let mut state = self.lock();
        if state.waiting.len() >= self.room {
            state.waiting.retain(|job| !job.answer.is_closed());
        }
        if state.waiting.len() >= self.room {
            return Err(Busy);
        }
        state.waiting.push_back(job);
        self.changed.notify_one();
        Ok(())
    }

    /// Waits for the next job and for what is imitated now; `None` when the last handle is gone.
    fn next(&self) -> Option<(Job, Option<Arc<Encoded>>)> {
        let mut state = self.lock();
        while state.open {
            if let Some(job) = state.waiting.pop_front() {
                if job.answer.is_closed() {
                    continue;
                }
                return Some((job, state.imitated.clone()));
            }
            let woken = self.changed.wait(state);
            state = woken.unwrap_or_else(PoisonError::into_inner);
        }
        None
    }
}

/// What a thread does all its life.
fn work(shared: &Shared) {
    step_back();
    while let Some((job, imitated)) = shared.next() {
        let imitated = imitated.as_deref();
        let run = || job.run(imitated);
        // A bug in one of the hashing crates costs its caller an answer, not us a thread.
        if let Ok(checked) = catch_unwind(AssertUnwindSafe(run)) {
            // The caller may have gone away meanwhile.
            let _ = job.answer.send(checked);
        }
    }
}

impl Job {
    fn run(&self, imitated: Option<&Encoded>) -> Checked {
        let found = match &self.encoded {
            Some(encoded) => password::check(&self.password, encoded, self.preferred),
            None => Err(Unreadable::Unusable),
        };
        match found {
            Ok(Match::Wrong) => Checked::Wrong,
            Ok(Match::Right) => Checked::Right,
            Ok(Match::RightButOld) => self.renew(),
            Err(why) => {
                match why {
                    // The site's own way to say that there is no password.
                    Unreadable::Unusable => {}
                    Unreadable::Unknown | Unreadable::Malformed | Unreadable::TooCostly => {
                        tracing::warn!("a login failed on its stored password: {why}");
                    }
                }
                self.waste(imitated);
                Checked::Wrong
            }
        }
    }

    /// Without randomness the password stays as it is stored: it was right, and the login must not fail for that.
    fn renew(&self) -> Checked {
        match password::encode_as(self.preferred, &self.password) {
            Ok(encoded) => Checked::RightButOld(encoded),
            Err(error) => {
                tracing::warn!("a password is not stored in its new form: {error}");
                Checked::Right
            }
        }
    }

    fn waste(&self, imitated: Option<&Encoded>) {
        let typical;
        let imitated = if let Some(imitated) = imitated {
            imitated
        } else {
            typical = Encoded::typical(self.preferred);
            &typical
        };
        black_box(imitated.check(&self.password, self.preferred));
    }
}

/// Gives this thread a lower priority. On Linux niceness belongs to the thread; elsewhere it is the whole process's,
/// and is left alone. Nothing depends on it but how soon others are served.
fn step_back() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::debug!("a hashing thread keeps its priority: {error}");
    }
}
