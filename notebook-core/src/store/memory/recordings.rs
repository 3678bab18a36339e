use async_trait::async_trait;

use super::MemoryStore;
use crate::{
    Error, Result, RunId, TenantScope, Timestamp,
    recording::{self, RecordedPart, Recordings},
};

#[async_trait]
impl Recordings for MemoryStore {
    async fn add(
        &self,
        scope: &TenantScope,
        run: RunId,
        at: Timestamp,
        body: Vec<u8>,
    ) -> Result<u32> {
        recording::check(&body)?;
        self.with(scope, |tenant| {
            tenant.forget_recordings();
            if !tenant.runs.contains_key(&run) {
                return Err(Error::not_found(recording::ADD, "run"));
            }
            let parts = tenant.recordings.entry(run).or_default();
            let part = recording::following(parts.last().map_or(0, |newest| newest.part))?;
            parts.push(RecordedPart { part, recorded_at: at, body });
            Ok(part)
        })
    }

    async fn recording(&self, scope: &TenantScope, run: RunId) -> Result<Vec<RecordedPart>> {
        Ok(self.with(scope, |tenant| {
            tenant.forget_recordings();
            tenant.recordings.get(&run).cloned().unwrap_or_default()
        }))
    }
}

#[cfg(all(test, feature = "conformance"))]
mod tests {
    use super::*;
    use crate::recording::conformance;

    #[tokio::test]
    async fn d7_memory_keeps_every_promise() {
        let store = MemoryStore::new();
        conformance::run_all(&store, &store, &store).await;
    }
}
