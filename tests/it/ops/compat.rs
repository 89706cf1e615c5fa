//! Databases that are not what we work on, and how each difference is named.

use tokenward::db::compat::UserTable;
use tokenward::db::connect::Settings;
use tokenward::ops::Error;

use crate::support::place::{self, Place};

/// The role of the private server is called as our own schema is, which therefore comes first in its usual path.
fn in_public() -> Settings {
    Settings {
        schema: Some("public".to_owned()),
        ..Settings::default()
    }
}

async fn refusal(place: &Place, users: &UserTable) -> String {
    match place.open(&place.url(), in_public(), users).await {
        Err(Error::MissingRight(said)) => said,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it should not open"),
    }
}

async fn after(change: &str) -> String {
    let place = place::fresh().await;
    place.sql(change).await;
    refusal(&place, &UserTable::default()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_tables_are_named_with_what_would_make_them() {
    let place = place::empty().await;
    assert_eq!(
        refusal(&place, &UserTable::default()).await,
        "No authtoken_token in schema public. Is rest_framework.authtoken migrated? No auth_user in schema public. Is \
         django.contrib.auth migrated, or does the site have a user table of its own (user_table in the profile)?"
    );
    assert_eq!(
        after("DROP TABLE authtoken_token").await,
        "No authtoken_token in schema public. Is rest_framework.authtoken migrated?"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_columns_and_wrong_types_are_named_all_at_once() {
    assert_eq!(
        after(
            "ALTER TABLE authtoken_token RENAME created TO made; DROP INDEX authtoken_token_key_10f0b77e_like; \
             ALTER TABLE authtoken_token ALTER key TYPE bytea USING key::bytea"
        )
        .await,
        "authtoken_token.key is of type bytea; expected is character varying or text. \
         authtoken_token has no column created."
    );
    assert_eq!(
        after("ALTER TABLE auth_user RENAME username TO login").await,
        "auth_user has no column username."
    );
    assert_eq!(
        after("ALTER TABLE authtoken_token DROP CONSTRAINT authtoken_token_user_id_35299eff_fk_auth_user_id; \
               ALTER TABLE authtoken_token ALTER user_id TYPE text; ALTER TABLE auth_user DROP CONSTRAINT auth_user_pkey CASCADE")
        .await,
        "authtoken_token.user_id is of type text; expected is integer or bigint or uuid. \
         auth_user has no primary key of one column."
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_user_table_must_be_where_the_profile_says() {
    let place = place::fresh().await;
    let users = UserTable {
        table: "people.Person".to_owned(),
        username: "email".to_owned(),
    };
    assert!(
        refusal(&place, &users)
            .await
            .starts_with("No people.Person in schema public.")
    );
    let users = UserTable {
        username: "is_staff".to_owned(),
        ..UserTable::default()
    };
    assert_eq!(
        refusal(&place, &users).await,
        "auth_user.is_staff is of type boolean; expected is character varying or text or citext."
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_in_a_schema_of_their_own_are_found_there_and_only_there() {
    let place = place::fresh().await;
    place
        .sql(
            "CREATE SCHEMA \"My site\"; ALTER TABLE auth_user SET SCHEMA \"My site\"; \
             ALTER TABLE authtoken_token SET SCHEMA \"My site\"",
        )
        .await;
    let there = Settings {
        schema: Some("My site".to_owned()),
        ..Settings::default()
    };
    let ops = place
        .open(&place.url(), there, &UserTable::default())
        .await
        .unwrap();
    assert_eq!(ops.estimate_users().await.unwrap(), 0);
    assert!(
        refusal(&place, &UserTable::default())
            .await
            .contains("in schema public")
    );
}
