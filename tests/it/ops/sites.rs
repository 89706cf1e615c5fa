//! Sites with a user table of their own: its name, its key's type, the column that names a user, what it lacks.

use tokenward::db::connect::Settings;
use tokenward::domain::filter::Filter;
use tokenward::domain::page::{Direction, Sort, SortKey, Start};
use tokenward::domain::secret::Secret;
use tokenward::domain::user::{NewUser, UserId, Username};
use tokenward::ops::{Audience, BackfillPlan, Error, Mode, Ops, Reach, UsersQuery, control};

use super::{aim, my_people};
use crate::support::place::{self, Place};

/// A table with a space and capital letters in its name, and nothing that Django's `AbstractBaseUser` does not have.
async fn bare_site(key: &str) -> (Place, Ops) {
    let place = place::empty().await;
    place
        .sql(&format!(
            "CREATE TABLE \"My People\" (\"Key\" {key} PRIMARY KEY, \"E mail\" varchar(254) NOT NULL UNIQUE); \
             CREATE TABLE authtoken_token (key varchar(40) PRIMARY KEY, created timestamptz NOT NULL, \
                 user_id {key} NOT NULL UNIQUE REFERENCES \"My People\" DEFERRABLE INITIALLY DEFERRED)"
        ))
        .await;
    let users = my_people();
    let ops = place.open(&place.url(), Settings::default(), &users).await;
    let insert = match key {
        "uuid" => "SELECT ('00000000-0000-4000-8000-0000000000' || lpad(i::text, 2, '0'))::uuid",
        // Beyond what an integer holds.
        "bigint" => "SELECT 9000000000 + i",
        _ => "SELECT i",
    };
    place
        .sql(&format!(
            "INSERT INTO \"My People\" {insert}, 'user' || i || '@example.com' FROM generate_series(1, 20) AS i"
        ))
        .await;
    (place, ops.unwrap())
}

async fn names(ops: &Ops, sort: Sort, filter: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut start = Start::First;
    loop {
        let query = UsersQuery {
            filter: Filter::parse(filter).unwrap(),
            sort,
            start,
            limit: 7,
            reach: Reach::Far,
        };
        let page = ops.page_users(&query).await.unwrap();
        names.extend(page.rows.iter().map(|row| row.user.username.clone()));
        match page.rows.last() {
            Some(last) if page.more_after => start = Start::After(last.cursor(sort)),
            Some(_) | None => return names,
        }
    }
}

async fn the_whole_job(key: &str) {
    let (place, ops) = bare_site(key).await;
    let name = "user3@example.com";
    let user = aim(&ops, name).await;
    match (user.id, key) {
        (UserId::Int4(3), "integer")
        | (UserId::Int8(9_000_000_003), "bigint")
        | (UserId::Uuid(_), "uuid") => {}
        other => panic!("{other:?}"),
    }
    let issued = ops.generate(&user, Mode::Apply).await.unwrap();
    assert_eq!(
        ops.verify(&issued.key).await.unwrap().word(),
        "LIVE",
        "without is_active all are active"
    );
    let issued = ops
        .regenerate(&aim(&ops, name).await, Mode::Apply)
        .await
        .unwrap();
    assert_eq!(
        names(&ops, Sort::default(), &issued.key.expose()[..12]).await,
        [name]
    );
    ops.revoke(&aim(&ops, name).await, Mode::Apply)
        .await
        .unwrap();

    let audience = |audience| BackfillPlan {
        audience,
        ..BackfillPlan::default()
    };
    for (audience_is, made) in [
        (Audience::Staff, 0),
        (Audience::Active, 20),
        (Audience::All, 0),
    ] {
        let (control, _handle) = control();
        let report = ops
            .backfill(&audience(audience_is), Mode::Apply, control)
            .await
            .unwrap();
        assert_eq!(report.done, made, "{audience_is:?}");
    }
    for key in [SortKey::User, SortKey::Created, SortKey::Login, SortKey::Id] {
        for direction in [Direction::Ascending, Direction::Descending] {
            let mut all = names(&ops, Sort { key, direction }, "kind:drf").await;
            assert_eq!(all.len(), 20);
            all.sort();
            all.dedup();
            assert_eq!(all.len(), 20);
        }
    }
    let counts = ops.counts().await.unwrap();
    assert_eq!(
        (
            counts.active.users,
            counts.active.without(),
            counts.inactive.users
        ),
        (20, 0, 0)
    );
    assert_eq!(ops.estimate_users().await.unwrap(), 20);
    let detail = ops.user_detail(user.id).await.unwrap();
    assert_eq!(
        (detail.row.user.email.as_str(), detail.reach().as_str()),
        ("", "no groups")
    );

    let invalid = |error: Error, says: &str| {
        assert!(
            matches!(&error, Error::Invalid(said) if said.contains(says)),
            "{error:?}"
        );
    };
    invalid(
        ops.set_active(&user, false, Mode::Apply).await.unwrap_err(),
        "no is_active column",
    );
    invalid(
        ops.set_password(&user, Secret::from("x"), Mode::Apply)
            .await
            .unwrap_err(),
        "no password column",
    );
    let new = NewUser {
        username: Username::new("ann").unwrap(),
        email: String::new(),
        is_staff: false,
        is_superuser: false,
    };
    invalid(
        ops.create_user(new, None, Mode::Apply).await.unwrap_err(),
        "My People is a user table of the site's own",
    );
    place.sql("DELETE FROM authtoken_token").await;
    assert_eq!(
        names(&ops, Sort::default(), "is:none -user1").await.len(),
        9
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn integer_keys() {
    the_whole_job("integer").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bigint_keys() {
    the_whole_job("bigint").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn uuid_keys() {
    the_whole_job("uuid").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_with_switches_and_passwords_has_them_set() {
    let (place, _) = bare_site("uuid").await;
    place
        .sql(
            "ALTER TABLE \"My People\" ADD is_active boolean NOT NULL DEFAULT true, \
                                       ADD password varchar(128) NOT NULL DEFAULT '!'",
        )
        .await;
    let users = my_people();
    let ops = place
        .open(&place.url(), Settings::default(), &users)
        .await
        .unwrap();
    let user = aim(&ops, "user3@example.com").await;
    let issued = ops.generate(&user, Mode::Apply).await.unwrap();
    ops.set_active(&user, false, Mode::Apply).await.unwrap();
    ops.set_password(&user, Secret::from("x"), Mode::Apply)
        .await
        .unwrap();
    assert_eq!(ops.verify(&issued.key).await.unwrap().word(), "INERT");
    assert_eq!(
        names(&ops, Sort::default(), "is:off").await,
        ["user3@example.com"]
    );
    let (control, _handle) = control();
    ops.backfill(&BackfillPlan::default(), Mode::Apply, control)
        .await
        .unwrap();
    assert_eq!(
        place
            .one::<i64>("SELECT count(*) FROM \"My People\" WHERE password LIKE 'bcrypt_sha256$%'")
            .await,
        1
    );
}
