//! `argon2$argon2id$v=19$m=102400,t=2,p=8$SALT$HASH`: Django's `Argon2PasswordHasher`, which takes what the reference
//! library's `argon2_verify` takes: argon2id, argon2i and argon2d; `v=19`, `v=16`, or no version, which means 16.
//!
//! The lanes (`p`) are computed one after the other: the threads that hash are as many as the cores already. Limits: 1
//! GiB of memory, and 2 GiB of memory times passes, ten times Django's 200 MiB: about four seconds of one core.

use argon2::{Algorithm, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::encoded::{Unreadable, number};
use crate::domain::secret::Secret;

/// In KiB, as `m` is.
const MAX_MEMORY: u32 = 1024 * 1024;
/// KiB times passes.
const MAX_WORK: u64 = 2 * 1024 * 1024;

/// A string of the hasher, read.
#[derive(Debug)]
pub(super) struct Argon2 {
    algorithm: Algorithm,
    version: Version,
    params: Params,
    salt: Secret<Vec<u8>>,
    hash: Secret<Vec<u8>>,
}

impl Argon2 {
    /// Reads what follows the hasher's name (the reference library's `decode_string`).
    pub(super) fn parse(rest: &str) -> Result<Self, Unreadable> {
        let parts: Vec<&str> = rest.split('$').collect();
        let (algorithm, version, costs, salt, hash) = match parts[..] {
            [algorithm, version, costs, salt, hash] => (algorithm, version, costs, salt, hash),
            [algorithm, costs, salt, hash] => (algorithm, "v=16", costs, salt, hash),
            _ => return Err(Unreadable::Malformed),
        };
        let algorithm = match algorithm {
            "argon2id" => Algorithm::Argon2id,
            "argon2i" => Algorithm::Argon2i,
            "argon2d" => Algorithm::Argon2d,
            _ => return Err(Unreadable::Malformed),
        };
        let version = match version {
            "v=16" => Version::V0x10,
            "v=19" => Version::V0x13,
            _ => return Err(Unreadable::Malformed),
        };
        let decode = |text: &str| BASE64.decode(text).map_err(|_| Unreadable::Malformed);
        let (salt, hash) = (decode(salt)?, decode(hash)?);
        // The library of this crate asks for the salt's length only when it hashes.
        if salt.len() < argon2::MIN_SALT_LEN {
            return Err(Unreadable::Malformed);
        }
        Ok(Self {
            algorithm,
            version,
            params: params(costs, hash.len())?,
            salt: Secret::new(salt),
            hash: Secret::new(hash),
        })
    }

    pub(super) fn opens(&self, password: &str) -> bool {
        let argon2 = argon2::Argon2::new(self.algorithm, self.version, self.params.clone());
        let mut derived = Zeroizing::new(vec![0; self.hash.expose().len()]);
        let (password, salt) = (password.as_bytes(), self.salt.expose());
        let hashed = argon2.hash_password_into(password, salt, &mut derived);
        hashed.is_ok() && bool::from(derived.ct_eq(self.hash.expose()))
    }
}

/// Reads `m=102400,t=2,p=8`.
fn params(costs: &str, hash_len: usize) -> Result<Params, Unreadable> {
    let costs: Vec<&str> = costs.split(',').collect();
    let [memory, passes, lanes] = costs[..] else {
        return Err(Unreadable::Malformed);
    };
    let cost = |text: &str, name: &str| {
        let value = text.strip_prefix(name).ok_or(Unreadable::Malformed)?;
        number(value)
    };
    let (memory, passes, lanes) = (cost(memory, "m=")?, cost(passes, "t=")?, cost(lanes, "p=")?);
    if memory > MAX_MEMORY || u64::from(memory) * u64::from(passes) > MAX_WORK {
        return Err(Unreadable::TooCostly);
    }
    Params::new(memory, passes, lanes, Some(hash_len)).map_err(|_| Unreadable::Malformed)
}
