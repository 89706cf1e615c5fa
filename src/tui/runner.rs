//! Performs effects and sends the answers back as messages. Each question runs in a task of its own, so a slow
//! database never holds up a key; a new question in a slot cancels the one before, on the server too. The loop in
//! `tui.rs` owns it.

mod ask;
mod clip;
mod deeds;
mod file;
mod limits;
mod read;
mod serving;

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::ops::{Change, Error, Handle, Ops};
use crate::tui::effect::{Effect, Leave, Sealed, Serve, Slot, Ticket};
use crate::tui::message::{Cleared, Message};
use crate::tui::model::Place;
use crate::tui::screens::listener;
use crate::tui::{Connect, Settings};

use limits::guarded;
use serving::Listening;
pub use serving::{Listen, Serving};

/// Connecting takes no longer; a TLS handshake across the world does not either.
const CONNECT_DEADLINE: Duration = Duration::from_secs(20);
/// On leaving, work under way has so long to end its transaction.
const LEAVE_DEADLINE: Duration = Duration::from_secs(10);
/// Answers that wait to be taken. When it is full the tasks wait: each has one answer, none is lost.
const ANSWERS: usize = 64;

/// What comes back from a task.
#[derive(Debug)]
pub enum Answer {
    /// A message as it is.
    Told(Message),
    /// A connection, to be kept by the runner if it is still wanted.
    Opened(Ticket, Result<Ops, Error>),
    /// A listener, to be kept by the runner.
    Listens(Ticket, Result<Serving, String>),
}

/// What only the loop can do, since it owns the terminal.
#[derive(Debug)]
pub enum Outside {
    /// Leave.
    Quit(Leave),
    /// Stop until continued.
    Suspend,
    /// Draw everything anew.
    Redraw,
    /// Send a text to the terminal's clipboard.
    Osc52(String, Sealed, Cleared),
}

/// Performs effects.
pub struct Runner {
    ops: Option<Ops>,
    connect: Connect,
    listen: Listen,
    listening: Option<Listening>,
    connecting: Option<Ticket>,
    answers: mpsc::Sender<Answer>,
    slots: HashMap<Slot, CancellationToken>,
    job: Option<Handle>,
    deeds: TaskTracker,
    /// Tells of hooks that failed.
    hooks: Option<AbortHandle>,
    settings: Settings,
    held: Arc<Mutex<Held>>,
}

/// What the clipboard holds of ours.
#[derive(Debug, Default)]
struct Held {
    /// Counts what was sent, so that a later text is not cleared with an earlier one's time.
    nth: u64,
    label: Option<String>,
}

impl Runner {
    /// A runner, and the answers it will give.
    #[must_use]
    pub fn new(
        connect: Connect,
        listen: Listen,
        settings: Settings,
    ) -> (Self, mpsc::Receiver<Answer>) {
        let (answers, received) = mpsc::channel(ANSWERS);
        let runner = Self {
            ops: None,
            connect,
            listen,
            listening: None,
            connecting: None,
            answers,
            slots: HashMap::new(),
            job: None,
            deeds: TaskTracker::new(),
            hooks: None,
            settings,
            held: Arc::default(),
        };
        (runner, received)
    }

    /// Starts what `effect` asks for; gives back what only the loop can do.
    pub fn perform(&mut self, effect: Effect) -> Option<Outside> {
        match effect {
            Effect::Connect { ticket, profile } => self.connect(ticket, profile),
            Effect::Ask {
                slot,
                ticket,
                question,
            } => self.ask(slot, ticket, question),
            Effect::Do { ticket, deed } => self.deed(ticket, deed),
            Effect::Cancel(slot) => {
                if let Some(token) = self.slots.remove(&slot) {
                    token.cancel();
                }
            }
            Effect::Job(order) => self.order(order),
            Effect::Listener { ticket, order } => self.serve(ticket, order),
            Effect::Copy { label, text, keep } => return self.copy(label, text, keep),
            Effect::Write {
                stem,
                extension,
                text,
            } => self.write(stem, extension, text),
            Effect::Suspend => return Some(Outside::Suspend),
            Effect::Redraw => return Some(Outside::Redraw),
            Effect::Quit(leave) => return Some(Outside::Quit(leave)),
        }
        None
    }

    /// The message of an answer. A connection that nobody waits for any more is dropped here.
    pub fn receive(&mut self, answer: Answer) -> Option<Message> {
        match answer {
            Answer::Told(message) => Some(message),
            Answer::Opened(ticket, outcome) => {
                if self.connecting != Some(ticket) {
                    return None;
                }
                self.connecting = None;
                let outcome = outcome.map(|ops| {
                    let place = place_of(&ops);
                    self.hear_hooks(&ops);
                    self.ops = Some(ops.remembering());
                    place
                });
                Some(Message::Connected { ticket, outcome })
            }
            Answer::Listens(ticket, outcome) => {
                let outcome = outcome.map(|serving| {
                    let address = serving.address();
                    self.listening = Some(serving.hold(ticket, self.answers.clone()));
                    address
                });
                let started = listener::Message::Started { ticket, outcome };
                Some(Message::Listener(started))
            }
        }
    }

    /// Cancels questions, lets changes end their transaction and the listener its answers, and tells what the clipboard
    /// still holds.
    pub async fn finish(self) -> Option<String> {
        for token in self.slots.values() {
            token.cancel();
        }
        if let Some(job) = &self.job {
            job.cancel();
        }
        if let Some(hooks) = &self.hooks {
            hooks.abort();
        }
        let listening = self.listening.map(Listening::stop);
        self.deeds.close();
        if timeout(LEAVE_DEADLINE, self.deeds.wait()).await.is_err() {
            tracing::warn!("left while a change had not ended after {LEAVE_DEADLINE:?}");
        }
        if let Some(stopped) = listening {
            stopped.await;
        }
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.label
            .as_ref()
            .map(|label| format!("The clipboard still holds {label}."))
    }

    fn connect(&mut self, ticket: Ticket, profile: String) {
        // The old connection goes first: two places at once would be one too many to keep apart.
        self.ops = None;
        self.connecting = Some(ticket);
        let token = self.renew(Slot::Connect);
        let (connect, answers) = (Arc::clone(&self.connect), self.answers.clone());
        tokio::spawn(async move {
            let work = guarded(connect(profile));
            let outcome = tokio::select! {
                () = token.cancelled() => Err(Error::Cancelled),
                outcome = timeout(CONNECT_DEADLINE, work) => outcome.unwrap_or_else(|_| {
                    Err(Error::Unavailable(format!("no answer in {} s", CONNECT_DEADLINE.as_secs())))
                }),
            };
            // The loop is gone: nobody is left to tell.
            let _ = answers.send(Answer::Opened(ticket, outcome)).await;
        });
    }

    fn serve(&mut self, ticket: Ticket, order: Serve) {
        match (order, &self.ops) {
            (Serve::Start, Some(ops)) => {
                let work = serving::start(&self.listen, ops.clone());
                let answers = self.answers.clone();
                tokio::spawn(async move {
                    // The loop is gone: nobody is left to tell, and the listener ends here.
                    let _ = answers.send(Answer::Listens(ticket, work.await)).await;
                });
            }
            // The screen asks for one only at a place.
            (Serve::Start, None) => {}
            (Serve::Stop, _) => {
                if let Some(listening) = &self.listening {
                    listening.order_stop();
                }
            }
        }
    }

    /// Tells of hooks that fail, as long as the loop runs. They are the same for every place.
    fn hear_hooks(&mut self, ops: &Ops) {
        let (Some(hooks), None) = (ops.hooks().cloned(), &self.hooks) else {
            return;
        };
        let answers = self.answers.clone();
        let hear = tokio::spawn(async move {
            loop {
                let failed = Message::HookFailed(hooks.next_failure().await);
                if answers.send(Answer::Told(failed)).await.is_err() {
                    break;
                }
            }
        });
        self.hooks = Some(hear.abort_handle());
    }

    /// A fresh token for `slot`; whoever held the old one stops.
    fn renew(&mut self, slot: Slot) -> CancellationToken {
        let token = CancellationToken::new();
        if let Some(old) = self.slots.insert(slot, token.clone()) {
            old.cancel();
        }
        token
    }

    /// Runs `work` and sends what `say` makes of its outcome. A panic in it is an error like others.
    fn answer<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
        say: impl FnOnce(Result<T, Error>) -> Message + Send + 'static,
    ) {
        let answers = self.answers.clone();
        tokio::spawn(async move {
            let message = say(guarded(work).await);
            // The loop is gone: nobody is left to tell.
            let _ = answers.send(Answer::Told(message)).await;
        });
    }

    fn write(&self, stem: &'static str, extension: &'static str, text: Sealed) {
        let (answers, folder) = (self.answers.clone(), self.settings.folder.clone());
        tokio::task::spawn_blocking(move || {
            let outcome = file::write_new(&folder, stem, extension, text.expose());
            // The loop is gone: nobody is left to tell.
            let _ = answers.blocking_send(Answer::Told(Message::Written { outcome }));
        });
    }
}

fn place_of(ops: &Ops) -> Place {
    const CHANGES: [Change; 7] = [
        Change::Generate,
        Change::Regenerate,
        Change::Revoke,
        Change::UserCreate,
        Change::UserPassword,
        Change::UserOn,
        Change::UserOff,
    ];
    let refusals = CHANGES
        .into_iter()
        .filter_map(|change| Some((change, ops.refusal(change)?)));
    Place {
        info: ops.place().clone(),
        users: ops.user_table(),
        refusals: refusals.collect(),
        takes_grace: ops.takes_grace(),
    }
}
