//! The connection: making it, noticing that it is gone, trying again, keeping what is shown fresh.

use std::time::Duration;

use crate::ops::Error;
use crate::text;
use crate::tui::effect::{Effect, Question, Slot, Ticket};
use crate::tui::global;
use crate::tui::model::{Cx, Doubt, Link, Manner, Model, Place, Tone};
use crate::tui::screens;

/// What is shown is asked for again so often while nobody types.
const REFRESH: Duration = Duration::from_secs(5);
/// Nobody types when no key came for so long: a refresh must not meet a moving cursor.
const IDLE: Duration = Duration::from_secs(2);

/// Begins to connect to `profile`; what is shown stays until the answer comes.
pub fn connect(cx: &mut Cx, profile: String) -> Vec<Effect> {
    let mut effects = cx.cancel_all();
    cx.link = Link::Connecting { since: cx.clock.at };
    cx.place = None;
    cx.last = None;
    cx.notice = None;
    cx.profile.clone_from(&profile);
    let ticket = cx.wait(Slot::Connect, Manner::Loud);
    effects.push(Effect::Connect { ticket, profile });
    effects
}

/// Tries the profile again that could not be reached.
pub fn connect_again(cx: &mut Cx) -> Vec<Effect> {
    let profile = cx.profile.clone();
    connect(cx, profile)
}

/// The answer to [`connect`].
pub fn connected(model: &mut Model, ticket: Ticket, outcome: Result<Place, Error>) -> Vec<Effect> {
    let Some(outcome) = model.cx.settle(Slot::Connect, ticket, outcome) else {
        return Vec::new();
    };
    match outcome {
        Ok(place) => {
            model.cx.link = Link::Live {
                heard: model.cx.clock.at,
            };
            model.cx.place = Some(place);
            screens::connected(model)
        }
        Err(error) => {
            model.cx.link = Link::Unchosen;
            let profile = text::safe(&model.cx.profile).into_owned();
            let reason = format!("Cannot open {profile}: {error}");
            global::profiles(model, Some(&reason));
            Vec::new()
        }
    }
}

/// Asks whether the database is there.
pub fn ping(cx: &mut Cx) -> Vec<Effect> {
    vec![cx.ask(Slot::Ping, Manner::Quiet, Question::Ping)]
}

/// The same for a screen whose own questions tell nothing of the database; a ping under way is not asked again.
pub fn keep_alive(cx: &mut Cx) -> Vec<Effect> {
    if cx.is_waiting(Slot::Ping) {
        return Vec::new();
    }
    ping(cx)
}

/// The answer to [`ping`]: when the database is back, everything is asked for again.
pub fn ponged(model: &mut Model, ticket: Ticket, outcome: Result<(), Error>) -> Vec<Effect> {
    let was_offline = matches!(model.cx.link, Link::Offline { .. });
    match model.cx.settle(Slot::Ping, ticket, outcome) {
        Some(Ok(())) => {
            model.cx.doubt = Doubt::No;
            if was_offline {
                model.cx.say(Tone::Good, "The database is back.");
                return screens::refresh(model, Manner::Quiet);
            }
        }
        Some(Err(_)) => model.cx.lose(),
        None => {}
    }
    Vec::new()
}

/// Time passed: tries a lost database again when it is due, else keeps what is shown fresh.
pub fn tick(model: &mut Model) -> Vec<Effect> {
    let cx = &mut model.cx;
    let now = cx.clock.at;
    match cx.link {
        Link::Offline { retry, .. } if now >= retry && !cx.is_waiting(Slot::Ping) => ping(cx),
        Link::Live { heard } => {
            let idle = now.saturating_duration_since(cx.touched) >= IDLE;
            let due = now.saturating_duration_since(heard) >= REFRESH;
            // A question may hang on a connection that is dead: a ping of its own finds out.
            let silent = now.saturating_duration_since(heard) >= 2 * REFRESH;
            if (silent || cx.doubt == Doubt::Yes) && !cx.is_waiting(Slot::Ping) {
                return ping(cx);
            }
            if idle && due && cx.loading().is_none() && !cx.is_waiting(Slot::Refresh) {
                screens::refresh(model, Manner::Quiet)
            } else {
                Vec::new()
            }
        }
        Link::Offline { .. } | Link::Unchosen | Link::Connecting { .. } => Vec::new(),
    }
}
