//! A client's socket as hyper reads and writes it, with our eye on the bytes: it refuses headers that contradict
//! themselves, and tells the watch of the connection where the client is, so that one who is slow can be told from one
//! who is idle. Every connection of the listener stands on one.

mod scan;

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use hyper::rt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::watch::{Order, Phase, Watched};
use scan::{Found, Place, Scanner};

/// So much is read at once.
const READ: usize = 8 * 1024;

/// So much of what a refused client still sends is read and dropped, for it to read our refusal: a socket closed with
/// unread bytes is reset, and a reset may overtake the answer.
const LINGER: usize = 256 * 1024;

thread_local! {
    /// hyper's buffer can be filled safely only by copying, so all connections of a thread share what is read into.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ].into_boxed_slice());
}

/// The protocol that was agreed on before the first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Agreed {
    /// None: the first bytes tell.
    Nothing,
    /// HTTP/1.1, by ALPN.
    Http1,
    /// HTTP/2, by ALPN.
    Http2,
}

/// A socket, plain or under TLS.
pub(super) struct Wire<S> {
    inner: S,
    scanner: Scanner,
    watched: Arc<Watched>,
    ending: Ending,
}

/// What is said to hyper after a contradiction instead of the rest: a line with no name, and the end of the headers. It
/// answers 400 and closes.
const REFUSE: &[u8] = b"\0\r\n\r\n";

/// How far the end of the connection is.
enum Ending {
    /// It goes on.
    Open,
    /// The headers were refused; what follows is not for hyper.
    Refused,
    /// Our side is closed; so many bytes more are read and dropped.
    Lingering(usize),
}

impl<S> Wire<S> {
    pub(super) fn new(
        inner: S,
        agreed: Agreed,
        header_bytes: usize,
        watched: Arc<Watched>,
    ) -> Self {
        let scanner = match agreed {
            Agreed::Nothing | Agreed::Http1 => Scanner::new(header_bytes),
            Agreed::Http2 => {
                watched.speaks_http2();
                Scanner::blind()
            }
        };
        Self {
            inner,
            scanner,
            watched,
            ending: Ending::Open,
        }
    }

    /// Makes hyper refuse the request whose headers it reads.
    fn refuse(&mut self, out: &mut rt::ReadBufCursor<'_>) {
        let room = out.remaining().min(REFUSE.len());
        out.put_slice(&REFUSE[..room]);
        self.ending = Ending::Refused;
    }

    /// Looks at what was read, and hands it on.
    fn take(&mut self, bytes: &[u8], out: &mut rt::ReadBufCursor<'_>) {
        let heads = self.scanner.heads();
        match self.scanner.read(bytes) {
            Found::Fine => out.put_slice(bytes),
            Found::Wrong(end) => {
                out.put_slice(&bytes[..end]);
                self.refuse(out);
            }
        }
        match self.scanner.place() {
            Place::Head if self.scanner.heads() != heads => self.watched.enter(Phase::Head),
            Place::Http2 if !self.watched.is_http2() => {
                self.watched.speaks_http2();
                self.watched.enter(Phase::Idle);
            }
            // A head that is whole is a request; the service says so when hyper hands it over.
            Place::Head | Place::Between | Place::Body(_) | Place::Unknown | Place::Http2 => {}
        }
    }
}

impl<S: AsyncRead + Unpin> rt::Read for Wire<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut out: rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match this.ending {
            Ending::Open => {}
            // As at the end of the stream: hyper has all it needs to refuse.
            Ending::Refused | Ending::Lingering(_) => return Poll::Ready(Ok(())),
        }
        if this.watched.order() == Order::Refuse {
            this.refuse(&mut out);
            return Poll::Ready(Ok(()));
        }
        // Room for what a refusal adds. The first read of a connection is hyper-util's, of 24 bytes: those it gets as
        // they are, and a whole contradiction does not fit into them.
        let room = out.remaining();
        let most = room.saturating_sub(REFUSE.len()).max(room.min(READ_FIRST));
        SCRATCH.with_borrow_mut(|scratch| {
            let most = most.min(scratch.len());
            let mut buf = ReadBuf::new(&mut scratch[..most]);
            ready!(Pin::new(&mut this.inner).poll_read(cx, &mut buf))?;
            this.take(buf.filled(), &mut out);
            Poll::Ready(Ok(()))
        })
    }
}

/// What hyper-util reads to tell the protocols apart: as long as HTTP/2's preface.
const READ_FIRST: usize = 24;

impl<S: AsyncRead + AsyncWrite + Unpin> rt::Write for Wire<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let wrote = Pin::new(&mut this.inner).poll_write(cx, bytes);
        this.watched.wrote(wrote.is_pending());
        wrote
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            match this.ending {
                Ending::Open | Ending::Refused => {
                    ready!(Pin::new(&mut this.inner).poll_shutdown(cx))?;
                    let whole = match this.scanner.place() {
                        Place::Between | Place::Http2 => true,
                        Place::Head | Place::Body(_) | Place::Unknown => false,
                    };
                    if whole {
                        return Poll::Ready(Ok(()));
                    }
                    this.ending = Ending::Lingering(LINGER);
                    this.watched.enter(Phase::Closing);
                }
                Ending::Lingering(0) => return Poll::Ready(Ok(())),
                Ending::Lingering(left) => {
                    let read = SCRATCH.with_borrow_mut(|scratch| {
                        let mut buf = ReadBuf::new(scratch);
                        let read = Pin::new(&mut this.inner).poll_read(cx, &mut buf);
                        read.map_ok(|()| buf.filled().len())
                    });
                    // Whatever ends it: our side is closed already.
                    match ready!(read) {
                        Ok(0) | Err(_) => return Poll::Ready(Ok(())),
                        Ok(read) => this.ending = Ending::Lingering(left.saturating_sub(read)),
                    }
                }
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let wrote = Pin::new(&mut this.inner).poll_write_vectored(cx, bufs);
        this.watched.wrote(wrote.is_pending());
        wrote
    }
}
