//! How the console looks and behaves, as `[ui]` and `[keys]` say. Read by the configuration, obeyed by the console.

use std::path::PathBuf;
use std::time::Duration;

use super::env::Env;

/// How times are written until `t` changes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimeStyle {
    /// `2 min`, `3 y`.
    #[default]
    Relative,
    /// The zone that `TZ` or the system names.
    Local,
    /// UTC.
    Utc,
}

/// How a key gets to the clipboard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clipboard {
    /// tmux inside tmux, else a local tool, else OSC 52.
    #[default]
    Auto,
    /// tmux's own buffer.
    Tmux,
    /// A program such as `wl-copy`, `xclip` or `pbcopy`.
    Local,
    /// The terminal's escape sequence.
    Osc52,
    /// Not at all.
    Off,
}

/// What lines and marks are drawn with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glyphs {
    /// Box drawing, arrows and blocks.
    Unicode,
    /// Characters every terminal has.
    Ascii,
}

impl Glyphs {
    /// What `ascii = "auto"` means: ASCII on a dumb terminal and where the locale names another character set
    /// than UTF-8. A locale that says nothing is common in containers, under terminals that do know UTF-8.
    pub(super) fn of_terminal(env: &Env) -> Self {
        if env.get("TERM").is_some_and(|term| term == "dumb") {
            return Self::Ascii;
        }
        // The order is that of setlocale(3).
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .into_iter()
            .find_map(|name| env.get(name));
        let locale = locale
            .map(|locale| locale.to_string_lossy().to_ascii_lowercase())
            .unwrap_or_default();
        let charset = locale
            .split_once('.')
            .map(|(_, rest)| rest.split('@').next().unwrap_or_default());
        match charset {
            Some("utf-8" | "utf8") => Self::Unicode,
            Some(_) => Self::Ascii,
            None if locale == "c" || locale == "posix" => Self::Ascii,
            None => Self::Unicode,
        }
    }
}

/// `[ui]`, with the defaults filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ui {
    /// How times are written.
    pub time: TimeStyle,
    /// How a key gets to the clipboard.
    pub clipboard: Clipboard,
    /// After how long the clipboard is cleared, if it still holds the key.
    pub clipboard_clear: Duration,
    /// How long `x` shows a key.
    pub reveal: Duration,
    /// What lines are drawn with.
    pub glyphs: Glyphs,
}

/// One line of `[keys]`, not yet compared with the console's actions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyEntry {
    /// The action's name as written.
    pub action: String,
    /// The keys it should get, as written.
    pub keys: Vec<String>,
    /// The line it stands on, from 1.
    pub line: usize,
}

/// `[keys]` as written, and the file it stands in, for [`super::Problem::at`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyEntries {
    /// The configuration file.
    pub file: PathBuf,
    /// The entries in the order of the file.
    pub entries: Vec<KeyEntry>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ascii_only_where_the_terminal_says_so() {
        for (name, value, glyphs) in [
            ("LANG", "de_DE.UTF-8", Glyphs::Unicode),
            ("LC_ALL", "C.utf8", Glyphs::Unicode),
            ("LANG", "", Glyphs::Unicode),
            ("LANG", "en_US", Glyphs::Unicode),
            ("LC_CTYPE", "de_DE.ISO-8859-15@euro", Glyphs::Ascii),
            ("LC_ALL", "C", Glyphs::Ascii),
            ("LANG", "POSIX", Glyphs::Ascii),
            ("TERM", "dumb", Glyphs::Ascii),
            ("TERM", "xterm-256color", Glyphs::Unicode),
        ] {
            assert_eq!(
                Glyphs::of_terminal(&[(name, value)].into_iter().collect()),
                glyphs,
                "{name}={value}"
            );
        }
        let both = [("LC_ALL", "C.UTF-8"), ("LANG", "C")].into_iter().collect();
        assert_eq!(
            Glyphs::of_terminal(&both),
            Glyphs::Unicode,
            "LC_ALL comes first"
        );
    }
}
