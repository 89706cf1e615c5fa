//! How often somebody may call: REST framework's `AnonRateThrottle` per address and route, and failed logins per user
//! name. Both are the same sliding log of times (`rest_framework.throttling.SimpleRateThrottle`): what is older than the
//! window does not count, what is refused is not written down. `dispatch` asks; the clock is passed in.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::route::Rate;

/// Whole seconds until the next request is let through, rounded up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait(pub u64);

/// How many callers are remembered, and how many times of theirs in all. About 30 MB when both are full.
#[derive(Clone, Copy, Debug)]
struct Room {
    callers: usize,
    times: usize,
}

const ROOM: Room = Room {
    callers: 65_536,
    times: 1_000_000,
};

/// The times of one rate's callers.
///
/// However many callers come, memory ends at [`ROOM`]: those whose window has passed go first, then the quarter that
/// has been quiet for longest, who then begin afresh. Callers are kept as keyed 64-bit hashes: of a user name, nothing
/// is stored, and nobody outside can choose two that meet.
#[derive(Debug)]
struct Log<S = RandomState> {
    times: HashMap<u64, VecDeque<Instant>>,
    held: usize,
    room: Room,
    hasher: S,
}

impl Log {
    fn new(room: Room) -> Self {
        Self {
            times: HashMap::new(),
            held: 0,
            room,
            hasher: RandomState::new(),
        }
    }

    fn key(&self, caller: impl Hash) -> u64 {
        self.hasher.hash_one(caller)
    }

    /// How long `caller` has to wait before he may call again; `None` when he may now.
    fn wait(&mut self, caller: u64, rate: Rate, now: Instant) -> Option<Wait> {
        let times = self.times.get_mut(&caller)?;
        while times
            .front()
            .is_some_and(|first| now.saturating_duration_since(*first) >= rate.window)
        {
            times.pop_front();
            self.held -= 1;
        }
        let full = times.len() >= usize::try_from(rate.count).unwrap_or(usize::MAX);
        let first = times.front().copied().filter(|_| full)?;
        let left = rate
            .window
            .saturating_sub(now.saturating_duration_since(first));
        let begun = u64::from(left.subsec_nanos() > 0);
        Some(Wait(left.as_secs() + begun))
    }

    /// Writes `caller` down.
    fn count(&mut self, caller: u64, rate: Rate, now: Instant) {
        let new = !self.times.contains_key(&caller);
        if (new && self.times.len() >= self.room.callers) || self.held >= self.room.times {
            self.make_room(rate, now);
        }
        self.times.entry(caller).or_default().push_back(now);
        self.held += 1;
    }

    fn make_room(&mut self, rate: Rate, now: Instant) {
        let last = |times: &VecDeque<Instant>| times.back().copied();
        let passed = |at: Instant| now.saturating_duration_since(at) >= rate.window;
        self.times
            .retain(|_, times| last(times).is_some_and(|at| !passed(at)));
        self.recount();
        // A quarter at a time, so that a flood of addresses pays for the search once in many requests.
        let crowded =
            self.times.len() * 4 > self.room.callers * 3 || self.held * 4 > self.room.times * 3;
        if crowded {
            let mut quiet: Vec<(Instant, u64)> = self
                .times
                .iter()
                .filter_map(|(key, times)| Some((last(times)?, *key)))
                .collect();
            let quarter = quiet.len().div_ceil(4);
            quiet.sort_unstable();
            for (_, key) in quiet.into_iter().take(quarter) {
                self.times.remove(&key);
            }
            self.recount();
        }
    }

    fn recount(&mut self) {
        self.held = self.times.values().map(VecDeque::len).sum();
    }
}

/// The throttles of a listener.
#[derive(Debug)]
pub struct Throttles {
    /// By the route's place among the routes.
    routes: Vec<Option<Throttle>>,
    /// Failed logins by user name.
    logins: Option<Throttle>,
}

#[derive(Debug)]
struct Throttle {
    rate: Rate,
    log: Mutex<Log>,
}

impl Throttle {
    fn new(rate: Rate) -> Self {
        Self {
            rate,
            log: Mutex::new(Log::new(ROOM)),
        }
    }

    /// Nothing in here can panic half done, so a poisoned lock still guards a log that is whole.
    fn with<T>(&self, act: impl FnOnce(&mut Log, Rate) -> T) -> T {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        act(&mut log, self.rate)
    }
}

impl Throttles {
    /// One per route that has a rate, and one for failed logins.
    #[must_use]
    pub fn new(rates: impl Iterator<Item = Option<Rate>>, failed_logins: Option<Rate>) -> Self {
        Self {
            routes: rates.map(|rate| rate.map(Throttle::new)).collect(),
            logins: failed_logins.map(Throttle::new),
        }
    }

    /// Counts a request from `address` to the route at `place`, or says how long it must wait. As REST framework
    /// counts, the whole address is the caller; of IPv6 too, so one host may have many.
    ///
    /// # Errors
    /// The wait.
    pub fn admit(&self, place: usize, address: IpAddr, now: Instant) -> Result<(), Wait> {
        let Some(Some(throttle)) = self.routes.get(place) else {
            return Ok(());
        };
        throttle.with(|log, rate| {
            let caller = log.key(address.to_canonical());
            if let Some(wait) = log.wait(caller, rate, now) {
                return Err(wait);
            }
            log.count(caller, rate, now);
            Ok(())
        })
    }

    /// Whether logins as `username` are tried at all; nothing is counted.
    ///
    /// # Errors
    /// The wait, when too many have failed.
    pub fn login(&self, username: &str, now: Instant) -> Result<(), Wait> {
        let Some(throttle) = &self.logins else {
            return Ok(());
        };
        throttle.with(|log, rate| {
            let caller = log.key(username);
            log.wait(caller, rate, now).map_or(Ok(()), Err)
        })
    }

    /// Counts a login as `username` that failed.
    pub fn login_failed(&self, username: &str, now: Instant) {
        if let Some(throttle) = &self.logins {
            throttle.with(|log, rate| {
                let caller = log.key(username);
                // Tries that were under way together can fail together: no more of them are kept than count.
                if log.wait(caller, rate, now).is_none() {
                    log.count(caller, rate, now);
                }
            });
        }
    }
}

#[cfg(test)]
mod tests;
