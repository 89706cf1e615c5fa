//! The audit of a database that has none of ours: `audit.jsonl`, one line a change, appended and never rewritten, in the
//! same chain as the table. The file is opened before a change begins: who cannot write down what he does may not do it.

mod append;
mod check;
mod reserve;

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

pub(in crate::ops) use append::{Held, OpenAudit};

use super::AuditQuery;
use crate::domain::audit::Entry;
use crate::ops::Error;
use reserve::reserve;

/// The audit's file.
#[derive(Clone, Debug)]
pub struct AuditLog {
    pub(super) path: PathBuf,
}

/// So much of the file's end is read at the most: a screenful is asked for, not a year.
const MOST_BYTES: u64 = 32 * 1024 * 1024;

/// So far back the last whole line is sought. What is longer than that is no line of ours.
const FAR: u64 = 1024 * 1024;

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

    fn unreadable(&self, error: &std::io::Error) -> Error {
        let path = self.path.display();
        Error::Internal(format!("cannot read the audit {path}: {error}"))
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

#[cfg(test)]
mod tests {
    use std::io::Write;

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
