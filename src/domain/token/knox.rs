//! Keys of django-rest-knox, which the database knows only by their digest (`knox.crypto`, `knox.models`). A key is
//! seen twice: when it is made, and when somebody presents it.

use std::fmt;
use std::hash::{Hash, Hasher};

use sha2::{Digest, Sha512};
use subtle::ConstantTimeEq;

use super::{KeyStart, NoRandomness, hex, random_bytes};
use crate::domain::secret::Secret;

/// The key of a knox token. Any text can be one.
#[derive(Clone)]
pub struct KnoxKey(Secret<String>);

impl KnoxKey {
    /// How many characters of a key the database keeps in clear to find its row by (`CONSTANTS.TOKEN_KEY_LENGTH`).
    pub const TOKEN_KEY_CHARS: usize = 15;

    /// What somebody presented.
    #[must_use]
    pub const fn new(key: Secret<String>) -> Self {
        Self(key)
    }

    /// Makes a key: `prefix` (`TOKEN_PREFIX`, empty by default) and 64 lower-case hex digits of 32 random bytes, as
    /// `knox.models.get_digest_token` does.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub fn make(prefix: &str) -> Result<Self, NoRandomness> {
        let random = Secret::new(random_bytes(32)?);
        let digits = Secret::new(hex(random.expose()));
        Ok(Self(Secret::new([prefix, digits.expose()].concat())))
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

    /// The first characters, for the audit.
    #[must_use]
    pub fn start(&self) -> KeyStart {
        KeyStart::of_key(self.expose())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn presented(text: &str) -> KnoxKey {
        KnoxKey::new(Secret::from(text))
    }

    #[test]
    fn a_new_key_has_64_hex_digits_after_its_prefix() {
        let keys = ["", "pre_"].map(|prefix| KnoxKey::make(prefix).unwrap());
        for (key, prefix) in keys.iter().zip(["", "pre_"]) {
            let digits = key.expose().strip_prefix(prefix).unwrap();
            assert_eq!(digits.len(), 64);
            assert!(
                digits
                    .bytes()
                    .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
            );
        }
        assert_ne!(keys[0].token_key(), &keys[1].expose()[4..19]);
    }

    #[test]
    fn the_row_is_found_by_fifteen_characters_whatever_they_weigh() {
        assert_eq!(presented("tiny").token_key(), "tiny");
        assert_eq!(presented("123456789012345").token_key(), "123456789012345");
        assert_eq!(presented("1234567890123456").token_key(), "123456789012345");
        let wide = "密".repeat(16);
        assert_eq!(presented(&wide).token_key(), "密".repeat(15));
    }

    #[test]
    fn a_digest_is_sha_512_of_the_text() {
        // Python: hashlib.sha512(b"tiny").hexdigest()
        let written = "3f78b24ef73cc8180982787d6db8ade488fa91dbbab294e4fd747a5e0d05c770\
                       263589ae093a8c54e71ed13f84f583c37ad9fe232047f20c9e0780fbfcb99056";
        let digest = presented("tiny").digest();
        assert_eq!(digest.to_string(), written);
        assert_eq!(KnoxDigest::parse(written), Some(digest));
        assert_ne!(presented("tiny ").digest(), digest);
    }

    #[test]
    fn what_no_column_of_knox_holds_is_no_digest() {
        let good = presented("tiny").digest().to_string();
        for bad in [
            "",
            &good[1..],
            &good.to_uppercase(),
            &good.replacen('3', "g", 1),
            &format!("{good}0"),
        ] {
            assert_eq!(KnoxDigest::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn debug_shows_neither_key_nor_whole_digest() {
        let key = presented("0123456789abcdef");
        assert_eq!(format!("{key:?}"), "KnoxKey(…)");
        assert_eq!(
            format!("{:?}", presented("tiny").digest()),
            "KnoxDigest(3f78b24e)"
        );
    }
}
