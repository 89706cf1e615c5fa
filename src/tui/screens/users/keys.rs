//! The keys of the Users screen: what each sends, and when it does anything.

use crossterm::event::KeyCode;

use super::{Message, Open, State};
use crate::ops::Change;
use crate::tui::keys::{Binding, Key};

fn has_row(state: &State) -> bool {
    state.window.current().is_some()
}

/// Whether the list is in sight: what acts on it must be seen to act.
fn is_listed(state: &State) -> bool {
    state.open == Open::No
}

fn is_opened(state: &State) -> bool {
    !is_listed(state)
}

fn is_on_row(state: &State) -> bool {
    has_row(state) && is_listed(state)
}

/// The keys of this screen.
pub const KEYS: &[Binding<State, Message>] = &[
    Binding::looks(
        "open",
        &[Key::code(KeyCode::Enter)],
        "all about the row",
        Message::Open,
    )
    .hint(1, "open")
    .when(is_on_row),
    Binding::looks(
        "filter",
        &[Key::char('/')],
        "filter as you type",
        Message::Filter,
    )
    .hint(2, "filter"),
    Binding::looks(
        "mark",
        &[Key::char(' ')],
        "mark the row, or not",
        Message::Mark,
    )
    .hint(3, "mark")
    .when(is_on_row),
    Binding::looks(
        "range",
        &[Key::char('v')],
        "mark from here to where the cursor goes",
        Message::Range,
    )
    .when(is_on_row),
    Binding::looks(
        "all",
        &[Key::char('a')],
        "mark all rows of the filter",
        Message::All,
    )
    .when(is_on_row),
    Binding::looks(
        "copy",
        &[Key::char('y')],
        "send the key to the clipboard, unseen",
        Message::Copy,
    )
    .hint(2, "copy")
    .when(has_row),
    Binding::looks(
        "copy-as",
        &[Key::char('c')],
        "copy as header, curl, env line, name, address, fingerprint",
        Message::CopyAs,
    )
    .when(has_row),
    Binding::looks(
        "show",
        &[Key::char('x')],
        "show the key for a while",
        Message::Show,
    )
    .hint(3, "show")
    .when(has_row),
    Binding::touches(
        "generate",
        &[Key::char('N')],
        Change::Generate,
        "a token for the row or the marked users",
        Message::Ask(Change::Generate),
    )
    .hint(3, "new")
    .when(has_row),
    Binding::touches(
        "regenerate",
        &[Key::char('R')],
        Change::Regenerate,
        "a new key in place of the old one",
        Message::Ask(Change::Regenerate),
    )
    .hint(1, "regenerate")
    .when(has_row),
    Binding::touches(
        "revoke",
        &[Key::char('D')],
        Change::Revoke,
        "delete the token",
        Message::Ask(Change::Revoke),
    )
    .hint(2, "revoke")
    .when(has_row),
    Binding::touches(
        "undo",
        &[Key::char('U')],
        Change::Regenerate,
        "give back the old key of the last regenerate or revoke",
        Message::AskUndo,
    ),
    Binding::touches(
        "active",
        &[Key::char('A')],
        Change::UserOff,
        "switch the user on or off",
        Message::AskSwitch,
    )
    .when(has_row),
    Binding::touches(
        "password",
        &[Key::char('P')],
        Change::UserPassword,
        "set a password",
        Message::AskPassword,
    )
    .when(has_row),
    Binding::looks(
        "sort",
        &[Key::char('s')],
        "sort, then a letter",
        Message::Sort,
    )
    .when(is_listed),
    Binding::looks(
        "wide",
        &[Key::char('w')],
        "the list alone, with every column",
        Message::Wide,
    )
    .when(is_listed),
    Binding::looks(
        "export",
        &[Key::char('e')],
        "the marked rows, else all of the filter, as CSV or JSON",
        Message::Export,
    )
    .when(has_row),
    Binding::looks(
        "back",
        &[Key::code(KeyCode::Esc)],
        "close, cancel, clear marks, clear the filter, go back",
        Message::Back,
    )
    .hint(1, "back")
    .when(is_opened),
];

/// What the help adds below the keys.
pub const NOTES: &[&str] = &[
    "",
    "Filter words: part of a name or address, the start of a key, or a whole key;",
    "is:super is:staff is:off is:none is:stale is:marked kind:drf age:>1y age:<30d unused:>90d;",
    "-word negates. No key counts as unused where no listener has noted a use for a week.",
    "STALE is old, long unused, of a superuser, or of a user who is off.",
    "Commands: :user create NAME makes a user; :profile NAME connects elsewhere.",
];
