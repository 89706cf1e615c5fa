//! Copying, showing and exporting rows. Keys go through `keyring.rs`; what is no secret is copied from here.

use serde::Serialize;

use crate::domain::moment::Moment;
use crate::domain::user::UserRow;
use crate::tui::effect::{Effect, Form, Keep, Sealed, Use};
use crate::tui::export::{self, Format};
use crate::tui::keyring;
use crate::tui::message::Message as Top;
use crate::tui::modal::{Choose, Item, Kind};
use crate::tui::model::{Cx, Tone};

use super::{Gather, Message, Plain, State, acts, list};

pub fn copy(state: &State, form: Form, cx: &mut Cx) -> Vec<Effect> {
    reveal(state, Use::Copy(form), cx)
}

pub fn show(state: &State, cx: &mut Cx) -> Vec<Effect> {
    reveal(state, Use::Show, cx)
}

fn reveal(state: &State, wanted: Use, cx: &mut Cx) -> Vec<Effect> {
    let Some(row) = state.window.current() else {
        return Vec::new();
    };
    if row.token.is_none() {
        let said = acts::no_token(row, cx);
        cx.say(Tone::Plain, said);
        return Vec::new();
    }
    keyring::ask(row.into(), wanted, cx)
}

pub fn ask_form(state: &State, cx: &mut Cx) -> Vec<Effect> {
    let Some(row) = state.window.current() else {
        return Vec::new();
    };
    let item = |letter, label: &str, then| Item {
        letter: Some(letter),
        label: label.to_owned(),
        then: Top::Users(then),
    };
    let mut items = Vec::new();
    if row.token.is_some() {
        items.extend([
            item(
                'h',
                "header    Authorization: Token …",
                Message::CopyForm(Form::Header),
            ),
            item(
                'c',
                "curl      curl -H 'Authorization: …'",
                Message::CopyForm(Form::Curl),
            ),
            item('e', "env line  TOKEN=…", Message::CopyForm(Form::Env)),
            item(
                'f',
                "fingerprint of the key (SHA-256)",
                Message::CopyPlain(Plain::Fingerprint),
            ),
        ]);
    }
    items.push(item('n', "name", Message::CopyPlain(Plain::Name)));
    if !row.user.email.is_empty() {
        items.push(item('a', "address", Message::CopyPlain(Plain::Address)));
    }
    cx.open(Kind::Choose(Choose {
        title: "Copy as".to_owned(),
        about: String::new(),
        items,
        cursor: 0,
    }));
    Vec::new()
}

pub fn copy_plain(state: &State, what: Plain, _cx: &mut Cx) -> Vec<Effect> {
    let Some(row) = state.window.current() else {
        return Vec::new();
    };
    let (label, text) = match what {
        Plain::Name => ("the name", row.user.username.clone()),
        Plain::Address => ("the address", row.user.email.clone()),
        Plain::Fingerprint => match &row.token {
            Some(token) => ("the fingerprint", token.key.fingerprint.to_string()),
            None => return Vec::new(),
        },
    };
    vec![Effect::Copy {
        label: label.to_owned(),
        text: Sealed::new(text),
        keep: Keep::Forever,
    }]
}

pub fn export(state: &mut State, format: Format, cx: &mut Cx) -> Vec<Effect> {
    if state.marks.is_empty() {
        return list::gather(state, Gather::Export(format), cx);
    }
    let rows: Vec<UserRow> = state.marks.values().cloned().collect();
    write(&rows, format)
}

/// A row as it is exported: no more of the key than a list shows.
#[derive(Serialize)]
struct Exported<'a> {
    id: String,
    username: &'a str,
    email: &'a str,
    name: &'a str,
    active: bool,
    staff: bool,
    superuser: bool,
    key: Option<String>,
    created: Option<String>,
    last_used: Option<String>,
    last_login: Option<String>,
}

impl<'a> From<&'a UserRow> for Exported<'a> {
    fn from(row: &'a UserRow) -> Self {
        Self {
            id: row.user.id.to_string(),
            username: &row.user.username,
            email: &row.user.email,
            name: &row.user.full_name,
            active: row.user.is_active,
            staff: row.user.is_staff,
            superuser: row.user.is_superuser,
            key: row.token.as_ref().map(|token| token.key.to_string()),
            created: row.token.as_ref().map(|token| token.created.rfc3339()),
            last_used: row
                .token
                .as_ref()
                .and_then(|token| token.last_use.at())
                .map(Moment::rfc3339),
            last_login: row.user.last_login.map(Moment::rfc3339),
        }
    }
}

impl export::Exported for Exported<'_> {
    const HEADS: &'static [&'static str] = &[
        "id",
        "username",
        "email",
        "name",
        "active",
        "staff",
        "superuser",
        "key",
        "created",
        "last_used",
        "last_login",
    ];

    fn cells(&self) -> Vec<String> {
        let flag = |on: bool| if on { "yes" } else { "no" }.to_owned();
        let given = |text: &Option<String>| text.clone().unwrap_or_default();
        vec![
            self.id.clone(),
            self.username.to_owned(),
            self.email.to_owned(),
            self.name.to_owned(),
            flag(self.active),
            flag(self.staff),
            flag(self.superuser),
            given(&self.key),
            given(&self.created),
            given(&self.last_used),
            given(&self.last_login),
        ]
    }
}

/// The effect that writes `rows` to a file.
pub fn write(rows: &[UserRow], format: Format) -> Vec<Effect> {
    let rows: Vec<Exported> = rows.iter().map(Exported::from).collect();
    export::write("users", &rows, format)
}
