//! What counts as a use of a token, at the endpoints.

use serde_json::json;

use super::answers::{KEY, SECRET, ask, serve, site, token};
use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_about_a_key_or_gets_one_does_not_use_it() {
    let place = site(4).await;
    place
        .sql(
            "INSERT INTO auth_user (username, email, first_name, last_name, password, is_superuser, is_staff, is_active, \
                                    date_joined) \
             VALUES ('bob', '', '', '', '!', false, false, true, now()); \
             INSERT INTO authtoken_token SELECT 'key-of-bob', '2024-06-01', id FROM auth_user WHERE username = 'bob'",
        )
        .await;
    let listener = serve(&place, (2, 100), None).await;
    for _ in 0..2 {
        let form = format!(
            "Content-Type: application/x-www-form-urlencoded\r\nAuthorization: Bearer {SECRET}\r\n"
        );
        let answer = ask(
            &listener,
            "POST /introspect",
            &form,
            &format!("token={KEY}"),
        )
        .await;
        assert!(answer.body.contains(r#""active":true"#), "{}", answer.body);
    }
    let login = json!({"username": "alice", "password": "wonderland"}).to_string();
    let kind = "Content-Type: application/json\r\n";
    let answer = ask(&listener, "POST /api-token-auth/", kind, &login).await;
    assert!(answer.body.contains(KEY), "{}", answer.body);
    let answer = ask(&listener, "GET /auth", &token(&KEY.replace('9', "8")), "").await;
    assert_eq!(answer.status, 401);
    let used = ask(&listener, "GET /auth", &token("key-of-bob"), "").await;
    assert_eq!(used.status, 200);
    let begun = Instant::now();
    let users = "SELECT string_agg(u.username || ' ' || l.addresses::text, ',') FROM tokenward.last_use l \
                   JOIN auth_user u ON u.id::text = l.id";
    loop {
        let noted: Option<String> = place.one(users).await;
        if let Some(noted) = noted {
            assert_eq!(noted, "bob {127.0.0.1}");
            break;
        }
        assert!(begun.elapsed() < DEADLINE, "never written");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
