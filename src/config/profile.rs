//! A database by name, and what the configuration says about it. The wiring connects to the chosen one; the
//! console lists and opens the others.

use super::url::DatabaseUrl;

/// The name that stands for the private database where a profile's name is asked for.
pub const PRIVATE: &str = "private";

/// Which database.
#[derive(Clone, Debug)]
pub enum Place {
    /// One with a URL.
    Url(DatabaseUrl),
    /// The user's own, below the data folder.
    Private,
}

/// Whether a change asks for the profile's name, typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// `y` is enough.
    Open,
    /// `protected = true`.
    Protected,
}

/// Whether this run may change the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It may.
    ReadWrite,
    /// The session itself is made read only.
    ReadOnly,
}

/// One of the 16 ANSI colours, for the band in the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hue(u8);

impl Hue {
    /// Their names in the configuration, in the order of ANSI's numbers.
    pub const NAMES: [&str; 16] = [
        "black",
        "red",
        "green",
        "yellow",
        "blue",
        "magenta",
        "cyan",
        "white",
        "bright-black",
        "bright-red",
        "bright-green",
        "bright-yellow",
        "bright-blue",
        "bright-magenta",
        "bright-cyan",
        "bright-white",
    ];

    /// The colour called `name`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        (0..)
            .zip(Self::NAMES)
            .find(|(_, known)| *known == name)
            .map(|(number, _)| Self(number))
    }

    /// ANSI's number, 0 to 15.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }
}

/// A database and how to treat it.
#[derive(Clone, Debug)]
pub struct Profile {
    /// What the header shows: a profile's name or `private`. None for a bare URL; show the database's name then.
    pub name: Option<String>,
    /// Which database.
    pub place: Place,
    /// The colour of its band.
    pub color: Option<Hue>,
    /// Whether changes are confirmed by typing.
    pub protection: Protection,
    /// Whether this run may change it; flags and environment are taken into account already.
    pub access: Access,
    /// The schema of Django's tables; none leaves it to the connection's search path.
    pub schema: Option<String>,
    /// The table of a custom user model, instead of `auth_user`.
    pub user_table: Option<String>,
    /// Its column with the name to log in by, instead of `username`.
    pub username_column: Option<String>,
}

impl Profile {
    /// `place` with nothing special about it.
    pub(super) const fn plain(name: Option<String>, place: Place) -> Self {
        Self {
            name,
            place,
            color: None,
            protection: Protection::Open,
            access: Access::ReadWrite,
            schema: None,
            user_table: None,
            username_column: None,
        }
    }

    /// The private database.
    pub(super) fn private() -> Self {
        Self::plain(Some(PRIVATE.to_owned()), Place::Private)
    }
}
