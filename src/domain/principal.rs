//! Who stands behind a request: what a caller presents, the account it belongs to, and why he is refused. The
//! listener reads a key from a header, `ops` finds the principal, and the answer is worded from it.

use std::sync::Arc;

use compact_str::CompactString;
use thiserror::Error;

use super::moment::Moment;
use super::token::{DrfKey, KnoxDigest, KnoxKey};
use super::user::UserId;

/// What a caller shows.
#[derive(Clone, Debug)]
pub enum Presented {
    /// A key to be looked up among REST framework's tokens.
    Drf(DrfKey),
    /// A key to be looked up among knox's.
    Knox(KnoxKey),
}

/// What is told of a user to those who act for him. Short texts stand in it without memory of their own: it is made at
/// every request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Primary key.
    pub id: UserId,
    /// What the person logs in with. Outside text.
    pub username: CompactString,
    /// E-mail address, or empty.
    pub email: CompactString,
    /// First and last name joined and trimmed (Django, `AbstractUser.get_full_name`), or empty.
    pub full_name: CompactString,
    /// `false` refuses every request of this user.
    pub is_active: bool,
    /// The names of his groups, sorted (`django.contrib.auth`); none on a site with another user model.
    pub groups: Vec<String>,
}

impl Account {
    /// A first and a last name as one (`AbstractUser.get_full_name`).
    #[must_use]
    pub fn full_name(first: &str, last: &str) -> CompactString {
        match (first, last) {
            // What most have, without memory for the joined text.
            (name, "") | ("", name) => name.trim().into(),
            (first, last) => [first, last].join(" ").trim().into(),
        }
    }
}

/// Who stands behind a key that is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Whose key it is. Shared: a thousand requests a second may carry it.
    pub account: Arc<Account>,
    /// Which token he holds.
    pub token: Holds,
    /// When the token was made.
    pub created: Moment,
    /// When it ends; `None` for never.
    pub expiry: Option<Moment>,
}

impl Principal {
    /// Until when the key is still taken, if it is one that was replaced: REST framework's own never end.
    #[must_use]
    pub const fn grace(&self) -> Option<Moment> {
        match self.token {
            Holds::Drf => self.expiry,
            Holds::Knox(_) => None,
        }
    }
}

/// The token that a principal holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holds {
    /// REST framework's, of which a user has one.
    Drf,
    /// One of knox's: this one.
    Knox(KnoxDigest),
}

/// Why a caller is refused, in the words of REST framework.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum Denied {
    /// There is no such key, or it has expired (`rest_framework.authentication.TokenAuthentication`).
    #[error("Invalid token.")]
    InvalidToken,
    /// The key is right, and its owner is off.
    #[error("User inactive or deleted.")]
    Inactive,
    /// No such user, not his password, or he may not log in: which of them is not told
    /// (`rest_framework.authtoken.serializers.AuthTokenSerializer`).
    #[error("Unable to log in with provided credentials.")]
    Credentials,
}
