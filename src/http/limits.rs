//! How much a client may take of us: bytes, time, connections. Each has a default that suits a proxy or some thousand
//! clients, and a setting of the same name in `[listener]`. The accept loop, the wire and the body reader obey them.

use std::time::Duration;

/// Every limit of the listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A request's line and headers together have fewer bytes than this; others get 431.
    pub header_bytes: usize,
    /// A request's line has fewer bytes than this; others get 414.
    pub request_line_bytes: usize,
    /// From the first byte of a request to the end of its headers.
    pub header_time: Duration,
    /// A request's body has at most so many bytes; others get 413.
    pub body_bytes: usize,
    /// From the first wait for a body to its last byte; slower ones get 408.
    pub body_time: Duration,
    /// From the end of the headers to the answer; slower ones get 503.
    pub request_time: Duration,
    /// How long a connection may be open without a request on it.
    pub idle_time: Duration,
    /// How long the TLS handshake may take.
    pub handshake_time: Duration,
    /// How long [`Listener::stop`](super::Listener::stop) waits for requests in flight.
    pub drain_time: Duration,
    /// Connections in all; more wait in the kernel's queue.
    pub connections: usize,
    /// Connections of one address (of one /64 network with IPv6), trusted proxies excepted; more get 429.
    pub connections_per_address: usize,
    /// After so many requests a connection is closed.
    pub requests_per_connection: u64,
}

impl Limits {
    /// The least `header_bytes` can be: one smaller makes hyper refuse to start.
    pub const LEAST_HEADER_BYTES: usize = 1024;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_bytes: 8 * 1024,
            request_line_bytes: 4 * 1024,
            header_time: Duration::from_secs(10),
            body_bytes: 2_621_440,
            body_time: Duration::from_secs(15),
            request_time: Duration::from_secs(30),
            idle_time: Duration::from_secs(75),
            handshake_time: Duration::from_secs(10),
            drain_time: Duration::from_secs(10),
            connections: 4096,
            connections_per_address: 512,
            requests_per_connection: 100_000,
        }
    }
}
