//! Watches how long each connection has been where it is, and tells those that take too long to end.
//!
//! A timer for each request would cost more than the request: it is put into the runtime's wheel and taken out again
//! under a lock. Here a connection only notes where it is, in one atomic word, and one task looks at all of them ten
//! times a second. What the word says is old when it has not changed between two looks: no clock is read on the way.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::task::AtomicWaker;

use super::limits::Limits;

/// How often the watch looks. Limits are met to within so much.
pub(super) const TICK: Duration = Duration::from_millis(100);

/// A connection that was told to end and does not is ended after so long.
const PATIENCE: Duration = Duration::from_secs(2);

/// During a stop, a connection without a request may still send one for so long: what was on its way is answered.
const LAST_CALL: Duration = Duration::from_millis(300);

/// How long a connection without a request may stay while others wait for its place.
const FULL_HOUSE: Duration = Duration::from_secs(1);

/// Where a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// No request on it.
    Idle,
    /// The headers of a request are coming in.
    Head,
    /// A request is being answered.
    Request,
    /// Our side is closed; what the client still sends is dropped.
    Closing,
}

/// What the connection's task is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Order {
    /// Go on.
    Stay,
    /// Refuse the request whose headers come in too slowly.
    Refuse,
    /// End after the requests in flight.
    Drain,
    /// End now.
    Kill,
}

/// One connection, as its task, its requests and the watch share it.
#[derive(Debug, Default)]
pub(super) struct Watched {
    /// The phase in the low bits, above it how often it was entered.
    word: AtomicU64,
    in_flight: AtomicU32,
    requests: AtomicU64,
    stalled: AtomicBool,
    http2: AtomicBool,
    order: AtomicU8,
    waker: AtomicWaker,
}

const PHASE_BITS: u32 = 2;

impl Watched {
    /// Notes that the connection is in `phase` from now on.
    pub(super) fn enter(&self, phase: Phase) {
        let entered = (self.word.load(Ordering::Relaxed) >> PHASE_BITS).wrapping_add(1);
        self.word
            .store((entered << PHASE_BITS) | phase as u64, Ordering::Relaxed);
    }

    /// Notes that a request is here whole; gives its number on this connection, from 1.
    pub(super) fn begin(&self) -> u64 {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.enter(Phase::Request);
        self.requests.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Notes that a request has its answer.
    pub(super) fn end(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.enter(Phase::Idle);
    }

    /// Notes whether the client fails to take what we write.
    pub(super) fn wrote(&self, stalled: bool) {
        if self.stalled.load(Ordering::Relaxed) != stalled {
            self.stalled.store(stalled, Ordering::Relaxed);
        }
    }

    /// Notes that it speaks HTTP/2.
    pub(super) fn speaks_http2(&self) {
        if !self.is_http2() {
            self.http2.store(true, Ordering::Relaxed);
        }
    }

    pub(super) fn is_http2(&self) -> bool {
        self.http2.load(Ordering::Relaxed)
    }

    /// What its task is told at the moment.
    pub(super) fn order(&self) -> Order {
        match self.order.load(Ordering::Acquire) {
            0 => Order::Stay,
            1 => Order::Refuse,
            2 => Order::Drain,
            _ => Order::Kill,
        }
    }

    /// Tells its task; an order that is under way already is not softened.
    pub(super) fn tell(&self, order: Order) {
        if self.order.fetch_max(order as u8, Ordering::AcqRel) < order as u8 {
            self.waker.wake();
        }
    }

    /// Lets the task hear of orders.
    pub(super) fn listen(&self, waker: &std::task::Waker) {
        self.waker.register(waker);
    }

    /// The phase, and a value that changes whenever something happens.
    fn look(&self) -> (Phase, u64, bool) {
        let word = self.word.load(Ordering::Relaxed);
        let phase = match word & ((1 << PHASE_BITS) - 1) {
            _ if self.in_flight.load(Ordering::Relaxed) > 0 => Phase::Request,
            0 => Phase::Idle,
            1 => Phase::Head,
            2 => Phase::Request,
            _ => Phase::Closing,
        };
        (phase, word, self.stalled.load(Ordering::Relaxed))
    }
}

/// All connections of a listener.
#[derive(Debug)]
pub(super) struct Watch {
    limits: Limits,
    closing: AtomicBool,
    house: Mutex<House>,
}

#[derive(Debug, Default)]
struct House {
    guests: HashMap<u64, Guest>,
    next: u64,
    closing_since: Option<Instant>,
}

#[derive(Debug)]
struct Guest {
    watched: Arc<Watched>,
    seen: (Phase, u64, bool),
    since: Instant,
}

/// A connection's entry, which goes with it.
#[derive(Debug)]
pub(super) struct Entry {
    watch: Arc<Watch>,
    id: u64,
    pub(super) watched: Arc<Watched>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.watch.house().guests.remove(&self.id);
    }
}

impl Watch {
    pub(super) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            closing: AtomicBool::new(false),
            house: Mutex::default(),
        })
    }

    /// Whether the listener is being stopped.
    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }

    /// Watches a new connection.
    pub(super) fn enter(self: &Arc<Self>) -> Entry {
        let watched = Arc::new(Watched::default());
        let mut house = self.house();
        let id = house.next;
        house.next += 1;
        let guest = Guest {
            watched: Arc::clone(&watched),
            seen: watched.look(),
            since: Instant::now(),
        };
        house.guests.insert(id, guest);
        drop(house);
        Entry {
            watch: Arc::clone(self),
            id,
            watched,
        }
    }

    /// From now on each answer is the last on its connection, and connections without a request end soon.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
        let mut house = self.house();
        house.closing_since = Some(Instant::now());
        for guest in house.guests.values() {
            // HTTP/2 has a word for it, and loses nothing by it.
            if guest.watched.is_http2() {
                guest.watched.tell(Order::Drain);
            }
        }
    }

    /// Ends all connections; tells how many there were.
    pub(super) fn kill(&self) -> usize {
        let house = self.house();
        for guest in house.guests.values() {
            guest.watched.tell(Order::Kill);
        }
        house.guests.len()
    }

    /// How many connections there are.
    pub(super) fn count(&self) -> usize {
        self.house().guests.len()
    }

    /// Looks at all connections once; `full` when others wait for a place.
    pub(super) fn look(&self, now: Instant, full: bool) {
        let mut house = self.house();
        let closing = house.closing_since;
        for guest in house.guests.values_mut() {
            let seen = guest.watched.look();
            if seen != guest.seen {
                guest.seen = seen;
                guest.since = now;
                continue;
            }
            let (phase, _, stalled) = seen;
            let mut limit = self.limit(phase, stalled, full);
            let mut since = guest.since;
            if let (Phase::Idle, Some(closing)) = (phase, closing) {
                limit = limit.min(LAST_CALL);
                since = since.max(closing);
            }
            let taken = now.saturating_duration_since(since);
            if taken > limit.saturating_add(PATIENCE) {
                guest.watched.tell(Order::Kill);
            } else if taken > limit {
                guest.watched.tell(match phase {
                    Phase::Head => Order::Refuse,
                    Phase::Idle => Order::Drain,
                    Phase::Request | Phase::Closing => Order::Kill,
                });
            }
        }
    }

    fn limit(&self, phase: Phase, stalled: bool, full: bool) -> Duration {
        let limits = &self.limits;
        match phase {
            _ if stalled => limits.request_time,
            Phase::Idle if full => limits.idle_time.min(FULL_HOUSE),
            Phase::Idle => limits.idle_time,
            Phase::Head => limits.header_time,
            // The request has limits of its own and answers when they are over; this is for when it cannot.
            Phase::Request => limits.request_time + limits.body_time + PATIENCE,
            Phase::Closing => PATIENCE,
        }
    }

    fn house(&self) -> std::sync::MutexGuard<'_, House> {
        // Nothing in here panics halfway.
        self.house.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch() -> Arc<Watch> {
        Watch::new(Limits::default())
    }

    #[test]
    fn who_stays_in_a_phase_too_long_is_told_so() {
        let watch = watch();
        let limits = Limits::default();
        let second = Duration::from_secs(1);
        for (phase, limit, order) in [
            (Phase::Idle, limits.idle_time, Order::Drain),
            (Phase::Head, limits.header_time, Order::Refuse),
            (
                Phase::Request,
                limits.request_time + limits.body_time + PATIENCE,
                Order::Kill,
            ),
            (Phase::Closing, PATIENCE, Order::Kill),
        ] {
            let entry = watch.enter();
            entry.watched.enter(phase);
            let start = Instant::now();
            watch.look(start, false);
            watch.look(start + limit, false);
            assert_eq!(entry.watched.order(), Order::Stay, "{phase:?}");
            watch.look(start + limit + second, false);
            assert_eq!(entry.watched.order(), order, "{phase:?}");
            watch.look(start + limit + PATIENCE + second, false);
            assert_eq!(entry.watched.order(), Order::Kill, "{phase:?}");
        }
    }

    #[test]
    fn who_moves_is_left_alone() {
        let watch = watch();
        let entry = watch.enter();
        let start = Instant::now();
        for minute in 1..60 {
            entry.watched.begin();
            entry.watched.end();
            watch.look(start + Duration::from_mins(minute), false);
        }
        assert_eq!(entry.watched.order(), Order::Stay);
        assert_eq!(entry.watched.begin(), 60);
    }

    #[test]
    fn the_idle_go_first_where_others_wait() {
        let watch = watch();
        let (idle, busy) = (watch.enter(), watch.enter());
        busy.watched.begin();
        let start = Instant::now();
        watch.look(start, true);
        watch.look(start + 2 * FULL_HOUSE, true);
        assert_eq!(idle.watched.order(), Order::Drain);
        assert_eq!(busy.watched.order(), Order::Stay);
        drop(idle);
        assert_eq!(watch.count(), 1, "an entry goes with its connection");
    }

    #[test]
    fn a_stop_gives_a_last_call() {
        let watch = watch();
        let (idle, busy, h2) = (watch.enter(), watch.enter(), watch.enter());
        busy.watched.begin();
        h2.watched.speaks_http2();
        watch.close();
        let start = Instant::now();
        assert!(watch.is_closing());
        assert_eq!(h2.watched.order(), Order::Drain);
        watch.look(start, false);
        assert_eq!(idle.watched.order(), Order::Stay);
        watch.look(start + 2 * LAST_CALL, false);
        assert_eq!(idle.watched.order(), Order::Drain);
        assert_eq!(busy.watched.order(), Order::Stay);
        assert_eq!(watch.kill(), 3);
        assert_eq!(busy.watched.order(), Order::Kill);
    }
}
