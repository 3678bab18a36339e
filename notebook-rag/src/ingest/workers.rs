use std::{sync::Arc, time::Duration};

use futures::FutureExt;
use notebook_core::{
    Error, ErrorKind, Result, SourceId, TenantScope,
    model::{Progress, SourceFailure, Stage},
};
use tokio::{task::JoinSet, time::Instant};
use tracing::{info, warn};

use super::{Ingest, Inner};

/// Runs the stages in the background until it is dropped or shut down.
pub struct IngestWorkers {
    tasks: JoinSet<()>,
}

impl IngestWorkers {
    /// Takes up what an earlier process left unfinished, and starts the workers.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn start(ingest: &Ingest, scope: &TenantScope) -> Result<Self> {
        let inner = &ingest.0;
        for source in inner.parts.store.unfinished_sources(scope).await? {
            info!(source = %source.id, stage = ?source.stage, "taking up an unfinished source");
            if source.stage == Stage::Deleting {
                inner.finish_delete(scope, &source).await?;
            } else {
                inner.state.queues.push(scope, &source);
            }
        }
        let mut tasks = JoinSet::new();
        for _ in 0..inner.config.parsers {
            tasks.spawn(parse_loop(inner.clone()));
        }
        tasks.spawn(index_loop(inner.clone()));
        tasks.spawn(embed_loop(inner.clone()));
        Ok(Self { tasks })
    }

    /// Ends the workers. Unfinished sources go on at the next start.
    pub async fn shutdown(mut self) {
        self.tasks.shutdown().await;
    }
}

async fn parse_loop(inner: Arc<Inner>) {
    loop {
        let (scope, id) = inner.state.queues.parse.pop().await;
        inner.guarded(&scope, id, inner.parse_and_chunk(&scope, id)).await;
    }
}

/// Commits at most once an interval, and not later than it takes: a source that comes alone is visible
/// at once, and a folder of small files does not pay for a commit each.
async fn index_loop(inner: Arc<Inner>) {
    let mut next_commit = Instant::now();
    loop {
        let mut added = Vec::new();
        let mut taken = 0;
        let mut next = Some(inner.state.queues.index.pop().await);
        while let Some((scope, id)) = next {
            taken += 1;
            if inner.guarded(&scope, id, inner.add_keywords(&scope, id)).await {
                added.push((scope, id));
            }
            next = if taken < inner.config.commit_sources {
                let more = inner.state.queues.index.pop();
                tokio::time::timeout_at(next_commit, more).await.ok()
            } else {
                None
            };
        }
        next_commit = Instant::now() + inner.config.commit_interval;
        for (scope, ids) in by_scope(added) {
            let committed = inner.parts.keyword.commit(&scope).await;
            // Together, so that the store makes them durable together.
            let done = ids.into_iter().map(|id| {
                let result = committed.as_ref().map_err(same_error).map(|&()| ());
                inner.guarded(&scope, id, inner.keywords_done(&scope, id, result))
            });
            futures::future::join_all(done).await;
        }
    }
}

async fn embed_loop(inner: Arc<Inner>) {
    loop {
        let (scope, id) = inner.state.queues.embed.pop().await;
        inner.guarded(&scope, id, inner.embed(&scope, id)).await;
    }
}

fn by_scope(items: Vec<(TenantScope, SourceId)>) -> Vec<(TenantScope, Vec<SourceId>)> {
    let mut groups: Vec<(TenantScope, Vec<SourceId>)> = Vec::new();
    for (scope, id) in items {
        match groups.iter_mut().find(|(other, _)| *other == scope) {
            Some((_, ids)) => ids.push(id),
            None => groups.push((scope, vec![id])),
        }
    }
    groups
}

/// How long to wait before a failure is stored again, in milliseconds; the last one for all further.
const STORE_AGAIN: [u64; 4] = [50, 200, 1_000, 5_000];

/// An error is not `Clone`; each source of a failed commit gets its own.
fn same_error(error: &Error) -> Error {
    Error::new(error.kind(), error.operation()).with("cause", error.to_string())
}

impl Inner {
    /// Runs the work on one source so that whatever happens ends with that source: an error or a panic
    /// makes it fail, a cancellation ends it silently. True when the work was done.
    async fn guarded(
        &self,
        scope: &TenantScope,
        id: SourceId,
        work: impl Future<Output = Result<()>>,
    ) -> bool {
        let token = self.state.token(id);
        let work = std::panic::AssertUnwindSafe(work).catch_unwind();
        let result = match token.run_until_cancelled(work).await {
            None => Err(super::cancelled()),
            Some(Ok(result)) => result,
            Some(Err(_)) => {
                Err(Error::new(ErrorKind::Internal, "ingest source").with("reason", "panicked"))
            }
        };
        match result {
            Ok(()) => true,
            Err(error) => {
                self.failed(scope, id, &error).await;
                false
            }
        }
    }

    async fn failed(&self, scope: &TenantScope, id: SourceId, error: &Error) {
        if matches!(error.kind(), ErrorKind::Cancelled | ErrorKind::NotFound) {
            info!(source = %id, "ingestion ended: cancelled or deleted");
            self.clean_up_if_gone(scope, id).await;
            return;
        }
        warn!(source = %id, %error, "ingestion failed");
        let failure = failure(error);
        // The reason must reach the person even when the store is away or has no room for a while.
        let token = self.state.token(id);
        let mut waits = STORE_AGAIN.into_iter();
        let mut wait = Duration::ZERO;
        loop {
            let failure = failure.clone();
            let stored = self.advance(scope, id, |source| {
                source.failure = Some(SourceFailure { stage: source.stage, ..failure });
                source.stage = Stage::Failed;
                source.progress = Progress::default();
            });
            match stored.await {
                Err(error) if error.is_retryable() || error.kind() == ErrorKind::StorageFull => {
                    wait = waits.next().map_or(wait, Duration::from_millis);
                }
                _ => return,
            }
            if token.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
                return self.clean_up_if_gone(scope, id).await;
            }
        }
    }
}

fn failure(error: &Error) -> SourceFailure {
    let message = match (error.context("message"), error.kind()) {
        (Some(message), _) => message.to_owned(),
        (None, ErrorKind::StorageFull) => {
            "The disk is full. Free some space, then choose retry.".to_owned()
        }
        (None, _) => format!(
            "Something went wrong here ({error}). Choose retry; if it fails again, report it."
        ),
    };
    let code = error.context("code").unwrap_or_else(|| error.kind().code());
    SourceFailure { code: code.to_owned(), message, stage: Stage::Parse }
}
