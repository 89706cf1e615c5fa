//! `serve`: the listener alone, for systemd and containers. It opens the database as other commands do, listens, writes
//! the request log, and stops when it is told to without losing an answer.

mod app;
mod journal;
mod supervisor;

use std::net::SocketAddr;

use listenfd::ListenFd;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::context::Context;
use super::exit::{Code, Failure};
use crate::config;
use crate::http::tls::{self, Tls};
use crate::http::{
    self, Bind, Health, Limits, Listener, Metrics, Plain, Service, Settings, TrustedProxies,
};
use journal::Journal;
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

/// Runs `serve`.
pub async fn run(cx: &mut Context, args: Args) -> Result<Code, Failure> {
    let settings = settings(cx.config(), &args)?;
    // A certificate that is no good was told before the database is asked for anything.
    let tls = settings.tls.clone();
    let ops = cx.ops().await?;
    // From here on a hangup asks for a reload, and the others for a stop that loses nothing.
    let told = Told::listen()?;
    cx.signals.hand_over();
    let health = Health::of(ops.clone());
    let service = app::build(cx.config(), ops).await?;
    serve(cx, settings, health, service, tls, told).await
}

async fn serve(
    cx: &mut Context,
    settings: Settings,
    health: Health,
    service: impl Service,
    tls: Option<Tls>,
    mut told: Told,
) -> Result<Code, Failure> {
    let scheme = if tls.is_some() { "https" } else { "http" };
    let listener = Listener::start(settings, health.clone(), service)
        .await
        .map_err(refused)?;
    let metrics = metrics(cx.config().listener.metrics_bind, &listener, health).await?;
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
        code = told.stop() => return Ok(code),
    };
    // It could be asked until the last answer was out.
    drop(metrics);
    journal.finish().await;
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

/// `/metrics` on a bind of its own, which is plain HTTP and so stays on this machine.
async fn metrics(
    bind: Option<SocketAddr>,
    listener: &Listener,
    health: Health,
) -> Result<Option<Listener>, Failure> {
    let Some(bind) = bind else {
        return Ok(None);
    };
    let service = Metrics::new(listener.stats(), health.clone());
    let settings = Settings {
        // A scraper is inside the network and has nothing to hide.
        plain: Plain::Anywhere,
        ..Settings::on(bind)
    };
    let started = Listener::start(settings, health, service).await;
    started.map(Some).map_err(refused)
}

/// What the listener is told by configuration and arguments.
fn settings(config: &config::Config, args: &Args) -> Result<Settings, Failure> {
    let listener = &config.listener;
    let bind = match handed_over()? {
        Some(socket) => Bind::Socket(socket),
        None => Bind::Address(args.bind.unwrap_or(listener.bind)),
    };
    let files = listener.tls.as_ref().map(|files| tls::Files {
        certificate: files.certificate.clone(),
        key: files.key.clone(),
    });
    let tls = files
        .map(Tls::open)
        .transpose()
        .map_err(|error| Failure::usage(error.to_string()))?;
    Ok(Settings {
        bind,
        plain: if args.insecure_http {
            Plain::Anywhere
        } else {
            Plain::Loopback
        },
        tls,
        limits: limits(&listener.limits),
        trusted: TrustedProxies::new(listener.trusted_proxies.clone()),
    })
}

/// The socket that a service manager opened for us, if it did.
fn handed_over() -> Result<Option<std::net::TcpListener>, Failure> {
    ListenFd::from_env().take_tcp_listener(0).map_err(|error| {
        Failure::usage(format!(
            "the socket that was handed over is of no use: {error}; it must be a TCP socket that listens"
        ))
    })
}

fn limits(set: &config::listener::ListenerLimits) -> Limits {
    let usual = Limits::default();
    Limits {
        header_bytes: set.header_bytes.unwrap_or(usual.header_bytes),
        request_line_bytes: set.request_line_bytes.unwrap_or(usual.request_line_bytes),
        header_time: set.header_time.unwrap_or(usual.header_time),
        body_bytes: set.body_bytes.unwrap_or(usual.body_bytes),
        body_time: set.body_time.unwrap_or(usual.body_time),
        request_time: set.request_time.unwrap_or(usual.request_time),
        idle_time: set.idle_time.unwrap_or(usual.idle_time),
        handshake_time: set.handshake_time.unwrap_or(usual.handshake_time),
        drain_time: set.drain_time.unwrap_or(usual.drain_time),
        connections: set.connections.unwrap_or(usual.connections),
        connections_per_address: set
            .connections_per_address
            .unwrap_or(usual.connections_per_address),
        requests_per_connection: set
            .requests_per_connection
            .unwrap_or(usual.requests_per_connection),
    }
}

/// An address that cannot be had is wrong usage: nothing is listening, and somebody has to say another.
#[expect(
    clippy::needless_pass_by_value,
    reason = "it is the argument of map_err"
)]
fn refused(error: http::Error) -> Failure {
    Failure::usage(error.to_string())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, EXAMPLE, Env, Flags};

    #[test]
    fn the_example_shows_the_limits_that_hold_without_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("c.toml");
        std::fs::write(&file, EXAMPLE).unwrap();
        let flags = Flags {
            config: Some(file),
            ..Flags::default()
        };
        let home = [("HOME", folder.path().to_str().unwrap())];
        let config = Config::load(&flags, &home.into_iter().collect::<Env>()).unwrap();
        assert_eq!(limits(&config.listener.limits), Limits::default());
        assert!(config.listener.limits.header_bytes.is_some());
    }
}
