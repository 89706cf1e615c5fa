//! Which database is meant, and how to get in: a connection string and the environment resolved to everything a
//! connection needs, by libpq's rules, so that what works with psql works here. `connect` opens what this names; the
//! command line and the console show its name.
//!
//! The rules are those of the Postgres manual, chapter libpq, "Database Connection Control Functions" and the
//! sections on environment variables, password file and service file.

mod environment;
mod error;
mod given;
mod keys;
mod parse;
mod passfile;
mod servers;
mod service;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_postgres::config::ChannelBinding;

pub use environment::Environment;
pub use error::Error;
use given::Given;
pub use given::Origin;
pub use servers::{Password, Place, Server};

use crate::domain::secret::Secret;

/// Password, service and certificate files are far smaller; whatever is larger is not one of them.
const LARGEST_FILE: u64 = 4 * 1024 * 1024;

/// Which encryption the connection must have (`sslmode`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SslMode {
    /// None.
    Disable,
    /// None, unless the server insists on it.
    Allow,
    /// TLS if the server has it, else none. The default.
    Prefer,
    /// TLS; the certificate is looked at only if a root certificate file exists.
    Require,
    /// TLS with a certificate from a trusted authority.
    VerifyCa,
    /// TLS with a certificate from a trusted authority for the very host that was asked for.
    VerifyFull,
}

/// Whom to trust to sign certificates (`sslrootcert`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Roots {
    /// The authorities that this machine trusts (`system`).
    System,
    /// Those in the file that was named.
    File(PathBuf),
    /// Those in libpq's usual file, which need not exist.
    Usual(PathBuf),
    /// Nobody: there is no home folder to look in.
    Nobody,
}

/// How to encrypt, whom to trust, what to show.
#[derive(Clone, Debug)]
pub struct Tls {
    /// The least encryption that is wanted.
    pub mode: SslMode,
    /// Whom to trust.
    pub roots: Roots,
    /// The files of the client's certificate and its key, if it has them.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Whether SCRAM must be bound to the TLS channel.
    pub channel_binding: ChannelBinding,
}

/// What kind of server is wanted (`target_session_attrs`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Any.
    Any,
    /// One whose sessions may write.
    ReadWrite,
    /// One whose sessions may not.
    ReadOnly,
    /// One that is no standby.
    Primary,
    /// A standby.
    Standby,
    /// A standby if there is one, else any.
    PreferStandby,
}

/// In which order several hosts are tried (`load_balance_hosts`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// As they are written.
    AsGiven,
    /// By chance.
    Random,
}

/// How soon a peer that is gone is noticed. The defaults find it within about 15 s, where libpq's take two hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// Whether an idle connection is probed at all.
    pub enabled: bool,
    /// Silence before the first probe.
    pub idle: Duration,
    /// Time between probes.
    pub interval: Duration,
    /// Probes without an answer until the connection counts as lost.
    pub count: u32,
    /// How long sent data may stay unacknowledged.
    pub user_timeout: Duration,
}

/// A database and everything needed to get in. `Debug` hides the passwords.
#[derive(Clone, Debug)]
pub struct Target {
    /// The servers, in the order in which they were given; at least one.
    pub servers: Vec<Server>,
    /// Who logs in.
    pub user: String,
    /// The database.
    pub database: String,
    /// Options for the server, as on its command line (`PGOPTIONS`).
    pub options: Option<String>,
    /// The name the session shall have on the server, if one was given.
    pub application_name: Option<String>,
    /// How long one address may take, if that was given. A limit of 0, libpq's "for ever", counts as not given.
    pub connect_timeout: Option<Duration>,
    /// How soon a dead peer is noticed.
    pub keepalive: Keepalive,
    /// What kind of server is wanted.
    pub wanted: Wanted,
    /// In which order the servers are tried.
    pub order: Order,
    /// Encryption.
    pub tls: Tls,
    /// What the user should know, such as a password file that was ignored.
    pub warnings: Vec<String>,
}

impl Target {
    /// Resolves `text` (a URL, `key=value` pairs, the name of a database, or nothing) as libpq does: what stands in the
    /// string counts before the service, that before the environment, that before the defaults.
    ///
    /// # Errors
    /// [`Error`] names the parameter, file or line that is wrong, and never its value.
    pub fn resolve(text: &Secret<String>, environment: &Environment) -> Result<Self, Error> {
        let given = Given::gather(text.expose(), environment)?;
        let user = given
            .get("user")
            .or(environment.user())
            .ok_or(Error::NoUser)?
            .to_owned();
        let database = given.get("dbname").unwrap_or(&user).to_owned();
        let mut warnings = Vec::new();
        let servers = servers::all(&given, environment, &user, &database, &mut warnings)?;
        Ok(Self {
            servers,
            user,
            database,
            options: given.get("options").map(str::to_owned),
            application_name: given.get("application_name").map(str::to_owned),
            connect_timeout: seconds(&given, "connect_timeout")?,
            keepalive: keepalive(&given)?,
            wanted: wanted(&given)?,
            order: order(&given)?,
            tls: tls(&given, environment)?,
            warnings,
        })
    }

    /// Short, for a header: `user@host`, or `user@local` through a socket. Never a password.
    #[must_use]
    pub fn name(&self) -> String {
        let host = self
            .servers
            .first()
            .map_or("local", |server| match &server.place {
                Place::Socket(_) => "local",
                Place::Tcp { name, .. } => name,
            });
        format!("{}@{host}", self.user)
    }

    /// Long, for an error: `database app at db1.internal:5432 as app`.
    #[must_use]
    pub fn describe(&self) -> String {
        let servers: Vec<String> = self.servers.iter().map(ToString::to_string).collect();
        format!(
            "database {} at {} as {}",
            self.database,
            servers.join(", "),
            self.user
        )
    }
}

/// A number of seconds, where 0 and less mean "not given".
fn seconds(given: &Given, key: &'static str) -> Result<Option<Duration>, Error> {
    let seconds = given.parsed::<i64>(key, "a whole number of seconds")?;
    Ok(seconds
        .and_then(|seconds| u64::try_from(seconds).ok())
        .filter(|&seconds| seconds > 0)
        .map(Duration::from_secs))
}

fn keepalive(given: &Given) -> Result<Keepalive, Error> {
    let user_timeout = given.parsed::<u64>("tcp_user_timeout", "a whole number of milliseconds")?;
    let count = given.parsed::<u32>("keepalives_count", "a whole number")?;
    Ok(Keepalive {
        enabled: given.parsed::<i64>("keepalives", "0 or 1")?.unwrap_or(1) != 0,
        idle: seconds(given, "keepalives_idle")?.unwrap_or(Duration::from_secs(5)),
        interval: seconds(given, "keepalives_interval")?.unwrap_or(Duration::from_secs(3)),
        count: count.filter(|&count| count > 0).unwrap_or(3),
        user_timeout: user_timeout
            .filter(|&timeout| timeout > 0)
            .map_or(Duration::from_secs(15), Duration::from_millis),
    })
}

fn wanted(given: &Given) -> Result<Wanted, Error> {
    let choices = [
        ("any", Wanted::Any),
        ("read-write", Wanted::ReadWrite),
        ("read-only", Wanted::ReadOnly),
        ("primary", Wanted::Primary),
        ("standby", Wanted::Standby),
        ("prefer-standby", Wanted::PreferStandby),
    ];
    let names = "any, read-write, read-only, primary, standby or prefer-standby";
    Ok(given
        .choice("target_session_attrs", names, &choices)?
        .unwrap_or(Wanted::Any))
}

fn order(given: &Given) -> Result<Order, Error> {
    let choices = [("disable", Order::AsGiven), ("random", Order::Random)];
    Ok(given
        .choice("load_balance_hosts", "disable or random", &choices)?
        .unwrap_or(Order::AsGiven))
}

fn tls(given: &Given, environment: &Environment) -> Result<Tls, Error> {
    let modes = [
        ("disable", SslMode::Disable),
        ("allow", SslMode::Allow),
        ("prefer", SslMode::Prefer),
        ("require", SslMode::Require),
        ("verify-ca", SslMode::VerifyCa),
        ("verify-full", SslMode::VerifyFull),
    ];
    let mode = given.choice(
        "sslmode",
        "disable, allow, prefer, require, verify-ca or verify-full",
        &modes,
    )?;
    let roots = match given.get("sslrootcert") {
        Some("system") => Roots::System,
        Some(file) => Roots::File(file.into()),
        None => environment
            .in_home(".postgresql/root.crt")
            .map_or(Roots::Nobody, Roots::Usual),
    };
    // Anybody can get a certificate from an authority that the system trusts, so only the full check means something.
    let mode = match (&roots, mode) {
        (Roots::System, None | Some(SslMode::VerifyFull)) => SslMode::VerifyFull,
        (Roots::System, Some(_)) => {
            return Err(given.bad("sslmode", "verify-full when sslrootcert is system"));
        }
        (_, mode) => mode.unwrap_or(SslMode::Prefer),
    };
    let bindings = [
        ("disable", ChannelBinding::Disable),
        ("prefer", ChannelBinding::Prefer),
        ("require", ChannelBinding::Require),
    ];
    let channel_binding =
        given.choice("channel_binding", "disable, prefer or require", &bindings)?;
    Ok(Tls {
        mode,
        roots,
        identity: identity(given, environment),
        channel_binding: channel_binding.unwrap_or(ChannelBinding::Prefer),
    })
}

/// The client's certificate: files that were named must exist when they are used; those in the usual place may.
fn identity(given: &Given, environment: &Environment) -> Option<(PathBuf, PathBuf)> {
    let certificate = match given.get("sslcert") {
        Some(file) => PathBuf::from(file),
        None => environment
            .in_home(".postgresql/postgresql.crt")
            .filter(|file| file.exists())?,
    };
    let key = match given.get("sslkey") {
        Some(file) => PathBuf::from(file),
        None => environment.in_home(".postgresql/postgresql.key")?,
    };
    Some((certificate, key))
}

/// The whole of a small text file.
fn read_small(file: &Path) -> Result<Secret<String>, Error> {
    let mut text = String::new();
    File::open(file)
        .and_then(|opened| opened.take(LARGEST_FILE).read_to_string(&mut text))
        .map(|_| Secret::new(text))
        .map_err(|error| Error::Unreadable {
            file: file.to_owned(),
            reason: error.to_string(),
        })
}

#[cfg(test)]
mod tests;
