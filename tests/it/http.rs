//! The listener over real sockets: with a small service of our own behind it, polite clients, rude ones, and a stop in
//! the middle of it all; in `answers` with the real one.

mod answers;
mod drain;
mod grace;
mod retired;
mod rude;
mod serve;
mod tls;
mod uses;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::http::request::Parts;
use tokenward::http::route::Answers;
use tokenward::http::{
    Answer, Body, Endpoint, Health, Limits, Listener, Outcome, Peer, Pulse, Record, Service,
    Settings,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longer than anything here takes on a slow machine; only a failing test waits so long.
const DEADLINE: Duration = Duration::from_mins(1);

/// What the endpoints answer.
const WHOAMI: &str = r#"{"user":"alice","auth":"9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b"}"#;

/// Answers as whoami does: `/slow` after a while, `/never` not at all, `/body` with the length of what was sent, `/peer`
/// with the client's address.
struct Whoami;

/// How long `/slow` takes.
const SLOW: Duration = Duration::from_millis(400);

impl Service for Whoami {
    async fn answer(&self, head: &Parts, body: Body, peer: Peer) -> Answer {
        let mut status = 200;
        let text = match head.uri.path() {
            "/slow" => {
                tokio::time::sleep(SLOW).await;
                WHOAMI.to_owned()
            }
            "/never" => std::future::pending().await,
            "/body" => match body.collect().await {
                Ok(bytes) => bytes.len().to_string(),
                Err(error) => {
                    status = error.status().as_u16();
                    error.to_string()
                }
            },
            "/peer" => peer.client.to_string(),
            _ => WHOAMI.to_owned(),
        };
        let mut response = Response::new(Full::new(Bytes::from(text)));
        *response.status_mut() = status.try_into().unwrap();
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(CONTENT_TYPE, json);
        let mut record = Record::new(
            Endpoint::Route(Answers::Whoami),
            Outcome::of(response.status()),
        );
        record.user = Some("alice".into());
        Answer { response, record }
    }
}

fn loopback() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

/// A listener that answers as [`Whoami`], within `limits`.
async fn listener(limits: Limits) -> Listener {
    let settings = Settings {
        limits,
        ..Settings::on(loopback())
    };
    start(settings).await
}

async fn start(settings: Settings) -> Listener {
    Listener::start(settings, Health::told(Pulse::Up), Whoami)
        .await
        .unwrap()
}

/// One answer as it came over the wire.
#[derive(Debug)]
struct Raw {
    status: u16,
    head: String,
    body: String,
}

impl Raw {
    fn has(&self, line: &str) -> bool {
        let line = line.to_ascii_lowercase();
        self.head
            .lines()
            .any(|found| found.to_ascii_lowercase() == line)
    }
}

/// A client that writes what it likes.
struct Client {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Client {
    async fn to(listener: &Listener) -> Self {
        Self::connect(listener.address()).await
    }

    async fn connect(address: SocketAddr) -> Self {
        Self {
            stream: TcpStream::connect(address).await.unwrap(),
            read: Vec::new(),
        }
    }

    /// Sends `bytes`; a server that has closed already is no error.
    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref()).await;
    }

    /// The next answer; none when the connection ended before it.
    async fn answer(&mut self) -> Option<Raw> {
        tokio::time::timeout(DEADLINE, self.next())
            .await
            .expect("an answer or an end in time")
    }

    async fn next(&mut self) -> Option<Raw> {
        loop {
            if let Some(end) = find(&self.read, b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&self.read[..end]).into_owned();
                let length = head
                    .lines()
                    .find_map(|line| {
                        let line = line.to_ascii_lowercase();
                        line.strip_prefix("content-length: ")?.parse().ok()
                    })
                    .unwrap_or(0);
                if self.read.len() >= end + 4 + length {
                    let whole: Vec<u8> = self.read.drain(..end + 4 + length).collect();
                    let status = head.split(' ').nth(1)?.parse().ok()?;
                    let body = String::from_utf8_lossy(&whole[end + 4..]).into_owned();
                    if status == 100 {
                        continue;
                    }
                    return Some(Raw { status, head, body });
                }
            }
            match self.stream.read_buf(&mut self.read).await {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// Waits until the server closes; what it still sends is dropped.
    async fn closed(&mut self) -> bool {
        let ended = async {
            let mut rest = Vec::new();
            let _ = self.stream.read_to_end(&mut rest).await;
        };
        tokio::time::timeout(DEADLINE, ended).await.is_ok()
    }

    async fn get(&mut self, path: &str) -> Option<Raw> {
        self.send(get(path)).await;
        self.answer().await
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|here| here == wanted)
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: here\r\nAuthorization: Token abc\r\n\r\n")
}

/// Waits until `done`.
async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < DEADLINE, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn requests_follow_each_other_on_one_connection() {
    let listener = listener(Limits::default()).await;
    let mut client = Client::to(&listener).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        let answer = client.get("/api/example/").await.unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (200, WHOAMI));
        assert!(answer.has("cache-control: no-store"), "{}", answer.head);
        assert!(answer.head.contains("date: "), "{}", answer.head);
        let id = answer
            .head
            .lines()
            .find_map(|line| line.strip_prefix("x-request-id: "));
        ids.push(id.unwrap().to_owned());
    }
    // Written at once, answered in order.
    client.send(get("/slow").repeat(2) + &get("/peer")).await;
    for body in [WHOAMI, WHOAMI, "127.0.0.1"] {
        assert_eq!(client.answer().await.unwrap().body, body);
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 3, "each request has an id of its own");
    let batch = listener.feed().take();
    assert_eq!((batch.lines.len(), batch.dropped), (6, 0));
    let line = &batch.lines[0];
    assert_eq!(&*line.path, "/api/example/");
    assert_eq!(line.user.as_deref(), Some("alice"));
    assert!(!format!("{batch:?}").contains("abc"), "{batch:?}");
    let summary = listener.feed().summary();
    assert_eq!(summary.statuses[0], 6);
    assert!(summary.p99.unwrap() >= SLOW, "{summary:?}");
    assert_eq!(listener.connections(), 1);
    assert_eq!(listener.stop().await.dropped, 0);
}

#[tokio::test]
async fn bodies_come_in_every_way_and_within_their_limit() {
    let listener = listener(Limits {
        body_bytes: 2_000,
        ..Limits::default()
    })
    .await;
    let post = |headers: &str, body: &str| {
        format!("POST /body HTTP/1.1\r\nHost: here\r\n{headers}\r\n\r\n{body}")
    };
    let (exact, more) = ("x".repeat(2_000), "x".repeat(2_001));
    let in_chunks = format!("3e8\r\n{0}\r\n3e8\r\n{0}\r\n0\r\n\r\n", "y".repeat(1_000));
    let too_many = format!("3e8\r\n{0}\r\n", "y".repeat(1_000)).repeat(3) + "0\r\n\r\n";
    for (request, status, body) in [
        (post("Content-Length: 5", "hello"), 200, "5"),
        (post("Content-Length: 2000", &exact), 200, "2000"),
        (
            post("Content-Length: 2001", &more),
            413,
            "the body is larger than 2000 bytes",
        ),
        (post("Transfer-Encoding: chunked", &in_chunks), 200, "2000"),
        (
            post("Transfer-Encoding: chunked", &too_many),
            413,
            "the body is larger than 2000 bytes",
        ),
        (post("Content-Length: 0", ""), 200, "0"),
        (
            post("Transfer-Encoding: chunked", "zz\r\n"),
            400,
            "the body is broken off or malformed",
        ),
        (
            post("Content-Length: 99999999999", ""),
            413,
            "the body is larger than 2000 bytes",
        ),
    ] {
        let mut client = Client::to(&listener).await;
        client.send(&request).await;
        let answer = client.answer().await.unwrap();
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (status, body),
            "{request:.80}"
        );
    }
    let mut client = Client::to(&listener).await;
    client
        .send(post("Content-Length: 5\r\nExpect: 100-continue", ""))
        .await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    client.send("hello").await;
    assert_eq!(client.answer().await.unwrap().body, "5");
}

#[tokio::test]
async fn a_client_that_closed_its_side_still_gets_its_answer() {
    let listener = listener(Limits::default()).await;
    let mut client = Client::to(&listener).await;
    client.send(get("/slow")).await;
    client.stream.shutdown().await.unwrap();
    assert_eq!(client.answer().await.unwrap().body, WHOAMI);
    assert!(client.closed().await);
}

#[tokio::test]
async fn probes_are_answered_and_stay_out_of_the_log() {
    let health = Health::told(Pulse::Up);
    let listener = Listener::start(Settings::on(loopback()), health.clone(), Whoami)
        .await
        .unwrap();
    let mut client = Client::to(&listener).await;
    assert_eq!(client.get("/readyz").await.unwrap().body, "ok\n");
    health.tell(Pulse::Down);
    let answer = client.get("/readyz").await.unwrap();
    assert_eq!(answer.status, 503);
    assert!(answer.has("retry-after: 1"), "{}", answer.head);
    assert_eq!(client.get("/livez").await.unwrap().status, 200);
    assert_eq!(listener.feed().take().lines.len(), 1, "only the refusal");
}

#[tokio::test]
async fn forwarded_addresses_count_from_trusted_proxies_only() {
    let ask = "GET /peer HTTP/1.1\r\nHost: here\r\nX-Forwarded-For: 6.6.6.6, 198.51.100.7\r\n\r\n";
    for (trusted, client) in [("127.0.0.0/8", "198.51.100.7"), ("10.0.0.0/8", "127.0.0.1")] {
        let settings = Settings {
            trusted: tokenward::http::TrustedProxies::new(vec![trusted.parse().unwrap()]),
            ..Settings::on(loopback())
        };
        let listener = start(settings).await;
        let mut asking = Client::to(&listener).await;
        asking.send(ask).await;
        assert_eq!(asking.answer().await.unwrap().body, client);
        assert_eq!(listener.feed().take().lines[0].client.to_string(), client);
    }
}

#[tokio::test]
async fn plain_http_stays_on_this_machine() {
    let everywhere = "0.0.0.0:0".parse().unwrap();
    let refused = Listener::start(Settings::on(everywhere), Health::told(Pulse::Up), Whoami).await;
    let said = refused.unwrap_err().to_string();
    assert!(said.contains("--insecure-http"), "{said}");
    let settings = Settings {
        plain: tokenward::http::Plain::Anywhere,
        ..Settings::on(everywhere)
    };
    let listener = start(settings).await;
    let port = listener.address().port();
    let mut client = Client::connect(SocketAddr::from(([127, 0, 0, 1], port))).await;
    assert_eq!(client.get("/").await.unwrap().status, 200);
    let taken = Listener::start(
        Settings::on(SocketAddr::from(([127, 0, 0, 1], port))),
        Health::told(Pulse::Up),
        Whoami,
    )
    .await;
    let said = taken.unwrap_err().to_string();
    assert!(said.contains("is another program on it?"), "{said}");
}
