//! Listener: starts and stops it, and shows who calls it as it happens. This file holds what the screen remembers, what
//! can happen on it and its keys; `switch.rs` starts and stops, `calls.rs` keeps and lists what was called, `view.rs`
//! draws.

mod calls;
mod switch;
pub mod view;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crossterm::event::KeyCode;

use crate::ops::Error;
use crate::ops::gate::Caller;
use crate::tui::effect::{Effect, Ticket};
use crate::tui::export::{self, Format};
use crate::tui::keys::{Binding, Key};
use crate::tui::link;
use crate::tui::message::Message as Top;
use crate::tui::model::Cx;
use crate::tui::moves::Step;
use crate::tui::widgets::browse::Browse;
use crate::tui::widgets::field::{Field, Focus};

pub use calls::{Call, NEWEST};
pub use switch::{MEANS, ask_before, is_on_the_way};

/// All that the screen remembers.
#[derive(Debug, Default)]
pub struct State {
    browse: Browse,
    phase: Phase,
    /// What was called, the newest first; at most [`NEWEST`].
    calls: VecDeque<Call>,
    /// Calls that came too fast to be listed.
    dropped: u64,
    figures: Figures,
    /// Who still calls with a retired key, the last one first.
    callers: Vec<Caller>,
}

/// How the listener is.
#[derive(Debug, Default)]
enum Phase {
    #[default]
    Off,
    Starting(Ticket),
    Up(Up),
    /// It finishes what it is being asked; then comes this.
    Stopping(Up, Next),
}

/// A listener that runs.
#[derive(Clone, Debug)]
struct Up {
    ticket: Ticket,
    address: Address,
    since: Instant,
}

/// Where a listener is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// For clients: `http://127.0.0.1:8000`.
    pub url: String,
    /// Its port.
    pub port: u16,
}

/// What comes after a stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing.
    Stay,
    /// The console is suspended.
    Suspend,
    /// This profile is connected to.
    Connect(String),
}

/// Counters, and what is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// Answers by status.
    pub statuses: Vec<(u16, u64)>,
    /// Answers with another one.
    pub others: u64,
    /// How long half of the answers of the last minute took at most; none without answers.
    pub p50: Option<Duration>,
    /// The same for 95 of 100.
    pub p95: Option<Duration>,
    /// The same for 99 of 100.
    pub p99: Option<Duration>,
    /// Keys that are answered from memory.
    pub known: usize,
    /// Why none is at this moment; none when they are.
    pub doubt: Option<String>,
}

/// What happened at the listener since it was last heard of.
#[derive(Clone, Debug, Default)]
pub struct News {
    /// The newest calls, oldest first.
    pub calls: Vec<Call>,
    /// How many there were beside them.
    pub dropped: u64,
    /// All in all.
    pub figures: Figures,
    /// Who still calls with a retired key; none where nobody did since.
    pub callers: Option<Vec<Caller>>,
}

/// What can happen on this screen.
#[derive(Clone, Debug)]
pub enum Message {
    /// The terminal has another size.
    Resized,
    /// Is the database there?
    Refresh,
    /// Move the cursor.
    Move(Step),
    /// Show the whole call.
    Open,
    /// Show who still calls with a retired key.
    Callers,
    /// Type a filter.
    Filter,
    /// The filter changed.
    Edited,
    /// Enter in the filter.
    Accept,
    /// Esc.
    Back,
    /// The menu of formats.
    Export,
    /// The calls into a file.
    ExportAs(Format),
    /// Ask before it is started, or stopped.
    Ask,
    /// Start.
    Start,
    /// Stop, then do this.
    Stop(Next),
    /// It listens, or not.
    Started {
        /// Of the order.
        ticket: Ticket,
        /// Where; or why not.
        outcome: Result<Address, String>,
    },
    /// It was called.
    Heard {
        /// Of the order that started it.
        ticket: Ticket,
        /// By whom.
        news: News,
    },
    /// It ended.
    Stopped {
        /// Of the order that started it.
        ticket: Ticket,
        /// How many connections took longer than they may and were dropped.
        outcome: Result<usize, Error>,
    },
}

fn has_call(state: &State) -> bool {
    state.current().is_some()
}

fn has_callers(state: &State) -> bool {
    !state.callers.is_empty()
}

/// The keys of this screen.
pub const KEYS: &[Binding<State, Message>] = &[
    Binding::serves(
        "serve",
        &[Key::char('S')],
        "start or stop the listener",
        Message::Ask,
    )
    .hint(1, "start/stop"),
    Binding::looks(
        "open",
        &[Key::code(KeyCode::Enter)],
        "the whole line",
        Message::Open,
    )
    .hint(2, "open")
    .when(has_call),
    Binding::looks(
        "callers",
        &[Key::char('w')],
        "who still calls with a retired key, from where and how often",
        Message::Callers,
    )
    .hint(1, "who still calls")
    .when(has_callers),
    Binding::looks(
        "filter",
        &[Key::char('/')],
        "filter as you type",
        Message::Filter,
    )
    .hint(2, "filter"),
    Binding::looks(
        "export",
        &[Key::char('e')],
        "what is listed, as CSV or JSON",
        Message::Export,
    )
    .hint(3, "export")
    .when(has_call),
];

/// What the help adds below the keys.
pub const NOTES: &[&str] = &[
    "",
    "The newest line is the first; while the cursor is on it, it follows. The same call again and",
    "again is one line with ×N. `retired: NAME` is a key that was replaced or revoked, by whomever; its",
    "×N counts all such calls of this user from this address. TIME is UTC unless times are local. The",
    "counters are of all requests, the percentiles of the last minute. What the listener answers and",
    "where, the configuration says.",
];

impl State {
    /// Whether Esc has nothing to do here.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        self.browse.is_at_rest()
    }

    /// Whether letters go to the filter line.
    #[must_use]
    pub const fn focus(&self) -> Focus {
        self.browse.focus()
    }

    /// Whether nothing stands in the filter line.
    #[must_use]
    pub fn is_unfiltered(&self) -> bool {
        self.browse.is_unfiltered()
    }

    /// Where it listens, if it does.
    #[must_use]
    pub const fn address(&self) -> Option<&Address> {
        match &self.phase {
            Phase::Up(up) | Phase::Stopping(up, _) => Some(&up.address),
            Phase::Off | Phase::Starting(_) => None,
        }
    }
}

/// The filter line, if it has the focus.
pub const fn field(state: &mut State) -> Option<&mut Field> {
    state.browse.field()
}

/// Takes in what happened.
pub fn update(state: &mut State, message: Message, cx: &mut Cx) -> Vec<Effect> {
    match message {
        Message::Resized | Message::Edited => {
            calls::keep_in_sight(state, cx);
            Vec::new()
        }
        // What the listener tells is no news of the database.
        Message::Refresh => link::keep_alive(cx),
        Message::Move(step) => calls::step(state, step, cx),
        Message::Open => calls::open(state, cx),
        Message::Callers => calls::callers(state, cx),
        Message::Filter => {
            state.browse.set_focus(Focus::Here);
            Vec::new()
        }
        Message::Accept => {
            state.browse.set_focus(Focus::Elsewhere);
            Vec::new()
        }
        Message::Back => {
            state.browse.back();
            calls::keep_in_sight(state, cx);
            Vec::new()
        }
        Message::Export => {
            export::ask_format(|format| Top::Listener(Message::ExportAs(format)), cx)
        }
        Message::ExportAs(format) => calls::export(state, format),
        Message::Ask => switch::ask(state, cx),
        Message::Start => switch::start(state, cx),
        Message::Stop(next) => switch::stop(state, next),
        Message::Started { ticket, outcome } => switch::started(state, ticket, outcome, cx),
        Message::Heard { ticket, news } => {
            if switch::is_of(state, ticket) {
                calls::take(state, news, cx);
            }
            Vec::new()
        }
        Message::Stopped { ticket, outcome } => switch::stopped(state, ticket, outcome, cx),
    }
}

#[cfg(test)]
mod tests;
