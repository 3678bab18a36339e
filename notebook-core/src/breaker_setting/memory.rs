//! Decisions in memory, of one process.

use std::collections::BTreeMap;

use async_trait::async_trait;
use parking_lot::Mutex;

use super::{BreakerSetting, BreakerSettings};
use crate::{Result, Timestamp};

/// [`BreakerSettings`] in memory.
#[derive(Debug, Default)]
pub struct MemoryBreakerSettings(Mutex<BTreeMap<(String, String), BreakerSetting>>);

impl MemoryBreakerSettings {
    /// Nothing was decided.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl BreakerSettings for MemoryBreakerSettings {
    async fn set(&self, setting: &BreakerSetting) -> Result<()> {
        let mut all = self.0.lock();
        all.retain(|_, other| other.holds(setting.at));
        all.insert((setting.route.clone(), setting.model.clone()), setting.clone());
        Ok(())
    }

    async fn clear(&self, route: &str, model: &str) -> Result<bool> {
        Ok(self.0.lock().remove(&(route.to_owned(), model.to_owned())).is_some())
    }

    async fn all(&self, now: Timestamp) -> Result<Vec<BreakerSetting>> {
        Ok(self.0.lock().values().filter(|setting| setting.holds(now)).cloned().collect())
    }
}
