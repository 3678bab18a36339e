//! When a server's tools are listed anew, which says that they have changed: pure.

use std::time::Duration;

use notebook_core::Timestamp;

/// After a change so long: changes come in bursts.
const SETTLE: Duration = Duration::from_millis(100);
/// Between one list and the next, at first and at most: whoever tells of changes without end is listened to less and less.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// When the tools were listed, and when they are to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pace {
    listed: Timestamp,
    gap: Duration,
    due: Option<Timestamp>,
}

impl Pace {
    /// They were listed for the first time.
    pub(super) const fn new(now: Timestamp) -> Self {
        Self { listed: now, gap: FIRST, due: None }
    }

    /// A change was told.
    pub(super) fn changed(self, now: Timestamp) -> Self {
        let due = now.after(SETTLE).max(self.listed.after(self.gap));
        Self { due: self.due.or(Some(due)), ..self }
    }

    /// They were listed.
    pub(super) fn listed(self, now: Timestamp) -> Self {
        let is_soon = now.since(self.listed) <= self.gap * 2;
        let gap = if is_soon { (self.gap * 2).min(LONGEST) } else { FIRST };
        Self { listed: now, gap, due: None }
    }

    /// How long until they are to be listed, if they are.
    pub(super) fn wait(self, now: Timestamp) -> Option<Duration> {
        self.due.map(|due| due.since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn d4_one_change_is_listed_soon_and_a_burst_once() {
        let pace = Pace::new(at(0));
        assert_eq!(pace.wait(at(0)), None);
        let once = pace.changed(at(10_000));
        assert_eq!(once.wait(at(10_000)), Some(SETTLE));
        assert_eq!(once.changed(at(10_050)).wait(at(10_050)), Some(SETTLE / 2));
        assert_eq!(once.listed(at(10_100)).wait(at(10_100)), None);
        // Just after the first list there is a pause.
        assert_eq!(pace.changed(at(200)).wait(at(200)), Some(Duration::from_millis(800)));
    }

    /// Told of without end: an hour has some sixty lists, not some ten a second.
    #[test]
    fn d4_changes_without_end_are_listed_less_and_less() {
        let (mut pace, mut now, mut gaps) = (Pace::new(at(0)), 0, Vec::new());
        let mut last = 0;
        while now < 3_600_000 {
            pace = pace.changed(at(now));
            if pace.wait(at(now)) == Some(Duration::ZERO) {
                pace = pace.listed(at(now));
                gaps.push((now - last) / 1_000);
                last = now;
            }
            now += 10;
        }
        assert_eq!(gaps[..7], [1, 2, 4, 8, 16, 32, 60]);
        assert!(gaps.len() < 70, "{}", gaps.len());
        // Once it is quiet for a while, changes are heard soon again.
        let calm = pace.listed(at(now)).listed(at(now + 200_000)).changed(at(now + 300_000));
        assert_eq!(calm.wait(at(now + 300_000)), Some(SETTLE));
    }
}
