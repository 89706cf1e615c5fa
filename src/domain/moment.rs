//! An instant in UTC: as Django stores it, as scripts read it (RFC 3339), and as people do ("3 y").

use std::fmt;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use serde::{Serialize, Serializer};

/// An instant with the microseconds that Postgres keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(Timestamp);

impl Moment {
    /// The present, by the system's clock. Only [`crate::ops`] and the faces' runners ask; rules get it passed in.
    #[must_use]
    pub fn now() -> Self {
        Self(Timestamp::now())
    }

    /// From microseconds since 1970; what lies beyond the years that [`jiff`] knows becomes the first or the last
    /// instant it knows, since a column can hold any instant and a list must show it all the same.
    #[must_use]
    pub fn clamped(micros: i64) -> Self {
        let end = if micros < 0 {
            Timestamp::MIN
        } else {
            Timestamp::MAX
        };
        Self(Timestamp::from_microsecond(micros).unwrap_or(end))
    }

    /// Microseconds since 1970.
    #[must_use]
    pub fn unix_micros(self) -> i64 {
        self.0.as_microsecond()
    }

    /// Parses what [`Moment::rfc3339`] writes, and any other RFC 3339 instant.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }

    /// `2025-01-31T14:02:11Z`: whole seconds, as command output shows times.
    #[must_use]
    pub fn rfc3339(self) -> String {
        self.0.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    /// `2025-01-31 14:02 UTC`: for people.
    #[must_use]
    pub fn minute_utc(self) -> String {
        self.0.strftime("%Y-%m-%d %H:%M UTC").to_string()
    }

    /// `2025-01-31 14:02` in `zone`.
    #[must_use]
    pub fn minute_in(self, zone: &TimeZone) -> String {
        self.0
            .to_zoned_datetime(zone.clone())
            .strftime("%Y-%m-%d %H:%M")
            .to_string()
    }

    /// `14:02` in UTC.
    #[must_use]
    pub fn clock_utc(self) -> String {
        self.0.strftime("%H:%M").to_string()
    }

    /// How long before `now` this was; zero when it lies ahead, as after a clock was set back.
    #[must_use]
    pub fn age(self, now: Self) -> Age {
        Age(now.0.duration_since(self.0).max(SignedDuration::ZERO))
    }

    /// This instant less `days` days of 24 hours; the earliest instant there is when that lies before it.
    #[must_use]
    pub fn minus_days(self, days: u32) -> Self {
        let span = SignedDuration::from_hours(i64::from(days) * 24);
        Self(self.0.checked_sub(span).unwrap_or(Timestamp::MIN))
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.rfc3339())
    }
}

/// A length of time as people say it: one number and one unit, rounded down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Age(SignedDuration);

impl Age {
    /// From whole seconds.
    #[must_use]
    pub const fn from_secs(secs: i64) -> Self {
        Self(SignedDuration::from_secs(secs))
    }
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MINUTE: i64 = 60;
        const HOUR: i64 = 60 * MINUTE;
        const DAY: i64 = 24 * HOUR;
        // Days go on to a hundred, so that "40 d" and "90 d" keep the precision that deadlines are written in.
        const YEAR: i64 = 365 * DAY;
        let secs = self.0.as_secs();
        let (count, unit) = match secs {
            ..MINUTE => (secs, "s"),
            MINUTE..HOUR => (secs / MINUTE, "min"),
            HOUR..DAY => (secs / HOUR, "h"),
            DAY..YEAR => (secs / DAY, "d"),
            YEAR.. => (secs / YEAR, "y"),
        };
        f.pad(&format!("{count} {unit}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_read_as_people_say_them() {
        let said = |secs| Age::from_secs(secs).to_string();
        assert_eq!(said(0), "0 s");
        assert_eq!(said(119), "1 min");
        assert_eq!(said(2 * 3600), "2 h");
        assert_eq!(said(40 * 86_400), "40 d");
        assert_eq!(said(3 * 365 * 86_400 + 9), "3 y");
    }

    #[test]
    fn an_instant_ahead_has_no_age() {
        let now = Moment::clamped(1_000_000);
        let ahead = Moment::clamped(9_000_000);
        assert_eq!(ahead.age(now).to_string(), "0 s");
    }

    #[test]
    fn times_are_rfc_3339_in_utc() {
        let moment = Moment::parse("2025-01-31T15:02:11.654321+01:00").unwrap();
        assert_eq!(moment.rfc3339(), "2025-01-31T14:02:11Z");
        assert_eq!(moment.unix_micros() % 1_000_000, 654_321);
        assert_eq!(moment.minute_utc(), "2025-01-31 14:02 UTC");
    }
}
