//! A key has leaked: whose keys are in this text, what became of each, and what is done about it. The scanner finds
//! candidates, [`judge`](super::Ops::judge) asks the database about all of them, [`respond`](super::Ops::respond)
//! replaces or revokes the live ones in one transaction, and a case keeps what was done, without any key.

mod case;
mod excerpt;
mod folder;
mod input;
mod judge;
mod kept;
mod listing;
mod memory;
mod name;
mod near;
mod read;
mod report;
mod respond;
mod sight;

use std::fmt;

pub use case::{Case, Done, Saved, join_sources};
pub use excerpt::excerpt;
pub use folder::{Kept, KeptKey, Past};
pub use input::Source;
pub use judge::Judging;
pub use memory::{Known, Mark, Memory};
pub use name::{holds_key, masked};
pub use read::{Input, Read, Reading};
pub use report::{Format, write as write_report};
pub use respond::{Deed, MOST_LIVE, Response, RowDone};
pub use sight::{Line, Lines, Sighting, Sightings};

use crate::domain::last_use::LastUse;
use crate::domain::moment::Moment;
use crate::domain::retired::{KeyDigest, Retired, Salt, Told};
use crate::domain::scan::{Checksum, Context, Kind};
use crate::domain::token::{CoveredKey, KnoxDigest};
use crate::domain::user::User;
use crate::text;

use super::users::reach;

/// A key that was found, and what it is worth. Its `Debug` shows no key.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What was found, and where. Holds the key, to ask again with.
    pub sighting: Sighting,
    /// What may be shown of it. Its fingerprint is what tells two findings apart.
    pub key: CoveredKey,
    /// What it is worth.
    pub verdict: Verdict,
    /// Whose it is or was, as long as there is that user.
    pub owner: Option<User>,
    /// Who was told of it.
    pub told: Option<Told>,
    /// Whether it is among those that are changed; only a live one can be.
    pub chosen: bool,
    /// By what a case knows the key that was opened by its number: the key itself is not there.
    pub kept: Option<KeyDigest>,
}

/// What a key that was found is worth.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// It opens doors.
    Live(Holder),
    /// It opens none now, and may again.
    Inert(Holder, Why),
    /// It was a key, once.
    Retired(Retired),
    /// It is none and, as far as is known, was none.
    Unknown,
    /// Only its beginning was found: whose keys begin so.
    Partial(Beginning),
}

/// Why a key opens no doors though it is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Its owner is off.
    Off,
    /// It has expired.
    Expired,
}

/// Whose keys begin as what was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// The owners' names, at most [`Beginning::MOST`].
    Of(Vec<String>),
    /// No key begins so, but keys that were retired did: at most [`Beginning::MOST`] of them.
    Was(Vec<Was>),
    /// There were too many cut keys to look each of them up.
    NotAsked,
}

impl Beginning {
    /// So many owners are looked up for one beginning.
    pub const MOST: usize = 3;
}

/// A retired key that began as what was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Was {
    /// Its owner's name, or what tells of him where that is not known. Outside text.
    pub whose: String,
    /// In answer to which leak it was retired.
    pub leak: Option<i64>,
}

/// Who holds a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Whose it is.
    pub user: User,
    /// Which kind of token.
    pub token: Held,
    /// When it was made.
    pub made: Moment,
    /// How many groups the owner is in.
    pub groups: u64,
    /// How many permissions of his own he has.
    pub permissions: u64,
    /// When the key was used last, where that is known.
    pub last_use: LastUse,
}

impl Holder {
    /// `used 2 min ago`; where no use is known, when the owner logged in last, which tells more than that the listener saw
    /// none.
    fn last_seen(&self, now: Moment) -> String {
        let used = self.last_use.brief(now);
        match (self.last_use.at(), self.user.last_login) {
            (None, Some(login)) => format!("login {} ago", login.age(now)),
            _ => used.unwrap_or_else(|| "never logged in".to_owned()),
        }
    }
}

/// Which kind of token a key belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// REST framework's, of which a user has one.
    Drf,
    /// One of knox's: this one, which ends then.
    Knox(KnoxDigest, Option<Moment>),
}

impl Held {
    /// `drf` or `knox`.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Drf => "drf",
            Self::Knox(..) => "knox",
        }
    }
}

impl Holder {
    /// `SUPERUSER, staff, 2 groups`: what the key can do.
    #[must_use]
    pub fn reach(&self) -> String {
        reach(&self.user, self.groups, self.permissions)
    }
}

impl Verdict {
    /// The word for it.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Live(_) => "LIVE",
            Self::Inert(..) => "INERT",
            Self::Retired(_) => "RETIRED",
            Self::Unknown => "UNKNOWN",
            Self::Partial(_) => "PARTIAL",
        }
    }

    /// Who holds it now.
    #[must_use]
    pub const fn holder(&self) -> Option<&Holder> {
        match self {
            Self::Live(holder) | Self::Inert(holder, _) => Some(holder),
            Self::Retired(_) | Self::Unknown | Self::Partial(_) => None,
        }
    }

    /// Whether it opens doors.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        matches!(self, Self::Live(_))
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl Finding {
    /// Whose it is or was, as far as that is known. Outside text.
    #[must_use]
    pub fn whose(&self) -> Option<&str> {
        match &self.verdict {
            Verdict::Live(holder) | Verdict::Inert(holder, _) => Some(&holder.user.username),
            Verdict::Retired(retired) => retired.username.as_deref(),
            Verdict::Partial(Beginning::Of(owners)) => match owners.as_slice() {
                [owner] => Some(owner),
                _ => None,
            },
            Verdict::Partial(Beginning::Was(keys)) => match keys.as_slice() {
                [key] => Some(&key.whose),
                _ => None,
            },
            // An opened case remembers whose it was.
            Verdict::Unknown => self.owner.as_ref().map(|owner| &*owner.username),
            Verdict::Partial(Beginning::NotAsked) => None,
        }
    }

    /// By what a case with this salt knows the key.
    pub(super) fn digest(&self, salt: &Salt) -> KeyDigest {
        self.kept.unwrap_or_else(|| salt.drf(&self.sighting.key))
    }

    /// Whether somebody gets in with it, be it by our listener alone.
    #[must_use]
    pub fn works(&self, now: Moment) -> bool {
        match &self.verdict {
            Verdict::Live(_) => true,
            Verdict::Retired(retired) => retired.grace(now).is_some(),
            Verdict::Inert(..) | Verdict::Unknown | Verdict::Partial(_) => false,
        }
    }

    /// Whether it is worth a person's look: it is or was a key, or stands where one is expected. Git's hashes look like
    /// keys too, and most of them are none.
    #[must_use]
    pub fn matters(&self) -> bool {
        let expected = self.sighting.context != Context::Bare
            || self.sighting.kind == Kind::Checksum(Checksum::Good);
        match &self.verdict {
            Verdict::Live(_) | Verdict::Inert(..) | Verdict::Retired(_) => true,
            Verdict::Partial(Beginning::Of(owners)) => !owners.is_empty() || expected,
            Verdict::Partial(Beginning::Was(keys)) => !keys.is_empty() || expected,
            Verdict::Unknown | Verdict::Partial(Beginning::NotAsked) => expected,
        }
    }

    /// What is to be said beside the word, fit to print: `user is off`, `40 d ago by carol (leak 7)`. `place` is the
    /// database's name.
    #[must_use]
    pub fn detail(&self, now: Moment, place: &str) -> String {
        match &self.verdict {
            Verdict::Live(_) if self.sighting.kind == Kind::Checksum(Checksum::Good) => {
                "checksum good".to_owned()
            }
            Verdict::Live(holder) => holder.last_seen(now),
            Verdict::Inert(_, Why::Off) => "user is off".to_owned(),
            Verdict::Inert(_, Why::Expired) => "token expired".to_owned(),
            Verdict::Retired(retired) => retired.story(now),
            Verdict::Unknown => match self.sighting.kind {
                Kind::Checksum(Checksum::Bad) => "checksum wrong: mistyped".to_owned(),
                Kind::Checksum(Checksum::Good) => {
                    format!("checksum good, not a key of {}", text::safe(place))
                }
                Kind::Checksum(Checksum::Unknown) | Kind::Drf | Kind::Knox | Kind::Other => {
                    format!("not a key of {}", text::safe(place))
                }
            },
            Verdict::Partial(Beginning::NotAsked) => "too many cut keys to look up".to_owned(),
            Verdict::Partial(Beginning::Was(keys)) => match keys.as_slice() {
                [key] => {
                    let leak = key.leak.map(|leak| format!(" (leak {leak})"));
                    format!(
                        "like a retired key of {}{}",
                        text::fit(&key.whose, 40),
                        leak.unwrap_or_default()
                    )
                }
                [..] if keys.len() < Beginning::MOST => {
                    format!("like {} retired keys", keys.len())
                }
                [..] => format!("like {} retired keys or more", keys.len()),
            },
            Verdict::Partial(Beginning::Of(owners)) => match owners.as_slice() {
                [] => format!("begins no key of {}", text::safe(place)),
                [owner] => format!("begins the key of {}", text::fit(owner, 40)),
                [..] if owners.len() < Beginning::MOST => {
                    format!("begins {} keys", owners.len())
                }
                [..] => format!("begins {} keys or more", owners.len()),
            },
        }
    }
}
