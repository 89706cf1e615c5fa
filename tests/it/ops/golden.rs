//! What Django itself wrote, read back.

use serde_json::Value;
use tokenward::domain::moment::Moment;
use tokenward::domain::password::{self, Match, Preferred};
use tokenward::domain::secret::Secret;
use tokenward::ops::Verdict;

use super::with_users;

fn golden() -> Value {
    serde_json::from_str(include_str!("../../golden/django.json")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn djangos_keys_are_live_and_their_times_are_read_to_the_microsecond() {
    let golden = golden();
    let place = with_users(8).await;
    let keys = golden["keys"].as_array().unwrap();
    for (id, key) in (1..).zip(keys) {
        let key = key.as_str().unwrap();
        place
            .sql(&format!(
                "INSERT INTO authtoken_token VALUES ('{key}', now(), {id})"
            ))
            .await;
    }
    let ops = place.ops().await;
    for (id, key) in (1..).zip(keys) {
        match ops
            .verify(&Secret::from(key.as_str().unwrap()))
            .await
            .unwrap()
        {
            Verdict::Live(detail) => assert_eq!(detail.row.user.username, format!("user{id}")),
            other => panic!("{}", other.word()),
        }
    }
    for row in golden["rows"].as_array().unwrap() {
        let text = |name: &str| row[name].as_str().unwrap();
        place
            .sql(&format!(
                "DELETE FROM authtoken_token WHERE user_id = 1; \
                 INSERT INTO authtoken_token VALUES ('{}', '{}', 1)",
                text("key"),
                text("psql")
            ))
            .await;
        let Verdict::Live(detail) = ops.verify(&Secret::from(text("key"))).await.unwrap() else {
            panic!("{}", text("key"));
        };
        let created = detail.row.token.unwrap().created;
        assert_eq!(Some(created), Moment::parse(text("created")));
        let micros = text("epoch").replace('.', "");
        assert_eq!(created.unix_micros().to_string(), micros);
    }
}

/// The strings that Django wrote are opened beside the code; here ours are, once they have been through the database.
#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_we_stored_opens_by_djangos_rule() {
    let place = with_users(1).await;
    let ops = place.ops().await;
    let user = super::aim(&ops, "user1").await;
    // Beyond ASCII, and beyond the 72 bytes that bcrypt itself looks at.
    let password = format!("пароль-🔑{}", "x".repeat(72));
    ops.set_password(
        &user,
        Secret::from(password.as_str()),
        tokenward::ops::Mode::Apply,
    )
    .await
    .unwrap();
    let ours = Secret::new(
        place
            .one::<String>("SELECT password::text FROM auth_user")
            .await,
    );
    let opens = |password: &str| {
        password::check(&Secret::from(password), &ours, Preferred::BcryptSha256).unwrap()
    };
    assert_eq!(opens(&password), Match::Right);
    assert_eq!(opens(&password[..password.len() - 1]), Match::Wrong);
}
