//! The cache in memory, bounded in bytes.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use async_trait::async_trait;
use parking_lot::Mutex;

use super::{Cache, CacheKey};
use crate::{Result, TenantId, TenantScope};

/// What an entry costs besides its value: key, order and map overhead, in bytes.
pub const ENTRY_OVERHEAD: usize = 128;

/// A cache in memory. When full, it forgets the least recently used entry of the largest tenant.
#[derive(Debug)]
pub struct MemoryCache {
    max_bytes: usize,
    state: Mutex<State>,
}

impl MemoryCache {
    /// A cache of at most `max_bytes`, counting each value with [`ENTRY_OVERHEAD`].
    #[must_use]
    pub fn new(max_bytes: usize) -> Self {
        Self { max_bytes, state: Mutex::default() }
    }

    /// What the entries cost now, in bytes; never more than the bound.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.state.lock().by_size.iter().map(|(bytes, _)| bytes).sum()
    }
}

#[derive(Debug, Default)]
struct State {
    tenants: HashMap<TenantId, Lru>,
    /// Every tenant with its size, to find the largest.
    by_size: BTreeSet<(usize, TenantId)>,
    bytes: usize,
    /// Counts uses, to order them.
    uses: u64,
}

#[derive(Debug, Default)]
struct Lru {
    entries: HashMap<CacheKey, Entry>,
    order: BTreeMap<u64, CacheKey>,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    value: Vec<u8>,
    used: u64,
}

#[async_trait]
impl Cache for MemoryCache {
    async fn get(&self, scope: &TenantScope, keys: &[CacheKey]) -> Result<Vec<Option<Vec<u8>>>> {
        let mut state = self.state.lock();
        let State { tenants, uses, .. } = &mut *state;
        let Some(lru) = tenants.get_mut(&scope.tenant()) else { return Ok(vec![None; keys.len()]) };
        let mut read = |key| {
            *uses += 1;
            lru.get(key, *uses)
        };
        Ok(keys.iter().map(&mut read).collect())
    }

    async fn put(&self, scope: &TenantScope, entries: Vec<(CacheKey, Vec<u8>)>) -> Result<()> {
        let mut state = self.state.lock();
        for (key, value) in entries {
            state.insert(scope.tenant(), key, value, self.max_bytes);
        }
        Ok(())
    }

    async fn remove(&self, scope: &TenantScope, keys: &[CacheKey]) -> Result<()> {
        let mut state = self.state.lock();
        state.change(scope.tenant(), |lru| keys.iter().for_each(|key| lru.remove(key)));
        Ok(())
    }

    async fn clear(&self, scope: &TenantScope) -> Result<()> {
        let mut state = self.state.lock();
        if let Some(lru) = state.tenants.remove(&scope.tenant()) {
            state.by_size.remove(&(lru.bytes, scope.tenant()));
            state.bytes -= lru.bytes;
        }
        Ok(())
    }
}

impl State {
    fn insert(&mut self, tenant: TenantId, key: CacheKey, value: Vec<u8>, max_bytes: usize) {
        self.uses += 1;
        let used = self.uses;
        let fits = value.len().saturating_add(ENTRY_OVERHEAD) <= max_bytes;
        self.change(tenant, |lru| {
            lru.remove(&key);
            // A value over the bound would push out everything and still not fit.
            if fits {
                lru.insert(key, value, used);
            }
        });
        while self.bytes > max_bytes {
            let Some((_, largest)) = self.by_size.last().copied() else { return };
            self.change(largest, Lru::forget_oldest);
        }
    }

    /// Changes one tenant's entries and keeps the sizes in step.
    fn change(&mut self, tenant: TenantId, change: impl FnOnce(&mut Lru)) {
        let lru = self.tenants.entry(tenant).or_default();
        self.by_size.remove(&(lru.bytes, tenant));
        self.bytes -= lru.bytes;
        change(lru);
        self.bytes += lru.bytes;
        if lru.entries.is_empty() {
            self.tenants.remove(&tenant);
        } else {
            self.by_size.insert((lru.bytes, tenant));
        }
    }
}

impl Lru {
    fn get(&mut self, key: &CacheKey, used: u64) -> Option<Vec<u8>> {
        let entry = self.entries.get_mut(key)?;
        self.order.remove(&entry.used);
        self.order.insert(used, *key);
        entry.used = used;
        Some(entry.value.clone())
    }

    fn insert(&mut self, key: CacheKey, value: Vec<u8>, used: u64) {
        self.bytes += value.len() + ENTRY_OVERHEAD;
        self.order.insert(used, key);
        self.entries.insert(key, Entry { value, used });
    }

    fn remove(&mut self, key: &CacheKey) {
        if let Some(entry) = self.entries.remove(key) {
            self.order.remove(&entry.used);
            self.bytes -= entry.value.len() + ENTRY_OVERHEAD;
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, key)) = self.order.pop_first() {
            self.remove(&key);
        }
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests act for tenants of their own")]
mod tests {
    use super::*;

    fn key(name: &str) -> CacheKey {
        CacheKey::of(&[name.as_bytes()])
    }

    #[tokio::test]
    async fn the_largest_tenant_pays_for_a_full_cache() {
        let cache = MemoryCache::new(10 * (ENTRY_OVERHEAD + 100));
        let quiet = TenantScope::authenticated(TenantId::new());
        let loud = TenantScope::authenticated(TenantId::new());
        cache.put(&quiet, vec![(key("q"), vec![1; 100])]).await.unwrap();
        for i in 0..100 {
            cache.put(&loud, vec![(key(&i.to_string()), vec![2; 100])]).await.unwrap();
            assert!(cache.bytes() <= 10 * (ENTRY_OVERHEAD + 100));
        }
        assert_eq!(cache.get(&quiet, &[key("q")]).await.unwrap(), [Some(vec![1; 100])]);
        assert_eq!(
            cache.get(&loud, &[key("0"), key("99")]).await.unwrap(),
            [None, Some(vec![2; 100])]
        );
        cache.clear(&loud).await.unwrap();
        cache.clear(&quiet).await.unwrap();
        assert_eq!(cache.bytes(), 0);
        assert!(cache.state.lock().tenants.is_empty());
    }

    #[cfg(feature = "conformance")]
    #[tokio::test]
    async fn keeps_every_promise_of_the_port() {
        use crate::cache::conformance::{Capabilities, run_all};
        let max = 64 << 10;
        let cache = MemoryCache::new(max);
        let capabilities = Capabilities { max_bytes: Some(max), least_recently_used: true };
        let skipped = run_all(&cache, &capabilities).await;
        assert_eq!(skipped, Vec::<&str>::new());
    }
}
