//! A few sessions kept open and lent out one by one, for the console and for whatever asks in parallel. The number of
//! sessions and the wait for one are bounded; a session that died or was left in a transaction is replaced.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{self, Metrics, RecycleError, RecycleResult};
use diesel_async::pooled_connection::PoolableConnection;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use tokio::time::timeout;

use super::{Connector, Error};

/// How long a session may take to answer before it is lent out again; a dead peer must not hold up its next user.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// A session on loan; dropping it gives it back.
pub type Session = managed::Object<Sessions>;

/// The sessions of one [`Connector`]. Clones share them.
#[derive(Clone)]
pub struct Pool {
    sessions: managed::Pool<Sessions>,
    wait: Duration,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("status", &self.sessions.status())
            .finish_non_exhaustive()
    }
}

impl Pool {
    /// A pool of at most `size` sessions, where a borrower waits at most `wait` for one to come back. Opens none yet.
    #[must_use]
    pub fn new(connector: Arc<Connector>, size: NonZeroUsize, wait: Duration) -> Self {
        let builder = managed::Pool::builder(Sessions { connector })
            .max_size(size.get())
            .wait_timeout(Some(wait))
            .runtime(Runtime::Tokio1);
        // Without a runtime a limit on waiting would be refused here; with one, building cannot fail.
        let sessions = match builder.build() {
            Ok(sessions) => sessions,
            Err(managed::BuildError::NoRuntimeSpecified) => {
                unreachable!("the runtime is named above")
            }
        };
        Self { sessions, wait }
    }

    /// A session that has just answered and is in the state that the settings ask for.
    ///
    /// # Errors
    /// Those of [`Connector::session`], [`Error::Busy`] after the wait, [`Error::Closed`] after [`Pool::close`].
    pub async fn get(&self) -> Result<Session, Error> {
        use managed::PoolError;

        self.sessions.get().await.map_err(|error| match error {
            PoolError::Backend(error) => error,
            PoolError::Timeout(_)
            | PoolError::PostCreateHook(_)
            | PoolError::NoRuntimeSpecified => Error::Busy {
                size: self.sessions.status().max_size,
                waited: self.wait,
            },
            PoolError::Closed => Error::Closed,
        })
    }

    /// Ends all sessions that are not on loan, and every other when it comes back.
    pub fn close(&self) {
        self.sessions.close();
    }
}

/// Opens sessions for the pool and looks them over between two loans.
#[derive(Debug)]
pub struct Sessions {
    connector: Arc<Connector>,
}

impl managed::Manager for Sessions {
    type Type = AsyncPgConnection;
    type Error = Error;

    async fn create(&self) -> Result<AsyncPgConnection, Error> {
        self.connector.session().await
    }

    async fn recycle(&self, session: &mut AsyncPgConnection, _: &Metrics) -> RecycleResult<Error> {
        if session.is_broken() {
            return Err(RecycleError::message(
                "the connection is closed, or was left in a transaction",
            ));
        }
        // One round trip that proves the session alive and undoes whatever its last user set.
        match timeout(
            ANSWER_LIMIT,
            session.batch_execute(&self.connector.settings().sql()),
        )
        .await
        {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(RecycleError::message(error.to_string())),
            Err(_elapsed) => Err(RecycleError::message("it does not answer")),
        }
    }
}
