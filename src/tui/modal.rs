//! Dialogs: one set for every screen. A dialog carries the message it will send, so that no screen needs code of
//! its own to ask a question; `modal/view.rs` draws them.

mod hear;
pub mod view;

use std::time::Instant;

use crate::domain::token::Issued;
use crate::tui::effect::Sealed;
use crate::tui::message::Message;
use crate::tui::model::{Cx, Stopping};
use crate::tui::widgets::field::Field;

pub use hear::{Heard, Stay};

/// A dialog and when it opened.
#[derive(Debug)]
pub struct Modal {
    /// When it opened.
    pub opened: Instant,
    /// Which.
    pub kind: Kind,
}

/// The dialogs there are.
#[derive(Debug)]
pub enum Kind {
    /// The plan before the deed.
    Confirm(Confirm),
    /// A line of input.
    Prompt(Prompt),
    /// Keys in clear: new ones, or one shown for a while.
    Keys(Keys),
    /// Text that scrolls: a whole error, results.
    Report(Report),
    /// A menu.
    Choose(Choose),
    /// The command line.
    Commands(Commands),
    /// Long work, as [`Cx::job`] tells.
    Progress {
        /// What is done.
        title: String,
    },
    /// The keys of this screen.
    Help(Report),
}

/// The plan before the deed.
#[derive(Debug)]
pub struct Confirm {
    /// The question.
    pub title: String,
    /// What it means.
    pub about: Vec<String>,
    /// Whom it hits; scrolls.
    pub whom: Vec<String>,
    /// The equal command; empty where there is none.
    pub same_as: String,
    /// Other ways to do it.
    pub ways: Option<Ways>,
    /// The verb after `y`.
    pub verb: &'static str,
    /// What must be typed.
    pub need: Need,
    /// How far `whom` was scrolled.
    pub scroll: usize,
    /// What is sent then.
    pub then: Box<Message>,
}

impl Confirm {
    /// What is sent, in the way that is chosen.
    #[must_use]
    pub fn sends(&self) -> &Message {
        match self.way() {
            Some(way) => &way.then,
            None => &self.then,
        }
    }

    /// The equal command, in the way that is chosen.
    #[must_use]
    pub fn same_as(&self) -> &str {
        match self.way() {
            Some(way) => &way.same_as,
            None => &self.same_as,
        }
    }

    fn way(&self) -> Option<&Way> {
        let ways = self.ways.as_ref()?;
        ways.all.get(ways.at)
    }
}

/// Ways to do what a dialog is about; a key goes from one to the next. Which one is chosen stands in the dialog.
#[derive(Debug)]
pub struct Ways {
    /// What they differ in.
    pub name: &'static str,
    /// They; the first is the usual one.
    pub all: Vec<Way>,
    /// The chosen one.
    pub at: usize,
}

/// One of them.
#[derive(Debug)]
pub struct Way {
    /// What it is called.
    pub label: &'static str,
    /// What it means.
    pub means: String,
    /// The equal command.
    pub same_as: String,
    /// What is sent then.
    pub then: Message,
}

/// What must be typed to go on.
#[derive(Debug)]
pub enum Need {
    /// `y`.
    Yes,
    /// This text: the number of rows, the name of a protected profile, or both.
    Typed {
        /// The text.
        text: String,
        /// What was typed of it.
        field: Field,
    },
}

impl Need {
    /// For a change of `count` rows: `y` for one, the number for several, on a protected profile its name too.
    #[must_use]
    pub fn of(cx: &Cx, count: usize) -> Self {
        let name = cx
            .place
            .as_ref()
            .filter(|place| place.info.protected)
            .map(|place| &place.info.name);
        let text = match (name, count) {
            (None, 0 | 1) => return Self::Yes,
            (None, _) => count.to_string(),
            (Some(name), 0 | 1) => name.clone(),
            (Some(name), _) => format!("{name} {count}"),
        };
        Self::Typed {
            text,
            field: Field::default(),
        }
    }
}

/// A line of input.
#[derive(Debug)]
pub struct Prompt {
    /// What is asked.
    pub title: String,
    /// What is to be known about it.
    pub about: Vec<String>,
    /// The line.
    pub field: Field,
    /// What is sent with what was typed.
    pub then: fn(Sealed) -> Message,
}

/// Keys in clear.
#[derive(Debug)]
pub struct Keys {
    /// What they are.
    pub title: String,
    /// The keys.
    pub issued: Vec<Issued>,
    /// What else happened: rows that failed.
    pub notes: Vec<String>,
    /// Until when they are seen; covered otherwise.
    pub until: Option<Instant>,
    /// New, or only shown.
    pub origin: KeysOf,
    /// How far it was scrolled.
    pub scroll: usize,
}

/// Why keys are at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeysOf {
    /// They were made just now: they can be copied, shown and written from here.
    Made,
    /// `x`: shown for a while, then the dialog goes by itself.
    Shown,
}

/// Text that scrolls.
#[derive(Debug)]
pub struct Report {
    /// Its head.
    pub title: String,
    /// The text.
    pub lines: Vec<String>,
    /// How far it was scrolled.
    pub scroll: usize,
}

/// A menu.
#[derive(Debug)]
pub struct Choose {
    /// Its head.
    pub title: String,
    /// Why it opened, where that is not plain; empty: nothing.
    pub about: String,
    /// What can be chosen.
    pub items: Vec<Item>,
    /// Which is.
    pub cursor: usize,
}

/// A line of a menu.
#[derive(Debug)]
pub struct Item {
    /// Its letter, where it has one; items without are chosen by cursor and Enter.
    pub letter: Option<char>,
    /// Its text.
    pub label: String,
    /// What is sent.
    pub then: Message,
}

/// The command line and what it can complete.
#[derive(Debug)]
pub struct Commands {
    /// The line.
    pub field: Field,
    /// Every command that can be given here.
    pub all: Vec<Command>,
    /// Which of the matching ones is chosen.
    pub cursor: usize,
}

/// A command as the list shows it.
#[derive(Clone, Debug)]
pub struct Command {
    /// What is typed.
    pub name: String,
    /// What must follow it, a space before it; empty where nothing must.
    pub argument: &'static str,
    /// The key that does the same.
    pub key: String,
    /// What it does.
    pub help: &'static str,
}

impl Commands {
    /// The commands that begin with, or contain, what was typed.
    #[must_use]
    pub fn matching(&self) -> Vec<&Command> {
        let typed = self.field.value();
        let (mut first, rest): (Vec<_>, Vec<_>) = self
            .all
            .iter()
            .partition(|command| command.name.starts_with(typed));
        first.extend(
            rest.into_iter()
                .filter(|command| command.name.contains(typed)),
        );
        first
    }
}

/// Whether long work was already told to stop, in words.
#[must_use]
pub const fn stop_word(stopping: Stopping) -> &'static str {
    match stopping {
        Stopping::No => "Esc stop",
        Stopping::Asked => "stopping…",
    }
}
