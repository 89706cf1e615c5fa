//! What `postmaster.pid` tells of the server, checked against the process it names. Joining, starting and
//! stopping all ask here, so that a file left behind by a power cut never passes for a running server.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::error::Error;
use super::home::Place;

/// How it stands with the server of a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// No server. The file may be there all the same.
    Down(Leftover),
    /// It starts, or recovers what a crash left.
    Starting { pid: i32 },
    /// It takes connections.
    Ready(Running),
    /// It was told to stop and lets nobody in any more.
    Stopping { pid: i32 },
}

/// Whether a `postmaster.pid` is in the way of the next start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leftover {
    /// None, or one that Postgres clears away by itself because its process is gone.
    Harmless,
    /// It is empty: a server is just writing it, or the power went at that moment.
    Empty,
    /// Its process is a zombie, or has nothing to do with us: the number was given out again. Postgres sees
    /// only that a process of this number lives, and would refuse to start.
    Misleading,
}

/// A server that takes connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Running {
    pub pid: i32,
    /// The folder of its socket. It is read from the file, not worked out, because the environment that led
    /// the server to this folder may differ from ours.
    pub socket: PathBuf,
    pub port: u16,
}

/// Looks at the server of `place`.
pub(super) fn state(place: &Place) -> Result<State, Error> {
    let path = pid_file(place);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(state_of(&text, &place.data(), place.account.uid())),
        Err(problem) if problem.kind() == ErrorKind::NotFound => {
            Ok(State::Down(Leftover::Harmless))
        }
        Err(problem) => Err(Error::folder("read", &path)(problem)),
    }
}

/// The file that a running server keeps in its data folder.
pub(super) fn pid_file(place: &Place) -> PathBuf {
    place.data().join("postmaster.pid")
}

/// Lines of the file, from Postgres' `utils/pidfile.h`: 1 process, 2 data folder, 3 start time, 4 port,
/// 5 socket folder, 6 address, 7 shared memory, 8 status (`starting`, `stopping`, `ready` or `standby`).
fn state_of(text: &str, data: &Path, uid: u32) -> State {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let line = |number: usize| lines.get(number - 1).copied().unwrap_or_default();
    let Some(pid) = line(1).parse::<i32>().ok().filter(|pid| *pid > 1) else {
        return State::Down(Leftover::Empty);
    };
    match identify(pid, data, uid) {
        Process::Gone => return State::Down(Leftover::Harmless),
        Process::Stranger => return State::Down(Leftover::Misleading),
        Process::Ours => {}
    }
    match (line(8), line(4).parse()) {
        ("ready", Ok(port)) => State::Ready(Running {
            pid,
            socket: PathBuf::from(line(5)),
            port,
        }),
        ("stopping", _) => State::Stopping { pid },
        (_, _) => State::Starting { pid },
    }
}

/// What lives under a process number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Process {
    Gone,
    /// The server of the data folder we asked about.
    Ours,
    /// Anything else, a zombie included.
    Stranger,
}

fn identify(pid: i32, data: &Path, uid: u32) -> Process {
    if kill(Pid::from_raw(pid), None) == Err(Errno::ESRCH) {
        return Process::Gone;
    }
    if runs_for(pid, data, uid) {
        Process::Ours
    } else {
        Process::Stranger
    }
}

/// Whether the process is the server account's and was started with `-D data`. The kernel's list shows the
/// arguments of every process to everybody, unlike its working folder, which a container's root may not see.
/// A zombie has no arguments any more.
#[cfg(target_os = "linux")]
fn runs_for(pid: i32, data: &Path, uid: u32) -> bool {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::MetadataExt;

    let entry = PathBuf::from(format!("/proc/{pid}"));
    let owned = fs::metadata(&entry).is_ok_and(|meta| meta.uid() == uid);
    let arguments = fs::read(entry.join("cmdline")).unwrap_or_default();
    owned
        && arguments
            .split(|byte| *byte == 0)
            .any(|argument| argument == data.as_os_str().as_bytes())
}

/// The same where there is no `/proc`: `ps` is part of every such system.
#[cfg(not(target_os = "linux"))]
fn runs_for(pid: i32, data: &Path, uid: u32) -> bool {
    let asked = std::process::Command::new("ps")
        .args(["-ww", "-o", "uid=,command=", "-p", &pid.to_string()])
        .output();
    let Ok(output) = asked else { return false };
    let said = String::from_utf8_lossy(&output.stdout);
    let Some((owner, command)) = said.trim().split_once(' ') else {
        return false;
    };
    owner.parse() == Ok(uid) && command.contains(&format!(" -D {} ", data.display()))
}

/// Sends SIGINT, Postgres' fast shutdown: open transactions roll back, a checkpoint is written (manual,
/// "Shutting Down the Server"). A server that is gone meanwhile is no error.
pub(super) fn tell_to_stop(pid: i32) -> Result<(), Error> {
    match kill(Pid::from_raw(pid), Signal::SIGINT) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(problem) => Err(Error::Signal {
            pid,
            problem: problem.desc().to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_names_another_program_is_misleading_and_a_gone_one_harmless() {
        let uid = nix::unistd::Uid::effective().as_raw();
        let data = Path::new("/nonexistent/data");
        let text = |pid: u32| {
            format!("{pid}\n/nonexistent/data\n1\n5432\n/nonexistent\n\n 1 1\nready   \n")
        };
        assert_eq!(
            state_of(&text(std::process::id()), data, uid),
            State::Down(Leftover::Misleading)
        );

        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        assert_eq!(
            state_of(&text(child.id()), data, uid),
            State::Down(Leftover::Harmless)
        );
        assert_eq!(state_of("", data, uid), State::Down(Leftover::Empty));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_zombie_is_misleading() {
        let uid = nix::unistd::Uid::effective().as_raw();
        let mut child = std::process::Command::new("sh")
            .args(["-c", "read _", "/some/data"])
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let text = format!(
            "{}\n/some/data\n1\n5432\n/sock\n\n 1 1\nready   \n",
            child.id()
        );
        let pid = i32::try_from(child.id()).unwrap();
        let ready = State::Ready(Running {
            pid,
            socket: "/sock".into(),
            port: 5432,
        });
        let mut before = state_of(&text, Path::new("/some/data"), uid);
        for _ in 0..200 {
            if before == ready {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
            before = state_of(&text, Path::new("/some/data"), uid);
        }
        assert_eq!(before, ready);

        drop(child.stdin.take());
        let id = nix::sys::wait::Id::Pid(Pid::from_raw(pid));
        let flags = nix::sys::wait::WaitPidFlag::WEXITED | nix::sys::wait::WaitPidFlag::WNOWAIT;
        nix::sys::wait::waitid(id, flags).unwrap();
        assert_eq!(
            state_of(&text, Path::new("/some/data"), uid),
            State::Down(Leftover::Misleading)
        );
        child.wait().unwrap();
    }
}
