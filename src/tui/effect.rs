//! Everything the console may ask of the world, as plain data that tests compare. `update` returns these, the
//! runner performs them, the answer comes back as a message with the ticket it was asked with.

use std::fmt;
use std::time::Duration;

use crate::domain::secret::Secret;
use crate::domain::token::Fingerprint;
use crate::domain::user::{UserId, Username};
use crate::ops::leak::{self, Case, Reading};
use crate::ops::{Aim, AuditQuery, BackfillPlan, Change, Purpose, UsersQuery};

/// Tells answers apart: only the newest question of a slot is still waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// What a question is about. A new one in the same slot cancels the one before, on the server too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slot {
    /// Getting a connection.
    Connect,
    /// Is the database there?
    Ping,
    /// The page a list starts with: filter, sort, first, last.
    Page,
    /// The rows before or after those in memory.
    More,
    /// The rows in sight again.
    Refresh,
    /// Every row of the filter: to mark or to export.
    Gather,
    /// How many rows there are.
    Count,
    /// All about one user.
    Detail,
    /// A key in clear.
    Reveal,
    /// What a key is worth.
    Verify,
    /// Whose the keys of a text are.
    Leak,
    /// Who lacks a token.
    Counts,
    /// The audit.
    Audit,
}

/// A text that may not be seen but must be compared in tests: equal if the digests are.
#[derive(Clone)]
pub struct Sealed(Secret<String>);

impl Sealed {
    /// Wraps `text`.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(Secret::new(text.into()))
    }

    /// The text. Every call is a place where it leaves our care.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// As operations take it.
    #[must_use]
    pub fn into_secret(self) -> Secret<String> {
        self.0
    }
}

impl From<Secret<String>> for Sealed {
    fn from(secret: Secret<String>) -> Self {
        Self(secret)
    }
}

impl PartialEq for Sealed {
    fn eq(&self, other: &Self) -> bool {
        Fingerprint::of(&self.0) == Fingerprint::of(&other.0)
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealed(…)")
    }
}

/// What is done with a key that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// It is shown for a while.
    Show,
    /// It goes to the clipboard in this form.
    Copy(Form),
}

impl Use {
    /// What the audit is told.
    #[must_use]
    pub const fn purpose(self) -> Purpose {
        match self {
            Self::Show => Purpose::Show,
            Self::Copy(_) => Purpose::Copy,
        }
    }
}

/// What is done with the fresh keys of a dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandOut {
    /// `x`: they are shown for a while.
    Show,
    /// `y`: the only one goes to the clipboard.
    Copy,
    /// `w`: they go into a file.
    Write,
}

impl HandOut {
    /// What the audit is told.
    #[must_use]
    pub const fn purpose(self) -> Purpose {
        match self {
            Self::Show => Purpose::Show,
            Self::Copy | Self::Write => Purpose::Copy,
        }
    }
}

/// How a key is written for where it is pasted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The key alone.
    Key,
    /// `Authorization: Token KEY`.
    Header,
    /// A call of curl.
    Curl,
    /// `TOKEN=KEY`.
    Env,
}

impl Form {
    /// `key` in this form.
    #[must_use]
    pub fn write(self, key: &str) -> String {
        match self {
            Self::Key => key.to_owned(),
            Self::Header => format!("Authorization: Token {key}"),
            Self::Curl => format!(
                "curl -H 'Authorization: Token {}'",
                key.replace('\'', r"'\''")
            ),
            Self::Env => format!("TOKEN={key}"),
        }
    }
}

/// A question: it changes nothing, has a deadline and can be cancelled.
#[derive(Clone, Debug, PartialEq)]
pub enum Question {
    /// Is the database there?
    Ping,
    /// A page of users.
    Users(UsersQuery),
    /// About how many users there are.
    Estimate,
    /// All about one user.
    Detail(UserId),
    /// The key of a row in clear, which is audited.
    Reveal(Aim, Use),
    /// That these fresh keys are handed out, which is audited before they are.
    HandOut(Vec<Aim>, HandOut),
    /// What this key is worth.
    Verify(Sealed),
    /// Whose the keys of this text are.
    Leak(Reading),
    /// How many users have a token, and to how many this plan would give one.
    Counts(BackfillPlan),
    /// Lines of the audit.
    Audit(AuditQuery),
}

impl Question {
    /// After how long we stop waiting and cancel it on the server.
    #[must_use]
    pub const fn deadline(&self) -> Duration {
        match self {
            Self::Ping => Duration::from_secs(5),
            Self::Detail(_)
            | Self::Reveal(..)
            | Self::HandOut(..)
            | Self::Verify(_)
            | Self::Audit(_) => Duration::from_secs(10),
            Self::Users(_) | Self::Estimate => Duration::from_secs(30),
            // There may be millions of look-alikes.
            Self::Leak(_) => Duration::from_mins(5),
            // Reads the whole table, and nobody types while it does.
            Self::Counts(_) => Duration::from_mins(2),
        }
    }
}

/// A change. It is never cut off in the middle: when its deadline passes we stop waiting, not working.
#[derive(Clone, Debug, PartialEq)]
pub enum Deed {
    /// One token.
    One(Change, Aim),
    /// A new key, beside which our listener takes the old one for so long.
    Grace(Aim, Duration),
    /// Many tokens, each in its own transaction; reports progress and can be stopped between two.
    Many(Change, Vec<Aim>),
    /// A token for everybody of the plan who lacks one, in many transactions; reports progress and can be paused and
    /// stopped between two.
    Backfill(BackfillPlan),
    /// The old key of the last change given back.
    Undo,
    /// A user without a usable password.
    Create(Username),
    /// A user's password.
    Password(Aim, Sealed),
    /// A user switched on.
    On(Aim),
    /// A user switched off.
    Off(Aim),
    /// The chosen keys of a leak, all or none.
    Leak(Box<Case>, leak::Deed),
    /// Noted, that the owners of these keys of a leak were told.
    Told(Box<Case>, Vec<Fingerprint>),
    /// A leak kept, for its report.
    Report(Box<Case>, leak::Format),
}

/// What long work is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Stop after what is under way; what is done stays done.
    Stop,
    /// Wait after what is under way.
    Pause,
    /// Go on.
    Resume,
}

/// What the listener is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serve {
    /// Listen.
    Start,
    /// Finish what is being answered, and end.
    Stop,
}

/// How the console is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// `q`: exit code 0.
    Quit,
    /// Ctrl-c: exit code 130.
    Interrupted,
}

/// One thing to do outside the model.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Connect to a profile, in place of the present one.
    Connect {
        /// Comes back with the answer.
        ticket: Ticket,
        /// The profile's name.
        profile: String,
    },
    /// Ask the database.
    Ask {
        /// Cancels what was asked there before.
        slot: Slot,
        /// Comes back with the answer.
        ticket: Ticket,
        /// What is asked.
        question: Question,
    },
    /// Change the database.
    Do {
        /// Comes back with the answer.
        ticket: Ticket,
        /// What is done.
        deed: Deed,
    },
    /// Stop waiting for a question, and stop the server working on it.
    Cancel(Slot),
    /// Tell the long work that runs.
    Job(Order),
    /// Start the listener on the present database, or stop it.
    Listener {
        /// Comes back with everything that is told of it.
        ticket: Ticket,
        /// Which.
        order: Serve,
    },
    /// Send a text to the clipboard.
    Copy {
        /// What the message calls it: never a key, at most a covered one.
        label: String,
        /// The text.
        text: Sealed,
        /// Whether it is cleared again: names and addresses are not.
        keep: Keep,
    },
    /// Write a text to a new file that only its owner may read.
    Write {
        /// The start of the file's name.
        stem: &'static str,
        /// The end of its name: `txt`, `csv`, `json`.
        extension: &'static str,
        /// The text.
        text: Sealed,
    },
    /// Give the terminal back and stop until the shell says to go on.
    Suspend,
    /// Draw everything anew.
    Redraw,
    /// Leave.
    Quit(Leave),
}

/// Whether the clipboard keeps a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Cleared after the configured time, if it is still ours.
    ForAWhile,
    /// Not a secret.
    Forever,
}
