//! Colours and glyphs by role. Base text keeps the terminal's own colours and accents are the 16 ANSI ones, so
//! that light and dark themes both work; every state is a word as well, so that no colour is needed.

use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier, Style};

/// Whether colours may be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Paint {
    /// The 16 ANSI colours.
    #[default]
    Colour,
    /// Bold, dim and reversed only: `NO_COLOR` or `--no-color`.
    Plain,
}

/// Which glyphs may be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Glyphs {
    /// Boxes, bullets and arrows.
    #[default]
    Unicode,
    /// Only ASCII in what we draw ourselves; names keep their letters.
    Ascii,
}

/// How everything looks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Look {
    /// Colours or not.
    pub paint: Paint,
    /// Boxes or ASCII.
    pub glyphs: Glyphs,
}

/// What a piece of text is, which decides how it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Ordinary text.
    Base,
    /// Less important, or old.
    Dim,
    /// A heading.
    Head,
    /// The row under the cursor.
    Cursor,
    /// A mark.
    Mark,
    /// The key of a hint.
    Key,
    /// Something went well.
    Good,
    /// Something to be careful with.
    Warn,
    /// Something went wrong.
    Bad,
}

impl Look {
    /// The style of `role`.
    #[must_use]
    pub fn style(self, role: Role) -> Style {
        let style = Style::new();
        let (colour, modifier) = match role {
            Role::Base => (None, Modifier::empty()),
            Role::Dim => (None, Modifier::DIM),
            Role::Head => (None, Modifier::BOLD),
            Role::Cursor => (Some(Color::Cyan), Modifier::BOLD),
            Role::Mark => (Some(Color::Magenta), Modifier::BOLD),
            Role::Key => (Some(Color::Cyan), Modifier::empty()),
            Role::Good => (Some(Color::Green), Modifier::empty()),
            Role::Warn => (Some(Color::Yellow), Modifier::BOLD),
            Role::Bad => (Some(Color::Red), Modifier::BOLD),
        };
        let style = style.add_modifier(modifier);
        match (self.paint, colour) {
            (Paint::Colour, Some(colour)) => style.fg(colour),
            (Paint::Colour, None) | (Paint::Plain, _) => style,
        }
    }

    /// The reversed band behind PROTECTED and READ ONLY, in the profile's colour.
    #[must_use]
    pub fn band(self, name: Option<&str>) -> Style {
        let style = Style::new().add_modifier(Modifier::REVERSED | Modifier::BOLD);
        match (self.paint, name.and_then(ansi)) {
            (Paint::Colour, Some(colour)) => style.fg(colour),
            (Paint::Colour, None) | (Paint::Plain, _) => style,
        }
    }

    /// Turns our own glyphs into ASCII where the terminal has no others. Done on the finished frame: one place
    /// instead of one for each glyph.
    pub fn plain(self, buffer: &mut Buffer) {
        if self.glyphs == Glyphs::Unicode {
            return;
        }
        for cell in &mut buffer.content {
            if let Some((_, ascii)) = ASCII.iter().find(|(glyph, _)| *glyph == cell.symbol()) {
                cell.set_symbol(ascii);
            }
        }
    }
}

fn ansi(name: &str) -> Option<Color> {
    Some(match name {
        "black" => Color::Black,
        "red" => Color::Red,
        "green" => Color::Green,
        "yellow" => Color::Yellow,
        "blue" => Color::Blue,
        "magenta" => Color::Magenta,
        "cyan" => Color::Cyan,
        "white" => Color::White,
        _ => return None,
    })
}

const ASCII: &[(&str, &str)] = &[
    ("…", "~"),
    ("▸", ">"),
    ("●", "*"),
    ("○", "o"),
    ("◌", "."),
    ("◂", "<"),
    ("▏", "_"),
    ("│", "|"),
    ("─", "-"),
    ("┌", "+"),
    ("┐", "+"),
    ("└", "+"),
    ("┘", "+"),
    ("├", "+"),
    ("┤", "+"),
    ("█", "#"),
    ("▉", "#"),
    ("▊", "#"),
    ("▋", "#"),
    ("▌", "#"),
    ("▍", " "),
    ("▎", " "),
    ("↑", "^"),
    ("↓", "v"),
    ("←", "<"),
    ("→", ">"),
    ("✓", "+"),
    ("✗", "!"),
    ("·", "-"),
    ("×", "x"),
    ("\u{fffd}", "?"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_colour_nothing_has_one() {
        let look = Look {
            paint: Paint::Plain,
            glyphs: Glyphs::Unicode,
        };
        for role in [
            Role::Cursor,
            Role::Mark,
            Role::Good,
            Role::Warn,
            Role::Bad,
            Role::Key,
        ] {
            assert_eq!(look.style(role).fg, None);
        }
        assert_eq!(look.band(Some("red")).fg, None);
    }
}
