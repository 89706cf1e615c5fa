//! Keys that are keys no more, as our schema remembers them: no key, but a salted digest of each, and who retired it.
//! A key that is found somewhere is so recognised long after it was replaced.

use std::fmt;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::moment::Moment;
use super::sum::Sum;
use super::token::{DrfKey, Fingerprint, KeyStart, KnoxDigest};
use crate::text;

/// Whose kind of key it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// REST framework's.
    Drf,
    /// django-rest-knox's.
    Knox,
}

impl Kind {
    /// The word for it, as the database has it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Drf => "drf",
            Self::Knox => "knox",
        }
    }

    /// The kind of this word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        [Self::Drf, Self::Knox]
            .into_iter()
            .find(|kind| kind.word() == word)
    }
}

/// What the digests of an installation begin with: random bytes of its own, since a key made by hand could be found
/// from a digest without.
#[derive(Clone)]
pub struct Salt(Vec<u8>);

impl Salt {
    /// From the bytes that the database keeps.
    #[must_use]
    pub const fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// As the database keeps it.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The digest of a key of REST framework.
    #[must_use]
    pub fn drf(&self, key: &DrfKey) -> KeyDigest {
        self.digest(key.expose().as_bytes())
    }

    /// The digest of a key of knox, made of what knox itself keeps of it.
    #[must_use]
    pub fn knox(&self, digest: &KnoxDigest) -> KeyDigest {
        self.digest(digest.to_string().as_bytes())
    }

    fn digest(&self, text: &[u8]) -> KeyDigest {
        let digest = Sha256::new_with_prefix(&self.0).chain_update(text);
        KeyDigest::from_bytes(digest.finalize().into())
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(…)")
    }
}

/// A key's salted SHA-256: names it in our schema, and in a case that is kept, without being it.
pub type KeyDigest = Sum;

/// That somebody was told of a leaked key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Told {
    /// When that was noted.
    pub when: Moment,
    /// Who noted it.
    pub by: String,
}

/// A key that is a key no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retired {
    /// Of the key that was asked about.
    pub fingerprint: Fingerprint,
    /// By which our schema names it.
    pub digest: KeyDigest,
    /// Whose kind of key.
    pub kind: Kind,
    /// Its first characters.
    pub start: KeyStart,
    /// Its owner's id, as text.
    pub user_id: String,
    /// Its owner's name, if that could be told when it was retired.
    pub username: Option<String>,
    /// When.
    pub retired: Moment,
    /// By whom, as in `carol@ops1`.
    pub by: String,
    /// What was done: the audit's word.
    pub verb: String,
    /// In answer to which leak.
    pub leak: Option<i64>,
    /// Who was told of it.
    pub told: Option<Told>,
    /// Until when our listener still takes it.
    pub grace_until: Option<Moment>,
}

impl Retired {
    /// Until when our listener still takes it, if it does.
    #[must_use]
    pub fn grace(&self, now: Moment) -> Option<Moment> {
        self.grace_until.filter(|until| now < *until)
    }

    /// `40 d ago by carol (leak 7)`, fit to print; of a key in its grace also until when it works at our listener.
    #[must_use]
    pub fn story(&self, now: Moment) -> String {
        let by = self.by.rsplit_once('@').map_or(&*self.by, |(name, _)| name);
        let leak = match self.leak {
            Some(leak) => format!(" (leak {leak})"),
            None => String::new(),
        };
        let grace = match self.grace(now) {
            Some(until) => format!("; works here until {}", until.minute_utc()),
            None => String::new(),
        };
        let age = self.retired.age(now);
        format!("{age} ago by {}{leak}{grace}", text::safe(by))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_salt_gives_another_digest() {
        let of = |salt: &[u8]| Salt::new(salt.to_vec()).drf(&DrfKey::from("abc"));
        assert_ne!(of(b"a"), of(b"b"));
        // SHA-256 of "xabc", by another program (sha256sum).
        assert_eq!(
            of(b"x").to_string(),
            "d15c609c78b3106ec54b9f5c4c70437636f69f191bff82e430e0b77ec376c310"
        );
    }
}
