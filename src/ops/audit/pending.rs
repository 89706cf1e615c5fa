//! What stands between a COMMIT and its lines in the file: before the COMMIT they go into a file of their own beside it, with
//! the transaction's number. A program that is killed in between leaves that file, and whoever comes next asks the database
//! what became of the transaction. Who is at it holds the file's lock, which ends with the process.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{AuditLog, Unwritten};
use crate::domain::audit::Entry;
use crate::domain::moment::Moment;

/// The transaction that lines wait for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::ops) struct Mark {
    /// Its server and database as Postgres tells them from others; none where it could not.
    #[serde(default)]
    pub(in crate::ops) server: Option<String>,
    /// By which hosts and ports that was reached.
    #[serde(default)]
    pub(in crate::ops) reached: String,
    /// The transaction's number on it.
    pub(in crate::ops) transaction: String,
}

impl Mark {
    /// Whether it is of a transaction there, and of no copy: its number means something nowhere else.
    pub(in crate::ops) fn is_at(&self, server: Option<&str>, reached: &str) -> bool {
        server.is_some() && self.server.as_deref() == server && self.reached == reached
    }
}

/// The first line of the file.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    #[serde(flatten)]
    mark: Mark,
    /// How long the audit's file was: a line that is in it already stands behind.
    from: u64,
}

/// Lines that wait for the outcome of a COMMIT.
#[derive(Debug)]
pub(in crate::ops) struct Pending {
    path: PathBuf,
    /// Locked until this is dropped.
    _file: File,
}

impl Pending {
    /// They have their place, or nothing was changed.
    pub(in crate::ops) fn settle(self) {
        // What cannot be removed is found by the next who looks, and its lines where they are.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// What somebody left who is gone.
#[derive(Debug)]
pub(in crate::ops) struct Left {
    pending: Pending,
    pub(in crate::ops) mark: Mark,
    from: u64,
    pub(in crate::ops) lines: Vec<Entry>,
}

impl Left {
    /// What is not known, in a sentence.
    pub(in crate::ops) fn unsettled(&self) -> String {
        let first = self.lines.first();
        let what = first.map_or_else(String::new, |line| {
            format!(
                ": {} of {} on {}, {}",
                line.what, line.whom, line.database, line.when
            )
        });
        format!(
            "a program ended while it made a change, and whether that was made is not known yet{what}; `tokenward audit` \
             on that database, reached in the same way, asks it; where it cannot tell, look there for the change, and \
             then remove {}",
            self.pending.path.display()
        )
    }
}

/// The names of these files end so, and a number of their own follows.
const ENDING: &str = "pending-";
/// What is not whole yet; nothing was committed for it.
const UNFINISHED: &str = ".new";
/// So old is what nobody finishes any more.
const ABANDONED: Duration = Duration::from_mins(10);
/// So many are looked at, and no larger ones: a change has a thousand lines at the most.
const MOST: usize = 1_000;
const MOST_BYTES: u64 = 4 * 1024 * 1024;

impl AuditLog {
    /// Keeps `lines` beside the audit until it is known what became of the transaction.
    pub(in crate::ops) fn prepare(&self, mark: Mark, lines: &[Entry]) -> std::io::Result<Pending> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let own = format!(
            "{ENDING}{}-{}-{}",
            Moment::now().unix_micros(),
            std::process::id(),
            COUNT.fetch_add(1, Relaxed)
        );
        let path = self.path.with_extension(&own);
        let unfinished = self.path.with_extension(own + UNFINISHED);
        let from = std::fs::metadata(&self.path)?.len();
        let mut bytes = serde_json::to_vec(&Head { mark, from }).map_err(std::io::Error::other)?;
        for line in lines {
            bytes.push(b'\n');
            serde_json::to_writer(&mut bytes, line).map_err(std::io::Error::other)?;
        }
        let mut file = OpenOptions::new()
            .create_new(true)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(&unfinished)?;
        let written = (|| {
            // Before it has its name: who looks for what was left must find it locked.
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {}
                Err(error) => return Err(error.into()),
            }
            file.write_all(&bytes)?;
            file.sync_all()?;
            std::fs::rename(&unfinished, &path)?;
            sync_folder(&path)
        })();
        if let Err(error) = written {
            let _ = std::fs::remove_file(&unfinished);
            let _ = std::fs::remove_file(&path);
            return Err(error);
        }
        Ok(Pending { path, _file: file })
    }

    /// What was left by programs that are gone, oldest first, and the names of what cannot be read of it.
    pub(in crate::ops) fn left_behind(&self) -> std::io::Result<(Vec<Left>, Vec<PathBuf>)> {
        let mut names = Vec::new();
        for path in self.beside()? {
            let name = path.to_string_lossy();
            if !name.ends_with(UNFINISHED) {
                names.push(path);
            } else if is_abandoned(&path) {
                let _ = std::fs::remove_file(&path);
            }
        }
        names.sort();
        names.truncate(MOST);
        let (mut all, mut unread) = (Vec::new(), Vec::new());
        for path in names {
            match take(&path) {
                Ok(left) => all.extend(left),
                Err(_) => unread.push(path),
            }
        }
        Ok((all, unread))
    }

    /// The files that bear the audit's name and our ending.
    fn beside(&self) -> std::io::Result<Vec<PathBuf>> {
        let start = self.path.with_extension(ENDING);
        let (Some(folder), Some(start)) = (self.path.parent(), start.file_name()) else {
            return Ok(Vec::new());
        };
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let ours = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default();
            name.as_encoded_bytes()
                .starts_with(start.as_encoded_bytes())
        };
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        Ok(paths.filter(ours).collect())
    }

    /// Gives the lines of `left` their place, except for those that have it: who left them may have come so far. `result`
    /// is what they say of it, if not what they said.
    pub(in crate::ops) fn bring_in(
        &self,
        left: Left,
        result: Option<&str>,
    ) -> Result<(), Unwritten> {
        let mut lines = left.lines;
        if let Some(result) = result {
            for line in &mut lines {
                result.clone_into(&mut line.result);
            }
        }
        let file = self.open().map_err(Unwritten::Unopened)?;
        file.append_missing(&lines, left.from)?;
        left.pending.settle();
        Ok(())
    }
}

/// Takes the file of who is gone; none where somebody is at it, or was just now.
fn take(path: &Path) -> std::io::Result<Option<Left>> {
    // For writing too: some file systems give no other a lock.
    let mut file = match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match file.try_lock() {
        Ok(()) => {}
        // Where there are no locks, what is old was left.
        Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {
            if !is_abandoned(path) {
                return Ok(None);
            }
        }
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    if !path.try_exists()? {
        // Settled between the two.
        return Ok(None);
    }
    let mut text = String::new();
    (&mut file).take(MOST_BYTES).read_to_string(&mut text)?;
    let (head, rest) = text.split_once('\n').unwrap_or((&text, ""));
    let Head { mark, from } = serde_json::from_str(head)?;
    let lines: Result<_, _> = rest.lines().map(serde_json::from_str).collect();
    Ok(Some(Left {
        pending: Pending {
            path: path.to_owned(),
            _file: file,
        },
        mark,
        from,
        lines: lines?,
    }))
}

fn is_abandoned(path: &Path) -> bool {
    let written = std::fs::metadata(path).and_then(|about| about.modified());
    written.is_ok_and(|written| written.elapsed().is_ok_and(|age| age > ABANDONED))
}

fn sync_folder(path: &Path) -> std::io::Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}
