//! What is asked of the person at the terminal, and what is read from stdin instead of arguments. A signal ends every
//! wait, and the terminal echoes again afterwards.

use std::io::{BufRead, IsTerminal, Read};

use nix::sys::termios::{self, LocalFlags, SetArg, Termios};

use super::exit::{Code, Failure};
use super::output;
use super::signals::Signals;
use crate::domain::password;
use crate::domain::secret::Secret;

/// A password and a line's end, and a byte more, so that one which is too long is refused and not cut.
const LONGEST_SECRET: u64 = password::MAX_BYTES as u64 + 3;

/// Whether somebody can be asked: questions go to stderr, answers come from stdin.
pub fn somebody_there() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// One typed line; empty at the end of input.
pub async fn answer(signals: &Signals, question: &str) -> Result<String, Failure> {
    /// No answer is longer than a name and a number.
    const LONGEST: u64 = 1024;
    output::ask(question);
    let read = || one_line(LONGEST).map(|line| line.trim().to_owned());
    signals.or_stop(blocking(read)).await
}

/// The terminal shows nothing of what is typed, but the line's end, while this lives. It begins before the question is
/// asked: people type ahead.
pub struct Unseen(Option<Termios>);

impl Unseen {
    /// From now on; no terminal is fine.
    pub fn begin() -> Self {
        let before = termios::tcgetattr(std::io::stdin()).ok();
        if let Some(before) = &before {
            let mut quiet = before.clone();
            quiet.local_flags.remove(LocalFlags::ECHO);
            quiet.local_flags.insert(LocalFlags::ECHONL);
            set(&quiet);
        }
        Self(before)
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            set(before);
        }
    }
}

fn set(to: &Termios) {
    // A terminal that went away shows nothing any more.
    let _ = termios::tcsetattr(std::io::stdin(), SetArg::TCSANOW, to);
}

/// One line that is not shown while it is typed; empty at the end of input.
pub async fn hidden(signals: &Signals, question: &str) -> Result<Secret<String>, Failure> {
    let _unseen = Unseen::begin();
    output::ask(question);
    let read = || one_line(LONGEST_SECRET);
    signals.or_stop(blocking(read)).await.map(Secret::new)
}

/// A new password: typed twice, or one line of stdin.
pub async fn new_password(signals: &Signals, name: &str) -> Result<Secret<String>, Failure> {
    if !std::io::stdin().is_terminal() {
        let read = || one_line(LONGEST_SECRET);
        return signals.or_stop(blocking(read)).await.map(Secret::new);
    }
    let _unseen = Unseen::begin();
    let first = hidden(signals, &format!("New password of {name}: ")).await?;
    let second = hidden(signals, "The same again: ").await?;
    if first.expose() == second.expose() {
        Ok(first)
    } else {
        Err(Failure::usage(
            "the two passwords differ; nothing was changed",
        ))
    }
}

/// The next line of stdin with its end, cut at `most` bytes; `None` at the end of input.
pub async fn line(signals: &Signals, most: u64) -> Result<Option<Vec<u8>>, Failure> {
    let read = move || {
        let mut line = Vec::new();
        std::io::stdin()
            .lock()
            .take(most)
            .read_until(b'\n', &mut line)?;
        Ok((!line.is_empty()).then_some(line))
    };
    signals.or_stop(blocking(read)).await
}

/// The next line of stdin without its end, cut at `most` bytes.
fn one_line(most: u64) -> std::io::Result<String> {
    let mut line = String::new();
    std::io::stdin().lock().take(most).read_line(&mut line)?;
    let bare = line.strip_suffix('\n').unwrap_or(&line);
    Ok(bare.strip_suffix('\r').unwrap_or(bare).to_owned())
}

async fn blocking<T: Send + 'static>(
    read: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, Failure> {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::new(Code::Failed, format!("cannot read from stdin: {error}"))
    };
    match tokio::task::spawn_blocking(read).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(failed(&error)),
        Err(error) => Err(failed(&error)),
    }
}
