//! Whom a backfill is for, and how the new keys look: the menu behind `f`.

use crate::domain::filter::{Filter, Test};
use crate::domain::token::KeyFormat;
use crate::ops::{Audience, BackfillPlan};
use crate::text;
use crate::tui::effect::{Effect, Sealed};
use crate::tui::message::Message as Top;
use crate::tui::modal::{Choose, Item, Kind, Prompt};
use crate::tui::model::{Cx, Manner, Tone};
use crate::tui::shell::in_quotes;
use crate::tui::widgets::field::Field;

use super::{Message, State, count};

/// `active users`, `all users`, `active staff`.
pub const fn whom(audience: Audience) -> &'static str {
    match audience {
        Audience::Active => "active users",
        Audience::All => "all users",
        Audience::Staff => "active staff",
    }
}

/// `active users without a drf token matching "ali"`.
pub fn sentence(state: &State) -> String {
    let whom = whom(state.plan.audience);
    if state.typed.is_empty() {
        return format!("{whom} without a drf token");
    }
    let typed = text::fit(&state.typed, 30);
    format!("{whom} without a drf token matching \"{typed}\"")
}

/// How the new keys look, in words; nothing where the profile decides.
pub const fn keys(plan: &BackfillPlan) -> &'static str {
    match plan.format {
        None => "",
        Some(KeyFormat::Drf) => "keys: 40 hex, as Django's",
        Some(KeyFormat::Checksum) => "keys: twd_, with a checksum",
    }
}

pub fn ask(state: &State, cx: &mut Cx) -> Vec<Effect> {
    let item = |letter, label: &str, then| Item {
        letter: Some(letter),
        label: label.to_owned(),
        then: Top::Backfill(then),
    };
    let items = vec![
        item('a', "active users", Message::For(Audience::Active)),
        item(
            'e',
            "all users, inactive ones too",
            Message::For(Audience::All),
        ),
        item('s', "active staff", Message::For(Audience::Staff)),
        item('f', "a filter: only some of them", Message::AskFilter),
        item(
            'd',
            "keys as Django makes them: 40 hex",
            Message::Format(Some(KeyFormat::Drf)),
        ),
        item(
            't',
            "keys that prove themselves: twd_ and a checksum",
            Message::Format(Some(KeyFormat::Checksum)),
        ),
        item('p', "keys as the profile says", Message::Format(None)),
    ];
    let cursor = match state.plan.audience {
        Audience::Active => 0,
        Audience::All => 1,
        Audience::Staff => 2,
    };
    cx.open(Kind::Choose(Choose {
        title: "Backfill for".to_owned(),
        about: String::new(),
        items,
        cursor,
    }));
    Vec::new()
}

/// Another audience: a filter that was in force is gone, as the line says.
pub fn choose(state: &mut State, audience: Audience, cx: &mut Cx) -> Vec<Effect> {
    state.plan.audience = audience;
    state.plan.filter = Filter::default();
    state.typed.clear();
    count_anew(state, cx)
}

pub fn ask_filter(state: &State, cx: &mut Cx) -> Vec<Effect> {
    cx.open(Kind::Prompt(Prompt {
        title: format!("Only {} that match", whom(state.plan.audience)),
        about: vec!["The words of the filter on the Users screen, is:marked excepted.".to_owned()],
        field: Field::with(&state.typed),
        then: |typed| Top::Backfill(Message::Filter(typed)),
    }));
    Vec::new()
}

pub fn filter(state: &mut State, typed: &Sealed, cx: &mut Cx) -> Vec<Effect> {
    let typed = typed.expose().trim();
    let filter = match Filter::parse(typed) {
        Ok(filter) => filter,
        Err(wrong) => {
            cx.say(Tone::Bad, format!("That is no filter: {wrong}."));
            return Vec::new();
        }
    };
    if filter.words.iter().any(|word| word.test == Test::Marked) {
        cx.say(
            Tone::Bad,
            "Marks belong to the Users screen; N there gives the marked users a token.",
        );
        return Vec::new();
    }
    state.plan.filter = filter;
    typed.clone_into(&mut state.typed);
    count_anew(state, cx)
}

fn count_anew(state: &State, cx: &mut Cx) -> Vec<Effect> {
    if cx.place.is_none() {
        return Vec::new();
    }
    count(state, Manner::Loud, cx)
}

/// The command that does the same.
pub fn same_as(state: &State, cx: &Cx) -> String {
    let typed = state.typed.clone();
    let (all, filter) = match state.plan.audience {
        Audience::Active => ("", typed),
        Audience::All => (" --all", typed),
        Audience::Staff => ("", format!("is:staff {typed}")),
    };
    cx.same_as(&match filter.trim() {
        "" => format!("token backfill{all}"),
        filter => format!("token backfill{all} --filter {}", in_quotes(filter)),
    })
}
