//! The checkpoint port: where a run that goes on in steps stands, so that another worker can go on from there.
//!
//! Of a run the newest checkpoint is kept. It is written under the [`Fence`] of the job that does the run: who
//! [takes](Checkpoints::take) a run shows a fence, and whoever shows a lower one from then on writes nothing. What may be
//! written over what is one pure function, [`rules::decide`]; adapters ask it, or say the same in one statement or script.
//!
//! Adapters: [`memory`], `sql` (SQLite and PostgreSQL), `redis` (feature `redis`). Layer: [`tiered`] keeps a quick one and a
//! durable one together. All are held to the suite in `checkpoint::conformance` (feature `conformance`).
//!
//! ```
//! use std::sync::Arc;
//! use notebook_core::{
//!     RunId, TenantScope,
//!     checkpoint::{Checkpoint, Checkpoints as _, memory::MemoryCheckpoints},
//!     clock::SystemClock, queue::Fence,
//! };
//!
//! # async fn example(scope: &TenantScope) -> notebook_core::Result<()> {
//! let checkpoints = MemoryCheckpoints::new(Arc::new(SystemClock));
//! let run = RunId::new();
//! assert!(checkpoints.take(scope, run, Fence(1)).await?.is_none());
//! let first = Checkpoint { run, fence: Fence(1), version: 1, schema: 1, body: b"{}".to_vec() };
//! checkpoints.save(scope, &first).await?;
//!
//! // Another worker takes over: the first one is refused.
//! let found = checkpoints.take(scope, run, Fence(2)).await?;
//! assert_eq!(found.map(|found| found.version), Some(1));
//! let late = Checkpoint { version: 2, ..first };
//! assert!(checkpoints.save(scope, &late).await.is_err());
//! # Ok(())
//! # }
//! # #[allow(clippy::disallowed_methods)]
//! # let scope = TenantScope::authenticated(notebook_core::TenantId::new());
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(example(&scope))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(feature = "conformance")]
pub mod conformance;
pub mod memory;
#[cfg(feature = "redis")]
pub mod redis;
pub mod rules;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub mod sql;
pub mod tiered;

use async_trait::async_trait;

use crate::{Result, RunId, TenantScope, Timestamp, queue::Fence};

/// The most bytes of a checkpoint's body: 4 MiB.
pub const MOST_BYTES: usize = 4 << 20;

/// Where a run stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The run.
    pub run: RunId,
    /// Of the job under which it was written.
    pub fence: Fence,
    /// From 1, and greater with each checkpoint of the run.
    pub version: u64,
    /// The version of the body's shape, which whoever reads it must know.
    pub schema: u32,
    /// At most [`MOST_BYTES`], of whatever shape the writer gives it.
    pub body: Vec<u8>,
}

/// Keeps the newest checkpoint of each run.
///
/// # Behaviour
/// - Another tenant's run has no checkpoint here, and what is done to it there changes nothing here.
/// - A call whose future is dropped happened wholly or not at all.
/// - How long one is kept that nobody writes or takes is the adapter's: for ever in SQL (until [`prune`](Self::prune)), for
///   a while in memory and Redis. Each use prolongs it.
#[async_trait]
pub trait Checkpoints: Send + Sync + 'static {
    /// Stores a checkpoint in place of the run's older one.
    ///
    /// - Repeated: changes nothing, so that a writer who has heard no answer may ask again.
    ///
    /// # Errors
    /// `Conflict` when the run was taken with a higher fence, or the stored version is not lower: another worker has the run,
    /// and this one is to end its work. `InvalidInput` when the version is 0, or it or the fence is 2^53 or more; `TooLarge`
    /// when the body is. Those of the storage.
    async fn save(&self, scope: &TenantScope, checkpoint: &Checkpoint) -> Result<()>;

    /// The newest checkpoint, for a worker that goes on from it; `None` when there is none. From then on only who shows this
    /// fence or a higher one may write.
    ///
    /// - Repeated: the same.
    ///
    /// # Errors
    /// `Conflict` when the run was taken with a higher fence; `InvalidInput` when the fence is 2^53 or more; those of the storage.
    async fn take(
        &self,
        scope: &TenantScope,
        run: RunId,
        fence: Fence,
    ) -> Result<Option<Checkpoint>>;

    /// The newest checkpoint, for somebody who only looks; `None` when there is none.
    ///
    /// # Errors
    /// Those of the storage.
    async fn read(&self, scope: &TenantScope, run: RunId) -> Result<Option<Checkpoint>>;

    /// Forgets a run, and the fence that it was taken with; whether there was anything to forget.
    ///
    /// # Errors
    /// Those of the storage.
    async fn remove(&self, scope: &TenantScope, run: RunId) -> Result<bool>;

    /// Forgets up to `limit` runs that nobody has written or taken since a moment, and says how many. Where the storage
    /// forgets by itself, 0.
    ///
    /// # Errors
    /// Those of the storage.
    async fn prune(&self, scope: &TenantScope, before: Timestamp, limit: usize) -> Result<usize>;
}
