use std::time::Duration;

use crate::{Error, Result};

/// The longest time that a whole burst may take to come back.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// How much is allowed: so many units at once, which come back one after the other at a steady rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Policy {
    quota: u32,
    window: Duration,
    burst: u32,
    unit: i64,
}

impl Policy {
    /// `quota` units come back in each `window`, evenly; `burst` is the most that can be had at once, `quota` when absent.
    ///
    /// # Errors
    /// `InvalidInput` when one of them is 0, more than one unit comes back each microsecond, or a whole burst takes more
    /// than 366 days to come back.
    pub fn new(quota: u32, window: Duration, burst: Option<u32>) -> Result<Self> {
        const MAKE: &str = "make rate limit";
        let burst = burst.unwrap_or(quota);
        if quota == 0 || burst == 0 {
            let field = if quota == 0 { "quota" } else { "burst" };
            return Err(Error::invalid(MAKE, field, "give at least 1"));
        }
        // Rounded up: a window never gives more than its quota.
        let unit = window.as_micros().div_ceil(u128::from(quota));
        if window.as_micros() < u128::from(quota) {
            return Err(Error::invalid(MAKE, "window", "give at least a microsecond a unit"));
        }
        if unit * u128::from(burst) > LONGEST.as_micros() {
            let fix =
                "a whole burst must come back within 366 days: give less, or a shorter window";
            return Err(Error::invalid(MAKE, "burst", fix));
        }
        Ok(Self { quota, window, burst, unit: i64::try_from(unit).unwrap_or(i64::MAX) })
    }

    /// How many units come back in a window.
    #[must_use]
    pub const fn quota(&self) -> u32 {
        self.quota
    }

    /// The time in which the quota comes back.
    #[must_use]
    pub const fn window(&self) -> Duration {
        self.window
    }

    /// The most units that can be had at once.
    #[must_use]
    pub const fn burst(&self) -> u32 {
        self.burst
    }

    /// How many microseconds a unit takes to come back.
    pub(super) const fn unit(&self) -> i64 {
        self.unit
    }

    /// How many microseconds the whole burst takes.
    pub(super) const fn full(&self) -> i64 {
        self.unit * self.burst as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_counted_is_refused_by_name() {
        let second = Duration::from_secs(1);
        for (quota, window, burst, field) in [
            (0, second, None, "quota"),
            (1, second, Some(0), "burst"),
            (1, Duration::ZERO, None, "window"),
            (1_000_001, second, None, "window"),
            (1, LONGEST, Some(2), "burst"),
        ] {
            let error = Policy::new(quota, window, burst).unwrap_err();
            assert_eq!(error.context("field"), Some(field), "{quota} {window:?} {burst:?}");
        }
        assert_eq!(Policy::new(1, LONGEST, None).unwrap().burst(), 1);
        assert_eq!(Policy::new(1_000_000, second, None).unwrap().unit(), 1);
        assert_eq!(Policy::new(7, second, None).unwrap().unit(), 142_858, "rounded up");
    }
}
