//! `bcrypt_sha256$$2b$12$SALT HASH` and `bcrypt$$2b$…`: Django's `BCryptSHA256PasswordHasher` and
//! `BCryptPasswordHasher`, the first over the hex SHA-256 of the password, the second over its first 72 bytes.
//!
//! The versions `2a`, `2b`, `2x` and `2y` are computed alike, as Python's `bcrypt` does. Limit: 2^16 rounds, 16 times
//! Django's own: about four seconds of one core.

use std::hint::black_box;

use bcrypt::{BcryptError, HashParts};
use sha2::{Digest, Sha256};

use super::encoded::Unreadable;
use crate::domain::secret::Secret;
use crate::domain::token::hex;

/// 2^12 rounds: `BCryptSHA256PasswordHasher.rounds` of Django 5.2.
const COST: u32 = 12;
const MAX_COST: u32 = 16;
const MIN_COST: u32 = 4;

/// What bcrypt is given of a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reads {
    /// The hex SHA-256 of all of it.
    HexOfSha256,
    /// Its bytes, of which bcrypt looks at no more than 72.
    First72Bytes,
}

/// A string of one of the two hashers, read.
#[derive(Debug)]
pub(super) struct Bcrypt {
    reads: Reads,
    cost: u32,
    salt: Secret<[u8; 16]>,
    stored: Secret<String>,
}

impl Bcrypt {
    /// Reads what follows the hasher's name.
    pub(super) fn parse(reads: Reads, rest: &str) -> Result<Self, Unreadable> {
        let parts: HashParts = rest.parse().map_err(|_| Unreadable::Malformed)?;
        // The crate would take a sign for a digit.
        if !rest.as_bytes()[4..6].iter().all(u8::is_ascii_digit) || parts.get_cost() < MIN_COST {
            return Err(Unreadable::Malformed);
        }
        if parts.get_cost() > MAX_COST {
            return Err(Unreadable::TooCostly);
        }
        Ok(Self {
            reads,
            cost: parts.get_cost(),
            salt: Secret::new(parts.get_salt_raw()),
            stored: Secret::from(rest),
        })
    }

    /// The string of `bcrypt_sha256` for `password`, with the rounds of today.
    pub(super) fn encode(
        password: &Secret<String>,
        salt: [u8; 16],
    ) -> Result<Secret<String>, BcryptError> {
        let input = Reads::HexOfSha256.of(password.expose());
        let parts = bcrypt::hash_with_salt(input.expose(), COST, salt)?;
        Ok(Secret::new(format!("bcrypt_sha256${parts}")))
    }

    /// A hash that no password is known to have.
    pub(super) fn nobodys() -> Self {
        Self {
            reads: Reads::HexOfSha256,
            cost: COST,
            salt: Secret::default(),
            stored: Secret::new(format!("$2b${COST}${}", ".".repeat(53))),
        }
    }

    /// The crate compares in constant time.
    pub(super) fn opens(&self, password: &str) -> bool {
        let input = self.reads.of(password);
        bcrypt::verify(input.expose(), self.stored.expose()).unwrap_or(false)
    }

    /// Not as `bcrypt_sha256` writes it today.
    pub(super) fn is_old(&self) -> bool {
        self.reads != Reads::HexOfSha256 || self.cost != COST
    }

    /// Hashes again until the rounds of a password stored today are reached: 2^12 are 256 times 2^4.
    pub(super) fn harden(&self, password: &str) {
        if self.reads != Reads::HexOfSha256 || self.cost >= COST {
            return;
        }
        let input = self.reads.of(password);
        for _ in 1..1_u32 << (COST - self.cost) {
            let again = bcrypt::hash_with_salt(input.expose(), self.cost, *self.salt.expose());
            let _ = black_box(again);
        }
    }
}

impl Reads {
    fn of(self, password: &str) -> Secret<String> {
        match self {
            Self::HexOfSha256 => Secret::new(hex(&Sha256::digest(password.as_bytes()))),
            Self::First72Bytes => Secret::from(password),
        }
    }
}
