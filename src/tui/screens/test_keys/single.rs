//! One key in the line: tested, tested again, covered, cleared.

use crate::domain::token::CoveredKey;
use crate::ops::Error;
use crate::tui::effect::{Effect, Question, Slot, Ticket};
use crate::tui::link;
use crate::tui::model::{Cx, Manner, Tone};
use crate::tui::widgets::field::{Field, Focus};

use super::found::NoKey;
use super::{State, Tested, Tried};

pub fn entered(state: &mut State, cx: &mut Cx) -> Vec<Effect> {
    state.shown = None;
    if let Some(leak) = &mut state.leak {
        return leak.ask_again(Manner::Quiet, cx);
    }
    if state.line.is_empty() {
        // Not typed into at once: who passes by leaves with the same keys as on every screen.
        return Vec::new();
    }
    // It may have been regenerated on another screen meanwhile.
    refresh(state, Manner::Quiet, cx)
}

pub fn refresh(state: &mut State, manner: Manner, cx: &mut Cx) -> Vec<Effect> {
    if let Some(leak) = &mut state.leak {
        // There may be thousands of keys: they are asked about again when somebody wants it.
        return match manner {
            Manner::Loud => leak.ask_again(manner, cx),
            Manner::Quiet => link::keep_alive(cx),
        };
    }
    if cx.is_waiting(Slot::Verify) {
        return Vec::new();
    }
    match state.tested {
        Some(_) => test(state, manner, cx),
        None => link::keep_alive(cx),
    }
}

/// Asks what the key in the line is worth; says why when there is none.
pub fn test(state: &mut State, manner: Manner, cx: &mut Cx) -> Vec<Effect> {
    match state.key() {
        Ok(key) => {
            // What was said of other text is over.
            cx.notice = None;
            state.focus = Focus::Elsewhere;
            if cx.place.is_none() {
                cx.say(Tone::Bad, "Not connected yet; no key can be tested.");
                return Vec::new();
            }
            let question = Question::Verify(key.into());
            vec![cx.ask(Slot::Verify, manner, question)]
        }
        Err(NoKey::Nothing) => {
            state.focus = Focus::Here;
            Vec::new()
        }
        Err(why) => {
            cx.say(Tone::Bad, why.to_string());
            Vec::new()
        }
    }
}

pub fn clear(state: &mut State, cx: &mut Cx) -> Vec<Effect> {
    *state = State::default();
    cx.cancel(Slot::Verify)
}

/// Empties the line; the keys of a longer text stay.
pub fn clear_line(state: &mut State, cx: &mut Cx) -> Vec<Effect> {
    state.line = Field::guarded();
    state.focus = Focus::Elsewhere;
    state.tested = None;
    state.shown = None;
    cx.cancel(Slot::Verify)
}

/// Esc: covers the key, else clears the line, else leaves it.
pub fn back(state: &mut State, cx: &mut Cx) -> Vec<Effect> {
    if state.shown.take().is_some() {
        return Vec::new();
    }
    if state.leak.take().is_some() {
        cx.notice = None;
        return cx.cancel(Slot::Leak);
    }
    if state.line.is_empty() {
        state.focus = Focus::Elsewhere;
        return Vec::new();
    }
    // Who was typing goes on typing.
    let focus = state.focus;
    let effects = clear(state, cx);
    state.focus = focus;
    effects
}

pub fn verified(
    state: &mut State,
    ticket: Ticket,
    outcome: Result<Tried, Error>,
    cx: &mut Cx,
) -> Vec<Effect> {
    match cx.settle(Slot::Verify, ticket, outcome) {
        Some(Ok(tried)) => {
            let at = cx.clock.at;
            state.tested = Some(Tested { at, tried });
        }
        // The verdict that stands keeps its age; a first one is missed, and why is said.
        Some(Err(error)) if state.tested.is_none() => cx.fail(&error),
        Some(Err(_)) | None => {}
    }
    Vec::new()
}

/// What the line shows of its key: typed, it stands there as typed; at rest it is covered.
pub fn covered(state: &State) -> String {
    match state.key() {
        Ok(key) => CoveredKey::of(&key).to_string(),
        Err(why) => why.to_string(),
    }
}
