//! Lines of columns. A list may have a million rows and is never held whole, so the widths come from its first page;
//! a longer value is never cut, it only pushes what follows to the right.

use super::{Paint, Tone};
use crate::text;

/// One field of a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// A field that means nothing special.
    pub fn plain(text: impl Into<String>) -> Self {
        Self::toned(text, Tone::Plain)
    }

    /// A field with a meaning.
    pub fn toned(text: impl Into<String>, tone: Tone) -> Self {
        Self {
            text: text.into(),
            tone,
        }
    }

    /// What it says.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// No column is padded further than this, or one long name would push everything off the screen.
const WIDEST: usize = 40;

/// Widths in which the header and `rows` fit.
pub fn widths(header: &[&str], rows: &[Vec<Cell>]) -> Vec<usize> {
    let mut widths: Vec<usize> = header.iter().map(|name| text::width(name)).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = text::width(&text::safe(&cell.text)).clamp(*width, WIDEST.max(*width));
        }
    }
    widths
}

/// One line, its columns two spaces apart and nothing behind the last.
pub(super) fn line(cells: &[Cell], widths: &[usize], paint: Paint) -> String {
    let mut line = String::new();
    let mut gap = 0;
    for (nth, cell) in cells.iter().enumerate() {
        line.extend(std::iter::repeat_n(' ', gap));
        let shown = text::safe(&cell.text);
        match (paint, cell.tone.ansi()) {
            (Paint::Allowed, Some(colour)) => {
                line.push_str(colour);
                line.push_str(&shown);
                line.push_str("\x1b[0m");
            }
            (Paint::Allowed | Paint::Off, _) => line.push_str(&shown),
        }
        let width = widths.get(nth).copied().unwrap_or_default();
        gap = width.saturating_sub(text::width(&shown)) + 2;
    }
    line.truncate(line.trim_end().len());
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_long_values_stay_whole() {
        let rows = vec![
            vec![Cell::plain("al"), Cell::plain("1")],
            vec![Cell::plain("王王"), Cell::toned("OFF", Tone::Bad)],
            vec![Cell::plain("x".repeat(50)), Cell::plain("2")],
        ];
        let widths = widths(&["USER", "N"], &rows);
        assert_eq!(widths, [40, 3]);
        let drawn = |nth: usize, widths: &[usize]| line(&rows[nth], widths, Paint::Off);
        assert_eq!(drawn(0, &[4, 1]), "al    1");
        assert_eq!(drawn(1, &[4, 1]), "王王  OFF");
        assert_eq!(drawn(2, &[4, 1]), format!("{}  2", "x".repeat(50)));
        assert_eq!(
            line(&rows[1], &[4, 1], Paint::Allowed),
            "王王  \x1b[31mOFF\x1b[0m"
        );
    }
}
