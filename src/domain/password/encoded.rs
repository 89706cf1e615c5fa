//! A stored password, told apart by its first word and read by the module of its hasher. Whoever has an
//! [`Encoded`] can check a password against it at a bounded cost.

use thiserror::Error;

use super::argon2::Argon2;
use super::bcrypt::{Bcrypt, Reads};
use super::pbkdf2::{Digest, Pbkdf2};
use super::scrypt::Scrypt;
use super::{Match, Preferred};
use crate::domain::secret::Secret;

/// Longest stored string that is read, in bytes. Django's column holds 128 characters; a site may have widened it.
const MAX_ENCODED: usize = 1024;

/// Why no password can be checked against a stored string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unreadable {
    /// It begins with `!`: Django's `set_unusable_password`.
    #[error("it is marked as unusable")]
    Unusable,
    /// No hasher of Django's default list wrote it (`identify_hasher` raises).
    #[error("it is of no known format")]
    Unknown,
    /// Its hasher is known, but it is not of the shape that this hasher writes.
    #[error("it is malformed")]
    Malformed,
    /// A check would take more time or memory than a login is worth.
    #[error("its cost is above the limits of tokenward")]
    TooCostly,
}

/// A stored password that was read and whose cost is within the limits. `Debug` hides it.
#[derive(Debug)]
pub struct Encoded(By);

/// Who wrote it.
#[derive(Debug)]
enum By {
    Pbkdf2(Pbkdf2),
    Argon2(Argon2),
    Bcrypt(Bcrypt),
    Scrypt(Scrypt),
}

impl Encoded {
    /// Reads a stored password (Django, `identify_hasher` and each hasher's `decode`).
    ///
    /// # Errors
    /// When no password can be checked against it.
    pub fn parse(encoded: &Secret<String>) -> Result<Self, Unreadable> {
        let text = encoded.expose().as_str();
        if text.starts_with('!') {
            return Err(Unreadable::Unusable);
        }
        let (hasher, rest) = text.split_once('$').ok_or(Unreadable::Unknown)?;
        let known = matches!(
            hasher,
            "pbkdf2_sha256" | "pbkdf2_sha1" | "argon2" | "bcrypt_sha256" | "bcrypt" | "scrypt"
        );
        if known && text.len() > MAX_ENCODED {
            return Err(Unreadable::TooCostly);
        }
        let by = match hasher {
            "pbkdf2_sha256" => By::Pbkdf2(Pbkdf2::parse(Digest::Sha256, rest)?),
            "pbkdf2_sha1" => By::Pbkdf2(Pbkdf2::parse(Digest::Sha1, rest)?),
            "argon2" => By::Argon2(Argon2::parse(rest)?),
            "bcrypt_sha256" => By::Bcrypt(Bcrypt::parse(Reads::HexOfSha256, rest)?),
            "bcrypt" => By::Bcrypt(Bcrypt::parse(Reads::First72Bytes, rest)?),
            "scrypt" => By::Scrypt(Scrypt::parse(rest)?),
            _ => return Err(Unreadable::Unknown),
        };
        Ok(Self(by))
    }

    /// Nobody's password, of the form and cost that the preferred hasher gives to a new one.
    #[must_use]
    pub fn typical(preferred: Preferred) -> Self {
        Self(match preferred {
            Preferred::Pbkdf2Sha256 => By::Pbkdf2(Pbkdf2::nobodys()),
            Preferred::BcryptSha256 => By::Bcrypt(Bcrypt::nobodys()),
        })
    }

    /// Checks `password`, as [`super::check`] does.
    #[must_use]
    pub fn check(&self, password: &Secret<String>, preferred: Preferred) -> Match {
        if !self.opens(password.expose()) {
            self.harden(password.expose(), preferred);
            return Match::Wrong;
        }
        if self.is_old(preferred) {
            Match::RightButOld
        } else {
            Match::Right
        }
    }

    fn opens(&self, password: &str) -> bool {
        match &self.0 {
            By::Pbkdf2(stored) => stored.opens(password),
            By::Argon2(stored) => stored.opens(password),
            By::Bcrypt(stored) => stored.opens(password),
            By::Scrypt(stored) => stored.opens(password),
        }
    }

    /// Django's `must_update`, and that a string of any hasher but the preferred one is old.
    fn is_old(&self, preferred: Preferred) -> bool {
        match (preferred, &self.0) {
            (Preferred::Pbkdf2Sha256, By::Pbkdf2(stored)) => stored.is_old(),
            (Preferred::BcryptSha256, By::Bcrypt(stored)) => stored.is_old(),
            (Preferred::Pbkdf2Sha256, By::Argon2(_) | By::Bcrypt(_) | By::Scrypt(_))
            | (Preferred::BcryptSha256, By::Pbkdf2(_) | By::Argon2(_) | By::Scrypt(_)) => true,
        }
    }

    /// Django's `harden_runtime`: only where the preferred hasher itself wrote the string.
    fn harden(&self, password: &str, preferred: Preferred) {
        match (preferred, &self.0) {
            (Preferred::Pbkdf2Sha256, By::Pbkdf2(stored)) => stored.harden(password),
            (Preferred::BcryptSha256, By::Bcrypt(stored)) => stored.harden(password),
            (Preferred::Pbkdf2Sha256, By::Argon2(_) | By::Bcrypt(_) | By::Scrypt(_))
            | (Preferred::BcryptSha256, By::Pbkdf2(_) | By::Argon2(_) | By::Scrypt(_)) => {}
        }
    }
}

/// A number as Python's `%d` prints it: no sign, no leading zero. Django compares the whole string with one that it
/// writes anew, so another spelling of the number opens nothing there either. What does not fit is too costly.
pub(super) fn number(text: &str) -> Result<u32, Unreadable> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || (text.starts_with('0') && text != "0") {
        return Err(Unreadable::Malformed);
    }
    text.parse().map_err(|_| Unreadable::TooCostly)
}
