//! One token: generated, regenerated, revoked, revealed, and what becomes of it when two want it at once.

use std::fs;

use tokenward::domain::token::{CoveredKey, Origin};
use tokenward::ops::{Error, Mode, Purpose};

use super::{aim, audit_lines, tokens_where, with_users};
use crate::support::place::Place;

const KEY: &str = "SELECT key::text FROM authtoken_token WHERE user_id = 1";
const COUNT: &str = "SELECT count(*) FROM authtoken_token";

#[tokio::test(flavor = "multi_thread")]
async fn generate_makes_a_token_once() {
    let place = with_users(1).await;
    let ops = place.ops().await;
    let user = aim(&ops, "user1").await;
    let first = ops.generate(&user, Mode::Apply).await.unwrap();
    let second = ops.generate(&user, Mode::Apply).await.unwrap();
    let third = ops
        .generate(&aim(&ops, "user1").await, Mode::Apply)
        .await
        .unwrap();
    assert_eq!(
        (first.origin, second.origin, third.origin),
        (Origin::New, Origin::Existing, Origin::Existing)
    );
    let stored: String = place.one(KEY).await;
    assert_eq!(stored.len(), 40);
    assert!(stored.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f')));
    for issued in [&first, &second, &third] {
        assert_eq!(*issued.key.expose(), stored);
        assert_eq!(issued.created, first.created);
    }
    let entries = place.audit();
    assert_eq!(audit_lines(&place), ["generate user1: done"]);
    assert_eq!(entries[0].key.as_deref(), Some(&stored[..8]));
    assert_eq!(entries[0].actor.to_string(), "tester@here");
    let text = format!("{:?}", place.audit());
    assert!(!text.contains(&stored), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_generate_at_once_get_the_same_token() {
    let place = with_users(40).await;
    let ops = place.ops().await;
    for number in 1..=40 {
        let user = aim(&ops, &format!("user{number}")).await;
        let (one, two) = tokio::join!(
            ops.generate(&user, Mode::Apply),
            ops.generate(&user, Mode::Apply)
        );
        let (one, two) = (one.unwrap(), two.unwrap());
        assert_eq!(one.key.expose(), two.key.expose());
        let new = [one.origin, two.origin]
            .iter()
            .filter(|origin| **origin == Origin::New)
            .count();
        assert_eq!(new, 1);
    }
    assert_eq!(place.one::<i64>(COUNT).await, 40);
    assert_eq!(place.audit().len(), 40);
}

/// The other's token is not committed yet when ours comes: ours waits for it and takes it.
#[tokio::test(flavor = "multi_thread")]
async fn generate_waits_for_a_token_in_the_making() {
    let place = with_users(1).await;
    let ops = place.ops().await;
    let user = aim(&ops, "user1").await;
    let other = place.client().await;
    other
        .batch_execute("BEGIN; INSERT INTO authtoken_token VALUES ('theirs', now(), 1)")
        .await
        .unwrap();
    let ours = tokio::spawn(async move { ops.generate(&user, Mode::Apply).await });
    super::wait_until(&place, super::SOMEBODY_WAITS).await;
    other.batch_execute("COMMIT").await.unwrap();
    let issued = ours.await.unwrap().unwrap();
    assert_eq!(issued.key.expose(), "theirs");
    assert_eq!(issued.origin, Origin::Existing);
    assert!(place.audit().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_administrators_exactly_one_regenerates() {
    let place = with_users(40).await;
    place.sql(&tokens_where("true")).await;
    let (one, two) = (place.ops().await, place.ops().await);
    for number in 1..=40 {
        let user = aim(&one, &format!("user{number}")).await;
        let (first, second) = tokio::join!(
            one.regenerate(&user, Mode::Apply),
            two.regenerate(&user, Mode::Apply)
        );
        let (won, lost) = match (first, second) {
            (Ok(won), Err(lost)) | (Err(lost), Ok(won)) => (won, lost),
            other => panic!("{other:?}"),
        };
        assert_eq!(
            lost,
            Error::Conflict(format!("user{number}: changed meanwhile"))
        );
        let stored: String = place
            .one(&format!(
                "SELECT key::text FROM authtoken_token WHERE user_id = {number}"
            ))
            .await;
        assert_eq!(stored, *won.key.expose());
        assert_ne!(
            CoveredKey::of(&won.key).fingerprint,
            user.seen.unwrap().fingerprint
        );
    }
    assert_eq!(place.audit().len(), 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn regenerate_and_revoke_hold_only_for_the_key_that_was_shown() {
    let place = with_users(2).await;
    place.sql(&tokens_where("id = 1")).await;
    let ops = place.ops().await;
    let (seen, none) = (aim(&ops, "user1").await, aim(&ops, "user2").await);
    for error in [
        ops.regenerate(&none, Mode::Apply).await.unwrap_err(),
        ops.revoke(&none, Mode::Apply).await.unwrap_err(),
        ops.reveal(&none, Purpose::Show).await.unwrap_err(),
    ] {
        assert_eq!(
            error,
            Error::NotFound("user2 has no token; generate makes one".to_owned())
        );
    }

    place
        .sql("UPDATE authtoken_token SET key = 'another'")
        .await;
    let changed = Error::Conflict("user1: changed meanwhile".to_owned());
    let refused = [
        ops.regenerate(&seen, Mode::Apply).await.unwrap_err(),
        ops.revoke(&seen, Mode::Apply).await.unwrap_err(),
        ops.reveal(&seen, Purpose::Copy).await.unwrap_err(),
    ];
    assert_eq!(refused, [changed.clone(), changed.clone(), changed.clone()]);
    assert_eq!(place.one::<String>(KEY).await, "another");
    place.sql("DELETE FROM authtoken_token").await;
    assert_eq!(
        ops.regenerate(&seen, Mode::Apply).await.unwrap_err(),
        changed
    );
    assert_eq!(ops.revoke(&seen, Mode::Apply).await.unwrap_err(), changed);
    let outside = "user1: done, outside tokenward";
    assert_eq!(
        audit_lines(&place),
        [format!("regenerate {outside}"), format!("revoke {outside}")],
        "what others did, and nothing of ours"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn regenerate_gives_a_new_key_and_the_time_it_was_made() {
    let place = with_users(1).await;
    place.sql(&tokens_where("true")).await;
    let ops = place.ops().await;
    let seen = aim(&ops, "user1").await;
    let old: String = place.one(KEY).await;
    let issued = ops.regenerate(&seen, Mode::Apply).await.unwrap();
    assert_eq!(*issued.key.expose(), place.one::<String>(KEY).await);
    assert_ne!(*issued.key.expose(), old);
    assert!(
        place
            .one::<bool>("SELECT now() - created < interval '1 min' FROM authtoken_token")
            .await,
        "as Django's -r, which makes the row anew"
    );
    assert_eq!(audit_lines(&place), ["regenerate user1: done"]);
    assert_eq!(
        place.audit()[0].key.as_deref(),
        Some(&old[..8]),
        "the key that died"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn revoke_deletes_and_reveal_is_written_down_before_it_shows() {
    let place = with_users(1).await;
    place.sql(&tokens_where("true")).await;
    let ops = place.ops().await;
    let seen = aim(&ops, "user1").await;
    let key: String = place.one(KEY).await;
    let shown = ops.reveal(&seen, Purpose::Show).await.unwrap();
    assert_eq!(*shown.key.expose(), key);
    ops.reveal(&seen, Purpose::Copy).await.unwrap();
    assert!(!format!("{shown:?}").contains(&key));
    let revoked = ops.revoke(&seen, Mode::Apply).await.unwrap();
    assert_eq!(revoked.prefix(), &key[..8]);
    assert_eq!(place.one::<i64>(COUNT).await, 0);
    assert_eq!(
        audit_lines(&place),
        ["show user1: done", "copy user1: done", "revoke user1: done"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_deleted_meanwhile_is_no_user() {
    let place = with_users(1).await;
    place.sql(&tokens_where("true")).await;
    let ops = place.ops().await;
    let seen = aim(&ops, "user1").await;
    place
        .sql("DELETE FROM authtoken_token; DELETE FROM auth_user")
        .await;
    let gone = Error::NotFound("no user user1".to_owned());
    assert_eq!(ops.generate(&seen, Mode::Apply).await.unwrap_err(), gone);
    assert_eq!(place.one::<i64>(COUNT).await, 0);
    assert_eq!(
        ops.set_active(&seen, false, Mode::Apply).await.unwrap_err(),
        gone
    );
    assert_eq!(
        ops.regenerate(&seen, Mode::Apply).await.unwrap_err(),
        Error::Conflict("user1: changed meanwhile".to_owned())
    );
    // What was tried and failed at the very end is written down; what never began is not.
    assert_eq!(
        audit_lines(&place),
        [
            "revoke user1: done, outside tokenward",
            "generate user1: no user user1"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_tries_all_and_leaves_nothing() {
    let place = with_users(2).await;
    place.sql(&tokens_where("id = 1")).await;
    let ops = place.ops().await;
    let (with, without) = (aim(&ops, "user1").await, aim(&ops, "user2").await);
    let before: String = place
        .one("SELECT string_agg(t::text, ' ') FROM authtoken_token t")
        .await;
    let issued = ops.generate(&without, Mode::DryRun).await.unwrap();
    assert_eq!(issued.origin, Origin::New);
    ops.regenerate(&with, Mode::DryRun).await.unwrap();
    ops.revoke(&with, Mode::DryRun).await.unwrap();
    place.sql("UPDATE authtoken_token SET key = key").await;
    let after: String = place
        .one("SELECT string_agg(t::text, ' ') FROM authtoken_token t")
        .await;
    assert_eq!(before, after);
    assert!(!place.audit_path().exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_write_it_down_may_not_do_it() {
    let file = with_users(2).await;
    file.sql("DROP SCHEMA tokenward CASCADE").await;
    // A folder in the file's place keeps out root too.
    fs::create_dir_all(file.audit_path()).unwrap();
    nothing_is_done(&file, "", |said| {
        said.starts_with("cannot write the audit to ") && said.ends_with("nothing was changed")
    })
    .await;
    let table = with_users(2).await;
    let no_room = "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS \
                $$ BEGIN RAISE 'no room'; END $$; \
                CREATE TRIGGER no_room BEFORE INSERT ON tokenward.audit FOR EACH ROW EXECUTE FUNCTION no_room()";
    nothing_is_done(&table, no_room, |said| {
        said.starts_with("the audit in tokenward.audit could not be written")
            && said.ends_with(" was not done")
    })
    .await;
    assert!(table.audit_file().is_empty());
}

async fn nothing_is_done(place: &Place, meanwhile: &str, expected: impl Fn(&str) -> bool) {
    place.sql(&tokens_where("id = 1")).await;
    let ops = place.ops().await;
    let (with, without) = (aim(&ops, "user1").await, aim(&ops, "user2").await);
    place.sql(meanwhile).await;
    let before: String = place
        .one("SELECT string_agg(t::text, ' ') FROM authtoken_token t")
        .await;
    let (control, _handle) = tokenward::ops::control();
    for error in [
        ops.generate(&without, Mode::Apply).await.unwrap_err(),
        ops.regenerate(&with, Mode::Apply).await.unwrap_err(),
        ops.revoke(&with, Mode::Apply).await.unwrap_err(),
        ops.reveal(&with, Purpose::Show).await.unwrap_err(),
        ops.set_active(&with, false, Mode::Apply).await.unwrap_err(),
        ops.backfill(
            &tokenward::ops::BackfillPlan::default(),
            Mode::Apply,
            control,
        )
        .await
        .unwrap_err(),
    ] {
        let said = error.to_string();
        assert!(expected(&said), "{said}");
    }
    let after: String = place
        .one("SELECT string_agg(t::text, ' ') FROM authtoken_token t")
        .await;
    assert_eq!(before, after);
}

/// A disk that is full, as Linux plays one.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_written_down_is_told_as_it_is() {
    let place = with_users(3).await;
    place.sql("DROP SCHEMA tokenward CASCADE").await;
    place.sql(&tokens_where("id = 1")).await;
    let ops = place.ops().await;
    let (with, gone) = (aim(&ops, "user1").await, aim(&ops, "user3").await);
    place.sql("DELETE FROM auth_user WHERE id = 3").await;
    fs::create_dir_all(place.audit_path().parent().unwrap()).unwrap();
    std::os::unix::fs::symlink("/dev/full", place.audit_path()).unwrap();

    let (control, _handle) = tokenward::ops::control();
    let plan = tokenward::ops::BackfillPlan::default();
    let not_done = [
        ops.reveal(&with, Purpose::Show).await.unwrap_err(),
        ops.backfill(&plan, Mode::Apply, control).await.unwrap_err(),
    ];
    for (error, verb) in not_done.into_iter().zip(["show", "backfill"]) {
        let said = error.to_string();
        assert!(said.ends_with(&format!("{verb} was not done")), "{said}");
    }
    assert_eq!(
        place
            .one::<i64>("SELECT count(*) FROM authtoken_token")
            .await,
        1
    );
    // That it failed counts more than that the failure cannot be written down.
    let error = ops.generate(&gone, Mode::Apply).await.unwrap_err();
    assert_eq!(error.to_string(), "no user user3");
    let error = ops.revoke(&with, Mode::Apply).await.unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("revoke was done, but the audit "),
        "{error}"
    );
    assert_eq!(
        place
            .one::<i64>("SELECT count(*) FROM authtoken_token")
            .await,
        0
    );
}
