//! The right to use the server. While a [`Lease`] lives the server runs; the last one to go stops it.
//!
//! Stopping means: take `in-use.lock` alone, send SIGINT, wait until `postmaster.pid` says `stopping` (a few
//! milliseconds), let the lock go. The shutdown goes on without us, so that quitting feels instant. Whoever
//! comes next gets the lock only after that word stands in the file, so it never joins a server that is about
//! to go: it waits for the end of the shutdown and starts it anew.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, NoTls};

use super::error::Error;
use super::home::{Home, Place};
use super::lock::{Attempt, Lock};
use super::making::ROLE;
use super::postmaster::{Running, State, state, tell_to_stop};
use super::server::STEP;
use crate::domain::secret::Secret;

/// How long the last to leave waits for the server to see that it shall stop, and how long in a destructor.
const LEAVE_PATIENCE: Duration = Duration::from_secs(2);
const DROP_PATIENCE: Duration = Duration::from_millis(100);

/// How long a connection to a running server may take.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);

/// A share in the lock, with the duty to stop the server if it was the last one. It exists before the server
/// does, so that a start that is given up half-way leaves no server without a user.
#[derive(Debug)]
pub(super) struct Share {
    home: Home,
    lock: Option<Lock>,
}

impl Share {
    pub const fn new(home: Home, lock: Lock) -> Self {
        Self {
            home,
            lock: Some(lock),
        }
    }

    /// Lets go; if nobody else holds on and nobody asked to keep the server, tells it to stop.
    fn leave(&mut self, patience: Duration) -> Result<(), Error> {
        let Some(lock) = self.lock.take() else {
            return Ok(());
        };
        match lock.become_only_holder()? {
            Attempt::HeldByOthers => Ok(()),
            Attempt::Taken if self.home.keep().exists() => Ok(()),
            Attempt::Taken => match Place::find(&self.home)? {
                Some(place) => {
                    begin_stop(&place)?;
                    wait_until_closed(&place, patience)
                }
                None => Ok(()),
            },
        }
        // `lock` is closed here, and free.
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        // A destructor has nobody to tell. A server left running is joined, and stopped, by the next tokenward.
        let _ = self.leave(DROP_PATIENCE);
    }
}

/// Tells the server to stop, if it runs. The caller holds `in-use.lock` alone.
pub(super) fn begin_stop(place: &Place) -> Result<(), Error> {
    match state(place)? {
        State::Ready(Running { pid, .. }) | State::Starting { pid } => tell_to_stop(pid),
        State::Down(_) | State::Stopping { .. } => Ok(()),
    }
}

/// Waits until the server lets nobody in any more, at most `patience`. It blocks: a destructor calls it.
fn wait_until_closed(place: &Place, patience: Duration) -> Result<(), Error> {
    let begun = Instant::now();
    while begun.elapsed() < patience
        && matches!(state(place)?, State::Ready(_) | State::Starting { .. })
    {
        std::thread::sleep(STEP);
    }
    Ok(())
}

/// The right to use the running private server. Dropped without [`Lease::leave`] it does the same, but waits at
/// most 100 ms and swallows errors.
pub struct Lease {
    pub(super) share: Share,
    pub(super) running: Running,
    pub(super) password: Secret<String>,
    pub(super) data: PathBuf,
}

impl Lease {
    /// The address of `database` on this server, for psql, Django and ourselves: the socket's folder as the
    /// host (manual, "Connection URIs"), with the role and its password.
    #[must_use]
    pub fn url(&self, database: &str) -> Secret<String> {
        use std::os::unix::ffi::OsStrExt;
        let host = escape(self.running.socket.as_os_str().as_bytes());
        let database = escape(database.as_bytes());
        let port = self.running.port;
        Secret::new(format!(
            "postgres://{ROLE}:{}@{host}:{port}/{database}",
            self.password.expose()
        ))
    }

    /// The process of the server.
    #[must_use]
    pub const fn pid(&self) -> i32 {
        self.running.pid
    }

    /// The folder of the server's socket.
    #[must_use]
    pub fn socket_folder(&self) -> &Path {
        &self.running.socket
    }

    /// `PGDATA` of the server.
    #[must_use]
    pub fn data_folder(&self) -> &Path {
        &self.data
    }

    /// Leaves. The last one tells the server to stop, and returns as soon as it lets nobody in any more; its
    /// shutdown ends by itself, and a later start waits for that.
    ///
    /// # Errors
    /// If the lock or the data folder cannot be read, or the server cannot be told.
    pub async fn leave(mut self) -> Result<(), Error> {
        let patient = move || self.share.leave(LEAVE_PATIENCE);
        match tokio::task::spawn_blocking(patient).await {
            Ok(left) => left,
            // The runtime is going down; the share was dropped with the task, which has done the same.
            Err(_) => Ok(()),
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("running", &self.running)
            .finish_non_exhaustive()
    }
}

/// Connects to `database`. The connection lives until the client is dropped.
pub(super) async fn connect(
    running: &Running,
    password: &Secret<String>,
    database: &str,
) -> Result<Client, Error> {
    let failed = |problem: String| Error::Connect {
        pid: running.pid,
        socket: running.socket.clone(),
        problem,
    };
    let mut config = Config::new();
    config
        .host_path(&running.socket)
        .port(running.port)
        .user(ROLE)
        .password(password.expose())
        .dbname(database)
        .application_name("tokenward private")
        .connect_timeout(CONNECT_PATIENCE);
    let connected = tokio::time::timeout(CONNECT_PATIENCE, config.connect(NoTls)).await;
    match connected {
        Ok(Ok((client, connection))) => {
            tokio::spawn(connection);
            Ok(client)
        }
        // No answer at all is what a server that is just gone gives.
        Ok(Err(problem))
            if matches!(problem.code(), None | Some(&SqlState::CANNOT_CONNECT_NOW)) =>
        {
            Err(Error::NotYet {
                pid: running.pid,
                socket: running.socket.clone(),
                problem: said(&problem),
            })
        }
        Ok(Err(problem)) => Err(failed(said(&problem))),
        Err(_) => Err(failed(format!(
            "no answer within {} s",
            CONNECT_PATIENCE.as_secs()
        ))),
    }
}

/// What Postgres, or else the system, said: tokio-postgres' own text is only "db error".
pub(super) fn said(error: &tokio_postgres::Error) -> String {
    use std::error::Error as _;
    match (error.as_db_error(), error.source()) {
        (Some(told), _) => told.message().to_owned(),
        (None, Some(source)) => format!("{error}: {source}"),
        (None, None) => error.to_string(),
    }
}

/// Percent-encodes all but RFC 3986's unreserved characters.
fn escape(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(3 * bytes.len());
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_becomes_a_host_that_reads_back_the_same() {
        let text = format!("postgres://u@{}/d", escape("/tmp/a b/ü%:@".as_bytes()));
        let config: Config = text.parse().unwrap();
        assert_eq!(
            config.get_hosts(),
            [tokio_postgres::config::Host::Unix("/tmp/a b/ü%:@".into())]
        );
    }
}
