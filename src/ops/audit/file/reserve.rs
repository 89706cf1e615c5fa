//! Room on the disk for the lines of a change, taken before the change is made.

use std::fs::File;

/// More than the lines of one change take, a leak's of a thousand keys too, and of those who append at the same moment.
#[cfg(target_os = "linux")]
const ROOM: i64 = 1024 * 1024;

/// Sees to it that a full disk is met before the change and not after it, when its line has to be written. The room
/// is taken beyond the file's end (fallocate(2), `FALLOC_FL_KEEP_SIZE`), where the line will go.
#[cfg(target_os = "linux")]
pub(super) fn reserve(file: &File) -> std::io::Result<()> {
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
pub(super) fn reserve(_: &File) -> std::io::Result<()> {
    Ok(())
}
