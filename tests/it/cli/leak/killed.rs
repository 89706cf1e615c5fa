//! The program killed while it answers a leak: the database and the audit agree, on nothing or on everything, and the
//! same command goes on from there.

use std::time::{Duration, Instant};

use super::{LIVE, log, site};
use crate::support::place::Place;
use crate::support::program::Program;

const REGENERATE: [&str; 5] = ["leak", "scan", "--regenerate", "--yes", "app.log"];
const DEADLINE: Duration = Duration::from_secs(30);

async fn until(place: &Place, what: &str, question: &str) {
    let begun = Instant::now();
    while !place.one::<bool>(question).await {
        assert!(begun.elapsed() < DEADLINE, "waited until {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Starts the command, kills it once the server says `stands`, lets go of what it waited for, and waits until the server
/// has heard that it is gone.
async fn killed(place: &Place, program: &Program, lock: &str, stands: &str) {
    let holder = place.client().await;
    holder
        .batch_execute(&format!("BEGIN; {lock}"))
        .await
        .unwrap();
    let mut child = program.command(&REGENERATE).spawn().unwrap();
    until(
        place,
        "it stands there",
        &format!(
            "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() \
             AND wait_event_type = 'Lock' AND application_name <> 'a test' AND query LIKE '{stands}'"
        ),
    )
    .await;
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().code(), None);
    holder.batch_execute("ROLLBACK").await.unwrap();
    until(
        place,
        "the server knows that it is gone",
        "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = current_database() \
         AND backend_type = 'client backend' AND application_name <> 'a test'",
    )
    .await;
}

/// Live keys of the log that are left, keys that the leak retired, and lines of the audit about it.
async fn state(place: &Place) -> [i64; 3] {
    [
        place
            .one(&format!(
                "SELECT count(*) FROM authtoken_token WHERE key IN ('{LIVE}', 'made-by-hand')"
            ))
            .await,
        place
            .one("SELECT count(*) FROM tokenward.retired_key WHERE leak IS NOT NULL")
            .await,
        place
            .one("SELECT count(*) FROM tokenward.audit WHERE for_leak IS NOT NULL")
            .await,
    ]
}

#[tokio::test]
async fn before_it_is_committed_nothing_is_done_and_the_same_command_does_it() {
    let place = site().await;
    let program = Program::on(&place);
    std::fs::write(program.path("app.log"), log()).unwrap();
    let lock = "SELECT FROM authtoken_token WHERE key = 'made-by-hand' FOR UPDATE";
    killed(&place, &program, lock, "%authtoken_token%").await;
    assert_eq!(state(&place).await, [2, 0, 0]);
    let verified = program.run(&["audit", "verify"]);
    assert_eq!(verified.code, Some(0), "{}", verified.err);
    // The case that was kept before the change says that nothing was done.
    let report = program.run(&["leak", "report", "1"]).ok();
    assert!(
        report.contains("0 regenerated or revoked here, 2 still live"),
        "{report}"
    );
    let done = program.run(&REGENERATE);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(done.err.contains("leak 1: the old keys"), "{}", done.err);
    assert_eq!(state(&place).await, [0, 2, 2]);
}

#[tokio::test]
async fn once_the_server_commits_everything_is_done_and_the_same_text_says_so() {
    let place = site().await;
    let program = Program::on(&place);
    std::fs::write(program.path("app.log"), log()).unwrap();
    // The last line of the audit is held, which a commit moves on.
    let lock = "SELECT FROM tokenward.audit_head FOR UPDATE";
    killed(&place, &program, lock, "COMMIT%").await;
    assert_eq!(state(&place).await, [0, 2, 2]);
    let verified = program.run(&["audit", "verify"]);
    assert_eq!(verified.code, Some(0), "{}", verified.err);
    let again = program.run(&REGENERATE);
    assert_eq!(again.code, Some(0), "{}", again.err);
    assert!(
        again.out.contains("9944b091…  RETIRED  user1") && again.out.contains("(leak 1)"),
        "{}",
        again.out
    );
    assert_eq!(state(&place).await, [0, 2, 2]);
}
