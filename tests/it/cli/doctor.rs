//! What is unhealthy in a database is found, told without a whole key, and none of it is changed.

use serde_json::{Value, json};
use tokenward::domain::token::KeyFormat;

use crate::support::place::{self, Place};
use crate::support::program::Program;

const GOOD: &str = "9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b";
const LOGGED: &str = "5b25a0de99c62bcf9418ad846dd0e4bbdfc6ee4b";
const IN_USER: &str = "c0ffee0199c62bcf9418ad846dd0e4bbdfc6ee4b";

/// A table as `django.contrib.admin` makes it.
const ADMIN_LOG: &str = "CREATE TABLE django_admin_log (id serial PRIMARY KEY, action_time timestamptz NOT NULL DEFAULT now(), \
    object_id text, object_repr varchar(200) NOT NULL, action_flag smallint NOT NULL DEFAULT 1, \
    change_message text NOT NULL, content_type_id integer, user_id integer NOT NULL DEFAULT 1)";

async fn user(place: &Place, name: &str, rights: &str, key: &str, age: &str) {
    let key = key.replace('\'', "''");
    place
        .sql(&format!(
            "INSERT INTO auth_user (username, password, first_name, last_name, email, is_staff, is_superuser, \
             is_active, date_joined) VALUES ('{name}', '!', '', '', '', false, {rights}, now()); \
             INSERT INTO authtoken_token (key, created, user_id) \
             SELECT '{key}', now() - interval '{age}', id FROM auth_user WHERE username = '{name}'"
        ))
        .await;
}

const USER: &str = "false, true";
const SUPER: &str = "true, true";
const OFF: &str = "false, false";
const SUPER_OFF: &str = "true, false";

/// A token of knox whose key is the text `start` and its owner's name.
async fn knox(place: &Place, name: &str, start: &str, expiry: &str) {
    place
        .sql(&format!(
            "INSERT INTO knox_authtoken (digest, token_key, created, expiry, user_id) \
             SELECT encode(sha512(('{start}' || username)::bytea), 'hex'), left('{start}' || username, 15), \
             now() - interval '40 days', {expiry}, id FROM auth_user WHERE username = '{name}'"
        ))
        .await;
}

const NEVER: &str = "NULL";
const LATER: &str = "now() + interval '1 hour'";
const BEFORE: &str = "now() - interval '1 hour'";

/// The lines of one check.
fn of<'a>(out: &'a str, check: &str) -> Vec<&'a str> {
    let start = format!("{check}  ");
    out.lines()
        .filter(|line| line.starts_with(&start))
        .collect()
}

#[tokio::test]
async fn a_healthy_database_ends_well() {
    let place = place::fresh().await;
    user(&place, "alice", USER, GOOD, "3 years").await;
    let checked = KeyFormat::Checksum.make().unwrap();
    user(&place, "bot", USER, checked.expose(), "1 day").await;
    user(&place, "root", SUPER, LOGGED, "364 days").await;
    let ran = Program::on(&place).run(&["doctor"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), ""), "{}", ran.err);
    assert_eq!(
        ran.err,
        format!(
            "tokenward: {}: nothing unhealthy was found. Nothing was changed.\n",
            place.name()
        )
    );
}

#[tokio::test]
async fn weak_keys_are_told_with_their_reason_and_never_whole() {
    let place = place::fresh().await;
    let checked = KeyFormat::Checksum.make().unwrap();
    let mut wrong = checked.expose().clone();
    let last = if wrong.ends_with('A') { "B" } else { "A" };
    wrong.replace_range(39.., last);
    let weak = [
        ("short", "hunter2", "hun…", "made by hand, 7 characters"),
        ("it's", "sekret", "sek…", "made by hand, 6 characters"),
        (
            "few",
            &"ab".repeat(20),
            "abababab…",
            "only 2 different characters",
        ),
        (
            "piece",
            &"19c4f3e07a".repeat(4),
            "19c4f3e0…",
            "one piece again and again",
        ),
        (
            "counted",
            "d0e4bbdfc6ee4b0123456789abc91cf2918ad846",
            "d0e4bbdf…",
            "digits in a row",
        ),
        (
            "upper",
            &GOOD.to_uppercase(),
            "9944B091…",
            "made by hand, 40 characters",
        ),
        (
            "typed",
            &wrong,
            &format!("{}…", &wrong[..8]),
            "its checksum is wrong",
        ),
    ];
    for (name, key, ..) in &weak {
        user(&place, &name.replace('\'', "''"), USER, key, "1 day").await;
    }
    user(&place, "fine", USER, GOOD, "1 day").await;
    user(&place, "good", USER, checked.expose(), "1 day").await;
    let program = Program::on(&place);
    let ran = program.run(&["doctor"]);
    assert_eq!(ran.code, Some(10), "{}", ran.err);
    let lines = of(&ran.out, "weak");
    assert_eq!(lines.len(), weak.len(), "{}", ran.out);
    for ((name, key, covered, why), line) in weak.iter().zip(&lines) {
        assert!(
            line.starts_with(&format!("weak  {covered}  LIVE  {name}  ")),
            "{line}"
        );
        assert!(line.contains(why), "{line}");
        assert!(!ran.out.contains(*key) && !ran.err.contains(*key), "{name}");
    }
    assert_eq!(
        lines[1],
        r"weak  sek…  LIVE  it's  made by hand, 6 characters; tokenward token regenerate 'it'\''s'"
    );
    assert!(ran.err.contains("7 live keys to deal with"), "{}", ran.err);
    let left: i64 = place
        .one("SELECT count(*) FROM tokenward.audit WHERE what <> 'generate'")
        .await;
    assert_eq!(left, 0, "nothing is changed");

    let rows = program.run(&["doctor", "--json", "-q"]).json(10);
    assert_eq!(rows.len(), 7);
    assert_eq!(rows[0]["check"], json!("weak"));
    assert_eq!(rows[0]["key"], json!("hun…"));
    assert_eq!(rows[0]["verdict"], json!("LIVE"));
    assert_eq!(rows[0]["username"], json!("short"));
}

#[tokio::test]
async fn keys_that_outlived_their_owners_are_told_and_only_live_ones_count() {
    let place = place::fresh().await;
    let key = |n: u32| format!("{n:x}{}", &GOOD[1..]);
    user(&place, "gone", OFF, &key(1), "40 days").await;
    user(&place, "boss", SUPER_OFF, &key(2), "40 days").await;
    let program = Program::on(&place);
    let ran = program.run(&["doctor"]);
    assert_eq!(ran.code, Some(0), "a key that opens nothing: {}", ran.out);
    assert_eq!(
        ran.out,
        "super-off  2944b091…  INERT  boss  superuser, off: one change makes it a key to everything; \
         tokenward token revoke boss\n\
         off  1944b091…  INERT  gone  user is off, key 40 d old; tokenward token revoke gone\n"
    );
    user(&place, "old", SUPER, &key(3), "800 days").await;
    let ran = program.run(&["doctor"]);
    assert_eq!(ran.code, Some(10));
    assert_eq!(
        of(&ran.out, "super-old"),
        ["super-old  3944b091…  LIVE  old  superuser, 2 y old; tokenward token regenerate old"]
    );
    let suggested = program.run(&["token", "revoke", "--dry-run", "gone"]);
    assert_eq!(suggested.code, Some(0), "{}", suggested.err);
}

#[tokio::test]
async fn many_findings_of_one_kind_are_counted_unless_all_are_asked_for() {
    let place = place::fresh().await;
    place
        .sql(
            "INSERT INTO auth_user (username, email, first_name, last_name, password, is_superuser, is_staff, \
             is_active, date_joined) SELECT 'user' || lpad(i::text, 5, '0'), '', '', '', '!', false, false, false, \
             now() FROM generate_series(1, 2500) AS i; \
             INSERT INTO authtoken_token (key, created, user_id) \
             SELECT left(encode(sha256(id::text::bytea), 'hex'), 40), now(), id FROM auth_user",
        )
        .await;
    let program = Program::on(&place);
    let ran = program.run(&["doctor"]);
    assert_eq!(ran.code, Some(0));
    assert_eq!(ran.out.lines().count(), 21);
    assert!(
        ran.out
            .ends_with("off  and 2480 more; tokenward token list --filter 'is:off -is:super'\n"),
        "{}",
        ran.out
    );
    let all = program.run(&["doctor", "-v"]);
    let json = program.run(&["doctor", "-q", "--json"]);
    assert_eq!(
        (all.out.lines().count(), json.out.lines().count()),
        (2500, 2500)
    );
}

#[tokio::test]
async fn whole_keys_in_the_log_of_the_admin_are_told_with_their_entry() {
    let place = place::fresh().await;
    user(&place, "alice", USER, LOGGED, "1 day").await;
    user(&place, "bob", USER, IN_USER, "1 day").await;
    user(&place, "carol", USER, GOOD, "1 day").await;
    user(&place, "dave", OFF, &GOOD.replace('9', "8"), "1 day").await;
    let log = |id: &str, repr: &str, message: &str| {
        format!(
            "INSERT INTO django_admin_log (object_id, object_repr, change_message) VALUES ('{id}', '{repr}', '{message}')"
        )
    };
    place.sql(ADMIN_LOG).await;
    for entry in [
        // As the admin of REST framework's tokens writes: the name of a token is its key.
        log("1", LOGGED, "[{\"added\": {}}]"),
        // As before REST framework 3.12, whose id of a token is the key too.
        log(LOGGED, LOGGED, "Changed user."),
        // As the change of a user with his token below him.
        log(
            "2",
            "bob",
            &format!("[{{\"added\": {{\"name\": \"Token\", \"object\": \"{IN_USER}\"}}}}]"),
        ),
        log("4", &GOOD.replace('9', "8"), ""),
        // A key that is none any more harms nobody, and neither does what begins as one.
        log("5", &GOOD.replace('9', "a"), ""),
        log("3", &GOOD[..20], "carol"),
    ] {
        place.sql(&entry).await;
    }
    let program = Program::on(&place);
    let ran = program.run(&["doctor"]);
    assert_eq!(ran.code, Some(10), "{}", ran.err);
    let lines = of(&ran.out, "admin-log");
    assert_eq!(lines.len(), 3, "{}", ran.out);
    for line in [
        "admin-log  5b25a0de…  LIVE  alice  whole in django_admin_log, entry 1 (object_repr) and 1 more; \
         tokenward token regenerate alice",
        "admin-log  c0ffee01…  LIVE  bob  whole in django_admin_log, entry 3 (change_message); \
         tokenward token regenerate bob",
        "admin-log  8844b081…  INERT  dave  whole in django_admin_log, entry 4 (object_repr); \
         tokenward token revoke dave",
    ] {
        assert!(lines.contains(&line), "{line}\n{}", ran.out);
    }
    for key in [LOGGED, IN_USER, GOOD] {
        assert!(!ran.out.contains(key) && !ran.err.contains(key));
    }
}

#[tokio::test]
async fn tokens_of_knox_that_never_end_or_outlived_a_superuser_are_told() {
    let place = place::fresh().await;
    for (name, rights) in [
        ("root", SUPER),
        ("boss", SUPER_OFF),
        ("ann", USER),
        ("gone", OFF),
    ] {
        let key = format!("{}{}", &name.repeat(2)[..4], &GOOD[4..]);
        user(&place, name, rights, &key, "1 day").await;
    }
    place.sql("DELETE FROM authtoken_token").await;
    for name in ["root", "boss", "ann", "gone"] {
        knox(&place, name, "aaaa1111", NEVER).await;
        knox(&place, name, "bbbb2222", LATER).await;
        knox(&place, name, "cccc3333", BEFORE).await;
    }
    let program = Program::on(&place);
    let ran = program.run(&["doctor"]);
    assert_eq!(ran.code, Some(10), "{}", ran.err);
    let mut lines = of(&ran.out, "knox");
    lines.sort_unstable();
    let id = |name: &str| format!("SELECT id::text FROM auth_user WHERE username = '{name}'");
    let (boss, root): (String, String) =
        (place.one(&id("boss")).await, place.one(&id("root")).await);
    let off = |start: &str| {
        format!(
            "knox  {start}…  INERT  boss  superuser, off: one change makes it a key to everything; \
             DELETE FROM knox_authtoken WHERE user_id = '{boss}' AND left(token_key, 8) = '{start}';"
        )
    };
    let mend = format!(
        "UPDATE knox_authtoken SET expiry = now() + interval '10 hours' WHERE user_id = '{root}' \
         AND left(token_key, 8) = 'aaaa1111';"
    );
    assert_eq!(
        lines,
        [
            off("aaaa1111"),
            format!(
                "knox  aaaa1111…  LIVE  root  superuser, knox token without an end, 40 d old; {mend}"
            ),
            off("bbbb2222"),
        ]
    );
    assert!(
        ran.err.contains("1 live key to deal with, 2 others"),
        "{}",
        ran.err
    );
    // What it says mends it.
    place.sql(&mend).await;
    for line in [&lines[0], &lines[2]] {
        let (_, statement) = line.split_once("; ").unwrap();
        place.sql(statement).await;
    }
    assert_eq!(of(&program.run(&["doctor"]).out, "knox"), [""; 0]);
    let left: i64 = place.one("SELECT count(*) FROM knox_authtoken").await;
    assert_eq!(left, 10);
}

#[tokio::test]
async fn tokens_of_knox_that_live_in_two_databases_are_told() {
    let (prod, staging) = (place::fresh().await, place::fresh().await);
    for place in [&prod, &staging] {
        user(place, "alice", USER, GOOD, "1 day").await;
        user(place, "bob", USER, LOGGED, "1 day").await;
        place.sql("DELETE FROM authtoken_token").await;
        knox(place, "alice", "aaaa1111", LATER).await;
        knox(place, "bob", "dddd4444", BEFORE).await;
    }
    knox(&prod, "alice", "bbbb2222", LATER).await;
    knox(&staging, "alice", "cccc3333", LATER).await;
    knox(&prod, "bob", "eeee5555", LATER).await;
    knox(&staging, "bob", "eeee5555", BEFORE).await;
    let program = Program::new();
    program.write_config(&format!(
        "default_profile = \"prod\"\n[profile.prod]\nurl = \"{}\"\n[profile.staging]\nurl = \"{}\"\n",
        prod.url().expose(),
        staging.url().expose()
    ));
    let ran = program.run(&["doctor", "--compare", "staging"]);
    assert_eq!(ran.code, Some(10), "{}", ran.err);
    let lines = of(&ran.out, "shared");
    assert_eq!(lines.len(), 1, "{}", ran.out);
    let told = "shared  aaaa1111…  LIVE  alice  knox token, also a key of alice on staging; DELETE FROM knox_authtoken ";
    assert!(lines[0].starts_with(told), "{}", lines[0]);
    staging.sql("DROP TABLE knox_authtoken").await;
    let ran = program.run(&["doctor", "--compare", "staging"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), ""), "{}", ran.err);
}

#[tokio::test]
async fn what_the_role_may_not_read_is_said() {
    let place = place::fresh().await;
    user(&place, "alice", USER, GOOD, "1 day").await;
    place.sql(ADMIN_LOG).await;
    let rights = "GRANT SELECT ON auth_user, authtoken_token TO {role}";
    let url = place.url_of_role("reader", rights).await;
    let program = Program::new().with("DATABASE_URL", url.expose());
    let ran = program.run(&["doctor"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(4), ""), "{}", ran.err);
    let said = format!(
        "tokenward: admin-log was not looked at: Role {} may not select from django_admin_log.\n",
        place.role("reader")
    );
    assert!(ran.err.starts_with(&said), "{}", ran.err);
    let said = format!(
        "knox was not looked at: Role {} may not select from knox_authtoken.",
        place.role("reader")
    );
    assert!(ran.err.contains(&said), "{}", ran.err);
}

#[tokio::test]
async fn a_missing_index_is_told_with_the_statement_that_makes_it() {
    let place = place::fresh().await;
    place
        .sql("DROP INDEX authtoken_token_key_10f0b77e_like")
        .await;
    // Of no use for how a key begins, unless the database sorts by bytes.
    let sorts_by_bytes: bool = place
        .one("SELECT datcollate IN ('C', 'POSIX') FROM pg_database WHERE datname = current_database()")
        .await;
    let program = Program::on(&place);
    let ran = program.run(&["doctor"]);
    if sorts_by_bytes {
        assert_eq!((ran.code, ran.out.as_str()), (Some(0), ""));
        place
            .sql("ALTER TABLE authtoken_token ALTER COLUMN key TYPE varchar(40) COLLATE \"und-x-icu\"")
            .await;
    }
    let ran = program.run(&["doctor"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let lines = of(&ran.out, "index");
    let [line] = lines.as_slice() else {
        panic!("{}", ran.out);
    };
    let (_, statement) = line.split_once("; CREATE").unwrap();
    place.sql(&format!("CREATE{statement}")).await;
    assert_eq!(program.run(&["doctor", "-q"]).ok(), "");
}

#[tokio::test]
async fn keys_that_live_in_two_databases_are_told() {
    let (prod, staging) = (place::fresh().await, place::fresh().await);
    user(&prod, "alice", USER, GOOD, "1 day").await;
    user(&prod, "bob", USER, LOGGED, "1 day").await;
    user(&prod, "dave", OFF, IN_USER, "1 day").await;
    user(&staging, "other", USER, &GOOD.replace('9', "a"), "1 day").await;
    user(&staging, "alice2", USER, GOOD, "1 day").await;
    user(&staging, "dave", USER, IN_USER, "1 day").await;
    let program = Program::new();
    program.write_config(&format!(
        "default_profile = \"prod\"\n[profile.prod]\nurl = \"{}\"\n[profile.staging]\nurl = \"{}\"\n\
         [profile.again]\nurl = \"{}\"\n",
        prod.url().expose(),
        staging.url().expose(),
        prod.url().expose()
    ));
    let ran = program.run(&["doctor", "--compare", "staging"]);
    assert_eq!(ran.code, Some(10), "{}", ran.err);
    assert_eq!(
        of(&ran.out, "shared"),
        [
            "shared  9944b091…  LIVE  alice  also a key of alice2 on staging; tokenward token regenerate alice",
            "shared  c0ffee01…  INERT  dave  also a key of dave on staging; tokenward token revoke dave",
        ]
    );
    assert!(
        ran.err
            .starts_with("tokenward: prod and staging: 1 live key"),
        "{}",
        ran.err
    );
    let rows = program
        .run(&["doctor", "--compare", "staging", "--json", "-q"])
        .json(10);
    let shared: Vec<&Value> = rows.iter().filter(|row| row["check"] == "shared").collect();
    assert_eq!(shared.len(), 2);
    assert_eq!(
        program.run(&["doctor"]).code,
        Some(0),
        "only when asked for"
    );
    for (name, why) in [
        ("prod", "is examined"),
        ("again", "the same database"),
        ("nope", "no profile nope"),
    ] {
        let ran = program.run(&["doctor", "--compare", name]);
        assert!(
            matches!(ran.code, Some(1 | 2)) && ran.out.is_empty(),
            "{}",
            ran.out
        );
        assert!(ran.err.contains(why), "{}", ran.err);
    }
}
