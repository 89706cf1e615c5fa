//! When a token was last used with our listener, and from where. Django does not know it; where nobody writes it down it is
//! unknown, which is something else than never.

use std::net::IpAddr;

use serde::{Serialize, Serializer};

use super::moment::{Age, Moment};

/// So many addresses are kept of each token, the last ones.
pub const MOST_ADDRESSES: usize = 8;

/// So many days after a listener last wrote down a use it is not held to watch any more: Django may serve the tokens
/// alone meanwhile, so that no token is called unused. A listener that runs writes as soon as a token is used, and a week
/// covers a site that rests over the weekend.
pub const WATCH_DAYS: u32 = 7;

/// A use of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// When it was, to the minute.
    pub at: Moment,
    /// From where, the last first; also those of uses before it. At most [`MOST_ADDRESSES`].
    pub addresses: Vec<IpAddr>,
}

/// What is known of the last use of a token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LastUse {
    /// None is known, and no listener has been watching of late; or uses may not be read.
    #[default]
    Unknown,
    /// There was none through the listener, which has been watching since this moment.
    NeverSince(Moment),
    /// This one.
    Used(Use),
}

impl Use {
    /// Puts `address` in front of those that are known.
    pub fn add_address(&mut self, address: IpAddr) {
        self.addresses.retain(|known| *known != address);
        self.addresses.insert(0, address);
        self.addresses.truncate(MOST_ADDRESSES);
    }

    /// How long ago it was: a minute at least, for no use is known more exactly.
    #[must_use]
    pub fn age(&self, now: Moment) -> Age {
        self.at.age(now).max(Age::from_secs(60))
    }
}

impl LastUse {
    /// Whether nothing is known.
    #[must_use]
    pub const fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown)
    }

    /// From where, the last first.
    #[must_use]
    pub fn addresses(&self) -> &[IpAddr] {
        match self {
            Self::Used(last) => &last.addresses,
            Self::Unknown | Self::NeverSince(_) => &[],
        }
    }

    /// `2026-11-27T14:02:11Z`, `never`, or `-` where nobody knows.
    #[must_use]
    pub fn rfc3339(&self) -> String {
        match self {
            Self::Unknown => "-".to_owned(),
            Self::NeverSince(_) => "never".to_owned(),
            Self::Used(last) => last.at.rfc3339(),
        }
    }

    /// When it was, if there was one.
    #[must_use]
    pub const fn at(&self) -> Option<Moment> {
        match self {
            Self::Used(last) => Some(last.at),
            Self::Unknown | Self::NeverSince(_) => None,
        }
    }

    /// Whether it was within the hour before `now`.
    #[must_use]
    pub fn is_within_hour(&self, now: Moment) -> bool {
        self.at().is_some_and(|at| at.plus_hours(1) >= now)
    }

    /// `used 2 min ago`, `never through the listener`; `None` where nobody knows.
    #[must_use]
    pub fn brief(&self, now: Moment) -> Option<String> {
        match self {
            Self::Unknown => None,
            Self::NeverSince(_) => Some("never through the listener".to_owned()),
            Self::Used(last) => Some(format!("used {} ago", last.age(now))),
        }
    }

    /// `used 2 min ago from 3 addresses`.
    #[must_use]
    pub fn with_addresses(&self, now: Moment) -> Option<String> {
        let brief = self.brief(now)?;
        Some(match self {
            Self::Used(last) => match last.addresses.as_slice() {
                [] => brief,
                [only] => format!("{brief} from {only}"),
                many if many.len() >= MOST_ADDRESSES => {
                    format!("{brief} from {} addresses or more", many.len())
                }
                many => format!("{brief} from {} addresses", many.len()),
            },
            Self::Unknown | Self::NeverSince(_) => brief,
        })
    }

    /// `2 min ago from 10.2.0.7 and 2 more, through the listener`; `-` where nobody knows.
    #[must_use]
    pub fn in_full(&self, now: Moment) -> String {
        match self {
            Self::Unknown => "-".to_owned(),
            Self::NeverSince(since) => {
                format!("never through the listener since {}", since.day_utc())
            }
            Self::Used(last) => {
                let from = match last.addresses.as_slice() {
                    [] => String::new(),
                    [only] => format!(" from {only}"),
                    [first, rest @ ..] => format!(" from {first} and {} more", rest.len()),
                };
                format!("{} ago{from}, through the listener", last.age(now))
            }
        }
    }
}

/// When it was; none for never. Where it is unknown it is left out.
impl Serialize for LastUse {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.at().serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([10, 2, 0, last])
    }

    fn used(addresses: u8) -> LastUse {
        LastUse::Used(Use {
            at: Moment::from_unix_micros(0),
            addresses: (1..=addresses).map(address).collect(),
        })
    }

    #[test]
    fn a_use_is_said_with_what_is_known_of_it() {
        let now = Moment::from_unix_micros(150_000_000);
        assert_eq!(used(1).brief(now).unwrap(), "used 2 min ago");
        for (addresses, said) in [
            (0, "used 2 min ago"),
            (1, "used 2 min ago from 10.2.0.1"),
            (3, "used 2 min ago from 3 addresses"),
            (8, "used 2 min ago from 8 addresses or more"),
        ] {
            assert_eq!(used(addresses).with_addresses(now).unwrap(), said);
        }
        assert_eq!(
            used(3).in_full(now),
            "2 min ago from 10.2.0.1 and 2 more, through the listener"
        );
    }

    #[test]
    fn never_is_said_only_of_what_was_watched() {
        let since = Moment::parse("2026-11-27T10:00:00Z").unwrap();
        let never = LastUse::NeverSince(since);
        assert_eq!(
            never.in_full(since),
            "never through the listener since 2026-11-27"
        );
        assert_eq!(never.brief(since).unwrap(), "never through the listener");
        assert_eq!(LastUse::Unknown.brief(since), None);
        assert_eq!(LastUse::Unknown.with_addresses(since), None);
        assert_eq!(LastUse::Unknown.in_full(since), "-");
    }

    #[test]
    fn an_hour_counts_to_its_end() {
        let hour = Moment::from_unix_micros(0).plus_hours(1);
        assert!(used(1).is_within_hour(hour));
        let later = Moment::from_unix_micros(hour.unix_micros() + 1);
        assert!(!used(1).is_within_hour(later));
        assert!(!LastUse::Unknown.is_within_hour(hour));
    }

    #[test]
    fn addresses_are_few_and_the_last_comes_first() {
        let mut last = Use {
            at: Moment::from_unix_micros(0),
            addresses: Vec::new(),
        };
        for number in 1..=20 {
            last.add_address(address(number));
        }
        assert_eq!(last.addresses.len(), MOST_ADDRESSES);
        last.add_address(address(18));
        let first: Vec<IpAddr> = [18, 20, 19, 17].map(address).into();
        assert_eq!(last.addresses[..4], first);
        assert_eq!(last.addresses.len(), MOST_ADDRESSES);
    }
}
