//! Counts of what was answered and how long it took, for `/metrics` and the Listener screen.
//!
//! Requests only add to counters, and each thread to its own, for two threads that write the same cache line wait for
//! each other. What a window of time had is found by the reader, from what the counters said before.

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::StatusCode;

use super::route::Answers;

/// What was asked, as a label of the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A route.
    Route(Answers),
    /// `/livez` and its kin.
    Health,
    /// No endpoint of ours.
    Other,
}

impl Endpoint {
    /// How many there are.
    const COUNT: usize = Answers::ALL.len() + 2;

    /// All of them, in the order of their numbers.
    pub fn all() -> impl Iterator<Item = Self> {
        let routes = Answers::ALL.into_iter().map(Self::Route);
        routes.chain([Self::Health, Self::Other])
    }

    /// Its place among all.
    const fn number(self) -> usize {
        match self {
            Self::Route(answers) => answers as usize,
            Self::Health => Self::COUNT - 2,
            Self::Other => Self::COUNT - 1,
        }
    }

    /// Its name in metrics; those of routes are as the configuration has them.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Route(answers) => answers.word(),
            Self::Health => "health",
            Self::Other => "other",
        }
    }
}

/// How it ended, as a label of the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As asked.
    Ok,
    /// Not recognised: no key, a wrong key or password, an inactive user.
    Denied,
    /// The request itself was wrong.
    Invalid,
    /// Asked too often.
    Throttled,
    /// The database is away, or we are too busy.
    Unavailable,
    /// Our fault.
    Failed,
}

impl Outcome {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 6] = [
        Self::Ok,
        Self::Denied,
        Self::Invalid,
        Self::Throttled,
        Self::Unavailable,
        Self::Failed,
    ];

    /// Its name in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Denied => "denied",
            Self::Invalid => "invalid",
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
            Self::Failed => "failed",
        }
    }

    /// What `status` says by itself. A wrong password is 400 in Django: the endpoint knows better there.
    #[must_use]
    pub fn of(status: StatusCode) -> Self {
        match status.as_u16() {
            0..400 => Self::Ok,
            401 | 403 => Self::Denied,
            429 => Self::Throttled,
            400..500 => Self::Invalid,
            503 => Self::Unavailable,
            _ => Self::Failed,
        }
    }
}

/// Upper bounds of the buckets in microseconds: from a hit in memory to a slow hash, three to a factor of two and a
/// half. The last one has no bound.
const BOUNDS: [u64; 23] = [
    10, 15, 25, 40, 65, 100, 160, 250, 400, 650, 1_000, 1_600, 2_500, 4_000, 6_500, 10_000, 25_000,
    50_000, 100_000, 250_000, 500_000, 1_000_000, 5_000_000,
];
const BUCKETS: usize = BOUNDS.len() + 1;

/// Threads share so many sets of counters.
const SHARDS: usize = 8;

/// Counters of one thread, on cache lines of their own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard {
    buckets: [AtomicU64; BUCKETS],
    micros: AtomicU64,
    outcomes: [[AtomicU64; Outcome::ALL.len()]; Endpoint::COUNT],
    statuses: [AtomicU64; STATUSES.len() + 1],
}

/// The statuses that the screen counts by themselves; the rest is one number.
pub const STATUSES: [u16; 7] = [200, 301, 400, 401, 405, 429, 503];

/// What all requests of a listener add to.
#[derive(Debug, Default)]
pub struct Stats {
    shards: [Shard; SHARDS],
    /// Requests with a retired key; rare enough for one counter.
    retired: AtomicU64,
    /// Requests let in by a key in its grace; not many either.
    grace: AtomicU64,
    past: Mutex<Past>,
}

/// How many answers took how long: a copy of the counters.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Durations {
    buckets: [u64; BUCKETS],
    micros: u64,
}

/// What the counters said before, oldest first.
#[derive(Debug, Default)]
struct Past(VecDeque<(Instant, Durations)>);

/// The window that percentiles look back on.
const WINDOW: Duration = Duration::from_mins(1);
/// How fine its edge is.
const STEP: Duration = Duration::from_secs(5);

/// Counters and percentiles for the screen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// Answers by status, for those of [`STATUSES`].
    pub statuses: [u64; STATUSES.len()],
    /// Answers with another status.
    pub others: u64,
    /// Half of the answers of the last minute took no longer; none without answers.
    pub p50: Option<Duration>,
    /// 95 of 100.
    pub p95: Option<Duration>,
    /// 99 of 100.
    pub p99: Option<Duration>,
}

thread_local! {
    static SHARD: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// The shard of this thread.
fn shard() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    SHARD.with(|shard| {
        if shard.get() == usize::MAX {
            shard.set(NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS);
        }
        shard.get()
    })
}

impl Stats {
    /// Counts one answer.
    pub(super) fn count(
        &self,
        endpoint: Endpoint,
        outcome: Outcome,
        status: StatusCode,
        took: Duration,
    ) {
        let shard = &self.shards[shard()];
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.partition_point(|bound| *bound < micros);
        shard.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        shard.micros.fetch_add(micros, Ordering::Relaxed);
        shard.outcomes[endpoint.number()][outcome as usize].fetch_add(1, Ordering::Relaxed);
        let known = STATUSES
            .iter()
            .position(|known| *known == status.as_u16())
            .unwrap_or(STATUSES.len());
        shard.statuses[known].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a request with a retired key.
    pub(super) fn count_retired(&self) {
        self.retired.fetch_add(1, Ordering::Relaxed);
    }

    /// How many showed a retired key.
    pub(super) fn retired(&self) -> u64 {
        self.retired.load(Ordering::Relaxed)
    }

    /// Counts a request that was let in by a key in its grace.
    pub(super) fn count_grace(&self) {
        self.grace.fetch_add(1, Ordering::Relaxed);
    }

    /// How many were.
    pub(super) fn grace(&self) -> u64 {
        self.grace.load(Ordering::Relaxed)
    }

    /// How many answers of `endpoint` ended in `outcome`.
    pub(super) fn outcomes(&self, endpoint: Endpoint, outcome: Outcome) -> u64 {
        self.sum(|shard| &shard.outcomes[endpoint.number()][outcome as usize])
    }

    /// How long all answers took.
    pub(super) fn durations(&self) -> Durations {
        Durations {
            buckets: std::array::from_fn(|nth| self.sum(|shard| &shard.buckets[nth])),
            micros: self.sum(|shard| &shard.micros),
        }
    }

    /// For the screen.
    pub(super) fn summary(&self) -> Summary {
        self.summary_at(Instant::now())
    }

    fn summary_at(&self, now: Instant) -> Summary {
        let durations = self.durations();
        let recent = durations.since(&self.before(now));
        Summary {
            statuses: std::array::from_fn(|nth| self.sum(|shard| &shard.statuses[nth])),
            others: self.sum(|shard| &shard.statuses[STATUSES.len()]),
            p50: recent.percentile(50),
            p95: recent.percentile(95),
            p99: recent.percentile(99),
        }
    }

    /// Keeps what the counters say now, for a window that begins here. Called often; only some calls count.
    pub(super) fn remember(&self, now: Instant) {
        let mut past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        let past = &mut past.0;
        if past
            .back()
            .is_some_and(|(at, _)| now.saturating_duration_since(*at) < STEP)
        {
            return;
        }
        past.push_back((now, self.durations()));
        while past.get(1).is_some_and(|(at, _)| is_old(*at, now)) {
            past.pop_front();
        }
    }

    /// What the counters said a window ago, or at the beginning.
    fn before(&self, now: Instant) -> Durations {
        let past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        let old = past.0.iter().rev().find(|(at, _)| is_old(*at, now));
        old.map(|(_, durations)| *durations).unwrap_or_default()
    }

    fn sum<'a>(&'a self, counter: impl Fn(&'a Shard) -> &'a AtomicU64) -> u64 {
        self.shards
            .iter()
            .map(|shard| counter(shard).load(Ordering::Relaxed))
            .sum()
    }
}

/// Whether `at` is a window ago.
fn is_old(at: Instant, now: Instant) -> bool {
    now.saturating_duration_since(at) >= WINDOW
}

impl Durations {
    /// How many answers there were.
    pub(super) fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// How long they took together, in seconds.
    #[expect(
        clippy::cast_precision_loss,
        reason = "microseconds of centuries fit into what f64 holds exactly"
    )]
    pub(super) fn seconds(&self) -> f64 {
        self.micros as f64 / 1e6
    }

    /// Each bucket's upper bound in seconds and how many answers are in it; the last has no bound.
    #[expect(
        clippy::cast_precision_loss,
        reason = "the bounds are small whole numbers"
    )]
    pub(super) fn buckets(&self) -> Vec<(f64, u64)> {
        BOUNDS
            .iter()
            .map(|micros| *micros as f64 / 1e6)
            .chain([f64::INFINITY])
            .zip(self.buckets)
            .collect()
    }

    fn since(&self, before: &Self) -> Self {
        Self {
            buckets: std::array::from_fn(|nth| {
                self.buckets[nth].saturating_sub(before.buckets[nth])
            }),
            micros: self.micros.saturating_sub(before.micros),
        }
    }

    /// The bound of the bucket that the answer `percent` of the way up is in; for the open one, twice the last bound.
    fn percentile(&self, percent: u64) -> Option<Duration> {
        let count = self.count();
        let wanted = (count * percent).div_ceil(100);
        let mut below = 0;
        let bucket = self.buckets.iter().position(|here| {
            below += here;
            *here > 0 && below >= wanted
        })?;
        let last = BOUNDS[BOUNDS.len() - 1];
        Some(Duration::from_micros(
            BOUNDS.get(bucket).copied().unwrap_or(2 * last),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(stats: &Stats, micros: u64, times: usize) {
        for _ in 0..times {
            let took = Duration::from_micros(micros);
            stats.count(
                Endpoint::Route(Answers::Whoami),
                Outcome::Ok,
                StatusCode::OK,
                took,
            );
        }
    }

    #[test]
    fn percentiles_are_those_of_the_last_minute() {
        let stats = Stats::default();
        let start = Instant::now();
        assert_eq!(stats.summary_at(start), Summary::default());
        count(&stats, 90, 98);
        count(&stats, 3_000, 2);
        let summary = stats.summary_at(start + Duration::from_secs(10));
        let micros = |micros| Some(Duration::from_micros(micros));
        assert_eq!(
            (summary.p50, summary.p95, summary.p99),
            (micros(100), micros(100), micros(4_000))
        );
        assert_eq!(summary.statuses[0], 100);
        count(&stats, 9, 1);
        for second in 20..=80 {
            stats.remember(start + Duration::from_secs(second));
        }
        let summary = stats.summary_at(start + Duration::from_mins(3));
        assert_eq!(summary.p99, None, "nothing came in the last minute");
        assert_eq!(summary.statuses[0], 101, "the counters stay");
    }

    #[test]
    fn threads_add_up() {
        let stats = Stats::default();
        std::thread::scope(|scope| {
            for _ in 0..2 * SHARDS {
                scope.spawn(|| count(&stats, 10_000_000, 10));
            }
        });
        assert_eq!(
            stats.outcomes(Endpoint::Route(Answers::Whoami), Outcome::Ok),
            20 * SHARDS as u64
        );
        let durations = stats.durations();
        assert_eq!(durations.count(), 20 * SHARDS as u64);
        assert_eq!(durations.percentile(50), Some(Duration::from_secs(10)));
    }

    #[test]
    fn numbers_and_names_go_together() {
        for (nth, endpoint) in Endpoint::all().enumerate() {
            assert_eq!(endpoint.number(), nth);
        }
        for (nth, outcome) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, nth);
        }
        assert!(BOUNDS.is_sorted());
    }
}
