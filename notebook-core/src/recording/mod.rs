//! The port of recordings: what came into a run and what came out, to do it again without models, tools or network.
//!
//! A run is recorded in several parts: what a worker recorded is stored as it grows, and a run that is given back, or waits for people, is
//! recorded by several workers. What is in a part is the writer's; it holds what models and tools said, and is as secret as the conversation. Adapters share their storage with the
//! [store](crate::store): [`store::memory`](crate::store::memory), `sql` (features `sqlite`, `postgres`). All are held to the suite in
//! `recording::conformance` (feature `conformance`).

#[cfg(feature = "conformance")]
pub mod conformance;

use async_trait::async_trait;

use crate::{Error, ErrorKind, Result, RunId, TenantScope, Timestamp};

/// The most bytes of a part: 8 MiB.
pub const MOST_BYTES: usize = 8 << 20;
/// The most parts of a run.
pub const MOST_PARTS: u32 = 256;

/// A part of a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedPart {
    /// From 1, in the order in which they were made.
    pub part: u32,
    /// When it was stored.
    pub recorded_at: Timestamp,
    /// At most [`MOST_BYTES`], of whatever shape the writer gives it.
    pub body: Vec<u8>,
}

/// Keeps recordings of runs.
///
/// # Behaviour
/// - Another tenant's run has no recording here.
/// - Recordings go with their run.
/// - A call whose future is dropped happened wholly or not at all.
#[async_trait]
pub trait Recordings: Send + Sync + 'static {
    /// Stores another part of the run's recording, and returns its number.
    ///
    /// # Errors
    /// `NotFound` when there is no such run; `TooLarge` naming `body` when it has too many bytes, or `part` when the run has as many parts as
    /// it may.
    async fn add(
        &self,
        scope: &TenantScope,
        run: RunId,
        at: Timestamp,
        body: Vec<u8>,
    ) -> Result<u32>;

    /// All parts, in their order; none where nothing was recorded, or there is no such run.
    ///
    /// # Errors
    /// Only those of the storage itself.
    async fn recording(&self, scope: &TenantScope, run: RunId) -> Result<Vec<RecordedPart>>;
}

pub(crate) const ADD: &str = "store recording";

/// Refuses a body that is too large.
pub(crate) fn check(body: &[u8]) -> Result<()> {
    if body.len() <= MOST_BYTES {
        return Ok(());
    }
    Err(Error::new(ErrorKind::TooLarge, ADD)
        .with("field", "body")
        .with("limit", MOST_BYTES.to_string()))
}

/// The number after that of the newest part.
pub(crate) fn following(newest: u32) -> Result<u32> {
    if newest < MOST_PARTS {
        return Ok(newest + 1);
    }
    Err(Error::new(ErrorKind::TooLarge, ADD)
        .with("field", "part")
        .with("limit", MOST_PARTS.to_string()))
}
