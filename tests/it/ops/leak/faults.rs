//! What goes wrong in the middle of the answer to a leak: afterwards the database and what was written down agree.

use tokenward::db::Db;
use tokenward::db::compat::UserTable;
use tokenward::db::connect::Settings;
use tokenward::db::leaks::{self, Fate};
use tokenward::ops::leak::{Case, Deed, MOST_LIVE, Response};
use tokenward::ops::{Error, Mode, Ops};
use tokio::task::JoinHandle;

use super::{all_keys, case_of, judged, keys_of, leak_lines, words};
use crate::ops::{SOMEBODY_WAITS, cut_who_waits, tokens_where, wait_until, with_users};
use crate::support::place::{Place, pool};
use crate::support::relay::Relay;

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_in_the_middle_takes_all_back_and_says_whose() {
    for deed in [Deed::Regenerate, Deed::Revoke] {
        let place = with_users(5).await;
        place.sql(&tokens_where("true")).await;
        let keys = keys_of(&place, 1..=5).await;
        let ops = place.ops().await;
        let mut case = case_of(&ops, &keys).await;
        place
            .sql(
                "UPDATE authtoken_token SET key = 'other' WHERE user_id = 3; DELETE FROM authtoken_token WHERE user_id = 4; \
                 DELETE FROM auth_user WHERE id = 4",
            )
            .await;
        let before = all_keys(&place).await;
        let error = ops.respond(&mut case, deed, Mode::Apply).await.unwrap_err();
        let Error::Conflict(said) = &error else {
            panic!("{error:?}")
        };
        assert!(
            said.starts_with("user3, user4: changed meanwhile"),
            "{said}"
        );
        assert_eq!(all_keys(&place).await, before, "nothing was changed");
        assert!(leak_lines(&place).is_empty());
        assert!(case.done.is_empty());
        // Asked again, the rest goes.
        let mut again = case_of(&ops, &keys).await;
        assert_eq!(
            words(&again.findings),
            ["LIVE", "LIVE", "RETIRED", "RETIRED", "LIVE"]
        );
        let response = ops.respond(&mut again, deed, Mode::Apply).await.unwrap();
        assert_eq!(response.rows.len(), 3);
        assert_eq!(words(&judged(&ops, &keys).await), ["RETIRED"; 5]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_administrators_at_the_same_leak_one_does_it_and_the_other_is_told() {
    let place = with_users(50).await;
    place.sql(&tokens_where("true")).await;
    let mut keys = keys_of(&place, 1..=50).await;
    let (one, two) = (place.ops().await, place.ops().await);
    let mut first = case_of(&one, &keys).await;
    keys.reverse();
    let mut second = case_of(&two, &keys).await;
    let (a, b) = tokio::join!(
        one.respond(&mut first, Deed::Regenerate, Mode::Apply),
        two.respond(&mut second, Deed::Regenerate, Mode::Apply),
    );
    let done = [&a, &b].iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!(done, 1, "{a:?} {b:?}");
    let error = a.err().or(b.err()).unwrap();
    assert!(matches!(error, Error::Conflict(_)), "{error:?}");
    assert_ne!(first.number, second.number);
    let leaks: i64 = place
        .one("SELECT count(DISTINCT leak) FROM tokenward.retired_key")
        .await;
    assert_eq!(leaks, 1);
    assert_eq!(leak_lines(&place).len(), 50);
}

/// What is checked at COMMIT waits until the session that is given lets go.
async fn slow_commit(place: &Place) -> tokio_postgres::Client {
    place
        .sql(
            "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS \
             'BEGIN PERFORM pg_advisory_xact_lock(77); RETURN NULL; END'; \
             CREATE CONSTRAINT TRIGGER slow AFTER UPDATE ON authtoken_token DEFERRABLE INITIALLY DEFERRED \
             FOR EACH ROW EXECUTE FUNCTION slow()",
        )
        .await;
    let holder = place.client().await;
    holder
        .batch_execute("SELECT pg_advisory_lock(77)")
        .await
        .unwrap();
    holder
}

/// Replaces the keys of `case` beside what the test does.
fn responding(ops: &Ops, mut case: Case) -> JoinHandle<Result<Response, Error>> {
    let ops = ops.clone();
    tokio::spawn(async move { ops.respond(&mut case, Deed::Regenerate, Mode::Apply).await })
}

/// The connection is cut while COMMIT waits, before the server made it.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_lost_is_looked_up() {
    let place = with_users(2).await;
    place.sql(&tokens_where("true")).await;
    let keys = keys_of(&place, 1..=2).await;
    let ops = place.ops().await;
    let before = all_keys(&place).await;
    let _holder = slow_commit(&place).await;
    let deed = responding(&ops, case_of(&ops, &keys).await);
    wait_until(&place, SOMEBODY_WAITS).await;
    cut_who_waits(&place).await;
    let error = deed.await.unwrap().unwrap_err();
    assert!(
        matches!(&error, Error::Unavailable(said) if said.contains("nothing was changed, try again")),
        "{error:?}"
    );
    assert_eq!(all_keys(&place).await, before);
    let lines = leak_lines(&place);
    assert_eq!(lines.len(), 2, "one a key: {lines:?}");
    assert!(
        lines
            .iter()
            .all(|line| line.contains("nothing was changed")),
        "{lines:?}"
    );
}

/// The server has committed, and its answer never arrives.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_swallowed_is_told_as_done() {
    for deed in [Deed::Regenerate, Deed::Revoke] {
        let place = with_users(3).await;
        place.sql(&tokens_where("true")).await;
        let keys = keys_of(&place, 1..=3).await;
        let relay = Relay::before(&place).await;
        let url = relay.url(&place);
        let ops = place
            .open(&url, Settings::default(), &UserTable::default())
            .await
            .unwrap();
        let mut case = case_of(&ops, &keys).await;
        relay.lose_next_commit();
        let response = ops.respond(&mut case, deed, Mode::Apply).await.unwrap();
        assert!(relay.has_lost(), "the answer was lost");
        assert_eq!((response.leak, response.rows.len()), (1, 3));
        assert_eq!(response.warning, None);
        let now = all_keys(&place).await;
        assert!(
            keys.iter()
                .all(|key| now.values().all(|other| other != key))
        );
        if deed == Deed::Regenerate {
            for issued in &response.issued {
                assert!(now.values().any(|key| key == issued.key.expose()));
            }
        }
        let lines = leak_lines(&place);
        assert_eq!(lines.len(), 3, "each key once: {lines:?}");
        assert!(
            lines.iter().all(|line| line.ends_with(": done")),
            "{lines:?}"
        );
        assert_eq!(words(&judged(&ops, &keys).await), ["RETIRED"; 3]);
        let kept = ops.kept_case(1).await.unwrap();
        assert!(kept.keys.iter().all(|key| key.done.is_some()));
    }
}

/// The folder of cases goes while COMMIT waits.
#[tokio::test(flavor = "multi_thread")]
async fn a_case_that_cannot_be_kept_after_the_change_is_told_beside_it() {
    let place = with_users(1).await;
    place.sql(&tokens_where("true")).await;
    let keys = keys_of(&place, [1]).await;
    let ops = place.ops().await;
    let holder = slow_commit(&place).await;
    let deed = responding(&ops, case_of(&ops, &keys).await);
    wait_until(&place, SOMEBODY_WAITS).await;
    let leaks = place.folder().join("state/leaks");
    std::fs::rename(&leaks, place.folder().join("state/away")).unwrap();
    std::fs::write(&leaks, "").unwrap();
    holder
        .batch_execute("SELECT pg_advisory_unlock(77)")
        .await
        .unwrap();
    let response = deed.await.unwrap().unwrap();
    assert_eq!(response.rows.len(), 1);
    let warning = response.warning.unwrap();
    assert!(
        warning.starts_with("leak 1 was handled") && warning.contains("leaks"),
        "{warning}"
    );
    assert_eq!(words(&judged(&ops, &keys).await), ["RETIRED"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_a_transaction_takes_is_refused_in_words() {
    let many = u32::try_from(MOST_LIVE).unwrap() + 1;
    let place = with_users(many).await;
    place.sql(&tokens_where("true")).await;
    let ops = place.ops().await;
    let keys: Vec<String> = all_keys(&place).await.into_values().collect();
    let mut case = case_of(&ops, &keys).await;
    let error = ops
        .respond(&mut case, Deed::Revoke, Mode::Apply)
        .await
        .unwrap_err();
    assert!(
        matches!(&error, Error::Invalid(said) if said.starts_with("1001 live keys are more than")),
        "{error:?}"
    );
    case.findings[0].chosen = false;
    let response = ops
        .respond(&mut case, Deed::Regenerate, Mode::Apply)
        .await
        .unwrap();
    assert_eq!(response.rows.len(), MOST_LIVE);
    assert_eq!(leak_lines(&place).len(), MOST_LIVE);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_write_it_down_may_not_do_it_and_a_reader_is_refused() {
    let place = with_users(1).await;
    place.sql(&tokens_where("true")).await;
    let keys = keys_of(&place, [1]).await;
    let reader = place.ops_read_only().await;
    let mut case = case_of(&reader, &keys).await;
    let error = reader
        .respond(&mut case, Deed::Regenerate, Mode::Apply)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::ReadOnly(_)), "{error:?}");

    let ops = place.ops().await;
    std::fs::create_dir_all(place.folder().join("state")).unwrap();
    // No folder can be made where a file is.
    std::fs::write(place.folder().join("state/leaks"), "").unwrap();
    let mut case = case_of(&ops, &keys).await;
    let error = ops
        .respond(&mut case, Deed::Regenerate, Mode::Apply)
        .await
        .unwrap_err();
    assert!(
        matches!(&error, Error::Internal(said) if said.contains("leaks")),
        "{error:?}"
    );
    assert_eq!(keys_of(&place, [1]).await, keys);
}

/// What the look-up of a lost answer stands on.
#[tokio::test(flavor = "multi_thread")]
async fn the_server_tells_what_became_of_a_transaction() {
    let place = with_users(0).await;
    let pool = pool(&place.url(), Settings::default());
    let db = Db::open(pool, &UserTable::default()).await.unwrap();
    let mut other = db.conn().await.unwrap();
    let mut tx = db.begin().await.unwrap();
    let committed = leaks::transaction_id(tx.conn()).await.unwrap();
    let fate = leaks::find_fate(&mut other, &committed).await.unwrap();
    assert_eq!(fate, Fate::Running);
    tx.commit().await.unwrap();
    let mut tx = db.begin().await.unwrap();
    let taken_back = leaks::transaction_id(tx.conn()).await.unwrap();
    tx.rollback().await.unwrap();
    for (id, expected) in [(&committed, Fate::Committed), (&taken_back, Fate::Aborted)] {
        assert_eq!(leaks::find_fate(&mut other, id).await.unwrap(), expected);
    }
}
