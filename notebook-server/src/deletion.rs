//! Deleting a notebook: invisible at once, then a job that removes what was in it from every place.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use async_trait::async_trait;
use notebook_agent::chat::Chat;
use notebook_core::{
    Clock, Error, ErrorKind, JobId, NotebookId, Result, Retry, TenantScope, Timestamp,
    queue::{
        Job, JobError, NewJob, Outcome, Queue,
        outbox::Outbox,
        runner::{Ended, Handler, HandlerRule, Handlers, Work},
    },
    store::Store,
};
use notebook_rag::ingest::Ingest;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::Notify;
use tracing::{info, warn};

use crate::reserve::Reserve;

/// The kind of the job.
const DELETE: &str = "notebook.delete";
/// How many notebooks are removed at once in a process.
const SLOTS: usize = 2;
/// How many conversations go in a transaction.
const TOGETHER: usize = 20;
/// The most dead jobs that are looked through.
const DEAD: usize = 10_000;
/// For a worker to hear that it is to end.
const SOON: Duration = Duration::from_millis(300);
const LATER: Duration = Duration::from_secs(5);

/// What a deletion works with.
#[derive(Clone)]
pub(crate) struct Deletion {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) outbox: Arc<dyn Outbox>,
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) bell: Arc<Notify>,
    pub(crate) ingest: Ingest,
    pub(crate) chat: Chat,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) reserve: Reserve,
}

/// The job's input.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Payload {
    notebook: NotebookId,
    /// What there was when the deletion was asked for; nobody knows when that job is gone and this is another.
    #[serde(flatten)]
    contents: Option<Contents>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Contents {
    sources: usize,
    chunks: u64,
    original_bytes: u64,
    conversations: usize,
}

/// What was removed with a notebook, after it was looked for everywhere once more.
#[derive(Debug, Serialize)]
struct Receipt {
    #[serde(flatten)]
    removed: Payload,
    /// Where something was found afterwards: always empty, for else the removal has not ended.
    left: Vec<String>,
    removed_at: Timestamp,
}

fn key(id: NotebookId) -> String {
    format!("{DELETE}:{id}")
}

fn job(removed: &Payload) -> NewJob {
    let unique_key = Some(key(removed.notebook));
    NewJob { unique_key, ..NewJob::new(DELETE, json!(removed)) }
}

impl Deletion {
    /// Hides a notebook, and stores the job that removes it. The job's result is a receipt.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub(crate) async fn delete(&self, scope: &TenantScope, id: NotebookId) -> Result<JobId> {
        if let Some(job) = self.queue.holder(scope, &key(id)).await? {
            // One that was asked for before is the one that does it.
            return Ok(job.id);
        }
        let sources = self.store.sources(scope, id).await?;
        let contents = Contents {
            sources: sources.len(),
            chunks: sources.iter().map(|source| u64::from(source.chunks)).sum(),
            original_bytes: sources.iter().map(|source| source.bytes).sum(),
            conversations: self.store.conversations(scope, id).await?.len(),
        };
        let job = job(&Payload { notebook: id, contents: Some(contents) });
        let made = job.id;
        self.outbox.hide_notebook(scope, id, vec![job]).await?;
        self.bell.notify_one();
        Ok(made)
    }

    /// What does the job.
    pub(crate) fn handlers(&self) -> Handlers {
        let rule = HandlerRule { slots: Some(SLOTS), ..HandlerRule::default() };
        Handlers::new().with(DELETE, rule, self.clone())
    }

    /// Slots that a runner needs for it.
    pub(crate) const fn slots() -> usize {
        SLOTS
    }

    /// Takes up every deletion whose job died with its workers, or is gone: one that was begun ends, however often it
    /// takes.
    ///
    /// # Errors
    /// Those of the store and the queue.
    pub(crate) async fn look_after(&self, scope: &TenantScope) -> Result<()> {
        let hidden = self.store.hidden_notebooks(scope).await?;
        let dead = self.queue.dead(scope, DEAD).await?;
        let dead: Vec<Job> = dead.into_iter().filter(|job| job.kind == DELETE).collect();
        // All may be removed, and only the receipt be missing.
        let mut unfinished: BTreeSet<NotebookId> = hidden.into_iter().collect();
        let lost = |job: &&Job| job.error.as_ref().is_some_and(|error| error.code == "worker_lost");
        let payload = |job: &Job| serde_json::from_value::<Payload>(job.payload.clone()).ok();
        unfinished
            .extend(dead.iter().filter(lost).filter_map(payload).map(|payload| payload.notebook));
        for notebook in unfinished {
            let key = key(notebook);
            if self.queue.holder(scope, &key).await?.is_some() {
                continue;
            }
            info!(%notebook, "taking up an unfinished deletion");
            let died = dead.iter().find(|job| job.unique_key.as_deref() == Some(&*key));
            let revived = match died {
                Some(job) => self.queue.revive(scope, job.id).await.map(drop),
                None => {
                    let job = job(&Payload { notebook, contents: None });
                    self.queue.insert(scope, vec![job]).await.map(drop)
                }
            };
            match revived {
                // Another process was quicker.
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                revived => revived?,
            }
            self.bell.notify_one();
        }
        Ok(())
    }

    /// Removes what is left of a hidden notebook; false when a worker still has something of it. The notebook's row
    /// goes last: while it stands, the removal is not finished.
    async fn remove(&self, scope: &TenantScope, id: NotebookId) -> Result<bool> {
        // Both are told, whichever has ended.
        let answers = self.chat.end_hidden(scope, id).await?;
        let sources = self.ingest.remove_hidden(scope, id).await?;
        if !(answers && sources) {
            return Ok(false);
        }
        while self.store.empty_notebook(scope, id, TOGETHER).await? > 0 {}
        let left = self.ingest.left_of(scope, id).await?;
        if !left.is_empty() {
            return Err(Error::new(ErrorKind::Unavailable, "delete notebook")
                .retry(Retry::Backoff)
                .with("left", left.join(", ")));
        }
        match self.store.delete_notebook(scope, id).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
            deleted => deleted.map(|()| true),
        }
    }
}

/// How long to wait before it is tried again: a deletion is never given up.
pub(crate) fn wait(error: &Error, reserve: &Reserve) -> Duration {
    // Nothing else would give the room that it takes to make room.
    if error.kind() == ErrorKind::StorageFull && reserve.release() {
        return Duration::ZERO;
    }
    match error.retry_status() {
        Retry::After(time) => time,
        Retry::Never | Retry::Backoff => LATER,
    }
}

#[async_trait]
impl Handler for Deletion {
    async fn run(&self, work: Work) -> Ended {
        let Ok(removed) = serde_json::from_value::<Payload>(work.job.payload.clone()) else {
            return Outcome::Hopeless(JobError {
                code: "payload".into(),
                message: "The job's input is not that of a notebook's deletion.".into(),
            })
            .into();
        };
        let done = tokio::select! {
            done = self.remove(&work.scope, removed.notebook) => done,
            () = work.stop.cancelled() => return Outcome::Released.into(),
        };
        match done {
            Ok(true) => {
                let removed_at = self.clock.now();
                let receipt = Receipt { removed, left: Vec::new(), removed_at };
                Outcome::completed(json!(receipt))
            }
            Ok(false) => Outcome::Snoozed(SOON),
            Err(error) => {
                warn!(notebook = %removed.notebook, %error, "a deletion could not be finished; it is tried again");
                Outcome::Snoozed(wait(&error, &self.reserve))
            }
        }
        .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A6: a deletion that finds the disk full gives up what is held for deletions, and goes on at once.
    #[test]
    fn a6_a_full_disk_gives_its_reserve() {
        let folder = tempfile::tempdir().unwrap();
        let reserve = Reserve::new(folder.path());
        reserve.hold().unwrap();
        let away = Error::new(ErrorKind::Unavailable, "test").retry(Retry::Backoff);
        assert_eq!(wait(&away, &reserve), LATER);
        let full = Error::new(ErrorKind::StorageFull, "test");
        assert_eq!(wait(&full, &reserve), Duration::ZERO);
        assert!(!reserve.release(), "it was given up");
        assert_eq!(wait(&full, &reserve), LATER);
    }
}
