//! Long work on the command line: a line on stderr once it lasts longer than a second, and a signal that lets it end
//! after the transaction it is in.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use super::output;
use super::signals::Signals;
use crate::ops::{Handle, Progress};

/// Shorter work needs no line.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often the line is drawn.
const STEP: Duration = Duration::from_millis(200);
/// Cells of the gauge.
const GAUGE: usize = 24;

/// The line, if there is a terminal for it. Wiped when dropped.
#[derive(Debug)]
pub struct Line {
    begun: Instant,
    shown: Shown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    /// Nowhere to draw, or not wanted.
    Never,
    NotYet,
    Drawn,
}

impl Line {
    /// For work that begins now; `wanted` is false under `-q`.
    pub fn new(wanted: bool) -> Self {
        let shown = if wanted && std::io::stderr().is_terminal() {
            Shown::NotYet
        } else {
            Shown::Never
        };
        Self {
            begun: Instant::now(),
            shown,
        }
    }

    /// Waits for `work`, drawing what `handle` tells, added to what came before. The first signal cancels the work
    /// through the handle; it is never dropped half-way.
    pub async fn watch<T>(
        &mut self,
        work: impl Future<Output = T>,
        handle: &Handle,
        signals: &Signals,
        before: Before,
    ) -> T {
        let mut work = std::pin::pin!(work);
        let mut ticks = tokio::time::interval(STEP);
        let mut told = false;
        loop {
            tokio::select! {
                result = &mut work => return result,
                () = signals.stop().cancelled(), if !told => {
                    told = true;
                    handle.cancel();
                }
                _ = ticks.tick() => self.draw(&before.and(&handle.progress().borrow())),
            }
        }
    }

    fn draw(&mut self, progress: &Progress) {
        let due = match self.shown {
            Shown::Never => false,
            Shown::NotYet => self.begun.elapsed() >= PATIENCE,
            Shown::Drawn => true,
        };
        if due {
            self.shown = Shown::Drawn;
            output::progress(&words(progress));
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.shown == Shown::Drawn {
            output::progress("");
        }
    }
}

/// What earlier pieces of the same work did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Before {
    /// Rows they reached.
    pub reached: u64,
    /// Rows of the whole work, where it comes in pieces.
    pub total: Option<u64>,
}

impl Before {
    fn and(self, now: &Progress) -> Progress {
        Progress {
            done: now.done + self.reached,
            total: self.total.or(now.total),
            ..now.clone()
        }
    }
}

/// `███████▌  31 %   96742 of 312072   21400/s   10 s left`
fn words(progress: &Progress) -> String {
    let mut parts = Vec::new();
    if let (Some(share), Some(total)) = (progress.share(), progress.total) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a share between 0 and 1"
        )]
        let (cells, percent) = ((share * GAUGE as f64) as usize, (share * 100.0) as u64);
        parts.push(format!("{:GAUGE$} {percent:3} %", "█".repeat(cells)));
        parts.push(format!("{} of {total}", progress.reached()));
    } else {
        parts.push(progress.reached().to_string());
    }
    if progress.per_second >= 1.0 {
        parts.push(format!("{:.0}/s", progress.per_second));
    }
    if let Some(left) = progress.left {
        parts.push(format!("{} s left", left.as_secs()));
    }
    parts.join("   ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_tells_how_far_and_how_long() {
        let progress = Progress {
            done: 40,
            total: Some(200),
            per_second: 20.0,
            left: Some(Duration::from_secs(8)),
            ..Progress::default()
        };
        let before = Before {
            reached: 60,
            total: None,
        };
        assert_eq!(
            words(&before.and(&progress)),
            format!("{:24}  50 %   100 of 200   20/s   8 s left", "█".repeat(12))
        );
    }
}
