//! A leak: whose keys are these, what became of them, and the answer to it, all or none.

mod faults;
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
async fn live_keys_are_replaced_at_once_and_the_same_text_says_retired_tomorrow() {
    let place = with_users(8).await;
    place.sql(&tokens_where("true")).await;
    let keys = keys_of(&place, 1..=8).await;
    place
        .sql("DELETE FROM authtoken_token WHERE user_id > 5")
        .await;
    let ops = place.ops().await;
    let mut case = case_of(&ops, &keys).await;
    assert_eq!((case.number, case.saved), (1, Saved::No));
    let tried = ops
        .respond(&mut case, Deed::Regenerate, Mode::DryRun)
        .await
        .unwrap();
    assert_eq!(
        (tried.leak, tried.rows.len(), case.saved),
        (0, 5, Saved::No)
    );
    assert_eq!(all_keys(&place).await[&1], keys[0], "nothing stays of it");
    assert!(leak_lines(&place).is_empty());

    let response = ops
        .respond(&mut case, Deed::Regenerate, Mode::Apply)
        .await
        .unwrap();
    assert_eq!((response.leak, response.rows.len()), (1, 5));
    let now = all_keys(&place).await;
    for ((id, old), issued) in (1..=5).zip(&keys).zip(&response.issued) {
        assert_eq!(now[&id], *issued.key.expose());
        assert_ne!(now[&id], *old);
    }
    let leaks: i64 = place
        .one("SELECT count(*) FROM tokenward.retired_key WHERE leak = 1 AND verb = 'regenerate' AND by = 'tester@here'")
        .await;
    assert_eq!(leaks, 5);
    let lines = leak_lines(&place);
    assert_eq!(lines.len(), 5, "{lines:?}");
    assert_eq!(lines[0], "1: regenerate user1: done");

    // Tomorrow, by another program.
    let ops = place.ops().await;
    let mut again = case_of(&ops, &keys).await;
    assert_eq!(words(&again.findings), ["RETIRED"; 8]);
    assert_eq!(
        (again.number, again.saved),
        (1, Saved::Yes),
        "the same case"
    );
    assert_eq!(again.done.len(), 5);
    let error = ops
        .respond(&mut again, Deed::Regenerate, Mode::Apply)
        .await
        .unwrap_err();
    assert!(matches!(&error, Error::Invalid(said) if said.contains("no live key")));

    // Who was told is known to everybody.
    let told: Vec<_> = again.findings[..2]
        .iter()
        .map(|finding| finding.key.fingerprint)
        .collect();
    ops.note_told(&mut again, &told).await.unwrap();
    let findings = judged(&ops, &keys).await;
    let told = findings
        .iter()
        .filter(|finding| finding.told.is_some())
        .count();
    assert_eq!(told, 2);
    let noted: i64 = place
        .one("SELECT count(*) FROM tokenward.retired_key WHERE told_by = 'tester@here'")
        .await;
    assert_eq!(noted, 2);

    // Nothing that was written has a key in it.
    for format in [Format::Markdown, Format::Json] {
        let report = ops.report(&again, format).unwrap();
        assert!(report.contains(&keys[0][..8]), "{report}");
        for key in keys.iter().chain(now.values()) {
            assert!(!report.contains(&key[8..]), "{report}");
        }
    }
    let both: Vec<&String> = keys.iter().chain(now.values()).collect();
    assert_no_key_in_files(&place, &both);
}

/// Neither the audit nor the cases have more of a key than may be seen.
fn assert_no_key_in_files(place: &Place, keys: &[&String]) {
    use std::os::unix::fs::PermissionsExt;
    let state = place.folder().join("state");
    let leaks = state.join("leaks");
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&leaks) & 0o777, 0o700);
    let mut read = 0;
    let files = std::fs::read_dir(&leaks)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .chain(
            [place.audit_path()]
                .into_iter()
                .filter(|path| path.exists()),
        );
    for file in files {
        assert_eq!(mode(&file) & 0o777, 0o600, "{}", file.display());
        let text = std::fs::read_to_string(&file).unwrap();
        for key in keys {
            assert!(!text.contains(&key[8..]), "{}: {text}", file.display());
        }
        read += 1;
    }
    assert!(read >= 2, "a case and the salt");
    let audit = serde_json::to_string(&place.audit()).unwrap();
    for key in keys {
        assert!(!audit.contains(&key[8..]), "{audit}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn knox_tokens_are_revoked_with_the_rest() {
    let place = with_users(2).await;
    place.sql(&tokens_where("id = 1")).await;
    let knox = KnoxKey::make("").unwrap();
    place
        .sql(&format!(
            "INSERT INTO knox_authtoken (digest, token_key, created, expiry, user_id) VALUES \
             ('{}', '{}', now(), NULL, 2)",
            knox.digest(),
            knox.token_key(),
        ))
        .await;
    let ops = place.ops().await;
    let keys = vec![key_of(&place, 1).await, knox.expose().clone()];
    let mut case = case_of(&ops, &keys).await;
    let response = ops
        .respond(&mut case, Deed::Regenerate, Mode::Apply)
        .await
        .unwrap();
    let what: Vec<Deed> = response.rows.iter().map(|row| row.done.what).collect();
    assert_eq!(what, [Deed::Regenerate, Deed::Revoke]);
    assert_eq!(response.issued.len(), 1, "nobody would see the other");
    assert_eq!(words(&judged(&ops, &keys).await), ["RETIRED", "RETIRED"]);
    assert_eq!(
        leak_lines(&place),
        ["1: regenerate user1: done", "1: revoke user2: done"]
    );
    let verbs: String = place
        .one("SELECT string_agg(verb, ' ' ORDER BY verb) FROM tokenward.retired_key WHERE leak = 1")
        .await;
    assert_eq!(verbs, "regenerate revoke");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_chosen_is_changed_and_a_cut_key_never() {
    let place = with_users(3).await;
    place.sql(&tokens_where("true")).await;
    let keys = keys_of(&place, 1..=3).await;
    let ops = place.ops().await;
    let found = vec![
        candidate(1, &keys[0]),
        candidate(2, &keys[1]),
        cut(3, &keys[2][..20]),
    ];
    let mut findings = ops.judge(found).await.unwrap();
    findings[1].chosen = false;
    // Even if somebody chose it.
    findings[2].chosen = true;
    let mut case = ops.open_case(findings, "a test".to_owned()).await.unwrap();
    let response = ops
        .respond(&mut case, Deed::Revoke, Mode::Apply)
        .await
        .unwrap();
    assert_eq!(response.rows.len(), 1);
    let left = all_keys(&place).await;
    assert_eq!(left.len(), 2);
    assert!(left.contains_key(&2) && left.contains_key(&3));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_our_schema_the_cases_kept_here_remember() {
    let place = with_users(2).await;
    place.sql(&tokens_where("true")).await;
    place.sql("DROP SCHEMA tokenward CASCADE").await;
    let keys = keys_of(&place, 1..=2).await;
    let ops = place.ops().await;
    let mut case = case_of(&ops, &keys[..1]).await;
    ops.respond(&mut case, Deed::Regenerate, Mode::Apply)
        .await
        .unwrap();
    let mut other = case_of(&ops, &keys[1..]).await;
    assert_eq!(other.number, 2);
    ops.respond(&mut other, Deed::Revoke, Mode::Apply)
        .await
        .unwrap();
    let ops = place.ops().await;
    let findings = judged(&ops, &keys).await;
    assert_eq!(words(&findings), ["RETIRED", "RETIRED"]);
    let now = tokenward::domain::moment::Moment::now();
    let detail = findings[1].detail(now, "x");
    assert!(detail.ends_with("ago by tester (leak 2)"), "{detail}");
    // A text with both is neither case.
    assert_eq!(case_of(&ops, &keys).await.saved, Saved::No);
    let kept = ops.kept_case(2).await.unwrap();
    assert_eq!(kept.keys.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_that_is_opened_again_by_a_part_of_its_text_loses_nothing() {
    let place = with_users(3).await;
    place.sql(&tokens_where("true")).await;
    let keys = keys_of(&place, 1..=3).await;
    let ops = place.ops().await;
    let mut case = case_of(&ops, &keys).await;
    ops.respond(&mut case, Deed::Regenerate, Mode::Apply)
        .await
        .unwrap();
    let part = judged(&ops, &keys[..1]).await;
    let told = [part[0].key.fingerprint];
    let mut again = ops.open_case(part, "a part".to_owned()).await.unwrap();
    assert_eq!((again.number, again.findings.len()), (1, 1));
    ops.note_told(&mut again, &told).await.unwrap();
    let kept = ops.kept_case(1).await.unwrap();
    let known: Vec<(&str, bool, bool)> = kept
        .keys
        .iter()
        .map(|key| (&*key.start, key.done.is_some(), key.told.is_some()))
        .collect();
    assert_eq!(
        known,
        [
            (&keys[0][..8], true, true),
            (&keys[1][..8], true, false),
            (&keys[2][..8], true, false)
        ]
    );
    assert_eq!(kept.source, "a test, a part");
    let report = ops.report(&again, Format::Markdown).unwrap();
    assert!(report.contains("Keys: 3, of which 3"), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_that_keep_one_case_at_the_same_time_lose_nothing_of_each_other() {
    let place = with_users(12).await;
    place.sql(&tokens_where("true")).await;
    let keys = keys_of(&place, 1..=12).await;
    let ops = place.ops().await;
    let mut case = case_of(&ops, &keys).await;
    ops.save_case(&mut case).await.unwrap();
    let mut all = Vec::new();
    for key in keys {
        let ops = place.ops().await;
        all.push(tokio::spawn(async move {
            let mut part = case_of(&ops, std::slice::from_ref(&key)).await;
            let told = [part.findings[0].key.fingerprint];
            ops.note_told(&mut part, &told).await.unwrap();
        }));
    }
    for one in all {
        one.await.unwrap();
    }
    let kept = ops.kept_case(1).await.unwrap();
    let told = kept.keys.iter().filter(|key| key.told.is_some());
    assert_eq!((kept.keys.len(), told.count()), (12, 12));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_lives_again_has_nothing_done_about_it() {
    let place = with_users(2).await;
    place.sql(&tokens_where("true")).await;
    let keys = keys_of(&place, 1..=2).await;
    let ops = place.ops().await;
    let mut case = case_of(&ops, &keys).await;
    ops.respond(&mut case, Deed::Regenerate, Mode::Apply)
        .await
        .unwrap();
    place
        .sql(&format!(
            "UPDATE authtoken_token SET key = '{}' WHERE user_id = 2",
            keys[1]
        ))
        .await;
    let mut again = case_of(&ops, &keys).await;
    assert_eq!(words(&again.findings), ["RETIRED", "LIVE"]);
    assert_eq!((again.number, again.done.len()), (1, 1));
    ops.save_case(&mut again).await.unwrap();
    let kept = ops.kept_case(1).await.unwrap();
    let done: Vec<bool> = kept.keys.iter().map(|key| key.done.is_some()).collect();
    assert_eq!(done, [true, false]);
    // What another does about it after it was asked about is not lost.
    let mut other = case_of(&ops, &keys).await;
    ops.respond(&mut other, Deed::Revoke, Mode::Apply)
        .await
        .unwrap();
    ops.save_case(&mut again).await.unwrap();
    let kept = ops.kept_case(1).await.unwrap();
    let done: Vec<bool> = kept.keys.iter().map(|key| key.done.is_some()).collect();
    assert_eq!(done, [true, true]);
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
             UPDATE tokenward.installation SET uses_since = now() - interval '100 days', uses_last = now(); \
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
        [
            "used 2 min ago",
            "never through the listener",
            "used 5 min ago"
        ]
    );
    // A login says more than that the listener saw nothing, which may not be running.
    place
        .sql("UPDATE auth_user SET last_login = now() - interval '3 days'")
        .await;
    assert_eq!(
        details(&ops).await,
        ["used 2 min ago", "login 3 d ago", "used 5 min ago"]
    );
    place
        .sql(
            "UPDATE auth_user SET last_login = NULL; \
             UPDATE tokenward.installation SET uses_last = now() - interval '8 days'",
        )
        .await;
    assert_eq!(
        details(&ops).await,
        ["used 2 min ago", "never logged in", "used 5 min ago"]
    );
    let findings = judged(&ops, &keys).await;
    let from = findings[2].verdict.holder().unwrap().last_use.addresses();
    let addresses: Vec<String> = from.iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["10.2.0.8", "10.2.0.9"]);
    place.sql("DROP TABLE tokenward.last_use").await;
    assert_eq!(details(&ops).await, ["never logged in"; 3]);
}
