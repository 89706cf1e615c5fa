//! Users, the audit and migrations.

use serde_json::json;

use crate::support::place;
use crate::support::program::Program;

#[tokio::test]
async fn a_user_is_made_shown_switched_and_given_a_password() {
    let place = place::fresh().await;
    let program = Program::on(&place);
    let words = [
        "user",
        "create",
        "ann",
        "--email",
        "ann@example.com",
        "--staff",
    ];
    let made = program.run_with(&words, "first password\nignored\n").ok();
    let id: i32 = place.one("SELECT id FROM auth_user").await;
    assert_eq!(made, format!("made  ann  id {id}\n"));
    let encoded = || async { place.one::<String>("SELECT password FROM auth_user").await };
    let first = encoded().await;
    assert!(first.starts_with("bcrypt_sha256$$2b$12$"), "{first}");

    assert_eq!(
        program.run_with(&["user", "create", "ann"], "x\n").fails(1),
        "tokenward: there is a user ann already\n"
    );
    assert_eq!(
        program
            .run_with(&["user", "password", "ann"], "another\n")
            .ok(),
        "password set  ann\n"
    );
    assert_ne!(encoded().await, first);
    let err = program.run(&["user", "password", "ann"]).fails(2);
    assert!(err.contains("password"), "an empty one is refused: {err}");

    program
        .run(&["user", "create", "bot", "--no-password"])
        .ok();
    let unusable: String = place
        .one("SELECT password FROM auth_user WHERE username = 'bot'")
        .await;
    assert!(unusable.starts_with('!'));

    assert_eq!(
        program.run(&["user", "off", "ann", "--dry-run"]).ok(),
        format!(
            "would switch off  ann\n1 user on {} would be switched off. Nothing was changed.\n",
            place.name()
        )
    );
    assert_eq!(
        program.run(&["user", "off", "ann"]).ok(),
        "switched off  ann\n"
    );
    let shown = program.run(&["user", "show", "ann", "--json"]).json(0);
    assert_eq!(shown[0]["is_active"], json!(false));
    assert_eq!(shown[0]["email"], json!("ann@example.com"));
    assert_eq!(shown[0]["token"], json!(null));
    let err = program.run(&["user", "on", "ann", "bot"]).fails(5);
    assert!(err.contains("Switch 2 users on"), "{err}");
    program.run(&["user", "on", "--filter", "is:off"]).ok();
    let on: i64 = place
        .one("SELECT count(*) FROM auth_user WHERE is_active")
        .await;
    assert_eq!(on, 2);

    let what: Vec<String> = program.audit().into_iter().map(|line| line.0).collect();
    assert_eq!(
        what,
        [
            "user_create",
            "user_password",
            "user_create",
            "user_off",
            "user_on"
        ]
    );
}

#[tokio::test]
async fn names_that_nobody_can_have_are_refused() {
    let place = place::fresh().await;
    let program = Program::on(&place);
    let long = "x".repeat(300);
    for words in [
        &["user", "show", ""][..],
        &["token", "revoke", ""],
        &["user", "create", &long, "--no-password"],
    ] {
        let err = program.run(words).fails(2);
        assert!(err.contains("a user name may"), "{words:?}: {err}");
    }
    assert_eq!(
        program.run(&["user", "off", "no\u{1b}[31mbody"]).fails(1),
        "tokenward: no user no\u{fffd}[31mbody\n"
    );
}

#[tokio::test]
async fn the_audit_is_read_back_by_age_and_user() {
    let place = place::fresh().await;
    let program = Program::on(&place).with("TOKENWARD_OPERATOR", "Ann Lee");
    for name in ["ann", "bea"] {
        program.run(&["user", "create", name, "--no-password"]).ok();
        program.run(&["token", "generate", name]).ok();
    }
    let all = program.run(&["audit"]).ok();
    let lines: Vec<&str> = all.lines().collect();
    assert_eq!(lines.len(), 5, "{all}");
    assert!(lines[0].starts_with("WHEN"));
    assert!(
        lines[1].contains("generate") && lines[1].contains("bea"),
        "newest first: {all}"
    );
    assert!(lines[1].contains("Ann Lee@"), "{all}");
    let ann = program
        .run(&["audit", "--user", "ann", "--since", "1d", "--json"])
        .json(0);
    assert_eq!(ann.len(), 2);
    assert_eq!(ann[0]["what"], json!("generate"));
    assert_eq!(ann[0]["operator"], json!("Ann Lee"));
    let before = program
        .run(&["audit", "--since", "2999-01-01T00:00:00Z", "--csv"])
        .ok();
    assert_eq!(
        before,
        "WHEN,WHO,DATABASE,WHAT,WHOM,KEY,FOR,SESSION,RESULT\r\n"
    );
}

#[tokio::test]
async fn our_own_tables_come_and_go_when_they_are_asked_for() {
    let place = place::empty().await;
    let program = Program::on(&place);
    let err = program.run(&["token", "list"]).fails(3);
    assert!(
        err.contains("authtoken_token"),
        "nothing runs by itself: {err}"
    );
    let plan = program.run(&["migrate", "--plan"]).ok();
    assert!(plan.contains("CREATE TABLE"), "{plan}");
    let err = program.run(&["migrate"]).fails(5);
    assert!(err.contains("--yes"), "{err}");
    let done = program.run(&["migrate", "--yes"]).ok();
    assert!(
        done.lines().all(|line| line.starts_with("done  ")),
        "{done}"
    );
    let again = program.run(&["migrate", "--yes"]);
    assert_eq!((again.code, again.out.as_str()), (Some(0), ""));

    program
        .run(&["migrate", "--auto-token", "on", "--yes"])
        .ok();
    program
        .run(&["user", "create", "ann", "--no-password"])
        .ok();
    let tokens = || async {
        place
            .one::<i64>("SELECT count(*) FROM authtoken_token")
            .await
    };
    assert_eq!(tokens().await, 1, "a new user has one at once");
    program
        .run(&["migrate", "--auto-token", "off", "--yes"])
        .ok();
    program
        .run(&["user", "create", "bea", "--no-password"])
        .ok();
    assert_eq!(tokens().await, 1);
    program.run(&["migrate", "--undo", "--yes"]).ok();
    program.run(&["token", "list"]).ok();
}
