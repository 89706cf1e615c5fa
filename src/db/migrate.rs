//! Our migrations: Django's tables, only in a database that has none, and our own schema `tokenward`. Both are
//! embedded; Diesel keeps count of them in a table of that schema, so nothing of ours stands beside Django's.

mod attach;

use std::borrow::Cow;

use diesel::migration::{Migration, MigrationSource};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};
use diesel_async::{AsyncMigrationHarness, RunQueryDsl, SimpleAsyncConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::changes;
use super::compat::UserTable;
use super::records;
use super::site::quoted_path;
use super::{Conn, Error, Pooled};
use attach::Attach;

const DJANGO: EmbeddedMigrations = embed_migrations!("migrations/django");
const OURS: EmbeddedMigrations = embed_migrations!("migrations/tokenward");

/// The SQL of each migration, for `--plan`: Diesel runs what it embeds but does not show it. A test holds the
/// names against the embedded ones.
const SQL: [(&str, &str); 13] = [
    (
        "2025-04-02-000001_django_migrations",
        include_str!("../../migrations/django/2025-04-02-000001_django_migrations/up.sql"),
    ),
    (
        "2025-04-02-000002_contenttypes",
        include_str!("../../migrations/django/2025-04-02-000002_contenttypes/up.sql"),
    ),
    (
        "2025-04-02-000003_auth",
        include_str!("../../migrations/django/2025-04-02-000003_auth/up.sql"),
    ),
    (
        "2025-04-02-000004_authtoken",
        include_str!("../../migrations/django/2025-04-02-000004_authtoken/up.sql"),
    ),
    (
        "2025-04-02-000005_knox",
        include_str!("../../migrations/django/2025-04-02-000005_knox/up.sql"),
    ),
    (
        "2026-11-24-000001_auto_token",
        include_str!("../../migrations/tokenward/2026-11-24-000001_auto_token/up.sql"),
    ),
    ("2026-11-25-000001_change_notices", changes::MIGRATION),
    (
        "2026-11-27-000001_audit",
        include_str!("../../migrations/tokenward/2026-11-27-000001_audit/up.sql"),
    ),
    ("2026-11-27-000002_retired_keys", records::MIGRATION),
    (
        "2026-11-27-000003_leaks",
        include_str!("../../migrations/tokenward/2026-11-27-000003_leaks/up.sql"),
    ),
    (
        "2026-11-27-000004_grace",
        include_str!("../../migrations/tokenward/2026-11-27-000004_grace/up.sql"),
    ),
    (
        "2026-11-27-000005_last_use",
        include_str!("../../migrations/tokenward/2026-11-27-000005_last_use/up.sql"),
    ),
    (
        "2026-11-27-000006_sessions",
        include_str!("../../migrations/tokenward/2026-11-27-000006_sessions/up.sql"),
    ),
];

const AUTO_TOKEN_ON: &str = include_str!("../../migrations/auto_token_on.sql");
const AUTO_TOKEN_OFF: &str = include_str!("../../migrations/auto_token_off.sql");

/// Where Diesel keeps count.
const APPLIED: &str = "tokenward.__diesel_schema_migrations";

/// Any number serves, as long as nobody else takes it for something else: "tokenwar" in ASCII.
const ADVISORY_LOCK: i64 = 0x746f_6b65_6e77_6172;

/// A migration that is to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its name, as the folder is called.
    pub name: String,
    /// Its SQL.
    pub sql: Cow<'static, str>,
}

/// Whether a database made by [`Migrator::apply`] lacks nothing: asked at every start of the private server, so on a
/// connection that stays in its pool.
///
/// # Errors
/// When the database is away.
pub async fn is_current(conn: &mut Conn) -> Result<bool, Error> {
    if !exists(conn, APPLIED).await? {
        return Ok(false);
    }
    // Diesel's own table of applied migrations has no Diesel type to ask through.
    let applied: i64 = diesel::select(diesel::dsl::sql::<diesel::sql_types::BigInt>(
        "(SELECT count(*) FROM tokenward.__diesel_schema_migrations)",
    ))
    .get_result(conn)
    .await?;
    Ok(usize::try_from(applied).is_ok_and(|applied| applied >= SQL.len()))
}

async fn exists(conn: &mut Conn, path: &str) -> Result<bool, Error> {
    let found: bool = diesel::select(
        diesel::dsl::sql::<Bool>("to_regclass(")
            .bind::<Text, _>(path)
            .sql(") IS NOT NULL"),
    )
    .get_result(conn)
    .await?;
    Ok(found)
}

/// Which migrations are wanted, and stand in the way of nothing.
struct Due {
    sources: Vec<EmbeddedMigrations>,
}

/// A connection that is ours alone while migrations run: its search path is not that of others, so it never
/// goes back to the pool.
pub struct Migrator {
    conn: Conn,
    users: UserTable,
}

impl Migrator {
    /// Takes `conn` out of its pool. `users` is the site's user table, which the change notices are hung on.
    #[must_use]
    pub fn new(conn: Pooled, users: UserTable) -> Self {
        Self {
            conn: Pooled::take(conn),
            users,
        }
    }

    /// What [`Migrator::apply`] would run. Changes nothing and needs no right but to look.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn plan(&mut self) -> Result<Vec<Step>, Error> {
        let due = self.due().await?;
        let applied = self.applied().await?;
        let mut steps = Vec::new();
        for source in due.sources {
            for migration in migrations_of(&source)? {
                let name = migration.name().to_string();
                let version = version_of(&name);
                if applied.contains(&version) {
                    continue;
                }
                let sql = SQL
                    .iter()
                    .find(|(known, _)| *known == name)
                    .map_or("", |(_, sql)| sql);
                let sql = Cow::Borrowed(sql);
                steps.push(Step { name, sql });
            }
        }
        let any = !steps.is_empty();
        for attach in Attach::ALL {
            if any || attach.is_due(&mut self.conn, &self.users).await? {
                steps.push(Step {
                    name: attach.name().to_owned(),
                    sql: Cow::Owned(attach.sql(&self.users)),
                });
            }
        }
        Ok(steps)
    }

    /// Runs what is due, each migration in a transaction of its own, hangs what they made on tables that lack it, and
    /// gives the names. Two at the same moment: the second waits and finds nothing to do.
    ///
    /// # Errors
    /// [`Error::Right`] when the role may not, [`Error::Locked`] when another run does not end.
    pub async fn apply(self) -> Result<Vec<String>, Error> {
        Ok(self.apply_and_keep().await?.0)
    }

    /// The same, and gives the connection too, so that what was done can be written down on it.
    ///
    /// # Errors
    /// As [`Migrator::apply`].
    pub async fn apply_and_keep(mut self) -> Result<(Vec<String>, Conn), Error> {
        self.lock().await?;
        let due = self.due().await?;
        // Where the site's tables are found, which is not where the migrations run.
        let path: String =
            diesel::select(diesel::dsl::sql::<Text>("current_setting('search_path')"))
                .get_result(&mut self.conn)
                .await?;
        self.conn
            .batch_execute(
                "CREATE SCHEMA IF NOT EXISTS tokenward; SET search_path = tokenward, public",
            )
            .await?;
        let mut harness = AsyncMigrationHarness::new(self.conn);
        let mut names = Vec::new();
        for source in due.sources {
            let pending = harness.pending_migrations(source).map_err(failed)?;
            for migration in pending {
                harness.run_migration(&*migration).map_err(failed)?;
                names.push(migration.name().to_string());
            }
        }
        let mut conn = harness.into_inner();
        conn.batch_execute(&format!(
            "SELECT set_config('search_path', {}, false)",
            literal(&path)
        ))
        .await?;
        let any = !names.is_empty();
        for attach in Attach::ALL {
            if any || attach.is_due(&mut conn, &self.users).await? {
                conn.batch_execute(&attach.sql(&self.users)).await?;
                names.push(attach.name().to_owned());
            }
        }
        Ok((names, conn))
    }

    /// Drops what is ours: reverts our migrations and, where we made no tables for Django, the schema with them.
    /// Gives the names of what was reverted.
    ///
    /// # Errors
    /// As [`Migrator::apply`].
    pub async fn undo(mut self) -> Result<Vec<String>, Error> {
        self.lock().await?;
        if !self.exists(APPLIED).await? {
            return Ok(Vec::new());
        }
        self.conn
            .batch_execute("SET search_path = tokenward, public")
            .await?;
        let mut harness = AsyncMigrationHarness::new(self.conn);
        let applied = harness.applied_migrations().map_err(failed)?;
        let mut ours = migrations_of(&OURS)?;
        ours.reverse();
        let mut names = Vec::new();
        for migration in ours {
            if applied.contains(&migration.name().version()) {
                harness.revert_migration(&*migration).map_err(failed)?;
                names.push(migration.name().to_string());
            }
        }
        let rest = harness.applied_migrations().map_err(failed)?;
        let mut conn = harness.into_inner();
        if rest.is_empty() {
            // Not CASCADE: whatever else somebody put there is not ours to drop.
            conn.batch_execute(
                "DROP TABLE tokenward.__diesel_schema_migrations; DROP SCHEMA tokenward",
            )
            .await?;
        }
        Ok(names)
    }

    /// Attaches the trigger that gives each new user a token, or takes it off.
    ///
    /// # Errors
    /// [`Error::Right`] when the role does not own the user table.
    pub async fn auto_token(&mut self, key_column: &str, on: bool) -> Result<(), Error> {
        let table = quoted_path(&self.users.table);
        let mut sql = AUTO_TOKEN_OFF.replace("{user_table}", &table);
        if on {
            let schema: String = diesel::select(diesel::dsl::sql::<Text>(
                "(SELECT n.nspname::text FROM pg_catalog.pg_class c \
                 JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                 WHERE c.oid = to_regclass('authtoken_token'))",
            ))
            .get_result(&mut self.conn)
            .await?;
            let attach = AUTO_TOKEN_ON
                .replace("{user_table}", &table)
                .replace("{user_key}", &literal(key_column))
                .replace("{token_schema}", &literal(&schema));
            sql = format!("BEGIN; {sql} {attach} COMMIT");
        }
        Ok(self.conn.batch_execute(&sql).await?)
    }

    /// Django's tables are due only where there are none, or where we made them.
    async fn due(&mut self) -> Result<Due, Error> {
        let has_django =
            self.exists("django_migrations").await? || self.exists("authtoken_token").await?;
        let ours_made_them = self
            .applied()
            .await?
            .iter()
            .any(|version| version.starts_with("20250402"));
        let mut sources = vec![OURS];
        if !has_django || ours_made_them {
            sources.insert(0, DJANGO);
        }
        Ok(Due { sources })
    }

    async fn applied(&mut self) -> Result<Vec<String>, Error> {
        if !self.exists(APPLIED).await? {
            return Ok(Vec::new());
        }
        // Diesel's own table, which has no Diesel type.
        let rows: Vec<Applied> = diesel::sql_query(
            "SELECT version::text AS version FROM tokenward.__diesel_schema_migrations",
        )
        .load(&mut self.conn)
        .await?;
        Ok(rows.into_iter().map(|row| row.version).collect())
    }

    async fn exists(&mut self, path: &str) -> Result<bool, Error> {
        exists(&mut self.conn, path).await
    }

    /// Lasts until the connection closes.
    async fn lock(&mut self) -> Result<(), Error> {
        let lock = format!("SET lock_timeout = '60s'; SELECT pg_advisory_lock({ADVISORY_LOCK})");
        Ok(self.conn.batch_execute(&lock).await?)
    }
}

/// A row of Diesel's count of what it ran.
#[derive(QueryableByName)]
struct Applied {
    #[diesel(sql_type = Text)]
    version: String,
}

fn migrations_of(source: &EmbeddedMigrations) -> Result<Vec<Box<dyn Migration<Pg>>>, Error> {
    MigrationSource::<Pg>::migrations(source).map_err(failed)
}

/// Diesel's version of a migration: the digits before the name.
fn version_of(name: &str) -> String {
    name.split('_').next().unwrap_or_default().replace('-', "")
}

fn failed(error: Box<dyn std::error::Error + Send + Sync>) -> Error {
    match error.downcast::<diesel::result::Error>() {
        Ok(error) => Error::from(*error),
        Err(error) => {
            let said = error.to_string();
            if said.contains("permission denied") {
                Error::Right(said)
            } else {
                Error::Other(said)
            }
        }
    }
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plan_shows_the_very_migrations_that_are_embedded() {
        let mut embedded = migrations_of(&DJANGO).unwrap();
        embedded.extend(migrations_of(&OURS).unwrap());
        let names: Vec<String> = embedded
            .iter()
            .map(|migration| migration.name().to_string())
            .collect();
        assert_eq!(names, SQL.map(|(name, _)| name));
        for migration in embedded {
            let name = migration.name().to_string();
            assert_eq!(version_of(&name), migration.name().version().to_string());
        }
    }
}
