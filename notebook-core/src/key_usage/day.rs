use jiff::{Span, civil, tz::TimeZone};
use serde::{Deserialize, Serialize};

use crate::{Error, Result, Timestamp};

const DAY: i64 = 86_400_000;
const EPOCH: civil::Date = civil::date(1970, 1, 1);

/// Where a provider's days begin: a time zone, with its summer time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl Zone {
    /// The zone of a name, such as `America/Los_Angeles` or `UTC`. Zones are known without the machine's help.
    ///
    /// # Errors
    /// `InvalidInput` where there is no such zone.
    pub fn named(name: &str) -> Result<Self> {
        TimeZone::get(name).map(Self).map_err(|error| {
            let fix = "give a name of the IANA time zone database, such as America/Los_Angeles";
            Error::invalid("choose time zone", "day_zone", fix).caused_by(error)
        })
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self(TimeZone::UTC)
    }
}

/// A provider's day: how many have begun since 1970, by its own midnight.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Day(pub i64);

impl Day {
    /// The day that a moment lies in.
    ///
    /// ```
    /// use notebook_core::{Timestamp, key_usage::{Day, Zone}};
    ///
    /// let zone = Zone::named("America/Los_Angeles")?;
    /// // Midnight of 1970-01-01 there, and a millisecond before.
    /// let eight = 8 * 3_600_000;
    /// assert_eq!(Day::of(Timestamp::from_millis(eight), &zone), Day(0));
    /// assert_eq!(Day::of(Timestamp::from_millis(eight - 1), &zone), Day(-1));
    /// assert_eq!(Day(0).end(&zone).as_millis(), eight + 24 * 3_600_000);
    /// # Ok::<(), notebook_core::Error>(())
    /// ```
    #[must_use]
    pub fn of(moment: Timestamp, Zone(zone): &Zone) -> Self {
        let at = jiff::Timestamp::from_millisecond(moment.as_millis());
        let days = at.and_then(|at| zone.to_datetime(at).date().since(EPOCH));
        // Thousands of years away zones say nothing.
        Self(days.map_or(moment.as_millis().div_euclid(DAY), |days| i64::from(days.get_days())))
    }

    /// When it ends: after 23 or 25 hours where the clocks are changed on it.
    #[must_use]
    pub fn end(self, Zone(zone): &Zone) -> Timestamp {
        let next = self.0.saturating_add(1);
        let end = Span::new()
            .try_days(next)
            .and_then(|days| EPOCH.checked_add(days))
            // Where midnight is left out, the day begins with the first moment that there is.
            .and_then(|date| date.to_zoned(zone.clone()));
        Timestamp::from_millis(
            end.map_or(next.saturating_mul(DAY), |end| end.timestamp().as_millisecond()),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    fn at(text: &str) -> Timestamp {
        Timestamp::from_millis(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
    }

    /// C3: a day on which the clocks are changed has 23 or 25 hours; the others have 24. Moments by the zone's rules as
    /// published: the second Sunday of March, the first of November, at 2:00.
    #[test]
    fn c3_days_with_summer_time_are_as_long_as_they_are() {
        let zone = Zone::named("America/Los_Angeles").unwrap();
        for (begin, hours) in [
            ("2026-03-07T08:00:00Z", 24),
            ("2026-03-08T08:00:00Z", 23),
            ("2026-03-09T07:00:00Z", 24),
            ("2026-10-31T07:00:00Z", 24),
            ("2026-11-01T07:00:00Z", 25),
            ("2026-11-02T08:00:00Z", 24),
        ] {
            let begin = at(begin);
            let day = Day::of(begin, &zone);
            assert_eq!(day.end(&zone).as_millis() - begin.as_millis(), hours * HOUR, "{begin:?}");
            let moved = |millis: i64| Timestamp::from_millis(begin.as_millis() + millis);
            assert_eq!(Day::of(moved(-1), &zone), Day(day.0 - 1));
            assert_eq!(Day::of(moved(hours * HOUR - 1), &zone), day);
            assert_eq!(Day::of(moved(hours * HOUR), &zone), Day(day.0 + 1));
        }
    }

    /// C3: zones that change their clocks at midnight, or left out a whole day, have days too, and each begins where the one
    /// before ends.
    #[test]
    fn c3_days_follow_each_other_in_every_zone() {
        for name in [
            "UTC",
            "Asia/Kolkata",
            "America/Havana",
            "America/Santiago",
            "Asia/Beirut",
            "Australia/Lord_Howe",
            "Pacific/Apia",
            "Etc/GMT+8",
        ] {
            let zone = Zone::named(name).unwrap();
            // From 2011 on: Apia had no 30 December of that year.
            let mut now = at("2011-12-01T00:00:00Z");
            for _ in 0..800 {
                let day = Day::of(now, &zone);
                let end = day.end(&zone);
                assert!(
                    end > now && end.since(now).as_millis() <= 26 * 3_600_000,
                    "{name} {now:?}"
                );
                let before = Timestamp::from_millis(end.as_millis() - 1);
                assert_eq!(Day::of(before, &zone), day, "{name} {now:?}");
                assert!(Day::of(end, &zone) > day, "{name} {now:?}");
                now = end;
            }
        }
    }

    #[test]
    fn c3_an_unknown_zone_is_an_error_that_says_what_to_give() {
        for name in ["", "Los Angeles", "PST-8"] {
            let error = Zone::named(name).unwrap_err();
            assert_eq!(error.context("field"), Some("day_zone"), "{name}");
            assert!(error.context("fix").unwrap().contains("America/Los_Angeles"));
        }
    }

    #[test]
    fn moments_that_no_calendar_has_are_days_of_utc() {
        let zone = Zone::named("Asia/Tokyo").unwrap();
        let far = Timestamp::from_millis(i64::MAX);
        assert_eq!(Day::of(far, &zone), Day(i64::MAX / DAY));
        assert_eq!(Day(i64::MAX).end(&zone), far);
    }
}
