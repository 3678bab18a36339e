//! When a provider is asked for what it says of itself, and for its keys. A plain state: the time is given.

use std::time::Duration;

use notebook_core::Timestamp;

/// How long what a provider said is believed: keys that it took back are good no longer.
const FRESH: Duration = Duration::from_secs(60 * 60);
/// How far apart keys are asked for because a token names one that is not there (J14).
const RENEWALS_APART: Duration = Duration::from_secs(60);
/// How long nobody asks again after there was no answer: those who waited meanwhile do not wait once more.
const AFTER_FAILURE: Duration = Duration::from_secs(3);

/// What was had from a provider, and when.
#[derive(Debug)]
pub(super) struct Cache<T> {
    held: Option<Held<T>>,
    failed_at: Option<Timestamp>,
    renewed_at: Option<Timestamp>,
}

#[derive(Debug)]
struct Held<T> {
    what: T,
    at: Timestamp,
    /// Rises with each that is kept.
    number: u64,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step<T> {
    /// Go on with this.
    Use(T, u64),
    /// Ask the provider.
    Ask,
    /// There was no answer just now.
    GiveUp,
}

impl<T: Clone> Cache<T> {
    pub(super) const fn new() -> Self {
        Self { held: None, failed_at: None, renewed_at: None }
    }

    /// For whoever needs what the provider says.
    pub(super) fn step(&self, now: Timestamp) -> Step<T> {
        match &self.held {
            Some(held) if now.since(held.at) < FRESH => Step::Use(held.what.clone(), held.number),
            _ if self.failed_at.is_some_and(|at| now.since(at) < AFTER_FAILURE) => Step::GiveUp,
            _ => Step::Ask,
        }
    }

    /// For whoever met a key that is not among those of `number`. What is asked for is noted before there is an answer.
    pub(super) fn renew(&mut self, number: u64, now: Timestamp) -> Step<T> {
        if let Some(held) = self.held.as_ref().filter(|held| held.number > number) {
            // Another has asked meanwhile.
            return Step::Use(held.what.clone(), held.number);
        }
        if self.renewed_at.is_some_and(|at| now.since(at) < RENEWALS_APART) {
            return Step::GiveUp;
        }
        self.renewed_at = Some(now);
        Step::Ask
    }

    /// Keeps what the provider said, and gives its number.
    pub(super) fn keep(&mut self, what: T, now: Timestamp) -> u64 {
        let number = self.held.as_ref().map_or(0, |held| held.number) + 1;
        self.held = Some(Held { what, at: now, number });
        self.failed_at = None;
        number
    }

    /// Notes that there was no answer.
    pub(super) const fn failed(&mut self, now: Timestamp) {
        self.failed_at = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000).after(Duration::from_secs(seconds))
    }

    #[test]
    fn what_was_said_is_believed_for_an_hour() {
        let mut cache = Cache::new();
        assert_eq!(cache.step(at(0)), Step::Ask);
        assert_eq!(cache.keep("a", at(0)), 1);
        assert_eq!(cache.step(at(3_599)), Step::Use("a", 1));
        assert_eq!(cache.step(at(3_600)), Step::Ask);
        assert_eq!(cache.keep("b", at(3_600)), 2);
        assert_eq!(cache.step(at(3_601)), Step::Use("b", 2));
    }

    #[test]
    fn who_waited_for_no_answer_does_not_wait_again() {
        let mut cache = Cache::<()>::new();
        cache.failed(at(10));
        assert_eq!(cache.step(at(12)), Step::GiveUp);
        assert_eq!(cache.step(at(13)), Step::Ask);
        cache.keep((), at(13));
        assert_eq!(cache.step(at(13)), Step::Use((), 1));
    }

    #[test]
    fn j14_unknown_keys_are_asked_for_once_a_minute() {
        let mut cache = Cache::new();
        let number = cache.keep("a", at(0));
        // Keys that changed right after they were fetched are found.
        assert_eq!(cache.renew(number, at(1)), Step::Ask);
        let newer = cache.keep("b", at(1));
        // Who saw the keys of before goes on with those that another has asked for.
        assert_eq!(cache.renew(number, at(2)), Step::Use("b", newer));
        let mut asked = 0;
        for second in 2..602 {
            for _ in 0..100 {
                match cache.renew(newer, at(second)) {
                    Step::Ask => asked += 1,
                    other => assert_eq!(other, Step::GiveUp),
                }
            }
        }
        assert_eq!(asked, 10, "once a minute, answered or not");
    }
}
