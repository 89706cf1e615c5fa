//! What every session is told before it serves: its limits, its mode, where it looks for tables. One batch, one round
//! trip, and again whenever the pool lends the session out, so that nothing a former user set can linger.
//!
//! These are `SET`s rather than startup options because `PgBouncer` refuses startup options it does not know.

use std::fmt::Write;
use std::time::Duration;

/// Whether the session may write. The server enforces it: a write in a read-only session fails with SQLSTATE 25006.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// As far as the role and the server allow.
    ReadWrite,
    /// Never.
    ReadOnly,
}

/// What every session of ours gets. The defaults suit a console: whatever takes longer has failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whether sessions may write.
    pub access: Access,
    /// The schema of Django's tables; `None` leaves the role's search path as it is.
    pub schema: Option<String>,
    /// The session's name in `pg_stat_activity`, unless the connection string or `PGAPPNAME` gives another.
    pub application_name: String,
    /// The time one address of a server may take from look-up to ready session, unless the connection string says.
    pub connect_timeout: Duration,
    /// The time one statement may take.
    pub statement_timeout: Duration,
    /// The time a statement may wait for a lock.
    pub lock_timeout: Duration,
    /// The time a transaction may sit idle; its locks are in other people's way.
    pub idle_in_transaction_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            access: Access::ReadWrite,
            schema: None,
            application_name: "tokenward".to_owned(),
            connect_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(30),
            lock_timeout: Duration::from_secs(5),
            idle_in_transaction_timeout: Duration::from_mins(1),
        }
    }
}

impl Settings {
    /// The batch that puts a session into this state, whatever state it was in.
    pub(super) fn sql(&self) -> String {
        // Our statements are short; compiling one takes longer than it saves. And a plan that is made without looking
        // at a text to search for cannot use an index for its start, so none is kept from one text to the next.
        let mut sql = String::from(
            "SET TimeZone = 'UTC'; SET jit = off; SET plan_cache_mode = force_custom_plan",
        );
        for (name, limit) in [
            ("statement_timeout", self.statement_timeout),
            ("lock_timeout", self.lock_timeout),
            (
                "idle_in_transaction_session_timeout",
                self.idle_in_transaction_timeout,
            ),
        ] {
            // 0 would mean no limit at all, and the server takes no more than an `i32` of milliseconds.
            let milliseconds = limit.as_millis().clamp(1, i32::MAX as u128);
            let _ = write!(sql, "; SET {name} = {milliseconds}");
        }
        sql.push_str(match self.access {
            Access::ReadOnly => "; SET default_transaction_read_only = on",
            // Not `off`: a role or database that is read only by default stays so.
            Access::ReadWrite => "; RESET default_transaction_read_only",
        });
        match &self.schema {
            Some(schema) => {
                let _ = write!(
                    sql,
                    "; SET search_path = \"{}\"",
                    schema.replace('"', "\"\"")
                );
            }
            None => sql.push_str("; RESET search_path"),
        }
        sql
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_cannot_leave_its_quotes() {
        let settings = Settings {
            schema: Some("a\"; DROP TABLE b; --".to_owned()),
            ..Settings::default()
        };
        assert!(
            settings
                .sql()
                .ends_with("SET search_path = \"a\"\"; DROP TABLE b; --\"")
        );
    }

    #[test]
    fn no_limit_becomes_none_at_all() {
        let settings = Settings {
            lock_timeout: Duration::ZERO,
            ..Settings::default()
        };
        assert!(settings.sql().contains("SET lock_timeout = 1;"));
    }
}
