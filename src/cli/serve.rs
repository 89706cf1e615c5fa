//! `serve`: the listener alone, for systemd and containers. It opens the database as other commands do, listens, writes
//! the request log, and stops when it is told to without losing an answer.

mod app;
mod journal;
pub mod start;
mod supervisor;

use std::net::SocketAddr;
use std::time::Duration;

use listenfd::ListenFd;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::context::Context;
use super::exit::{Code, Failure};
use crate::http::tls::Tls;
use crate::http::{Bind, Plain};
use journal::Journal;
use start::{Started, start};
use supervisor::Supervisor;

/// `serve`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where to listen, instead of the configuration's `bind`; port 0 takes any that is free
    #[arg(long, value_name = "ADDR")]
    bind: Option<SocketAddr>,
    /// Speak plain HTTP on an address that is not loopback, because something else encrypts
    #[arg(long)]
    insecure_http: bool,
}

/// What `serve` is told from outside while it runs.
struct Told {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

/// So long a stop waits for hooks, after the answers: with the default `drain_time` it ends before the 20 s that the unit
/// gives it, and what is cut off is written down.
const HOOKS: Duration = Duration::from_secs(4);

/// Runs `serve`.
pub async fn run(cx: &mut Context, args: Args) -> Result<Code, Failure> {
    let bind = match handed_over()? {
        Some(socket) => Bind::Socket(socket),
        None => Bind::Address(args.bind.unwrap_or(cx.config().listener.bind)),
    };
    let plain = if args.insecure_http {
        Plain::Anywhere
    } else {
        Plain::Loopback
    };
    let settings = start::settings(cx.config(), bind, plain)?;
    // A certificate that is no good was told before the database is asked for anything.
    let tls = settings.tls.clone();
    let ops = cx.ops().await?;
    // From here on a hangup asks for a reload, and the others for a stop that loses nothing.
    let told = Told::listen()?;
    cx.signals.hand_over();
    let started = start(cx.config(), ops, settings).await?;
    serve(cx, started, tls, told).await
}

async fn serve(
    cx: &mut Context,
    started: Started,
    tls: Option<Tls>,
    mut told: Told,
) -> Result<Code, Failure> {
    let Started {
        listener,
        metrics,
        scheme,
        gate,
    } = started;
    let journal = Journal::start(listener.feed(), &cx.out);
    let _alive = Supervisor::ready();
    cx.out
        .note(&format!("listening on {scheme}://{}", listener.address()));
    if let Some(metrics) = &metrics {
        let address = metrics.address();
        cx.out.note(&format!("metrics on http://{address}/metrics"));
    }
    let code = told.until_stop(tls.as_ref()).await;
    supervisor::stopping();
    cx.out.note("stopping; what is being answered is finished");
    let stopped = tokio::select! {
        stopped = listener.stop() => stopped,
        // Asked twice: whoever is waiting does not want to.
        code = told.stop() => {
            cx.opener.finish_hooks(Duration::ZERO).await;
            return Ok(code);
        }
    };
    // They could be asked until the last answer was out.
    drop(metrics);
    gate.write_uses().await;
    journal.finish().await;
    cx.opener.finish_hooks(HOOKS).await;
    // A stop that lost nothing is what was asked for: 0, as service managers expect it.
    if stopped.dropped == 0 {
        return Ok(Code::Done);
    }
    let dropped = stopped.dropped;
    cx.out.note(&format!(
        "{dropped} connections were dropped: they took longer than drain_time"
    ));
    Ok(code)
}

/// The socket that a service manager opened for us, if it did.
fn handed_over() -> Result<Option<std::net::TcpListener>, Failure> {
    ListenFd::from_env().take_tcp_listener(0).map_err(|error| {
        Failure::usage(format!(
            "the socket that was handed over is of no use: {error}; it must be a TCP socket that listens"
        ))
    })
}

impl Told {
    fn listen() -> Result<Self, Failure> {
        let failed =
            |error| Failure::new(Code::Failed, format!("cannot listen for signals: {error}"));
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
            terminate: signal(SignalKind::terminate()).map_err(failed)?,
            hangup: signal(SignalKind::hangup()).map_err(failed)?,
        })
    }

    /// Obeys hangups until it is told to stop; gives the code of that signal.
    async fn until_stop(&mut self, tls: Option<&Tls>) -> Code {
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => return Code::Interrupted,
                _ = self.terminate.recv() => return Code::Terminated,
                _ = self.hangup.recv() => {
                    supervisor::reloading();
                    reload(tls);
                    supervisor::reloaded();
                }
            }
        }
    }

    /// The next signal to stop.
    async fn stop(&mut self) -> Code {
        tokio::select! {
            _ = self.interrupt.recv() => Code::Interrupted,
            _ = self.terminate.recv() => Code::Terminated,
        }
    }
}

/// Reads the certificate again. What else is configured needs a restart.
fn reload(tls: Option<&Tls>) {
    match tls.map(Tls::reload) {
        None => super::output::note("nothing to reload: there is no certificate"),
        Some(Ok(())) => super::output::note("the certificate was read again"),
        Some(Err(error)) => {
            tracing::error!("the old certificate stays in force: {error}");
            super::output::note(&format!("the old certificate stays in force: {error}"));
        }
    }
}
