//! The port, over the tenants' folders: the only async part.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use notebook_core::{
    Error, ErrorKind, Result, Retry, SourceId, TenantId, TenantScope,
    vector::{
        ChunkFilter, Hit, VectorIndex, VectorRecord, VectorSpace, check_query, check_records,
        check_space,
    },
};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::{
    files::io_error,
    kernels::{MAX_DIMENSIONS, best},
    maintain::Maintenance,
    search::{Scratch, search},
    snapshot::Snapshot,
    tenant::{REMOVED, Tenant},
    tenants::{Limits, Tenants},
};

/// Up to this many rows a search takes less time than handing it to another thread is worth.
const INLINE_ROWS: usize = 4_096;

/// Where an [`EmbeddedIndex`] lies, and its bounds.
#[derive(Debug, Clone)]
pub struct EmbeddedIndexConfig {
    /// The folder; it is made if it is not there. One process at a time may use it.
    pub folder: PathBuf,
    /// The model of the vectors.
    pub space: VectorSpace,
    /// Tenants kept open at once (512). One that is not open is opened when used, in about a
    /// millisecond for ten thousand vectors.
    pub open_tenants: usize,
    /// Bytes of memory for vectors not yet in segment files, over all tenants (256 MiB). Beyond it the
    /// longest unused tenants are closed; nothing is lost.
    pub heap_bytes: usize,
    /// Vectors of a tenant that are kept in the log before they become a segment file (4,096).
    pub log_rows: usize,
    /// The most vectors of one segment file (262,144): bounds what removing one source rewrites.
    pub segment_rows: usize,
    /// How long after a delete the deleted vectors are removed from the disk (30 s). Searches do
    /// not find them from the moment the delete returns.
    pub purge_after: Duration,
}

impl EmbeddedIndexConfig {
    /// The usual bounds.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>, space: VectorSpace) -> Self {
        Self {
            folder: folder.into(),
            space,
            open_tenants: 512,
            heap_bytes: 256 << 20,
            log_rows: 4_096,
            segment_rows: 262_144,
            purge_after: Duration::from_secs(30),
        }
    }
}

/// An index on disk, in this process: one folder for each tenant, flat, exact filters, no build.
///
/// See [the module](super) for how it searches and what it writes.
///
/// # Behaviour
/// - An upsert or delete is durable when it returns, also if its future is dropped before.
/// - When the disk is full, writes are refused with `StorageFull` and searches go on.
/// - Dropping the index waits for the background thread; the folder can then be opened again.
pub struct EmbeddedIndex {
    shared: Arc<Shared>,
    purge_after: Duration,
}

struct Shared {
    // Dropped first: the thread uses the rest.
    maintenance: Maintenance,
    tenants: Arc<Tenants>,
    /// Searches and writes that run at once.
    permits: Arc<Semaphore>,
    scratch: Mutex<Vec<Scratch>>,
    _lock: File,
}

impl EmbeddedIndex {
    /// Opens the index in a folder, which is locked until the index is dropped. Tenants are
    /// opened when they are first used.
    ///
    /// # Errors
    /// `InvalidInput` when a bound is zero or the vectors have no or more than 8,192 dimensions;
    /// `Conflict` when another index uses the folder; those of the file system.
    pub fn open(config: EmbeddedIndexConfig) -> Result<Self> {
        check_config(&config)?;
        let fault = |error| io_error("open vector index", &config.folder, error);
        fs::create_dir_all(&config.folder).map_err(fault)?;
        let lock = lock(&config.folder)?;
        finish_removals(&config.folder);
        tracing::debug!(kernels = best().name, model = config.space.model, "vector index opened");
        let limits = Limits {
            open_tenants: config.open_tenants,
            heap_bytes: config.heap_bytes,
            log_rows: config.log_rows,
            segment_rows: config.segment_rows,
        };
        let tenants = Arc::new(Tenants::new(config.folder, config.space, limits));
        let maintenance = Maintenance::start(Arc::downgrade(&tenants))?;
        let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let permits = Arc::new(Semaphore::new(threads * 2));
        let scratch = Mutex::default();
        let shared = Shared { maintenance, tenants, permits, scratch, _lock: lock };
        Ok(Self { shared: Arc::new(shared), purge_after: config.purge_after })
    }

    /// Runs work on a tenant on a thread for blocking work, to its end even if the caller goes
    /// away. A tenant that fails to open fails alone.
    async fn blocking<T: Send + 'static>(
        &self,
        id: TenantId,
        work: impl FnOnce(&Shared, &Tenant) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let defect = |_| Error::new(ErrorKind::Internal, "use vector index");
        let permit = Arc::clone(&self.shared.permits).acquire_owned().await.map_err(defect)?;
        let shared = Arc::clone(&self.shared);
        let run = move || {
            let _permit = permit;
            work(&shared, &*shared.tenants.open(id)?)
        };
        let done = tokio::task::spawn_blocking(run).await;
        done.map_err(|error| Error::new(ErrorKind::Internal, "use vector index").caused_by(error))?
    }
}

#[async_trait]
impl VectorIndex for EmbeddedIndex {
    fn space(&self) -> &VectorSpace {
        self.shared.tenants.space()
    }

    async fn upsert(&self, scope: &TenantScope, records: Vec<VectorRecord>) -> Result<()> {
        let id = scope.tenant();
        self.blocking(id, move |shared, tenant| {
            check_records(shared.tenants.space(), &records)?;
            tenant.upsert(shared.tenants.space(), records)?;
            shared.after_write(id, tenant);
            Ok(())
        })
        .await
    }

    async fn delete_source(&self, scope: &TenantScope, source: SourceId) -> Result<u64> {
        let (id, purge_after) = (scope.tenant(), self.purge_after);
        self.blocking(id, move |shared, tenant| {
            let count = tenant.delete_source(source)?;
            if count > 0 {
                shared.maintenance.request(id, purge_after, true);
                shared.after_write(id, tenant);
            }
            Ok(count as u64)
        })
        .await
    }

    async fn remove_tenant(&self, scope: &TenantScope) -> Result<()> {
        self.blocking(scope.tenant(), |_, tenant| tenant.remove()).await
    }

    async fn search(
        &self,
        scope: &TenantScope,
        vector: &[f32],
        limit: usize,
        filter: &ChunkFilter,
    ) -> Result<Vec<Hit>> {
        check_query(self.space(), vector, limit)?;
        if let Some(tenant) = self.shared.tenants.opened(scope.tenant()) {
            let snapshot = tenant.snapshot();
            if snapshot.live_rows() <= INLINE_ROWS {
                return self.shared.search(&snapshot, vector, limit, filter);
            }
        }
        let (vector, filter) = (vector.to_vec(), filter.clone());
        self.blocking(scope.tenant(), move |shared, tenant| {
            shared.search(&tenant.snapshot(), &vector, limit, &filter)
        })
        .await
    }

    async fn count(&self, scope: &TenantScope, filter: &ChunkFilter) -> Result<u64> {
        let filter = filter.clone();
        self.blocking(scope.tenant(), move |shared, tenant| {
            let snapshot = tenant.snapshot();
            shared.check_space("count vectors", &snapshot)?;
            Ok(snapshot.count(&filter) as u64)
        })
        .await
    }
}

impl Shared {
    fn search(
        &self,
        snapshot: &Snapshot,
        vector: &[f32],
        limit: usize,
        filter: &ChunkFilter,
    ) -> Result<Vec<Hit>> {
        self.check_space("search vectors", snapshot)?;
        if snapshot.live_rows() == 0 {
            return Ok(Vec::new());
        }
        let mut scratch = self.scratch.lock().pop().unwrap_or_default();
        let hits = search(snapshot, vector, limit, filter, &mut scratch);
        self.scratch.lock().push(scratch);
        hits
    }

    fn check_space(&self, operation: &'static str, snapshot: &Snapshot) -> Result<()> {
        if snapshot.live_rows() == 0 {
            return Ok(());
        }
        check_space(operation, &snapshot.space, self.tenants.space())
    }

    fn after_write(&self, id: TenantId, tenant: &Tenant) {
        let limits = self.tenants.limits();
        if super::plan::plan(&tenant.snapshot(), limits.log_rows, limits.segment_rows, false)
            .is_some()
        {
            self.maintenance.request(id, Duration::ZERO, false);
        }
        self.tenants.close_unused();
    }
}

fn check_config(config: &EmbeddedIndexConfig) -> Result<()> {
    let fault = |field, fix: &str| Err(Error::invalid("open vector index", field, fix));
    if !(1..=MAX_DIMENSIONS).contains(&config.space.dimensions) {
        return fault("space.dimensions", "give 1 to 8192");
    }
    if config.open_tenants == 0 {
        return fault("open_tenants", "give at least 1");
    }
    if config.log_rows == 0 || config.segment_rows < config.log_rows {
        return fault("log_rows", "give at least 1, and no more than segment_rows");
    }
    if config.segment_rows > 1 << 30 {
        return fault("segment_rows", "give at most 1073741824");
    }
    Ok(())
}

/// Locks the folder against a second index, here or in another process.
fn lock(folder: &Path) -> Result<File> {
    let path = folder.join("lock");
    let fault = |error| io_error("lock vector index", &path, error);
    let file =
        File::options().create(true).truncate(false).write(true).open(&path).map_err(fault)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::new(ErrorKind::Conflict, "lock vector index")
            .retry(Retry::Backoff)
            .with("folder", folder.display().to_string())
            .with("fix", "end the other process that uses this folder, or choose another folder")),
        Err(TryLockError::Error(error)) => Err(fault(error)),
    }
}

/// Goes on with the removal of tenants that a crash broke off. A failure leaves it for next time.
fn finish_removals(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == REMOVED)
            && let Err(error) = fs::remove_dir_all(&path)
        {
            tracing::warn!(folder = %path.display(), %error, "a removed tenant's folder stays");
        }
    }
}
