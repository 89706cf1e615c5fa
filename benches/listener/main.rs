//! The listener's speed: `tokenward serve` on a private server of its own, against a bare hyper server that answers the
//! same bytes, against one query a request, and against the reference site if there is one. Every figure is a ratio of
//! what was measured turn by turn in one run, the median of its rounds. It needs `wrk` (Debian's package of that name).
//!
//! ```text
//! cargo bench --bench listener                               1,000,000 keys
//! TOKENWARD_BENCH_USERS=200000 cargo bench --bench listener
//! TOKENWARD_BENCH_SITE='http://127.0.0.1:8001 postgres://…'  a Django site that shows /api/example/, and its database
//! TOKENWARD_BENCH_PROGRAM=/path/to/tokenward                 another build than this one
//! ```
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench is there to print, and one that cannot go on shall say so and stop"
)]
#![expect(
    clippy::cast_precision_loss,
    reason = "a rate has no use for the 53rd bit"
)]
#![expect(
    clippy::zombie_processes,
    reason = "what is started is waited for when it is dropped; where the bench panics before, all ends with it"
)]

mod load;
mod peers;

use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use load::{Client, Storm, ask, log_in, whoami};
use peers::Peer;
use tokenward::db::Pool;
use tokenward::db::compat::UserTable;
use tokenward::db::connect::{Connector, Settings};
use tokenward::db::conninfo::{Environment, Target};
use tokenward::db::migrate::Migrator;
use tokenward::db::private::{self, Home};
use tokenward::domain::password;
use tokenward::domain::secret::Secret;
use tokio_postgres::NoTls;

/// So many keys are asked for again and again.
const KNOWN: u64 = 10_000;

const CONNECTIONS: u64 = 32;
/// Seconds of one turn, and how often each has its turn.
const TURN: u64 = 2;
const ROUNDS: usize = 9;

/// Fewer, so that a request's time is the server's and not that of those before it in the queue.
const CALM: u64 = 4;

const LOGINS: u64 = 48;
const REVOCATIONS: u64 = 1_000;

const PASSWORD: &str = "correct horse battery staple";

fn main() {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some(peers::ROLE) {
        return peers::run(arguments.next());
    }
    tokio::runtime::Runtime::new().unwrap().block_on(bench());
}

async fn bench() {
    let users: u64 = match std::env::var("TOKENWARD_BENCH_USERS") {
        Ok(count) => count.parse().expect("a number in TOKENWARD_BENCH_USERS"),
        Err(_) => 1_000_000,
    };
    let folder = tempfile::Builder::new()
        .prefix("twbench")
        .permissions(fs::Permissions::from_mode(0o755))
        .tempdir()
        .unwrap();
    let home = Home::at(folder.path().join("tokenward"));
    let lease = private::open(&home, &mut |line| eprintln!("{line}")).await;
    let lease = lease.unwrap_or_else(|error| {
        eprintln!("{error}");
        std::process::exit(3)
    });
    private::ensure_database(&lease, "bench").await.unwrap();
    let url = lease.url("bench");
    let target = Target::resolve(&url, &Environment::new(None, None)).unwrap();
    let pool = Pool::new(Connector::new(target, Settings::default()));
    let migrator = Migrator::new(pool.get().await.unwrap(), UserTable::default());
    migrator.apply().await.unwrap();
    eprintln!("making {users} users with tokens");
    let (database, connection) = tokio_postgres::connect(url.expose(), NoTls).await.unwrap();
    tokio::spawn(connection);
    make_users(&database, users).await;

    let bare = Peer::start(None);
    let one_query = Peer::start(Some(url.expose()));
    let served = Served::start(folder.path(), url.expose());
    println!("keys                             {users}");
    let asked = speed(&served, &bare, &one_query, users).await;
    memory(&served, asked, users).await;
    storm(&served).await;
    logins(&served).await;
    revocations(&served, &database).await;
    drop((served, one_query, bare, database));
    lease.leave().await.unwrap();
    private::remove(&home).await.unwrap();
}

/// `tokenward serve`, its log in a file as under a service manager.
struct Served {
    address: SocketAddr,
    process: Child,
}

impl Served {
    fn start(folder: &Path, url: &str) -> Self {
        let config = folder.join("listener.toml");
        let log = folder.join("log");
        let routes = "[listener]\n\
            obtain_rate = \"off\"\n\
            password_hasher = \"bcrypt_sha256\"\n\
            [[listener.route]]\n\
            path = \"/api-token-auth/\"\n\
            answers = \"obtain\"\n\
            [[listener.route]]\n\
            path = \"/api/example/\"\n\
            answers = \"whoami\"\n";
        fs::write(&config, routes).unwrap();
        let program = std::env::var("TOKENWARD_BENCH_PROGRAM");
        let program = program.unwrap_or_else(|_| env!("CARGO_BIN_EXE_tokenward").to_owned());
        let process = Command::new(program)
            .arg("serve")
            .arg("--config")
            .arg(&config)
            .args(["--database", url, "--bind", "127.0.0.1:0"])
            .env("HOME", folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let begun = Instant::now();
        loop {
            let said = fs::read_to_string(&log).unwrap();
            let address = said.split_once("listening on http://");
            if let Some((address, _)) = address.and_then(|(_, rest)| rest.split_once('\n')) {
                let address = address.parse().unwrap();
                return Self { address, process };
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "{said}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Bytes in memory (proc(5), `statm`), in pages of 4 kB.
    fn resident(&self) -> u64 {
        let pages = fs::read_to_string(format!("/proc/{}/statm", self.process.id())).unwrap();
        pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4_096
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Requests a second: known keys and new ones, against the peers. Gives how many keys were asked for.
async fn speed(served: &Served, bare: &Peer, one_query: &Peer, users: u64) -> u64 {
    let site = Site::of_environment().await;
    let known = (0, KNOWN.min(users));
    // Everybody has answered before anybody is measured.
    for address in [bare.address, one_query.address, served.address] {
        ask(address, CONNECTIONS, 1, known).await;
    }
    let mut next = known.1;
    let mut rounds = Rounds::default();
    for _ in 0..ROUNDS {
        let turn = async |address, keys| ask(address, CONNECTIONS, TURN, keys).await.rate;
        let first = turn(bare.address, known).await;
        let hits = turn(served.address, known).await;
        let new = ask(served.address, CONNECTIONS, TURN, (next, users - next)).await;
        assert!(next + new.answers < users, "all keys are known: more users");
        // What was on its way at the end may be known too.
        next += new.answers + 2 * CONNECTIONS;
        let queries = turn(one_query.address, (next, users - next)).await;
        let last = turn(bare.address, known).await;
        let bare = f64::midpoint(first, last);
        rounds.note("bare hyper, a second", bare);
        rounds.note("known keys, a second", hits);
        rounds.note("new keys, a second", new.rate);
        rounds.note("one query a request, a second", queries);
        rounds.note("known / bare (at least 0.9)", hits / bare);
        rounds.note("new / bare (at least 0.4)", new.rate / bare);
        rounds.note("new / one query (at least 2)", new.rate / queries);
        if let Some(site) = &site {
            let theirs = ask(site.address, CONNECTIONS, TURN, site.keys).await.rate;
            rounds.note("the site, a second", theirs);
            rounds.note("known / the site (at least 25)", hits / theirs);
            rounds.note("new / the site (at least 10)", new.rate / theirs);
        }
    }
    rounds.print();
    next
}

/// Asks for the rest of the keys once, and tells what they take.
async fn memory(served: &Served, mut asked: u64, users: u64) {
    while asked < users {
        let run = ask(served.address, CONNECTIONS, TURN, (asked, users - asked)).await;
        asked += run.answers;
    }
    let megabytes = served.resident() >> 20;
    println!("memory with all keys known       {megabytes} MB (under 200)");
}

/// How long the protected endpoint takes while clients obtain tokens, against without.
async fn storm(served: &Served) {
    let mut rounds = Rounds::default();
    for _ in 0..ROUNDS {
        let turn = async || ask(served.address, CALM, TURN, (0, KNOWN)).await.p99;
        let calm = turn().await;
        let storm = Storm::start(served.address);
        let stormy = turn().await;
        storm.stop().await;
        rounds.note("p99 in calm, ms", calm.as_secs_f64() * 1e3);
        rounds.note("p99 in the storm, ms", stormy.as_secs_f64() * 1e3);
        let ratio = stormy.as_secs_f64() / calm.as_secs_f64();
        rounds.note("storm / calm (at most 2)", ratio);
    }
    rounds.print();
}

/// Logins by `bcrypt_sha256`, against the hash alone on all cores.
async fn logins(served: &Served) {
    let mut rounds = Rounds::default();
    for _ in 0..ROUNDS / 2 {
        let ours = log_in(served.address, LOGINS).await.as_secs_f64();
        let bare = tokio::task::spawn_blocking(|| hash(LOGINS));
        let bare = bare.await.unwrap().as_secs_f64();
        rounds.note("logins a second", LOGINS as f64 / ours);
        rounds.note("bare hashes a second", LOGINS as f64 / bare);
        rounds.note("logins / hashes (at least 0.95)", bare / ours);
    }
    rounds.print();
}

/// How long all cores take for `count` hashes.
fn hash(count: u64) -> Duration {
    let cores = std::thread::available_parallelism().unwrap().get() as u64;
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for core in 0..cores {
            let mine = count / cores + u64::from(core < count % cores);
            scope.spawn(move || {
                for _ in 0..mine {
                    // Django gives bcrypt 64 hex digits.
                    std::hint::black_box(bcrypt::bcrypt(12, [7; 16], &[b'a'; 64]));
                }
            });
        }
    });
    begun.elapsed()
}

/// From the acknowledgement of a change by another process to the first refusal, for who asks all the time.
async fn revocations(served: &Served, database: &tokio_postgres::Client) {
    let delete = "DELETE FROM authtoken_token WHERE key = $1";
    let delete = database.prepare(delete).await.unwrap();
    let mut client = Client::connect(served.address).await;
    let mut times = Vec::new();
    for number in 0..REVOCATIONS {
        let key = format!("{number:040x}");
        let request = whoami(&key);
        assert_eq!(client.status(&request).await, 200);
        database.execute(&delete, &[&key]).await.unwrap();
        let begun = Instant::now();
        while client.status(&request).await == 200 {}
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    println!(
        "revoked to refused               p50 {:.2?}, p99 {:.2?} (under 5 ms), the longest {:.2?}",
        times[times.len() / 2],
        times[times.len() * 99 / 100],
        times[times.len() - 1]
    );
}

/// A Django site with tokens of ours in its database.
struct Site {
    address: SocketAddr,
    keys: (u64, u64),
}

impl Site {
    async fn of_environment() -> Option<Self> {
        let named = std::env::var("TOKENWARD_BENCH_SITE").ok()?;
        let (address, url) = named.split_once(' ').expect("an address and a database");
        let address = address.trim_start_matches("http://").trim_end_matches('/');
        let (database, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
        tokio::spawn(connection);
        let fresh = database.query_one(
            "SELECT NOT EXISTS (SELECT FROM auth_user WHERE username = 'bench1')",
            &[],
        );
        if fresh.await.unwrap().get(0) {
            database
                .batch_execute(&users("bench", KNOWN))
                .await
                .unwrap();
        }
        Some(Self {
            address: address.parse().unwrap(),
            keys: (0, KNOWN),
        })
    }
}

/// SQL that makes users, and of the nth the key n.
fn users(name: &str, count: u64) -> String {
    format!(
        "WITH made AS ( \
           INSERT INTO auth_user (username, email, first_name, last_name, password, is_superuser, is_staff, is_active, \
                                  date_joined) \
           SELECT '{name}' || i, '{name}' || i || '@example.com', 'First', 'Last', '!', false, false, true, now() \
             FROM generate_series(1, {count}) AS i \
           RETURNING id) \
         INSERT INTO authtoken_token (key, created, user_id) \
         SELECT lpad(to_hex(row_number() OVER (ORDER BY id) - 1), 40, '0'), now(), id FROM made"
    )
}

async fn make_users(database: &tokio_postgres::Client, count: u64) {
    database.batch_execute(&users("user", count)).await.unwrap();
    let password = password::encode(&Secret::from(PASSWORD)).unwrap();
    let set = "UPDATE auth_user SET password = $1 WHERE username IN \
               ('user1', 'user2', 'user3', 'user4', 'user5', 'user6', 'user7', 'user8')";
    database.execute(set, &[password.expose()]).await.unwrap();
    for table in ["auth_user", "authtoken_token"] {
        let vacuum = format!("VACUUM ANALYZE {table}");
        database.batch_execute(&vacuum).await.unwrap();
    }
    database.batch_execute("CHECKPOINT").await.unwrap();
}

/// What each round gave, by name, in the order of their first mention.
#[derive(Default)]
struct Rounds(Vec<(&'static str, Vec<f64>)>);

impl Rounds {
    fn note(&mut self, name: &'static str, value: f64) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) => values.push(value),
            None => self.0.push((name, vec![value])),
        }
    }

    /// The median of each, and the least and greatest.
    fn print(self) {
        for (name, mut values) in self.0 {
            values.sort_unstable_by(f64::total_cmp);
            let (least, greatest) = (values[0], values[values.len() - 1]);
            let median = values[values.len() / 2];
            let digits = if median < 100.0 { 2 } else { 0 };
            println!("{name:<32} {median:.digits$} ({least:.digits$} to {greatest:.digits$})");
        }
    }
}
