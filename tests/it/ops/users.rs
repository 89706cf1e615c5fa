//! Users made, switched on and off, given a password.

use tokenward::domain::secret::Secret;
use tokenward::domain::user::{NewUser, Username};
use tokenward::ops::{Error, Mode};

use super::{aim, audit_lines, with_users};
use crate::support::place;

fn new(name: &str) -> NewUser {
    NewUser {
        username: Username::new(name).unwrap(),
        email: "new@example.com".to_owned(),
        is_staff: true,
        is_superuser: false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_made_once_and_as_django_makes_him() {
    let place = place::fresh().await;
    let ops = place.ops().await;
    let password = || Some(Secret::from("right horse"));
    let made = ops
        .create_user(new("ann"), password(), Mode::Apply)
        .await
        .unwrap();
    assert!(made.is_active && made.is_staff && !made.is_superuser);
    assert_eq!(made.last_login, None);
    let encoded: String = place.one("SELECT password::text FROM auth_user").await;
    let hash = encoded.strip_prefix("bcrypt_sha256$").unwrap();
    assert!(hash.starts_with("$2b$12$"), "{hash}");

    let error = ops
        .create_user(new("ann"), password(), Mode::Apply)
        .await
        .unwrap_err();
    assert_eq!(
        error,
        Error::Conflict("there is a user ann already".to_owned())
    );
    let error = ops
        .create_user(new(&"é".repeat(151)), None, Mode::Apply)
        .await
        .unwrap_err();
    assert!(
        matches!(&error, Error::Invalid(said) if said.contains("150")),
        "{error:?}"
    );
    for (password, says) in [("", "empty"), ("a\0b", "NUL"), (&"x".repeat(5_000), "4096")] {
        let error = ops
            .create_user(new("bob"), Some(Secret::from(password)), Mode::Apply)
            .await
            .unwrap_err();
        assert!(
            matches!(&error, Error::Invalid(said) if said.contains(says)),
            "{error:?}"
        );
    }
    assert_eq!(place.one::<i64>("SELECT count(*) FROM auth_user").await, 1);
    assert_eq!(audit_lines(&place), ["user create ann: done"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_password_nobody_logs_in_with_one() {
    let place = place::fresh().await;
    let ops = place.ops().await;
    ops.create_user(new("ann"), None, Mode::Apply)
        .await
        .unwrap();
    let encoded: String = place.one("SELECT password::text FROM auth_user").await;
    assert!(encoded.starts_with('!') && encoded.len() == 41, "{encoded}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_make_the_same_user_one_does() {
    let place = place::fresh().await;
    let ops = place.ops().await;
    let (one, two) = tokio::join!(
        ops.create_user(new("ann"), None, Mode::Apply),
        ops.create_user(new("ann"), None, Mode::Apply)
    );
    assert!(one.is_ok() != two.is_ok());
    let error = one.err().or(two.err()).unwrap();
    assert_eq!(
        error,
        Error::Conflict("there is a user ann already".to_owned())
    );
    assert_eq!(place.audit().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_and_switches_reach_one_user_only() {
    let place = with_users(2).await;
    let ops = place.ops().await;
    let user = aim(&ops, "user1").await;
    ops.set_password(&user, Secret::from("right horse"), Mode::Apply)
        .await
        .unwrap();
    let told: String = place
        .one("SELECT string_agg(left(password, 14), ' ' ORDER BY id) FROM auth_user")
        .await;
    assert_eq!(told, "bcrypt_sha256$ !");
    let active = "SELECT string_agg(is_active::text, ' ' ORDER BY id) FROM auth_user";
    ops.set_active(&user, false, Mode::Apply).await.unwrap();
    assert_eq!(place.one::<String>(active).await, "false true");
    ops.set_active(&user, false, Mode::Apply).await.unwrap();
    ops.set_active(&user, true, Mode::Apply).await.unwrap();
    assert_eq!(place.one::<String>(active).await, "true true");
    assert_eq!(
        audit_lines(&place),
        [
            "user password user1: done",
            "user off user1: done",
            "user off user1: done",
            "user on user1: done"
        ]
    );
    let text = format!("{:?}", place.audit());
    assert!(
        !text.contains("horse") && !text.contains("bcrypt"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn dry_runs_leave_no_user_no_change_and_no_line() {
    let place = with_users(1).await;
    let ops = place.ops().await;
    let user = aim(&ops, "user1").await;
    let before: String = place
        .one("SELECT string_agg(u::text, ' ') FROM auth_user u")
        .await;
    ops.create_user(new("ann"), None, Mode::DryRun)
        .await
        .unwrap();
    ops.set_password(&user, Secret::from("x"), Mode::DryRun)
        .await
        .unwrap();
    ops.set_active(&user, false, Mode::DryRun).await.unwrap();
    let error = ops
        .create_user(new("user1"), None, Mode::DryRun)
        .await
        .unwrap_err();
    assert!(
        matches!(error, Error::Conflict(_)),
        "a dry run tries it all: {error:?}"
    );
    let after: String = place
        .one("SELECT string_agg(u::text, ' ') FROM auth_user u")
        .await;
    assert_eq!(before, after);
    assert!(!place.audit_path().exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn users_are_found_by_their_exact_name() {
    let place = with_users(1).await;
    place
        .sql("UPDATE auth_user SET username = E'é\\u202evil\\x1b[31m', first_name = 'A', last_name = 'B'")
        .await;
    let ops = place.ops().await;
    let name = |text: &str| Username::new(text).unwrap();
    let found = ops
        .find_user(&name("é\u{202e}vil\u{1b}[31m"))
        .await
        .unwrap();
    assert_eq!(found.row.user.full_name, "A B");
    assert_eq!(ops.user_detail(found.row.user.id).await.unwrap(), found);
    let error = ops
        .find_user(&name("É\u{202e}vil\u{1b}[31m"))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("no user ") && !error.contains(['\u{1b}', '\u{202e}']),
        "{error:?}"
    );
    place.sql("DELETE FROM auth_user").await;
    let error = ops.user_detail(found.row.user.id).await.unwrap_err();
    assert_eq!(
        error,
        Error::NotFound("the user with id 1 is gone".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_shown_though_our_schema_was_dropped_meanwhile() {
    let place = with_users(1).await;
    place
        .sql("INSERT INTO authtoken_token SELECT 'key1', now(), id FROM auth_user")
        .await;
    let ops = place.ops().await;
    assert!(ops.takes_grace());
    let id = aim(&ops, "user1").await.id;
    place.sql("DROP SCHEMA tokenward CASCADE").await;
    let detail = ops.user_detail(id).await.unwrap();
    assert_eq!(detail.row.user.username, "user1");
    assert!(detail.graces.is_empty() && detail.row.token.unwrap().last_use.is_unknown());
}
