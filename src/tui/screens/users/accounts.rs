//! Changes of users themselves: made, switched on and off, given a password. Tokens are changed in `acts.rs`.

use crate::domain::user::{User, Username};
use crate::ops::{Aim, Change, Error};
use crate::text;
use crate::tui::effect::{Deed, Effect, Sealed, Ticket};
use crate::tui::message::Message as Top;
use crate::tui::modal::{Confirm, Kind, Need, Prompt};
use crate::tui::model::{Cx, Tone};
use crate::tui::widgets::field::Field;

use crate::tui::shell::quoted;

use super::acts::{after, allowed, plan, words};
use super::{Message, State};

pub fn ask_switch(state: &State, cx: &mut Cx) -> Vec<Effect> {
    let Some(row) = state.window.current() else {
        return Vec::new();
    };
    let change = if row.user.is_active {
        Change::UserOff
    } else {
        Change::UserOn
    };
    if allowed(change, cx) {
        let mut confirm = plan(change, &[row], 0, cx);
        confirm.then = Box::new(Top::Users(Message::Switch(change, Aim::from(row))));
        cx.open(Kind::Confirm(confirm));
    }
    Vec::new()
}

pub fn switch(change: Change, aim: Aim, cx: &mut Cx) -> Vec<Effect> {
    if !allowed(change, cx) {
        return Vec::new();
    }
    cx.begin(if change == Change::UserOn {
        Deed::On(aim)
    } else {
        Deed::Off(aim)
    })
}

pub fn ask_password(state: &mut State, cx: &mut Cx) -> Vec<Effect> {
    if !allowed(Change::UserPassword, cx) {
        return Vec::new();
    }
    let Some(aim) = state.aim() else {
        return Vec::new();
    };
    prompt(
        &aim,
        "New password",
        |typed| Top::Users(Message::PasswordTyped(typed)),
        cx,
    );
    state.password = Some((aim, None));
    Vec::new()
}

fn prompt(aim: &Aim, what: &str, then: fn(Sealed) -> Top, cx: &mut Cx) {
    let title = format!("{what} for {}", text::fit(&aim.username, 40));
    let about = vec!["Nothing of what you type is shown.".to_owned()];
    cx.open(Kind::Prompt(Prompt {
        title,
        about,
        field: Field::hidden(),
        then,
    }));
}

pub fn password_typed(state: &mut State, typed: Sealed, cx: &mut Cx) -> Vec<Effect> {
    if let Some((aim, first)) = &mut state.password {
        *first = Some(typed);
        prompt(
            aim,
            "The same password again",
            |typed| Top::Users(Message::PasswordAgain(typed)),
            cx,
        );
    }
    Vec::new()
}

pub fn password_again(state: &mut State, typed: &Sealed, cx: &mut Cx) -> Vec<Effect> {
    let Some((aim, Some(first))) = state.password.take() else {
        return Vec::new();
    };
    if first != *typed {
        cx.say(
            Tone::Bad,
            "The two passwords differ; nothing was changed. P begins anew.",
        );
        return Vec::new();
    }
    let words = words(Change::UserPassword);
    let place = text::safe(cx.place_name()).into_owned();
    cx.open(Kind::Confirm(Confirm {
        title: format!("{} {} on {place}?", words.one, text::fit(&aim.username, 40)),
        about: vec![words.means.to_owned()],
        whom: Vec::new(),
        same_as: cx.same_as(&format!("{} {}", words.command, quoted(&aim.username))),
        ways: None,
        verb: "set it",
        need: Need::of(cx, 1),
        scroll: 0,
        then: Box::new(Top::Users(Message::SetPassword(aim, first))),
    }));
    Vec::new()
}

pub fn set_password(aim: Aim, password: Sealed, cx: &mut Cx) -> Vec<Effect> {
    if !allowed(Change::UserPassword, cx) {
        return Vec::new();
    }
    cx.begin(Deed::Password(aim, password))
}

pub fn user_changed(
    state: &mut State,
    ticket: Ticket,
    change: Change,
    aim: &Aim,
    outcome: Result<(), Error>,
    cx: &mut Cx,
) -> Vec<Effect> {
    match cx.done(ticket, outcome) {
        Some(Ok(())) => {
            let name = text::safe(&aim.username).into_owned();
            cx.say(Tone::Good, format!("{name}: {}.", words(change).past));
        }
        Some(Err(error)) => cx.fail(&error),
        None => return Vec::new(),
    }
    after(state, cx)
}

pub fn ask_create(name: &str, cx: &mut Cx) -> Vec<Effect> {
    if !allowed(Change::UserCreate, cx) {
        return Vec::new();
    }
    let username = match Username::new(name) {
        Ok(username) => username,
        Err(wrong) => {
            cx.say(Tone::Bad, format!("Cannot create that user: {wrong}."));
            return Vec::new();
        }
    };
    let words = words(Change::UserCreate);
    let place = text::safe(cx.place_name()).into_owned();
    cx.open(Kind::Confirm(Confirm {
        title: format!("{} {} on {place}?", words.one, text::fit(name, 40)),
        about: vec![
            words.means.to_owned(),
            "N gives a token, P sets a password.".to_owned(),
        ],
        whom: Vec::new(),
        same_as: cx.same_as(&format!("{} {}", words.command, quoted(name))),
        ways: None,
        verb: "create",
        need: Need::of(cx, 1),
        scroll: 0,
        then: Box::new(Top::Users(Message::Create(username))),
    }));
    Vec::new()
}

pub fn create(name: Username, cx: &mut Cx) -> Vec<Effect> {
    if !allowed(Change::UserCreate, cx) {
        return Vec::new();
    }
    cx.begin(Deed::Create(name))
}

pub fn created(
    state: &mut State,
    ticket: Ticket,
    outcome: Result<User, Error>,
    cx: &mut Cx,
) -> Vec<Effect> {
    match cx.done(ticket, outcome) {
        Some(Ok(user)) => {
            let name = text::safe(&user.username).into_owned();
            cx.say(
                Tone::Good,
                format!(
                    "Created {name}, id {}. N gives a token, P sets a password.",
                    user.id
                ),
            );
            // The cursor goes to the new row where it is in the part of the list that is read again.
            state.window.aim_at(user.id);
        }
        Some(Err(error)) => cx.fail(&error),
        None => return Vec::new(),
    }
    after(state, cx)
}
