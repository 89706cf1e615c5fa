//! Users: a row for each token and for each user without one; home. This file holds what the screen remembers
//! and what can happen on it, `keys.rs` its keys; `list.rs` moves and loads, `acts.rs` changes, `copy.rs` copies and exports.

mod accounts;
mod acts;
mod copy;
mod keys;
mod list;
mod undo;
pub mod view;
pub mod window;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::domain::filter::Filter;
use crate::domain::page::{Page, Sort, SortKey};
use crate::domain::user::{User, UserId, UserRow, Username};
use crate::ops::{Aim, Change, Changed, Error, ManyReport, Reach, UserDetail};
use crate::tui::effect::{Effect, Form, Sealed, Slot, Ticket};
use crate::tui::export::{self, Format};
use crate::tui::layout::Width;
use crate::tui::message::Message as Top;
use crate::tui::model::{Cx, Manner};
use crate::tui::moves::Step;
use crate::tui::widgets::field::{Field, Focus};

use window::{Edge, Land, Window};

pub use keys::{KEYS, NOTES};

/// All that the screen remembers.
#[derive(Debug, Default)]
pub struct State {
    window: Window,
    sort: Sort,
    /// The filter line as typed.
    line: Field,
    focus: Focus,
    /// The line as last understood.
    filter: Filter,
    /// Why the line cannot be understood.
    wrong: Option<String>,
    /// How the rows in memory were searched.
    reach: Reach,
    /// Where the cursor goes when the page comes that is waited for.
    land: Land,
    /// Which edge the rows are for that are waited for.
    more: Edge,
    loaded: Loaded,
    /// About how many rows there are without a filter.
    total: Option<u64>,
    /// Marked users as they were seen.
    marks: BTreeMap<UserId, UserRow>,
    /// Where a range began.
    anchor: Option<UserId>,
    /// What becomes of the rows that are gathered.
    gather: Gather,
    /// How long the rows in sight took to read.
    took: Duration,
    width: Width,
    /// Columns scrolled away.
    skip: usize,
    detail: Option<UserDetail>,
    /// When the cursor came to its row.
    moved: Option<Instant>,
    open: Open,
    /// For whom a password is being typed, and what was typed first.
    password: Option<(Aim, Option<Sealed>)>,
}

/// Whether the list was ever read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Loaded {
    #[default]
    Never,
    Yes,
}

/// Whether the details take the whole screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Open {
    #[default]
    No,
    Yes,
}

/// What becomes of all rows of the filter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Gather {
    #[default]
    Mark,
    Export(Format),
}

/// What `c` copies that is no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plain {
    /// The user's name.
    Name,
    /// The e-mail address.
    Address,
    /// SHA-256 of the key.
    Fingerprint,
}

/// What can happen on this screen.
#[derive(Clone, Debug)]
pub enum Message {
    /// The screen came into sight, or a database was opened.
    Entered,
    /// Time passed.
    Ticked,
    /// The terminal has another size.
    Resized,
    /// Read what is in sight again.
    Refresh(Manner),
    /// Move the cursor.
    Move(Step),
    /// Show all about the row.
    Open,
    /// Esc.
    Back,
    /// Type a filter.
    Filter,
    /// The filter line changed.
    Edited,
    /// Enter in the filter line.
    Accept,
    /// The menu of orders.
    Sort,
    /// In this order; the same again turns it round.
    SortBy(SortKey),
    /// The list alone, with every column.
    Wide,
    /// Show this user: the filter line that finds him, and his id for the cursor.
    Find(String, UserId),
    /// Mark the row, or not.
    Mark,
    /// Mark from here to where the cursor goes.
    Range,
    /// Mark all rows of the filter.
    All,
    /// The key to the clipboard.
    Copy,
    /// The menu of forms.
    CopyAs,
    /// The key in this form.
    CopyForm(Form),
    /// Something that is no secret.
    CopyPlain(Plain),
    /// The key, for a while.
    Show,
    /// The menu of formats.
    Export,
    /// The rows into a file.
    ExportAs(Format),
    /// Ask before a change of tokens.
    Ask(Change),
    /// Make it.
    Change(Change, Vec<Aim>),
    /// Make a new key, and let our listener take the old one for so long.
    Grace(Aim, Duration),
    /// Ask before the last change is taken back.
    AskUndo,
    /// Take it back.
    Undo,
    /// It was, or not.
    Undone {
        /// Of the change.
        ticket: Ticket,
        /// Who has his old key again.
        outcome: Result<Aim, Error>,
    },
    /// Ask before a user is switched on or off.
    AskSwitch,
    /// Switch.
    Switch(Change, Aim),
    /// Ask for a password.
    AskPassword,
    /// It was typed once.
    PasswordTyped(Sealed),
    /// It was typed again.
    PasswordAgain(Sealed),
    /// Set it.
    SetPassword(Aim, Sealed),
    /// Ask before a user is made.
    AskCreate(String),
    /// Make the user.
    Create(Username),
    /// Rows came, or not.
    Paged {
        /// What was asked.
        slot: Slot,
        /// Of the question.
        ticket: Ticket,
        /// The rows.
        outcome: Result<Page<UserRow>, Error>,
    },
    /// The number of rows came, or not.
    Counted {
        /// Of the question.
        ticket: Ticket,
        /// About how many.
        outcome: Result<u64, Error>,
    },
    /// All about a user came, or not.
    Detailed {
        /// Of the question.
        ticket: Ticket,
        /// The details.
        outcome: Result<UserDetail, Error>,
    },
    /// A token was changed, or not.
    Changed {
        /// Of the change.
        ticket: Ticket,
        /// Which change.
        change: Change,
        /// Whom it aimed at.
        aim: Aim,
        /// What came of it.
        outcome: Result<Changed, Error>,
    },
    /// Many tokens were changed, or not.
    ManyChanged {
        /// Of the change.
        ticket: Ticket,
        /// Which change.
        change: Change,
        /// Row by row.
        outcome: Result<ManyReport, Error>,
    },
    /// A user was changed, or not.
    UserChanged {
        /// Of the change.
        ticket: Ticket,
        /// Which change.
        change: Change,
        /// Whom it aimed at.
        aim: Aim,
        /// Whether it was made.
        outcome: Result<(), Error>,
    },
    /// A user was made, or not.
    Created {
        /// Of the change.
        ticket: Ticket,
        /// The user.
        outcome: Result<User, Error>,
    },
}

impl State {
    /// Whether the details of the row are still to be asked for.
    #[must_use]
    pub fn is_settling(&self, cx: &Cx) -> bool {
        list::lacks_detail(self, cx)
    }

    /// Whether letters go to the filter line.
    #[must_use]
    pub const fn focus(&self) -> Focus {
        self.focus
    }

    /// Whether nothing stands in the filter line.
    #[must_use]
    pub fn is_unfiltered(&self) -> bool {
        self.line.is_empty()
    }

    fn aim(&self) -> Option<Aim> {
        self.window.current().map(Aim::from)
    }
}

/// The field that has the focus.
pub fn field(state: &mut State) -> Option<&mut Field> {
    match state.focus {
        Focus::Here => Some(&mut state.line),
        Focus::Elsewhere => None,
    }
}

/// Takes in what happened.
pub fn update(state: &mut State, message: Message, cx: &mut Cx) -> Vec<Effect> {
    match message {
        Message::Entered => list::entered(state, cx),
        Message::Ticked => list::tick(state, cx),
        Message::Resized => list::resized(state, cx),
        Message::Refresh(manner) => list::refresh(state, manner, cx),
        Message::Move(step) => list::step(state, step, cx),
        Message::Open => list::open(state, cx),
        Message::Back => list::back(state, cx),
        Message::Filter => {
            state.open = Open::No;
            state.focus = Focus::Here;
            Vec::new()
        }
        Message::Edited => list::edited(state, cx),
        Message::Accept => {
            state.focus = Focus::Elsewhere;
            Vec::new()
        }
        Message::Sort => list::ask_sort(state, cx),
        Message::SortBy(key) => list::sort_by(state, key, cx),
        Message::Wide => list::wide(state),
        Message::Find(line, id) => list::find(state, &line, id, cx),
        Message::Mark => list::mark(state, cx),
        Message::Range => list::range(state),
        Message::All => list::mark_all(state, cx),
        Message::Copy => copy::copy(state, Form::Key, cx),
        Message::CopyAs => copy::ask_form(state, cx),
        Message::CopyForm(form) => copy::copy(state, form, cx),
        Message::CopyPlain(what) => copy::copy_plain(state, what, cx),
        Message::Show => copy::show(state, cx),
        Message::Export => export::ask_format(|format| Top::Users(Message::ExportAs(format)), cx),
        Message::ExportAs(format) => copy::export(state, format, cx),
        Message::Ask(change) => acts::ask(state, change, cx),
        Message::Change(change, aims) => acts::change(change, aims, cx),
        Message::Grace(aim, grace) => acts::grace(aim, grace, cx),
        Message::AskUndo => undo::ask(cx),
        Message::Undo => undo::undo(cx),
        Message::Undone { ticket, outcome } => undo::undone(state, ticket, outcome, cx),
        Message::AskSwitch => accounts::ask_switch(state, cx),
        Message::Switch(change, aim) => accounts::switch(change, aim, cx),
        Message::AskPassword => accounts::ask_password(state, cx),
        Message::PasswordTyped(typed) => accounts::password_typed(state, typed, cx),
        Message::PasswordAgain(typed) => accounts::password_again(state, &typed, cx),
        Message::SetPassword(aim, password) => accounts::set_password(aim, password, cx),
        Message::AskCreate(name) => accounts::ask_create(&name, cx),
        Message::Create(name) => accounts::create(name, cx),
        Message::Paged {
            slot,
            ticket,
            outcome,
        } => list::paged(state, slot, ticket, outcome, cx),
        Message::Counted { ticket, outcome } => list::counted(state, ticket, outcome, cx),
        Message::Detailed { ticket, outcome } => list::detailed(state, ticket, outcome, cx),
        Message::Changed {
            ticket,
            change,
            aim,
            outcome,
        } => acts::changed(state, ticket, change, &aim, outcome, cx),
        Message::ManyChanged {
            ticket,
            change,
            outcome,
        } => acts::many_changed(state, ticket, change, outcome, cx),
        Message::UserChanged {
            ticket,
            change,
            aim,
            outcome,
        } => accounts::user_changed(state, ticket, change, &aim, outcome, cx),
        Message::Created { ticket, outcome } => accounts::created(state, ticket, outcome, cx),
    }
}

#[cfg(test)]
mod tests;
