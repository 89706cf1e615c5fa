//! What breaks, and that no memory outlives it.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokenward::db::Db;
use tokenward::db::private::{self, Home, ensure_database};
use tokenward::domain::token::KeyFormat;
use tokenward::ops::migrate::Migration;
use tokenward::ops::{AuditLog, Ops, PlaceInfo};

use super::*;
use crate::ops::{users, wait_until};
use crate::support::folder;
use crate::support::place::{actor, pool};

/// Makes what is ours, as `tokenward migrate` does, and gives the names.
pub async fn migrate(place: &Place, users: &UserTable) -> Vec<String> {
    let migration = Migration {
        actor: actor(),
        database: place.name().to_owned(),
        audit: AuditLog::at(place.audit_path()),
        users: users.clone(),
    };
    let pool = pool(&place.url(), Settings::default());
    migration.apply(pool.get().await.unwrap()).await.unwrap()
}

/// The server process of the notice connection.
const LISTENER: &str = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() \
     AND query LIKE '-- One row about the session%' AND pid <> pg_backend_pid()";

/// Nothing is answered from memory.
async fn every_key_is_looked_up(gate: &Gate) {
    let before = gate.stats();
    for _ in 0..5 {
        gate.verify(&drf("key20")).await.unwrap();
    }
    let after = gate.stats();
    assert_eq!(
        (after.hits, after.look_ups),
        (before.hits, before.look_ups + 5)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_working_triggers_every_key_is_looked_up() {
    let place = place_with_tokens().await;
    let gate = gate_of(&place).await;
    let breaks = [
        "DROP TRIGGER tokenward_tell_update ON authtoken_token",
        "DROP TRIGGER tokenward_tell_truncate ON knox_authtoken",
        "ALTER TABLE auth_user DISABLE TRIGGER tokenward_tell_delete",
        "ALTER TABLE auth_user_groups DISABLE TRIGGER ALL",
        "ALTER TABLE auth_group ENABLE REPLICA TRIGGER tokenward_tell_update",
        // It would not fire for a session that plays a replica.
        "ALTER TABLE authtoken_token ENABLE TRIGGER tokenward_tell_delete",
        "CREATE OR REPLACE FUNCTION tokenward.tell() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        // Another column names the users.
        "SELECT tokenward.attach_notices('\"auth_user\"', 'email')",
        "DROP SCHEMA tokenward CASCADE",
    ];
    for sql in breaks {
        remembered(&gate, &drf("key20")).await;
        let begun = Instant::now();
        place.sql(sql).await;
        let sure = until(&gate, |sure| *sure != Sure::Sure).await;
        assert!(begun.elapsed() < BOUND, "{sql}: {:?}", begun.elapsed());
        assert!(
            matches!(&sure, Sure::NotSure(why) if why.contains("tokenward migrate")),
            "{sql}: {sure:?}"
        );
        every_key_is_looked_up(&gate).await;
        if sql.contains("FUNCTION") {
            place.sql("DROP SCHEMA tokenward CASCADE").await;
        }
        migrate(&place, &UserTable::default()).await;
        until_sure(&gate).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changed_while_a_trigger_was_off_is_not_missed() {
    let place = place_with_tokens().await;
    let gate = gate_of(&place).await;
    // Off and on again between two heartbeats.
    for id in 1..=10 {
        let key = drf(&format!("key{id}"));
        remembered(&gate, &key).await;
        place
            .sql(&format!(
                "ALTER TABLE authtoken_token DISABLE TRIGGER ALL; DELETE FROM authtoken_token WHERE user_id = {id}; \
                 ALTER TABLE authtoken_token ENABLE TRIGGER ALL; \
                 ALTER TABLE authtoken_token ENABLE ALWAYS TRIGGER tokenward_tell_update; \
                 ALTER TABLE authtoken_token ENABLE ALWAYS TRIGGER tokenward_tell_delete; \
                 ALTER TABLE authtoken_token ENABLE ALWAYS TRIGGER tokenward_tell_truncate"
            ))
            .await;
        seen(&gate, &key, is_denied(Denied::InvalidToken)).await;
    }
    // A rewrite that runs no trigger at all.
    remembered(&gate, &drf("key11")).await;
    place
        .sql("ALTER TABLE authtoken_token ALTER key TYPE varchar(41) USING 'other' || key")
        .await;
    seen(&gate, &drf("key11"), is_denied(Denied::InvalidToken)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_notice_connection_comes_back_and_nothing_is_missed() {
    let place = place_with_tokens().await;
    let gate = gate_of(&place).await;
    for id in 1..=5 {
        let key = drf(&format!("key{id}"));
        remembered(&gate, &key).await;
        remembered(&gate, &drf("key20")).await;
        let pid: i32 = place.one(LISTENER).await;
        // In one transaction: the connection is gone before the change is made.
        place
            .sql(&format!(
                "SELECT pg_terminate_backend({pid}, 5000); DELETE FROM authtoken_token WHERE user_id = {id}"
            ))
            .await;
        seen(&gate, &key, is_denied(Denied::InvalidToken)).await;
        until_sure(&gate).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listening_process_that_stands_still_ends_the_promise() {
    let place = place_with_tokens().await;
    let gate = gate_of(&place).await;
    remembered(&gate, &drf("key1")).await;
    let pid = Pid::from_raw(place.one(LISTENER).await);
    kill(pid, Signal::SIGSTOP).unwrap();
    place
        .sql("DELETE FROM authtoken_token WHERE user_id = 1")
        .await;
    seen(&gate, &drf("key1"), is_denied(Denied::InvalidToken)).await;
    assert!(matches!(gate.sure(), Sure::NotSure(_)));
    every_key_is_looked_up(&gate).await;
    kill(pid, Signal::SIGCONT).unwrap();
    until_sure(&gate).await;
    remembered(&gate, &drf("key20")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_comes_later_is_found_uncovered_and_migrate_covers_it() {
    let place = with_users(20).await;
    place
        .sql("INSERT INTO authtoken_token SELECT 'key' || id, now(), id FROM auth_user; DROP TABLE IF EXISTS knox_authtoken")
        .await;
    let gate = gate_of(&place).await;
    place.sql(&knox_table("integer")).await;
    let sure = until(&gate, |sure| *sure != Sure::Sure).await;
    assert!(
        matches!(&sure, Sure::NotSure(why) if why.contains("knox_authtoken")),
        "{sure:?}"
    );
    assert_eq!(
        migrate(&place, &UserTable::default()).await,
        ["change notices", "retired keys"]
    );
    until_sure(&gate).await;
    assert_eq!(migrate(&place, &UserTable::default()).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_change_a_row_needs_no_right_of_ours() {
    let place = place_with_tokens().await;
    let reader = place
        .url_of_role(
            "reader",
            "GRANT SELECT ON auth_user, authtoken_token, knox_authtoken, auth_group, auth_user_groups, \
             auth_user_user_permissions TO {role}",
        )
        .await;
    let gate = Gate::open(&place.ops_as(&reader).await, GateSettings::default());
    until_sure(&gate).await;
    remembered(&gate, &drf("key1")).await;
    let writer = place
        .url_of_role(
            "writer",
            "GRANT SELECT, UPDATE (key) ON authtoken_token TO {role}",
        )
        .await;
    let (client, link) = tokio_postgres::connect(writer.expose(), NoTls)
        .await
        .unwrap();
    tokio::spawn(link);
    client
        .batch_execute("UPDATE authtoken_token SET key = 'new' WHERE key = 'key1'")
        .await
        .unwrap();
    seen(&gate, &drf("key1"), is_denied(Denied::InvalidToken)).await;
    // A change goes on, and is told of, even where the trigger no longer knows its columns.
    remembered(&gate, &drf("key20")).await;
    place.sql("ALTER TABLE auth_user RENAME email TO mail; UPDATE auth_user SET last_login = now() WHERE id = 1").await;
    let begun = Instant::now();
    while gate.verify(&drf("key20")).await.is_ok() {
        assert!(
            begun.elapsed() < DEADLINE,
            "the look-up no longer finds its column"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_connections_end_with_the_gate() {
    let place = place_with_tokens().await;
    let gate = gate_of(&place).await;
    gate.verify(&drf("key1")).await.unwrap();
    let count = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                 AND application_name = 'tokenward' AND query ~ '^-- One row about|asked.position'";
    assert!(place.one::<i64>(count).await >= 2);
    let twin = gate.clone();
    drop(gate);
    twin.verify(&drf("key1")).await.unwrap();
    drop(twin);
    wait_until(&place, &count.replace("count(*)", "count(*) = 0")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_bounded_and_has_a_deadline() {
    let place = place_with_tokens().await;
    let settings = GateSettings {
        waiting: 10,
        connections: 1,
        deadline: Duration::from_millis(500),
        ..GateSettings::default()
    };
    let gate = Gate::open(&place.ops().await, settings);
    until_sure(&gate).await;
    let holder = place.client().await;
    holder
        .batch_execute("BEGIN; LOCK TABLE authtoken_token IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    let begun = Instant::now();
    let asked = (0..200).map(|number| {
        let gate = gate.clone();
        tokio::spawn(async move { gate.verify(&drf(&format!("none{number}"))).await })
    });
    let mut refused = 0;
    for answer in futures_util::future::join_all(asked).await {
        match answer.unwrap() {
            Err(Error::Unavailable(why)) => {
                refused += u32::from(why.contains("wait to be looked up"));
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(
        refused > 0 && begun.elapsed() < Duration::from_secs(5),
        "{refused} after {:?}",
        begun.elapsed()
    );
    holder.batch_execute("ROLLBACK").await.unwrap();
    let begun = Instant::now();
    while gate.verify(&drf("key1")).await.is_err() {
        assert!(begun.elapsed() < DEADLINE);
    }
}

/// On a server of its own: it is stopped in the middle of everything, and restarted.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stands_still_or_restarts() {
    let folder = folder();
    let home = Home::at(folder.path().join("tokenward"));
    let lease = private::open(&home, &mut |_| {}).await.unwrap();
    ensure_database(&lease, "main").await.unwrap();
    let pool = pool(&lease.url("main"), Settings::default());
    let migrator =
        tokenward::db::migrate::Migrator::new(pool.get().await.unwrap(), UserTable::default());
    migrator.apply().await.unwrap();
    let (client, link) = tokio_postgres::connect(lease.url("main").expose(), NoTls)
        .await
        .unwrap();
    tokio::spawn(link);
    client.batch_execute(&users(1, 30)).await.unwrap();
    client
        .batch_execute("INSERT INTO authtoken_token SELECT 'key' || id, now(), id FROM auth_user")
        .await
        .unwrap();
    let db = Db::open(pool, &UserTable::default()).await.unwrap();
    let audit = AuditLog::at(folder.path().join("audit.jsonl"));
    let ops = Ops::new(db, PlaceInfo::default(), actor(), audit, KeyFormat::Drf);
    let gate = Gate::open(&ops, GateSettings::default());
    until_sure(&gate).await;

    remembered(&gate, &drf("key1")).await;
    let processes = client
        .query("SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()", &[])
        .await
        .unwrap();
    let mut pids: Vec<i32> = processes.iter().map(|row| row.get(0)).collect();
    pids.push(lease.pid());
    for pid in &pids {
        kill(Pid::from_raw(*pid), Signal::SIGSTOP).unwrap();
    }
    let begun = Instant::now();
    let lost = loop {
        let asked = begun.elapsed();
        match gate.verify(&drf("key1")).await {
            Ok(_) => assert!(
                asked < BOUND,
                "answered {asked:?} after the server stood still"
            ),
            Err(error) => break error,
        }
        tokio::task::yield_now().await;
    };
    assert!(matches!(&lost, Error::Unavailable(_)), "{lost:?}");
    for pid in &pids {
        kill(Pid::from_raw(*pid), Signal::SIGCONT).unwrap();
    }
    until_sure(&gate).await;
    remembered(&gate, &drf("key1")).await;

    kill(Pid::from_raw(lease.pid()), Signal::SIGINT).unwrap();
    let begun = Instant::now();
    while gate.verify(&drf("key1")).await.is_ok() {
        assert!(begun.elapsed() < BOUND);
        tokio::task::yield_now().await;
    }
    let down = async {
        while home.base().join("server/data/postmaster.pid").exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(DEADLINE, down).await.unwrap();
    let again = private::open(&home, &mut |_| {}).await.unwrap();
    until_sure(&gate).await;
    remembered(&gate, &drf("key1")).await;
    drop((gate, ops, client));
    lease.leave().await.unwrap();
    again.leave().await.unwrap();
}
