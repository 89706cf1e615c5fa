//! Who says that he is tokenward is held to account when he commits: what that takes for his line, and what it reads for it.

use tokenward::domain::user::UserId;
use tokenward::ops::Mode;

use crate::ops::{SOMEBODY_WAITS, aim, audit_lines, tokens_where, wait_until, with_users};
use crate::support::place::Place;

async fn retired_by(place: &Place) -> String {
    place
        .one("SELECT string_agg(DISTINCT by, ' ') FROM tokenward.retired_key")
        .await
}

/// The line has the name that the program read, and the trigger reads the name that it is by then.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_a_user_who_is_renamed_meanwhile_has_one_line() {
    let place = with_users(2).await;
    place.sql(&tokens_where("true")).await;
    let ops = place.ops().await;
    for (id, name) in [(1, "user1"), (2, "user2")] {
        let seen = aim(&ops, name).await;
        let other = place.client().await;
        other
            .batch_execute(&format!(
                "BEGIN; UPDATE auth_user SET username = 'new{id}' WHERE id = {id}; \
                 SELECT FROM authtoken_token WHERE user_id = {id} FOR UPDATE"
            ))
            .await
            .unwrap();
        let work = {
            let ops = ops.clone();
            tokio::spawn(async move {
                if id == 1 {
                    ops.revoke(&seen, Mode::Apply).await.map(|_| ())
                } else {
                    ops.regenerate(&seen, Mode::Apply).await.map(|_| ())
                }
            })
        };
        wait_until(&place, SOMEBODY_WAITS).await;
        other.batch_execute("COMMIT").await.unwrap();
        work.await.unwrap().unwrap();
    }
    assert_eq!(
        audit_lines(&place),
        ["revoke user1: done", "regenerate user2: done"]
    );
    let actor = crate::support::place::actor().to_string();
    assert_eq!(retired_by(&place).await, actor);
}

/// Tokens of knox, so many of each of these users.
async fn with_knox(place: &Place, users: i32, each: i32) {
    place
        .sql(&format!(
            "INSERT INTO knox_authtoken (digest, token_key, created, expiry, user_id) \
             SELECT encode(sha512((u || '-' || n)::bytea), 'hex'), left(md5(u || '-' || n), 15), now(), \
                    now() + interval '1 h', u \
               FROM generate_series(1, {users}) u, generate_series(1, {each}) n"
        ))
        .await;
}

/// One line for all of a user's keys names none of them: whom it is about is told by his id too.
#[tokio::test(flavor = "multi_thread")]
async fn one_line_for_all_keys_of_a_user_holds_though_his_name_is_another() {
    let place = with_users(2).await;
    with_knox(&place, 2, 2).await;
    // What the triggers read is not what the program reads: as if he were renamed between the two.
    place
        .sql(
            "CREATE FUNCTION rename() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN UPDATE auth_user SET username = 'renamed' WHERE id = 1; RETURN NULL; END $$; \
             CREATE TRIGGER zz_rename AFTER DELETE ON knox_authtoken FOR EACH STATEMENT EXECUTE FUNCTION rename()",
        )
        .await;
    let ops = place.ops().await;
    ops.knox_logout_all(UserId::Int4(1)).await.unwrap();
    assert_eq!(audit_lines(&place), ["logoutall renamed: done"]);
    assert!(!retired_by(&place).await.contains(' '));
    // Somebody else's keys are not covered by it.
    place
        .sql(
            "BEGIN; SET LOCAL tokenward.actor = 'carol@ops1'; SET LOCAL tokenward.owner = '1'; \
             DELETE FROM knox_authtoken; \
             INSERT INTO tokenward.audit (os_user, host, database, what, whom, result) \
             VALUES ('carol', 'ops1', 'dev', 'logoutall', 'renamed', 'done'); COMMIT",
        )
        .await;
    assert_eq!(
        audit_lines(&place)[1..],
        [
            "logoutall renamed: done",
            "revoke user2: done, outside tokenward",
            "revoke user2: done, outside tokenward"
        ]
    );
}

/// What one key costs at the commit does not grow with what was ever written about its owner.
#[tokio::test(flavor = "multi_thread")]
async fn the_lines_from_before_are_not_read_again_for_each_key() {
    let place = with_users(1).await;
    with_knox(&place, 1, 20).await;
    place
        .sql(
            "BEGIN; ALTER TABLE tokenward.audit DISABLE TRIGGER ALL; \
             INSERT INTO tokenward.audit (id, os_user, host, database, what, whom, result, prev, hash) \
             SELECT n, 'ann', 'ops1', 'dev', 'login', 'user1', 'done', '', '' FROM generate_series(1, 5000) n; \
             UPDATE tokenward.audit_head SET last = 5000; \
             ALTER TABLE tokenward.audit ENABLE TRIGGER ALL; COMMIT",
        )
        .await;
    let client = place.client().await;
    client
        .batch_execute(
            "BEGIN; SET LOCAL tokenward.actor = 'carol@ops1'; DELETE FROM knox_authtoken; \
             INSERT INTO tokenward.audit (os_user, host, database, what, whom, result) \
             VALUES ('carol', 'ops1', 'dev', 'logoutall', 'user1', 'done'); SET CONSTRAINTS ALL IMMEDIATE",
        )
        .await
        .unwrap();
    let read: i64 = client
        .query_one(
            "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables \
              WHERE schemaname = 'tokenward' AND relname = 'audit'",
            &[],
        )
        .await
        .unwrap()
        .get(0);
    // Once all of them, where no statistics were made yet, and not for each key.
    assert!(read < 10_000, "{read} lines read for 20 keys");
    client.batch_execute("COMMIT").await.unwrap();
    assert_eq!(audit_lines(&place).len(), 5001);
}
