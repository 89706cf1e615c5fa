//! A key has leaked, by keys alone: a log is pasted, its live keys are replaced at once, a report is written, and pasted
//! again everything in it is retired. The listener refuses the old keys.

use std::fmt::Write as _;

use super::Console;
use super::listener::{address_on, who_am_i};

/// Keys of these users are in the log: 5 that live, 3 that were deleted, and of one only the beginning.
const LIVE: [&str; 5] = ["erin", "user010", "user011", "user012", "user013"];
const DELETED: [&str; 3] = ["user014", "user015", "user016"];
const CUT: &str = "user017";

struct Log {
    text: String,
    live: Vec<String>,
    all: Vec<String>,
}

/// A few hundred lines as servers write them, Git's hashes among them.
async fn log(console: &Console) -> Log {
    let names: Vec<String> = LIVE
        .iter()
        .chain(&DELETED)
        .chain([&CUT])
        .map(|name| format!("'{name}'"))
        .collect();
    console
        .place
        .sql(&format!(
            "UPDATE auth_user SET is_superuser = true WHERE username = 'erin'; \
             INSERT INTO authtoken_token (key, created, user_id) \
             SELECT left(encode(sha256(('key of ' || id)::bytea), 'hex'), 40), now() - interval '3 y', id \
               FROM auth_user WHERE username IN ({})",
            names.join(", ")
        ))
        .await;
    let mut keys = Vec::new();
    for name in LIVE.iter().chain(&DELETED) {
        keys.push(console.key_of(name).await.unwrap());
    }
    let cut = console.key_of(CUT).await.unwrap();
    let gone = DELETED.map(|name| format!("'{name}'")).join(", ");
    console
        .place
        .sql(&format!(
            "DELETE FROM authtoken_token USING auth_user u WHERE u.id = user_id AND username IN ({gone})"
        ))
        .await;
    let unknown = ["0a1b2c3d", "1b2c3d4e"].map(|part| part.repeat(5));
    let mut text = String::new();
    for line in 0..400_usize {
        let written = match line {
            350 => writeln!(
                text,
                "retrying with Authorization: Token {}… after 3 s",
                &cut[..14]
            ),
            _ if line % 40 == 7 => {
                let nth = line / 40;
                let key = keys.iter().chain(&unknown).nth(nth);
                let key = key.map_or("-", String::as_str);
                writeln!(
                    text,
                    "10.2.0.{line} \"GET /api/items\" 200 \"Authorization: Token {key}\""
                )
            }
            _ => writeln!(text, "commit {line:040x} merged by ci, {line} files"),
        };
        written.unwrap();
    }
    Log {
        text,
        live: keys[..5].to_vec(),
        all: keys,
    }
}

async fn whole_leak(rows: u16, columns: u16) {
    let mut console = Console::start(rows, columns).await;
    let log = log(&console).await;
    let tokens = console.tokens().await;

    // Paste it where one happens to be.
    console.paste(&log.text, &["LIVE", "RETIRED", "UNKNOWN", "PARTIAL"]);
    console
        .terminal
        .wait_for(&["Plan: regenerate 5 live keys of 5 users, 1 superuser"]);
    console
        .terminal
        .look(|screen| assert_eq!(counted(&screen.contents()), [5, 0, 3, 2, 1]));
    assert_eq!(console.tokens().await, tokens, "nothing changed yet");

    // Replace the live ones by one dialog.
    console.press("R", &["Regenerate 5 keys on", "Type  5  to go on"]);
    console.answer("5", &["5 new keys, leak 1"]);
    assert_eq!(console.tokens().await, tokens);
    for (name, old) in LIVE.iter().zip(&log.live) {
        assert_ne!(console.key_of(name).await.as_ref(), Some(old), "{name}");
    }
    let told: i64 = console
        .place
        .one("SELECT count(*) FROM tokenward.retired_key WHERE leak = 1 AND verb = 'regenerate'")
        .await;
    assert_eq!(told, 5);
    let cut: i64 = console
        .place
        .one(&format!(
            "SELECT count(*) FROM authtoken_token t JOIN auth_user u ON u.id = user_id WHERE username = '{CUT}' \
             AND key = left(encode(sha256(('key of ' || u.id)::bytea), 'hex'), 40)"
        ))
        .await;
    assert_eq!(cut, 1, "a key that is cut short is never touched");
    console.close("5 new keys");
    console
        .terminal
        .wait_for(&["5 keys regenerated in one transaction, leak 1."]);

    // Note who was told, and write the report.
    console.press("m", &["Noted: the owners of 5 keys were told."]);
    console.press("e", &["A report of this leak as"]);
    console.answer("m", &["Wrote "]);
    let report = report_in(console.place.folder());
    assert!(report.starts_with("# Leak 1 on "), "{report}");
    for key in &log.all {
        assert!(report.contains(&key[..8]), "{report}");
        assert!(!report.contains(&key[8..]), "{report}");
    }

    // Tomorrow: the same text.
    console.press("\u{1b}", &["Paste a key, a header or a log"]);
    console.paste(
        &log.text,
        &[
            "Pasted text, 4",
            " lines, kept in memory only",
            "Nothing live: 8 retired, 2 unknown, 1 cut short.",
        ],
    );
    console
        .terminal
        .look(|screen| assert_eq!(counted(&screen.contents()), [0, 0, 8, 2, 1]));
    let all: Vec<&str> = log.all.iter().map(String::as_str).collect();
    console.assert_covered(&all);
    still_called(&mut console, &log.live[0]);
    console.terminal.press("q");
    console.terminal.wait_for(&["Quit?"]);
    std::thread::sleep(super::HUMAN);
    console.terminal.press("y");
    assert_eq!(console.terminal.wait_exit(), 0);
}

/// How often each verdict is on the screen: LIVE, INERT, RETIRED, UNKNOWN, PARTIAL.
fn counted(screen: &str) -> [usize; 5] {
    ["LIVE ", "INERT ", "RETIRED ", "UNKNOWN ", "PARTIAL "].map(|word| screen.matches(word).count())
}

fn report_in(folder: &std::path::Path) -> String {
    let files = std::fs::read_dir(folder).unwrap();
    let mut reports = files
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "md"));
    let report = reports.next().expect("a report");
    assert_eq!(reports.next(), None);
    std::fs::read_to_string(report).unwrap()
}

/// The listener, started after it, refuses an old key, and the console says whose it was.
fn still_called(console: &mut Console, old: &str) {
    console.press("4", &["off   S starts it"]);
    console.press("S", &["Start the listener on"]);
    console.answer("y", &["Listening on http://127.0.0.1:"]);
    let address = address_on(&console.terminal.screen());
    let (status, body) = who_am_i(address, old);
    assert_eq!((status, &body["detail"]), (401, &"Invalid token.".into()));
    console
        .terminal
        .wait_for(&["401   /api/example/", "retired: erin"]);
    console.press(
        "w",
        &["Who still calls with a retired key", "127.0.0.1", "×1"],
    );
    console.close("Who still calls with a retired key");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_with_leaked_keys_is_handled_by_keys_alone() {
    whole_leak(30, 120).await;
}
