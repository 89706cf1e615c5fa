//! Pages in every order, from both ends, over rows that are equal in the column they are sorted by.

use tokenward::domain::filter::Filter;
use tokenward::domain::page::{Direction, Sort, SortKey, Start};
use tokenward::domain::user::UserRow;
use tokenward::ops::{Ops, Reach, UsersQuery};

use crate::support::place;

/// 23 users in 5 names that differ, for the column of a site need not be unique; some without token, some who never
/// logged in, and of the others many at the same time.
const ROWS: &str = "
ALTER TABLE auth_user DROP CONSTRAINT auth_user_username_key;
INSERT INTO auth_user (username, email, first_name, last_name, password, is_superuser, is_staff, is_active,
                       date_joined, last_login)
SELECT 'user' || i % 5, '', '', '', '!', false, false, true, '2024-01-01',
       CASE WHEN i % 3 > 0 THEN timestamptz '2024-03-01' + i % 3 * interval '1 microsecond' END
  FROM generate_series(1, 23) AS i;
INSERT INTO authtoken_token (key, created, user_id)
SELECT 'key' || id, timestamptz '2024-03-01' + id % 4 * interval '1 microsecond', id
  FROM auth_user WHERE id % 4 > 0;
INSERT INTO tokenward.last_use
SELECT 'drf', user_id::text, CASE WHEN user_id % 11 = 3 THEN created - interval '1 s' ELSE created END,
       timestamptz '2024-05-01' + user_id % 2 * interval '1 min', '{}'
  FROM authtoken_token WHERE user_id % 5 > 0";

const LIMIT: usize = 4;

async fn page(ops: &Ops, sort: Sort, start: Start, limit: usize) -> (Vec<UserRow>, bool, bool) {
    let query = UsersQuery {
        filter: Filter::default(),
        sort,
        start,
        limit,
        reach: Reach::Far,
    };
    let page = ops.page_users(&query).await.unwrap();
    (page.rows, page.more_before, page.more_after)
}

async fn forwards(ops: &Ops, sort: Sort) -> Vec<UserRow> {
    let (mut rows, before, mut more) = page(ops, sort, Start::First, LIMIT).await;
    assert!(!before);
    while more {
        let place = rows.last().unwrap().cursor(sort);
        let (next, before, after) = page(ops, sort, Start::After(place), LIMIT).await;
        assert!(before && next.len() <= LIMIT && !next.is_empty());
        rows.extend(next);
        more = after;
    }
    rows
}

async fn backwards(ops: &Ops, sort: Sort) -> Vec<UserRow> {
    let (mut rows, mut more, after) = page(ops, sort, Start::Last, LIMIT).await;
    assert!(!after);
    while more {
        let place = rows.first().unwrap().cursor(sort);
        let (mut next, before, after) = page(ops, sort, Start::Before(place), LIMIT).await;
        assert!(after && next.len() <= LIMIT && !next.is_empty());
        next.extend(rows);
        rows = next;
        more = before;
    }
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn every_order_reads_the_same_from_both_ends() {
    let place = place::fresh().await;
    place.sql(ROWS).await;
    let ops = place.ops().await;
    for (key, column) in [
        (SortKey::User, "username COLLATE \"C\""),
        (SortKey::Created, "coalesce(created, '-infinity')"),
        (
            SortKey::LastUse,
            "coalesce((SELECT at FROM tokenward.last_use AS l WHERE l.id = auth_user.id::text AND l.made = created), \
                      '-infinity')",
        ),
        (SortKey::Login, "coalesce(last_login, '-infinity')"),
        (SortKey::Id, "id"),
    ] {
        for (direction, word) in [
            (Direction::Ascending, "ASC"),
            (Direction::Descending, "DESC"),
        ] {
            let sort = Sort { key, direction };
            let whole = forwards(&ops, sort).await;
            assert_eq!(whole, backwards(&ops, sort).await, "{sort:?}");
            let expected: String = place
                .one(&format!(
                    "SELECT string_agg(id::text, ' ' ORDER BY {column} {word}, id {word}) \
                       FROM auth_user LEFT JOIN authtoken_token ON user_id = id"
                ))
                .await;
            let ids: Vec<String> = whole.iter().map(|row| row.user.id.to_string()).collect();
            assert_eq!(ids.join(" "), expected, "{sort:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_outlives_its_row() {
    let place = place::fresh().await;
    place.sql(ROWS).await;
    let ops = place.ops().await;
    let sort = Sort::default();
    let (rows, ..) = page(&ops, sort, Start::First, LIMIT).await;
    let gone = rows.last().unwrap();
    let (expected, ..) = page(&ops, sort, Start::After(gone.cursor(sort)), LIMIT).await;
    let id = gone.user.id;
    place
        .sql(&format!(
            "DELETE FROM authtoken_token WHERE user_id = {id}; DELETE FROM auth_user WHERE id = {id}"
        ))
        .await;
    let (rows, ..) = page(&ops, sort, Start::After(gone.cursor(sort)), LIMIT).await;
    assert_eq!(rows, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_beyond_the_calendar_is_shown_and_counts_as_what_it_is() {
    let place = place::fresh().await;
    place.sql(&super::users(1, 4)).await;
    place
        .sql(
            "UPDATE auth_user SET last_login = '-infinity' WHERE id = 1; \
             UPDATE auth_user SET last_login = 'infinity' WHERE id = 2; \
             UPDATE auth_user SET last_login = '4000-01-01 BC' WHERE id = 3",
        )
        .await;
    let ops = place.ops().await;
    let sort = Sort {
        key: SortKey::Login,
        direction: Direction::Ascending,
    };
    let (rows, ..) = page(&ops, sort, Start::First, 9).await;
    let ids: Vec<String> = rows.iter().map(|row| row.user.id.to_string()).collect();
    assert_eq!(ids, ["1", "4", "3", "2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_number_of_users_is_exact_when_they_are_few_and_an_estimate_when_many() {
    let place = super::with_users(30).await;
    let ops = place.ops().await;
    assert_eq!(ops.estimate_users().await.unwrap(), 30);
    place.sql(&super::users(31, 25_000)).await;
    place.sql("ANALYZE auth_user").await;
    assert_eq!(ops.estimate_users().await.unwrap(), 25_000);
    place.sql("DELETE FROM auth_user WHERE id = 1").await;
    assert_eq!(
        ops.estimate_users().await.unwrap(),
        25_000,
        "an estimate, until Postgres looks again"
    );
}

/// Postgres holds more instants than a calendar shows, and two that are none; a list must get past each of them.
#[tokio::test(flavor = "multi_thread")]
async fn instants_beyond_every_calendar_keep_their_place() {
    let place = place::fresh().await;
    place.sql(ROWS).await;
    place
        .sql(
            "UPDATE authtoken_token SET created = CASE user_id % 4 WHEN 1 THEN timestamptz 'infinity' \
                 WHEN 2 THEN timestamptz '-infinity' ELSE timestamptz '20000-01-01' + user_id * interval '1 year' END",
        )
        .await;
    let ops = place.ops().await;
    for direction in [Direction::Ascending, Direction::Descending] {
        let sort = Sort {
            key: SortKey::Created,
            direction,
        };
        let ids = |rows: Vec<UserRow>| -> Vec<_> { rows.iter().map(|row| row.user.id).collect() };
        let (whole, ..) = page(&ops, sort, Start::First, 100).await;
        let whole = ids(whole);
        assert_eq!(whole.len(), 23);
        let paged = tokio::time::timeout(super::DEADLINE, forwards(&ops, sort)).await;
        assert_eq!(ids(paged.unwrap()), whole);
        let paged = tokio::time::timeout(super::DEADLINE, backwards(&ops, sort)).await;
        assert_eq!(ids(paged.unwrap()), whole);
    }
}

/// A search in the middle of texts reads its first page another way than the others.
#[tokio::test(flavor = "multi_thread")]
async fn the_pages_of_a_thorough_search_join_up() {
    let place = place::fresh().await;
    place.sql(ROWS).await;
    let ops = place.ops().await;
    for direction in [Direction::Ascending, Direction::Descending] {
        let mut query = UsersQuery {
            filter: Filter::parse("SER").unwrap(),
            sort: Sort {
                key: SortKey::User,
                direction,
            },
            start: Start::First,
            limit: LIMIT,
            reach: Reach::Far,
        };
        let (whole, ..) = page(&ops, query.sort, Start::First, 100).await;
        let mut found = Vec::new();
        loop {
            let page = ops.page_users(&query).await.unwrap();
            found.extend(page.rows);
            if !page.more_after {
                break;
            }
            query.start = Start::After(found.last().unwrap().cursor(query.sort));
        }
        assert_eq!(found, whole);
    }
}
