//! What every request gets round its answer: refused when its head is ambiguous, a time limit, the headers that all
//! answers carry, a line in the feed, its place in the counters. The part that knows the endpoints is a [`Service`].
//!
//! This is the hot path: no lock that is held for long, no timer where the answer is ready at once, two looks at the
//! clock.

use std::borrow::Cow;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use compact_str::CompactString;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, HeaderValue,
    RETRY_AFTER, TRANSFER_ENCODING,
};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Request, Response, StatusCode, Version};
use tokio::time::Sleep;

use super::accept::Server;
use super::feed::{Line, RequestId, kept_path};
use super::intake::Body;
use super::stats::{Endpoint, Outcome};
use super::watch::{Order, Watched};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The client, behind trusted proxies too: for throttling and the log.
    pub client: IpAddr,
    /// The other end of the connection.
    pub socket: SocketAddr,
}

/// What the log and the counters are told of an answer. Nothing in it may be a key or a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What was asked.
    pub endpoint: Endpoint,
    /// How it ended.
    pub outcome: Outcome,
    /// The user's name, if one was recognised.
    pub user: Option<CompactString>,
    /// Why it was refused, for the log.
    pub reason: Option<Cow<'static, str>>,
    /// It showed a retired key: how often that user's were shown from this address.
    pub retired_calls: Option<u64>,
    /// It was let in by a key that was replaced, in its grace.
    pub in_grace: bool,
}

impl Record {
    /// Nothing but what and how.
    #[must_use]
    pub const fn new(endpoint: Endpoint, outcome: Outcome) -> Self {
        Self {
            endpoint,
            outcome,
            user: None,
            reason: None,
            retired_calls: None,
            in_grace: false,
        }
    }
}

/// An answer, and what is told of it.
#[derive(Debug)]
pub struct Answer {
    /// What the client gets. `Date`, `Content-Length`, `Cache-Control` and `X-Request-Id` are added.
    pub response: Response<Full<Bytes>>,
    /// What the log and the counters get.
    pub record: Record,
}

/// What answers the requests of a listener.
pub trait Service: Send + Sync + 'static {
    /// Answers one request. It may be dropped at any await, when the client is gone or the time is over.
    fn answer(&self, head: &Parts, body: Body, peer: Peer) -> impl Future<Output = Answer> + Send;
}

/// One connection, as its requests see it.
pub(super) struct Link<S> {
    pub(super) server: Arc<Server<S>>,
    pub(super) watched: Arc<Watched>,
    pub(super) socket: SocketAddr,
    /// Where the request ids of this connection begin.
    pub(super) first_id: u64,
}

/// Notes the end of a request, also of one that is dropped.
struct InFlight<'a>(&'a Watched);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Answers `request`, which came in on `link`.
pub(super) async fn answer<S: Service>(
    link: Arc<Link<S>>,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let start = Instant::now();
    let number = link.watched.begin();
    let _in_flight = InFlight(&link.watched);
    let server = &*link.server;
    let (head, incoming) = request.into_parts();
    let client = server.trusted.client(link.socket.ip(), &head.headers);
    let peer = Peer {
        client,
        socket: link.socket,
    };
    let closing = server.watch.is_closing();
    let body = Body::new(incoming, server.limits.body_bytes, server.limits.body_time);
    let Answer {
        mut response,
        record,
    } = if let Some(refusal) = refused(&head, server.limits.request_line_bytes) {
        refusal
    } else if let Some(response) = server.health.answer(&head.method, head.uri.path(), closing) {
        let record = Record::new(Endpoint::Health, Outcome::of(response.status()));
        Answer { response, record }
    } else {
        let answer = pin!(server.service.answer(&head, body, peer));
        let limit = server.limits.request_time;
        Limited::new(answer, limit).await.unwrap_or_else(late)
    };
    let id = RequestId::new(link.first_id.wrapping_add(number));
    // Asked again: the stop may have begun while the answer was made.
    let last = server.watch.is_closing() || number >= server.limits.requests_per_connection;
    finish(&mut response, &head, id, last);
    if last && head.version == Version::HTTP_2 {
        link.watched.tell(Order::Drain);
    }
    let at = Instant::now();
    let took = at.saturating_duration_since(start);
    let status = response.status();
    server
        .stats
        .count(record.endpoint, record.outcome, status, took);
    if record.retired_calls.is_some() {
        server.stats.count_retired();
    }
    if record.in_grace {
        server.stats.count_grace();
    }
    // Probes come every second and say nothing while all is well.
    if record.endpoint != Endpoint::Health || record.outcome != Outcome::Ok {
        server.feed.offer(|| Line {
            at,
            client,
            method: head.method,
            path: kept_path(head.uri.path()),
            status,
            user: record.user,
            took,
            reason: record.reason,
            retired_calls: record.retired_calls,
            id,
        });
    }
    response
}

/// Adds what all answers carry.
fn finish(response: &mut Response<Full<Bytes>>, head: &Parts, id: RequestId, last: bool) {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Hex digits are always a good value.
    if let Ok(id) = HeaderValue::from_bytes(&id.digits()) {
        headers.insert(X_REQUEST_ID, id);
    }
    // Where a chunked body ends only hyper knows, so nothing may follow it: see `wire/scan.rs`.
    let chunked = head.headers.contains_key(TRANSFER_ENCODING);
    if (last || chunked) && head.version < Version::HTTP_2 {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
}

/// The answer to a request that can be read in more than one way, or whose first line is too long.
fn refused(head: &Parts, request_line_bytes: usize) -> Option<Answer> {
    /// What stands in the first line beside method, host and path: two spaces and `HTTP/1.1`.
    const REST: usize = 10;
    let path = head
        .uri
        .path_and_query()
        .map_or(0, |path| path.as_str().len());
    let host = head.uri.authority().map_or(0, |host| host.as_str().len());
    if head.method.as_str().len() + path + host + REST >= request_line_bytes {
        let said = "The request line is too long.";
        return Some(refusal(StatusCode::URI_TOO_LONG, said));
    }
    ambiguous(&head.headers).map(|said| refusal(StatusCode::BAD_REQUEST, said))
}

/// Why `headers` can be read in more than one way, if they can.
fn ambiguous(headers: &HeaderMap) -> Option<&'static str> {
    // Both are usual lengths of what is right, and cost nothing. A repeated Authorization is read as one, its values
    // joined, which is no credential of anybody.
    if headers.len() != headers.keys_len() {
        for (name, said) in [
            (HOST, "Repeated Host header."),
            (CONTENT_TYPE, "Repeated Content-Type header."),
            (CONTENT_LENGTH, "Repeated Content-Length header."),
            (TRANSFER_ENCODING, "Repeated Transfer-Encoding header."),
        ] {
            if headers.get_all(name).iter().nth(1).is_some() {
                return Some(said);
            }
        }
    }
    let coding = headers.get(TRANSFER_ENCODING)?;
    (!coding.as_bytes().eq_ignore_ascii_case(b"chunked"))
        .then_some("Only the transfer coding chunked is understood.")
}

fn refusal(status: StatusCode, said: &'static str) -> Answer {
    let mut answer = detail(status, said);
    answer.record.reason = Some(Cow::Borrowed(said));
    // Who sends such a thing is not to be trusted with what follows it.
    let close = HeaderValue::from_static("close");
    answer.response.headers_mut().insert(CONNECTION, close);
    answer
}

/// The request's time is over.
fn late(_: Late) -> Answer {
    let mut answer = detail(
        StatusCode::SERVICE_UNAVAILABLE,
        "The answer took too long. Try again.",
    );
    let soon = HeaderValue::from_static("1");
    answer.response.headers_mut().insert(RETRY_AFTER, soon);
    answer.record.reason = Some(Cow::Borrowed("took too long"));
    answer
}

/// `said` as REST framework words errors.
fn detail(status: StatusCode, said: &'static str) -> Answer {
    let mut response = Response::new(Full::new(Bytes::from(format!("{{\"detail\":\"{said}\"}}"))));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    let record = Record::new(Endpoint::Other, Outcome::of(status));
    Answer { response, record }
}

/// A future with a time limit, whose timer is made only when the future has to wait: most do not.
struct Limited<'a, F> {
    inner: Pin<&'a mut F>,
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

/// The limit was reached.
struct Late;

impl<'a, F> Limited<'a, F> {
    const fn new(inner: Pin<&'a mut F>, limit: Duration) -> Self {
        Self {
            inner,
            limit,
            timer: None,
        }
    }
}

impl<F: Future> Future for Limited<'_, F> {
    type Output = Result<F::Output, Late>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(output) = self.inner.as_mut().poll(cx) {
            return Poll::Ready(Ok(output));
        }
        let limit = self.limit;
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        timer.as_mut().poll(cx).map(|()| Err(Late))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(headers: &[(&'static str, &'static str)]) -> HeaderMap {
        headers
            .iter()
            .map(|(name, value)| {
                let name = HeaderName::from_static(name);
                (name, HeaderValue::from_static(value))
            })
            .fold(HeaderMap::new(), |mut map, (name, value)| {
                map.append(name, value);
                map
            })
    }

    #[test]
    fn what_can_be_read_two_ways_is_refused() {
        for name in ["host", "content-type", "content-length"] {
            assert!(
                ambiguous(&map(&[(name, "a"), (name, "a")])).is_some(),
                "{name}"
            );
            assert!(ambiguous(&map(&[(name, "a"), ("accept", "b")])).is_none());
        }
        for (coding, is_refused) in [
            ("chunked", false),
            ("Chunked", false),
            ("gzip, chunked", true),
        ] {
            let found = ambiguous(&map(&[("transfer-encoding", coding)]));
            assert_eq!(found.is_some(), is_refused, "{coding}");
        }
        // These are lists, and a list may be written on several lines.
        assert!(ambiguous(&map(&[("accept", "a"), ("accept", "b")])).is_none());
    }

    #[tokio::test]
    async fn what_takes_too_long_is_late_and_nothing_else() {
        let ready = pin!(std::future::ready(1));
        assert!(Limited::new(ready, Duration::ZERO).await.is_ok());
        let soon = pin!(tokio::task::yield_now());
        assert!(Limited::new(soon, Duration::from_mins(1)).await.is_ok());
        let never = pin!(std::future::pending::<()>());
        let limit = Duration::from_millis(10);
        assert!(Limited::new(never, limit).await.is_err());
    }
}
