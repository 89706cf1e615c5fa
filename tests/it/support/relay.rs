//! A relay before the server that can lose an answer: the server has committed, and whoever asked for it is never told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use tokenward::domain::secret::Secret;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::task::JoinHandle;
use tokio_postgres::Config;
use tokio_postgres::config::Host;

use super::place::Place;

/// A relay; it ends with the test.
pub struct Relay {
    port: u16,
    armed: Arc<AtomicBool>,
    working: JoinHandle<()>,
}

/// What it connects to.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Relay {
    /// A relay before the server of `place`.
    pub async fn before(place: &Place) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let armed = Arc::new(AtomicBool::new(false));
        let (config, loses) = (place.config(), Arc::clone(&armed));
        let working = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, config.clone(), Arc::clone(&loses)));
            }
        });
        Self {
            port,
            armed,
            working,
        }
    }

    /// The address of `place` through it.
    pub fn url(&self, place: &Place) -> Secret<String> {
        let url = place.url();
        let (who, rest) = url.expose().split_once('@').unwrap();
        let (_, name) = rest.split_once('/').unwrap();
        Secret::new(format!(
            "{who}@127.0.0.1:{}/{name}?sslmode=disable",
            self.port
        ))
    }

    /// The answer to the next COMMIT is lost, and the connection with it.
    pub fn lose_next_commit(&self) {
        self.armed.store(true, SeqCst);
    }

    /// Whether that has happened.
    pub fn has_lost(&self) -> bool {
        !self.armed.load(SeqCst)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.working.abort();
    }
}

async fn connect(config: &Config) -> Box<dyn Stream> {
    let port = config.get_ports().first().copied().unwrap_or(5432);
    match &config.get_hosts()[0] {
        Host::Tcp(name) => Box::new(TcpStream::connect((name.as_str(), port)).await.unwrap()),
        Host::Unix(folder) => {
            let socket = folder.join(format!(".s.PGSQL.{port}"));
            Box::new(UnixStream::connect(socket).await.unwrap())
        }
    }
}

async fn carry(client: TcpStream, config: Config, armed: Arc<AtomicBool>) {
    let (mut from_server, mut to_server) = tokio::io::split(connect(&config).await);
    let (mut from_client, mut to_client) = client.into_split();
    let (mut asked, mut answered) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    let mut loses = false;
    loop {
        tokio::select! {
            read = from_client.read(&mut asked) => match read {
                Ok(many @ 1..) => {
                    let commits = asked[..many].windows(6).any(|word| word == b"COMMIT");
                    loses |= commits && armed.swap(false, SeqCst);
                    if to_server.write_all(&asked[..many]).await.is_err() {
                        return;
                    }
                }
                Ok(0) | Err(_) => return,
            },
            read = from_server.read(&mut answered) => match read {
                // The server answers when it has done it.
                Ok(1..) if loses => return,
                Ok(many @ 1..) => {
                    if to_client.write_all(&answered[..many]).await.is_err() {
                        return;
                    }
                }
                Ok(0) | Err(_) => return,
            },
        }
    }
}
