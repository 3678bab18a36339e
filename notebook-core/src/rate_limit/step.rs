//! What becomes of a key: the token bucket, kept as the one moment at which it is full again (the generic cell rate
//! algorithm's theoretical arrival time). Without I/O and clock.

use std::time::Duration;

use super::Policy;
use crate::{Error, Result};

/// What somebody asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Want {
    /// Units, all of which are needed. At least 1.
    pub cost: u32,
    /// Units beyond the cost that would be taken in advance. They are given only out of the upper half of the burst, so
    /// that nobody who comes later is refused on their account.
    pub ahead: u32,
    /// Units that were taken in advance and not used, which are given back first.
    pub back: u32,
}

impl Want {
    /// So many units, and nothing else.
    #[must_use]
    pub const fn of(cost: u32) -> Self {
        Self { cost, ahead: 0, back: 0 }
    }

    /// # Errors
    /// `InvalidInput` when the cost is 0, or more than can ever be there.
    pub(super) fn check(&self, policy: &Policy) -> Result<()> {
        if (1..=policy.burst()).contains(&self.cost) {
            return Ok(());
        }
        let fix = format!("give from 1 to the burst, which is {}", policy.burst());
        Err(Error::invalid("take of rate limit", "cost", fix))
    }
}

/// What somebody got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// Whether they may. If not, nothing was counted.
    pub allowed: bool,
    /// Units beyond the cost that were taken in advance.
    pub ahead: u32,
    /// How many units there are now.
    pub remaining: u32,
    /// The most that there can be: the policy's burst.
    pub limit: u32,
    /// The time until there is one more; zero when all are there.
    pub refill_after: Duration,
    /// The time until all are there.
    pub reset_after: Duration,
    /// The time until the same can be had, for those who were refused.
    pub retry_after: Option<Duration>,
}

/// A key after somebody asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stepped {
    /// When all of the burst is there again, in microseconds since the Unix epoch. Not after now: it is as if never used.
    pub full_at: i64,
    /// How many units were taken.
    pub taken: u32,
    /// What is said.
    pub decision: Decision,
}

/// What becomes of a key whose burst is all there at `full_at` (none when it is unknown) when somebody asks at `now`,
/// both in microseconds since the Unix epoch. The cost is from 1 to the burst.
///
/// ```
/// use std::time::Duration;
/// use notebook_core::rate_limit::{Policy, Want, step};
///
/// let policy = Policy::new(10, Duration::from_secs(1), Some(2))?;
/// let first = step(None, &policy, Want::of(2), 0);
/// assert!(first.decision.allowed && first.full_at == 200_000);
/// let second = step(Some(first.full_at), &policy, Want::of(1), 50_000);
/// assert_eq!(second.decision.retry_after, Some(Duration::from_millis(50)));
/// # Ok::<(), notebook_core::Error>(())
/// ```
#[must_use]
pub fn step(full_at: Option<i64>, policy: &Policy, want: Want, now: i64) -> Stepped {
    let unit = policy.unit();
    let latest = now.saturating_add(policy.full());
    let back = unit.saturating_mul(want.back.into());
    // Never emptier than empty: a clock that was set back must not shut anybody out for long.
    let base = full_at.map_or(now, |at| at.saturating_sub(back).clamp(now, latest));
    let free = (latest - base) / unit;
    let (cost, keep) = (i64::from(want.cost), i64::from(policy.burst() / 2));
    let taken =
        if free < cost { 0 } else { cost + (free - cost - keep).clamp(0, i64::from(want.ahead)) };
    let full_at = base + taken * unit;
    let taken = u32::try_from(taken).unwrap_or(u32::MAX);
    Stepped { full_at, taken, decision: decide(policy, want, taken, full_at - now) }
}

/// What is said when `taken` units were taken and all of the burst is there in `missing` microseconds.
pub(super) fn decide(policy: &Policy, want: Want, taken: u32, missing: i64) -> Decision {
    let (unit, full) = (policy.unit(), policy.full());
    let missing = missing.clamp(0, full);
    let free = (full - missing) / unit;
    let until = |units: i64| micros(missing - (full - units * unit));
    Decision {
        allowed: taken > 0,
        ahead: taken.saturating_sub(want.cost),
        remaining: u32::try_from(free).unwrap_or(0),
        limit: policy.burst(),
        refill_after: if missing == 0 { Duration::ZERO } else { until(free + 1) },
        reset_after: micros(missing),
        retry_after: (taken == 0).then(|| until(want.cost.into())),
    }
}

fn micros(micros: i64) -> Duration {
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

#[cfg(test)]
mod tests;
