//! What a role may do, what it may not, and how that is said; and sessions that may only read.

use tokenward::db::compat::UserTable;
use tokenward::db::connect::Settings;
use tokenward::domain::secret::Secret;
use tokenward::domain::user::{NewUser, Username};
use tokenward::ops::{BackfillPlan, Change, Error, Mode, Purpose, control};

use super::{aim, tokens_where, with_users};
use crate::support::place::{self, Place};

const LEAST: &str = "GRANT SELECT ON auth_user TO {role}; \
                     GRANT SELECT, INSERT, UPDATE, DELETE ON authtoken_token TO {role}";

fn ann() -> NewUser {
    NewUser {
        username: Username::new("ann").unwrap(),
        email: String::new(),
        is_staff: false,
        is_superuser: false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_least_rights_do_the_main_job() {
    let place = with_users(5).await;
    let url = place.url_of_role("least", LEAST).await;
    let ops = place.ops_as(&url).await;
    let user = aim(&ops, "user1").await;
    let issued = ops.generate(&user, Mode::Apply).await.unwrap();
    assert_eq!(ops.verify(&issued.key).await.unwrap().word(), "LIVE");
    let user = aim(&ops, "user1").await;
    ops.reveal(&user, Purpose::Show).await.unwrap();
    ops.regenerate(&user, Mode::Apply).await.unwrap();
    ops.revoke(&aim(&ops, "user1").await, Mode::Apply)
        .await
        .unwrap();
    let (control, _handle) = control();
    let report = ops
        .backfill(&BackfillPlan::default(), Mode::Apply, control)
        .await
        .unwrap();
    assert_eq!(report.done, 5);
    ops.counts().await.unwrap();
    ops.estimate_users().await.unwrap();

    let role = place.role("least");
    let refused = |verb: &str, table: &str| {
        Error::MissingRight(format!("Role {role} may not {verb} {table}."))
    };
    let user = aim(&ops, "user1").await;
    assert_eq!(
        ops.create_user(ann(), None, Mode::Apply).await.unwrap_err(),
        refused("insert into", "auth_user")
    );
    assert_eq!(
        ops.set_active(&user, false, Mode::Apply).await.unwrap_err(),
        refused("update", "auth_user")
    );
    assert_eq!(
        ops.set_password(&user, Secret::from("x"), Mode::Apply)
            .await
            .unwrap_err(),
        refused("update", "auth_user")
    );
    assert_eq!(ops.refusal(Change::Generate), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_only_look_is_told_what_is_missing() {
    let place = with_users(2).await;
    place.sql(&tokens_where("id = 1")).await;
    let url = place
        .url_of_role(
            "looks",
            "GRANT SELECT ON auth_user, authtoken_token TO {role}",
        )
        .await;
    let ops = place.ops_as(&url).await;
    let (with, without) = (aim(&ops, "user1").await, aim(&ops, "user2").await);
    ops.generate(&with, Mode::Apply).await.unwrap();
    let role = place.role("looks");
    let refused =
        |verb: &str| Error::MissingRight(format!("Role {role} may not {verb} authtoken_token."));
    let (control, _handle) = control();
    for (error, verb) in [
        (
            ops.generate(&without, Mode::Apply).await.unwrap_err(),
            "insert into",
        ),
        (
            ops.regenerate(&with, Mode::DryRun).await.unwrap_err(),
            "update",
        ),
        (
            ops.revoke(&with, Mode::Apply).await.unwrap_err(),
            "delete from",
        ),
        (
            ops.backfill(&BackfillPlan::default(), Mode::Apply, control)
                .await
                .unwrap_err(),
            "insert into",
        ),
    ] {
        assert_eq!(error, refused(verb));
    }
    assert!(!place.audit_path().exists() || place.audit().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_look_cannot_open() {
    let place = place::fresh().await;
    let url = place
        .url_of_role("blind", "GRANT SELECT ON auth_user TO {role}")
        .await;
    let error = place
        .open(&url, Settings::default(), &UserTable::default())
        .await
        .unwrap_err();
    let role = place.role("blind");
    assert_eq!(
        error,
        Error::MissingRight(format!("Role {role} may not select from authtoken_token."))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_taken_away_meanwhile_is_missed_in_words() {
    let place = with_users(1).await;
    let url = place.url_of_role("least", LEAST).await;
    let ops = place.ops_as(&url).await;
    let user = aim(&ops, "user1").await;
    place
        .sql(&format!(
            "REVOKE INSERT ON authtoken_token FROM \"{}\"",
            place.role("least")
        ))
        .await;
    let error = ops.generate(&user, Mode::Apply).await.unwrap_err();
    assert!(
        matches!(&error, Error::MissingRight(said) if said.contains("authtoken_token")),
        "{error:?}"
    );
}

async fn refuses_all(place: &Place, ops: &tokenward::ops::Ops) {
    let (with, without) = (aim(ops, "user1").await, aim(ops, "user2").await);
    let (control, _handle) = control();
    for error in [
        ops.generate(&without, Mode::Apply).await.unwrap_err(),
        ops.regenerate(&with, Mode::Apply).await.unwrap_err(),
        ops.revoke(&with, Mode::DryRun).await.unwrap_err(),
        ops.create_user(ann(), None, Mode::Apply).await.unwrap_err(),
        ops.set_active(&with, false, Mode::Apply).await.unwrap_err(),
        ops.backfill(&BackfillPlan::default(), Mode::Apply, control)
            .await
            .unwrap_err(),
    ] {
        assert!(
            matches!(&error, Error::ReadOnly(said) if said.starts_with("READ ONLY: ")),
            "{error:?}"
        );
    }
    assert_eq!(
        place
            .one::<i64>("SELECT count(*) FROM authtoken_token")
            .await,
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_session_says_so_and_the_server_holds_it_to_that() {
    let place = with_users(2).await;
    place.sql(&tokens_where("id = 1")).await;
    let ops = place.ops_read_only().await;
    assert!(ops.place().read_only);
    refuses_all(&place, &ops).await;
    assert_eq!(
        ops.refusal(Change::Generate).unwrap(),
        format!(
            "READ ONLY: this session on {} may not change anything.",
            place.name()
        )
    );
    assert_eq!(
        ops.verify(&Secret::from("x")).await.unwrap().word(),
        "UNKNOWN"
    );
}

/// Read only since we asked: nothing of ours stops the change, and the server does.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_made_read_only_meanwhile_refuses_in_the_same_words() {
    let place = with_users(2).await;
    place.sql(&tokens_where("id = 1")).await;
    let ops = place.ops().await;
    place
        .sql(&format!(
            "ALTER DATABASE \"{}\" SET default_transaction_read_only = on; \
             SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity \
              WHERE datname = current_database() AND pid <> pg_backend_pid()",
            place.name()
        ))
        .await;
    refuses_all(&place, &ops).await;
    let again = place.ops().await;
    assert!(
        again.place().read_only,
        "known from the start by who opens it now"
    );
}
