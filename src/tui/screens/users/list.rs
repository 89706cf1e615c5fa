//! Moving, loading, filtering and marking: everything on the Users screen that only looks.

use std::time::Duration;

use crate::domain::filter::Filter;
use crate::domain::page::{Direction, Page, Sort, SortKey, Start};
use crate::domain::user::{UserId, UserRow};
use crate::ops::{Error, Reach, UserDetail, UsersQuery};
use crate::tui::effect::{Effect, Question, Slot, Ticket};
use crate::tui::layout::{self, Width};
use crate::tui::link;
use crate::tui::message::Message as Top;
use crate::tui::modal::{Choose, Item, Kind};
use crate::tui::model::{Cx, Link, Manner, Tone};
use crate::tui::moves::Step;
use crate::tui::text::grouped;
use crate::tui::widgets::field::{Field, Focus};

use super::window::{Edge, Land, PAGE};
use super::{Gather, Loaded, Message, Open, State, copy};

/// Details are asked for when the cursor rests so long: not for each row that it passes.
const RESTS: Duration = Duration::from_millis(150);
/// Rows that took longer to read are read again only when somebody asks.
const COSTLY: Duration = Duration::from_millis(300);
/// Rows that `a` marks, or an export holds, at most.
pub const GATHERED: usize = 10_000;

fn lines(cx: &Cx) -> usize {
    layout::list_rows(cx.size)
}

fn query(state: &State, start: Start, limit: usize) -> UsersQuery {
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
fn load(state: &mut State, start: Start, land: Land, cx: &mut Cx) -> Vec<Effect> {
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
fn load_anew(state: &mut State, cx: &mut Cx) -> Vec<Effect> {
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

fn want_more(state: &mut State, cx: &mut Cx) -> Vec<Effect> {
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

pub fn mark(state: &mut State, cx: &mut Cx) -> Vec<Effect> {
    if state.anchor.is_some() {
        return range(state);
    }
    let Some(row) = state.window.current() else {
        return Vec::new();
    };
    if state.marks.remove(&row.user.id).is_none() && state.marks.len() < GATHERED {
        state.marks.insert(row.user.id, row.clone());
    }
    step(state, Step::Down, cx)
}

/// Begins a range, or marks all from where it began to here.
pub fn range(state: &mut State) -> Vec<Effect> {
    match state.anchor.take() {
        None => state.anchor = state.window.current().map(|row| row.user.id),
        Some(anchor) => {
            let rows: Vec<UserRow> = state.window.between(anchor).into_iter().cloned().collect();
            state
                .marks
                .extend(rows.into_iter().map(|row| (row.user.id, row)));
        }
    }
    Vec::new()
}

pub fn mark_all(state: &mut State, cx: &mut Cx) -> Vec<Effect> {
    state.anchor = None;
    gather(state, Gather::Mark, cx)
}

/// Asks for all rows of the filter, as many as are kept.
pub fn gather(state: &mut State, why: Gather, cx: &mut Cx) -> Vec<Effect> {
    state.gather = why;
    let question = Question::Users(query(state, Start::First, GATHERED));
    vec![cx.ask(Slot::Gather, Manner::Loud, question)]
}

fn gathered(state: &mut State, page: Page<UserRow>, cx: &mut Cx) -> Vec<Effect> {
    match state.gather {
        Gather::Export(format) => {
            if page.more_after {
                cx.say(
                    Tone::Plain,
                    "There are more; the file holds the first 10,000.",
                );
            }
            copy::write(&page.rows, format)
        }
        Gather::Mark => {
            let many = page.rows.len();
            state.marks = page
                .rows
                .into_iter()
                .map(|row| (row.user.id, row))
                .collect();
            let more = if page.more_after {
                "; there are more, narrow the filter for those"
            } else {
                ""
            };
            cx.say(
                Tone::Plain,
                format!("Marked {}{more}.", grouped(many as u64)),
            );
            Vec::new()
        }
    }
}
