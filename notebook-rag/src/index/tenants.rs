//! The open tenants: opened when first used, the longest unused closed when there are too many.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use notebook_core::{Result, TenantId, vector::VectorSpace};
use parking_lot::Mutex;

use super::tenant::Tenant;

/// The bounds of an index.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) open_tenants: usize,
    pub(crate) heap_bytes: usize,
    pub(crate) log_rows: usize,
    pub(crate) segment_rows: usize,
}

/// All tenants under one folder.
pub(crate) struct Tenants {
    root: PathBuf,
    space: VectorSpace,
    limits: Limits,
    slots: Mutex<HashMap<TenantId, Arc<Slot>>>,
    clock: AtomicU64,
}

/// A tenant that is open or being opened. While anyone holds the slot or the tenant, it stays: so
/// there are never two that write to one folder.
#[derive(Default)]
struct Slot {
    tenant: Mutex<Option<Arc<Tenant>>>,
    used: AtomicU64,
}

impl Tenants {
    pub(crate) fn new(root: PathBuf, space: VectorSpace, limits: Limits) -> Self {
        let (slots, clock) = (Mutex::default(), AtomicU64::new(0));
        Self { root, space, limits, slots, clock }
    }

    pub(crate) const fn space(&self) -> &VectorSpace {
        &self.space
    }

    pub(crate) const fn limits(&self) -> Limits {
        self.limits
    }

    /// The tenant, if it is open and this takes no waiting.
    pub(crate) fn opened(&self, id: TenantId) -> Option<Arc<Tenant>> {
        let slots = self.slots.try_lock()?;
        let slot = slots.get(&id)?;
        let tenant = slot.tenant.try_lock()?.clone()?;
        self.touch(slot);
        Some(tenant)
    }

    /// The tenant, opened if need be. Reads files: not for async threads.
    ///
    /// # Errors
    /// Those of [`Tenant::open`].
    pub(crate) fn open(&self, id: TenantId) -> Result<Arc<Tenant>> {
        let slot = Arc::clone(self.slots.lock().entry(id).or_default());
        self.touch(&slot);
        let mut held = slot.tenant.lock();
        if let Some(tenant) = held.as_ref() {
            return Ok(Arc::clone(tenant));
        }
        let folder = self.root.join(id.to_string());
        let tenant = Arc::new(Tenant::open(folder, id, &self.space, self.limits.log_rows)?);
        *held = Some(Arc::clone(&tenant));
        drop(held);
        drop(slot);
        self.close_unused();
        Ok(tenant)
    }

    /// How many are open.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.slots.lock().len()
    }

    /// Closes the longest unused tenants while there are too many, or they hold too much memory.
    /// Those in use stay, so the bound may be passed by as many as there are calls at once.
    pub(crate) fn close_unused(&self) {
        let mut slots = self.slots.lock();
        let heap = |slot: &Slot| {
            let tenant = slot.tenant.try_lock().and_then(|tenant| tenant.clone());
            tenant.map_or(0, |tenant| tenant.snapshot().heap_bytes())
        };
        let mut bytes: usize = slots.values().map(|slot| heap(slot)).sum();
        if slots.len() <= self.limits.open_tenants && bytes <= self.limits.heap_bytes {
            return;
        }
        let mut by_use: Vec<_> =
            slots.iter().map(|(id, slot)| (slot.used.load(Ordering::Relaxed), *id)).collect();
        by_use.sort_unstable();
        // The one used last stays, however large: it is in use.
        by_use.pop();
        for (_, id) in by_use {
            let over = slots.len() > self.limits.open_tenants;
            let Some(slot) = slots.get(&id) else { continue };
            let freed = heap(slot);
            if !(over || bytes > self.limits.heap_bytes && freed > 0) {
                continue;
            }
            if is_unused(slot) {
                slots.remove(&id);
                bytes -= freed;
            }
        }
    }

    fn touch(&self, slot: &Slot) {
        slot.used.store(self.clock.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
    }
}

/// Nobody can come to hold it meanwhile, for that takes the lock on the slots.
fn is_unused(slot: &Arc<Slot>) -> bool {
    Arc::strong_count(slot) == 1
        && slot.tenant.try_lock().is_some_and(|tenant| {
            tenant.as_ref().is_none_or(|tenant| Arc::strong_count(tenant) == 1)
        })
}

#[cfg(test)]
mod tests {
    use notebook_core::vector::conformance;

    use super::*;

    fn tenants(root: &std::path::Path, open_tenants: usize, heap_bytes: usize) -> Tenants {
        let limits = Limits { open_tenants, heap_bytes, log_rows: 100, segment_rows: 1_000 };
        Tenants::new(root.into(), conformance::space("a"), limits)
    }

    fn record(seed: u64) -> notebook_core::vector::VectorRecord {
        let key = notebook_core::model::ChunkKey {
            source: notebook_core::SourceId::from_u128(1),
            ordinal: seed as u32,
        };
        let notebook = notebook_core::NotebookId::from_u128(1);
        notebook_core::vector::VectorRecord { key, notebook, vector: conformance::vector(seed) }
    }

    #[test]
    fn the_longest_unused_are_closed_but_none_in_use() {
        let root = tempfile::tempdir().unwrap();
        let tenants = tenants(root.path(), 3, usize::MAX);
        let used = tenants.open(TenantId::from_u128(0)).unwrap();
        for id in 1..10 {
            tenants.open(TenantId::from_u128(id)).unwrap();
            assert!(tenants.count() <= 4);
        }
        let again = tenants.opened(TenantId::from_u128(0)).expect("it is in use");
        assert!(Arc::ptr_eq(&used, &again), "two would write to one folder");
        assert!(tenants.opened(TenantId::from_u128(9)).is_some());
        assert!(tenants.opened(TenantId::from_u128(1)).is_none());
    }

    #[test]
    fn those_that_hold_memory_are_closed_when_it_is_too_much() {
        let root = tempfile::tempdir().unwrap();
        let tenants = tenants(root.path(), 100, 50 * 358);
        for id in 0..10 {
            let tenant = tenants.open(TenantId::from_u128(id)).unwrap();
            tenant.upsert(tenants.space(), (0..20).map(record).collect()).unwrap();
            drop(tenant);
            tenants.close_unused();
            assert!(tenants.count() <= 2, "{}", tenants.count());
        }
        let first = tenants.open(TenantId::from_u128(0)).unwrap();
        assert_eq!(first.snapshot().live_rows(), 20);
    }

    #[test]
    fn a_tenant_that_cannot_be_opened_can_be_tried_again() {
        let root = tempfile::tempdir().unwrap();
        let tenants = tenants(root.path(), 3, usize::MAX);
        let (id, folder) =
            (TenantId::from_u128(1), root.path().join(TenantId::from_u128(1).to_string()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("manifest"), "nonsense").unwrap();
        assert!(tenants.open(id).is_err());
        std::fs::remove_file(folder.join("manifest")).unwrap();
        assert!(tenants.open(id).is_ok());
    }
}
