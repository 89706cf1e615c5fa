//! Users as tokenward knows them: Django's `auth_user`, or whatever table the site uses in its place.

use std::fmt;

use serde::{Serialize, Serializer};
use thiserror::Error;
use uuid::Uuid;

use super::filter::Test;
use super::last_use::LastUse;
use super::moment::Moment;
use super::page::{Cursor, CursorValue, Sort, SortKey};
use super::token::CoveredKey;

/// The primary key of a user, of the type the site's user table has.
///
/// It always comes out of the database, never from a person, so it keeps the width it had there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UserId {
    /// `integer`: Django's `AutoField`, as in `auth_user`.
    Int4(i32),
    /// `bigint`: Django's `BigAutoField`.
    Int8(i64),
    /// `uuid`: Django's `UUIDField`.
    Uuid(Uuid),
}

impl UserId {
    /// Reads what [`UserId`] displays: the narrowest type that holds it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let int4 = text.parse().ok().map(Self::Int4);
        let int8 = || text.parse().ok().map(Self::Int8);
        let uuid = || Uuid::parse_str(text).ok().map(Self::Uuid);
        int4.or_else(int8).or_else(uuid)
    }

    /// The same id as one of the type that SQL calls `integer`, `bigint` or `uuid`, if it can be.
    #[must_use]
    pub fn of_type(self, sql_type: &str) -> Option<Self> {
        match (self, sql_type) {
            (Self::Int4(_), "integer") | (Self::Int8(_), "bigint") | (Self::Uuid(_), "uuid") => {
                Some(self)
            }
            (Self::Int4(id), "bigint") => Some(Self::Int8(id.into())),
            _ => None,
        }
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int4(id) => id.fmt(f),
            Self::Int8(id) => id.fmt(f),
            Self::Uuid(id) => id.fmt(f),
        }
    }
}

impl Serialize for UserId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Int4(id) => serializer.serialize_i32(*id),
            Self::Int8(id) => serializer.serialize_i64(*id),
            Self::Uuid(id) => serializer.collect_str(id),
        }
    }
}

/// A name that can be looked up: not empty, no NUL (which Postgres' text cannot hold), and no longer than any
/// user name column of Django's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Username(String);

/// Why a text cannot be a user name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidUsername {
    /// Nothing there.
    #[error("a user name may not be empty")]
    Empty,
    /// Postgres stores no NUL.
    #[error("a user name may not contain a NUL character")]
    Nul,
    /// Longer than [`Username::MAX_CHARS`].
    #[error("a user name may have at most {max} characters; this one has {len}", max = Username::MAX_CHARS)]
    TooLong {
        /// Its length in characters.
        len: usize,
    },
}

impl Username {
    /// 254 characters: the longest column in use, Django's `EmailField`. (`auth_user.username` has 150, and
    /// Postgres itself refuses what its column does not hold.)
    pub const MAX_CHARS: usize = 254;

    /// Checks `name`.
    ///
    /// # Errors
    /// Says which of the three rules it breaks.
    pub fn new(name: impl Into<String>) -> Result<Self, InvalidUsername> {
        let name = name.into();
        let len = name.chars().count();
        if name.is_empty() {
            Err(InvalidUsername::Empty)
        } else if name.contains('\0') {
            Err(InvalidUsername::Nul)
        } else if len > Self::MAX_CHARS {
            Err(InvalidUsername::TooLong { len })
        } else {
            Ok(Self(name))
        }
    }

    /// The name as the database has it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A user. Columns that a site's own user table lacks read as empty, false or never.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct User {
    /// Primary key.
    pub id: UserId,
    /// What the person logs in with. Outside text: pass it through [`crate::text`] before a terminal sees it.
    pub username: String,
    /// E-mail address, or empty.
    pub email: String,
    /// First and last name joined, or empty.
    pub full_name: String,
    /// `false` refuses every request of this user, whatever the key.
    pub is_active: bool,
    /// May enter Django's admin.
    pub is_staff: bool,
    /// Has every permission.
    pub is_superuser: bool,
    /// Last login with a password; a token's use does not count (Django, `update_last_login`).
    pub last_login: Option<Moment>,
    /// When the account was made.
    pub date_joined: Option<Moment>,
}

/// A user and the token he has, if any: one row of the Users screen. It holds no key, only what
/// [`CoveredKey`] tells of it, so a list can be kept, drawn and exported without a secret in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRow {
    /// The user.
    pub user: User,
    /// His token.
    pub token: Option<TokenInfo>,
}

/// A stored token without its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenInfo {
    /// What may be shown of the key.
    pub key: CoveredKey,
    /// When it was made.
    pub created: Moment,
    /// When it was used last, where that is known.
    pub last_use: LastUse,
    /// From when on a listener that watches has seen no use of it: its last use, its making, or since when the listener
    /// watches, whichever is latest. `None` where none watches.
    pub unused_since: Option<Moment>,
}

/// The one word that a row's STATE column shows, the most telling first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UserState {
    /// The user is off: his key answers nobody.
    Off,
    /// There is no token.
    None,
    /// A live key with every permission.
    Super,
    /// A live key that is old, or that nobody has used for long ([`TokenInfo::is_stale`]).
    Stale,
    /// A live key.
    Ok,
}

impl UserState {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Off => "OFF",
            Self::None => "none",
            Self::Super => "SUPER",
            Self::Stale => "STALE",
            Self::Ok => "ok",
        }
    }
}

impl UserRow {
    /// The row's place in a sort order.
    #[must_use]
    pub fn cursor(&self, sort: Sort) -> Cursor {
        let value = match sort.key {
            SortKey::User => CursorValue::Name(self.user.username.clone()),
            SortKey::Created => CursorValue::Time(self.token.as_ref().map(|token| token.created)),
            SortKey::LastUse => {
                let token = self.token.as_ref();
                CursorValue::Time(token.and_then(|token| token.last_use.at()))
            }
            SortKey::Login => CursorValue::Time(self.user.last_login),
            SortKey::Id => CursorValue::Id,
        };
        Cursor {
            value,
            id: self.user.id,
        }
    }

    /// The row's state.
    #[must_use]
    pub fn state(&self, now: Moment) -> UserState {
        match &self.token {
            _ if !self.user.is_active => UserState::Off,
            None => UserState::None,
            Some(_) if self.user.is_superuser => UserState::Super,
            Some(token) if token.is_stale(now) => UserState::Stale,
            Some(_) => UserState::Ok,
        }
    }
}

impl TokenInfo {
    /// Whether it was made, or as far as is known used last, so long ago that it should be looked at: what the filter
    /// `is:stale` finds of the tokens of ordinary active users.
    #[must_use]
    pub fn is_stale(&self, now: Moment) -> bool {
        let long_unused = now.minus_days(Test::STALE_UNUSED_DAYS);
        self.created < now.minus_days(Test::STALE_DAYS)
            || self.unused_since.is_some_and(|since| since < long_unused)
    }
}

/// A user to be made.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// His name.
    pub username: Username,
    /// E-mail address, or empty.
    pub email: String,
    /// May enter Django's admin.
    pub is_staff: bool,
    /// Has every permission.
    pub is_superuser: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::secret::Secret;

    #[test]
    fn stale_is_what_is_old_or_long_unused_since_that_is_known() {
        let now = Moment::from_unix_micros(0).plus_hours(10_000 * 24);
        let ago = |days| now.minus_days(days);
        for (made, unused, stale) in [
            (100, None, false),
            (364, None, false),
            (366, None, true),
            (366, Some(1), true),
            (200, Some(89), false),
            (200, Some(91), true),
        ] {
            let token = TokenInfo {
                key: CoveredKey::of(&Secret::from("x")),
                created: ago(made),
                last_use: LastUse::Unknown,
                unused_since: unused.map(ago),
            };
            assert_eq!(token.is_stale(now), stale, "{token:?}");
        }
    }

    #[test]
    fn names_that_no_database_can_hold_are_refused_in_words() {
        assert_eq!(Username::new(""), Err(InvalidUsername::Empty));
        assert_eq!(Username::new("a\0b"), Err(InvalidUsername::Nul));
        assert_eq!(
            Username::new("é".repeat(255)),
            Err(InvalidUsername::TooLong { len: 255 })
        );
        assert!(Username::new("é".repeat(254)).is_ok());
        assert!(
            Username::new(" a ").is_ok(),
            "spaces are the site's business"
        );
    }

    #[test]
    fn ids_are_read_as_they_are_shown() {
        let uuid = Uuid::from_u128(7);
        for (id, sql_type) in [
            (UserId::Int4(-3), "integer"),
            (UserId::Int8(3), "bigint"),
            (UserId::Int8(i64::MAX), "bigint"),
            (UserId::Uuid(uuid), "uuid"),
        ] {
            let read = UserId::parse(&id.to_string()).unwrap();
            assert_eq!(read.of_type(sql_type), Some(id));
        }
        assert_eq!(UserId::parse("x"), None);
        assert_eq!(UserId::Uuid(uuid).of_type("integer"), None);
    }

    #[test]
    fn ids_keep_their_json_type() {
        assert_eq!(serde_json::to_string(&UserId::Int4(17)).unwrap(), "17");
        let uuid = Uuid::from_u128(0x1234);
        assert_eq!(
            serde_json::to_string(&UserId::Uuid(uuid)).unwrap(),
            format!("\"{uuid}\"")
        );
    }
}
