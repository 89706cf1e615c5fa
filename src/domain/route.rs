//! What a path of the listener can answer, and for whom: the words of the configuration, which the listener and the
//! configuration share.

use std::time::Duration;

/// What stands behind a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answers {
    /// A token for a name and a password: REST framework's `obtain_auth_token`.
    Obtain,
    /// The same, with `user_id` and `email`: the example of REST framework's documentation.
    ObtainEx,
    /// Whose token is this? The protected endpoint of REST framework's documentation.
    Whoami,
    /// A knox token for HTTP Basic credentials.
    KnoxLogin,
    /// The end of one knox token.
    KnoxLogout,
    /// The end of all knox tokens of a user.
    KnoxLogoutAll,
    /// Forward authentication: for nginx's `auth_request` and its like.
    Auth,
    /// Token introspection: RFC 7662.
    Introspect,
}

impl Answers {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Obtain,
        Self::ObtainEx,
        Self::Whoami,
        Self::KnoxLogin,
        Self::KnoxLogout,
        Self::KnoxLogoutAll,
        Self::Auth,
        Self::Introspect,
    ];

    /// The word for it in the configuration, the log and the metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Obtain => "obtain",
            Self::ObtainEx => "obtain_ex",
            Self::Whoami => "whoami",
            Self::KnoxLogin => "knox_login",
            Self::KnoxLogout => "knox_logout",
            Self::KnoxLogoutAll => "knox_logoutall",
            Self::Auth => "auth",
            Self::Introspect => "introspect",
        }
    }

    /// Whether a limit by address makes sense: REST framework's `AnonRateThrottle` counts only who is not known, and
    /// everything else wants to know the caller first.
    #[must_use]
    pub const fn may_be_rated(self) -> bool {
        matches!(self, Self::Obtain | Self::ObtainEx)
    }
}

/// Which tokens a route takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tokens {
    /// Those of REST framework.
    Drf,
    /// Those of django-rest-knox.
    Knox,
    /// A key is looked for among the first, then among the second.
    Both,
}

impl Tokens {
    /// Whether a key of REST framework is looked for.
    #[must_use]
    pub const fn drf(self) -> bool {
        matches!(self, Self::Drf | Self::Both)
    }

    /// Whether a key of knox is looked for.
    #[must_use]
    pub const fn knox(self) -> bool {
        matches!(self, Self::Knox | Self::Both)
    }
}

/// So many requests in so long a time, as REST framework writes it: `5/min`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// In what time.
    pub window: Duration,
}

impl Rate {
    /// The most that can be asked for. Every request that counts is remembered with its time, so a number without an
    /// end would be memory without an end.
    pub const MAX_COUNT: u32 = 10_000;

    /// Reads a number and a unit as `rest_framework.throttling` does: `5/s`, `5/min`, `100/hour`, `1000/d`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (count, unit) = text.split_once('/')?;
        let count = count.trim();
        if !count.bytes().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        let count = count.parse().ok()?;
        let secs = match unit {
            "s" | "sec" | "second" => 1,
            "m" | "min" | "minute" => 60,
            "h" | "hour" => 3_600,
            "d" | "day" => 86_400,
            _ => return None,
        };
        (1..=Self::MAX_COUNT).contains(&count).then_some(Self {
            count,
            window: Duration::from_secs(secs),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_as_rest_framework_reads_them() {
        for (text, rate) in [
            ("10/min", Some((10, 60))),
            ("5/m", Some((5, 60))),
            ("1/second", Some((1, 1))),
            ("3/s", Some((3, 1))),
            ("100/hour", Some((100, 3_600))),
            ("100/h", Some((100, 3_600))),
            ("9/d", Some((9, 86_400))),
            ("10000/day", Some((10_000, 86_400))),
            ("10001/day", None),
            ("0/min", None),
            ("-1/min", None),
            ("+5/min", None),
            ("x/s", None),
            ("", None),
            ("5", None),
            ("5/", None),
            ("/min", None),
            ("5/year", None),
            ("5/min/s", None),
        ] {
            let found = Rate::parse(text).map(|rate| (rate.count, rate.window.as_secs()));
            assert_eq!(found, rate, "{text}");
        }
    }

    #[test]
    fn all_is_in_the_order_of_the_numbers_and_each_has_its_word() {
        let mut words: Vec<_> = Answers::ALL.map(Answers::word).into();
        for (nth, answers) in Answers::ALL.into_iter().enumerate() {
            assert_eq!(answers as usize, nth);
        }
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Answers::ALL.len());
    }
}
