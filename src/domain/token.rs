//! Token keys: how they are made, recognised, covered and compared. The shapes are those of REST framework
//! (`rest_framework.authtoken.models.Token`), of django-rest-knox, and our own checksummed one.

use std::fmt;

use rand::{TryRng, rngs::SysRng};
use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};
use thiserror::Error;

mod knox;

pub use knox::{KnoxDigest, KnoxKey};

use super::moment::Moment;
use super::secret::Secret;
use super::user::UserId;

/// The key of a token of REST framework, which stores it in clear. Any text can be one: sites make keys by
/// hand, so nothing is assumed of its shape.
pub type DrfKey = Secret<String>;

/// How new keys look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyFormat {
    /// 40 lower-case hex digits of 20 random bytes: `Token.generate_key()` of REST framework.
    #[default]
    Drf,
    /// `twd_`, 30 random characters and 6 of a CRC-32, all base62: a secret scanner can tell it from any other
    /// text without asking us. 40 characters too, since Django's column holds no more.
    Checksum,
}

/// The operating system gave no random bytes; no key is made without them.
#[derive(Debug, Error)]
#[error("the operating system gave no random bytes: {0}")]
pub struct NoRandomness(String);

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const CHECKSUM_PREFIX: &str = "twd_";

impl KeyFormat {
    /// Makes one key.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub fn make(self) -> Result<DrfKey, NoRandomness> {
        let mut keys = self.make_many(1)?;
        keys.pop()
            .map(Secret::new)
            .ok_or_else(|| NoRandomness("an empty answer".to_owned()))
    }

    /// Makes `count` keys from one reading of the system's randomness: asked for a key at a time, a backfill
    /// of a million would make a million system calls.
    ///
    /// The keys are bare strings since they go to the database in one array; the caller keeps them no longer.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub fn make_many(self, count: usize) -> Result<Vec<String>, NoRandomness> {
        match self {
            Self::Drf => {
                let bytes = random_bytes(count * 20)?;
                Ok(bytes.chunks_exact(20).map(hex).collect())
            }
            Self::Checksum => {
                // Of 256 byte values, 248 map evenly onto 62 digits; the rest are thrown away.
                let mut digits = Vec::with_capacity(count * 30);
                while digits.len() < count * 30 {
                    let fresh = random_bytes(count * 32)?;
                    let even = fresh.iter().filter(|byte| **byte < 248);
                    digits.extend(even.map(|byte| BASE62[usize::from(byte % 62)]));
                }
                Ok(digits
                    .chunks_exact(30)
                    .take(count)
                    .map(with_checksum)
                    .collect())
            }
        }
    }
}

pub(super) fn random_bytes(count: usize) -> Result<Vec<u8>, NoRandomness> {
    let mut bytes = vec![0; count];
    SysRng
        .try_fill_bytes(&mut bytes)
        .map_err(|error| NoRandomness(error.to_string()))?;
    Ok(bytes)
}

pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| {
            [
                DIGITS[usize::from(byte >> 4)],
                DIGITS[usize::from(byte & 15)],
            ]
        })
        .map(char::from)
        .collect()
}

fn with_checksum(random: &[u8]) -> String {
    let mut key = CHECKSUM_PREFIX.to_owned();
    key.extend(random.iter().copied().map(char::from));
    let mut sum = crc32fast::hash(random) as usize;
    let mut tail = [0; 6];
    for digit in tail.iter_mut().rev() {
        *digit = BASE62[sum % 62];
        sum /= 62;
    }
    key.extend(tail.map(char::from));
    key
}

/// Whether `text` has the checksummed shape, and if so, whether its checksum is right.
#[must_use]
pub fn checksum_of(text: &str) -> Option<bool> {
    let rest = text.strip_prefix(CHECKSUM_PREFIX)?;
    let shaped = rest.len() == 36 && rest.bytes().all(|byte| byte.is_ascii_alphanumeric());
    shaped.then(|| with_checksum(&rest.as_bytes()[..30]) == text)
}

/// SHA-256 of a key: tells two keys apart without holding either.
///
/// Safe to keep and show for random keys, whose 160 bits nobody can search.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of a key in clear.
    #[must_use]
    pub fn of(key: &DrfKey) -> Self {
        Self(Sha256::digest(key.expose().as_bytes()).into())
    }

    /// From the 32 bytes that Postgres' `sha256()` gives.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The digest's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", hex(&self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({})", hex(&self.0[..4]))
    }
}

/// The first characters of a key, as many as may be seen: what the audit writes down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyStart(String);

impl KeyStart {
    /// Of a whole key. Of a short one, made by hand, the half: the start of a key must not be the key. The triggers of our
    /// schema do the same (`left(key, least(8, length(key) / 2))`).
    #[must_use]
    pub fn of_key(key: &str) -> Self {
        let shown = CoveredKey::SHOWN.min(key.chars().count() / 2);
        Self(key.chars().take(shown).collect())
    }

    /// Of a start that was made so before, or of a beginning that is no whole key.
    #[must_use]
    pub fn of(start: &str) -> Self {
        Self(start.chars().take(CoveredKey::SHOWN).collect())
    }

    /// At most [`CoveredKey::SHOWN`] characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What lists, dialogs, logs and the audit may know of a key: its first 8 characters and its fingerprint.
/// The fingerprint is what a change compares before it swaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoveredKey {
    start: KeyStart,
    /// Of the whole key.
    pub fingerprint: Fingerprint,
}

impl CoveredKey {
    /// How many characters of a key may be seen.
    pub const SHOWN: usize = 8;

    /// From what the database computed.
    #[must_use]
    pub fn new(prefix: &str, fingerprint: Fingerprint) -> Self {
        Self {
            start: KeyStart::of(prefix),
            fingerprint,
        }
    }

    /// Of a key in clear.
    #[must_use]
    pub fn of(key: &DrfKey) -> Self {
        Self {
            start: KeyStart::of_key(key.expose()),
            fingerprint: Fingerprint::of(key),
        }
    }

    /// Of what was found of a key that is cut: the rest of it stands nowhere.
    #[must_use]
    pub fn of_beginning(beginning: &DrfKey) -> Self {
        Self::new(beginning.expose(), Fingerprint::of(beginning))
    }

    /// The first characters.
    #[must_use]
    pub fn prefix(&self) -> &str {
        self.start.as_str()
    }

    /// The same, for the audit.
    #[must_use]
    pub const fn start(&self) -> &KeyStart {
        &self.start
    }
}

impl fmt::Display for CoveredKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}…", self.start.as_str()))
    }
}

impl Serialize for CoveredKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Whether an operation found the token or made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It was there before; nothing changed.
    Existing,
    /// It was made just now.
    New,
}

/// A token with its key in clear, as `generate`, `regenerate` and `reveal` hand it out.
#[derive(Clone, Debug)]
pub struct Issued {
    /// Whose it is.
    pub user_id: UserId,
    /// The owner's name.
    pub username: String,
    /// The key.
    pub key: DrfKey,
    /// When the token was made.
    pub created: Moment,
    /// Found or made.
    pub origin: Origin,
}

/// Takes the key out of what a person pastes: the key itself, `Token KEY`, `Bearer KEY`, or a whole
/// `Authorization:` header, quoted or not. White space around it is dropped; a key in Django has none.
///
/// `None` when nothing is left, or when several words are: a header has exactly one key.
#[must_use]
pub fn pasted_key(text: &str) -> Option<DrfKey> {
    let unquoted = text.trim().trim_matches(['"', '\'', '`']).trim();
    let value = match unquoted.split_once(':') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("authorization") => value,
        Some(_) | None => unquoted,
    };
    let mut words = value.split_whitespace();
    let first = words.next()?;
    let key = match words.next() {
        Some(second) if is_keyword(first) => second,
        Some(_) => return None,
        None => first,
    };
    words.next().is_none().then(|| Secret::from(key))
}

fn is_keyword(word: &str) -> bool {
    word.eq_ignore_ascii_case("token") || word.eq_ignore_ascii_case("bearer")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn drf_keys_are_forty_lower_hex_digits_and_differ() {
        let keys = KeyFormat::Drf.make_many(500).unwrap();
        assert!(
            keys.iter().all(|key| key.len() == 40
                && key.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
        );
        assert_eq!(keys.iter().collect::<HashSet<_>>().len(), 500);
    }

    #[test]
    fn checksummed_keys_prove_themselves_and_a_changed_one_does_not() {
        for key in KeyFormat::Checksum.make_many(200).unwrap() {
            assert_eq!(key.len(), 40);
            assert_eq!(checksum_of(&key), Some(true), "{key}");
            let other = if key.ends_with('0') { '1' } else { '0' };
            let changed = format!("{}{other}", &key[..39]);
            assert_eq!(checksum_of(&changed), Some(false));
        }
        assert_eq!(
            checksum_of("9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b"),
            None
        );
    }

    #[test]
    fn the_checksum_is_a_fixed_function_of_the_random_part() {
        // Computed with another CRC-32 (Python's zlib), so that keys made by one release verify in the next.
        assert_eq!(
            with_checksum(&[b'0'; 30]),
            "twd_0000000000000000000000000000002C8GjS"
        );
    }

    #[test]
    fn a_covered_key_shows_eight_characters() {
        let key = DrfKey::from("9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b");
        let covered = CoveredKey::of(&key);
        assert_eq!(covered.to_string(), "9944b091…");
        assert!(!format!("{covered:?}").contains("99c62bcf"));
        for (short, shown) in [
            ("made-by-hand", "made-b…"),
            ("12345678", "1234…"),
            ("päßwörd", "päß…"),
            ("a", "…"),
            ("", "…"),
        ] {
            let key = DrfKey::from(short);
            assert_eq!(CoveredKey::of(&key).to_string(), shown);
            assert_eq!(
                KeyStart::of_key(short).as_str(),
                CoveredKey::of(&key).prefix()
            );
        }
    }

    #[test]
    fn a_key_is_found_in_what_people_paste() {
        let found = |text: &str| pasted_key(text).map(|key| key.expose().clone());
        for text in [
            "abc",
            "  abc\n",
            "Token abc",
            "bearer  abc",
            "Authorization: Token abc",
            "\"authorization:Token abc\"",
            "'abc'",
        ] {
            assert_eq!(found(text).as_deref(), Some("abc"), "{text:?}");
        }
        assert_eq!(
            found("a:b").as_deref(),
            Some("a:b"),
            "any text can be a key"
        );
        assert_eq!(found(""), None);
        assert_eq!(found("Token a b"), None);
        assert_eq!(found("two words"), None);
    }
}
