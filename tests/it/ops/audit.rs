//! The audit in our schema: who may write it, what holds its lines together, and how each harm done to it is found.

mod accounts;

use tokenward::domain::audit::chain::{Checked, Hash};
use tokenward::ops::{AuditQuery, Mode, Ops, Purpose};

use super::{aim, audit_lines, tokens_where, with_users};
use crate::support::place::Place;

/// A database where so many lines were written, about `user1` to `userN`.
async fn with_lines(count: u32) -> (Place, Ops) {
    let place = with_users(count).await;
    let ops = place.ops().await;
    for number in 1..=count {
        let aim = aim(&ops, &format!("user{number}")).await;
        ops.generate(&aim, Mode::Apply).await.unwrap();
    }
    (place, ops)
}

async fn check(ops: &Ops) -> Checked {
    let check = ops.check_audit(None).await.unwrap();
    assert!(check.place.starts_with("tokenward.audit on "));
    check.checked
}

/// What a superuser does who goes round the triggers.
async fn past_the_triggers(place: &Place, harm: &str) {
    place
        .sql(&format!(
            "BEGIN; ALTER TABLE tokenward.audit DISABLE TRIGGER ALL; {harm}; \
             ALTER TABLE tokenward.audit ENABLE TRIGGER ALL; COMMIT"
        ))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_chain_is_fine_and_the_programs_hashes_are_the_databases() {
    let (place, ops) = with_lines(3).await;
    // What is hard to word alike: other scripts, quotes, colons, nothing, and a time without a fraction.
    place
        .sql(
            "INSERT INTO tokenward.audit (at, os_user, host, operator, database, what, whom, key, for_leak, result) VALUES \
             ('2026-01-01 00:00:00+00', 'ann', 'ops1', 'Ann Lee: 2:x', 'dev', 'revoke', '山田 \"太郎\"', NULL, 7, ''), \
             ('1999-12-31 23:59:59.000001+00', '', '', NULL, '', 'show', E'a\\nb', '12345678', NULL, '-')",
        )
        .await;
    let good = check(&ops).await;
    assert_eq!((good.lines, good.problems.len()), (5, 0), "{good:?}");
    let head: String = place
        .one("SELECT encode(hash, 'hex') FROM tokenward.audit_head")
        .await;
    assert_eq!(good.head.to_string(), head);
    let whom: Vec<String> = place.audit().into_iter().map(|entry| entry.whom).collect();
    assert_eq!(whom[3..], ["山田 \"太郎\"", "a\nb"]);
}

/// A line put in after the last, with a hash of its own that is right.
const FORGED: &str = "INSERT INTO tokenward.audit (id, at, os_user, host, database, what, whom, result, prev, hash)
                  SELECT 7, now(), 'eve', 'here', database, 'show', 'user1', 'done', h.hash, a.hash
                    FROM tokenward.audit a CROSS JOIN tokenward.audit_head h WHERE a.id = 6;
                  UPDATE tokenward.audit a SET hash = tokenward.audit_hash(a, 7, prev) WHERE id = 7";

/// What can be done to six lines, and the words that name where.
const HARMS: [(&str, &str); 24] = [
    (
        "UPDATE tokenward.audit SET what = 'revoke' WHERE id = 3",
        "line 3 (",
    ),
    (
        "UPDATE tokenward.audit SET whom = 'user9' WHERE id = 4",
        "line 4 (",
    ),
    (
        "UPDATE tokenward.audit SET at = at - interval '1 us' WHERE id = 2",
        "line 2 (",
    ),
    (
        "UPDATE tokenward.audit SET os_user = 'eve' WHERE id = 1",
        "line 1 (",
    ),
    (
        "UPDATE tokenward.audit SET operator = 'eve' WHERE id = 6",
        "line 6 (",
    ),
    (
        "UPDATE tokenward.audit SET result = 'failed' WHERE id = 5",
        "line 5 (",
    ),
    (
        "UPDATE tokenward.audit SET key = NULL WHERE id = 5",
        "line 5 (",
    ),
    (
        "UPDATE tokenward.audit SET for_leak = 1 WHERE id = 5",
        "line 5 (",
    ),
    (
        "UPDATE tokenward.audit SET session = 'eve' WHERE id = 3",
        "line 3 (",
    ),
    (
        "UPDATE tokenward.audit SET session = NULL WHERE id = 2",
        "line 2 (",
    ),
    (
        "UPDATE tokenward.audit SET session = NULL, result = result || length(session) || ':' || session WHERE id = 4",
        "line 4 (",
    ),
    (
        "DELETE FROM tokenward.audit WHERE id = 3",
        "line 3 is missing",
    ),
    (
        "DELETE FROM tokenward.audit WHERE id IN (3, 4)",
        "lines 3 to 4 are missing",
    ),
    (
        "DELETE FROM tokenward.audit WHERE id = 6",
        "line 6, the last, is missing",
    ),
    (
        "DELETE FROM tokenward.audit WHERE id = 1",
        "line 1 is missing",
    ),
    (
        "UPDATE tokenward.audit SET id = 99 WHERE id = 2; UPDATE tokenward.audit SET id = 2 WHERE id = 3; \
             UPDATE tokenward.audit SET id = 3 WHERE id = 99",
        "line 2 (",
    ),
    (FORGED, "the chain should end with line 6"),
    (
        "INSERT INTO tokenward.audit (os_user, host, database, what, whom, result) \
             VALUES ('eve', 'here', '', 'show', 'user1', 'done')",
        "has no place in the chain",
    ),
    (
        "UPDATE tokenward.audit SET hash = (SELECT hash FROM tokenward.audit WHERE id = 4) WHERE id = 3",
        "line 3 (",
    ),
    // With a hash of its own it is whole again, and the next line tells.
    (
        "UPDATE tokenward.audit SET whom = 'user9' WHERE id = 4; \
             UPDATE tokenward.audit a SET hash = tokenward.audit_hash(a, id, prev) WHERE id = 4",
        "line 5 (",
    ),
    (
        "UPDATE tokenward.audit_head SET hash = sha256('')",
        "line 6 is not the one",
    ),
    (
        "UPDATE tokenward.audit_head SET last = 5",
        "the chain should end with line 5",
    ),
    (
        "DELETE FROM tokenward.audit_head",
        "the end of the chain is missing",
    ),
    (
        "DELETE FROM tokenward.audit",
        "lines 1 to 6, the last, are missing",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_of_many_kinds_of_tampering_is_found_and_named() {
    let (place, ops) = with_lines(6).await;
    let good = check(&ops).await;
    assert_eq!((good.lines, good.problems.len()), (6, 0), "{good:?}");
    place
        .sql("CREATE TABLE kept AS SELECT * FROM tokenward.audit; CREATE TABLE kept_head AS SELECT * FROM tokenward.audit_head")
        .await;
    for (harm, named) in HARMS {
        past_the_triggers(&place, harm).await;
        let found = check(&ops).await.problems;
        assert!(
            found.iter().any(|problem| problem.contains(named)),
            "{harm}: {found:?}"
        );
        past_the_triggers(
            &place,
            "DELETE FROM tokenward.audit; INSERT INTO tokenward.audit SELECT * FROM kept; \
             DELETE FROM tokenward.audit_head; INSERT INTO tokenward.audit_head SELECT * FROM kept_head",
        )
        .await;
        assert_eq!(check(&ops).await, good, "after {harm}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_written_anew_is_found_by_a_hash_that_was_kept() {
    let (place, ops) = with_lines(4).await;
    let kept = check(&ops).await.head;
    let seek = async |hash| ops.check_audit(Some(hash)).await.unwrap().checked.problems;
    assert_eq!(seek(kept).await, [""; 0]);
    assert_eq!(seek(Hash::START).await, [""; 0]);
    past_the_triggers(
        &place,
        "UPDATE tokenward.audit SET whom = 'eve' WHERE id = 2; \
         DO $$ DECLARE sum bytea := decode(repeat('00', 32), 'hex'); n bigint; BEGIN \
           FOR n IN 1..4 LOOP \
             UPDATE tokenward.audit a SET prev = sum, hash = tokenward.audit_hash(a, n, sum) WHERE id = n \
             RETURNING hash INTO sum; \
           END LOOP; \
           UPDATE tokenward.audit_head SET hash = sum; END $$",
    )
    .await;
    assert_eq!(
        check(&ops).await.problems,
        [""; 0],
        "nothing shows by itself"
    );
    let found = seek(kept).await;
    assert_eq!(found.len(), 1);
    assert!(found[0].contains("is in no line"), "{found:?}");
}

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
    let made = super::migrations::apply(&place).await.unwrap();
    assert_eq!(made, ["retired keys", "last use"]);
    let ops = place.ops_as(&url).await;
    ops.generate(&user, Mode::Apply).await.unwrap();
    assert_eq!(super::migrations::apply(&place).await.unwrap(), [""; 0]);
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

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_make_one_chain() {
    const EACH: u32 = 50;
    const AT_ONCE: u32 = 8;
    let place = with_users(AT_ONCE * EACH).await;
    place.sql(&tokens_where("true")).await;
    let url = place.url();
    let mut all = Vec::new();
    for one in 0..AT_ONCE {
        let ops = place.ops_as(&url).await;
        all.push(tokio::spawn(async move {
            for number in 1..=EACH {
                let user = aim(&ops, &format!("user{}", one * EACH + number)).await;
                if number % 2 == 0 {
                    ops.revoke(&user, Mode::Apply).await.unwrap();
                } else {
                    ops.regenerate(&user, Mode::Apply).await.unwrap();
                }
            }
        }));
    }
    for one in all {
        one.await.unwrap();
    }
    let checked = check(&place.ops().await).await;
    assert_eq!((checked.lines, checked.problems), (400, Vec::new()));
    let told = "SELECT count(DISTINCT whom) FROM tokenward.audit WHERE result = 'done'";
    assert_eq!(place.one::<i64>(told).await, 400);
}

/// Neither the change without its line, nor the line without its change.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_killed_before_the_commit_leaves_neither() {
    let place = with_users(1).await;
    place.sql(&tokens_where("true")).await;
    let ops = place.ops().await;
    let user = aim(&ops, "user1").await;
    let before: String = place.one("SELECT key::text FROM authtoken_token").await;
    // The end of the chain is held, so that the change waits in its commit.
    let holder = place.client().await;
    holder
        .batch_execute("BEGIN; SELECT * FROM tokenward.audit_head FOR UPDATE")
        .await
        .unwrap();
    let change = tokio::spawn(async move { ops.regenerate(&user, Mode::Apply).await });
    super::wait_until(&place, super::SOMEBODY_WAITS).await;
    super::cut_who_waits(&place).await;
    holder.batch_execute("ROLLBACK").await.unwrap();
    let error = change.await.unwrap().unwrap_err().to_string();
    assert!(
        error.contains("whether it was made is not known"),
        "{error}"
    );
    assert_eq!(
        place
            .one::<String>("SELECT key::text FROM authtoken_token")
            .await,
        before
    );
    let lines = audit_lines(&place);
    assert_eq!(
        lines.len(),
        1,
        "that it failed, and nothing else: {lines:?}"
    );
    assert!(lines[0].contains("is not known"), "{lines:?}");
    let remembered = "SELECT count(*) FROM tokenward.retired_key";
    assert_eq!(place.one::<i64>(remembered).await, 0);
    assert_eq!(check(&place.ops().await).await.problems, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_change_holds_up_nobody_and_comes_after_what_was_committed_before_it() {
    let (place, ops) = with_lines(1).await;
    let slow = place.client().await;
    slow.batch_execute(
        "BEGIN; INSERT INTO tokenward.audit (os_user, host, database, what, whom, result) \
         VALUES ('ann', 'ops1', 'dev', 'show', 'first', 'done'), ('ann', 'ops1', 'dev', 'show', 'second', 'done')",
    )
    .await
    .unwrap();
    let user = aim(&ops, "user1").await;
    ops.revoke(&user, Mode::Apply).await.unwrap();
    slow.batch_execute("COMMIT").await.unwrap();
    assert_eq!(
        audit_lines(&place),
        [
            "generate user1: done",
            "revoke user1: done",
            "show first: done",
            "show second: done"
        ]
    );
    assert_eq!(check(&ops).await.problems, [""; 0]);
}

/// Above READ COMMITTED a transaction cannot see the end of a chain that others have made longer.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_in_a_stricter_transaction_does_not_fail_by_the_lines_of_others() {
    for level in ["REPEATABLE READ", "SERIALIZABLE"] {
        let (place, ops) = with_lines(1).await;
        let strict = place.client().await;
        let delete = "DELETE FROM authtoken_token WHERE user_id = 1";
        let begin = format!("BEGIN ISOLATION LEVEL {level}; SELECT 1; {delete}");
        strict.batch_execute(&begin).await.unwrap();
        let line = "INSERT INTO tokenward.audit (os_user, host, database, what, whom, result) \
                    VALUES ('ann', 'ops1', 'dev', 'show', 'other', 'done')";
        place.sql(line).await;
        strict.batch_execute("COMMIT").await.unwrap();
        assert_eq!(
            check(&ops).await.problems,
            [""; 0],
            "it waits for its place"
        );
        place.sql(line).await;
        assert_eq!(
            audit_lines(&place),
            [
                "generate user1: done",
                "show other: done",
                "revoke user1: done, outside tokenward",
                "show other: done"
            ]
        );
        assert_eq!(check(&ops).await.problems, [""; 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_lines_than_are_held_in_memory_are_checked() {
    let (place, ops) = with_lines(1).await;
    place
        .sql(
            "INSERT INTO tokenward.audit (os_user, host, database, what, whom, result) \
             SELECT 'ann', 'ops1', 'dev', 'show', 'user' || i, 'done' FROM generate_series(2, 2500) i",
        )
        .await;
    let checked = check(&ops).await;
    assert_eq!((checked.lines, checked.problems), (2_500, Vec::new()));
    past_the_triggers(&place, "DELETE FROM tokenward.audit WHERE id = 1001").await;
    assert_eq!(check(&ops).await.problems[0], "line 1001 is missing");
}

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

#[tokio::test(flavor = "multi_thread")]
async fn very_many_keys_retired_so_are_a_hundred_lines_and_one() {
    let place = with_users(150).await;
    place.sql(&tokens_where("true")).await;
    place
        .sql("SET tokenward.actor = 'carol@ops1'; DELETE FROM authtoken_token")
        .await;
    let mut lines = audit_lines(&place);
    assert_eq!(lines.len(), 101);
    assert_eq!(
        lines.pop().unwrap(),
        "revoke : done, outside tokenward: more keys"
    );
    assert!(
        lines
            .iter()
            .all(|line| line.ends_with(": done, outside tokenward"))
    );
    let by = "SELECT count(*) FROM tokenward.retired_key WHERE by NOT LIKE 'carol%'";
    assert_eq!(place.one::<i64>(by).await, 150);
    assert_eq!(check(&place.ops().await).await.problems, [""; 0]);
}

/// What the program itself does has its one line, and what others delete queues nothing for the commit.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_said_twice() {
    let place = with_users(4).await;
    place.sql(&tokens_where("true")).await;
    let ops = place.ops().await;
    for name in ["user1", "user2"] {
        ops.regenerate(&aim(&ops, name).await, Mode::Apply)
            .await
            .unwrap();
    }
    ops.revoke(&aim(&ops, "user1").await, Mode::Apply)
        .await
        .unwrap();
    let client = place.client().await;
    client
        .batch_execute("BEGIN; DELETE FROM authtoken_token WHERE user_id = 2; SET LOCAL tokenward.actor = 'carol@ops1'; COMMIT")
        .await
        .unwrap();
    // Where the trigger could not tell the owner's name, the key tells whom the line is about.
    place
        .sql(
            "ALTER TABLE auth_user RENAME COLUMN username TO login; \
             CREATE TEMP TABLE seen AS SELECT left(key, 8) AS start FROM authtoken_token WHERE user_id = 3; \
             BEGIN; SET LOCAL tokenward.actor = 'carol@ops1'; SET LOCAL tokenward.verb = 'revoke'; \
             DELETE FROM authtoken_token WHERE user_id = 3; \
             INSERT INTO tokenward.audit (os_user, host, database, what, whom, key, result) \
             SELECT 'carol', 'ops1', 'dev', 'revoke', 'user3', start, 'done' FROM seen; COMMIT",
        )
        .await;
    assert_eq!(
        audit_lines(&place),
        [
            "regenerate user1: done",
            "regenerate user2: done",
            "revoke user1: done",
            "revoke user2: done, outside tokenward",
            "revoke user3: done"
        ]
    );
}
