//! A key that was replaced with a grace: the listener takes it until then, and not a moment longer than its user may.

use tokenward::domain::moment::Moment;
use tokenward::domain::user::Username;
use tokenward::http::Metrics;
use tokenward::ops::{Aim, Error, Mode, Ops};

use super::answers::{KEY, ask, serve, site, token};
use super::*;
use crate::support::place::Place;
use crate::support::program::Program;

const HOUR: Duration = Duration::from_hours(1);

async fn alice(ops: &Ops) -> Aim {
    ops.aim(&Username::new("alice").unwrap()).await.unwrap()
}

/// Replaces alice's key with a grace; gives the new one.
async fn replace(ops: &Ops, grace: Duration) -> String {
    let until = ops.grace_end(grace).await.unwrap();
    let aim = alice(ops).await;
    let issued = ops.with_grace(until).regenerate(&aim, Mode::Apply).await;
    issued.unwrap().key.expose().clone()
}

async fn status(listener: &Listener, key: &str) -> u16 {
    ask(listener, "GET /auth", &token(key), "").await.status
}

/// Waits until the key is refused, as long as a revoked one may be answered at most.
async fn until_refused(listener: &Listener, what: &str) {
    let begun = Instant::now();
    while status(listener, KEY).await == 200 {
        assert!(begun.elapsed() < Duration::from_secs(1), "after {what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_key_is_taken_and_marked_until_its_grace_ends_by_itself() {
    let place = site(4).await;
    let listener = serve(&place, (2, 100), None).await;
    let ops = place.ops().await;
    assert_eq!(status(&listener, KEY).await, 200);
    // Longer than this test takes to look; ended below by the database's own clock.
    let new = replace(&ops, HOUR).await;
    let begun = Instant::now();
    while !listener.feed().take().lines.iter().any(|line| {
        let reason = line.reason.as_deref();
        reason.is_some_and(|reason| reason.starts_with("grace: until 20"))
    }) {
        assert_eq!(status(&listener, KEY).await, 200);
        assert!(begun.elapsed() < DEADLINE, "its grace is never marked");
    }
    for line in ["GET /auth", "GET /api/example/"] {
        for key in [KEY, &new] {
            let answer = ask(&listener, line, &token(key), "").await;
            assert_eq!(answer.status, 200, "{line}");
        }
    }
    let lines = listener.feed().take().lines;
    let marks: Vec<bool> = lines.iter().map(|line| line.reason.is_some()).collect();
    assert_eq!(marks, [true, false, true, false]);
    let users = lines.iter().filter_map(|line| line.user.as_deref());
    assert_eq!(users.collect::<Vec<_>>(), ["alice"; 4]);
    let metrics = Metrics::new(listener.stats(), Health::told(Pulse::Up));
    let written = metrics.write().unwrap();
    assert!(!written.contains("tokenward_grace_total 0\n"), "{written}");
    // The console shows it beside the new one.
    assert!(ops.takes_grace());
    let detail = ops.user_detail(alice(&ops).await.id).await.unwrap();
    let [(start, until)] = detail.graces.as_slice() else {
        panic!("{:?}", detail.graces);
    };
    assert_eq!(start.as_str(), &KEY[..8]);
    assert!(*until > Moment::now());
    // Django sees the new key only.
    let stored: String = place.one("SELECT key::text FROM authtoken_token").await;
    assert_eq!(stored, new);
    // A key that nobody ever had is none, and the grace is one of this key alone.
    assert_eq!(status(&listener, &KEY.replace('9', "8")).await, 401);

    place
        .sql("UPDATE tokenward.retired_key SET grace_until = clock_timestamp() + interval '1.5 s'")
        .await;
    let end = Instant::now();
    while status(&listener, KEY).await == 200 {
        assert!(end.elapsed() < DEADLINE, "its grace never ends");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let ended: bool = place
        .one("SELECT clock_timestamp() >= grace_until FROM tokenward.retired_key")
        .await;
    assert!(ended, "it was refused before its end");
    assert_eq!(status(&listener, &new).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_ends_its_users_access_ends_the_grace() {
    type Deed = (&'static str, fn(&Place) -> String);
    let by_sql: [Deed; 4] = [
        ("a key deleted by psql", |_| {
            "DELETE FROM authtoken_token".to_owned()
        }),
        ("a key replaced by psql", |_| {
            "UPDATE authtoken_token SET key = 'by-hand'".to_owned()
        }),
        ("a user switched off and on by psql", |_| {
            "UPDATE auth_user SET is_active = false; UPDATE auth_user SET is_active = true"
                .to_owned()
        }),
        ("a hand on our own table", |_| {
            "DELETE FROM tokenward.retired_key".to_owned()
        }),
    ];
    for (what, sql) in by_sql {
        let place = site(4).await;
        let listener = serve(&place, (2, 100), None).await;
        replace(&place.ops().await, HOUR).await;
        assert_eq!(status(&listener, KEY).await, 200, "before {what}");
        place.sql(&sql(&place)).await;
        until_refused(&listener, what).await;
    }
    for what in ["revoke", "regenerate", "for a leak"] {
        let place = site(4).await;
        let listener = serve(&place, (2, 100), None).await;
        let ops = place.ops().await;
        replace(&ops, HOUR).await;
        assert_eq!(status(&listener, KEY).await, 200, "before {what}");
        let aim = alice(&ops).await;
        match what {
            "revoke" => drop(ops.revoke(&aim, Mode::Apply).await.unwrap()),
            "regenerate" => drop(ops.regenerate(&aim, Mode::Apply).await.unwrap()),
            _ => {
                let until = ops.grace_end(HOUR).await.unwrap();
                let ops = ops.for_leak(7).with_grace(until);
                drop(ops.regenerate(&aim, Mode::Apply).await.unwrap());
            }
        }
        until_refused(&listener, what).await;
        let graces: i64 = place
            .one("SELECT count(*) FROM tokenward.retired_key WHERE grace_until IS NOT NULL")
            .await;
        assert_eq!(graces, 0, "after {what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_grace_leaves_the_first_one_and_told_is_no_end() {
    let place = site(4).await;
    let listener = serve(&place, (2, 100), None).await;
    let ops = place.ops().await;
    let second = replace(&ops, HOUR).await;
    let third = replace(&ops, HOUR).await;
    place
        .sql("UPDATE tokenward.retired_key SET told = now(), told_by = 'carol'")
        .await;
    for key in [KEY, &second, &third] {
        assert_eq!(status(&listener, key).await, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_our_schema_it_is_refused_and_nothing_is_changed() {
    let place = site(4).await;
    let program = Program::on(&place);
    let said = program.run(&["token", "regenerate", "alice", "--grace", "24h"]);
    let said = format!("{said:?}");
    assert!(said.contains("Regenerated token"), "{said}");
    assert!(
        said.contains("`tokenward serve` takes the old key until 20")
            && said.contains("Django does not any more"),
        "{said}"
    );
    let kept: String = place.one("SELECT key::text FROM authtoken_token").await;
    for (time, why) in [
        ("60d", "between a second and 30 days"),
        ("0h", "between a second"),
    ] {
        let said = program
            .run(&["token", "regenerate", "alice", "--grace", time])
            .fails(2);
        assert!(said.contains(why), "{said}");
    }
    program.run(&["migrate", "--undo", "--yes"]).ok();
    let said = program
        .run(&["token", "regenerate", "alice", "--grace", "24h"])
        .fails(2);
    assert!(said.contains("tokenward migrate"), "{said}");
    let still: String = place.one("SELECT key::text FROM authtoken_token").await;
    assert_eq!(still, kept);
    let ops = place.ops().await;
    assert!(!ops.takes_grace());
    let error = ops.grace_end(HOUR).await.unwrap_err();
    assert!(matches!(error, Error::Invalid(_)), "{error:?}");
    // The listener lives without, and finds our schema when it comes.
    let listener = serve(&place, (2, 100), None).await;
    assert_eq!(status(&listener, &kept).await, 200);
    program.run(&["migrate", "--yes"]).ok();
    replace(&place.ops().await, HOUR).await;
    let begun = Instant::now();
    while status(&listener, &kept).await != 200 {
        assert!(begun.elapsed() < DEADLINE, "its grace is never found");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_nobody_can_tell_of_a_grace_no_key_is_called_invalid_and_good_ones_are_taken() {
    let place = site(4).await;
    let listener = serve(&place, (2, 100), None).await;
    let new = replace(&place.ops().await, HOUR).await;
    for _ in 0..4 {
        assert_eq!(status(&listener, "unknown").await, 401);
    }
    let blocker = place.client().await;
    blocker
        .batch_execute("BEGIN; LOCK TABLE tokenward.retired_key IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    assert_eq!(status(&listener, &new).await, 200);
    assert_eq!(status(&listener, KEY).await, 503);
    blocker.batch_execute("COMMIT").await.unwrap();
    let begun = Instant::now();
    while status(&listener, KEY).await != 200 {
        assert!(begun.elapsed() < DEADLINE, "it does not come back");
    }
}
