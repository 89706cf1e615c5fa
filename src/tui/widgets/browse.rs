//! A list of which every row is in memory, below the line that filters it: where its cursor is, how it moves, and how
//! both are drawn. Audit and Listener are such lists; each has rows and columns of its own.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::text;
use crate::tui::look::Role;
use crate::tui::model::Cx;
use crate::tui::moves::Step;
use crate::tui::widgets::field::{self, Field, Focus};
use crate::tui::widgets::lines;
use crate::tui::widgets::table::{Cell, Column, Fresh, Mark, Row, Table};

/// Where one is in a list, and what it is filtered by.
#[derive(Debug, Default)]
pub struct Browse {
    /// The filter as typed.
    line: Field,
    focus: Focus,
    /// The row under the cursor.
    cursor: usize,
    /// The first row in sight.
    top: usize,
    /// Columns scrolled away.
    skip: usize,
}

/// How much there is of a list.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// Its rows.
    pub rows: usize,
    /// How many of them are seen at once.
    pub seen: usize,
    /// The most columns it can have.
    pub columns: usize,
}

/// What Esc did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// Another filter is in force.
    Cleared,
    /// Nothing but the focus changed.
    Line,
}

impl Browse {
    /// Whether Esc has nothing to do here.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        self.line.is_empty() && self.focus == Focus::Elsewhere
    }

    /// Whether letters go to the filter line.
    #[must_use]
    pub const fn focus(&self) -> Focus {
        self.focus
    }

    /// Puts letters into the filter line, or takes them away from it.
    pub const fn set_focus(&mut self, focus: Focus) {
        self.focus = focus;
    }

    /// Whether nothing stands in the filter line.
    #[must_use]
    pub fn is_unfiltered(&self) -> bool {
        self.line.is_empty()
    }

    /// What is filtered by; empty: nothing.
    #[must_use]
    pub fn filter(&self) -> &str {
        self.line.value().trim()
    }

    /// The filter line, if it has the focus.
    pub const fn field(&mut self) -> Option<&mut Field> {
        match self.focus {
            Focus::Here => Some(&mut self.line),
            Focus::Elsewhere => None,
        }
    }

    /// The row under the cursor.
    #[must_use]
    pub const fn cursor(&self) -> usize {
        self.cursor
    }

    /// The first row in sight.
    #[must_use]
    pub const fn top(&self) -> usize {
        self.top
    }

    /// How many columns were scrolled away.
    #[must_use]
    pub const fn skip(&self) -> usize {
        self.skip
    }

    /// Esc: leaves the filter line, else clears the filter.
    pub fn back(&mut self) -> Left {
        self.focus = Focus::Elsewhere;
        if self.line.is_empty() {
            return Left::Line;
        }
        self.line.take();
        Left::Cleared
    }

    /// The row under the cursor is at `row` now, others having come above it. A list that was at its top stays there,
    /// so that what is new is seen; in any other the row keeps its line on the screen.
    pub const fn follow(&mut self, row: usize) {
        let above = self.cursor.saturating_sub(self.top);
        self.cursor = row;
        if self.top > 0 {
            self.top = row.saturating_sub(above);
        }
    }

    /// Holds cursor and top to what there is.
    pub fn keep_in_sight(&mut self, extent: Extent) {
        let seen = extent.seen.max(1);
        self.cursor = self.cursor.min(extent.rows.saturating_sub(1));
        self.top = self
            .top
            .clamp((self.cursor + 1).saturating_sub(seen), self.cursor)
            .min(extent.rows.saturating_sub(seen));
    }

    /// Moves.
    pub fn step(&mut self, step: Step, extent: Extent) {
        match step {
            Step::Left => self.skip = self.skip.saturating_sub(1),
            Step::Right => self.skip = (self.skip + 1).min(extent.columns.saturating_sub(1)),
            Step::Down
            | Step::Up
            | Step::First
            | Step::Last
            | Step::HalfDown
            | Step::HalfUp
            | Step::PageDown
            | Step::PageUp => self.cursor = step.row_from(self.cursor, extent.seen),
        }
        self.keep_in_sight(extent);
    }

    /// Draws the filter line, `said` behind what is typed.
    pub fn draw_line(&self, said: &str, cx: &Cx, frame: &mut Frame, area: Rect) {
        let (typed, _) = self.line.window(usize::from(area.width).saturating_sub(2));
        let spans = vec![
            Span::styled(" /", cx.look.style(Role::Key)),
            Span::raw(typed),
            Span::raw(field::mark(&self.line, self.focus)),
            Span::raw(format!("  {said}")),
        ];
        frame.render_widget(Line::from(spans), area);
        if self.focus == Focus::Here {
            self.line.place_cursor(2, frame, area);
        }
    }

    /// Draws the column heads and the rows in sight, of which `cell` makes the cells; without a row, what `empty` says.
    pub fn draw_rows<T>(
        &self,
        all: impl Iterator<Item = T>,
        columns: &[Column],
        cell: impl Fn(&Column, &T) -> Cell,
        empty: Option<&str>,
        (cx, frame, area): (&Cx, &mut Frame, Rect),
    ) {
        let seen = usize::from(area.height).saturating_sub(1);
        let rows: Vec<Row> = all
            .skip(self.top)
            .take(seen)
            .map(|row| Row {
                mark: Mark::Off,
                cells: columns.iter().map(|column| cell(column, &row)).collect(),
            })
            .collect();
        let table = Table {
            columns,
            skip: self.skip,
            rows: &rows,
            cursor: self.cursor.checked_sub(self.top),
            // Nothing of it comes from the database: as fresh as ever while that is away.
            fresh: Fresh::Now,
        };
        table.draw(cx.look, frame, area);
        let Some(empty) = empty.filter(|_| rows.is_empty()) else {
            return;
        };
        let below = Rect {
            y: area.y + 1,
            height: area.height.saturating_sub(1),
            ..area
        };
        let said = if self.line.is_empty() {
            format!("    {empty}")
        } else {
            let typed = text::fit(self.line.value(), 30);
            format!("    No match for \"{typed}\". Esc clears the filter.")
        };
        lines::draw(vec![Line::raw(said)], frame, below);
    }
}
