//! Whom a key of either kind belongs to, whatever type the ids have, and when it has expired.

use super::*;
use crate::ops::my_people;

#[tokio::test(flavor = "multi_thread")]
async fn the_two_kinds_of_key_and_what_is_told_of_their_holders() {
    let place = place_with_tokens().await;
    place
        .sql(
            "UPDATE auth_user SET email = 'a@b', first_name = 'Ann', last_name = 'Lee' WHERE id = 1; \
             INSERT INTO auth_group (name) VALUES ('b'), ('a'); \
             INSERT INTO auth_user_groups (user_id, group_id) VALUES (1, 1), (1, 2); \
             INSERT INTO authtoken_token SELECT '密', '2024-06-01', id FROM auth_user WHERE false",
        )
        .await;
    let gate = gate_of(&place).await;
    for key in [drf("key1"), knox(1)] {
        let first = gate.verify(&key).await.unwrap();
        assert_eq!(
            remembered(&gate, &key).await,
            first,
            "memory and database say the same"
        );
        let account = &first.account;
        let said = (
            account.username.as_str(),
            account.email.as_str(),
            account.full_name.as_str(),
        );
        assert_eq!(said, ("user1", "a@b", "Ann Lee"));
        assert_eq!(account.groups, ["a", "b"]);
        assert_eq!(account.id, UserId::Int4(1));
    }
    assert_eq!(
        gate.verify(&drf("key1")).await.unwrap().created,
        Moment::parse("2024-06-01T00:00:00Z").unwrap()
    );
    let long = "x".repeat(100_000);
    for unknown in [
        "KEY1",
        "key1 ",
        "",
        "knox-key-of-user-1",
        "key\0",
        long.as_str(),
    ] {
        assert_eq!(
            gate.verify(&drf(unknown)).await,
            Err(Error::Denied(Denied::InvalidToken)),
            "{unknown:.20}"
        );
    }
    for unknown in ["knox-key-of-user-", "knox-key-of-use", "key1", "", "knox\0"] {
        let key = Presented::Knox(KnoxKey::new(Secret::from(unknown)));
        assert_eq!(
            gate.verify(&key).await,
            Err(Error::Denied(Denied::InvalidToken)),
            "{unknown}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_knox_token_opens_nothing_and_is_gone_with_the_answer() {
    let place = place_with_tokens().await;
    let gate = gate_of(&place).await;
    let of_two = "SELECT count(*) FROM knox_authtoken WHERE user_id = 2";
    remembered(&gate, &knox(2)).await;
    assert_eq!(place.one::<i64>(of_two).await, 1);
    place
        .sql("UPDATE knox_authtoken SET expiry = now() + '300 ms'::interval WHERE user_id = 2")
        .await;
    seen(&gate, &knox(2), |answer| {
        answer.as_ref().is_ok_and(|principal| {
            principal.expiry < Some(Moment::parse("2100-01-01T00:00:00Z").unwrap())
        })
    })
    .await;
    let begun = Instant::now();
    while gate.verify(&knox(2)).await.is_ok() {
        assert!(begun.elapsed() < DEADLINE);
    }
    assert_eq!(place.one::<i64>(of_two).await, 0);
    assert_eq!(
        gate.verify(&knox(2)).await,
        Err(Error::Denied(Denied::InvalidToken))
    );
    // A good token of his takes his expired ones away too, as in knox, and those of nobody else.
    place
        .sql(
            "INSERT INTO knox_authtoken (digest, created, user_id, expiry, token_key) \
             VALUES (encode(sha512('another'), 'hex'), now(), 2, NULL, 'another'), \
                    ('old', now(), 2, '2020-01-01', 'old'), ('old of 3', now(), 3, '2020-01-01', 'old')",
        )
        .await;
    let another = Presented::Knox(KnoxKey::new(Secret::from("another")));
    assert_eq!(gate.verify(&another).await.unwrap().expiry, None);
    assert_eq!(place.one::<i64>(of_two).await, 1);
    let of_three = "SELECT count(*) FROM knox_authtoken WHERE user_id = 3";
    assert_eq!(place.one::<i64>(of_three).await, 2);
}

async fn the_whole_job(key: &str) {
    let place = place::empty().await;
    place
        .sql(&format!(
            "CREATE TABLE \"My People\" (\"Key\" {key} PRIMARY KEY, \"E mail\" varchar(254) NOT NULL UNIQUE, seen int); \
             CREATE TABLE authtoken_token (key varchar(40) PRIMARY KEY, created timestamptz NOT NULL, \
                 user_id {key} NOT NULL UNIQUE REFERENCES \"My People\" DEFERRABLE INITIALLY DEFERRED)"
        ))
        .await;
    place.sql(&knox_table(key)).await;
    let users = my_people();
    let ops = place
        .open(&place.url(), Settings::default(), &users)
        .await
        .unwrap();
    let id = match key {
        "uuid" => "('00000000-0000-4000-8000-0000000000' || lpad(i::text, 2, '0'))::uuid",
        "bigint" => "9000000000 + i",
        _ => "i",
    };
    place
        .sql(&format!(
            "INSERT INTO \"My People\" SELECT {id}, 'user' || i FROM generate_series(1, 20) AS i; \
             INSERT INTO authtoken_token SELECT 'key' || substr(\"E mail\", 5), now(), \"Key\" FROM \"My People\""
        ))
        .await;
    let gate = Gate::open(&ops, GateSettings::default());
    until(
        &gate,
        |sure| matches!(sure, Sure::NotSure(why) if why.contains("tokenward migrate")),
    )
    .await;
    trouble::migrate(&place, &users).await;
    until_sure(&gate).await;
    let (client, mut heard) = second_listener(&place).await;
    for (change, right) in [
        ("UPDATE \"My People\" SET seen = 1", None),
        (
            "UPDATE \"My People\" SET \"E mail\" = 'renamed' WHERE \"E mail\" = 'user3'",
            Some("renamed"),
        ),
        ("DELETE FROM authtoken_token WHERE key = 'key3'", None),
    ] {
        let was = remembered(&gate, &drf("key3")).await;
        client.batch_execute(change).await.unwrap();
        match right {
            Some(name) => {
                seen(&gate, &drf("key3"), |a| {
                    a.as_ref().is_ok_and(|p| p.account.username == name)
                })
                .await;
            }
            None if change.contains("seen") => {
                assert_eq!(remembered(&gate, &drf("key3")).await, was);
            }
            None => seen(&gate, &drf("key3"), is_denied(Denied::InvalidToken)).await,
        }
    }
    let mut payloads = Vec::new();
    while let Ok(payload) = heard.try_recv() {
        payloads.push(payload);
    }
    assert_eq!(payloads.len(), 2, "{payloads:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn integer_keys() {
    the_whole_job("integer").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bigint_keys() {
    the_whole_job("bigint").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn uuid_keys() {
    the_whole_job("uuid").await;
}
