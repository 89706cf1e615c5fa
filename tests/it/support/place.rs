//! A database for each test: a clone of a migrated template, on the server of the run.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use tokenward::db::compat::UserTable;
use tokenward::db::connect::{Access, Connector, Settings};
use tokenward::db::conninfo::{Environment, Target};
use tokenward::db::{Db, Pool};
use tokenward::domain::audit::{Actor, Entry};
use tokenward::domain::secret::Secret;
use tokenward::domain::token::KeyFormat;
use tokenward::ops::{AuditLog, AuditQuery, Error, Ops, PlaceInfo};
use tokio_postgres::types::FromSqlOwned;
use tokio_postgres::{Client, Config};

use super::folder_in;
use super::server::{LOCK, Server, block_on, client, server, url};

/// A database of one test's own. Dropped with the test, and its roles with it.
pub struct Place {
    name: String,
    folder: TempDir,
    roles: Mutex<Vec<String>>,
    administrator: &'static Config,
}

/// A database like the one that tokenward makes: Django's tables, and our schema.
pub async fn fresh() -> Place {
    let server = server().await;
    Place::make(server, &format!("TEMPLATE \"{}\"", server.template)).await
}

/// A database with nothing in it.
pub async fn empty() -> Place {
    Place::make(server().await, "TEMPLATE template0").await
}

impl Place {
    async fn make(server: &'static Server, from: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("tokenward_test_{}_{number}", std::process::id());
        let client = client(&server.administrator).await;
        // A template may have nobody connected, and one that makes it is.
        client.batch_execute(LOCK).await.unwrap();
        client
            .batch_execute(&format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)"))
            .await
            .unwrap();
        client
            .batch_execute(&format!("CREATE DATABASE \"{name}\" {from}"))
            .await
            .unwrap();
        Self {
            name,
            folder: folder_in(&server.folder),
            roles: Mutex::default(),
            administrator: &server.administrator,
        }
    }

    /// The database's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A folder that goes with the test.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The address of the database, for its owner.
    pub fn url(&self) -> Secret<String> {
        url(self.administrator, &self.name, None)
    }

    /// Makes a role that may log in and no more than what `rights` grant, where `{role}` stands for it, and gives
    /// its address of this database.
    pub async fn url_of_role(&self, name: &str, rights: &str) -> Secret<String> {
        let role = format!("{}_{name}", self.name);
        self.roles.lock().unwrap().push(role.clone());
        let rights = rights.replace("{role}", &format!("\"{role}\""));
        self.sql(&format!(
            "CREATE ROLE \"{role}\" LOGIN PASSWORD 'secret'; {rights}"
        ))
        .await;
        // As `tokenward migrate` does where roles have got rights since.
        self.sql(
            "DO $$ BEGIN IF to_regprocedure('tokenward.admit_operators(text)') IS NOT NULL THEN \
                 PERFORM tokenward.admit_operators('auth_user'); \
                 PERFORM tokenward.attach_uses('auth_user', 'username'); END IF; END $$",
        )
        .await;
        url(self.administrator, &self.name, Some(&role))
    }

    /// The name of the role that [`Place::url_of_role`] made.
    pub fn role(&self, name: &str) -> String {
        format!("{}_{name}", self.name)
    }

    /// How its owner reaches it.
    pub fn config(&self) -> Config {
        let mut config = self.administrator.clone();
        config.dbname(&self.name).application_name("a test");
        config
    }

    /// A connection of the owner's.
    pub async fn client(&self) -> Client {
        client(&self.config()).await
    }

    /// Runs statements as owner.
    pub async fn sql(&self, statements: &str) {
        let client = self.client().await;
        if let Err(error) = client.batch_execute(statements).await {
            panic!("{error:?} in {statements}");
        }
    }

    /// The one value that `question` asks for.
    pub async fn one<T: FromSqlOwned>(&self, question: &str) -> T {
        match self.client().await.query_one(question, &[]).await {
            Ok(row) => row.get(0),
            Err(error) => panic!("{error:?} in {question}"),
        }
    }

    /// Where the operations write down what they do in a database without our schema.
    pub fn audit_path(&self) -> PathBuf {
        self.folder.path().join("state/audit.jsonl")
    }

    /// What was written down, oldest first: in the database, then in the file.
    pub fn audit(&self) -> Vec<Entry> {
        let mut entries = audit_in(&self.config());
        entries.extend(self.audit_file());
        entries
    }

    /// What was written down in the file, oldest first.
    pub fn audit_file(&self) -> Vec<Entry> {
        let query = AuditQuery {
            limit: 10_000,
            ..AuditQuery::default()
        };
        let mut entries = AuditLog::at(self.audit_path()).read(&query).unwrap();
        entries.reverse();
        entries
    }

    /// The operations, as the owner.
    pub async fn ops(&self) -> Ops {
        self.ops_as(&self.url()).await
    }

    /// The operations, as the role of `url`.
    pub async fn ops_as(&self, url: &Secret<String>) -> Ops {
        self.open(url, Settings::default(), &UserTable::default())
            .await
            .unwrap()
    }

    /// The operations in sessions that may only read.
    pub async fn ops_read_only(&self) -> Ops {
        let settings = Settings {
            access: Access::ReadOnly,
            ..Settings::default()
        };
        self.open(&self.url(), settings, &UserTable::default())
            .await
            .unwrap()
    }

    /// The operations, or why there are none.
    pub async fn open(
        &self,
        url: &Secret<String>,
        settings: Settings,
        users: &UserTable,
    ) -> Result<Ops, Error> {
        let db = Db::open(pool(url, settings), users).await?;
        let place = PlaceInfo {
            name: self.name.clone(),
            ..PlaceInfo::default()
        };
        let audit = AuditLog::at(self.audit_path());
        Ok(Ops::new(db, place, actor(), audit, KeyFormat::Drf))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let roles: Vec<String> = self.roles.lock().unwrap().drain(..).collect();
        let (name, config) = (&self.name, self.administrator);
        // A destructor cannot wait within the test's own runtime.
        std::thread::scope(|scope| {
            scope.spawn(|| {
                block_on(async {
                    let client = client(config).await;
                    let mut all = vec![format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)")];
                    all.extend(
                        roles
                            .iter()
                            .map(|role| format!("DROP ROLE IF EXISTS \"{role}\"")),
                    );
                    for statement in all {
                        // What cannot be dropped goes with the server.
                        let _ = client.batch_execute(&statement).await;
                    }
                });
            });
        });
    }
}

/// The lines in a database, oldest first. Asked on a thread and a runtime of its own: a test may not wait where it asks.
pub fn audit_in(config: &Config) -> Vec<Entry> {
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| block_on(shared_audit(config)));
        asked.join().unwrap()
    })
}

/// None where there is no audit.
async fn shared_audit(config: &Config) -> Vec<Entry> {
    let client = client(config).await;
    let there = "SELECT to_regclass('tokenward.audit') IS NOT NULL";
    if !client
        .query_one(there, &[])
        .await
        .unwrap()
        .get::<_, bool>(0)
    {
        return Vec::new();
    }
    let lines = "SELECT to_json(a)::text FROM (SELECT id, at AS when, os_user, host, operator, database, what, whom, key, \
                 for_leak, result, session FROM tokenward.audit ORDER BY id) AS a";
    let rows = client.query(lines, &[]).await.unwrap();
    let lines = rows.iter().map(|row| row.get::<_, String>(0));
    lines
        .map(|line| serde_json::from_str(&line).unwrap())
        .collect()
}

/// Who does it all.
pub fn actor() -> Actor {
    Actor {
        os_user: "tester".to_owned(),
        host: "here".to_owned(),
        operator: None,
    }
}

/// Connections to `url`, as nothing but `url` has them, but with the patience that a crowded machine takes.
pub fn pool(url: &Secret<String>, settings: Settings) -> Pool {
    let settings = Settings {
        connect_timeout: Duration::from_mins(1),
        ..settings
    };
    let bare = Environment::new(Some("nobody".to_owned()), None).with("PGSYSCONFDIR", "/nowhere");
    Pool::new(Connector::new(
        Target::resolve(url, &bare).unwrap(),
        settings,
    ))
}
