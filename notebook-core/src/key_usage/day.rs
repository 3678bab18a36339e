use serde::{Deserialize, Serialize};

use crate::Timestamp;

const MINUTE: i64 = 60_000;
const DAY: i64 = 1_440 * MINUTE;

/// A provider's day: how many have begun since 1970, by its own midnight.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Day(pub i64);

impl Day {
    /// The day that a moment lies in, where midnight is `offset_minutes` before that of UTC: 60 for UTC+1.
    ///
    /// ```
    /// use notebook_core::{Timestamp, key_usage::Day};
    ///
    /// let eight = Timestamp::from_millis(8 * 3_600_000);
    /// assert_eq!((Day::of(eight, 0), Day::of(eight, -480), Day::of(eight, -481)), (Day(0), Day(0), Day(-1)));
    /// assert_eq!(Day(0).end(-480).as_millis(), 32 * 3_600_000);
    /// ```
    #[must_use]
    pub const fn of(moment: Timestamp, offset_minutes: i32) -> Self {
        let local = moment.as_millis().saturating_add(offset_minutes as i64 * MINUTE);
        Self(local.div_euclid(DAY))
    }

    /// When it ends.
    #[must_use]
    pub const fn end(self, offset_minutes: i32) -> Timestamp {
        let local = self.0.saturating_add(1).saturating_mul(DAY);
        Timestamp::from_millis(local.saturating_sub(offset_minutes as i64 * MINUTE))
    }
}
