//! The stages as jobs of the queue, so that a killed process, or another, goes on where one stopped.
//!
//! Each kind ends with a job of the next one, stored together with its own end. Of a source, one such job
//! waits or runs at a time: they share a unique key.

use std::time::Duration;

use async_trait::async_trait;
use notebook_core::{
    Error, ErrorKind, Result, Retry, SourceId, TenantScope,
    model::{Source, Stage},
    queue::{
        Job, JobError, NewJob, Outcome, Priority,
        runner::{Ended, Handler, HandlerRule, Handlers, Work},
    },
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tracing::{info, warn};

use super::{Change, Ingest, Inner};

/// Fetches a page of the web.
pub const FETCH: &str = "source.fetch";
/// Reads the original and cuts the text: CPU time in child processes.
pub const READ: &str = "source.read";
/// Makes a source's words searchable.
pub const INDEX: &str = "source.index";
/// Makes a source searchable by meaning.
pub const EMBED: &str = "source.embed";
/// Removes a source from every place.
pub const DELETE: &str = "source.delete";

/// A book of ten thousand pages on a slow machine takes less.
const LONGEST: Duration = Duration::from_secs(6 * 3_600);
/// How many sources wait for a parser for each that has one: while a job's end is stored and the next one is
/// taken, no parser stands still.
const READ_AHEAD: usize = 6;
/// How many sources wait for a commit together.
const INDEX_SLOTS: usize = 256;
/// The embedder has threads of its own; a second source fills the gaps of the first.
const EMBED_SLOTS: usize = 2;
/// Who waits for other servers needs no processor.
const FETCH_SLOTS: usize = 8;
const DELETE_SLOTS: usize = 4;

/// The input of all kinds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Payload {
    source: SourceId,
}

/// The key of the jobs that bring a source on.
pub(super) fn key(id: SourceId) -> String {
    format!("source:{id}")
}

/// The key of the job that removes a source.
pub(super) fn delete_key(id: SourceId) -> String {
    format!("delete:{id}")
}

/// The job that goes on with a source in this stage.
pub(super) fn job(source: &Source) -> Option<NewJob> {
    let kind = match source.stage {
        Stage::Fetch => FETCH,
        Stage::Queued if is_to_be_fetched(source) => FETCH,
        Stage::Queued | Stage::Parse | Stage::Chunk => READ,
        Stage::Index => INDEX,
        Stage::Embed => EMBED,
        Stage::Deleting => DELETE,
        _ => return None,
    };
    let key = if kind == DELETE { delete_key(source.id) } else { key(source.id) };
    // Words before vectors: what came later can be asked about before what came first is embedded.
    let priority = if kind == EMBED { Priority::Medium } else { Priority::High };
    let payload = json!(Payload { source: source.id });
    Some(NewJob { unique_key: Some(key), priority, ..NewJob::new(kind, payload) })
}

/// Whether a source is an address, of which nothing was fetched yet.
pub(super) fn is_to_be_fetched(source: &Source) -> bool {
    source.origin.is_some() && source.blob.is_none()
}

impl Ingest {
    /// What does the jobs, and how many at once in this process.
    #[must_use]
    pub fn handlers(&self) -> Handlers {
        let rule =
            |slots| HandlerRule { slots: Some(slots), timeout: LONGEST, ..HandlerRule::default() };
        let handler = |kind| StageHandler { ingest: self.clone(), kind };
        Handlers::new()
            .with(FETCH, rule(FETCH_SLOTS), handler(FETCH))
            .with(READ, rule(self.0.config.parsers * READ_AHEAD), handler(READ))
            .with(INDEX, rule(INDEX_SLOTS), handler(INDEX))
            .with(EMBED, rule(EMBED_SLOTS), handler(EMBED))
            .with(DELETE, rule(DELETE_SLOTS), handler(DELETE))
    }

    /// The source that a job brings on; none when it does something else.
    #[must_use]
    pub fn source_of(&self, job: &Job) -> Option<SourceId> {
        let brings_on = [FETCH, READ, INDEX, EMBED].contains(&job.kind.as_str());
        let payload = brings_on.then(|| Payload::deserialize(&job.payload).ok()).flatten();
        payload.map(|payload| payload.source)
    }

    /// The job that brings a source on, if one waits or runs.
    ///
    /// # Errors
    /// Those of the queue.
    pub async fn job_of(&self, scope: &TenantScope, id: SourceId) -> Result<Option<Job>> {
        self.0.parts.queue.holder(scope, &key(id)).await
    }

    /// Slots that a runner needs for all handlers to be as busy as they may.
    #[must_use]
    pub fn slots(&self) -> usize {
        FETCH_SLOTS + self.0.config.parsers * READ_AHEAD + INDEX_SLOTS + EMBED_SLOTS + DELETE_SLOTS
    }

    /// Gives every unfinished source its job, and every one whose job died its failure: at a process's start, and
    /// now and then, for a job may die with its worker.
    ///
    /// # Errors
    /// Those of the store and the queue.
    pub async fn look_after(&self, scope: &TenantScope) -> Result<()> {
        let unfinished = self.0.parts.store.unfinished_sources(scope).await?;
        if unfinished.is_empty() {
            return Ok(());
        }
        let dead = self.0.parts.queue.dead(scope, 10_000).await?;
        for source in unfinished {
            self.0.look_after(scope, source.id, &dead).await?;
        }
        Ok(())
    }
}

impl Inner {
    async fn look_after(&self, scope: &TenantScope, id: SourceId, dead: &[Job]) -> Result<()> {
        // As it is now: it may have ended since it was listed.
        let source = match self.parts.store.source(scope, id).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            source => source?,
        };
        let Some(job) = job(&source) else { return Ok(()) };
        let key = job.unique_key.as_deref().unwrap_or_default();
        if self.parts.queue.holder(scope, key).await?.is_some() {
            return Ok(());
        }
        let died = dead.iter().find(|job| job.unique_key.as_deref() == Some(key));
        match died {
            // A deletion that was begun ends, however often it takes.
            Some(died) if source.stage != Stage::Deleting => {
                warn!(source = %id, job = %died.id, "a source's job died; the source failed");
                let reason = died.error.clone().unwrap_or_else(crashed);
                self.fail(scope, id, &reason).await
            }
            _ => {
                info!(source = %id, stage = ?source.stage, "taking up an unfinished source");
                self.parts.queue.insert(scope, vec![job]).await?;
                self.parts.bell.notify_one();
                Ok(())
            }
        }
    }

    /// Stores that a source failed in its stage.
    async fn fail(&self, scope: &TenantScope, id: SourceId, reason: &JobError) -> Result<()> {
        let change = |source: &mut Source| {
            if matches!(source.stage, Stage::Failed | Stage::Deleting | Stage::Ready) {
                return Ok(Change::None);
            }
            super::fail(source, reason.clone());
            Ok(Change::Alone)
        };
        self.change(scope, id, change).await.map(drop)
    }
}

struct StageHandler {
    ingest: Ingest,
    kind: &'static str,
}

#[async_trait]
impl Handler for StageHandler {
    async fn run(&self, work: Work) -> Ended {
        let Ok(Payload { source: id }) = serde_json::from_value(work.job.payload.clone()) else {
            return Outcome::Hopeless(JobError {
                code: "payload".into(),
                message: "The job's input is not that of a source.".into(),
            })
            .into();
        };
        let inner = &*self.ingest.0;
        if self.kind == DELETE {
            return inner.delete_job(&work, id).await;
        }
        let working = inner.state.working(id);
        let result = tokio::select! {
            result = inner.stage(self.kind, &work, id) => result,
            // The runner says why: cancelled, too slow, or going down.
            () = work.stop.cancelled() => return Outcome::Released.into(),
            () = working.token.cancelled() => Err(super::cancelled()),
        };
        drop(working);
        match result {
            Ok(ended) => ended,
            Err(error) => inner.ended(&work, id, &error).await.into(),
        }
    }
}

impl Inner {
    /// Does one stage.
    async fn stage(&self, kind: &str, work: &Work, id: SourceId) -> Result<Ended> {
        match kind {
            FETCH => self.fetch(work, id).await,
            READ => self.read(work, id).await,
            INDEX => self.index(work, id).await,
            _ => self.embed(work, id).await,
        }
    }

    /// How a run that did not succeed ends, for the job and for the source.
    async fn ended(&self, work: &Work, id: SourceId, error: &Error) -> Outcome {
        let scope = &work.scope;
        if matches!(error.kind(), ErrorKind::Cancelled | ErrorKind::NotFound) {
            info!(source = %id, "ingestion ended: cancelled or deleted");
            self.clean_up_if_gone(scope, id).await;
            return Outcome::Cancelled;
        }
        let reason = reason(error);
        let may_help = error.is_retryable() && error.kind() != ErrorKind::StorageFull;
        if may_help && work.job.attempt + 1 < work.job.max_attempts {
            warn!(source = %id, %error, "ingestion is tried again");
            let not_before = wait_of(error).unwrap_or_default();
            return Outcome::Failed { error: reason, not_before };
        }
        warn!(source = %id, %error, "ingestion failed");
        // The reason must reach the person even when the store is away or has no room for a while.
        let mut waits = STORE_AGAIN.into_iter();
        let mut wait = Duration::ZERO;
        loop {
            match self.fail(scope, id, &reason).await {
                Err(error) if error.is_retryable() || error.kind() == ErrorKind::StorageFull => {
                    wait = waits.next().map_or(wait, Duration::from_millis);
                }
                _ => return Outcome::Hopeless(reason),
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = work.stop.cancelled() => return Outcome::Released,
            }
        }
    }

    async fn delete_job(&self, work: &Work, id: SourceId) -> Ended {
        match self.is_worked_on(&work.scope, id).await {
            Ok(false) => {}
            Ok(true) => return Outcome::Snoozed(Duration::from_millis(500)).into(),
            Err(error) => return again(&error).into(),
        }
        match self.remove(work, id).await {
            Ok(ended) => ended,
            // With its notebook, perhaps.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Outcome::completed(json!({ "source": id, "already_gone": true })).into()
            }
            Err(error) => again(&error).into(),
        }
    }

    /// Removes a source. Its row goes together with the job's end, so that its receipt is not lost with this process.
    async fn remove(&self, work: &Work, id: SourceId) -> Result<Ended> {
        let scope = &work.scope;
        let source = self.parts.store.source(scope, id).await?;
        let receipt = self.clear(scope, &source).await?;
        let end = work.end(Outcome::completed(json!(receipt)));
        if self.parts.outbox.finish_removal(scope, end, id).await? {
            self.tell_removed(scope, &source);
        }
        Ok(Ended::Stored)
    }
}

/// How long to wait before a failure is stored again, in milliseconds; the last one for all further.
const STORE_AGAIN: [u64; 4] = [50, 200, 1_000, 5_000];

/// A deletion is never given up: it waits, without blame.
fn again(error: &Error) -> Outcome {
    warn!(%error, "a deletion could not be finished; it is tried again");
    Outcome::Snoozed(wait_of(error).unwrap_or(Duration::from_secs(5)))
}

/// How long the other side asked to wait.
fn wait_of(error: &Error) -> Option<Duration> {
    match error.retry_status() {
        Retry::After(time) => Some(time),
        Retry::Never | Retry::Backoff => None,
    }
}

/// What a person is told about an error.
fn reason(error: &Error) -> JobError {
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
    JobError { code: code.to_owned(), message }
}

fn crashed() -> JobError {
    JobError {
        code: "crashed".into(),
        message:
            "The program ended several times while it worked on this file. It is left alone now."
                .into(),
    }
}
