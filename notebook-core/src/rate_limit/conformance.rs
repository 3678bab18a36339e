//! The suite that every adapter of [`RateLimits`] is held to.
//!
//! ```
//! use std::sync::Arc;
//! use notebook_core::{
//!     clock::{ManualClock, Timestamp},
//!     rate_limit::{RateLimits, conformance::{self, Subject}, memory::MemoryRateLimits},
//! };
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_700_000_000_000)));
//! let limits: Arc<dyn RateLimits> = Arc::new(MemoryRateLimits::new(clock.clone()));
//! conformance::run_all(&Subject { processes: [limits.clone(), limits], clock }).await;
//! # });
//! # Ok::<(), std::io::Error>(())
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a suite speaks by panicking, and a scenario's name is its documentation"
)]

use std::{sync::Arc, time::Duration};

use futures::future::join_all;

use super::{Decision, Key, Policy, RateLimits, Subject as Whose, Want, step};
use crate::{Clock as _, ErrorKind, UserId, clock::ManualClock, conformance::Scenario};

/// An adapter as two processes have it, and the clock that it goes by. The suite moves the clock, so scenarios run one
/// after the other.
pub struct Subject {
    /// Two handles with connections of their own, or the same twice where there is but one process.
    pub processes: [Arc<dyn RateLimits>; 2],
    /// Their clock.
    pub clock: Arc<ManualClock>,
}

/// Every scenario of the suite.
#[must_use]
pub fn scenarios() -> Vec<Scenario<Subject>> {
    crate::scenarios![
        Subject;
        the_burst_is_allowed_and_no_more,
        units_come_back_one_after_the_other,
        what_is_refused_counts_nothing,
        keys_are_apart,
        as_many_at_once_as_the_limit,
        units_in_advance_come_from_the_upper_half_and_go_back,
        a_changed_policy_applies_at_once,
        a_clock_that_goes_back_gives_nothing,
        only_what_is_whole_is_forgotten,
        what_can_never_be_had_is_refused_as_wrong,
        every_decision_is_that_of_the_step,
    ]
}

/// Runs every scenario, one after the other.
///
/// # Panics
/// When the adapter breaks a promise.
pub async fn run_all(subject: &Subject) {
    crate::conformance::run_all(scenarios(), subject).await;
}

impl Subject {
    async fn take(&self, process: usize, key: Key, policy: &Policy, want: Want) -> Decision {
        self.processes[process % 2].take(key, policy, want).await.unwrap()
    }

    async fn one(&self, key: Key, policy: &Policy) -> Decision {
        self.take(0, key, policy, Want::of(1)).await
    }

    fn wait(&self, millis: u64) {
        self.clock.advance(Duration::from_millis(millis));
    }
}

/// A key that nobody else uses.
fn key() -> Key {
    Key::new("suite", &Whose::User(UserId::new()))
}

fn policy(quota: u32, seconds: u64, burst: u32) -> Policy {
    Policy::new(quota, Duration::from_secs(seconds), Some(burst)).unwrap()
}

pub async fn the_burst_is_allowed_and_no_more(subject: &Subject) {
    let (key, policy) = (key(), policy(60, 60, 5));
    for left in (0..5).rev() {
        let decision = subject.take(left as usize, key, &policy, Want::of(1)).await;
        assert!(decision.allowed && decision.retry_after.is_none());
        assert_eq!((decision.remaining, decision.limit), (left, 5));
        assert_eq!(decision.refill_after, Duration::from_secs(1));
        assert_eq!(decision.reset_after, Duration::from_secs(u64::from(5 - left)));
    }
    let refused = subject.one(key, &policy).await;
    assert!(!refused.allowed && refused.remaining == 0);
    assert_eq!(refused.retry_after, Some(Duration::from_secs(1)));
}

pub async fn units_come_back_one_after_the_other(subject: &Subject) {
    let (key, policy) = (key(), policy(10, 1, 4));
    subject.take(0, key, &policy, Want::of(4)).await;
    let refused = subject.take(0, key, &policy, Want::of(2)).await;
    assert_eq!(refused.retry_after, Some(Duration::from_millis(200)));
    subject.wait(199);
    assert!(!subject.take(1, key, &policy, Want::of(2)).await.allowed);
    subject.wait(1);
    assert!(subject.take(1, key, &policy, Want::of(2)).await.allowed);
    // And never more than the burst.
    subject.wait(100_000);
    assert!(subject.take(0, key, &policy, Want::of(4)).await.allowed);
    assert!(!subject.one(key, &policy).await.allowed);
}

pub async fn what_is_refused_counts_nothing(subject: &Subject) {
    let (key, policy) = (key(), policy(1, 10, 2));
    subject.take(0, key, &policy, Want::of(2)).await;
    for _ in 0..20 {
        assert!(!subject.one(key, &policy).await.allowed);
        assert!(!subject.take(1, key, &policy, Want::of(2)).await.allowed);
    }
    subject.wait(10_000);
    assert!(subject.one(key, &policy).await.allowed);
}

pub async fn keys_are_apart(subject: &Subject) {
    let policy = policy(1, 10, 1);
    let whose = Whose::User(UserId::new());
    for class in ["read", "write"] {
        let key = Key::new(class, &whose);
        assert!(subject.one(key, &policy).await.allowed);
        assert!(!subject.one(key, &policy).await.allowed);
    }
    assert!(subject.one(key(), &policy).await.allowed);
}

/// 200 at once at two processes.
pub async fn as_many_at_once_as_the_limit(subject: &Subject) {
    for limit in [1, 7, 150] {
        let (key, policy) = (key(), policy(limit, 3_600, limit));
        let policy = &policy;
        let calls = (0..200).map(|i| subject.take(i, key, policy, Want::of(1)));
        let found = join_all(calls).await;
        let mut left: Vec<_> =
            found.iter().filter(|found| found.allowed).map(|found| found.remaining).collect();
        left.sort_unstable();
        assert_eq!(left, (0..limit).collect::<Vec<_>>(), "each of them once");
    }
}

pub async fn units_in_advance_come_from_the_upper_half_and_go_back(subject: &Subject) {
    let (key, policy) = (key(), policy(10, 3_600, 10));
    let ahead = |back| Want { cost: 1, ahead: 3, back };
    let first = subject.take(0, key, &policy, ahead(0)).await;
    assert_eq!((first.ahead, first.remaining), (3, 6));
    let second = subject.take(1, key, &policy, ahead(0)).await;
    assert_eq!((second.ahead, second.remaining), (0, 5), "the lower half is for those who come");
    let third = subject.take(0, key, &policy, ahead(3)).await;
    assert_eq!((third.ahead, third.remaining), (2, 5));
    // Nobody gets more by giving back more.
    let fourth = subject.take(0, key, &policy, Want { cost: 1, ahead: 0, back: 1_000 }).await;
    assert_eq!(fourth.remaining, 9);
}

pub async fn a_changed_policy_applies_at_once(subject: &Subject) {
    let (key, wide, narrow) = (key(), policy(100, 100, 100), policy(2, 20, 2));
    subject.take(0, key, &wide, Want::of(50)).await;
    let refused = subject.one(key, &narrow).await;
    assert_eq!((refused.allowed, refused.limit), (false, 2));
    assert_eq!(refused.retry_after, Some(Duration::from_secs(10)), "no longer than its own burst");
    subject.wait(20_000);
    assert!(subject.take(1, key, &narrow, Want::of(2)).await.allowed);
    assert_eq!(subject.one(key, &wide).await.remaining, 79);
}

pub async fn a_clock_that_goes_back_gives_nothing(subject: &Subject) {
    let (key, policy) = (key(), policy(1, 10, 3));
    subject.take(0, key, &policy, Want::of(3)).await;
    subject.clock.set_back(Duration::from_secs(3_600));
    let refused = subject.one(key, &policy).await;
    subject.wait(3_600_000);
    assert!(!refused.allowed);
    assert_eq!(refused.retry_after, Some(Duration::from_secs(10)), "and shuts nobody out for long");
}

pub async fn only_what_is_whole_is_forgotten(subject: &Subject) {
    let (idle, used, policy) = (key(), key(), policy(1, 10, 1));
    assert!(subject.one(idle, &policy).await.allowed);
    subject.wait(9_000);
    assert!(subject.one(used, &policy).await.allowed);
    subject.wait(1_000);
    while subject.processes[1].prune(100).await.unwrap() > 0 {}
    assert!(!subject.one(used, &policy).await.allowed, "it is not forgotten");
    assert!(subject.one(idle, &policy).await.allowed);
    assert!(!subject.one(idle, &policy).await.allowed);
}

pub async fn what_can_never_be_had_is_refused_as_wrong(subject: &Subject) {
    let policy = policy(10, 10, 3);
    for cost in [0, 4] {
        let refused = subject.processes[0].take(key(), &policy, Want::of(cost)).await;
        let error = refused.expect_err("no waiting would help");
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(error.context("field"), Some("cost"));
    }
}

/// Whatever is asked, in whichever order: by a generator of numbers with a fixed seed.
pub async fn every_decision_is_that_of_the_step(subject: &Subject) {
    let policies = [policy(7, 1, 9), policy(1_000, 60, 64), policy(3, 100, 3), policy(1, 1, 1)];
    let mut keys: Vec<_> = (0..3).map(|_| (key(), None)).collect();
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for i in 0..400 {
        let policy = policies[dice.below(4) as usize];
        let cost = 1 + dice.below(policy.burst().into()) as u32;
        let extra = |number: u64| if number < 5 { 0 } else { number as u32 };
        let want = Want { cost, ahead: extra(dice.below(12)), back: extra(dice.below(9)) };
        let at = dice.below(3) as usize;
        let (key, full_at) = &mut keys[at];
        let now = subject.clock.now().as_millis() * 1_000;
        let expected = step(*full_at, &policy, want, now);
        let found = subject.take(i, *key, &policy, want).await;
        assert_eq!(found, expected.decision, "{i}: {want:?} of {policy:?}");
        *full_at = Some(expected.full_at);
        subject.wait(dice.below(1_500));
    }
}

/// Numbers that look random (Marsaglia's xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{conformance::unlisted, rate_limit::memory::MemoryRateLimits};

    #[test]
    fn every_scenario_is_listed() {
        let names: Vec<_> = scenarios().iter().map(|scenario| scenario.name).collect();
        assert_eq!(unlisted(include_str!("conformance.rs"), &names), Vec::<&str>::new());
    }

    #[tokio::test]
    async fn memory_keeps_every_promise() {
        let clock = Arc::new(ManualClock::at(crate::Timestamp::from_millis(1_700_000_000_000)));
        let limits: Arc<dyn RateLimits> = Arc::new(MemoryRateLimits::new(clock.clone()));
        run_all(&Subject { processes: [limits.clone(), limits], clock }).await;
    }
}
