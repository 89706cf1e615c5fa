//! Many rows, one after the other: what fails fails alone, and what is done when it stops stays done.

use tokenward::domain::filter::Filter;
use tokenward::ops::{Aim, Change, Changed, Error, Mode, Ops, UsersQuery, control};

use super::{tokens_where, with_users};

async fn aims(ops: &Ops) -> Vec<Aim> {
    let query = UsersQuery {
        filter: Filter::default(),
        sort: tokenward::domain::page::Sort {
            key: tokenward::domain::page::SortKey::Id,
            ..Default::default()
        },
        limit: 10_000,
        ..UsersQuery::default()
    };
    let page = ops.page_users(&query).await.unwrap();
    page.rows.iter().map(Aim::from).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_thousand_those_that_changed_meanwhile_fail_alone() {
    let place = with_users(1_000).await;
    place.sql(&tokens_where("true")).await;
    let ops = place.ops().await;
    let aims = aims(&ops).await;
    place
        .sql(
            "UPDATE authtoken_token SET key = 'new' || user_id WHERE user_id % 10 = 0; \
             DELETE FROM authtoken_token WHERE user_id = 7; DELETE FROM auth_user WHERE id = 7",
        )
        .await;
    let (control, handle) = control();
    let report = ops
        .change_many(Change::Regenerate, aims, Mode::Apply, control)
        .await
        .unwrap();
    assert!(!report.stopped);
    assert_eq!((report.rows.len(), report.failed()), (1_000, 101));
    for (number, row) in (1..).zip(&report.rows) {
        assert_eq!(
            row.aim.username,
            format!("user{number}"),
            "in the order given"
        );
        match &row.outcome {
            Ok(Changed::Issued(issued)) => {
                assert!(number % 10 != 0 && issued.key.expose().len() == 40);
            }
            Err(error) => {
                assert!(number % 10 == 0 || number == 7);
                assert_eq!(
                    *error,
                    Error::Conflict(format!("user{number}: changed meanwhile"))
                );
            }
            Ok(Changed::Revoked(_)) => panic!("nothing was to be revoked"),
        }
    }
    let progress = handle.progress().borrow().clone();
    assert_eq!(
        (progress.done, progress.failed, progress.total),
        (899, 101, Some(1_000))
    );
    let entries = place.audit();
    let ours = entries.iter().filter(|entry| entry.result == "done");
    assert_eq!(ours.count(), 899);
    assert_eq!(entries.len(), 899 + 101, "what others changed is there too");
    assert_eq!(
        place
            .one::<i64>("SELECT count(*) FROM authtoken_token WHERE created > '2024-06-01'")
            .await,
        899
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_in_the_middle_it_keeps_what_is_done_and_touches_no_more() {
    let place = with_users(300).await;
    place.sql(&tokens_where("true")).await;
    let ops = place.ops().await;
    let aims = aims(&ops).await;
    // The hundredth row is locked, so that the run stands there until we have cancelled it.
    let other = place.client().await;
    other
        .batch_execute("BEGIN; SELECT * FROM authtoken_token WHERE user_id = 100 FOR UPDATE")
        .await
        .unwrap();
    let (control, handle) = control();
    let run = tokio::spawn(async move {
        ops.change_many(Change::Revoke, aims, Mode::Apply, control)
            .await
    });
    super::wait_until(&place, super::SOMEBODY_WAITS).await;
    handle.cancel();
    other.batch_execute("COMMIT").await.unwrap();
    let report = run.await.unwrap().unwrap();
    assert!(report.stopped);
    assert_eq!((report.rows.len(), report.failed()), (100, 0));
    assert_eq!(
        place
            .one::<i64>("SELECT count(*) FROM authtoken_token WHERE user_id > 100")
            .await,
        200
    );
    assert_eq!(
        place
            .one::<i64>("SELECT count(*) FROM authtoken_token")
            .await,
        200
    );
    assert_eq!(place.audit().len(), 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_tokens_are_changed_in_bulk() {
    let place = with_users(1).await;
    let ops = place.ops().await;
    let (control, _handle) = control();
    let report = ops
        .change_many(Change::UserOff, aims(&ops).await, Mode::Apply, control)
        .await
        .unwrap();
    assert!(matches!(&report.rows[0].outcome, Err(Error::Invalid(_))));
    assert!(place.one::<bool>("SELECT is_active FROM auth_user").await);
}
