//! A leak: whose keys are these, what became of them, and the answer to it, all or none.

mod changes;
mod faults;
mod kept;
mod opened;
mod reading;

use std::collections::HashMap;

use tokenward::domain::moment::Moment;
use tokenward::domain::scan::{Candidate, Checksum, Context, Kind, Shape};
use tokenward::domain::secret::Secret;
use tokenward::domain::token::{KnoxKey, checksum_of};
use tokenward::ops::leak::{Case, Deed, Finding, Format, Saved};
use tokenward::ops::{Error, Mode, Ops};

use super::{tokens_where, with_users};
use crate::support::place::Place;

/// What the scanner would find of `key` in `line`.
fn candidate(line: u64, key: &str) -> Candidate {
    let hex = key.bytes().all(|byte| byte.is_ascii_hexdigit());
    let kind = match (checksum_of(key), key.len()) {
        (Some(true), _) => Kind::Checksum(Checksum::Good),
        (Some(false), _) => Kind::Checksum(Checksum::Bad),
        (None, 40) if hex => Kind::Drf,
        (None, 64) if hex => Kind::Knox,
        (None, _) => Kind::Other,
    };
    Candidate {
        line,
        place: 0..key.len() as u64,
        kind,
        shape: Shape::Whole,
        key: Secret::from(key),
        context: Context::Header,
    }
}

fn cut(line: u64, start: &str) -> Candidate {
    Candidate {
        shape: Shape::Cut,
        ..candidate(line, start)
    }
}

async fn key_of(place: &Place, id: i64) -> String {
    place
        .one(&format!(
            "SELECT key::text FROM authtoken_token WHERE user_id = {id}"
        ))
        .await
}

async fn keys_of(place: &Place, ids: impl IntoIterator<Item = i64>) -> Vec<String> {
    let mut keys = Vec::new();
    for id in ids {
        keys.push(key_of(place, id).await);
    }
    keys
}

/// The findings about these keys, one a line.
async fn judged(ops: &Ops, keys: &[String]) -> Vec<Finding> {
    let candidates = keys.iter().zip(1..).map(|(key, line)| candidate(line, key));
    ops.judge(candidates.collect()).await.unwrap()
}

async fn case_of(ops: &Ops, keys: &[String]) -> Case {
    let findings = judged(ops, keys).await;
    ops.open_case(findings, "a test".to_owned()).await.unwrap()
}

fn words(findings: &[Finding]) -> Vec<&'static str> {
    findings
        .iter()
        .map(|finding| finding.verdict.word())
        .collect()
}

/// The lines of the audit that say which leak they are for, oldest first. What a test did by SQL has lines of its own.
fn leak_lines(place: &Place) -> Vec<String> {
    let entries = place.audit().into_iter();
    entries
        .filter_map(|entry| {
            let leak = entry.for_leak?;
            Some(format!(
                "{leak}: {} {}: {}",
                entry.what, entry.whom, entry.result
            ))
        })
        .collect()
}

/// Every token, by its owner's id.
async fn all_keys(place: &Place) -> HashMap<i32, String> {
    let client = place.client().await;
    let rows = client
        .query("SELECT user_id, key::text FROM authtoken_token", &[])
        .await
        .unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_key_gets_its_word_its_reach_and_its_lines() {
    let place = with_users(4).await;
    place.sql(&tokens_where("id <= 3")).await;
    place
        .sql(
            "UPDATE auth_user SET is_superuser = true WHERE id = 1; UPDATE auth_user SET is_active = false WHERE id = 2; \
             INSERT INTO auth_group (name) VALUES ('a'), ('b'); \
             INSERT INTO auth_user_groups (user_id, group_id) VALUES (1, 1), (1, 2)",
        )
        .await;
    let keys = keys_of(&place, [1, 2, 3]).await;
    place
        .sql("DELETE FROM authtoken_token WHERE user_id = 3")
        .await;
    let knox = KnoxKey::make("").unwrap();
    let old = KnoxKey::make("").unwrap();
    place
        .sql(&format!(
            "INSERT INTO knox_authtoken (digest, token_key, created, expiry, user_id) VALUES \
             ('{}', '{}', now(), now() + '1 h', 4), ('{}', '{}', now(), now() - interval '1 h', 4)",
            knox.digest(),
            knox.token_key(),
            old.digest(),
            old.token_key(),
        ))
        .await;
    let ops = place.ops().await;
    let unknown = "0a1b2c3d".repeat(5);
    let found = vec![
        candidate(12, &keys[0]),
        candidate(20, &keys[1]),
        candidate(31, &keys[2]),
        candidate(33, &unknown),
        candidate(40, knox.expose()),
        candidate(41, old.expose()),
        cut(50, &keys[0][..12]),
        cut(51, "ffffffff"),
        candidate(60, &keys[0]),
        candidate(61, "a\0b"),
    ];
    let findings = ops.judge(found).await.unwrap();
    assert_eq!(
        words(&findings),
        [
            "LIVE", "INERT", "RETIRED", "UNKNOWN", "LIVE", "INERT", "PARTIAL", "PARTIAL", "UNKNOWN"
        ]
    );
    let lines: Vec<String> = findings[0]
        .sighting
        .lines
        .first
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(lines, ["12", "60"]);
    let holder = findings[0].verdict.holder().unwrap();
    assert_eq!(holder.reach(), "SUPERUSER, 2 groups");
    let now = tokenward::domain::moment::Moment::now();
    let detail = |at: usize| findings[at].detail(now, place.name());
    assert_eq!(detail(1), "user is off");
    assert_eq!(detail(5), "token expired");
    assert_eq!(detail(6), "begins the key of user1");
    assert_eq!(detail(7), format!("begins no key of {}", place.name()));
    assert_eq!(findings[2].whose(), Some("user3"));
    assert_eq!(findings[4].whose(), Some("user4"));
    let chosen: Vec<bool> = findings.iter().map(|finding| finding.chosen).collect();
    assert_eq!(chosen.iter().filter(|chosen| **chosen).count(), 2);
    let debug = format!("{findings:?}");
    for key in keys.iter().chain([knox.expose()]) {
        assert!(!debug.contains(&key[8..]), "{debug}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_million_look_alikes_and_the_same_key_many_times_are_asked_in_bounds() {
    let place = with_users(1).await;
    place.sql(&tokens_where("true")).await;
    let key = key_of(&place, 1).await;
    let ops = place.ops().await;
    let mut found: Vec<Candidate> = (0..40_000_u64)
        .map(|nth| {
            let mut candidate = candidate(nth, &format!("{nth:040x}"));
            candidate.context = Context::Bare;
            candidate
        })
        .collect();
    found.extend((0..40_000).map(|line| candidate(line, &key)));
    let findings = ops.judge(found).await.unwrap();
    assert_eq!(findings.len(), 40_001);
    let matters: Vec<&Finding> = findings
        .iter()
        .filter(|finding| finding.matters())
        .collect();
    assert_eq!(matters.len(), 1, "Git's hashes are no news");
    assert_eq!(matters[0].sighting.lines.times, 40_000);
    assert_eq!(matters[0].sighting.lines.first.len(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_a_live_key_stands_when_it_was_used_last() {
    let place = with_users(3).await;
    place.sql(&tokens_where("id < 3")).await;
    let knox = KnoxKey::make("").unwrap();
    place
        .sql(&format!(
            "INSERT INTO knox_authtoken (digest, token_key, created, expiry, user_id) \
             VALUES ('{}', '{}', now(), NULL, 3); \
             INSERT INTO tokenward.last_use \
             SELECT 'drf', '1', created, now() - interval '2 min', '{{10.2.0.7}}' FROM authtoken_token WHERE user_id = 1; \
             INSERT INTO tokenward.last_use \
             SELECT 'knox', digest, created, now() - interval '5 min', '{{10.2.0.8,10.2.0.9}}' FROM knox_authtoken",
            knox.digest(),
            knox.token_key(),
        ))
        .await;
    let mut keys = keys_of(&place, 1..=2).await;
    keys.push(knox.expose().clone());
    let details = async |ops: &Ops| -> Vec<String> {
        let findings = judged(ops, &keys).await;
        let detail = |finding: &Finding| finding.detail(Moment::now(), "prod");
        findings.iter().map(detail).collect()
    };
    let ops = place.ops().await;
    assert_eq!(
        details(&ops).await,
        ["used 2 min ago", "never used", "used 5 min ago"]
    );
    let findings = judged(&ops, &keys).await;
    let from = findings[2].verdict.holder().unwrap().last_use.addresses();
    let addresses: Vec<String> = from.iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["10.2.0.8", "10.2.0.9"]);
    place.sql("DROP TABLE tokenward.last_use").await;
    assert_eq!(details(&ops).await, ["never logged in"; 3]);
}
