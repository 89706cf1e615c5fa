//! New files for keys and exports, which only their owner may read.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::domain::moment::Moment;

/// Writes `text` to a new file in `folder` that only its owner may read.
pub fn write_new(
    folder: &Path,
    stem: &str,
    extension: &str,
    text: &str,
) -> Result<PathBuf, String> {
    let time = Moment::now().rfc3339().replace(['-', ':'], "");
    // Two files in one second get a number; more than a few of them is a mistake somewhere.
    for nth in 0..10 {
        let number = if nth == 0 {
            String::new()
        } else {
            format!("-{nth}")
        };
        let path = folder.join(format!("tokenward-{stem}-{time}{number}.{extension}"));
        let opened = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path);
        let mut file = match opened {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => continue,
            Err(error) => return Err(format!("Cannot write {}: {error}.", path.display())),
        };
        return match file
            .write_all(text.as_bytes())
            .and_then(|()| file.sync_all())
        {
            Ok(()) => Ok(path),
            Err(error) => {
                // Half a file would pass for a whole one.
                let _ = std::fs::remove_file(&path);
                Err(format!("Cannot write {}: {error}.", path.display()))
            }
        };
    }
    Err(format!(
        "{} has too many files of this second.",
        folder.display()
    ))
}
