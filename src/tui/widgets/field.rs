//! One line of input, on tui-input: the filter, the command line, prompts. A hidden one shows no character of
//! what is typed and forgets it when dropped.

use std::fmt;

use crossterm::event::{Event, KeyCode};
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use tui_input::backend::crossterm::to_input_request;
use tui_input::{Input, InputRequest};
use zeroize::Zeroize;

use crate::text;
use crate::tui::keys::Key;

/// No field takes more: beyond any name, key, password or filter.
const MAX_CHARS: usize = 1_024;

/// Whether what is typed can be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shown {
    /// As typed.
    #[default]
    Clear,
    /// As typed, but it is a secret: no log gets it, and it is wiped.
    Guarded,
    /// Nothing of it, not even its length.
    Hidden,
}

/// What became of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// The text is another one.
    Changed,
    /// Only the cursor moved.
    Moved,
    /// The key is not for a line of text; whoever asked may use it.
    No,
}

/// A line of input.
#[derive(Clone, Default)]
pub struct Field {
    input: Input,
    shown: Shown,
}

impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.shown {
            Shown::Clear => write!(f, "Field({:?})", self.input.value()),
            Shown::Guarded | Shown::Hidden => f.write_str("Field(hidden)"),
        }
    }
}

impl Drop for Field {
    fn drop(&mut self) {
        if self.shown != Shown::Clear {
            self.input.value_and_reset().zeroize();
        }
    }
}

impl Field {
    /// An empty field that hides what is typed.
    #[must_use]
    pub fn hidden() -> Self {
        Self {
            input: Input::default(),
            shown: Shown::Hidden,
        }
    }

    /// An empty field that shows what is typed and is as careful with it as [`Field::hidden`].
    #[must_use]
    pub fn guarded() -> Self {
        Self {
            input: Input::default(),
            shown: Shown::Guarded,
        }
    }

    /// A field that starts with `text`.
    #[must_use]
    pub fn with(text: &str) -> Self {
        Self {
            input: Input::from(text),
            shown: Shown::Clear,
        }
    }

    /// What stands in it.
    #[must_use]
    pub fn value(&self) -> &str {
        self.input.value()
    }

    /// Whether nothing stands in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.value().is_empty()
    }

    /// Takes everything out.
    pub fn take(&mut self) -> String {
        self.input.value_and_reset()
    }

    /// Edits by one key.
    pub fn key(&mut self, key: Key) -> Taken {
        // These belong to lists and menus even while a field has the focus.
        let event = key.event();
        if matches!(
            event.code,
            KeyCode::Up | KeyCode::Down | KeyCode::Enter | KeyCode::Esc
        ) {
            return Taken::No;
        }
        let Some(request) = to_input_request(&Event::Key(event)) else {
            return Taken::No;
        };
        if matches!(request, InputRequest::InsertChar(_)) && self.is_full() {
            return Taken::Moved;
        }
        match self.input.handle(request) {
            Some(change) if change.value => Taken::Changed,
            Some(_) | None => Taken::Moved,
        }
    }

    /// Inserts pasted text; line breaks and other controls become spaces, what does not fit is dropped.
    pub fn paste(&mut self, pasted: &str) -> Taken {
        let mut taken = Taken::Moved;
        for c in pasted.trim_end_matches(['\r', '\n']).chars() {
            if self.is_full() {
                break;
            }
            let c = if c.is_control() { ' ' } else { c };
            self.input.handle(InputRequest::InsertChar(c));
            taken = Taken::Changed;
        }
        taken
    }

    fn is_full(&self) -> bool {
        self.value().chars().count() >= MAX_CHARS
    }

    /// The text for one line of `columns`, its end in sight, and the column of the cursor in it.
    #[must_use]
    pub fn window(&self, columns: usize) -> (String, usize) {
        let (before, after) = match self.shown {
            Shown::Hidden if self.is_empty() => (String::new(), String::new()),
            // Always the same: the length of a password is nobody's business.
            Shown::Hidden => ("********".to_owned(), String::new()),
            Shown::Clear | Shown::Guarded => {
                let value = self.value();
                let at = value
                    .char_indices()
                    .nth(self.input.cursor())
                    .map_or(value.len(), |(at, _)| at);
                (
                    text::safe(&value[..at]).into_owned(),
                    text::safe(&value[at..]).into_owned(),
                )
            }
        };
        let room = columns.saturating_sub(1);
        let mut head = before.as_str();
        while text::width(head) > room {
            let mut chars = head.chars();
            chars.next();
            head = chars.as_str();
        }
        let column = text::width(head);
        (text::fit(&format!("{head}{after}"), columns), column)
    }

    /// Puts the terminal's cursor where the next letter goes, the field beginning `offset` columns into `area`.
    pub fn place_cursor(&self, offset: usize, frame: &mut Frame, area: Rect) {
        let (_, column) = self.window(usize::from(area.width).saturating_sub(offset));
        if let Ok(x) = u16::try_from(usize::from(area.x) + offset + column)
            && x < area.right()
        {
            frame.set_cursor_position(Position::new(x, area.y));
        }
    }
}

/// Whether keys go to a field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Focus {
    /// They do.
    Here,
    /// They go elsewhere.
    #[default]
    Elsewhere,
}

/// What stands behind the text of a line that is always there: a mark while letters go to it, and where it is
/// empty, as an invitation. A filter in force whose line is left has none: the next letter is a key again.
#[must_use]
pub fn mark(field: &Field, focus: Focus) -> &'static str {
    match focus {
        Focus::Here => "▏",
        Focus::Elsewhere if field.is_empty() => "▏",
        Focus::Elsewhere => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_goes_when_a_filled_line_is_left() {
        let filled = Field::with("ali");
        assert_eq!(mark(&filled, Focus::Here), "▏");
        assert_eq!(mark(&filled, Focus::Elsewhere), "");
        assert_eq!(mark(&Field::default(), Focus::Elsewhere), "▏");
    }

    #[test]
    fn pasted_line_breaks_become_spaces_and_the_length_is_bounded() {
        let mut field = Field::default();
        field.paste("a\nb\x1b[2J\n");
        assert_eq!(field.value(), "a b [2J");
        field.paste(&"x".repeat(5_000));
        assert_eq!(field.value().chars().count(), MAX_CHARS);
    }

    #[test]
    fn a_hidden_field_tells_neither_text_nor_length() {
        let mut field = Field::hidden();
        field.paste("hunter2");
        assert_eq!(field.window(40).0, "********");
        assert!(!format!("{field:?}").contains("hunter2"));
    }

    #[test]
    fn the_cursor_stays_in_sight() {
        let mut field = Field::guarded();
        field.paste("0123456789");
        assert!(!format!("{field:?}").contains("234"));
        assert_eq!(field.window(6), ("56789".to_owned(), 5));
    }
}
