//! Test keys: what a request with a key would get. This file holds what the screen remembers, what can happen on it
//! and its keys; `found.rs` takes the key out of what is pasted, `view.rs` draws.

mod found;
pub mod view;

use std::time::{Duration, Instant};

use crossterm::event::KeyCode;

use crate::domain::filter::{Filter, Test};
use crate::domain::token::{CoveredKey, DrfKey};
use crate::domain::user::{UserId, UserRow};
use crate::ops::{Answer, Error, Verdict};
use crate::tui::effect::{Effect, Question, Sealed, Slot, Ticket};
use crate::tui::keys::{Binding, Key};
use crate::tui::link;
use crate::tui::model::{Cx, Manner, Tone};
use crate::tui::widgets::field::{Field, Focus};

use found::NoKey;

/// All that the screen remembers.
#[derive(Debug)]
pub struct State {
    /// What was typed, or the key out of what was pasted.
    line: Field,
    focus: Focus,
    /// What became of the key in the line.
    tested: Option<Tested>,
    /// Until when the key is seen.
    shown: Option<Instant>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            line: Field::guarded(),
            focus: Focus::Elsewhere,
            tested: None,
            shown: None,
        }
    }
}

/// A test and when it was made.
#[derive(Debug)]
struct Tested {
    at: Instant,
    tried: Tried,
}

/// What a key is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// Whose it is, and whether it opens doors.
    pub verdict: Verdict,
    /// What a request with it would get.
    pub answers: [Answer; 2],
    /// How long the database took to tell.
    pub took: Duration,
}

/// What can happen on this screen.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "messages are moved once and never kept in numbers"
)]
pub enum Message {
    /// The screen came into sight.
    Entered,
    /// Time passed.
    Ticked,
    /// Test again.
    Refresh(Manner),
    /// The line changed.
    Edited,
    /// Enter in the line, or on the screen: test what stands in it, else type.
    Test,
    /// Show the user whose key it is.
    Open,
    /// Text was pasted.
    Pasted(Sealed),
    /// The key, for a while.
    Show,
    /// Esc.
    Back,
    /// The key was tested, or not.
    Verified {
        /// Of the question.
        ticket: Ticket,
        /// What it is worth.
        outcome: Result<Tried, Error>,
    },
}

fn is_waiting(state: &State) -> bool {
    state.is_at_rest()
}

fn is_filled(state: &State) -> bool {
    !state.line.is_empty()
}

fn has_owner(state: &State) -> bool {
    state.owner().is_some()
}

fn is_covered(state: &State) -> bool {
    state.focus == Focus::Elsewhere && is_filled(state)
}

/// The keys of this screen. Enter never leads away: who pastes a key presses it without looking.
pub const KEYS: &[Binding<State, Message>] = &[
    Binding::looks(
        "test",
        &[Key::code(KeyCode::Enter)],
        "test the key",
        Message::Test,
    )
    .hint(1, "test")
    .when(is_filled),
    Binding::looks(
        "test",
        &[Key::code(KeyCode::Enter)],
        "type a key, where none is",
        Message::Test,
    )
    .hint(1, "type a key")
    .when(is_waiting),
    Binding::looks(
        "owner",
        &[Key::char('o')],
        "the user whose key it is, on the Users screen",
        Message::Open,
    )
    .hint(1, "its user")
    .when(has_owner),
    Binding::looks(
        "show",
        &[Key::char('x')],
        "show the key for a while",
        Message::Show,
    )
    .hint(2, "show")
    .when(is_covered),
    Binding::looks("back", &[Key::code(KeyCode::Esc)], "clear", Message::Back)
        .hint(1, "clear")
        .when(is_filled),
];

/// What the help adds below the keys.
pub const NOTES: &[&str] = &[
    "",
    "Text pasted anywhere outside an input is tested here: a key, a header, or a line of",
    "a log with one key in it. Nothing is kept of it. Ctrl-r tests again.",
];

/// The line, if it has the focus.
pub fn field(state: &mut State) -> Option<&mut Field> {
    match state.focus {
        Focus::Here => Some(&mut state.line),
        Focus::Elsewhere => None,
    }
}

/// Whether there is a key in `text`, or several.
#[must_use]
pub fn holds_key(text: &Sealed) -> bool {
    match found::one_key(text.expose()) {
        Ok(_) | Err(NoKey::Several(_)) => true,
        Err(NoKey::Nothing | NoKey::None) => false,
    }
}

impl State {
    /// Whether Esc has nothing to do here.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        self.line.is_empty() && self.focus == Focus::Elsewhere
    }

    /// Whether letters go to the line.
    #[must_use]
    pub const fn focus(&self) -> Focus {
        self.focus
    }

    /// Whether nothing stands in the line.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.line.is_empty()
    }

    /// Whose key it is, with the filter line that finds him on the Users screen.
    #[must_use]
    pub fn owner(&self) -> Option<(UserId, String)> {
        match &self.tested.as_ref()?.tried.verdict {
            Verdict::Live(detail) | Verdict::Inert(detail) => {
                Some((detail.row.user.id, line_for(&detail.row)?))
            }
            Verdict::Unknown { .. } => None,
        }
    }

    fn key(&self) -> Result<DrfKey, NoKey> {
        found::one_key(self.line.value())
    }
}

/// A filter line for one user: the name, or where that would read as something else, the start of the key.
fn line_for(row: &UserRow) -> Option<String> {
    let name = &row.user.username;
    let reads = |line: &str| match Filter::parse(line).map(|filter| filter.words) {
        Ok(words) => {
            matches!(words.as_slice(), [word] if !word.negated && word.test == Test::Text(line.to_owned()))
        }
        Err(_) => false,
    };
    if reads(name) {
        return Some(name.clone());
    }
    row.token
        .as_ref()
        .map(|token| token.key.prefix().to_owned())
        .filter(|prefix| reads(prefix))
}

/// Takes in what happened. `Open` leaves the screen, so it is dealt with where screens are changed.
pub fn update(state: &mut State, message: Message, cx: &mut Cx) -> Vec<Effect> {
    match message {
        Message::Entered => entered(state, cx),
        Message::Ticked => {
            if state.shown.is_some_and(|until| cx.clock.at >= until) {
                state.shown = None;
            }
            Vec::new()
        }
        Message::Refresh(manner) => refresh(state, manner, cx),
        Message::Edited => {
            state.tested = None;
            cx.cancel(Slot::Verify)
        }
        Message::Test => {
            state.tested = None;
            test(state, Manner::Loud, cx)
        }
        Message::Open => {
            cx.say(Tone::Plain, "No user to go to: test a key that has one.");
            Vec::new()
        }
        Message::Pasted(text) => pasted(state, &text, cx),
        Message::Show => {
            state.shown = match state.shown {
                None => Some(cx.clock.at + cx.settings.reveal),
                Some(_) => None,
            };
            Vec::new()
        }
        Message::Back => back(state, cx),
        Message::Verified { ticket, outcome } => verified(state, ticket, outcome, cx),
    }
}

fn entered(state: &mut State, cx: &mut Cx) -> Vec<Effect> {
    state.shown = None;
    if state.line.is_empty() {
        // Not typed into at once: who passes by leaves with the same keys as on every screen.
        return Vec::new();
    }
    // It may have been regenerated on another screen meanwhile.
    refresh(state, Manner::Quiet, cx)
}

fn refresh(state: &mut State, manner: Manner, cx: &mut Cx) -> Vec<Effect> {
    if cx.is_waiting(Slot::Verify) {
        return Vec::new();
    }
    match state.tested {
        Some(_) => test(state, manner, cx),
        None => link::keep_alive(cx),
    }
}

/// Asks what the key in the line is worth; says why when there is none.
fn test(state: &mut State, manner: Manner, cx: &mut Cx) -> Vec<Effect> {
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

fn pasted(state: &mut State, text: &Sealed, cx: &mut Cx) -> Vec<Effect> {
    match found::one_key(text.expose()) {
        Ok(key) => {
            let mut effects = clear(state, cx);
            state.line.paste(key.expose());
            effects.extend(test(state, Manner::Loud, cx));
            effects
        }
        Err(why) => {
            // A verdict that stays would be read as that of the text.
            let effects = match why {
                NoKey::Several(_) => clear(state, cx),
                NoKey::Nothing | NoKey::None => Vec::new(),
            };
            cx.say(Tone::Bad, why.to_string());
            effects
        }
    }
}

fn clear(state: &mut State, cx: &mut Cx) -> Vec<Effect> {
    *state = State::default();
    cx.cancel(Slot::Verify)
}

/// Esc: covers the key, else clears the line, else leaves it.
fn back(state: &mut State, cx: &mut Cx) -> Vec<Effect> {
    if state.shown.take().is_some() {
        return Vec::new();
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

fn verified(
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
fn covered(state: &State) -> String {
    match state.key() {
        Ok(key) => CoveredKey::of(&key).to_string(),
        Err(why) => why.to_string(),
    }
}

#[cfg(test)]
mod tests;
