//! Lines put at the end of the audit's file, under its lock, so that the chain has one end whoever writes.

use std::fs::{File, TryLockError};
use std::io::{BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::super::Unwritten;
use super::{FAR, MOST_BYTES};
use crate::domain::audit::Entry;
use crate::domain::audit::chain::{Hash, Line};

/// The audit, open for one change.
#[derive(Debug)]
pub(in crate::ops) struct OpenAudit {
    pub(super) file: File,
    pub(super) path: PathBuf,
}

/// Who holds the file longer than this has stopped in the middle.
const PATIENCE: Duration = Duration::from_secs(5);

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
