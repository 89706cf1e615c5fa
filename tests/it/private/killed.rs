//! `kill -9`: of the server, and of a tokenward, in the middle of whatever they do.

use super::*;

#[tokio::test]
async fn a_killed_server_comes_back_with_every_committed_row() {
    let folder = folder();
    let home = home_in(&folder);
    let lease = open(&home).await;
    let client = connect(&lease, "postgres").await;
    client
        .batch_execute(
            "CREATE TABLE kept (n int); INSERT INTO kept SELECT generate_series(1, 1000)",
        )
        .await
        .unwrap();
    let before = lease.pid();
    kill_9(before);

    // The lease of the dead server is still held, as a console that shows "offline" holds it.
    let begun = Instant::now();
    let again = open(&home).await;
    println!("start after kill -9 of the server: {:?}", begun.elapsed());
    assert_ne!(again.pid(), before);
    let row = connect(&again, "postgres")
        .await
        .query_one("SELECT count(*) FROM kept", &[])
        .await
        .unwrap();
    assert_eq!(row.get::<_, i64>(0), 1000);
    lease.leave().await.unwrap();
    assert!(matches!(
        private::status(&home).unwrap(),
        Status::Running {
            used: Used::Now,
            ..
        }
    ));
    again.leave().await.unwrap();
    wait_until_stopped(&home).await;
}

/// Kills a tokenward while its initdb works; `false` if that was done before the kill came.
async fn kill_in_the_middle_of_initdb(home: &Home) -> bool {
    let other = Other::start(home);
    let server = home.base().join("server");
    let version_files = || {
        let entries = fs::read_dir(&server).into_iter().flatten().flatten();
        entries
            .filter(|entry| entry.path().join("PG_VERSION").exists())
            .count()
    };
    wait_for("initdb to begin", || version_files() > 0).await;
    other.kill_9();
    !server.join("data").exists()
}

#[tokio::test]
async fn a_tokenward_killed_in_the_middle_of_initdb_is_in_nobodys_way() {
    for _ in 0..5 {
        let folder = folder();
        let home = home_in(&folder);
        let in_time = kill_in_the_middle_of_initdb(&home).await;
        if in_time {
            assert_eq!(private::status(&home).unwrap(), Status::NotMade);
        }
        let lease = open(&home).await;
        connect(&lease, "postgres")
            .await
            .batch_execute("SELECT 1")
            .await
            .unwrap();
        lease.leave().await.unwrap();
        wait_until_stopped(&home).await;
        if in_time {
            return;
        }
    }
    panic!("killed too late five times");
}
