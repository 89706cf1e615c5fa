//! Keys that nobody remembers, looked up in one round trip: what waits is gathered into one `key = ANY($1)`, while a
//! question is under way the next batch gathers, and an idle connection asks at once. The gate (`ops::gate`) calls it.
//!
//! REST framework keeps its keys in clear, so Postgres finds one by its index, as it does for Django. The row that
//! comes back is given to whoever asked by the position of his key in the question, so no key is compared here. Knox's
//! rows are found by a part of the key that is no secret, and their digests compared in constant time.

mod ask;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{Db, Error};
use crate::domain::moment::Moment;
use crate::domain::principal::{Account, Presented};
use ask::Session;

/// How look-ups are made.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// So many connections ask at the same time.
    pub connections: usize,
    /// So many keys may wait; one more is refused at once.
    pub waiting: usize,
    /// So long a key may wait for its answer.
    pub deadline: Duration,
}

/// Keys in one question: enough that Postgres' work on each outweighs the round trip, and an answer still comes in
/// a few milliseconds.
const BATCH: usize = 128;

/// What a look-up found.
#[derive(Clone, Debug)]
pub struct Found {
    /// Whose key it is; `None` where there is no such key.
    pub holder: Option<Holder>,
    /// What `stamp` gave just before the question was sent.
    pub stamp: u64,
    /// The server and database that answered, in the words of [`super::changes::Heard::Sure`]; `None` for a standby, whose
    /// answers may be older than what its primary told.
    pub server: Option<Arc<str>>,
    /// Nobody holds the key, but whether it is one that was replaced and is still taken was not told in time.
    pub is_doubtful: bool,
}

/// A row of a token and its user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The user.
    pub account: Account,
    /// When the token was made.
    pub created: Moment,
    /// When it ends: knox' tokens do, and a key of REST framework that was replaced and is still taken for a while.
    pub expiry: Option<Moment>,
    /// When the first of the user's other knox tokens ends: REST framework's users have none.
    pub other_expiry: Option<Moment>,
}

/// Looks keys up. Its connections and their tasks end with it.
#[derive(Debug)]
pub struct Lookup {
    queue: Arc<Queue>,
    deadline: Duration,
    _workers: JoinSet<()>,
}

/// The keys that wait, and whoever is woken for them.
#[derive(Debug)]
struct Queue {
    waiting: Mutex<VecDeque<Waiting>>,
    wake: Notify,
    most: usize,
}

/// One key, and where its answer goes.
#[derive(Debug)]
struct Waiting {
    key: Presented,
    answer: oneshot::Sender<Result<Found, Error>>,
}

impl Lookup {
    /// Starts the connections' tasks; each connects when it is first needed. `stamp` is read before each question.
    pub fn start(
        db: &Db,
        settings: Settings,
        stamp: impl Fn() -> u64 + Clone + Send + Sync + 'static,
    ) -> Self {
        let queue = Arc::new(Queue {
            waiting: Mutex::default(),
            wake: Notify::new(),
            most: settings.waiting,
        });
        let mut workers = JoinSet::new();
        for _ in 0..settings.connections.max(1) {
            workers.spawn(work(
                db.clone(),
                Arc::clone(&queue),
                settings.deadline,
                stamp.clone(),
            ));
        }
        Self {
            queue,
            deadline: settings.deadline,
            _workers: workers,
        }
    }

    /// Finds whose key `key` is.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the database is away, does not answer in time, or too many wait already.
    pub async fn find(&self, key: Presented) -> Result<Found, Error> {
        let (answer, answered) = oneshot::channel();
        self.queue.push(Waiting { key, answer })?;
        match timeout(self.deadline, answered).await {
            Ok(Ok(found)) => found,
            Ok(Err(_dropped)) => Err(Error::Unavailable("the look-ups were stopped".to_owned())),
            Err(_late) => Err(Error::Unavailable(format!(
                "the database gave no answer within {} ms",
                self.deadline.as_millis()
            ))),
        }
    }
}

impl Queue {
    fn push(&self, waiting: Waiting) -> Result<(), Error> {
        let mut queue = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.len() >= self.most {
            return Err(Error::Unavailable(format!(
                "{} keys wait to be looked up already; the database does not keep up",
                queue.len()
            )));
        }
        queue.push_back(waiting);
        drop(queue);
        self.wake.notify_one();
        Ok(())
    }

    /// The next batch, without those whose askers have gone. Wakes another for what is left.
    fn take(&self) -> Vec<Waiting> {
        let mut queue = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut batch = Vec::with_capacity(queue.len().min(BATCH));
        while batch.len() < BATCH {
            match queue.pop_front() {
                Some(waiting) if waiting.answer.is_closed() => {}
                Some(waiting) => batch.push(waiting),
                None => break,
            }
        }
        if !queue.is_empty() {
            self.wake.notify_one();
        }
        batch
    }
}

async fn work(db: Db, queue: Arc<Queue>, deadline: Duration, stamp: impl Fn() -> u64) {
    let mut session = None;
    loop {
        queue.wake.notified().await;
        loop {
            let batch = queue.take();
            if batch.is_empty() {
                break;
            }
            let (keys, answers): (Vec<_>, Vec<_>) = batch
                .into_iter()
                .map(|waiting| (waiting.key, waiting.answer))
                .unzip();
            let asked = timeout(deadline, ask(&db, &mut session, &keys, &stamp)).await;
            let outcome = asked.unwrap_or_else(|_late| {
                // What it still does ends with its connection.
                session = None;
                Err(Error::Unavailable(
                    "the database gave no answer in time".to_owned(),
                ))
            });
            match outcome {
                Ok(found) => {
                    for (answer, found) in answers.into_iter().zip(found) {
                        // An asker who has gone needs none.
                        let _ = answer.send(Ok(found));
                    }
                }
                Err(error) => {
                    for answer in answers {
                        let _ = answer.send(Err(error.clone()));
                    }
                }
            }
        }
    }
}

/// Asks for a batch; on a new connection once more where the old one failed, as after a restart of the server or a
/// change of a table, whose prepared statements are of no use then.
async fn ask(
    db: &Db,
    session: &mut Option<Session>,
    keys: &[Presented],
    stamp: &impl Fn() -> u64,
) -> Result<Vec<Found>, Error> {
    if let Some(mut old) = session.take() {
        let looked = if old.may_have_grace_by_now() {
            old.look_for_grace(db.site()).await
        } else {
            Ok(())
        };
        let answer = match looked {
            Ok(()) => old.ask(keys, stamp()).await,
            Err(error) => Err(error),
        };
        match answer {
            Ok(found) => {
                *session = Some(old).filter(|old| !old.is_stuck());
                return Ok(found);
            }
            Err(error) => tracing::debug!("a look-up connection is made anew: {error}"),
        }
    }
    let mut new = Session::open(db).await?;
    let found = new.ask(keys, stamp()).await?;
    *session = Some(new).filter(|new| !new.is_stuck());
    Ok(found)
}
