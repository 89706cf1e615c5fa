//! How a long operation reports its progress and hears a pause or a cancel. The operation holds the
//! [`Control`], the face holds the [`Handle`].

use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How far a long operation is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// Changed.
    pub done: u64,
    /// Found as wished: somebody else was faster.
    pub already: u64,
    /// Not changed, for a reason of their own.
    pub failed: u64,
    /// How many there are to do, where it is known.
    pub total: Option<u64>,
    /// The last user reached.
    pub last: Option<String>,
    /// Time worked, without pauses.
    pub elapsed: Duration,
    /// Rows a second, over the whole time worked.
    pub per_second: f64,
    /// Time left at that rate.
    pub left: Option<Duration>,
    /// 95 of 100 batches took no longer.
    pub batch_p95: Option<Duration>,
    /// Standing still until resumed.
    pub paused: bool,
}

impl Progress {
    /// Rows dealt with.
    #[must_use]
    pub const fn reached(&self) -> u64 {
        self.done + self.already + self.failed
    }

    /// The share that is done, 0 to 1, where the total is known.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "a gauge has no use for the 53rd bit"
    )]
    pub fn share(&self) -> Option<f64> {
        let total = self.total.filter(|total| *total > 0)?;
        Some((self.reached() as f64 / total as f64).min(1.0))
    }

    /// Fills in rate and time left from what was worked so far.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a rate has no use for the 53rd bit"
    )]
    pub fn worked(&mut self, elapsed: Duration) {
        self.elapsed = elapsed;
        let seconds = elapsed.as_secs_f64();
        self.per_second = if seconds > 0.0 {
            self.reached() as f64 / seconds
        } else {
            0.0
        };
        let rest = self.total.map(|total| total.saturating_sub(self.reached()));
        self.left = rest
            .filter(|_| self.per_second > 0.0)
            .and_then(|rest| Duration::try_from_secs_f64(rest as f64 / self.per_second).ok());
    }
}

/// What a long operation is given: it reports through it and looks at it between its transactions.
#[derive(Debug)]
pub struct Control {
    cancel: CancellationToken,
    pause: watch::Receiver<bool>,
    progress: watch::Sender<Progress>,
}

/// What the face keeps of a long operation.
#[derive(Clone, Debug)]
pub struct Handle {
    cancel: CancellationToken,
    pause: std::sync::Arc<watch::Sender<bool>>,
    progress: watch::Receiver<Progress>,
}

/// The two ends of one long operation.
#[must_use]
pub fn control() -> (Control, Handle) {
    let cancel = CancellationToken::new();
    let (pause, paused) = watch::channel(false);
    let (progress, seen) = watch::channel(Progress::default());
    let handle = Handle {
        cancel: cancel.clone(),
        pause: std::sync::Arc::new(pause),
        progress: seen,
    };
    (
        Control {
            cancel,
            pause: paused,
            progress,
        },
        handle,
    )
}

impl Handle {
    /// Stops it after the transaction it is in; what is done stays done.
    pub fn cancel(&self) {
        self.cancel.cancel();
    }

    /// Lets it stand still after the transaction it is in.
    pub fn pause(&self) {
        self.pause.send_replace(true);
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.pause.send_replace(false);
    }

    /// Whether it was told to stand still.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        *self.pause.borrow()
    }

    /// The newest progress, and a way to wait for the next.
    #[must_use]
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }
}

impl Control {
    /// Fires when it is cancelled.
    pub(super) fn token(&self) -> CancellationToken {
        self.cancel.clone()
    }

    /// Tells how far it is.
    pub(super) fn report(&self, progress: &Progress) {
        self.progress.send_replace(progress.clone());
    }

    /// To be called between two transactions: stands still while paused; `false` when cancelled.
    pub(super) async fn go_on(&mut self, progress: &mut Progress) -> bool {
        if *self.pause.borrow_and_update() {
            progress.paused = true;
            self.report(progress);
            tokio::select! {
                () = self.cancel.cancelled() => {}
                // An error means that the handle is gone, and with it whoever could resume.
                _ = self.pause.wait_for(|paused| !paused) => {}
            }
            progress.paused = false;
            self.report(progress);
        }
        !self.cancel.is_cancelled()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_paused_operation_goes_on_when_resumed_and_ends_when_cancelled() {
        let (mut control, handle) = control();
        let mut progress = Progress::default();
        assert!(control.go_on(&mut progress).await);
        handle.pause();
        let mut seen = handle.progress();
        let waiting = tokio::spawn(async move {
            let went_on = control.go_on(&mut progress).await;
            (went_on, control)
        });
        seen.wait_for(|progress| progress.paused).await.unwrap();
        handle.resume();
        let (went_on, mut control) = waiting.await.unwrap();
        assert!(went_on);
        handle.cancel();
        assert!(!control.go_on(&mut Progress::default()).await);
    }

    #[test]
    fn rate_and_time_left_follow_from_the_work_done() {
        let mut progress = Progress {
            done: 50,
            already: 50,
            total: Some(300),
            ..Progress::default()
        };
        progress.worked(Duration::from_secs(10));
        assert!((progress.per_second - 10.0).abs() < 1e-9);
        assert_eq!(progress.left, Some(Duration::from_secs(20)));
        assert!((progress.share().unwrap() - 1.0 / 3.0).abs() < 1e-9);
    }
}
