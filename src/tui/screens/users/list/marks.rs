//! Marks: on one row, on a range, on all rows of the filter; and those rows gathered for an export.

use super::load::query;
use super::step;
use crate::domain::page::{Page, Start};
use crate::domain::user::UserRow;
use crate::tui::effect::{Effect, Question, Slot};
use crate::tui::model::{Cx, Manner, Tone};
use crate::tui::moves::Step;
use crate::tui::screens::users::{Gather, State, copy};
use crate::tui::text::grouped;

/// Rows that `a` marks, or an export holds, at most.
pub const GATHERED: usize = 10_000;

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

pub(super) fn gathered(state: &mut State, page: Page<UserRow>, cx: &mut Cx) -> Vec<Effect> {
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
