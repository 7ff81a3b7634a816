//! Cron expressions, read in UTC: an hour that a country skips or repeats is nothing to a schedule of audits.

use std::cmp::Ordering;

use croner::errors::CronError;
use croner::{CivilDateTime, Cron, CronDateTime, Resolution, Weekday};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// When an expression is next due after a moment; none when it never is again.
pub(crate) fn next(cron: &Cron, after: Timestamp) -> Option<Timestamp> {
    cron.find_next_occurrence(&Utc(after), false)
        .ok()
        .map(|Utc(at)| at)
}

/// A moment, as the library wants to see it.
#[derive(Clone, Copy)]
struct Utc(Timestamp);

impl Utc {
    fn civil(self) -> DateTime {
        TimeZone::UTC.to_datetime(self.0)
    }
}

impl CronDateTime for Utc {
    #[expect(
        clippy::expect_used,
        reason = "years to 9999 and every part in its range: jiff's dates are dates"
    )]
    fn to_civil(&self) -> CivilDateTime {
        let civil = self.civil();
        let part = |value: i8| u32::from(value.unsigned_abs());
        let (month, day) = (part(civil.month()), part(civil.day()));
        let (hour, minute, second) = (
            part(civil.hour()),
            part(civil.minute()),
            part(civil.second()),
        );
        CivilDateTime::from_ymd_hms_opt(civil.year().into(), month, day, hour, minute, second)
            .expect("a date of jiff is a date")
    }

    fn civil_weekday(&self) -> Weekday {
        use jiff::civil::Weekday as Day;
        match self.civil().weekday() {
            Day::Sunday => Weekday::Sunday,
            Day::Monday => Weekday::Monday,
            Day::Tuesday => Weekday::Tuesday,
            Day::Wednesday => Weekday::Wednesday,
            Day::Thursday => Weekday::Thursday,
            Day::Friday => Weekday::Friday,
            Day::Saturday => Weekday::Saturday,
        }
    }

    fn resolve_civil(&self, civil: CivilDateTime) -> Result<Resolution<Self>, CronError> {
        let year = i16::try_from(civil.year()).map_err(|_| CronError::InvalidDate)?;
        // Croner's parts are all below 60.
        let part = |value: u32| i8::try_from(value).map_err(|_| CronError::InvalidTime);
        let date = DateTime::new(
            year,
            part(civil.month())?,
            part(civil.day())?,
            part(civil.hour())?,
            part(civil.minute())?,
            part(civil.second())?,
            0,
        )
        .map_err(|_| CronError::InvalidDate)?;
        let at = TimeZone::UTC
            .to_timestamp(date)
            .map_err(|_| CronError::InvalidDate)?;
        Ok(Resolution::Single(Self(at)))
    }

    fn checked_add_seconds(&self, seconds: i64) -> Option<Self> {
        self.0
            .checked_add(SignedDuration::from_secs(seconds))
            .ok()
            .map(Self)
    }

    fn cmp_instant(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test panics on purpose")]

    use super::*;

    #[test]
    fn expressions_are_read_in_utc() {
        let rows = [
            ("17 * * * *", "2026-11-24T06:30:00Z", "2026-11-24T07:17:00Z"),
            ("17 * * * *", "2026-11-24T06:17:00Z", "2026-11-24T07:17:00Z"),
            ("0 3 * * 1", "2026-11-24T06:30:00Z", "2026-11-30T03:00:00Z"),
            ("0 0 29 2 *", "2026-11-24T06:30:00Z", "2028-02-29T00:00:00Z"),
            (
                "*/15 * * * *",
                "2026-12-31T23:50:00.5Z",
                "2027-01-01T00:00:00Z",
            ),
        ];
        for (expression, after, expected) in rows {
            let cron: Cron = expression.parse().unwrap();
            let found = next(&cron, after.parse().unwrap());
            assert_eq!(
                found.map(|at| at.to_string()).as_deref(),
                Some(expected),
                "{expression}"
            );
        }
    }
}
