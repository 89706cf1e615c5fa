//! Many rows in one call: named, filtered, stale, or all that lack a token.

use super::*;

#[tokio::test]
async fn several_rows_need_a_yes_and_what_fails_fails_alone() {
    let place = place::fresh().await;
    users(&place, &["ann", "bea", "cleo"]).await;
    for (name, key) in [("ann", KEY), ("bea", "beef")] {
        give(&place, name, key).await;
    }
    let program = Program::on(&place);
    let words = ["token", "regenerate", "ann", "bea", "cleo", "nobody", "ann"];
    let err = program.run(&words).fails(5);
    assert!(
        err.contains("--yes") && err.contains("Nothing was changed"),
        "{err}"
    );
    assert_eq!(key_of(&place, "ann").await, KEY);

    let yes = [&words[..], &["--yes", "--report", "report.jsonl"]].concat();
    let ran = program.run(&yes);
    let (ann, bea) = (key_of(&place, "ann").await, key_of(&place, "bea").await);
    assert_eq!(ran.code, Some(4));
    assert_eq!(
        ran.out,
        format!("Regenerated token {ann} for user ann\nRegenerated token {bea} for user bea\n")
    );
    let name = place.name();
    assert_eq!(
        ran.err,
        format!(
            "tokenward: no user nobody\n\
             tokenward: cleo has no token; generate makes one\n\
             tokenward: 2 tokens on {name} regenerated, 2 failed; the report is report.jsonl\n"
        )
    );
    let path = program.path("report.jsonl");
    let report = std::fs::read_to_string(&path).unwrap();
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!report.contains(&ann) && !report.contains(KEY), "no key");
    let results: Vec<(String, String)> = report
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|line| {
            let word = |name: &str| line[name].as_str().unwrap().to_owned();
            (word("username"), word("result"))
        })
        .collect();
    let expected = [
        ("nobody", "no user nobody"),
        ("ann", "done"),
        ("bea", "done"),
        ("cleo", "cleo has no token; generate makes one"),
    ];
    assert_eq!(
        results,
        expected.map(|(name, result)| (name.to_owned(), result.to_owned()))
    );
    let err = program.run(&yes).fails(2);
    assert!(err.contains("cannot make the report"), "{err}");
    assert_eq!(
        key_of(&place, "ann").await,
        ann,
        "and nothing is changed then"
    );
}

#[tokio::test]
async fn a_filter_says_whom_to_revoke() {
    let place = place::fresh().await;
    users(&place, &["ann", "anna", "bea", "anno"]).await;
    for (name, key) in [("ann", "a1"), ("anna", "a2"), ("bea", "b1")] {
        give(&place, name, key).await;
    }
    let program = Program::on(&place);
    let ran = program.run(&["token", "revoke", "--filter", "ann", "--yes", "--json"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let results: Vec<&str> = ran.out.matches("\"result\":\"revoked\"").collect();
    assert_eq!(results.len(), 2, "{}", ran.out);
    let left: String = place
        .one("SELECT string_agg(key, ' ') FROM authtoken_token")
        .await;
    assert_eq!(left, "b1");
    let ran = program.run(&["token", "revoke", "--filter", "-is:none ann", "--yes"]);
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (Some(0), ""),
        "nothing to do is no failure"
    );
}

#[tokio::test]
async fn what_is_stale_can_be_listed_tried_and_revoked() {
    let place = place::fresh().await;
    users(&place, &["ann", "bea", "cia", "dan"]).await;
    for (name, key) in [("ann", "a1"), ("bea", "b1"), ("cia", "c1")] {
        give(&place, name, key).await;
    }
    place
        .sql(
            "UPDATE auth_user SET is_active = false WHERE username IN ('ann', 'dan'); \
             UPDATE authtoken_token SET created = now() - interval '1 day'; \
             UPDATE authtoken_token SET created = now() - interval '2 years' WHERE key = 'b1'",
        )
        .await;
    let program = Program::on(&place);
    let listed = program.run(&["token", "list", "--filter", "is:stale", "--json"]);
    let names: Vec<_> = listed
        .json(0)
        .into_iter()
        .map(|row| row["username"].clone())
        .collect();
    assert_eq!(names, ["ann", "bea"]);
    let words = [
        "token",
        "revoke",
        "--filter",
        "is:stale -is:off",
        "--dry-run",
    ];
    let tried = program.run(&words).ok();
    assert!(
        tried.starts_with("would revoke  bea  b…\n1 token on "),
        "{tried}"
    );
    assert!(
        tried.ends_with("would be revoked. Nothing was changed.\n"),
        "{tried}"
    );
    let ran = program.run(&["token", "revoke", "--filter", "is:stale", "--yes"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let left: String = place
        .one("SELECT string_agg(key, ' ') FROM authtoken_token")
        .await;
    assert_eq!(left, "c1");
}

#[tokio::test]
async fn backfill_gives_a_token_to_everybody_who_lacks_one() {
    let place = place::fresh().await;
    users(&place, &["ann", "bea", "cleo", "off"]).await;
    give(&place, "ann", KEY).await;
    place
        .sql("UPDATE auth_user SET is_active = false WHERE username = 'off'")
        .await;
    let program = Program::on(&place);
    let name = place.name();
    let err = program.run(&["token", "backfill"]).fails(5);
    assert!(err.contains("Make 2 tokens"), "{err}");
    assert_eq!(
        program.run(&["token", "backfill", "--dry-run"]).ok(),
        format!("2 tokens on {name} would be made. Nothing was changed.\n")
    );
    let made = program.run(&["token", "backfill", "--yes"]).ok();
    assert!(
        made.starts_with(&format!("2 tokens on {name} made in ")),
        "{made}"
    );
    let answer = program
        .run(&["token", "backfill", "--all", "--yes", "--json"])
        .json(0);
    assert_eq!(
        (&answer[0]["made"], &answer[0]["stopped"]),
        (&json!(1), &json!(false))
    );
    assert_eq!(key_of(&place, "ann").await, KEY, "who had one keeps it");
    let without: i64 = place
        .one("SELECT count(*) FROM auth_user u WHERE NOT EXISTS (SELECT FROM authtoken_token t WHERE t.user_id = u.id)")
        .await;
    assert_eq!(without, 0);
}
