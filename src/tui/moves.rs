//! The keys that move, the same in every list, help and dialog.

use crossterm::event::KeyCode;

use crate::tui::keys::{Binding, Key, KeyMap};

/// A movement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// One row.
    Down,
    /// One row.
    Up,
    /// To the first row there is.
    First,
    /// To the last row there is.
    Last,
    /// Half of what is seen.
    HalfDown,
    /// Half of what is seen.
    HalfUp,
    /// What is seen.
    PageDown,
    /// What is seen.
    PageUp,
    /// Columns back.
    Left,
    /// Columns on.
    Right,
}

impl Step {
    /// The row it leads to from the row `at` where so many are seen; it may lie beyond the last one there is.
    #[must_use]
    pub fn row_from(self, at: usize, seen: usize) -> usize {
        let page = seen.max(1);
        match self {
            Self::Down => at + 1,
            Self::Up => at.saturating_sub(1),
            Self::HalfDown => at + (page / 2).max(1),
            Self::HalfUp => at.saturating_sub((page / 2).max(1)),
            Self::PageDown => at + page,
            Self::PageUp => at.saturating_sub(page),
            Self::First => 0,
            Self::Last => usize::MAX,
            Self::Left | Self::Right => at,
        }
    }
}

/// Their table.
pub const KEYS: &[Binding<(), Step>] = &[
    Binding::looks(
        "down",
        &[Key::char('j'), Key::code(KeyCode::Down)],
        "one row down",
        Step::Down,
    ),
    Binding::looks(
        "up",
        &[Key::char('k'), Key::code(KeyCode::Up)],
        "one row up",
        Step::Up,
    ),
    Binding::looks(
        "first",
        &[Key::char('g'), Key::code(KeyCode::Home)],
        "the first row",
        Step::First,
    ),
    Binding::looks(
        "last",
        &[Key::char('G'), Key::code(KeyCode::End)],
        "the last row",
        Step::Last,
    ),
    Binding::looks(
        "half-down",
        &[Key::ctrl('d')],
        "half a page down",
        Step::HalfDown,
    ),
    Binding::looks("half-up", &[Key::ctrl('u')], "half a page up", Step::HalfUp),
    Binding::looks(
        "page-down",
        &[Key::code(KeyCode::PageDown)],
        "a page down",
        Step::PageDown,
    ),
    Binding::looks(
        "page-up",
        &[Key::code(KeyCode::PageUp)],
        "a page up",
        Step::PageUp,
    ),
    Binding::looks(
        "left",
        &[Key::char('h'), Key::code(KeyCode::Left)],
        "columns back",
        Step::Left,
    ),
    Binding::looks(
        "right",
        &[Key::char('l'), Key::code(KeyCode::Right)],
        "columns on",
        Step::Right,
    ),
];

/// The movement that `key` makes.
#[must_use]
pub fn lookup(keys: &KeyMap, key: Key) -> Option<Step> {
    keys.lookup(KEYS, &(), key).map(|binding| binding.message)
}
