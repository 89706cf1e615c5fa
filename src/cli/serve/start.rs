//! Starts the listener on opened operations, as the configuration says: the one way for `serve` and for the console.

use std::net::SocketAddr;

use super::app;
use crate::cli::exit::Failure;
use crate::config::{self, Config};
use crate::http::tls::{self, Tls};
use crate::http::{self, Bind, Health, Limits, Listener, Metrics, Plain, Settings, TrustedProxies};
use crate::ops::Ops;
use crate::ops::gate::Gate;

/// A listener that runs, and what was started with it.
pub struct Started {
    /// The listener.
    pub listener: Listener,
    /// `/metrics`, on a bind of its own.
    pub metrics: Option<Listener>,
    /// What knows keys.
    pub gate: Gate,
    /// How its addresses begin: `http` or `https`.
    pub scheme: &'static str,
}

/// Listens from now on, and answers from `ops`.
///
/// # Errors
/// When the configuration's routes cannot be served, or the address cannot be had.
pub async fn start(config: &Config, ops: Ops, settings: Settings) -> Result<Started, Failure> {
    let scheme = scheme(settings.tls.as_ref());
    let health = Health::of(ops.clone());
    let (app, gate) = app::build(config, ops).await?;
    let listener = Listener::start(settings, health.clone(), app)
        .await
        .map_err(refused)?;
    let metrics = metrics(config.listener.metrics_bind, &listener, health).await?;
    Ok(Started {
        listener,
        metrics,
        gate,
        scheme,
    })
}

/// Where the listener would be found, as the configuration has it.
pub fn url(config: &Config) -> String {
    let listener = &config.listener;
    let scheme = scheme(listener.tls.as_ref());
    format!("{scheme}://{}", listener.bind)
}

const fn scheme<T>(tls: Option<&T>) -> &'static str {
    match tls {
        Some(_) => "https",
        None => "http",
    }
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

/// How the listener listens: at `bind`, all else as the configuration says.
///
/// # Errors
/// When the certificate is of no use.
pub fn settings(config: &Config, bind: Bind, plain: Plain) -> Result<Settings, Failure> {
    let listener = &config.listener;
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
        plain,
        tls,
        limits: limits(&listener.limits),
        trusted: TrustedProxies::new(listener.trusted_proxies.clone()),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{EXAMPLE, Env, Flags};

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
