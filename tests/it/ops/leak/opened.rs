//! A case that is opened by its number: it has no key, and still tells what each is worth now.

use tokenward::domain::moment::Moment;
use tokenward::domain::token::KnoxKey;
use tokenward::ops::leak::{Deed, Format, Reading, Saved};
use tokenward::ops::{Error, Mode, Ops};

use super::super::{tokens_where, with_users};
use super::{Case, candidate, case_of, cut, key_of, keys_of, words};
use crate::support::place::Place;

async fn opened(ops: &Ops, number: i64) -> Result<Case, Error> {
    let reading = Reading {
        case: Some(number),
        whole: true,
        ..Reading::default()
    };
    Ok(ops.read_leak(reading).await?.case)
}

/// Of five users the keys of three in a case, a key of nobody, and the beginning of one more key.
async fn kept(place: &Place) -> (Ops, Vec<String>) {
    place.sql(&tokens_where("true")).await;
    let keys = keys_of(place, 1..=4).await;
    let ops = place.ops().await;
    let nobody = "0a1b2c3d99c62bcf9418ad846dd0e4bbdfc6ee4b";
    let mut found: Vec<_> = keys[..3].iter().map(|key| candidate(7, key)).collect();
    found.push(candidate(8, nobody));
    found.push(cut(9, &keys[3][..12]));
    let findings = ops.judge(found).await.unwrap();
    let mut case = ops.open_case(findings, "app.log".to_owned()).await.unwrap();
    case.findings[1].chosen = false;
    case.findings[2].chosen = false;
    ops.respond(&mut case, Deed::Regenerate, Mode::Apply)
        .await
        .unwrap();
    let told = [case.findings[0].key.fingerprint];
    ops.note_told(&mut case, &told).await.unwrap();
    (ops, keys)
}

#[tokio::test(flavor = "multi_thread")]
async fn it_says_what_its_keys_are_worth_now_and_changes_only_what_lives() {
    let place = with_users(5).await;
    let (ops, keys) = kept(&place).await;
    // One of the two that lived was replaced elsewhere meanwhile.
    place
        .sql("UPDATE authtoken_token SET key = repeat('ab', 20) WHERE user_id = 3")
        .await;
    let mut case = opened(&ops, 1).await.unwrap();
    assert_eq!((case.number, case.saved), (1, Saved::Yes));
    assert_eq!(
        words(&case.findings),
        ["LIVE", "RETIRED", "RETIRED", "UNKNOWN", "PARTIAL"]
    );
    let by_start = |start: &str| {
        let mut all = case.findings.iter();
        all.find(|finding| finding.key.prefix() == start).unwrap()
    };
    let (first, live, third) = (&keys[0][..8], &keys[1][..8], &keys[2][..8]);
    assert!(by_start(first).told.is_some());
    assert_eq!(by_start(first).whose(), Some("user1"));
    assert_eq!(by_start(third).whose(), Some("user3"));
    assert_eq!(by_start(live).owner.as_ref().unwrap().username, "user2");
    assert_eq!(by_start(live).sighting.lines.first[0].number, 7);
    assert!(
        case.findings
            .iter()
            .all(|finding| finding.sighting.key.expose().is_empty())
    );
    let detail = by_start(first).detail(Moment::now(), "x");
    assert!(detail.ends_with("ago by tester (leak 1)"), "{detail}");

    let before = key_of(&place, 3).await;
    let response = ops
        .respond(&mut case, Deed::Revoke, Mode::Apply)
        .await
        .unwrap();
    assert_eq!((response.leak, response.rows.len()), (1, 1));
    assert_eq!(response.rows[0].username, "user2");
    assert_eq!(
        key_of(&place, 3).await,
        before,
        "what replaced it is another key"
    );
    let left: i64 = place.one("SELECT count(*) FROM authtoken_token").await;
    assert_eq!(left, 4);

    // Who is told now is known to everybody, though the key is not there.
    let mut case = opened(&ops, 1).await.unwrap();
    let mut all = case.findings.iter();
    let second = all.find(|finding| finding.key.prefix() == live).unwrap();
    let told = [second.key.fingerprint];
    ops.note_told(&mut case, &told).await.unwrap();
    let noted: i64 = place
        .one("SELECT count(*) FROM tokenward.retired_key WHERE told IS NOT NULL AND username = 'user2'")
        .await;
    assert_eq!(noted, 1);

    // Nothing of the case is lost by it.
    let kept = ops.kept_case(1).await.unwrap();
    assert_eq!(kept.keys.len(), 5);
    let done: Vec<&str> = kept
        .keys
        .iter()
        .filter_map(|key| Some(key.done.as_ref()?.what.as_str()))
        .collect();
    assert_eq!(done.len(), 2);
    assert!(
        done.contains(&"regenerate") && done.contains(&"revoke"),
        "{done:?}"
    );
    let again = opened(&ops, 1).await.unwrap();
    assert_eq!(
        words(&again.findings),
        ["RETIRED", "RETIRED", "RETIRED", "UNKNOWN", "PARTIAL"]
    );
    let report = ops.report(&again, Format::Markdown).unwrap();
    assert!(report.starts_with("# Leak 1 on "), "{report}");
    for key in &keys[..3] {
        assert!(
            report.contains(&key[..8]) && !report.contains(&key[..9]),
            "{report}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_known_of_a_knox_key_is_kept_though_the_key_is_not_there() {
    let place = with_users(1).await;
    let knox = KnoxKey::make("").unwrap();
    place
        .sql(&format!(
            "UPDATE auth_user SET is_superuser = true; \
             INSERT INTO knox_authtoken (digest, token_key, created, expiry, user_id) \
             VALUES ('{}', '{}', now(), NULL, 1)",
            knox.digest(),
            knox.token_key(),
        ))
        .await;
    let ops = place.ops().await;
    let findings = ops.judge(vec![candidate(7, knox.expose())]).await.unwrap();
    assert_eq!(words(&findings), ["LIVE"]);
    let mut case = ops.open_case(findings, "app.log".to_owned()).await.unwrap();
    ops.save_case(&mut case).await.unwrap();
    // Twice, for what is read is what was written.
    for _ in 0..2 {
        let mut case = opened(&ops, 1).await.unwrap();
        assert_eq!(words(&case.findings), ["PARTIAL"], "nobody can tell now");
        let told = [case.findings[0].key.fingerprint];
        ops.note_told(&mut case, &told).await.unwrap();
        let kept = ops.kept_case(1).await.unwrap();
        let [key] = kept.keys.as_slice() else {
            panic!("{:?}", kept.keys);
        };
        assert_eq!((key.verdict.as_str(), key.kind.as_str()), ("LIVE", "knox"));
        assert!(key.reach.as_ref().unwrap().starts_with("SUPERUSER"));
        assert!(key.made.is_some() && key.username.is_some());
        assert!(key.told.is_some(), "who was told is news");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_changes_after_it_was_opened_is_not_touched() {
    let place = with_users(5).await;
    let (ops, _) = kept(&place).await;
    let mut case = opened(&ops, 1).await.unwrap();
    place
        .sql("UPDATE authtoken_token SET key = repeat('cd', 20) WHERE user_id = 2")
        .await;
    let error = ops.respond(&mut case, Deed::Regenerate, Mode::Apply).await;
    assert!(matches!(error, Err(Error::Conflict(_))), "{error:?}");
    assert_eq!(key_of(&place, 2).await, "cd".repeat(20));
}

#[tokio::test(flavor = "multi_thread")]
async fn its_text_read_again_goes_on_with_it() {
    let place = with_users(5).await;
    let (ops, keys) = kept(&place).await;
    let text = format!("Token {}\nToken {}\n", keys[0], keys[4 - 1]);
    let reading = Reading {
        case: Some(1),
        whole: true,
        source: "pasted text".to_owned(),
        input: Some(tokenward::ops::leak::Input::Pasted(text.into())),
        ..Reading::default()
    };
    let case = ops.read_leak(reading).await.unwrap().case;
    assert_eq!(case.number, 1);
    // Each key of the case once, and the whole of the one that was cut.
    assert_eq!(
        words(&case.findings),
        ["LIVE", "LIVE", "LIVE", "RETIRED", "UNKNOWN", "PARTIAL"]
    );
    assert_eq!(case.source, "app.log, pasted text");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_that_is_not_there_or_not_of_here_is_refused_in_words() {
    let place = with_users(5).await;
    let (ops, _) = kept(&place).await;
    let error = opened(&ops, 9).await.unwrap_err();
    assert!(matches!(error, Error::NotFound(_)), "{error:?}");
    let file = place.folder().join("state/leaks/1.json");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace(&ops.place().name, "elsewhere")).unwrap();
    let error = opened(&ops, 1).await.unwrap_err().to_string();
    assert!(error.contains("leak 1 is about elsewhere"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_key_is_compared_with_retired_ones_too() {
    let place = with_users(3).await;
    let (ops, keys) = {
        place.sql(&tokens_where("true")).await;
        (place.ops().await, keys_of(&place, 1..=2).await)
    };
    let mut case = case_of(&ops, &keys[..1]).await;
    ops.respond(&mut case, Deed::Revoke, Mode::Apply)
        .await
        .unwrap();
    let found = vec![
        cut(1, &keys[0][..10]),
        cut(2, &keys[1][..10]),
        cut(3, "0123456789"),
    ];
    let findings = ops.judge(found).await.unwrap();
    assert_eq!(words(&findings), ["PARTIAL"; 3]);
    let details: Vec<String> = findings
        .iter()
        .map(|finding| finding.detail(Moment::now(), "prod"))
        .collect();
    assert_eq!(
        details,
        [
            "like a retired key of user1 (leak 1)",
            "begins the key of user2",
            "begins no key of prod"
        ]
    );
    // Without our schema the cases that are kept here tell it.
    place.sql("DROP SCHEMA tokenward CASCADE").await;
    let ops = place.ops().await;
    let found = vec![cut(1, &keys[0][..10])];
    let findings = ops.judge(found).await.unwrap();
    assert_eq!(
        findings[0].detail(Moment::now(), "prod"),
        "like a retired key of user1 (leak 1)"
    );
}
