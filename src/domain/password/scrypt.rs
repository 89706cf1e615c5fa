//! `scrypt$N$SALT$R$P$HASH`: Django's `ScryptPasswordHasher`.
//!
//! Limits: 256 MiB of memory (`128 * N * r`; Django's own parameters take 16 MiB, and what takes more than 32 MiB it
//! cannot check itself unless the site raises `maxmem`), and for `N * r * p` twelve times that of Django 5.2: about
//! three seconds of one core.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use scrypt::Params;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::encoded::{Unreadable, number};
use crate::domain::secret::Secret;

/// Bytes of a hash: Django's `dklen`.
const SIZE: usize = 64;
const MAX_MEMORY: u64 = 256 * 1024 * 1024;
const MAX_WORK: u64 = 12 * (1 << 14) * 8 * 5;

/// A string of the hasher, read.
#[derive(Debug)]
pub(super) struct Scrypt {
    params: Params,
    salt: Secret<String>,
    hash: Secret<Vec<u8>>,
}

impl Scrypt {
    /// Reads what follows the hasher's name.
    pub(super) fn parse(rest: &str) -> Result<Self, Unreadable> {
        let parts: Vec<&str> = rest.split('$').collect();
        let [work, salt, block, lanes, hash] = parts[..] else {
            return Err(Unreadable::Malformed);
        };
        let hash = BASE64.decode(hash).map_err(|_| Unreadable::Malformed)?;
        if salt.is_empty() || hash.len() != SIZE {
            return Err(Unreadable::Malformed);
        }
        Ok(Self {
            params: params(number(work)?, number(block)?, number(lanes)?)?,
            salt: Secret::from(salt),
            hash: Secret::new(hash),
        })
    }

    pub(super) fn opens(&self, password: &str) -> bool {
        let mut derived = Zeroizing::new(vec![0; SIZE]);
        let (password, salt) = (password.as_bytes(), self.salt.expose().as_bytes());
        let hashed = scrypt::scrypt(password, salt, &self.params, &mut derived);
        hashed.is_ok() && bool::from(derived.ct_eq(self.hash.expose()))
    }
}

/// N must be a power of two, above 1 and below 2^(16 r) (RFC 7914, 6, and OpenSSL, which Python asks).
fn params(work: u32, block: u32, lanes: u32) -> Result<Params, Unreadable> {
    let log = work.checked_ilog2().ok_or(Unreadable::Malformed)?;
    if log == 0 || !work.is_power_of_two() || block == 0 || lanes == 0 {
        return Err(Unreadable::Malformed);
    }
    if u64::from(log) >= 16 * u64::from(block) {
        return Err(Unreadable::Malformed);
    }
    let (n, r, p) = (u64::from(work), u64::from(block), u64::from(lanes));
    // The columns, and a row of each lane.
    let memory = (n * r).max(r * p).saturating_mul(128);
    if memory > MAX_MEMORY || (n * r).saturating_mul(p) > MAX_WORK {
        return Err(Unreadable::TooCostly);
    }
    let log = u8::try_from(log).map_err(|_| Unreadable::Malformed)?;
    Params::new(log, block, lanes).map_err(|_| Unreadable::Malformed)
}
