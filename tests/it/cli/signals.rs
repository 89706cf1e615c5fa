//! Long work that is told to stop: it finishes the transaction it is in, says how far it came, and ends with the code of
//! the signal.

use std::process::Child;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::place::{self, Place};
use crate::support::program::{Program, Ran};

/// Longer than anything here takes on a slow machine.
const DEADLINE: Duration = Duration::from_mins(1);

/// Three users with a token each.
async fn with_three(place: &Place) {
    place
        .sql(
            "INSERT INTO auth_user (username, password, first_name, last_name, email, is_superuser, is_staff, \
             is_active, date_joined) SELECT 'u' || n, '!', '', '', '', false, false, true, now() \
             FROM generate_series(1, 3) n; \
             INSERT INTO authtoken_token (key, created, user_id) SELECT 'key' || username, now(), id FROM auth_user",
        )
        .await;
}

async fn wait_for(place: &Place, question: &str) {
    let begun = Instant::now();
    while !place.one::<bool>(question).await {
        assert!(begun.elapsed() < DEADLINE, "waited in vain for {question}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn tell(child: &Child, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
}

#[tokio::test]
async fn a_signal_lets_the_row_finish_and_names_what_was_not_reached() {
    tokio::join!(
        stopped_in_the_second_row(Signal::SIGINT, 130),
        stopped_in_the_second_row(Signal::SIGTERM, 143),
        stopped_in_the_second_row(Signal::SIGHUP, 129),
    );
}

async fn stopped_in_the_second_row(signal: Signal, code: i32) {
    let place = place::fresh().await;
    with_three(&place).await;
    let holder = place.client().await;
    holder
        .batch_execute(
            "BEGIN; SELECT FROM authtoken_token t JOIN auth_user u ON u.id = t.user_id \
                 WHERE username = 'u2' FOR UPDATE OF t",
        )
        .await
        .unwrap();
    let program = Program::on(&place);
    let words = [
        "token", "revoke", "u1", "u2", "u3", "--yes", "--report", "r.jsonl",
    ];
    let child = program.command(&words).spawn().unwrap();
    // It has revoked the first and waits for the second.
    wait_for(
        &place,
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() \
             AND application_name = 'tokenward' AND wait_event_type = 'Lock')",
    )
    .await;
    tell(&child, signal);
    // The signal must be heard while the row is still held; nothing outside shows when, and a second is plenty.
    tokio::time::sleep(Duration::from_secs(1)).await;
    holder.batch_execute("ROLLBACK").await.unwrap();
    let ran: Ran = child.wait_with_output().unwrap().into();
    assert_eq!(ran.code, Some(code), "{}", ran.err);
    assert_eq!(ran.out, "revoked  u1  ke…\nrevoked  u2  ke…\n");
    let left: String = place
        .one("SELECT string_agg(key, ' ') FROM authtoken_token")
        .await;
    assert_eq!(left, "keyu3");
    let report = std::fs::read_to_string(program.path("r.jsonl")).unwrap();
    let last = report.lines().last().unwrap();
    assert!(
        last.contains("\"u3\"") && last.contains("not reached"),
        "{report}"
    );
    assert_eq!(program.audit().len(), 2, "each done row is written down");
}

#[tokio::test]
async fn a_signal_ends_a_wait_for_a_server_that_says_nothing() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let url = format!("postgres://app@127.0.0.1:{port}/site?connect_timeout=60");
    let program = Program::new().with("DATABASE_URL", &url);
    let child = program.command(&["token", "list"]).spawn().unwrap();
    let _held = silent.accept().unwrap();
    let begun = Instant::now();
    tell(&child, Signal::SIGTERM);
    let ran: Ran = child.wait_with_output().unwrap().into();
    assert_eq!((ran.code, ran.out.as_str()), (Some(143), ""));
    assert!(begun.elapsed() < DEADLINE / 2, "it did not wait it out");
}
