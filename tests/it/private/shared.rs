//! One server for all who come: made by the first, stopped by the last, there for everybody between.

use super::*;

#[tokio::test]
async fn the_first_makes_it_others_join_and_the_last_to_leave_stops_it() {
    let folder = folder();
    let home = home_in(&folder);
    assert_eq!(private::status(&home).unwrap(), Status::NotMade);

    let begun = Instant::now();
    let mut said = Vec::new();
    let first = private::open(&home, &mut |line| said.push(line.to_owned()))
        .await
        .unwrap();
    println!("first start: {:?}", begun.elapsed());
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(
        said[0].starts_with("making a private Postgres 1"),
        "{said:?}"
    );
    assert_eq!(said[1], "starting it");

    let begun = Instant::now();
    let mut said = Vec::new();
    let second = private::open(&home, &mut |line| said.push(line.to_owned()))
        .await
        .unwrap();
    println!("joining: {:?}", begun.elapsed());
    assert_eq!(second.pid(), first.pid());
    assert!(said.is_empty(), "{said:?}");

    first.leave().await.unwrap();
    let Status::Running {
        pid,
        used,
        until,
        version,
    } = private::status(&home).unwrap()
    else {
        panic!("one is still there");
    };
    assert_eq!(
        (pid, used, until),
        (second.pid(), Used::Now, Until::LastLeaves)
    );
    assert!((13..=18).contains(&version.parse().unwrap()));
    let begun = Instant::now();
    second.leave().await.unwrap();
    println!("leaving last: {:?}", begun.elapsed());

    // At once, while it still shuts down; then once it is down.
    let begun = Instant::now();
    let third = open(&home).await;
    println!("start during the shutdown: {:?}", begun.elapsed());
    assert_ne!(third.pid(), pid);
    connect(&third, "postgres")
        .await
        .batch_execute("SELECT 1")
        .await
        .unwrap();
    drop(third);
    wait_until_stopped(&home).await;
    let begun = Instant::now();
    let fourth = open(&home).await;
    println!("later start: {:?}", begun.elapsed());
    fourth.leave().await.unwrap();
    wait_until_stopped(&home).await;
}

#[tokio::test]
async fn two_first_starts_make_one_server_that_outlives_a_killed_tokenward() {
    let folder = folder();
    let home = home_in(&folder);
    let mut one = Other::start(&home);
    let mut two = Other::start(&home);
    let pid = one.server();
    assert_eq!(two.server(), pid);
    let unfinished: Vec<_> = fs::read_dir(home.base().join("server"))
        .unwrap()
        .flatten()
        .filter(|entry| {
            entry
                .file_name()
                .to_string_lossy()
                .starts_with("unfinished")
        })
        .collect();
    assert!(unfinished.is_empty(), "{unfinished:?}");
    let error = private::stop(&home).await.unwrap_err();
    assert!(matches!(error, Error::InUse), "{error}");
    one.leave();
    assert!(matches!(
        private::status(&home).unwrap(),
        Status::Running {
            used: Used::Now,
            ..
        }
    ));

    // The lock is free at once: the server did not inherit it. The next to come takes the server over.
    two.kill_9();
    assert!(matches!(
        private::status(&home).unwrap(),
        Status::Running { pid: running, used: Used::ByNobody, until: Until::LastLeaves, .. } if running == pid
    ));
    let lease = open(&home).await;
    assert_eq!(lease.pid(), pid);
    lease.leave().await.unwrap();
    wait_until_stopped(&home).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_come_and_go_and_each_finds_a_server() {
    let folder = folder();
    let home = home_in(&folder);
    let comers = (0..4_u64).map(|number| {
        let home = home.clone();
        tokio::spawn(async move {
            for round in 0..8 {
                let lease = open(&home).await;
                connect(&lease, "postgres")
                    .await
                    .batch_execute("SELECT 1")
                    .await
                    .unwrap();
                lease.leave().await.unwrap();
                // Out of step with the others, so that often the last one leaves just when another comes.
                tokio::time::sleep(Duration::from_millis(number * 7 + round)).await;
            }
        })
    });
    for comer in comers.collect::<Vec<_>>() {
        comer.await.unwrap();
    }
    wait_until_stopped(&home).await;
}
