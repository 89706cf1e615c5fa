use std::time::{Duration, Instant};

use futures_util::FutureExt;

use super::*;

/// `secret`, as Django writes it with 2^4 rounds of plain bcrypt.
const CHEAP: &str = "bcrypt$$2b$04$aaaaaaaaaaaaaaaaaaaaaexvjmDXZWufZ/0bczk.mMI37N0qwMV6O";

fn one() -> NonZeroUsize {
    NonZeroUsize::MIN
}

fn cheap() -> Secret<String> {
    Secret::from(CHEAP)
}

fn secret() -> Secret<String> {
    Secret::from("secret")
}

#[tokio::test]
async fn a_right_password_is_right_and_written_anew_when_old() {
    let hashing = Hashing::new(one(), 4)
        .unwrap()
        .preferring(Preferred::BcryptSha256);
    let wrong = hashing.check(cheap(), Secret::from("Secret")).await;
    assert!(matches!(wrong, Ok(Checked::Wrong)));
    let Ok(Checked::RightButOld(new)) = hashing.check(cheap(), secret()).await else {
        panic!("not old");
    };
    assert!(new.expose().starts_with("bcrypt_sha256$$2b$12$"));
    let again = hashing.check(new, secret()).await;
    assert!(matches!(again, Ok(Checked::Right)));
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_those_who_left_make_room() {
    let hashing = Hashing::idle(2);
    let mut first = Box::pin(hashing.check(cheap(), secret()));
    let mut second = Box::pin(hashing.check(cheap(), Secret::from("wrong")));
    assert!(first.as_mut().now_or_never().is_none());
    assert!(second.as_mut().now_or_never().is_none());
    let third = hashing.check(cheap(), secret()).now_or_never();
    assert!(matches!(third, Some(Err(Busy))));
    let wasted = hashing.waste(secret()).now_or_never();
    assert!(matches!(wasted, Some(Err(Busy))));

    drop(first);
    let mut fourth = Box::pin(hashing.check(cheap(), secret()));
    assert!(fourth.as_mut().now_or_never().is_none());
    assert_eq!(hashing.pool.0.lock().waiting.len(), 2);

    hashing.start(1).unwrap();
    assert!(matches!(second.await, Ok(Checked::Wrong)));
    assert!(matches!(fourth.await, Ok(Checked::RightButOld(_))));
}

#[tokio::test]
async fn the_work_of_a_caller_who_left_is_skipped() {
    let hashing = Hashing::idle(2);
    let mut left = Box::pin(hashing.check(cheap(), Secret::from("left")));
    let mut stays = Box::pin(hashing.check(cheap(), Secret::from("stays")));
    assert!(left.as_mut().now_or_never().is_none());
    assert!(stays.as_mut().now_or_never().is_none());
    drop(left);
    let (job, _) = hashing.pool.0.next().unwrap();
    assert_eq!(job.password.expose(), "stays");
    // A thread that loses its job, as by a panic, leaves nobody waiting.
    drop(job);
    assert!(matches!(stays.await, Err(Busy)));
}

#[tokio::test]
async fn the_threads_end_with_the_last_handle() {
    let hashing = Hashing::new(NonZeroUsize::new(3).unwrap(), 4).unwrap();
    let clone = hashing.clone();
    assert!(hashing.check(cheap(), secret()).await.is_ok());
    let shared = Arc::downgrade(&hashing.pool.0);
    drop(hashing);
    assert!(clone.check(cheap(), secret()).await.is_ok());
    drop(clone);
    let deadline = Instant::now() + Duration::from_mins(1);
    while shared.strong_count() > 0 {
        assert!(Instant::now() < deadline, "a thread goes on");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn nobodys_name_and_a_string_that_nothing_opens_cost_what_is_imitated() {
    async fn time<T>(work: impl Future<Output = T>) -> Duration {
        let start = Instant::now();
        work.await;
        start.elapsed()
    }
    let hashing = Hashing::new(one(), 4).unwrap();
    let closed = ["!", "", "pbkdf2_sha256$", "md5$salt$hash"];
    let mut dear = vec![time(hashing.waste(secret())).await];
    for encoded in closed {
        dear.push(time(hashing.check(Secret::from(encoded), secret())).await);
    }
    hashing.imitate(&cheap()).unwrap();
    let refused = hashing.imitate(&Secret::from("!"));
    assert_eq!(refused, Err(Unreadable::Unusable));
    let mut cheaper = vec![];
    for _ in 0..3 {
        cheaper.push(time(hashing.waste(secret())).await);
        for encoded in closed {
            cheaper.push(time(hashing.check(Secret::from(encoded), secret())).await);
        }
    }
    // 1,000,000 iterations of PBKDF2 against 2^4 rounds of bcrypt: 200 times.
    let (dear, cheaper) = (dear.iter().min().unwrap(), cheaper.iter().min().unwrap());
    assert!(*dear > 10 * *cheaper, "{dear:?} {cheaper:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn only_the_hashing_thread_steps_back() {
    let niceness = || rustix::process::getpriority_process(None).unwrap();
    let before = niceness();
    let stepped = thread::spawn(move || {
        step_back();
        niceness()
    });
    assert_eq!(stepped.join().unwrap(), NICENESS);
    assert_eq!(niceness(), before);
}

#[test]
fn debug_tells_nothing_of_passwords() {
    let hashing = Hashing::idle(2);
    let mut asked = Box::pin(hashing.check(cheap(), secret()));
    assert!(asked.as_mut().now_or_never().is_none());
    let shown = format!("{hashing:?}");
    assert!(
        shown.contains("waiting: 1") && !shown.contains("secret"),
        "{shown}"
    );
}
