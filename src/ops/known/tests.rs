//! The protocol of stamps, with every interleaving forced.

use super::*;
use crate::db::lookup::Holder;
use crate::domain::principal::Account;
use crate::domain::secret::Secret;

const SERVER: &str = "this one";

fn mark(key: &str) -> Mark {
    Mark::of(&Presented::Drf(Secret::from(key)))
}

fn found(user: i32, stamp: Stamp) -> Found {
    Found {
        holder: Some(Holder {
            account: Account {
                id: UserId::Int4(user),
                username: format!("user{user}").into(),
                email: "".into(),
                full_name: "".into(),
                is_active: true,
                groups: Vec::new(),
            },
            created: Moment::from_unix_micros(0),
            expiry: None,
            other_expiry: None,
        }),
        stamp,
        server: Some(Arc::from(SERVER)),
        is_doubtful: false,
    }
}

fn now() -> Moment {
    Moment::from_unix_micros(1_000)
}

fn knows(known: &Known, key: &str) -> bool {
    known.find(mark(key), now, None).is_some()
}

fn promise(known: &Known) {
    let (asked, server) = (since_boot(), SERVER.to_owned());
    known.hear(Heard::Sure { asked, server });
}

/// Sure, with the keys `a` of user 1 and `b` of user 2.
fn two_known() -> Known {
    let known = Known::new(100);
    promise(&known);
    known.remember(mark("a"), &found(1, known.stamp()));
    known.remember(mark("b"), &found(2, known.stamp()));
    assert!(knows(&known, "a") && knows(&known, "b"));
    known
}

#[test]
fn a_change_of_one_user_leaves_the_others() {
    let known = two_known();
    known.hear(Heard::Changed(vec![UserId::Int4(1)]));
    assert!(!knows(&known, "a"));
    assert!(knows(&known, "b"));
    known.remember(mark("a"), &found(1, known.stamp()));
    assert!(knows(&known, "a"), "looked up anew it is known again");
    known.forget(UserId::Int4(2));
    assert!(knows(&known, "a") && !knows(&known, "b"));
}

#[test]
fn what_was_asked_before_a_change_was_heard_never_counts_after_it() {
    type Change = fn(&Known);
    let changes: [Change; 4] = [
        |known| known.forget(UserId::Int4(1)),
        |known| {
            known.hear(Heard::Changed(vec![UserId::Int4(2), UserId::Int4(1)]));
        },
        |known| {
            known.hear(Heard::AllChanged);
        },
        |known| {
            known.hear(Heard::NotSure("trouble".to_owned()));
            promise(known);
        },
    ];
    for change in changes {
        // The answer comes in after the change was heard ..
        let known = two_known();
        let asked = known.stamp();
        change(&known);
        known.remember(mark("a"), &found(1, asked));
        assert!(!knows(&known, "a"));
        // .. or before it ..
        let known = two_known();
        known.remember(mark("a"), &found(1, known.stamp()));
        change(&known);
        assert!(!knows(&known, "a"));
        // .. or after another look-up that began when the change had been heard: the older one may cost a look-up, and
        // must not count.
        let known = two_known();
        let asked = known.stamp();
        change(&known);
        known.remember(mark("a"), &found(1, known.stamp()));
        assert!(knows(&known, "a"));
        known.remember(mark("a"), &found(1, asked));
        assert!(!knows(&known, "a"));
    }
}

#[test]
fn what_nobody_promises_is_not_used() {
    let known = Known::new(100);
    known.remember(mark("a"), &found(1, known.stamp()));
    promise(&known);
    assert!(!knows(&known, "a"), "it came in before the promise");
    known.remember(mark("a"), &found(1, known.stamp()));
    assert!(knows(&known, "a"));
    assert_eq!(
        known.hear(Heard::NotSure("trouble".to_owned())),
        Emptying::Due
    );
    assert!(!knows(&known, "a"));
    assert_eq!(known.doubt().as_deref(), Some("trouble"));
    promise(&known);
    assert!(
        !knows(&known, "a"),
        "a new promise does not cover what is old"
    );
    known.empty();
    assert_eq!(
        (known.len(), known.hear(Heard::AllChanged)),
        (0, Emptying::No)
    );
}

#[test]
fn a_promise_runs_out_by_itself() {
    let known = two_known();
    let server = SERVER.to_owned();
    let asked = since_boot().saturating_sub(PROMISE);
    known.hear(Heard::Sure { asked, server });
    assert!(!knows(&known, "a"));
    assert_eq!(known.doubt().as_deref(), Some("the database answers late"));
    known.remember(mark("c"), &found(3, known.stamp()));
    promise(&known);
    assert!(knows(&known, "a"), "nothing was missed meanwhile");
    assert!(!knows(&known, "c"));
}

#[test]
fn only_answers_of_the_server_that_promises_are_remembered() {
    let known = two_known();
    for server in [None, Some(Arc::from("a standby of it"))] {
        let found = Found {
            server,
            ..found(3, known.stamp())
        };
        known.remember(mark("c"), &found);
        assert!(!knows(&known, "c"));
    }
}

#[test]
fn what_expires_is_asked_for_again() {
    let known = two_known();
    for (ends, counts) in [(1_001, true), (1_000, false), (5, false)] {
        let mut found = found(3, known.stamp());
        if let Some(holder) = &mut found.holder {
            holder.other_expiry = Some(Moment::from_unix_micros(ends));
        }
        known.remember(mark("c"), &found);
        assert_eq!(knows(&known, "c"), counts, "{ends}");
    }
}

#[test]
fn the_two_kinds_of_key_are_never_mixed_up() {
    let known = two_known();
    let knox = Presented::Knox(crate::domain::token::KnoxKey::new(Secret::from("a")));
    assert!(known.find(Mark::of(&knox), now, None).is_none());
}

#[test]
fn the_memory_is_bounded() {
    let known = Known::new(1_000);
    promise(&known);
    for number in 0..10_000 {
        known.remember(mark(&number.to_string()), &found(number, known.stamp()));
    }
    assert!((500..=1_100).contains(&known.len()), "{}", known.len());
}

/// Threads look up, change and hit at once; the database is a number that each change raises before it is told.
#[test]
fn no_interleaving_lets_an_old_answer_count() {
    const USERS: usize = 4;
    let known = Known::new(100);
    promise(&known);
    let versions: Vec<AtomicU64> = (0..USERS).map(|_| AtomicU64::new(0)).collect();
    let told: Vec<AtomicU64> = (0..USERS).map(|_| AtomicU64::new(0)).collect();
    let end = std::time::Instant::now() + Duration::from_millis(500);
    let hits = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for number in 0..4_usize {
            let (known, versions, told, hits) = (&known, &versions, &told, &hits);
            scope.spawn(move || {
                let mut round = number;
                while std::time::Instant::now() < end {
                    round = round.wrapping_mul(31).wrapping_add(7);
                    let user = (round >> 3) % USERS;
                    let id = i32::try_from(user).unwrap();
                    let key = user.to_string();
                    promise(known);
                    if number == 0 {
                        let version = versions[user].fetch_add(1, SeqCst) + 1;
                        known.hear(Heard::Changed(vec![UserId::Int4(id)]));
                        told[user].store(version, SeqCst);
                        continue;
                    }
                    // From here on an answer must be at least as new as what was told of by now.
                    let least = told[user].load(SeqCst);
                    if let Some(Hit { entry, .. }) = known.find(mark(&key), now, None) {
                        hits.fetch_add(1, SeqCst);
                        let version: u64 = entry.account.email.parse().unwrap();
                        assert!(version >= least, "{version} after {least} was told");
                    } else {
                        let mut found = found(id, known.stamp());
                        let version = versions[user].load(SeqCst);
                        if round % 5 == 0 {
                            std::thread::yield_now();
                        }
                        if let Some(holder) = &mut found.holder {
                            holder.account.email = version.to_string().into();
                        }
                        known.remember(mark(&key), &found);
                    }
                }
            });
        }
    });
    assert!(hits.load(SeqCst) > 100, "{hits:?} hits prove little");
}

#[test]
fn a_use_is_new_once_a_minute_and_address_and_anew_after_a_change() {
    let known = two_known();
    let is_new = |key, from| known.find(mark(key), now, Some(from)).unwrap().is_new_use;
    let minute = || nanos(since_boot()) / NANOS_A_MINUTE;
    loop {
        let begun = minute();
        known.remember(mark("a"), &found(1, known.stamp()));
        // Of many others one may be taken for another in this minute.
        let turns = |()| (7..17).map(|from| is_new("a", from)).collect::<Vec<_>>();
        let [first, second] = [(); 2].map(turns);
        if minute() == begun {
            assert!(first[0] && first[1..].contains(&true), "{first:?}");
            assert_eq!(second, [false; 10]);
            break;
        }
    }
    assert!(is_new("b", 7), "each key has its own");
    assert!(!known.find(mark("b"), now, None).unwrap().is_new_use);
    known.remember(mark("b"), &found(2, known.stamp()));
    assert!(is_new("b", 7), "what is looked up anew is used anew");
}
