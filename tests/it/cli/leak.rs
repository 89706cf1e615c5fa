//! Keys found in logs and dumps: where, whose, and what is done about the live ones.

mod killed;

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Stdio;

use serde_json::json;
use tokenward::domain::token::KeyFormat;

use crate::support::place::{self, Place};
use crate::support::program::{Program, Ran};

const LIVE: &str = "9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b";
const OFF: &str = "5b25a0de99c62bcf9418ad846dd0e4bbdfc6ee4b";
const OLD: &str = "c0ffee0099c62bcf9418ad846dd0e4bbdfc6ee4b";
const GIT: &str = "0a1b2c3d99c62bcf9418ad846dd0e4bbdfc6ee4b";

/// user1 with a live key, root who is a superuser with one made by hand, dave who is off, and old, whose key is retired.
async fn site() -> Place {
    let place = place::fresh().await;
    for (name, rights, key) in [
        ("user1", "false, true", LIVE),
        ("root", "true, true", "made-by-hand"),
        ("dave", "false, false", OFF),
        ("old", "false, true", OLD),
    ] {
        place
            .sql(&format!(
                "INSERT INTO auth_user (username, password, first_name, last_name, email, is_staff, is_superuser, \
                 is_active, date_joined) VALUES ('{name}', '!', '', '', '{name}@example.com', false, {rights}, now()); \
                 INSERT INTO authtoken_token (key, created, user_id) \
                 SELECT '{key}', now(), id FROM auth_user WHERE username = '{name}'"
            ))
            .await;
    }
    place
        .sql(&format!("DELETE FROM authtoken_token WHERE key = '{OLD}'"))
        .await;
    place
}

fn log() -> String {
    format!(
        "2026-03-01 deploy of commit {GIT}\nGET /api 200 \"Authorization: Token {LIVE}\"\nGET /api 401 {OFF}\n\
         again {LIVE}\nretired {OLD}\ncut {}… and Token made-by-hand\n",
        &LIVE[..12]
    )
}

/// No whole key in what the program wrote.
#[track_caller]
fn covered(text: &str) {
    for key in [LIVE, OFF, OLD, GIT, "made-by-hand"] {
        assert!(!text.contains(&key[..9]), "{key} in {text}");
    }
}

fn gzip(text: &str) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(text.as_bytes()).unwrap();
    packed.finish().unwrap()
}

#[track_caller]
fn found(ran: &Ran) -> Vec<&str> {
    assert_eq!(ran.code, Some(10), "{}", ran.err);
    covered(&ran.out);
    covered(&ran.err);
    ran.out.lines().collect()
}

#[tokio::test]
async fn each_key_is_told_once_a_file_with_its_line_and_owner() {
    let place = site().await;
    let program = Program::on(&place);
    std::fs::write(program.path("app.log"), log()).unwrap();
    std::fs::write(program.path("app.log.1"), gzip(&log())).unwrap();
    let ran = program.run(&["leak", "scan", "app.log"]);
    let lines = found(&ran);
    assert_eq!(lines[0], "app.log:2  9944b091…  LIVE  user1");
    assert_eq!(lines[1], "app.log:3  5b25a0de…  INERT  dave  user is off");
    assert!(
        lines[2].starts_with("app.log:5  c0ffee00…  RETIRED  old  "),
        "{lines:?}"
    );
    assert!(
        lines[3].starts_with("app.log:6  9944b091…  PARTIAL  user1  "),
        "{lines:?}"
    );
    assert_eq!(lines[4], "app.log:6  made-b…  LIVE  root  SUPERUSER");
    assert_eq!(lines.len(), 5);
    assert_eq!(
        ran.err,
        format!(
            "tokenward: 2 live, 1 inert, 1 retired, 1 cut; 1 other text looks like a key and is none of {}\n",
            place.name()
        )
    );

    let all = program.run(&["leak", "scan", "-v", "app.log"]);
    assert_eq!(found(&all).len(), 6);
    assert!(
        all.out.contains("app.log:1  0a1b2c3d…  UNKNOWN  -"),
        "{}",
        all.out
    );

    let piped = program.run_with(&["leak", "scan"], &log());
    assert_eq!(found(&piped)[0], "stdin:2  9944b091…  LIVE  user1");
    let both = program.run_with(&["leak", "scan", "app.log.1", "-", "app.log"], &log());
    let lines = found(&both);
    assert_eq!(lines.len(), 15);
    for name in ["app.log", "app.log.1", "stdin"] {
        let there = format!("{name}:2  9944b091…  LIVE  user1");
        assert!(lines.contains(&there.as_str()), "{name}: {lines:?}");
    }
}

#[tokio::test]
async fn a_text_without_a_live_key_ends_well() {
    let place = site().await;
    let program = Program::on(&place);
    for text in ["", "nothing\n", &format!("commit {GIT}\nToken {OLD}\n")] {
        let ran = program.run_with(&["leak", "scan", "-q"], text);
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{text}");
        assert_eq!(ran.out.lines().count(), usize::from(text.contains(OLD)));
    }
    let ran = program.run_with(&["leak", "scan", "--revoke", "--yes"], GIT);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), ""));
    let mut noise = vec![0, 0xff, 0xfe, b'\n', 0x1b];
    noise.extend((0..=255).cycle().take(300_000));
    std::fs::write(program.path("core"), noise).unwrap();
    let ran = program.run(&["leak", "scan", "core"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), ""), "{}", ran.err);
}

#[tokio::test]
async fn a_program_reads_the_same_as_json() {
    let place = site().await;
    let program = Program::on(&place);
    let rows = program.run_with(&["leak", "scan", "--json"], &log());
    covered(&rows.out);
    let rows = rows.json(10);
    assert_eq!(rows.len(), 5);
    assert_eq!(rows[0]["file"], json!("stdin"));
    assert_eq!(rows[0]["line"], json!(2));
    assert_eq!(rows[0]["key"], json!("9944b091…"));
    assert_eq!(rows[0]["verdict"], json!("LIVE"));
    assert_eq!(rows[0]["kind"], json!("drf"));
    assert_eq!(rows[0]["username"], json!("user1"));
    assert_eq!(rows[4]["reach"], json!("SUPERUSER"));
    let error = program.run(&["leak", "scan", "--json", "missing.log"]);
    assert_eq!(error.code, Some(1), "{}", error.out);
}

#[tokio::test]
async fn live_keys_are_replaced_all_or_none_and_reported_without_keys() {
    let place = site().await;
    let program = Program::on(&place);
    std::fs::write(program.path("app.log"), log()).unwrap();
    let refused = program.run(&["leak", "scan", "--regenerate", "app.log"]);
    assert_eq!(refused.code, Some(5), "{}", refused.err);
    assert!(
        refused.err.contains("Regenerate 2 live keys"),
        "{}",
        refused.err
    );

    let words = [
        "leak",
        "scan",
        "--regenerate",
        "--yes",
        "--report",
        "case.md",
        "app.log",
    ];
    let done = program.run(&words);
    assert_eq!(done.code, Some(0), "{}", done.err);
    covered(&done.out);
    covered(&done.err);
    assert!(
        done.out.contains("regenerated  user1  9944b091…\n"),
        "{}",
        done.out
    );
    assert!(
        done.out.contains("regenerated  root  made-b…\n"),
        "{}",
        done.out
    );
    let left: i64 = place
        .one(&format!(
            "SELECT count(*) FROM authtoken_token WHERE key IN ('{LIVE}', 'made-by-hand')"
        ))
        .await;
    assert_eq!(left, 0);
    let report = std::fs::read_to_string(program.path("case.md")).unwrap();
    covered(&report);
    assert!(report.starts_with("# Leak 1 on "), "{report}");
    assert!(
        report.contains("9944b091…") && report.contains("user1@example.com"),
        "{report}"
    );

    let again = program.run(&["leak", "scan", "--report", "case.json", "app.log"]);
    assert_eq!(again.code, Some(0), "{}", again.err);
    assert!(
        again.out.contains("app.log:2  9944b091…  RETIRED  user1"),
        "{}",
        again.out
    );
    let report = std::fs::read_to_string(program.path("case.json")).unwrap();
    covered(&report);
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["leak"], json!(1), "the same case: {report}");
    let refused = program.run(&words);
    assert_eq!(
        refused.code,
        Some(2),
        "a report is never overwritten: {}",
        refused.err
    );
    for kept in std::fs::read_dir(program.path("state/tokenward/leaks")).unwrap() {
        if let Ok(text) = std::fs::read_to_string(kept.unwrap().path()) {
            covered(&text);
        }
    }
}

#[tokio::test]
async fn a_report_has_the_file_of_each_line_and_no_number_that_is_not_kept() {
    let place = site().await;
    let program = Program::on(&place);
    std::fs::write(program.path("app.log"), log()).unwrap();
    std::fs::write(program.path("db.log"), format!("\nx\n{LIVE}\n")).unwrap();
    // Refused, and so no case: the report claims no number.
    let words = |report: &'static str| {
        let words = ["leak", "scan", "--revoke", "--report", report];
        [&words[..], &["app.log", "db.log"]].concat()
    };
    let refused = program.run(&words("refused.md"));
    assert_eq!(refused.code, Some(5), "{}", refused.err);
    let report = std::fs::read_to_string(program.path("refused.md")).unwrap();
    assert!(report.starts_with("# Keys of "), "{report}");
    assert!(
        report.contains("| app.log:2, app.log:4, db.log:3 |"),
        "{report}"
    );
    program.run(&words("refused.json"));
    let report = std::fs::read_to_string(program.path("refused.json")).unwrap();
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["leak"], json!(null));
    program.run(&["leak", "report", "1"]).fails(1);

    let words = [&words("done.md")[..], &["--yes"]].concat();
    let done = program.run(&words);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(
        done.err.contains("leak 1: the report is done.md"),
        "{}",
        done.err
    );
    let report = std::fs::read_to_string(program.path("done.md")).unwrap();
    let again = program.run(&["leak", "report", "1"]).ok();
    covered(&again);
    // What a key is worth is told as it was when the case was kept.
    assert_eq!(again.lines().next(), report.lines().next());
    assert!(
        again.contains("db.log:3") && again.contains("revoke"),
        "{again}"
    );
    let again = program.run(&["leak", "report", "1", "--json"]).json(0);
    assert_eq!(again[0]["leak"], json!(1));
    let lines = &again[0]["keys"][0];
    assert_eq!(lines["files"], json!(["app.log", "app.log", "db.log"]));
    assert_eq!(lines["lines"], json!([2, 4, 3]));
}

#[tokio::test]
async fn a_key_in_its_grace_is_live_for_whoever_calls_the_listener() {
    let place = site().await;
    let program = Program::on(&place);
    let words = ["token", "regenerate", "user1", "--grace", "1h"];
    assert_eq!(program.run(&words).code, Some(0));
    let text = format!("Token {LIVE}\n");
    let ran = program.run_with(&["leak", "scan"], &text);
    let lines = found(&ran);
    assert!(
        lines[0].starts_with("stdin:1  9944b091…  RETIRED  user1  ")
            && lines[0].contains("works here until 20"),
        "{lines:?}"
    );
    assert!(
        ran.err.contains("1 of the retired still work"),
        "{}",
        ran.err
    );
    let json = program.run_with(&["leak", "scan", "--json"], &text);
    let rows = json.json(10);
    assert!(rows[0]["works_until"].as_str().is_some(), "{rows:?}");
    assert_eq!(program.run(&["token", "revoke", "user1"]).code, Some(0));
    let ran = program.run_with(&["leak", "scan"], &text);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(!ran.out.contains("works here"), "{}", ran.out);
}

#[tokio::test]
async fn what_cannot_be_read_is_said_and_the_rest_is_read() {
    let place = site().await;
    let program = Program::on(&place);
    std::fs::write(program.path("app.log"), log()).unwrap();
    let mut broken = gzip(&log().repeat(50));
    broken.truncate(broken.len() - 9);
    std::fs::write(program.path("broken.gz"), broken).unwrap();
    std::fs::write(program.path("all.xz"), b"\xfd7zXZ\0\0").unwrap();
    let ran = program.run(&["leak", "scan", "missing", "all.xz", "broken.gz", "app.log"]);
    assert_eq!(ran.code, Some(10));
    for name in ["missing", "all.xz", "broken.gz"] {
        assert!(
            ran.err.contains(&format!("cannot read {name}: ")),
            "{}",
            ran.err
        );
    }
    assert!(ran.err.contains("xz -dc FILE"), "{}", ran.err);
    assert!(
        ran.out.contains("broken.gz:2  9944b091…  LIVE"),
        "{}",
        ran.out
    );
    assert!(
        ran.out.contains("app.log:2  9944b091…  LIVE"),
        "{}",
        ran.out
    );
    let err = program.run(&["leak", "scan", LIVE]).fails(2);
    assert!(err.contains("never from arguments"), "{err}");
    covered(&err);
    let nothing = program.run(&["leak", "scan", "missing", "missing.2"]);
    assert_eq!((nothing.code, nothing.out.as_str()), (Some(1), ""));
    let some = program.run_with(&["leak", "scan", "missing", "-"], "nothing");
    assert_eq!(some.code, Some(4), "{}", some.err);
    let err = program.run(&["leak", "scan", "--revoke", "--regenerate"]);
    assert_eq!(err.code, Some(2));
}

#[tokio::test]
async fn a_key_in_the_name_of_a_file_is_nowhere() {
    let place = site().await;
    let program = Program::on(&place);
    let name = format!("{GIT}.log");
    std::fs::write(program.path(&name), log()).unwrap();
    let ran = program.run(&["leak", "scan", "--report", "case.md", &name]);
    assert_eq!(found(&ran)[0], "████████.log:2  9944b091…  LIVE  user1");
    let report = std::fs::read_to_string(program.path("case.md")).unwrap();
    covered(&report);
    assert!(report.contains("Found in: ████████.log"), "{report}");
    let rows = program.run(&["leak", "scan", "--json", &name]);
    covered(&rows.out);
    assert_eq!(rows.json(10)[0]["file"], json!("████████.log"));
    std::fs::write(program.path(&name), b"\xfd7zXZ\0\0").unwrap();
    let err = program.run(&["leak", "scan", &name]).fails(1);
    assert!(err.contains("cannot read ████████.log: "), "{err}");
    for kept in std::fs::read_dir(program.path("state/tokenward/leaks")).unwrap() {
        if let Ok(text) = std::fs::read_to_string(kept.unwrap().path()) {
            covered(&text);
        }
    }
}

#[tokio::test]
async fn a_million_candidates_are_asked_about_in_bounded_memory() {
    let place = site().await;
    let program = Program::on(&place);
    let mut child = program
        .command(&["leak", "scan"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || {
        let mut chunk = String::new();
        for number in 0..1_000_000_u64 {
            // A third of them are the same few again and again.
            let number = if number % 3 == 0 {
                number % 100
            } else {
                number
            };
            writeln!(chunk, "commit {:040x}", number * 7_919).unwrap();
            if chunk.len() > 1 << 20 {
                stdin.write_all(chunk.as_bytes()).unwrap();
                chunk.clear();
            }
        }
        writeln!(chunk, "Token {LIVE}").unwrap();
        stdin.write_all(chunk.as_bytes()).unwrap();
    });
    let status = format!("/proc/{}/status", child.id());
    let peak = std::thread::spawn(move || {
        let mut peak = 0;
        while let Ok(text) = std::fs::read_to_string(&status) {
            let Some(line) = text.lines().find(|line| line.starts_with("VmHWM:")) else {
                break;
            };
            let kilobytes = line.split_whitespace().nth(1).unwrap().parse().unwrap();
            peak = peak.max(kilobytes);
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        peak
    });
    let ran = Ran::from(child.wait_with_output().unwrap());
    writer.join().unwrap();
    let peak: u64 = peak.join().unwrap();
    assert_eq!(ran.code, Some(10), "{}", ran.err);
    assert_eq!(ran.out, "stdin:1000001  9944b091…  LIVE  user1\n");
    assert!(ran.err.contains("others look like keys"), "{}", ran.err);
    // The program that is not optimised is somewhat larger.
    assert!(peak < 80_000, "{peak} kB");
}

#[test]
fn a_secret_scanner_is_told_what_keys_look_like() {
    let program = Program::new();
    let key = KeyFormat::Checksum.make().unwrap();
    let regexes = program.run(&["leak", "rules", "regex"]).ok();
    let first = regex::Regex::new(regexes.lines().next().unwrap()).unwrap();
    assert!(first.is_match(&format!("see {} there", key.expose())));
    assert_eq!(regexes.lines().count(), 3);
    let config: toml::Table = program
        .run(&["leak", "rules", "gitleaks"])
        .ok()
        .parse()
        .unwrap();
    assert_eq!(config["rules"].as_array().unwrap().len(), 3);
    assert!(
        program
            .run(&["leak", "rules", "github"])
            .ok()
            .contains("Secret format  twd_[0-9A-Za-z]{36}\n")
    );
    assert_eq!(
        program
            .run(&["leak", "rules", "github", "--json"])
            .json(0)
            .len(),
        3
    );
}
