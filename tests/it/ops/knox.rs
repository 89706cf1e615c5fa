//! Tokens of django-rest-knox: those that it made, and those that we make.

use std::sync::Arc;

use serde_json::Value;
use tokenward::db::connect::Settings;
use tokenward::db::knox_tokens;
use tokenward::domain::moment::Moment;
use tokenward::domain::principal::{Account, Denied, Holds, Principal};
use tokenward::domain::secret::Secret;
use tokenward::domain::token::{KnoxDigest, KnoxKey};
use tokenward::domain::user::UserId;
use tokenward::ops::{Error, Ops};

use super::{SOMEBODY_WAITS, audit_lines, wait_until, with_users};
use crate::support::place::{Place, pool};

const HOUR: i64 = 3_600_000_000;

fn key(text: &str) -> KnoxKey {
    KnoxKey::new(Secret::from(text))
}

/// A row as knox writes it, ending at `expiry` (SQL).
async fn insert(place: &Place, key: &KnoxKey, user: u32, expiry: &str) {
    place
        .sql(&format!(
            "INSERT INTO knox_authtoken (digest, created, user_id, expiry, token_key) \
             VALUES ('{}', now(), {user}, {expiry}, '{}')",
            key.digest(),
            key.token_key()
        ))
        .await;
}

async fn rows_of(place: &Place, user: u32) -> i64 {
    let count = format!("SELECT count(*) FROM knox_authtoken WHERE user_id = {user}");
    place.one(&count).await
}

async fn whose(ops: &Ops, key: &KnoxKey) -> Result<String, Denied> {
    match ops.knox_verify(key).await {
        Ok(principal) => Ok(principal.account.username.to_string()),
        Err(Error::Denied(why)) => Err(why),
        Err(other) => panic!("{other:?}"),
    }
}

fn account(ops_id: u32) -> Account {
    Account {
        id: UserId::Int4(i32::try_from(ops_id).unwrap()),
        username: format!("user{ops_id}").into(),
        email: "".into(),
        full_name: "".into(),
        is_active: true,
        groups: Vec::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_knox_made_are_found_and_proven_as_it_does() {
    let golden: Value = serde_json::from_str(include_str!("../../golden/knox.json")).unwrap();
    let place = with_users(1).await;
    let ops = place.ops().await;
    let mut keys = Vec::new();
    for row in ["rows", "odd"]
        .iter()
        .flat_map(|part| golden[part].as_array().unwrap())
    {
        let text = |name: &str| row[name].as_str().unwrap();
        let presented = key(text("key"));
        assert_eq!(presented.digest().to_string(), text("digest"));
        assert_eq!(presented.token_key(), text("token_key"));
        if let Some(auth) = row["auth"].as_str() {
            let (digest, name) = auth.split_once(" : ").unwrap();
            assert_eq!(KnoxDigest::parse(digest), Some(presented.digest()));
            assert_eq!(golden["username"], name);
        }
        insert(&place, &presented, 1, "NULL").await;
        keys.push(presented);
    }
    assert!(keys.len() >= 12);
    for presented in &keys {
        assert_eq!(whose(&ops, presented).await.unwrap(), "user1");
        let longer = key(&format!("{}0", presented.expose()));
        assert_eq!(whose(&ops, &longer).await, Err(Denied::InvalidToken));
    }
    assert_eq!(
        whose(&ops, &key("nobody's")).await,
        Err(Denied::InvalidToken)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_principal_is_told_with_groups_and_full_name() {
    let place = with_users(2).await;
    place
        .sql(
            "UPDATE auth_user SET first_name = 'Ann', last_name = 'Lee', email = 'a@x.test' WHERE id = 2; \
             INSERT INTO auth_group (name) VALUES ('writers'), ('editors'), ('nobody'); \
             INSERT INTO auth_user_groups (user_id, group_id) VALUES (2, 1), (2, 2), (1, 3)",
        )
        .await;
    let presented = key("0123456789abcdef");
    insert(&place, &presented, 2, "'2999-01-01 00:00:00.5+00'").await;
    place
        .sql("UPDATE knox_authtoken SET created = '2024-05-06 07:08:09.123456+00'")
        .await;
    let found = place.ops().await.knox_verify(&presented).await.unwrap();
    let expected = Principal {
        account: Arc::new(Account {
            email: "a@x.test".into(),
            full_name: "Ann Lee".into(),
            groups: vec!["editors".to_owned(), "writers".to_owned()],
            ..account(2)
        }),
        token: Holds::Knox(presented.digest()),
        created: Moment::parse("2024-05-06T07:08:09.123456Z").unwrap(),
        expiry: Moment::parse("2999-01-01T00:00:00.5Z"),
    };
    assert_eq!(found, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_key_is_refused_and_its_row_goes() {
    let place = with_users(2).await;
    let ops = place.ops().await;
    let (dead, live, other) = (key("dead"), key("live"), key("other"));
    insert(&place, &dead, 1, "now() - interval '1 second'").await;
    insert(&place, &other, 1, "now() - interval '1 year'").await;
    insert(&place, &live, 1, "NULL").await;
    insert(&place, &key("not his"), 2, "'2020-01-01'").await;
    // Nobody is there to be cleaned up after.
    assert_eq!(
        whose(&ops, &key("unknown")).await,
        Err(Denied::InvalidToken)
    );
    assert_eq!(rows_of(&place, 1).await, 3);
    assert_eq!(whose(&ops, &dead).await, Err(Denied::InvalidToken));
    assert_eq!(rows_of(&place, 1).await, 1, "and his other one with it");
    assert_eq!(rows_of(&place, 2).await, 1);
    assert_eq!(whose(&ops, &live).await.unwrap(), "user1");
    assert_eq!(audit_lines(&place), [""; 0]);
}

/// The triggers judge by the database's clock: what is deleted before it has expired there would be told as revoked.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_ahead_deletes_nothing_that_lives() {
    let place = with_users(1).await;
    insert(&place, &key("early"), 1, "now() + interval '30 minutes'").await;
    insert(&place, &key("dead"), 1, "now() - interval '1 second'").await;
    let pool = pool(&place.url(), Settings::default());
    let mut conn = pool.get().await.unwrap();
    let ahead = Moment::now().plus_hours(1);
    let gone = knox_tokens::delete_expired(&mut conn, UserId::Int4(1), ahead).await;
    assert_eq!(gone.unwrap(), 1);
    assert_eq!(rows_of(&place, 1).await, 1);
    assert_eq!(audit_lines(&place), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_key_clears_its_users_expired_ones_even_when_he_is_off() {
    let place = with_users(1).await;
    let ops = place.ops().await;
    let live = key("live");
    insert(&place, &live, 1, "now() + interval '1 hour'").await;
    for text in ["a", "b"] {
        insert(&place, &key(text), 1, "'2020-01-01'").await;
    }
    place.sql("UPDATE auth_user SET is_active = false").await;
    assert_eq!(whose(&ops, &live).await, Err(Denied::Inactive));
    assert_eq!(rows_of(&place, 1).await, 1);
    place.sql("UPDATE auth_user SET is_active = true").await;
    assert_eq!(whose(&ops, &live).await.unwrap(), "user1");
    // An expired key of a user who is off: expiry comes first.
    place
        .sql("UPDATE auth_user SET is_active = false; UPDATE knox_authtoken SET expiry = '2020-01-01'")
        .await;
    assert_eq!(whose(&ops, &live).await, Err(Denied::InvalidToken));
    assert_eq!(rows_of(&place, 1).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_on_what_has_expired_holds_up_no_answer() {
    let place = with_users(1).await;
    let ops = place.ops().await;
    insert(&place, &key("dead"), 1, "'2020-01-01'").await;
    insert(&place, &key("live"), 1, "NULL").await;
    let other = place.client().await;
    other
        .batch_execute("BEGIN; SELECT FROM knox_authtoken WHERE token_key = 'dead' FOR UPDATE")
        .await
        .unwrap();
    // Every connection of the pool would wait, if each look did.
    for _ in 0..8 {
        assert_eq!(whose(&ops, &key("live")).await.unwrap(), "user1");
    }
    wait_until(&place, SOMEBODY_WAITS).await;
    other.batch_execute("COMMIT").await.unwrap();
    wait_until(&place, "SELECT count(*) = 1 FROM knox_authtoken").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_share_their_first_characters_are_told_apart() {
    let place = with_users(3).await;
    let ops = place.ops().await;
    let alike = |end: &str| key(&format!("fifteen chars..{end}"));
    insert(&place, &alike("expired"), 1, "'2020-01-01'").await;
    insert(&place, &alike("one"), 2, "NULL").await;
    insert(&place, &alike("two"), 3, "NULL").await;
    assert_eq!(whose(&ops, &alike("two")).await.unwrap(), "user3");
    assert_eq!(
        rows_of(&place, 1).await,
        0,
        "it stood in the way and had expired"
    );
    assert_eq!(whose(&ops, &alike("one")).await.unwrap(), "user2");
    assert_eq!(
        whose(&ops, &alike("three")).await,
        Err(Denied::InvalidToken)
    );
    assert_eq!(whose(&ops, &alike("")).await, Err(Denied::InvalidToken));
    assert_eq!(
        whose(&ops, &alike("expired")).await,
        Err(Denied::InvalidToken)
    );
    // What is stored is no key.
    let digest = alike("one").digest().to_string();
    assert_eq!(whose(&ops, &key(&digest)).await, Err(Denied::InvalidToken));
}

#[tokio::test(flavor = "multi_thread")]
async fn any_text_may_be_presented() {
    let place = with_users(1).await;
    let ops = place.ops().await;
    for text in [
        "",
        "\0",
        "0123456789abcde\0",
        "'; --",
        "%",
        &"x".repeat(1 << 20),
    ] {
        assert_eq!(whose(&ops, &key(text)).await, Err(Denied::InvalidToken));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn login_makes_a_token_for_ten_hours_and_notes_the_login() {
    let place = with_users(2).await;
    let ops = place.ops().await;
    let before = Moment::now();
    let one = ops.knox_login(&account(1)).await.unwrap();
    let two = ops.knox_login(&account(1)).await.unwrap();
    let after = Moment::now();
    assert_ne!(one.key.digest(), two.key.digest());
    for issued in [&one, &two] {
        assert!(before.plus_hours(10) <= issued.expiry && issued.expiry <= after.plus_hours(10));
        let found = ops.knox_verify(&issued.key).await.unwrap();
        assert_eq!(found.account.username, "user1");
        assert_eq!(found.expiry, Some(issued.expiry));
        assert_eq!(
            issued.expiry.unix_micros() - found.created.unix_micros(),
            10 * HOUR
        );
    }
    let noted = "SELECT string_agg((last_login IS NOT NULL)::text, ' ' ORDER BY id) FROM auth_user";
    assert_eq!(place.one::<String>(noted).await, "true false");
    let latest: i64 = place
        .one(
            "SELECT (extract(epoch FROM last_login) * 1000000)::bigint FROM auth_user WHERE id = 1",
        )
        .await;
    assert_eq!(latest + 10 * HOUR, two.expiry.unix_micros());
    assert_eq!(audit_lines(&place), ["login user1: done"; 2]);
    let shown: Vec<Option<String>> = place.audit().into_iter().map(|entry| entry.key).collect();
    let first = |issued: &tokenward::ops::KnoxIssued| Some(issued.key.expose()[..8].to_owned());
    assert_eq!(shown, [first(&one), first(&two)]);

    let gone = ops.knox_login(&account(77)).await.unwrap_err();
    assert_eq!(gone, Error::NotFound("no user user77".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn logout_ends_one_token_and_logoutall_all_of_a_user() {
    let place = with_users(2).await;
    let ops = place.ops().await;
    let mut keys = Vec::new();
    for _ in 0..3 {
        keys.push(ops.knox_login(&account(1)).await.unwrap().key);
    }
    let other = ops.knox_login(&account(2)).await.unwrap().key;
    for _ in 0..2 {
        // The second finds it done, which is no error in Django either.
        ops.knox_logout(&keys[0].digest()).await.unwrap();
    }
    assert_eq!(whose(&ops, &keys[0]).await, Err(Denied::InvalidToken));
    assert_eq!(whose(&ops, &keys[1]).await.unwrap(), "user1");
    for _ in 0..2 {
        ops.knox_logout_all(account(1).id).await.unwrap();
    }
    assert_eq!(whose(&ops, &keys[1]).await, Err(Denied::InvalidToken));
    assert_eq!(whose(&ops, &keys[2]).await, Err(Denied::InvalidToken));
    assert_eq!(whose(&ops, &other).await.unwrap(), "user2");
    assert_eq!(
        audit_lines(&place)[4..],
        ["logout user1: done", "logoutall user1: done"]
    );
    let shown: Vec<Option<String>> = place.audit().into_iter().map(|entry| entry.key).collect();
    assert_eq!(shown[4..], [Some(keys[0].expose()[..8].to_owned()), None]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_without_knox_says_so_and_so_does_one_with_another() {
    let place = with_users(1).await;
    place.sql("DROP TABLE knox_authtoken").await;
    let ops = place.ops().await;
    assert!(!ops.has_knox());
    let why = "No knox_authtoken. Is knox migrated?".to_owned();
    assert_eq!(ops.why_no_knox(), Some(why.clone()));
    assert_eq!(
        ops.knox_verify(&key("k")).await.unwrap_err(),
        Error::MissingRight(why)
    );

    let place = with_users(1).await;
    place
        .sql(
            "ALTER TABLE knox_authtoken RENAME expiry TO expires; \
             ALTER TABLE knox_authtoken ALTER user_id TYPE bigint",
        )
        .await;
    let ops = place.ops().await;
    assert!(!ops.has_knox());
    assert_eq!(
        ops.why_no_knox().unwrap(),
        "knox_authtoken has no column expiry. knox_authtoken.user_id is of type bigint; expected is integer."
    );
    assert!(with_users(0).await.ops().await.has_knox());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_only_look_verifies_and_is_told_what_is_missing_for_more() {
    let place = with_users(1).await;
    insert(&place, &key("live"), 1, "NULL").await;
    insert(&place, &key("dead"), 1, "'2020-01-01'").await;
    let url = place
        .url_of_role(
            "looks",
            "GRANT SELECT ON auth_user, authtoken_token, knox_authtoken TO {role}",
        )
        .await;
    let role = place.role("looks");
    let missing =
        |verb: &str| Error::MissingRight(format!("Role {role} may not {verb} knox_authtoken."));
    let read_only = Error::ReadOnly(format!(
        "READ ONLY: this session on {} may not change anything.",
        place.name()
    ));
    for (ops, insert, delete) in [
        (
            place.ops_as(&url).await,
            missing("insert into"),
            missing("delete from"),
        ),
        (place.ops_read_only().await, read_only.clone(), read_only),
    ] {
        assert!(ops.has_knox());
        assert_eq!(whose(&ops, &key("live")).await.unwrap(), "user1");
        assert_eq!(whose(&ops, &key("dead")).await, Err(Denied::InvalidToken));
        assert_eq!(ops.knox_login(&account(1)).await.unwrap_err(), insert);
        let digest = key("live").digest();
        assert_eq!(ops.knox_logout(&digest).await.unwrap_err(), delete);
        assert_eq!(
            ops.knox_logout_all(account(1).id).await.unwrap_err(),
            delete
        );
    }
    assert_eq!(rows_of(&place, 1).await, 2);
    let unseen = place
        .url_of_role(
            "unseen",
            "GRANT SELECT ON auth_user, authtoken_token TO {role}",
        )
        .await;
    assert_eq!(
        place.ops_as(&unseen).await.why_no_knox().unwrap(),
        format!(
            "Role {} may not select from knox_authtoken.",
            place.role("unseen")
        )
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_needs_no_right_to_the_user_table() {
    let place = with_users(1).await;
    let url = place
        .url_of_role(
            "least",
            "GRANT SELECT ON auth_user, authtoken_token TO {role}; \
             GRANT SELECT, INSERT, DELETE ON knox_authtoken TO {role}",
        )
        .await;
    let ops = place.ops_as(&url).await;
    let issued = ops.knox_login(&account(1)).await.unwrap();
    assert_eq!(whose(&ops, &issued.key).await.unwrap(), "user1");
    assert!(
        place
            .one::<bool>("SELECT last_login IS NULL FROM auth_user")
            .await
    );
    ops.knox_logout(&issued.key.digest()).await.unwrap();
    assert_eq!(rows_of(&place, 1).await, 0);
}
