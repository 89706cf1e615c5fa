//! What every command is given: where to write, how to open the database, what was heard of signals.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::exit::{Code, Failure};
use super::opener::{Opener, Say};
use super::output::{Form, Output};
use super::signals::Signals;
use crate::config::Config;
use crate::ops::{self, Change, Ops};

/// One run of one command.
pub struct Context {
    /// Where it writes.
    pub out: Output,
    /// How it opens the database.
    pub opener: Arc<Opener>,
    /// What it hears.
    pub signals: Signals,
    /// Whether progress may be drawn.
    pub progress: bool,
    /// Whether what usually goes without saying is said too.
    pub verbose: bool,
}

impl Context {
    /// The database that was chosen. What it reads is given up at the first signal.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub async fn ops(&self) -> Result<Ops, Failure> {
        let ops = self
            .signals
            .or_stop(Box::pin(self.opener.open(Say::Stderr)))
            .await?;
        Ok(ops.cancellable(self.stop()))
    }

    /// What was configured.
    pub fn config(&self) -> &Config {
        self.opener.config()
    }

    /// Fires at the first signal.
    pub fn stop(&self) -> CancellationToken {
        self.signals.stop().clone()
    }

    /// Whether JSON is asked for.
    pub fn is_json(&self) -> bool {
        self.out.form() == Form::Json
    }
}

/// Refuses early what cannot be done here, before anybody is asked about it.
///
/// # Errors
/// Exit 5 in a read-only session, 3 where the role lacks the right.
pub fn allow(ops: &Ops, change: Change) -> Result<(), Failure> {
    match ops.refusal(change) {
        None => Ok(()),
        Some(why) if ops.place().read_only => Err(ops::Error::ReadOnly(why).into()),
        Some(why) => Err(ops::Error::MissingRight(why).into()),
    }
}

/// The code for work on several rows of which `failed` failed.
pub const fn code_for(done: usize, failed: usize) -> Code {
    match (done, failed) {
        (_, 0) => Code::Done,
        (0, _) => Code::Failed,
        (_, _) => Code::Partly,
    }
}
