//! Changes of sources: stored as they are decided on, with the jobs that follow, and told to those who watch.

use notebook_core::{
    Error, ErrorKind, Result, SourceId, TenantScope,
    document::Document,
    model::{Chunk, Progress, Source, SourceFailure, Stage},
    queue::{
        JobError, JobId, Outcome,
        outbox::SourceChange,
        runner::{Ended, Work},
    },
};
use serde_json::json;
use tracing::info;

use super::{Inner, jobs};

/// What becomes of a source that was looked at.
pub(super) enum Change {
    /// Nothing: it stays.
    None,
    /// It is stored.
    Alone,
    /// It is stored together with the job that goes on with it.
    WithJob,
}

/// Notes why a source failed in its stage.
pub(super) fn fail(source: &mut Source, reason: JobError) {
    let JobError { code, message } = reason;
    // One that nobody has shown at work yet was being read.
    let stage = match source.stage {
        Stage::Queued if jobs::is_to_be_fetched(source) => Stage::Fetch,
        Stage::Queued => Stage::Parse,
        stage => stage,
    };
    source.failure = Some(SourceFailure { code, message, stage });
    source.stage = Stage::Failed;
    source.progress = Progress::default();
}

impl Inner {
    /// Changes a source, as it is stored now, and tells those who watch. Says which job was stored with it.
    ///
    /// `change` is asked again when the source changed between its reading and its storing.
    pub(super) async fn change(
        &self,
        scope: &TenantScope,
        id: SourceId,
        mut change: impl FnMut(&mut Source) -> Result<Change> + Send,
    ) -> Result<(Source, Option<JobId>)> {
        loop {
            let mut source = self.parts.store.source(scope, id).await?;
            let changed = change(&mut source)?;
            source.updated_at = self.parts.clock.now();
            let (stored, job) = match changed {
                Change::None => return Ok((source, None)),
                Change::Alone => {
                    (self.parts.store.update_source(scope, source.clone()).await, None)
                }
                Change::WithJob => {
                    let job = jobs::job(&source);
                    let id = job.as_ref().map(|job| job.id);
                    let jobs = job.into_iter().collect();
                    (self.parts.outbox.update_source(scope, source.clone(), jobs).await, id)
                }
            };
            match stored {
                Err(error) if error.kind() == ErrorKind::Conflict => continue,
                stored => stored?,
            }
            self.changed(scope, &mut source);
            return Ok((source, job));
        }
    }

    /// Tells those who watch that a change was stored.
    pub(super) fn changed(&self, scope: &TenantScope, source: &mut Source) {
        source.revision = source.revision.saturating_add(1);
        self.show(scope, source);
    }

    pub(super) fn show(&self, scope: &TenantScope, source: &Source) {
        self.state.events.changed(scope, source);
        if let Some(following) = &self.following {
            following.tell(scope, source.notebook, source.id);
        }
        self.parts.bell.notify_one();
    }

    /// Changes a source that a worker has in hand.
    ///
    /// # Errors
    /// `Cancelled` when it was cancelled or is being deleted.
    pub(super) async fn advance(
        &self,
        scope: &TenantScope,
        id: SourceId,
        change: impl Fn(&mut Source) + Send + Sync,
    ) -> Result<Source> {
        let advance = |source: &mut Source| {
            in_hand(source)?;
            change(source);
            Ok(Change::Alone)
        };
        self.change(scope, id, advance).await.map(|(source, _)| source)
    }

    /// Ends a stage: what it made, the source as it is then, the job's end and the next job are stored together, or
    /// none of them is.
    ///
    /// # Errors
    /// `Cancelled` when the source was cancelled or is being deleted.
    pub(super) async fn finish(
        &self,
        work: &Work,
        id: SourceId,
        text: Option<(Document, Vec<Chunk>)>,
        change: impl Fn(&mut Source) + Send + Sync,
    ) -> Result<Ended> {
        let scope = &work.scope;
        loop {
            let mut source = self.parts.store.source(scope, id).await?;
            in_hand(&source)?;
            change(&mut source);
            source.updated_at = self.parts.clock.now();
            let result = json!({ "stage": source.stage, "chunks": source.chunks });
            let follow_ups = jobs::job(&source).into_iter().collect();
            let end = work.end(Outcome::Completed { result, follow_ups });
            let made = SourceChange { source: source.clone(), text: text.clone() };
            match self.parts.outbox.finish_source(scope, end, made).await {
                Ok(true) => self.changed(scope, &mut source),
                Ok(false) => {
                    info!(source = %id, job = %work.job.id, "a stage ended after its job was taken away");
                }
                Err(error) if error.kind() == ErrorKind::Conflict => continue,
                Err(error) => return Err(error),
            }
            return Ok(Ended::Stored);
        }
    }
}

/// Checks that a worker may go on with a source.
fn in_hand(source: &Source) -> Result<()> {
    if matches!(source.stage, Stage::Failed | Stage::Deleting) { Err(cancelled()) } else { Ok(()) }
}

pub(super) fn cancelled() -> Error {
    Error::new(ErrorKind::Cancelled, "ingest source")
}
