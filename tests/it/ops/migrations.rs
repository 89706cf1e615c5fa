//! Our migrations on databases that are empty, Django's, or ours already.

use tokenward::db::Db;
use tokenward::db::compat::UserTable;
use tokenward::db::connect::Settings;
use tokenward::ops::migrate::{AutoToken, Migration, Step};
use tokenward::ops::{AuditLog, Error};

use super::{audit_lines, users};
use crate::support::place::{self, Place, actor, pool};

/// Our own migrations, and what comes after them.
const OURS: [&str; 12] = [
    "2026-11-24-000001_auto_token",
    "2026-11-25-000001_change_notices",
    "2026-11-27-000001_audit",
    "2026-11-27-000002_retired_keys",
    "2026-11-27-000003_leaks",
    "2026-11-27-000004_grace",
    "2026-11-27-000005_last_use",
    "2026-11-27-000006_sessions",
    ATTACHED[0],
    ATTACHED[1],
    ATTACHED[2],
    ATTACHED[3],
];
const KNOX: &str = "2025-04-02-000005_knox";
const ATTACHED: [&str; 4] = ["change notices", "retired keys", "end of grace", "last use"];

/// What an undo takes back, in its order.
const UNDONE: [&str; 8] = [
    OURS[7], OURS[6], OURS[5], OURS[4], OURS[3], OURS[2], OURS[1], OURS[0],
];

/// Everything that a migration can make, a line each.
const SCHEMA: &str = "
SELECT string_agg(line, E'\\n' ORDER BY line) FROM (
    SELECT format('column %s.%s.%s %s(%s) %s %s %s', table_schema, table_name, column_name, data_type,
                  character_maximum_length, is_nullable, column_default, is_identity) AS line
      FROM information_schema.columns WHERE table_schema IN ('public', 'tokenward')
    UNION ALL SELECT format('constraint %s %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid))
      FROM pg_constraint WHERE connamespace::regnamespace::text IN ('public', 'tokenward')
    UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname IN ('public', 'tokenward')
    UNION ALL SELECT format('%s %s', pg_get_functiondef(oid), proacl)
      FROM pg_proc WHERE pronamespace::regnamespace::text IN ('public', 'tokenward')
    UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT 'schema ' || nspname FROM pg_namespace WHERE nspname !~ '^pg_'
) AS lines";

fn migration(place: &Place) -> Migration {
    Migration {
        actor: actor(),
        database: place.name().to_owned(),
        audit: AuditLog::at(place.audit_path()),
        users: UserTable::default(),
    }
}

async fn plan(place: &Place) -> Vec<Step> {
    let pool = pool(&place.url(), Settings::default());
    migration(place)
        .plan(pool.get().await.unwrap())
        .await
        .unwrap()
}

pub(super) async fn apply(place: &Place) -> Result<Vec<String>, Error> {
    let pool = pool(&place.url(), Settings::default());
    migration(place).apply(pool.get().await.unwrap()).await
}

async fn undo(place: &Place) -> Vec<String> {
    let pool = pool(&place.url(), Settings::default());
    migration(place)
        .undo(pool.get().await.unwrap())
        .await
        .unwrap()
}

fn names(steps: &[Step]) -> Vec<&str> {
    steps.iter().map(|step| step.name.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_database_gets_all_and_the_plan_is_what_runs() {
    let place = place::empty().await;
    let steps = plan(&place).await;
    assert_eq!(steps.len(), 17);
    assert_eq!(
        place
            .one::<i64>("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
            .await,
        0,
        "a plan makes nothing"
    );
    assert_eq!(apply(&place).await.unwrap(), names(&steps));
    assert_eq!(plan(&place).await, []);
    assert_eq!(apply(&place).await.unwrap(), [""; 0]);
    let said = audit_lines(&place);
    assert_eq!(said.len(), 17);
    assert_eq!(said[16], format!("migrate : done: {}", ATTACHED[3]));
    assert!(place.audit_file().is_empty(), "it is all in the database");

    // What the plan shows, run by hand, makes the same but for Diesel's own count of what it ran.
    let by_hand = place::empty().await;
    by_hand.sql("CREATE SCHEMA tokenward").await;
    for step in &steps {
        by_hand.sql(&step.sql).await;
    }
    place
        .sql("DROP TABLE tokenward.__diesel_schema_migrations")
        .await;
    assert_eq!(
        place.one::<String>(SCHEMA).await,
        by_hand.one::<String>(SCHEMA).await
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn on_djangos_tables_only_ours_run_and_undo_leaves_them_as_they_were() {
    let place = place::fresh().await;
    place.sql("DROP SCHEMA tokenward CASCADE").await;
    place.sql(&users(1, 3)).await;
    place.sql(&super::tokens_where("id < 3")).await;
    let before: String = place.one(SCHEMA).await;
    assert_eq!(names(&plan(&place).await), OURS);
    assert_eq!(apply(&place).await.unwrap(), OURS);
    assert_eq!(plan(&place).await, []);
    assert_eq!(undo(&place).await, UNDONE);
    assert_eq!(place.one::<String>(SCHEMA).await, before);
    assert_eq!(undo(&place).await, [""; 0]);
    assert_eq!(
        place
            .one::<i64>("SELECT count(*) FROM authtoken_token")
            .await,
        2
    );
    assert_eq!(
        audit_lines(&place),
        UNDONE.map(|name| format!("migrate : undone: {name}")),
        "what stood in the database went with it"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn undo_keeps_the_tables_that_we_made_for_django() {
    let place = place::fresh().await;
    place.sql(&users(1, 3)).await;
    let before: String = place.one(SCHEMA).await;
    assert_eq!(undo(&place).await, UNDONE);
    assert!(
        place
            .one::<bool>("SELECT to_regproc('tokenward.make_key') IS NULL")
            .await
    );
    assert_eq!(place.one::<i64>("SELECT count(*) FROM auth_user").await, 3);
    assert_eq!(names(&plan(&place).await), OURS);
    assert_eq!(apply(&place).await.unwrap(), OURS);
    assert_eq!(place.one::<String>(SCHEMA).await, before);
}

/// Takes back what the migration of knox made, as if a release from before it had made the database.
const BEFORE_KNOX: &str = "DROP TABLE knox_authtoken; DELETE FROM django_migrations WHERE app = 'knox'; \
     DELETE FROM tokenward.__diesel_schema_migrations WHERE version = '20250402000005'";

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_an_older_release_gets_the_table_of_knox() {
    let place = place::fresh().await;
    let (made, applied) = (
        place.one::<String>(SCHEMA).await,
        "SELECT string_agg(name, ' ' ORDER BY id) FROM django_migrations WHERE app = 'knox'",
    );
    let names_of_knox: String = place.one(applied).await;
    place.sql(BEFORE_KNOX).await;
    let steps = [KNOX, ATTACHED[0], ATTACHED[1], ATTACHED[2], ATTACHED[3]];
    assert_eq!(names(&plan(&place).await), steps);
    assert_eq!(apply(&place).await.unwrap(), steps);
    assert_eq!(place.one::<String>(SCHEMA).await, made);
    assert_eq!(place.one::<String>(applied).await, names_of_knox);
    assert_eq!(plan(&place).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_site_brought_its_own_knox_nothing_of_it_is_touched() {
    let own_table = "CREATE TABLE knox_authtoken (digest varchar(64) PRIMARY KEY)";
    let elsewhere =
        "INSERT INTO django_migrations (app, name, applied) VALUES ('knox', '0001_initial', now())";
    // The notices are hung on whatever table has that name: they are ours, and change nothing of it.
    for (own, triggers) in [(own_table, 3), (elsewhere, 0)] {
        let place = place::fresh().await;
        place.sql(BEFORE_KNOX).await;
        place.sql(own).await;
        let before: String = place.one(SCHEMA).await;
        let rows = "SELECT count(*) FROM django_migrations WHERE app = 'knox'";
        let noted: i64 = place.one(rows).await;
        assert_eq!(
            apply(&place).await.unwrap(),
            [KNOX, ATTACHED[0], ATTACHED[1], ATTACHED[2], ATTACHED[3]]
        );
        let after: String = place.one(SCHEMA).await;
        let ours =
            |line: &&str| line.contains(" tokenward_tell_") && line.contains("knox_authtoken");
        let (notices, rest): (Vec<_>, Vec<_>) = after.lines().partition(ours);
        assert_eq!(rest, before.lines().collect::<Vec<_>>());
        assert_eq!(notices.len(), triggers);
        assert_eq!(place.one::<i64>(rows).await, noted);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_at_once_one_does_it_and_the_other_finds_it_done() {
    let place = place::empty().await;
    let (one, two) = tokio::join!(apply(&place), apply(&place));
    let mut made = [one.unwrap().len(), two.unwrap().len()];
    made.sort_unstable();
    assert_eq!(made, [0, 17]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_make_a_schema_is_told() {
    let place = place::fresh().await;
    place.sql("DROP SCHEMA tokenward CASCADE").await;
    let url = place.url_of_role("guest", "").await;
    let pool = pool(&url, Settings::default());
    let error = migration(&place)
        .apply(pool.get().await.unwrap())
        .await
        .unwrap_err();
    assert!(
        matches!(&error, Error::MissingRight(said) if said.contains("permission denied")),
        "{error:?}"
    );
    assert!(place.audit().is_empty());
}

async fn auto_token(place: &Place, users: &UserTable, to: AutoToken) -> Result<Vec<String>, Error> {
    let db = Db::open(pool(&place.url(), Settings::default()), users).await?;
    let migration = Migration {
        users: users.clone(),
        ..migration(place)
    };
    migration.auto_token(&db, to).await
}

#[tokio::test(flavor = "multi_thread")]
async fn with_auto_token_every_new_user_has_one_whoever_inserts_him() {
    let place = place::fresh().await;
    let django = UserTable::default();
    place.sql(&users(1, 2)).await;
    for _ in 0..2 {
        auto_token(&place, &django, AutoToken::On).await.unwrap();
    }
    place.sql(&users(3, 1_000)).await;
    let keys = "SELECT count(DISTINCT key) FILTER (WHERE key ~ '^[0-9a-f]{40}$') FROM authtoken_token WHERE user_id > 2";
    assert_eq!(place.one::<i64>(keys).await, 998);
    assert_eq!(
        place
            .one::<i64>("SELECT count(*) FROM authtoken_token")
            .await,
        998
    );

    // A role without any right on tokens, and one transaction: no user without token is ever seen.
    let url = place
        .url_of_role("signup", "GRANT INSERT ON auth_user TO {role}")
        .await;
    let (client, connection) = tokio_postgres::connect(url.expose(), tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    client.batch_execute("BEGIN").await.unwrap();
    client.batch_execute(&users(1_001, 1_001)).await.unwrap();
    client.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(
        place
            .one::<i64>("SELECT count(*) FROM authtoken_token")
            .await,
        998
    );
    client.batch_execute(&users(1_001, 1_001)).await.unwrap();
    assert_eq!(
        place
            .one::<i64>("SELECT count(*) FROM authtoken_token")
            .await,
        999
    );
    let refused = client.batch_execute("SELECT tokenward.make_key()").await;
    assert!(refused.is_err());

    for _ in 0..2 {
        auto_token(&place, &django, AutoToken::Off).await.unwrap();
    }
    place.sql(&users(1_002, 1_002)).await;
    assert_eq!(
        place
            .one::<i64>("SELECT count(*) FROM authtoken_token")
            .await,
        999
    );
    assert_eq!(
        audit_lines(&place),
        [
            "migrate : done: auto-token on",
            "migrate : done: auto-token on",
            "migrate : done: auto-token off",
            "migrate : done: auto-token off"
        ]
    );

    auto_token(&place, &django, AutoToken::On).await.unwrap();
    undo(&place).await;
    place.sql(&users(1_003, 1_003)).await;
    assert_eq!(
        place
            .one::<i64>("SELECT count(*) FROM authtoken_token")
            .await,
        999
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn auto_token_brings_our_schema_and_works_on_a_table_of_the_sites_own() {
    let place = place::empty().await;
    place
        .sql(
            "CREATE TABLE \"My People\" (\"Key\" uuid PRIMARY KEY, name text NOT NULL); \
             CREATE TABLE authtoken_token (key varchar(40) PRIMARY KEY, created timestamptz NOT NULL, \
                 user_id uuid NOT NULL UNIQUE REFERENCES \"My People\" DEFERRABLE INITIALLY DEFERRED)",
        )
        .await;
    let people = UserTable {
        table: "My People".to_owned(),
        username: "name".to_owned(),
    };
    let ran = auto_token(&place, &people, AutoToken::Off).await.unwrap();
    assert_eq!(ran, [""; 0], "off needs nothing of ours");
    let ran = auto_token(&place, &people, AutoToken::On).await.unwrap();
    assert_eq!(ran, OURS);
    let ran = auto_token(&place, &people, AutoToken::On).await.unwrap();
    assert_eq!(ran, [""; 0]);
    place
        .sql("INSERT INTO \"My People\" SELECT gen_random_uuid(), 'x' FROM generate_series(1, 5)")
        .await;
    assert_eq!(
        place
            .one::<i64>(
                "SELECT count(*) FROM authtoken_token JOIN \"My People\" ON \"Key\" = user_id"
            )
            .await,
        5
    );
}
