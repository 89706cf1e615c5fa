//! `audit`: read, followed and checked, in the database and in the file.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::support::place::{self, Place};
use crate::support::program::Program;

/// Where `ann`, `bea` and `eve` were made, in this order.
async fn with_three_lines(schema: bool) -> (Place, Program) {
    let place = place::fresh().await;
    if !schema {
        place.sql("DROP SCHEMA tokenward CASCADE").await;
    }
    let program = Program::on(&place);
    for name in ["ann", "bea", "eve"] {
        program.run(&["user", "create", name, "--no-password"]).ok();
    }
    (place, program)
}

fn last_hash(out: &str) -> String {
    let line = out.lines().last().unwrap();
    line.strip_prefix("last hash  ").unwrap().to_owned()
}

#[tokio::test]
async fn the_audit_in_the_database_is_checked_and_harm_is_named() {
    let (place, program) = with_three_lines(true).await;
    let fine = program.run(&["audit", "verify"]).ok();
    assert!(
        fine.starts_with(&format!(
            "3 lines of tokenward.audit on {}, each as it was written\n",
            place.name()
        )),
        "{fine}"
    );
    let kept = last_hash(&fine);
    assert_eq!(kept.len(), 64);
    program.run(&["user", "off", "eve"]).ok();
    let still = program.run(&["audit", "verify", "--head", &kept, "--json"]);
    let still = &still.json(0)[0];
    assert_eq!((&still["ok"], &still["lines"]), (&json!(true), &json!(4)));
    let other = "0".repeat(63) + "1";
    let ran = program.run(&["audit", "verify", "--head", &other]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.out.contains("BROKEN  the hash 0000"), "{}", ran.out);
    let err = program.run(&["audit", "verify", "--head", "12"]).fails(2);
    assert!(err.contains("64 hex digits"), "{err}");

    place
        .sql(
            "ALTER TABLE tokenward.audit DISABLE TRIGGER ALL; \
             UPDATE tokenward.audit SET whom = E'mal\\u001b[31mlory' WHERE id = 2",
        )
        .await;
    let ran = program.run(&["audit", "verify"]);
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.out.starts_with("BROKEN  line 2 (")
            && ran.out.contains("user_create mal\u{fffd}[31mlory"),
        "{}",
        ran.out
    );
    assert!(
        ran.out.contains("4 lines of tokenward.audit on "),
        "{}",
        ran.out
    );
}

#[tokio::test]
async fn the_file_is_the_same_chain_and_the_same_check() {
    let (_place, program) = with_three_lines(false).await;
    let path = program.path("state/tokenward/audit.jsonl");
    let good = std::fs::read_to_string(&path).unwrap();
    let fine = program.run(&["audit", "verify"]).ok();
    assert!(
        fine.starts_with(&format!(
            "3 lines of {}, each as it was written\n",
            path.display()
        )),
        "{fine}"
    );
    let kept = last_hash(&fine);
    let lines: Vec<&str> = good.lines().collect();
    let (one, two, three) = (lines[0], lines[1], lines[2]);
    for (text, named) in [
        (good.replace("\"bea\"", "\"eva\""), "BROKEN  line 2 ("),
        (format!("{one}\n{three}\n"), "BROKEN  line 2 is missing"),
        (format!("{two}\n{three}\n"), "BROKEN  line 1 is missing"),
        (format!("{one}\n{three}\n{two}\n"), "BROKEN  line 2 ("),
        (
            format!("{one}\n{two}\n{two}\n{three}\n"),
            "BROKEN  line 2 (",
        ),
        (
            format!("{one}\n{two}\n{{\"when\":\"2026\n{three}\n"),
            "BROKEN  line 3 of the file",
        ),
        (good.replacen("\"id\":2", "\"id\":3", 1), "BROKEN  line 3 ("),
    ] {
        std::fs::write(&path, &text).unwrap();
        let ran = program.run(&["audit", "verify"]);
        assert_eq!(ran.code, Some(1), "{text}");
        assert!(ran.out.contains(named), "{named}: {}", ran.out);
    }
    // Nothing in a file tells that its end is missing, but a hash that was kept.
    std::fs::write(&path, format!("{one}\n{two}\n")).unwrap();
    program.run(&["audit", "verify"]).ok();
    let ran = program.run(&["audit", "verify", "--head", &kept]);
    assert_eq!(ran.code, Some(1), "{}", ran.out);

    // What an older release wrote stays, and the chain begins behind it.
    let old = "{\"when\":\"2025-01-01T00:00:00Z\",\"os_user\":\"ann\",\"host\":\"ops1\",\"database\":\"dev\",\
               \"what\":\"show\",\"whom\":\"bea\",\"result\":\"done\"}\n";
    std::fs::write(&path, old).unwrap();
    program.run(&["user", "off", "eve"]).ok();
    let out = program.run(&["audit", "verify"]).ok();
    assert!(
        out.starts_with("1 line of ") && out.contains("\n1 more from before there was a chain"),
        "{out}"
    );
    assert_eq!(program.run(&["audit", "--json"]).json(0).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_programs_write_one_chain_into_the_file() {
    let place = place::fresh().await;
    place.sql("DROP SCHEMA tokenward CASCADE").await;
    let program = Program::on(&place);
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let program = &program;
            scope.spawn(move || {
                for number in 0..5 {
                    let name = format!("user{writer}-{number}");
                    program
                        .run(&["user", "create", &name, "--no-password"])
                        .ok();
                }
            });
        }
    });
    let out = program.run(&["audit", "verify"]).ok();
    assert!(out.starts_with("20 lines of "), "{out}");
}

#[tokio::test]
async fn what_comes_is_shown_as_it_comes() {
    for schema in [true, false] {
        let (place, program) = with_three_lines(schema).await;
        let mut follow = program
            .command(&["audit", "--follow", "--json"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (said, says) = std::sync::mpsc::channel();
        let out = BufReader::new(follow.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let line: serde_json::Value = serde_json::from_str(&line).unwrap();
                said.send(line["whom"].as_str().unwrap().to_owned()).ok();
            }
        });
        let next = || says.recv_timeout(Duration::from_mins(1)).unwrap();
        assert_eq!([next(), next(), next()], ["ann", "bea", "eve"]);
        program
            .run(&["user", "create", "zoe", "--no-password"])
            .ok();
        assert_eq!(next(), "zoe");
        let begun = Instant::now();
        kill(
            Pid::from_raw(follow.id().try_into().unwrap()),
            Signal::SIGINT,
        )
        .unwrap();
        assert_eq!(follow.wait().unwrap().code(), Some(130));
        assert!(begun.elapsed() < Duration::from_secs(30));
        drop(place);
    }
}

#[test]
fn without_any_database_the_file_is_read_and_none_is_made() {
    let program = Program::new();
    assert_eq!(
        program.run(&["audit", "--json"]).json(0),
        Vec::<serde_json::Value>::new()
    );
    let out = program.run(&["audit", "verify"]).ok();
    assert!(out.starts_with("0 lines of "), "{out}");
    assert!(!program.path("data").exists());
}

#[test]
fn a_database_out_of_reach_is_3_and_names_the_file() {
    let program = Program::new().with("DATABASE_URL", "postgres://app@127.0.0.1:1/site");
    let err = program.run(&["audit"]).fails(3);
    assert!(err.contains("audit.jsonl"), "{err}");
}
