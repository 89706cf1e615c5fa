//! What needs no database: usage, configuration, and servers that are not there.

use std::net::TcpListener;

use serde_json::json;

use crate::support::program::Program;

#[test]
fn it_tells_its_version() {
    let program = Program::new();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        program.run(&["version"]).ok(),
        format!("tokenward {version}\n")
    );
    assert_eq!(
        program.run(&["--version"]).ok(),
        format!("tokenward {version}\n")
    );
    assert_eq!(
        program.run(&["version", "--json"]).json(0),
        [json!({"version": version})]
    );
}

#[test]
fn help_and_what_describes_the_program_need_no_right_configuration() {
    let program = Program::new();
    program.write_config("nonsense\n");
    for words in [
        &["--help"][..],
        &["token", "regenerate", "--help"],
        &["man"],
        &["completions", "bash"],
        &["completions", "fish"],
        &["completions", "zsh"],
    ] {
        let out = program.run(words).ok();
        assert!(out.contains("token"), "{words:?}: {out}");
    }
    let man = program.run(&["man"]).ok();
    for words in ["drf_create_token", "backfill", "dry\\-run", "auto\\-token"] {
        assert!(man.contains(words), "{words} is not in the manual");
    }
    assert!(!program.path("data").exists() && !program.path("state").exists());
}

#[test]
fn wrong_usage_is_said_on_stderr_and_ends_with_2() {
    let program = Program::new();
    for (words, said) in [
        (&["tokn"][..], "unrecognized subcommand 'tokn'"),
        (&["token", "regenerate"], "<USERNAME>"),
        (&["--read-only", "--write", "audit"], "cannot be used with"),
        (
            &["token", "revoke", "--filter", ""],
            "an empty filter would mean everybody",
        ),
        (
            &["token", "list", "--filter", "is:sper"],
            "unknown filter word is:sper",
        ),
        (&["audit", "--since", "7"], "12h, 7d, 2w or 1y"),
        (&["demo", "--users", "0"], "0 is not in 1..="),
        (&["drf_create_token"], "<USERNAME>"),
    ] {
        let err = program.run(words).fails(2);
        assert!(
            err.starts_with("tokenward: ") && err.contains(said),
            "{words:?}: {err}"
        );
    }
    let answer = program.run(&["tokn", "--json"]).json(2);
    assert_eq!(
        answer,
        [json!({"error": {"code": 2, "message": "unrecognized subcommand 'tokn'"}})]
    );
}

#[test]
fn a_key_or_a_password_among_the_arguments_is_not_repeated() {
    let program = Program::new();
    let key = "9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b";
    let err = program.run(&["verify", key]).fails(2);
    assert!(err.contains("never from arguments") && !err.contains("9944"));
    let err = program.run(&["token", key]).fails(2);
    assert!(!err.contains("99c62bcf"), "{err}");
    let err = program.run(&["postgres://u:hunter2@h/db"]).fails(2);
    assert!(!err.contains("hunter2"), "{err}");
}

#[test]
fn without_a_terminal_there_is_no_console() {
    let program = Program::new();
    for words in [&[][..], &["console"], &["demo"]] {
        let err = program.run(words).fails(2);
        assert!(err.contains("needs a terminal"), "{err}");
    }
    assert!(
        !program.path("data").exists(),
        "and no database is made for it"
    );
}

#[test]
fn a_broken_configuration_is_named_by_file_and_line() {
    let program = Program::new();
    let file = program.write_config("default_profile = \"dev\"\n[profile.dev]\nulr = \"x\"\n");
    let err = program.run(&["token", "list"]).fails(2);
    let expected = format!("tokenward: {}:3: unknown name `ulr`", file.display());
    assert!(err.lines().any(|line| line.starts_with(&expected)), "{err}");
    assert!(err.contains("did you mean `url`?"), "{err}");
}

#[test]
fn an_unknown_profile_or_a_bad_url_is_no_reason_for_another_database() {
    let program = Program::new();
    program.write_config("[profile.prod]\nurl = \"postgres://h/app\"\n");
    let err = program.run(&["-p", "prd", "token", "list"]).fails(2);
    assert!(err.contains("no profile `prd`") && err.contains("did you mean `prod`?"));
    for url in [
        "mysql://u:hunter2@h/db",
        "postgres://u:hunter2@h:99999/db",
        "host=h nonsense=1",
    ] {
        let err = program.run(&["--database", url, "token", "list"]).fails(2);
        assert!(!err.contains("hunter2"), "{err}");
    }
    assert!(!program.path("data").exists());
}

#[test]
fn a_server_that_is_not_there_is_3_and_the_password_stays_ours() {
    // Bound and closed: nobody listens on this port now.
    let port = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .unwrap()
        .port();
    let url = format!("postgres://app:hunter2@127.0.0.1:{port}/site");
    let program = Program::new().with("DATABASE_URL", &url);
    let err = program.run(&["token", "list"]).fails(3);
    for said in ["database site", &format!("127.0.0.1:{port}"), "refused"] {
        assert!(err.contains(said), "{err}");
    }
    assert!(!err.contains("hunter2"), "{err}");
    let answer = program.run(&["token", "list", "--json"]).json(3);
    assert_eq!(answer[0]["error"]["code"], 3);
    let log = std::fs::read_to_string(program.path("state/tokenward/tokenward.log")).unwrap();
    assert!(!log.contains("hunter2"), "{log}");
}

#[test]
fn profiles_are_listed_checked_and_found() {
    let program = Program::new();
    let file = program.write_config(
        "default_profile = \"dev\"\n[profile.dev]\nurl = \"postgres://127.0.0.1:1/app\"\n\
         [profile.prod]\nurl_env = \"APP_DB\"\nprotected = true\nread_only = true\n",
    );
    assert_eq!(
        program.run(&["profile", "path"]).ok(),
        format!("{}\n", file.display())
    );
    assert_eq!(
        program.run(&["profile", "list"]).ok(),
        "PROFILE  FROM     STATE\n\
         dev      url      chosen\n\
         prod     url_env  PROTECTED, READ ONLY\n"
    );
    let checked = program.run(&["profile", "check"]);
    assert_ne!(checked.code, Some(0));
    assert!(
        checked.out.contains("dev      FAILED  cannot reach"),
        "{}",
        checked.out
    );
    assert!(
        checked.out.contains("APP_DB, which is not set"),
        "{}",
        checked.out
    );
}

#[test]
fn a_log_that_was_asked_for_must_be_writable() {
    let program = Program::new();
    let err = program
        .run(&["audit", "--log-file", "/dev/null/all.log"])
        .fails(2);
    assert!(err.contains("/dev/null/all.log"), "{err}");
}
