//! Passwords in the form that Django stores them (`django.contrib.auth.hashers`).

use bcrypt::BcryptError;
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::secret::Secret;
use super::token::{KeyFormat, NoRandomness, hex};

/// bcrypt's cost: 2^12 rounds, Django's `BCryptSHA256PasswordHasher.rounds`.
const COST: u32 = 12;

/// Longest password taken, in bytes: Django's login form and REST framework set none, but nobody types more.
pub const MAX_BYTES: usize = 4096;

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
    let digest = Secret::new(hex_sha256(clear));
    Ok(Secret::new(format!(
        "bcrypt_sha256${}",
        bcrypt::hash(digest.expose(), COST)?
    )))
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

pub(crate) fn hex_sha256(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encoded_form_is_djangos() {
        let encoded = encode(&Secret::from("correct horse")).unwrap();
        let text = encoded.expose();
        assert!(text.starts_with("bcrypt_sha256$$2b$12$"), "{text}");
        assert_eq!(text.len(), "bcrypt_sha256$".len() + 60);
        let stored = text.strip_prefix("bcrypt_sha256$").unwrap();
        assert!(bcrypt::verify(hex_sha256("correct horse"), stored).unwrap());
        assert!(!bcrypt::verify(hex_sha256("correct hors"), stored).unwrap());
    }

    #[test]
    fn unusable_passwords_are_refused() {
        assert!(matches!(encode(&Secret::from("")), Err(Error::Empty)));
        assert!(matches!(encode(&Secret::from("a\0")), Err(Error::Nul)));
        assert!(matches!(
            encode(&Secret::new("a".repeat(4097))),
            Err(Error::TooLong)
        ));
    }
}
