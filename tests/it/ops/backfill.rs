//! Backfill: whom it reaches, beside whom it runs, and every way in which it can end early.

use std::time::Duration;

use tokenward::domain::filter::Filter;
use tokenward::domain::token::KeyFormat;
use tokenward::ops::{Audience, BackfillPlan, BackfillReport, Error, Mode, Ops, control};
use tokio_postgres::Client;

use super::{SOMEBODY_WAITS, audit_lines, tokens_where, wait_until, with_users};
use crate::support::place::Place;

const COUNT: &str = "SELECT count(*) FROM authtoken_token";

/// Every batch but the first waits until somebody lets the advisory lock 1 go.
const GATE: &str = "
CREATE FUNCTION gate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF EXISTS (SELECT FROM authtoken_token) THEN
        PERFORM pg_advisory_lock(1);
        PERFORM pg_advisory_unlock(1);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER gate BEFORE INSERT ON authtoken_token FOR EACH STATEMENT EXECUTE FUNCTION gate()";

/// A connection that holds the gate's lock.
async fn hold_gate(place: &Place) -> Client {
    let holder = place.client().await;
    holder
        .batch_execute("SELECT pg_advisory_lock(1)")
        .await
        .unwrap();
    holder
}

fn plan(audience: Audience, filter: &str) -> BackfillPlan {
    BackfillPlan {
        audience,
        filter: Filter::parse(filter).unwrap(),
        format: None,
    }
}

async fn run(ops: &Ops, plan: &BackfillPlan, mode: Mode) -> Result<BackfillReport, Error> {
    let (control, _handle) = control();
    ops.backfill(plan, mode, control).await
}

async fn ids_with_token(place: &Place) -> String {
    place
        .one("SELECT coalesce(string_agg(user_id::text, ' ' ORDER BY user_id), '') FROM authtoken_token")
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_audience_gets_its_tokens_and_nobody_else() {
    let place = with_users(8).await;
    place
        .sql(
            "UPDATE auth_user SET is_staff = true WHERE id IN (2, 4, 6); \
             UPDATE auth_user SET is_active = false WHERE id IN (3, 4); \
             UPDATE auth_user SET username = 'ann' WHERE id = 8; UPDATE auth_user SET is_superuser = true WHERE id = 7",
        )
        .await;
    place.sql(&tokens_where("id IN (1, 3)")).await;
    let old: String = place
        .one("SELECT string_agg(t::text, ' ' ORDER BY user_id) FROM authtoken_token t")
        .await;
    let ops = place.ops().await;
    for (audience, filter, reached) in [
        (Audience::Staff, "", "1 2 3 6"),
        (Audience::Active, "user -is:super", "1 2 3 5 6"),
        (Audience::Active, "", "1 2 3 5 6 7 8"),
        (Audience::All, "", "1 2 3 4 5 6 7 8"),
        (Audience::All, "", "1 2 3 4 5 6 7 8"),
    ] {
        let plan = plan(audience, filter);
        let before = place.one::<i64>(COUNT).await;
        let todo = ops.count_backfill(&plan).await.unwrap();
        let report = run(&ops, &plan, Mode::Apply).await.unwrap();
        assert_eq!(
            ids_with_token(&place).await,
            reached,
            "{audience:?} {filter}"
        );
        let made = (place.one::<i64>(COUNT).await - before).unsigned_abs();
        assert_eq!(
            (todo, report.done, report.already, report.stopped),
            (made, made, 0, false)
        );
    }
    let now: String = place
        .one("SELECT string_agg(t::text, ' ' ORDER BY user_id) FROM authtoken_token t WHERE user_id IN (1, 3)")
        .await;
    assert_eq!(now, old, "who has a token keeps it");
    assert!(
        place
            .one::<bool>("SELECT bool_and(key ~ '^[0-9a-f]{40}$') FROM authtoken_token")
            .await
    );
    let said = audit_lines(&place);
    assert_eq!(said.len(), 10);
    assert_eq!(
        said[..2],
        ["backfill : started, 2 to do", "backfill : done, 2 made"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_have_the_format_that_the_plan_asks_for() {
    let place = with_users(3).await;
    let ops = place.ops().await;
    let plan = BackfillPlan {
        format: Some(KeyFormat::Checksum),
        ..BackfillPlan::default()
    };
    run(&ops, &plan, Mode::Apply).await.unwrap();
    assert!(
        place
            .one::<bool>("SELECT bool_and(key ~ '^twd_[0-9A-Za-z]{36}$') FROM authtoken_token")
            .await
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_at_once_make_each_token_once() {
    let place = with_users(30_000).await;
    let (one, two) = (place.ops().await, place.ops().await);
    let plan = BackfillPlan::default();
    let (first, second) =
        tokio::join!(run(&one, &plan, Mode::Apply), run(&two, &plan, Mode::Apply));
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(first.done + second.done, 30_000, "{first:?} {second:?}");
    assert_eq!(place.one::<i64>(COUNT).await, 30_000);
}

/// Others, like a running Django, give tokens to users whom the batch has read as lacking one.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_others_make_meanwhile_stays() {
    let place = with_users(6_000).await;
    place.sql(GATE).await;
    let ops = place.ops().await;
    let holder = hold_gate(&place).await;
    let backfill =
        tokio::spawn(async move { run(&ops, &BackfillPlan::default(), Mode::Apply).await });
    wait_until(&place, SOMEBODY_WAITS).await;
    assert_eq!(place.one::<i64>(COUNT).await, 5_000);
    // This connection holds the gate's lock and passes it.
    holder
        .batch_execute("INSERT INTO authtoken_token SELECT 'theirs' || id, now(), id FROM auth_user WHERE id > 5990")
        .await
        .unwrap();
    holder
        .batch_execute("SELECT pg_advisory_unlock(1)")
        .await
        .unwrap();
    let report = backfill.await.unwrap().unwrap();
    assert_eq!((report.done, report.already), (5_990, 10));
    assert_eq!(
        place
            .one::<i64>("SELECT count(*) FROM authtoken_token WHERE key = 'theirs' || user_id")
            .await,
        10
    );
}

/// The foreign key is looked at when a batch is committed; one user deleted meanwhile must not cost the others theirs.
#[tokio::test(flavor = "multi_thread")]
async fn a_user_deleted_meanwhile_is_left_out() {
    let place = with_users(6_000).await;
    place.sql(GATE).await;
    let ops = place.ops().await;
    let holder = hold_gate(&place).await;
    let backfill =
        tokio::spawn(async move { run(&ops, &BackfillPlan::default(), Mode::Apply).await });
    wait_until(&place, SOMEBODY_WAITS).await;
    holder
        .batch_execute("DELETE FROM auth_user WHERE id = 5500; SELECT pg_advisory_unlock(1)")
        .await
        .unwrap();
    let report = backfill.await.unwrap().unwrap();
    assert_eq!(report.done, 5_999);
    assert_eq!(place.one::<i64>(COUNT).await, 5_999);
}

/// Somebody makes tokens for the same users in one transaction and another order.
#[tokio::test(flavor = "multi_thread")]
async fn a_deadlock_with_others_is_survived() {
    let place = with_users(500).await;
    let name = place.name();
    place
        .sql(&format!(
            "ALTER DATABASE \"{name}\" SET deadlock_timeout = '3s'"
        ))
        .await;
    let ops = place.ops().await;
    let other = place.client().await;
    other
        .batch_execute("SET deadlock_timeout = '60s'; BEGIN; INSERT INTO authtoken_token VALUES ('theirs', now(), 1)")
        .await
        .unwrap();
    let backfill =
        tokio::spawn(async move { run(&ops, &BackfillPlan::default(), Mode::Apply).await });
    wait_until(&place, SOMEBODY_WAITS).await;
    // The backfill has some of these, and waits for the first.
    other
        .batch_execute("INSERT INTO authtoken_token SELECT 'theirs' || id, now(), id FROM auth_user WHERE id > 1; COMMIT")
        .await
        .unwrap();
    let report = backfill.await.unwrap().unwrap();
    assert_eq!(report.done, 0);
    assert_eq!(
        place
            .one::<i64>("SELECT count(*) FROM authtoken_token WHERE key LIKE 'theirs%'")
            .await,
        500
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelled_in_the_middle_it_keeps_what_is_done_and_goes_on_next_time() {
    let place = with_users(17_000).await;
    place.sql(GATE).await;
    let ops = place.ops().await;
    let holder = hold_gate(&place).await;
    let (control, handle) = control();
    let again = ops.clone();
    let backfill = tokio::spawn(async move {
        ops.backfill(&BackfillPlan::default(), Mode::Apply, control)
            .await
    });
    wait_until(&place, SOMEBODY_WAITS).await;
    handle.cancel();
    holder
        .batch_execute("SELECT pg_advisory_unlock(1)")
        .await
        .unwrap();
    let report = backfill.await.unwrap().unwrap();
    assert_eq!(
        (report.done, report.stopped),
        (10_000, true),
        "the batch it was in is finished"
    );
    assert_eq!(place.one::<i64>(COUNT).await, 10_000);
    let report = run(&again, &BackfillPlan::default(), Mode::Apply)
        .await
        .unwrap();
    assert_eq!((report.done, report.stopped), (7_000, false));
    assert_eq!(
        audit_lines(&place),
        [
            "backfill : started, 17000 to do",
            "backfill : stopped, 10000 made",
            "backfill : started, 7000 to do",
            "backfill : done, 7000 made"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn paused_it_stands_still_and_holds_no_lock_and_resumed_it_goes_on() {
    let place = with_users(12_000).await;
    let ops = place.ops().await;
    let (control, handle) = control();
    handle.pause();
    let backfill = tokio::spawn(async move {
        ops.backfill(&BackfillPlan::default(), Mode::Apply, control)
            .await
    });
    let mut progress = handle.progress();
    let paused = progress.wait_for(|progress| progress.paused);
    let seen = tokio::time::timeout(super::DEADLINE, paused)
        .await
        .unwrap()
        .unwrap()
        .clone();
    assert_eq!((seen.done, seen.total), (0, Some(12_000)));
    assert_eq!(place.one::<i64>(COUNT).await, 0);
    assert_eq!(
        place
            .one::<i64>(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                    AND application_name = 'tokenward' AND state <> 'idle'"
            )
            .await,
        0
    );
    place
        .sql("SET lock_timeout = '5s'; LOCK TABLE auth_user; LOCK TABLE authtoken_token")
        .await;
    handle.resume();
    let report = backfill.await.unwrap().unwrap();
    assert_eq!(report.done, 12_000);
    let last = handle.progress().borrow().clone();
    assert_eq!(
        (last.reached(), last.paused, last.last.as_deref()),
        (12_000, false, Some("user12000"))
    );
    assert!(last.per_second > 0.0 && last.batch_p95.is_some_and(|took| took > Duration::ZERO));
    assert_eq!(last.left, Some(Duration::ZERO));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_counts_all_and_leaves_nothing() {
    let place = with_users(12_000).await;
    let ops = place.ops().await;
    let report = run(&ops, &BackfillPlan::default(), Mode::DryRun)
        .await
        .unwrap();
    assert_eq!(report.done, 12_000);
    assert_eq!(place.one::<i64>(COUNT).await, 0);
    assert!(!place.audit_path().exists());
}

/// What `kill -9` of the server's process does to us, and what ours does to the server.
#[tokio::test(flavor = "multi_thread")]
async fn cut_off_in_the_middle_it_keeps_what_is_done_and_goes_on_next_time() {
    let place = with_users(17_000).await;
    place.sql(GATE).await;
    let ops = place.ops().await;
    let holder = hold_gate(&place).await;
    let again = ops.clone();
    let backfill =
        tokio::spawn(async move { run(&ops, &BackfillPlan::default(), Mode::Apply).await });
    wait_until(&place, SOMEBODY_WAITS).await;
    place
        .sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
              WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
        .await;
    let error = backfill.await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    assert_eq!(place.one::<i64>(COUNT).await, 5_000);
    let said = audit_lines(&place);
    assert!(
        said[1].starts_with("backfill : failed after 5000 made: "),
        "{said:?}"
    );

    holder
        .batch_execute("SELECT pg_advisory_unlock(1)")
        .await
        .unwrap();
    let report = run(&again, &BackfillPlan::default(), Mode::Apply)
        .await
        .unwrap();
    assert_eq!(report.done, 12_000);
    assert_eq!(place.one::<i64>(COUNT).await, 17_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_face_that_goes_away_while_it_is_paused_does_not_strand_it() {
    let place = with_users(10).await;
    let ops = place.ops().await;
    let (control, handle) = control();
    handle.pause();
    let backfill = tokio::spawn(async move {
        ops.backfill(&BackfillPlan::default(), Mode::Apply, control)
            .await
    });
    drop(handle);
    let ended = tokio::time::timeout(super::DEADLINE, backfill)
        .await
        .unwrap();
    assert_eq!(ended.unwrap().unwrap().done, 10);
}
