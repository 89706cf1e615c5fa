//! Many who write at the same moment, or die at it: one chain, and a line for what was committed and for nothing else.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_make_one_chain() {
    const EACH: u32 = 50;
    const AT_ONCE: u32 = 8;
    let place = with_users(AT_ONCE * EACH).await;
    place.sql(&tokens_where("true")).await;
    let url = place.url();
    let mut all = Vec::new();
    for one in 0..AT_ONCE {
        let ops = place.ops_as(&url).await;
        all.push(tokio::spawn(async move {
            for number in 1..=EACH {
                let user = aim(&ops, &format!("user{}", one * EACH + number)).await;
                if number % 2 == 0 {
                    ops.revoke(&user, Mode::Apply).await.unwrap();
                } else {
                    ops.regenerate(&user, Mode::Apply).await.unwrap();
                }
            }
        }));
    }
    for one in all {
        one.await.unwrap();
    }
    let checked = check(&place.ops().await).await;
    assert_eq!((checked.lines, checked.problems), (400, Vec::new()));
    let told = "SELECT count(DISTINCT whom) FROM tokenward.audit WHERE result = 'done'";
    assert_eq!(place.one::<i64>(told).await, 400);
}

/// Neither the change without its line, nor the line without its change.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_killed_before_the_commit_leaves_neither() {
    let place = with_users(1).await;
    place.sql(&tokens_where("true")).await;
    let ops = place.ops().await;
    let user = aim(&ops, "user1").await;
    let before: String = place.one("SELECT key::text FROM authtoken_token").await;
    // The end of the chain is held, so that the change waits in its commit.
    let holder = place.client().await;
    holder
        .batch_execute("BEGIN; SELECT * FROM tokenward.audit_head FOR UPDATE")
        .await
        .unwrap();
    let change = tokio::spawn(async move { ops.regenerate(&user, Mode::Apply).await });
    super::super::wait_until(&place, super::super::SOMEBODY_WAITS).await;
    super::super::cut_who_waits(&place).await;
    holder.batch_execute("ROLLBACK").await.unwrap();
    let error = change.await.unwrap().unwrap_err().to_string();
    assert!(
        error.contains("whether it was made is not known"),
        "{error}"
    );
    assert_eq!(
        place
            .one::<String>("SELECT key::text FROM authtoken_token")
            .await,
        before
    );
    let lines = audit_lines(&place);
    assert_eq!(
        lines.len(),
        1,
        "that it failed, and nothing else: {lines:?}"
    );
    assert!(lines[0].contains("is not known"), "{lines:?}");
    let remembered = "SELECT count(*) FROM tokenward.retired_key";
    assert_eq!(place.one::<i64>(remembered).await, 0);
    assert_eq!(check(&place.ops().await).await.problems, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_change_holds_up_nobody_and_comes_after_what_was_committed_before_it() {
    let (place, ops) = with_lines(1).await;
    let slow = place.client().await;
    slow.batch_execute(
        "BEGIN; INSERT INTO tokenward.audit (os_user, host, database, what, whom, result) \
         VALUES ('ann', 'ops1', 'dev', 'show', 'first', 'done'), ('ann', 'ops1', 'dev', 'show', 'second', 'done')",
    )
    .await
    .unwrap();
    let user = aim(&ops, "user1").await;
    ops.revoke(&user, Mode::Apply).await.unwrap();
    slow.batch_execute("COMMIT").await.unwrap();
    assert_eq!(
        audit_lines(&place),
        [
            "generate user1: done",
            "revoke user1: done",
            "show first: done",
            "show second: done"
        ]
    );
    assert_eq!(check(&ops).await.problems, [""; 0]);
}

/// Above READ COMMITTED a transaction cannot see the end of a chain that others have made longer.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_in_a_stricter_transaction_does_not_fail_by_the_lines_of_others() {
    for level in ["REPEATABLE READ", "SERIALIZABLE"] {
        let (place, ops) = with_lines(1).await;
        let strict = place.client().await;
        let delete = "DELETE FROM authtoken_token WHERE user_id = 1";
        let begin = format!("BEGIN ISOLATION LEVEL {level}; SELECT 1; {delete}");
        strict.batch_execute(&begin).await.unwrap();
        let line = "INSERT INTO tokenward.audit (os_user, host, database, what, whom, result) \
                    VALUES ('ann', 'ops1', 'dev', 'show', 'other', 'done')";
        place.sql(line).await;
        strict.batch_execute("COMMIT").await.unwrap();
        assert_eq!(
            check(&ops).await.problems,
            [""; 0],
            "it waits for its place"
        );
        place.sql(line).await;
        assert_eq!(
            audit_lines(&place),
            [
                "generate user1: done",
                "show other: done",
                "revoke user1: done, outside tokenward",
                "show other: done"
            ]
        );
        assert_eq!(check(&ops).await.problems, [""; 0]);
    }
}
