use std::time::Duration;

use crate::Timestamp;

/// How much time a clock has shown to pass, in milliseconds. While it goes back none does: what waits for a moment
/// waits no longer than it was meant to, however the machine's clock is set.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Elapsed {
    seen: Option<Timestamp>,
    millis: u64,
}

impl Elapsed {
    /// The time until `now`.
    pub(super) fn at(&self, now: Timestamp) -> u64 {
        self.millis.saturating_add(self.seen.map_or(0, |seen| millis(now.since(seen))))
    }

    /// The same, and `now` is what was seen last.
    pub(super) fn advance(&mut self, now: Timestamp) -> u64 {
        *self = Self { millis: self.at(now), seen: Some(now) };
        self.millis
    }
}

pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
