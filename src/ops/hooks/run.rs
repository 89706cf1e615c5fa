//! One run of the command: started without a shell, given the event, waited for no longer than its limit. What it prints is
//! dropped, since the terminal may be the console's and a command that was told a key may print it.

use std::ffi::OsString;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// Runs `command` with `event` on its stdin.
///
/// # Errors
/// Says in words how it failed.
pub(super) async fn once(
    command: &[OsString],
    event: &[u8],
    limit: Duration,
) -> Result<(), String> {
    let Some((program, arguments)) = command.split_first() else {
        return Err("no command".to_owned());
    };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("it could not be started ({error})"))?;
    let mut group = Group::of(&child);
    let status = timeout(limit, feed(&mut child, event)).await;
    let status = status.map_err(|_late| format!("it took longer than {} s", limit.as_secs()))?;
    let status = status.map_err(|error| format!("it could not be waited for ({error})"))?;
    // What it left running on purpose may go on.
    group.0 = None;
    if status.success() {
        Ok(())
    } else {
        Err(ended(status))
    }
}

/// Gives the event, closes the input, and waits. A command that does not read its input is no failure.
async fn feed(child: &mut Child, event: &[u8]) -> std::io::Result<ExitStatus> {
    if let Some(mut stdin) = child.stdin.take() {
        let _ = stdin.write_all(event).await;
    }
    child.wait().await
}

fn ended(status: ExitStatus) -> String {
    status.code().map_or_else(
        || "it was ended by a signal".to_owned(),
        |code| format!("it ended with code {code}"),
    )
}

/// The processes that the command started. Dropped in the middle they all end: killing the first alone would leave what it
/// waits for running.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        let pid = child.id().and_then(|id| i32::try_from(id).ok());
        Self(pid.map(Pid::from_raw))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            // It may have ended by itself meanwhile.
            let _ = killpg(pid, Signal::SIGKILL);
        }
    }
}
