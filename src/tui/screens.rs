//! The screens there are and every match over them.
//!
//! To add one: write `screens/NAME.rs` with `State`, `Message`, `KEYS`, `update`, and `view.rs` beside it (`users.rs`
//! is the one to imitate); give `Model` a field, `Message` a variant, `ScreenId` a variant with its digit, and
//! `global::KEYS` a line; then follow the compiler through the matches here. What the screen asks of the world is a
//! `Question` (reads, cancelled by the next in its `Slot`) or a `Deed` (changes, one at a time), and `runner.rs` says
//! which message carries the answer home.

pub mod audit;
pub mod backfill;
pub mod listener;
pub mod test_keys;
pub mod users;

use crossterm::event::KeyCode;
use ratatui::Frame;
use ratatui::layout::Rect;

use crate::tui::effect::{Effect, Sealed};
use crate::tui::global;
use crate::tui::keys::{Action, Binding, Key, Kind};
use crate::tui::message::Message;
use crate::tui::model::{Cx, Manner, Model, Tone};
use crate::tui::moves::{self, Step};
use crate::tui::update::update_now;
use crate::tui::widgets::field::{Field, Focus, Taken};

/// A screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScreenId {
    /// Users and their tokens: home.
    Users,
    /// What a request with a key would get.
    TestKeys,
    /// A token for everyone who lacks one.
    Backfill,
    /// Who calls the listener.
    Listener,
    /// Who did what to whom.
    Audit,
}

impl ScreenId {
    /// In the order of the tabs.
    pub const ALL: &'static [Self] = &[
        Self::Users,
        Self::TestKeys,
        Self::Backfill,
        Self::Listener,
        Self::Audit,
    ];

    /// The digit that shows it.
    #[must_use]
    pub const fn digit(self) -> char {
        match self {
            Self::Users => '1',
            Self::TestKeys => '2',
            Self::Backfill => '3',
            Self::Listener => '4',
            Self::Audit => '5',
        }
    }

    /// The key that shows it.
    #[must_use]
    pub const fn key(self) -> Key {
        Key::char(self.digit())
    }

    /// Its name on the tab.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Users => "Users",
            Self::TestKeys => "Test keys",
            Self::Backfill => "Backfill",
            Self::Listener => "Listener",
            Self::Audit => "Audit",
        }
    }

    /// What the help adds below the keys.
    #[must_use]
    pub const fn notes(self) -> &'static [&'static str] {
        match self {
            Self::Users => users::NOTES,
            Self::TestKeys => test_keys::NOTES,
            Self::Backfill => backfill::NOTES,
            Self::Listener => listener::NOTES,
            Self::Audit => audit::NOTES,
        }
    }

    /// The screen `by` tabs to the right, round the end.
    #[must_use]
    pub fn neighbour(self, by: isize) -> Self {
        let at = Self::ALL
            .iter()
            .position(|screen| *screen == self)
            .unwrap_or(0);
        let many = Self::ALL.len();
        let to = (at + many).saturating_add_signed(by) % many;
        Self::ALL.get(to).copied().unwrap_or(self)
    }

    /// The actions of its own table.
    #[must_use]
    pub fn actions(self) -> Vec<&'static Action> {
        match self {
            Self::Users => actions(users::KEYS),
            Self::TestKeys => actions(test_keys::KEYS),
            Self::Backfill => actions(backfill::KEYS),
            Self::Listener => actions(listener::KEYS),
            Self::Audit => actions(audit::KEYS),
        }
    }
}

fn actions<S, M>(table: &'static [Binding<S, M>]) -> Vec<&'static Action> {
    table.iter().map(|binding| &binding.action).collect()
}

/// For each screen every action that can be reached there: what `[keys]` is checked against and what the README's
/// table is made from.
#[must_use]
pub fn all_actions() -> Vec<Vec<&'static Action>> {
    let shared = || {
        let moves = moves::KEYS.iter().map(|binding| &binding.action);
        moves.chain(global::KEYS.iter().map(|binding| &binding.action))
    };
    let screens = ScreenId::ALL.iter();
    screens
        .map(|screen| screen.actions().into_iter().chain(shared()).collect())
        .collect()
}

/// The actions of the present screen that its place allows.
#[must_use]
pub fn offered(model: &Model) -> Vec<&'static Action> {
    let mut actions = model.screen.actions();
    actions.retain(|action| model.cx.offers(action));
    actions
}

/// While a line has the focus: what Enter does there, if it does anything, and what Esc does.
#[must_use]
pub fn typing(model: &Model) -> Option<(Option<&'static str>, &'static str)> {
    model.cx.place.as_ref()?;
    let (focus, empty, enter) = match model.screen {
        ScreenId::Users => (
            model.users.focus(),
            model.users.is_unfiltered(),
            "to the list",
        ),
        ScreenId::Listener => (
            model.listener.focus(),
            model.listener.is_unfiltered(),
            "to the list",
        ),
        ScreenId::Audit => (
            model.audit.focus(),
            model.audit.is_unfiltered(),
            "to the list",
        ),
        ScreenId::TestKeys => (model.test_keys.focus(), model.test_keys.is_empty(), "test"),
        ScreenId::Backfill => return None,
    };
    match (focus, empty) {
        (Focus::Elsewhere, _) => None,
        (Focus::Here, true) => Some((None, "leave the line")),
        (Focus::Here, false) => Some((Some(enter), "clear")),
    }
}

/// The actions of the present screen that make sense just now, for the hints.
#[must_use]
pub fn applicable(model: &Model) -> Vec<&'static Action> {
    if model.cx.place.is_none() {
        return Vec::new();
    }
    let mut actions = match model.screen {
        ScreenId::Users => applying(users::KEYS, &model.users),
        ScreenId::TestKeys => applying(test_keys::KEYS, &model.test_keys),
        ScreenId::Backfill => applying(backfill::KEYS, &model.backfill),
        ScreenId::Listener => applying(listener::KEYS, &model.listener),
        ScreenId::Audit => applying(audit::KEYS, &model.audit),
    };
    actions.retain(|action| model.cx.offers(action));
    actions
}

fn applying<S, M>(table: &'static [Binding<S, M>], state: &S) -> Vec<&'static Action> {
    let applying = table.iter().filter(|binding| (binding.applies)(state));
    applying.map(|binding| &binding.action).collect()
}

/// A key of the present screen's table; `None` if it has no such key.
pub fn key(model: &mut Model, key: Key) -> Option<Vec<Effect>> {
    // Esc first cancels what is waited for, on every screen; tables name it for the hints and the help.
    if key == Key::code(KeyCode::Esc) {
        return None;
    }
    let cx = &model.cx;
    let message = match model.screen {
        ScreenId::Users => bound(users::KEYS, &model.users, key, cx).map(Message::Users),
        ScreenId::TestKeys => {
            bound(test_keys::KEYS, &model.test_keys, key, cx).map(Message::TestKeys)
        }
        ScreenId::Backfill => {
            bound(backfill::KEYS, &model.backfill, key, cx).map(Message::Backfill)
        }
        ScreenId::Listener => {
            bound(listener::KEYS, &model.listener, key, cx).map(Message::Listener)
        }
        ScreenId::Audit => bound(audit::KEYS, &model.audit, key, cx).map(Message::Audit),
    };
    let message = message?;
    if model.cx.place.is_none() {
        // There is nothing in sight that it could be about.
        let said = "Not connected; p lists the profiles.";
        model.cx.say(Tone::Bad, said);
        return Some(Vec::new());
    }
    Some(update_now(model, message))
}

fn bound<S, M: Clone>(table: &'static [Binding<S, M>], state: &S, key: Key, cx: &Cx) -> Option<M> {
    let binding = cx.keys.lookup(table, state, key)?;
    Some(binding.message.clone())
}

/// Where a key works that touches something and was pressed in vain: who expects a change by it must not be left to think
/// that it was made. None for a key that touches nothing anywhere.
#[must_use]
pub fn elsewhere(model: &Model, key: Key) -> Option<String> {
    let touches = |screen: &&ScreenId| {
        screen.actions().into_iter().any(|action| {
            !matches!(action.kind, Kind::Looks) && model.cx.keys.keys(action).contains(&key)
        })
    };
    let named = |screen: &ScreenId| format!("{} {}", screen.digit(), screen.title());
    let here = touches(&&model.screen);
    let others: Vec<String> = ScreenId::ALL
        .iter()
        .filter(|screen| **screen != model.screen)
        .filter(touches)
        .map(named)
        .collect();
    let works = match others.as_slice() {
        [] => None,
        [one] => Some(format!("works on screen {one}")),
        many => Some(format!("works on screens {}", many.join(", "))),
    };
    match (here, works) {
        (false, None) => None,
        (false, Some(works)) => Some(format!("{key} {works}.")),
        (true, None) => Some(format!("{key} does nothing here just now.")),
        (true, Some(works)) => Some(format!("{key} does nothing here just now; it {works}.")),
    }
}

/// An action of the present screen by its name.
pub fn act(model: &mut Model, name: &str) -> Option<Vec<Effect>> {
    let message = match model.screen {
        ScreenId::Users => named(users::KEYS, &model.users, name).map(Message::Users),
        ScreenId::TestKeys => named(test_keys::KEYS, &model.test_keys, name).map(Message::TestKeys),
        ScreenId::Backfill => named(backfill::KEYS, &model.backfill, name).map(Message::Backfill),
        ScreenId::Listener => named(listener::KEYS, &model.listener, name).map(Message::Listener),
        ScreenId::Audit => named(audit::KEYS, &model.audit, name).map(Message::Audit),
    };
    message.map(|message| update_now(model, message))
}

/// The one of that name that makes sense just now; if none does, the first, which then says why.
fn named<S, M: Clone>(table: &'static [Binding<S, M>], state: &S, name: &str) -> Option<M> {
    let mut all = table.iter().filter(|binding| binding.action.name == name);
    let first = all.clone().next()?;
    let best = all
        .find(|binding| (binding.applies)(state))
        .unwrap_or(first);
    Some(best.message.clone())
}

/// A movement.
pub fn step(model: &mut Model, step: Step) -> Vec<Effect> {
    match model.screen {
        ScreenId::Users => update_now(model, Message::Users(users::Message::Move(step))),
        ScreenId::Listener => update_now(model, Message::Listener(listener::Message::Move(step))),
        ScreenId::Audit => update_now(model, Message::Audit(audit::Message::Move(step))),
        ScreenId::TestKeys => update_now(model, Message::TestKeys(test_keys::Message::Move(step))),
        // Nothing moves there.
        ScreenId::Backfill => Vec::new(),
    }
}

/// The field that keys go to, if the screen has one in focus.
pub fn field(model: &mut Model) -> Option<&mut Field> {
    // Nobody types into a line that is not in sight.
    model.cx.place.as_ref()?;
    match model.screen {
        ScreenId::Users => users::field(&mut model.users),
        ScreenId::TestKeys => test_keys::field(&mut model.test_keys),
        ScreenId::Backfill => None,
        ScreenId::Listener => listener::field(&mut model.listener),
        ScreenId::Audit => audit::field(&mut model.audit),
    }
}

/// The text of that field changed.
pub fn edited(model: &mut Model) -> Vec<Effect> {
    match model.screen {
        ScreenId::Users => update_now(model, Message::Users(users::Message::Edited)),
        ScreenId::TestKeys => update_now(model, Message::TestKeys(test_keys::Message::Edited)),
        ScreenId::Backfill => Vec::new(),
        ScreenId::Listener => update_now(model, Message::Listener(listener::Message::Edited)),
        ScreenId::Audit => update_now(model, Message::Audit(audit::Message::Edited)),
    }
}

/// Enter in that field.
pub fn entered_field(model: &mut Model) -> Vec<Effect> {
    match model.screen {
        ScreenId::Users => update_now(model, Message::Users(users::Message::Accept)),
        ScreenId::TestKeys => update_now(model, Message::TestKeys(test_keys::Message::Test)),
        ScreenId::Backfill => Vec::new(),
        ScreenId::Listener => update_now(model, Message::Listener(listener::Message::Accept)),
        ScreenId::Audit => update_now(model, Message::Audit(audit::Message::Accept)),
    }
}

/// Pasted text goes into the filter that has the focus; anywhere else a key in it opens Test keys. Text without one
/// was meant for another window: nobody is taken from his screen by it.
pub fn pasted(model: &mut Model, text: Sealed) -> Vec<Effect> {
    let filter = match model.screen {
        ScreenId::Users => users::field(&mut model.users),
        ScreenId::Listener => listener::field(&mut model.listener),
        ScreenId::Audit => audit::field(&mut model.audit),
        ScreenId::TestKeys | ScreenId::Backfill => None,
    };
    match filter.map(|filter| filter.paste(text.expose())) {
        Some(Taken::Changed) => edited(model),
        Some(Taken::Moved | Taken::No) => Vec::new(),
        None if model.cx.place.is_none() => {
            let said = "Pasted text is never read as keys; once connected, a key in it is tested.";
            model.cx.say(Tone::Plain, said);
            Vec::new()
        }
        None => {
            if test_keys::holds_key(&text) {
                model.screen = ScreenId::TestKeys;
            }
            update_now(model, Message::TestKeys(test_keys::Message::Pasted(text)))
        }
    }
}

/// What happened on Test keys: its key may lead to the user on Users.
pub fn test_keys(model: &mut Model, message: test_keys::Message) -> Vec<Effect> {
    if let (test_keys::Message::Open, Some((id, line))) = (&message, model.test_keys.owner()) {
        model.screen = ScreenId::Users;
        return update_now(model, Message::Users(users::Message::Find(line, id)));
    }
    test_keys::update(&mut model.test_keys, message, &mut model.cx)
}

/// What happened on Backfill: when it is over, the users have tokens they had not.
pub fn backfill(model: &mut Model, message: backfill::Message) -> Vec<Effect> {
    let over = matches!(message, backfill::Message::Backfilled { .. });
    let mut effects = backfill::update(&mut model.backfill, message, &mut model.cx);
    if over {
        let read = users::Message::Refresh(Manner::Quiet);
        effects.extend(update_now(model, Message::Users(read)));
    }
    effects
}

/// Esc with nothing else to close: the screen takes a step back; one that is at rest gives way to home.
pub fn back(model: &mut Model) -> Vec<Effect> {
    let at_rest = match model.screen {
        ScreenId::Users => false,
        ScreenId::TestKeys => model.test_keys.is_at_rest(),
        ScreenId::Backfill => model.backfill.is_at_rest(),
        ScreenId::Listener => model.listener.is_at_rest(),
        ScreenId::Audit => model.audit.is_at_rest(),
    };
    if at_rest {
        return global::go(model, ScreenId::Users);
    }
    match model.screen {
        ScreenId::Users => update_now(model, Message::Users(users::Message::Back)),
        ScreenId::TestKeys => update_now(model, Message::TestKeys(test_keys::Message::Back)),
        ScreenId::Backfill => update_now(model, Message::Backfill(backfill::Message::Back)),
        ScreenId::Listener => update_now(model, Message::Listener(listener::Message::Back)),
        ScreenId::Audit => update_now(model, Message::Audit(audit::Message::Back)),
    }
}

/// The screen came into sight.
pub fn entered(model: &mut Model) -> Vec<Effect> {
    match model.screen {
        ScreenId::Users => update_now(model, Message::Users(users::Message::Entered)),
        ScreenId::TestKeys => update_now(model, Message::TestKeys(test_keys::Message::Entered)),
        ScreenId::Backfill => update_now(model, Message::Backfill(backfill::Message::Entered)),
        // What happens there is told without being asked for.
        ScreenId::Listener => Vec::new(),
        ScreenId::Audit => update_now(model, Message::Audit(audit::Message::Entered)),
    }
}

/// Another database: nothing of the last one may stay.
pub fn connected(model: &mut Model) -> Vec<Effect> {
    model.users = users::State::default();
    model.test_keys = test_keys::State::default();
    model.backfill = backfill::State::default();
    model.listener = listener::State::default();
    model.audit = audit::State::default();
    entered(model)
}

/// Asks again for what is in sight.
pub fn refresh(model: &mut Model, manner: Manner) -> Vec<Effect> {
    let message = match model.screen {
        ScreenId::Users => Message::Users(users::Message::Refresh(manner)),
        ScreenId::TestKeys => Message::TestKeys(test_keys::Message::Refresh(manner)),
        ScreenId::Backfill => Message::Backfill(backfill::Message::Refresh(manner)),
        ScreenId::Listener => Message::Listener(listener::Message::Refresh),
        ScreenId::Audit => Message::Audit(audit::Message::Refresh(manner)),
    };
    update_now(model, message)
}

/// Time passed.
pub fn tick(model: &mut Model) -> Vec<Effect> {
    let mut effects = update_now(model, Message::Users(users::Message::Ticked));
    let ticked = Message::TestKeys(test_keys::Message::Ticked);
    effects.extend(update_now(model, ticked));
    effects
}

/// The terminal has another size.
pub fn resized(model: &mut Model) -> Vec<Effect> {
    let mut effects = update_now(model, Message::Users(users::Message::Resized));
    let resized = Message::TestKeys(test_keys::Message::Resized);
    effects.extend(update_now(model, resized));
    let resized = Message::Listener(listener::Message::Resized);
    effects.extend(update_now(model, resized));
    effects.extend(update_now(model, Message::Audit(audit::Message::Resized)));
    effects
}

/// `:user create NAME`.
pub fn create_user(model: &mut Model, name: &str) -> Vec<Effect> {
    let ask = users::Message::AskCreate(name.to_owned());
    update_now(model, Message::Users(ask))
}

/// `:leak NUMBER`.
pub fn open_leak(model: &mut Model, number: i64) -> Vec<Effect> {
    model.screen = ScreenId::TestKeys;
    let open = test_keys::Message::Reopen(number);
    update_now(model, Message::TestKeys(open))
}

/// Draws the present screen.
pub fn view(model: &Model, frame: &mut Frame, area: Rect) {
    let cx = &model.cx;
    match model.screen {
        ScreenId::Users => users::view::view(&model.users, cx, frame, area),
        ScreenId::TestKeys => test_keys::view::view(&model.test_keys, cx, frame, area),
        ScreenId::Backfill => backfill::view::view(&model.backfill, cx, frame, area),
        ScreenId::Listener => listener::view::view(&model.listener, cx, frame, area),
        ScreenId::Audit => audit::view::view(&model.audit, cx, frame, area),
    }
}

/// What stands at the right of the tabs.
#[must_use]
pub fn badge(model: &Model) -> Option<String> {
    match model.screen {
        ScreenId::TestKeys => model.test_keys.badge(),
        ScreenId::Users | ScreenId::Backfill | ScreenId::Listener | ScreenId::Audit => None,
    }
}

/// What the message line tells while it has nothing else to say.
#[must_use]
pub fn aside(model: &Model) -> Option<String> {
    match model.screen {
        ScreenId::Listener => listener::view::aside(&model.listener, &model.cx),
        ScreenId::Users | ScreenId::TestKeys | ScreenId::Backfill | ScreenId::Audit => None,
    }
}
