//! Keywords become visible by commits, and a commit costs more than many small texts: those who wait for one
//! together share it.

use std::{collections::HashMap, sync::Arc, time::Duration};

use notebook_core::{Result, TenantId, TenantScope, keyword::KeywordIndex};
use parking_lot::Mutex;
use tokio::time::Instant;

/// Commits at most once an interval for each tenant: a source that comes alone is visible at once, and a
/// folder of small files does not pay for a commit each.
#[derive(Default)]
pub(super) struct Committer {
    tenants: Mutex<HashMap<TenantId, Arc<Tenant>>>,
}

#[derive(Default)]
struct Tenant {
    /// How many have asked so far.
    asked: Mutex<u64>,
    /// Held by the one who commits for all who asked before.
    turn: tokio::sync::Mutex<Turn>,
}

#[derive(Default)]
struct Turn {
    /// How many of those who asked are served.
    served: u64,
    next: Option<Instant>,
}

impl Committer {
    /// Returns when what the caller has added is visible.
    pub(super) async fn commit(
        &self,
        index: &dyn KeywordIndex,
        scope: &TenantScope,
        interval: Duration,
    ) -> Result<()> {
        let tenant = Arc::clone(self.tenants.lock().entry(scope.tenant()).or_default());
        let own = {
            let mut asked = tenant.asked.lock();
            *asked += 1;
            *asked
        };
        let mut turn = tenant.turn.lock().await;
        if turn.served >= own {
            return Ok(());
        }
        if let Some(next) = turn.next {
            tokio::time::sleep_until(next).await;
        }
        let all = *tenant.asked.lock();
        index.commit(scope).await?;
        turn.served = all;
        turn.next = Some(Instant::now() + interval);
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use notebook_core::{
        Error, ErrorKind, NotebookId, SourceId,
        keyword::KeywordRecord,
        vector::{ChunkFilter, Hit},
    };

    use super::*;

    /// Counts commits; the first may fail.
    struct Counting {
        commits: AtomicUsize,
        failures: usize,
    }

    #[async_trait]
    impl KeywordIndex for Counting {
        async fn add(
            &self,
            _: &TenantScope,
            _: NotebookId,
            _: SourceId,
            _: Vec<KeywordRecord>,
        ) -> Result<()> {
            Ok(())
        }

        async fn delete_source(&self, _: &TenantScope, _: SourceId) -> Result<()> {
            Ok(())
        }

        async fn remove_tenant(&self, _: &TenantScope) -> Result<()> {
            Ok(())
        }

        async fn commit(&self, _: &TenantScope) -> Result<()> {
            tokio::time::sleep(Duration::from_millis(10)).await;
            if self.commits.fetch_add(1, Ordering::SeqCst) < self.failures {
                return Err(Error::new(ErrorKind::StorageFull, "commit"));
            }
            Ok(())
        }

        async fn search(
            &self,
            _: &TenantScope,
            _: &str,
            _: usize,
            _: &ChunkFilter,
        ) -> Result<Vec<Hit>> {
            Ok(Vec::new())
        }

        async fn count(&self, _: &TenantScope, _: &ChunkFilter) -> Result<u64> {
            Ok(0)
        }
    }

    async fn ask(committer: &Committer, index: &Counting, many: usize) -> usize {
        let scope = notebook_core::store::conformance::samples::tenant();
        let asks = (0..many).map(|_| committer.commit(index, &scope, Duration::from_millis(250)));
        let asked = futures::future::join_all(asks).await;
        asked.into_iter().filter(std::result::Result::is_ok).count()
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_wait_share_a_commit() {
        let index = Counting { commits: AtomicUsize::new(0), failures: 0 };
        assert_eq!(ask(&Committer::default(), &index, 100).await, 100);
        assert!(index.commits.load(Ordering::SeqCst) <= 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_commit_serves_nobody() {
        let index = Counting { commits: AtomicUsize::new(0), failures: 1 };
        assert_eq!(ask(&Committer::default(), &index, 10).await, 9);
        assert_eq!(index.commits.load(Ordering::SeqCst), 2);
    }
}
