//! What libpq takes from outside the connection string: the `PG*` variables, the home folder, the name of the
//! operating system's user. Taken once as a value, so that a test states its own and never changes the process's.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use nix::unistd::User;

use crate::domain::secret::Secret;

/// The folder of the Unix socket where Debian, Fedora and Arch compile it in.
const PACKAGED_SOCKET_FOLDER: &str = "/var/run/postgresql";
/// The folder of the Unix socket where nobody compiled in another (Homebrew).
const PLAIN_SOCKET_FOLDER: &str = "/tmp";
/// The folder of the machine's own `pg_service.conf`, as Debian's libpq has it.
const SYSTEM_CONFIGURATION: &str = "/etc/postgresql-common";

/// The surroundings of a process, as far as they decide where a connection goes.
///
/// `Debug` shows the names of the variables and none of their values, for `PGPASSWORD` is among them.
pub struct Environment {
    variables: BTreeMap<String, Secret<String>>,
    home: Option<PathBuf>,
    user: Option<String>,
}

impl Environment {
    /// Surroundings with no variable set, for the OS user `user` at home in `home`.
    #[must_use]
    pub const fn new(user: Option<String>, home: Option<PathBuf>) -> Self {
        Self {
            variables: BTreeMap::new(),
            home,
            user,
        }
    }

    /// The surroundings of this process: `$HOME`, else the home folder of the effective user, like libpq.
    #[must_use]
    pub fn of_process() -> Self {
        let account = User::from_uid(nix::unistd::geteuid()).ok().flatten();
        let home = std::env::var_os("HOME")
            .filter(|home| !home.is_empty())
            .map(PathBuf::from)
            .or_else(|| account.as_ref().map(|account| account.dir.clone()));
        let mut environment = Self::new(account.map(|account| account.name), home);
        for (name, value) in std::env::vars_os() {
            if let Some(name) = name.to_str().filter(|name| name.starts_with("PG")) {
                environment = environment.with(name, &value.to_string_lossy());
            }
        }
        environment
    }

    /// The same with the variable `name` set to `value`.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), Secret::from(value));
        self
    }

    /// The value of the variable `name`, if it is set.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables
            .get(name)
            .map(|value| value.expose().as_str())
    }

    /// The name of the operating system's user.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The path of `file` in the home folder.
    pub(super) fn in_home(&self, file: &str) -> Option<PathBuf> {
        self.home.as_ref().map(|home| home.join(file))
    }

    /// The machine's service file: in `PGSYSCONFDIR` or in the packaged place.
    pub(super) fn system_service_file(&self) -> PathBuf {
        Path::new(self.get("PGSYSCONFDIR").unwrap_or(SYSTEM_CONFIGURATION)).join("pg_service.conf")
    }

    /// Where libpq looks for a socket when no host is given. It is compiled into libpq; we have to ask the disk.
    pub(super) fn default_socket_folder() -> &'static str {
        if Path::new(PACKAGED_SOCKET_FOLDER).is_dir() {
            PACKAGED_SOCKET_FOLDER
        } else {
            PLAIN_SOCKET_FOLDER
        }
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment")
            .field("variables", &self.variables.keys())
            .field("home", &self.home)
            .field("user", &self.user)
            .finish()
    }
}
