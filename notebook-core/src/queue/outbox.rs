//! The outbox port: a thing is stored together with the jobs that belong to it, or neither is.
//!
//! Whoever stores a source and then a job loses the job to a crash between the two; then nobody ever reads the
//! source. Adapters: [`MemoryOutbox`], [`SqlQueue`](super::sql::SqlQueue) (features `sqlite`, `postgres`).

use std::sync::Arc;

use async_trait::async_trait;

use super::{Finish, NewJob, Queue as _, memory::MemoryQueue};
use crate::{
    NotebookId, Result, RunId, SourceId, TenantScope,
    document::Document,
    model::{Chunk, NewRun, Opened, RunOutcome, Source},
    run_log::RunLog as _,
    store::{SourceStore as _, memory::MemoryStore, rules},
    webhook::rules::Attempted,
};

/// What a run has made of a source, to be stored with the run's end.
#[derive(Debug, Clone)]
pub struct SourceChange {
    /// As it is now, with the revision from which it was made.
    pub source: Source,
    /// Its text, in place of an earlier one, with its first chunks.
    pub text: Option<(Document, Vec<Chunk>)>,
}

/// Checks what is to be stored with the end of a run.
pub(super) fn check(end: &Finish, made: &SourceChange) -> Result<()> {
    end.check()?;
    made.text
        .iter()
        .try_for_each(|(_, chunks)| rules::check_chunks("store stage", made.source.id, chunks))
}

/// Changes with the jobs that follow from them.
#[async_trait]
pub trait Outbox: Send + Sync + 'static {
    /// As [`SourceStore::create_source`](crate::store::SourceStore::create_source), with jobs.
    ///
    /// # Errors
    /// As there, and as [`Queue::insert`](super::Queue::insert); then nothing is stored.
    async fn create_source(
        &self,
        scope: &TenantScope,
        source: Source,
        jobs: Vec<NewJob>,
    ) -> Result<()>;

    /// As [`SourceStore::update_source`](crate::store::SourceStore::update_source), with jobs.
    ///
    /// # Errors
    /// As there, and as [`Queue::insert`](super::Queue::insert); then nothing is stored.
    async fn update_source(
        &self,
        scope: &TenantScope,
        source: Source,
        jobs: Vec<NewJob>,
    ) -> Result<()>;

    /// Hides a notebook that is to be deleted, with jobs.
    ///
    /// - From then on it, its conversations, messages and runs are `NotFound` by every call that takes an id of
    ///   theirs, and nothing is added to it; only [`NotebookStore::hidden_notebooks`], `empty_notebook` and
    ///   `delete_notebook` find it.
    /// - Its sources are in stage `deleting`, with a new revision: who has one in hand stores nothing.
    /// - The end of its unfinished runs is asked for; [`RunLog::stopping`] and `unfinished` still list them.
    ///
    /// # Errors
    /// `NotFound` when there is none, or it is hidden already; else as [`Queue::insert`](super::Queue::insert). Then
    /// nothing is changed.
    ///
    /// [`NotebookStore::hidden_notebooks`]: crate::store::NotebookStore::hidden_notebooks
    /// [`RunLog::stopping`]: crate::run_log::RunLog::stopping
    async fn hide_notebook(
        &self,
        scope: &TenantScope,
        id: NotebookId,
        jobs: Vec<NewJob>,
    ) -> Result<()>;

    /// As [`RunLog::open`](crate::run_log::RunLog::open), with jobs when the run is new.
    ///
    /// # Errors
    /// As there, and as [`Queue::insert`](super::Queue::insert); then nothing is stored.
    async fn open_run(&self, scope: &TenantScope, run: NewRun, jobs: Vec<NewJob>)
    -> Result<Opened>;

    /// Ends a job, as [`Worklist::finish`](super::Worklist::finish), together with the answer that it was for, as
    /// [`RunLog::close`](crate::run_log::RunLog::close), or neither. Whether it counted.
    ///
    /// # Errors
    /// As there; then neither has ended.
    async fn close_run(
        &self,
        scope: &TenantScope,
        end: Finish,
        id: RunId,
        outcome: RunOutcome,
    ) -> Result<bool>;

    /// Ends a job, as [`Worklist::finish`](super::Worklist::finish), together with what it made of a source, or
    /// neither: a worker that was thought dead changes no source any more. Whether it counted.
    ///
    /// # Errors
    /// `InvalidInput` as there, or when a chunk is of another source; `NotFound` when the source is gone; `Conflict`
    /// when it was changed since it was read. Then nothing is stored, and the job has not ended.
    async fn finish_source(
        &self,
        scope: &TenantScope,
        end: Finish,
        made: SourceChange,
    ) -> Result<bool>;

    /// Ends a job, as [`Worklist::finish`](super::Worklist::finish), together with the removal of a source's rows, so that
    /// who was told of the end finds nothing, and who finds nothing is told how it was removed; or neither. Whether it
    /// counted.
    ///
    /// # Errors
    /// `NotFound` when the source is gone. Then nothing is stored, and the job has not ended.
    async fn finish_removal(&self, scope: &TenantScope, end: Finish, id: SourceId) -> Result<bool>;

    /// Ends a job, as [`Worklist::finish`](super::Worklist::finish), together with what an attempt made of a webhook's
    /// delivery, its next job included, or neither. Whether it counted.
    ///
    /// # Errors
    /// `NotFound` when the webhook is gone. Then nothing is stored, and the job has not ended.
    async fn finish_delivery(
        &self,
        scope: &TenantScope,
        end: Finish,
        made: Attempted,
    ) -> Result<bool>;
}

/// An outbox in this process's memory, which no crash can part.
pub struct MemoryOutbox {
    store: Arc<MemoryStore>,
    queue: Arc<MemoryQueue>,
}

impl MemoryOutbox {
    /// The outbox of a store and a queue. What the store tells webhooks goes to this queue too.
    #[must_use]
    pub fn new(store: Arc<MemoryStore>, queue: Arc<MemoryQueue>) -> Self {
        store.attach(Arc::clone(&queue));
        Self { store, queue }
    }
}

#[async_trait]
impl Outbox for MemoryOutbox {
    async fn create_source(
        &self,
        scope: &TenantScope,
        source: Source,
        jobs: Vec<NewJob>,
    ) -> Result<()> {
        // Checked first: after the source is stored nothing can fail.
        self.queue.check("create source", scope.tenant(), &jobs)?;
        self.store.create_source(scope, source).await?;
        self.queue.insert(scope, jobs).await.map(drop)
    }

    async fn update_source(
        &self,
        scope: &TenantScope,
        source: Source,
        jobs: Vec<NewJob>,
    ) -> Result<()> {
        self.queue.check("update source", scope.tenant(), &jobs)?;
        self.store.update_source(scope, source).await?;
        self.queue.insert(scope, jobs).await.map(drop)
    }

    async fn hide_notebook(
        &self,
        scope: &TenantScope,
        id: NotebookId,
        jobs: Vec<NewJob>,
    ) -> Result<()> {
        self.queue.check("hide notebook", scope.tenant(), &jobs)?;
        self.store.hide_notebook(scope, id)?;
        self.queue.insert(scope, jobs).await.map(drop)
    }

    async fn open_run(
        &self,
        scope: &TenantScope,
        run: NewRun,
        jobs: Vec<NewJob>,
    ) -> Result<Opened> {
        self.queue.check("open run", scope.tenant(), &jobs)?;
        let opened = self.store.open(scope, run).await?;
        if matches!(opened, Opened::Created(_)) {
            self.queue.insert(scope, jobs).await?;
        }
        Ok(opened)
    }

    async fn finish_source(
        &self,
        scope: &TenantScope,
        end: Finish,
        made: SourceChange,
    ) -> Result<bool> {
        check(&end, &made)?;
        self.queue.finish_with(end, || self.store.apply(scope, made))
    }

    async fn finish_removal(&self, scope: &TenantScope, end: Finish, id: SourceId) -> Result<bool> {
        end.check()?;
        self.queue.finish_with(end, || self.store.remove(scope, id).map(|()| Vec::new()))
    }

    async fn close_run(
        &self,
        scope: &TenantScope,
        end: Finish,
        id: RunId,
        outcome: RunOutcome,
    ) -> Result<bool> {
        end.check()?;
        self.queue
            .finish_with(end, || self.store.close_run(scope, id, outcome).map(|(_, jobs)| jobs))
    }

    async fn finish_delivery(
        &self,
        scope: &TenantScope,
        end: Finish,
        made: Attempted,
    ) -> Result<bool> {
        end.check()?;
        self.queue.finish_with(end, || self.store.attempted(scope, made))
    }
}
