//! What the gate costs and saves: memory for a million known keys, answers from memory, look-ups of unknown keys against
//! one query a request, and the time from a revocation elsewhere to the refusal. All on one private server, in one run:
//!
//! ```text
//! cargo bench --bench gate                                   1,000,000 keys
//! TOKENWARD_BENCH_USERS=100000 cargo bench --bench gate
//! ```
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench is there to print, and one that cannot go on shall say so and stop"
)]
#![expect(
    clippy::cast_precision_loss,
    reason = "a rate has no use for the 53rd bit"
)]

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};
use tokenward::db::compat::UserTable;
use tokenward::db::connect::{Connector, Settings};
use tokenward::db::conninfo::{Environment, Target};
use tokenward::db::migrate::Migrator;
use tokenward::db::private::{self, Home, Lease};
use tokenward::db::{Db, Pool};
use tokenward::domain::audit::Actor;
use tokenward::domain::principal::Presented;
use tokenward::domain::secret::Secret;
use tokenward::domain::token::KeyFormat;
use tokenward::ops::gate::{Gate, GateSettings, Sure};
use tokenward::ops::{AuditLog, Ops, PlaceInfo};
use tokio_postgres::{Client, NoTls};

/// So many requests are under way at the same time, as from a busy proxy.
const REQUESTS: u64 = 64;

/// Look-ups of each kind for the comparison; both sides begin where the other ended, so that none is known.
const LOOKUPS: u64 = 60_000;

/// Connections of the one query a request, as Django's workers hold them.
const PEERS: usize = 8;

const REVOCATIONS: u64 = 1_000;

/// Keys that are used all the time, and how often each is in a turn.
const KEYS_IN_USE: u64 = 10_000;
const ROUNDS: u64 = 5;
const TURNS: usize = 200;

#[tokio::main]
async fn main() {
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
    let target = Target::resolve(&lease.url("bench"), &Environment::new(None, None)).unwrap();
    let pool = Pool::new(Connector::new(target, Settings::default()));
    let migrator = Migrator::new(pool.get().await.unwrap(), UserTable::default());
    migrator.apply().await.unwrap();
    eprintln!("making {users} users with tokens");
    let client = client(&lease).await;
    make_users(&client, users).await;
    let db = Db::open(pool, &UserTable::default()).await.unwrap();
    let actor = Actor {
        os_user: "bench".to_owned(),
        host: "here".to_owned(),
        operator: None,
    };
    let audit = AuditLog::at(folder.path().join("audit.jsonl"));
    let ops = Ops::new(db, PlaceInfo::default(), actor, audit, KeyFormat::Drf);
    println!("keys                            {users}");

    compare_look_ups(&lease, &ops, users).await;
    let gate = open(&ops).await;
    let before = resident();
    let took = look_up(&gate, 0, users).await;
    let stats = gate.stats();
    println!(
        "all looked up                   {:.0} a second",
        rate(users, took)
    );
    println!("known                           {}", stats.known);
    println!(
        "memory for them                 {} MB (must be under 200)",
        (resident() - before) >> 20
    );
    answer_from_memory(&gate, users).await;
    note_uses(&gate, users).await;
    revoke(&gate, &client).await;
    drop((gate, ops, client));
    lease.leave().await.unwrap();
    private::remove(&home).await.unwrap();
}

async fn open(ops: &Ops) -> Gate {
    let gate = Gate::open(ops, GateSettings::default());
    while gate.sure() != Sure::Sure {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    gate
}

fn key(number: u64) -> String {
    format!("{number:040x}")
}

fn presented(number: u64) -> Presented {
    Presented::Drf(Secret::new(key(number)))
}

/// Verifies each of the keys from `from` on, many at the same time.
async fn look_up(gate: &Gate, from: u64, count: u64) -> Duration {
    let next = Arc::new(AtomicU64::new(from));
    let begun = Instant::now();
    let tasks: Vec<_> = (0..REQUESTS)
        .map(|_| {
            let (gate, next) = (gate.clone(), Arc::clone(&next));
            tokio::spawn(async move {
                loop {
                    let number = next.fetch_add(1, Relaxed);
                    if number >= from + count {
                        break;
                    }
                    gate.verify(&presented(number)).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    begun.elapsed()
}

/// Unknown keys by the gate, and by one prepared query a request over as many connections as a Django site has.
async fn compare_look_ups(lease: &Lease, ops: &Ops, users: u64) {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let count = LOOKUPS.min(users);
    for round in 0..4 {
        // A new gate knows nothing.
        let gate = open(ops).await;
        let took = (
            look_up(&gate, 0, count).await,
            one_by_one(lease, count).await,
        );
        if round > 0 {
            ours.push(took.0);
            theirs.push(took.1);
        }
    }
    let (ours, theirs) = (rate(count, median(ours)), rate(count, median(theirs)));
    println!("unknown keys, gathered          {ours:.0} a second");
    println!("unknown keys, a query each      {theirs:.0} a second");
    println!(
        "gathered / a query each         {:.2} (must be at least 2)",
        ours / theirs
    );
}

const QUESTION: &str = "SELECT t.created, u.id, u.username, u.email, u.first_name, u.last_name, u.is_active \
     FROM authtoken_token t JOIN auth_user u ON u.id = t.user_id WHERE t.key = $1";

async fn one_by_one(lease: &Lease, count: u64) -> Duration {
    let (give, take) = tokio::sync::mpsc::channel(PEERS);
    for _ in 0..PEERS {
        let client = client(lease).await;
        let statement = client.prepare(QUESTION).await.unwrap();
        give.send((client, statement)).await.unwrap();
    }
    let take = Arc::new(tokio::sync::Mutex::new(take));
    let next = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    let tasks: Vec<_> = (0..REQUESTS)
        .map(|_| {
            let (give, take, next) = (give.clone(), Arc::clone(&take), Arc::clone(&next));
            tokio::spawn(async move {
                loop {
                    let number = next.fetch_add(1, Relaxed);
                    if number >= count {
                        break;
                    }
                    let (client, statement) = take.lock().await.recv().await.unwrap();
                    let row = client.query_one(&statement, &[&key(number)]).await.unwrap();
                    assert!(row.get::<_, bool>("is_active"));
                    give.send((client, statement)).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    begun.elapsed()
}

async fn answer_from_memory(gate: &Gate, users: u64) {
    for tasks in [1_u64, 2] {
        let before = gate.stats();
        let begun = Instant::now();
        let tasks: Vec<_> = (0..tasks)
            .map(|task| {
                let gate = gate.clone();
                tokio::spawn(async move {
                    let keys: Vec<_> = (0..100_000_u64)
                        .map(|at| {
                            presented((at + task).wrapping_mul(0x9e37_79b9_7f4a_7c15) % users)
                        })
                        .collect();
                    let begun = Instant::now();
                    for _ in 0..10 {
                        for key in &keys {
                            gate.verify(key).await.unwrap();
                        }
                        tokio::task::yield_now().await;
                    }
                    begun.elapsed()
                })
            })
            .collect();
        let count = tasks.len() as u64 * 1_000_000;
        let mut each = Duration::ZERO;
        for task in tasks {
            each = each.max(task.await.unwrap());
        }
        let after = gate.stats();
        println!(
            "answers from memory, {} task(s)  {:.0} a second, {:.1} % hits, {:.1?} in all",
            count / 1_000_000,
            rate(count, each),
            100.0 * (after.hits - before.hits) as f64 / count as f64,
            begun.elapsed()
        );
    }
}

/// Answers from memory with the last use noted, of keys used from one address and of keys used by turns from two.
async fn note_uses(gate: &Gate, users: u64) {
    for (words, addresses) in [("with its use noted", 1), ("used from two addresses", 2)] {
        note_uses_from(gate, users, words, addresses).await;
    }
}

/// Against the same without, by turns and in this thread's time on the processor: whoever else is at work on the machine
/// counts for neither.
async fn note_uses_from(gate: &Gate, users: u64, words: &str, addresses: u8) {
    let keys: Vec<_> = (0..KEYS_IN_USE)
        .map(|at| presented(at.wrapping_mul(0x9e37_79b9_7f4a_7c15) % users))
        .collect();
    let (mut with, mut without, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for turn in 0..=TURNS {
        // Each goes first as often as the other.
        let (noted, bare) = if turn % 2 == 0 {
            let noted = in_use(gate, &keys, addresses).await;
            (noted, asked_about(gate, &keys).await)
        } else {
            let bare = asked_about(gate, &keys).await;
            (in_use(gate, &keys, addresses).await, bare)
        };
        // The first turn fetches what the others find at hand.
        if turn > 0 {
            with.push(noted);
            without.push(bare);
            ratios.push(noted.as_secs_f64() / bare.as_secs_f64());
        }
    }
    ratios.sort_unstable_by(f64::total_cmp);
    let each = |times| median(times).as_nanos() / u128::from(ROUNDS * KEYS_IN_USE);
    let (with, without) = (each(with), each(without));
    println!(
        "{:31} {with} ns, without {without} ns",
        format!("a known key {words}")
    );
    println!(
        "with / without                  {:.3}, {:.3} to {:.3} in half of the turns (must be at most 1.03)",
        ratios[TURNS / 2],
        ratios[TURNS / 4],
        ratios[TURNS * 3 / 4]
    );
}

async fn in_use(gate: &Gate, keys: &[Presented], addresses: u8) -> Duration {
    let all = (0..addresses).map(|last| IpAddr::from([10, 2, 0, 7 + last]));
    let all: Vec<IpAddr> = all.collect();
    let begun = busy();
    for (_, &address) in (0..ROUNDS).zip(all.iter().cycle()) {
        for key in keys {
            gate.admit(key, address).await.unwrap();
        }
    }
    busy().saturating_sub(begun)
}

async fn asked_about(gate: &Gate, keys: &[Presented]) -> Duration {
    let begun = busy();
    for _ in 0..ROUNDS {
        for key in keys {
            gate.verify(key).await.unwrap();
        }
    }
    busy().saturating_sub(begun)
}

/// The time that this thread has been on a processor.
fn busy() -> Duration {
    Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap())
}

/// The time from the acknowledgement of a change to the first refusal, as one sees who asks all the time.
async fn revoke(gate: &Gate, client: &Client) {
    let delete = client
        .prepare("DELETE FROM authtoken_token WHERE key = $1")
        .await
        .unwrap();
    let mut times = Vec::new();
    for number in 0..REVOCATIONS {
        let presented = presented(number);
        gate.verify(&presented).await.unwrap();
        client.execute(&delete, &[&key(number)]).await.unwrap();
        let begun = Instant::now();
        while gate.verify(&presented).await.is_ok() {
            tokio::task::yield_now().await;
        }
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    println!(
        "revoked to refused              p50 {:.2?}, p99 {:.2?} (must be under 5 ms), the longest {:.2?}",
        times[times.len() / 2],
        times[times.len() * 99 / 100],
        times[times.len() - 1]
    );
}

async fn client(lease: &Lease) -> Client {
    let (client, connection) = tokio_postgres::connect(lease.url("bench").expose(), NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    client
}

async fn make_users(client: &Client, users: u64) {
    let insert = format!(
        "INSERT INTO auth_user (username, email, first_name, last_name, password, is_superuser, is_staff, is_active, \
                                date_joined) \
         SELECT 'user' || i, 'user' || i || '@example.com', 'First', 'Last', '!', false, false, true, now() \
           FROM generate_series(1, {users}) AS i; \
         INSERT INTO authtoken_token SELECT lpad(to_hex(id - 1), 40, '0'), now(), id FROM auth_user"
    );
    client.batch_execute(&insert).await.unwrap();
    for table in ["auth_user", "authtoken_token"] {
        let vacuum = format!("VACUUM ANALYZE {table}");
        client.batch_execute(&vacuum).await.unwrap();
    }
    client.batch_execute("CHECKPOINT").await.unwrap();
}

/// Bytes of this process in memory (proc(5), `statm`), in pages of 4 kB.
fn resident() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4_096
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn rate(count: u64, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}
