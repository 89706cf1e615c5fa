//! Under whose name and session a line stands.

use super::*;

/// Lines with an actor, the session that wrote them, what they say.
const SESSIONS: &str = "SELECT string_agg(format('%s|%s|%s %s %s %s', os_user, session, what, whom, key, result), E'\\n' ORDER BY id) \
     FROM tokenward.audit";

#[tokio::test(flavor = "multi_thread")]
async fn a_line_says_whose_session_wrote_it_whatever_it_says_itself() {
    let place = with_users(1).await;
    let url = place
        .url_of_role("operator", "GRANT SELECT ON auth_user TO {role}; GRANT SELECT, INSERT ON authtoken_token TO {role}")
        .await;
    let (client, connection) = tokio_postgres::connect(url.expose(), tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    let line = "INSERT INTO tokenward.audit (os_user, host, operator, database, what, whom, result";
    client
        .batch_execute(&format!(
            "{line}) VALUES ('carol', 'ops1', 'carol', 'dev', 'show', 'user1', 'done')"
        ))
        .await
        .unwrap();
    let asked = format!(
        "{line}, session) VALUES ('carol', 'ops1', 'carol', 'dev', 'show', 'user1', 'done', 'carol')"
    );
    let error = client.batch_execute(&asked).await.unwrap_err();
    assert_eq!(error.code().unwrap().code(), "42501");
    // Who may ask for another does not get it.
    place.sql(&asked).await;
    let owner: String = place.one("SELECT session_user::text").await;
    let entries = place.audit();
    let sessions: Vec<_> = entries
        .iter()
        .map(|entry| entry.session.as_deref())
        .collect();
    assert_eq!(
        sessions,
        [Some(place.role("operator").as_str()), Some(owner.as_str())]
    );
    let ops = place.ops().await;
    let query = AuditQuery {
        text: Some(place.role("operator")),
        limit: 9,
        ..AuditQuery::default()
    };
    let read = ops.audit(&query).await.unwrap();
    assert_eq!((read.len(), read[0].session.as_deref()), (1, sessions[0]));
    assert_eq!(check(&ops).await.problems, [""; 0]);
}

/// As where a release before wrote lines: they hold after the migration as they did.
#[tokio::test(flavor = "multi_thread")]
async fn lines_from_before_sessions_were_noted_hold_and_cannot_be_given_one() {
    let (place, ops) = with_lines(3).await;
    past_the_triggers(
        &place,
        "UPDATE tokenward.audit SET session = NULL WHERE id < 3; \
         DO $$ DECLARE sum bytea := decode(repeat('00', 32), 'hex'); n bigint; BEGIN \
           FOR n IN 1..3 LOOP \
             UPDATE tokenward.audit a SET prev = sum, hash = tokenward.audit_hash(a, n, sum) WHERE id = n \
             RETURNING hash INTO sum; \
           END LOOP; \
           UPDATE tokenward.audit_head SET hash = sum; END $$",
    )
    .await;
    assert_eq!(check(&ops).await.problems, [""; 0]);
    past_the_triggers(
        &place,
        "UPDATE tokenward.audit SET session = 'eve' WHERE id = 2",
    )
    .await;
    let found = check(&ops).await.problems;
    assert!(found[0].starts_with("line 2 ("), "{found:?}");
}

/// The program's own triggers believe whoever says that he is the program; the audit does not.
#[tokio::test(flavor = "multi_thread")]
async fn who_says_that_he_is_tokenward_leaves_a_line_under_his_own_name() {
    let place = with_users(6).await;
    place.sql(&tokens_where("true")).await;
    let url = place
        .url_of_role(
            "site",
            "GRANT SELECT, INSERT, UPDATE, DELETE ON authtoken_token, knox_authtoken TO {role}; \
                              GRANT SELECT ON auth_user TO {role}",
        )
        .await;
    place
        .sql(
            "INSERT INTO knox_authtoken (digest, token_key, created, expiry, user_id) VALUES \
              (encode(sha512('knox'), 'hex'), 'abcdefgh1234567', now(), now() + interval '1 h', 1)",
        )
        .await;
    let starts = |user: i32| {
        let place = &place;
        async move {
            place
                .one::<String>(&format!(
                    "SELECT left(key, 8) FROM authtoken_token WHERE user_id = {user}"
                ))
                .await
        }
    };
    let (one, two, three, four) = (
        starts(1).await,
        starts(2).await,
        starts(3).await,
        starts(4).await,
    );
    let mut config: tokio_postgres::Config = url.expose().parse().unwrap();
    let (client, connection) = config
        .application_name("psql")
        .connect(tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    let line = |what: &str, whom: &str, key: &str| {
        format!(
            "INSERT INTO tokenward.audit (os_user, host, database, what, whom, key, result) \
                 VALUES ('carol', 'ops1', 'dev', '{what}', '{whom}', '{key}', 'done')"
        )
    };
    for statement in [
        "SET tokenward.actor = 'carol@ops1'; SET tokenward.verb = 'expire'".to_owned(),
        "UPDATE authtoken_token SET key = 'hand-made' WHERE user_id = 1".to_owned(),
        // Its own line is enough, and says whose session it was; one about something else is not.
        format!(
            "BEGIN; DELETE FROM authtoken_token WHERE user_id = 2; {}; COMMIT",
            line("revoke", "user2", &two)
        ),
        format!(
            "BEGIN; {}; DELETE FROM authtoken_token WHERE user_id = 3; COMMIT",
            line("copy", "user3", &three)
        ),
        // Nor does it help to have the checks made at once, or the lines sealed before.
        format!(
            "BEGIN; SET CONSTRAINTS ALL IMMEDIATE; {}; DELETE FROM authtoken_token WHERE user_id = 4; \
                 SET tokenward.actor = ''; COMMIT",
            line("revoke", "user5", "")
        ),
        "SET tokenward.actor = 'carol@ops1'; DELETE FROM knox_authtoken".to_owned(),
        "BEGIN; DELETE FROM authtoken_token WHERE user_id = 6; ROLLBACK".to_owned(),
    ] {
        client.batch_execute(&statement).await.unwrap();
    }
    let role = place.role("site");
    let outside = |what: &str, whom: &str, key: &str| {
        format!("{role} (psql)|{role}|{what} {whom} {key} done, outside tokenward")
    };
    let said = |what: &str, whom: &str, key: &str| format!("carol|{role}|{what} {whom} {key} done");
    let lines: String = place.one(SESSIONS).await;
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(
        lines,
        [
            outside("revoke", "user1", &one),
            said("revoke", "user2", &two),
            said("copy", "user3", &three),
            outside("revoke", "user3", &three),
            said("revoke", "user5", ""),
            outside("revoke", "user4", &four),
            outside("revoke", "user1", "abcdefgh"),
        ]
    );
    let by = "SELECT string_agg(DISTINCT by, ' ' ORDER BY by) FROM tokenward.retired_key WHERE start <> ";
    let by: String = place.one(&format!("{by}'{two}'")).await;
    assert!(
        by.starts_with(&format!("{role} (psql)@")) && !by.contains("carol"),
        "{by}"
    );
    assert_eq!(check(&place.ops().await).await.problems, [""; 0]);
}
