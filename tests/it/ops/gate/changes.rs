//! Changes that others make, and those of this process: seen within the bound, by notices that hold ids only.

use super::*;

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
