//! Keys already looked up, forgotten the moment Postgres tells of a change. The gate asks here first, and what this
//! process changes itself it forgets before it answers (`Ops::forget`).
//!
//! **No key is remembered.** An entry is found by 128 bits of the SHA-256 of the presented key: nobody who reads our
//! memory finds a key in it, and how long a search takes tells of the digest, which nobody can steer towards another's,
//! rather than of how much of a key was right. To be taken for another one's, a key would have to agree with his in
//! 128 bits of the digest.
//!
//! **When an entry counts.** Changes are counted. A look-up reads the count before it asks the database, and that number
//! is the stamp of its entry. A change of a user becomes the next number and is noted beside him; an entry counts only
//! while nothing newer than its stamp is noted for its user, nor for all. So it matters neither when an entry comes in
//! nor what was under way: a look-up that began before a change was heard has the smaller number for ever. Users
//! share notes by a hash of their id; two who share one only cost each other a look-up.
//!
//! **And only while it is sure** that every change is heard: until a deadline, which each answer of the notice
//! connection moves on. It is read at every hit, by a clock, so nothing that stands still can outlive it.

mod packed;

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quick_cache::sync::Cache;
use sha2::{Digest, Sha256};

use crate::db::changes::{Heard, PROMISE, since_boot};
use crate::db::lookup::Found;
use crate::domain::moment::Moment;
use crate::domain::principal::Presented;
use crate::domain::token::Fingerprint;
use crate::domain::user::UserId;
pub(super) use packed::Entry;
use packed::{Header, Packed};

/// What finds an entry: half of the SHA-256 of the kind and text of a key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Mark([u8; 16]);

impl Mark {
    pub(super) fn of(key: &Presented) -> Self {
        let (kind, text) = match key {
            Presented::Drf(key) => (b'd', key.expose()),
            Presented::Knox(key) => (b'k', key.expose()),
        };
        let digest: [u8; 32] = Sha256::new()
            .chain_update([kind])
            .chain_update(text)
            .finalize()
            .into();
        let mut half = [0; 16];
        half.copy_from_slice(&digest[..16]);
        Self(half)
    }
}

/// Users' notes: a change of one makes about four of a million known users ask again.
const NOTES: usize = 1 << 18;

/// So many retired keys are remembered, to name whose they were.
const RETIRED: usize = 10_000;

const NANOS_A_MINUTE: u64 = 60_000_000_000;

/// What was found.
pub(super) struct Hit {
    pub(super) entry: Entry,
    /// In this minute it was not used yet from this address.
    pub(super) is_new_use: bool,
}

/// What is remembered.
pub(super) struct Known {
    entries: Cache<Mark, Packed>,
    /// How many changes there were.
    changes: AtomicU64,
    /// The last one that concerned all.
    for_all: AtomicU64,
    /// The last one of each user, by a hash of his id.
    notes: Box<[AtomicU64]>,
    hasher: RandomState,
    /// Until when it is sure, in nanoseconds of [`since_boot`].
    sure_until: AtomicU64,
    promise: Mutex<Promise>,
    /// Whose keys were that this process retired, or that our schema told of. It decides nothing: only the log is told.
    retired: Cache<Fingerprint, Arc<str>>,
    /// Something was remembered since the memory was last emptied.
    is_used: AtomicBool,
}

/// Who promised, or why nobody does.
#[derive(Debug)]
enum Promise {
    /// By this server and database.
    Of(Arc<str>),
    None(String),
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Known")
            .field("entries", &self.entries.len())
            .finish_non_exhaustive()
    }
}

/// A stamp that no look-up has yet: read before a question is sent.
pub(super) type Stamp = u64;

impl Known {
    /// Room for `most` keys, about; the ones asked for least go first.
    pub(super) fn new(most: usize) -> Self {
        // No room for those that went: a key that is asked for again is a cheap look-up, and the memory is bounded.
        let options = quick_cache::OptionsBuilder::new()
            .estimated_items_capacity(most)
            .weight_capacity(most as u64)
            .ghost_allocation(0.0)
            .build();
        let entries = match options {
            Ok(options) => Cache::with_options(
                options,
                quick_cache::UnitWeighter,
                quick_cache::DefaultHashBuilder::default(),
                quick_cache::sync::DefaultLifecycle::default(),
            ),
            // Only where one of the two capacities is not given.
            Err(_) => Cache::new(most),
        };
        Self {
            entries,
            changes: AtomicU64::new(0),
            for_all: AtomicU64::new(0),
            notes: std::iter::repeat_with(|| AtomicU64::new(0))
                .take(NOTES)
                .collect(),
            hasher: RandomState::new(),
            sure_until: AtomicU64::new(0),
            promise: Mutex::new(Promise::None(
                "the notice connection is being made".to_owned(),
            )),
            retired: Cache::new(RETIRED),
            is_used: AtomicBool::new(false),
        }
    }

    /// The key was replaced or deleted; it was the key of `username`.
    pub(super) fn retire(&self, key: Fingerprint, username: &str) {
        self.retired.insert(key, username.into());
    }

    /// Whose key it was, if that is remembered.
    pub(super) fn retired(&self, key: Fingerprint) -> Option<Arc<str>> {
        self.retired.get(&key)
    }

    /// Whose key has this mark, as long as that is certain. `now` is asked only where something expires. `from` tells where
    /// the key is used, by a number that stands for an address; it is none where nobody wants to know.
    pub(super) fn find(
        &self,
        mark: Mark,
        now: impl FnOnce() -> Moment,
        from: Option<u32>,
    ) -> Option<Hit> {
        // One look at the clock, for the promise and for the minute of the use.
        let clock = nanos(since_boot());
        if clock >= self.sure_until.load(SeqCst) {
            return None;
        }
        let packed = self.entries.get(&mark)?;
        let header = packed.header()?;
        if !self.is_fresh(header) || header.until.is_some_and(|until| now() >= until) {
            return None;
        }
        let entry = packed.unpack()?;
        let is_new_use = from.is_some_and(|from| packed.is_new_use(clock / NANOS_A_MINUTE, from));
        Some(Hit { entry, is_new_use })
    }

    /// Whether nothing newer than the entry is noted. Where nothing at all has changed since, no note need be fetched
    /// from memory.
    fn is_fresh(&self, Header { stamp, user, .. }: Header) -> bool {
        stamp >= self.changes.load(SeqCst)
            || stamp >= self.for_all.load(SeqCst) && stamp >= self.note(user).load(SeqCst)
    }

    /// The stamp for a question that is about to be sent.
    pub(super) fn stamp(&self) -> Stamp {
        self.changes.load(SeqCst)
    }

    /// Remembers what was found, if it is from the very server that promises to tell of changes.
    pub(super) fn remember(&self, mark: Mark, found: &Found) {
        let (Some(holder), Some(server)) = (&found.holder, &found.server) else {
            return;
        };
        if !self.is_sure() {
            return;
        }
        match &*self.promise() {
            Promise::Of(promised) if promised == server => {}
            Promise::Of(_) | Promise::None(_) => return,
        }
        self.entries.insert(mark, Packed::of(found.stamp, holder));
        self.is_used.store(true, SeqCst);
    }

    /// Something about the keys of `user` has changed: what was looked up before is no longer used.
    pub(super) fn forget(&self, user: UserId) {
        // The count first: a look-up that reads it from here on asks a database that has the change.
        let change = self.changes.fetch_add(1, SeqCst) + 1;
        self.note(user).fetch_max(change, SeqCst);
    }

    /// Acts on what was heard. Gives whether the memory should be emptied: what it holds is no longer used.
    pub(super) fn hear(&self, heard: Heard) -> Emptying {
        match heard {
            Heard::Changed(users) => {
                for user in users {
                    self.forget(user);
                }
                Emptying::No
            }
            Heard::AllChanged => {
                self.forget_all();
                self.is_used()
            }
            Heard::Sure { asked, server } => {
                let mut promise = self.promise();
                if !matches!(&*promise, Promise::Of(known) if **known == *server) {
                    // The notice connection has said that all changed before it says that it is sure.
                    *promise = Promise::Of(Arc::from(server));
                }
                drop(promise);
                self.sure_until
                    .store(nanos(asked.saturating_add(PROMISE)), SeqCst);
                Emptying::No
            }
            Heard::NotSure(why) => {
                self.sure_until.store(0, SeqCst);
                *self.promise() = Promise::None(why);
                self.forget_all();
                self.is_used()
            }
        }
    }

    fn forget_all(&self) {
        let change = self.changes.fetch_add(1, SeqCst) + 1;
        self.for_all.fetch_max(change, SeqCst);
    }

    fn is_used(&self) -> Emptying {
        if self.is_used.swap(false, SeqCst) {
            Emptying::Due
        } else {
            Emptying::No
        }
    }

    /// Gives the memory back. It may take a tenth of a second where a million keys were known.
    pub(super) fn empty(&self) {
        self.entries.clear();
    }

    /// How many keys are known.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    fn is_sure(&self) -> bool {
        nanos(since_boot()) < self.sure_until.load(SeqCst)
    }

    /// Why it is not sure; `None` when it is.
    pub(super) fn doubt(&self) -> Option<String> {
        if self.is_sure() {
            return None;
        }
        Some(match &*self.promise() {
            Promise::Of(_) => "the database answers late".to_owned(),
            Promise::None(why) => why.clone(),
        })
    }

    fn promise(&self) -> std::sync::MutexGuard<'_, Promise> {
        self.promise.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, user: UserId) -> &AtomicU64 {
        // A mask, for the number is a power of two.
        let at = self.hasher.hash_one(user) & (NOTES as u64 - 1);
        &self.notes[usize::try_from(at).unwrap_or(0)]
    }
}

/// Whether the memory should be emptied, off the path of whoever waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Emptying {
    /// It should.
    Due,
    /// There is nothing to empty.
    No,
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
