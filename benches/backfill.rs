//! How long a backfill takes, against the least that Postgres itself needs for the same rows, and against the loop that
//! REST framework's documentation shows. All on one private server, in one run:
//!
//! ```text
//! cargo bench --bench backfill                                   1,000,000 users
//! TOKENWARD_BENCH_USERS=100000 cargo bench --bench backfill
//! TOKENWARD_BENCH_PYTHON=venv/bin/python cargo bench --bench backfill   with the loop, in a Python that has Django,
//!                                                                as tests/django/requirements.txt names it
//! ```
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench is there to print, and one that cannot go on shall say so and stop"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::{Duration, Instant};

use tokenward::db::compat::UserTable;
use tokenward::db::connect::{Connector, Settings};
use tokenward::db::conninfo::{Environment, Target};
use tokenward::db::migrate::Migrator;
use tokenward::db::private::{self, Home, Lease};
use tokenward::db::{Db, Pool};
use tokenward::domain::audit::Actor;
use tokenward::domain::token::KeyFormat;
use tokenward::ops::{AuditLog, BackfillPlan, Mode, Ops, PlaceInfo, control};
use tokio_postgres::{Client, NoTls};

/// An odd number, so that one of the figures is the median.
const ROUNDS: usize = 3;

/// The loop is so slow that fewer users must do; its rate hardly depends on their number.
const LOOP_USERS: u64 = 20_000;

/// One statement, and keys like REST framework's: 40 hex digits of at least 160 random bits.
const PURE_SQL: &str = "
INSERT INTO authtoken_token (key, created, user_id)
SELECT left(encode(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 'hex'), 40), now(), u.id
  FROM auth_user u LEFT JOIN authtoken_token t ON t.user_id = u.id
 WHERE u.is_active AND t.key IS NULL";

/// What REST framework's documentation says, "Generating Tokens", but that it tells the time.
const LOOP: &str = "
import time, django
django.setup()
from django.contrib.auth.models import User
from rest_framework.authtoken.models import Token
users = User.objects.order_by('id')[:int(__import__('sys').argv[1])]
begun = time.monotonic()
for user in users:
    Token.objects.get_or_create(user=user)
print(time.monotonic() - begun)
";

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
    let pool = pool(&lease);
    let migrator = Migrator::new(pool.get().await.unwrap(), UserTable::default());
    migrator.apply().await.unwrap();
    let client = client(&lease).await;
    eprintln!("making {users} users");
    make_users(&client, users).await;
    let db = Db::open(pool, &UserTable::default()).await.unwrap();
    let actor = Actor {
        os_user: "bench".to_owned(),
        host: "here".to_owned(),
        operator: None,
    };
    let audit = AuditLog::at(folder.path().join("audit.jsonl"));
    let ops = Ops::new(db, PlaceInfo::default(), actor, audit, KeyFormat::Drf);

    let (mut ours, mut pure) = (Vec::new(), Vec::new());
    // One of each that does not count, then in turns, so that what the machine does besides meets both alike.
    for round in 0..=ROUNDS {
        let took = (
            backfill(&client, &ops, users).await,
            sql(&client, users).await,
        );
        eprintln!("round {round}: backfill {:.2?}, SQL {:.2?}", took.0, took.1);
        if round > 0 {
            ours.push(took.0);
            pure.push(took.1);
        }
    }
    let (ours, pure) = (median(ours), median(pure));
    println!("users                          {users}");
    println!(
        "backfill, median of {ROUNDS}          {:.2} s",
        ours.as_secs_f64()
    );
    println!(
        "one INSERT SELECT, median of {ROUNDS} {:.2} s",
        pure.as_secs_f64()
    );
    println!(
        "backfill / INSERT SELECT       {:.2} (must be at most 1.2)",
        ours.as_secs_f64() / pure.as_secs_f64()
    );
    match std::env::var_os("TOKENWARD_BENCH_PYTHON") {
        Some(python) => {
            let few = LOOP_USERS.min(users);
            empty(&client).await;
            let seconds = documented_loop(&python, &lease, few);
            assert_eq!(tokens(&client).await, few);
            let (theirs, ours) = (rate(few, seconds), rate(users, ours.as_secs_f64()));
            println!("get_or_create, {few} users    {theirs:.0} a second");
            println!("backfill                       {ours:.0} a second");
            println!(
                "backfill / get_or_create       {:.0} (must be at least 50)",
                ours / theirs
            );
        }
        None => println!(
            "get_or_create                  not measured: TOKENWARD_BENCH_PYTHON names no Python with Django"
        ),
    }
    drop((ops, client));
    lease.leave().await.unwrap();
    private::remove(&home).await.unwrap();
}

fn pool(lease: &Lease) -> Pool {
    let bare = Environment::new(None, None);
    let target = Target::resolve(&lease.url("bench"), &bare).unwrap();
    Pool::new(Connector::new(target, Settings::default()))
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
           FROM generate_series(1, {users}) AS i"
    );
    client.batch_execute(&insert).await.unwrap();
    client
        .batch_execute("VACUUM ANALYZE auth_user")
        .await
        .unwrap();
}

/// The same start for all: no token, and nothing left to write from before.
async fn empty(client: &Client) {
    client
        .batch_execute("TRUNCATE authtoken_token")
        .await
        .unwrap();
    client.batch_execute("CHECKPOINT").await.unwrap();
}

async fn tokens(client: &Client) -> u64 {
    let row = client
        .query_one("SELECT count(*) FROM authtoken_token", &[])
        .await
        .unwrap();
    row.get::<_, i64>(0).unsigned_abs()
}

/// The whole operation as a person gets it: counting, batches, audit.
async fn backfill(client: &Client, ops: &Ops, users: u64) -> Duration {
    empty(client).await;
    let (control, _handle) = control();
    let begun = Instant::now();
    let report = ops
        .backfill(&BackfillPlan::default(), Mode::Apply, control)
        .await
        .unwrap();
    let took = begun.elapsed();
    assert_eq!((report.done, tokens(client).await), (users, users));
    took
}

async fn sql(client: &Client, users: u64) -> Duration {
    empty(client).await;
    let begun = Instant::now();
    client.batch_execute(PURE_SQL).await.unwrap();
    let took = begun.elapsed();
    assert_eq!(tokens(client).await, users);
    took
}

/// The seconds that the loop took in Python, without Python's own start.
fn documented_loop(python: &std::ffi::OsStr, lease: &Lease, users: u64) -> f64 {
    let output = Command::new(python)
        .args(["-c", LOOP, &users.to_string()])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/django"))
        .env("DJANGO_SETTINGS_MODULE", "project.settings")
        .env("DATABASE_URL", lease.url("bench").expose())
        .output()
        .expect("the Python of TOKENWARD_BENCH_PYTHON");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    String::from_utf8_lossy(&output.stdout)
        .trim()
        .parse()
        .unwrap()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a rate has no use for the 53rd bit"
)]
fn rate(users: u64, seconds: f64) -> f64 {
    users as f64 / seconds
}
