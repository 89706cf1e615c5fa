//! The last key that was replaced or deleted is given back, once, and only where nothing happened since.

use tokenward::domain::scan::{Candidate, Context, Kind, Shape};
use tokenward::ops::leak::Deed;
use tokenward::ops::{Change, Error, Mode, Ops, control};

use super::{aim, audit_lines, tokens_where, with_users};
use crate::support::place::Place;

async fn site() -> (Place, Ops) {
    let place = with_users(3).await;
    place.sql(&tokens_where("true")).await;
    let ops = place.ops().await.remembering();
    (place, ops)
}

/// Key and time of a user's token.
async fn token(place: &Place, id: u32) -> Option<String> {
    place
        .one(&format!(
            "SELECT (SELECT key || ' ' || created FROM authtoken_token WHERE user_id = {id})"
        ))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_key_is_given_back_with_its_time_once() {
    let (place, ops) = site().await;
    let before = token(&place, 1).await;
    let seen = aim(&ops, "user1").await;
    let issued = ops.regenerate(&seen, Mode::Apply).await.unwrap();
    let given = ops.undo().await.unwrap();
    assert_eq!(given, seen);
    assert_eq!(token(&place, 1).await, before);
    // The key in between is retired, the first is not.
    let retired: String = place
        .one("SELECT string_agg(start || ' ' || verb, ', ') FROM tokenward.retired_key")
        .await;
    assert_eq!(retired, format!("{} undo", &issued.key.expose()[..8]));
    assert_eq!(
        audit_lines(&place),
        ["regenerate user1: done", "undo user1: done"]
    );
    let again = ops.undo().await.unwrap_err();
    assert!(matches!(again, Error::NotFound(_)), "{again}");
    assert_eq!(token(&place, 1).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_key_is_given_back() {
    let (place, ops) = site().await;
    let before = token(&place, 2).await;
    let seen = aim(&ops, "user2").await;
    ops.revoke(&seen, Mode::DryRun).await.unwrap();
    assert!(ops.undo().await.is_err(), "nothing was changed");
    ops.revoke(&seen, Mode::Apply).await.unwrap();
    assert_eq!(token(&place, 2).await, None);
    assert_eq!(ops.undo().await.unwrap(), seen);
    assert_eq!(token(&place, 2).await, before);
    let retired: i64 = place
        .one("SELECT count(*) FROM tokenward.retired_key")
        .await;
    assert_eq!(retired, 0);
    assert_eq!(
        audit_lines(&place),
        ["revoke user2: done", "undo user2: done"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_since_stays() {
    let (place, ops) = site().await;
    let other = place.ops().await;
    ops.regenerate(&aim(&ops, "user1").await, Mode::Apply)
        .await
        .unwrap();
    other
        .regenerate(&aim(&ops, "user1").await, Mode::Apply)
        .await
        .unwrap();
    let theirs = token(&place, 1).await;
    let error = ops.undo().await.unwrap_err();
    assert!(matches!(error, Error::Conflict(_)), "{error}");
    assert_eq!(token(&place, 1).await, theirs);
    ops.revoke(&aim(&ops, "user1").await, Mode::Apply)
        .await
        .unwrap();
    other
        .generate(&aim(&ops, "user1").await, Mode::Apply)
        .await
        .unwrap();
    let theirs = token(&place, 1).await;
    let error = ops.undo().await.unwrap_err();
    assert!(matches!(error, Error::Conflict(_)), "{error}");
    assert_eq!(token(&place, 1).await, theirs);
    ops.revoke(&aim(&ops, "user3").await, Mode::Apply)
        .await
        .unwrap();
    place.sql("DELETE FROM auth_user WHERE id = 3").await;
    assert!(ops.undo().await.is_err());
    assert!(
        !audit_lines(&place)
            .iter()
            .any(|line| line == "undo user1: done")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_last_change_of_who_remembers_and_never_after_a_leak() {
    let (place, ops) = site().await;
    let forgetful = place.ops().await;
    forgetful
        .regenerate(&aim(&ops, "user1").await, Mode::Apply)
        .await
        .unwrap();
    assert!(forgetful.undo().await.is_err());
    assert!(ops.undo().await.is_err(), "that was another console");
    ops.regenerate(&aim(&ops, "user1").await, Mode::Apply)
        .await
        .unwrap();
    let seen = aim(&ops, "user2").await;
    ops.revoke(&seen, Mode::Apply).await.unwrap();
    assert_eq!(ops.undo().await.unwrap(), seen, "the later of the two");

    ops.regenerate(&aim(&ops, "user1").await, Mode::Apply)
        .await
        .unwrap();
    let key: String = place
        .one("SELECT key::text FROM authtoken_token WHERE user_id = 2")
        .await;
    let seen = Candidate {
        line: 1,
        place: 0..40,
        kind: Kind::Drf,
        shape: Shape::Whole,
        key: key.into(),
        context: Context::Bare,
    };
    let findings = ops.judge(vec![seen]).await.unwrap();
    let mut case = ops.open_case(findings, "a test".to_owned()).await.unwrap();
    ops.respond(&mut case, Deed::Revoke, Mode::Apply)
        .await
        .unwrap();
    let error = ops.undo().await.unwrap_err();
    assert!(matches!(error, Error::NotFound(_)), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_of_the_least_rights_gives_back_what_it_took() {
    let (place, _) = site().await;
    let rights = "GRANT SELECT ON auth_user TO {role}; \
                  GRANT SELECT, INSERT, UPDATE, DELETE ON authtoken_token TO {role}";
    let url = place.url_of_role("operator", rights).await;
    let ops = place.ops_as(&url).await.remembering();
    let seen = aim(&ops, "user1").await;
    for change in [Change::Regenerate, Change::Revoke] {
        let before = token(&place, 1).await;
        let (control, _handle) = control();
        let report = ops
            .change_many(change, vec![seen.clone()], Mode::Apply, control)
            .await
            .unwrap();
        assert_eq!(report.failed(), 0);
        assert_eq!(ops.undo().await.unwrap(), seen);
        assert_eq!(token(&place, 1).await, before);
    }
}
