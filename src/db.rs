//! The only place that speaks Diesel: which database, the connections to it, and every query.

pub mod accounts;
pub mod audit;
pub mod backfill;
pub mod changes;
pub mod compat;
pub mod connect;
pub mod conninfo;
pub mod demo;
pub mod doctor;
pub mod drf_tokens;
pub mod error;
mod filters;
mod keyset;
pub mod knox_tokens;
pub mod leaks;
mod locks;
pub mod logins;
pub mod lookup;
pub mod migrate;
pub mod private;
mod records;
pub mod retired_keys;
mod rows;
mod schema;
pub mod site;
pub mod users;
pub mod uses;

use std::future::Future;
use std::time::Duration;

use std::num::NonZeroUsize;
use std::sync::Arc;

use diesel_async::{AnsiTransactionManager, TransactionManager};
use tokio_util::sync::CancellationToken;

pub use error::Error;

/// A connection, as the queries take it.
pub type Conn = diesel_async::AsyncPgConnection;

/// A connection out of the pool; it goes back when dropped.
pub type Pooled = connect::Session;

/// A database that is open: a small pool of connections, and what the database is like.
#[derive(Clone)]
pub struct Db {
    pool: Pool,
    shape: Arc<compat::Shape>,
}

/// The connections to one database: how they are made, and those that are open.
#[derive(Clone, Debug)]
pub struct Pool {
    connector: Arc<connect::Connector>,
    sessions: connect::Pool,
    /// The private server that the sessions are on, if they are.
    home: Option<private::Home>,
}

/// So many connections serve a console with a list, a search and a long run at the same time.
const CONNECTIONS: NonZeroUsize = NonZeroUsize::new(5).unwrap();

/// How long somebody waits for a connection that others hold.
const WAIT: Duration = Duration::from_secs(10);

impl Pool {
    /// Connections to what `connector` reaches; none is made yet.
    #[must_use]
    pub fn new(connector: connect::Connector) -> Self {
        let connector = Arc::new(connector);
        let sessions = connect::Pool::new(Arc::clone(&connector), CONNECTIONS, WAIT);
        Self {
            connector,
            sessions,
            home: None,
        }
    }

    /// The same on the private server of `home`, of which the caller holds a lease. Where it was killed under us, it is
    /// started again.
    #[must_use]
    pub fn on_private(connector: connect::Connector, home: private::Home) -> Self {
        Self {
            home: Some(home),
            ..Self::new(connector)
        }
    }

    /// The hosts and ports that it leads to.
    #[must_use]
    pub fn servers(&self) -> String {
        let servers = &self.connector.target().servers;
        let servers: Vec<String> = servers.iter().map(ToString::to_string).collect();
        servers.join(" ")
    }

    /// Takes a connection.
    ///
    /// # Errors
    /// When none can be made, or none becomes free in time.
    pub async fn get(&self) -> Result<Pooled, Error> {
        let taken = self.sessions.get().await;
        if let (Err(connect::Error::Unreachable { .. }), Some(home)) = (&taken, &self.home) {
            let started = private::open(home, &mut |step| tracing::info!("{step}")).await;
            // This lease may go: the one that our caller holds keeps the server up.
            drop(started.map_err(|error| Error::Unavailable(error.to_string()))?);
            return Ok(self.sessions.get().await?);
        }
        Ok(taken?)
    }

    /// Asks the server to give up what `stop` stands for. A request that fails is only a query that runs on to its
    /// time limit.
    async fn stop(&self, stop: &Stop) {
        if let Err(error) = self.connector.cancel(&stop.0).await {
            tracing::warn!("a running query could not be cancelled: {error}");
        }
    }
}

/// However long the server's own limits are, no answer is waited for longer than this: it ends the wait on a
/// network that swallows packets.
const DEADLINE: Duration = Duration::from_mins(1);

impl std::fmt::Debug for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Db")
            .field("shape", &self.shape)
            .finish_non_exhaustive()
    }
}

impl Db {
    /// Opens the database behind `pool`: connects and reads its shape.
    ///
    /// # Errors
    /// When it cannot be reached or is not what we work on.
    pub async fn open(pool: Pool, users: &compat::UserTable) -> Result<Self, Error> {
        let mut conn = pool.get().await?;
        let shape = compat::read_shape(&mut conn, users).await?;
        drop(conn);
        Ok(Self {
            pool,
            shape: Arc::new(shape),
        })
    }

    /// Its connections.
    #[must_use]
    pub const fn pool(&self) -> &Pool {
        &self.pool
    }

    /// What the database is like.
    #[must_use]
    pub fn shape(&self) -> &compat::Shape {
        &self.shape
    }

    /// The site's user table.
    #[must_use]
    pub fn site(&self) -> &site::Site {
        &self.shape.site
    }

    /// Makes connections outside the pool, for what keeps one of its own.
    #[must_use]
    fn connector(&self) -> Arc<connect::Connector> {
        Arc::clone(&self.pool.connector)
    }

    /// Takes a connection.
    ///
    /// # Errors
    /// When none can be made, or none becomes free in time.
    pub async fn conn(&self) -> Result<Pooled, Error> {
        self.pool.get().await
    }

    /// Waits for `answer`, the reading of something on the connection that `stop` belongs to; when `cancel` fires
    /// first, tells the server to give it up.
    ///
    /// # Errors
    /// [`Error::Cancelled`] when cancelled, [`Error::Unavailable`] when the network swallows the answer.
    pub async fn obey<T>(
        &self,
        cancel: &CancellationToken,
        stop: Stop,
        answer: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let cancelled = || Err(Error::Cancelled("cancelled".to_owned()));
        if cancel.is_cancelled() {
            return cancelled();
        }
        let mut answer = std::pin::pin!(tokio::time::timeout(DEADLINE, answer));
        let late = |_| Error::Unavailable(format!("no answer within {} s", DEADLINE.as_secs()));
        tokio::select! {
            result = &mut answer => return self.explain(result.map_err(late)?).await,
            () = cancel.cancelled() => {}
        }
        // The connection must be quiet before somebody else gets it. A request that overtakes the query it is meant
        // for finds nothing to cancel, so it is made until the query ends.
        let quiet = async {
            loop {
                self.pool.stop(&stop).await;
                if tokio::time::timeout(AGAIN, &mut answer).await.is_ok() {
                    break;
                }
            }
        };
        let _ = tokio::time::timeout(GRACE, quiet).await;
        cancelled()
    }

    /// Adds to [`Error::Locked`] who holds the lock, asked on another connection. Any other result passes.
    ///
    /// # Errors
    /// That of `result`.
    pub async fn explain<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        let Err(Error::Locked(said)) = result else {
            return result;
        };
        let look = async { locks::find_holder(&mut *self.conn().await?, self.site()).await };
        match tokio::time::timeout(GRACE, look).await {
            Ok(Ok(Some(holder))) => Err(Error::Locked(format!("{said}; held by {holder}"))),
            // It went away meanwhile, or cannot be found out: the first error is the one that counts.
            Ok(Ok(None) | Err(_)) | Err(_) => Err(Error::Locked(said)),
        }
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// As [`Db::conn`].
    pub async fn begin(&self) -> Result<Tx, Error> {
        let mut conn = self.conn().await?;
        AnsiTransactionManager::begin_transaction(&mut *conn).await?;
        Ok(Tx { conn })
    }
}

/// Asks for nothing.
///
/// # Errors
/// When the database is away.
pub async fn ping(conn: &mut Conn) -> Result<(), Error> {
    Ok(diesel_async::SimpleAsyncConnection::batch_execute(conn, "").await?)
}

/// How long a cancelled query may take to end, and a look for whoever holds a lock.
const GRACE: Duration = Duration::from_secs(2);

/// How often a query that does not end is cancelled.
const AGAIN: Duration = Duration::from_millis(100);

/// Stops what a connection is doing (Postgres manual, 55.2.8, Canceling Requests in Progress).
pub struct Stop(tokio_postgres::CancelToken);

impl Stop {
    /// For the query that will run on `conn`.
    #[must_use]
    pub fn of(conn: &Conn) -> Self {
        Self(conn.cancel_token())
    }
}

/// A transaction. Dropped without [`Tx::commit`] it is rolled back: the pool throws a connection away whose
/// transaction is open, and Postgres ends what its client leaves.
pub struct Tx {
    conn: Pooled,
}

impl Tx {
    /// The connection, for the queries.
    pub fn conn(&mut self) -> &mut Conn {
        &mut self.conn
    }

    /// Makes it so.
    ///
    /// # Errors
    /// When Postgres does not say that it did. Where the connection broke, nobody knows.
    pub async fn commit(mut self) -> Result<(), Error> {
        Ok(AnsiTransactionManager::commit_transaction(&mut *self.conn).await?)
    }

    /// Takes it back, and keeps the connection.
    ///
    /// # Errors
    /// When the connection broke; it is taken back all the same.
    pub async fn rollback(mut self) -> Result<(), Error> {
        Ok(AnsiTransactionManager::rollback_transaction(&mut *self.conn).await?)
    }
}
