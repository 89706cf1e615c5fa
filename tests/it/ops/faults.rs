//! Locks, limits, cancels and a server that goes away.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokenward::db::Db;
use tokenward::db::compat::UserTable;
use tokenward::db::connect::Settings;
use tokenward::db::migrate::Migrator;
use tokenward::db::private::{self, Home, ensure_database};
use tokenward::domain::secret::Secret;
use tokenward::domain::token::KeyFormat;
use tokenward::domain::user::UserId;
use tokenward::ops::{
    Aim, AuditLog, BackfillPlan, Change, Error, Mode, Ops, PlaceInfo, UsersQuery, control,
};
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;

use super::{SOMEBODY_WAITS, aim, cut_who_waits, tokens_where, wait_until, with_users};
use crate::support::folder;
use crate::support::place::{Place, actor, pool};

async fn impatient(place: &Place) -> Ops {
    let settings = Settings {
        lock_timeout: Duration::from_millis(200),
        ..Settings::default()
    };
    place
        .open(&place.url(), settings, &UserTable::default())
        .await
        .unwrap()
}

/// Somebody at psql in the middle of something, and the words that name him.
async fn somebody(place: &Place, doing: &str) -> (Client, String) {
    let client = place.client().await;
    client
        .batch_execute(&format!(
            "SET application_name = 'psql of ann'; BEGIN; {doing}"
        ))
        .await
        .unwrap();
    let row = client
        .query_one("SELECT pg_backend_pid(), current_user::text", &[])
        .await
        .unwrap();
    let (pid, role): (i32, String) = (row.get(0), row.get(1));
    (
        client,
        format!("pid {pid}, user {role}, application psql of ann"),
    )
}

fn names(error: &Error, who: &str) {
    assert!(
        matches!(error, Error::Unavailable(said)
            if said.starts_with("somebody else holds a lock on the table or the row") && said.contains(who)),
        "{error:?}, not {who}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_table_is_waited_for_in_bounds_and_its_holder_named() {
    let place = with_users(2).await;
    place.sql(&tokens_where("id = 1")).await;
    let ops = impatient(&place).await;
    let (with, without) = (aim(&ops, "user1").await, aim(&ops, "user2").await);
    let (holder, who) = somebody(&place, "LOCK TABLE authtoken_token IN EXCLUSIVE MODE").await;
    let begun = Instant::now();
    names(
        &ops.generate(&without, Mode::Apply).await.unwrap_err(),
        &who,
    );
    names(&ops.regenerate(&with, Mode::Apply).await.unwrap_err(), &who);
    names(&ops.revoke(&with, Mode::Apply).await.unwrap_err(), &who);
    let (control, _handle) = control();
    let error = ops
        .backfill(&BackfillPlan::default(), Mode::Apply, control)
        .await
        .unwrap_err();
    names(&error, &who);
    assert!(error.to_string().contains("on authtoken_token"), "{error}");
    assert!(
        begun.elapsed() < Duration::from_secs(30),
        "{:?}",
        begun.elapsed()
    );
    // Reading is not in that lock's way.
    assert_eq!(ops.page_users(&query()).await.unwrap().rows.len(), 2);

    holder.batch_execute("LOCK TABLE auth_user").await.unwrap();
    names(&ops.page_users(&query()).await.unwrap_err(), &who);
    names(
        &ops.set_active(&with, false, Mode::Apply).await.unwrap_err(),
        &who,
    );
    holder.batch_execute("ROLLBACK").await.unwrap();
    ops.generate(&without, Mode::Apply).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_holder_of_a_row_is_named_and_not_another_who_waits() {
    let place = with_users(2).await;
    place.sql(&tokens_where("true")).await;
    let ops = impatient(&place).await;
    let user = aim(&ops, "user1").await;
    let (_holder, who) = somebody(
        &place,
        "UPDATE authtoken_token SET key = 'x' WHERE user_id = 1",
    )
    .await;
    let waiter = place.client().await;
    let waits = tokio::spawn(async move {
        waiter
            .batch_execute("UPDATE authtoken_token SET key = 'y' WHERE user_id = 1")
            .await
    });
    wait_until(&place, SOMEBODY_WAITS).await;
    names(&ops.regenerate(&user, Mode::Apply).await.unwrap_err(), &who);
    names(&ops.revoke(&user, Mode::Apply).await.unwrap_err(), &who);
    waits.abort();
}

/// The foreign key is looked at only when the change is committed, and waits there.
#[tokio::test(flavor = "multi_thread")]
async fn a_lock_met_at_the_commit_is_no_broken_connection() {
    let place = with_users(1).await;
    let ops = impatient(&place).await;
    let user = aim(&ops, "user1").await;
    let (_holder, who) = somebody(&place, "SELECT * FROM auth_user FOR UPDATE").await;
    names(&ops.generate(&user, Mode::Apply).await.unwrap_err(), &who);
    assert_eq!(
        place
            .one::<i64>("SELECT count(*) FROM authtoken_token")
            .await,
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_at_the_commit_leaves_a_doubt_and_says_so() {
    let place = with_users(1).await;
    let ops = place.ops().await;
    let user = aim(&ops, "user1").await;
    let (_holder, _) = somebody(&place, "SELECT * FROM auth_user FOR UPDATE").await;
    let change = tokio::spawn(async move { ops.generate(&user, Mode::Apply).await });
    wait_until(&place, SOMEBODY_WAITS).await;
    cut_who_waits(&place).await;
    let error = change.await.unwrap().unwrap_err();
    assert!(
        matches!(&error, Error::Unavailable(said)
            if said.contains("whether it was made is not known; look at the user again")),
        "{error:?}"
    );
    assert_eq!(super::audit_lines(&place).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_over_its_limit_was_not_cancelled_by_anybody() {
    let place = with_users(1).await;
    let settings = Settings {
        statement_timeout: Duration::from_millis(200),
        ..Settings::default()
    };
    let ops = place
        .open(&place.url(), settings, &UserTable::default())
        .await
        .unwrap();
    let (_holder, _) = somebody(&place, "LOCK TABLE auth_user").await;
    let error = ops.page_users(&query()).await.unwrap_err();
    assert!(
        matches!(&error, Error::Unavailable(said) if said.starts_with("the database took too long")),
        "{error:?}"
    );
}

fn query() -> UsersQuery {
    UsersQuery {
        limit: 10,
        ..UsersQuery::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_question_ends_on_the_server_too() {
    let place = with_users(1).await;
    let ops = place.ops().await;
    let (_holder, _) = somebody(&place, "LOCK TABLE auth_user").await;
    let cancel = CancellationToken::new();
    let asked = ops.cancellable(cancel.clone());
    let question = tokio::spawn(async move {
        let page = asked.page_users(&query()).await;
        (page, asked)
    });
    wait_until(&place, SOMEBODY_WAITS).await;
    cancel.cancel();
    let (page, asked) = question.await.unwrap();
    assert_eq!(page.unwrap_err(), Error::Cancelled);
    // Its lock would make it wait for 5 s more. The server says that it ended a moment before it calls itself idle.
    assert!(!place.one::<bool>(SOMEBODY_WAITS).await);
    let idle = "SELECT count(*) = 0 FROM pg_stat_activity \
                 WHERE datname = current_database() AND application_name = 'tokenward' AND state <> 'idle'";
    wait_until(&place, idle).await;
    // What is asked after that does not even begin.
    assert_eq!(asked.counts().await.unwrap_err(), Error::Cancelled);
    assert!(place.one::<bool>(idle).await);
    // The handle that was not cancelled still serves.
    ops.ping().await.unwrap();
}

/// At every instant of a question's life a cancel leaves the server idle, also before the question got there.
#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_that_overtakes_its_question_is_made_again() {
    let place = with_users(1).await;
    let ops = place.ops().await;
    let (_holder, _) = somebody(&place, "LOCK TABLE auth_user").await;
    for step in 0..40 {
        let cancel = CancellationToken::new();
        let asked = ops.cancellable(cancel.clone());
        let question = tokio::spawn(async move { asked.page_users(&query()).await });
        tokio::time::sleep(Duration::from_micros(step * 100)).await;
        let begun = Instant::now();
        cancel.cancel();
        assert_eq!(question.await.unwrap().unwrap_err(), Error::Cancelled);
        // The question's own wait for the lock would take 5 s, our patience 2 s.
        assert!(
            begun.elapsed() < Duration::from_millis(1_900),
            "{:?}",
            begun.elapsed()
        );
    }
}

/// On a server of its own, for this one is stopped.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_is_away_and_one_that_is_back_serves_again() {
    let folder = folder();
    let home = Home::at(folder.path().join("tokenward"));
    let lease = private::open(&home, &mut |_| {}).await.unwrap();
    ensure_database(&lease, "main").await.unwrap();
    let pool = pool(&lease.url("main"), Settings::default());
    let migrator = Migrator::new(pool.get().await.unwrap(), UserTable::default());
    migrator.apply().await.unwrap();
    let db = Db::open(pool, &UserTable::default()).await.unwrap();
    let audit = AuditLog::at(folder.path().join("audit.jsonl"));
    let ops = Ops::new(db, PlaceInfo::default(), actor(), audit, KeyFormat::Drf);
    ops.ping().await.unwrap();

    kill(Pid::from_raw(lease.pid()), Signal::SIGINT).unwrap();
    let down = async {
        while home.base().join("server/data/postmaster.pid").exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(super::DEADLINE, down).await.unwrap();
    for error in [
        ops.ping().await.unwrap_err(),
        ops.page_users(&query()).await.unwrap_err(),
        ops.verify(&Secret::from("x")).await.unwrap_err(),
    ] {
        assert!(
            matches!(&error, Error::Unavailable(said) if said.contains("cannot reach database main")),
            "{error:?}"
        );
        assert!(!error.to_string().contains(lease_password(&lease).as_str()));
    }

    // Of many changes the first finds out, and the others are not tried.
    let aim = |id| Aim {
        id: UserId::Int4(id),
        username: format!("user{id}"),
        seen: None,
    };
    let (control, _handle) = control();
    let aims = (1..=100).map(aim).collect();
    let report = ops
        .change_many(Change::Generate, aims, Mode::Apply, control)
        .await
        .unwrap();
    assert!(report.stopped);
    assert_eq!((report.rows.len(), report.failed()), (1, 1));

    let again = private::open(&home, &mut |_| {}).await.unwrap();
    ops.ping().await.unwrap();
    assert!(ops.page_users(&query()).await.unwrap().rows.is_empty());
    drop(ops);
    lease.leave().await.unwrap();
    again.leave().await.unwrap();
}

fn lease_password(lease: &private::Lease) -> String {
    let config: tokio_postgres::Config = lease.url("main").expose().parse().unwrap();
    String::from_utf8(config.get_password().unwrap().to_vec()).unwrap()
}
