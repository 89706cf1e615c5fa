//! The audit of a database that has none of ours: `audit.jsonl`, one line a change, appended and never rewritten, in the
//! same chain as the table. The file is opened before a change begins: who cannot write down what he does may not do it.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{AuditCheck, AuditQuery, Unwritten};
use crate::domain::audit::Entry;
use crate::domain::audit::chain::{Check, Hash, Line};
use crate::ops::Error;

/// The audit's file.
#[derive(Clone, Debug)]
pub struct AuditLog {
    pub(super) path: PathBuf,
}

/// So much of the file's end is read at the most: a screenful is asked for, not a year.
const MOST_BYTES: u64 = 32 * 1024 * 1024;

impl AuditLog {
    /// The audit in the file `path`.
    #[must_use]
    pub const fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens it for one change.
    pub(in crate::ops) fn open(&self) -> Result<OpenAudit, Error> {
        let open = || -> std::io::Result<File> {
            if let Some(folder) = self.path.parent() {
                std::fs::DirBuilder::new()
                    .recursive(true)
                    .mode_0700()
                    .create(folder)?;
            }
            let file = OpenOptions::new()
                .create(true)
                .read(true)
                .append(true)
                .mode(0o600)
                .open(&self.path)?;
            reserve(&file)?;
            Ok(file)
        };
        match open() {
            Ok(file) => Ok(OpenAudit {
                file,
                path: self.path.clone(),
            }),
            Err(error) => Err(Error::Internal(format!(
                "cannot write the audit to {} ({error}); make room there, or name another folder in \
                 XDG_STATE_HOME; nothing was changed",
                self.path.display()
            ))),
        }
    }

    /// The entries that `query` asks for, newest first. A line that cannot be read is left out.
    ///
    /// # Errors
    /// When the file is there but cannot be read.
    pub fn read(&self, query: &AuditQuery) -> Result<Vec<Entry>, Error> {
        let failed = |error| self.unreadable(&error);
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let size = file.metadata().map_err(failed)?.len();
        let start = size.saturating_sub(MOST_BYTES);
        file.seek(SeekFrom::Start(start)).map_err(failed)?;
        let mut lines = BufReader::new(file.take(MOST_BYTES));
        if start > 0 {
            lines.skip_until(b'\n').map_err(failed)?;
        }
        let mut entries = VecDeque::new();
        for line in lines.split(b'\n') {
            let line = line.map_err(failed)?;
            let Ok(entry) = serde_json::from_slice::<Entry>(&line) else {
                continue;
            };
            if query.wants(&entry) {
                entries.push_front(entry);
                entries.truncate(query.limit);
            }
        }
        Ok(entries.into())
    }
}

/// `DirBuilder` for folders that are nobody else's business.
trait Private {
    fn mode_0700(&mut self) -> &mut Self;
}

impl Private for std::fs::DirBuilder {
    fn mode_0700(&mut self) -> &mut Self {
        std::os::unix::fs::DirBuilderExt::mode(self, 0o700)
    }
}

/// More than the lines of one change take, a leak's of a thousand keys too, and of those who append at the same moment.
#[cfg(target_os = "linux")]
const ROOM: i64 = 1024 * 1024;

/// Sees to it that a full disk is met before the change and not after it, when its line has to be written. The room
/// is taken beyond the file's end (fallocate(2), `FALLOC_FL_KEEP_SIZE`), where the line will go.
#[cfg(target_os = "linux")]
fn reserve(file: &File) -> std::io::Result<()> {
    use nix::errno::Errno;
    use nix::fcntl::{FallocateFlags, fallocate};
    let end = i64::try_from(file.metadata()?.len()).unwrap_or(i64::MAX - ROOM);
    match fallocate(file, FallocateFlags::FALLOC_FL_KEEP_SIZE, end, ROOM) {
        Err(full @ (Errno::ENOSPC | Errno::EDQUOT | Errno::EFBIG)) => Err(full.into()),
        // Some file systems cannot reserve; there the write itself will tell.
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Other systems have no way to reserve without making the file longer.
#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "it may fail on Linux")]
fn reserve(_: &File) -> std::io::Result<()> {
    Ok(())
}

/// The audit, open for one change.
#[derive(Debug)]
pub(in crate::ops) struct OpenAudit {
    file: File,
    path: PathBuf,
}

/// Who holds the file longer than this has stopped in the middle.
const PATIENCE: Duration = Duration::from_secs(5);

/// So far back the last whole line is sought. What is longer than that is no line of ours.
const FAR: u64 = 1024 * 1024;

impl OpenAudit {
    /// Appends lines at the chain's end, all or none. Several processes do so one after the other: the file is locked for
    /// it. Half a line that a crash left before it spoils only itself. Waits, so that it is nothing for a thread with other
    /// work.
    pub(in crate::ops) fn append(&self, entries: &[Entry]) -> Result<(), Unwritten> {
        self.write(entries, None)
            .map_err(|error| self.unwritten(&error))
    }

    /// The same, without those that stand behind `from` already.
    pub(in crate::ops) fn append_missing(
        &self,
        entries: &[Entry],
        from: u64,
    ) -> Result<(), Unwritten> {
        self.write(entries, Some(from))
            .map_err(|error| self.unwritten(&error))
    }

    fn unwritten(&self, error: &std::io::Error) -> Unwritten {
        let path = self.path.display();
        Unwritten::File(format!("the audit {path} could not be written: {error}"))
    }

    fn write(&self, entries: &[Entry], from: Option<u64>) -> std::io::Result<()> {
        let mut file = &self.file;
        let _held = Held::lock(file)?;
        let size = file.seek(SeekFrom::End(0))?;
        let mut there = match from {
            Some(from) => entries_behind(file, from)?,
            None => Vec::new(),
        };
        let end = end(file, size)?;
        let (mut id, mut hash) = (end.id, end.hash);
        let mut bytes = Vec::new();
        if !end.is_whole {
            bytes.push(b'\n');
        }
        for entry in entries {
            if let Some(at) = there.iter().position(|written| written == entry) {
                there.swap_remove(at);
                continue;
            }
            let line = Line::after(id, hash, entry);
            serde_json::to_writer(&mut bytes, &line).map_err(std::io::Error::other)?;
            bytes.push(b'\n');
            (id, hash) = (line.id, line.hash.unwrap_or(hash));
        }
        file.seek(SeekFrom::End(0))?;
        let written = file.write_all(&bytes).and_then(|()| file.sync_data());
        if written.is_err() {
            // Half a line would be found by whoever checks the chain. Where it cannot be taken back, it is.
            let _ = file.set_len(size);
        }
        written
    }
}

/// What the file says behind `from`, as it was before it had its place.
fn entries_behind(mut file: &File, from: u64) -> std::io::Result<Vec<Entry>> {
    file.seek(SeekFrom::Start(from))?;
    let mut entries = Vec::new();
    for line in BufReader::new(file.take(MOST_BYTES)).split(b'\n') {
        if let Ok(entry) = serde_json::from_slice::<Entry>(&line?) {
            entries.push(Entry { id: None, ..entry });
        }
    }
    Ok(entries)
}

/// The chain's end in a file of `size` bytes.
fn end(mut file: &File, size: u64) -> std::io::Result<End> {
    let from = size.saturating_sub(FAR);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(size - from).read_to_end(&mut bytes)?;
    let last = bytes
        .rsplit(|byte| *byte == b'\n')
        .find_map(|line| serde_json::from_slice::<Line>(line).ok());
    let (id, hash) = last
        .and_then(|line| Some((line.id, line.hash?)))
        .unwrap_or((0, Hash::START));
    Ok(End {
        id,
        hash,
        is_whole: bytes.last().is_none_or(|byte| *byte == b'\n'),
    })
}

/// Where the next line goes.
struct End {
    id: i64,
    hash: Hash,
    /// Whether the file ends with the end of a line.
    is_whole: bool,
}

/// The file's lock, until it is dropped.
pub(in crate::ops) struct Held<'a>(&'a File);

impl<'a> Held<'a> {
    /// Waits for it, some seconds at the most.
    pub(in crate::ops) fn lock(file: &'a File) -> std::io::Result<Self> {
        let begun = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self(file)),
                // Some file systems know no locks. There two at the same moment may make two ends of the chain.
                Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {
                    return Ok(Self(file));
                }
                Err(TryLockError::Error(error)) => return Err(error),
                Err(TryLockError::WouldBlock) if begun.elapsed() < PATIENCE => {
                    std::thread::sleep(Duration::from_millis(2));
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(std::io::Error::other(
                        "another process holds it, and does not let go",
                    ));
                }
            }
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // Closing the file lets go too.
        let _ = self.0.unlock();
    }
}

impl AuditLog {
    /// Checks the whole chain, a line at a time. Lines at the beginning that are from before there was a chain are counted
    /// and not checked.
    ///
    /// # Errors
    /// When the file is there but cannot be read.
    pub fn check(&self, sought: Option<Hash>) -> Result<AuditCheck, Error> {
        let failed = |error| self.unreadable(&error);
        let mut check = Check::new(sought);
        let mut before = 0;
        let file = match File::open(&self.path) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(failed(error)),
        };
        let mut chained = false;
        let mut number = 0_u64;
        let mut lines = file.map(BufReader::new);
        let mut bytes = Vec::new();
        while let Some(reader) = &mut lines {
            bytes.clear();
            let read = reader.by_ref().take(FAR).read_until(b'\n', &mut bytes);
            if read.map_err(failed)? == 0 {
                break;
            }
            number += 1;
            if bytes.last() != Some(&b'\n') {
                reader.skip_until(b'\n').map_err(failed)?;
            }
            if let Ok(line) = serde_json::from_slice::<Line>(&bytes) {
                chained = true;
                check.line(&line);
            } else if !chained && serde_json::from_slice::<Entry>(&bytes).is_ok() {
                before += 1;
            } else {
                check.complain(format!(
                    "line {number} of the file is none of the chain: it is damaged, or was put in"
                ));
            }
        }
        let (left, unread) = self.left_behind().map_err(failed)?;
        for change in &left {
            check.complain(change.unsettled());
        }
        for path in unread {
            check.complain(format!(
                "{} should say what was being changed when a program ended, and cannot be read",
                path.display()
            ));
        }
        Ok(AuditCheck {
            place: self.path.display().to_string(),
            before,
            checked: check.finish(),
        })
    }

    fn unreadable(&self, error: &std::io::Error) -> Error {
        let path = self.path.display();
        Error::Internal(format!("cannot read the audit {path}: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::audit::{Actor, Verb};
    use crate::domain::moment::Moment;

    fn entry(when: &str, whom: &str) -> Entry {
        Entry {
            id: None,
            when: when.into(),
            actor: Actor {
                os_user: "ann".into(),
                host: "ops1".into(),
                operator: None,
            },
            database: "dev".into(),
            what: Verb::Regenerate,
            whom: whom.into(),
            key: Some("9944b091".into()),
            for_leak: None,
            result: "done".into(),
            session: None,
        }
    }

    #[test]
    fn entries_come_back_newest_first_and_half_a_line_spoils_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let log = AuditLog::at(folder.path().join("state/audit.jsonl"));
        let all = AuditQuery {
            limit: 2,
            ..AuditQuery::default()
        };
        assert_eq!(log.read(&all).unwrap(), []);
        for (when, whom) in [("2025-01-01T00:00:00Z", "a"), ("2025-01-02T00:00:00Z", "b")] {
            log.open().unwrap().append(&[entry(when, whom)]).unwrap();
        }
        std::fs::OpenOptions::new()
            .append(true)
            .open(log.path())
            .unwrap()
            .write_all(b"{\"when\":\"2025")
            .unwrap();
        log.open()
            .unwrap()
            .append(&[entry("2025-01-03T00:00:00Z", "c")])
            .unwrap();
        let whom = |query: &AuditQuery| -> Vec<String> {
            log.read(query)
                .unwrap()
                .into_iter()
                .map(|entry| entry.whom)
                .collect()
        };
        assert_eq!(whom(&all), ["c", "b"]);
        let since = Moment::parse("2025-01-02T12:00:00Z");
        assert_eq!(
            whom(&AuditQuery {
                since,
                limit: 9,
                ..AuditQuery::default()
            }),
            ["c"]
        );
        assert_eq!(
            whom(&AuditQuery {
                user: Some("a".into()),
                limit: 9,
                ..AuditQuery::default()
            }),
            ["a"]
        );
        assert_eq!(
            whom(&AuditQuery {
                text: Some("OPS1".into()),
                limit: 1,
                ..AuditQuery::default()
            }),
            ["c"]
        );
    }

    #[test]
    fn only_the_owner_can_read_the_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let log = AuditLog::at(folder.path().join("state/audit.jsonl"));
        log.open().unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(log.path()), 0o600);
        assert_eq!(mode(log.path().parent().unwrap()), 0o700);
    }
}
