//! `U`: the last change of one key taken back, by the console that made it, for a while.

use crate::domain::token::CoveredKey;
use crate::ops::{Aim, Change, Changed, Error, UNDO_TIME};
use crate::text;
use crate::tui::effect::{Deed, Effect, Ticket};
use crate::tui::message::Message as Top;
use crate::tui::modal::{Confirm, Kind, Need};
use crate::tui::model::{Cx, Last, STILL, Tone};

use super::acts::{after, allowed};
use super::{Message, State};

/// Notes a change that can be taken back.
pub fn note(change: Change, aim: &Aim, outcome: &Result<Changed, Error>, cx: &mut Cx) {
    let new = match (change, outcome) {
        (Change::Regenerate, Ok(Changed::Issued(issued))) => Some(CoveredKey::of(&issued.key)),
        (Change::Revoke, Ok(Changed::Revoked(_))) => None,
        (_, _) => return,
    };
    cx.last = Some(Last {
        aim: aim.clone(),
        new,
        since: cx.clock.at,
    });
}

/// The last change, while it can be taken back.
fn last(cx: &Cx) -> Option<&Last> {
    let last = cx.last.as_ref()?;
    (cx.clock.at.saturating_duration_since(last.since) < UNDO_TIME).then_some(last)
}

pub fn ask(cx: &mut Cx) -> Vec<Effect> {
    if cx.is_changing() {
        // The one before may be this very key's: asked again it would find nothing to take back.
        cx.say(Tone::Bad, STILL);
        return Vec::new();
    }
    let Some(last) = last(cx).cloned() else {
        let minutes = UNDO_TIME.as_secs() / 60;
        cx.say(
            Tone::Plain,
            format!(
                "Nothing to take back: U gives back one key that was just regenerated or revoked here, for {minutes} \
                 minutes."
            ),
        );
        return Vec::new();
    };
    let (change, means) = match &last.new {
        Some(new) => (
            Change::Regenerate,
            format!(
                "The new key {} stops working at once; its clients will get 401.",
                text::safe(&new.to_string())
            ),
        ),
        None => (Change::Generate, "It works again at once.".to_owned()),
    };
    if !allowed(change, cx) {
        return Vec::new();
    }
    let old = last.aim.seen.as_ref().map(ToString::to_string);
    let place = text::safe(cx.place_name()).into_owned();
    cx.open(Kind::Confirm(Confirm {
        title: format!(
            "Give the old key back to {} on {place}?",
            text::fit(&last.aim.username, 40)
        ),
        about: vec![
            format!("drf {}", text::safe(&old.unwrap_or_default())),
            means,
        ],
        whom: Vec::new(),
        same_as: String::new(),
        ways: None,
        verb: "give it back",
        need: Need::of(cx, 1),
        scroll: 0,
        then: Box::new(Top::Users(Message::Undo)),
    }));
    Vec::new()
}

pub fn undo(cx: &mut Cx) -> Vec<Effect> {
    // The connection may have gone while the dialog stood.
    if !allowed(Change::Regenerate, cx) {
        return Vec::new();
    }
    cx.begin(Deed::Undo)
}

pub fn undone(
    state: &mut State,
    ticket: Ticket,
    outcome: Result<Aim, Error>,
    cx: &mut Cx,
) -> Vec<Effect> {
    let Some(outcome) = cx.done(ticket, outcome) else {
        return Vec::new();
    };
    match outcome {
        Ok(aim) => {
            cx.last = None;
            let key = aim.seen.as_ref().map(ToString::to_string);
            let said = format!(
                "{}: {} works again.",
                text::safe(&aim.username),
                text::safe(&key.unwrap_or_default())
            );
            cx.say(Tone::Good, said);
        }
        Err(error) => {
            if !matches!(error, Error::Unavailable(_)) {
                cx.last = None;
            }
            cx.fail(&error);
        }
    }
    after(state, cx)
}
