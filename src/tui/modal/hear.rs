//! What dialogs do with keys, pastes and the passing of time. `update.rs` hands them what the top dialog gets.

use std::time::{Duration, Instant};

use crossterm::event::KeyCode;

use crate::tui::effect::{HandOut, Sealed};
use crate::tui::keys::Key;
use crate::tui::message::Message;
use crate::tui::model::Cx;
use crate::tui::moves::{self, Step};
use crate::tui::widgets::field::{Field, Taken};

use super::{
    Choose, Command, Commands, Confirm, Keys, KeysOf, Kind, Modal, Need, Prompt, Report, Ways, view,
};

/// A dialog that can change something ignores keys for so long: what was typed for the list must not answer it.
const DEAF: Duration = Duration::from_millis(300);

const ENTER: Key = Key::code(KeyCode::Enter);
const ESC: Key = Key::code(KeyCode::Esc);

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
        let heard = match &mut self.kind {
            Kind::Confirm(confirm) => confirm.key(key, cx),
            Kind::Prompt(prompt) => prompt.key(key),
            Kind::Keys(keys) => keys.key(key, cx),
            Kind::Report(report) | Kind::Help(report) => report.key(key, cx),
            Kind::Choose(choose) => choose.key(key),
            Kind::Commands(commands) => commands.key(key),
            Kind::Progress { .. } if key == ESC => Heard::Says(Message::StopJob),
            Kind::Progress { .. } => Heard::Stays,
        };
        let furthest = view::furthest(&self.kind, cx);
        match &mut self.kind {
            Kind::Confirm(Confirm { scroll, .. })
            | Kind::Keys(Keys { scroll, .. })
            | Kind::Report(Report { scroll, .. })
            | Kind::Help(Report { scroll, .. }) => *scroll = (*scroll).min(furthest),
            Kind::Prompt(_) | Kind::Choose(_) | Kind::Commands(_) | Kind::Progress { .. } => {}
        }
        heard
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

impl Ways {
    /// It types nothing, since a name may be asked for.
    const KEY: Key = Key::code(KeyCode::Tab);
}

impl Confirm {
    fn key(&mut self, key: Key, cx: &Cx) -> Heard {
        if key == ESC || key == ENTER {
            return Heard::Closes;
        }
        if let Some(ways) = &mut self.ways
            && key == Ways::KEY
        {
            ways.at = (ways.at + 1) % ways.all.len().max(1);
            return Heard::Stays;
        }
        match &mut self.need {
            Need::Yes if key == Key::char('y') => return Heard::Sends(self.sends().clone()),
            Need::Yes => {}
            Need::Typed { text, field } => match field.key(key) {
                Taken::Changed if field.value() == text => {
                    return Heard::Sends(self.sends().clone());
                }
                Taken::Changed | Taken::Moved => return Heard::Stays,
                Taken::No => {}
            },
        }
        scroll(&mut self.scroll, key, cx);
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
                Heard::Says(Message::HandOut(HandOut::Copy))
            }
            (KeysOf::Made, Some('w')) => Heard::Says(Message::HandOut(HandOut::Write)),
            (KeysOf::Made, Some('x')) if self.until.take().is_none() => {
                Heard::Says(Message::HandOut(HandOut::Show))
            }
            (KeysOf::Made | KeysOf::Shown, _) => {
                scroll(&mut self.scroll, key, cx);
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
        scroll(&mut self.scroll, key, cx);
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
            .map(|&command| command.clone());
        if key == ENTER {
            return self.enter(chosen);
        }
        if key == Key::code(KeyCode::Tab) {
            if let Some(chosen) = chosen {
                self.field = Field::with(&chosen.name);
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

    fn enter(&mut self, chosen: Option<Command>) -> Heard {
        let typed = self.field.value().trim().to_owned();
        // What was typed in full wins over what the list happens to have on top.
        let known = self
            .all
            .iter()
            .find(|command| command.name == typed)
            .cloned();
        let chosen = known.or(chosen.filter(|_| !typed.contains(' ')));
        match chosen {
            Some(chosen) if chosen.argument.is_empty() => {
                Heard::Sends(Message::Command(chosen.name))
            }
            Some(chosen) => {
                self.field = Field::with(&format!("{} ", chosen.name));
                Heard::Stays
            }
            None => Heard::Sends(Message::Command(typed)),
        }
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

/// Where the list goes; [`Modal::key`] holds it to what there is.
fn scroll(offset: &mut usize, key: Key, cx: &Cx) {
    let page = usize::from(cx.size.height).saturating_sub(8).max(1);
    *offset = match moves::lookup(&cx.keys, key) {
        Some(Step::Down) => *offset + 1,
        Some(Step::Up) => offset.saturating_sub(1),
        Some(Step::HalfDown) => *offset + page / 2,
        Some(Step::HalfUp) => offset.saturating_sub(page / 2),
        Some(Step::PageDown) => *offset + page,
        Some(Step::PageUp) => offset.saturating_sub(page),
        Some(Step::First) => 0,
        Some(Step::Last) => usize::MAX,
        Some(Step::Left | Step::Right) | None => return,
    };
}
