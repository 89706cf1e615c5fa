//! The command of `[hooks]`: what it is told, how long it is waited for, and that it is beside the change, not before it.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::place::{self, Place};
use crate::support::program::Program;

const KEY: &str = "9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b";

async fn site(users: u32) -> Place {
    let place = place::fresh().await;
    for number in 1..=users {
        place
            .sql(&format!(
                "INSERT INTO auth_user (username, password, first_name, last_name, email, is_staff, is_superuser, \
                 is_active, date_joined) VALUES ('user{number}', '!', '', '', '', false, false, true, now()); \
                 INSERT INTO authtoken_token (key, created, user_id) VALUES ('{:x}{}', now(), {number})",
                number % 16,
                &KEY[1..]
            ))
            .await;
    }
    place
}

/// The program with a hook: a script of these lines, and what else the table says.
fn program(place: &Place, script: &str, more: &str) -> Program {
    let program = Program::on(place);
    let path = program.path("hook");
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    program.write_config(&format!(
        "[hooks]\ncommand = [\"{}\", \"$(touch made-by-a-shell)\"]\n{more}\n",
        path.display()
    ));
    program
}

fn events(program: &Program) -> Vec<Value> {
    let text = std::fs::read_to_string(program.path("events")).unwrap_or_default();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// How each run ended, in the order of the audit.
async fn results(place: &Place) -> Vec<String> {
    let all: String = place
        .one(
            "SELECT coalesce(string_agg(whom || ' ' || coalesce(key, '-') || ': ' || result, E'\\n' ORDER BY id), '') \
             FROM tokenward.audit WHERE what = 'hook'",
        )
        .await;
    all.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn the_command_is_told_of_each_change_and_of_no_key() {
    let place = site(1).await;
    let program = program(
        &place,
        "cat >> events; echo noise; echo \"$1\" > argument",
        "",
    );
    let ran = program.run(&["token", "regenerate", "--dry-run", "user1"]);
    assert_eq!((ran.code, events(&program)), (Some(0), Vec::new()));
    let made = program
        .run(&["token", "regenerate", "user1", "--json"])
        .json(0);
    program.run(&["token", "revoke", "user1"]).ok();
    program.run(&["token", "generate", "user1"]).ok();
    // Nothing is changed, so nothing is told.
    program.run(&["token", "generate", "user1"]).ok();
    let events = events(&program);
    let new = made[0]["key"].as_str().unwrap();
    let told: Vec<(&str, &str)> = events
        .iter()
        .map(|event| {
            (
                event["verb"].as_str().unwrap(),
                event["key_start"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        told[..2],
        [("regenerate", "1944b091"), ("revoke", &new[..8])]
    );
    assert_eq!((told.len(), told[2].0), (3, "generate"));
    let first = &events[0];
    assert_eq!(first["username"], json!("user1"));
    assert_eq!(first["user_id"], json!(1));
    assert_eq!(first["kind"], json!("drf"));
    assert_eq!(first["leak"], Value::Null);
    assert_eq!(first["database"], json!(place.name()));
    let text = std::fs::read_to_string(program.path("events")).unwrap();
    assert!(!text.contains(new) && !text.contains(&KEY[1..]), "{text}");
    assert!(!text.contains("new_key"), "{text}");
    assert_eq!(
        std::fs::read_to_string(program.path("argument")).unwrap(),
        "$(touch made-by-a-shell)\n"
    );
    assert!(!program.path("made-by-a-shell").exists());
    let results = results(&place).await;
    assert_eq!(results.len(), 3);
    assert_eq!(results[0], "user1 1944b091: done");
}

#[tokio::test]
async fn a_secret_store_is_told_the_new_key_where_it_is_asked_for() {
    let place = site(1).await;
    let program = program(&place, "cat >> events", "with_key = true");
    let made = program
        .run(&["token", "regenerate", "user1", "--json"])
        .json(0);
    program.run(&["token", "revoke", "user1"]).ok();
    let events = events(&program);
    assert_eq!(events[0]["new_key"], made[0]["key"]);
    assert_eq!(events[1].get("new_key"), None);
    for folder in [
        "state/tokenward/tokenward.log",
        "state/tokenward/audit.jsonl",
    ] {
        let kept = std::fs::read_to_string(program.path(folder)).unwrap_or_default();
        assert!(!kept.contains(made[0]["key"].as_str().unwrap()), "{folder}");
    }
}

#[tokio::test]
async fn a_failure_is_tried_again_said_and_written_down_and_the_change_stands() {
    let place = site(2).await;
    let script = "echo try >> tries; exit 3";
    let failing = program(&place, script, "retries = 1");
    let ran = failing.run(&["token", "revoke", "user1"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(
        ran.err,
        "tokenward: hook after the change of user1: failed: it ended with code 3, at each try; the change stands\n"
    );
    let tries = std::fs::read_to_string(failing.path("tries")).unwrap();
    assert_eq!(tries, "try\ntry\n");
    let left: i64 = place
        .one("SELECT count(*) FROM authtoken_token WHERE user_id = 1")
        .await;
    assert_eq!(left, 0);
    // Mended meanwhile.
    let mending = program(&place, "test -e tried || { touch tried; exit 1; }", "");
    mending.run(&["token", "revoke", "user2"]).ok();
    assert_eq!(
        results(&place).await,
        [
            "user1 1944b091: failed: it ended with code 3, at each try",
            "user2 2944b091: done, at try 2"
        ]
    );
    let missing = Program::on(&place);
    missing.write_config("[hooks]\ncommand = [\"/nowhere/tell\"]\nretries = 0\n");
    let ran = missing.run(&["token", "generate", "user1"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.err.contains("it could not be started"), "{}", ran.err);
    let without_schema = place::fresh().await;
    without_schema.sql("DROP SCHEMA tokenward CASCADE").await;
    without_schema
        .sql(
            "INSERT INTO auth_user (username, password, first_name, last_name, email, is_staff, is_superuser, \
             is_active, date_joined) VALUES ('user1', '!', '', '', '', false, false, true, now())",
        )
        .await;
    let local = program(&without_schema, "exit 1", "retries = 0");
    local.run(&["token", "generate", "user1"]);
    let file = std::fs::read_to_string(local.path("state/tokenward/audit.jsonl")).unwrap();
    assert!(
        file.contains("\"what\":\"hook\"") && file.contains("failed: it ended with code 1"),
        "{file}"
    );
}

#[tokio::test]
async fn a_command_that_hangs_is_ended_with_all_it_started() {
    let place = site(1).await;
    let script = "echo $$ > pid; sleep 1000 & wait";
    let program = program(&place, script, "timeout = \"1s\"\nretries = 0");
    let start = Instant::now();
    let ran = program.run(&["token", "revoke", "user1"]);
    assert!(start.elapsed() < Duration::from_secs(30));
    assert_eq!(ran.code, Some(0));
    assert!(
        ran.err
            .contains("failed: it took longer than 1 s; the change stands"),
        "{}",
        ran.err
    );
    let pid: i32 = std::fs::read_to_string(program.path("pid"))
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    let group = nix::unistd::Pid::from_raw(pid);
    let gone = || nix::sys::signal::killpg(group, None).is_err();
    let until = Instant::now() + Duration::from_secs(10);
    while !gone() {
        assert!(Instant::now() < until, "somebody of the group still runs");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[tokio::test]
async fn many_changes_are_told_one_after_the_other_and_a_leak_by_its_number() {
    let place = site(12).await;
    // The first one takes longest: whoever does not wait his turn comes before it.
    let script = "test -e begun || { touch begun; sleep 0.5; }; cat >> events";
    let program = program(&place, script, "");
    let names: Vec<String> = (1..=12).map(|number| format!("user{number}")).collect();
    let mut words = vec!["token", "regenerate", "--yes"];
    words.extend(names.iter().map(String::as_str));
    let ran = program.run(&words);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let told: Vec<String> = events(&program)
        .iter()
        .map(|event| event["username"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(told, names);

    let mut log = String::new();
    for number in 1..=2 {
        let key: String = place
            .one(&format!(
                "SELECT key::text FROM authtoken_token WHERE user_id = {number}"
            ))
            .await;
        writeln!(log, "Token {key}").unwrap();
    }
    let ran = program.run_with(&["leak", "scan", "--regenerate", "--yes"], &log);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let events = events(&program);
    let leaks: Vec<&Value> = events[12..].iter().map(|event| &event["leak"]).collect();
    assert_eq!(leaks, [&json!(1), &json!(1)]);
    let marked: i64 = place
        .one("SELECT count(*) FROM tokenward.audit WHERE what = 'hook' AND for_leak = 1")
        .await;
    assert_eq!(marked, 2);
}

#[tokio::test]
async fn a_backfill_is_told_once_with_its_counts_and_a_user_without_his_password() {
    let place = site(1).await;
    place
        .sql(
            "INSERT INTO auth_user (username, password, first_name, last_name, email, is_staff, is_superuser, \
             is_active, date_joined) SELECT 'more' || n, '!', '', '', '', false, false, true, now() \
             FROM generate_series(1, 2500) n",
        )
        .await;
    let program = program(&place, "cat >> events", "with_key = true");
    let plan = program.run(&["token", "backfill", "--dry-run"]);
    assert_eq!((plan.code, events(&program)), (Some(0), Vec::new()));
    program.run(&["token", "backfill", "--yes"]);
    // Nobody lacks one any more: nothing was changed.
    program.run(&["token", "backfill", "--yes"]);
    program.run(&["user", "off", "user1"]).ok();
    program.run(&["user", "on", "user1"]).ok();
    let set = program.run_with(&["user", "password", "user1"], "correct horse\n");
    assert_eq!(set.code, Some(0), "{}", set.err);
    program
        .run(&["user", "create", "zoe", "--no-password"])
        .ok();
    let events = events(&program);
    let told: Vec<_> = events
        .iter()
        .map(|event| {
            (
                event["verb"].as_str().unwrap(),
                &event["username"],
                event["kind"].as_str().unwrap(),
            )
        })
        .collect();
    let (user1, zoe) = (json!("user1"), json!("zoe"));
    assert_eq!(
        told,
        [
            ("backfill", &Value::Null, "drf"),
            ("user_off", &user1, "user"),
            ("user_on", &user1, "user"),
            ("user_password", &user1, "user"),
            ("user_create", &zoe, "user"),
        ]
    );
    let first = &events[0];
    assert_eq!(
        [
            &first["made"],
            &first["already"],
            &first["ended"],
            &first["user_id"]
        ],
        [&json!(2500), &json!(0), &json!("done"), &Value::Null]
    );
    let text = std::fs::read_to_string(program.path("events")).unwrap();
    assert!(
        !text.contains("correct horse") && !text.contains("new_key"),
        "{text}"
    );
    let results = results(&place).await;
    assert_eq!(results[0], " -: done");
    assert_eq!(results.len(), 5);
    let failing = self::program(&place, "exit 1", "retries = 0");
    place.sql("DELETE FROM authtoken_token").await;
    let ran = failing.run(&["token", "backfill", "--yes"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(
        ran.err
            .contains("hook after backfill: failed: it ended with code 1; the change stands"),
        "{}",
        ran.err
    );
}
