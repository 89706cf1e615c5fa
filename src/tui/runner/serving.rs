//! The listener while it runs: the only place of the console that knows what one is. A task of its own looks at what it
//! was asked, ten times a second, tells the screen, and ends it when it is told to.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::domain::moment::Moment;
use crate::http::feed::Line;
use crate::http::stats::STATUSES;
use crate::http::{Feed, Listener};
use crate::ops::Ops;
use crate::ops::gate::{Gate, Sure};
use crate::tui::effect::Ticket;
use crate::tui::message::Message;
use crate::tui::screens::listener::{self, Address, Call, Figures, NEWEST, News};

use super::Answer;
use super::limits::{fault, guarded};

/// Starts a listener on these operations, so that it forgets what they change before they answer; or says why not.
pub type Listen = Arc<dyn Fn(Ops) -> BoxFuture<'static, Result<Serving, String>> + Send + Sync>;

/// A listener that was started.
#[derive(Debug)]
pub struct Serving {
    /// For clients: `http://127.0.0.1:8000`.
    pub url: String,
    /// It.
    pub listener: Listener,
    /// `/metrics`, on a bind of its own, where one is configured.
    pub metrics: Option<Listener>,
    /// What knows keys.
    pub gate: Gate,
}

/// A listener that runs.
pub struct Listening {
    stop: CancellationToken,
    ended: JoinHandle<()>,
}

/// A start reads a certificate, a secret and a few rows; a secret's command alone may take 10 s.
const START_DEADLINE: Duration = Duration::from_secs(30);
/// How often the screen is told.
const LOOK: Duration = Duration::from_millis(100);

/// Starts one within its deadline.
pub fn start(
    listen: &Listen,
    ops: Ops,
) -> impl Future<Output = Result<Serving, String>> + Send + 'static {
    let mut work = tokio::spawn(listen(ops));
    async move {
        match timeout(START_DEADLINE, &mut work).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(panicked)) => Err(fault(&panicked).to_string()),
            Err(_) => {
                work.abort();
                Err(format!("no answer in {} s", START_DEADLINE.as_secs()))
            }
        }
    }
}

impl Serving {
    /// Where it is.
    #[must_use]
    pub fn address(&self) -> Address {
        Address {
            url: self.url.clone(),
            port: self.listener.address().port(),
        }
    }

    /// Keeps it until it is told to stop, and tells what it is asked.
    #[must_use]
    pub fn hold(self, ticket: Ticket, answers: mpsc::Sender<Answer>) -> Listening {
        let stop = CancellationToken::new();
        let told = stop.clone();
        let ended = tokio::spawn(async move {
            let (heard, end) = (answers.clone(), answers);
            let outcome = guarded(async move { Ok(self.run(ticket, told, heard).await) }).await;
            let stopped = listener::Message::Stopped { ticket, outcome };
            // The loop is gone: nobody is left to tell.
            let _ = end.send(Answer::Told(Message::Listener(stopped))).await;
        });
        Listening { stop, ended }
    }

    /// Tells until it has ended; gives how many connections had to be dropped.
    async fn run(
        self,
        ticket: Ticket,
        stop: CancellationToken,
        answers: mpsc::Sender<Answer>,
    ) -> usize {
        let Self {
            listener,
            metrics,
            gate,
            url: _,
        } = self;
        let feed = listener.feed();
        let mut stopped = pin!(async move {
            stop.cancelled().await;
            listener.stop().await.dropped
        });
        let mut told = Figures::default();
        let dropped = loop {
            let ended = tokio::select! {
                dropped = &mut stopped => Some(dropped),
                () = sleep(LOOK) => None,
            };
            let news = look(&feed, &gate);
            if !news.calls.is_empty() || news.dropped > 0 || news.figures != told {
                told = news.figures.clone();
                let heard = listener::Message::Heard { ticket, news };
                // When the loop is gone the listener still finishes what it is being asked.
                let _ = answers.send(Answer::Told(Message::Listener(heard))).await;
            }
            if let Some(dropped) = ended {
                break dropped;
            }
        };
        // They could be asked until the last answer was out.
        drop(metrics);
        gate.write_uses().await;
        dropped
    }
}

impl Listening {
    /// Begins to stop it.
    pub fn order_stop(&self) {
        self.stop.cancel();
    }

    /// Stops it, and is done when it has ended, which has a deadline of its own.
    pub fn stop(self) -> impl Future<Output = ()> {
        self.order_stop();
        async move {
            // A panic in it was told already.
            let _ = self.ended.await;
        }
    }
}

/// What happened since the last look.
fn look(feed: &Feed, gate: &Gate) -> News {
    let batch = feed.take();
    // Of lines that were dropped nobody knows.
    let is_retired = |line: &Line| line.retired_calls.is_some();
    let anybody = batch.dropped > 0 || batch.lines.iter().any(is_retired);
    let (at, now) = (Instant::now(), Moment::now());
    let too_many = batch.lines.len().saturating_sub(NEWEST);
    let lines = batch.lines.into_iter().skip(too_many);
    let summary = feed.summary();
    News {
        calls: lines.map(|line| call(line, at, now)).collect(),
        dropped: batch.dropped,
        figures: Figures {
            statuses: STATUSES.into_iter().zip(summary.statuses).collect(),
            others: summary.others,
            p50: summary.p50,
            p95: summary.p95,
            p99: summary.p99,
            known: gate.stats().known,
            doubt: match gate.sure() {
                Sure::Sure => None,
                Sure::NotSure(why) => Some(why),
            },
        },
        callers: anybody.then(|| gate.callers()),
    }
}

/// The line as the screen keeps it; `at` and `now` are the same instant.
fn call(line: Line, at: Instant, now: Moment) -> Call {
    let ago = at.saturating_duration_since(line.at).as_micros();
    let ago = i64::try_from(ago).unwrap_or(0);
    let moment = Moment::from_unix_micros(now.unix_micros() - ago);
    Call {
        first: moment,
        at: moment,
        times: 1,
        client: line.client,
        method: line.method.as_str().to_owned(),
        path: line.path.into(),
        status: line.status.as_u16(),
        user: line.user.map(String::from),
        took: line.took,
        reason: line.reason.map(std::borrow::Cow::into_owned),
        retired_calls: line.retired_calls,
        id: line.id.to_string(),
    }
}
