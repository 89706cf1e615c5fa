//! Audit: who did what to whom, newest first. This file holds what the screen remembers,
//! what can happen on it and its keys; `list.rs` loads, moves and exports, `view.rs` draws.

mod list;
pub mod view;

use crossterm::event::KeyCode;

use crate::domain::audit::Entry;
use crate::ops::Error;
use crate::tui::effect::{Effect, Ticket};
use crate::tui::export::{self, Format};
use crate::tui::keys::{Binding, Key};
use crate::tui::message::Message as Top;
use crate::tui::model::{Cx, Manner};
use crate::tui::moves::Step;
use crate::tui::widgets::browse::Browse;
use crate::tui::widgets::field::{Field, Focus};

/// All that the screen remembers.
#[derive(Debug, Default)]
pub struct State {
    /// The newest entries that the filter lets through; `None` before they were read.
    entries: Option<Vec<Entry>>,
    browse: Browse,
}

/// What can happen on this screen.
#[derive(Clone, Debug)]
pub enum Message {
    /// The screen came into sight.
    Entered,
    /// The terminal has another size.
    Resized,
    /// Read it again.
    Refresh(Manner),
    /// Move the cursor.
    Move(Step),
    /// Show the whole entry.
    Open,
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
    /// The entries into a file.
    ExportAs(Format),
    /// The entries came, or not.
    Read {
        /// Of the question.
        ticket: Ticket,
        /// The entries, newest first.
        outcome: Result<Vec<Entry>, Error>,
    },
}

fn has_entry(state: &State) -> bool {
    state.current().is_some()
}

/// The keys of this screen.
pub const KEYS: &[Binding<State, Message>] = &[
    Binding::looks(
        "open",
        &[Key::code(KeyCode::Enter)],
        "the whole entry",
        Message::Open,
    )
    .hint(1, "open")
    .when(has_entry),
    Binding::looks(
        "filter",
        &[Key::char('/')],
        "filter as you type",
        Message::Filter,
    )
    .hint(1, "filter"),
    Binding::looks(
        "export",
        &[Key::char('e')],
        "what is listed, as CSV or JSON",
        Message::Export,
    )
    .hint(2, "export")
    .when(has_entry),
];

/// What the help adds below the keys.
pub const NOTES: &[&str] = &[
    "",
    "The filter finds text in any column. Where `tokenward migrate` made our tables the audit is in",
    "the database and shared by all; else it is what was done from this account on this machine.",
    "Of a key it knows the first 8 characters. `tokenward audit verify` checks it.",
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

    fn entries(&self) -> &[Entry] {
        self.entries.as_deref().unwrap_or_default()
    }

    fn current(&self) -> Option<&Entry> {
        self.entries().get(self.browse.cursor())
    }
}

/// The filter line, if it has the focus.
pub const fn field(state: &mut State) -> Option<&mut Field> {
    state.browse.field()
}

/// Takes in what happened.
pub fn update(state: &mut State, message: Message, cx: &mut Cx) -> Vec<Effect> {
    match message {
        Message::Entered => list::entered(state, cx),
        Message::Resized => {
            list::keep_in_sight(state, cx);
            Vec::new()
        }
        Message::Refresh(manner) => list::refresh(state, manner, cx),
        Message::Move(step) => list::step(state, step, cx),
        Message::Open => list::open(state, cx),
        Message::Filter => {
            state.browse.set_focus(Focus::Here);
            Vec::new()
        }
        Message::Edited => list::load(state, Manner::Loud, cx),
        Message::Accept => {
            state.browse.set_focus(Focus::Elsewhere);
            Vec::new()
        }
        Message::Back => list::back(state, cx),
        Message::Export => export::ask_format(|format| Top::Audit(Message::ExportAs(format)), cx),
        Message::ExportAs(format) => list::export(state, format),
        Message::Read { ticket, outcome } => list::read(state, ticket, outcome, cx),
    }
}

#[cfg(test)]
mod tests;
