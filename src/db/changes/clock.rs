//! The clock that a promise runs out by: it goes on while the machine sleeps and is never set.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// Linux stops its monotonic clock while the machine is suspended; a promise must not sleep with it (`clock_gettime(2)`).
#[cfg(target_os = "linux")]
const CLOCK: ClockId = ClockId::CLOCK_BOOTTIME;
#[cfg(not(target_os = "linux"))]
const CLOCK: ClockId = ClockId::CLOCK_MONOTONIC;

/// The time since the machine started; about 30 ns, without a system call. A clock that cannot be read gives the end of
/// time, by which every promise has run out.
#[must_use]
pub fn since_boot() -> Duration {
    clock_gettime(CLOCK).map_or(Duration::MAX, Duration::from)
}
