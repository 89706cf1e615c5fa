//! What Postgres tells of changed rows: a connection of its own that listens to the change notices, and says when it is
//! not sure to hear of every change. The gate (`ops::gate`) forgets by it what it remembers of keys.
//!
//! Why an answer proves that nothing is missing: notices arrive in the order in which their transactions committed
//! (manual, NOTIFY), and Postgres signals its listeners before it acknowledges a COMMIT, sends what they have before it
//! is ready for the next query (`PostgresMain`), and a listener hears of a transaction only when a new query would see
//! it (`asyncQueueProcessPageEntries`). So an answer to a question asked at T comes after the notices of all that was
//! acknowledged before T, on the same connection, and a look-up that begins after a notice sees what it tells of. No
//! NOTIFY of ours is needed for that, which would take a lock of the whole server several times a second.

mod clock;

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tokio_postgres::types::ToSql;
use tokio_postgres::{AsyncMessage, Client, Notification, Row};

pub use clock::since_boot;

use super::site::Site;
use super::{Db, connect};
use crate::domain::user::UserId;

/// The migration that makes the notices.
pub(super) const MIGRATION: &str =
    include_str!("../../migrations/tokenward/2026-11-25-000001_change_notices/up.sql");

/// Asks whether the notices cover all that keys depend on; its parameters are explained in it.
pub(super) const COVERAGE: &str = include_str!("changes/coverage.sql");

/// The body that the trigger function must have: one that somebody replaced may tell nothing.
pub(super) fn tell_body() -> &'static str {
    MIGRATION.split("$tell$").nth(1).unwrap_or_default()
}

/// What was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Something about these users' keys changed.
    Changed(Vec<UserId>),
    /// Something about any user's keys may have changed.
    AllChanged,
    /// Every change acknowledged before `asked` has been told of.
    Sure {
        /// When the question was asked that this is the answer to, in [`since_boot`]'s time.
        asked: Duration,
        /// The server and database that said so; an answer of another one may be older.
        server: String,
    },
    /// From here on changes may go unheard, for this reason.
    NotSure(String),
}

/// How long a [`Heard::Sure`] holds, from `asked` on: whatever breaks after it, a change is acted on before a second is
/// over.
pub const PROMISE: Duration = Duration::from_millis(800);

/// Between an answer and the next question.
const BEAT: Duration = Duration::from_millis(200);

/// An answer that takes longer comes when the promise before it is over.
const LATE: Duration = PROMISE.saturating_sub(BEAT);

/// When no answer is waited for any more, and the connection is made anew.
const GIVE_UP: Duration = Duration::from_secs(3);

/// How long a notice of our own may take to arrive when a connection is new.
const PROOF: Duration = Duration::from_secs(2);

/// The pause before the next try: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// Listens for ever and says what it hears to `hear`, in order: drop the future to stop it.
pub async fn listen(db: Db, mut hear: impl FnMut(Heard) + Send) -> Infallible {
    let mut pause = PAUSES.0;
    loop {
        let mut was_sure = false;
        let why = {
            let mut hear = |heard: Heard| {
                was_sure |= matches!(heard, Heard::Sure { .. });
                hear(heard);
            };
            match session(&db, &mut hear).await {
                Ok(never) => match never {},
                Err(Lost(why)) => why,
            }
        };
        hear(Heard::NotSure(why));
        pause = if was_sure {
            PAUSES.0
        } else {
            (pause * 2).min(PAUSES.1)
        };
        sleep(pause).await;
    }
}

/// Why a session ended, in words.
struct Lost(String);

impl From<connect::Error> for Lost {
    fn from(error: connect::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<tokio_postgres::Error> for Lost {
    fn from(error: tokio_postgres::Error) -> Self {
        Self(match error.as_db_error() {
            Some(said) => format!("the notice connection broke: {}", said.message()),
            None => format!("the notice connection broke: {error}"),
        })
    }
}

async fn session(db: &Db, hear: &mut (impl FnMut(Heard) + Send)) -> Result<Infallible, Lost> {
    let connector = db.connector();
    let (client, mut link) = Box::pin(connector.link()).await?;
    let probe = Probe::new();
    // Both halves run in this one task, and what the server sent is looked at first: so a notice is acted on before
    // the answer that came after it.
    let (said, mut says) = tokio::sync::mpsc::channel(1);
    let mut work = pin!(watch(db, &client, &probe, said));
    loop {
        tokio::select! {
            biased;
            message = poll_fn(|cx| link.poll_message(cx)) => match message {
                Some(Ok(AsyncMessage::Notification(notice))) => {
                    if let Some(heard) = read(&notice, db.site(), &probe) {
                        hear(heard);
                    }
                }
                // A notice in the sense of a warning.
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.into()),
                None => return Err(Lost("the notice connection was closed".to_owned())),
            },
            Some(heard) = says.recv() => hear(heard),
            ended = &mut work => return ended,
        }
    }
}

/// A notice of our own, to see that notices arrive while nobody asks: through a pooler that lends connections out by
/// the transaction they do not.
struct Probe {
    payload: String,
    arrived: Notify,
}

impl Probe {
    fn new() -> Self {
        Self {
            payload: format!("?{:032x}", rand::random::<u128>()),
            arrived: Notify::new(),
        }
    }
}

/// What `notice` tells; `None` where it is a probe, ours or another listener's.
fn read(notice: &Notification, site: &Site, probe: &Probe) -> Option<Heard> {
    let payload = notice.payload();
    if payload == probe.payload {
        probe.arrived.notify_one();
    }
    if payload.starts_with('?') {
        return None;
    }
    // Whatever is not a list of ids is taken for everything.
    Some(ids(payload, &site.id_type).map_or(Heard::AllChanged, Heard::Changed))
}

fn ids(payload: &str, id_type: &str) -> Option<Vec<UserId>> {
    let id = |text: &str| match id_type {
        "integer" => text.parse().ok().map(UserId::Int4),
        "bigint" => text.parse().ok().map(UserId::Int8),
        _ => text.parse().ok().map(UserId::Uuid),
    };
    payload.split(',').map(id).collect()
}

/// Begins to listen, then asks again and again.
async fn watch(
    db: &Db,
    client: &Client,
    probe: &Probe,
    said: tokio::sync::mpsc::Sender<Heard>,
) -> Result<Infallible, Lost> {
    let tell = |heard| async {
        // Its other end is in the same task and lives as long.
        let _ = said.send(heard).await;
    };
    in_time(client.batch_execute("LISTEN tokenward")).await?;
    let statement = in_time(client.prepare(COVERAGE)).await?;
    let site = db.site();
    let parameters: [&(dyn ToSql + Sync); 4] = [
        &site.user_table,
        &site.username,
        &site.has_groups,
        &tell_body(),
    ];
    let mut first: Option<Answer> = None;
    loop {
        let asked = since_boot();
        let mut question = pin!(client.query_one(&statement, &parameters));
        let row = match timeout(LATE, &mut question).await {
            Ok(row) => row?,
            Err(_late) => {
                tell(Heard::NotSure("the database answers late".to_owned())).await;
                in_time(question).await?
            }
        };
        let answer = Answer::read(&row)?;
        if let Some(why) = &answer.doubt {
            tell(Heard::NotSure(why.clone())).await;
            first = None;
        } else {
            match &first {
                Some(first) if first.pid != answer.pid => {
                    return Err(Lost(
                        "the notice connection changed its server process: a pooler is in between"
                            .to_owned(),
                    ));
                }
                Some(first) if *first == answer => {}
                // Triggers, function or tables are not those of the last time: between, changes may have gone untold.
                Some(_) => {
                    tell(Heard::AllChanged).await;
                    first = Some(answer.clone());
                }
                None => {
                    prove(db, probe).await?;
                    // What was looked up before this connection listened may have changed before.
                    tell(Heard::AllChanged).await;
                    first = Some(answer.clone());
                    // This answer is from before the proof; the next is due at once.
                    continue;
                }
            }
            let server = answer.server;
            tell(Heard::Sure { asked, server }).await;
        }
        sleep(BEAT).await;
    }
}

async fn in_time<T>(
    answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, Lost> {
    match timeout(GIVE_UP, answer).await {
        Ok(answer) => Ok(answer?),
        Err(_late) => Err(Lost(format!(
            "the notice connection gave no answer within {} s",
            GIVE_UP.as_secs()
        ))),
    }
}

/// Sends the probe over another connection, and waits for it to arrive while nothing is asked.
async fn prove(db: &Db, probe: &Probe) -> Result<(), Lost> {
    let (client, link) = Box::pin(db.connector().client()).await?;
    let parameters: [&(dyn ToSql + Sync); 1] = [&probe.payload];
    let send = client.execute("SELECT pg_notify('tokenward', $1)", &parameters);
    let outcome = in_time(send).await;
    drop(client);
    link.abort();
    outcome?;
    if timeout(PROOF, probe.arrived.notified()).await.is_err() {
        return Err(Lost(
            "a change notice sent for trial did not arrive: connect to Postgres itself, or through a pooler in \
             session mode (pool_mode=session)"
                .to_owned(),
        ));
    }
    Ok(())
}

/// What one row of [`COVERAGE`] says.
#[derive(Clone, PartialEq, Eq)]
struct Answer {
    pid: i32,
    server: String,
    fingerprint: Option<String>,
    doubt: Option<String>,
}

impl Answer {
    fn read(row: &Row) -> Result<Self, Lost> {
        let uncovered: Option<String> = row.try_get("uncovered")?;
        let doubt = if row.try_get("is_standby")? {
            Some("the database is a standby, which tells of no changes".to_owned())
        } else if !row.try_get::<_, bool>("is_listening")? {
            Some("the session no longer listens: a pooler is in between".to_owned())
        } else {
            uncovered.map(|tables| {
                format!("{tables} without working change notices; `tokenward migrate` makes them")
            })
        };
        Ok(Self {
            pid: row.try_get("pid")?,
            server: row.try_get("server")?,
            fingerprint: row.try_get("fingerprint")?,
            doubt,
        })
    }
}
