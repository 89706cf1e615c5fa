//! The last line: the keys that help most, out of the same tables that dispatch them.

use crossterm::event::KeyCode;
use ratatui::text::{Line, Span};

use crate::text;
use crate::tui::keys::{Action, Key, KeyMap};
use crate::tui::look::{Look, Role};

/// One hint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    key: String,
    word: &'static str,
    rank: u8,
}

impl Hint {
    /// Of an action that has a hint and, after rebinding, still a key.
    #[must_use]
    pub fn of(action: &Action, keys: &KeyMap) -> Option<Self> {
        if action.hint.is_empty() {
            return None;
        }
        Some(Self {
            key: keys.keys(action).first()?.to_string(),
            word: action.hint,
            rank: action.rank,
        })
    }

    /// Of a key that a line of input takes, whatever `[keys]` says.
    #[must_use]
    pub fn fixed(key: KeyCode, word: &'static str) -> Self {
        Self {
            key: Key::code(key).to_string(),
            word,
            rank: 1,
        }
    }

    fn width(&self) -> usize {
        text::width(&self.key) + 1 + text::width(self.word)
    }
}

/// Lays hints into `columns`: those of the screen from the left, `always` at the right end. The whole rank that
/// does not fit goes, so that a hint never hides one that matters more.
#[must_use]
pub fn line(look: Look, hints: &[Hint], always: &[Hint], columns: usize) -> Line<'static> {
    let width = |shown: &[&Hint]| {
        shown.iter().map(|hint| hint.width()).sum::<usize>() + 2 * shown.len().saturating_sub(1)
    };
    let right: Vec<&Hint> = always.iter().collect();
    let mut rank = hints.iter().map(|hint| hint.rank).max().unwrap_or(0);
    let left = loop {
        let shown: Vec<&Hint> = hints.iter().filter(|hint| hint.rank <= rank).collect();
        if 1 + width(&shown) + 2 + width(&right) <= columns || rank == 0 {
            break shown;
        }
        rank -= 1;
    };
    let gap = match left.len() {
        0 => 0,
        _ => columns.saturating_sub(1 + width(&left) + width(&right)),
    };
    let mut spans = vec![Span::raw(" ")];
    push(look, &mut spans, &left);
    // Close together when all fits, as one line of words reads best.
    let all_fit = left.len() == hints.len();
    spans.push(Span::raw(" ".repeat(if all_fit {
        gap.min(2)
    } else {
        gap
    })));
    push(look, &mut spans, &right);
    Line::from(spans)
}

fn push(look: Look, spans: &mut Vec<Span<'static>>, hints: &[&Hint]) {
    for (at, hint) in hints.iter().enumerate() {
        if at > 0 {
            spans.push(Span::raw("  "));
        }
        spans.push(Span::styled(hint.key.clone(), look.style(Role::Key)));
        spans.push(Span::raw(format!(" {}", hint.word)));
    }
}
