//! Areas from a size. `update` asks it how many rows a list shows, the view where to draw them; since both ask
//! here, a page down moves by exactly what is seen.

use ratatui::layout::{Rect, Size};

/// Below this size only one line is drawn, which says what is needed.
pub const SMALLEST: Size = Size::new(30, 8);

/// From this width on a list has a pane with the details of its row beside it.
const PANE_FROM: u16 = 100;
/// The width of that pane, its border included, at [`PANE_FROM`] columns; it grows with the terminal.
const PANE: u16 = 37;
const PANE_MAX: u16 = 60;
/// From this width on the tabs have their own line.
const TABS_FROM: u16 = 80;

/// The areas of the one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Areas {
    /// Where we are and how the database is.
    pub header: Rect,
    /// The tabs; `None` where they stand in the header.
    pub tabs: Option<Rect>,
    /// What the screen draws in: its first line is the filter, or whatever the screen has in its place.
    pub body: Rect,
    /// What happened last.
    pub message: Rect,
    /// The keys that help most.
    pub hints: Rect,
}

/// Whether anything sensible can be drawn.
#[must_use]
pub const fn fits(size: Size) -> bool {
    size.width >= SMALLEST.width && size.height >= SMALLEST.height
}

/// The frame's areas at `size`, which must [`fits`].
#[must_use]
pub fn areas(size: Size) -> Areas {
    let line = |y: u16| Rect::new(0, y.min(size.height), size.width, 1);
    let tabs = (size.width >= TABS_FROM).then(|| line(1));
    let top = if tabs.is_some() { 2 } else { 1 };
    let body = Rect::new(0, top, size.width, size.height.saturating_sub(top + 2));
    Areas {
        header: line(0),
        tabs,
        body,
        message: line(size.height.saturating_sub(2)),
        hints: line(size.height.saturating_sub(1)),
    }
}

/// A body split into its first line, the list (column heads and rows) and the pane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListAreas {
    /// The filter line.
    pub filter: Rect,
    /// Column heads and rows.
    pub table: Rect,
    /// Details of the row, where there is room.
    pub pane: Option<Rect>,
}

/// How a list uses its width.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Width {
    /// List and pane where both fit.
    #[default]
    Shared,
    /// The list alone, with every column (`w`).
    Wide,
}

/// Splits `body` for a list.
#[must_use]
pub fn list(body: Rect, width: Width) -> ListAreas {
    let filter = Rect {
        height: 1.min(body.height),
        ..body
    };
    let rest = Rect {
        y: body.y + filter.height,
        height: body.height - filter.height,
        ..body
    };
    let pane_width = match width {
        Width::Shared if body.width >= PANE_FROM => {
            (PANE + (body.width - PANE_FROM) / 3).min(PANE_MAX)
        }
        Width::Shared | Width::Wide => 0,
    };
    let table = Rect {
        // One column of air before the pane's border.
        width: rest.width - pane_width - u16::from(pane_width > 0),
        ..rest
    };
    // The pane begins beside the filter line: its head stands where nothing else is.
    let pane = (pane_width > 0).then(|| Rect {
        x: body.right() - pane_width,
        width: pane_width,
        ..body
    });
    let filter = Rect {
        width: table.width,
        ..filter
    };
    ListAreas {
        filter,
        table,
        pane,
    }
}

/// How many rows a list shows at `size`: what is left after the frame, the filter line and the column heads.
#[must_use]
pub fn list_rows(size: Size) -> usize {
    usize::from(areas(size).body.height.saturating_sub(2))
}

/// An area of at most `width` x `height` in the middle of `outer`; at less than 80 columns it takes the full width.
#[must_use]
pub fn dialog(outer: Rect, width: u16, height: u16) -> Rect {
    let width = if outer.width < TABS_FROM {
        outer.width
    } else {
        width.min(outer.width)
    };
    let height = height.min(outer.height);
    Rect::new(
        outer.x + (outer.width - width) / 2,
        outer.y + (outer.height - height) / 3,
        width,
        height,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sizes_that_the_design_names_give_the_rows_it_names() {
        assert_eq!(list_rows(Size::new(100, 30)), 24);
        assert_eq!(list_rows(Size::new(80, 24)), 18);
        assert_eq!(list_rows(Size::new(60, 20)), 15);
        let body = areas(Size::new(100, 30)).body;
        assert_eq!(list(body, Width::Shared).pane.map(|pane| pane.x), Some(63));
        assert_eq!(list(body, Width::Wide).pane, None);
    }

    #[test]
    fn every_area_lies_inside_whatever_the_size() {
        for width in 0..130 {
            for height in 0..40 {
                let size = Size::new(width, height);
                let whole = Rect::new(0, 0, width, height);
                let areas = areas(size);
                let list = list(areas.body, Width::Shared);
                assert!(list.table.right() <= width);
                assert!(dialog(whole, 66, 12).intersection(whole) == dialog(whole, 66, 12));
                if fits(size) {
                    for area in [areas.header, areas.body, areas.message, areas.hints] {
                        assert_eq!(area.intersection(whole), area);
                    }
                }
            }
        }
    }
}
