//! What leaves the system as a file, and whole notebooks that come back: as jobs.
//!
//! A file lies in the blob store under a key made from its job's id, so that a job that is done again writes the same
//! one. Retention removes it.

mod conversation;
mod files;
mod import;
mod notebook;

use std::{path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use notebook_core::{
    Clock, ConversationId, Error, ErrorKind, JobId, MessageId, NotebookId, Result, Retry,
    TenantScope, Timestamp,
    queue::{
        JobError, NewJob, Outcome, Queue,
        runner::{Ended, Handler, HandlerRule, Handlers, Work},
    },
};
use notebook_rag::{
    archive::{ArchiveParts, Importer, Limits},
    ingest::Ingest,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tracing::warn;

pub(crate) use files::{Exported, export_key, import_key};

use crate::{config, problem};

/// Writes a conversation or a notebook as a file.
pub(crate) const EXPORT: &str = "export";
/// Puts an archive into a new notebook.
pub(crate) const IMPORT: &str = "import";
/// Removes the file of an import that has ended.
const CLEAN: &str = "import.clean";
/// How many exports, and how many imports, at once in this process.
const EACH: usize = 2;
/// Slots that a runner needs for all of them.
pub(crate) const SLOTS: usize = 3 * EACH;
/// A notebook of many gigabytes on a slow disk takes less.
const LONGEST: Duration = Duration::from_secs(6 * 3_600);
/// How long to wait for room on the disk.
const FULL: Duration = Duration::from_secs(60);

/// What exports and imports work with.
pub(crate) struct Exports {
    pub(crate) parts: ArchiveParts,
    pub(crate) ingest: Ingest,
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Folder for files in the making.
    pub(crate) spool: PathBuf,
    /// How long files are kept.
    pub(crate) keep: Duration,
    pub(crate) limits: Limits,
}

/// The formats of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Format {
    /// Markdown with footnotes.
    Markdown,
    /// PDF.
    Pdf,
}

/// What an export is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "snake_case")]
pub(crate) enum What {
    /// A conversation, along the branch through a message, or the newest.
    Conversation { conversation: ConversationId, format: Format, through: Option<MessageId> },
    /// A whole notebook, as an archive.
    Notebook { notebook: NotebookId },
}

/// The input of an import.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ImportPayload {
    /// What the file was called.
    pub(crate) name: String,
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
}

/// The job of an export. While one runs, it is the one for every other request of the same.
pub(crate) fn export_job(what: What) -> NewJob {
    let key = match what {
        What::Conversation { conversation, format, through } => {
            let through = through.map(|id| format!(":{id}")).unwrap_or_default();
            format!("export:{conversation}:{format:?}{through}")
        }
        What::Notebook { notebook } => format!("export:{notebook}"),
    };
    NewJob { unique_key: Some(key), ..NewJob::new(EXPORT, json!(what)) }
}

/// The job of an import. The same file is imported once at a time.
pub(crate) fn import_job(payload: &ImportPayload) -> NewJob {
    let unique_key = Some(format!("import:{}", payload.sha256));
    NewJob { unique_key, ..NewJob::new(IMPORT, json!(payload)) }
}

/// How much an archive may cost, as the configuration has it.
pub(crate) fn limits(limits: &config::Limits) -> Limits {
    Limits {
        original_bytes: limits.document_bytes,
        inflated_bytes: limits.archive_bytes.saturating_mul(4),
        ..Limits::default()
    }
}

/// What does the jobs.
pub(crate) fn handlers(exports: &Arc<Exports>) -> Handlers {
    let rule = HandlerRule { slots: Some(EACH), timeout: LONGEST, ..HandlerRule::default() };
    Handlers::new()
        .with(EXPORT, rule, ExportHandler(exports.clone()))
        .with(IMPORT, rule, ImportHandler(exports.clone()))
        .with(CLEAN, rule, CleanHandler(exports.clone()))
}

struct ExportHandler(Arc<Exports>);
struct ImportHandler(Arc<Exports>);
struct CleanHandler(Arc<Exports>);

/// The input of [`CLEAN`].
#[derive(Serialize, Deserialize)]
struct CleanPayload {
    import: JobId,
}

#[async_trait]
impl Handler for ExportHandler {
    async fn run(&self, work: Work) -> Ended {
        let Ok(what) = serde_json::from_value(work.job.payload.clone()) else {
            return unreadable("an export").into();
        };
        let exporting = async {
            match what {
                What::Conversation { conversation, format, through } => {
                    self.0.conversation(&work, conversation, format, through).await
                }
                What::Notebook { notebook } => self.0.notebook(&work, notebook).await,
            }
        };
        let result = tokio::select! {
            result = exporting => result,
            // The runner says why: cancelled, too slow, or going down.
            () = work.stop.cancelled() => return Outcome::Released.into(),
        };
        ended(result, "an export").into()
    }
}

#[async_trait]
impl Handler for ImportHandler {
    async fn run(&self, work: Work) -> Ended {
        if serde_json::from_value::<ImportPayload>(work.job.payload.clone()).is_err() {
            return unreadable("an import").into();
        }
        match ended(self.0.import(&work).await, "an import") {
            Outcome::Completed { result, mut follow_ups } => {
                let payload = json!(CleanPayload { import: work.job.id });
                follow_ups.push(NewJob::new(CLEAN, payload));
                Outcome::Completed { result, follow_ups }
            }
            other => other,
        }
        .into()
    }
}

#[async_trait]
impl Handler for CleanHandler {
    async fn run(&self, work: Work) -> Ended {
        let payload = serde_json::from_value(work.job.payload.clone());
        let Ok(CleanPayload { import }) = payload else {
            return unreadable("a clean-up").into();
        };
        ended(self.0.clean(&work, import).await, "a clean-up").into()
    }
}

fn unreadable(what: &str) -> Outcome {
    let message = format!("The job's input is not that of {what}.");
    Outcome::Hopeless(JobError { code: "payload".into(), message })
}

/// How a run ended, for the job.
fn ended(result: Result<Value>, what: &str) -> Outcome {
    let error = match result {
        Ok(result) => return Outcome::completed(result),
        Err(error) if error.kind() == ErrorKind::Cancelled => return Outcome::Released,
        Err(error) => error,
    };
    warn!(%error, "{what} failed");
    let reason =
        JobError { code: error.kind().code().to_owned(), message: problem::detail(&error) };
    let not_before = match (error.kind(), error.retry_status()) {
        (ErrorKind::StorageFull, _) => FULL,
        (_, Retry::After(wait)) => wait,
        (ErrorKind::Unavailable | ErrorKind::Timeout, _) | (_, Retry::Backoff) => Duration::ZERO,
        _ => return Outcome::Hopeless(reason),
    };
    Outcome::Failed { error: reason, not_before }
}

/// What retention removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Removed {
    /// Exported files, and uploaded archives.
    pub(crate) files: usize,
    /// Imports that do not go on.
    pub(crate) imports: usize,
}

impl Exports {
    fn importer(&self) -> Importer {
        Importer { parts: self.parts.clone(), ingest: self.ingest.clone(), limits: self.limits }
    }

    /// Removes what is older than it is kept, and what is left of imports that do not go on.
    pub(crate) async fn expire(&self, scope: &TenantScope, now: Timestamp) -> Result<Removed> {
        let mut removed = Removed::default();
        for (key, job) in self.older(scope, now.before(self.keep)).await? {
            if !self.goes_on(scope, job).await? {
                self.remove(&key).await?;
                removed.files += 1;
            }
        }
        let importer = self.importer();
        for job in importer.begun(scope).await? {
            if !self.goes_on(scope, job).await? {
                importer.discard(scope, job).await?;
                removed.imports += 1;
            }
        }
        Ok(removed)
    }

    /// Whether a job waits or runs.
    async fn goes_on(&self, scope: &TenantScope, id: JobId) -> Result<bool> {
        match self.queue.job(scope, id).await {
            Ok(job) => Ok(!job.state.is_final()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn gone() -> Error {
    Error::new(ErrorKind::Conflict, "import archive")
        .with("fix", "the uploaded file is not there any more: upload it again")
}

#[cfg(test)]
pub(crate) mod tests;
