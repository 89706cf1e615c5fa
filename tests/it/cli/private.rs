//! The private database, as somebody meets it who has set up nothing.

use serde_json::json;

use crate::support::program::Program;

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
