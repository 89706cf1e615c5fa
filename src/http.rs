//! The listener: HTTP/1.1 and HTTP/2 on one address, plain or under TLS. [`Listener::start`] takes what answers the
//! requests, [`Listener::stop`] ends it without losing an answer; `tokenward serve` and the console hold one.
//!
//! A connection passes `accept` (is there a place for it?), `wire` (are its bytes what they seem?), hyper, `envelope`
//! (limits, headers, log), and the [`Service`]. One task, `watch`, ends those that take too long.

mod accept;
pub mod auth;
mod base64;
pub mod body;
pub mod dispatch;
mod envelope;
pub mod feed;
pub mod forwarded;
pub mod health;
pub mod intake;
pub mod limits;
pub mod metrics;
pub mod negotiate;
pub mod options;
pub mod reply;
pub mod route;
mod service;
pub mod stats;
pub mod throttle;
pub mod tls;
mod watch;
mod wire;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use rand::Rng;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use envelope::{Answer, Peer, Record, Service};
pub use feed::Feed;
pub use forwarded::TrustedProxies;
pub use health::{Health, Pulse};
pub use intake::{Body, Unreadable};
pub use limits::Limits;
pub use metrics::Metrics;
pub use stats::{Endpoint, Outcome, Stats};

use accept::{Addresses, IDS, Server};
use tls::Tls;
use watch::Watch;

/// How long connections that were told to end now may take for it.
const LAST_MOMENT: Duration = Duration::from_secs(1);

/// Where connections come from.
#[derive(Debug)]
pub enum Bind {
    /// An address; port 0 lets the system choose one.
    Address(SocketAddr),
    /// A socket that listens already, as systemd hands them over.
    Socket(std::net::TcpListener),
}

/// Whether plain HTTP may leave this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plain {
    /// Only on a loopback address.
    Loopback,
    /// Anywhere: the person said `--insecure-http`.
    Anywhere,
}

/// How a listener listens.
#[derive(Debug)]
pub struct Settings {
    /// Where.
    pub bind: Bind,
    /// Whether plain HTTP may leave this machine.
    pub plain: Plain,
    /// The certificate; without one it is plain HTTP.
    pub tls: Option<Tls>,
    /// How much clients may take.
    pub limits: Limits,
    /// Whose `X-Forwarded-For` counts.
    pub trusted: TrustedProxies,
}

impl Settings {
    /// Plain HTTP on `bind`, all else as usual.
    #[must_use]
    pub fn on(bind: SocketAddr) -> Self {
        Self {
            bind: Bind::Address(bind),
            plain: Plain::Loopback,
            tls: None,
            limits: Limits::default(),
            trusted: TrustedProxies::default(),
        }
    }
}

/// Why there is no listener.
#[derive(Debug, Error)]
pub enum Error {
    /// The address cannot be had.
    #[error(
        "cannot listen on {address}: {source}; is another program on it? `bind` in [listener] or --bind names another address"
    )]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The socket that was handed over is not one to listen on.
    #[error("cannot listen on the socket that was handed over: {0}")]
    Socket(io::Error),
    /// Plain HTTP would leave this machine, keys and passwords in it.
    #[error(
        "plain HTTP on {0} would show keys and passwords to the network; set tls_cert and tls_key, bind a loopback \
         address behind a proxy, or give `serve` --insecure-http if something else encrypts"
    )]
    Insecure(SocketAddr),
}

/// How a stop went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// So many connections had not finished within the limit and were dropped.
    pub dropped: usize,
}

/// A listener that runs. Dropped, it ends at once.
#[derive(Debug)]
pub struct Listener {
    address: SocketAddr,
    feed: Feed,
    stats: Arc<Stats>,
    watch: Arc<Watch>,
    drain: Duration,
    tasks: TaskTracker,
    accepting: JoinHandle<()>,
    watching: JoinHandle<()>,
    stop: CancellationToken,
    kill: CancellationToken,
}

impl Listener {
    /// Listens from now on; `service` answers, `health` knows what probes are told.
    ///
    /// # Errors
    /// When the address cannot be had, or when it is no place for plain HTTP.
    pub async fn start<S: Service>(
        settings: Settings,
        health: Health,
        service: S,
    ) -> Result<Self, Error> {
        let listener = listen(settings.bind).await?;
        let address = listener.local_addr().map_err(Error::Socket)?;
        if settings.tls.is_none()
            && settings.plain == Plain::Loopback
            && !address.ip().to_canonical().is_loopback()
        {
            return Err(Error::Insecure(address));
        }
        let limits = settings.limits;
        let stats = Arc::new(Stats::default());
        let watch = Watch::new(limits);
        let feed = Feed::new(Arc::clone(&stats));
        let tasks = TaskTracker::new();
        let (stop, kill) = (CancellationToken::new(), CancellationToken::new());
        let places = Arc::new(Semaphore::new(limits.connections));
        let server = Arc::new(Server {
            service,
            limits,
            trusted: settings.trusted,
            health,
            stats: Arc::clone(&stats),
            feed: feed.clone(),
            watch: Arc::clone(&watch),
            tls: settings.tls,
            tasks: tasks.clone(),
            kill: kill.clone(),
            next_id: AtomicU64::new(rand::rng().next_u64() & !(IDS - 1)),
            addresses: Addresses::default(),
        });
        let watching = tokio::spawn(accept::watch(Arc::clone(&server), Arc::clone(&places)));
        let accepting = tokio::spawn(accept::accept(server, listener, places, stop.clone()));
        Ok(Self {
            address,
            feed,
            stats,
            watch,
            drain: limits.drain_time,
            tasks,
            accepting,
            watching,
            stop,
            kill,
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The log of its requests.
    #[must_use]
    pub fn feed(&self) -> Feed {
        self.feed.clone()
    }

    /// Its counters, for [`Metrics::new`].
    #[must_use]
    pub fn stats(&self) -> Arc<Stats> {
        Arc::clone(&self.stats)
    }

    /// How many connections are open.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.watch.count()
    }

    /// Stops: no new connections, those with a request on them finish within the limit, the rest is dropped. The port
    /// is free afterwards.
    pub async fn stop(mut self) -> Stopped {
        self.stop.cancel();
        // It ends by itself, and its socket with it. A panic in it was logged where it happened.
        let _ = (&mut self.accepting).await;
        self.watch.close();
        self.tasks.close();
        let drained = tokio::time::timeout(self.drain, self.tasks.wait()).await;
        let dropped = if drained.is_ok() {
            0
        } else {
            let dropped = self.watch.kill();
            self.kill.cancel();
            // What does not hear even that goes with the runtime.
            let _ = tokio::time::timeout(LAST_MOMENT, self.tasks.wait()).await;
            dropped
        };
        Stopped { dropped }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.accepting.abort();
        self.watch.kill();
        self.kill.cancel();
        self.watching.abort();
    }
}

async fn listen(bind: Bind) -> Result<TcpListener, Error> {
    match bind {
        Bind::Address(address) => TcpListener::bind(address)
            .await
            .map_err(|source| Error::Bind { address, source }),
        Bind::Socket(socket) => socket
            .set_nonblocking(true)
            .and_then(|()| TcpListener::from_std(socket))
            .map_err(Error::Socket),
    }
}
