//! The server that all tests of a run share: a throw-away one that the private module starts, or that of
//! `TEST_DATABASE_URL` (a role that may create databases and roles; no TLS). `place` gives each test a database on it.
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

use tokenward::db::compat::UserTable;
use tokenward::db::connect::Settings;
use tokenward::db::migrate::Migrator;
use tokenward::db::private::{self, Home, Lease};
use tokenward::domain::secret::Secret;
use tokio::sync::OnceCell;
use tokio_postgres::config::Host;
use tokio_postgres::{Client, Config, NoTls};

use super::folder;
use super::place::{self, pool};
use super::watch::watch;

/// The server of the run.
pub struct Server {
    pub administrator: Config,
    pub template: String,
    /// Where the tests' own folders go; those of a killed test go with the run.
    pub folder: PathBuf,
    _lease: Option<Lease>,
    _watch: Option<Child>,
}

pub async fn server() -> &'static Server {
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

pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    runtime.unwrap().block_on(future)
}

async fn start() -> Server {
    let (address, folder, lease, watch) = if let Ok(url) = std::env::var("TEST_DATABASE_URL") {
        (url, std::env::temp_dir(), None, None)
    } else {
        let (base, until) = match std::env::var("NEXTEST_RUN_ID") {
            Ok(run) => {
                let name = format!("tw-nextest-{run}");
                (std::env::temp_dir().join(name), Until::NextestEnds)
            }
            Err(_) => (folder().keep(), Until::WeEnd),
        };
        let (lease, watch) = throw_away(&base, until).await;
        let url = lease.url("postgres").expose().clone();
        (url, base, Some(lease), watch)
    };
    let administrator: Config = address.parse().expect("the address of a server");
    let template = make_template(&administrator).await;
    Server {
        administrator,
        template,
        folder,
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
async fn throw_away(base: &Path, until: Until) -> (Lease, Option<Child>) {
    let home = Home::at(base.join("tokenward"));
    let mut shell = Command::new("sh");
    shell.stdout(Stdio::null()).stderr(Stdio::null());
    let watch = match until {
        Until::WeEnd => {
            shell.args(["-c", &format!("cat; {END}")]).arg(base);
            Some(watch(&mut shell))
        }
        // The first test of the run makes the folder, and a watch that outlives it.
        Until::NextestEnds => match fs::create_dir(base) {
            Ok(()) => {
                open_to_others(base);
                let wait = "while kill -0 \"$1\" 2>/dev/null; do sleep 0.1; done";
                shell.args(["-c", &format!("{wait}; {END}")]).arg(base);
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
pub const LOCK: &str = "SELECT pg_advisory_lock(20261124)";

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
        Migrator::new(pool.get().await.unwrap(), UserTable::default())
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

pub async fn client(config: &Config) -> Client {
    let (client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// The address of `database` on the server of `config`, for its own role or for another.
pub fn url(config: &Config, database: &str, role: Option<&str>) -> Secret<String> {
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
    let place = place::fresh().await;
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
    other.arg("support::server::another_process_has_a_place");
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
