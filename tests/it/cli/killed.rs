//! A program that is killed between the COMMIT of a change and the change's line in the local file: the next who looks asks
//! the database, and the line says what became of the change.

use std::fs::File;
use std::path::PathBuf;
use std::process::Child;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::place::{self, Place};
use crate::support::program::Program;
use crate::support::relay::Relay;

/// Longer than anything here takes on a slow machine.
const DEADLINE: Duration = Duration::from_mins(1);

/// A database without our schema, where `ann` has a token.
async fn with_ann() -> (Place, Program) {
    let place = place::fresh().await;
    place.sql("DROP SCHEMA tokenward CASCADE").await;
    let program = Program::on(&place);
    program
        .run(&["user", "create", "ann", "--no-password"])
        .ok();
    place
        .sql("INSERT INTO authtoken_token SELECT repeat('0a', 20), now(), id FROM auth_user")
        .await;
    (place, program)
}

/// What was kept beside the audit.
fn pending(program: &Program) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(program.path("state/tokenward")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.to_string_lossy().contains("audit.pending-"))
        .collect()
}

async fn wait_for(place: &Place, question: &str) {
    let begun = Instant::now();
    while !place.one::<bool>(question).await {
        assert!(begun.elapsed() < DEADLINE, "waited in vain for {question}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn kill_it(mut child: Child) {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
    kill(pid, Signal::SIGKILL).unwrap();
    assert_eq!(child.wait().unwrap().code(), None);
}

fn regenerate(program: &Program) -> Child {
    program
        .command(&["token", "regenerate", "ann"])
        .spawn()
        .unwrap()
}

/// Kills one that regenerates the key of `ann`, after the COMMIT and before its line.
async fn killed_after_the_commit(place: &Place, program: &Program) {
    let held = File::open(program.path("state/tokenward/audit.jsonl")).unwrap();
    held.lock().unwrap();
    let child = regenerate(program);
    wait_for(place, "SELECT key NOT LIKE '0a0a%' FROM authtoken_token").await;
    kill_it(child);
}

/// The results of the lines about keys of `ann`.
fn results(program: &Program) -> Vec<String> {
    let lines = program.run(&["audit", "--json"]).json(0);
    let of_keys = lines
        .iter()
        .rev()
        .filter(|line| line["what"] == "regenerate");
    of_keys
        .map(|line| line["result"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn after_the_commit_the_line_is_written_by_the_next_who_looks() {
    let (place, program) = with_ann().await;
    killed_after_the_commit(&place, &program).await;
    let [kept] = pending(&program).try_into().unwrap();
    let text = std::fs::read_to_string(&kept).unwrap();
    assert!(!text.contains(&"0a".repeat(5)), "a key: {text}");
    let key: String = place.one("SELECT key::text FROM authtoken_token").await;
    assert!(!text.contains(&key[..9]), "a key: {text}");

    assert_eq!(results(&program), ["done"]);
    assert!(pending(&program).is_empty());
    let fine = program.run(&["audit", "verify"]).ok();
    assert!(fine.starts_with("2 lines of "), "{fine}");

    // Killed a moment later, after the line and before its end was noted: it is not written twice.
    std::fs::write(&kept, text).unwrap();
    program.run(&["user", "off", "ann"]).ok();
    assert!(pending(&program).is_empty());
    let fine = program.run(&["audit", "verify"]).ok();
    assert!(fine.starts_with("3 lines of "), "{fine}");
}

#[tokio::test]
async fn what_another_server_has_to_tell_is_named_and_kept() {
    let (place, program) = with_ann().await;
    killed_after_the_commit(&place, &program).await;
    let [kept] = pending(&program).try_into().unwrap();
    let text = std::fs::read_to_string(&kept).unwrap();
    let (start, rest) = text.split_once("\"server\":\"").unwrap();
    std::fs::write(&kept, format!("{start}\"server\":\"1{rest}")).unwrap();
    let ran = program.run(&["audit", "verify"]);
    assert_eq!(ran.code, Some(1));
    let named = format!(
        "BROKEN  a program ended while it made a change, and whether that was made is not known yet: regenerate of ann on {}",
        place.name()
    );
    assert!(ran.out.starts_with(&named), "{}", ran.out);
    assert_eq!(results(&program), [""; 0]);
    // Nor does it stand in the way of others.
    program.run(&["token", "regenerate", "ann"]);
    assert_eq!(results(&program), ["done"]);
    assert_eq!(pending(&program), std::slice::from_ref(&kept));
    std::fs::write(&kept, "half a li").unwrap();
    let ran = program.run(&["audit", "verify"]);
    assert!(ran.out.contains("cannot be read"), "{}", ran.out);
    std::fs::write(&kept, text).unwrap();
    assert_eq!(results(&program), ["done", "done"]);
    program.run(&["audit", "verify"]).ok();
}

/// A copy of a server's files calls itself by the same name: a number that the one gave means nothing to the other.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_may_be_a_copy_is_not_believed() {
    let (place, program) = with_ann().await;
    killed_after_the_commit(&place, &program).await;
    let relay = Relay::before(&place).await;
    let program = program.with("DATABASE_URL", relay.url(&place).expose());
    assert_eq!(results(&program), [""; 0]);
    assert_eq!(pending(&program).len(), 1);
    let program = program.with("DATABASE_URL", place.url().expose());
    assert_eq!(results(&program), ["done"]);
    assert!(pending(&program).is_empty());
}

#[tokio::test]
async fn a_role_that_may_not_ask_which_server_it_is_settles_nothing() {
    let (place, program) = with_ann().await;
    let rights = "GRANT SELECT, INSERT, UPDATE, DELETE ON authtoken_token TO {role}; GRANT SELECT ON auth_user TO {role}; \
                  REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC";
    let url = place.url_of_role("least", rights).await;
    let program = program.with("DATABASE_URL", url.expose());
    killed_after_the_commit(&place, &program).await;
    assert_eq!(results(&program), [""; 0]);
    let ran = program.run(&["audit", "verify"]);
    assert_eq!(ran.code, Some(1));
    let [kept] = pending(&program).try_into().unwrap();
    let advice = format!(
        "look there for the change, and then remove {}",
        kept.display()
    );
    assert!(ran.out.contains(&advice), "{}", ran.out);
    // What it does itself has its line.
    program.run(&["token", "regenerate", "ann"]);
    assert_eq!(results(&program), ["done"]);
    assert_eq!(pending(&program), [kept]);
}

#[tokio::test]
async fn a_migration_settles_what_was_left_and_the_check_of_its_audit_names_the_rest() {
    let (place, program) = with_ann().await;
    killed_after_the_commit(&place, &program).await;
    let [kept] = pending(&program).try_into().unwrap();
    let text = std::fs::read_to_string(&kept).unwrap();
    program.run(&["migrate", "--yes"]);
    assert!(pending(&program).is_empty());
    let file = std::fs::read_to_string(program.path("state/tokenward/audit.jsonl")).unwrap();
    let of_keys = file
        .lines()
        .filter(|line| line.contains("\"regenerate\"") && line.contains("\"done\""));
    assert_eq!(of_keys.count(), 1, "{file}");
    program.run(&["audit", "verify"]).ok();

    std::fs::write(&kept, text.replacen("timeline", "line", 1)).unwrap();
    let ran = program.run(&["audit", "verify"]);
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.out.contains(
            "a program ended while it made a change, and whether that was made is not known yet"
        ),
        "{}",
        ran.out
    );
    // As if it had been left only now.
    std::fs::write(&kept, text).unwrap();
    program.run(&["user", "off", "ann"]).ok();
    assert!(pending(&program).is_empty());
}

/// The server goes on with a COMMIT whose client is gone, or not, as here.
#[tokio::test]
async fn within_the_commit_it_is_as_the_server_decides() {
    for (stopped, said) in [
        (false, "done"),
        (
            true,
            "failed: tokenward ended before the change was made, and nothing was changed",
        ),
    ] {
        let (place, program) = with_ann().await;
        place
            .sql(
                "CREATE TABLE gate (); CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS \
                 'BEGIN LOCK TABLE gate; RETURN NULL; END'; \
                 CREATE CONSTRAINT TRIGGER wait AFTER UPDATE ON authtoken_token DEFERRABLE INITIALLY DEFERRED \
                 FOR EACH ROW EXECUTE FUNCTION wait()",
            )
            .await;
        let holder = place.client().await;
        holder
            .batch_execute("BEGIN; LOCK TABLE gate")
            .await
            .unwrap();
        let child = regenerate(&program);
        let waits =
            "FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        wait_for(&place, &format!("SELECT count(*) > 0 {waits}")).await;
        // One that is at it is not meddled with.
        assert_eq!(results(&program), [""; 0]);
        program.run(&["audit", "verify"]).ok();
        kill_it(child);
        let ran = program.run(&["audit", "verify"]);
        assert_eq!(ran.code, Some(1), "the server is still at it: {}", ran.out);
        if stopped {
            place
                .sql(&format!("SELECT pg_terminate_backend(pid) {waits}"))
                .await;
            wait_for(&place, &format!("SELECT count(*) = 0 {waits}")).await;
        }
        holder.batch_execute("ROLLBACK").await.unwrap();
        wait_for(&place, &format!("SELECT count(*) = 0 {waits}")).await;
        let begun = Instant::now();
        while results(&program).is_empty() {
            assert!(begun.elapsed() < DEADLINE, "no line");
        }
        assert_eq!(results(&program), [said]);
        let new = "SELECT key NOT LIKE '0a0a%' FROM authtoken_token";
        assert_eq!(place.one::<bool>(new).await, !stopped);
        program.run(&["audit", "verify"]).ok();
    }
}
