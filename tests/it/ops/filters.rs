//! Every word of a filter, straight and negated, near and far, and what LIKE would read as its own.

use tokenward::domain::filter::{Filter, Invalid};
use tokenward::domain::moment::Moment;
use tokenward::domain::page::{Sort, SortKey, Start};
use tokenward::domain::user::UserState;
use tokenward::ops::{Error, Ops, Reach, UsersQuery};

use crate::support::place::{self, Place};

const KEY: &str = "9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b";

const ROWS: &str = r"
INSERT INTO auth_user (username, email, first_name, last_name, password, is_superuser, is_staff, is_active, date_joined)
VALUES ('alice', 'al@example.com', 'Alice', 'Wong', '!', true, true, true, now()),
       ('alina', 'x@example.org', 'Alina', 'Ito', '!', false, true, true, now()),
       ('bob', 'bob@Example.com', '', '', '!', false, false, false, now()),
       ('100%_of\it', '', '', '', '!', false, false, true, now()),
       ('100X_of_it', '', '', '', '!', false, false, true, now()),
       ('9944bert', '', '', '', '!', false, false, true, now());
INSERT INTO authtoken_token (key, created, user_id)
VALUES ('9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b', now() - interval '40 days', 1),
       ('c0ffee11', now() - interval '3 days', 3),
       ('made by hand %', now() - interval '3 days', 4)";

async fn rows() -> (Place, Ops) {
    let place = place::fresh().await;
    place.sql(ROWS).await;
    let ops = place.ops().await;
    (place, ops)
}

async fn found(ops: &Ops, line: &str, reach: Reach) -> Vec<String> {
    let query = UsersQuery {
        filter: Filter::parse(line).unwrap(),
        sort: Sort::default(),
        start: Start::First,
        limit: 100,
        reach,
    };
    let page = ops.page_users(&query).await.unwrap();
    page.rows.into_iter().map(|row| row.user.username).collect()
}

const ALL: [&str; 6] = [
    "100%_of\\it",
    "100X_of_it",
    "9944bert",
    "alice",
    "alina",
    "bob",
];

#[tokio::test(flavor = "multi_thread")]
async fn each_word_and_its_negation_part_the_users_in_two() {
    let (_place, ops) = rows().await;
    for (word, expected) in [
        ("is:super", &["alice"][..]),
        ("is:staff", &["alice", "alina"]),
        ("is:off", &["bob"]),
        ("is:none", &["100X_of_it", "9944bert", "alina"]),
        ("kind:drf", &["100%_of\\it", "alice", "bob"]),
        ("age:>30d", &["alice"]),
        ("age:<30d", &["100%_of\\it", "bob"]),
        ("ali", &["alice", "alina"]),
    ] {
        assert_eq!(found(&ops, word, Reach::Far).await, expected, "{word}");
        let others: Vec<&str> = ALL
            .into_iter()
            .filter(|name| !expected.contains(name))
            .collect();
        assert_eq!(
            found(&ops, &format!("-{word}"), Reach::Far).await,
            others,
            "-{word}"
        );
    }
    assert_eq!(found(&ops, "", Reach::Far).await, ALL);
    assert_eq!(
        found(&ops, "ali is:staff -is:super", Reach::Far).await,
        ["alina"]
    );
    assert_eq!(found(&ops, "is:super is:off", Reach::Far).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn stale_is_what_is_old_of_a_superuser_or_of_a_user_who_is_off() {
    let (place, ops) = rows().await;
    assert_eq!(found(&ops, "is:stale", Reach::Far).await, ["alice", "bob"]);
    place
        .sql("UPDATE auth_user SET is_superuser = false WHERE id = 1")
        .await;
    assert_eq!(found(&ops, "is:stale", Reach::Far).await, ["bob"]);
    for (age, expected) in [("364 days", &["bob"][..]), ("366 days", &["alice", "bob"])] {
        place
            .sql(&format!(
                "UPDATE authtoken_token SET created = now() - interval '{age}' WHERE user_id = 1"
            ))
            .await;
        for reach in [Reach::Near, Reach::Far] {
            assert_eq!(found(&ops, "is:stale", reach).await, expected, "{age}");
        }
    }
    // Who has no token has none that is stale.
    let others = ["100%_of\\it", "100X_of_it", "9944bert", "alina"];
    assert_eq!(found(&ops, "-is:stale", Reach::Far).await, others);
    assert_eq!(found(&ops, "is:stale age:>1y", Reach::Far).await, ["alice"]);
    assert_eq!(found(&ops, "is:stale -is:off", Reach::Far).await, ["alice"]);
}

/// Tokens all made long ago, of users 1 to 6, who used them so many days ago; 5 never did, and 6 is told of a token that
/// was made anew since.
const USES: &str = "
    UPDATE auth_user SET is_superuser = false, is_active = true;
    DELETE FROM authtoken_token;
    INSERT INTO authtoken_token SELECT 'key' || id, now() - interval '300 days', id FROM auth_user;
    INSERT INTO tokenward.last_use
    SELECT 'drf', user_id::text, created, now() - make_interval(days => 40 * user_id - 39), '{10.0.0.1}'
      FROM authtoken_token WHERE user_id < 5;
    INSERT INTO tokenward.last_use
    SELECT 'drf', user_id::text, created - interval '1 day', now(), '{10.0.0.1}' FROM authtoken_token WHERE user_id = 6";

/// Whom the list calls STALE.
async fn stale_in_list(ops: &Ops) -> Vec<String> {
    let all = UsersQuery {
        limit: 100,
        ..UsersQuery::default()
    };
    let rows = ops.page_users(&all).await.unwrap().rows.into_iter();
    let stale = rows.filter(|row| row.state(Moment::now()) == UserState::Stale);
    stale.map(|row| row.user.username).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn unused_counts_from_the_last_use_the_making_and_since_when_uses_are_known() {
    let (place, ops) = rows().await;
    place.sql(USES).await;
    let (first, second, third, fourth) = ("alice", "alina", "bob", "100%_of\\it");
    let (never, anew) = ("100X_of_it", "9944bert");
    // Nobody knows yet what happened before.
    assert_eq!(found(&ops, "unused:>1d", Reach::Far).await, [""; 0]);
    assert_eq!(found(&ops, "unused:<1d", Reach::Far).await, ALL);
    assert_eq!(found(&ops, "is:stale", Reach::Far).await, [""; 0]);
    // Nor where a listener wrote long ago and no more: Django may have served them all since.
    place
        .sql(
            "UPDATE tokenward.installation SET uses_since = now() - interval '200 days', \
                    uses_last = now() - interval '8 days'",
        )
        .await;
    assert_eq!(found(&ops, "unused:>1d", Reach::Far).await, [""; 0]);
    assert_eq!(found(&ops, "unused:<1d", Reach::Far).await, ALL);
    assert_eq!(found(&ops, "is:stale", Reach::Far).await, [""; 0]);
    assert_eq!(stale_in_list(&ops).await, [""; 0]);
    for (watched, line, expected) in [
        ("200 days", "unused:>90d", &[fourth, never, anew][..]),
        ("200 days", "unused:>12w", &[fourth, never, anew]),
        ("200 days", "unused:>150d", &[never, anew]),
        ("200 days", "unused:>1y", &[]),
        ("100 days", "unused:>90d", &[fourth, never, anew]),
        ("80 days", "unused:>90d", &[]),
        (
            "80 days",
            "unused:>10d",
            &[fourth, never, anew, second, third],
        ),
        ("200 days", "unused:<25h", &[first]),
        ("200 days", "unused:<23h", &[]),
        ("200 days", "unused:<50d", &[first, second]),
        ("200 days", "is:stale", &[fourth, never, anew]),
        ("80 days", "is:stale", &[]),
        ("200 days", "is:stale unused:<100d", &[]),
    ] {
        place
            .sql(&format!(
                "UPDATE tokenward.installation SET uses_since = now() - interval '{watched}', uses_last = now()"
            ))
            .await;
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        for reach in [Reach::Near, Reach::Far] {
            assert_eq!(found(&ops, line, reach).await, expected, "{watched} {line}");
        }
        let others: Vec<&str> = ALL
            .into_iter()
            .filter(|name| !expected.contains(name))
            .collect();
        if !line.contains(' ') {
            let negated = found(&ops, &format!("-{line}"), Reach::Far).await;
            assert_eq!(negated, others, "{watched} -{line}");
        }
    }
    // The list's word and the filter agree, also where the listener began anew after the last use.
    for (watched, many) in [("200 days", 3), ("100 days", 3), ("80 days", 0)] {
        place
            .sql(&format!(
                "UPDATE tokenward.installation SET uses_since = now() - interval '{watched}'"
            ))
            .await;
        let stale = stale_in_list(&ops).await;
        assert_eq!(stale, found(&ops, "is:stale", Reach::Far).await);
        assert_eq!(stale.len(), many, "{watched}");
    }
    place
        .sql("UPDATE tokenward.installation SET uses_since = now() - interval '200 days'")
        .await;
    // What was made of late is not unused for long, and who has no token has none that is unused.
    place
        .sql(
            "UPDATE authtoken_token SET created = now() - interval '5 days' WHERE user_id = 5; \
             DELETE FROM authtoken_token WHERE user_id = 4",
        )
        .await;
    assert_eq!(found(&ops, "unused:>90d", Reach::Far).await, [anew]);
    assert_eq!(
        found(&ops, "unused:<90d", Reach::Far).await,
        [never, first, second, third]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn where_uses_are_not_known_a_filter_by_them_says_so() {
    let (place, _) = rows().await;
    place.sql("DROP TABLE tokenward.last_use").await;
    let ops = place.ops().await;
    for line in ["unused:>90d", "-unused:<1h"] {
        let query = UsersQuery {
            filter: Filter::parse(line).unwrap(),
            limit: 9,
            ..UsersQuery::default()
        };
        let error = ops.page_users(&query).await.unwrap_err();
        let said = error.to_string();
        assert!(matches!(error, Error::MissingRight(_)), "{error:?}");
        assert!(said.contains("tokenward migrate"), "{said}");
        assert!(said.starts_with("unused:"), "{said}");
    }
    let by_use = UsersQuery {
        sort: Sort {
            key: SortKey::LastUse,
            ..Sort::default()
        },
        limit: 9,
        ..UsersQuery::default()
    };
    let said = ops.page_users(&by_use).await.unwrap_err().to_string();
    assert!(said.starts_with("LAST USED cannot be told"), "{said}");
    assert_eq!(found(&ops, "is:stale", Reach::Far).await, ["alice", "bob"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_marked_where_nobody_told_who_is() {
    let (_place, ops) = rows().await;
    assert_eq!(found(&ops, "is:marked", Reach::Far).await, [""; 0]);
    assert_eq!(found(&ops, "-is:marked", Reach::Far).await, ALL);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_starts_a_name_and_a_key_finds_both_owners() {
    let (_place, ops) = rows().await;
    for reach in [Reach::Near, Reach::Far] {
        assert_eq!(found(&ops, "9944b0", reach).await, ["alice"]);
        assert_eq!(found(&ops, "9944", reach).await, ["9944bert", "alice"]);
        let others = found(&ops, "-9944", reach).await;
        assert_eq!(others, ["100%_of\\it", "100X_of_it", "alina", "bob"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn near_finds_starts_and_far_finds_any_part_in_any_case() {
    let (_place, ops) = rows().await;
    for (text, near, far) in [
        ("al", &["alice", "alina"][..], &["alice", "alina"][..]),
        ("lic", &[], &["alice"]),
        ("ALI", &[], &["alice", "alina"]),
        ("example.com", &[], &["alice", "bob"]),
        ("wong", &[], &["alice"]),
        ("nobody", &[], &[]),
    ] {
        assert_eq!(found(&ops, text, Reach::Near).await, near, "near {text}");
        assert_eq!(found(&ops, text, Reach::Far).await, far, "far {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_like_reads_as_its_own_is_only_text() {
    let (_place, ops) = rows().await;
    for reach in [Reach::Near, Reach::Far] {
        for (text, expected) in [
            ("100%", &["100%_of\\it"][..]),
            ("100X_", &["100X_of_it"]),
            ("100_", &[]),
            ("100%_of\\i", &["100%_of\\it"]),
        ] {
            assert_eq!(found(&ops, text, reach).await, expected, "{text} {reach:?}");
        }
    }
    assert_eq!(found(&ops, "%", Reach::Far).await, ["100%_of\\it"]);
    assert_eq!(found(&ops, "\\", Reach::Far).await, ["100%_of\\it"]);
    assert_eq!(found(&ops, "'", Reach::Far).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_found_by_its_start_and_whole_near_and_far() {
    let (_place, ops) = rows().await;
    for reach in [Reach::Near, Reach::Far] {
        assert_eq!(found(&ops, KEY, reach).await, ["alice"]);
        assert_eq!(found(&ops, "9944", reach).await, ["9944bert", "alice"]);
        assert_eq!(
            found(&ops, "994", reach).await,
            ["9944bert"],
            "too short for a key"
        );
        assert_eq!(found(&ops, "made", reach).await, ["100%_of\\it"]);
        assert_eq!(
            found(&ops, "b091", reach).await,
            [""; 0],
            "the middle of a key"
        );
        assert_eq!(
            found(&ops, "-9944 kind:drf", reach).await,
            ["100%_of\\it", "bob"]
        );
        assert_eq!(found(&ops, &KEY.to_uppercase(), reach).await, [""; 0]);
        assert_eq!(found(&ops, "mad_", reach).await, [""; 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn marks_narrow_and_no_nul_gets_as_far_as_the_database() {
    let (_place, ops) = rows().await;
    let bob = super::aim(&ops, "bob").await.id;
    for (line, expected) in [("is:marked", &["bob"][..]), ("-is:marked is:off", &[])] {
        let mut filter = Filter::parse(line).unwrap();
        filter.only = Some(vec![bob]);
        let query = UsersQuery {
            filter,
            limit: 9,
            ..UsersQuery::default()
        };
        let page = ops.page_users(&query).await.unwrap();
        let names: Vec<String> = page.rows.into_iter().map(|row| row.user.username).collect();
        assert_eq!(names, expected, "{line}");
    }
    let mut filter = Filter::parse("is:marked").unwrap();
    filter.only = Some(Vec::new());
    let query = UsersQuery {
        filter,
        limit: 9,
        ..UsersQuery::default()
    };
    assert!(
        ops.page_users(&query).await.unwrap().rows.is_empty(),
        "no marks, no rows"
    );
    assert_eq!(Filter::parse("a\0b"), Err(Invalid::Nul));
}
