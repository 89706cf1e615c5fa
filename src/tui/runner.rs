//! Performs effects and sends the answers back as messages. Each question runs in a task of its own, so a slow
//! database never holds up a key; a new question in a slot cancels the one before, on the server too. The loop in
//! `tui.rs` owns it.

mod file;
mod limits;
mod read;
mod serving;

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::domain::user::NewUser;
use crate::ops::{self, Aim, BackfillPlan, Change, Changed, Control, Error, Handle, Mode, Ops};
use crate::tui::clipboard::{self, Route, Tool};
use crate::tui::effect::{Deed, Effect, Keep, Leave, Order, Question, Sealed, Serve, Slot, Ticket};
use crate::tui::message::{Cleared, Message, Sent};
use crate::tui::model::Place;
use crate::tui::screens::{audit, backfill, listener, test_keys, users};
use crate::tui::{Connect, Settings};

use limits::{Late, Limits, fault, guarded};
use read::{count, try_key};
use serving::Listening;
pub use serving::{Listen, Serving};

/// Connecting takes no longer; a TLS handshake across the world does not either.
const CONNECT_DEADLINE: Duration = Duration::from_secs(20);
/// We stop waiting for a change after this long; it is not cut off.
const DEED_DEADLINE: Duration = Duration::from_mins(1);
/// On leaving, work under way has so long to end its transaction.
const LEAVE_DEADLINE: Duration = Duration::from_secs(10);
/// Progress is told so often.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);
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
                    self.ops = Some(ops);
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

    /// A fresh token for `slot`; whoever held the old one stops.
    fn renew(&mut self, slot: Slot) -> CancellationToken {
        let token = CancellationToken::new();
        if let Some(old) = self.slots.insert(slot, token.clone()) {
            old.cancel();
        }
        token
    }

    fn ask(&mut self, slot: Slot, ticket: Ticket, question: Question) {
        let token = self.renew(slot);
        let Some(ops) = self.ops.as_ref().map(|ops| ops.cancellable(token.clone())) else {
            return;
        };
        let deadline = question.deadline();
        let limits = Limits { token, deadline };
        match question {
            Question::Ping => {
                let work = async move { ops.ping().await.map(drop) };
                self.answer(limits.hold(work, Late::Away), move |outcome| {
                    Message::Ponged { ticket, outcome }
                });
            }
            Question::Users(query) => {
                let work = async move { ops.page_users(&query).await };
                self.answer(limits.hold(work, Late::Slow), move |outcome| {
                    Message::Users(users::Message::Paged {
                        slot,
                        ticket,
                        outcome,
                    })
                });
            }
            Question::Estimate => {
                let work = async move { ops.estimate_users().await };
                self.answer(limits.hold(work, Late::Slow), move |outcome| {
                    Message::Users(users::Message::Counted { ticket, outcome })
                });
            }
            Question::Detail(id) => {
                let work = async move { ops.user_detail(id).await };
                self.answer(limits.hold(work, Late::Slow), move |outcome| {
                    Message::Users(users::Message::Detailed { ticket, outcome })
                });
            }
            Question::Verify(key) => {
                let work = async move { try_key(&ops, key).await };
                self.answer(limits.hold(work, Late::Slow), move |outcome| {
                    Message::TestKeys(test_keys::Message::Verified { ticket, outcome })
                });
            }
            Question::Counts(plan) => {
                let work = async move { count(&ops, plan).await };
                self.answer(limits.hold(work, Late::Slow), move |outcome| {
                    Message::Backfill(backfill::Message::Counted { ticket, outcome })
                });
            }
            Question::Audit(query) => {
                let work = async move { ops.audit(&query).await };
                self.answer(limits.hold(work, Late::Slow), move |outcome| {
                    Message::Audit(audit::Message::Read { ticket, outcome })
                });
            }
            Question::HandOut(aims, what) => {
                let work = async move { ops.hand_out(&aims, what.purpose()).await };
                self.answer(limits.hold(work, Late::Slow), move |outcome| {
                    Message::HandedOut {
                        ticket,
                        what,
                        outcome,
                    }
                });
            }
            Question::Reveal(aim, wanted) => {
                let work = async move { ops.reveal(&aim, wanted.purpose()).await };
                self.answer(limits.hold(work, Late::Slow), move |outcome| {
                    Message::Revealed {
                        ticket,
                        wanted,
                        outcome,
                    }
                });
            }
        }
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

    fn deed(&mut self, ticket: Ticket, deed: Deed) {
        let Some(ops) = self.ops.clone() else {
            return;
        };
        match deed {
            Deed::One(change, aim) => {
                let whom = aim.clone();
                let work = self.lasting(async move { one(&ops, change, &aim).await });
                self.answer(work, move |outcome| {
                    Message::Users(users::Message::Changed {
                        ticket,
                        change,
                        aim: whom,
                        outcome,
                    })
                });
            }
            Deed::Many(change, aims) => self.many(ops, ticket, change, aims),
            Deed::Backfill(plan) => self.backfill(ops, ticket, plan),
            Deed::Create(username) => {
                let work = self.lasting(async move {
                    let new = NewUser {
                        username,
                        email: String::new(),
                        is_staff: false,
                        is_superuser: false,
                    };
                    ops.create_user(new, None, Mode::Apply).await
                });
                self.answer(work, move |outcome| {
                    Message::Users(users::Message::Created { ticket, outcome })
                });
            }
            Deed::Password(aim, password) => {
                self.user_deed(ticket, Change::UserPassword, aim, move |aim| async move {
                    ops.set_password(&aim, password.into_secret(), Mode::Apply)
                        .await
                });
            }
            Deed::On(aim) => self.user_deed(ticket, Change::UserOn, aim, move |aim| async move {
                ops.set_active(&aim, true, Mode::Apply).await
            }),
            Deed::Off(aim) => self.user_deed(ticket, Change::UserOff, aim, move |aim| async move {
                ops.set_active(&aim, false, Mode::Apply).await
            }),
        }
    }

    fn user_deed<F, W>(&self, ticket: Ticket, change: Change, aim: Aim, deed: W)
    where
        W: FnOnce(Aim) -> F,
        F: Future<Output = Result<(), Error>> + Send + 'static,
    {
        let work = self.lasting(deed(aim.clone()));
        self.answer(work, move |outcome| {
            Message::Users(users::Message::UserChanged {
                ticket,
                change,
                aim,
                outcome,
            })
        });
    }

    /// Work that is never dropped in the middle: when we stop waiting for it, it goes on by itself.
    fn lasting<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> impl Future<Output = Result<T, Error>> + Send + 'static {
        let task = self.deeds.spawn(work);
        async move {
            match timeout(DEED_DEADLINE, task).await {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(panicked)) => Err(fault(&panicked)),
                Err(_) => Err(Error::Internal(format!(
                    "no answer in {} s; whether the change was made is not known yet: look at the row again",
                    DEED_DEADLINE.as_secs()
                ))),
            }
        }
    }

    fn many(&mut self, ops: Ops, ticket: Ticket, change: Change, aims: Vec<Aim>) {
        let control = self.job(ticket);
        let task = self
            .deeds
            .spawn(async move { ops.change_many(change, aims, Mode::Apply, control).await });
        let work = async move { task.await.unwrap_or_else(|panicked| Err(fault(&panicked))) };
        self.answer(work, move |outcome| {
            Message::Users(users::Message::ManyChanged {
                ticket,
                change,
                outcome,
            })
        });
    }

    fn backfill(&mut self, ops: Ops, ticket: Ticket, plan: BackfillPlan) {
        let control = self.job(ticket);
        let task = self
            .deeds
            .spawn(async move { ops.backfill(&plan, Mode::Apply, control).await });
        let work = async move { task.await.unwrap_or_else(|panicked| Err(fault(&panicked))) };
        self.answer(work, move |outcome| {
            Message::Backfill(backfill::Message::Backfilled { ticket, outcome })
        });
    }

    /// What long work is given, its other end kept here and watched.
    fn job(&mut self, ticket: Ticket) -> Control {
        let (control, handle) = ops::control();
        self.watch(ticket, &handle);
        self.job = Some(handle);
        control
    }

    /// Tells of progress, the newest only, until the work is over.
    fn watch(&self, ticket: Ticket, handle: &Handle) {
        let mut seen = handle.progress();
        let answers = self.answers.clone();
        tokio::spawn(async move {
            while seen.changed().await.is_ok() {
                let progress = seen.borrow_and_update().clone();
                let told = answers
                    .send(Answer::Told(Message::Progressed { ticket, progress }))
                    .await;
                if told.is_err() {
                    break;
                }
                sleep(PROGRESS_EVERY).await;
            }
        });
    }

    fn order(&self, order: Order) {
        if let Some(job) = &self.job {
            match order {
                Order::Stop => job.cancel(),
                Order::Pause => job.pause(),
                Order::Resume => job.resume(),
            }
        }
    }

    fn copy(&self, label: String, text: Sealed, keep: Keep) -> Option<Outside> {
        let outcome = match clipboard::route(self.settings.clipboard) {
            Ok(Route::Osc52) => {
                let cleared = match keep {
                    Keep::ForAWhile => Cleared::CannotTell,
                    Keep::Forever => Cleared::NoNeed,
                };
                return Some(Outside::Osc52(label, text, cleared));
            }
            Ok(Route::Tool(tool)) => Ok(tool),
            Err(why) => Err(why),
        };
        let (answers, held) = (self.answers.clone(), Arc::clone(&self.held));
        let after = self.settings.clipboard_clear;
        tokio::spawn(async move {
            let outcome = match outcome {
                Ok(tool) => tool.copy(&text).await.map(|()| tool),
                Err(why) => Err(why),
            };
            let sent = outcome.as_ref().map(|tool| Sent {
                via: tool.name,
                cleared: match keep {
                    Keep::ForAWhile => Cleared::In(after.as_secs()),
                    Keep::Forever => Cleared::NoNeed,
                },
            });
            let told = Message::Sent {
                label: label.clone(),
                outcome: sent.map_err(Clone::clone),
            };
            // The loop is gone: nobody is left to tell.
            let _ = answers.send(Answer::Told(told)).await;
            if let (Ok(tool), Keep::ForAWhile) = (outcome, keep) {
                clear_later(tool, &text, label, after, &held).await;
            }
        });
        None
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

/// Waits, then clears the clipboard if nothing of ours was sent since.
async fn clear_later(
    tool: &Tool,
    text: &Sealed,
    label: String,
    after: Duration,
    held: &Mutex<Held>,
) {
    let nth = {
        let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
        held.nth += 1;
        held.label = Some(label);
        held.nth
    };
    sleep(after).await;
    if held.lock().unwrap_or_else(PoisonError::into_inner).nth == nth {
        tool.clear(text).await;
        let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.nth == nth {
            held.label = None;
        }
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
    }
}

async fn one(ops: &Ops, change: Change, aim: &Aim) -> Result<Changed, Error> {
    match change {
        Change::Generate => ops.generate(aim, Mode::Apply).await.map(Changed::Issued),
        Change::Regenerate => ops.regenerate(aim, Mode::Apply).await.map(Changed::Issued),
        Change::Revoke => ops.revoke(aim, Mode::Apply).await.map(Changed::Revoked),
        Change::UserCreate | Change::UserPassword | Change::UserOn | Change::UserOff => Err(
            Error::Internal(format!("{} is not a change of a token", change.verb())),
        ),
    }
}
