//! What the console is started with and how it ends: plain data, which the command line fills in.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::tz::TimeZone;

use crate::domain::moment::Moment;
use crate::ops::{self, Ops};

use super::keys::KeyMap;
use super::look::Look;
use super::runner::Listen;

/// Opens a profile by its name.
pub type Connect = Arc<dyn Fn(String) -> BoxFuture<'static, Result<Ops, ops::Error>> + Send + Sync>;

/// A profile as the list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileInfo {
    /// Its name.
    pub name: String,
    /// Its ANSI colour.
    pub color: Option<String>,
    /// Changes are confirmed by typing its name.
    pub protected: bool,
    /// Nothing can be changed there.
    pub read_only: bool,
    /// How a command for it begins in a shell, as `tokenward -p prod`; `None`: no command reaches it.
    pub command: Option<String>,
}

/// How times are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimeStyle {
    /// `2 min`, `3 y`.
    #[default]
    Relative,
    /// In the local zone.
    Local,
    /// In UTC.
    Utc,
}

/// How a key gets to the clipboard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clipboard {
    /// tmux inside tmux, else a local program, else OSC 52.
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

/// `[ui]`.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How times are written at first.
    pub time: TimeStyle,
    /// How a key gets to the clipboard.
    pub clipboard: Clipboard,
    /// After how long the clipboard is cleared.
    pub clipboard_clear: Duration,
    /// How long `x` shows a key.
    pub reveal: Duration,
    /// Colours and glyphs.
    pub look: Look,
    /// Where files are written that the person asks for.
    pub folder: PathBuf,
}

/// All that the console is started with.
#[derive(Clone)]
pub struct Startup {
    /// What can be connected to.
    pub profiles: Vec<ProfileInfo>,
    /// Which of them is opened; `None`: the list is shown.
    pub first: Option<String>,
    /// Opens one.
    pub connect: Connect,
    /// Where the listener would be found: `http://127.0.0.1:8000`.
    pub listens_at: String,
    /// Starts it.
    pub listen: Listen,
    /// `[ui]`.
    pub settings: Settings,
    /// `[keys]`, as [`crate::tui::keys::rebind`] read it.
    pub keys: KeyMap,
    /// The local time zone.
    pub zone: TimeZone,
    /// The calendar's present; tests hold it still.
    pub now: fn() -> Moment,
}

impl fmt::Debug for Startup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Startup")
            .field("profiles", &self.profiles)
            .field("first", &self.first)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// How the console ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    /// The exit code: 0, 129 (terminal gone), 130 (Ctrl-c), 143 (SIGTERM).
    pub code: u8,
    /// What is to be said once the terminal is given back.
    pub note: Option<String>,
}
