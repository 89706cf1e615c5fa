//! Starting and stopping, each asked first, and what waits for a stop: a suspension, another profile.

use crate::ops::Error;
use crate::tui::effect::{Effect, Serve, Ticket};
use crate::tui::link;
use crate::tui::message::Message as Top;
use crate::tui::modal::{Confirm, Kind, Need};
use crate::tui::model::{Cx, Tone};

use super::{Address, Figures, Message, Next, Phase, State, Up};

/// `S`.
pub fn ask(state: &State, cx: &mut Cx) -> Vec<Effect> {
    match &state.phase {
        Phase::Off => {
            let about = format!(
                "It answers requests with the tokens of {} until S stops it or this console ends.",
                crate::text::safe(cx.place_name())
            );
            let confirm = Confirm {
                title: format!("Start the listener on {}?", cx.listens_at),
                about: vec![about],
                whom: Vec::new(),
                same_as: cx.same_as("serve"),
                ways: None,
                verb: "start",
                need: Need::of(cx, 1),
                scroll: 0,
                then: Box::new(Top::Listener(Message::Start)),
            };
            cx.open(Kind::Confirm(confirm));
        }
        Phase::Up(up) => {
            let title = format!("Stop the listener on {}?", up.address.url);
            cx.open(Kind::Confirm(stopping(title, "stop", Next::Stay)));
        }
        Phase::Starting(_) => cx.say(Tone::Plain, "The listener is being started."),
        Phase::Stopping(..) => cx.say(Tone::Plain, STOPPING),
    }
    Vec::new()
}

const STOPPING: &str = "The listener is stopping: what is being answered is finished first.";

/// What a stop means.
pub const MEANS: &str =
    "What is being answered is finished first. Clients that call then are refused.";

/// A question that ends the listener, then goes on with `next`.
fn stopping(title: String, verb: &'static str, next: Next) -> Confirm {
    Confirm {
        title,
        about: vec![MEANS.to_owned()],
        whom: Vec::new(),
        same_as: String::new(),
        ways: None,
        verb,
        need: Need::Yes,
        scroll: 0,
        then: Box::new(Top::Listener(Message::Stop(next))),
    }
}

/// Whether it is being started or stopped: nothing that needs it off can be done just now.
#[must_use]
pub const fn is_on_the_way(state: &State) -> bool {
    matches!(state.phase, Phase::Starting(_) | Phase::Stopping(..))
}

/// Where a listener is up, asks before `next`, which needs it off. Gives whether it is up.
pub fn ask_before(state: &State, next: Next, cx: &mut Cx) -> bool {
    let Phase::Up(up) = &state.phase else {
        return false;
    };
    let port = up.address.port;
    let (title, verb) = match &next {
        Next::Connect(profile) => {
            let profile = crate::text::fit(profile, 24);
            (
                format!("Connect to {profile}? The listener on :{port} stops."),
                "connect",
            )
        }
        Next::Suspend => (
            format!("Suspend? The listener on :{port} stops."),
            "suspend",
        ),
        Next::Stay => (format!("Stop the listener on :{port}?"), "stop"),
    };
    let is_asked = |kind: &Kind| matches!(kind, Kind::Confirm(asked) if asked.title == title);
    if !cx.modals.last().is_some_and(|modal| is_asked(&modal.kind)) {
        cx.open(Kind::Confirm(stopping(title, verb, next)));
    }
    true
}

/// Starts it, if it is off.
pub fn start(state: &mut State, cx: &mut Cx) -> Vec<Effect> {
    match state.phase {
        Phase::Off => {}
        Phase::Starting(_) | Phase::Up(_) | Phase::Stopping(..) => return Vec::new(),
    }
    let ticket = cx.ticket();
    state.phase = Phase::Starting(ticket);
    cx.say(Tone::Plain, "The listener is being started.");
    vec![Effect::Listener {
        ticket,
        order: Serve::Start,
    }]
}

pub fn started(
    state: &mut State,
    ticket: Ticket,
    outcome: Result<Address, String>,
    cx: &mut Cx,
) -> Vec<Effect> {
    if !matches!(state.phase, Phase::Starting(asked) if asked == ticket) {
        return Vec::new();
    }
    match outcome {
        Ok(address) => {
            cx.say(Tone::Good, format!("Listening on {}.", address.url));
            state.calls.clear();
            state.callers.clear();
            state.dropped = 0;
            state.figures = Figures::default();
            state.phase = Phase::Up(Up {
                ticket,
                address,
                since: cx.clock.at,
            });
        }
        Err(why) => {
            state.phase = Phase::Off;
            cx.say(Tone::Bad, format!("The listener did not start: {why}"));
        }
    }
    Vec::new()
}

/// Stops it, if it is up, and goes on with `next` then.
pub fn stop(state: &mut State, next: Next) -> Vec<Effect> {
    let Phase::Up(up) = &state.phase else {
        return Vec::new();
    };
    let (up, ticket) = (up.clone(), up.ticket);
    state.phase = Phase::Stopping(up, next);
    vec![Effect::Listener {
        ticket,
        order: Serve::Stop,
    }]
}

pub fn stopped(
    state: &mut State,
    ticket: Ticket,
    outcome: Result<usize, Error>,
    cx: &mut Cx,
) -> Vec<Effect> {
    if !is_of(state, ticket) {
        return Vec::new();
    }
    match outcome {
        Ok(0) => cx.say(Tone::Good, "The listener stopped."),
        Ok(dropped) => cx.say(
            Tone::Plain,
            format!("The listener stopped; {dropped} connections took longer than drain_time."),
        ),
        Err(error) => cx.fail(&error),
    }
    match std::mem::take(&mut state.phase) {
        Phase::Stopping(_, Next::Suspend) => vec![Effect::Suspend],
        Phase::Stopping(_, Next::Connect(profile)) => link::connect(cx, profile),
        Phase::Stopping(_, Next::Stay) | Phase::Off | Phase::Starting(_) | Phase::Up(_) => {
            Vec::new()
        }
    }
}

/// Whether what was heard is of the listener that runs.
pub fn is_of(state: &State, ticket: Ticket) -> bool {
    match &state.phase {
        Phase::Up(up) | Phase::Stopping(up, _) => up.ticket == ticket,
        Phase::Off | Phase::Starting(_) => false,
    }
}
