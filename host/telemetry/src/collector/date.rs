//! Calendar dates of moments, in UTC.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

/// A moment in the proleptic Gregorian calendar, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    /// Days since 1970-01-01.
    pub(super) day: u64,
    /// Milliseconds since 1970.
    millis: u64,
}

const DAY: u64 = 86_400_000;

impl Moment {
    /// The moment of `time`; times before 1970 count as its beginning.
    pub(super) fn of(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(0));
        Self { day: since / DAY, millis: since }
    }

    /// The moment of milliseconds since 1970.
    pub(super) fn at(millis: i64) -> Self {
        let millis = u64::try_from(millis).unwrap_or(0);
        Self { day: millis / DAY, millis }
    }

    /// Milliseconds since 1970.
    pub(super) fn since_1970(self) -> i64 {
        i64::try_from(self.millis).unwrap_or(i64::MAX)
    }

    /// `YYYY/MM/DD`.
    pub(super) fn folder(self) -> String {
        self.timestamp().strftime("%Y/%m/%d").to_string()
    }

    /// RFC 3339 with milliseconds, such as `2026-01-31T23:59:59.999Z`.
    pub(super) fn rfc3339(self) -> String {
        self.timestamp().strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
    }

    /// The last moment of the year 9999 stands for what is later.
    fn timestamp(self) -> Timestamp {
        Timestamp::from_millisecond(self.since_1970()).unwrap_or(Timestamp::MAX)
    }
}
