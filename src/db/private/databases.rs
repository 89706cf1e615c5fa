//! Databases on the private server: the main one, the demo's, one for each test.

use tokio_postgres::error::SqlState;

use super::error::Error;
use super::lease::{Lease, connect, said};

/// The database to be in while others are created and dropped; initdb makes it.
pub(super) const MAINTENANCE: &str = "postgres";

/// The longest name that Postgres does not cut (`NAMEDATALEN` - 1).
const LONGEST: usize = 63;

/// What [`ensure_database`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ensured {
    /// It is new and empty.
    Created,
    /// It was there before.
    Existing,
}

/// What [`drop_database`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// It is gone now.
    Gone,
    /// There was none of this name.
    Absent,
}

/// Creates the database `name` unless there is one. Two at the same moment are fine: one creates it.
///
/// # Errors
/// If the name is empty, too long or holds a NUL; if the server cannot be reached or refuses.
pub async fn ensure_database(lease: &Lease, name: &str) -> Result<Ensured, Error> {
    let quoted = quote(name)?;
    let client = connect(&lease.running, &lease.password, MAINTENANCE).await?;
    match client
        .batch_execute(&format!("CREATE DATABASE {quoted}"))
        .await
    {
        Ok(()) => Ok(Ensured::Created),
        // The second code is what the slower of two gets that both saw no such name.
        Err(error)
            if error.code() == Some(&SqlState::DUPLICATE_DATABASE)
                || error.code() == Some(&SqlState::UNIQUE_VIOLATION) =>
        {
            Ok(Ensured::Existing)
        }
        Err(error) => Err(Error::Database {
            doing: "create",
            name: name.to_owned(),
            problem: said(&error),
        }),
    }
}

/// Drops the database `name`, cutting off whoever is connected to it.
///
/// # Errors
/// If the name is empty, too long or holds a NUL; if the server cannot be reached or refuses.
pub async fn drop_database(lease: &Lease, name: &str) -> Result<Dropped, Error> {
    let quoted = quote(name)?;
    let client = connect(&lease.running, &lease.password, MAINTENANCE).await?;
    match client
        .batch_execute(&format!("DROP DATABASE {quoted} WITH (FORCE)"))
        .await
    {
        Ok(()) => Ok(Dropped::Gone),
        Err(error) if error.code() == Some(&SqlState::INVALID_CATALOG_NAME) => Ok(Dropped::Absent),
        Err(error) => Err(Error::Database {
            doing: "drop",
            name: name.to_owned(),
            problem: said(&error),
        }),
    }
}

/// The name as a quoted identifier (manual, "Identifiers and Key Words").
fn quote(name: &str) -> Result<String, Error> {
    if name.is_empty() || name.len() > LONGEST || name.contains('\0') {
        return Err(Error::Name {
            name: name.escape_debug().collect(),
        });
    }
    Ok(format!("\"{}\"", name.replace('"', "\"\"")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_or_refused() {
        assert_eq!(quote("a\"b; DROP").unwrap(), "\"a\"\"b; DROP\"");
        assert!(quote("").is_err());
        assert!(quote("a\0b").unwrap_err().to_string().contains("a\\0b"));
        assert!(quote(&"ü".repeat(32)).is_err(), "64 bytes");
        assert!(quote(&"x".repeat(63)).is_ok());
    }
}
