//! Takes connections: so many in all, so many of one address, each with its limits under the watch. It goes on when a
//! connection cannot be taken, and when it is told to stop it still takes those that the kernel took for us.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use hyper::service::service_fn;
use hyper_util::rt::TokioExecutor;
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulConnection;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::envelope::{self, Link, Service};
use super::feed::Feed;
use super::forwarded::TrustedProxies;
use super::health::Health;
use super::limits::Limits;
use super::stats::Stats;
use super::tls::Tls;
use super::watch::{Entry, Order, TICK, Watch, Watched};
use super::wire::{Agreed, Wire};

/// How long nothing is accepted after it failed: out of file descriptors or memory, at once would be in vain.
const PAUSE: Duration = Duration::from_millis(100);

/// So many requests are in flight at once on one HTTP/2 connection.
const STREAMS: u32 = 128;

/// hyper refuses to work with a smaller buffer.
const LEAST_BUFFER: usize = 8192;

/// The answer to a client with too many connections. It may be lost where the client has sent something already; the
/// end of the connection says the rest.
const TOO_MANY: &[u8] =
    b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\nRetry-After: 1\r\n\
    Cache-Control: no-store\r\nConnection: close\r\n\r\n";

/// What the connections of a listener share.
pub(super) struct Server<S> {
    pub(super) service: S,
    pub(super) limits: Limits,
    pub(super) trusted: TrustedProxies,
    pub(super) health: Health,
    pub(super) stats: Arc<Stats>,
    pub(super) feed: Feed,
    pub(super) watch: Arc<Watch>,
    pub(super) tls: Option<Tls>,
    pub(super) tasks: TaskTracker,
    /// Ends handshakes, which the watch does not see.
    pub(super) kill: CancellationToken,
    /// Where the request ids of the next connection begin.
    pub(super) next_id: AtomicU64,
    pub(super) addresses: Addresses,
}

/// How far apart the ids of two connections begin: more requests than a connection may have.
pub(super) const IDS: u64 = 1 << 24;

/// The connections of each address.
#[derive(Debug, Default)]
pub(super) struct Addresses(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// A connection's place among those of its address.
#[derive(Debug)]
struct Seat {
    addresses: Arc<Mutex<HashMap<IpAddr, usize>>>,
    address: IpAddr,
}

impl Addresses {
    /// One more of `address`, unless it has `most` already.
    fn sit(&self, address: IpAddr, most: usize) -> Option<Seat> {
        let address = network(address);
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Seat {
            addresses: Arc::clone(&self.0),
            address,
        })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut counts = self
            .addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

/// What counts as one address: with IPv6 a /64 network, which is the least that anybody is given.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

/// Takes connections until `stop`, then those that are waiting already.
pub(super) async fn accept<S: Service>(
    server: Arc<Server<S>>,
    listener: TcpListener,
    places: Arc<Semaphore>,
    stop: CancellationToken,
) {
    let builder = Arc::new(builder(&server.limits));
    loop {
        let next = async {
            // A connection that finds no place waits in the kernel's queue.
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            next = next => next,
        };
        // Nobody closes the semaphore.
        let Ok(place) = place else { break };
        match accepted {
            Ok((stream, peer)) => take(&server, &builder, stream, peer, place),
            Err(error) if is_of_one(&error) => {}
            Err(error) => {
                tracing::error!("cannot take a connection, trying again: {error}");
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = tokio::time::sleep(PAUSE) => {}
                }
            }
        }
    }
    // These were told by the kernel that they are connected; closing now would reset them. Asked of the socket itself,
    // for the runtime may not have heard of them yet.
    let Ok(listener) = listener.into_std() else {
        return;
    };
    while let Ok((stream, peer)) = listener.accept() {
        let (Ok(place), Ok(())) = (
            Arc::clone(&places).try_acquire_owned(),
            stream.set_nonblocking(true),
        ) else {
            break;
        };
        if let Ok(stream) = TcpStream::from_std(stream) {
            take(&server, &builder, stream, peer, place);
        }
    }
}

/// Whether `error` is about the one connection only, which was gone before we took it.
fn is_of_one(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionRefused
            | ErrorKind::Interrupted
    )
}

fn builder(limits: &Limits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        // A client may close its side after its request and still wants the answer.
        .half_close(true)
        // The watch has the time.
        .header_read_timeout(None)
        .max_buf_size(limits.header_bytes.max(LEAST_BUFFER));
    builder
        .http2()
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX));
    builder
}

/// Starts the task of one connection, or refuses it.
fn take<S: Service>(
    server: &Arc<Server<S>>,
    builder: &Arc<auto::Builder<TokioExecutor>>,
    stream: TcpStream,
    peer: SocketAddr,
    place: OwnedSemaphorePermit,
) {
    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    // All clients of a proxy have its address.
    let most = if server.trusted.trust(peer.ip()) {
        usize::MAX
    } else {
        server.limits.connections_per_address
    };
    let Some(seat) = server.addresses.sit(peer.ip(), most) else {
        if server.tls.is_none() {
            // Whether it arrives or not: it is a courtesy.
            let _ = stream.try_write(TOO_MANY);
        }
        return;
    };
    // Without it an answer waits for the acknowledgement of the one before. It fails only on a dead socket.
    let _ = stream.set_nodelay(true);
    let entry = server.watch.enter();
    let server = Arc::clone(server);
    let builder = Arc::clone(builder);
    server.tasks.clone().spawn(async move {
        connection(server, &builder, stream, peer, &entry).await;
        // Who counts connections finds that their places are free already.
        drop((seat, place, entry));
    });
}

async fn connection<S: Service>(
    server: Arc<Server<S>>,
    builder: &auto::Builder<TokioExecutor>,
    stream: TcpStream,
    peer: SocketAddr,
    entry: &Entry,
) {
    let Some(tls) = &server.tls else {
        return serve(server, builder, stream, Agreed::Nothing, peer, entry).await;
    };
    let handshake =
        tokio::time::timeout(server.limits.handshake_time, tls.acceptor().accept(stream));
    let stream = tokio::select! {
        done = handshake => match done {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return tracing::debug!("a TLS handshake failed: {error}"),
            Err(_) => return tracing::debug!("a TLS handshake took too long"),
        },
        () = server.kill.cancelled() => return,
    };
    let agreed = match stream.get_ref().1.alpn_protocol() {
        Some(b"h2") => Agreed::Http2,
        Some(_) => Agreed::Http1,
        None => Agreed::Nothing,
    };
    serve(server, builder, stream, agreed, peer, entry).await;
}

async fn serve<S: Service, I: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    server: Arc<Server<S>>,
    builder: &auto::Builder<TokioExecutor>,
    stream: I,
    agreed: Agreed,
    socket: SocketAddr,
    entry: &Entry,
) {
    let watched = Arc::clone(&entry.watched);
    let wire = Wire::new(
        stream,
        agreed,
        server.limits.header_bytes,
        Arc::clone(&watched),
    );
    let first_id = server.next_id.fetch_add(IDS, Ordering::Relaxed);
    let link = Arc::new(Link {
        server,
        watched: Arc::clone(&watched),
        socket,
        first_id,
    });
    let service = service_fn(move |request| {
        let link = Arc::clone(&link);
        async move { Ok::<_, Infallible>(envelope::answer(link, request).await) }
    });
    match agreed {
        Agreed::Nothing => drive(builder.serve_connection(wire, service), &watched).await,
        Agreed::Http1 => {
            let builder = builder.clone().http1_only();
            drive(builder.serve_connection(wire, service), &watched).await;
        }
        Agreed::Http2 => {
            let builder = builder.clone().http2_only();
            drive(builder.serve_connection(wire, service), &watched).await;
        }
    }
}

/// Runs a connection to its end, or to the end that the watch orders.
async fn drive<C>(connection: C, watched: &Watched)
where
    C: GracefulConnection<Error: std::fmt::Display>,
{
    let mut connection = pin!(connection);
    let mut draining = false;
    let ended = std::future::poll_fn(|cx| {
        watched.listen(cx.waker());
        match watched.order() {
            Order::Kill => return Poll::Ready(Ok(())),
            Order::Drain if !draining => {
                draining = true;
                connection.as_mut().graceful_shutdown();
            }
            // The wire knows how to refuse.
            Order::Drain | Order::Refuse | Order::Stay => {}
        }
        connection.as_mut().poll(cx)
    });
    if let Err(error) = ended.await {
        // Clients go away in the middle all the time; who wants to know of each asks for it with -vv.
        tracing::debug!("a connection ended early: {error}");
    }
}

/// Looks at all connections until the listener is gone.
pub(super) async fn watch<S>(server: Arc<Server<S>>, places: Arc<Semaphore>) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let now = Instant::now();
        server.watch.look(now, places.available_permits() == 0);
        server.stats.remember(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_seats_and_gives_them_back() {
        let addresses = Addresses::default();
        let here: IpAddr = "192.0.2.1".parse().unwrap();
        let first = addresses.sit(here, 2);
        let second = addresses.sit(here, 2);
        assert!(first.is_some() && second.is_some());
        assert!(addresses.sit(here, 2).is_none());
        assert!(addresses.sit("192.0.2.2".parse().unwrap(), 2).is_some());
        drop(first);
        assert!(addresses.sit(here, 2).is_some());
        drop(second);
        assert!(addresses.0.lock().unwrap().is_empty());
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let addresses = Addresses::default();
        let _seat = addresses.sit("2001:db8::1".parse().unwrap(), 1);
        assert!(addresses.sit("2001:db8::2".parse().unwrap(), 1).is_none());
        assert!(
            addresses
                .sit("2001:db8:0:1::1".parse().unwrap(), 1)
                .is_some()
        );
    }
}
