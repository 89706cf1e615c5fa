//! What ends a question before its answer: a deadline, a newer question, Esc, or a fault of ours.

use std::future::Future;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::ops::Error;

/// A cancelled question has so long to reach the server with its cancel.
const CANCEL_DEADLINE: Duration = Duration::from_secs(3);

/// How long a question may take, and what ends it before.
pub struct Limits {
    /// Fires when the question is not wanted any more.
    pub token: CancellationToken,
    /// How long it may take.
    pub deadline: Duration,
}

/// What it means that an answer is late.
#[derive(Clone, Copy)]
pub enum Late {
    /// The database is away.
    Away,
    /// The question was too much.
    Slow,
}

impl Limits {
    /// The answer to `work`, or why there is none.
    pub async fn hold<T>(
        self,
        work: impl Future<Output = Result<T, Error>>,
        late: Late,
    ) -> Result<T, Error> {
        tokio::pin!(work);
        let ended = tokio::select! {
            outcome = &mut work => return outcome,
            () = self.token.cancelled() => Err(Error::Cancelled),
            () = sleep(self.deadline) => {
                self.token.cancel();
                let secs = self.deadline.as_secs();
                Err(match late {
                    Late::Away => Error::Unavailable(format!("no answer in {secs} s")),
                    Late::Slow => Error::Internal(format!(
                        "no answer in {secs} s, so the question was cancelled; narrow the filter, or try again with Ctrl-r"
                    )),
                })
            }
        };
        // The cancel travels to the server inside the work itself.
        let _ = timeout(CANCEL_DEADLINE, work).await;
        ended
    }
}

/// Runs `work` so that a panic in it becomes an error.
pub async fn guarded<T: Send + 'static>(
    work: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    tokio::spawn(work)
        .await
        .unwrap_or_else(|panicked| Err(fault(&panicked)))
}

/// What a panic in a task is told as.
pub fn fault(error: &tokio::task::JoinError) -> Error {
    tracing::error!(%error, "a task failed");
    Error::Internal("tokenward hit a fault of its own; its log tells more".to_owned())
}
