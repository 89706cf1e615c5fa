//! Where the files of the private server are, and who owns them. [`Home`] is the folder that people know;
//! [`Place`] is the folder that the server's account can enter, which is inside it except for root.
//!
//! ```text
//! $XDG_DATA_HOME/tokenward/        Home
//!   in-use.lock  making.lock  keep-running  server.log
//!   server/                        Place; for root a link where the server's account could not get here
//!     data/  run/  password
//! ```

use std::fs::{self, DirBuilder};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::Uid;
use sha2::{Digest, Sha256};

use super::account::{Account, name_of};
use super::error::Error;

/// Where root's server lives when its account cannot enter root's own data folder (Filesystem Hierarchy
/// Standard, 5.8: state of programs).
const FOR_ROOT: &str = "/var/lib/tokenward";

/// How much of the log's end an error quotes, in bytes and in lines.
const TAIL_BYTES: u64 = 4096;
const TAIL_LINES: usize = 8;

/// The folder of one private server: `$XDG_DATA_HOME/tokenward`, or any other for a server to throw away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    base: PathBuf,
}

impl Home {
    /// The private server whose files are, or will be, in `base`. Touches nothing.
    ///
    /// For root, `base` should be where an unprivileged user can get (each folder above it with `x` for
    /// others); else the server's own files go to `/var/lib/tokenward/` and a link in `base` leads there.
    #[must_use]
    pub const fn at(base: PathBuf) -> Self {
        Self { base }
    }

    /// The folder itself.
    #[must_use]
    pub fn base(&self) -> &Path {
        &self.base
    }

    /// The server's log: its standard error since the last start or two.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.base.join("server.log")
    }

    pub(super) fn in_use(&self) -> PathBuf {
        self.base.join("in-use.lock")
    }

    pub(super) fn making(&self) -> PathBuf {
        self.base.join("making.lock")
    }

    pub(super) fn keep(&self) -> PathBuf {
        self.base.join("keep-running")
    }

    fn server(&self) -> PathBuf {
        self.base.join("server")
    }

    /// Makes the folder, closed to others, and checks that it is ours: root working in a user's folder would
    /// leave files behind that the user cannot open, and would follow whatever links the user put there.
    pub(super) fn make(&self) -> Result<(), Error> {
        let mode = if Uid::effective().is_root() {
            0o711
        } else {
            0o700
        };
        if let Some(above) = self.base.parent() {
            DirBuilder::new()
                .recursive(true)
                .mode(mode)
                .create(above)
                .map_err(Error::folder("create", above))?;
        }
        make_folder(&self.base, mode)?;
        self.check_owner()
    }

    /// Removes what is left when the place is gone: the link to it and the logs. The lock files stay, because
    /// someone may be waiting for one, and a lock on a file without a name keeps nobody out.
    pub(super) fn forget(&self) -> Result<(), Error> {
        for path in [
            self.server(),
            self.log(),
            self.log().with_extension("log.old"),
        ] {
            remove_if_there(&path)?;
        }
        Ok(())
    }

    /// Refuses a folder of another user.
    pub(super) fn check_owner(&self) -> Result<(), Error> {
        let owner = fs::metadata(&self.base)
            .map_err(Error::folder("look at", &self.base))?
            .uid();
        if owner == Uid::effective().as_raw() {
            Ok(())
        } else {
            Err(Error::NotYours {
                path: self.base.clone(),
                owner: name_of(owner),
            })
        }
    }

    /// The last lines of the log after the byte `from`, without control characters, as one line.
    pub(super) fn log_tail(&self, from: u64) -> String {
        let read = || -> std::io::Result<Vec<u8>> {
            let mut file = fs::File::open(self.log())?;
            let start = from.max(file.metadata()?.len().saturating_sub(TAIL_BYTES));
            file.seek(SeekFrom::Start(start))?;
            let mut bytes = Vec::new();
            file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        match read() {
            Ok(bytes) => last_lines(&bytes),
            Err(problem) => format!("(cannot be read: {problem})"),
        }
    }

    pub(super) fn timed_out(&self, what: &'static str, after: Duration) -> Error {
        Error::TimedOut {
            what,
            after,
            log: self.log(),
            said: self.log_tail(0),
        }
    }
}

/// The last lines of what a program wrote, joined into one, control characters replaced by spaces.
pub(super) fn last_lines(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let last = lines[lines.len().saturating_sub(TAIL_LINES)..].join(" / ");
    if last.is_empty() {
        return "(nothing)".to_owned();
    }
    last.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// The files that the server and initdb work on, all in a folder that the server's account can enter.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The canonical path, so that the server's command line and our checks of it agree.
    root: PathBuf,
    pub account: Account,
}

impl Place {
    /// The place as it stands; `None` before it is made.
    pub fn find(home: &Home) -> Result<Option<Self>, Error> {
        let server = home.server();
        match fs::canonicalize(&server) {
            Ok(root) => {
                let account = Account::for_server(&root.join("data"))?;
                Ok(Some(Self { root, account }))
            }
            Err(problem) if problem.kind() == ErrorKind::NotFound => match fs::read_link(&server) {
                Ok(target) => Err(Error::Gone {
                    link: server,
                    target,
                }),
                Err(_) => Ok(None),
            },
            Err(problem) => Err(Error::folder("look at", &server)(problem)),
        }
    }

    /// Finds the place or makes it. The caller holds `making.lock`.
    pub fn make(home: &Home, say: &mut (dyn FnMut(&str) + Send)) -> Result<Self, Error> {
        let place = if let Some(found) = Self::find(home)? {
            found
        } else {
            let account = Account::for_server(&home.server())?;
            let server = home.server();
            if account
                .can_enter(&home.base)
                .map_err(Error::folder("look at", &home.base))?
            {
                make_folder(&server, mode_for(account))?;
            } else {
                let moved = make_for_root(&home.base, account)?;
                say(&format!(
                    "Postgres does not run as root: its files go to {}",
                    moved.display()
                ));
                symlink(&moved, &server).map_err(Error::folder("link", &server))?;
            }
            let root = fs::canonicalize(&server).map_err(Error::folder("look at", &server))?;
            Self { root, account }
        };
        make_folder(&place.run(), 0o700)?;
        place.account.own(&place.run())?;
        Ok(place)
    }

    /// The folder that holds the rest.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `PGDATA`.
    pub fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    /// The usual folder of the socket.
    pub fn run(&self) -> PathBuf {
        self.root.join("run")
    }

    /// The file with the password of the server's only role.
    pub fn password(&self) -> PathBuf {
        self.root.join("password")
    }

    /// The major version that made the data folder, as `PG_VERSION` has it; `None` before it is made.
    pub fn version(&self) -> Result<Option<String>, Error> {
        let path = self.data().join("PG_VERSION");
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(
                text.trim()
                    .chars()
                    .filter(|c| !c.is_control())
                    .take(16)
                    .collect(),
            )),
            Err(problem) if problem.kind() == ErrorKind::NotFound => Ok(None),
            Err(problem) => Err(Error::folder("read", &path)(problem)),
        }
    }

    /// Sixteen hex digits that stand for this place in a path that must be short.
    pub fn short_name(&self) -> String {
        short_hash(&self.root)
    }
}

/// Root's folders can be passed through, not read, by the server's account; a user's are closed.
const fn mode_for(account: Account) -> u32 {
    match account {
        Account::Ourselves => 0o700,
        Account::Other { .. } => 0o711,
    }
}

fn short_hash(path: &Path) -> String {
    let digest = Sha256::digest(path.as_os_str().as_bytes());
    digest
        .iter()
        .take(8)
        .fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// `/var/lib/tokenward/HASH` for a data folder that the server's account cannot enter. The permissions of
/// root's own folders stay as they are.
fn make_for_root(base: &Path, account: Account) -> Result<PathBuf, Error> {
    let above = Path::new(FOR_ROOT);
    make_folder(above, mode_for(account))?;
    let real = fs::canonicalize(base).map_err(Error::folder("look at", base))?;
    let moved = above.join(short_hash(&real));
    make_folder(&moved, mode_for(account))?;
    Ok(moved)
}

/// Makes one folder with exactly this mode, whatever the umask; one that is there stays as it is.
pub(super) fn make_folder(path: &Path, mode: u32) -> Result<(), Error> {
    match DirBuilder::new().mode(mode).create(path) {
        Ok(()) => fs::set_permissions(path, fs::Permissions::from_mode(mode))
            .map_err(Error::folder("set the permissions of", path)),
        Err(problem) if problem.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(problem) => Err(Error::folder("create", path)(problem)),
    }
}

/// Removes a file; that there is none is fine as well.
pub(super) fn remove_if_there(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Ok(()) => Ok(()),
        Err(problem) if problem.kind() == ErrorKind::NotFound => Ok(()),
        Err(problem) => Err(Error::folder("remove", path)(problem)),
    }
}
