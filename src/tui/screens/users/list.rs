//! Moving, filtering and looking closer: everything on the Users screen that only looks; `load.rs` reads its pages,
//! `marks.rs` marks.

mod load;
mod marks;

use std::time::Duration;

use crate::domain::filter::Filter;
use crate::domain::page::{Direction, Sort, SortKey, Start};
use crate::domain::user::UserId;
use crate::ops::{Error, UserDetail};
use crate::tui::effect::{Effect, Question, Slot, Ticket};
use crate::tui::layout::{self, Width};
use crate::tui::message::Message as Top;
use crate::tui::modal::{Choose, Item, Kind};
use crate::tui::model::{Cx, Link, Manner};
use crate::tui::moves::Step;
use crate::tui::widgets::field::{Field, Focus};

use super::window::Land;
use super::{Message, Open, State};
use load::{load, load_anew, want_more};

pub use load::{counted, entered, paged, refresh, reread};
pub use marks::{gather, mark, mark_all, range};

/// Details are asked for when the cursor rests so long: not for each row that it passes.
const RESTS: Duration = Duration::from_millis(150);
fn lines(cx: &Cx) -> usize {
    layout::list_rows(cx.size)
}

/// The cursor came to another row.
fn touch(state: &mut State, cx: &Cx) {
    state.moved = Some(cx.clock.at);
}

pub fn step(state: &mut State, step: Step, cx: &mut Cx) -> Vec<Effect> {
    match step {
        Step::Left => {
            state.skip = state.skip.saturating_sub(1);
            return Vec::new();
        }
        Step::Right => {
            state.skip = (state.skip + 1).min(super::view::COLUMNS_MAX - 1);
            return Vec::new();
        }
        Step::First if state.window.lacks(step) => {
            return load(state, Start::First, Land::First, cx);
        }
        Step::Last if state.window.lacks(step) => return load(state, Start::Last, Land::Last, cx),
        Step::First
        | Step::Last
        | Step::Down
        | Step::Up
        | Step::HalfDown
        | Step::HalfUp
        | Step::PageDown
        | Step::PageUp => {}
    }
    state.window.step(step, lines(cx));
    touch(state, cx);
    want_more(state, cx)
}

pub fn resized(state: &mut State, cx: &Cx) -> Vec<Effect> {
    state.window.keep_in_sight(lines(cx));
    Vec::new()
}

/// Whether the row's details are missing although there is a place for them.
pub fn lacks_detail(state: &State, cx: &Cx) -> bool {
    let seen = state.open == Open::Yes
        || layout::list(layout::areas(cx.size).body, state.width)
            .pane
            .is_some();
    let known = state.detail.as_ref().map(|detail| detail.row.user.id);
    let current = state.window.current().map(|row| row.user.id);
    let live = matches!(cx.link, Link::Live { .. });
    seen && live && current.is_some() && known != current
}

pub fn tick(state: &mut State, cx: &mut Cx) -> Vec<Effect> {
    let rested = state
        .moved
        .is_none_or(|moved| cx.clock.at.saturating_duration_since(moved) >= RESTS);
    if !rested || !lacks_detail(state, cx) || cx.is_waiting(Slot::Detail) {
        return Vec::new();
    }
    ask_detail(state, Manner::Quiet, cx)
}

fn ask_detail(state: &State, manner: Manner, cx: &mut Cx) -> Vec<Effect> {
    match state.window.current() {
        Some(row) => vec![cx.ask(Slot::Detail, manner, Question::Detail(row.user.id))],
        None => Vec::new(),
    }
}

pub fn detailed(
    state: &mut State,
    ticket: Ticket,
    outcome: Result<UserDetail, Error>,
    cx: &mut Cx,
) -> Vec<Effect> {
    match cx.settle(Slot::Detail, ticket, outcome) {
        Some(Ok(detail)) => state.detail = Some(detail),
        // Gone or out of reach: not asked again and again while the cursor rests here.
        Some(Err(_)) => state.moved = Some(cx.clock.at + Duration::from_secs(5)),
        None => {}
    }
    Vec::new()
}

pub fn open(state: &mut State, cx: &mut Cx) -> Vec<Effect> {
    if state.window.current().is_none() {
        return Vec::new();
    }
    state.open = Open::Yes;
    if lacks_detail(state, cx) {
        ask_detail(state, Manner::Loud, cx)
    } else {
        Vec::new()
    }
}

/// Esc: leaves the details, else the filter line, else clears the marks, else the filter.
pub fn back(state: &mut State, cx: &mut Cx) -> Vec<Effect> {
    if state.open == Open::Yes {
        state.open = Open::No;
    } else if state.focus == Focus::Here && state.line.is_empty() {
        state.focus = Focus::Elsewhere;
    } else if state.focus == Focus::Elsewhere && (state.anchor.is_some() || !state.marks.is_empty())
    {
        state.anchor = None;
        state.marks.clear();
        if state.filter.wants_marked() {
            return load_anew(state, cx);
        }
    } else if !state.line.is_empty() {
        state.focus = Focus::Elsewhere;
        state.line.take();
        return edited(state, cx);
    }
    Vec::new()
}

pub fn edited(state: &mut State, cx: &mut Cx) -> Vec<Effect> {
    match Filter::parse(state.line.value()) {
        Err(wrong) => {
            state.wrong = Some(wrong.to_string());
            Vec::new()
        }
        Ok(filter) => {
            let fixed = state.wrong.take().is_some();
            if filter == state.filter && !fixed {
                return Vec::new();
            }
            state.filter = filter;
            load_anew(state, cx)
        }
    }
}

/// Puts `line` in the filter line and the cursor on the user with `id`, wherever the list was.
pub fn find(state: &mut State, line: &str, id: UserId, cx: &mut Cx) -> Vec<Effect> {
    state.open = Open::No;
    state.focus = Focus::Elsewhere;
    state.line = Field::with(line);
    // Whatever was shown, the answer replaces it: the same filter may have been read long ago.
    state.filter = Filter::default();
    let mut effects = edited(state, cx);
    if effects.is_empty() {
        effects = load_anew(state, cx);
    }
    state.window.aim_at(id);
    state.land = Land::Stay;
    effects
}

/// What the list can be sorted by, with the letter that chooses it.
pub const SORTS: [(char, SortKey, &str); 5] = [
    ('u', SortKey::User, "USER"),
    ('c', SortKey::Created, "CREATED"),
    ('a', SortKey::LastUse, "LAST USED"),
    ('l', SortKey::Login, "LOGIN"),
    ('i', SortKey::Id, "ID"),
];

pub fn ask_sort(state: &State, cx: &mut Cx) -> Vec<Effect> {
    let items = SORTS
        .iter()
        .map(|&(letter, key, name)| Item {
            letter: Some(letter),
            label: if key == state.sort.key {
                format!("{name}, turned round")
            } else {
                name.to_owned()
            },
            then: Top::Users(Message::SortBy(key)),
        })
        .collect();
    cx.open(Kind::Choose(Choose {
        title: "Sort by".to_owned(),
        about: String::new(),
        items,
        cursor: 0,
    }));
    Vec::new()
}

pub fn sort_by(state: &mut State, key: SortKey, cx: &mut Cx) -> Vec<Effect> {
    let direction = if key == state.sort.key {
        state.sort.direction.reversed()
    } else {
        Direction::Ascending
    };
    state.sort = Sort { key, direction };
    load(state, Start::First, Land::First, cx)
}

pub fn wide(state: &mut State) -> Vec<Effect> {
    state.width = match state.width {
        Width::Shared => Width::Wide,
        Width::Wide => Width::Shared,
    };
    state.skip = 0;
    Vec::new()
}
