//! Names and passwords: who gets a token for them, and what becomes of a password whose form is out of date.

use std::fmt::Write;
use std::num::NonZeroUsize;

use tokenward::db::Db;
use tokenward::db::compat::UserTable;
use tokenward::db::connect::Settings;
use tokenward::db::logins;
use tokenward::domain::principal::Denied;
use tokenward::domain::secret::Secret;
use tokenward::domain::token::Origin;
use tokenward::domain::user::UserId;
use tokenward::ops::{Error, Hashing, Mode, Obtained, Ops};

use super::{SOMEBODY_WAITS, aim, audit_lines, my_people, tokens_where, wait_until, with_users};
use crate::support::place::{self, Place, pool};

fn hashing_of(threads: usize, queue: usize) -> Hashing {
    Hashing::new(NonZeroUsize::new(threads).unwrap(), queue).unwrap()
}

/// Where an unknown name costs as little as a password of these tests.
fn hashing() -> Hashing {
    let hashing = hashing_of(2, 100);
    hashing.imitate(&Secret::from(outdated("nobody"))).unwrap();
    hashing
}

/// Of a form that Django would write anew, and quick to check.
fn outdated(password: &str) -> String {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(password.as_bytes());
    let digest = digest.iter().fold(String::new(), |mut digits, byte| {
        write!(digits, "{byte:02x}").unwrap();
        digits
    });
    format!("bcrypt_sha256${}", bcrypt::hash(digest, 4).unwrap())
}

/// Users `user1` to `userN`, each with his name for a password.
async fn with_passwords(count: u32) -> Place {
    let place = with_users(count).await;
    for id in 1..=count {
        let encoded = outdated(&format!("user{id}"));
        place
            .sql(&format!(
                "UPDATE auth_user SET password = '{encoded}' WHERE id = {id}"
            ))
            .await;
    }
    place
}

async fn obtain(ops: &Ops, name: &str, password: &str) -> Result<Obtained, Error> {
    ops.obtain(&hashing(), name, &Secret::from(password)).await
}

const REFUSED: Error = Error::Denied(Denied::Credentials);

async fn tokens(place: &Place) -> i64 {
    place.one("SELECT count(*) FROM authtoken_token").await
}

async fn password_of(place: &Place, user: u32) -> String {
    let question = format!("SELECT password::text FROM auth_user WHERE id = {user}");
    place.one(&question).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_right_password_gets_the_token_that_is_there_or_a_new_one() {
    let place = with_passwords(2).await;
    place.sql(&tokens_where("id = 1")).await;
    place
        .sql("UPDATE auth_user SET first_name = 'Ann', last_name = 'Lee', email = 'a@x.test' WHERE id = 1")
        .await;
    let ops = place.ops().await;
    let found = obtain(&ops, "user1", "user1").await.unwrap();
    assert_eq!(found.made, Origin::Existing);
    assert_eq!(
        *found.key.expose(),
        place
            .one::<String>("SELECT key::text FROM authtoken_token")
            .await
    );
    assert_eq!(
        (
            found.account.full_name.as_str(),
            found.account.email.as_str()
        ),
        ("Ann Lee", "a@x.test")
    );
    let new = obtain(&ops, "user2", "user2").await.unwrap();
    assert_eq!((new.made, new.account.id), (Origin::New, UserId::Int4(2)));
    assert_eq!(new.key.expose().len(), 40);
    let again = obtain(&ops, "user2", "user2").await.unwrap();
    assert_eq!(again.made, Origin::Existing);
    assert_eq!(again.key.expose(), new.key.expose());
    assert_eq!(audit_lines(&place), ["generate user2: done"]);
    assert!(
        place
            .one::<bool>("SELECT bool_and(last_login IS NULL) FROM auth_user")
            .await,
        "a token is no login"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_else_is_refused_in_the_same_words() {
    let place = with_passwords(4).await;
    place
        .sql(
            "UPDATE auth_user SET is_active = false WHERE id = 2; \
             UPDATE auth_user SET password = '!' || password WHERE id = 3; \
             UPDATE auth_user SET password = '' WHERE id = 4",
        )
        .await;
    let ops = place.ops().await;
    let long = "x".repeat(100_000);
    for (name, password) in [
        ("user1", "user2"),
        ("user1", ""),
        ("User1", "user1"),
        (" user1", "user1"),
        ("user1\0", "user1"),
        ("nobody", "user1"),
        ("", ""),
        (&long, &long),
        ("user2", "user2"),
        ("user3", "user3"),
        ("user4", ""),
    ] {
        let error = obtain(&ops, name, password).await.unwrap_err();
        assert_eq!(error, REFUSED, "{name:.20} {password:.20}");
        let password = Secret::from(password);
        let checked = ops.check_password(&hashing(), name, &password).await;
        assert_eq!(checked.unwrap_err(), REFUSED, "{name:.20}");
    }
    assert_eq!(tokens(&place).await, 0);
    let account = ops
        .check_password(&hashing(), "user1", &Secret::from("user1"))
        .await
        .unwrap();
    assert_eq!(account.username, "user1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_compared_without_normalisation() {
    let place = with_passwords(2).await;
    // The same letter to the eye: composed, and in two characters.
    place
        .sql("UPDATE auth_user SET username = CASE id WHEN 1 THEN E'\\u00e9' ELSE E'e\\u0301' END")
        .await;
    let ops = place.ops().await;
    let composed = obtain(&ops, "\u{e9}", "user1").await.unwrap();
    assert_eq!(composed.account.id, UserId::Int4(1));
    let apart = obtain(&ops, "e\u{301}", "user2").await.unwrap();
    assert_eq!(apart.account.id, UserId::Int4(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_name_waits_for_a_hash_like_any_other() {
    let place = with_passwords(1).await;
    let ops = place.ops().await;
    let narrow = hashing_of(1, 1);
    let password = Secret::from("x");
    let tries = (0..12).map(|nth| {
        let (ops, narrow, password) = (&ops, &narrow, &password);
        async move { ops.obtain(narrow, &format!("nobody{nth}"), password).await }
    });
    let outcomes = futures_util::future::join_all(tries).await;
    let refused = outcomes
        .iter()
        .filter(|o| matches!(o, Err(e) if *e == REFUSED));
    let busy = outcomes.iter().filter(|o| matches!(o, Err(Error::Busy)));
    let (refused, busy) = (refused.count(), busy.count());
    assert_eq!(refused + busy, 12);
    assert!(refused > 0 && busy > 0, "{refused} refused, {busy} busy");
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_at_once_get_one_and_the_same_token() {
    let place = with_passwords(1).await;
    let ops = place.ops().await;
    let hashing = hashing_of(4, 100);
    let password = Secret::from("user1");
    let tries = (0..20).map(|_| ops.obtain(&hashing, "user1", &password));
    let outcomes = futures_util::future::join_all(tries).await;
    let mut keys: Vec<String> = Vec::new();
    let mut made = 0;
    for outcome in outcomes {
        let obtained = outcome.unwrap();
        made += usize::from(obtained.made == Origin::New);
        keys.push(obtained.key.expose().clone());
    }
    keys.dedup();
    assert_eq!((keys.len(), made), (1, 1));
    assert_eq!(tokens(&place).await, 1);
    assert_eq!(audit_lines(&place), ["generate user1: done"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_another_maker_gets_the_others_token() {
    let place = with_passwords(1).await;
    let ops = place.ops().await;
    let other = place.client().await;
    other
        .batch_execute("BEGIN; INSERT INTO authtoken_token VALUES ('of the other', now(), 1)")
        .await
        .unwrap();
    let ours = tokio::spawn(async move { obtain(&ops, "user1", "user1").await });
    wait_until(&place, SOMEBODY_WAITS).await;
    other.batch_execute("COMMIT").await.unwrap();
    let obtained = ours.await.unwrap().unwrap();
    assert_eq!(obtained.key.expose(), "of the other");
    assert_eq!(obtained.made, Origin::Existing);
    assert_eq!(audit_lines(&place), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outdated_password_is_written_anew_only_when_it_was_right() {
    let place = with_passwords(3).await;
    place
        .sql("UPDATE auth_user SET is_active = false WHERE id = 3")
        .await;
    let ops = place.ops().await;
    let before = [
        password_of(&place, 1).await,
        password_of(&place, 2).await,
        password_of(&place, 3).await,
    ];
    obtain(&ops, "user1", "wrong").await.unwrap_err();
    assert_eq!(password_of(&place, 1).await, before[0]);
    obtain(&ops, "user1", "user1").await.unwrap();
    let new = password_of(&place, 1).await;
    assert_ne!(new, before[0]);
    obtain(&ops, "user1", "user1").await.unwrap();
    assert_eq!(password_of(&place, 1).await, new, "once is enough");
    assert_eq!(obtain(&ops, "user1", "wrong").await.unwrap_err(), REFUSED);
    assert_eq!(password_of(&place, 2).await, before[1]);
    // As in Django, where the password is checked before the switch is looked at.
    obtain(&ops, "user3", "user3").await.unwrap_err();
    assert_ne!(password_of(&place, 3).await, before[2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_was_changed_meanwhile_stays() {
    let place = with_passwords(1).await;
    place.sql(&tokens_where("id = 1")).await;
    let ops = place.ops().await;
    let other = place.client().await;
    other
        .batch_execute("BEGIN; UPDATE auth_user SET password = 'another'")
        .await
        .unwrap();
    let ours = tokio::spawn(async move { obtain(&ops, "user1", "user1").await });
    wait_until(&place, SOMEBODY_WAITS).await;
    other.batch_execute("COMMIT").await.unwrap();
    ours.await.unwrap().unwrap();
    assert_eq!(password_of(&place, 1).await, "another");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_only_look_obtains_what_is_there() {
    let place = with_passwords(2).await;
    place.sql(&tokens_where("id = 1")).await;
    let before = password_of(&place, 1).await;
    let url = place
        .url_of_role(
            "looks",
            "GRANT SELECT ON auth_user, authtoken_token TO {role}",
        )
        .await;
    let missing = Error::MissingRight(format!(
        "Role {} may not insert into authtoken_token.",
        place.role("looks")
    ));
    let read_only = Error::ReadOnly(format!(
        "READ ONLY: this session on {} may not change anything.",
        place.name()
    ));
    for (ops, refusal) in [
        (place.ops_as(&url).await, missing),
        (place.ops_read_only().await, read_only),
    ] {
        let found = obtain(&ops, "user1", "user1").await.unwrap();
        assert_eq!(found.made, Origin::Existing);
        assert_eq!(obtain(&ops, "user2", "user2").await.unwrap_err(), refusal);
        assert_eq!(obtain(&ops, "user2", "wrong").await.unwrap_err(), REFUSED);
    }
    assert_eq!(password_of(&place, 1).await, before);
    assert_eq!(tokens(&place).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_may_go_column_by_column() {
    let place = with_passwords(1).await;
    let before = password_of(&place, 1).await;
    let url = place
        .url_of_role(
            "clerk",
            "GRANT SELECT ON auth_user TO {role}; GRANT UPDATE (last_login) ON auth_user TO {role}; \
             GRANT SELECT, INSERT ON authtoken_token TO {role}; \
             GRANT SELECT, INSERT ON knox_authtoken TO {role}",
        )
        .await;
    let ops = place.ops_as(&url).await;
    let obtained = obtain(&ops, "user1", "user1").await.unwrap();
    assert_eq!(obtained.made, Origin::New);
    assert_eq!(password_of(&place, 1).await, before);
    ops.knox_login(&obtained.account).await.unwrap();
    assert!(
        place
            .one::<bool>("SELECT last_login IS NOT NULL FROM auth_user")
            .await
    );
}

/// A user table of the site's own, its key of type `key`, and knox's table beside it.
async fn the_sites_own(key: &str) {
    let place = place::empty().await;
    place
        .sql(&format!(
            "CREATE TABLE \"My People\" (\"Key\" {key} PRIMARY KEY, \"E mail\" varchar(254) NOT NULL UNIQUE, \
                 password varchar(128)); \
             CREATE TABLE authtoken_token (key varchar(40) PRIMARY KEY, created timestamptz NOT NULL, \
                 user_id {key} NOT NULL UNIQUE REFERENCES \"My People\" DEFERRABLE INITIALLY DEFERRED); \
             CREATE TABLE knox_authtoken (digest varchar(128) PRIMARY KEY, created timestamptz NOT NULL, \
                 user_id {key} NOT NULL REFERENCES \"My People\" DEFERRABLE INITIALLY DEFERRED, \
                 expiry timestamptz, token_key varchar(25) NOT NULL)"
        ))
        .await;
    let id = match key {
        "uuid" => "gen_random_uuid()",
        "bigint" => "9000000001",
        _ => "1",
    };
    let encoded = outdated("ann");
    place
        .sql(&format!(
            "INSERT INTO \"My People\" VALUES ({id}, 'Ann@x.test', '{encoded}')"
        ))
        .await;
    let users = my_people();
    let ops = place
        .open(&place.url(), Settings::default(), &users)
        .await
        .unwrap();
    let obtained = obtain(&ops, "Ann@x.test", "ann").await.unwrap();
    assert_eq!(
        obtain(&ops, "ann@x.test", "ann").await.unwrap_err(),
        REFUSED
    );
    assert!(
        place
            .one::<bool>(&format!(
                "SELECT password <> '{encoded}' FROM \"My People\""
            ))
            .await
    );
    let aimed = aim(&ops, "Ann@x.test").await;
    let issued = ops.generate(&aimed, Mode::Apply).await.unwrap();
    assert_eq!(issued.key.expose(), obtained.key.expose());

    let login = ops.knox_login(&obtained.account).await.unwrap();
    place
        .sql("INSERT INTO knox_authtoken SELECT 'x', now(), user_id, '2020-01-01', 'x' FROM knox_authtoken")
        .await;
    let found = ops.knox_verify(&login.key).await.unwrap();
    assert_eq!(*found.account, obtained.account);
    let left = "SELECT count(*) FROM knox_authtoken";
    assert_eq!(place.one::<i64>(left).await, 1);
    ops.knox_logout_all(found.account.id).await.unwrap();
    assert_eq!(place.one::<i64>(left).await, 0);
    assert_eq!(
        audit_lines(&place),
        [
            "generate Ann@x.test: done",
            "login Ann@x.test: done",
            "logoutall Ann@x.test: done"
        ]
    );

    place.sql("UPDATE \"My People\" SET password = NULL").await;
    assert_eq!(
        obtain(&ops, "Ann@x.test", "ann").await.unwrap_err(),
        REFUSED
    );
    place.sql("ALTER TABLE \"My People\" DROP password").await;
    let ops = place
        .open(&place.url(), Settings::default(), &users)
        .await
        .unwrap();
    assert_eq!(
        obtain(&ops, "Ann@x.test", "ann").await.unwrap_err(),
        Error::MissingRight(
            "My People has no column password: nobody can log in with one.".to_owned()
        )
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn integer_keys() {
    the_sites_own("integer").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bigint_keys() {
    the_sites_own("bigint").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn uuid_keys() {
    the_sites_own("uuid").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_swapped_only_while_it_is_the_one_that_was_checked() {
    let place = with_passwords(2).await;
    let pool = pool(&place.url(), Settings::default());
    let db = Db::open(pool, &UserTable::default()).await.unwrap();
    let (mut conn, site) = (db.conn().await.unwrap(), db.site());
    let old = Secret::from(password_of(&place, 1).await);
    let (stale, new) = (Secret::from("stale"), Secret::from("new"));
    let one = UserId::Int4(1);
    let swap = logins::swap_password(&mut conn, site, one, &stale, &new).await;
    assert!(!swap.unwrap());
    assert_eq!(password_of(&place, 1).await, *old.expose());
    let swap = logins::swap_password(&mut conn, site, one, &old, &new).await;
    assert!(swap.unwrap());
    assert_eq!(password_of(&place, 1).await, "new");
    assert_ne!(password_of(&place, 2).await, "new");
}
