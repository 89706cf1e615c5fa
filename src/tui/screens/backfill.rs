//! Backfill: who lacks a token, and a token for each of them. The work goes on while another screen is shown. This
//! file holds what the screen remembers, what can happen on it and its keys; `plan.rs` decides whom it is for,
//! `run.rs` starts and steers the work, `view.rs` draws.

mod plan;
mod run;
pub mod view;

use std::time::Instant;

use crossterm::event::KeyCode;

use crate::domain::token::KeyFormat;
use crate::ops::{Audience, BackfillPlan, BackfillReport, Change, Counts, Error, Progress};
use crate::tui::effect::{Effect, Question, Sealed, Slot, Ticket};
use crate::tui::keys::{Binding, Key};
use crate::tui::link;
use crate::tui::model::{Cx, Manner};

/// All that the screen remembers.
#[derive(Debug, Default)]
pub struct State {
    /// Whom it is for.
    plan: BackfillPlan,
    /// The plan's filter as it was typed.
    typed: String,
    /// The newest numbers, and when they came.
    seen: Option<(Seen, Instant)>,
    run: Run,
}

/// The numbers that a backfill is decided on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The plan they were counted for.
    pub plan: BackfillPlan,
    /// All users.
    pub counts: Counts,
    /// To how many the plan would give a token.
    pub todo: u64,
}

/// How the work is.
#[derive(Debug, Default)]
enum Run {
    /// It was never started.
    #[default]
    Never,
    /// It goes on; how far, [`Cx::job`] tells.
    On {
        /// Since when.
        since: Instant,
        /// Whether it is held.
        hold: Hold,
    },
    /// It is over.
    Over {
        /// How it ended.
        end: End,
        /// How far it came.
        progress: Progress,
    },
}

/// Whether running work was told to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hold {
    No,
    Asked,
}

/// How the work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Done,
    Stopped,
    Failed,
}

/// What can happen on this screen.
#[derive(Clone, Debug)]
pub enum Message {
    /// The screen came into sight.
    Entered,
    /// Count again.
    Refresh(Manner),
    /// The menu of whom it is for and how the keys look.
    Change,
    /// For these users, without a filter.
    For(Audience),
    /// Ask for a filter.
    AskFilter,
    /// Only for users that pass it.
    Filter(Sealed),
    /// Keys of this shape; as the profile says when `None`.
    Format(Option<KeyFormat>),
    /// Ask before it starts.
    Ask,
    /// Start.
    Start(BackfillPlan),
    /// Wait, or go on.
    Hold,
    /// Esc: stop.
    Back,
    /// The numbers came, or not.
    Counted {
        /// Of the question.
        ticket: Ticket,
        /// The numbers.
        outcome: Result<Seen, Error>,
    },
    /// The work ended, or failed.
    Backfilled {
        /// Of the work.
        ticket: Ticket,
        /// What it did.
        outcome: Result<BackfillReport, Error>,
    },
}

fn is_idle(state: &State) -> bool {
    !is_running(state)
}

fn is_running(state: &State) -> bool {
    matches!(state.run, Run::On { .. })
}

/// The keys of this screen.
pub const KEYS: &[Binding<State, Message>] = &[
    Binding::touches(
        "start-backfill",
        &[Key::char('B')],
        Change::Generate,
        "start it: a token for each user who lacks one",
        Message::Ask,
    )
    .hint(1, "start")
    .when(is_idle),
    Binding::looks(
        "change-plan",
        &[Key::char('f')],
        "for whom: active, all, staff, a filter; format drf or twd_",
        Message::Change,
    )
    .hint(2, "change: all, staff, a filter")
    .when(is_idle),
    Binding::looks(
        "pause",
        &[Key::char(' ')],
        "let it wait, or go on",
        Message::Hold,
    )
    .hint(1, "pause")
    .when(is_running),
    Binding::looks(
        "back",
        &[Key::code(KeyCode::Esc)],
        "stop it; what is done stays done",
        Message::Back,
    )
    .hint(1, "stop")
    .when(is_running),
];

/// What the help adds below the keys.
pub const NOTES: &[&str] = &[
    "",
    "A backfill only adds: a token that is there is left alone. It runs on while another",
    "screen is shown, safely beside Django; stopped, it goes on where it stopped.",
];

impl State {
    /// Whether Esc has nothing to do here.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        is_idle(self)
    }

    /// The numbers, if they are those of the present plan.
    fn current(&self) -> Option<&Seen> {
        let (seen, _) = self.seen.as_ref()?;
        let same = seen.plan.audience == self.plan.audience && seen.plan.filter == self.plan.filter;
        same.then_some(seen)
    }
}

/// Takes in what happened. What the end of the work means for other screens is dealt with where they are routed.
pub fn update(state: &mut State, message: Message, cx: &mut Cx) -> Vec<Effect> {
    match message {
        Message::Entered => entered(state, cx),
        Message::Refresh(manner) => refresh(state, manner, cx),
        Message::Change => plan::ask(state, cx),
        Message::For(audience) => plan::choose(state, audience, cx),
        Message::AskFilter => plan::ask_filter(state, cx),
        Message::Filter(typed) => plan::filter(state, &typed, cx),
        Message::Format(format) => {
            state.plan.format = format;
            Vec::new()
        }
        Message::Ask => run::ask(state, cx),
        Message::Start(plan) => run::start(state, plan, cx),
        Message::Hold => run::hold(state, cx),
        Message::Back if is_running(state) => cx.stop_job(),
        Message::Back => Vec::new(),
        Message::Counted { ticket, outcome } => counted(state, ticket, outcome, cx),
        Message::Backfilled { ticket, outcome } => run::ended(state, ticket, outcome, cx),
    }
}

fn entered(state: &State, cx: &mut Cx) -> Vec<Effect> {
    // While it runs the numbers change with every batch; they are counted when it is over.
    if cx.place.is_none() || is_running(state) || cx.is_waiting(Slot::Counts) {
        return Vec::new();
    }
    let manner = match state.current() {
        Some(_) => Manner::Quiet,
        None => Manner::Loud,
    };
    count(state, manner, cx)
}

/// Counting reads the whole table, so nobody but a person has it done again and again.
fn refresh(state: &State, manner: Manner, cx: &mut Cx) -> Vec<Effect> {
    match manner {
        Manner::Loud => count(state, manner, cx),
        Manner::Quiet => link::keep_alive(cx),
    }
}

fn count(state: &State, manner: Manner, cx: &mut Cx) -> Vec<Effect> {
    vec![cx.ask(Slot::Counts, manner, Question::Counts(state.plan.clone()))]
}

fn counted(
    state: &mut State,
    ticket: Ticket,
    outcome: Result<Seen, Error>,
    cx: &mut Cx,
) -> Vec<Effect> {
    match cx.settle(Slot::Counts, ticket, outcome) {
        Some(Ok(seen)) => state.seen = Some((seen, cx.clock.at)),
        Some(Err(error)) => cx.fail(&error),
        None => {}
    }
    Vec::new()
}

#[cfg(test)]
mod tests;
