//! Finding initdb and postgres on this machine. Only [`super::open`] asks, and only when the server does not
//! run: joining one that runs needs no programs.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::Command;

use super::error::Error;
use super::home::Place;

/// The major versions that tokenward is made for.
pub(super) const SUPPORTED: RangeInclusive<u32> = 13..=18;

/// A program that only prints its version or a path gets this long.
const PATIENCE: Duration = Duration::from_secs(10);

/// Folders that hold one folder for each version: its parent, how the version's folder begins, what follows it.
const USUAL: [(&str, &str, &str); 10] = [
    ("/usr/lib/postgresql", "", "bin"), // Debian, Ubuntu, Gentoo
    ("/usr", "pgsql-", "bin"),          // Fedora, RHEL: PGDG's packages
    ("/usr/lib", "postgresql", "bin"),  // openSUSE
    ("/usr/libexec", "postgresql", ""), // Alpine
    ("/opt", "pgsql-", "bin"),          // Arch: postgresql-old-upgrade
    ("/opt/homebrew/opt", "postgresql@", "bin"), // Homebrew on Apple silicon
    ("/usr/local/opt", "postgresql@", "bin"), // Homebrew on Intel
    ("/home/linuxbrew/.linuxbrew/opt", "postgresql@", "bin"), // Homebrew on Linux
    ("/Applications/Postgres.app/Contents/Versions", "", "bin"),
    ("/usr/local", "pgsql", "bin"), // built from source, FreeBSD
];

/// A folder with server programs of a supported version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Programs {
    pub folder: PathBuf,
    pub version: u32,
}

impl Programs {
    pub fn initdb(&self) -> PathBuf {
        self.folder.join("initdb")
    }

    pub fn postgres(&self) -> PathBuf {
        self.folder.join("postgres")
    }
}

/// Where to look: the parts of the environment that matter, so that tests can give their own.
#[derive(Clone, Debug, Default)]
pub(super) struct Search {
    /// `TOKENWARD_PG_BIN`.
    pub pg_bin: Option<OsString>,
    /// `PATH`.
    pub path: Option<OsString>,
}

impl Search {
    pub fn from_env() -> Self {
        Self {
            pg_bin: env::var_os("TOKENWARD_PG_BIN"),
            path: env::var_os("PATH"),
        }
    }

    /// The programs for a new data folder, or for the one in `place` if it is made.
    pub async fn programs_for(&self, place: &Place) -> Result<Programs, Error> {
        let wanted = place.version()?;
        let mut others = Vec::new();
        for found in self.candidates().await? {
            match &wanted {
                None => return Ok(found),
                Some(version) if *version == found.version.to_string() => return Ok(found),
                Some(_) => others.push(found),
            }
        }
        match wanted {
            Some(made_by) if !others.is_empty() => {
                let found: Vec<String> = others
                    .iter()
                    .map(|p| format!("{} in {}", p.version, p.folder.display()))
                    .collect();
                Err(Error::VersionMismatch {
                    data: place.data(),
                    made_by,
                    found: found.join(", "),
                })
            }
            None | Some(_) => Err(Error::NoPrograms {
                install: install_command(),
            }),
        }
    }

    /// Every supported set of programs, the most wanted first. With `TOKENWARD_PG_BIN` only that one.
    async fn candidates(&self) -> Result<Vec<Programs>, Error> {
        if let Some(given) = &self.pg_bin {
            let folder = PathBuf::from(given);
            return match look(&folder).await {
                Ok(found) => Ok(vec![found]),
                Err(problem) => Err(Error::PgBin { folder, problem }),
            };
        }
        let mut folders: Vec<PathBuf> = Vec::new();
        let from_config = pg_config_bindir().await;
        let on_path = self
            .path
            .iter()
            .flat_map(env::split_paths)
            .filter(|folder| folder.is_absolute());
        for folder in from_config
            .into_iter()
            .chain(on_path)
            .chain(usual_folders())
        {
            if folder.join("postgres").is_file() && !folders.contains(&folder) {
                folders.push(folder);
            }
        }
        let mut found = Vec::new();
        for folder in folders {
            // What does not work here is merely not a candidate; nobody asked for it by name.
            if let Ok(programs) = look(&folder).await {
                found.push(programs);
            }
        }
        Ok(found)
    }
}

/// The usual folders that exist, newest version first.
fn usual_folders() -> Vec<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = Vec::new();
    for (parent, prefix, below) in USUAL {
        for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let Some(version) = name.to_str().and_then(|name| name.strip_prefix(prefix)) else {
                continue;
            };
            // A folder without a number (`/usr/local/pgsql`) sorts last; `look` finds out what it holds.
            match version.split('.').next().unwrap_or_default().parse() {
                Ok(version) => found.push((version, entry.path().join(below))),
                Err(_) if version.is_empty() => found.push((0, entry.path().join(below))),
                Err(_) => {}
            }
        }
    }
    found.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    found.into_iter().map(|(_, folder)| folder).collect()
}

/// What `pg_config --bindir` says, if there is a `pg_config`.
async fn pg_config_bindir() -> Option<PathBuf> {
    let output = run(Command::new("pg_config").arg("--bindir")).await.ok()?;
    let line = String::from_utf8(output.stdout).ok()?;
    Some(PathBuf::from(line.trim())).filter(|folder| folder.is_absolute())
}

/// Checks that `folder` holds both programs, and asks for their version.
async fn look(folder: &Path) -> Result<Programs, String> {
    for name in ["initdb", "postgres"] {
        if !folder.join(name).is_file() {
            return Err(format!("there is no `{name}` in it"));
        }
    }
    let output = run(Command::new(folder.join("postgres")).arg("--version")).await?;
    let said = String::from_utf8_lossy(&output.stdout);
    match major_version(&said) {
        Some(version) if SUPPORTED.contains(&version) => Ok(Programs {
            folder: folder.to_owned(),
            version,
        }),
        Some(version) => Err(format!(
            "it holds Postgres {version}, and tokenward works with {} to {}",
            SUPPORTED.start(),
            SUPPORTED.end()
        )),
        None => Err("its `postgres --version` does not tell a version".to_owned()),
    }
}

/// `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)` is 15; `18beta1` is 18.
fn major_version(said: &str) -> Option<u32> {
    let number = said.strip_prefix("postgres (PostgreSQL) ")?;
    let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// Runs a program that only prints something.
async fn run(command: &mut Command) -> Result<Output, String> {
    command.stdin(Stdio::null()).kill_on_drop(true);
    match tokio::time::timeout(PATIENCE, command.output()).await {
        Ok(Ok(output)) => Ok(output),
        Ok(Err(problem)) => Err(problem.to_string()),
        Err(_) => Err(format!("it gave no answer within {} s", PATIENCE.as_secs())),
    }
}

/// The command that installs the server programs on this system.
fn install_command() -> String {
    if cfg!(target_os = "macos") {
        return "brew install postgresql@18".to_owned();
    }
    install_command_for(&fs::read_to_string("/etc/os-release").unwrap_or_default())
}

/// The same, from the text of `/etc/os-release` (os-release(5): `ID`, and `ID_LIKE` from near to far).
fn install_command_for(os_release: &str) -> String {
    let value = |key: &str| {
        let line = os_release
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.unwrap_or_default()
            .trim_matches(['"', '\''])
            .to_owned()
    };
    let names = format!("{} {}", value("ID"), value("ID_LIKE"));
    names
        .split_whitespace()
        .find_map(|name| match name {
            "debian" | "ubuntu" => Some("sudo apt-get install postgresql"),
            "fedora" | "rhel" | "centos" => Some("sudo dnf install postgresql-server"),
            "arch" => Some("sudo pacman -S postgresql"),
            "alpine" => Some("sudo apk add postgresql"),
            "suse" | "opensuse" => Some("sudo zypper install postgresql-server"),
            _ => None,
        })
        .unwrap_or("your package manager (the package is called postgresql or postgresql-server)")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_postgres_prints() {
        assert_eq!(
            major_version("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"),
            Some(15)
        );
        assert_eq!(major_version("postgres (PostgreSQL) 18beta1\n"), Some(18));
        assert_eq!(major_version("postgres (EnterpriseDB) 15"), None);
    }

    #[test]
    fn the_install_command_fits_the_system() {
        assert_eq!(
            install_command_for("NAME=x\nID=debian\n"),
            "sudo apt-get install postgresql"
        );
        assert_eq!(
            install_command_for("ID=\"rocky\"\nID_LIKE=\"rhel centos\"\n"),
            "sudo dnf install postgresql-server"
        );
        assert_eq!(
            install_command_for("ID_LIKE=arch\nID=manjaro"),
            "sudo pacman -S postgresql"
        );
        assert!(install_command_for("").contains("package manager"));
    }

    #[tokio::test]
    async fn a_wrong_folder_in_the_environment_is_an_error_and_not_a_fallback() {
        let search = Search {
            pg_bin: Some("/nonexistent/bin".into()),
            path: env::var_os("PATH"),
        };
        let error = search.candidates().await.unwrap_err().to_string();
        assert!(
            error.contains("TOKENWARD_PG_BIN=/nonexistent/bin: there is no `initdb` in it"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn programs_of_an_unknown_version_are_refused_by_name() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        for name in ["initdb", "postgres"] {
            let path = folder.path().join(name);
            fs::write(&path, "#!/bin/sh\necho 'postgres (PostgreSQL) 12.9'\n").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let search = Search {
            pg_bin: Some(folder.path().into()),
            path: None,
        };
        let error = search.candidates().await.unwrap_err().to_string();
        assert!(
            error.contains("it holds Postgres 12, and tokenward works with 13 to 18"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn this_machine_has_programs_and_each_folder_is_named_once() {
        let found = Search::from_env().candidates().await.unwrap();
        assert!(
            !found.is_empty(),
            "install Postgres to run the tests: {}",
            install_command()
        );
        for (index, programs) in found.iter().enumerate() {
            assert!(!found[..index].contains(programs), "{found:?}");
        }
    }
}
