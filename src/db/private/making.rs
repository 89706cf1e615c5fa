//! Making the data folder. initdb works in a folder beside it that is renamed when everything is on the disk,
//! so whatever stops us in between, `kill -9` or the power, leaves either no data folder or a whole one.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rand::TryRng;
use rand::rngs::SysRng;
use zeroize::Zeroize;

use super::error::Error;
use super::home::{Place, last_lines, make_folder, remove_if_there};
use super::programs::Programs;
use super::server::clean_environment;
use crate::domain::secret::Secret;

/// The server's only role, its superuser, named as everywhere. Not after us: a role's search path begins with the schema of its own name,
/// so a role `tokenward` would put what Django makes into our schema.
pub(super) const ROLE: &str = "postgres";

/// initdb takes two seconds here; a slow disk may need much longer to take what it writes.
const PATIENCE: Duration = Duration::from_mins(3);

/// initdb syncs its thousand files one by one, about half of its time, and much more on a busy disk. Where one call
/// syncs the whole file system, [`sync_whole`] does that instead: what `--sync-method=syncfs` is since Postgres 17
/// (manual, "initdb"), for the older versions too.
const INITDB_SYNC: &[&str] = if cfg!(target_os = "linux") {
    &["--no-sync"]
} else {
    &[]
};

/// How the folders begin that are not the data folder yet, or not any more.
const UNFINISHED: &str = "unfinished-";

/// Makes the password and the data folder. The caller holds `making.lock`.
pub(super) async fn make_data(place: &Place, programs: &Programs) -> Result<(), Error> {
    sweep(place);
    write_password(place)?;
    // A name never used before: an initdb whose tokenward was killed may still write to the last one.
    let unfinished = place
        .root()
        .join(format!("{UNFINISHED}{}", random_hex::<8>()?.expose()));
    make_folder(&unfinished, 0o700)?;
    place.account.own(&unfinished)?;
    initdb(place, programs, &unfinished).await?;
    sync_whole(&unfinished)?;
    let data = place.data();
    fs::rename(&unfinished, &data).map_err(Error::folder("rename to", &data))?;
    sync_folder(place.root())
}

/// Runs initdb.
async fn initdb(place: &Place, programs: &Programs, unfinished: &Path) -> Result<(), Error> {
    let mut command = Command::new(programs.initdb());
    command
        .arg("--pgdata")
        .arg(unfinished)
        .args([
            "--username",
            ROLE,
            "--auth",
            "scram-sha-256",
            "--encoding",
            "UTF8",
            "--locale",
            "C",
        ])
        .arg("--pwfile")
        .arg(place.password())
        .args(INITDB_SYNC)
        .stdin(Stdio::null());
    clean_environment(&mut command);
    place.account.run(&mut command);
    let mut command = tokio::process::Command::from(command);
    command.kill_on_drop(true);
    let failed = |said: String| Error::Initdb {
        folder: unfinished.to_owned(),
        said,
    };
    match tokio::time::timeout(PATIENCE, command.output()).await {
        Ok(Ok(output)) if output.status.success() => Ok(()),
        Ok(Ok(output)) => Err(failed(last_lines(&output.stderr))),
        Ok(Err(source)) => Err(Error::Spawn {
            program: programs.initdb(),
            source,
        }),
        Err(_) => Err(failed(format!(
            "it did not end within {} s",
            PATIENCE.as_secs()
        ))),
    }
}

/// Takes the data folder away: out of sight in one step, then off the disk. Stopped in between, the next
/// [`make_data`] or [`remove_data`] clears the rest away.
pub(super) fn remove_data(place: &Place) -> Result<(), Error> {
    let data = place.data();
    let aside = place
        .root()
        .join(format!("{UNFINISHED}{}", random_hex::<8>()?.expose()));
    match fs::rename(&data, &aside) {
        Ok(()) => {}
        Err(problem) if problem.kind() == ErrorKind::NotFound => {}
        Err(problem) => return Err(Error::folder("rename", &data)(problem)),
    }
    fs::remove_dir_all(place.root()).map_err(Error::folder("remove", place.root()))
}

/// Removes what was never finished. What cannot be removed, say because an initdb without its tokenward still
/// writes there, is in nobody's way and goes the next time.
fn sweep(place: &Place) {
    for entry in fs::read_dir(place.root()).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Writes a new password, on the disk before it has its name.
fn write_password(place: &Place) -> Result<(), Error> {
    let path = place.password();
    let unfinished = path.with_extension("new");
    remove_if_there(&unfinished)?;
    let password = random_hex::<32>()?;
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&unfinished)?;
        file.write_all(password.expose().as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()
    };
    write().map_err(Error::folder("write", &unfinished))?;
    place.account.own(&unfinished)?;
    fs::rename(&unfinished, &path).map_err(Error::folder("rename to", &path))?;
    sync_folder(place.root())
}

/// The password in the file.
pub(super) fn read_password(place: &Place) -> Result<Secret<String>, Error> {
    let path = place.password();
    let mut text = fs::read_to_string(&path).map_err(|problem| Error::Password {
        path: path.clone(),
        problem: problem.to_string(),
    })?;
    let password = Secret::new(text.trim().to_owned());
    text.zeroize();
    // The address is built from it without escapes, so nothing but hex may come through.
    if password.expose().is_empty()
        || !password
            .expose()
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit())
    {
        return Err(Error::Password {
            path,
            problem: "it does not hold what tokenward wrote".to_owned(),
        });
    }
    Ok(password)
}

/// `N` bytes from the operating system, as lower-case hex.
fn random_hex<const N: usize>() -> Result<Secret<String>, Error> {
    let mut bytes = [0; N];
    SysRng
        .try_fill_bytes(&mut bytes)
        .map_err(|problem| Error::Random(problem.to_string()))?;
    let digits = "0123456789abcdef".as_bytes();
    let mut text = String::with_capacity(2 * N);
    for byte in bytes {
        text.push(char::from(digits[usize::from(byte >> 4)]));
        text.push(char::from(digits[usize::from(byte & 15)]));
    }
    bytes.zeroize();
    Ok(Secret::new(text))
}

/// Puts all of the new data folder on the disk, because its rename must not outlive what it names.
#[cfg(target_os = "linux")]
fn sync_whole(path: &Path) -> Result<(), Error> {
    File::open(path)
        .and_then(|folder| nix::unistd::syncfs(&folder).map_err(std::io::Error::from))
        .map_err(Error::folder("sync", path))
}

/// initdb has synced it.
#[cfg(not(target_os = "linux"))]
fn sync_whole(path: &Path) -> Result<(), Error> {
    sync_folder(path)
}

/// Puts the names in a folder on the disk.
fn sync_folder(path: &Path) -> Result<(), Error> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(Error::folder("sync", path))
}
