//! What becomes of runs while the store stands still.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use notebook_core::model::{Opened, RunOutcome};

use super::*;

/// A run log whose list of stops stands still, or fails, as long as it is told to.
struct Stalls {
    log: Arc<MemoryStore>,
    away: AtomicBool,
    /// Whether it fails meanwhile, or does not answer.
    fails: bool,
}

#[async_trait]
impl RunLog for Stalls {
    async fn stopping(&self, scope: &TenantScope) -> Result<Vec<RunId>> {
        while self.away.load(Ordering::SeqCst) {
            if self.fails {
                return Err(Error::new(ErrorKind::Unavailable, "list stopping runs"));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.log.stopping(scope).await
    }

    async fn open(&self, scope: &TenantScope, new: NewRun) -> Result<Opened> {
        self.log.open(scope, new).await
    }

    async fn run(&self, scope: &TenantScope, id: RunId) -> Result<Run> {
        self.log.run(scope, id).await
    }

    async fn runs(
        &self,
        scope: &TenantScope,
        conversation: ConversationId,
        limit: usize,
    ) -> Result<Vec<Run>> {
        self.log.runs(scope, conversation, limit).await
    }

    async fn start(&self, scope: &TenantScope, id: RunId) -> Result<()> {
        self.log.start(scope, id).await
    }

    async fn append(&self, scope: &TenantScope, id: RunId, events: &[RunEvent]) -> Result<()> {
        self.log.append(scope, id, events).await
    }

    async fn close(&self, scope: &TenantScope, id: RunId, outcome: RunOutcome) -> Result<Run> {
        self.log.close(scope, id, outcome).await
    }

    async fn record(&self, scope: &TenantScope, new: NewRun, outcome: RunOutcome) -> Result<()> {
        self.log.record(scope, new, outcome).await
    }

    async fn answer(&self, scope: &TenantScope, id: RunId) -> Result<Option<Message>> {
        self.log.answer(scope, id).await
    }

    async fn events(
        &self,
        scope: &TenantScope,
        id: RunId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<RunEvent>> {
        self.log.events(scope, id, after, limit).await
    }

    async fn request_stop(&self, scope: &TenantScope, id: RunId) -> Result<Run> {
        self.log.request_stop(scope, id).await
    }

    async fn prune(&self, scope: &TenantScope, before: Timestamp, limit: usize) -> Result<usize> {
        self.log.prune(scope, before, limit).await
    }

    async fn unfinished(&self, scope: &TenantScope) -> Result<Vec<Run>> {
        self.log.unfinished(scope).await
    }
}

/// Who watched and lost the connection cannot come back while the store stands still: that time does not count, and what
/// follows it does.
#[tokio::test]
async fn s39_a_store_that_stands_still_ends_no_run() {
    for fails in [true, false] {
        let fixture = Fixture::new().await;
        let log =
            Arc::new(Stalls { log: fixture.store.clone(), away: AtomicBool::new(false), fails });
        let (clock, patience) = (Arc::new(ManualClock::default()), Duration::from_millis(2_500));
        let runs = Runs::shared(log.clone(), clock, None, Some(patience));
        let writer = runs.begin(&fixture.scope, &fixture.run, Closing::Log).await.unwrap();
        let reader = runs.reader(&fixture.scope, fixture.run.id, 0).await;
        let mut reader = reader.unwrap();
        let read = tokio::time::timeout(Duration::from_millis(50), reader.next());
        assert!(read.await.is_err());
        log.away.store(true, Ordering::SeqCst);
        drop(reader);
        tokio::time::sleep(patience + Duration::from_secs(1)).await;
        assert_eq!(writer.stop_signal().reason(), None, "nobody could be seen");
        log.away.store(false, Ordering::SeqCst);
        // More than a round, and less than is left.
        tokio::time::sleep(Duration::from_millis(800)).await;
        assert_eq!(writer.stop_signal().reason(), None, "somebody may come back");
        let given = writer.stop_signal();
        let given = tokio::time::timeout(Duration::from_secs(10), given.given());
        assert_eq!(given.await.unwrap(), StopReason::Unwatched);
    }
}
