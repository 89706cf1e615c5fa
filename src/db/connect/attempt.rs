//! One attempt after another until a session stands: servers in order, addresses of each, and for each address the
//! kinds of encryption that `sslmode` allows. Every address has a deadline.

use std::future::Future;
use std::net::IpAddr;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use rand::seq::SliceRandom;
use tokio::time::timeout;
use tokio_postgres::config::SslMode as Encryption;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, Connection, SimpleQueryMessage, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error::{Attempt, Error};
use super::judge::{self, Verdict, judge};
use super::{Connector, tls};
use crate::db::conninfo::{Order, Place, Server, SslMode, Target, Wanted};

/// The half of a session that moves the bytes; nothing happens unless it is polled.
pub(in crate::db) type Link =
    Connection<Socket, <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream>;
type Failure = tokio_postgres::Error;

/// A session on the first server that will do.
pub(super) async fn establish(connector: &Connector) -> Result<(Client, Link), Error> {
    let target = connector.target();
    let mut servers: Vec<&Server> = target.servers.iter().collect();
    if target.order == Order::Random {
        servers.shuffle(&mut rand::rng());
    }
    let mut tried = Vec::new();
    let mut only_wrong_kind = true;
    for wanted in passes(target.wanted) {
        for server in &servers {
            match one_server(connector, server, *wanted).await {
                Ok(session) => return Ok(session),
                Err(Miss::Stop(error)) => return Err(error),
                Err(Miss::Useless(reasons)) => {
                    only_wrong_kind = false;
                    note(&mut tried, server, &reasons.join("; "));
                }
                Err(Miss::WrongKind(kind)) => note(&mut tried, server, kind),
            }
        }
    }
    let database = target.database.clone();
    Err(if only_wrong_kind {
        Error::WrongSessionKind {
            database,
            wanted: in_words(target.wanted),
            tried,
        }
    } else {
        Error::Unreachable { database, tried }
    })
}

/// Why a server gave no session.
enum Miss {
    Useless(Vec<String>),
    WrongKind(&'static str),
    Stop(Error),
}

/// The rounds through the servers: `prefer-standby` is satisfied with any in a second one.
fn passes(wanted: Wanted) -> &'static [Wanted] {
    match wanted {
        Wanted::Any => &[Wanted::Any],
        Wanted::ReadWrite => &[Wanted::ReadWrite],
        Wanted::ReadOnly => &[Wanted::ReadOnly],
        Wanted::Primary => &[Wanted::Primary],
        Wanted::Standby => &[Wanted::Standby],
        Wanted::PreferStandby => &[Wanted::Standby, Wanted::Any],
    }
}

fn in_words(wanted: Wanted) -> &'static str {
    match wanted {
        Wanted::Any => "any",
        Wanted::ReadWrite => "read-write",
        Wanted::ReadOnly => "read-only",
        Wanted::Primary => "a primary",
        Wanted::Standby => "a standby",
        Wanted::PreferStandby => "of use",
    }
}

fn note(tried: &mut Vec<Attempt>, server: &Server, reason: &str) {
    let attempt = Attempt {
        server: server.to_string(),
        reason: reason.to_owned(),
    };
    if !tried.contains(&attempt) {
        tried.push(attempt);
    }
}

async fn one_server(
    connector: &Connector,
    server: &Server,
    wanted: Wanted,
) -> Result<(Client, Link), Miss> {
    let limit = connector.connect_timeout();
    let addresses = match &server.place {
        Place::Socket(_) => vec![None],
        Place::Tcp {
            address: Some(address),
            ..
        } => vec![Some(*address)],
        Place::Tcp {
            name,
            address: None,
        } => {
            let mut found = look_up(name, server.port, limit)
                .await
                .map_err(|why| Miss::Useless(vec![why]))?;
            if connector.target().order == Order::Random {
                found.shuffle(&mut rand::rng());
            }
            found.into_iter().map(Some).collect()
        }
    };
    let mut reasons = Vec::new();
    for address in addresses {
        match timeout(limit, one_address(connector, server, address, wanted)).await {
            Ok(Ok(session)) => return Ok(session),
            Ok(Err(Miss::Useless(more))) => more
                .into_iter()
                .for_each(|reason| add(&mut reasons, reason)),
            Ok(Err(miss @ (Miss::WrongKind(_) | Miss::Stop(_)))) => return Err(miss),
            Err(_elapsed) => add(&mut reasons, judge::timed_out(limit)),
        }
    }
    Err(Miss::Useless(reasons))
}

/// `localhost` has two addresses, and both refuse in the same words.
fn add(reasons: &mut Vec<String>, reason: String) {
    if !reasons.contains(&reason) {
        reasons.push(reason);
    }
}

async fn look_up(name: &str, port: u16, limit: Duration) -> Result<Vec<IpAddr>, String> {
    match timeout(limit, tokio::net::lookup_host((name, port))).await {
        Ok(Ok(found)) => {
            let mut addresses: Vec<IpAddr> = Vec::new();
            found.map(|address| address.ip()).for_each(|address| {
                if !addresses.contains(&address) {
                    addresses.push(address);
                }
            });
            if addresses.is_empty() {
                Err("its name has no address".to_owned())
            } else {
                Ok(addresses)
            }
        }
        Ok(Err(_)) => Err("no such host is known".to_owned()),
        Err(_elapsed) => Err(format!("looking up its name {}", judge::timed_out(limit))),
    }
}

async fn one_address(
    connector: &Connector,
    server: &Server,
    address: Option<IpAddr>,
    wanted: Wanted,
) -> Result<(Client, Link), Miss> {
    let (client, mut link) = encrypted_as_allowed(connector, server, address).await?;
    let mut batch = String::new();
    if wanted != Wanted::Any {
        batch.push_str("SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('transaction_read_only'); ");
    }
    batch.push_str(&connector.settings().sql());
    let answers = drive(&mut link, client.simple_query(&batch))
        .await
        .map_err(|failure| miss(judge(&failure, server, connector.target())))?;
    match wrong_kind(wanted, &answers) {
        Some(kind) => Err(Miss::WrongKind(kind)),
        None => Ok((client, link)),
    }
}

fn miss(verdict: Verdict) -> Miss {
    match verdict {
        Verdict::Next(reason) => Miss::Useless(vec![reason]),
        Verdict::Stop(error) => Miss::Stop(error),
    }
}

/// What the server is, if it is not what was wanted.
fn wrong_kind(wanted: Wanted, answers: &[SimpleQueryMessage]) -> Option<&'static str> {
    let row = answers.iter().find_map(|answer| match answer {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    })?;
    let standby = row.get(0) == Some("t");
    let read_only = row.get(1) == Some("on");
    match wanted {
        Wanted::ReadWrite if read_only => Some("it is read-only"),
        Wanted::ReadOnly if !read_only => Some("it allows writes"),
        Wanted::Primary if standby => Some("it is a standby"),
        Wanted::Standby | Wanted::PreferStandby if !standby => Some("it is a primary"),
        Wanted::Any
        | Wanted::ReadWrite
        | Wanted::ReadOnly
        | Wanted::Primary
        | Wanted::Standby
        | Wanted::PreferStandby => None,
    }
}

/// Runs `work` of a client while `link` moves its bytes.
async fn drive<T>(
    link: &mut Link,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    match select(pin!(work), link).await {
        Either::Left((done, _)) => done,
        // The link ended: with its own error, or quietly, and then the work fails by itself.
        Either::Right((Err(failure), _)) => Err(failure),
        Either::Right((Ok(()), work)) => work.await,
    }
}

/// Connects by the kinds of encryption that `sslmode` allows, in its order.
async fn encrypted_as_allowed(
    connector: &Connector,
    server: &Server,
    address: Option<IpAddr>,
) -> Result<(Client, Link), Miss> {
    let target = connector.target();
    let (first, second) = kinds(server, target.tls.mode);
    let mut config = config(connector, server, address);
    let mut outcome = open(connector, config.ssl_mode(first)).await?;
    if let (Err(failure), Some(second)) = (&outcome, second)
        && (judge::failed_in_tls(failure) || judge::failed_by_rules(failure))
    {
        outcome = open(connector, config.ssl_mode(second)).await?;
    }
    outcome.map_err(|failure| miss(judge(&failure, server, target)))
}

/// The kind of encryption to try first, and the one to try if TLS itself or the server's rules forbid that.
fn kinds(server: &Server, mode: SslMode) -> (Encryption, Option<Encryption>) {
    match (&server.place, mode) {
        // Postgres has no TLS over a socket, and libpq ignores every sslmode there.
        (Place::Socket(_), _) | (Place::Tcp { .. }, SslMode::Disable) => {
            (Encryption::Disable, None)
        }
        (Place::Tcp { .. }, SslMode::Allow) => (Encryption::Disable, Some(Encryption::Require)),
        (Place::Tcp { .. }, SslMode::Prefer) => (Encryption::Prefer, Some(Encryption::Disable)),
        (Place::Tcp { .. }, SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull) => {
            (Encryption::Require, None)
        }
    }
}

/// One connection. The outer error is our own trouble in preparing TLS, the inner one that of the connection.
async fn open(
    connector: &Connector,
    config: &Config,
) -> Result<Result<(Client, Link), Failure>, Miss> {
    let tls = if config.get_ssl_mode() == Encryption::Disable {
        tls::unused()
    } else {
        connector.tls().await
    };
    // Boxed, for the driver's future is large and would be part of every future that borrows a session.
    Ok(Box::pin(config.connect(tls.map_err(Miss::Stop)?)).await)
}

/// The driver's own configuration for this one address, so that every failure is known by its address.
fn config(connector: &Connector, server: &Server, address: Option<IpAddr>) -> Config {
    let target: &Target = connector.target();
    let mut config = Config::new();
    match &server.place {
        Place::Socket(folder) => config.host_path(folder),
        Place::Tcp { name, .. } => config.host(name),
    };
    if let Some(address) = address {
        config.hostaddr(address);
    }
    config
        .port(server.port)
        .user(&target.user)
        .dbname(&target.database)
        .application_name(
            target
                .application_name
                .as_ref()
                .unwrap_or(&connector.settings().application_name),
        )
        .channel_binding(target.tls.channel_binding)
        .keepalives(target.keepalive.enabled)
        .keepalives_idle(target.keepalive.idle)
        .keepalives_interval(target.keepalive.interval)
        .keepalives_retries(target.keepalive.count)
        .tcp_user_timeout(target.keepalive.user_timeout)
        // Also for cancelling, where the driver opens a connection by itself.
        .connect_timeout(connector.connect_timeout());
    if let Some(options) = &target.options {
        config.options(options);
    }
    if let Some(password) = &server.password {
        config.password(password.secret.expose());
    }
    config
}
