//! Test keys: what a request with a key would get, and of longer text whose the keys in it are. This file holds what the
//! screen remembers, what can happen on it and its keys; `found.rs` takes the key out of what is pasted, `single.rs`
//! tests it, `leak.rs` is about many, `view.rs` draws.

mod found;
pub mod leak;
mod single;
pub mod view;

use std::time::{Duration, Instant};

use crossterm::event::KeyCode;

use crate::domain::filter::{Filter, Test};
use crate::domain::token::DrfKey;
use crate::domain::user::UserId;
use crate::ops::leak::Deed;
use crate::ops::{Answer, Change, Error, Verdict};
use crate::tui::effect::{Effect, Sealed, Slot, Ticket};
use crate::tui::keys::{Binding, Key};
use crate::tui::model::{Cx, Manner, Tone};
use crate::tui::moves::Step;
use crate::tui::widgets::field::{Field, Focus};

use found::{Meant, NoKey};

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
    /// The keys of a longer text, in place of the line.
    leak: Option<Box<leak::State>>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            line: Field::guarded(),
            focus: Focus::Elsewhere,
            tested: None,
            shown: None,
            leak: None,
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
    /// Which file is to be read?
    AskFile,
    /// This one.
    File(Sealed),
    /// Open the case of this number.
    Reopen(i64),
    /// Move the cursor in the list of a leak.
    Move(Step),
    /// The key, for a while.
    Show,
    /// Esc.
    Back,
    /// About the keys of a longer text.
    Leak(leak::Message),
    /// The terminal has another size.
    Resized,
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

fn is_leak(state: &State) -> bool {
    state.leak.is_some()
}

fn has_findings(state: &State) -> bool {
    state.leak.as_ref().is_some_and(|leak| !leak.is_empty())
}

fn has_live(state: &State) -> bool {
    state.leak.as_ref().is_some_and(|leak| leak.has_live())
}

fn is_filled(state: &State) -> bool {
    !state.line.is_empty()
}

fn has_owner(state: &State) -> bool {
    !is_leak(state) && state.owner().is_some()
}

fn has_owner_below(state: &State) -> bool {
    is_leak(state) && state.owner().is_some()
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
        "owner",
        &[Key::char('o')],
        "the user whose key is under the cursor, on the Users screen",
        Message::Open,
    )
    .when(has_owner_below),
    Binding::looks(
        "show",
        &[Key::char('x')],
        "show the key for a while",
        Message::Show,
    )
    .hint(2, "show")
    .when(is_covered),
    Binding::touches(
        "regenerate",
        &[Key::char('R')],
        Change::Regenerate,
        "a new key in place of each marked live one, all or none",
        Message::Leak(leak::Message::Ask(Deed::Regenerate)),
    )
    .hint(1, "regenerate live")
    .when(has_live),
    Binding::touches(
        "revoke",
        &[Key::char('D')],
        Change::Revoke,
        "delete each marked live token, all or none",
        Message::Leak(leak::Message::Ask(Deed::Revoke)),
    )
    .hint(2, "revoke live")
    .when(has_live),
    Binding::looks(
        "test",
        &[Key::code(KeyCode::Enter)],
        "all about the key under the cursor",
        Message::Leak(leak::Message::Open),
    )
    .hint(3, "open")
    .when(has_findings),
    Binding::looks(
        "mark",
        &[Key::char(' ')],
        "mark the key, or not",
        Message::Leak(leak::Message::Mark),
    )
    .hint(4, "mark")
    .when(has_findings),
    Binding::looks(
        "told",
        &[Key::char('m')],
        "note that the owners of the marked keys were told",
        Message::Leak(leak::Message::Tell),
    )
    .hint(2, "told")
    .when(has_findings),
    Binding::looks(
        "report",
        &[Key::char('e')],
        "a report without any key, as Markdown or JSON",
        Message::Leak(leak::Message::AskReport),
    )
    .hint(2, "report")
    .when(has_findings),
    Binding::looks(
        "addresses",
        &[Key::char('c')],
        "copy the addresses of the marked keys' owners",
        Message::Leak(leak::Message::Addresses),
    )
    .hint(3, "addresses")
    .when(has_findings),
    Binding::looks(
        "read-file",
        &[Key::ctrl('o')],
        "whose keys are in a file?",
        Message::AskFile,
    )
    .hint(4, "read a file"),
    Binding::looks("back", &[Key::code(KeyCode::Esc)], "clear", Message::Back)
        .hint(1, "clear")
        .when(is_filled),
    Binding::looks("back", &[Key::code(KeyCode::Esc)], "clear", Message::Back)
        .hint(4, "clear")
        .when(is_leak),
];

/// What the help adds below the keys.
pub const NOTES: &[&str] = &[
    "",
    "Text pasted anywhere outside an input is tested here: a key, a header, or a line of",
    "a log with one key in it. Nothing is kept of it. Ctrl-r tests again.",
    "Of longer text every key is listed that is or was one, and whose it is. LIVE opens doors;",
    "INERT does not now, since its user is off or it has expired; RETIRED was one; PARTIAL is",
    "cut short and never changed. A case is kept once something is done, without any key;",
    ":leak 7 opens it again and says what its keys are worth now.",
];

/// The line, if it has the focus.
pub fn field(state: &mut State) -> Option<&mut Field> {
    match state.focus {
        Focus::Here => Some(&mut state.line),
        Focus::Elsewhere => None,
    }
}

/// Whether there is a key in `text`, or several; a text too long to tell at once is read to find out.
#[must_use]
pub fn holds_key(text: &Sealed) -> bool {
    match found::meant(text.expose()) {
        Ok(Meant::Key(_) | Meant::Leak) | Err(NoKey::TooLong(_)) => true,
        Err(NoKey::Nothing | NoKey::None) => false,
    }
}

impl State {
    /// Whether Esc has nothing to do here.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        self.line.is_empty() && self.focus == Focus::Elsewhere && self.leak.is_none()
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

    /// What stands beside the tabs: the number of the leak.
    #[must_use]
    pub fn badge(&self) -> Option<String> {
        Some(self.leak.as_ref()?.badge())
    }

    /// Whose key it is, with the filter line that finds the owner on the Users screen.
    #[must_use]
    pub fn owner(&self) -> Option<(UserId, String)> {
        if let Some(leak) = &self.leak {
            let (user, key) = leak.owner()?;
            return Some((user.id, line_for(&user.username, key)?));
        }
        match &self.tested.as_ref()?.tried.verdict {
            Verdict::Live(detail) | Verdict::Inert(detail) => {
                let token = detail.row.token.as_ref();
                let key = token.map(|token| token.key.prefix());
                let user = &detail.row.user;
                Some((user.id, line_for(&user.username, key)?))
            }
            Verdict::Retired(_) | Verdict::Unknown { .. } => None,
        }
    }

    fn key(&self) -> Result<DrfKey, NoKey> {
        found::one_key(self.line.value())
    }
}

/// A filter line for one user: the name, or where that would read as something else, the start of the key.
fn line_for(name: &str, key: Option<&str>) -> Option<String> {
    let reads = |line: &str| match Filter::parse(line).map(|filter| filter.words) {
        Ok(words) => {
            matches!(words.as_slice(), [word] if !word.negated && word.test == Test::Text(line.to_owned()))
        }
        Err(_) => false,
    };
    if reads(name) {
        return Some(name.to_owned());
    }
    key.map(str::to_owned).filter(|prefix| reads(prefix))
}

/// Takes in what happened. `Open` leaves the screen, so it is dealt with where screens are changed.
pub fn update(state: &mut State, message: Message, cx: &mut Cx) -> Vec<Effect> {
    match message {
        Message::Entered => single::entered(state, cx),
        Message::Ticked => {
            if state.shown.is_some_and(|until| cx.clock.at >= until) {
                state.shown = None;
            }
            Vec::new()
        }
        Message::Refresh(manner) => single::refresh(state, manner, cx),
        Message::Edited => {
            state.tested = None;
            cx.cancel(Slot::Verify)
        }
        Message::Test => {
            state.tested = None;
            single::test(state, Manner::Loud, cx)
        }
        Message::Open => {
            cx.say(Tone::Plain, "No user to go to: test a key that has one.");
            Vec::new()
        }
        Message::Pasted(text) => pasted(state, text, cx),
        Message::AskFile => leak::ask_file(cx),
        Message::File(path) => leak::read_file(&mut state.leak, &path, cx),
        Message::Reopen(number) => {
            let mut effects = match state.leak {
                Some(_) => Vec::new(),
                None => single::clear_line(state, cx),
            };
            effects.extend(leak::reopen(&mut state.leak, number, cx));
            effects
        }
        Message::Show => {
            state.shown = match state.shown {
                None => Some(cx.clock.at + cx.settings.reveal),
                Some(_) => None,
            };
            Vec::new()
        }
        Message::Move(step) => {
            if let Some(leak) = &mut state.leak {
                leak.step(step, cx);
            }
            Vec::new()
        }
        Message::Resized => {
            if let Some(leak) = &mut state.leak {
                leak.keep_in_sight(cx);
            }
            Vec::new()
        }
        Message::Back => single::back(state, cx),
        Message::Leak(message) => leak::update(&mut state.leak, message, cx),
        Message::Verified { ticket, outcome } => single::verified(state, ticket, outcome, cx),
    }
}

/// One key is tested; more of them are a leak, and so is whatever comes to one.
fn pasted(state: &mut State, text: Sealed, cx: &mut Cx) -> Vec<Effect> {
    let meant = found::meant(text.expose());
    match (meant, &state.leak) {
        (Err(NoKey::TooLong(long)), _) => {
            cx.say(Tone::Bad, NoKey::TooLong(long).to_string());
            Vec::new()
        }
        (Ok(_), Some(_)) | (Ok(Meant::Leak), None) => {
            let mut effects = single::clear_line(state, cx);
            effects.extend(leak::read_text(&mut state.leak, text, cx));
            effects
        }
        (Ok(Meant::Key(key)), None) => {
            let mut effects = single::clear(state, cx);
            state.line.paste(key.expose());
            effects.extend(single::test(state, Manner::Loud, cx));
            effects
        }
        (Err(why @ (NoKey::Nothing | NoKey::None)), _) => {
            cx.say(Tone::Bad, why.to_string());
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests;
