//! Everything that can happen: a key, an answer, the passing of time. Wishes are imperative, facts are past.

use std::path::PathBuf;

use ratatui::layout::Size;

use crate::domain::token::Issued;
use crate::ops::Error;
use crate::ops::progress::Progress;
use crate::tui::effect::{HandOut, Sealed, Ticket, Use};
use crate::tui::global::Global;
use crate::tui::keys::Key;
use crate::tui::model::Place;
use crate::tui::screens::{audit, backfill, listener, test_keys, users};

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Message {
    /// A key was pressed.
    Pressed(Key),
    /// Text came in as a paste, or so fast that no hand typed it.
    Pasted(Sealed),
    /// The terminal has another size.
    Resized(Size),
    /// Time passed.
    Ticked,
    /// The terminal is ours again after a suspension.
    Resumed,
    /// A key of the global table, or the command of that name.
    Global(Global),
    /// The command line was entered.
    Command(String),
    /// A profile was chosen.
    Connect(String),
    /// A connection stands, or not.
    Connected {
        /// Of the question.
        ticket: Ticket,
        /// What the header tells of the place.
        outcome: Result<Place, Error>,
    },
    /// The database answered a ping, or not.
    Ponged {
        /// Of the question.
        ticket: Ticket,
        /// The answer.
        outcome: Result<(), Error>,
    },
    /// A key in clear came, or not.
    Revealed {
        /// Of the question.
        ticket: Ticket,
        /// What it is for.
        wanted: Use,
        /// The key.
        outcome: Result<Issued, Error>,
    },
    /// `y`, `x` or `w` in the dialog that holds fresh keys.
    HandOut(HandOut),
    /// That is in the audit, or not.
    HandedOut {
        /// Of the question.
        ticket: Ticket,
        /// What is done with them.
        what: HandOut,
        /// Whether the audit took it.
        outcome: Result<(), Error>,
    },
    /// A text is on its way to the clipboard, or not.
    Sent {
        /// What it is called.
        label: String,
        /// The way it took and after how many seconds it is cleared; or why it could not be sent.
        outcome: Result<Sent, String>,
    },
    /// A file was written, or not.
    Written {
        /// Its path; or why not.
        outcome: Result<PathBuf, String>,
    },
    /// The command that is run after changes failed; the change stands.
    HookFailed(String),
    /// Long work got on.
    Progressed {
        /// Of the work.
        ticket: Ticket,
        /// How far.
        progress: Progress,
    },
    /// Esc on the progress dialog, Ctrl-c, or `:stop`.
    StopJob,
    /// For the Users screen.
    Users(users::Message),
    /// For the Test keys screen.
    TestKeys(test_keys::Message),
    /// For the Backfill screen.
    Backfill(backfill::Message),
    /// For the Listener screen.
    Listener(listener::Message),
    /// For the Audit screen.
    Audit(audit::Message),
}

/// How a text went to the clipboard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// `tmux`, `wl-copy`, `the terminal (OSC 52)`.
    pub via: &'static str,
    /// Whether it is cleared again.
    pub cleared: Cleared,
}

/// Whether the clipboard is cleared again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cleared {
    /// After so many seconds, if it is still ours.
    In(u64),
    /// Not: a terminal does not tell whether it is still ours.
    CannotTell,
    /// Not: it is no secret.
    NoNeed,
}
