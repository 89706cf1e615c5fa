//! Ends what a test program leaves behind, however the program ends: a shell waits on a pipe that we hold, and the
//! kernel closes our end of it even after `kill -9`.

use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Runs a script whose `cat` ends when this program does, for then our end of its standard input closes. It ends,
/// too, when the answer is dropped.
pub fn watch(shell: &mut Command) -> Child {
    shell.stdin(Stdio::piped()).spawn().unwrap()
}

/// Removes `folder` when this program ends.
pub fn remove_in_the_end(folder: &Path) -> Child {
    watch(
        Command::new("sh")
            .args(["-c", r#"cat; rm -rf "$0""#])
            .arg(folder),
    )
}
