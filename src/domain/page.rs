//! The vocabulary of keyset paging: a page is asked for by where it starts in the sort order, never by a row
//! number, so that rows which come and go move nobody's place and the millionth page costs what the first does.

use super::moment::Moment;
use super::user::UserId;

/// What users can be sorted by. By name and by id an index of Django's is walked; the times have none there, so each
/// page sorted by one reads the whole table (about a second for a million users, and several by the last use, which
/// stands in a table of ours).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SortKey {
    /// The user's name, in the database's collation.
    #[default]
    User,
    /// When the token was made; users without one count as earliest.
    Created,
    /// The last use of the token; a token that was never used, and users without one, count as earliest.
    LastUse,
    /// The last login; users who never did count as earliest.
    Login,
    /// The primary key.
    Id,
}

/// Which end of the order comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Smallest first.
    #[default]
    Ascending,
    /// Largest first.
    Descending,
}

impl Direction {
    /// The other one.
    #[must_use]
    pub const fn reversed(self) -> Self {
        match self {
            Self::Ascending => Self::Descending,
            Self::Descending => Self::Ascending,
        }
    }
}

/// A sort order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Sort {
    /// By what.
    pub key: SortKey,
    /// Which way.
    pub direction: Direction,
}

/// The place of one row in a sort order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The row's value of the sort column; `None` for a missing time, and when sorted by id.
    pub value: CursorValue,
    /// Its id, which makes the place unique.
    pub id: UserId,
}

/// The value of the sort column at a [`Cursor`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CursorValue {
    /// Sorted by name.
    Name(String),
    /// Sorted by a time; `None` sorts before every time.
    Time(Option<Moment>),
    /// Sorted by the id alone.
    Id,
}

/// Where a page starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// At the first row.
    #[default]
    First,
    /// So that it ends with the last row.
    Last,
    /// With the row after this place.
    After(Cursor),
    /// So that it ends with the row before this place.
    Before(Cursor),
}

/// A page of rows in sort order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Whether rows are known to lie before the first.
    pub more_before: bool,
    /// Whether rows are known to lie after the last.
    pub more_after: bool,
}
