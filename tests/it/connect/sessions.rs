//! What a session is like once it stands: mode, limits, pool, loss, cancelling.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel::sql_types::Text;
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use tokenward::db::connect::{Access, Connector, Error, Pool, Settings, is_disconnect, is_lost};
use tokio_postgres::error::SqlState;

use super::server::{GOOD, Server};
use super::{bare, connector};

#[derive(QueryableByName)]
struct Word {
    #[diesel(sql_type = Text)]
    word: String,
}

async fn word(session: &mut AsyncPgConnection, question: &str) -> String {
    sql_query(question)
        .get_result::<Word>(session)
        .await
        .unwrap()
        .word
}

fn with(server: &Server, settings: Settings) -> Connector {
    Connector::new(connector(&server.socket("")).target().clone(), settings)
}

fn pool(settings: Settings, size: usize) -> Pool {
    let size = NonZeroUsize::new(size).unwrap();
    Pool::new(
        Arc::new(with(&GOOD, settings)),
        size,
        Duration::from_millis(200),
    )
}

fn read_only() -> Settings {
    Settings {
        access: Access::ReadOnly,
        ..Settings::default()
    }
}

#[tokio::test]
async fn a_session_is_told_its_mode_limits_and_names() {
    let settings = Settings {
        schema: Some("Odd \"name".to_owned()),
        statement_timeout: Duration::from_millis(1500),
        lock_timeout: Duration::from_secs(2),
        ..read_only()
    };
    let mut session = with(&GOOD, settings).session().await.unwrap();
    for (name, value) in [
        ("statement_timeout", "1500ms"),
        ("lock_timeout", "2s"),
        ("idle_in_transaction_session_timeout", "1min"),
        ("default_transaction_read_only", "on"),
        ("search_path", "\"Odd \"\"name\""),
        ("TimeZone", "UTC"),
        ("application_name", "tokenward"),
    ] {
        let question = format!("SELECT current_setting('{name}') AS word");
        assert_eq!(word(&mut session, &question).await, value, "{name}");
    }
    let named = connector(&GOOD.socket("application_name=mine"));
    let (client, _served) = named.client().await.unwrap();
    let name: String = client
        .query_one("SELECT current_setting('application_name')", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(name, "mine");
}

#[tokio::test]
async fn a_read_only_session_cannot_write() {
    let connector = with(&GOOD, read_only());
    let (client, _served) = connector.client().await.unwrap();
    let error = client
        .batch_execute("UPDATE t SET id = id")
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::READ_ONLY_SQL_TRANSACTION));

    let mut session = connector.session().await.unwrap();
    let error = sql_query("UPDATE t SET id = id")
        .execute(&mut session)
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            DieselError::DatabaseError(DatabaseErrorKind::ReadOnlyTransaction, _)
        ),
        "{error:?}"
    );
    assert!(!is_disconnect(&error));

    let mut session = with(&GOOD, Settings::default()).session().await.unwrap();
    assert_eq!(
        sql_query("UPDATE t SET id = id")
            .execute(&mut session)
            .await
            .unwrap(),
        1
    );
}

#[tokio::test]
async fn the_pool_undoes_what_a_borrower_set() {
    let pool = pool(read_only(), 1);
    let mut session = pool.get().await.unwrap();
    session
        .batch_execute("SET default_transaction_read_only = off; SET search_path = pg_catalog")
        .await
        .unwrap();
    let pid = word(&mut session, "SELECT pg_backend_pid()::text AS word").await;
    drop(session);
    let mut session = pool.get().await.unwrap();
    assert_eq!(
        word(&mut session, "SELECT pg_backend_pid()::text AS word").await,
        pid,
        "the same session"
    );
    assert_eq!(
        word(
            &mut session,
            "SELECT current_setting('default_transaction_read_only') AS word"
        )
        .await,
        "on"
    );
    assert!(
        word(
            &mut session,
            "SELECT current_setting('search_path') AS word"
        )
        .await
        .contains("public")
    );
}

#[tokio::test]
async fn the_pool_is_bounded() {
    let pool = pool(Settings::default(), 1);
    let session = pool.get().await.unwrap();
    let error = pool.get().await.err().unwrap();
    assert_eq!(
        error.to_string(),
        "all 1 connections of tokenward are busy, waited 0.2 s; try again"
    );
    drop(session);
    drop(pool.get().await.unwrap());
    pool.close();
    assert!(matches!(pool.get().await.err(), Some(Error::Closed)));
}

#[tokio::test]
async fn limits_are_in_force() {
    let settings = Settings {
        statement_timeout: Duration::from_millis(300),
        lock_timeout: Duration::from_millis(100),
        ..Settings::default()
    };
    let connector = with(&GOOD, settings);
    let (client, _served) = connector.client().await.unwrap();
    let error = client
        .batch_execute("SELECT pg_sleep(30)")
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::QUERY_CANCELED));

    let (holder, _served) = with(&GOOD, Settings::default()).client().await.unwrap();
    holder
        .batch_execute("BEGIN; SELECT pg_advisory_xact_lock(4711)")
        .await
        .unwrap();
    let error = client
        .batch_execute("SELECT pg_advisory_xact_lock(4711)")
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::LOCK_NOT_AVAILABLE));
}

#[tokio::test]
async fn a_killed_session_is_recognised_and_replaced() {
    let pool = pool(Settings::default(), 1);
    let mut session = pool.get().await.unwrap();
    let pid = word(&mut session, "SELECT pg_backend_pid()::text AS word").await;
    let (killer, _served) = with(&GOOD, Settings::default()).client().await.unwrap();
    let kill = format!("SELECT pg_terminate_backend({pid}, 5000)");
    assert!(
        killer
            .query_one(&kill, &[])
            .await
            .unwrap()
            .get::<_, bool>(0)
    );

    let mut errors = Vec::new();
    for _ in 0..3 {
        errors.push(
            sql_query("SELECT 1")
                .execute(&mut session)
                .await
                .unwrap_err(),
        );
    }
    assert!(errors.iter().all(is_disconnect), "{errors:?}");
    assert!(is_lost(&mut session));
    drop(session);
    let mut session = pool.get().await.unwrap();
    assert_ne!(
        word(&mut session, "SELECT pg_backend_pid()::text AS word").await,
        pid
    );

    // Killed while nobody looks: the next borrower never sees it.
    let pid = word(&mut session, "SELECT pg_backend_pid()::text AS word").await;
    drop(session);
    let kill = format!("SELECT pg_terminate_backend({pid}, 5000)");
    assert!(
        killer
            .query_one(&kill, &[])
            .await
            .unwrap()
            .get::<_, bool>(0)
    );
    let mut session = pool.get().await.unwrap();
    assert_ne!(
        word(&mut session, "SELECT pg_backend_pid()::text AS word").await,
        pid
    );
}

#[tokio::test]
async fn a_session_killed_in_a_statement_is_recognised() {
    let mut session = with(&GOOD, Settings::default()).session().await.unwrap();
    let pid = word(&mut session, "SELECT pg_backend_pid()::text AS word").await;
    let sleeper =
        tokio::spawn(async move { sql_query("SELECT pg_sleep(30)").execute(&mut session).await });
    wait_for_sleeper(&pid).await;
    let (killer, _served) = with(&GOOD, Settings::default()).client().await.unwrap();
    killer
        .batch_execute(&format!("SELECT pg_terminate_backend({pid})"))
        .await
        .unwrap();
    let error = sleeper.await.unwrap().unwrap_err();
    assert!(is_disconnect(&error), "{error:?}");
}

/// Until the session `pid` sleeps in its statement.
async fn wait_for_sleeper(pid: &str) {
    let (client, _served) = with(&GOOD, Settings::default()).client().await.unwrap();
    let question = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE pid = {pid} AND wait_event = 'PgSleep'"
    );
    for _ in 0..500 {
        if client
            .query_one(&question, &[])
            .await
            .unwrap()
            .get::<_, i64>(0)
            == 1
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("session {pid} never began to sleep");
}

#[tokio::test]
async fn a_running_statement_can_be_cancelled_by_socket_and_by_tls() {
    for text in [GOOD.socket(""), GOOD.tcp("user=postgres sslmode=require")] {
        let connector = Arc::new(connector(&text));
        let pool = Pool::new(
            Arc::clone(&connector),
            NonZeroUsize::MIN,
            Duration::from_secs(1),
        );
        let mut session = pool.get().await.unwrap();
        let token = session.cancel_token();
        let pid = word(&mut session, "SELECT pg_backend_pid()::text AS word").await;
        let sleeper = tokio::spawn(async move {
            let error = sql_query("SELECT pg_sleep(30)")
                .execute(&mut session)
                .await
                .unwrap_err();
            (error, session)
        });
        wait_for_sleeper(&pid).await;
        connector.cancel(&token).await.unwrap();
        let (error, mut session) = sleeper.await.unwrap();
        assert!(error.to_string().contains("due to user request"), "{error}");
        assert!(!is_disconnect(&error) && !is_lost(&mut session));
        assert_eq!(
            word(&mut session, "SELECT 'still here' AS word").await,
            "still here"
        );
    }
}

#[test]
fn nothing_shows_a_password() {
    let text = GOOD.tcp("user=app password=hunter2");
    let connector = super::connector_in(&text, &bare().with("PGPASSWORD", "hunter3"));
    let shown = format!(
        "{connector:?} {:?} {}",
        connector.target(),
        connector.target().describe()
    );
    assert!(!shown.contains("hunter"), "{shown}");
}
