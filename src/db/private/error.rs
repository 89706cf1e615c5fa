//! What can go wrong with the private server, in words that say what was tried and what to do next.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::programs::SUPPORTED;

/// Why the private database could not be made, reached, stopped or removed. No variant holds a password.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No Postgres server programs on this machine.
    #[error(
        "no Postgres server programs (versions {} to {}) on this machine; install them with `{install}`, \
         or name the folder that holds initdb and postgres in TOKENWARD_PG_BIN",
        SUPPORTED.start(), SUPPORTED.end()
    )]
    NoPrograms {
        /// The command that installs them on this system.
        install: String,
    },

    /// `TOKENWARD_PG_BIN` is set to something that cannot be used. There is no fallback from a wrong value.
    #[error("TOKENWARD_PG_BIN={}: {problem}; correct it or unset it", folder.display())]
    PgBin {
        /// The folder as given.
        folder: PathBuf,
        /// What is wrong with it.
        problem: String,
    },

    /// The data folder was made by a major version of which there are no programs. Nothing was touched.
    #[error(
        "the private database in {} was made by Postgres {made_by}, but the programs found are {found}; \
         install Postgres {made_by} or point TOKENWARD_PG_BIN at its programs (nothing was changed)",
        data.display()
    )]
    VersionMismatch {
        /// The data folder.
        data: PathBuf,
        /// Its major version, from `PG_VERSION`.
        made_by: String,
        /// The versions found, as text for people.
        found: String,
    },

    /// A file or folder of the private database could not be used.
    #[error(
        "cannot {doing} {}: {source}; the private database needs a folder that it may write to: \
         set XDG_DATA_HOME, or name another database with --database", path.display()
    )]
    Folder {
        /// The verb.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },

    /// The folder is another user's; working in it would leave files that they cannot use.
    #[error(
        "{} belongs to {owner}, not to you; run tokenward as {owner} or set XDG_DATA_HOME to a folder of your own",
        path.display()
    )]
    NotYours {
        /// The folder.
        path: PathBuf,
        /// Its owner's name or number.
        owner: String,
    },

    /// Root's data folder is a link to a place that is gone, for instance in a container made anew.
    #[error(
        "{} leads to {}, which is gone, and the private database with it; \
         put it back, or begin with an empty one after `tokenward private drop`", link.display(), target.display()
    )]
    Gone {
        /// The link in root's data folder.
        link: PathBuf,
        /// Where it leads.
        target: PathBuf,
    },

    /// Root has no unprivileged user to run the server as.
    #[error(
        "Postgres does not run as root, and there is neither a user `postgres` nor `nobody` to run it as; add one"
    )]
    NoAccount,

    /// No short folder for the socket could be had.
    #[error(
        "the data path is too long for a Unix socket, and no short folder for it could be made safely ({problem}); \
         set TMPDIR to a folder of your own with a short path"
    )]
    SocketFolder {
        /// What was wrong with each place tried.
        problem: String,
    },

    /// A program could not be started at all.
    #[error("cannot run {}: {source}", program.display())]
    Spawn {
        /// The program.
        program: PathBuf,
        /// Why not.
        source: io::Error,
    },

    /// `initdb` failed or took too long.
    #[error("initdb could not make the private database in {}: {said}", folder.display())]
    Initdb {
        /// The temporary folder it worked in.
        folder: PathBuf,
        /// The last lines it wrote.
        said: String,
    },

    /// The server ended while starting.
    #[error("the private Postgres did not start; the end of {} says: {said}", log.display())]
    StartFailed {
        /// The server's log.
        log: PathBuf,
        /// Its last lines.
        said: String,
    },

    /// Something took longer than its deadline.
    #[error("{what} took more than {} s; the end of {} says: {said}", after.as_secs(), log.display())]
    TimedOut {
        /// What was waited for.
        what: &'static str,
        /// The deadline.
        after: Duration,
        /// The server's log.
        log: PathBuf,
        /// Its last lines.
        said: String,
    },

    /// The server runs, but refuses us, for instance because all its connections are taken.
    #[error("the private Postgres (process {pid}) does not let us in at {}: {problem}", socket.display())]
    Connect {
        /// The server's process.
        pid: i32,
        /// The folder of its socket.
        socket: PathBuf,
        /// What it or the system said.
        problem: String,
    },

    /// The server seems to run, but nobody answers at its socket, or it starts, recovers or stops.
    #[error(
        "the private Postgres (process {pid}) lets nobody in at {}: {problem}; \
         try again in a moment, or after `tokenward private stop`", socket.display()
    )]
    NotYet {
        /// The server's process.
        pid: i32,
        /// The folder of its socket.
        socket: PathBuf,
        /// What it or the system said.
        problem: String,
    },

    /// The password file is missing or damaged while the data folder stands.
    #[error("the password of the private database in {} cannot be read: {problem}", path.display())]
    Password {
        /// The password file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },

    /// No randomness from the operating system.
    #[error("the operating system gave no random bytes for a password: {0}")]
    Random(String),

    /// Others use the server, so it may not be stopped or removed.
    #[error(
        "the private database is in use by another tokenward; quit that one first, then try again"
    )]
    InUse,

    /// A signal could not be sent.
    #[error("cannot stop the private Postgres (process {pid}): {problem}")]
    Signal {
        /// The server's process.
        pid: i32,
        /// What the system said.
        problem: String,
    },

    /// Not a name that Postgres would keep as it is.
    #[error("`{name}` cannot name a database: 1 to 63 bytes, none of them NUL")]
    Name {
        /// The name as given, control characters escaped.
        name: String,
    },

    /// Postgres refused to create or drop a database.
    #[error("cannot {doing} the database `{name}`: {problem}")]
    Database {
        /// The verb.
        doing: &'static str,
        /// The database.
        name: String,
        /// What Postgres said.
        problem: String,
    },
}

impl Error {
    /// For `map_err`: a failed file operation becomes [`Error::Folder`].
    pub(super) fn folder(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Folder {
            doing,
            path: path.to_owned(),
            source,
        }
    }
}
