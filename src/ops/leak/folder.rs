//! The folder of cases, `leaks/` beside the audit: one file a leak, for its owner only, and the salt that their digests
//! begin with. No key is in any of them.

use std::collections::HashMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::domain::moment::Moment;
use crate::domain::retired::{KeyDigest, Kind, Retired, Salt, Told};
use crate::domain::token::{DrfKey, Fingerprint, KeyFormat, KeyStart};
use crate::ops::Error;
use crate::ops::audit::Held;

/// So many cases are looked through, the newest.
const MOST_CASES: usize = 500;
/// No case is larger; a file that is, is none of ours.
const MOST_BYTES: u64 = 32 * 1024 * 1024;

/// A case as its file has it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Kept {
    /// Its number; 0 of one that is not kept.
    pub leak: i64,
    /// The database, by its name in the header.
    pub database: String,
    /// When it was opened, RFC 3339 in UTC.
    pub opened: String,
    /// By whom.
    pub by: String,
    /// What the keys were found in.
    pub source: String,
    /// The keys.
    pub keys: Vec<KeptKey>,
}

/// A key of a case: never the key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KeptKey {
    /// Its first characters.
    pub start: String,
    /// The folder's salt and the key, by SHA-256.
    pub digest: String,
    /// `drf`, `knox`, or empty for what is neither.
    pub kind: String,
    /// What it was worth when it was last asked.
    pub verdict: String,
    /// What was said beside that.
    pub detail: String,
    /// The first lines that it stands in.
    pub lines: Vec<u64>,
    /// The file of each of these lines; empty where that is one file or a text without a name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// How often it was found.
    pub times: u64,
    /// Whose it is or was.
    pub username: Option<String>,
    /// The owner's id.
    pub user_id: Option<String>,
    /// The owner's address.
    pub email: Option<String>,
    /// What it could do.
    pub reach: Option<String>,
    /// When it was made.
    pub made: Option<String>,
    /// The owner's last login.
    pub last_login: Option<String>,
    /// What was done about it.
    pub done: Option<KeptDone>,
    /// Who was told.
    pub told: Option<KeptTold>,
}

/// What was done about a key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KeptDone {
    /// The audit's word.
    pub what: String,
    /// When.
    pub when: String,
    /// By whom.
    pub by: String,
}

/// That its owner was told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KeptTold {
    /// When that was noted.
    pub when: String,
    /// By whom.
    pub by: String,
}

/// The folder.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// The one beside the audit file `audit`.
    #[must_use]
    pub fn beside(audit: &Path) -> Self {
        let state = audit.parent().unwrap_or(Path::new("."));
        Self {
            path: state.join("leaks"),
        }
    }

    /// What digests begin with; made where there is none yet.
    pub fn salt(&self) -> Result<Salt, Error> {
        let path = self.path.join("salt");
        match read_file(&path) {
            Ok(text) => return salt_of(text, &path),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(failed("read", &path, &error)),
        }
        let fresh = KeyFormat::Drf.make_many(2)?.concat();
        self.make()?;
        // Whole from the moment that it is there: a part of it would make digests that nothing else has.
        let beside = self.path.join(format!(".salt.{}", &fresh[..16]));
        let made =
            write_new(&beside, fresh.as_bytes()).and_then(|()| std::fs::hard_link(&beside, &path));
        let _ = std::fs::remove_file(&beside);
        match made {
            Ok(()) => Ok(Salt::new(fresh.into_bytes())),
            // Somebody was faster: his is the salt.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => match read_file(&path) {
                Ok(text) => salt_of(text, &path),
                Err(error) => Err(failed("read", &path, &error)),
            },
            Err(error) => Err(failed("write", &path, &error)),
        }
    }

    /// The highest number that is taken; 0 for none.
    #[must_use]
    pub fn highest(&self) -> i64 {
        self.numbers().first().copied().unwrap_or(0)
    }

    /// The numbers that are taken, the highest first.
    fn numbers(&self) -> Vec<i64> {
        let Ok(entries) = std::fs::read_dir(&self.path) else {
            return Vec::new();
        };
        let number = |entry: std::io::Result<std::fs::DirEntry>| -> Option<i64> {
            let name = entry.ok()?.file_name();
            name.to_str()?.strip_suffix(".json")?.parse().ok()
        };
        let mut numbers: Vec<i64> = entries.filter_map(number).filter(|n| *n > 0).collect();
        numbers.sort_unstable_by(|a, b| b.cmp(a));
        numbers
    }

    fn file(&self, number: i64) -> PathBuf {
        self.path.join(format!("{number}.json"))
    }

    /// Does `work` while no other program does any on the cases here.
    pub fn alone<T>(&self, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        self.make()?;
        let path = self.path.join("lock");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|error| failed("open", &path, &error))?;
        let _held = Held::lock(&file).map_err(|error| failed("lock", &path, &error))?;
        work()
    }

    /// The case of this number, unless its file only holds the number yet, or is gone.
    pub fn read_if_written(&self, number: i64) -> Result<Option<Kept>, Error> {
        match std::fs::metadata(self.file(number)) {
            Ok(file) if file.len() > 0 => self.read(number).map(Some),
            Ok(_) => Ok(None),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("read", &self.file(number), &error)),
        }
    }

    /// The case of this number.
    pub fn read(&self, number: i64) -> Result<Kept, Error> {
        let path = self.file(number);
        let text = match read_file(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(Error::NotFound(format!("no leak {number} is kept here")));
            }
            Err(error) => return Err(failed("read", &path, &error)),
        };
        if text.is_empty() {
            return Err(Error::NotFound(format!(
                "leak {number} was begun here, and nothing of it was kept"
            )));
        }
        serde_json::from_slice(&text).map_err(|error| {
            Error::Internal(format!(
                "the case {} cannot be read: {error}",
                path.display()
            ))
        })
    }

    /// The newest cases about `database`, the newest first. What cannot be read is told to the log and left out.
    #[must_use]
    pub fn cases(&self, database: &str) -> Vec<Kept> {
        let numbers = self.numbers().into_iter().take(MOST_CASES);
        numbers
            .filter_map(|number| match self.read(number) {
                Ok(kept) => Some(kept),
                Err(error) => {
                    tracing::warn!("{error}");
                    None
                }
            })
            .filter(|kept| kept.database == database)
            .collect()
    }

    /// Takes `number` for a case that is written next: `false` if it is taken.
    pub fn take(&self, number: i64) -> Result<bool, Error> {
        self.make()?;
        let path = self.file(number);
        match write_new(&path, b"") {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(failed("write", &path, &error)),
        }
    }

    /// Writes a case in place of what its file has: whole or not at all.
    pub fn write(&self, kept: &Kept) -> Result<(), Error> {
        self.make()?;
        let path = self.file(kept.leak);
        let text = serde_json::to_vec_pretty(kept)
            .map_err(|error| Error::Internal(format!("a case cannot be written: {error}")))?;
        let beside = self
            .path
            .join(format!(".{}.{}", kept.leak, std::process::id()));
        // What a program that was killed left there.
        let _ = std::fs::remove_file(&beside);
        let written = write_new(&beside, &text).and_then(|()| std::fs::rename(&beside, &path));
        written.map_err(|error| {
            let _ = std::fs::remove_file(&beside);
            failed("write", &path, &error)
        })
    }

    fn make(&self) -> Result<(), Error> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.path)
            .map_err(|error| failed("make", &self.path, &error))
    }
}

fn failed(what: &str, path: &Path, error: &std::io::Error) -> Error {
    Error::Internal(format!(
        "cannot {what} {}: {error}; make room there, or name another folder in XDG_STATE_HOME",
        path.display()
    ))
}

/// A shorter one was cut off as it was written, or is none of ours.
fn salt_of(text: Vec<u8>, path: &Path) -> Result<Salt, Error> {
    const SHORTEST: usize = 32;
    if text.len() < SHORTEST {
        return Err(Error::Internal(format!(
            "{} is cut short; bring it back from a copy, or remove it, and keys of older cases are not known any more",
            path.display()
        )));
    }
    Ok(Salt::new(text))
}

fn read_file(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?.take(MOST_BYTES).read_to_end(&mut text)?;
    Ok(text)
}

fn write_new(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text)?;
    file.sync_all()
}

/// What the cases that are kept here say of keys of one database.
#[derive(Debug, Default)]
pub struct Past {
    salt: Option<Salt>,
    keys: HashMap<KeyDigest, (i64, KeptKey)>,
}

impl Past {
    /// Of `cases`, the newest first; of a key that is in several the newest tells.
    #[must_use]
    pub fn of(salt: Salt, cases: Vec<Kept>) -> Self {
        let mut keys = HashMap::new();
        for case in cases {
            for key in case.keys {
                if let Some(digest) = KeyDigest::parse(&key.digest) {
                    keys.entry(digest).or_insert((case.leak, key));
                }
            }
        }
        Self {
            salt: Some(salt),
            keys,
        }
    }

    fn kept(&self, key: &DrfKey) -> Option<(KeyDigest, i64, &KeptKey)> {
        if self.keys.is_empty() {
            return None;
        }
        let digest = self.salt.as_ref()?.drf(key);
        let (leak, kept) = self.keys.get(&digest)?;
        Some((digest, *leak, kept))
    }

    /// That `key` was retired, if a case says so.
    #[must_use]
    pub fn find(&self, key: &DrfKey) -> Option<Retired> {
        let (digest, leak, kept) = self.kept(key)?;
        retired(Fingerprint::of(key), digest, leak, kept)
    }

    /// The same of a key of which there is only the digest, which stands for its fingerprint.
    #[must_use]
    pub fn find_digest(&self, digest: &KeyDigest) -> Option<Retired> {
        let (leak, kept) = self.keys.get(digest)?;
        retired(
            Fingerprint::from_bytes(*digest.as_bytes()),
            *digest,
            *leak,
            kept,
        )
    }

    /// Those that began so, at most `most`.
    #[must_use]
    pub fn find_by_start(&self, start: &KeyStart, most: usize) -> Vec<Retired> {
        let alike = self
            .keys
            .iter()
            .filter(|(_, (_, kept))| kept.start == start.as_str() && kept.verdict != "PARTIAL");
        let mut alike: Vec<Retired> = alike
            .filter_map(|(digest, _)| self.find_digest(digest))
            .collect();
        alike.sort_by_key(|retired| std::cmp::Reverse(retired.retired));
        alike.truncate(most);
        alike
    }

    /// Who was told of `key`, if a case says so.
    #[must_use]
    pub fn find_told(&self, key: &DrfKey) -> Option<Told> {
        let (_, _, kept) = self.kept(key)?;
        read_told(kept.told.as_ref()?)
    }
}

fn retired(
    fingerprint: Fingerprint,
    digest: KeyDigest,
    leak: i64,
    kept: &KeptKey,
) -> Option<Retired> {
    let done = kept.done.as_ref()?;
    Some(Retired {
        fingerprint,
        digest,
        kind: Kind::of(&kept.kind)?,
        start: KeyStart::of(&kept.start),
        user_id: kept.user_id.clone().unwrap_or_default(),
        username: kept.username.clone(),
        retired: Moment::parse(&done.when)?,
        by: done.by.clone(),
        verb: done.what.clone(),
        leak: Some(leak),
        told: kept.told.as_ref().and_then(read_told),
        grace_until: None,
    })
}

/// What a case's file says of who was told.
pub(super) fn read_told(told: &KeptTold) -> Option<Told> {
    Some(Told {
        when: Moment::parse(&told.when)?,
        by: told.by.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_salt_for_all_and_none_that_is_cut_short() {
        let state = tempfile::tempdir().unwrap();
        let folder = Folder::beside(&state.path().join("audit.jsonl"));
        let digest = |salt: Salt| salt.drf(&DrfKey::from("a")).to_string();
        let all: Vec<String> = std::thread::scope(|scope| {
            let one = || digest(folder.salt().unwrap());
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(one)).collect();
            threads.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert!(all.iter().all(|one| *one == all[0]), "{all:?}");
        let path = state.path().join("leaks/salt");
        let files = std::fs::read_dir(state.path().join("leaks")).unwrap();
        assert_eq!(files.count(), 1, "nothing is left beside it");
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..31]).unwrap();
        let error = folder.salt().unwrap_err().to_string();
        assert!(error.contains("cut short"), "{error}");
    }
}
