//! The list of every screen: a cursor, marks, columns that fall from the right when room is short. It knows
//! nothing of users; a screen gives it columns and the cells of the rows in sight.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::text;
use crate::tui::look::{Look, Role};

/// Columns before the first cell: a space, the cursor, the mark, a space.
const GUTTER: usize = 4;
/// Between two columns.
const GAP: usize = 2;

/// One column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its head.
    pub head: &'static str,
    /// Columns of the terminal it needs.
    pub width: usize,
    /// How soon it falls when room is short: the highest falls first, 0 never.
    pub falls: u8,
    /// Whether it takes the room that is left.
    pub stretch: Stretch,
}

/// Whether a column takes the room that is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stretch {
    /// It does; a table has one such column.
    Takes,
    /// It keeps its width.
    Keeps,
}

impl Column {
    /// A column that keeps its width.
    #[must_use]
    pub const fn fixed(head: &'static str, width: usize, falls: u8) -> Self {
        Self {
            head,
            width,
            falls,
            stretch: Stretch::Keeps,
        }
    }

    /// The column that takes what is left, at least `width`.
    #[must_use]
    pub const fn flexible(head: &'static str, width: usize) -> Self {
        Self {
            head,
            width,
            falls: 0,
            stretch: Stretch::Takes,
        }
    }
}

/// What one cell shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Its text, as it came: the table makes it safe.
    pub text: String,
    /// How it looks.
    pub role: Role,
}

impl Cell {
    /// Ordinary text.
    #[must_use]
    pub fn base(text: impl Into<String>) -> Self {
        Self::new(text, Role::Base)
    }

    /// Text in a role.
    #[must_use]
    pub fn new(text: impl Into<String>, role: Role) -> Self {
        Self {
            text: text.into(),
            role,
        }
    }
}

/// Whether a row is marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It is.
    On,
    /// It is not.
    Off,
}

/// Whether what is shown is fresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fresh {
    /// It is.
    Now,
    /// The database is away: everything is dimmed.
    Old,
}

/// One row in sight: a cell for each column of the table, fallen ones included.
#[derive(Clone, Debug)]
pub struct Row {
    /// Marked or not.
    pub mark: Mark,
    /// The cells.
    pub cells: Vec<Cell>,
}

/// Which columns show in `columns` of the terminal, and how wide each is. `skip` is how many columns after the
/// first have been scrolled away.
#[must_use]
pub fn fit(table: &[Column], columns: usize, skip: usize) -> Vec<(usize, usize)> {
    let mut shown: Vec<usize> = (0..table.len())
        .filter(|&at| at == 0 || at > skip)
        .collect();
    let needs = |shown: &[usize]| {
        let cells: usize = shown.iter().map(|&at| table[at].width).sum();
        GUTTER + cells + GAP * shown.len().saturating_sub(1)
    };
    while needs(&shown) > columns {
        let next = shown
            .iter()
            .enumerate()
            .filter(|(_, at)| table[**at].falls > 0)
            .max_by_key(|(_, at)| table[**at].falls)
            .map(|(place, _)| place);
        match next {
            Some(place) => shown.remove(place),
            None => break,
        };
    }
    let left = columns.saturating_sub(needs(&shown));
    let short = needs(&shown).saturating_sub(columns);
    shown
        .into_iter()
        .map(|at| {
            let width = match table[at].stretch {
                Stretch::Takes => (table[at].width + left).saturating_sub(short).max(1),
                Stretch::Keeps => table[at].width,
            };
            (at, width)
        })
        .collect()
}

/// What to draw.
pub struct Table<'a> {
    /// All columns.
    pub columns: &'a [Column],
    /// How many of them were scrolled away.
    pub skip: usize,
    /// The rows in sight, top first.
    pub rows: &'a [Row],
    /// Which of them has the cursor.
    pub cursor: Option<usize>,
    /// Whether to dim everything.
    pub fresh: Fresh,
}

impl Table<'_> {
    /// Draws heads and rows.
    pub fn draw(&self, look: Look, frame: &mut Frame, area: Rect) {
        let fitted = fit(self.columns, usize::from(area.width), self.skip);
        let head: String = " ".repeat(GUTTER)
            + &fitted
                .iter()
                .map(|&(at, width)| text::pad(self.columns[at].head, width) + "  ")
                .collect::<String>();
        let lines = std::iter::once(Line::styled(head, look.style(Role::Head))).chain(
            self.rows
                .iter()
                .enumerate()
                .map(|(at, row)| self.line(look, &fitted, at, row)),
        );
        for (line, y) in lines.zip(area.y..area.bottom()) {
            frame.render_widget(
                line,
                Rect {
                    y,
                    height: 1,
                    ..area
                },
            );
        }
    }

    fn line(&self, look: Look, fitted: &[(usize, usize)], at: usize, row: &Row) -> Line<'static> {
        let here = self.cursor == Some(at);
        let over = match (self.fresh, here) {
            (Fresh::Old, _) => look.style(Role::Dim),
            (Fresh::Now, true) => look.style(Role::Cursor),
            (Fresh::Now, false) => Style::new(),
        };
        let (mark, mark_style) = match row.mark {
            Mark::On => ("●", look.style(Role::Mark)),
            Mark::Off => (" ", Style::new()),
        };
        let mut spans = vec![
            Span::styled(if here { " ▸" } else { "  " }, look.style(Role::Cursor)),
            Span::styled(mark, mark_style),
            Span::raw(" "),
        ];
        for &(at, width) in fitted {
            let Some(cell) = row.cells.get(at) else {
                continue;
            };
            let own = look.style(cell.role);
            let style = match (self.fresh, cell.role) {
                (Fresh::Old, _) | (Fresh::Now, Role::Base) => over,
                (Fresh::Now, _) => own,
            };
            spans.push(Span::styled(text::pad(&cell.text, width), style));
            spans.push(Span::raw(" ".repeat(GAP)));
        }
        Line::from(spans)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[Column] = &[
        Column::flexible("USER", 10),
        Column::fixed("KIND", 4, 3),
        Column::fixed("KEY", 9, 0),
        Column::fixed("CREATED", 7, 2),
        Column::fixed("STATE", 5, 1),
    ];

    fn heads(columns: usize, skip: usize) -> String {
        let shown = fit(COLUMNS, columns, skip);
        let names: Vec<_> = shown.iter().map(|&(at, _)| COLUMNS[at].head).collect();
        names.join(" ")
    }

    #[test]
    fn columns_fall_in_their_order_and_the_first_takes_what_is_left() {
        assert_eq!(heads(60, 0), "USER KIND KEY CREATED STATE");
        assert_eq!(heads(44, 0), "USER KEY CREATED STATE");
        assert_eq!(heads(35, 0), "USER KEY STATE");
        assert_eq!(heads(27, 0), "USER KEY");
        assert_eq!(heads(60, 2), "USER CREATED STATE");
        let used = |columns| {
            let shown = fit(COLUMNS, columns, 0);
            GUTTER + shown.iter().map(|&(_, width)| width).sum::<usize>() + GAP * (shown.len() - 1)
        };
        for columns in 20..90 {
            assert!(used(columns) <= columns, "{columns}");
        }
    }
}
