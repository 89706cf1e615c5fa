//! The two lock files. `in-use.lock`: every tokenward that uses the server holds it shared, and who can take
//! it exclusively may stop the server. `making.lock`: who makes or starts the server holds it, so that first
//! starts follow one another. The kernel frees both when a process dies, `kill -9` included, and the server
//! does not inherit them, because the standard library opens every file close-on-exec.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::error::Error;
use super::home::Home;

/// How often a taken lock is tried again.
const STEP: Duration = Duration::from_millis(3);

/// How to hold a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Shared,
    Exclusive,
}

/// An open lock file. Closing it frees the lock.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
    path: PathBuf,
}

impl Lock {
    /// Opens the lock file, made with mode 0600 if it is not there. Takes no lock yet.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(Error::folder("open", path))?;
        Ok(Self {
            file,
            path: path.to_owned(),
        })
    }

    /// Tries once, without waiting.
    pub fn attempt(&self, mode: Mode) -> Result<Attempt, Error> {
        let tried = match mode {
            Mode::Shared => self.file.try_lock_shared(),
            Mode::Exclusive => self.file.try_lock(),
        };
        match tried {
            Ok(()) => Ok(Attempt::Taken),
            Err(TryLockError::WouldBlock) => Ok(Attempt::HeldByOthers),
            Err(TryLockError::Error(source)) => Err(Error::Folder {
                doing: "lock",
                path: self.path.clone(),
                source,
            }),
        }
    }

    /// Waits for the lock, at most `patience`.
    pub async fn take(
        home: &Home,
        path: &Path,
        mode: Mode,
        patience: Duration,
    ) -> Result<Self, Error> {
        let lock = Self::open(path)?;
        let begun = Instant::now();
        while lock.attempt(mode)? == Attempt::HeldByOthers {
            if begun.elapsed() > patience {
                return Err(home.timed_out(
                    "waiting for another tokenward that starts or stops the server",
                    patience,
                ));
            }
            tokio::time::sleep(STEP).await;
        }
        Ok(lock)
    }

    /// Tries to become the only holder, giving up what was held. Tries three times within a few milliseconds,
    /// because [`super::status`] takes the lock for an instant to see whether it is free.
    ///
    /// It lets go first: of two holders that leave at the same moment, each then sees the other gone or wins.
    pub fn become_only_holder(&self) -> Result<Attempt, Error> {
        self.file
            .unlock()
            .map_err(Error::folder("unlock", &self.path))?;
        for _ in 0..2 {
            if self.attempt(Mode::Exclusive)? == Attempt::Taken {
                return Ok(Attempt::Taken);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        self.attempt(Mode::Exclusive)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing would do it, were it not for a child that is just being started and still has the file.
        let _ = self.file.unlock();
    }
}

/// The answer to one try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    Taken,
    HeldByOthers,
}
