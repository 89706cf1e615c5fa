//! Testing a key, against keys of every sort that a table can hold.

use tokenward::domain::secret::Secret;
use tokenward::ops::Verdict;

use super::{tokens_where, with_users};

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_live_inert_or_unknown() {
    let place = with_users(2).await;
    place.sql(&tokens_where("true")).await;
    place
        .sql(
            "UPDATE auth_user SET is_active = false WHERE id = 2; \
             INSERT INTO auth_group (name) VALUES ('support'); INSERT INTO auth_user_groups (user_id, group_id) VALUES (1, 1)",
        )
        .await;
    let ops = place.ops().await;
    let key = |id: i32| {
        let question = format!("SELECT key::text FROM authtoken_token WHERE user_id = {id}");
        let place = &place;
        async move { Secret::new(place.one::<String>(&question).await) }
    };
    let live = key(1).await;
    let Verdict::Live(detail) = ops.verify(&live).await.unwrap() else {
        panic!("of an active user");
    };
    assert_eq!(detail.row.user.username, "user1");
    assert_eq!(detail.groups, ["support"]);
    let answers = Verdict::Live(detail).answers(&live);
    assert_eq!((answers[0].status, answers[1].status), (200, 401));
    assert!(!format!("{answers:?}").contains(live.expose().as_str()));

    let inert = key(2).await;
    let verdict = ops.verify(&inert).await.unwrap();
    assert_eq!(verdict.word(), "INERT");
    assert_eq!(verdict.answers(&inert)[0].status, 401);

    for unknown in [
        live.expose().to_uppercase(),
        format!(" {}", live.expose()),
        live.expose()[..39].to_owned(),
        String::new(),
        "x".repeat(100_000),
        "a\0b".to_owned(),
        "'; DROP TABLE authtoken_token; --".to_owned(),
        "ключ🔑".to_owned(),
    ] {
        let unknown = Secret::new(unknown);
        let verdict = ops.verify(&unknown).await.unwrap();
        assert_eq!(verdict.word(), "UNKNOWN", "{}", unknown.expose());
    }
    place.sql("DELETE FROM authtoken_token").await;
    let retired = ops.verify(&live).await.unwrap();
    assert_eq!(retired.word(), "RETIRED");
    assert_eq!(retired.answers(&live)[0].status, 401);

    // In its grace our listener answers as before.
    place
        .sql("UPDATE tokenward.retired_key SET grace_until = now() + interval '1 hour' WHERE username = 'user1'")
        .await;
    let graced = ops.verify(&live).await.unwrap();
    let answers = graced.answers(&live);
    assert_eq!((answers[0].status, answers[1].status), (200, 401));
    assert!(
        answers[0].body.starts_with("{\"user\":\"user1\""),
        "{answers:?}"
    );
    let Verdict::Retired(retired) = graced else {
        panic!("a grace does not make it a key");
    };
    let story = retired.story(tokenward::domain::moment::Moment::now());
    assert!(story.contains("works here until 20"), "{story}");
}

#[tokio::test(flavor = "multi_thread")]
async fn any_text_can_be_a_key() {
    let place = with_users(5).await;
    place
        .sql(
            "INSERT INTO authtoken_token VALUES ('x', now(), 1), (repeat('🔑', 40), now(), 2), \
             ('with space, %_\\ and ''quote''', now(), 3), (E'tab\\tand\\nline', now(), 4), ('', now(), 5)",
        )
        .await;
    let ops = place.ops().await;
    for (key, name) in [
        ("x", "user1"),
        (&"🔑".repeat(40), "user2"),
        ("with space, %_\\ and 'quote'", "user3"),
        ("tab\tand\nline", "user4"),
        ("", "user5"),
    ] {
        match ops.verify(&Secret::from(key)).await.unwrap() {
            Verdict::Live(detail) => assert_eq!(detail.row.user.username, name),
            other => panic!("{name}: {}", other.word()),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistyped_key_of_our_own_format_is_told_from_a_foreign_one() {
    let place = with_users(1).await;
    let ops = place.ops().await;
    let made = tokenward::domain::token::KeyFormat::Checksum
        .make()
        .unwrap();
    let swap = |c: char| if c == 'a' { 'b' } else { 'a' };
    let mut typed = made.expose().clone();
    let last = typed.pop().unwrap();
    typed.push(swap(last));
    for (key, expected) in [
        (made.expose().clone(), Some(true)),
        (typed, Some(false)),
        ("0".repeat(40), None),
    ] {
        match ops.verify(&Secret::new(key)).await.unwrap() {
            Verdict::Unknown { checksum, .. } => assert_eq!(checksum, expected),
            other => panic!("{}", other.word()),
        }
    }
}
