//! When tokens were used, and from where, on its way to our schema. A request only leaves a note, and that once a minute for
//! each token and address; one task writes many of them down at a time, at most once a minute.
//!
//! **It holds nobody up, and it fails nobody.** What waits is bounded, and so is what is kept of each token. Where the
//! database refuses or is away the notes wait for the next time; where there is no table, or no right to write to it,
//! nothing is noted until there is.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::super::{Error, Ops};
use crate::db::Stop;
use crate::db::uses::{self, Kind, Noted};
use crate::domain::last_use::Use;
use crate::domain::moment::Moment;
use crate::domain::principal::{Holds, Principal};
use crate::domain::token::KnoxDigest;
use crate::domain::user::UserId;
use crate::text;

/// Notes stand in so many parts, each behind a lock of its own.
const PARTS: usize = 16;
/// Of so many tokens a use may wait in each; of one more it is not noted before the others are written.
const WAITING: usize = 100_000 / PARTS;
/// So many are written at a time.
const BATCH: usize = 1_000;
/// So long the last ones may take when the gate is closed.
const LAST_MOMENT: Duration = Duration::from_secs(2);
/// Uses of tokens that are gone are deleted so often, so many at a time, and in so many steps at most.
const SWEEP: Duration = Duration::from_hours(1);
const SWEPT: u32 = 1_000;
const SWEEPS: usize = 100;

/// When what was noted is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// So long after a note at the earliest: those that come together are written together.
    pub first: Duration,
    /// So long after the last time at the earliest.
    pub every: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(3),
            every: Duration::from_mins(1),
        }
    }
}

/// Notes uses and writes them down. Its task ends with it.
#[derive(Debug)]
pub(super) struct Uses {
    ops: Ops,
    notes: Arc<Notes>,
    writing: Option<JoinHandle<()>>,
}

/// What waits to be written.
#[derive(Debug)]
struct Notes {
    /// Whether there is somewhere to write to.
    is_wanted: AtomicBool,
    parts: [Mutex<HashMap<Token, Note>>; PARTS],
    hasher: RandomState,
    /// What addresses are told apart by; nobody outside knows it, so that none can be chosen to pass for another.
    salt: [u64; 2],
    wake: Notify,
    /// So many uses were not noted for want of room.
    lost: AtomicU64,
    /// Held by whoever writes.
    pen: tokio::sync::Mutex<()>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Token {
    Drf(UserId),
    Knox(KnoxDigest),
}

#[derive(Clone, Debug)]
struct Note {
    made: Moment,
    last: Use,
}

impl Drop for Uses {
    fn drop(&mut self) {
        if let Some(writing) = &self.writing {
            writing.abort();
        }
    }
}

impl Uses {
    /// Writes to the database of `ops`; a session that may only read notes nothing.
    pub(super) fn start(ops: &Ops, pace: Pace) -> Self {
        let may_write = !ops.place().read_only;
        let notes = Arc::new(Notes::new(may_write));
        if !may_write {
            tracing::info!("last uses are not written down: this session may only read");
        }
        let writing = may_write.then(|| tokio::spawn(work(ops.clone(), Arc::clone(&notes), pace)));
        Self {
            ops: ops.clone(),
            notes,
            writing,
        }
    }

    /// A number that stands for `address`, where uses are wanted.
    pub(super) fn mark_of(&self, address: IpAddr) -> Option<u32> {
        self.notes
            .is_wanted
            .load(Relaxed)
            .then(|| self.notes.mark_of(address))
    }

    /// Notes that the token of `principal` was used at `address`. A key in its grace is one that was replaced: what used it
    /// did not use the token that is there.
    pub(super) fn note(&self, principal: &Principal, address: IpAddr) {
        if principal.grace().is_some() || !self.notes.is_wanted.load(Relaxed) {
            return;
        }
        let token = match &principal.token {
            Holds::Drf => Token::Drf(principal.account.id),
            Holds::Knox(digest) => Token::Knox(*digest),
        };
        let last = Use {
            at: Moment::now(),
            addresses: vec![address],
        };
        let made = principal.created;
        self.notes.add(token, Note { made, last });
        self.notes.wake.notify_one();
    }

    /// Writes down what still waits, if that does not take long.
    pub(super) async fn flush(&self) {
        if !self.notes.is_wanted.load(Relaxed) {
            return;
        }
        let written = timeout(LAST_MOMENT, self.notes.write(&self.ops)).await;
        match written {
            Ok(Ok(())) => {}
            Ok(Err(error)) => warn_unwritten(&self.ops, &error),
            Err(_late) => {
                let seconds = LAST_MOMENT.as_secs();
                tracing::warn!("the last uses of tokens were not written down within {seconds} s");
            }
        }
    }
}

impl Notes {
    fn new(is_wanted: bool) -> Self {
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
    fn mark_of(&self, address: IpAddr) -> u32 {
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

    fn add(&self, token: Token, note: Note) {
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
    fn take(&self) -> Vec<(Token, Note)> {
        let mut all = Vec::new();
        for part in &self.parts {
            let taken = std::mem::take(&mut *lock(part));
            all.extend(taken);
        }
        all.sort_by_cached_key(|(token, _)| (token.kind() == Kind::Knox, token.id()));
        all
    }

    /// Writes down all that wait. What was not written because the database was away waits again.
    async fn write(&self, ops: &Ops) -> Result<(), Error> {
        let _pen = self.pen.lock().await;
        let all = self.take();
        let mut rest = all.as_slice();
        while let Some((token, _)) = rest.first() {
            let kind = token.kind();
            let of_kind = rest.iter().take_while(|(token, _)| token.kind() == kind);
            let (batch, others) = rest.split_at(of_kind.take(BATCH).count());
            if let Err(error) = ops.write_uses(kind, batch).await {
                let kept = if is_lasting(&error) { others } else { rest };
                for (token, note) in kept {
                    self.add(*token, note.clone());
                }
                return Err(error);
            }
            rest = others;
        }
        Ok(())
    }

    /// There is nowhere to write to.
    fn refuse(&self) {
        self.is_wanted.store(false, Relaxed);
        for part in &self.parts {
            lock(part).clear();
        }
    }
}

fn lock<T>(part: &Mutex<T>) -> MutexGuard<'_, T> {
    part.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether the same uses would be refused the next time too.
const fn is_lasting(error: &Error) -> bool {
    match error {
        Error::Unavailable(_) | Error::Cancelled | Error::ReadOnly(_) | Error::MissingRight(_) => {
            false
        }
        Error::Invalid(_)
        | Error::NotFound(_)
        | Error::Conflict(_)
        | Error::Denied(_)
        | Error::Busy
        | Error::Internal(_) => true,
    }
}

impl Token {
    const fn kind(self) -> Kind {
        match self {
            Self::Drf(_) => Kind::Drf,
            Self::Knox(_) => Kind::Knox,
        }
    }

    fn id(self) -> String {
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

async fn work(ops: Ops, notes: Arc<Notes>, pace: Pace) {
    let (mut refused, mut is_troubled) = (None, false);
    let (mut next, mut swept) = (Instant::now(), None::<Instant>);
    loop {
        match ops.why_uses_are_unwritable().await {
            Ok(Some(why)) => {
                notes.refuse();
                if refused.as_ref() != Some(&why) {
                    let said = text::safe(&why);
                    tracing::info!("last uses are not written down: {said}");
                    refused = Some(why);
                }
                sleep(pace.every).await;
                continue;
            }
            Ok(None) => {
                refused = None;
                notes.is_wanted.store(true, Relaxed);
            }
            Err(error) => tracing::debug!("whether uses can be written is not known: {error}"),
        }
        notes.wake.notified().await;
        sleep(pace.first).await;
        sleep_until(next).await;
        match notes.write(&ops).await {
            Ok(()) => is_troubled = false,
            Err(error) => {
                if !is_troubled {
                    warn_unwritten(&ops, &error);
                }
                is_troubled = true;
                notes.wake.notify_one();
            }
        }
        next = Instant::now() + pace.every;
        let lost = notes.lost.swap(0, Relaxed);
        if lost > 0 {
            tracing::warn!("{lost} uses of tokens were not noted: too many wait to be written");
        }
        if !is_troubled && swept.is_none_or(|at| at.elapsed() >= SWEEP) {
            swept = Some(Instant::now());
            if let Err(error) = ops.sweep_uses().await {
                tracing::debug!("uses of tokens that are gone were not deleted: {error}");
            }
        }
    }
}

fn warn_unwritten(ops: &Ops, error: &Error) {
    tracing::warn!(
        "the last uses of tokens on {} cannot be written down at this moment: {}",
        ops.place().name,
        text::safe(&error.to_string())
    );
}

impl Ops {
    async fn why_uses_are_unwritable(&self) -> Result<Option<String>, Error> {
        let mut conn = self.db().conn().await?;
        let stop = Stop::of(&conn);
        let work = uses::why_unwritable(&mut conn);
        Ok(self.db().obey(&self.cancel, stop, work).await?)
    }

    async fn write_uses(&self, kind: Kind, batch: &[(Token, Note)]) -> Result<(), Error> {
        let noted: Vec<Noted> = batch
            .iter()
            .map(|(token, note)| Noted {
                id: token.id(),
                made: note.made,
                last: note.last.clone(),
            })
            .collect();
        let mut conn = self.db().conn().await?;
        let stop = Stop::of(&conn);
        let work = uses::write(&mut conn, self.db().site(), kind, &noted);
        Ok(self.db().obey(&self.cancel, stop, work).await?)
    }

    /// Deletes the uses of tokens that are gone.
    async fn sweep_uses(&self) -> Result<(), Error> {
        let knox = self.has_knox().then_some(Kind::Knox);
        for kind in [Some(Kind::Drf), knox].into_iter().flatten() {
            for _ in 0..SWEEPS {
                let mut conn = self.db().conn().await?;
                let stop = Stop::of(&conn);
                let work = uses::sweep(&mut conn, kind, SWEPT);
                if self.db().obey(&self.cancel, stop, work).await? < SWEPT as usize {
                    break;
                }
            }
        }
        Ok(())
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
