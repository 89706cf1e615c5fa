//! Passwords in the form that Django stores them (`django.contrib.auth.hashers`, Django 5.2): checked, whatever
//! hasher of Django's default list wrote them, and written. The listener's logins come here through
//! `ops::hashing`, which owns the threads; `user create` and `user password` write only.
//!
//! A stored string comes from a database that others write to. One that is malformed is an [`Unreadable`] where
//! Django fails, and so is one whose check would take longer or more memory than the limits that each hasher's
//! module states.

mod argon2;
mod bcrypt;
mod encoded;
mod pbkdf2;
mod scrypt;
#[cfg(test)]
mod tests;

use ::bcrypt::BcryptError;
use thiserror::Error;

use super::secret::Secret;
use super::token::{KeyFormat, NoRandomness, random_bytes};

use self::bcrypt::Bcrypt;
use self::pbkdf2::Pbkdf2;
pub use encoded::{Encoded, Unreadable};

/// Longest password that is set here, in bytes: Django's login form and REST framework set no limit, but nobody
/// types more. Checking a password has no such limit, as Django has none.
pub const MAX_BYTES: usize = 4096;

/// Characters of a salt: Django's `BasePasswordHasher.salt` takes as many letters and digits as 128 bits need.
const SALT_CHARS: usize = 22;

/// The hasher that stands first in the site's `PASSWORD_HASHERS`: what a right password is written anew with when
/// another one wrote it, or the same one with other parameters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preferred {
    /// Django's default: `PBKDF2PasswordHasher`, 1,000,000 iterations.
    #[default]
    Pbkdf2Sha256,
    /// `BCryptSHA256PasswordHasher`, 2^12 rounds.
    BcryptSha256,
}

/// What comparing a password with a stored one gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// It is another password.
    Wrong,
    /// It is the password.
    Right,
    /// It is the password, and Django would write it anew now: with [`encode_as`].
    RightButOld,
}

/// Why a password cannot be stored.
#[derive(Debug, Error)]
pub enum Error {
    /// Nothing was given.
    #[error("the password may not be empty")]
    Empty,
    /// Longer than [`MAX_BYTES`].
    #[error("the password may have at most {MAX_BYTES} bytes")]
    TooLong,
    /// A login through a form or JSON cannot carry NUL (REST framework refuses it), so nobody could use it.
    #[error("the password may not contain a NUL character")]
    Nul,
    /// The system gave no random bytes.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// The hash could not be computed.
    #[error("hashing the password failed: {0}")]
    Hash(#[from] BcryptError),
}

/// Checks `password` as Django's `verify_password` does, the work that it adds for a wrong one included: where the
/// preferred hasher wrote `encoded` at a lower cost than today's, a wrong password costs as much as today's. Takes
/// a third of a second of one core: call it where waiting is allowed.
///
/// # Errors
/// When `encoded` is nothing that can be checked; no work was done then.
pub fn check(
    password: &Secret<String>,
    encoded: &Secret<String>,
    preferred: Preferred,
) -> Result<Match, Unreadable> {
    let encoded = Encoded::parse(encoded)?;
    Ok(encoded.check(password, preferred))
}

/// Encodes `password` as Django's `BCryptSHA256PasswordHasher` does: `bcrypt_sha256$` and the bcrypt string of
/// the hex SHA-256 of the password, so that no more than bcrypt's 72 bytes ever reach it. Takes a quarter of a
/// second of one core: call it where waiting is allowed.
///
/// # Errors
/// When the password is empty, too long, holds a NUL, or the system has no randomness for the salt.
pub fn encode(password: &Secret<String>) -> Result<Secret<String>, Error> {
    let clear = password.expose();
    if clear.is_empty() {
        return Err(Error::Empty);
    }
    if clear.len() > MAX_BYTES {
        return Err(Error::TooLong);
    }
    if clear.contains('\0') {
        return Err(Error::Nul);
    }
    encode_as(Preferred::BcryptSha256, password)
}

/// Encodes a password that a login showed to be right, as Django's `make_password` does with the site's first
/// hasher. It is not judged: what opens the account must go on to open it. Takes a third of a second of one core.
///
/// # Errors
/// When the system has no randomness for the salt.
pub fn encode_as(preferred: Preferred, password: &Secret<String>) -> Result<Secret<String>, Error> {
    match preferred {
        Preferred::Pbkdf2Sha256 => Ok(Pbkdf2::encode(password, salt()?)),
        Preferred::BcryptSha256 => {
            let mut salt = [0; 16];
            salt.copy_from_slice(&random_bytes(16)?);
            Ok(Bcrypt::encode(password, salt)?)
        }
    }
}

/// A password that no login can have: `!` and 40 random characters, as Django's `make_password(None)`. The
/// characters make it differ from any other, so that links for resetting a password stay valid for one only.
///
/// # Errors
/// When the system gives no random bytes.
pub fn unusable() -> Result<Secret<String>, NoRandomness> {
    let random = KeyFormat::Drf.make()?;
    Ok(Secret::new(format!("!{}", random.expose())))
}

/// Letters and digits (`django.utils.crypto.RANDOM_STRING_CHARS`), each as likely as any other: random bytes that
/// are none are thrown away.
fn salt() -> Result<String, NoRandomness> {
    let mut salt = String::with_capacity(SALT_CHARS);
    while salt.len() < SALT_CHARS {
        let random = random_bytes(8 * SALT_CHARS)?;
        let fit = random.into_iter().filter(u8::is_ascii_alphanumeric);
        salt.extend(fit.map(char::from).take(SALT_CHARS - salt.len()));
    }
    Ok(salt)
}
