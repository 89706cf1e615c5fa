//! Starting the server and waiting for it, up or down. It is a child of ours in a process group of its own,
//! so that Ctrl-C in our terminal does not reach it, and SIGHUP only makes Postgres read its settings again.
//!
//! We start `postgres` itself and not `pg_ctl`: a child tells at once when it ends, `pg_ctl -w` looks only
//! ten times a second, and it would cost two more processes at each start.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::error::Error;
use super::home::{Home, Place, remove_if_there};
use super::postmaster::{Leftover, Running, State, pid_file, state};
use super::programs::Programs;
use super::socket;

/// How often a file or process is looked at while we wait.
pub(super) const STEP: Duration = Duration::from_millis(2);

/// How long a start, or a stop by someone else, may take. Long, because recovery after a crash replays what a bulk insert wrote.
pub(super) const SETTLE_PATIENCE: Duration = Duration::from_mins(2);

/// After this time a start tells why it takes long.
const EXPLAIN_AFTER: Duration = Duration::from_secs(2);

/// How long a stop may take: a checkpoint of all that is in memory.
const STOP_PATIENCE: Duration = Duration::from_mins(1);

/// How long the children of a server that was killed may take to end.
const ORPHAN_PATIENCE: Duration = Duration::from_secs(30);

/// How long an `Empty` pid file may be one that is being written.
const EMPTY_PATIENCE: Duration = Duration::from_millis(500);

/// The log begins anew, with the last one kept beside it, when it is longer than this.
const LOG_BYTES: u64 = 4 << 20;

/// Settings given on the command line, so that they follow the program and not the data folder's age. What
/// makes commits durable (`fsync`, `synchronous_commit`, `full_page_writes`) is on by default and stays so.
const SETTINGS: [&str; 12] = [
    // Only the socket, whatever else the configuration file says.
    "listen_addresses=",
    "unix_socket_permissions=0700",
    "port=5432",
    "max_connections=100",
    "shared_buffers=128MB",
    // A million rows with their indexes fit between two checkpoints.
    "max_wal_size=2GB",
    // Nobody copies this server, so loading a new table and building an index need not be logged as well.
    "wal_level=minimal",
    "max_wal_senders=0",
    // Compiling takes longer than the short queries of a console run.
    "jit=off",
    "log_checkpoints=off",
    // Failed statements and the DETAIL of errors may hold keys; neither belongs in a log.
    "log_min_error_statement=panic",
    "log_error_verbosity=terse",
];

/// Brings the server of `place` up, or waits for one that is coming up. The caller holds `making.lock`, and
/// the data folder is made.
pub(super) async fn start(
    home: &Home,
    place: &Place,
    programs: &Programs,
    say: &mut (dyn FnMut(&str) + Send),
) -> Result<Running, Error> {
    let begun = Instant::now();
    let folder = socket::folder(place)?;
    loop {
        clear_leftover(place, &folder).await?;
        let from = rotate_log(home)?;
        let mut child = spawn(home, place, programs, &folder)?;
        if let Settled::Up(running) = watch(home, place, &mut child, begun, say).await? {
            return Ok(running);
        }
        // Another server may have been faster: one whose tokenward was killed before it wrote its number.
        if let Settled::Up(running) = settle(home, place).await? {
            return Ok(running);
        }
        // After a kill of the server its children need a moment to see it and to let go of the memory.
        let said = home.log_tail(from);
        let may_pass = said.contains("shared memory block") && begun.elapsed() < ORPHAN_PATIENCE;
        if !may_pass {
            return Err(Error::StartFailed {
                log: home.log(),
                said,
            });
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until our child takes connections or ends.
async fn watch(
    home: &Home,
    place: &Place,
    child: &mut Reaped,
    begun: Instant,
    say: &mut (dyn FnMut(&str) + Send),
) -> Result<Settled, Error> {
    let mut explained = Explained::NotYet;
    loop {
        if child.has_ended(&home.log())? {
            return Ok(Settled::Down);
        }
        if let State::Ready(running) = state(place)? {
            return Ok(Settled::Up(running));
        }
        if begun.elapsed() > SETTLE_PATIENCE {
            return Err(home.timed_out("starting the private Postgres", SETTLE_PATIENCE));
        }
        if begun.elapsed() > EXPLAIN_AFTER && explained == Explained::NotYet {
            say(
                "it was not shut down properly and recovers now; nothing that was committed is lost",
            );
            explained = Explained::Already;
        }
        tokio::time::sleep(STEP).await;
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Explained {
    NotYet,
    Already,
}

/// What became of a server that was starting or stopping.
pub(super) enum Settled {
    Up(Running),
    Down,
}

/// Waits until the server, whoever started or stopped it, is either up or down.
pub(super) async fn settle(home: &Home, place: &Place) -> Result<Settled, Error> {
    let begun = Instant::now();
    loop {
        match state(place)? {
            State::Ready(running) => return Ok(Settled::Up(running)),
            State::Down(_) => return Ok(Settled::Down),
            State::Starting { .. } | State::Stopping { .. } => {}
        }
        if begun.elapsed() > SETTLE_PATIENCE {
            return Err(home.timed_out(
                "waiting for the private Postgres to start or stop",
                SETTLE_PATIENCE,
            ));
        }
        tokio::time::sleep(STEP).await;
    }
}

/// Waits until no server runs.
pub(super) async fn wait_until_down(home: &Home, place: &Place) -> Result<(), Error> {
    let begun = Instant::now();
    while !matches!(state(place)?, State::Down(_)) {
        if begun.elapsed() > STOP_PATIENCE {
            return Err(home.timed_out("stopping the private Postgres", STOP_PATIENCE));
        }
        tokio::time::sleep(STEP).await;
    }
    Ok(())
}

/// Removes a pid file that Postgres would take for a running server's. That no process of a crashed server
/// still has the data folder is checked by Postgres itself, by its shared memory.
async fn clear_leftover(place: &Place, folder: &Path) -> Result<(), Error> {
    let mut found = state(place)?;
    let begun = Instant::now();
    while found == State::Down(Leftover::Empty) && begun.elapsed() < EMPTY_PATIENCE {
        tokio::time::sleep(STEP).await;
        found = state(place)?;
    }
    match found {
        State::Down(Leftover::Misleading | Leftover::Empty) => {
            // The socket has a file of the same kind, with the same number in it.
            for path in [pid_file(place), folder.join(".s.PGSQL.5432.lock")] {
                remove_if_there(&path)?;
            }
            Ok(())
        }
        State::Down(Leftover::Harmless)
        | State::Starting { .. }
        | State::Ready(_)
        | State::Stopping { .. } => Ok(()),
    }
}

/// Runs `postgres` with its log as output and nothing else of ours: no terminal, no lock, no `PG*` variable.
fn spawn(home: &Home, place: &Place, programs: &Programs, folder: &Path) -> Result<Reaped, Error> {
    let log = open_log(home)?;
    let error = log
        .try_clone()
        .map_err(Error::folder("open", &home.log()))?;
    let mut command = Command::new(programs.postgres());
    command.arg("-D").arg(place.data());
    for setting in SETTINGS {
        command.args(["-c", setting]);
    }
    let mut folders = std::ffi::OsString::from("unix_socket_directories=");
    folders.push(quoted(folder));
    command
        .arg("-c")
        .arg(folders)
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(error)
        .process_group(0);
    clean_environment(&mut command);
    place.account.run(&mut command);
    match command.spawn() {
        Ok(child) => Ok(Reaped(Some(child))),
        Err(source) => Err(Error::Spawn {
            program: programs.postgres(),
            source,
        }),
    }
}

/// `unix_socket_directories` is a list; quotes keep a comma or a space in the path as it is (manual,
/// "Connection Settings").
fn quoted(folder: &Path) -> std::ffi::OsString {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let mut bytes = vec![b'"'];
    for byte in folder.as_os_str().as_bytes() {
        bytes.push(*byte);
        if *byte == b'"' {
            bytes.push(b'"');
        }
    }
    bytes.push(b'"');
    std::ffi::OsString::from_vec(bytes)
}

/// Takes away every `PG*` variable (`PGPORT` and the like are defaults for the server as well), and has the
/// programs speak English, because we read what they say.
pub(super) fn clean_environment(command: &mut Command) {
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("PG") {
            command.env_remove(name);
        }
    }
    command.env("LC_ALL", "C");
}

fn open_log(home: &Home) -> Result<File, Error> {
    let path = home.log();
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(&path)
        .map_err(Error::folder("open", &path))
}

/// Puts a log that has grown long aside. Gives the length that it has now.
fn rotate_log(home: &Home) -> Result<u64, Error> {
    let path = home.log();
    match fs::metadata(&path) {
        Ok(meta) if meta.len() > LOG_BYTES => {
            let old = path.with_extension("log.old");
            fs::rename(&path, &old).map_err(Error::folder("rename to", &old))?;
            Ok(0)
        }
        Ok(meta) => Ok(meta.len()),
        Err(problem) if problem.kind() == ErrorKind::NotFound => Ok(0),
        Err(problem) => Err(Error::folder("look at", &path)(problem)),
    }
}

/// A child that is waited for whatever becomes of us. Otherwise a server that is killed while we run would
/// stay a zombie, and its number would look alive to the next one.
struct Reaped(Option<Child>);

impl Reaped {
    fn has_ended(&mut self, log: &Path) -> Result<bool, Error> {
        match &mut self.0 {
            Some(child) => child
                .try_wait()
                .map(|status| status.is_some())
                .map_err(Error::folder("wait for", log)),
            None => Ok(true),
        }
    }
}

impl Drop for Reaped {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            // If no thread can be had, the child is reaped by init when we end.
            let _ = std::thread::Builder::new()
                .name("postgres-reaper".to_owned())
                .stack_size(64 << 10)
                .spawn(move || child.wait());
        }
    }
}
