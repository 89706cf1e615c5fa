//! The local audit: `audit.jsonl`, one line a change, appended and never rewritten. The file is opened before a
//! change begins: who cannot write down what he does may not do it.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::Error;
use crate::domain::audit::{Entry, Verb};
use crate::domain::moment::Moment;

/// The audit's file.
#[derive(Clone, Debug)]
pub struct AuditLog {
    path: PathBuf,
}

/// Which entries to read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditQuery {
    /// Not older than this.
    pub since: Option<Moment>,
    /// About this database, by its name in the header.
    pub database: Option<String>,
    /// Of this user, by his exact name.
    pub user: Option<String>,
    /// With this text in any column, in any case.
    pub text: Option<String>,
    /// At most so many, the newest.
    pub limit: usize,
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
    pub(super) fn open(&self) -> Result<OpenAudit, Error> {
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
        let failed = |error| {
            Error::Internal(format!(
                "cannot read the audit {}: {error}",
                self.path.display()
            ))
        };
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
        let mut entries = std::collections::VecDeque::new();
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

impl AuditQuery {
    fn wants(&self, entry: &Entry) -> bool {
        let old = self
            .since
            .is_some_and(|since| Moment::parse(&entry.when).is_none_or(|when| when < since));
        let other = self.user.as_ref().is_some_and(|user| *user != entry.whom);
        let unlike = self.text.as_ref().is_some_and(|text| {
            let text = text.to_lowercase();
            let key = entry.key.as_deref().unwrap_or_default();
            let actor = entry.actor.to_string();
            ![entry.what.word(), &entry.whom, &entry.result, &actor, key]
                .iter()
                .any(|column| column.to_lowercase().contains(&text))
        });
        let elsewhere = self
            .database
            .as_ref()
            .is_some_and(|database| *database != entry.database);
        !(old || other || unlike || elsewhere)
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

/// More than the lines of one change take, and of those who append at the same moment.
#[cfg(target_os = "linux")]
const ROOM: i64 = 64 * 1024;

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
pub(super) struct OpenAudit {
    file: File,
    path: PathBuf,
}

impl OpenAudit {
    /// Appends one line. Lines of several processes do not mix, since the file is in append mode and the line goes
    /// out in one write; half a line that a full disk left before it spoils only itself.
    pub(super) fn append(&mut self, entry: &Entry) -> Result<(), Unwritten> {
        self.write(entry).map_err(|error| {
            let path = self.path.display();
            Unwritten(format!("the audit {path} could not be written: {error}"))
        })
    }

    fn write(&mut self, entry: &Entry) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(entry).map_err(std::io::Error::other)?;
        line.push(b'\n');
        if self.ends_in_half_a_line()? {
            line.insert(0, b'\n');
        }
        self.file.write_all(&line)
    }

    fn ends_in_half_a_line(&mut self) -> std::io::Result<bool> {
        let size = self.file.seek(SeekFrom::End(0))?;
        if size == 0 {
            return Ok(false);
        }
        let mut last = [0];
        self.file.seek(SeekFrom::Start(size - 1))?;
        self.file.read_exact(&mut last)?;
        Ok(last != *b"\n")
    }
}

/// A line that is missing from the audit. What it means depends on what it was about.
#[derive(Debug)]
pub(super) struct Unwritten(String);

impl Unwritten {
    /// The deed is done all the same.
    pub(super) fn after(self, verb: Verb) -> Error {
        Error::Internal(format!("{verb} was done, but {}", self.0))
    }

    /// So it was not done.
    pub(super) fn instead_of(self, verb: Verb) -> Error {
        Error::Internal(format!("{}; {verb} was not done", self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::audit::Actor;

    fn entry(when: &str, whom: &str) -> Entry {
        Entry {
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
            result: "done".into(),
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
            log.open().unwrap().append(&entry(when, whom)).unwrap();
        }
        std::fs::OpenOptions::new()
            .append(true)
            .open(log.path())
            .unwrap()
            .write_all(b"{\"when\":\"2025")
            .unwrap();
        log.open()
            .unwrap()
            .append(&entry("2025-01-03T00:00:00Z", "c"))
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
