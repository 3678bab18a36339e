//! When a runner asks the queue for jobs. Without I/O and clock.

use std::time::Duration;

use tokio::time::Instant;

/// The least time between two questions of a runner that has something to do, where the last answer was all there was:
/// many ends and new jobs are worth one question.
const PACE: Duration = Duration::from_millis(3);

/// What has been heard since the last question.
pub(super) struct Asking {
    /// The last answer was as much as was asked for.
    more: bool,
    /// Somebody says that there may be a new job.
    rung: bool,
    /// A run has ended, and with it may have ended what held another job up.
    ended: bool,
    asked: Instant,
    answered: Instant,
    poll: Duration,
}

/// What to do now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// Ask for whatever there is room for.
    Now,
    /// Ask when much is wanted, or a slot stands still.
    WhenLow,
    /// Ask at that time, if nothing is heard before.
    At(Instant),
}

impl Asking {
    /// Nobody has been asked yet: it is time.
    pub(super) const fn new(now: Instant, poll: Duration) -> Self {
        Self { more: false, rung: true, ended: false, asked: now, answered: now, poll }
    }

    pub(super) const fn is_rung(&self) -> bool {
        self.rung
    }

    pub(super) const fn ring(&mut self) {
        self.rung = true;
    }

    pub(super) const fn run_ended(&mut self) {
        self.ended = true;
    }

    /// A question is on its way: what is heard from now on is worth another.
    pub(super) const fn asks(&mut self, now: Instant) {
        (self.rung, self.ended, self.asked) = (false, false, now);
    }

    /// An answer came; whether it was as much as was asked for.
    pub(super) const fn answered(&mut self, now: Instant, more: bool) {
        (self.answered, self.more) = (now, more);
    }

    /// Whether to ask. Somebody who has nothing to do, not `busy`, asks at once.
    pub(super) fn question(&self, now: Instant, busy: bool) -> Question {
        let paced = if busy { self.asked + PACE } else { now };
        let heard = self.rung || (self.ended && !self.more);
        let due = if heard { paced } else { self.answered + self.poll };
        match (now >= due, self.more) {
            (true, _) => Question::Now,
            (false, true) => Question::WhenLow,
            (false, false) => Question::At(due),
        }
    }

    /// When what was heard may be asked for, though it is too soon now.
    pub(super) fn later(&self, now: Instant) -> Option<Instant> {
        (self.rung && now < self.asked + PACE).then(|| self.asked + PACE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLL: Duration = Duration::from_secs(1);

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn an_idle_runner_asks_when_it_hears_of_a_job_and_else_polls() {
        let start = Instant::now();
        let mut asking = Asking::new(start, POLL);
        assert_eq!(asking.question(start, false), Question::Now, "what was there before it");
        asking.asks(start);
        asking.answered(start + at(2), false);
        let poll = Question::At(start + at(1_002));
        assert_eq!(asking.question(start + at(2), false), poll);
        asking.ring();
        assert_eq!(asking.question(start + at(2), false), Question::Now);
        asking.asks(start + at(2));
        asking.answered(start + at(4), false);
        assert_eq!(asking.question(start + at(1_004), false), Question::Now, "a poll");
    }

    #[test]
    fn a_busy_one_asks_for_many_ends_and_new_jobs_at_once() {
        let start = Instant::now();
        let mut asking = Asking::new(start, POLL);
        asking.asks(start);
        asking.answered(start + at(1), false);
        asking.run_ended();
        asking.ring();
        assert_eq!(asking.question(start + at(1), true), Question::At(start + PACE));
        assert_eq!(asking.later(start + at(1)), Some(start + PACE));
        assert_eq!(asking.question(start + PACE, true), Question::Now);
        asking.asks(start + PACE);
        assert!(!asking.is_rung());
    }

    #[test]
    fn where_there_is_more_it_asks_when_it_has_little_left() {
        let start = Instant::now();
        let mut asking = Asking::new(start, POLL);
        asking.asks(start);
        asking.answered(start + at(1), true);
        asking.run_ended();
        assert_eq!(asking.question(start + at(5), true), Question::WhenLow, "an end is no news");
        asking.ring();
        assert_eq!(asking.question(start + at(5), true), Question::Now, "a new job is");
    }
}
