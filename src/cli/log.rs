//! The log: a file of the user's own, never the terminal. Two files of bounded size are kept, so that nobody has to
//! look after them. The wiring starts it before anything else is done.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use tracing::Level;

use super::exit::Failure;
use super::output;
use crate::config::dirs::make_private;

/// One file holds no more than this; the one before it stays beside it as `NAME.1`.
const LIMIT: u64 = 4 * 1024 * 1024;

/// How much is logged, by how often `-v` stands.
pub const fn level(quiet: bool, verbose: u8) -> Level {
    match (quiet, verbose) {
        (true, _) => Level::ERROR,
        (false, 0) => Level::WARN,
        (false, 1) => Level::INFO,
        (false, 2) => Level::DEBUG,
        (false, _) => Level::TRACE,
    }
}

/// Whose wish the log's place is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// It was named: not being able to write there is an error.
    ByName,
    /// It is the usual one: without it the work goes on.
    Usual,
}

/// Logs to the file `path` from now on, panics included.
pub fn start(path: &Path, asked: Asked, level: Level) -> Result<(), Failure> {
    let file = match Bounded::open(path) {
        Ok(file) => file,
        Err(error) => {
            return match asked {
                Asked::ByName => Err(Failure::usage(format!(
                    "cannot write the log {}: {error}; name another file with --log-file",
                    path.display()
                ))),
                Asked::Usual => Ok(()),
            };
        }
    };
    tracing_subscriber::fmt()
        .with_ansi(false)
        .with_target(false)
        .with_max_level(level)
        .with_writer(Mutex::new(file))
        .init();
    log_panics(path.to_owned());
    Ok(())
}

/// A panic is one line on stderr, and a trace in the log.
fn log_panics(path: PathBuf) {
    std::panic::set_hook(Box::new(move |panic| {
        let trace = std::backtrace::Backtrace::force_capture();
        tracing::error!("{panic}\n{trace}");
        output::note(&format!(
            "something went wrong that should not; {} says what",
            path.display()
        ));
    }));
}

/// A file that moves aside when it is full.
struct Bounded {
    path: PathBuf,
    file: File,
    size: u64,
}

impl Bounded {
    fn open(path: &Path) -> std::io::Result<Self> {
        if let Some(folder) = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            && !folder.exists()
        {
            make_private(folder).map_err(std::io::Error::other)?;
        }
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(path)?;
        let size = file.metadata()?.len();
        Ok(Self {
            path: path.to_owned(),
            file,
            size,
        })
    }

    fn turn_over(&mut self) -> std::io::Result<()> {
        let mut before = self.path.clone().into_os_string();
        before.push(".1");
        std::fs::rename(&self.path, before)?;
        *self = Self::open(&self.path)?;
        Ok(())
    }
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.size > 0 && self.size + bytes.len() as u64 > LIMIT {
            self.turn_over()?;
        }
        let written = self.file.write(bytes)?;
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_full_log_moves_aside_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/tokenward.log");
        let mut log = Bounded::open(&path).unwrap();
        let half = vec![b'x'; usize::try_from(LIMIT / 2).unwrap()];
        for _ in 0..5 {
            log.write_all(&half).unwrap();
        }
        let len = |name: &str| {
            folder
                .path()
                .join("state")
                .join(name)
                .metadata()
                .unwrap()
                .len()
        };
        assert_eq!(len("tokenward.log"), LIMIT / 2);
        assert_eq!(len("tokenward.log.1"), LIMIT);
        assert_eq!(
            std::fs::read_dir(folder.path().join("state"))
                .unwrap()
                .count(),
            2
        );
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn each_v_logs_more() {
        assert_eq!(level(true, 0), Level::ERROR);
        assert!(level(false, 0) < level(false, 1) && level(false, 1) < level(false, 2));
    }
}
