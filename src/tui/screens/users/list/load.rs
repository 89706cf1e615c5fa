//! Pages of the list: asked for anew, read again, added at the edges, and taken in when they come.

use std::time::Duration;

use super::marks::gathered;
use super::{lines, touch};
use crate::domain::page::{Page, Start};
use crate::domain::user::UserRow;
use crate::ops::{Error, Reach, UsersQuery};
use crate::tui::effect::{Effect, Question, Slot, Ticket};
use crate::tui::link;
use crate::tui::model::{Cx, Link, Manner};
use crate::tui::screens::users::window::{Edge, Land, PAGE};
use crate::tui::screens::users::{Loaded, State};

/// Rows that took longer to read are read again only when somebody asks.
const COSTLY: Duration = Duration::from_millis(300);

pub(super) fn query(state: &State, start: Start, limit: usize) -> UsersQuery {
    let mut filter = state.filter.clone();
    if filter.wants_marked() {
        filter.only = Some(state.marks.keys().copied().collect());
    }
    UsersQuery {
        filter,
        sort: state.sort,
        start,
        limit,
        reach: state.reach,
    }
}

/// Asks for the list anew from `start`. What was asked for elsewhere in the old list is let go.
pub(super) fn load(state: &mut State, start: Start, land: Land, cx: &mut Cx) -> Vec<Effect> {
    if cx.place.is_none() {
        return Vec::new();
    }
    state.land = land;
    let mut effects = cx.cancel(Slot::More);
    effects.extend(cx.cancel(Slot::Refresh));
    let question = Question::Users(query(state, start, PAGE));
    effects.push(cx.ask(Slot::Page, Manner::Loud, question));
    effects
}

/// The list anew with another filter or order. Text is searched near first: that answers at once however long
/// the table; the far search follows when the near answer is there.
pub(super) fn load_anew(state: &mut State, cx: &mut Cx) -> Vec<Effect> {
    state.reach = if state.filter.has_text() {
        Reach::Near
    } else {
        Reach::Far
    };
    load(state, Start::First, Land::First, cx)
}

pub fn entered(state: &mut State, cx: &mut Cx) -> Vec<Effect> {
    if state.loaded == Loaded::Yes || cx.place.is_none() || cx.is_waiting(Slot::Page) {
        return Vec::new();
    }
    let mut effects = load_anew(state, cx);
    effects.push(cx.ask(Slot::Count, Manner::Quiet, Question::Estimate));
    effects
}

pub fn refresh(state: &mut State, manner: Manner, cx: &mut Cx) -> Vec<Effect> {
    if state.loaded == Loaded::Never {
        return entered(state, cx);
    }
    // A search through a large table is not run again and again for nobody; a ping still tells of the database.
    if manner == Manner::Quiet && state.took > COSTLY {
        return link::ping(cx);
    }
    reread(state, manner, cx)
}

/// Reads what is in sight again.
pub fn reread(state: &mut State, manner: Manner, cx: &mut Cx) -> Vec<Effect> {
    if cx.is_waiting(Slot::Page) || cx.is_waiting(Slot::More) {
        return Vec::new();
    }
    let (start, limit) = state.window.around(state.sort, lines(cx));
    let question = Question::Users(query(state, start, limit));
    let mut effects = vec![cx.ask(Slot::Refresh, manner, question)];
    if manner == Manner::Loud {
        state.detail = None;
        effects.push(cx.ask(Slot::Count, Manner::Quiet, Question::Estimate));
    }
    effects
}

pub fn paged(
    state: &mut State,
    slot: Slot,
    ticket: Ticket,
    outcome: Result<Page<UserRow>, Error>,
    cx: &mut Cx,
) -> Vec<Effect> {
    let page = match cx.settle(slot, ticket, outcome) {
        Some(Ok(page)) => page,
        Some(Err(error)) => {
            cx.fail(&error);
            return Vec::new();
        }
        None => return Vec::new(),
    };
    if matches!(slot, Slot::Page | Slot::Refresh) {
        state.took = cx.took;
    }
    match slot {
        Slot::Page => return page_came(state, page, cx),
        Slot::More => match state.more {
            Edge::After => state.window.append(page),
            Edge::Before => state.window.prepend(page),
        },
        Slot::Refresh => {
            state.loaded = Loaded::Yes;
            state.window.refresh(page, lines(cx));
        }
        Slot::Gather => return gathered(state, page, cx),
        Slot::Connect
        | Slot::Ping
        | Slot::Count
        | Slot::Detail
        | Slot::Reveal
        | Slot::Verify
        | Slot::Leak
        | Slot::Counts
        | Slot::Audit => {}
    }
    want_more(state, cx)
}

fn page_came(state: &mut State, page: Page<UserRow>, cx: &mut Cx) -> Vec<Effect> {
    state.loaded = Loaded::Yes;
    let land = std::mem::take(&mut state.land);
    state.window.replace(page, land, lines(cx));
    touch(state, cx);
    if state.reach == Reach::Near && state.filter.has_text() {
        state.reach = Reach::Far;
        let question = Question::Users(query(state, Start::First, PAGE));
        // The rows that are there stay under the hand: the cursor keeps its user if the far answer has him.
        state.land = Land::Stay;
        return vec![cx.ask(Slot::Page, Manner::Loud, question)];
    }
    want_more(state, cx)
}

pub(super) fn want_more(state: &mut State, cx: &mut Cx) -> Vec<Effect> {
    let busy = cx.is_waiting(Slot::More) || cx.is_waiting(Slot::Page);
    let away = !matches!(cx.link, Link::Live { .. });
    if busy || away {
        return Vec::new();
    }
    let Some(start) = state.window.wants(state.sort) else {
        return Vec::new();
    };
    state.more = if matches!(start, Start::Before(_)) {
        Edge::Before
    } else {
        Edge::After
    };
    let mut effects = cx.cancel(Slot::Refresh);
    let question = Question::Users(query(state, start, PAGE));
    effects.push(cx.ask(Slot::More, Manner::Quiet, question));
    effects
}

pub fn counted(
    state: &mut State,
    ticket: Ticket,
    outcome: Result<u64, Error>,
    cx: &mut Cx,
) -> Vec<Effect> {
    if let Some(Ok(total)) = cx.settle(Slot::Count, ticket, outcome) {
        state.total = Some(total);
    }
    Vec::new()
}
