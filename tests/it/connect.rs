//! Reaching a real Postgres: passwords, TLS, several hosts, modes and limits of a session, loss and cancelling.

mod server;
mod sessions;
mod tls;

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use server::{GOOD, PASSWORD, PLAIN};
use tokenward::db::connect::{Connector, Error, Settings};
use tokenward::db::conninfo::{Environment, Target};
use tokenward::domain::secret::Secret;

/// Surroundings that nothing on this machine can change.
fn bare() -> Environment {
    Environment::new(Some("nobody".to_owned()), None).with("PGSYSCONFDIR", "/nowhere")
}

fn connector_in(text: &str, environment: &Environment) -> Connector {
    Connector::new(
        Target::resolve(&Secret::from(text), environment).unwrap(),
        Settings::default(),
    )
}

fn connector(text: &str) -> Connector {
    connector_in(text, &bare())
}

async fn ask(connector: &Connector, question: &str) -> Result<String, Error> {
    let (client, _served) = connector.client().await?;
    Ok(client.query_one(question, &[]).await.unwrap().get(0))
}

async fn refusal(text: &str) -> Error {
    connector(text).client().await.expect_err("a refusal")
}

const WHO: &str = "SELECT current_user::text";

#[tokio::test]
async fn a_password_comes_from_string_variable_file_or_service() {
    let folder = tempfile::tempdir().unwrap();
    let home = Environment::new(Some("nobody".to_owned()), Some(folder.path().to_owned()));

    assert_eq!(
        ask(
            &connector(&GOOD.tcp(&format!("user=app password='{PASSWORD}'"))),
            WHO
        )
        .await
        .unwrap(),
        "app"
    );
    let url = format!(
        "postgres://app:right%20horse@127.0.0.1:{}/postgres",
        GOOD.port
    );
    assert_eq!(ask(&connector(&url), WHO).await.unwrap(), "app");
    let variables = bare().with("PGPASSWORD", PASSWORD).with("PGUSER", "app");
    assert_eq!(
        ask(&connector_in(&GOOD.tcp(""), &variables), WHO)
            .await
            .unwrap(),
        "app"
    );

    let file = folder.path().join(".pgpass");
    fs::write(&file, format!("db.test:{}:*:app:{PASSWORD}\n", GOOD.port)).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(
        ask(&connector_in(&GOOD.tcp("user=app"), &home), WHO)
            .await
            .unwrap(),
        "app"
    );

    let service = format!(
        "[here]\nhost=db.test\nhostaddr=127.0.0.1\nport={}\ndbname=postgres\nuser=app\n",
        GOOD.port
    );
    fs::write(folder.path().join(".pg_service.conf"), service).unwrap();
    assert_eq!(
        ask(
            &connector_in("service=here", &home.with("PGPASSFILE", "")),
            WHO
        )
        .await
        .unwrap(),
        "app"
    );
}

#[tokio::test]
async fn a_refused_password_is_told_by_its_place_and_never_shown() {
    let error = refusal(&GOOD.tcp("user=app password=hunter2")).await;
    assert!(
        matches!(error, Error::AuthenticationFailed { .. }),
        "{error:?}"
    );
    let shown = format!("{error} {error:?}");
    assert!(
        shown.contains("password came from the connection string") && !shown.contains("hunter2"),
        "{shown}"
    );

    let error = refusal(&GOOD.tcp("user=app")).await.to_string();
    assert!(
        error.contains("it wants a password") && error.contains("~/.pgpass"),
        "{error}"
    );
}

#[tokio::test]
async fn what_the_server_refuses_has_its_own_kind() {
    let good = format!("user=app password='{PASSWORD}'");
    let error = refusal(&format!("{} {good} dbname=absent", GOOD.tcp(""))).await;
    assert!(
        matches!(&error, Error::DatabaseMissing { database, .. } if database == "absent"),
        "{error:?}"
    );
    let error = refusal(&GOOD.socket("user=crowd")).await;
    assert!(
        matches!(error, Error::TooManyConnections { .. }),
        "{error:?}"
    );
    let error = refusal(&GOOD.tcp("user=postgres options='-c nonsense=1'")).await;
    assert!(
        matches!(&error, Error::Refused { code, .. } if code == "42704"),
        "{error:?}"
    );
}

/// A port where nobody listens.
fn dead_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

#[tokio::test]
async fn the_first_host_that_answers_is_taken() {
    let dead = dead_port();
    let text = format!(
        "host=127.0.0.1,127.0.0.1 port={dead},{} user=postgres",
        PLAIN.port
    );
    assert_eq!(ask(&connector(&text), WHO).await.unwrap(), "postgres");
    let text = format!("{text} load_balance_hosts=random");
    for _ in 0..8 {
        assert_eq!(ask(&connector(&text), WHO).await.unwrap(), "postgres");
    }
}

#[tokio::test]
async fn an_error_names_every_host_and_its_reason() {
    // It accepts, as the kernel does for it, and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let (dead, silent_port) = (dead_port(), silent.local_addr().unwrap().port());
    let error = refusal(&format!(
        "host=127.0.0.1,127.0.0.1,/nowhere,no-such-host.invalid port={dead},{silent_port},5432,5432 \
         dbname=app connect_timeout=1"
    ))
    .await
    .to_string();
    assert_eq!(
        error,
        format!(
            "cannot reach database app: 127.0.0.1:{dead} (connection refused), 127.0.0.1:{silent_port} (timed out \
             after 1 s), /nowhere/.s.PGSQL.5432 (no socket there), no-such-host.invalid:5432 (no such host is known); \
             is the server running, and are host and port right?"
        )
    );
}

#[tokio::test]
async fn a_refused_password_is_not_carried_to_the_next_host() {
    let text = format!(
        "host=127.0.0.1,127.0.0.1 port={},{} dbname=postgres user=app password=no",
        GOOD.port, PLAIN.port
    );
    assert!(matches!(
        refusal(&text).await,
        Error::AuthenticationFailed { .. }
    ));
}

#[tokio::test]
async fn the_kind_of_server_is_looked_at() {
    let read_only = PLAIN.socket("target_session_attrs=read-write");
    let error = refusal(&read_only).await;
    assert!(
        matches!(
            error,
            Error::WrongSessionKind {
                wanted: "read-write",
                ..
            }
        ),
        "{error:?}"
    );
    assert!(error.to_string().contains("(it is read-only)"), "{error}");

    let both = format!(
        "host={},{} port={},{} dbname=postgres user=postgres",
        PLAIN.folder.display(),
        GOOD.folder.display(),
        PLAIN.port,
        GOOD.port
    );
    let port = "SELECT current_setting('port')";
    let mut chosen = BTreeSet::new();
    for (attrs, server) in [
        ("any", &PLAIN),
        ("read-write", &GOOD),
        ("read-only", &PLAIN),
        ("primary", &PLAIN),
        ("prefer-standby", &PLAIN),
    ] {
        let answer = ask(
            &connector(&format!("{both} target_session_attrs={attrs}")),
            port,
        )
        .await
        .unwrap();
        assert_eq!(answer, server.port.to_string(), "{attrs}");
        chosen.insert(answer);
    }
    assert_eq!(chosen.len(), 2);
    let error = refusal(&format!("{both} target_session_attrs=standby")).await;
    assert_eq!(
        error.to_string().matches("(it is a primary)").count(),
        2,
        "{error}"
    );
}
