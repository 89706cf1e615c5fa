//! Our own tables, and Django's where there are none: planned, made, dropped, audited.

use super::audit::{OpenAudit, Unwritten, append, settle};
use super::{AuditLog, Error};
use crate::db::compat::UserTable;
use crate::db::migrate::Migrator;
use crate::db::{Conn, Db, Pool, Pooled, audit as table};
use crate::domain::audit::{Actor, Entry, Verb};
use crate::domain::moment::Moment;

pub use crate::db::migrate::Step;

/// Who migrates what, for the audit.
#[derive(Clone, Debug)]
pub struct Migration {
    /// Who.
    pub actor: Actor,
    /// The database's name in the header.
    pub database: String,
    /// Where it is written down.
    pub audit: AuditLog,
    /// The site's user table.
    pub users: UserTable,
}

/// Whether new users get a token by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AutoToken {
    /// A trigger gives each new user a token, whoever inserts him.
    On,
    /// Nobody gets one by himself.
    Off,
}

impl Migration {
    /// What [`Migration::apply`] would run; needs no right but to look.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn plan(&self, conn: Pooled) -> Result<Vec<Step>, Error> {
        Ok(Migrator::new(conn, self.users.clone()).plan().await?)
    }

    /// Writes the lines that programs left in the file which ended while their changes were made: after the migration, the
    /// audit is another one.
    pub async fn settle(&self, pool: &Pool) {
        settle(&self.audit, pool).await;
    }

    /// Runs what is due and gives the names.
    ///
    /// # Errors
    /// [`Error::MissingRight`] when the role may not.
    pub async fn apply(&self, conn: Pooled) -> Result<Vec<String>, Error> {
        let audit = self.audit.open()?;
        let migrator = Migrator::new(conn, self.users.clone());
        let (names, mut conn) = migrator.apply_and_keep().await?;
        let lines: Vec<Entry> = names
            .iter()
            .map(|name| self.entry(format!("done: {name}")))
            .collect();
        self.write_down(&mut conn, audit, &lines).await?;
        Ok(names)
    }

    /// Drops what is ours and gives the names.
    ///
    /// # Errors
    /// [`Error::MissingRight`] when the role may not.
    pub async fn undo(&self, conn: Pooled) -> Result<Vec<String>, Error> {
        let audit = self.audit.open()?;
        let names = Migrator::new(conn, self.users.clone()).undo().await?;
        let lines: Vec<Entry> = names
            .iter()
            .map(|name| self.entry(format!("undone: {name}")))
            .collect();
        let written = append(audit, lines, None).await;
        written.map_err(|missing| missing.after(Verb::Migrate))?;
        Ok(names)
    }

    /// Attaches the trigger of the automatic token to the user table of `db`, with what it stands on of our own, or
    /// takes it off. Gives the names of the migrations that ran for it.
    ///
    /// # Errors
    /// [`Error::MissingRight`] when the role may not, as when it does not own the table.
    pub async fn auto_token(&self, db: &Db, to: AutoToken) -> Result<Vec<String>, Error> {
        let (on, word) = match to {
            AutoToken::On => (true, "on"),
            AutoToken::Off => (false, "off"),
        };
        let ran = if on {
            self.apply(db.conn().await?).await?
        } else {
            Vec::new()
        };
        let audit = self.audit.open()?;
        let mut migrator = Migrator::new(db.conn().await?, self.users.clone());
        migrator.auto_token(&db.site().id_name, on).await?;
        let lines = [self.entry(format!("done: auto-token {word}"))];
        let mut conn = db.conn().await?;
        self.write_down(&mut conn, audit, &lines).await?;
        Ok(ran)
    }

    /// Into our schema, where it is there by now, else into the local file.
    async fn write_down(
        &self,
        conn: &mut Conn,
        file: OpenAudit,
        lines: &[Entry],
    ) -> Result<(), Error> {
        let written = if lines.is_empty() {
            Ok(())
        } else if table::is_there(conn).await? {
            table::insert_lines(conn, lines)
                .await
                .map_err(Unwritten::Table)
        } else {
            append(file, lines.to_vec(), None).await
        };
        written.map_err(|missing| missing.after(Verb::Migrate))
    }

    fn entry(&self, result: String) -> Entry {
        Entry {
            id: None,
            when: Moment::now().rfc3339(),
            actor: self.actor.clone(),
            database: self.database.clone(),
            what: Verb::Migrate,
            whom: String::new(),
            key: None,
            for_leak: None,
            result,
            session: None,
        }
    }
}
