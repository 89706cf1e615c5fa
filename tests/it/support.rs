//! What all tests stand on: a database of one's own, folders that a server can enter, and an end that comes also
//! when the test program is killed.

pub mod place;
pub mod program;
#[expect(dead_code, reason = "the benches use the rest")]
pub mod pty;
pub mod relay;
mod server;
pub mod watch;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::TempDir;

/// A folder that the server's user can enter, also when we are root.
pub fn folder() -> TempDir {
    folder_in(&std::env::temp_dir())
}

/// The same in `above`.
fn folder_in(above: &Path) -> TempDir {
    tempfile::Builder::new()
        .prefix("tw")
        .permissions(fs::Permissions::from_mode(0o755))
        .tempdir_in(above)
        .unwrap()
}
