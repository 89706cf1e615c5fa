//! The gate: what it remembers, and that it forgets in time whatever happens.

mod load;
mod trouble;
mod uses;

use std::time::{Duration, Instant};

use tokenward::db::compat::UserTable;
use tokenward::db::connect::Settings;
use tokenward::domain::moment::Moment;
use tokenward::domain::principal::{Denied, Presented, Principal};
use tokenward::domain::secret::Secret;
use tokenward::domain::token::KnoxKey;
use tokenward::domain::user::UserId;
use tokenward::ops::gate::{Gate, GateSettings, Sure};
use tokenward::ops::{Error, Mode};
use tokio_postgres::{AsyncMessage, Client, NoTls};

use super::{DEADLINE, aim, with_users};
use crate::support::place::{self, Place};

/// No key that was revoked is answered longer than this, whatever breaks.
const BOUND: Duration = Duration::from_secs(1);

/// `knox_authtoken` as knox 5.1 makes it, for keys of this type, where there is none yet.
fn knox_table(key: &str) -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS knox_authtoken (digest varchar(128) PRIMARY KEY, created timestamptz NOT NULL, \
             user_id {key} NOT NULL, expiry timestamptz, token_key varchar(25) NOT NULL); \
         CREATE INDEX IF NOT EXISTS knox_by_start ON knox_authtoken (token_key)"
    )
}

const ATTACH: &str = "SELECT tokenward.attach_notices('\"auth_user\"', 'username')";

/// Thirty users; each has the token `key<id>`, and the knox token `knox-key-of-user-<id>`.
async fn place_with_tokens() -> Place {
    let place = with_users(30).await;
    place
        .sql("INSERT INTO authtoken_token SELECT 'key' || id, '2024-06-01', id FROM auth_user")
        .await;
    place.sql(&knox_table("integer")).await;
    place.sql(ATTACH).await;
    place
        .sql(
            "INSERT INTO knox_authtoken (digest, created, user_id, expiry, token_key) \
             SELECT encode(sha512(('knox-key-of-user-' || id)::bytea), 'hex'), now(), id, now() + '1 hour', \
                    left('knox-key-of-user-' || id, 15) FROM auth_user",
        )
        .await;
    place
}

async fn gate_of(place: &Place) -> Gate {
    let gate = Gate::open(&place.ops().await, GateSettings::default());
    until_sure(&gate).await;
    gate
}

async fn until_sure(gate: &Gate) {
    until(gate, |sure| *sure == Sure::Sure).await;
}

/// Waits until what the gate says of itself is right.
async fn until(gate: &Gate, right: impl Fn(&Sure) -> bool) -> Sure {
    let begun = Instant::now();
    loop {
        let sure = gate.sure();
        if right(&sure) {
            return sure;
        }
        assert!(begun.elapsed() < DEADLINE, "still {sure:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn drf(key: &str) -> Presented {
    Presented::Drf(Secret::from(key))
}

fn knox(id: u32) -> Presented {
    Presented::Knox(KnoxKey::new(Secret::new(format!("knox-key-of-user-{id}"))))
}

/// Verifies `key` until it is answered from memory.
async fn remembered(gate: &Gate, key: &Presented) -> Principal {
    let begun = Instant::now();
    loop {
        let before = gate.stats().hits;
        let principal = gate.verify(key).await.unwrap();
        if gate.stats().hits > before {
            return principal;
        }
        assert!(begun.elapsed() < DEADLINE, "never remembered");
    }
}

/// Asks for `key` until the answer is `right`, and that within the bound.
async fn seen(gate: &Gate, key: &Presented, right: impl Fn(&Result<Principal, Error>) -> bool) {
    let begun = Instant::now();
    loop {
        let asked = begun.elapsed();
        let answer = gate.verify(key).await;
        if right(&answer) {
            return;
        }
        assert!(asked < BOUND, "{asked:?} after the change still {answer:?}");
        tokio::task::yield_now().await;
    }
}

fn is_denied(denied: Denied) -> impl Fn(&Result<Principal, Error>) -> bool {
    move |answer| *answer == Err(Error::Denied(denied))
}

/// What the answer must become.
type Right = Box<dyn Fn(&Result<Principal, Error>) -> bool>;

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "it is one table")]
async fn every_kind_of_change_by_another_connection_is_seen() {
    let place = place_with_tokens().await;
    place
        .sql(
            "INSERT INTO auth_group (name) VALUES ('editors'), ('staff'); \
             INSERT INTO auth_user_groups (user_id, group_id) VALUES (9, 1)",
        )
        .await;
    let gate = gate_of(&place).await;
    let other = place.client().await;
    let denied = |denied| -> Right { Box::new(is_denied(denied)) };
    let becomes = |right: fn(&Principal) -> bool| -> Right {
        Box::new(move |answer| answer.as_ref().is_ok_and(right))
    };
    let (gone, off) = (Denied::InvalidToken, Denied::Inactive);
    let cases = [
        (
            "UPDATE authtoken_token SET key = 'new1' WHERE user_id = 1",
            drf("key1"),
            denied(gone),
        ),
        (
            "DELETE FROM authtoken_token WHERE user_id = 2",
            drf("key2"),
            denied(gone),
        ),
        (
            "UPDATE auth_user SET is_active = false WHERE id = 3",
            drf("key3"),
            denied(off),
        ),
        (
            "UPDATE auth_user SET is_active = false WHERE id = 4",
            knox(4),
            denied(off),
        ),
        (
            "UPDATE auth_user SET username = 'USER5' WHERE id = 5",
            drf("key5"),
            becomes(|p| p.account.username == "USER5"),
        ),
        (
            "UPDATE auth_user SET email = 'x@y' WHERE id = 5",
            drf("key5"),
            becomes(|p| p.account.email == "x@y"),
        ),
        (
            "UPDATE auth_user SET last_name = 'Ng' WHERE id = 5",
            drf("key5"),
            becomes(|p| p.account.full_name == "Ng"),
        ),
        (
            "INSERT INTO auth_user_groups (user_id, group_id) VALUES (8, 2)",
            drf("key8"),
            becomes(|p| p.account.groups == ["staff"]),
        ),
        (
            "UPDATE auth_user_groups SET user_id = 10 WHERE user_id = 9",
            drf("key9"),
            becomes(|p| p.account.groups.is_empty()),
        ),
        (
            "UPDATE auth_group SET name = 'press' WHERE id = 1",
            drf("key10"),
            becomes(|p| p.account.groups == ["press"]),
        ),
        (
            "DELETE FROM auth_user_groups WHERE user_id = 10",
            drf("key10"),
            becomes(|p| p.account.groups.is_empty()),
        ),
        (
            "TRUNCATE auth_user_groups",
            drf("key8"),
            becomes(|p| p.account.groups.is_empty()),
        ),
        (
            "BEGIN; DELETE FROM authtoken_token WHERE user_id = 11; DELETE FROM knox_authtoken WHERE user_id = 11; \
          DELETE FROM auth_user WHERE id = 11; COMMIT",
            knox(11),
            denied(gone),
        ),
        (
            "DELETE FROM knox_authtoken WHERE user_id = 12",
            knox(12),
            denied(gone),
        ),
        (
            "UPDATE knox_authtoken SET expiry = now() - '1 s'::interval WHERE user_id = 13",
            knox(13),
            denied(gone),
        ),
        (
            "UPDATE authtoken_token SET user_id = 2 WHERE user_id = 14",
            drf("key14"),
            becomes(|p| p.account.id == UserId::Int4(2)),
        ),
        (
            "INSERT INTO authtoken_token VALUES ('up', now(), 15) ON CONFLICT (user_id) DO UPDATE SET key = 'up'",
            drf("key15"),
            denied(gone),
        ),
        (
            "SET session_replication_role = replica; DELETE FROM authtoken_token WHERE user_id = 16; \
          RESET session_replication_role",
            drf("key16"),
            denied(gone),
        ),
        ("TRUNCATE knox_authtoken", knox(17), denied(gone)),
        ("TRUNCATE authtoken_token", drf("key18"), denied(gone)),
    ];
    for (sql, key, right) in cases {
        remembered(&gate, &key).await;
        other.batch_execute(sql).await.unwrap();
        seen(&gate, &key, right).await;
        assert_eq!(gate.sure(), Sure::Sure, "after {sql}");
    }
}

/// A connection that hears what the notices say.
async fn second_listener(place: &Place) -> (Client, tokio::sync::mpsc::UnboundedReceiver<String>) {
    let (client, mut link) = tokio_postgres::connect(place.url().expose(), NoTls)
        .await
        .unwrap();
    let (send, heard) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(Ok(message)) = std::future::poll_fn(|cx| link.poll_message(cx)).await {
            if let AsyncMessage::Notification(notice) = message {
                let _ = send.send(notice.payload().to_owned());
            }
        }
    });
    client.batch_execute("LISTEN tokenward").await.unwrap();
    (client, heard)
}

#[tokio::test(flavor = "multi_thread")]
async fn notices_are_few_and_hold_ids_only() {
    let place = with_users(1_000).await;
    let (client, mut heard) = second_listener(&place).await;
    let silent = [
        "UPDATE auth_user SET last_login = now() WHERE id < 900",
        "UPDATE auth_user SET password = 'pbkdf2_sha256$1', last_login = now() WHERE id = 1",
        "UPDATE auth_user SET is_active = true, username = username WHERE id = 1",
        "INSERT INTO authtoken_token SELECT 'key' || id, now(), id FROM auth_user",
        "INSERT INTO auth_user SELECT id + 5000, password, NULL, false, 'n' || id, '', '', '', false, true, now() FROM auth_user",
        "UPDATE authtoken_token SET key = 'x' WHERE user_id = 0",
        "DELETE FROM authtoken_token WHERE user_id = 0",
        "BEGIN; DELETE FROM authtoken_token; ROLLBACK",
        "INSERT INTO auth_group (name) VALUES ('a')",
    ];
    for sql in silent {
        client.batch_execute(sql).await.unwrap();
    }
    let telling = [
        (
            "UPDATE authtoken_token SET key = 'secret' WHERE user_id = 7",
            "7",
        ),
        ("UPDATE auth_user SET is_active = false WHERE id = 8", "8"),
        ("UPDATE auth_user SET is_active = false", "*"),
        ("DELETE FROM authtoken_token", "*"),
        ("TRUNCATE authtoken_token", "*"),
    ];
    for (sql, payload) in telling {
        client.batch_execute(sql).await.unwrap();
        // The first notice that arrives: what was to be silent was so.
        let notice = tokio::time::timeout(DEADLINE, heard.recv())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(notice, payload, "{sql}");
    }
    client
        .batch_execute("UPDATE auth_user SET email = 'e' WHERE id BETWEEN 101 AND 300")
        .await
        .unwrap();
    let notice = heard.recv().await.unwrap();
    let mut ids: Vec<u32> = notice.split(',').map(|id| id.parse().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(
        ids,
        (101..=300).collect::<Vec<_>>(),
        "one notice for all of them"
    );
    client.query_one("SELECT 1", &[]).await.unwrap();
    assert!(heard.try_recv().is_err(), "and no other");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_this_process_changes_is_forgotten_before_it_answers() {
    let place = place_with_tokens().await;
    let ops = place.ops().await;
    let gate = Gate::open(&ops, GateSettings::default());
    until_sure(&gate).await;
    for round in 0..20 {
        let user = aim(&ops, "user1").await;
        let old = match round {
            0 => Secret::from("key1"),
            _ => ops.generate(&user, Mode::Apply).await.unwrap().key,
        };
        remembered(&gate, &Presented::Drf(old.clone())).await;
        let issued = ops
            .regenerate(&aim(&ops, "user1").await, Mode::Apply)
            .await
            .unwrap();
        let refused = gate.verify(&Presented::Drf(old.clone())).await;
        assert_eq!(refused, Err(Error::Denied(Denied::InvalidToken)));
        assert_eq!(gate.retired(&old).await.as_deref(), Some("user1"));
        assert_eq!(gate.retired(&issued.key).await, None);
        remembered(&gate, &Presented::Drf(issued.key.clone())).await;
        ops.set_active(&user, false, Mode::Apply).await.unwrap();
        let refused = gate.verify(&Presented::Drf(issued.key.clone())).await;
        assert_eq!(refused, Err(Error::Denied(Denied::Inactive)));
        ops.set_active(&user, true, Mode::Apply).await.unwrap();
        gate.verify(&Presented::Drf(issued.key.clone()))
            .await
            .unwrap();
        ops.revoke(&aim(&ops, "user1").await, Mode::Apply)
            .await
            .unwrap();
        let refused = gate.verify(&Presented::Drf(issued.key.clone())).await;
        assert_eq!(refused, Err(Error::Denied(Denied::InvalidToken)));
        assert_eq!(gate.retired(&issued.key).await.as_deref(), Some("user1"));
    }
    let other = aim(&ops, "user2").await;
    ops.revoke(&other, Mode::DryRun).await.unwrap();
    assert_eq!(
        gate.retired(&Secret::from("key2")).await,
        None,
        "it still opens doors"
    );
}

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
    let users = UserTable {
        table: "My People".to_owned(),
        username: "E mail".to_owned(),
    };
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
