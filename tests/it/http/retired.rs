//! Who still calls with a key that is none any more: named in the log, whoever retired it, and in nobody's way.

use std::collections::HashMap;

use tokenward::domain::token::DrfKey;
use tokenward::http::Metrics;
use tokenward::http::feed::Line;
use tokenward::ops::gate::{Gate, GateSettings, Sure};

use super::answers::{KEY, ask, serve, site, token};
use super::*;

const NEW: &str = "0123456789abcdef0123456789abcdef01234567";

/// Calls with `key` until the log says whose it was, for the first refusals may go out before the database has told.
async fn named(listener: &Listener, key: &str) -> Line {
    let begun = Instant::now();
    loop {
        let answer = ask(listener, "GET /auth", &token(key), "").await;
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (401, r#"{"detail":"Invalid token."}"#)
        );
        let line = listener.feed().take().lines.pop().unwrap();
        if line
            .reason
            .as_deref()
            .is_some_and(|reason| reason.starts_with("retired: "))
        {
            return line;
        }
        assert!(begun.elapsed() < DEADLINE, "nobody is named: {line:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_replaced_by_psql_is_refused_and_its_owner_named_and_counted() {
    let place = site(4).await;
    let listener = serve(&place, (2, 100), None).await;
    assert_eq!(
        ask(&listener, "GET /auth", &token(KEY), "").await.status,
        200
    );
    place
        .sql(&format!("UPDATE authtoken_token SET key = '{NEW}'"))
        .await;
    until_refused(&listener).await;
    let first = named(&listener, KEY).await;
    assert_eq!(first.reason.as_deref(), Some("retired: alice"));
    let counted = first.retired_calls.unwrap();
    for nth in 1..=3 {
        for line in ["GET /auth", "GET /api/example/"] {
            let answer = ask(&listener, line, &token(KEY), "").await;
            assert_eq!(answer.status, 401);
        }
        let lines = listener.feed().take().lines;
        let calls: Vec<_> = lines.iter().map(|line| line.retired_calls).collect();
        assert_eq!(
            calls,
            [Some(counted + 2 * nth - 1), Some(counted + 2 * nth)]
        );
        assert_eq!(lines[1].reason.as_deref(), Some("retired: alice"));
    }
    assert_eq!(
        ask(&listener, "GET /auth", &token(NEW), "").await.status,
        200
    );
    let metrics = Metrics::new(listener.stats(), Health::told(Pulse::Up));
    let written = metrics.write().unwrap();
    let count = format!("\ntokenward_retired_total {}\n", counted + 6);
    assert!(written.contains(&count), "{written}");
    assert!(
        written.contains("# TYPE tokenward_retired_total counter\n"),
        "{written}"
    );
    assert!(!written.contains("alice"), "{written}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_caller_after_a_start_is_named_at_once() {
    let place = site(4).await;
    place.sql("DELETE FROM authtoken_token").await;
    let listener = serve(&place, (2, 100), None).await;
    let answer = ask(&listener, "GET /auth", &token(KEY), "").await;
    assert_eq!(answer.status, 401);
    let line = listener.feed().take().lines.pop().unwrap();
    assert_eq!(line.reason.as_deref(), Some("retired: alice"));
    assert_eq!(line.retired_calls, Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn that_a_key_has_no_name_is_forgotten_when_a_change_is_heard() {
    let place = site(4).await;
    let gate = Gate::open(&place.ops().await, GateSettings::default());
    let begun = Instant::now();
    while gate.sure() != Sure::Sure {
        assert!(begun.elapsed() < DEADLINE, "{:?}", gate.sure());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // It lives, and so nobody is to be named; asked of a gate this never happens, but the note is the same.
    assert_eq!(gate.retired(&DrfKey::from(KEY)).await, None);
    place.sql("DELETE FROM authtoken_token").await;
    let begun = Instant::now();
    while gate.retired(&DrfKey::from(KEY)).await.as_deref() != Some("alice") {
        // Long before the note would have been forgotten by itself.
        assert!(
            begun.elapsed() < Duration::from_secs(3),
            "the note outlives the change"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn until_refused(listener: &Listener) {
    let begun = Instant::now();
    while ask(listener, "GET /auth", &token(KEY), "").await.status == 200 {
        assert!(begun.elapsed() < Duration::from_secs(1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_never_was_one_has_no_name() {
    let place = site(4).await;
    let listener = serve(&place, (2, 100), None).await;
    let answer = ask(&listener, "GET /auth", &token(NEW), "").await;
    assert_eq!(answer.status, 401);
    let line = listener.feed().take().lines.pop().unwrap();
    assert_eq!(line.reason.as_deref(), Some("no such key: 01234567…"));
    assert_eq!(line.retired_calls, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_does_not_tell_holds_no_refusal_up() {
    let place = site(4).await;
    let listener = serve(&place, (2, 100), None).await;
    place.sql("DELETE FROM authtoken_token").await;
    // Both connections that look keys up know by now what they need to know of our schema.
    for _ in 0..4 {
        assert_eq!(
            ask(&listener, "GET /auth", &token(NEW), "").await.status,
            401
        );
    }
    let _ = listener.feed().take();
    let blocker = place.client().await;
    blocker
        .batch_execute("BEGIN; LOCK TABLE tokenward.installation IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    let begun = Instant::now();
    for _ in 0..10 {
        let answer = ask(&listener, "GET /auth", &token(KEY), "").await;
        assert_eq!(answer.status, 401);
    }
    // Ten waits for a name, at most; whoever waits for the lock waits for as long as the server lets him.
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "{:?}",
        begun.elapsed()
    );
    let lines = listener.feed().take().lines;
    let reason = |line: &Line| line.reason.as_deref() == Some("no such key: 9944b091…");
    assert!(lines.iter().all(reason), "{lines:?}");
    blocker.batch_execute("COMMIT").await.unwrap();
    assert_eq!(named(&listener, KEY).await.retired_calls, Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_unknown_keys_is_no_flood_of_questions() {
    let place = site(4).await;
    place.sql("DELETE FROM authtoken_token").await;
    let gate = Gate::open(&place.ops().await, GateSettings::default());
    let key = |number: u32| DrfKey::from(format!("{number:040x}").as_str());
    // The same key again and again, and as many others at the same time.
    let begun = Instant::now();
    let asking = (0..4_000).map(|number| {
        let (gate, key) = (gate.clone(), key(if number % 2 == 0 { 0 } else { number }));
        tokio::spawn(async move { gate.retired(&key).await })
    });
    for name in futures_util::future::join_all(asking).await {
        assert_eq!(name.unwrap(), None);
    }
    let questions = gate.stats().name_questions;
    let most = 1 + begun.elapsed().as_millis() / 20;
    assert!(
        (1..=most).contains(&u128::from(questions)),
        "{questions} questions in {:?}",
        begun.elapsed()
    );
    // What is known to have no name is not asked for again.
    let before = gate.stats().name_questions;
    let begun = Instant::now();
    for _ in 0..1_000 {
        gate.retired(&key(0)).await;
    }
    if begun.elapsed() < Duration::from_secs(4) {
        let asked = gate.stats().name_questions - before;
        assert!(asked <= 1, "{asked} questions");
    }
    let name = async || gate.retired(&DrfKey::from(KEY)).await;
    let begun = Instant::now();
    while name().await.as_deref() != Some("alice") {
        assert!(begun.elapsed() < DEADLINE, "the flood drowned the name");
    }
    for address in ["10.0.0.1", "10.0.0.2", "10.0.0.1"] {
        let _ = gate.note_caller(&name().await.unwrap(), address.parse().unwrap());
    }
    let callers = gate.callers();
    let counts: HashMap<String, u64> = callers
        .iter()
        .map(|caller| {
            (
                format!("{} {}", caller.username, caller.address),
                caller.times,
            )
        })
        .collect();
    assert_eq!(counts.len(), 2);
    assert_eq!(counts["alice 10.0.0.1"], 2);
}
