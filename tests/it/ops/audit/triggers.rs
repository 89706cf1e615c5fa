//! How many lines a change makes: a bounded number, and none twice.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn very_many_keys_retired_so_are_a_hundred_lines_and_one() {
    let place = with_users(150).await;
    place.sql(&tokens_where("true")).await;
    place
        .sql("SET tokenward.actor = 'carol@ops1'; DELETE FROM authtoken_token")
        .await;
    let mut lines = audit_lines(&place);
    assert_eq!(lines.len(), 101);
    assert_eq!(
        lines.pop().unwrap(),
        "revoke : done, outside tokenward: more keys"
    );
    assert!(
        lines
            .iter()
            .all(|line| line.ends_with(": done, outside tokenward"))
    );
    let by = "SELECT count(*) FROM tokenward.retired_key WHERE by NOT LIKE 'carol%'";
    assert_eq!(place.one::<i64>(by).await, 150);
    assert_eq!(check(&place.ops().await).await.problems, [""; 0]);
}

/// What the program itself does has its one line, and what others delete queues nothing for the commit.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_said_twice() {
    let place = with_users(4).await;
    place.sql(&tokens_where("true")).await;
    let ops = place.ops().await;
    for name in ["user1", "user2"] {
        ops.regenerate(&aim(&ops, name).await, Mode::Apply)
            .await
            .unwrap();
    }
    ops.revoke(&aim(&ops, "user1").await, Mode::Apply)
        .await
        .unwrap();
    let client = place.client().await;
    client
        .batch_execute("BEGIN; DELETE FROM authtoken_token WHERE user_id = 2; SET LOCAL tokenward.actor = 'carol@ops1'; COMMIT")
        .await
        .unwrap();
    // Where the trigger could not tell the owner's name, the key tells whom the line is about.
    place
        .sql(
            "ALTER TABLE auth_user RENAME COLUMN username TO login; \
             CREATE TEMP TABLE seen AS SELECT left(key, 8) AS start FROM authtoken_token WHERE user_id = 3; \
             BEGIN; SET LOCAL tokenward.actor = 'carol@ops1'; SET LOCAL tokenward.verb = 'revoke'; \
             DELETE FROM authtoken_token WHERE user_id = 3; \
             INSERT INTO tokenward.audit (os_user, host, database, what, whom, key, result) \
             SELECT 'carol', 'ops1', 'dev', 'revoke', 'user3', start, 'done' FROM seen; COMMIT",
        )
        .await;
    assert_eq!(
        audit_lines(&place),
        [
            "regenerate user1: done",
            "regenerate user2: done",
            "revoke user1: done",
            "revoke user2: done, outside tokenward",
            "revoke user3: done"
        ]
    );
}
