//! From a profile to [`Ops`]: connection string, pool, shape of the tables; for the private database also its server,
//! which is made, started, migrated and left on the way. The commands open one; the console opens any it is asked for.

use std::time::Duration;

use nix::unistd::{User, getuid};
use tokio::sync::Mutex;

use super::output;
use crate::config::{Access, Config, Hook, Hue, PRIVATE, Place, Profile, Protection, TokenFormat};
use crate::db::compat::UserTable;
use crate::db::connect::{self, Connector, Settings};
use crate::db::conninfo::{Environment, Target};
use crate::db::migrate::{Migrator, is_current};
use crate::db::private::{self, Home, Lease};
use crate::db::{self, Db, Pool, Pooled};
use crate::domain::audit::Actor;
use crate::domain::secret::Secret;
use crate::domain::token::KeyFormat;
use crate::ops::hooks::{self, Hooks, NewKey};
use crate::ops::{self, AuditLog, Error, Ops, PlaceInfo};

/// The database of the private server that is opened when nothing else was named.
pub const MAIN: &str = "tokenward";
/// The database of the private server with the made-up users.
pub const DEMO: &str = "demo";

/// Where the steps of a first start are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Say {
    /// On stderr, a line a step.
    Stderr,
    /// In the log: the terminal belongs to the console.
    Log,
}

impl Say {
    fn say(self, step: &str) {
        match self {
            Self::Stderr => output::note(step),
            Self::Log => tracing::info!("{step}"),
        }
    }
}

/// Whether the demo is made even where there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anew {
    /// It is.
    Yes,
    /// It stays as it is.
    No,
}

/// Opens databases for one run.
#[derive(Debug)]
pub struct Opener {
    config: Config,
    /// Held until the end: the private server runs as long as somebody needs it.
    lease: Mutex<Option<Lease>>,
    hooks: Option<Hooks>,
}

/// A database that can be connected to.
#[derive(Debug)]
pub struct Reached {
    /// Its sessions.
    pub pool: Pool,
    /// What the header tells of it.
    pub place: PlaceInfo,
}

impl Opener {
    /// Opens databases as `config` says.
    pub fn new(config: Config) -> Self {
        let hooks = config.hook.as_ref().map(hooks);
        Self {
            config,
            lease: Mutex::new(None),
            hooks,
        }
    }

    /// What was configured.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// The chosen database, where no profile has its name, then every profile.
    pub fn all(&self) -> Vec<Profile> {
        let config = &self.config;
        let known = |profile: &Profile| profile.name == config.profile.name;
        let chosen = (!config.profiles.iter().any(known)).then(|| config.profile.clone());
        chosen.into_iter().chain(config.profiles.clone()).collect()
    }

    /// Opens the database that was chosen.
    ///
    /// # Errors
    /// Says what was tried and what to do next.
    pub async fn open(&self, say: Say) -> Result<Ops, Error> {
        self.open_profile(&self.config.profile, say).await
    }

    /// Opens the profile `name`, the private database, or the demo.
    ///
    /// # Errors
    /// As [`Opener::open`].
    pub async fn open_named(&self, name: &str, say: Say) -> Result<Ops, Error> {
        let config = &self.config;
        let named = |profile: &&Profile| label(profile) == name;
        let chosen = Some(&config.profile).filter(named);
        match chosen.or_else(|| config.profiles.iter().find(named)) {
            Some(profile) => self.open_profile(profile, say).await,
            None if name == PRIVATE => self.open_private(MAIN, config.profile.access, say).await,
            None if name == DEMO => self.open_private(DEMO, config.profile.access, say).await,
            None => Err(Error::NotFound(format!(
                "no profile {} in {}",
                crate::text::safe(name),
                config.dirs.config_file.display()
            ))),
        }
    }

    /// Opens `profile`.
    ///
    /// # Errors
    /// As [`Opener::open`].
    pub async fn open_profile(&self, profile: &Profile, say: Say) -> Result<Ops, Error> {
        match &profile.place {
            Place::Private => self.open_private(MAIN, profile.access, say).await,
            Place::Url(_) => {
                let reached = self.reach(profile, say).await?;
                let db = Db::open(reached.pool, &user_table(profile)).await?;
                Ok(self.ops(db, reached.place))
            }
        }
    }

    async fn open_private(&self, database: &str, access: Access, say: Say) -> Result<Ops, Error> {
        let (db, place) = self.private_db(database, access, say).await?;
        Ok(self.ops(db, place))
    }

    /// `database` of the private server, made and migrated on the way.
    async fn private_db(
        &self,
        database: &str,
        access: Access,
        say: Say,
    ) -> Result<(Db, PlaceInfo), Error> {
        let (reached, mut session) = match self.join_private(database, access).await? {
            Some(joined) => joined,
            None => self.enter_private(database, access, say).await?,
        };
        if !is_current(&mut session).await? {
            // Whatever this run may do, the database has to be made.
            let making = self.reach_private(database, Access::ReadWrite, say).await?;
            let conn = making.pool.get().await?;
            Migrator::new(conn, UserTable::default()).apply().await?;
        }
        drop(session);
        let db = Db::open(reached.pool, &UserTable::default()).await?;
        Ok((db, reached.place))
    }

    /// Makes the demo with `users` made-up users, unless it is there; `anew` makes it in any case. Gives the number of
    /// users it had before, where it was there.
    ///
    /// # Errors
    /// As [`Opener::open`].
    pub async fn make_demo(&self, users: u64, anew: Anew, say: Say) -> Result<Option<u64>, Error> {
        if anew == Anew::Yes {
            self.drop_private(DEMO, say).await?;
        }
        let (db, place) = self.private_db(DEMO, Access::ReadWrite, say).await?;
        let found = self.ops(db.clone(), place).estimate_users().await?;
        if found > 0 {
            return Ok(Some(found));
        }
        say.say(&format!("making {users} users"));
        ops::demo::populate(&db, users, |made| {
            if made < users {
                say.say(&format!("{made} of {users} made"));
            }
        })
        .await?;
        Ok(None)
    }

    /// What [`Opener::open_profile`] opens, before anybody looked at its tables.
    ///
    /// # Errors
    /// As [`Opener::open`].
    pub async fn reach(&self, profile: &Profile, say: Say) -> Result<Reached, Error> {
        let url = match &profile.place {
            Place::Private => return self.reach_private(MAIN, profile.access, say).await,
            Place::Url(url) => url.resolve(&self.config.env).await,
        };
        let url = url.map_err(|problem| Error::Invalid(problem.to_string()))?;
        let target = Target::resolve(&url, &self.environment())
            .map_err(|error| Error::Invalid(error.to_string()))?;
        for warning in &target.warnings {
            say.say(warning);
        }
        let name = profile.name.clone();
        let place = PlaceInfo {
            name: name.unwrap_or_else(|| target.database.clone()),
            target: target.name(),
            protected: profile.protection == Protection::Protected,
            color: profile.color.map(color_name),
            read_only: profile.access == Access::ReadOnly,
        };
        let settings = Settings {
            access: session_access(profile.access),
            schema: profile.schema.clone(),
            ..Settings::default()
        };
        Ok(Reached {
            pool: Pool::new(Connector::new(target, settings)),
            place,
        })
    }

    async fn reach_private(
        &self,
        database: &str,
        access: Access,
        say: Say,
    ) -> Result<Reached, Error> {
        let url = self.private_url(database, say).await?;
        self.reached_private(&url, database, access)
    }

    /// What reaches `database` of the private server by its `url`.
    fn reached_private(
        &self,
        url: &Secret<String>,
        database: &str,
        access: Access,
    ) -> Result<Reached, Error> {
        let target = Target::resolve(url, &Environment::new(None, None))
            .map_err(|error| Error::Internal(error.to_string()))?;
        let settings = Settings {
            access: session_access(access),
            ..Settings::default()
        };
        let name = if database == MAIN { PRIVATE } else { database };
        Ok(Reached {
            pool: Pool::on_private(Connector::new(target, settings), self.home()),
            place: PlaceInfo {
                name: name.to_owned(),
                read_only: access == Access::ReadOnly,
                ..PlaceInfo::default()
            },
        })
    }

    /// A session on `database` of the private server, if that runs and lets us in; the usual case, and the quick one.
    async fn join_private(
        &self,
        database: &str,
        access: Access,
    ) -> Result<Option<(Reached, Pooled)>, Error> {
        let mut held = self.lease.lock().await;
        let Some(lease) = private::join(&self.home()).await.map_err(away)? else {
            return Ok(None);
        };
        let reached = self.reached_private(&lease.url(database), database, access)?;
        *held = Some(lease);
        let session = reached.pool.get().await;
        // Whatever is the matter, entering from the start mends it or names it.
        Ok(session.ok().map(|session| (reached, session)))
    }

    /// The same, with all that may be missing made on the way: the server, its start, the database.
    async fn enter_private(
        &self,
        database: &str,
        access: Access,
        say: Say,
    ) -> Result<(Reached, Pooled), Error> {
        let reached = self.reach_private(database, access, say).await?;
        let session = match reached.pool.get().await {
            Err(db::Error::NoDatabase(_)) => {
                let held = self.lease.lock().await;
                if let Some(lease) = held.as_ref() {
                    private::ensure_database(lease, database)
                        .await
                        .map_err(away)?;
                }
                reached.pool.get().await?
            }
            other => other?,
        };
        Ok((reached, session))
    }

    /// The address of `database` on the private server, which is started, and kept for this run.
    ///
    /// # Errors
    /// [`Error::Unavailable`], with what to do.
    pub async fn private_url(&self, database: &str, say: Say) -> Result<Secret<String>, Error> {
        let mut held = self.lease.lock().await;
        // Joined anew each time: the server that an older lease knew may be gone.
        let lease = private::open(&self.home(), &mut |step: &str| say.say(step)).await;
        let lease = lease.map_err(away)?;
        let url = lease.url(database);
        *held = Some(lease);
        Ok(url)
    }

    /// Drops `database` of the private server, if it is there.
    async fn drop_private(&self, database: &str, say: Say) -> Result<(), Error> {
        self.private_url(database, say).await?;
        let held = self.lease.lock().await;
        if let Some(lease) = held.as_ref() {
            private::drop_database(lease, database)
                .await
                .map_err(away)?;
        }
        Ok(())
    }

    /// The private server's folder.
    pub fn home(&self) -> Home {
        Home::at(self.config.dirs.data.clone())
    }

    /// Lets the hooks end within this time; what is cut off then is written down.
    pub async fn finish_hooks(&self, limit: Duration) {
        if let Some(hooks) = &self.hooks {
            hooks
                .finish_within(limit)
                .await
                .iter()
                .for_each(|said| output::note(said));
        }
    }

    /// Lets the hooks end, then leaves the private server; the last one to leave stops it.
    pub async fn leave(&self) {
        if let Some(hooks) = &self.hooks {
            hooks
                .finish()
                .await
                .iter()
                .for_each(|said| output::note(said));
        }
        let Some(lease) = self.lease.lock().await.take() else {
            return;
        };
        if let Err(error) = lease.leave().await {
            tracing::warn!("leaving the private server: {error}");
        }
    }

    /// Who works here, for the audit.
    pub fn actor(&self) -> Actor {
        let uid = getuid();
        let account = User::from_uid(uid).ok().flatten();
        let host = nix::unistd::gethostname().ok();
        Actor {
            os_user: account.map_or_else(|| uid.to_string(), |account| account.name),
            host: host.map_or_else(String::new, |host| host.to_string_lossy().into_owned()),
            operator: self.config.operator.clone(),
        }
    }

    /// Where changes are written down.
    pub fn audit(&self) -> AuditLog {
        AuditLog::at(self.config.dirs.audit_file.clone())
    }

    fn ops(&self, db: Db, place: PlaceInfo) -> Ops {
        let format = match self.config.token_format {
            TokenFormat::Drf => KeyFormat::Drf,
            TokenFormat::Checksum => KeyFormat::Checksum,
        };
        Ops::new(db, place, self.actor(), self.audit(), format).with_hooks(self.hooks.clone())
    }

    /// What libpq takes from the environment, an `--env-file` included.
    fn environment(&self) -> Environment {
        let account = User::from_uid(nix::unistd::geteuid()).ok().flatten();
        let env = &self.config.env;
        let home = env.path("HOME");
        let home = home.or_else(|| account.as_ref().map(|account| account.dir.clone()));
        let mut found = Environment::new(account.map(|account| account.name), home);
        for (name, value) in env.iter() {
            if let Some(name) = name.to_str().filter(|name| name.starts_with("PG")) {
                found = found.with(name, &value.to_string_lossy());
            }
        }
        found
    }
}

fn hooks(hook: &Hook) -> Hooks {
    Hooks::new(hooks::Settings {
        command: hook.command.iter().map(Into::into).collect(),
        limit: hook.timeout,
        retries: hook.retries,
        key: if hook.with_key {
            NewKey::Told
        } else {
            NewKey::Kept
        },
        logins: hook.logins,
    })
}

/// How people call the database of `profile`: its name, or who gave its URL.
pub fn label(profile: &Profile) -> String {
    match (&profile.name, &profile.place) {
        (Some(name), _) => name.clone(),
        (None, Place::Url(url)) => url.from.to_string(),
        (None, Place::Private) => PRIVATE.to_owned(),
    }
}

/// The user table that `profile` names.
pub fn user_table(profile: &Profile) -> UserTable {
    let usual = UserTable::default();
    UserTable {
        table: profile.user_table.clone().unwrap_or(usual.table),
        username: profile.username_column.clone().unwrap_or(usual.username),
    }
}

const fn session_access(access: Access) -> connect::Access {
    match access {
        Access::ReadWrite => connect::Access::ReadWrite,
        Access::ReadOnly => connect::Access::ReadOnly,
    }
}

/// The name of a colour, as the configuration writes it.
pub fn color_name(hue: Hue) -> String {
    Hue::NAMES[usize::from(hue.number())].to_owned()
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it is the argument of map_err"
)]
fn away(error: private::Error) -> Error {
    Error::Unavailable(error.to_string())
}
