//! Whether a failed try is made again: without I/O and clock.

use std::time::Duration;

use super::{
    super::guarded::is_ours,
    budget::{Budget, BudgetPolicy, RetryPolicy},
};
use crate::{Error, Retry, Timestamp};

/// A try that failed before anything was said.
#[derive(Debug, Clone, Copy)]
pub struct Failed<'e> {
    /// What it failed with.
    pub error: &'e Error,
    /// How many were made so far, this one too.
    pub tries: u32,
    /// The time until nobody waits any more, where there is such a moment.
    pub left: Option<Duration>,
}

/// How long to wait before the next try; `None` when there is to be none. `dice` is any number; it spreads the waits.
pub fn decide(
    policy: &RetryPolicy,
    (budget, rules): (&mut Budget, &BudgetPolicy),
    failed: &Failed<'_>,
    now: Timestamp,
    dice: u64,
) -> Option<Duration> {
    if failed.tries >= policy.tries || is_ours(failed.error) {
        return None;
    }
    let wait = match failed.error.retry_status() {
        Retry::Never => return None,
        // Not all at the moment that all were told.
        Retry::After(wait) if wait <= policy.obeyed => wait + spread(wait / 10, dice),
        Retry::After(_) => return None,
        Retry::Backoff => {
            let doubled = 1_u32.checked_shl(failed.tries.saturating_sub(1)).unwrap_or(u32::MAX);
            let wait = policy.backoff.saturating_mul(doubled).min(policy.longest);
            wait / 2 + spread(wait / 2, dice)
        }
    };
    let in_time = failed.left.is_none_or(|left| wait.saturating_add(policy.shortest_try) <= left);
    // Last: what is not made costs nothing.
    (in_time && budget.take(rules, now)).then_some(wait)
}

/// Some part of a time.
fn spread(most: Duration, dice: u64) -> Duration {
    most.saturating_mul(u32::try_from(dice % 1_025).unwrap_or(0)) / 1_024
}
