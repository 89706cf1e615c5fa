//! Each harm that can be done to the chain, found and named; and whole chains, in which nothing is found.

use super::*;

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
