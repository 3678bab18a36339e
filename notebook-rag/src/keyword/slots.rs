//! Which tenants are open, and for how long.

use std::{
    collections::HashMap,
    path::Path,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
};

use notebook_core::{Error, ErrorKind, Result, TenantId};
use parking_lot::Mutex;

use super::{
    KeywordConfig,
    error::from_io,
    tenant::{Tenant, exists},
};

const REMOVE: &str = "remove keyword index";
/// What the folder of a tenant that is being removed ends in: no tenant's is called so.
const REMOVED: &str = "removed";

/// What all tenants share.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) config: KeywordConfig,
    /// How many writers are open. Each has threads and memory of its own.
    pub(super) writers: AtomicUsize,
}

/// The tenants that are open.
pub(super) struct Slots {
    pub(super) room: Arc<Room>,
    tenants: Mutex<HashMap<TenantId, Arc<Slot>>>,
    /// Counts calls, to know which tenant was used last.
    calls: AtomicU64,
}

/// A tenant that is open or being opened.
#[derive(Default)]
pub(super) struct Slot {
    pub(super) tenant: Mutex<Option<Arc<Tenant>>>,
    used: AtomicU64,
    is_closing: AtomicBool,
}

impl Slots {
    pub(super) fn new(config: KeywordConfig) -> Self {
        let room = Arc::new(Room { config, writers: AtomicUsize::new(0) });
        Self { room, tenants: Mutex::default(), calls: AtomicU64::new(0) }
    }

    /// The tenant's slot. When it is a new one, the longest unused beyond the limit are closed.
    pub(super) fn slot(&self, id: TenantId) -> Arc<Slot> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let mut tenants = self.tenants.lock();
        let before = tenants.len();
        let slot = Arc::clone(tenants.entry(id).or_default());
        slot.used.store(call, Ordering::Relaxed);
        let is_new = tenants.len() > before;
        drop(tenants);
        // Not at every call: where many are in use, as while they are written to, looking at all of them would cost more
        // than the search.
        if is_new {
            self.trim();
        }
        slot
    }

    /// Closes the longest unused tenants beyond the limit.
    fn trim(&self) {
        let mut tenants = self.tenants.lock();
        let surplus = tenants.len().saturating_sub(self.room.config.open_tenants);
        if surplus == 0 {
            return;
        }
        // In use, or with a writer that is still open: stays, whatever the limit.
        let unused = tenants.iter().filter(|(_, slot)| Slot::is_unused(slot));
        let mut oldest: Vec<(u64, TenantId)> =
            unused.map(|(id, slot)| (slot.used.load(Ordering::Relaxed), *id)).collect();
        oldest.sort_unstable();
        let closed: Vec<_> =
            oldest.into_iter().take(surplus).map(|(_, id)| tenants.remove(&id)).collect();
        // Closing files takes a while, and others need not wait for it.
        drop(tenants);
        drop(closed);
    }

    /// Sees to it that the tenant's writer is closed once it is idle.
    pub(super) fn close_later(self: &Arc<Self>, id: TenantId) {
        let slot = self.slot(id);
        if !slot.is_closing.swap(true, Ordering::AcqRel) {
            tokio::spawn(close_when_idle(Arc::downgrade(&slot), Arc::downgrade(self)));
        }
    }

    #[cfg(test)]
    pub(super) fn open(&self) -> usize {
        self.tenants.lock().len()
    }
}

impl Slot {
    fn is_unused(self: &Arc<Self>) -> bool {
        Arc::strong_count(self) == 1
            && self.tenant.try_lock().is_some_and(|tenant| {
                tenant.as_ref().is_none_or(|t| Arc::strong_count(t) == 1 && t.is_idle())
            })
    }

    pub(super) fn open(
        &self,
        room: &Arc<Room>,
        id: TenantId,
        create: bool,
    ) -> Result<Option<Arc<Tenant>>> {
        let mut tenant = self.tenant.lock();
        if tenant.is_none() {
            let folder = room.config.folder.join(id.to_string());
            if create || exists(&folder)? {
                *tenant = Tenant::open(Arc::clone(room), &folder, create)?.map(Arc::new);
            }
        }
        Ok(tenant.clone())
    }

    /// Removes the tenant's folder. Done again, it ends what a crash has broken off.
    pub(super) fn remove(&self, room: &Room, id: TenantId) -> Result<()> {
        let mut tenant = self.tenant.lock();
        if let Some(open) = tenant.take() {
            open.end();
        }
        let folder = room.config.folder.join(id.to_string());
        let away = folder.with_extension(REMOVED);
        remove_all(&away)?;
        match std::fs::rename(&folder, &away) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(from_io(REMOVE, error)),
            Ok(()) => remove_all(&away),
        }
    }
}

fn remove_all(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(from_io(REMOVE, error)),
        _ => Ok(()),
    }
}

/// Ends when the writer is closed, or with the index.
async fn close_when_idle(slot: Weak<Slot>, slots: Weak<Slots>) {
    let Some(idle) = slots.upgrade().map(|slots| slots.room.config.writer_idle) else { return };
    let mut wait = idle;
    loop {
        tokio::time::sleep(wait).await;
        let (slot, slots) = (slot.clone(), slots.clone());
        let closed = tokio::task::spawn_blocking(move || {
            let Some(slot) = slot.upgrade() else { return Ok(None) };
            // Before looking: a write after this starts another task.
            slot.is_closing.store(false, Ordering::Release);
            let tenant = slot.tenant.lock().clone();
            let wait = tenant.map_or(Ok(None), |tenant| tenant.close_writer(idle))?;
            // Unless it is another task by now that closes the writer.
            let wait = wait.filter(|_| !slot.is_closing.swap(true, Ordering::AcqRel));
            drop(slot);
            if let (None, Some(slots)) = (wait, slots.upgrade()) {
                // It stayed open for its writer, whatever the limit.
                slots.trim();
            }
            Ok(wait)
        });
        match closed.await.map_err(|e| Error::new(ErrorKind::Internal, "close writer").caused_by(e))
        {
            Ok(Ok(Some(left))) => wait = left,
            Ok(Ok(None)) => return,
            Ok(Err(error)) | Err(error) => {
                tracing::warn!(error = ?error, "an idle keyword writer did not close cleanly");
                return;
            }
        }
    }
}
