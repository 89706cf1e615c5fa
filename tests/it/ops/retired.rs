//! Keys that stop being keys are remembered, whoever makes the change.

use tokenward::db::connect::Settings;
use tokenward::db::retired_keys::{find_salt, load_retired, note_told};
use tokenward::domain::moment::Moment;
use tokenward::domain::retired::{Kind, Retired, Told};
use tokenward::domain::token::{DrfKey, Fingerprint};
use tokenward::ops::{BackfillPlan, Mode, control};

use super::{aim, audit_lines, tokens_where, with_users};
use crate::support::place::{Place, pool};

async fn retired(place: &Place, keys: &[&str]) -> Vec<Retired> {
    let pool = pool(&place.url(), Settings::default());
    let keys: Vec<DrfKey> = keys.iter().copied().map(DrfKey::from).collect();
    let mut found = load_retired(&mut pool.get().await.unwrap(), &keys)
        .await
        .unwrap();
    found.sort_by_key(|key| (key.username.clone(), key.retired));
    found
}

/// The keys of users 1 to `count`, as they are.
async fn keys(place: &Place, count: i32) -> Vec<String> {
    let mut keys = Vec::new();
    for id in 1..=count {
        let key = format!("SELECT key::text FROM authtoken_token WHERE user_id = {id}");
        keys.push(place.one(&key).await);
    }
    keys
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_changes_leave_a_digest_and_no_key() {
    let place = with_users(2).await;
    place.sql(&tokens_where("true")).await;
    let ops = place.ops().await;
    let (one, two) = (aim(&ops, "user1").await, aim(&ops, "user2").await);
    let old = keys(&place, 2).await;
    ops.regenerate(&one, Mode::DryRun).await.unwrap();
    assert!(retired(&place, &[&old[0]]).await.is_empty(), "a dry run");
    let until = Moment::now().plus_hours(24);
    ops.with_grace(until)
        .regenerate(&one, Mode::Apply)
        .await
        .unwrap();
    // What answers a leak gives no grace.
    ops.for_leak(7)
        .with_grace(until)
        .revoke(&two, Mode::Apply)
        .await
        .unwrap();
    let found = retired(
        &place,
        &[&old[0], "unknown", &old[1], &keys(&place, 1).await[0]],
    )
    .await;
    let [first, second] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!(
        first.fingerprint,
        Fingerprint::of(&DrfKey::from(old[0].as_str()))
    );
    assert_eq!(
        (
            first.kind,
            first.start.as_str(),
            first.user_id.as_str(),
            first.username.as_deref()
        ),
        (Kind::Drf, &old[0][..8], "1", Some("user1"))
    );
    assert_eq!(
        (first.by.as_str(), first.verb.as_str(), first.leak),
        ("tester@here", "regenerate", None)
    );
    assert_eq!(first.grace_until, Some(until));
    assert_eq!(
        (second.verb.as_str(), second.leak, second.grace_until),
        ("revoke", Some(7), None)
    );
    assert_eq!(place.audit()[1].for_leak, Some(7));
    assert_eq!(
        audit_lines(&place),
        ["regenerate user1: done", "revoke user2: done"]
    );
    let all: String = place
        .one(
            "SELECT concat((SELECT string_agg(r::text, ' ') FROM tokenward.retired_key r), \
                            (SELECT string_agg(a::text, ' ') FROM tokenward.audit a))",
        )
        .await;
    assert!(
        !all.contains(&old[0][..12]) && !all.contains(&old[1][..12]),
        "{all}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_by_anybody_is_caught_though_he_has_no_right_on_our_schema() {
    let place = with_users(9).await;
    place.sql(&tokens_where("true")).await;
    let old = keys(&place, 9).await;
    let url = place.url_of_role("site", "").await;
    place
        .sql(&format!(
            "GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON authtoken_token TO \"{0}\"",
            place.role("site")
        ))
        .await;
    let mut config: tokio_postgres::Config = url.expose().parse().unwrap();
    let (client, connection) = config
        .application_name("manage.py")
        .connect(tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    let steps = [
        (
            "UPDATE authtoken_token SET key = 'hand-made' WHERE user_id = 1",
            1,
            "regenerate",
        ),
        // As Django's drf_create_token -r.
        (
            "BEGIN; DELETE FROM authtoken_token WHERE user_id = 2; \
          INSERT INTO authtoken_token VALUES ('made-by-hand', now(), 2); COMMIT",
            1,
            "revoke",
        ),
        (
            "DELETE FROM authtoken_token WHERE user_id BETWEEN 3 AND 6",
            4,
            "revoke",
        ),
        ("UPDATE authtoken_token SET created = now()", 0, ""),
        ("TRUNCATE authtoken_token", 5, "revoke"),
    ];
    let mut before = 0;
    for (statement, count, verb) in steps {
        client.batch_execute(statement).await.unwrap();
        let entries = place.audit();
        let new = &entries[before..];
        assert_eq!(new.len(), count, "{statement}: {new:?}");
        for entry in new {
            assert_eq!(entry.what.name(), verb, "{statement}");
            assert_eq!(entry.result, "done, outside tokenward");
            assert_eq!(
                entry.actor.os_user,
                format!("{} (manage.py)", place.role("site"))
            );
            // Of a short key the half.
            let start = entry.key.as_deref().unwrap();
            assert!([8, 6, 4].contains(&start.len()), "{start}");
        }
        before = entries.len();
    }
    let old: Vec<&str> = old
        .iter()
        .map(String::as_str)
        .chain(["hand-made", "made-by-hand"])
        .collect();
    let found = retired(&place, &old).await;
    assert_eq!(found.len(), 11);
    assert!(
        found.iter().all(|key| key.by.contains("(manage.py)@")),
        "{found:?}"
    );
    let checked = place.ops().await.check_audit(None).await.unwrap().checked;
    assert_eq!((checked.lines, checked.problems), (11, Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn very_many_at_once_are_all_remembered_and_get_one_line() {
    let place = with_users(500).await;
    place.sql(&tokens_where("true")).await;
    place
        .sql("DELETE FROM authtoken_token WHERE user_id <= 400")
        .await;
    assert_eq!(
        place
            .one::<i64>("SELECT count(*) FROM tokenward.retired_key")
            .await,
        400
    );
    assert_eq!(
        audit_lines(&place),
        ["revoke : done, outside tokenward: 400 keys"]
    );
    // A user who goes takes his token with him, and is still named.
    place
        .sql("BEGIN; DELETE FROM authtoken_token WHERE user_id = 401; DELETE FROM auth_user WHERE id = 401; COMMIT")
        .await;
    assert_eq!(
        audit_lines(&place)[1..],
        ["revoke user401: done, outside tokenward"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_given_back_is_one_again_and_what_is_rolled_back_never_was() {
    let place = with_users(1).await;
    place.sql(&tokens_where("true")).await;
    let old = keys(&place, 1).await.remove(0);
    place
        .sql("BEGIN; UPDATE authtoken_token SET key = 'xyz'; ROLLBACK")
        .await;
    assert!(retired(&place, &[&old]).await.is_empty() && place.audit().is_empty());
    place.sql("UPDATE authtoken_token SET key = 'xyz'").await;
    assert_eq!(retired(&place, &[&old, "xyz"]).await.len(), 1);
    place
        .sql(&format!("UPDATE authtoken_token SET key = '{old}'"))
        .await;
    let found = retired(&place, &[&old, "xyz"]).await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].start.as_str(), "x");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_knox_are_known_by_their_digest_and_expired_ones_leave_no_line() {
    let place = with_users(1).await;
    let key = "a key of knox";
    place
        .sql(&format!(
            "INSERT INTO knox_authtoken (digest, token_key, created, expiry, user_id) VALUES \
             (encode(sha512('{key}'), 'hex'), left('{key}', 15), now(), now() + interval '1 h', 1), \
             (encode(sha512('old'), 'hex'), 'old', now(), now() - interval '1 h', 1)"
        ))
        .await;
    place
        .sql("UPDATE knox_authtoken SET expiry = expiry + interval '1 min'")
        .await;
    assert!(place.audit().is_empty());
    place.sql("DELETE FROM knox_authtoken").await;
    let found = retired(&place, &[key, "old", "a key of"]).await;
    let told: Vec<_> = found
        .iter()
        .map(|key| (key.kind, key.start.as_str(), key.verb.as_str()))
        .collect();
    assert_eq!(told.len(), 2);
    assert!(
        told.contains(&(Kind::Knox, "a key of", "revoke")),
        "{told:?}"
    );
    assert!(told.contains(&(Kind::Knox, "old", "expire")), "{told:?}");
    assert_eq!(
        audit_lines(&place),
        ["revoke user1: done, outside tokenward"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn that_somebody_was_told_is_noted() {
    let place = with_users(1).await;
    place.sql(&tokens_where("true")).await;
    let old = keys(&place, 1).await.remove(0);
    place.sql("DELETE FROM authtoken_token").await;
    let pool = pool(&place.url(), Settings::default());
    let mut conn = pool.get().await.unwrap();
    let salt = find_salt(&mut conn).await.unwrap().unwrap();
    let digest = salt.drf(&DrfKey::from(old.as_str()));
    let told = Told {
        when: Moment::parse("2026-01-01T00:00:00Z").unwrap(),
        by: "carol@ops1".to_owned(),
    };
    assert_eq!(note_told(&mut conn, &[digest], &told).await.unwrap(), 1);
    let found = retired(&place, &[&old]).await;
    assert_eq!(
        (found[0].digest, found[0].told.as_ref()),
        (digest, Some(&told))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_our_schema_no_key_is_known_and_nothing_fails() {
    let place = with_users(1).await;
    place.sql("DROP SCHEMA tokenward CASCADE").await;
    place.sql(&tokens_where("true")).await;
    let old = keys(&place, 1).await.remove(0);
    place.sql("DELETE FROM authtoken_token").await;
    assert!(retired(&place, &[&old]).await.is_empty());
}

/// Making tokens touches neither trigger.
#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_leaves_two_lines_and_fires_nothing_for_each_row() {
    let place = with_users(300).await;
    let (control, _handle) = control();
    place
        .ops()
        .await
        .backfill(&BackfillPlan::default(), Mode::Apply, control)
        .await
        .unwrap();
    assert_eq!(
        audit_lines(&place),
        ["backfill : started, 300 to do", "backfill : done, 300 made"]
    );
    let ours = "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'authtoken_token'::regclass AND NOT tgisinternal \
                 AND (tgtype & 4 <> 0 OR tgtype & 1 <> 0)";
    assert_eq!(place.one::<i64>(ours).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_table_renamed_since_costs_the_name_and_not_the_change() {
    let place = with_users(1).await;
    place.sql(&tokens_where("true")).await;
    let old = keys(&place, 1).await.remove(0);
    place
        .sql("ALTER TABLE auth_user RENAME COLUMN username TO login")
        .await;
    place.sql("DELETE FROM authtoken_token").await;
    let found = retired(&place, &[&old]).await;
    assert_eq!(
        (found[0].username.as_deref(), found[0].user_id.as_str()),
        (None, "1")
    );
    assert_eq!(audit_lines(&place), ["revoke 1: done, outside tokenward"]);
}

/// A user table that was not named, or is none any more, must not make Django's changes fail.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_user_table_keys_are_remembered_without_names() {
    let place = with_users(3).await;
    place.sql(&tokens_where("true")).await;
    let old = keys(&place, 3).await;
    place
        .sql("SELECT tokenward.attach_records('\"people\"', 'username')")
        .await;
    place
        .sql("DELETE FROM authtoken_token WHERE user_id = 1; DELETE FROM authtoken_token WHERE false")
        .await;
    place
        .sql(
            "SELECT tokenward.attach_records('\"auth_user\"', 'username'); \
             CREATE FUNCTION boom(text) RETURNS text LANGUAGE plpgsql AS \
             $$ BEGIN RAISE EXCEPTION 'run with the rights of %', current_user; END $$; \
             ALTER TABLE auth_user RENAME TO people; \
             CREATE VIEW auth_user AS SELECT id, boom(username) AS username FROM people; \
             DELETE FROM authtoken_token WHERE user_id = 2",
        )
        .await;
    let found = retired(&place, &[&old[0], &old[1]]).await;
    let names: Vec<_> = found.iter().map(|key| key.username.as_deref()).collect();
    assert_eq!(names, [None, None]);
}

/// As after a restore without the data of our tables.
#[tokio::test(flavor = "multi_thread")]
async fn a_salt_that_is_missing_is_made_anew() {
    let place = with_users(1).await;
    place.sql(&tokens_where("true")).await;
    let old = keys(&place, 1).await;
    place
        .sql("DELETE FROM tokenward.installation; DELETE FROM authtoken_token")
        .await;
    assert_eq!(retired(&place, &[&old[0]]).await.len(), 1);
    assert_eq!(
        audit_lines(&place),
        ["revoke user1: done, outside tokenward"]
    );
}
