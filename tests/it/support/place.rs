//! A database for each test: a clone of a migrated template, on one throw-away server that the private module starts
//! for the run, or on the server of `TEST_DATABASE_URL` (a role that may create databases and roles; no TLS).
//!
//! `cargo test` runs all tests in one process and cargo-nextest each in its own. The server is one for the run in
//! both: it ends with this process, or with the nextest that started it.

use std::collections::hash_map::DefaultHasher;
use std::fmt::Write as _;
use std::fs;
use std::hash::{Hash, Hasher};
use std::io::{BufRead, BufReader, Write as _};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;
use tokenward::db::compat::UserTable;
use tokenward::db::connect::{Access, Connector, Settings};
use tokenward::db::conninfo::{Environment, Target};
use tokenward::db::migrate::Migrator;
use tokenward::db::private::{self, Home, Lease};
use tokenward::db::{Db, Pool};
use tokenward::domain::audit::{Actor, Entry};
use tokenward::domain::secret::Secret;
use tokenward::domain::token::KeyFormat;
use tokenward::ops::{AuditLog, AuditQuery, Error, Ops, PlaceInfo};
use tokio::sync::OnceCell;
use tokio_postgres::config::Host;
use tokio_postgres::types::FromSqlOwned;
use tokio_postgres::{Client, Config, NoTls};

use super::folder;
use super::watch::watch;

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
            folder: folder(),
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
        url(self.administrator, &self.name, Some(&role))
    }

    /// The name of the role that [`Place::url_of_role`] made.
    pub fn role(&self, name: &str) -> String {
        format!("{}_{name}", self.name)
    }

    /// A connection of the owner's.
    pub async fn client(&self) -> Client {
        let mut config = self.administrator.clone();
        client(config.dbname(&self.name).application_name("a test")).await
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

    /// Where the operations write down what they do.
    pub fn audit_path(&self) -> PathBuf {
        self.folder.path().join("state/audit.jsonl")
    }

    /// What was written down, oldest first.
    pub fn audit(&self) -> Vec<Entry> {
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

/// Who does it all.
pub fn actor() -> Actor {
    Actor {
        os_user: "tester".to_owned(),
        host: "here".to_owned(),
        operator: None,
    }
}

/// Connections to `url`, as nothing but `url` has them.
pub fn pool(url: &Secret<String>, settings: Settings) -> Pool {
    let bare = Environment::new(Some("nobody".to_owned()), None).with("PGSYSCONFDIR", "/nowhere");
    Pool::new(Connector::new(
        Target::resolve(url, &bare).unwrap(),
        settings,
    ))
}

/// The server of the run.
struct Server {
    administrator: Config,
    template: String,
    _lease: Option<Lease>,
    _watch: Option<Child>,
}

async fn server() -> &'static Server {
    static SERVER: OnceCell<Server> = OnceCell::const_new();
    // On a thread and a runtime of its own: those of the test that came first end with it.
    SERVER
        .get_or_init(|| async {
            let started = std::thread::spawn(|| block_on(start()));
            let ended = tokio::task::spawn_blocking(|| started.join()).await;
            ended
                .unwrap()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
        .await
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    runtime.unwrap().block_on(future)
}

async fn start() -> Server {
    let (address, lease, watch) = if let Ok(url) = std::env::var("TEST_DATABASE_URL") {
        (url, None, None)
    } else {
        let (lease, watch) = match std::env::var("NEXTEST_RUN_ID") {
            Ok(run) => {
                let base = std::env::temp_dir().join(format!("tw-nextest-{run}"));
                throw_away(base, Until::NextestEnds).await
            }
            Err(_) => throw_away(folder().keep(), Until::WeEnd).await,
        };
        let url = lease.url("postgres").expose().clone();
        (url, Some(lease), watch)
    };
    let administrator: Config = address.parse().expect("the address of a server");
    let template = make_template(&administrator).await;
    Server {
        administrator,
        template,
        _lease: lease,
        _watch: watch,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Until {
    WeEnd,
    NextestEnds,
}

/// Waits, then stops the server of `$0`, whatever its process is by then, and removes all it had.
const END: &str = r#"
pid=$(head -n 1 "$0/tokenward/server/data/postmaster.pid" 2>/dev/null)
if [ -n "$pid" ]; then
    kill -QUIT "$pid"
    while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
fi
rm -rf "$0""#;

/// A server in `base`, which is ready to be entered by others. The watch comes before the server, so that there is no
/// instant at which a killed test leaves one behind.
async fn throw_away(base: PathBuf, until: Until) -> (Lease, Option<Child>) {
    let home = Home::at(base.join("tokenward"));
    let mut shell = Command::new("sh");
    shell.stdout(Stdio::null()).stderr(Stdio::null());
    let watch = match until {
        Until::WeEnd => {
            shell.args(["-c", &format!("cat; {END}")]).arg(&base);
            Some(watch(&mut shell))
        }
        // The first test of the run makes the folder, and a watch that outlives it.
        Until::NextestEnds => match fs::create_dir(&base) {
            Ok(()) => {
                open_to_others(&base);
                let wait = "while kill -0 \"$1\" 2>/dev/null; do sleep 0.1; done";
                shell.args(["-c", &format!("{wait}; {END}")]).arg(&base);
                shell.arg(std::os::unix::process::parent_id().to_string());
                Some(shell.stdin(Stdio::null()).process_group(0).spawn().unwrap())
            }
            Err(_) => None,
        },
    };
    let opened = match until {
        Until::WeEnd => private::open(&home, &mut |_| {}).await,
        Until::NextestEnds => private::keep_running(&home, &mut |_| {}).await,
    };
    let lease = opened.unwrap_or_else(|error| panic!("{error}"));
    // What is thrown away need not survive a power cut.
    let administrator: Config = lease.url("postgres").expose().parse().unwrap();
    let client = client(&administrator).await;
    for statement in [
        "ALTER SYSTEM SET fsync = off",
        "ALTER SYSTEM SET full_page_writes = off",
        "SELECT pg_reload_conf()",
    ] {
        client.batch_execute(statement).await.unwrap();
    }
    (lease, watch)
}

fn open_to_others(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
}

/// One at a time makes, or clones, the template; the lock goes with the connection.
const LOCK: &str = "SELECT pg_advisory_lock(20261124)";

/// The template for these migrations, made if it is not there. It is called one when it is ready.
async fn make_template(administrator: &Config) -> String {
    let name = format!("tokenward_template_{:016x}", fingerprint_of_migrations());
    let client = client(administrator).await;
    client.batch_execute(LOCK).await.unwrap();
    let ready = client
        .query_opt(
            "SELECT 1 FROM pg_database WHERE datname = $1 AND datistemplate",
            &[&name],
        )
        .await
        .unwrap();
    if ready.is_none() {
        for statement in ["DROP DATABASE IF EXISTS", "CREATE DATABASE"] {
            let statement = format!("{statement} \"{name}\"");
            client.batch_execute(&statement).await.unwrap();
        }
        let pool = pool(&url(administrator, &name, None), Settings::default());
        Migrator::new(pool.get().await.unwrap())
            .apply()
            .await
            .unwrap();
        let statement = format!("ALTER DATABASE \"{name}\" IS_TEMPLATE true");
        client.batch_execute(&statement).await.unwrap();
    }
    name
}

fn fingerprint_of_migrations() -> u64 {
    fn add(path: &Path, hasher: &mut DefaultHasher) {
        if path.is_dir() {
            let mut inside: Vec<PathBuf> = fs::read_dir(path)
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .collect();
            inside.sort();
            for path in &inside {
                add(path, hasher);
            }
        } else {
            fs::read(path).unwrap().hash(hasher);
        }
    }
    let mut hasher = DefaultHasher::new();
    add(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations"),
        &mut hasher,
    );
    hasher.finish()
}

async fn client(config: &Config) -> Client {
    let (client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// The address of `database` on the server of `config`, for its own role or for another.
fn url(config: &Config, database: &str, role: Option<&str>) -> Secret<String> {
    let host = match &config.get_hosts()[0] {
        Host::Tcp(name) => escape(name.as_bytes()),
        Host::Unix(path) => escape(path.as_os_str().as_bytes()),
    };
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let (role, password) = match role {
        Some(role) => (role, "secret"),
        None => (
            config.get_user().unwrap(),
            std::str::from_utf8(config.get_password().unwrap_or_default()).unwrap(),
        ),
    };
    Secret::new(format!(
        "postgres://{}:{}@{host}:{port}/{}",
        escape(role.as_bytes()),
        escape(password.as_bytes()),
        escape(database.as_bytes())
    ))
}

fn escape(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "%{byte:02X}").unwrap();
        text
    })
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "the next test runs it in a process of its own"]
async fn another_process_has_a_place() {
    let place = fresh().await;
    let pid: i32 = place.one("SELECT pg_backend_pid()").await;
    let data: String = place.one("SELECT current_setting('data_directory')").await;
    println!("backend {pid} of {data}");
    std::io::stdout().flush().unwrap();
    std::thread::sleep(std::time::Duration::from_mins(1));
}

#[test]
fn the_server_goes_when_the_tests_are_killed() {
    let mut other = Command::new(std::env::current_exe().unwrap());
    other.args(["--exact", "--ignored", "--nocapture"]);
    other.arg("support::place::another_process_has_a_place");
    for name in ["TEST_DATABASE_URL", "NEXTEST_RUN_ID"] {
        other.env_remove(name);
    }
    let mut process = other.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let data: PathBuf = lines
        .map_while(Result::ok)
        .find_map(|line| line.split_once(" of ").map(|(_, data)| data.into()))
        .expect("a server");
    assert!(data.join("postmaster.pid").exists());
    process.kill().unwrap();
    process.wait().unwrap();
    let begun = std::time::Instant::now();
    let folder = data.ancestors().nth(3).unwrap();
    while folder.exists() {
        assert!(begun.elapsed().as_secs() < 60, "{} stays", folder.display());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
