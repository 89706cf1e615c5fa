//! A backfill from the question to its end: the plan in a dialog, the start, pause, and what came of it.

use crate::ops::{BackfillPlan, BackfillReport, Change, Error, Progress};
use crate::text;
use crate::tui::effect::{Deed, Effect, Order, Ticket};
use crate::tui::message::Message as Top;
use crate::tui::modal::{Confirm, Kind, Need};
use crate::tui::model::{Cx, Manner, Tone};
use crate::tui::text::{grouped, span};

use super::{End, Hold, Message, Run, State, count, plan};

pub fn ask(state: &mut State, cx: &mut Cx) -> Vec<Effect> {
    if let Some(why) = cx.refusal(Change::Generate) {
        cx.say(Tone::Bad, why);
        return Vec::new();
    }
    if cx.job.is_some() {
        cx.say(
            Tone::Bad,
            "Other work is under way; start this when it is done.",
        );
        return Vec::new();
    }
    // First the plan, then the deed: without its number there is no plan.
    let Some(todo) = state.current().map(|seen| seen.todo) else {
        cx.say(
            Tone::Plain,
            "Counting who lacks a token; B again when the number is there.",
        );
        return count(state, Manner::Loud, cx);
    };
    if todo == 0 {
        let whom = plan::whom(state.plan.audience);
        let some = if state.typed.is_empty() {
            ""
        } else {
            " that the filter lets through"
        };
        cx.say(
            Tone::Plain,
            format!("Nothing to do: {whom}{some} have a token already. Ctrl-r counts again."),
        );
        return Vec::new();
    }
    let confirm = question(state, todo, cx);
    cx.open(Kind::Confirm(confirm));
    Vec::new()
}

fn question(state: &State, todo: u64, cx: &Cx) -> Confirm {
    let place = text::safe(cx.place_name()).into_owned();
    let tokens = if todo == 1 { "token" } else { "tokens" };
    let keys = plan::keys(&state.plan);
    let mut about = vec![
        format!("For {}.", plan::sentence(state)),
        "It only adds: a token that is there already is left alone.".to_owned(),
        "Esc stops it; what is done stays done, and starting again goes on.".to_owned(),
    ];
    if !keys.is_empty() {
        about.insert(1, format!("New {keys}."));
    }
    Confirm {
        title: format!("Backfill {} {tokens} on {place}?", grouped(todo)),
        about,
        whom: Vec::new(),
        same_as: plan::same_as(state, cx),
        ways: None,
        verb: "start",
        // It only adds, so `y` is enough for any number.
        need: Need::of(cx, 1),
        scroll: 0,
        then: Box::new(Top::Backfill(Message::Start(state.plan.clone()))),
    }
}

pub fn start(state: &mut State, plan: BackfillPlan, cx: &mut Cx) -> Vec<Effect> {
    // The connection may have gone while the dialog stood.
    if let Some(why) = cx.refusal(Change::Generate) {
        cx.say(Tone::Bad, why);
        return Vec::new();
    }
    let effects = cx.begin(Deed::Backfill(plan));
    if !effects.is_empty() {
        let since = cx.clock.at;
        let hold = Hold::No;
        state.run = Run::On { since, hold };
        cx.notice = None;
    }
    effects
}

/// Space: waits after the batch that is under way, or goes on.
pub fn hold(state: &mut State, _cx: &mut Cx) -> Vec<Effect> {
    let Run::On { hold, .. } = &mut state.run else {
        return Vec::new();
    };
    let (next, order) = match hold {
        Hold::No => (Hold::Asked, Order::Pause),
        Hold::Asked => (Hold::No, Order::Resume),
    };
    *hold = next;
    vec![Effect::Job(order)]
}

pub fn ended(
    state: &mut State,
    ticket: Ticket,
    outcome: Result<BackfillReport, Error>,
    cx: &mut Cx,
) -> Vec<Effect> {
    let reached = cx.job.as_ref().filter(|job| job.ticket == ticket);
    let reached = reached.map(|job| job.progress.clone());
    let (Some(outcome), Some(mut progress)) = (cx.done(ticket, outcome), reached) else {
        return Vec::new();
    };
    let end = match outcome {
        Ok(report) => {
            // The last report may have come after the last progress that was told.
            progress.done = report.done;
            progress.already = report.already;
            progress.worked(report.elapsed);
            let (tone, said) = said(&report);
            cx.say(tone, said);
            if report.stopped {
                End::Stopped
            } else {
                // Who got a token elsewhere meanwhile is no longer missing.
                progress.total = Some(progress.reached());
                End::Done
            }
        }
        Err(error) => {
            failed(&error, &progress, cx);
            End::Failed
        }
    };
    progress.paused = false;
    progress.left = None;
    state.run = Run::Over { end, progress };
    count(state, Manner::Quiet, cx)
}

fn said(report: &BackfillReport) -> (Tone, String) {
    let tokens = if report.done == 1 { "token" } else { "tokens" };
    let already = match report.already {
        0 => String::new(),
        many => format!(", {} already had one", grouped(many)),
    };
    let (done, time) = (grouped(report.done), span(report.elapsed));
    let said = format!("Backfill: {done} {tokens} made{already}, in {time}.");
    if report.stopped {
        let more = " Stopped; starting again goes on where it stopped.";
        (Tone::Plain, said + more)
    } else {
        (Tone::Good, said)
    }
}

fn failed(error: &Error, progress: &Progress, cx: &mut Cx) {
    let why = error.to_string();
    let why = why.trim_end_matches('.');
    cx.say(
        Tone::Bad,
        format!(
            "Backfill failed after {} made: {why}. What is done stays done; B goes on.",
            grouped(progress.done)
        ),
    );
}
