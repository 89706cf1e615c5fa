//! Who may write lines, and where they go when the schema is not there.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn whom_the_rights_are_given_to_writes_lines_and_nothing_else() {
    let place = with_users(2).await;
    let url = place
        .url_of_role(
            "operator",
            "GRANT SELECT ON auth_user TO {role}; GRANT SELECT, INSERT, UPDATE, DELETE ON authtoken_token TO {role}",
        )
        .await;
    let ops = place.ops_as(&url).await;
    let user = aim(&ops, "user1").await;
    ops.generate(&user, Mode::Apply).await.unwrap();
    let user = aim(&ops, "user1").await;
    ops.reveal(&user, Purpose::Copy).await.unwrap();
    ops.regenerate(&user, Mode::Apply).await.unwrap();
    let lines = [
        "generate user1: done",
        "copy user1: done",
        "regenerate user1: done",
    ];
    assert_eq!(audit_lines(&place), lines);
    assert_eq!(check(&ops).await.problems, [""; 0]);

    let (client, connection) = tokio_postgres::connect(url.expose(), tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    for forbidden in [
        "UPDATE tokenward.audit SET whom = 'eve'",
        "DELETE FROM tokenward.audit",
        "TRUNCATE tokenward.audit",
        "UPDATE tokenward.audit_head SET last = 0",
        "DELETE FROM tokenward.retired_key",
        "UPDATE tokenward.retired_key SET username = 'eve'",
        "INSERT INTO tokenward.audit (id, os_user, host, database, what, whom, result) VALUES (1, '', '', '', '', '', '')",
        "INSERT INTO tokenward.audit (os_user, host, database, what, whom, result, hash) VALUES ('', '', '', '', '', '', '')",
        "ALTER TABLE tokenward.audit DISABLE TRIGGER ALL",
        "SET session_replication_role = replica",
        "SELECT tokenward.admit_operators('auth_user')",
        "DROP TABLE tokenward.audit",
    ] {
        let error = client.batch_execute(forbidden).await.expect_err(forbidden);
        let code = error.code().map(tokio_postgres::error::SqlState::code);
        assert_eq!(code, Some("42501"), "{forbidden}: {error:?}");
    }
    assert_eq!(audit_lines(&place), lines);

    // Nor does the owner by mistake, as long as the triggers are there.
    let owner = place.client().await;
    for refused in [
        "UPDATE tokenward.audit SET whom = 'eve'",
        "UPDATE tokenward.audit SET id = 77 WHERE id = 1",
        "DELETE FROM tokenward.audit",
        "TRUNCATE tokenward.audit",
        "SET session_replication_role = replica; DELETE FROM tokenward.audit",
    ] {
        let error = owner.batch_execute(refused).await.expect_err(refused);
        let said = error.as_db_error().unwrap().message().to_owned();
        assert_eq!(said, "tokenward.audit is append only", "{refused}");
    }
    assert_eq!(check(&ops).await.problems, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_got_his_rights_since_is_told_and_migrate_lets_him_in() {
    let place = with_users(1).await;
    let url = place.url_of_role("late", "").await;
    place
        .sql(&format!(
            "GRANT SELECT ON auth_user TO \"{0}\"; GRANT SELECT, INSERT ON authtoken_token TO \"{0}\"",
            place.role("late")
        ))
        .await;
    let ops = place.ops_as(&url).await;
    let user = aim(&ops, "user1").await;
    let error = ops.generate(&user, Mode::Apply).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("may not insert into tokenward.audit; `tokenward migrate`"),
        "{error}"
    );
    let made = super::super::migrations::apply(&place).await.unwrap();
    assert_eq!(made, ["retired keys", "last use"]);
    let ops = place.ops_as(&url).await;
    ops.generate(&user, Mode::Apply).await.unwrap();
    assert_eq!(
        super::super::migrations::apply(&place).await.unwrap(),
        [""; 0]
    );
}

/// As when `tokenward migrate --undo` runs beside a listener.
#[tokio::test(flavor = "multi_thread")]
async fn a_schema_dropped_meanwhile_leaves_the_file() {
    let (place, ops) = with_lines(2).await;
    let (one, two) = (aim(&ops, "user1").await, aim(&ops, "user2").await);
    place.sql("DROP SCHEMA tokenward CASCADE").await;
    ops.reveal(&one, Purpose::Show).await.unwrap();
    ops.regenerate(&one, Mode::DryRun).await.unwrap();
    ops.regenerate(&one, Mode::Apply).await.unwrap();
    ops.revoke(&two, Mode::Apply).await.unwrap();
    assert_eq!(
        audit_lines(&place),
        [
            "show user1: done",
            "regenerate user1: done",
            "revoke user2: done"
        ]
    );
    assert_eq!(place.audit_file().len(), 3);
}
