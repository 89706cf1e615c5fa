//! An instant in UTC: as Django stores it, as scripts read it (RFC 3339), and as people do ("3 y").

use std::fmt;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use serde::{Serialize, Serializer};

/// An instant as Postgres keeps it: microseconds since 1970. A column can hold instants far beyond the years that
/// [`jiff`] knows, and `infinity`; each keeps its place in an order here and is shown as the first or the last instant
/// that can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(i64);

const HOUR_MICROS: i64 = 60 * 60 * 1_000_000;
const DAY_MICROS: i64 = 24 * HOUR_MICROS;

impl Moment {
    /// Before every instant: Postgres' `-infinity`.
    pub const DISTANT_PAST: Self = Self(i64::MIN);

    /// The present, by the system's clock. Only [`crate::ops`] and the faces' runners ask; rules get it passed in.
    #[must_use]
    pub fn now() -> Self {
        Self(Timestamp::now().as_microsecond())
    }

    /// From microseconds since 1970.
    #[must_use]
    pub const fn from_unix_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970.
    #[must_use]
    pub const fn unix_micros(self) -> i64 {
        self.0
    }

    /// To be shown.
    fn timestamp(self) -> Timestamp {
        let end = if self.0 < 0 {
            Timestamp::MIN
        } else {
            Timestamp::MAX
        };
        Timestamp::from_microsecond(self.0).unwrap_or(end)
    }

    /// Parses what [`Moment::rfc3339`] writes, and any other RFC 3339 instant.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let instant: Timestamp = text.parse().ok()?;
        Some(Self(instant.as_microsecond()))
    }

    /// `2025-01-31T14:02:11Z`: whole seconds, as command output shows times.
    #[must_use]
    pub fn rfc3339(self) -> String {
        self.timestamp().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    /// `2025-01-31T14:02:11.654321Z`, and without the fraction where it is zero: as REST framework writes times
    /// (`rest_framework.fields.DateTimeField`, by Python's `isoformat`) on a site whose time zone is UTC.
    #[must_use]
    pub fn isoformat(self) -> String {
        let timestamp = self.timestamp();
        if timestamp.subsec_microsecond() == 0 {
            self.rfc3339()
        } else {
            timestamp.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
        }
    }

    /// `2025-01-31T14:02:11.654321Z`, always with the fraction: the form that a line of the audit is hashed in.
    #[must_use]
    pub fn micros_utc(self) -> String {
        self.timestamp()
            .strftime("%Y-%m-%dT%H:%M:%S.%6fZ")
            .to_string()
    }

    /// `2025-01-31 14:02 UTC`: for people.
    #[must_use]
    pub fn minute_utc(self) -> String {
        self.timestamp().strftime("%Y-%m-%d %H:%M UTC").to_string()
    }

    /// `2025-01-31`, the day in UTC.
    #[must_use]
    pub fn day_utc(self) -> String {
        self.timestamp().strftime("%Y-%m-%d").to_string()
    }

    /// `2025-01-31 14:02` in `zone`.
    #[must_use]
    pub fn minute_in(self, zone: &TimeZone) -> String {
        self.timestamp()
            .to_zoned_datetime(zone.clone())
            .strftime("%Y-%m-%d %H:%M")
            .to_string()
    }

    /// `14:02:11` in `zone`.
    #[must_use]
    pub fn second_in(self, zone: &TimeZone) -> String {
        self.timestamp()
            .to_zoned_datetime(zone.clone())
            .strftime("%H:%M:%S")
            .to_string()
    }

    /// `14:02` in UTC.
    #[must_use]
    pub fn clock_utc(self) -> String {
        self.timestamp().strftime("%H:%M").to_string()
    }

    /// How long before `now` this was; zero when it lies ahead, as after a clock was set back.
    #[must_use]
    pub fn age(self, now: Self) -> Age {
        Age(SignedDuration::from_micros(
            now.0.saturating_sub(self.0).max(0),
        ))
    }

    /// This instant and `hours` more; the last instant there is when that lies beyond it.
    #[must_use]
    pub const fn plus_hours(self, hours: u32) -> Self {
        Self(self.0.saturating_add(hours as i64 * HOUR_MICROS))
    }

    /// This instant less `hours`; the earliest instant there is when that lies before it.
    #[must_use]
    pub const fn minus_hours(self, hours: u32) -> Self {
        Self(self.0.saturating_sub(hours as i64 * HOUR_MICROS))
    }

    /// This instant less `days` days of 24 hours; the earliest instant there is when that lies before it.
    #[must_use]
    pub fn minus_days(self, days: u32) -> Self {
        Self(
            self.0
                .saturating_sub(i64::from(days).saturating_mul(DAY_MICROS)),
        )
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
        let now = Moment::from_unix_micros(1_000_000);
        let ahead = Moment::from_unix_micros(9_000_000);
        assert_eq!(ahead.age(now).to_string(), "0 s");
    }

    #[test]
    fn what_no_calendar_holds_is_shown_and_keeps_its_order() {
        let (first, last) = (Moment::DISTANT_PAST, Moment::from_unix_micros(i64::MAX));
        assert_eq!(first.rfc3339(), "-9999-01-02T01:59:59Z");
        assert_eq!(last.minute_utc(), "9999-12-30 22:00 UTC");
        assert!(Moment::from_unix_micros(i64::MAX - 1) < last);
        assert_eq!(first.age(last), Age(SignedDuration::from_micros(i64::MAX)));
        assert_eq!(first.minus_days(u32::MAX), first);
    }

    #[test]
    fn an_expiry_is_written_as_rest_framework_writes_it() {
        let written = |micros| Moment::from_unix_micros(micros).plus_hours(10).isoformat();
        // datetime.fromtimestamp(1738332131.000021, UTC) + timedelta(hours=10), and one with nothing behind the seconds.
        assert_eq!(
            written(1_738_332_131_000_021),
            "2025-02-01T00:02:11.000021Z"
        );
        assert_eq!(written(1_738_332_131_000_000), "2025-02-01T00:02:11Z");
        assert_eq!(written(-1), "1970-01-01T09:59:59.999999Z");
        let last = Moment::from_unix_micros(i64::MAX);
        assert_eq!(last.plus_hours(1), last);
    }

    #[test]
    fn times_are_rfc_3339_in_utc() {
        let moment = Moment::parse("2025-01-31T15:02:11.654321+01:00").unwrap();
        assert_eq!(moment.rfc3339(), "2025-01-31T14:02:11Z");
        assert_eq!(moment.unix_micros() % 1_000_000, 654_321);
        assert_eq!(moment.minute_utc(), "2025-01-31 14:02 UTC");
    }
}
