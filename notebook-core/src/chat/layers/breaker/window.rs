use std::time::Duration;

use super::super::elapsed::millis;

/// Into how many parts a window is divided: counts are exact to one of them, and the room is the same however many
/// calls there are.
pub(super) const PARTS: u64 = 10;

/// What happened within a time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) calls: u32,
    pub(super) failed: u32,
    pub(super) slow: u32,
}

#[derive(Debug, Clone, Copy, Default)]
struct Part {
    number: u64,
    counts: Counts,
}

/// Counts of the last while.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Window([Part; PARTS as usize]);

/// Which part a moment lies in.
fn number(window: Duration, now: u64) -> u64 {
    now / (millis(window) / PARTS).max(1)
}

impl Window {
    pub(super) fn add(&mut self, window: Duration, now: u64, call: bool, failed: bool, slow: bool) {
        let number = number(window, now);
        let Some(part) = self.0.get_mut((number % PARTS) as usize) else { return };
        if part.number != number {
            *part = Part { number, counts: Counts::default() };
        }
        let counts = &mut part.counts;
        for (count, more) in
            [(&mut counts.calls, call), (&mut counts.failed, failed), (&mut counts.slow, slow)]
        {
            *count = count.saturating_add(more.into());
        }
    }

    pub(super) fn counts(&self, window: Duration, now: u64) -> Counts {
        let newest = number(window, now);
        let parts = self.0.iter().filter(|part| part.number + PARTS > newest);
        parts.fold(Counts::default(), |sum, part| Counts {
            calls: sum.calls.saturating_add(part.counts.calls),
            failed: sum.failed.saturating_add(part.counts.failed),
            slow: sum.slow.saturating_add(part.counts.slow),
        })
    }
}
