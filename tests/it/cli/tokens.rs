//! Tokens: generated, regenerated, revoked, backfilled, listed, verified.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::support::place::{self, Place};
use crate::support::program::{Program, Ran};

const KEY: &str = "9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b";

/// Makes users as Django's tables want them, without tokens.
async fn users(place: &Place, names: &[&str]) {
    for name in names {
        place
            .sql(&format!(
                "INSERT INTO auth_user (username, password, first_name, last_name, email, is_superuser, is_staff, \
                 is_active, date_joined) VALUES ('{name}', '!', '', '', '', false, false, true, now())"
            ))
            .await;
    }
}

async fn give(place: &Place, name: &str, key: &str) {
    place
        .sql(&format!(
            "INSERT INTO authtoken_token (key, created, user_id) \
             SELECT '{key}', '2025-01-31T14:02:11Z', id FROM auth_user WHERE username = '{name}'"
        ))
        .await;
}

async fn key_of(place: &Place, name: &str) -> String {
    place
        .one(&format!(
            "SELECT coalesce(max(key), '') FROM authtoken_token t \
             JOIN auth_user u ON u.id = t.user_id WHERE u.username = '{name}'"
        ))
        .await
}

fn is_drf_key(key: &str) -> bool {
    key.len() == 40 && key.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[tokio::test]
async fn drf_create_token_speaks_djangos_words() {
    let place = place::fresh().await;
    users(&place, &["user1"]).await;
    let program = Program::on(&place);
    let first = program.run(&["drf_create_token", "user1"]).ok();
    let key = key_of(&place, "user1").await;
    assert!(is_drf_key(&key), "{key}");
    assert_eq!(first, format!("Generated token {key} for user user1\n"));
    assert_eq!(
        program.run(&["drf_create_token", "user1"]).ok(),
        first,
        "the same again"
    );

    let reset = program.run(&["drf_create_token", "-r", "user1"]).ok();
    let new = key_of(&place, "user1").await;
    assert_ne!(new, key);
    assert_eq!(reset, format!("Generated token {new} for user user1\n"));

    for name in ["nobody", "", &"x".repeat(300)] {
        assert_eq!(
            program.run(&["drf_create_token", name]).fails(1),
            format!("CommandError: Cannot create the Token: user {name} does not exist\n")
        );
    }
    let audit = [
        ("generate", "user1", &key[..8]),
        // The second time it changed nothing, but it showed a key.
        ("show", "user1", &key[..8]),
        ("regenerate", "user1", &key[..8]),
    ];
    let audit = audit.map(|(what, whom, key)| (what.to_owned(), whom.to_owned(), key.to_owned()));
    assert_eq!(program.audit(), audit);
}

#[tokio::test]
async fn generate_leaves_a_key_alone_and_prints_it_as_asked() {
    let place = place::fresh().await;
    users(&place, &["user1"]).await;
    give(&place, "user1", KEY).await;
    let id: i32 = place.one("SELECT id FROM auth_user").await;
    let program = Program::on(&place);
    assert_eq!(
        program.run(&["token", "generate", "user1", "--json"]).ok(),
        format!(
            "{{\"username\":\"user1\",\"user_id\":{id},\"kind\":\"drf\",\"key\":\"{KEY}\",\
             \"created\":\"2025-01-31T14:02:11Z\",\"new\":false}}\n"
        )
    );
    assert_eq!(
        program.run(&["token", "generate", "user1", "--raw"]).ok(),
        format!("{KEY}\n")
    );
    let answer = program
        .run(&["token", "generate", "-r", "user1", "--json"])
        .json(0);
    assert_eq!(answer[0]["new"], json!(true));
    assert_ne!(answer[0]["key"], json!(KEY));
    assert_eq!(
        program.run(&["token", "generate", "nobody"]).fails(1),
        "tokenward: no user nobody\n"
    );
    assert_eq!(
        program
            .run(&["token", "generate", "nobody", "--json"])
            .json(1),
        [json!({"error": {"code": 1, "message": "no user nobody"}})]
    );
}

#[tokio::test]
async fn a_dry_run_says_what_would_be_done_and_does_nothing() {
    let place = place::fresh().await;
    users(&place, &["user1"]).await;
    give(&place, "user1", KEY).await;
    let program = Program::on(&place);
    let name = place.name();
    for (verb, past) in [("regenerate", "regenerated"), ("revoke", "revoked")] {
        assert_eq!(
            program.run(&["token", verb, "user1", "--dry-run"]).ok(),
            format!(
                "would {verb}  user1  9944b091…\n1 token on {name} would be {past}. Nothing was changed.\n"
            )
        );
    }
    assert_eq!(key_of(&place, "user1").await, KEY);
    assert_eq!(program.audit(), []);
}

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
async fn a_protected_or_read_only_profile_refuses_in_words() {
    let place = place::fresh().await;
    users(&place, &["ann"]).await;
    give(&place, "ann", KEY).await;
    let program = Program::new();
    let url = place.url();
    let url = url.expose();
    program.write_config(&format!(
        "[profile.prod]\nurl = \"{url}\"\nprotected = true\n[profile.look]\nurl = \"{url}\"\nread_only = true\n"
    ));
    let err = program
        .run(&["-p", "prod", "token", "revoke", "ann"])
        .fails(5);
    assert!(err.contains("prod is protected: give --yes"), "{err}");
    let err = program
        .run(&["-p", "look", "token", "revoke", "ann"])
        .fails(5);
    assert!(err.contains("READ ONLY"), "{err}");
    let err = program
        .run(&["-p", "look", "token", "backfill", "--yes"])
        .fails(5);
    assert!(err.contains("READ ONLY"), "{err}");
    // What changes nothing needs nobody's yes.
    program
        .run(&["-p", "prod", "token", "generate", "ann"])
        .ok();
    program.run(&["-p", "look", "token", "list"]).ok();
    let out = program
        .run(&["-p", "look", "--write", "token", "revoke", "ann"])
        .ok();
    assert_eq!(out, "revoked  ann  9944b091…\n");
}

#[tokio::test]
async fn a_role_without_a_right_is_told_which() {
    let place = place::fresh().await;
    users(&place, &["ann"]).await;
    give(&place, "ann", KEY).await;
    let url = place
        .url_of_role(
            "app_ro",
            "GRANT SELECT ON auth_user, authtoken_token TO {role}",
        )
        .await;
    let program = Program::new().with("DATABASE_URL", url.expose());
    let err = program.run(&["token", "regenerate", "ann"]).fails(3);
    let role = place.role("app_ro");
    assert_eq!(
        err,
        format!("tokenward: Role {role} may not update authtoken_token.\n")
    );
    program.run(&["token", "list"]).ok();
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
         ann   drf   9944b091…  2025-01-31T14:02:11Z  never      STALE\n"
    );
    assert_eq!(
        program.run(&["token", "list", "--csv"]).ok(),
        "USER,KIND,KEY,CREATED,LAST USED,STATE\r\n\
         \"'=1+1\",drf,beefbe…,2025-01-31T14:02:11Z,never,STALE\r\n\
         ann,drf,9944b091…,2025-01-31T14:02:11Z,never,STALE\r\n"
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

#[tokio::test]
async fn verify_tells_whose_keys_are_on_stdin() {
    let place = place::fresh().await;
    users(&place, &["ann", "off"]).await;
    give(&place, "ann", KEY).await;
    give(&place, "off", "0ff0ff0ff0").await;
    place
        .sql("UPDATE auth_user SET is_active = false WHERE username = 'off'")
        .await;
    let program = Program::on(&place);
    let input = format!("Authorization: Token {KEY}\n\n0ff0ff0ff0\r\nbeefbeefbeef\n");
    let out = program.run_with(&["verify"], &input).ok();
    assert_eq!(
        out,
        "KEY        VERDICT  USER  REACH\n\
         9944b091…  LIVE     ann   no groups\n\
         0ff0f…     INERT    off   no groups\n\
         beefbe…    UNKNOWN  -\n"
    );
    let answer = program.run_with(&["verify", "--json"], KEY).json(0);
    assert_eq!(answer[0]["verdict"], json!("LIVE"));
    assert_eq!(answer[0]["username"], json!("ann"));
    assert!(!answer[0].to_string().contains(KEY));

    let none = program.run_with(&["verify", "--json"], "unknown-key\n");
    assert_eq!(none.json(1)[0]["verdict"], json!("UNKNOWN"));

    // A key that was replaced is known still, and told of in the words of a scan.
    place
        .sql(
            "DELETE FROM authtoken_token WHERE key LIKE '9944b091%'; \
             UPDATE tokenward.retired_key SET retired = now() - interval '40 d', by = 'carol@ops1', leak = 7",
        )
        .await;
    let out = program.run_with(&["verify"], KEY).ok();
    assert_eq!(
        out,
        "KEY        VERDICT  USER  REACH\n\
         9944b091…  RETIRED  ann   drf key, 40 d ago by carol (leak 7)\n"
    );
    let told = program.run_with(&["verify", "--json"], KEY).json(0);
    let scan = program.run_with(&["leak", "scan", "--json"], KEY).json(0);
    let mut scanned = scan[0].as_object().unwrap().clone();
    scanned.retain(|name, _| !["file", "line"].contains(&name.as_str()));
    assert_eq!(told[0].as_object(), Some(&scanned));
    assert_eq!(
        (&told[0]["by"], &told[0]["leak"]),
        (&json!("carol@ops1"), &json!(7))
    );
    let err = program.run_with(&["verify"], "\n \n").fails(2);
    assert!(err.contains("no key on stdin"), "{err}");
    let err = program.run_with(&["verify"], &"x".repeat(9_000)).fails(2);
    assert!(err.contains("line 1 of stdin is longer"), "{err}");
    let ran = program.run_with(&["verify"], "Token two keys\n");
    assert_eq!(ran.code, Some(1));
    assert!(
        !ran.err.contains("keys\n") && ran.err.contains("line 1 is not one key"),
        "{}",
        ran.err
    );
}

#[tokio::test]
async fn new_keys_that_nobody_could_read_are_told_of() {
    let place = place::fresh().await;
    users(&place, &["ann", "bea"]).await;
    give(&place, "ann", KEY).await;
    give(&place, "bea", &KEY.replace('9', "8")).await;
    let program = Program::on(&place);
    let words = [
        "token",
        "regenerate",
        "ann",
        "bea",
        "--yes",
        "--report",
        "r",
    ];
    let mut child = program.command(&words).spawn().unwrap();
    drop(child.stdout.take());
    let ran = Ran::from(child.wait_with_output().unwrap());
    let err = ran.fails(4);
    assert!(
        err.contains("2 tokens on ") && err.contains("token show --reveal"),
        "{err}"
    );
    assert_ne!(key_of(&place, "bea").await, KEY.replace('9', "8"));
    let report = std::fs::read_to_string(program.path("r")).unwrap();
    assert_eq!(report.matches("\"done\"").count(), 2, "{report}");
}

/// Only Linux can reserve room for a line, and mount a small disk for one process.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_under_the_audit_is_met_before_anything_is_changed() {
    let place = place::fresh().await;
    // Else the audit is in the database.
    place.sql("DROP SCHEMA tokenward CASCADE").await;
    users(&place, &["ann", "bea"]).await;
    give(&place, "ann", KEY).await;
    let program = Program::on(&place);
    std::fs::create_dir(program.path("state")).unwrap();
    let on_a_full_disk = |words: &[&str]| -> Ran {
        let tokenward = program.command(words);
        // A mount of its own is for root, or for a user whom the system lets be root of a namespace.
        let mut command = std::process::Command::new("unshare");
        if !nix::unistd::geteuid().is_root() {
            command.arg("--map-root-user");
        }
        command
            .args(["--mount", "sh", "-c"])
            .arg(
                "mount -t tmpfs -o size=16k none state && mkdir -m 700 state/tokenward && \
                 : > state/tokenward/audit.jsonl && cat /dev/zero > state/fill 2> /dev/null; \
                 exec \"$0\" \"$@\"",
            )
            .arg(tokenward.get_program())
            .args(tokenward.get_args())
            .current_dir(program.path(""))
            .env_clear()
            .envs(
                tokenward
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .stdin(std::process::Stdio::null());
        command.output().unwrap().into()
    };
    for words in [
        &["token", "regenerate", "ann"][..],
        &["token", "revoke", "ann"],
        &["token", "generate", "bea"],
        &["token", "backfill", "--yes"],
        &["user", "off", "ann"],
    ] {
        let err = on_a_full_disk(words).fails(1);
        assert!(
            err.contains("No space left") && err.contains("nothing was changed"),
            "{words:?}: {err}"
        );
    }
    assert_eq!(key_of(&place, "ann").await, KEY);
    assert_eq!(key_of(&place, "bea").await, "");
    let active = "SELECT is_active::text FROM auth_user WHERE username = 'ann'";
    assert_eq!(place.one::<String>(active).await, "true");
}
