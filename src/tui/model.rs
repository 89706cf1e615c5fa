//! All that the console remembers: [`Cx`], which the screens share, and the state of each screen. Only `update`
//! changes it; the view and the tests read it.

use std::time::{Duration, Instant};

use crate::domain::audit::Verb;
use crate::domain::moment::Moment;
use crate::domain::token::CoveredKey;
use crate::ops::progress::Progress;
use crate::ops::{Aim, Change, PlaceInfo};
use crate::tui::effect::Ticket;
use crate::tui::screens::{ScreenId, audit, backfill, listener, test_keys, users};

pub use crate::tui::cx::{Cx, STILL};

/// The present, brought by each message: `update` and `view` never ask a clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// For lengths of time.
    pub at: Instant,
    /// For dates.
    pub now: Moment,
}

/// Everything.
#[derive(Debug)]
pub struct Model {
    /// What screens share.
    pub cx: Cx,
    /// The screen that is shown.
    pub screen: ScreenId,
    /// Users.
    pub users: users::State,
    /// Test keys.
    pub test_keys: test_keys::State,
    /// Backfill.
    pub backfill: backfill::State,
    /// Listener.
    pub listener: listener::State,
    /// Audit.
    pub audit: audit::State,
}

/// The database we are at.
#[derive(Clone, Debug)]
pub struct Place {
    /// Its name, target and protection.
    pub info: PlaceInfo,
    /// The user table's name.
    pub users: String,
    /// What cannot be done here, and why.
    pub refusals: Vec<(Change, String)>,
    /// Whether a replaced key can have a grace here.
    pub takes_grace: bool,
}

/// How the connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// There is none: a profile is to be chosen.
    Unchosen,
    /// One is being made.
    Connecting {
        /// Since when.
        since: Instant,
    },
    /// The database answers.
    Live {
        /// Its last answer.
        heard: Instant,
    },
    /// It does not.
    Offline {
        /// Since when.
        since: Instant,
        /// When it is tried next.
        retry: Instant,
        /// How often it was tried.
        tries: u32,
    },
}

/// Whether it is doubtful that the database is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// A ping is to find out.
    Yes,
    /// It is not.
    No,
}

/// Whether a person asked, or the console by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// A person waits: the header shows it, Esc cancels it.
    Loud,
    /// Nobody waits: a refresh, a ping.
    Quiet,
}

/// How a message to the person sounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Done.
    Good,
    /// To be told, neither good nor bad.
    Plain,
    /// Failed: stays until it is answered or replaced.
    Bad,
}

/// The message line.
#[derive(Clone, Debug)]
pub struct Notice {
    /// How it sounds.
    pub tone: Tone,
    /// What it says; cut to the line when drawn.
    pub text: String,
    /// Since when it stands.
    pub since: Instant,
}

/// Long work that runs.
#[derive(Clone, Debug)]
pub struct Job {
    /// Of the work.
    pub ticket: Ticket,
    /// What is done; its word stands in the header.
    pub verb: Verb,
    /// How far it is.
    pub progress: Progress,
    /// Whether it was told to stop.
    pub stopping: Stopping,
}

/// Whether long work was told to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopping {
    /// It goes on.
    No,
    /// It ends after what is under way.
    Asked,
}

/// A change of one key that can be taken back. The key itself is kept where changes are made.
#[derive(Clone, Debug)]
pub struct Last {
    /// Whose key was changed, and which it was.
    pub aim: Aim,
    /// The new key; none after the old one was revoked.
    pub new: Option<CoveredKey>,
    /// When it was changed.
    pub since: Instant,
}

/// A change that runs.
#[derive(Clone, Copy, Debug)]
pub struct Doing {
    /// Of the change.
    pub ticket: Ticket,
    /// Since when.
    pub since: Instant,
}

impl Model {
    /// Before anything happened: home, with empty screens.
    #[must_use]
    pub fn new(cx: Cx) -> Self {
        Self {
            cx,
            screen: ScreenId::Users,
            users: users::State::default(),
            test_keys: test_keys::State::default(),
            backfill: backfill::State::default(),
            listener: listener::State::default(),
            audit: audit::State::default(),
        }
    }

    /// How long until something changes by itself, so that the loop need not draw in vain.
    #[must_use]
    pub fn wake(&self) -> Duration {
        let busy = self.cx.loading().is_some()
            || self.cx.deed.is_some()
            || self.cx.doubt == Doubt::Yes
            || self.cx.job.is_some()
            || !self.cx.modals.is_empty()
            || self.users.is_settling(&self.cx);
        if busy {
            Duration::from_millis(100)
        } else {
            Duration::from_secs(1)
        }
    }
}
