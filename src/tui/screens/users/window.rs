//! The rows in memory: a bounded piece of the list around the cursor, whatever the table's size. The cursor holds
//! a user's id, never a row number, so that rows which come and go do not move it.

use std::collections::VecDeque;

use crate::domain::page::{Page, Sort, Start};
use crate::domain::user::{UserId, UserRow};
use crate::tui::moves::Step;

/// Rows asked for at a time.
pub const PAGE: usize = 100;
/// Rows kept at most.
const KEPT: usize = 600;
/// More rows are asked for when the cursor is so near to an edge.
const NEAR: usize = 60;

/// Whether the database has rows beyond an edge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum More {
    /// It has.
    Yes,
    /// The edge is the end of the list.
    #[default]
    No,
}

impl From<bool> for More {
    fn from(more: bool) -> Self {
        if more { Self::Yes } else { Self::No }
    }
}

/// An edge of the rows in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Edge {
    /// Before the first.
    Before,
    /// After the last.
    #[default]
    After,
}

/// Where the cursor goes when a whole page arrives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Land {
    /// It stays on its user, or near where that user was.
    #[default]
    Stay,
    /// To the first row.
    First,
    /// To the last row.
    Last,
}

/// The rows in memory.
#[derive(Debug, Default)]
pub struct Window {
    rows: VecDeque<UserRow>,
    before: More,
    after: More,
    cursor: Option<UserId>,
    /// Where the cursor's user was last, for when he is gone.
    place: usize,
    top: usize,
}

impl Window {
    /// How many rows are in memory.
    #[must_use]
    pub fn count(&self) -> usize {
        self.rows.len()
    }

    /// Whether the whole list is in memory.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.before == More::No && self.after == More::No
    }

    /// The rows in sight, and which of them has the cursor.
    #[must_use]
    pub fn seen(&self, lines: usize) -> (Vec<&UserRow>, Option<usize>) {
        let rows = self.rows.iter().skip(self.top).take(lines).collect();
        let cursor = self.index().and_then(|at| at.checked_sub(self.top));
        (rows, cursor)
    }

    /// The row under the cursor.
    #[must_use]
    pub fn current(&self) -> Option<&UserRow> {
        self.index().and_then(|at| self.rows.get(at))
    }

    fn index(&self) -> Option<usize> {
        let id = self.cursor?;
        self.rows.iter().position(|row| row.user.id == id)
    }

    /// The rows between `anchor` and the cursor, both included.
    #[must_use]
    pub fn between(&self, anchor: UserId) -> Vec<&UserRow> {
        let from = self.rows.iter().position(|row| row.user.id == anchor);
        match (from, self.index()) {
            (Some(a), Some(b)) => self.rows.range(a.min(b)..=a.max(b)).collect(),
            (None, Some(at)) | (Some(at), None) => self.rows.range(at..=at).collect(),
            (None, None) => Vec::new(),
        }
    }

    /// A page in place of everything.
    pub fn replace(&mut self, page: Page<UserRow>, land: Land, lines: usize) {
        let line = self.index().unwrap_or(self.place).saturating_sub(self.top);
        self.rows = page.rows.into();
        self.before = page.more_before.into();
        self.after = page.more_after.into();
        let last = self.rows.len().saturating_sub(1);
        let at = match land {
            Land::First => 0,
            Land::Last => last,
            Land::Stay => self.index().unwrap_or(self.place).min(last),
        };
        self.put(at);
        self.top = at.saturating_sub(line);
        self.keep_in_sight(lines);
    }

    /// The rows in sight, read again. `false` if the list moved on while they were read: then they are let go.
    pub fn refresh(&mut self, page: Page<UserRow>, lines: usize) -> bool {
        let top = self.rows.get(self.top).map(|row| row.user.id);
        let holds = |id: UserId| page.rows.iter().any(|row| row.user.id == id);
        // The user on top may be gone; the cursor's user too. Both gone: this is another part of the list.
        let here = top.is_some_and(holds) || self.cursor.is_some_and(holds) || self.rows.is_empty();
        if !here && self.rows.len() > lines {
            return false;
        }
        // The cursor's own user may be gone: its neighbour takes over, found by where it stands in the new page.
        if let (Some(at), Some(id)) = (self.index(), self.cursor)
            && !page.rows.iter().any(|row| row.user.id == id)
        {
            let heirs = self.rows.range(at..).chain(self.rows.range(..at).rev());
            let heir = heirs
                .map(|row| row.user.id)
                .find(|id| page.rows.iter().any(|row| row.user.id == *id));
            self.cursor = heir;
        }
        self.replace(page, Land::Stay, lines);
        true
    }

    /// The rows after the last.
    pub fn append(&mut self, page: Page<UserRow>) {
        self.after = page.more_after.into();
        self.rows.extend(page.rows);
        while self.rows.len() > KEPT && self.top > NEAR {
            self.rows.pop_front();
            self.top -= 1;
            self.place = self.place.saturating_sub(1);
            self.before = More::Yes;
        }
    }

    /// The rows before the first.
    pub fn prepend(&mut self, page: Page<UserRow>) {
        self.before = page.more_before.into();
        let many = page.rows.len();
        for row in page.rows.into_iter().rev() {
            self.rows.push_front(row);
        }
        self.top += many;
        self.place += many;
        while self.rows.len() > KEPT && self.place + 2 * NEAR < self.rows.len() {
            self.rows.pop_back();
            self.after = More::Yes;
        }
    }

    /// Moves the cursor by what is known; `g` and `G` beyond what is known are the caller's to ask for.
    pub fn step(&mut self, step: Step, lines: usize) {
        let at = self.index().unwrap_or(self.place);
        let to = step.row_from(at, lines);
        self.put(to.min(self.rows.len().saturating_sub(1)));
        self.keep_in_sight(lines);
    }

    /// Puts the cursor on a user, who may be in the next page that comes.
    pub fn aim_at(&mut self, id: UserId) {
        self.cursor = Some(id);
    }

    fn put(&mut self, at: usize) {
        self.place = at;
        self.cursor = self.rows.get(at).map(|row| row.user.id);
    }

    /// Scrolls so that the cursor is in sight and no line is empty in vain.
    pub fn keep_in_sight(&mut self, lines: usize) {
        let lines = lines.max(1);
        let at = self.index().unwrap_or(self.place);
        self.place = at;
        if at < self.top {
            self.top = at;
        } else if at >= self.top + lines {
            self.top = at + 1 - lines;
        }
        self.top = self.top.min(self.rows.len().saturating_sub(lines));
    }

    /// What is to be asked for since the cursor came near an edge.
    #[must_use]
    pub fn wants(&self, sort: Sort) -> Option<Start> {
        let at = self.index()?;
        if self.after == More::Yes && at + NEAR >= self.rows.len() {
            return self.rows.back().map(|row| Start::After(row.cursor(sort)));
        }
        if self.before == More::Yes && at < NEAR {
            return self.rows.front().map(|row| Start::Before(row.cursor(sort)));
        }
        None
    }

    /// Where to read from, and how much, so that what is in sight is read again with a screen around it.
    #[must_use]
    pub fn around(&self, sort: Sort, lines: usize) -> (Start, usize) {
        let limit = (lines * 3).max(PAGE);
        let from = self.top.saturating_sub(lines.max(NEAR));
        let start = match (from.checked_sub(1), self.before) {
            (Some(above), _) => self.rows.get(above),
            (None, More::Yes) => self.rows.front(),
            (None, More::No) => None,
        };
        match start {
            Some(row) => (Start::After(row.cursor(sort)), limit),
            None => (Start::First, limit),
        }
    }

    /// Whether the first, or the last, row of the list is not in memory.
    #[must_use]
    pub fn lacks(&self, step: Step) -> bool {
        match step {
            Step::First => self.before == More::Yes,
            Step::Last => self.after == More::Yes,
            Step::Down
            | Step::Up
            | Step::HalfDown
            | Step::HalfUp
            | Step::PageDown
            | Step::PageUp
            | Step::Left
            | Step::Right => false,
        }
    }
}
