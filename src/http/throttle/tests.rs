use super::*;
use std::net::Ipv6Addr;
use std::time::Duration;

fn rate(count: u32, secs: u64) -> Rate {
    Rate {
        count,
        window: Duration::from_secs(secs),
    }
}

const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 2));

fn after(start: Instant, millis: u64) -> Instant {
    start + Duration::from_millis(millis)
}

#[test]
fn the_sixth_of_a_minute_waits_until_the_first_is_a_minute_old() {
    let throttles = Throttles::new([Some(rate(5, 60))].into_iter(), None);
    let start = Instant::now();
    let at = |millis| throttles.admit(0, ONE, after(start, millis));
    for millis in [0, 10_000, 20_000, 30_000, 40_000] {
        assert_eq!(at(millis), Ok(()));
    }
    assert_eq!(at(40_000), Err(Wait(20)));
    assert_eq!(at(40_001), Err(Wait(20)), "rounded up");
    assert_eq!(at(59_000), Err(Wait(1)));
    assert_eq!(at(59_999), Err(Wait(1)));
    // `history[-1] <= now - duration` has left; what was refused was never written down.
    assert_eq!(at(60_000), Ok(()));
    assert_eq!(at(60_000), Err(Wait(10)));
    assert_eq!(throttles.admit(0, OTHER, after(start, 60_000)), Ok(()));
}

#[test]
fn routes_count_apart_and_only_where_there_is_a_rate() {
    let throttles = Throttles::new(
        [Some(rate(1, 60)), None, Some(rate(1, 60))].into_iter(),
        None,
    );
    let now = Instant::now();
    assert_eq!(throttles.admit(0, ONE, now), Ok(()));
    assert_eq!(throttles.admit(0, ONE, now), Err(Wait(60)));
    assert_eq!(throttles.admit(2, ONE, now), Ok(()));
    for _ in 0..10 {
        assert_eq!(throttles.admit(1, ONE, now), Ok(()));
    }
}

#[test]
fn an_address_is_the_same_over_both_protocols_and_differs_by_every_bit() {
    let throttles = Throttles::new([Some(rate(1, 60))].into_iter(), None);
    let now = Instant::now();
    assert_eq!(throttles.admit(0, ONE, now), Ok(()));
    let mapped = IpAddr::V6(std::net::Ipv4Addr::LOCALHOST.to_ipv6_mapped());
    assert_eq!(throttles.admit(0, mapped, now), Err(Wait(60)));
    for last in 1..4 {
        let address = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last));
        assert_eq!(throttles.admit(0, address, now), Ok(()));
    }
}

#[test]
fn only_failed_logins_count() {
    let throttles = Throttles::new(std::iter::empty(), Some(rate(2, 60)));
    let start = Instant::now();
    for _ in 0..10 {
        assert_eq!(throttles.login("alice", start), Ok(()));
    }
    throttles.login_failed("alice", start);
    assert_eq!(throttles.login("alice", start), Ok(()));
    for _ in 0..5 {
        throttles.login_failed("alice", after(start, 1_000));
    }
    assert_eq!(throttles.login("alice", after(start, 1_000)), Err(Wait(59)));
    assert_eq!(throttles.login("Alice", after(start, 1_000)), Ok(()));
    assert_eq!(throttles.login("alice", after(start, 60_000)), Ok(()));
    let off = Throttles::new(std::iter::empty(), None);
    for _ in 0..1_000 {
        off.login_failed("alice", start);
    }
    assert_eq!(off.login("alice", start), Ok(()));
}

#[test]
fn memory_ends_however_many_come() {
    let mut log = Log::new(Room {
        callers: 100,
        times: 150,
    });
    let (start, rate) = (Instant::now(), rate(5, 60));
    for number in 0..10_000_u64 {
        let now = after(start, number);
        // One caller in ten is always the same.
        let caller = if number % 10 == 0 { 0 } else { number };
        if log.wait(caller, rate, now).is_none() {
            log.count(caller, rate, now);
        }
        assert!(
            log.times.len() <= 100 && log.held <= 150,
            "{} callers",
            log.times.len()
        );
        assert_eq!(
            log.held,
            log.times.values().map(VecDeque::len).sum::<usize>()
        );
    }
    // Those whose window has passed go first, all at once.
    let later = after(start, 100_000);
    for caller in 0..100_u64 {
        log.count(20_000 + caller, rate, later);
    }
    assert!(log.times.keys().all(|caller| *caller >= 20_000));
}
