//! The screens there are and every match over them.
//!
//! To add one: write `screens/NAME.rs` with `State`, `Message`, `KEYS`, `update`, and `view.rs` beside it (`users.rs`
//! is the one to imitate); give `Model` a field, `Message` a variant, `ScreenId` a variant with its digit, and
//! `global::KEYS` a line; then follow the compiler through the matches here. What the screen asks of the world is a
//! `Question` (reads, cancelled by the next in its `Slot`) or a `Deed` (changes, one at a time), and `runner.rs` says
//! which message carries the answer home.

pub mod users;

use ratatui::Frame;
use ratatui::layout::Rect;

use crate::tui::effect::Effect;
use crate::tui::global;
use crate::tui::keys::{Action, Key};
use crate::tui::model::{Manner, Model};
use crate::tui::moves::{self, Step};
use crate::tui::widgets::field::Field;

/// A screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScreenId {
    /// Users and their tokens: home.
    Users,
}

impl ScreenId {
    /// In the order of the tabs.
    pub const ALL: &'static [Self] = &[Self::Users];

    /// The digit that shows it. Digits never move: a screen that comes later finds its own still free.
    #[must_use]
    pub const fn digit(self) -> char {
        match self {
            Self::Users => '1',
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
        }
    }

    /// What the help adds below the keys.
    #[must_use]
    pub const fn notes(self) -> &'static [&'static str] {
        match self {
            Self::Users => users::NOTES,
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
            Self::Users => users::KEYS.iter().map(|binding| &binding.action).collect(),
        }
    }
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

/// The actions of the present screen that make sense just now, for the hints.
#[must_use]
pub fn applicable(model: &Model) -> Vec<&'static Action> {
    let mut actions: Vec<&'static Action> = match model.screen {
        ScreenId::Users => users::KEYS
            .iter()
            .filter(|binding| (binding.applies)(&model.users))
            .map(|binding| &binding.action)
            .collect(),
    };
    actions.retain(|action| model.cx.offers(action));
    actions
}

/// A key of the present screen's table; `None` if it has no such key.
pub fn key(model: &mut Model, key: Key) -> Option<Vec<Effect>> {
    match model.screen {
        ScreenId::Users => {
            let binding = model.cx.keys.lookup(users::KEYS, &model.users, key)?;
            let message = binding.message.clone();
            Some(users::update(&mut model.users, message, &mut model.cx))
        }
    }
}

/// An action of the present screen by its name.
pub fn act(model: &mut Model, name: &str) -> Option<Vec<Effect>> {
    match model.screen {
        ScreenId::Users => {
            let binding = users::KEYS
                .iter()
                .find(|binding| binding.action.name == name)?;
            let message = binding.message.clone();
            Some(users::update(&mut model.users, message, &mut model.cx))
        }
    }
}

/// A movement.
pub fn step(model: &mut Model, step: Step) -> Vec<Effect> {
    match model.screen {
        ScreenId::Users => {
            users::update(&mut model.users, users::Message::Move(step), &mut model.cx)
        }
    }
}

/// The field that keys go to, if the screen has one in focus.
pub fn field(model: &mut Model) -> Option<&mut Field> {
    match model.screen {
        ScreenId::Users => users::field(&mut model.users),
    }
}

/// The text of that field changed.
pub fn edited(model: &mut Model) -> Vec<Effect> {
    match model.screen {
        ScreenId::Users => users::update(&mut model.users, users::Message::Edited, &mut model.cx),
    }
}

/// Enter in that field.
pub fn entered_field(model: &mut Model) -> Vec<Effect> {
    match model.screen {
        ScreenId::Users => users::update(&mut model.users, users::Message::Accept, &mut model.cx),
    }
}

/// Text pasted outside any field.
pub fn pasted(model: &mut Model, _text: crate::tui::effect::Sealed) -> Vec<Effect> {
    let said = "Pasted text is never read as keys. / and : take a paste.";
    model.cx.say(crate::tui::model::Tone::Plain, said);
    Vec::new()
}

/// Esc with nothing else to close.
pub fn back(model: &mut Model) -> Vec<Effect> {
    match model.screen {
        ScreenId::Users => users::update(&mut model.users, users::Message::Back, &mut model.cx),
    }
}

/// The screen came into sight.
pub fn entered(model: &mut Model) -> Vec<Effect> {
    match model.screen {
        ScreenId::Users => users::update(&mut model.users, users::Message::Entered, &mut model.cx),
    }
}

/// Another database: nothing of the last one may stay.
pub fn connected(model: &mut Model) -> Vec<Effect> {
    model.users = users::State::default();
    entered(model)
}

/// Asks again for what is in sight.
pub fn refresh(model: &mut Model, manner: Manner) -> Vec<Effect> {
    match model.screen {
        ScreenId::Users => users::update(
            &mut model.users,
            users::Message::Refresh(manner),
            &mut model.cx,
        ),
    }
}

/// Time passed.
pub fn tick(model: &mut Model) -> Vec<Effect> {
    users::update(&mut model.users, users::Message::Ticked, &mut model.cx)
}

/// The terminal has another size.
pub fn resized(model: &mut Model) -> Vec<Effect> {
    users::update(&mut model.users, users::Message::Resized, &mut model.cx)
}

/// `:user create NAME`.
pub fn create_user(model: &mut Model, name: &str) -> Vec<Effect> {
    users::update(
        &mut model.users,
        users::Message::AskCreate(name.to_owned()),
        &mut model.cx,
    )
}

/// Draws the present screen.
pub fn view(model: &Model, frame: &mut Frame, area: Rect) {
    match model.screen {
        ScreenId::Users => users::view::view(&model.users, &model.cx, frame, area),
    }
}
