//! What can be wrong with a connection string, a service file or a `PG*` variable. No message repeats a value,
//! because a slip in a URL turns part of the password into a port or a name.

use std::path::PathBuf;

use thiserror::Error;

/// A connection that cannot even be tried, and the part that is to blame.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Error {
    /// The text is neither a URL nor a list of `key=value`.
    #[error("the connection string cannot be read: {0}")]
    Syntax(&'static str),
    /// A URL of something else.
    #[error(
        "the connection string is a URL, but not of Postgres: it must begin with postgres:// or postgresql://"
    )]
    Scheme,
    /// No parameter of libpq has this name.
    #[error(
        "unknown connection parameter \"{0}\"; the Postgres manual lists them under \"Parameter Key Words\""
    )]
    UnknownKey(String),
    /// libpq knows the parameter; we cannot do what it asks, and to drop it could make the connection less safe.
    #[error(
        "connection parameter \"{key}\" (from {origin}) asks for something tokenward cannot do; take it out{except}"
    )]
    Unsupported {
        /// The parameter.
        key: &'static str,
        /// Where it was found.
        origin: String,
        /// The values that would be fine, if there are any.
        except: String,
    },
    /// A value that its parameter does not allow.
    #[error("connection parameter \"{key}\" (from {origin}) must be {wanted}")]
    BadValue {
        /// The parameter.
        key: &'static str,
        /// Where it was found.
        origin: String,
        /// What it may be.
        wanted: &'static str,
    },
    /// Lists of hosts, addresses and ports that do not go together.
    #[error(
        "the connection names {hosts} hosts but {others} {what}: give one for each host{or_one}"
    )]
    Uneven {
        /// How many hosts.
        hosts: usize,
        /// How many of the others.
        others: usize,
        /// What the others are.
        what: &'static str,
        /// Whether a single one would do.
        or_one: &'static str,
    },
    /// A service that no file defines.
    #[error("service \"{service}\" is not defined{}", searched(.files))]
    NoService {
        /// Its name.
        service: String,
        /// The service files that were read.
        files: Vec<PathBuf>,
    },
    /// A line of a service file that cannot be used.
    #[error("{}, line {line}: {why}", .file.display())]
    ServiceLine {
        /// The file.
        file: PathBuf,
        /// The number of the line, from 1.
        line: usize,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A file that the connection needs cannot be read.
    #[error("cannot read {}: {reason}", .file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// Nobody says who is to log in.
    #[error(
        "no user name: this process's user has no name; set PGUSER or put user= into the connection string"
    )]
    NoUser,
}

fn searched(files: &[PathBuf]) -> String {
    if files.is_empty() {
        return "; there is neither ~/.pg_service.conf nor a file in PGSERVICEFILE or PGSYSCONFDIR"
            .to_owned();
    }
    let names: Vec<String> = files
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    format!(" in {}", names.join(" or "))
}
