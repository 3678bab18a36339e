use serde::{Deserialize, Serialize};

use crate::Timestamp;

const MILLIS: i64 = 86_400_000;

/// A day in UTC, by its number since 1970-01-01, which is 0.
///
/// ```
/// use notebook_core::{Timestamp, usage::Day};
///
/// let day = Day::of(Timestamp::from_millis(1_700_000_000_000));
/// assert_eq!(day, Day::from_number(19_675));
/// assert!(day.start() <= Timestamp::from_millis(1_700_000_000_000));
/// ```
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Day(i64);

impl Day {
    /// The day with a number.
    #[must_use]
    pub const fn from_number(number: i64) -> Self {
        Self(number)
    }

    /// The day of a moment.
    #[must_use]
    pub const fn of(moment: Timestamp) -> Self {
        Self(moment.as_millis().div_euclid(MILLIS))
    }

    /// Days since 1970-01-01.
    #[must_use]
    pub const fn number(self) -> i64 {
        self.0
    }

    /// Its first moment.
    #[must_use]
    pub const fn start(self) -> Timestamp {
        Timestamp::from_millis(self.0.saturating_mul(MILLIS))
    }

    /// The day after it.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}
