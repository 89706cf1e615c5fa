//! The load: `wrk` for the protected endpoint, and clients of our own for what `wrk` cannot do.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What `wrk` uses to ask.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/listener/keys.lua");

/// One run of `wrk`.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    pub answers: u64,
    pub rate: f64,
    pub p99: Duration,
}

/// Asks `address` for `seconds` over `connections`, with `count` keys from `first` on.
pub async fn ask(
    address: SocketAddr,
    connections: u64,
    seconds: u64,
    (first, count): (u64, u64),
) -> Run {
    assert!(Path::new(SCRIPT).exists(), "{SCRIPT} is there");
    let mut wrk = Command::new("wrk");
    wrk.arg("-t1")
        .arg(format!("-c{connections}"))
        .arg(format!("-d{seconds}s"))
        .args(["--timeout", "10s", "-s", SCRIPT])
        .arg(format!("http://{address}/"))
        .args(["--", &first.to_string(), &count.to_string()]);
    let out = tokio::task::spawn_blocking(move || wrk.output());
    let out = out
        .await
        .unwrap()
        .expect("wrk, Debian's package of that name");
    let said = String::from_utf8(out.stdout).unwrap();
    let line = said.lines().find_map(|line| line.strip_prefix("said "));
    let line = line.unwrap_or_else(|| panic!("wrk said {said}"));
    let figures: Vec<u64> = line.split(' ').map(|word| word.parse().unwrap()).collect();
    let [answers, micros, errors, p99] = figures[..] else {
        panic!("wrk said {line}")
    };
    assert_eq!(errors, 0, "every key is good: {said}");
    Run {
        answers,
        rate: answers as f64 / Duration::from_micros(micros).as_secs_f64(),
        p99: Duration::from_micros(p99),
    }
}

/// A connection that is kept, and the answers' statuses.
pub struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            buffer: Vec::with_capacity(4096),
        }
    }

    /// Sends `request`, and reads the whole answer.
    pub async fn status(&mut self, request: &str) -> u16 {
        self.stream.write_all(request.as_bytes()).await.unwrap();
        self.buffer.clear();
        loop {
            let read = self.stream.read_buf(&mut self.buffer).await.unwrap();
            assert_ne!(read, 0, "the connection is kept");
            let text = std::str::from_utf8(&self.buffer).unwrap();
            let Some((head, body)) = text.split_once("\r\n\r\n") else {
                continue;
            };
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                name.eq_ignore_ascii_case("content-length")
                    .then(|| value.parse::<usize>().unwrap())
            });
            if body.len() >= length.expect("a length") {
                return head[9..12].parse().unwrap();
            }
        }
    }
}

/// The protected endpoint, asked with `key`.
pub fn whoami(key: &str) -> String {
    format!("GET /api/example/ HTTP/1.1\r\nHost: bench\r\nAuthorization: Token {key}\r\n\r\n")
}

/// Logins by as many clients, each as another user.
const CLIENTS: u64 = 8;

/// Clients that obtain tokens until they are told to stop.
pub struct Storm {
    over: Arc<AtomicBool>,
    clients: Vec<tokio::task::JoinHandle<()>>,
}

impl Storm {
    pub fn start(address: SocketAddr) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let clients = (1..=CLIENTS)
            .map(|user| {
                let over = Arc::clone(&over);
                tokio::spawn(async move {
                    let mut client = Client::connect(address).await;
                    while !over.load(Relaxed) {
                        assert_eq!(client.status(&obtain(user)).await, 200);
                    }
                })
            })
            .collect();
        Self { over, clients }
    }

    /// Ends when the last login has its answer.
    pub async fn stop(self) {
        self.over.store(true, Relaxed);
        for client in self.clients {
            client.await.unwrap();
        }
    }
}

/// How long the clients need for `logins` in all.
pub async fn log_in(address: SocketAddr, logins: u64) -> Duration {
    let left = Arc::new(AtomicU64::new(logins));
    let begun = Instant::now();
    let clients: Vec<_> = (1..=CLIENTS)
        .map(|user| {
            let left = Arc::clone(&left);
            tokio::spawn(async move {
                let mut client = Client::connect(address).await;
                while left
                    .fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1))
                    .is_ok()
                {
                    assert_eq!(client.status(&obtain(user)).await, 200);
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    begun.elapsed()
}

fn obtain(user: u64) -> String {
    let body = format!(
        r#"{{"username":"user{user}","password":"{}"}}"#,
        super::PASSWORD
    );
    format!(
        "POST /api-token-auth/ HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
