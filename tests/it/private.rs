//! The private server, with real Postgres programs, real processes and real `kill -9`. Each test has a home of
//! its own. The tests pass as root and as an ordinary user; what differs between the two is asserted for both.

mod killed;
mod leftovers;
mod shared;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid, getpgid};
use tempfile::TempDir;
use tokenward::db::private::{
    self, Dropped, Ensured, Error, Home, Lease, Status, StopOutcome, Until, Used, drop_database,
    ensure_database,
};
use tokio_postgres::{Client, NoTls};

use crate::support::folder;

/// Longer than anything here takes on a slow machine; only a failing test waits so long.
const DEADLINE: Duration = Duration::from_mins(1);

/// Says where the other process of a test shall work.
const CHILD_HOME: &str = "TOKENWARD_TEST_CHILD_HOME";

fn home_in(folder: &TempDir) -> Home {
    Home::at(folder.path().join("tokenward"))
}

async fn open(home: &Home) -> Lease {
    private::open(home, &mut |_| {}).await.unwrap()
}

async fn connect(lease: &Lease, database: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(lease.url(database).expose(), NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    client
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path)
        .unwrap_or_else(|e| panic!("{}: {e}", path.display()))
        .mode()
        & 0o777
}

/// Waits until `done` holds, and fails with `what` if it never does.
async fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < DEADLINE, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn wait_until_stopped(home: &Home) {
    wait_for("the server to stop", || {
        matches!(private::status(home).unwrap(), Status::Stopped { .. })
    })
    .await;
    wait_for("the server's end", || {
        !home.base().join("server/data/postmaster.pid").exists()
    })
    .await;
}

fn kill_9(pid: i32) {
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
}

/// A second tokenward: this test program again, holding a lease until its standard input ends.
struct Other {
    process: Child,
}

impl Other {
    fn start(home: &Home) -> Self {
        let process = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "private::another_process_holds_a_lease",
                "--ignored",
                "--nocapture",
            ])
            .env(CHILD_HOME, home.base())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self { process }
    }

    /// The server's process, as soon as the other one holds its lease.
    fn server(&mut self) -> i32 {
        let output = BufReader::new(self.process.stdout.as_mut().unwrap());
        for line in output.lines() {
            let line = line.unwrap();
            if let Some((_, pid)) = line.split_once("server ") {
                return pid.trim().parse().unwrap();
            }
        }
        panic!("the other process did not get a lease");
    }

    fn leave(mut self) {
        drop(self.process.stdin.take());
        assert!(self.process.wait().unwrap().success());
    }

    fn kill_9(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

#[tokio::test]
#[ignore = "the other tests run it in a process of its own"]
async fn another_process_holds_a_lease() {
    let home = Home::at(PathBuf::from(
        std::env::var_os(CHILD_HOME).expect("only other tests run this one"),
    ));
    let lease = open(&home).await;
    println!("server {}", lease.pid());
    std::io::stdout().flush().unwrap();
    std::io::stdin().read_line(&mut String::new()).unwrap();
    lease.leave().await.unwrap();
}

#[tokio::test]
async fn it_is_closed_to_others_and_runs_apart_from_us() {
    let folder = folder();
    let home = home_in(&folder);
    let lease = open(&home).await;
    let server = home.base().join("server");

    assert_eq!(mode(lease.data_folder()), 0o700);
    assert_eq!(mode(lease.socket_folder()), 0o700);
    for file in [
        server.join("password"),
        home.log(),
        home.base().join("in-use.lock"),
    ] {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    let runs_as = fs::metadata(format!("/proc/{}", lease.pid())).map_or_else(
        |_| {
            fs::metadata(lease.socket_folder().join(".s.PGSQL.5432"))
                .unwrap()
                .uid()
        },
        |process| process.uid(),
    );
    if Uid::effective().is_root() {
        assert_ne!(runs_as, 0, "Postgres as root");
        assert_eq!(mode(home.base()), 0o711);
    } else {
        assert_eq!(runs_as, Uid::effective().as_raw());
        assert_eq!(mode(home.base()), 0o700);
    }
    // Ctrl-C goes to the terminal's process group.
    let server_pid = Pid::from_raw(lease.pid());
    assert_eq!(getpgid(Some(server_pid)).unwrap(), server_pid);

    let client = connect(&lease, "postgres").await;
    for (name, value) in [
        ("listen_addresses", ""),
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("full_page_writes", "on"),
        ("server_encoding", "UTF8"),
        ("password_encryption", "scram-sha-256"),
    ] {
        let row = client
            .query_one("SELECT current_setting($1)", &[&name])
            .await
            .unwrap();
        assert_eq!(row.get::<_, String>(0), value, "{name}");
    }
    let row = client
        .query_one(
            "SELECT datcollate::text FROM pg_database WHERE datname = current_database()",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(row.get::<_, String>(0), "C");

    let url = lease.url("postgres");
    let password = url.expose().split([':', '@']).nth(2).unwrap().to_owned();
    assert_eq!(password.len(), 64);
    let wrong = url.expose().replace(&password, &"0".repeat(64));
    let refused = tokio_postgres::connect(&wrong, NoTls)
        .await
        .map(|_| ())
        .unwrap_err();
    assert_eq!(
        refused.code(),
        Some(&tokio_postgres::error::SqlState::INVALID_PASSWORD)
    );
    assert!(!format!("{lease:?}").contains(&password));

    // What a failed statement was about stays out of the log.
    let failed = client
        .batch_execute("SELECT 1 FROM no_such_table WHERE key = '9944b09199c62bcf'")
        .await;
    assert!(failed.is_err());
    let log = fs::read_to_string(home.log()).unwrap();
    assert!(log.contains("no_such_table"), "{log}");
    assert!(!log.contains("9944b091"), "{log}");
    drop(client);
    lease.leave().await.unwrap();
    wait_until_stopped(&home).await;
}

#[tokio::test]
async fn databases_are_created_once_and_dropped() {
    let folder = folder();
    let home = home_in(&folder);
    let lease = open(&home).await;
    let name = "it's a \"name\" % ü";
    let (one, two) = tokio::join!(ensure_database(&lease, name), ensure_database(&lease, name));
    let mut both = [one.unwrap(), two.unwrap()];
    both.sort_by_key(|ensured| *ensured == Ensured::Existing);
    assert_eq!(both, [Ensured::Created, Ensured::Existing]);
    assert_eq!(
        ensure_database(&lease, name).await.unwrap(),
        Ensured::Existing
    );

    let client = connect(&lease, name).await;
    let row = client
        .query_one("SELECT current_database()::text", &[])
        .await
        .unwrap();
    assert_eq!(row.get::<_, String>(0), name);
    assert_eq!(
        drop_database(&lease, name).await.unwrap(),
        Dropped::Gone,
        "though one is connected"
    );
    assert_eq!(drop_database(&lease, name).await.unwrap(), Dropped::Absent);
    let error = ensure_database(&lease, "").await.unwrap_err();
    assert!(matches!(error, Error::Name { .. }), "{error}");
    lease.leave().await.unwrap();
    wait_until_stopped(&home).await;
}

#[tokio::test]
async fn a_kept_server_runs_until_it_is_stopped_and_drop_takes_everything() {
    let folder = folder();
    // Closed to others: root's server has to live elsewhere, and a user's does not care.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let home = home_in(&folder);
    let mut said = Vec::new();
    let lease = private::keep_running(&home, &mut |line| said.push(line.to_owned()))
        .await
        .unwrap();
    let (pid, data) = (lease.pid(), lease.data_folder().to_owned());
    let server = home.base().join("server");
    assert_eq!(server.is_symlink(), Uid::effective().is_root());
    if Uid::effective().is_root() {
        assert!(said[0].contains("/var/lib/tokenward/"), "{said:?}");
        assert_eq!(
            mode(folder.path()),
            0o700,
            "what is not ours stays as it is"
        );
    }
    lease.leave().await.unwrap();
    assert!(matches!(
        private::status(&home).unwrap(),
        Status::Running { pid: running, used: Used::ByNobody, until: Until::Stopped, .. } if running == pid
    ));
    let lease = open(&home).await;
    assert_eq!(lease.pid(), pid);
    let error = private::remove(&home).await.unwrap_err();
    assert!(matches!(error, Error::InUse), "{error}");
    lease.leave().await.unwrap();

    assert_eq!(private::stop(&home).await.unwrap(), StopOutcome::Stopped);
    assert!(matches!(
        private::status(&home).unwrap(),
        Status::Stopped { .. }
    ));
    assert_eq!(private::stop(&home).await.unwrap(), StopOutcome::WasDown);
    private::remove(&home).await.unwrap();
    assert_eq!(private::status(&home).unwrap(), Status::NotMade);
    assert!(!data.exists() && !server.exists() && !server.is_symlink() && !home.log().exists());
}
