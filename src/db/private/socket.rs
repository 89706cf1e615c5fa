//! A folder for the server's socket whose path is short enough. It is `run/` beside the data, unless that is
//! longer than the system's `sockaddr_un` allows; then it is a folder in the system's temporary one.

use std::env;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::Uid;

use super::error::Error;
use super::home::{Place, make_folder};

/// What a socket's path may have without its final NUL: 108 bytes in `sockaddr_un` on Linux, 104 on BSD and
/// macOS (unix(7), unix(4)).
const LONGEST: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// What Postgres calls the socket in its folder.
const NAME: &str = "/.s.PGSQL.5432";

/// The folder for the next start, made if need be. Who joins later reads it from `postmaster.pid`.
pub(super) fn folder(place: &Place) -> Result<PathBuf, Error> {
    let usual = place.run();
    if fits(&usual) {
        return Ok(usual);
    }
    let mut problems = Vec::new();
    for folder in short_names(place) {
        match short_folder(place, &folder) {
            Ok(folder) => return Ok(folder),
            Err(problem) => problems.push(problem),
        }
    }
    Err(Error::SocketFolder {
        problem: problems.join("; "),
    })
}

/// Where a short folder may be, the best first. The runtime folder comes second, because it goes when the
/// user logs out, and a server may stay longer.
fn short_names(place: &Place) -> impl Iterator<Item = PathBuf> {
    let runtime = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let name = format!("tokenward-{}-{}", place.account.uid(), place.short_name());
    [Some(env::temp_dir()), runtime, Some("/tmp".into())]
        .into_iter()
        .flatten()
        .filter(|above| above.is_absolute())
        .map(move |above| above.join(&name))
}

/// Removes the short folders of a place that is about to go. They are empty once the server is down; one that
/// is not, or that is someone else's, stays.
pub(super) fn forget(place: &Place) {
    if !fits(&place.run()) {
        for folder in short_names(place) {
            let _ = fs::remove_dir(folder);
        }
    }
}

fn fits(folder: &Path) -> bool {
    folder.as_os_str().as_bytes().len() + NAME.len() <= LONGEST
}

/// Makes the folder, or accepts one that is there if nobody else can have put a socket into it.
fn short_folder(place: &Place, folder: &Path) -> Result<PathBuf, String> {
    if !fits(folder) {
        return Err(format!("{} is too long as well", folder.display()));
    }
    let above = folder.parent().unwrap_or(folder);
    if !place
        .account
        .can_enter(above)
        .map_err(|problem| format!("{}: {problem}", above.display()))?
    {
        return Err(format!(
            "the server's user cannot enter {}",
            above.display()
        ));
    }
    make_folder(folder, 0o700).map_err(|problem| problem.to_string())?;
    let meta = fs::symlink_metadata(folder)
        .map_err(|problem| format!("{}: {problem}", folder.display()))?;
    if !meta.is_dir() || meta.mode() & 0o077 != 0 {
        return Err(format!(
            "{} is not a folder closed to others",
            folder.display()
        ));
    }
    // Root's own is one that root made and was stopped before giving it away.
    if meta.uid() != place.account.uid() && meta.uid() != Uid::effective().as_raw() {
        return Err(format!("{} belongs to another user", folder.display()));
    }
    place
        .account
        .own(folder)
        .map_err(|problem| problem.to_string())?;
    Ok(folder.to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{DirBuilderExt, symlink};

    use super::*;
    use crate::db::private::home::Home;

    #[test]
    fn a_folder_that_others_can_write_to_or_a_link_is_refused() {
        let base = tempfile::Builder::new()
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .tempdir()
            .unwrap();
        let home = Home::at(base.path().to_owned());
        let place = Place::make(&home, &mut |_| {}).unwrap();

        let open = base.path().join("open");
        fs::DirBuilder::new().mode(0o700).create(&open).unwrap();
        fs::set_permissions(&open, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        assert!(
            short_folder(&place, &open)
                .unwrap_err()
                .contains("not a folder closed to others")
        );

        let link = base.path().join("link");
        symlink(place.run(), &link).unwrap();
        assert!(
            short_folder(&place, &link)
                .unwrap_err()
                .contains("not a folder closed to others")
        );

        let new = base.path().join("new");
        assert_eq!(short_folder(&place, &new).unwrap(), new);
        assert_eq!(
            short_folder(&place, &new).unwrap(),
            new,
            "its own folder is taken again"
        );
    }
}
