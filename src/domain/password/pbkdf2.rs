//! `pbkdf2_sha256$ITERATIONS$SALT$HASH` and `pbkdf2_sha1$…`: Django's `PBKDF2PasswordHasher` and
//! `PBKDF2SHA1PasswordHasher`.
//!
//! Limit: 10,000,000 iterations, ten times Django's own: two to four seconds of one core.

use std::hint::black_box;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha1::Sha1;
use sha2::block_api::compress256;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::SALT_CHARS;
use super::encoded::{Unreadable, number};
use crate::domain::secret::Secret;

/// `PBKDF2PasswordHasher.iterations` of Django 5.2.
const ITERATIONS: u32 = 1_000_000;
const MAX_ITERATIONS: u32 = 10 * ITERATIONS;

/// The hash function under the HMAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Digest {
    Sha256,
    Sha1,
}

/// A string of one of the two hashers, read.
#[derive(Debug)]
pub(super) struct Pbkdf2 {
    digest: Digest,
    iterations: u32,
    salt: Secret<String>,
    hash: Secret<Vec<u8>>,
}

impl Pbkdf2 {
    /// Reads what follows the hasher's name.
    pub(super) fn parse(digest: Digest, rest: &str) -> Result<Self, Unreadable> {
        let mut parts = rest.splitn(3, '$');
        let (Some(iterations), Some(salt), Some(hash)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(Unreadable::Malformed);
        };
        let iterations = number(iterations)?;
        let hash = BASE64.decode(hash).map_err(|_| Unreadable::Malformed)?;
        if iterations == 0 || salt.is_empty() || hash.len() != digest.size() {
            return Err(Unreadable::Malformed);
        }
        if iterations > MAX_ITERATIONS {
            return Err(Unreadable::TooCostly);
        }
        Ok(Self {
            digest,
            iterations,
            salt: Secret::from(salt),
            hash: Secret::new(hash),
        })
    }

    /// The string of `pbkdf2_sha256` for `password`, with the iterations of today.
    pub(super) fn encode(password: &Secret<String>, salt: String) -> Secret<String> {
        let fresh = Self {
            digest: Digest::Sha256,
            iterations: ITERATIONS,
            salt: Secret::new(salt),
            hash: Secret::default(),
        };
        let hash = fresh.derive(password.expose(), ITERATIONS);
        Secret::new(format!(
            "pbkdf2_sha256${ITERATIONS}${}${}",
            fresh.salt.expose(),
            BASE64.encode(&*hash)
        ))
    }

    /// A hash that no password is known to have.
    pub(super) fn nobodys() -> Self {
        Self {
            digest: Digest::Sha256,
            iterations: ITERATIONS,
            salt: Secret::new("0".repeat(SALT_CHARS)),
            hash: Secret::new(vec![0; 32]),
        }
    }

    pub(super) fn opens(&self, password: &str) -> bool {
        let derived = self.derive(password, self.iterations);
        derived.ct_eq(self.hash.expose()).into()
    }

    /// Not as `pbkdf2_sha256` writes it today: another hash function, other iterations (more are old too), or a
    /// salt of less than 128 bits.
    pub(super) fn is_old(&self) -> bool {
        let short = self.salt.expose().chars().count() < SALT_CHARS;
        self.digest != Digest::Sha256 || self.iterations != ITERATIONS || short
    }

    /// Runs the iterations that a password stored today would have had more.
    pub(super) fn harden(&self, password: &str) {
        let missing = ITERATIONS.saturating_sub(self.iterations);
        if self.digest == Digest::Sha256 && missing > 0 {
            black_box(self.derive(password, missing));
        }
    }

    fn derive(&self, password: &str, iterations: u32) -> Zeroizing<Vec<u8>> {
        let (password, salt) = (password.as_bytes(), self.salt.expose().as_bytes());
        let mut out = vec![0; self.digest.size()];
        match self.digest {
            Digest::Sha256 => out.copy_from_slice(&sha256(password, salt, iterations)),
            Digest::Sha1 => pbkdf2::pbkdf2_hmac::<Sha1>(password, salt, iterations, &mut out),
        }
        Zeroizing::new(out)
    }
}

impl Digest {
    /// Bytes of a hash: Django takes as many as the hash function gives.
    const fn size(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha1 => 20,
        }
    }
}

/// PBKDF2-HMAC-SHA-256 (RFC 8018, 5.2) for one block of output.
///
/// From the second iteration on every input of the HMAC is one hash long, so that it is two calls of SHA-256's
/// compression, from two states that depend on the password alone. Said like that it is a tenth faster than through
/// the `pbkdf2` crate's generic code, which gives the first iteration, and three times as fast in a build without
/// optimisation.
fn sha256(password: &[u8], salt: &[u8], iterations: u32) -> [u8; 32] {
    /// SHA-256's state before any input (FIPS 180-4, 5.3.3).
    const START: [u32; 8] = [
        0x6a09_e667,
        0xbb67_ae85,
        0x3c6e_f372,
        0xa54f_f53a,
        0x510e_527f,
        0x9b05_688c,
        0x1f83_d9ab,
        0x5be0_cd19,
    ];
    let mut key = Zeroizing::new([0; 64]);
    if password.len() > key.len() {
        key[..32].copy_from_slice(&Sha256::digest(password));
    } else {
        key[..password.len()].copy_from_slice(password);
    }
    let keyed = |pad: u8| {
        let mut state = START;
        compress256(&mut state, &[key.map(|byte| byte ^ pad)]);
        Zeroizing::new(state)
    };
    let (inner, outer) = (keyed(0x36), keyed(0x5c));

    let first = pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(password, salt, 1);
    // A message of one block and one hash, padded to its end as SHA-256 asks.
    let mut block = [0; 64];
    block[..32].copy_from_slice(&first);
    block[32] = 0x80;
    block[56..].copy_from_slice(&(8 * (64 + 32_u64)).to_be_bytes());
    let mut sum = [0; 8];
    for _ in 1..iterations {
        let mut state = *inner;
        compress256(&mut state, &[block]);
        put(&state, &mut block);
        state = *outer;
        compress256(&mut state, &[block]);
        put(&state, &mut block);
        for word in 0..8 {
            sum[word] ^= state[word];
        }
    }
    let mut out = [0; 64];
    put(&sum, &mut out);
    std::array::from_fn(|byte| first[byte] ^ out[byte])
}

/// Writes the state to the first half of the block.
fn put(state: &[u32; 8], block: &mut [u8; 64]) {
    for word in 0..8 {
        block[4 * word..4 * word + 4].copy_from_slice(&state[word].to_be_bytes());
    }
}
