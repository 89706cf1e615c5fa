//! What we are measured against: servers on hyper alone, in processes of their own with the same runtime as ours. One
//! answers always the same; the other asks Postgres one question for each request.

use std::convert::Infallible;
use std::future::ready;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{
    ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};
use tokio_postgres::{Client, NoTls, Statement};

/// The argument that makes this program a peer.
pub const ROLE: &str = "--peer";

/// Connections of the one query a request, as Django's workers hold them.
const CONNECTIONS: usize = 8;

const QUESTION: &str = "SELECT t.created, u.id, u.username, u.email, u.first_name, u.last_name, u.is_active \
     FROM authtoken_token t JOIN auth_user u ON u.id = t.user_id WHERE t.key = $1";

/// A peer's process, which ends with it.
pub struct Peer {
    pub address: SocketAddr,
    process: Child,
}

impl Peer {
    /// One that answers always the same, or with `database` one that looks.
    pub fn start(database: Option<&str>) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg(ROLE).args(database);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut line = String::new();
        let stdout = process.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        Self {
            address: line.trim().parse().unwrap(),
            process,
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Is a peer until the parent is gone.
pub fn run(database: Option<String>) {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{}", listener.local_addr().unwrap());
        match database {
            None => {
                let body = Bytes::from(body("user9999", 9999));
                serve(listener, move |_| ready(whoami(body.clone()))).await;
            }
            Some(url) => {
                let sessions = Arc::new(Sessions::open(&url).await);
                serve(listener, move |request| {
                    let sessions = Arc::clone(&sessions);
                    async move { sessions.answer(&request).await }
                })
                .await;
            }
        }
    });
}

async fn serve<F>(
    listener: TcpListener,
    answer: impl Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
) where
    F: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let answer = answer.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let answer = answer(request);
                async { Ok::<_, Infallible>(answer.await) }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service);
            // wrk leaves in the middle when its time is over.
            let _ = connection.await;
        });
    }
}

fn body(name: &str, key: u64) -> String {
    format!(r#"{{"user":"{name}","auth":"{key:040x}"}}"#)
}

/// The answer of our protected endpoint, header for header.
fn whoami(body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    let headers = response.headers_mut();
    headers.reserve(8);
    for (name, value) in [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (ALLOW, "GET, HEAD, OPTIONS"),
        (CONTENT_TYPE, "application/json"),
        (CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("x-request-id"), "0123456789abcdef"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Connections with their statement, taken and given back.
struct Sessions {
    free: Mutex<mpsc::Receiver<(Client, Statement)>>,
    back: mpsc::Sender<(Client, Statement)>,
}

impl Sessions {
    async fn open(url: &str) -> Self {
        let (back, free) = mpsc::channel(CONNECTIONS);
        for _ in 0..CONNECTIONS {
            let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
            tokio::spawn(connection);
            let statement = client.prepare(QUESTION).await.unwrap();
            back.send((client, statement)).await.unwrap();
        }
        let free = Mutex::new(free);
        Self { free, back }
    }

    async fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let header = request.headers()[AUTHORIZATION].to_str().unwrap();
        let key = header.strip_prefix("Token ").unwrap();
        let lent = Lent {
            session: Some(self.free.lock().await.recv().await.unwrap()),
            back: &self.back,
        };
        let (client, statement) = lent.session.as_ref().unwrap();
        let row = client.query_one(statement, &[&key]).await.unwrap();
        drop(lent);
        assert!(row.get::<_, bool>("is_active"));
        let key = u64::from_str_radix(key, 16).unwrap();
        whoami(Bytes::from(body(row.get("username"), key)))
    }
}

/// A connection that is given back also when the client leaves before it has its answer, as wrk does at each end.
struct Lent<'a> {
    session: Option<(Client, Statement)>,
    back: &'a mpsc::Sender<(Client, Statement)>,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            // There is room for each of them; after the last request nobody takes it.
            let _ = self.back.try_send(session);
        }
    }
}
