//! Counts in memory, of one process.

use std::collections::HashMap;

use async_trait::async_trait;
use parking_lot::Mutex;

use super::{Day, KeyCount, KeyHash, KeyUsage, Use};
use crate::{Result, Timestamp};

/// [`KeyUsage`] in memory.
#[derive(Debug, Default)]
pub struct MemoryKeyUsage(Mutex<HashMap<KeyHash, KeyCount>>);

impl MemoryKeyUsage {
    /// No key was ever used.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl KeyUsage for MemoryKeyUsage {
    async fn take(
        &self,
        key: KeyHash,
        day: Day,
        limit: Option<u64>,
        now: Timestamp,
    ) -> Result<Use> {
        let mut keys = self.0.lock();
        let count = keys.entry(key).or_default();
        if count.resting_until > now {
            return Ok(Use::Resting { until: count.resting_until });
        }
        let used = if count.day >= day { count.used } else { 0 };
        if limit.is_some_and(|limit| used >= limit) {
            return Ok(Use::Spent);
        }
        (count.day, count.used) = (count.day.max(day), used + 1);
        Ok(Use::Counted { used: count.used })
    }

    async fn rest(&self, key: KeyHash, until: Timestamp) -> Result<()> {
        self.0.lock().entry(key).or_default().resting_until = until;
        Ok(())
    }

    async fn counts(&self, wanted: &[KeyHash]) -> Result<Vec<KeyCount>> {
        let keys = self.0.lock();
        Ok(wanted.iter().map(|key| keys.get(key).copied().unwrap_or_default()).collect())
    }

    async fn prune(&self, day: Day, now: Timestamp) -> Result<usize> {
        let mut keys = self.0.lock();
        let before = keys.len();
        keys.retain(|_, count| count.day >= day || count.resting_until > now);
        Ok(before - keys.len())
    }
}
