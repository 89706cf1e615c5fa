//! How much of a bare hyper server's speed is left under our limits, log and counters: both answer the same bytes on the
//! same runtime, one after the other, asked by `wrk` (Debian's package of that name).
//!
//! `cargo bench --bench listener`
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench says what it finds, or stops"
)]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::process::Command;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokenward::http::route::Answers;
use tokenward::http::{
    Answer, Body, Endpoint, Health, Listener, Outcome, Peer, Pulse, Record, Service, Settings,
};
use tokio::net::TcpListener;

const WHOAMI: &[u8] = br#"{"user":"alice.w","auth":"9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b"}"#;

/// Rounds of which the better one counts: the machine is not always ours alone.
const ROUNDS: usize = 3;

struct Whoami;

impl Service for Whoami {
    async fn answer(&self, _: &Parts, _: Body, _: Peer) -> Answer {
        let mut record = Record::new(Endpoint::Route(Answers::Whoami), Outcome::Ok);
        record.user = Some("alice.w".into());
        Answer {
            response: whoami(),
            record,
        }
    }
}

fn whoami() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(WHOAMI)));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

/// The same headers as ours, ready made.
fn bare_whoami() -> Response<Full<Bytes>> {
    let mut response = whoami();
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        HeaderName::from_static("x-request-id"),
        HeaderValue::from_static("0123456789abcdef"),
    );
    response
}

async fn bare(listener: TcpListener) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        tokio::spawn(async move {
            let service = service_fn(|_| async { Ok::<_, Infallible>(bare_whoami()) });
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service);
            // wrk leaves in the middle when its time is over.
            let _ = connection.await;
        });
    }
}

/// Requests a second.
async fn ask(address: SocketAddr) -> f64 {
    let out = tokio::task::spawn_blocking(move || {
        Command::new("wrk")
            .args(["-t1", "-c32", "-d4s", "-H"])
            .arg("Authorization: Token 9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b")
            .arg(format!("http://{address}/api/example/"))
            .output()
    });
    let out = out.await.unwrap().unwrap();
    let said = String::from_utf8(out.stdout).unwrap();
    let line = said.lines().find(|line| line.starts_with("Requests/sec:"));
    line.unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap()
}

#[tokio::main]
async fn main() {
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let socket = TcpListener::bind(any).await.unwrap();
    let bare_address = socket.local_addr().unwrap();
    tokio::spawn(bare(socket));
    let listener = Listener::start(Settings::on(any), Health::told(Pulse::Up), Whoami)
        .await
        .unwrap();
    // The log has a reader, as it has in `serve`.
    let feed = listener.feed();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            drop(feed.take());
        }
    });
    let (mut ours, mut theirs) = (0_f64, 0_f64);
    for _ in 0..ROUNDS {
        theirs = theirs.max(ask(bare_address).await);
        ours = ours.max(ask(listener.address()).await);
    }
    println!("bare hyper        {theirs:>9.0} /s");
    println!("listener          {ours:>9.0} /s");
    println!(
        "of bare hyper     {:>9.2}    (what carries requests, without looking at a key)",
        ours / theirs
    );
}
