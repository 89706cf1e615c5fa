//! What is done about live keys: all that are chosen or none, and what is remembered of them afterwards.

use super::*;

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
