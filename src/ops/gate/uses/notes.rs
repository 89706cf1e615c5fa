//! Notes of uses that wait to be written down: bounded, joined by token and address, and added without waiting for one
//! another.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::db::uses::Kind;
use crate::domain::last_use::Use;
use crate::domain::moment::Moment;
use crate::domain::token::KnoxDigest;
use crate::domain::user::UserId;

/// Notes stand in so many parts, each behind a lock of its own.
const PARTS: usize = 16;

/// Of so many tokens a use may wait in each; of one more it is not noted before the others are written.
const WAITING: usize = 100_000 / PARTS;

/// What waits to be written.
#[derive(Debug)]
pub(super) struct Notes {
    /// Whether there is somewhere to write to.
    pub(super) is_wanted: AtomicBool,
    parts: [Mutex<HashMap<Token, Note>>; PARTS],
    hasher: RandomState,
    /// What addresses are told apart by; nobody outside knows it, so that none can be chosen to pass for another.
    salt: [u64; 2],
    pub(super) wake: Notify,
    /// So many uses were not noted for want of room.
    pub(super) lost: AtomicU64,
    /// Held by whoever writes.
    pub(super) pen: tokio::sync::Mutex<()>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Token {
    Drf(UserId),
    Knox(KnoxDigest),
}

#[derive(Clone, Debug)]
pub(super) struct Note {
    pub(super) made: Moment,
    pub(super) last: Use,
}

impl Notes {
    pub(super) fn new(is_wanted: bool) -> Self {
        let hasher = RandomState::new();
        Self {
            is_wanted: AtomicBool::new(is_wanted),
            parts: std::array::from_fn(|_| Mutex::default()),
            salt: [hasher.hash_one(0) | 1, hasher.hash_one(1) | 1],
            hasher,
            wake: Notify::new(),
            lost: AtomicU64::new(0),
            pen: tokio::sync::Mutex::default(),
        }
    }

    /// Two halves multiplied, each behind its salt, and both halves of the product taken together (as wyhash does).
    pub(super) fn mark_of(&self, address: IpAddr) -> u32 {
        let bits = match address {
            IpAddr::V4(address) => u128::from(u32::from(address)),
            IpAddr::V6(address) => u128::from(address),
        };
        let [high, low] = [bits >> 64, bits & u128::from(u64::MAX)];
        let product = (high ^ u128::from(self.salt[0])) * (low ^ u128::from(self.salt[1]));
        let folded = (product >> 64) ^ product;
        u32::try_from((folded >> 32) & u128::from(u32::MAX)).unwrap_or_default()
    }

    fn part(&self, token: &Token) -> MutexGuard<'_, HashMap<Token, Note>> {
        let at = usize::try_from(self.hasher.hash_one(token) % PARTS as u64).unwrap_or(0);
        lock(&self.parts[at])
    }

    pub(super) fn add(&self, token: Token, note: Note) {
        let mut part = self.part(&token);
        let is_full = part.len() >= WAITING;
        match part.entry(token) {
            Entry::Occupied(mut known) => known.get_mut().join(note),
            Entry::Vacant(room) if !is_full => {
                room.insert(note);
            }
            Entry::Vacant(_) => {
                self.lost.fetch_add(1, Relaxed);
            }
        }
    }

    /// All that wait, by kind and id.
    pub(super) fn take(&self) -> Vec<(Token, Note)> {
        let mut all = Vec::new();
        for part in &self.parts {
            let taken = std::mem::take(&mut *lock(part));
            all.extend(taken);
        }
        all.sort_by_cached_key(|(token, _)| (token.kind() == Kind::Knox, token.id()));
        all
    }

    /// There is nowhere to write to.
    pub(super) fn refuse(&self) {
        self.is_wanted.store(false, Relaxed);
        for part in &self.parts {
            lock(part).clear();
        }
    }
}

fn lock<T>(part: &Mutex<T>) -> MutexGuard<'_, T> {
    part.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Token {
    pub(super) const fn kind(self) -> Kind {
        match self {
            Self::Drf(_) => Kind::Drf,
            Self::Knox(_) => Kind::Knox,
        }
    }

    pub(super) fn id(self) -> String {
        match self {
            Self::Drf(user) => user.to_string(),
            Self::Knox(digest) => digest.to_string(),
        }
    }
}

impl Note {
    /// Takes in another note of the same token; of one that was replaced meanwhile the later one counts.
    fn join(&mut self, other: Self) {
        if other.made > self.made {
            *self = other;
            return;
        }
        if other.made < self.made {
            return;
        }
        let (newer, older) = if other.last.at >= self.last.at {
            (other.last, std::mem::take(&mut self.last.addresses))
        } else {
            let newer = Use {
                at: self.last.at,
                addresses: std::mem::take(&mut self.last.addresses),
            };
            (newer, other.last.addresses)
        };
        self.last = Use {
            at: newer.at,
            addresses: older,
        };
        for address in newer.addresses.into_iter().rev() {
            self.last.add_address(address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(made: i64, at: i64, from: u8) -> Note {
        Note {
            made: Moment::from_unix_micros(made),
            last: Use {
                at: Moment::from_unix_micros(at),
                addresses: vec![IpAddr::from([10, 0, 0, from])],
            },
        }
    }

    #[test]
    fn what_waits_is_bounded_and_what_is_over_is_counted() {
        let notes = Notes::new(true);
        let many = i32::try_from(2 * PARTS * WAITING).unwrap();
        for id in 0..many {
            notes.add(Token::Drf(UserId::Int4(id)), note(0, 1, 1));
        }
        // Full as it is, it takes another use of what is in it.
        for from in 0..=u8::MAX {
            notes.add(Token::Drf(UserId::Int4(0)), note(0, i64::from(from), from));
        }
        let all = notes.take();
        assert_eq!(all.len(), PARTS * WAITING);
        assert_eq!(notes.lost.load(Relaxed), u64::try_from(all.len()).unwrap());
        let (_, first) = all.iter().find(|(token, _)| token.id() == "0").unwrap();
        assert_eq!(
            first.last.addresses.len(),
            crate::domain::last_use::MOST_ADDRESSES
        );
        assert_eq!(first.last.addresses[0], IpAddr::from([10, 0, 0, 255]));
        assert!(notes.take().is_empty());
    }

    #[test]
    fn an_older_note_that_waits_again_makes_nothing_older() {
        let mut newer = note(5, 20, 1);
        newer.join(note(5, 10, 2));
        assert_eq!(newer.last.at, Moment::from_unix_micros(20));
        let addresses = [1, 2].map(|last| IpAddr::from([10, 0, 0, last]));
        assert_eq!(newer.last.addresses, addresses);
        newer.join(note(4, 30, 3));
        assert_eq!(newer.last.addresses, addresses, "of the token before");
        newer.join(note(6, 15, 4));
        assert_eq!(
            newer.last.at,
            Moment::from_unix_micros(15),
            "of the one after"
        );
    }

    #[test]
    fn addresses_that_differ_have_marks_that_differ() {
        let notes = Notes::new(true);
        let mut marks: Vec<u32> = (0..=u8::MAX)
            .flat_map(|last| {
                let old = IpAddr::from([10, 0, 0, last]);
                let new = IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, u16::from(last)]);
                [notes.mark_of(old), notes.mark_of(new)]
            })
            .collect();
        marks.sort_unstable();
        marks.dedup();
        // Two of 512 share one of four billion about once in 30,000 runs.
        assert!(marks.len() >= 511, "{}", marks.len());
    }
}
