//! SIGINT, SIGTERM and SIGHUP while a command runs. The first one asks the work to end after the transaction it is in;
//! a second one ends the process, and Postgres rolls back what was not committed.

use std::sync::{Arc, OnceLock};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::exit::{Code, Failure};

/// What was heard so far.
#[derive(Debug)]
pub struct Signals {
    stop: CancellationToken,
    first: Arc<OnceLock<Code>>,
    listener: JoinHandle<()>,
}

impl Signals {
    /// Listens from now on.
    pub fn listen() -> Result<Self, Failure> {
        let failed =
            |error| Failure::new(Code::Failed, format!("cannot listen for signals: {error}"));
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        let mut hangup = signal(SignalKind::hangup()).map_err(failed)?;
        let stop = CancellationToken::new();
        let first = Arc::new(OnceLock::new());
        let (cancel, heard) = (stop.clone(), Arc::clone(&first));
        let listener = tokio::spawn(async move {
            loop {
                let code = next(&mut interrupt, &mut terminate, &mut hangup).await;
                if heard.set(code).is_err() {
                    std::process::exit(i32::from(code as u8));
                }
                cancel.cancel();
            }
        });
        Ok(Self {
            stop,
            first,
            listener,
        })
    }

    /// Fires at the first signal.
    pub const fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// The exit code of the first signal, if there was one.
    pub fn code(&self) -> Option<Code> {
        self.first.get().copied()
    }

    /// Waits for `work`, but no longer than until the first signal. Only for work that may be dropped anywhere.
    pub async fn or_stop<T, E: Into<Failure>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Failure> {
        tokio::select! {
            result = work => result.map_err(Into::into),
            () = self.stop.cancelled() => {
                Err(Failure::new(self.code().unwrap_or(Code::Interrupted), "stopped"))
            }
        }
    }

    /// Listens no longer: the console has ways of its own.
    pub fn hand_over(&self) {
        self.listener.abort();
    }
}

async fn next(interrupt: &mut Signal, terminate: &mut Signal, hangup: &mut Signal) -> Code {
    tokio::select! {
        _ = interrupt.recv() => Code::Interrupted,
        _ = terminate.recv() => Code::Terminated,
        _ = hangup.recv() => Code::Hangup,
    }
}
