//! Cases that are kept: without our schema, with a part of the text, and by two at the same time.

use super::*;

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
