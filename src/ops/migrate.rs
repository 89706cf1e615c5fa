//! Our own tables, and Django's where there are none: planned, made, dropped, audited.

use super::{AuditLog, Error};
use crate::db::compat::UserTable;
use crate::db::migrate::Migrator;
use crate::db::{Db, Pooled};
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
        Ok(Migrator::new(conn).plan().await?)
    }

    /// Runs what is due and gives the names.
    ///
    /// # Errors
    /// [`Error::MissingRight`] when the role may not.
    pub async fn apply(&self, conn: Pooled) -> Result<Vec<String>, Error> {
        let mut audit = self.audit.open()?;
        let names = Migrator::new(conn).apply().await?;
        for name in &names {
            audit.append(&self.entry(format!("done: {name}")))?;
        }
        Ok(names)
    }

    /// Drops what is ours and gives the names.
    ///
    /// # Errors
    /// [`Error::MissingRight`] when the role may not.
    pub async fn undo(&self, conn: Pooled) -> Result<Vec<String>, Error> {
        let mut audit = self.audit.open()?;
        let names = Migrator::new(conn).undo().await?;
        for name in &names {
            audit.append(&self.entry(format!("undone: {name}")))?;
        }
        Ok(names)
    }

    /// Attaches the trigger of the automatic token to the user table of `db`, or takes it off.
    ///
    /// # Errors
    /// [`Error::NotFound`] before our schema is made, [`Error::MissingRight`] when the role does not own the table.
    pub async fn auto_token(&self, db: &Db, users: &UserTable, to: AutoToken) -> Result<(), Error> {
        let mut migrator = Migrator::new(db.conn().await?);
        let on = to == AutoToken::On;
        if on && !migrator.has_schema().await? {
            return Err(Error::NotFound(
                "the automatic token stands on our own schema; run `tokenward migrate` first"
                    .to_owned(),
            ));
        }
        let mut audit = self.audit.open()?;
        migrator.auto_token(users, &db.site().id_name, on).await?;
        audit.append(&self.entry(format!(
            "done: auto-token {}",
            if on { "on" } else { "off" }
        )))
    }

    fn entry(&self, result: String) -> Entry {
        Entry {
            when: Moment::now().rfc3339(),
            actor: self.actor.clone(),
            database: self.database.clone(),
            what: Verb::Migrate,
            whom: String::new(),
            key: None,
            result,
        }
    }
}
