//! Lists of tokens: covered, filtered, in pages, and for other programs.

use super::*;

#[tokio::test]
async fn lists_cover_keys_and_are_safe_exact_or_quoted() {
    let place = place::fresh().await;
    users(&place, &["ann", "=1+1", "a,b"]).await;
    place
        .sql("UPDATE auth_user SET username = E'a,b\\u001b[31m\\u202e' WHERE username = 'a,b'")
        .await;
    give(&place, "ann", KEY).await;
    give(&place, "=1+1", "beefbeefbeef").await;
    let program = Program::on(&place);
    assert_eq!(
        program.run(&["token", "list", "--filter", "ann"]).ok(),
        "USER  KIND  KEY        CREATED               LAST USED  STATE\n\
         ann   drf   9944b091…  2025-01-31T14:02:11Z  -          STALE\n"
    );
    assert_eq!(
        program.run(&["token", "list", "--csv"]).ok(),
        "USER,KIND,KEY,CREATED,LAST USED,STATE\r\n\
         \"'=1+1\",drf,beefbe…,2025-01-31T14:02:11Z,-,STALE\r\n\
         ann,drf,9944b091…,2025-01-31T14:02:11Z,-,STALE\r\n"
    );
    assert_eq!(program.audit(), [], "covered keys leave no trace");
    let out = program
        .run(&["token", "list", "--filter", "ann", "--reveal", "--json"])
        .json(0);
    assert_eq!(out[0]["key"], json!(KEY));
    let shown = ("show".to_owned(), "ann".to_owned(), "9944b091".to_owned());
    assert_eq!(program.audit(), [shown]);
    let listed = program.run(&["user", "list"]).ok();
    assert!(listed.contains("a,b\u{fffd}[31m\u{fffd}"), "{listed}");
    let ran = program.run(&["user", "list", "--filter", "is:none", "--json"]);
    assert!(
        ran.out
            .bytes()
            .all(|b| b == b'\n' || (0x20..0x7f).contains(&b)),
        "{}",
        ran.out
    );
    assert_eq!(
        ran.json(0)[0]["username"],
        json!("a,b\u{1b}[31m\u{202e}"),
        "exact all the same"
    );
    let none = program.run(&["token", "list", "--filter", "zzz"]);
    assert_eq!((none.code, none.out.as_str()), (Some(0), ""));
    assert_eq!(none.err, "tokenward: nothing found\n");
}

#[tokio::test]
async fn the_last_use_is_listed_shown_and_filtered_by() {
    let place = place::fresh().await;
    users(&place, &["ann", "bea", "cleo"]).await;
    give(&place, "ann", KEY).await;
    give(&place, "bea", "beefbeefbeef").await;
    place
        .sql(
            "INSERT INTO tokenward.last_use \
             SELECT 'drf', user_id::text, created, now() - interval '2 minutes', '{10.2.0.7,2001:db8::1}' \
               FROM authtoken_token WHERE key LIKE '9944%'; \
             UPDATE tokenward.installation SET uses_since = now() - interval '100 days', uses_last = now()",
        )
        .await;
    let program = Program::on(&place);
    let out = program.run(&["token", "show", "ann", "--json"]).json(0);
    let at: String = place
        .one("SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') FROM tokenward.last_use")
        .await;
    assert_eq!(out[0]["last_used"], json!(at));
    assert_eq!(out[0]["last_used_from"], json!(["10.2.0.7", "2001:db8::1"]));
    let shown = program.run(&["token", "show", "ann"]).ok();
    assert!(
        shown.contains("2 min ago from 10.2.0.7 and 1 more, through the listener"),
        "{shown}"
    );
    let never = program.run(&["token", "show", "bea", "--json"]).json(0);
    assert!(never[0].as_object().unwrap()["last_used"].is_null());
    let list = |filter: &str| {
        let rows = program.run(&["token", "list", "--filter", filter, "--json"]);
        let rows = rows.json(0);
        let names = rows.iter();
        names
            .map(|row| row["username"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(list("unused:>90d"), ["bea"]);
    assert_eq!(list("unused:<1h"), ["ann"]);
    let revoked = program.run(&["token", "revoke", "--filter", "unused:>90d", "--yes"]);
    revoked.ok();
    assert_eq!(list(""), ["ann"]);

    place.sql("DROP SCHEMA tokenward CASCADE").await;
    let unknown = program.run(&["token", "show", "ann", "--json"]).json(0);
    assert!(!unknown[0].as_object().unwrap().contains_key("last_used"));
    let said = program
        .run(&["token", "list", "--filter", "unused:>90d"])
        .fails(3);
    assert!(said.contains("unused:>90d cannot be told"), "{said}");
    let said = program
        .run(&["token", "list", "--filter", "unused:90d"])
        .fails(2);
    assert!(said.contains("unused:<1h"), "{said}");
}

#[tokio::test]
async fn a_long_list_comes_in_pages_and_a_closed_pipe_ends_quietly() {
    let place = place::fresh().await;
    place
        .sql(
            "INSERT INTO auth_user (username, password, first_name, last_name, email, is_superuser, is_staff, \
             is_active, date_joined) SELECT 'u' || lpad(n::text, 5, '0'), '!', '', '', '', false, false, true, now() \
             FROM generate_series(1, 4500) n; \
             INSERT INTO authtoken_token (key, created, user_id) SELECT 'k' || id, now(), id FROM auth_user",
        )
        .await;
    let program = Program::on(&place);
    let out = program.run(&["token", "list", "--csv"]).ok();
    let names: Vec<&str> = out.lines().skip(1).map(|line| &line[..6]).collect();
    let expected: Vec<String> = (1..=4500).map(|n| format!("u{n:05}")).collect();
    assert_eq!(names, expected, "each once, in order");
    let out = program
        .run(&["token", "list", "--limit", "1234", "--csv"])
        .ok();
    assert_eq!(out.lines().count(), 1235);

    let mut child = program.command(&["token", "list"]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().starts_with("USER"));
    drop(lines);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}
