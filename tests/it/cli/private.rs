//! The private database, as somebody meets it who has set up nothing.

use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::support::program::Program;
use crate::support::pty::{Setting, Terminal};

/// Deletes the private database, however the test ends.
struct Dropped(Program);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.run(&["private", "drop", "--yes"]);
    }
}

#[test]
fn the_first_command_makes_it_and_the_last_one_stops_it() {
    let program = Dropped(Program::new());
    let program = &program.0;
    let status = || {
        program
            .run(&["private", "status", "--json"])
            .json(0)
            .remove(0)
    };
    assert_eq!(status()["state"], json!("not made"));

    let first = program.run(&["user", "create", "ann", "--no-password"]);
    assert_eq!(
        (first.code, first.out.as_str()),
        (Some(0), "made  ann  id 1\n"),
        "{}",
        first.err
    );
    assert!(
        first
            .err
            .lines()
            .all(|line| line.starts_with("tokenward: "))
            && first.err.contains("making a private Postgres"),
        "{}",
        first.err
    );
    assert_eq!(status()["state"], json!("stopped"));

    // Who reads the address finds the server there, although no tokenward runs any more.
    let told = program.run(&["private", "url"]);
    assert!(
        told.code == Some(0) && told.err.contains("until `tokenward private stop`"),
        "{}",
        told.err
    );
    let reader = Program::new().with("DATABASE_URL", told.out.trim());
    assert!(reader.run(&["user", "list"]).ok().contains("ann"));
    program.run(&["private", "stop"]).ok();

    program.run(&["private", "start"]).ok();
    assert_eq!(status()["state"], json!("running"));
    let out = program.run(&["drf_create_token", "ann"]).ok();
    assert!(out.ends_with(" for user ann\n"), "{out}");
    let url = program.run(&["private", "url"]).ok();
    assert!(url.starts_with("postgres://"), "{url}");
    let other = Program::new().with("DATABASE_URL", url.trim());
    assert!(other.run(&["token", "list"]).ok().contains("ann"));

    program.run(&["private", "stop"]).ok();
    assert_eq!(status()["state"], json!("stopped"));
    let err = program.run(&["private", "drop"]).fails(5);
    assert!(err.contains("--yes"), "{err}");
    program.run(&["private", "drop", "--yes"]).ok();
    assert_eq!(status()["state"], json!("not made"));
}

#[test]
fn a_server_killed_under_the_console_comes_back_by_itself() {
    let program = Dropped(Program::new());
    let program = &program.0;
    let made = program.run(&["user", "create", "alice", "--no-password"]);
    assert_eq!(made.code, Some(0), "{}", made.err);
    let setting = Setting::at(&program.path(""))
        .with("XDG_DATA_HOME", program.path("data"))
        .with("XDG_STATE_HOME", program.path("state"));
    let tokenward = Path::new(env!("CARGO_BIN_EXE_tokenward"));
    let mut terminal = Terminal::start(tokenward, &[], &setting, 30, 100);
    terminal.wait_for(&["alice", "live"]);
    let status = program.run(&["private", "status", "--json"]).json(0);
    let server = i32::try_from(status[0]["pid"].as_i64().unwrap()).unwrap();
    kill(Pid::from_raw(server), Signal::SIGKILL).unwrap();

    terminal.press("N");
    terminal.wait_for(&["Generate a token for alice"]);
    // A dialog takes no key in its first moments.
    std::thread::sleep(Duration::from_millis(350));
    terminal.press("y");
    terminal.wait_for(&["The token of alice", "Esc done"]);
    std::thread::sleep(Duration::from_millis(350));
    terminal.press("\u{1b}");
    terminal.wait_gone("The token of alice");
    terminal.press("q");
    assert_eq!(terminal.wait_exit(), 0);
    let status = program.run(&["private", "status", "--json"]).json(0);
    assert_eq!(
        status[0]["state"],
        json!("stopped"),
        "the last one stops it"
    );
}
