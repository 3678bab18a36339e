//! Limits in this process's memory.

use std::{collections::HashMap, fmt, sync::Arc};

use async_trait::async_trait;
use parking_lot::Mutex;

use super::{Decision, Key, Policy, RateLimits, Want, step};
use crate::{Clock, Result};

/// How many parts the keys lie in, each under a lock of its own.
const SHARDS: usize = 16;
/// How many keys are kept. They take some 5 MB.
const MOST: usize = 100_000;

/// [`RateLimits`] in memory, with a bounded number of keys.
///
/// When there are too many, those go that have their whole burst again; if that is not enough, the eighth that has used
/// the least of its limit. So somebody with many addresses cannot have an address forgotten whose limit is used up, unless
/// seven eighths of all others are used up as well. Limits begin anew with the process.
pub struct MemoryRateLimits {
    shards: [Mutex<Shard>; SHARDS],
    clock: Arc<dyn Clock>,
}

#[derive(Default)]
struct Shard {
    keys: HashMap<Key, Entry>,
    most: usize,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    full_at: i64,
    /// The policy's burst as time.
    full: i64,
}

impl Entry {
    /// How much of the limit is used, of 2^32.
    fn used(&self, now: i64) -> u64 {
        let missing = self.full_at.saturating_sub(now).clamp(0, self.full);
        let (missing, full) = (missing.unsigned_abs(), self.full.unsigned_abs().max(1));
        let used = (u128::from(missing) << 32) / u128::from(full);
        u64::try_from(used).unwrap_or(u64::MAX)
    }
}

impl MemoryRateLimits {
    /// Limits that nobody has used, for up to 100,000 keys.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self::bounded(clock, MOST)
    }

    /// The same for another number of keys, at least 128.
    #[must_use]
    pub fn bounded(clock: Arc<dyn Clock>, most: usize) -> Self {
        let most = (most / SHARDS).max(8);
        let shards = std::array::from_fn(|_| Mutex::new(Shard { keys: HashMap::new(), most }));
        Self { shards, clock }
    }

    /// How many keys are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().keys.len()).sum()
    }

    /// Whether none is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The same as [`RateLimits::take`], without waiting.
    ///
    /// # Errors
    /// As there.
    pub fn take_now(&self, key: Key, policy: &Policy, want: Want) -> Result<Decision> {
        want.check(policy)?;
        let [first, ..] = *key.as_bytes();
        let [zero, ..] = &self.shards;
        let mut shard = self.shards.get(usize::from(first) % SHARDS).unwrap_or(zero).lock();
        let now = micros(&*self.clock);
        Ok(shard.take(key, policy, want, now))
    }
}

impl Shard {
    fn take(&mut self, key: Key, policy: &Policy, want: Want, now: i64) -> Decision {
        let known = self.keys.get(&key).map(|entry| entry.full_at);
        if known.is_none() && self.keys.len() >= self.most {
            self.make_room(now);
        }
        let stepped = step(known, policy, want, now);
        self.keys.insert(key, Entry { full_at: stepped.full_at, full: policy.full() });
        stepped.decision
    }

    /// Forgets an eighth at least, so that this is seldom.
    fn make_room(&mut self, now: i64) {
        self.keys.retain(|_, entry| entry.full_at > now);
        let most = self.most - (self.most / 8).max(1);
        let Some(goes) = self.keys.len().checked_sub(most).filter(|goes| *goes > 0) else { return };
        let mut used: Vec<_> = self.keys.values().map(|entry| entry.used(now)).collect();
        let least = *used.select_nth_unstable(goes - 1).1;
        let mut left = goes;
        self.keys.retain(|_, entry| {
            let stays = left == 0 || entry.used(now) > least;
            left -= usize::from(!stays);
            stays
        });
    }

    fn prune(&mut self, now: i64, most: usize) -> usize {
        let mut left = most;
        self.keys.retain(|_, entry| {
            let stays = left == 0 || entry.full_at > now;
            left -= usize::from(!stays);
            stays
        });
        most - left
    }
}

/// The clock's moment in microseconds.
pub(super) fn micros(clock: &dyn Clock) -> i64 {
    clock.now().as_millis().saturating_mul(1_000)
}

#[async_trait]
impl RateLimits for MemoryRateLimits {
    async fn take(&self, key: Key, policy: &Policy, want: Want) -> Result<Decision> {
        self.take_now(key, policy, want)
    }

    async fn prune(&self, most: usize) -> Result<usize> {
        let now = micros(&*self.clock);
        let mut left = most;
        for shard in &self.shards {
            left -= shard.lock().prune(now, left);
        }
        Ok(most - left)
    }
}

impl fmt::Debug for MemoryRateLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryRateLimits").field("keys", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{net::IpAddr, time::Duration};

    use super::*;
    use crate::{clock::ManualClock, rate_limit::Subject};

    fn limits(most: usize) -> (MemoryRateLimits, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::at(crate::Timestamp::from_millis(1_700_000_000_000)));
        (MemoryRateLimits::bounded(clock.clone(), most), clock)
    }

    fn of(i: u32) -> Key {
        Key::new("ask", &Subject::Address(IpAddr::V4(i.into())))
    }

    fn allowed(limits: &MemoryRateLimits, key: Key, policy: &Policy) -> bool {
        limits.take_now(key, policy, Want::of(1)).unwrap().allowed
    }

    #[test]
    fn many_addresses_cannot_have_one_forgotten_whose_limit_is_used_up() {
        let (limits, clock) = limits(1_600);
        let policy = Policy::new(10, Duration::from_secs(3_600), None).unwrap();
        // A class whose units take longer is forgotten by how much of it is used, not by how long that takes.
        let slow = Policy::new(10, Duration::from_secs(360_000), None).unwrap();
        while allowed(&limits, of(0), &policy) {}
        for i in 1..100_000 {
            assert!(allowed(&limits, of(i), &slow));
            assert!(allowed(&limits, of(i), &slow));
            assert!(limits.len() <= 1_600, "{}", limits.len());
            clock.advance(Duration::from_millis(1));
        }
        assert!(limits.len() > 1_000);
        assert!(!allowed(&limits, of(0), &policy), "it was forgotten");
    }

    #[test]
    fn keys_that_are_idle_go_before_all_others() {
        let (limits, clock) = limits(1_600);
        let policy = Policy::new(10, Duration::from_secs(10), None).unwrap();
        let slow = Policy::new(10, Duration::from_secs(360_000), None).unwrap();
        for i in 0..400 {
            assert!(allowed(&limits, of(i), &slow));
        }
        for i in 1_000..100_000 {
            assert!(allowed(&limits, of(i), &policy));
            clock.advance(Duration::from_millis(100));
        }
        for i in 0..400 {
            assert!(!limits.take_now(of(i), &slow, Want::of(10)).unwrap().allowed, "{i} is known");
        }
        clock.advance(Duration::from_secs(11));
        assert_eq!(limits.len(), 400 + prune_until_none(&limits, 7), "only those that are in use");
        assert_eq!(limits.len(), 400);
    }

    fn prune_until_none(limits: &MemoryRateLimits, most: usize) -> usize {
        let prune = || futures::executor::block_on(limits.prune(most)).unwrap();
        let mut sum = 0;
        loop {
            match prune() {
                0 => return sum,
                some => {
                    assert!(some <= most);
                    sum += some;
                }
            }
        }
    }
}
