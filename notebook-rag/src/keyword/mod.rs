//! Keyword search on disk: tantivy, one index for each tenant.
//!
//! Each tenant has a folder of its own, so that neither words nor their statistics are
//! shared. The index holds words and keys only; texts stay in the store. Scores are BM25 as in
//! [`Bm25`](notebook_core::keyword::Bm25), words as in [`crate::words`].
//!
//! After a crash, what was added since the last commit is gone: the caller deletes the source
//! and adds it again. When a write fails, as on a full disk, [`commit`](KeywordIndex::commit)
//! refuses until each source that was being added has been deleted or added again.

mod bits;
mod config;
mod error;
mod schema;
mod search;
mod tenant;
#[cfg(test)]
mod tests;
mod tokenizer;
mod version;
mod view;
mod writing;

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use notebook_core::{
    Error, ErrorKind, NotebookId, Result, SourceId, TenantId, TenantScope,
    keyword::{KeywordIndex, KeywordRecord, check_limit},
    vector::{ChunkFilter, Hit},
};
use parking_lot::Mutex;

pub use config::KeywordConfig;
use error::from_io;
use tenant::{Tenant, exists};

const REMOVE: &str = "remove keyword index";
/// What the folder of a tenant that is being removed ends in: no tenant's is called so.
const REMOVED: &str = "removed";

/// The tantivy adapter of [`KeywordIndex`]. Cheap to clone. One process only may write to a
/// folder. Needs a tokio runtime with time: its work runs on blocking threads.
#[derive(Clone)]
pub struct TantivyIndex {
    shared: Arc<Shared>,
}

struct Shared {
    config: Arc<KeywordConfig>,
    tenants: Mutex<HashMap<TenantId, Arc<Slot>>>,
    /// Counts calls, to know which tenant was used last.
    calls: AtomicU64,
}

/// A tenant that is open or being opened.
#[derive(Default)]
struct Slot {
    tenant: Mutex<Option<Arc<Tenant>>>,
    used: AtomicU64,
    is_closing: AtomicBool,
}

impl fmt::Debug for TantivyIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TantivyIndex").field("config", &self.shared.config).finish()
    }
}

impl TantivyIndex {
    /// An index with this configuration. Folders are made when the first chunk is added.
    ///
    /// # Errors
    /// `InvalidInput` that names the field when a limit is out of range.
    pub fn new(config: KeywordConfig) -> Result<Self> {
        let refuse = |field, fix: &str| Err(Error::invalid("configure keyword index", field, fix));
        if !(15_000_000..=1_000_000_000).contains(&config.writer_bytes) {
            return refuse("writer_bytes", "set it to 15000000 to 1000000000");
        }
        if config.open_tenants == 0 {
            return refuse("open_tenants", "set it to 1 or more");
        }
        let shared = Shared {
            config: Arc::new(config),
            tenants: Mutex::default(),
            calls: AtomicU64::new(0),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Runs blocking `work` on the tenant's index; `absent` when there is none and `create` is
    /// not set.
    async fn with<T: Send + 'static>(
        &self,
        scope: &TenantScope,
        create: bool,
        absent: T,
        work: impl FnOnce(&Tenant) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (shared, id) = (Arc::clone(&self.shared), scope.tenant());
        let done = tokio::task::spawn_blocking(move || {
            let slot = shared.slot(id);
            match slot.open(&shared.config, id, create)? {
                Some(tenant) => work(&tenant),
                None => Ok(absent),
            }
        });
        done.await.map_err(|e| Error::new(ErrorKind::Internal, "use keyword index").caused_by(e))?
    }

    /// Sees to it that the tenant's writer is closed once it is idle.
    fn close_later(&self, scope: &TenantScope) {
        let slot = self.shared.slot(scope.tenant());
        if !slot.is_closing.swap(true, Ordering::AcqRel) {
            tokio::spawn(close_when_idle(Arc::downgrade(&slot), Arc::clone(&self.shared.config)));
        }
    }
}

impl Shared {
    /// The tenant's slot. Closes the longest unused tenants beyond the limit.
    fn slot(&self, id: TenantId) -> Arc<Slot> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let mut tenants = self.tenants.lock();
        let slot = Arc::clone(tenants.entry(id).or_default());
        slot.used.store(call, Ordering::Relaxed);
        while tenants.len() > self.config.open_tenants {
            // In use, or with a writer that is still open: stays, whatever the limit.
            let unused = tenants.iter().filter(|(_, slot)| Slot::is_unused(slot));
            let Some(oldest) = unused.min_by_key(|(_, slot)| slot.used.load(Ordering::Relaxed))
            else {
                break;
            };
            let oldest = *oldest.0;
            tenants.remove(&oldest);
        }
        slot
    }
}

impl Slot {
    fn is_unused(self: &Arc<Self>) -> bool {
        Arc::strong_count(self) == 1
            && self.tenant.try_lock().is_some_and(|tenant| {
                tenant.as_ref().is_none_or(|t| Arc::strong_count(t) == 1 && t.is_idle())
            })
    }

    fn open(
        &self,
        config: &Arc<KeywordConfig>,
        id: TenantId,
        create: bool,
    ) -> Result<Option<Arc<Tenant>>> {
        let mut tenant = self.tenant.lock();
        if tenant.is_none() {
            let folder = config.folder.join(id.to_string());
            if create || exists(&folder)? {
                *tenant = Tenant::open(Arc::clone(config), &folder, create)?.map(Arc::new);
            }
        }
        Ok(tenant.clone())
    }
}

impl Slot {
    /// Removes the tenant's folder. Done again, it ends what a crash has broken off.
    fn remove(&self, config: &KeywordConfig, id: TenantId) -> Result<()> {
        let mut tenant = self.tenant.lock();
        if let Some(open) = tenant.take() {
            open.end();
        }
        let folder = config.folder.join(id.to_string());
        let away = folder.with_extension(REMOVED);
        remove_all(&away)?;
        match std::fs::rename(&folder, &away) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(from_io(REMOVE, error)),
            Ok(()) => remove_all(&away),
        }
    }
}

fn remove_all(folder: &std::path::Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(from_io(REMOVE, error)),
        _ => Ok(()),
    }
}

/// Ends when the writer is closed, or with the index.
async fn close_when_idle(slot: Weak<Slot>, config: Arc<KeywordConfig>) {
    let mut wait = config.writer_idle;
    loop {
        tokio::time::sleep(wait).await;
        let (slot, idle) = (slot.clone(), config.writer_idle);
        let closed = tokio::task::spawn_blocking(move || {
            let Some(slot) = slot.upgrade() else { return Ok(None) };
            // Before looking: a write after this starts another task.
            slot.is_closing.store(false, Ordering::Release);
            let tenant = slot.tenant.lock().clone();
            let wait = tenant.map_or(Ok(None), |tenant| tenant.close_writer(idle))?;
            // Unless it is another task by now that closes the writer.
            Ok(wait.filter(|_| !slot.is_closing.swap(true, Ordering::AcqRel)))
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

#[async_trait]
impl KeywordIndex for TantivyIndex {
    async fn add(
        &self,
        scope: &TenantScope,
        notebook: NotebookId,
        source: SourceId,
        records: Vec<KeywordRecord>,
    ) -> Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        let added =
            self.with(scope, true, (), move |tenant| tenant.add(notebook, source, &records)).await;
        self.close_later(scope);
        added
    }

    async fn commit(&self, scope: &TenantScope) -> Result<()> {
        self.with(scope, false, (), Tenant::commit).await
    }

    async fn delete_source(&self, scope: &TenantScope, source: SourceId) -> Result<()> {
        let deleted = self.with(scope, false, (), move |tenant| tenant.delete_source(source)).await;
        self.close_later(scope);
        deleted
    }

    async fn remove_tenant(&self, scope: &TenantScope) -> Result<()> {
        let (shared, id) = (Arc::clone(&self.shared), scope.tenant());
        let removed =
            tokio::task::spawn_blocking(move || shared.slot(id).remove(&shared.config, id));
        removed
            .await
            .map_err(|e| Error::new(ErrorKind::Internal, "use keyword index").caused_by(e))?
    }

    async fn search(
        &self,
        scope: &TenantScope,
        text: &str,
        limit: usize,
        filter: &ChunkFilter,
    ) -> Result<Vec<Hit>> {
        check_limit(limit)?;
        let (text, filter) = (text.to_owned(), filter.clone());
        self.with(scope, false, Vec::new(), move |tenant| tenant.search(&text, limit, &filter))
            .await
    }

    async fn count(&self, scope: &TenantScope, filter: &ChunkFilter) -> Result<u64> {
        let filter = filter.clone();
        self.with(scope, false, 0, move |tenant| tenant.count(&filter)).await
    }
}
