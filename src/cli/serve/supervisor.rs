//! What systemd is told of `serve`: ready, reloading, stopping, and that it still lives. Without systemd all of it does
//! nothing. See `sd_notify(3)`.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::task::JoinHandle;

/// Tells the service manager that we live, until it is dropped.
pub struct Supervisor {
    watchdog: Option<JoinHandle<()>>,
}

impl Supervisor {
    /// Says that requests are answered from now on.
    pub fn ready() -> Self {
        tell(&[NotifyState::Ready]);
        let watchdog = sd_notify::watchdog_enabled().map(|limit| tokio::spawn(live(limit)));
        Self { watchdog }
    }
}

/// Says that files are being read again.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!("cannot tell systemd of the reload: {error}"),
    }
}

/// Says that this is done.
pub fn reloaded() {
    tell(&[NotifyState::Ready]);
}

/// Says that no more connections are taken.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        if let Some(watchdog) = &self.watchdog {
            watchdog.abort();
        }
    }
}

/// Says that we live, twice in the time after which we would count as dead. It runs where requests run: a runtime that
/// is stuck says nothing.
async fn live(limit: Duration) {
    loop {
        tell(&[NotifyState::Watchdog]);
        tokio::time::sleep(limit / 2).await;
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!("cannot tell systemd: {error}");
    }
}
