//! Opens sessions on the database that a [`Target`] names: hosts in turn, TLS as asked, time limits everywhere, and
//! every session told its mode before anyone sees it. `ops` borrows sessions from a [`Pool`]; whatever needs a
//! connection of its own (LISTEN, COPY, locks) takes a [`Connector::client`].

mod attempt;
mod error;
mod judge;
mod pool;
mod session;
mod tls;
mod verify;

use std::time::Duration;

use diesel::result::DatabaseErrorKind;
use diesel_async::AsyncPgConnection;
use diesel_async::pooled_connection::PoolableConnection;
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::{CancelToken, Client};
use tokio_postgres_rustls::MakeRustlsConnect;

pub(super) use attempt::Link;
pub(super) use error::THROUGH_A_POOLER;
pub use error::{Attempt, Distrust, Error};
pub use pool::{Pool, Session, Sessions};
pub use session::{Access, Settings};

use crate::db::conninfo::{Place, SslMode, Target};

/// Opens sessions, all to the same target and with the same settings.
pub struct Connector {
    target: Target,
    settings: Settings,
    /// Loaded at the first connection that needs it, then kept: reading certificates again would slow each one.
    tls: OnceCell<MakeRustlsConnect>,
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connector")
            .field("target", &self.target)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Connector {
    /// Prepares connections to `target`; opens none.
    #[must_use]
    pub const fn new(target: Target, settings: Settings) -> Self {
        Self {
            target,
            settings,
            tls: OnceCell::const_new(),
        }
    }

    /// Where the sessions go.
    #[must_use]
    pub const fn target(&self) -> &Target {
        &self.target
    }

    /// What each session is told.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// A session for Diesel.
    ///
    /// # Errors
    /// [`Error`] says which servers were tried, or what one of them refused.
    pub async fn session(&self) -> Result<AsyncPgConnection, Error> {
        let (client, link) = attempt::establish(self).await?;
        let limit = self.connect_timeout();
        match timeout(
            limit,
            AsyncPgConnection::try_from_client_and_connection(client, link),
        )
        .await
        {
            Ok(Ok(session)) => Ok(session),
            Ok(Err(error)) => Err(self.lost(&error.to_string())),
            Err(_elapsed) => Err(self.lost(&judge::timed_out(limit))),
        }
    }

    /// A session of the driver's own kind, and the task that serves it. The task ends when the client is dropped, or
    /// with the error that ended the connection.
    ///
    /// # Errors
    /// As [`Connector::session`].
    pub async fn client(
        &self,
    ) -> Result<(Client, JoinHandle<Result<(), tokio_postgres::Error>>), Error> {
        let (client, link) = attempt::establish(self).await?;
        Ok((client, tokio::spawn(link)))
    }

    /// A session of the driver's own kind, and the half of it that moves the bytes, for whoever wants to hear what the
    /// server says unasked. Nothing happens unless that half is polled.
    ///
    /// # Errors
    /// As [`Connector::session`].
    pub(super) async fn link(&self) -> Result<(Client, Link), Error> {
        attempt::establish(self).await
    }

    /// Asks the server to cancel what the session of `token` is doing. The statement then fails with SQLSTATE 57014,
    /// unless it was done before. Take the token from the session's `cancel_token()` before the statement begins.
    ///
    /// # Errors
    /// [`Error::Unreachable`] if the server cannot be asked; the statement then goes on to its own limit.
    pub async fn cancel(&self, token: &CancelToken) -> Result<(), Error> {
        let tls = if self.may_encrypt() {
            self.tls().await?
        } else {
            tls::unused()?
        };
        let limit = self.connect_timeout();
        match timeout(limit, token.cancel_query(tls)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(self.lost(&error.to_string())),
            Err(_elapsed) => Err(self.lost(&judge::timed_out(limit))),
        }
    }

    /// The time one address may take: what the connection string says, else what the settings say.
    fn connect_timeout(&self) -> Duration {
        self.target
            .connect_timeout
            .unwrap_or(self.settings.connect_timeout)
    }

    fn may_encrypt(&self) -> bool {
        self.target.tls.mode != SslMode::Disable
            && self
                .target
                .servers
                .iter()
                .any(|server| matches!(server.place, Place::Tcp { .. }))
    }

    async fn tls(&self) -> Result<MakeRustlsConnect, Error> {
        let wanted = self.target.tls.clone();
        let load = || async {
            tokio::task::spawn_blocking(move || tls::load(&wanted))
                .await
                .map_err(|error| self.lost(&format!("preparing TLS failed: {error}")))?
        };
        self.tls.get_or_try_init(load).await.cloned()
    }

    fn lost(&self, reason: &str) -> Error {
        let servers: Vec<String> = self
            .target
            .servers
            .iter()
            .map(ToString::to_string)
            .collect();
        let server = servers.join(" or ");
        let reason = reason.to_owned();
        if reason.starts_with("prepared statement \"") {
            return Error::Pooled { server, reason };
        }
        let attempt = Attempt { server, reason };
        Error::Unreachable {
            database: self.target.database.clone(),
            tried: vec![attempt],
        }
    }
}

/// Whether `error` means that the connection is gone, so that asking again on a new one makes sense.
///
/// diesel-async hides the SQLSTATE, so a server that says goodbye is known by its English words only; where the
/// answer matters for every language, ask [`is_lost`] as well.
#[must_use]
pub fn is_disconnect(error: &diesel::result::Error) -> bool {
    match error {
        diesel::result::Error::DatabaseError(DatabaseErrorKind::ClosedConnection, _) => true,
        // tokio-postgres' words, or those of the channel to its task; others of this kind are bad arguments.
        diesel::result::Error::DatabaseError(DatabaseErrorKind::UnableToSendCommand, told) => [
            "connection closed",
            "error communicating with the server",
            "channel closed",
        ]
        .contains(&told.message()),
        diesel::result::Error::DatabaseError(_, told) => {
            told.message().starts_with("terminating connection")
        }
        diesel::result::Error::RollbackErrorOnCommit {
            rollback_error,
            commit_error,
        } => is_disconnect(rollback_error) || is_disconnect(commit_error),
        _ => false,
    }
}

/// Whether the connection of `session` is closed, or its transaction in a state that nobody can mend.
#[must_use]
pub fn is_lost(session: &mut AsyncPgConnection) -> bool {
    session.is_broken()
}
