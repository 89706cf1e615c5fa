//! What the gate writes down of the uses of tokens, and what it does not.

use std::net::IpAddr;

use tokenward::db::connect::Settings;
use tokenward::domain::last_use::{LastUse, MOST_ADDRESSES};
use tokenward::domain::user::Username;
use tokenward::ops::Ops;
use tokenward::ops::gate::Pace;

use super::super::migrations;
use super::*;

/// At once, and again at once.
const SOON: Pace = Pace {
    first: Duration::from_millis(5),
    every: Duration::from_millis(20),
};

/// Not before the test ends, but when it asks for it.
const LATE: Pace = Pace {
    first: Duration::from_hours(1),
    every: Duration::from_hours(1),
};

async fn open(ops: &Ops, uses: Pace) -> Gate {
    let settings = GateSettings {
        uses,
        ..GateSettings::default()
    };
    let gate = Gate::open(ops, settings);
    until_sure(&gate).await;
    gate
}

fn from(last: u8) -> IpAddr {
    IpAddr::from([10, 2, 0, last])
}

async fn last_use(ops: &Ops, name: &str) -> LastUse {
    let name = Username::new(name).unwrap();
    let detail = ops.find_user(&name).await.unwrap();
    detail.row.token.unwrap().last_use
}

/// The addresses of the last use of `name`, once they are `right`.
async fn addresses(ops: &Ops, name: &str, right: impl Fn(&[IpAddr]) -> bool) -> Vec<IpAddr> {
    let begun = Instant::now();
    loop {
        let last = last_use(ops, name).await;
        if let LastUse::Used(last) = &last
            && right(&last.addresses)
        {
            return last.addresses.clone();
        }
        assert!(begun.elapsed() < DEADLINE, "still {last:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn count(place: &Place) -> i64 {
    place.one("SELECT count(*) FROM tokenward.last_use").await
}

fn never(last: &LastUse) -> bool {
    matches!(last, LastUse::NeverSince(_))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_use_is_written_with_the_addresses_it_came_from_the_last_first() {
    let place = place_with_tokens().await;
    let ops = place.ops().await;
    let gate = open(&ops, SOON).await;
    assert_eq!(last_use(&ops, "user1").await, LastUse::Unknown);
    let begun = Moment::now();
    gate.admit(&drf("key1"), from(1)).await.unwrap();
    assert_eq!(addresses(&ops, "user1", |_| true).await, [from(1)]);
    let at = last_use(&ops, "user1").await.at().unwrap();
    assert!(begun <= at && at <= Moment::now());
    // From memory by now, where one in hundreds may be taken for another in a minute.
    remembered(&gate, &drf("key1")).await;
    for last in 2..=8 {
        gate.admit(&drf("key1"), from(last)).await.unwrap();
    }
    let all = addresses(&ops, "user1", |all| all.len() > 3).await;
    assert!(all.is_sorted_by(|newer, older| newer > older), "{all:?}");
    assert!(
        all.iter()
            .all(|address| (from(1)..=from(8)).contains(address)),
        "{all:?}"
    );
    assert!(never(&last_use(&ops, "user2").await));

    let page = ops
        .page_users(&tokenward::ops::UsersQuery {
            limit: 100,
            ..tokenward::ops::UsersQuery::default()
        })
        .await
        .unwrap();
    let used: Vec<&str> = page
        .rows
        .iter()
        .filter(|row| row.token.as_ref().unwrap().last_use.at().is_some())
        .map(|row| row.user.username.as_str())
        .collect();
    assert_eq!(used, ["user1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_watches_from_its_first_writing_and_anew_after_a_pause() {
    let place = place_with_tokens().await;
    let ops = place.ops().await;
    let watched = async || -> String {
        place
            .one(
                "SELECT concat_ws(' ', now() - uses_since < interval '1 minute', now() - uses_last < interval '1 minute') \
                   FROM tokenward.installation",
            )
            .await
    };
    let gate = open(&ops, LATE).await;
    gate.write_uses().await;
    assert_eq!(watched().await, "", "nothing was used");
    gate.admit(&drf("key1"), from(1)).await.unwrap();
    gate.write_uses().await;
    assert_eq!(watched().await, "t t");
    for (last, since, key) in [("6 days", "f t", "key3"), ("8 days", "t t", "key4")] {
        place
            .sql(&format!(
                "UPDATE tokenward.installation SET uses_since = now() - interval '200 days', \
                        uses_last = now() - interval '{last}'"
            ))
            .await;
        assert_eq!(never(&last_use(&ops, "user2").await), last == "6 days");
        // What is known of a use stays known.
        assert!(last_use(&ops, "user1").await.at().is_some());
        gate.admit(&drf(key), from(1)).await.unwrap();
        gate.write_uses().await;
        assert_eq!(watched().await, since, "{last}");
        assert!(never(&last_use(&ops, "user2").await));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_addresses_the_last_ones_are_kept() {
    let place = place_with_tokens().await;
    let ops = place.ops().await;
    for last in 1..=20 {
        // What is looked up is noted, whatever was before.
        let gate = open(&ops, LATE).await;
        gate.admit(&drf("key1"), from(last)).await.unwrap();
        gate.write_uses().await;
    }
    let all = addresses(&ops, "user1", |_| true).await;
    let expected: Vec<IpAddr> = (13..=20).rev().map(from).collect();
    assert_eq!(all, expected);
    assert_eq!(all.len(), MOST_ADDRESSES);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_key_that_is_used_all_the_time_one_use_a_minute_is_noted() {
    let place = place_with_tokens().await;
    let ops = place.ops().await;
    let gate = open(&ops, LATE).await;
    gate.admit(&drf("key1"), from(1)).await.unwrap();
    remembered(&gate, &drf("key1")).await;
    // Whatever minute it is: the second of two such runs lies in one with the first or is the only one in its own.
    let mut written = Vec::new();
    for _ in 0..3 {
        for _ in 0..100 {
            gate.admit(&drf("key1"), from(1)).await.unwrap();
        }
        gate.write_uses().await;
        written.push(last_use(&ops, "user1").await.at().unwrap());
    }
    written.dedup();
    assert!(written.len() < 3, "{written:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_listeners_write_at_the_same_time_and_lose_nothing() {
    let place = place_with_tokens().await;
    let gates = [1, 2].map(|last| (place.ops(), last));
    let mut tasks = Vec::new();
    for (ops, last) in gates {
        let gate = open(&ops.await, LATE).await;
        tasks.push(tokio::spawn(async move {
            for round in 0..10 {
                for number in 1..=30 {
                    // Each the other way round, and the address of each round besides its own.
                    let number = if last == 1 { number } else { 31 - number };
                    let key = drf(&format!("key{number}"));
                    gate.admit(&key, from(last)).await.unwrap();
                    gate.admit(&key, from(10 + round % 2)).await.unwrap();
                }
                gate.write_uses().await;
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let all: i64 = place
        .one(
            "SELECT count(*) FROM tokenward.last_use \
              WHERE addresses @> ARRAY['10.2.0.1', '10.2.0.2']::inet[] \
                AND addresses <@ ARRAY['10.2.0.1', '10.2.0.2', '10.2.0.10', '10.2.0.11']::inet[]",
        )
        .await;
    assert_eq!(all, 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_use_of_a_key_is_none_of_the_key_that_replaced_it() {
    let place = place_with_tokens().await;
    let ops = place.ops().await;
    let gate = open(&ops, LATE).await;
    // Written before it was replaced, and noted before but written after.
    for name in ["user1", "user2"] {
        let key = drf(&name.replace("user", "key"));
        gate.admit(&key, from(1)).await.unwrap();
        if name == "user1" {
            gate.write_uses().await;
            assert!(last_use(&ops, name).await.at().is_some());
        }
        let aim = aim(&ops, name).await;
        let issued = ops.regenerate(&aim, Mode::Apply).await.unwrap();
        gate.write_uses().await;
        assert!(never(&last_use(&ops, name).await), "{name}");
        gate.admit(&Presented::Drf(issued.key), from(2))
            .await
            .unwrap();
        gate.write_uses().await;
        let all = addresses(&ops, name, |_| true).await;
        assert_eq!(
            all,
            [from(2)],
            "{name}: the old key's address is not its own"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_in_its_grace_is_taken_and_its_use_is_not_the_new_keys() {
    let place = place_with_tokens().await;
    let ops = place.ops().await;
    let gate = open(&ops, LATE).await;
    let until = ops.grace_end(Duration::from_hours(1)).await.unwrap();
    let aim = aim(&ops, "user1").await;
    let graceful = ops.with_grace(until);
    graceful.regenerate(&aim, Mode::Apply).await.unwrap();
    let begun = Instant::now();
    while gate.stats().hits == 0 {
        let principal = gate.admit(&drf("key1"), from(1)).await.unwrap();
        assert!(principal.grace().is_some());
        assert!(begun.elapsed() < DEADLINE, "never from memory");
    }
    gate.write_uses().await;
    assert_eq!(last_use(&ops, "user1").await, LastUse::Unknown);
    assert_eq!(count(&place).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_a_question_nor_a_refusal_is_a_use() {
    let place = place_with_tokens().await;
    place
        .sql("UPDATE auth_user SET is_active = false WHERE id = 2")
        .await;
    let ops = place.ops().await;
    let gate = open(&ops, LATE).await;
    for _ in 0..3 {
        gate.verify(&drf("key1")).await.unwrap();
        for refused in ["key2", "nobody's"] {
            assert!(gate.admit(&drf(refused), from(1)).await.is_err());
        }
    }
    gate.write_uses().await;
    assert_eq!(count(&place).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn uses_of_knox_tokens_are_written_by_their_digest() {
    let place = place_with_tokens().await;
    let ops = place.ops().await;
    let gate = open(&ops, LATE).await;
    for _ in 0..3 {
        gate.admit(&knox(3), "2001:db8::7".parse().unwrap())
            .await
            .unwrap();
    }
    gate.write_uses().await;
    let noted: bool = place
        .one(
            "SELECT count(*) = 1 AND bool_and(l.addresses = ARRAY['2001:db8::7']::inet[] AND l.made = t.created) \
               FROM tokenward.last_use l JOIN knox_authtoken t ON t.digest = l.id \
              WHERE l.kind = 'knox' AND t.user_id = 3",
        )
        .await;
    assert!(noted);
    assert_eq!(count(&place).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_our_schema_nothing_is_noted_until_it_is_there() {
    let place = place_with_tokens().await;
    place.sql("DROP SCHEMA tokenward CASCADE").await;
    let ops = place.ops().await;
    let settings = GateSettings {
        uses: SOON,
        ..GateSettings::default()
    };
    let gate = Gate::open(&ops, settings);
    gate.admit(&drf("key1"), from(1)).await.unwrap();
    gate.write_uses().await;
    assert_eq!(last_use(&ops, "user1").await, LastUse::Unknown);
    migrations::apply(&place).await.unwrap();
    // What was opened before does not know of it; what is opened now does.
    assert_eq!(last_use(&ops, "user1").await, LastUse::Unknown);
    let ops = place.ops().await;
    let begun = Instant::now();
    while last_use(&ops, "user2").await.is_unknown() {
        gate.admit(&drf("key2"), from(2)).await.unwrap();
        assert!(begun.elapsed() < DEADLINE, "never written");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    place.sql("DROP SCHEMA tokenward CASCADE").await;
    assert_eq!(last_use(&ops, "user2").await, LastUse::Unknown);
    gate.admit(&drf("key1"), from(1)).await.unwrap();
    gate.write_uses().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_only_read_answers_and_writes_nothing() {
    let place = place_with_tokens().await;
    let reader = place
        .url_of_role(
            "reader",
            "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}",
        )
        .await;
    let (read_only, reader) = (place.ops_read_only().await, place.ops_as(&reader).await);
    for ops in [read_only, reader] {
        let gate = Gate::open(
            &ops,
            GateSettings {
                uses: SOON,
                ..GateSettings::default()
            },
        );
        for _ in 0..20 {
            gate.admit(&drf("key1"), from(1)).await.unwrap();
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        gate.write_uses().await;
    }
    assert_eq!(count(&place).await, 0);
    // Who may change tokens may write down their use, and no more is needed.
    let operator = place
        .url_of_role(
            "operator",
            "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}; GRANT UPDATE ON authtoken_token TO {role}",
        )
        .await;
    let ops = place.ops_as(&operator).await;
    let gate = Gate::open(&ops, GateSettings::default());
    gate.admit(&drf("key1"), from(1)).await.unwrap();
    gate.write_uses().await;
    assert!(last_use(&ops, "user1").await.at().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_written_waits_and_fails_no_request() {
    let place = place_with_tokens().await;
    let ops = place.ops().await;
    let gate = open(&ops, SOON).await;
    remembered(&gate, &drf("key1")).await;
    // Whoever holds the table's lock keeps the writer waiting, and nobody else.
    let client = place.client().await;
    client
        .batch_execute("BEGIN; LOCK TABLE tokenward.last_use IN EXCLUSIVE MODE")
        .await
        .unwrap();
    let begun = Instant::now();
    for number in 1..=30 {
        gate.admit(&drf(&format!("key{number}")), from(1))
            .await
            .unwrap();
    }
    assert!(begun.elapsed() < Duration::from_secs(5));
    let closing = Instant::now();
    gate.write_uses().await;
    assert!(
        closing.elapsed() < Duration::from_secs(10),
        "it has a limit"
    );
    client.batch_execute("ROLLBACK").await.unwrap();
    for name in ["user1", "user30"] {
        addresses(&ops, name, |all| all.contains(&from(1))).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_noted_while_the_database_was_away_is_written_when_it_is_back() {
    let place = place_with_tokens().await;
    let ops = place.ops().await;
    let gate = open(&ops, SOON).await;
    gate.admit(&drf("key1"), from(1)).await.unwrap();
    addresses(&ops, "user1", |_| true).await;
    let name = place.name();
    let cut = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}' AND pid <> pg_backend_pid()"
    );
    for number in 2..=10 {
        gate.admit(&drf(&format!("key{number}")), from(1))
            .await
            .unwrap();
        place.sql(&cut).await;
        until_sure(&gate).await;
    }
    for number in 2..=10 {
        let name = format!("user{number}");
        let name = Username::new(name).unwrap();
        let begun = Instant::now();
        loop {
            let found = ops.find_user(&name).await;
            if found.is_ok_and(|found| found.row.token.unwrap().last_use.at().is_some()) {
                break;
            }
            assert!(begun.elapsed() < DEADLINE, "{name} is lost");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn uses_of_tokens_that_are_gone_go_too() {
    let place = place_with_tokens().await;
    let ops = place.ops().await;
    place
        .sql(
            "INSERT INTO tokenward.last_use \
             SELECT 'drf', user_id::text, created, now(), '{}' FROM authtoken_token; \
             INSERT INTO tokenward.last_use SELECT 'knox', digest, created, now(), '{}' FROM knox_authtoken; \
             DELETE FROM authtoken_token WHERE user_id > 5; DELETE FROM knox_authtoken WHERE user_id > 7",
        )
        .await;
    let gate = open(&ops, SOON).await;
    gate.admit(&drf("key1"), from(1)).await.unwrap();
    let begun = Instant::now();
    while count(&place).await > 12 {
        assert!(begun.elapsed() < DEADLINE, "they stay");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(count(&place).await, 12);
    let left: bool = place
        .one(
            "SELECT bool_and(CASE kind WHEN 'drf' THEN EXISTS (SELECT FROM authtoken_token WHERE user_id::text = id) \
                    ELSE EXISTS (SELECT FROM knox_authtoken WHERE digest = id) END) FROM tokenward.last_use",
        )
        .await;
    assert!(left);
}

#[tokio::test(flavor = "multi_thread")]
async fn whether_a_token_is_gone_is_found_by_its_index() {
    let place = place_with_tokens().await;
    // So small a table is read through else.
    let name = place.name();
    place
        .sql(&format!(
            "INSERT INTO tokenward.last_use SELECT 'drf', user_id::text, created, now(), '{{}}' FROM authtoken_token; \
             ALTER DATABASE \"{name}\" SET enable_seqscan = off; \
             ALTER DATABASE \"{name}\" SET enable_hashjoin = off; \
             ALTER DATABASE \"{name}\" SET enable_mergejoin = off"
        ))
        .await;
    let ops = place.ops().await;
    let gate = open(&ops, SOON).await;
    gate.admit(&drf("key1"), from(1)).await.unwrap();
    let begun = Instant::now();
    loop {
        let looked: i64 = place
            .one(
                "SELECT sum(idx_scan)::bigint FROM pg_stat_user_indexes \
                  WHERE relname = 'authtoken_token' AND indexrelname LIKE '%user_id%'",
            )
            .await;
        if looked >= 30 {
            break;
        }
        assert!(begun.elapsed() < DEADLINE, "{looked} times only");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_site_with_another_user_table_uses_are_found_by_its_keys() {
    let place = place::fresh().await;
    place
        .sql(
            "DROP TABLE authtoken_token, knox_authtoken CASCADE; \
             CREATE TABLE people (key uuid PRIMARY KEY, name text NOT NULL UNIQUE); \
             INSERT INTO people SELECT gen_random_uuid(), 'user' || i FROM generate_series(1, 3) i; \
             CREATE TABLE authtoken_token (key varchar(40) PRIMARY KEY, created timestamptz NOT NULL, \
                 user_id uuid NOT NULL UNIQUE REFERENCES people); \
             INSERT INTO authtoken_token SELECT 'key of ' || name, now(), key FROM people",
        )
        .await;
    let people = UserTable {
        table: "people".to_owned(),
        username: "name".to_owned(),
    };
    let url = place.url();
    let ops = place.open(&url, Settings::default(), &people);
    let ops = ops.await.unwrap();
    let gate = Gate::open(&ops, GateSettings::default());
    gate.admit(&drf("key of user2"), from(1)).await.unwrap();
    gate.write_uses().await;
    assert_eq!(addresses(&ops, "user2", |_| true).await, [from(1)]);
    assert!(never(&last_use(&ops, "user1").await));
}
