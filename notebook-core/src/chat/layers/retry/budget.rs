use std::time::Duration;

use super::super::elapsed::Elapsed;
use crate::{Error, Result, Timestamp};

/// How many repetitions a provider is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BudgetPolicy {
    /// For so many of a hundred requests one repetition.
    pub percent: u32,
    /// And so many in each second, for those who have few requests.
    pub per_second: u32,
    /// The most that are kept for later.
    pub most: u32,
}

impl Default for BudgetPolicy {
    /// A tenth of the requests, and one in each second; ten are kept.
    fn default() -> Self {
        Self { percent: 10, per_second: 1, most: 10 }
    }
}

impl BudgetPolicy {
    /// # Errors
    /// `InvalidInput` that names the field.
    pub(super) fn check(&self) -> Result<()> {
        if self.percent > 100 {
            return Err(Error::invalid("configure retry", "percent", "give from 0 to 100"));
        }
        Ok(())
    }
}

/// What one repetition costs.
const ONE: u64 = 1_000;

/// A provider's repetitions: without I/O and clock. In thousandths, so that a millisecond's and a request's share are whole.
#[derive(Debug, Clone, Default)]
pub struct Budget {
    left: u64,
    time: Elapsed,
    refilled: u64,
    begun: bool,
}

impl Budget {
    fn refill(&mut self, policy: &BudgetPolicy, now: Timestamp) {
        let passed = self.time.advance(now) - self.refilled;
        self.refilled += passed;
        self.add(policy, passed.saturating_mul(policy.per_second.into()));
        if !std::mem::replace(&mut self.begun, true) {
            self.add(policy, u64::from(policy.per_second) * ONE);
        }
    }

    fn add(&mut self, policy: &BudgetPolicy, more: u64) {
        self.left = self.left.saturating_add(more).min(u64::from(policy.most) * ONE);
    }

    /// A request was made, by whoever is the first to.
    pub fn request(&mut self, policy: &BudgetPolicy, now: Timestamp) {
        self.refill(policy, now);
        self.add(policy, ONE * u64::from(policy.percent) / 100);
    }

    /// Takes a repetition, if there is one.
    pub fn take(&mut self, policy: &BudgetPolicy, now: Timestamp) -> bool {
        self.refill(policy, now);
        match self.left.checked_sub(ONE) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }
}

/// What a failed try is followed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The most tries, the first one too.
    pub tries: u32,
    /// About how long the first wait is; each further one is twice as long.
    pub backoff: Duration,
    /// The longest wait of our own.
    pub longest: Duration,
    /// The longest wait that a provider is obeyed in: where it asks for more, the caller is told so at once.
    pub obeyed: Duration,
    /// What a try needs at the least: none is begun that cannot end before the deadline.
    pub shortest_try: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            tries: 3,
            backoff: Duration::from_millis(250),
            longest: Duration::from_secs(4),
            obeyed: Duration::from_secs(5),
            shortest_try: Duration::from_millis(200),
        }
    }
}
