//! Keys of django-rest-knox, which the database knows only by their digest (`knox.crypto`, `knox.models`). A key is
//! seen twice: when it is made, and when somebody presents it.

use std::fmt;
use std::hash::{Hash, Hasher};

use sha2::{Digest, Sha512};
use subtle::ConstantTimeEq;

use super::hex;
use crate::domain::secret::Secret;

/// The key of a knox token. Any text can be one.
#[derive(Clone)]
pub struct KnoxKey(Secret<String>);

impl KnoxKey {
    /// How many characters of a key the database keeps in clear to find its row by (`CONSTANTS.TOKEN_KEY_LENGTH`).
    const TOKEN_KEY_CHARS: usize = 15;

    /// What somebody presented.
    #[must_use]
    pub const fn new(key: Secret<String>) -> Self {
        Self(key)
    }

    /// The key itself.
    #[must_use]
    pub const fn expose(&self) -> &String {
        self.0.expose()
    }

    /// The first 15 characters, by which the database finds the row. Fewer where the key has fewer.
    #[must_use]
    pub fn token_key(&self) -> &str {
        let key = self.expose();
        let end = key.char_indices().nth(Self::TOKEN_KEY_CHARS);
        end.map_or(key, |(end, _)| &key[..end])
    }

    /// SHA-512 of its UTF-8 text (`knox.crypto.hash_token`).
    #[must_use]
    pub fn digest(&self) -> KnoxDigest {
        KnoxDigest(Sha512::digest(self.expose().as_bytes()).into())
    }
}

impl fmt::Debug for KnoxKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KnoxKey(…)")
    }
}

/// What the database keeps of a knox key. No secret: it cannot be presented, and nobody finds the key of 256 random
/// bits from it.
///
/// Two are equal in constant time: knox itself compares so, and whoever measures how long a refusal takes learns
/// nothing of what is stored.
#[derive(Clone, Copy)]
pub struct KnoxDigest([u8; 64]);

impl KnoxDigest {
    /// From 128 lower-case hex digits, as the column has them. `None` for anything else, which is the digest of no key.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        const fn value(digit: u8) -> Option<u8> {
            match digit {
                b'0'..=b'9' => Some(digit - b'0'),
                b'a'..=b'f' => Some(digit - b'a' + 10),
                _ => None,
            }
        }
        let digits: &[u8; 128] = text.as_bytes().try_into().ok()?;
        let mut bytes = [0; 64];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = value(pair[0])? << 4 | value(pair[1])?;
        }
        Some(Self(bytes))
    }
}

impl PartialEq for KnoxDigest {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for KnoxDigest {}

impl Hash for KnoxDigest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

/// 128 lower-case hex digits.
impl fmt::Display for KnoxDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for KnoxDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KnoxDigest({})", hex(&self.0[..4]))
    }
}
