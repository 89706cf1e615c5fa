//! Dialogs: one set for every screen. A dialog carries the message it will send, so that no screen needs code of
//! its own to ask a question; `modal/view.rs` draws them.

pub mod view;

use std::time::{Duration, Instant};

use crossterm::event::KeyCode;

use crate::domain::token::Issued;
use crate::tui::effect::{Form, Sealed};
use crate::tui::keys::Key;
use crate::tui::message::Message;
use crate::tui::model::{Cx, Stopping};
use crate::tui::moves::{self, Step};
use crate::tui::widgets::field::{Field, Taken};

/// A dialog that can change something ignores keys for so long: what was typed for the list must not answer it.
const DEAF: Duration = Duration::from_millis(300);

const ENTER: Key = Key::code(KeyCode::Enter);
const ESC: Key = Key::code(KeyCode::Esc);

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
    /// The equal command.
    pub same_as: String,
    /// The verb after `y`.
    pub verb: &'static str,
    /// What must be typed.
    pub need: Need,
    /// How far `whom` was scrolled.
    pub scroll: usize,
    /// What is sent then.
    pub then: Box<Message>,
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

/// What became of a key.
#[derive(Debug)]
pub enum Heard {
    /// The dialog stays.
    Stays,
    /// It goes.
    Closes,
    /// It goes and sends this.
    Sends(Message),
    /// It stays and sends this.
    Says(Message),
}

impl Modal {
    /// One key.
    pub fn key(&mut self, key: Key, cx: &Cx) -> Heard {
        let at = cx.clock.at;
        if self.is_deaf(at) {
            return Heard::Stays;
        }
        match &mut self.kind {
            Kind::Confirm(confirm) => confirm.key(key, cx),
            Kind::Prompt(prompt) => prompt.key(key),
            Kind::Keys(keys) => keys.key(key, cx),
            Kind::Report(report) | Kind::Help(report) => report.key(key, cx),
            Kind::Choose(choose) => choose.key(key),
            Kind::Commands(commands) => commands.key(key),
            Kind::Progress { .. } if key == ESC => Heard::Says(Message::StopJob),
            Kind::Progress { .. } => Heard::Stays,
        }
    }

    /// Menus, input and help answer at once: they change nothing, and typing ahead into them is meant.
    fn is_deaf(&self, at: Instant) -> bool {
        match self.kind {
            Kind::Confirm(_) | Kind::Report(_) | Kind::Progress { .. } => {}
            Kind::Keys(ref keys) if keys.origin == KeysOf::Made => {}
            Kind::Keys(_)
            | Kind::Prompt(_)
            | Kind::Choose(_)
            | Kind::Commands(_)
            | Kind::Help(_) => {
                return false;
            }
        }
        at.saturating_duration_since(self.opened) < DEAF
    }

    /// Pasted text: only a field takes it, and never the one that confirms.
    pub fn paste(&mut self, pasted: &Sealed) {
        match &mut self.kind {
            Kind::Prompt(prompt) => {
                prompt.field.paste(pasted.expose());
            }
            Kind::Commands(commands) => {
                commands.field.paste(pasted.expose());
                commands.cursor = 0;
            }
            Kind::Confirm(_)
            | Kind::Keys(_)
            | Kind::Report(_)
            | Kind::Choose(_)
            | Kind::Help(_)
            | Kind::Progress { .. } => {}
        }
    }

    /// Time passed: whether the dialog stays.
    pub fn tick(&mut self, cx: &Cx) -> Stay {
        match &mut self.kind {
            Kind::Keys(keys) => keys.tick(cx.clock.at),
            Kind::Progress { .. } if cx.job.is_none() => Stay::No,
            Kind::Progress { .. }
            | Kind::Confirm(_)
            | Kind::Prompt(_)
            | Kind::Report(_)
            | Kind::Choose(_)
            | Kind::Commands(_)
            | Kind::Help(_) => Stay::Yes,
        }
    }
}

/// Whether a dialog stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stay {
    /// It does.
    Yes,
    /// Its time is over.
    No,
}

impl Confirm {
    fn key(&mut self, key: Key, cx: &Cx) -> Heard {
        if key == ESC || key == ENTER {
            return Heard::Closes;
        }
        match &mut self.need {
            Need::Yes if key == Key::char('y') => return Heard::Sends((*self.then).clone()),
            Need::Yes => {}
            Need::Typed { text, field } => match field.key(key) {
                Taken::Changed if field.value() == text => {
                    return Heard::Sends((*self.then).clone());
                }
                Taken::Changed | Taken::Moved => return Heard::Stays,
                Taken::No => {}
            },
        }
        scroll(&mut self.scroll, self.whom.len(), key, cx);
        Heard::Stays
    }
}

impl Prompt {
    fn key(&mut self, key: Key) -> Heard {
        if key == ESC {
            return Heard::Closes;
        }
        if key == ENTER && !self.field.is_empty() {
            return Heard::Sends((self.then)(Sealed::new(self.field.take())));
        }
        self.field.key(key);
        Heard::Stays
    }
}

impl Keys {
    fn key(&mut self, key: Key, cx: &Cx) -> Heard {
        match (self.origin, key.typed()) {
            (KeysOf::Shown, _) if key == ESC || key == ENTER || key == Key::char('x') => {
                Heard::Closes
            }
            (KeysOf::Made, _) if key == ESC => Heard::Closes,
            (KeysOf::Made, Some('y')) if self.issued.len() == 1 => {
                Heard::Says(Message::CopyIssued(Form::Key))
            }
            (KeysOf::Made, Some('w')) => Heard::Says(Message::WriteIssued),
            (KeysOf::Made, Some('x')) => {
                self.until = match self.until {
                    None => Some(cx.clock.at + cx.settings.reveal),
                    Some(_) => None,
                };
                Heard::Stays
            }
            (KeysOf::Made | KeysOf::Shown, _) => {
                scroll(
                    &mut self.scroll,
                    self.issued.len() + self.notes.len(),
                    key,
                    cx,
                );
                Heard::Stays
            }
        }
    }

    fn tick(&mut self, at: Instant) -> Stay {
        if self.until.is_none_or(|until| at < until) {
            return Stay::Yes;
        }
        self.until = None;
        match self.origin {
            KeysOf::Made => Stay::Yes,
            KeysOf::Shown => Stay::No,
        }
    }
}

impl Report {
    fn key(&mut self, key: Key, cx: &Cx) -> Heard {
        let closes = [ESC, ENTER, Key::char('q'), Key::char('?')];
        if closes.contains(&key) {
            return Heard::Closes;
        }
        scroll(&mut self.scroll, self.lines.len(), key, cx);
        Heard::Stays
    }
}

impl Choose {
    fn key(&mut self, key: Key) -> Heard {
        if key == ESC {
            return Heard::Closes;
        }
        let by_letter = key
            .typed()
            .and_then(|typed| self.items.iter().find(|item| item.letter == Some(typed)));
        if let Some(item) = by_letter {
            return Heard::Sends(item.then.clone());
        }
        if key == ENTER {
            return match self.items.get(self.cursor) {
                Some(item) => Heard::Sends(item.then.clone()),
                None => Heard::Closes,
            };
        }
        step_in(&mut self.cursor, self.items.len(), key);
        Heard::Stays
    }
}

impl Commands {
    fn key(&mut self, key: Key) -> Heard {
        if key == ESC || (key == Key::code(KeyCode::Backspace) && self.field.is_empty()) {
            return Heard::Closes;
        }
        let chosen = self
            .matching()
            .get(self.cursor)
            .map(|command| command.name.clone());
        if key == ENTER {
            let typed = self.field.value().trim();
            // What was typed in full wins over what the list happens to have on top.
            let known = self.all.iter().any(|command| command.name == typed);
            let line = match chosen {
                Some(chosen) if !known && !typed.contains(' ') => chosen,
                Some(_) | None => typed.to_owned(),
            };
            return Heard::Sends(Message::Command(line));
        }
        if key == Key::code(KeyCode::Tab) {
            if let Some(chosen) = chosen {
                self.field = Field::with(&chosen);
            }
            return Heard::Stays;
        }
        match self.field.key(key) {
            Taken::Changed => self.cursor = 0,
            Taken::Moved => {}
            Taken::No => {
                let many = self.matching().len();
                step_in(&mut self.cursor, many, key);
            }
        }
        Heard::Stays
    }
}

fn step_in(cursor: &mut usize, many: usize, key: Key) {
    let last = many.saturating_sub(1);
    let down = [Key::code(KeyCode::Down), Key::char('j')];
    let up = [Key::code(KeyCode::Up), Key::char('k')];
    if down.contains(&key) {
        *cursor = (*cursor + 1).min(last);
    } else if up.contains(&key) {
        *cursor = cursor.saturating_sub(1);
    }
}

fn scroll(offset: &mut usize, lines: usize, key: Key, cx: &Cx) {
    let page = usize::from(cx.size.height).saturating_sub(8).max(1);
    let last = lines.saturating_sub(1);
    let to = match moves::lookup(&cx.keys, key) {
        Some(Step::Down) => *offset + 1,
        Some(Step::Up) => offset.saturating_sub(1),
        Some(Step::HalfDown) => *offset + page / 2,
        Some(Step::HalfUp) => offset.saturating_sub(page / 2),
        Some(Step::PageDown) => *offset + page,
        Some(Step::PageUp) => offset.saturating_sub(page),
        Some(Step::First) => 0,
        Some(Step::Last) => last,
        Some(Step::Left | Step::Right) | None => return,
    };
    *offset = to.min(last);
}

/// Whether long work was already told to stop, in words.
#[must_use]
pub const fn stop_word(stopping: Stopping) -> &'static str {
    match stopping {
        Stopping::No => "Esc stop",
        Stopping::Asked => "stopping…",
    }
}
