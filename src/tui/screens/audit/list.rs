//! Loading, moving, opening and exporting entries of the audit.

use serde::Serialize;

use crate::domain::audit::Entry;
use crate::domain::moment::Moment;
use crate::ops::{AuditQuery, Error};
use crate::tui::effect::{Effect, Question, Slot, Ticket};
use crate::tui::export::{self, Exported, Format};
use crate::tui::layout;
use crate::tui::link;
use crate::tui::modal::{Kind, Report};
use crate::tui::model::{Cx, Manner};
use crate::tui::moves::Step;
use crate::tui::widgets::browse::{Extent, Left};

use super::{State, view};

/// Entries read at most.
pub const NEWEST: usize = 5_000;

/// Asks for the entries that the filter lets through.
pub fn load(state: &State, manner: Manner, cx: &mut Cx) -> Vec<Effect> {
    if cx.place.is_none() {
        return Vec::new();
    }
    let typed = state.browse.filter();
    let query = AuditQuery {
        text: (!typed.is_empty()).then(|| typed.to_owned()),
        limit: NEWEST,
        ..AuditQuery::default()
    };
    vec![cx.ask(Slot::Audit, manner, Question::Audit(query))]
}

pub fn entered(state: &State, cx: &mut Cx) -> Vec<Effect> {
    let manner = match state.entries {
        Some(_) => Manner::Quiet,
        None => Manner::Loud,
    };
    load(state, manner, cx)
}

/// Reads it again, and asks the database whether it is there: where a file is read, that cannot tell.
pub fn refresh(state: &State, manner: Manner, cx: &mut Cx) -> Vec<Effect> {
    let mut effects = link::keep_alive(cx);
    if !cx.is_waiting(Slot::Audit) {
        effects.extend(load(state, manner, cx));
    }
    effects
}

pub fn read(
    state: &mut State,
    ticket: Ticket,
    outcome: Result<Vec<Entry>, Error>,
    cx: &mut Cx,
) -> Vec<Effect> {
    match cx.settle_local(Slot::Audit, ticket, outcome) {
        Some(Ok(entries)) => replace(state, entries, cx),
        Some(Err(error)) => cx.fail(&error),
        None => {}
    }
    Vec::new()
}

/// The cursor stays on its entry, which new ones have pushed down.
fn replace(state: &mut State, entries: Vec<Entry>, cx: &Cx) {
    let held = state.current().cloned();
    // Two entries may be alike: the one that is sought cannot have moved up.
    let found = held.and_then(|held| {
        let from = state.browse.cursor().min(entries.len());
        let below = entries[from..].iter().position(|entry| *entry == held);
        let anywhere = || entries.iter().position(|entry| *entry == held);
        below.map(|at| from + at).or_else(anywhere)
    });
    state.browse.follow(found.unwrap_or(0));
    state.entries = Some(entries);
    keep_in_sight(state, cx);
}

fn extent(state: &State, cx: &Cx) -> Extent {
    Extent {
        rows: state.entries().len(),
        seen: layout::list_rows(cx.size),
        columns: view::COLUMNS_MAX,
    }
}

pub fn keep_in_sight(state: &mut State, cx: &Cx) {
    state.browse.keep_in_sight(extent(state, cx));
}

pub fn step(state: &mut State, step: Step, cx: &Cx) -> Vec<Effect> {
    state.browse.step(step, extent(state, cx));
    Vec::new()
}

pub fn open(state: &State, cx: &mut Cx) -> Vec<Effect> {
    if let Some(entry) = state.current() {
        let lines = whole(entry, cx);
        cx.open(Kind::Report(Report {
            title: format!(
                "{} on {}",
                entry.what,
                crate::text::fit(&entry.database, 40)
            ),
            lines,
            scroll: 0,
        }));
    }
    Vec::new()
}

/// Everything that the entry tells, one fact a line.
fn whole(entry: &Entry, cx: &Cx) -> Vec<String> {
    let age = Moment::parse(&entry.when)
        .map(|when| format!(" ({} ago)", when.age(cx.clock.now)))
        .unwrap_or_default();
    let actor = &entry.actor;
    let named = actor
        .operator
        .as_ref()
        .map(|operator| format!(", as {operator}"))
        .unwrap_or_default();
    let whom = match entry.whom.as_str() {
        "" => "no single user",
        name => name,
    };
    let key = entry.key.as_ref().map(|key| format!("Key       {key}…"));
    let reason = entry.reason().map(|reason| format!("For       {reason}"));
    let session = entry.session.as_ref();
    let session = session.map(|role| format!("Session   {role}, the database's role"));
    let lines = [
        Some(format!("When      {}{age}", entry.when)),
        Some(format!("Who       {}@{}{named}", actor.os_user, actor.host)),
        session,
        Some(format!("Database  {}", entry.database)),
        Some(format!("What      {}", entry.what)),
        Some(format!("Whom      {whom}")),
        key,
        reason,
        Some(format!("Result    {}", entry.result)),
    ];
    lines.into_iter().flatten().collect()
}

/// Esc: leaves the filter line, else clears the filter.
pub fn back(state: &mut State, cx: &mut Cx) -> Vec<Effect> {
    match state.browse.back() {
        Left::Line => Vec::new(),
        Left::Cleared => load(state, Manner::Loud, cx),
    }
}

/// An entry as it is exported.
#[derive(Serialize)]
struct Line<'a>(&'a Entry);

impl Exported for Line<'_> {
    const HEADS: &'static [&'static str] = &[
        "when", "os_user", "host", "operator", "database", "what", "whom", "key", "for_leak",
        "session", "result",
    ];

    fn cells(&self) -> Vec<String> {
        let entry = self.0;
        let actor = &entry.actor;
        let given = |text: &Option<String>| text.clone().unwrap_or_default();
        vec![
            entry.when.clone(),
            actor.os_user.clone(),
            actor.host.clone(),
            given(&actor.operator),
            entry.database.clone(),
            entry.what.word().to_owned(),
            entry.whom.clone(),
            given(&entry.key),
            entry
                .for_leak
                .map_or_else(String::new, |leak| leak.to_string()),
            given(&entry.session),
            entry.result.clone(),
        ]
    }
}

pub fn export(state: &State, format: Format) -> Vec<Effect> {
    let rows: Vec<Line> = state.entries().iter().map(Line).collect();
    export::write("audit", &rows, format)
}
