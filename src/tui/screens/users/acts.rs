//! Changes asked for on the Users screen: whom they are for, the deed, and what came of it; `plan.rs` asks in a dialog.

mod plan;

use std::time::Duration;

use crate::domain::token::Origin;
use crate::domain::user::UserRow;
use crate::ops::{Aim, Change, Changed, Error, ManyReport};
use crate::text;
use crate::tui::effect::{Deed, Effect, Ticket};
use crate::tui::modal::{Keys, KeysOf, Kind, Report};
use crate::tui::model::{Cx, Manner, Tone};

use super::{State, list, undo};

pub use plan::{plan, words};

/// Says why `change` is refused; whether it may go on.
pub fn allowed(change: Change, cx: &mut Cx) -> bool {
    match cx.refusal(change) {
        Some(why) => {
            cx.say(Tone::Bad, why);
            false
        }
        None => true,
    }
}

/// Whether `change` has anything to do on `row`.
fn concerns(change: Change, row: &UserRow) -> bool {
    match change {
        Change::Generate => row.token.is_none(),
        Change::Regenerate | Change::Revoke => row.token.is_some(),
        Change::UserCreate | Change::UserPassword | Change::UserOn | Change::UserOff => true,
    }
}

pub fn ask(state: &mut State, change: Change, cx: &mut Cx) -> Vec<Effect> {
    if !allowed(change, cx) {
        return Vec::new();
    }
    if state.anchor.is_some() {
        list::range(state);
    }
    let marked: Vec<&UserRow> = state.marks.values().collect();
    let rows = if marked.is_empty() {
        state.window.current().into_iter().collect()
    } else {
        marked
    };
    let hit: Vec<&UserRow> = rows
        .iter()
        .copied()
        .filter(|row| concerns(change, row))
        .collect();
    match (rows.as_slice(), hit.as_slice()) {
        ([], _) => {}
        ([row], []) => {
            let name = text::safe(&row.user.username);
            let said = match (change, &row.token) {
                (Change::Generate, Some(token)) => {
                    format!(
                        "{name} has a token already: {}; R makes a new key.",
                        text::safe(&token.key.to_string())
                    )
                }
                _ => no_token(row, cx),
            };
            cx.say(Tone::Plain, said);
        }
        (rows, []) => {
            let lack = if change == Change::Generate {
                "have a token already"
            } else {
                "have no token"
            };
            cx.say(
                Tone::Plain,
                format!("All {} marked users {lack}; nothing to do.", rows.len()),
            );
        }
        (rows, hit) => {
            let left_out = rows.len() - hit.len();
            let confirm = plan(change, hit, left_out, cx);
            cx.open(Kind::Confirm(confirm));
        }
    }
    Vec::new()
}

/// Says that `row` has no token, and where one can be had.
pub fn no_token(row: &UserRow, cx: &Cx) -> String {
    let name = text::safe(&row.user.username);
    if cx.grants(Change::Generate) {
        format!("{name} has no token; N generates one.")
    } else {
        format!("{name} has no token.")
    }
}

pub fn change(change: Change, aims: Vec<Aim>, cx: &mut Cx) -> Vec<Effect> {
    // The connection may have gone, or another profile come, while the dialog stood.
    if !allowed(change, cx) {
        return Vec::new();
    }
    let one = <[Aim; 1]>::try_from(aims);
    match one {
        Ok([aim]) => cx.begin(Deed::One(change, aim)),
        Err(aims) => {
            let title = format!(
                "{} {} {} on {}",
                words(change).verb,
                aims.len(),
                words(change).what,
                text::safe(cx.place_name())
            );
            let effects = cx.begin(Deed::Many(change, aims));
            if !effects.is_empty() {
                cx.open(Kind::Progress { title });
            }
            effects
        }
    }
}

/// A new key, beside which our listener takes the old one for a while.
pub fn grace(aim: Aim, grace: Duration, cx: &mut Cx) -> Vec<Effect> {
    if !allowed(Change::Regenerate, cx) {
        return Vec::new();
    }
    cx.begin(Deed::Grace(aim, grace))
}

pub fn changed(
    state: &mut State,
    ticket: Ticket,
    change: Change,
    aim: &Aim,
    outcome: Result<Changed, Error>,
    cx: &mut Cx,
) -> Vec<Effect> {
    let Some(outcome) = cx.done(ticket, outcome) else {
        return Vec::new();
    };
    let name = text::safe(&aim.username).into_owned();
    undo::note(change, aim, &outcome, cx);
    match outcome {
        Ok(Changed::Issued(issued)) if issued.origin == Origin::New => {
            state.marks.remove(&aim.id);
            let title = match change {
                Change::Generate => format!("The token of {name}"),
                _ => format!("The new key of {name}"),
            };
            cx.say(Tone::Good, format!("{name}: {}.", words(change).past));
            cx.open(Kind::Keys(Keys {
                title,
                issued: vec![issued],
                notes: Vec::new(),
                until: None,
                origin: KeysOf::Made,
                scroll: 0,
            }));
        }
        Ok(Changed::Issued(_)) => {
            cx.say(
                Tone::Plain,
                format!("{name} had a token already; nothing was changed."),
            );
        }
        Ok(Changed::Revoked(key)) => {
            state.marks.remove(&aim.id);
            let key = text::safe(&key.to_string()).into_owned();
            cx.say(Tone::Good, format!("{name}: {key} revoked."));
        }
        Err(error) => cx.fail(&error),
    }
    after(state, cx)
}

pub fn many_changed(
    state: &mut State,
    ticket: Ticket,
    change: Change,
    outcome: Result<ManyReport, Error>,
    cx: &mut Cx,
) -> Vec<Effect> {
    let Some(outcome) = cx.done(ticket, outcome) else {
        return Vec::new();
    };
    cx.last = None;
    cx.modals
        .retain(|modal| !matches!(modal.kind, Kind::Progress { .. }));
    match outcome {
        Ok(report) => show_report(state, change, report, cx),
        Err(error) => cx.fail(&error),
    }
    after(state, cx)
}

/// What became of each row: the new keys, and the rows that failed by name. Failed rows stay marked.
fn show_report(state: &mut State, change: Change, report: ManyReport, cx: &mut Cx) {
    let (mut issued, mut notes, mut done) = (Vec::new(), Vec::new(), 0_usize);
    for row in report.rows {
        match row.outcome {
            Ok(Changed::Issued(token)) => {
                state.marks.remove(&row.aim.id);
                done += 1;
                if token.origin == Origin::New {
                    issued.push(token);
                }
            }
            Ok(Changed::Revoked(_)) => {
                state.marks.remove(&row.aim.id);
                done += 1;
            }
            Err(error) => {
                let name = text::safe(&row.aim.username).into_owned();
                let why = error.to_string();
                // Some errors begin with the name, some do not.
                notes.push(if why.starts_with(&name) {
                    why
                } else {
                    format!("{name}: {why}")
                });
            }
        }
    }
    let failed = match notes.len() {
        0 => String::new(),
        many => format!(", {many} failed"),
    };
    let stopped = if report.stopped {
        ", stopped; the rest is as it was"
    } else {
        ""
    };
    let said = format!("{done} {}{failed}{stopped}", words(change).past);
    let tone = if notes.is_empty() {
        Tone::Good
    } else {
        Tone::Bad
    };
    cx.say(tone, format!("{said}."));
    let scroll = 0;
    if !issued.is_empty() {
        let (until, origin) = (None, KeysOf::Made);
        cx.open(Kind::Keys(Keys {
            title: said,
            issued,
            notes,
            until,
            origin,
            scroll,
        }));
    } else if !notes.is_empty() {
        cx.open(Kind::Report(Report {
            title: said,
            lines: notes,
            scroll,
        }));
    }
}

/// After any change the rows in sight are read again.
pub fn after(state: &mut State, cx: &mut Cx) -> Vec<Effect> {
    state.detail = None;
    list::reread(state, Manner::Quiet, cx)
}
