//! Who still calls with a retired key, and from where: the last thousand pairs of a user and an address, with a count.
//! The request log takes its count from here, and whoever wants to know whom to tell reads all of them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::moment::Moment;

/// So many pairs are remembered; the one that has been silent for longest goes first.
const MOST: usize = 1_000;

/// Somebody who calls with a key that is none any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Whose key it was.
    pub username: Arc<str>,
    /// Where he calls from.
    pub address: IpAddr,
    /// How often he did since the listener was started.
    pub times: u64,
    /// When he did last.
    pub last: Moment,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Callers(Mutex<HashMap<(Arc<str>, IpAddr), Seen>>);

#[derive(Clone, Copy, Debug)]
struct Seen {
    times: u64,
    last: Moment,
}

impl Callers {
    /// Notes one more call, and gives how many they are.
    pub(super) fn note(&self, username: &Arc<str>, address: IpAddr, now: Moment) -> u64 {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let pair = (Arc::clone(username), address);
        if seen.len() >= MOST && !seen.contains_key(&pair) {
            let oldest = seen.iter().min_by_key(|(_, seen)| seen.last);
            if let Some(pair) = oldest.map(|(pair, _)| pair.clone()) {
                seen.remove(&pair);
            }
        }
        let seen = seen.entry(pair).or_insert(Seen {
            times: 0,
            last: now,
        });
        seen.times += 1;
        seen.last = now;
        seen.times
    }

    /// Who called last first.
    pub(super) fn list(&self) -> Vec<Caller> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut callers: Vec<Caller> = seen
            .iter()
            .map(|((username, address), seen)| Caller {
                username: Arc::clone(username),
                address: *address,
                times: seen.times,
                last: seen.last,
            })
            .collect();
        drop(seen);
        callers.sort_by(|a, b| {
            let newest = b.last.cmp(&a.last);
            newest.then_with(|| (&a.username, a.address).cmp(&(&b.username, b.address)))
        });
        callers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pair_has_its_count_and_the_oldest_goes() {
        let callers = Callers::default();
        let alice: Arc<str> = "alice".into();
        let at = |micros| Moment::from_unix_micros(micros);
        let from = |last: u8| IpAddr::from([10, 0, 0, last]);
        assert_eq!(callers.note(&alice, from(1), at(1)), 1);
        assert_eq!(callers.note(&alice, from(2), at(2)), 1);
        assert_eq!(callers.note(&alice, from(1), at(3)), 2);
        assert_eq!(callers.note(&"bob".into(), from(1), at(4)), 1);
        let list = callers.list();
        let told: Vec<_> = list
            .iter()
            .map(|caller| (&*caller.username, caller.address, caller.times))
            .collect();
        assert_eq!(
            told,
            [
                ("bob", from(1), 1),
                ("alice", from(1), 2),
                ("alice", from(2), 1)
            ]
        );
        for number in 0..MOST {
            let name = format!("user{number}").into();
            callers.note(&name, from(1), at(10));
        }
        assert_eq!(callers.list().len(), MOST);
        assert_eq!(callers.note(&alice, from(1), at(11)), 1, "it went");
    }
}
