//! The request log as a feed: one line a request, kept in a bounded list until its reader takes them all. A request
//! never waits for the reader: where the list is full, its line is counted instead of kept.
//!
//! Short texts stand in the line itself: a line is made by one thread and dropped by another, and memory that changes
//! hands costs more than the copy.
//!
//! The list has one reader: the Listener screen, or the writer of `tokenward serve`.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use compact_str::CompactString;
use hyper::{Method, StatusCode};

use super::stats::{Stats, Summary};

/// So many lines are kept for the reader. One that reads ten times a second keeps up with 40,000 requests a second.
const KEPT: usize = 4096;

/// So many bytes of a path are kept.
const LONGEST_PATH: usize = 200;

/// One request and its answer. Never a key, a password, a header or what follows the `?`.
#[derive(Clone, PartialEq, Eq)]
pub struct Line {
    /// When the answer was ready.
    pub at: Instant,
    /// The client, behind trusted proxies too.
    pub client: IpAddr,
    /// The method.
    pub method: Method,
    /// The path as sent, escapes and all, its end left out where it is long. From outside: not safe to print.
    pub path: CompactString,
    /// The answer's status.
    pub status: StatusCode,
    /// The user's name, if one was recognised. From outside: not safe to print.
    pub user: Option<CompactString>,
    /// From the end of the headers to the answer.
    pub took: Duration,
    /// Why it was refused, in words for the log.
    pub reason: Option<Cow<'static, str>>,
    /// It showed a retired key: how often that user's were shown from this address since the start.
    pub retired_calls: Option<u64>,
    /// As in the answer's `X-Request-Id`.
    pub id: RequestId,
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Line");
        out.field("client", &self.client)
            .field("method", &self.method);
        out.field("path", &self.path)
            .field("status", &self.status)
            .field("user", &self.user)
            .field("took", &self.took)
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

/// Tells one request from another in answers and logs: 16 hex digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestId(u64);

impl RequestId {
    pub(super) const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its digits.
    #[must_use]
    pub fn digits(self) -> [u8; 16] {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut rest = self.0;
        let mut digits = [b'0'; 16];
        for digit in digits.iter_mut().rev() {
            // Four bits always fit.
            *digit = HEX[(rest & 15) as usize];
            rest >>= 4;
        }
        digits
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// What the reader takes at once.
#[derive(Debug, Default)]
pub struct Batch {
    /// The lines, oldest first.
    pub lines: Vec<Line>,
    /// How many there were beside them, which were not kept.
    pub dropped: u64,
}

/// The feed of one listener; cheap to clone.
#[derive(Clone, Debug)]
pub struct Feed(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    lines: Mutex<Vec<Line>>,
    /// As many as in `lines`, for looking without the lock.
    kept: AtomicUsize,
    dropped: AtomicU64,
    stats: Arc<Stats>,
}

impl Feed {
    pub(super) fn new(stats: Arc<Stats>) -> Self {
        Self(Arc::new(Inner {
            lines: Mutex::new(Vec::with_capacity(KEPT)),
            kept: AtomicUsize::new(0),
            dropped: AtomicU64::new(0),
            stats,
        }))
    }

    /// Takes all lines there are. Waits for nothing: requests hold the list only for as long as a line takes to move.
    #[must_use]
    pub fn take(&self) -> Batch {
        let mut fresh = Vec::with_capacity(KEPT);
        {
            let mut lines = self.0.lines.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::swap(&mut *lines, &mut fresh);
            self.0.kept.store(0, Ordering::Relaxed);
        }
        Batch {
            lines: fresh,
            dropped: self.0.dropped.swap(0, Ordering::Relaxed),
        }
    }

    /// Counters, and how long answers took in the last minute.
    #[must_use]
    pub fn summary(&self) -> Summary {
        self.0.stats.summary()
    }

    /// Keeps the line that `make` makes, which is not called where there is no room for it.
    pub(super) fn offer(&self, make: impl FnOnce() -> Line) {
        let inner = &*self.0;
        if inner.kept.load(Ordering::Relaxed) >= KEPT {
            inner.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let line = make();
        let mut lines = inner.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() < KEPT {
            lines.push(line);
            inner.kept.store(lines.len(), Ordering::Relaxed);
        } else {
            inner.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// As much of `path` as a line keeps.
pub(super) fn kept_path(path: &str) -> CompactString {
    path[..path.floor_char_boundary(LONGEST_PATH)].into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(path: &str) -> Line {
        Line {
            at: Instant::now(),
            client: IpAddr::from([127, 0, 0, 1]),
            method: Method::GET,
            path: kept_path(path),
            status: StatusCode::OK,
            user: None,
            took: Duration::from_millis(1),
            reason: None,
            retired_calls: None,
            id: RequestId::new(1),
        }
    }

    #[test]
    fn a_full_feed_counts_and_goes_on() {
        let feed = Feed::new(Arc::default());
        for _ in 0..KEPT + 3 {
            feed.offer(|| line("/"));
        }
        let batch = feed.take();
        assert_eq!((batch.lines.len(), batch.dropped), (KEPT, 3));
        feed.offer(|| line("/next"));
        let batch = feed.take();
        assert_eq!((&*batch.lines[0].path, batch.dropped), ("/next", 0));
    }

    #[test]
    fn a_long_path_is_cut_between_characters() {
        let path = "é".repeat(300);
        assert_eq!(kept_path(&path).len(), LONGEST_PATH);
        let path = format!("/{path}");
        assert_eq!(kept_path(&path).len(), LONGEST_PATH - 1);
    }

    #[test]
    fn an_id_is_sixteen_digits_both_ways() {
        let id = RequestId::new(0xab_0000_001f);
        assert_eq!(&id.digits(), b"000000ab0000001f");
        assert_eq!(id.to_string().as_bytes(), id.digits());
    }
}
