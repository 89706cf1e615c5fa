//! What follows from what happened, while there is a leak and when it was cleared meanwhile.

use super::reading::take;
use super::report::{addresses, ask_report, tell};
use super::{Message, State, What, keys, open, plan};
use crate::domain::token::Issued;
use crate::ops::Error;
use crate::ops::leak::{Case, Response};
use crate::text;
use crate::tui::effect::{Deed, Effect, Sealed, Slot, Ticket};
use crate::tui::modal::{Keys, KeysOf, Kind};
use crate::tui::model::{Cx, Manner, Tone};
use crate::tui::moves::Step;

/// Takes in what happened.
pub fn update(leak: &mut Option<Box<State>>, message: Message, cx: &mut Cx) -> Vec<Effect> {
    // What comes when the leak was cleared is about nothing any more; a change is still to be told.
    let Some(state) = leak else {
        return late(message, cx);
    };
    match message {
        Message::Open => open(state, cx),
        Message::Mark => {
            if let Some(key) = state.current().map(|finding| finding.key.fingerprint)
                && !state.marks.remove(&key)
            {
                state.marks.insert(key);
            }
            state.step(Step::Down, cx);
            Vec::new()
        }
        Message::Ask(deed) => plan::ask(state, deed, cx),
        Message::Do(deed) => plan::begin(state, deed, cx),
        Message::Tell => tell(state, cx),
        Message::AskReport => ask_report(cx),
        Message::Report(format) => match state.chosen() {
            Some(case) => cx.begin(Deed::Report(case, format)),
            None => Vec::new(),
        },
        Message::Addresses => addresses(state, cx),
        Message::Read { ticket, outcome } => {
            match cx.settle(Slot::Leak, ticket, outcome) {
                Some(Ok(read)) => take(state, read, cx),
                Some(Err(error)) => {
                    cx.fail(&error);
                    // Nothing is listed that the message could be about.
                    if state.case.is_none() {
                        *leak = None;
                    }
                }
                None => {}
            }
            Vec::new()
        }
        Message::Responded {
            ticket,
            deed,
            outcome,
        } => responded(state, ticket, deed, outcome, cx),
        Message::NotedTold { ticket, outcome } => {
            match cx.done(ticket, outcome) {
                Some(Ok(case)) => {
                    let told = state.marked_or_current().len() as u64;
                    state.take_case(*case, cx);
                    let said = format!("Noted: the owners of {} were told.", keys(told));
                    cx.say(Tone::Good, said);
                }
                Some(Err(error)) => cx.fail(&error),
                None => {}
            }
            Vec::new()
        }
        Message::Reported {
            ticket,
            format,
            outcome,
        } => match cx.done(ticket, outcome) {
            Some(Ok((case, text))) => {
                state.take_case(*case, cx);
                vec![Effect::Write {
                    stem: "leak",
                    extension: format.extension(),
                    text: Sealed::new(text),
                }]
            }
            Some(Err(error)) => {
                cx.fail(&error);
                Vec::new()
            }
            None => Vec::new(),
        },
    }
}

/// An answer about a leak that was cleared meanwhile.
fn late(message: Message, cx: &mut Cx) -> Vec<Effect> {
    match message {
        Message::Responded {
            ticket,
            deed,
            outcome,
        } => match cx.done(ticket, outcome) {
            Some(Ok((_, response))) => {
                say_done(deed, &response, cx);
                show_issued(response, cx);
            }
            Some(Err(error)) => cx.fail(&error),
            None => {}
        },
        Message::NotedTold { ticket, outcome } => {
            cx.done(ticket, outcome);
        }
        Message::Reported {
            ticket, outcome, ..
        } => {
            cx.done(ticket, outcome);
        }
        Message::Read { ticket, outcome } => {
            cx.settle(Slot::Leak, ticket, outcome);
        }
        Message::Open
        | Message::Mark
        | Message::Ask(_)
        | Message::Do(_)
        | Message::Tell
        | Message::AskReport
        | Message::Report(_)
        | Message::Addresses => {
            cx.say(Tone::Plain, "Paste text with several keys first.");
        }
    }
    Vec::new()
}

fn responded(
    state: &mut State,
    ticket: Ticket,
    deed: What,
    outcome: Result<(Box<Case>, Response), Error>,
    cx: &mut Cx,
) -> Vec<Effect> {
    match cx.done(ticket, outcome) {
        Some(Ok((case, response))) => {
            state.take_case(*case, cx);
            let changed = response.rows.iter().map(|row| row.key);
            state.changed.extend(changed);
            say_done(deed, &response, cx);
            show_issued(response, cx);
        }
        Some(Err(error)) => cx.fail(&error),
        None => return Vec::new(),
    }
    // Whether it was done or not: what the keys are worth now.
    state.ask_again(Manner::Quiet, cx)
}

/// What was done, and what went wrong after it.
fn say_done(deed: What, response: &Response, cx: &mut Cx) {
    let done = plan::done(deed, response);
    match &response.warning {
        None => cx.say(Tone::Good, done),
        Some(warning) => cx.say(Tone::Bad, format!("{done} But {}", text::safe(warning))),
    }
}

/// The new keys, covered: they can be copied, shown or written from the dialog, which the audit is told of.
fn show_issued(response: Response, cx: &mut Cx) {
    let issued: Vec<Issued> = response.issued;
    if issued.is_empty() {
        return;
    }
    let title = match issued.as_slice() {
        [one] => format!("The new key of {}", text::fit(&one.username, 40)),
        many => format!("{} new keys, leak {}", many.len(), response.leak),
    };
    cx.open(Kind::Keys(Keys {
        title,
        issued,
        notes: Vec::new(),
        until: None,
        origin: KeysOf::Made,
        scroll: 0,
    }));
}
