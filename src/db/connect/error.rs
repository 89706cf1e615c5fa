//! Why there is no connection, in kinds that the command line turns into exit codes and the console into words. Each
//! message says what was tried, on what, and what to do next; none holds a password.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use crate::db::conninfo::{self, Origin};

/// One server that was tried and why it was of no use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// `host:port`, or the path of a socket.
    pub server: String,
    /// For instance `connection refused` or `timed out after 5 s`.
    pub reason: String,
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.server, self.reason)
    }
}

/// Why a server's certificate is not trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Distrust {
    /// It is for other hosts; their names, as far as it has any.
    WrongName(Vec<String>),
    /// Its time is over.
    Expired,
    /// Its time has not come.
    NotYetValid,
    /// Nobody we trust has signed it.
    UnknownIssuer,
    /// Something else, in rustls' words.
    Other(String),
}

impl fmt::Display for Distrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongName(names) if names.is_empty() => {
                f.write_str("it bears no name of a host; connect by a name it should bear, or have it made anew")
            }
            Self::WrongName(names) => write!(f, "it is for {}; connect by that name", names.join(", ")),
            Self::Expired => f.write_str("it has expired; it must be renewed on the server"),
            Self::NotYetValid => f.write_str("it is not valid yet; is the clock of this machine right?"),
            Self::UnknownIssuer => f.write_str(
                "nobody we trust has signed it; name the file of the authority's certificate in sslrootcert, or \
                 sslrootcert=system for the authorities this machine trusts",
            ),
            Self::Other(why) => write!(f, "{why}"),
        }
    }
}

/// Why there is no session.
#[derive(Debug, Error)]
pub enum Error {
    /// The connection string, a service file or a variable is wrong.
    #[error(transparent)]
    Conninfo(#[from] conninfo::Error),
    /// No server answered.
    #[error("cannot reach database {database}: {}; is the server running, and are host and port right?", list(.tried))]
    Unreachable {
        /// The database.
        database: String,
        /// Every server that was tried.
        tried: Vec<Attempt>,
    },
    /// The password was wrong, or there was none.
    #[error("{server} does not let user {user} in: {reason}; {}", password_hint(.password.as_ref()))]
    AuthenticationFailed {
        /// The server.
        server: String,
        /// Who wanted in.
        user: String,
        /// What the server says.
        reason: String,
        /// Where the password came from, if there was one.
        password: Option<Origin>,
    },
    /// The server's rules do not let this user in from here, whatever the password.
    #[error("{server} does not let user {user} in: {reason}; {hint}")]
    NotAllowed {
        /// The server.
        server: String,
        /// Who wanted in.
        user: String,
        /// What the server or the driver says.
        reason: String,
        /// What to do.
        hint: &'static str,
    },
    /// The server has no such database.
    #[error("there is no database {database} on {server}; psql -l lists those that exist")]
    DatabaseMissing {
        /// The server.
        server: String,
        /// The database.
        database: String,
    },
    /// The server has no TLS, and `sslmode` asks for it.
    #[error(
        "{server} does not speak TLS, which sslmode asks for; turn ssl on there, or set sslmode=prefer"
    )]
    TlsRefused {
        /// The server.
        server: String,
    },
    /// The server's certificate is not what `sslmode` asks for.
    #[error("{server} shows a certificate that is not trusted: {why}")]
    TlsUntrusted {
        /// The server.
        server: String,
        /// Why not.
        why: Distrust,
    },
    /// TLS failed for another reason, such as a client certificate that the server wants.
    #[error("TLS with {server} failed: {reason}")]
    TlsFailed {
        /// The server.
        server: String,
        /// What rustls says.
        reason: String,
    },
    /// A file that TLS needs is of no use.
    #[error("{}: {reason}", .file.display())]
    TlsFile {
        /// The file.
        file: PathBuf,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// Servers answered, but none is of the kind that `target_session_attrs` asks for.
    #[error("no server for database {database} is {wanted}, as target_session_attrs asks: {}", list(.tried))]
    WrongSessionKind {
        /// The database.
        database: String,
        /// What was asked for.
        wanted: &'static str,
        /// Every server that was tried.
        tried: Vec<Attempt>,
    },
    /// The server has no room for one more session.
    #[error(
        "{server} has no room for another connection: {reason}; close others, or raise max_connections there"
    )]
    TooManyConnections {
        /// The server.
        server: String,
        /// What the server says.
        reason: String,
    },
    /// The server answered, and refused for another reason.
    #[error("{server} refused the session: {reason} (SQLSTATE {code})")]
    Refused {
        /// The server.
        server: String,
        /// What the server says.
        reason: String,
        /// Its code.
        code: String,
    },
    /// Statements that we prepared are not those that the server knows: somebody between us and the server gives each
    /// transaction another session, as a pool in transaction mode does (`PgBouncer`'s manual, "Features").
    #[error("{server} mixes up sessions ({reason}); {THROUGH_A_POOLER}")]
    Pooled {
        /// The server.
        server: String,
        /// What it says.
        reason: String,
    },
    /// All sessions of the pool are in use.
    #[error("all {size} connections of tokenward are busy, waited {} s; try again", .waited.as_secs_f32())]
    Busy {
        /// How many there are.
        size: usize,
        /// How long we waited.
        waited: Duration,
    },
    /// The pool was closed; the program is ending.
    #[error("the connections are closed already")]
    Closed,
}

/// What to do about [`Error::Pooled`], which may also show later, in the middle of work.
pub const THROUGH_A_POOLER: &str = "is it a pooler in transaction mode, such as PgBouncer? Sessions and their \
     settings, read only among them, mean nothing there; connect to Postgres itself, or to a pool with pool_mode=session";

fn list(tried: &[Attempt]) -> String {
    tried
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

fn password_hint(password: Option<&Origin>) -> String {
    match password {
        Some(origin) => format!("the password came from {origin}"),
        None => "no password was given: put it into PGPASSWORD or ~/.pgpass".to_owned(),
    }
}
