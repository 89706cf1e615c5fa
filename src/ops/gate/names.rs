//! Whose a refused key was, for the log: our schema remembers a digest of each key that was retired, by whomever. The gate
//! asks here once it has refused, so nothing of this decides about a request.
//!
//! **It holds nobody up.** One task asks for many keys at a time and pauses between two questions; what waits for it is
//! bounded, and no request waits longer than [`PATIENCE`]. Who finds the queue full, or the database slow, goes without a
//! name. Names are remembered, and for a while also that a key has none: a flood of unknown keys is no flood of questions.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use quick_cache::sync::Cache;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use super::super::known::Known;
use super::super::{Error, Ops};
use crate::db::{Stop, retired_keys};
use crate::domain::retired::Retired;
use crate::domain::token::{DrfKey, Fingerprint};

/// So long a refusal waits for its name at most.
const PATIENCE: Duration = Duration::from_millis(50);
/// So long after the start it may wait instead, until the first connection is there: who starts a listener to see who
/// still calls shall not miss the first one.
const START: Duration = Duration::from_secs(2);
/// So many keys are asked for at a time.
const BATCH: usize = 128;
/// So many keys may wait; one more goes without a name at once.
const WAITING: usize = 2 * BATCH;
/// Between the beginning of one question and the next, at least: 50 of them in a second.
const PAUSE: Duration = Duration::from_millis(20);
/// So many keys without a name are remembered.
const NAMELESS: usize = 1 << 14;
/// For so long.
const NAMELESS_FOR: Duration = Duration::from_secs(5);

/// Asks whose refused keys were. Its task ends with it.
#[derive(Debug)]
pub(super) struct Names {
    memory: Arc<Memory>,
    asking: mpsc::Sender<Asking>,
    working: JoinHandle<()>,
    started: Instant,
}

#[derive(Debug)]
struct Memory {
    known: Arc<Known>,
    /// Keys that our schema did not know.
    nameless: Cache<Fingerprint, Nameless>,
    questions: AtomicU64,
    /// A connection has been there.
    is_ready: AtomicBool,
}

/// When our schema was asked, by the clock and by the count of changes heard before.
#[derive(Clone, Copy, Debug)]
struct Nameless {
    asked: Instant,
    stamp: u64,
}

/// One key, and where its answer goes.
#[derive(Debug)]
struct Asking {
    key: DrfKey,
    answer: oneshot::Sender<Option<Arc<str>>>,
}

impl Drop for Names {
    fn drop(&mut self) {
        self.working.abort();
    }
}

impl Names {
    /// Asks the database of `ops`, and remembers names in `known`.
    pub(super) fn start(ops: &Ops, known: Arc<Known>) -> Self {
        let memory = Arc::new(Memory {
            known,
            nameless: Cache::new(NAMELESS),
            questions: AtomicU64::new(0),
            is_ready: AtomicBool::new(false),
        });
        let (asking, asked) = mpsc::channel(WAITING);
        let working = tokio::spawn(work(ops.clone(), Arc::clone(&memory), asked));
        Self {
            memory,
            asking,
            working,
            started: Instant::now(),
        }
    }

    /// Whose key it was that was refused, if that can be told without waiting for long.
    pub(super) async fn whose(&self, key: &DrfKey) -> Option<Arc<str>> {
        let fingerprint = Fingerprint::of(key);
        if let Some(name) = self.memory.known.retired(fingerprint) {
            return Some(name);
        }
        if self.memory.is_nameless(fingerprint) {
            return None;
        }
        let (answer, answered) = oneshot::channel();
        let key = key.clone();
        self.asking.try_send(Asking { key, answer }).ok()?;
        // An answer that comes too late is remembered all the same.
        timeout(self.patience(), answered).await.ok()?.ok()?
    }

    fn patience(&self) -> Duration {
        if self.memory.is_ready.load(Relaxed) {
            return PATIENCE;
        }
        START.saturating_sub(self.started.elapsed()).max(PATIENCE)
    }

    /// How many questions were asked.
    pub(super) fn questions(&self) -> u64 {
        self.memory.questions.load(Relaxed)
    }
}

impl Memory {
    fn is_nameless(&self, key: Fingerprint) -> bool {
        let Some(Nameless { asked, stamp }) = self.nameless.get(&key) else {
            return false;
        };
        // What was heard since may have retired it.
        asked.elapsed() < NAMELESS_FOR && stamp == self.known.stamp()
    }

    /// `stamp` was read before the question was sent.
    fn keep(&self, key: Fingerprint, name: Option<&Arc<str>>, stamp: u64) {
        let asked = Instant::now();
        match name {
            Some(name) => self.known.retire(key, name),
            None => self.nameless.insert(key, Nameless { asked, stamp }),
        }
    }
}

async fn work(ops: Ops, memory: Arc<Memory>, mut asked: mpsc::Receiver<Asking>) {
    let mut batch = Vec::with_capacity(BATCH);
    // A question about no key of anybody: it connects, and the server plans what it will be asked.
    match ops.past_owners(&[DrfKey::from("")]).await {
        Ok(_) => memory.is_ready.store(true, Relaxed),
        Err(error) => tracing::debug!("whose refused keys were cannot be told yet: {error}"),
    }
    while asked.recv_many(&mut batch, BATCH).await > 0 {
        let begun = Instant::now();
        memory.questions.fetch_add(1, Relaxed);
        let stamp = memory.known.stamp();
        let keys: Vec<DrfKey> = batch.iter().map(|asking| asking.key.clone()).collect();
        match ops.past_owners(&keys).await {
            Ok(names) => {
                memory.is_ready.store(true, Relaxed);
                for Asking { key, answer } in batch.drain(..) {
                    let fingerprint = Fingerprint::of(&key);
                    let name = names.get(&fingerprint);
                    memory.keep(fingerprint, name, stamp);
                    // Who did not wait needs none.
                    let _ = answer.send(name.cloned());
                }
            }
            // Those who wait hear of it by their channel's end.
            Err(error) => {
                tracing::debug!("whose refused keys were cannot be told: {error}");
                batch.clear();
            }
        }
        sleep_until(begun + PAUSE).await;
    }
}

impl Ops {
    /// The names of those whose keys these were once.
    async fn past_owners(&self, keys: &[DrfKey]) -> Result<HashMap<Fingerprint, Arc<str>>, Error> {
        let mut conn = self.db().conn().await?;
        let stop = Stop::of(&conn);
        let work = retired_keys::load_retired(&mut conn, keys);
        let found = self.db().obey(&self.cancel, stop, work).await?;
        let named = found
            .into_iter()
            .map(|retired| (retired.fingerprint, name_of(&retired)));
        Ok(named.collect())
    }
}

/// The owner's name as it was, or his id where none could be told.
fn name_of(retired: &Retired) -> Arc<str> {
    match &retired.username {
        Some(name) => name.as_str().into(),
        None => format!("id {}", retired.user_id).into(),
    }
}
