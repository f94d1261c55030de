//! Calendar dates of moments, in UTC.

use std::time::{SystemTime, UNIX_EPOCH};

/// A moment in the proleptic Gregorian calendar, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    /// Days since 1970-01-01.
    pub(super) day: u64,
    /// Milliseconds since the day began.
    millis: u64,
}

const DAY: u64 = 86_400_000;

impl Moment {
    /// The moment of `time`; times before 1970 count as its beginning.
    pub(super) fn of(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(0));
        Self { day: since / DAY, millis: since % DAY }
    }

    /// The moment of milliseconds since 1970.
    pub(super) fn at(millis: i64) -> Self {
        let millis = u64::try_from(millis).unwrap_or(0);
        Self { day: millis / DAY, millis: millis % DAY }
    }

    /// Milliseconds since 1970.
    pub(super) fn since_1970(self) -> i64 {
        i64::try_from(self.day * DAY + self.millis).unwrap_or(i64::MAX)
    }

    /// Year, month and day of month.
    pub(super) fn date(self) -> (u64, u64, u64) {
        // Counted in years that begin on 1 March, so that the leap day is the last of its year. 719,468 days lie
        // between 1 March of the year 0 and 1970; 146,097 days make the 400 years after which the calendar repeats.
        let days = self.day + 719_468;
        let (era, of_era) = (days / 146_097, days % 146_097);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * march_month + 2) / 5 + 1;
        let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
        (era * 400 + year_of_era + u64::from(month <= 2), month, day)
    }

    /// `YYYY/MM/DD`.
    pub(super) fn folder(self) -> String {
        let (year, month, day) = self.date();
        format!("{year:04}/{month:02}/{day:02}")
    }

    /// RFC 3339 with milliseconds, such as `2026-01-31T23:59:59.999Z`.
    pub(super) fn rfc3339(self) -> String {
        let (year, month, day) = self.date();
        let (seconds, millis) = (self.millis / 1000, self.millis % 1000);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
    }
}
