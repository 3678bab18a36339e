use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use crate::id::{JobId, WorkerId};
use crate::{Error, Result, TenantId, Timestamp, model::Progress};

/// The most bytes of a payload, a result or an error's message.
const MOST_BYTES: usize = 1 << 20;
/// The most bytes of a kind or a unique key.
const MOST_NAME: usize = 200;

/// The number of a claim. A job's fences only grow.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Fence(pub u64);

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// It waits for its time.
    Scheduled,
    /// It waits for a worker.
    Available,
    /// A worker has it.
    Running,
    /// It ended with a result.
    Completed,
    /// It was ended on request.
    Cancelled,
    /// It ended without a result, and will not run again by itself.
    Dead,
}

impl JobState {
    /// Whether the job has ended.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Cancelled | Self::Dead)
    }
}

/// Which jobs go first.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// A person waits for it.
    High,
    /// The usual.
    #[default]
    Medium,
    /// When there is nothing else.
    Low,
}

/// Why a run failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobError {
    /// Stable snake-case code.
    pub code: String,
    /// For a person.
    pub message: String,
}

/// A job to be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct NewJob {
    /// Its id, made by the caller: a repeated insert stores nothing.
    pub id: JobId,
    /// What is to be done: the name of a handler.
    pub kind: String,
    /// The handler's input.
    pub payload: Value,
    /// The version of the payload's shape.
    pub payload_version: u16,
    /// Which jobs go first.
    pub priority: Priority,
    /// How long to wait before it may run.
    pub delay: Duration,
    /// Only one job with this key waits or runs in a tenant at a time.
    pub unique_key: Option<String>,
    /// How many runs may fail.
    pub max_attempts: u32,
}

impl NewJob {
    /// A job of a kind with the usual settings: at once, medium priority, 5 attempts.
    #[must_use]
    pub fn new(kind: impl Into<String>, payload: Value) -> Self {
        Self {
            id: JobId::new(),
            kind: kind.into(),
            payload,
            payload_version: 1,
            priority: Priority::default(),
            delay: Duration::ZERO,
            unique_key: None,
            max_attempts: 5,
        }
    }

    /// Checks the bounds of the fields.
    ///
    /// # Errors
    /// `InvalidInput` that names the field.
    pub fn check(&self) -> Result<()> {
        const OPERATION: &str = "insert job";
        let named = |text: &str| !text.is_empty() && text.len() <= MOST_NAME;
        if !named(&self.kind) {
            return Err(Error::invalid(OPERATION, "kind", "give 1 to 200 bytes"));
        }
        if self.unique_key.as_deref().is_some_and(|key| !named(key)) {
            return Err(Error::invalid(OPERATION, "unique_key", "give 1 to 200 bytes"));
        }
        if self.max_attempts == 0 {
            return Err(Error::invalid(OPERATION, "max_attempts", "give at least 1"));
        }
        if self.payload.to_string().len() > MOST_BYTES {
            return Err(Error::invalid(
                OPERATION,
                "payload",
                "store large input elsewhere, and its id here",
            ));
        }
        Ok(())
    }

    /// The job as it is stored at `now`.
    #[must_use]
    pub(crate) fn into_job(self, tenant: TenantId, now: Timestamp) -> Job {
        let run_at = now.after(self.delay);
        Job {
            id: self.id,
            tenant,
            kind: self.kind,
            payload: self.payload,
            payload_version: self.payload_version,
            priority: self.priority,
            state: if run_at > now { JobState::Scheduled } else { JobState::Available },
            attempt: 0,
            max_attempts: self.max_attempts,
            crash_count: 0,
            snooze_count: 0,
            fence: Fence(0),
            run_at,
            lease_until: None,
            worker: None,
            cancel_requested: false,
            unique_key: self.unique_key,
            progress: Progress::default(),
            result: None,
            error: None,
            created_at: now,
            finished_at: None,
        }
    }
}

/// A job.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// Whose it is.
    pub tenant: TenantId,
    /// What is to be done.
    pub kind: String,
    /// The handler's input.
    pub payload: Value,
    /// The version of the payload's shape.
    pub payload_version: u16,
    /// Which jobs go first.
    pub priority: Priority,
    /// Where it stands.
    pub state: JobState,
    /// How many runs have failed.
    pub attempt: u32,
    /// How many runs may fail.
    pub max_attempts: u32,
    /// How many runs ended with their worker.
    pub crash_count: u32,
    /// How often it asked to be run later.
    pub snooze_count: u32,
    /// The number of the last claim.
    pub fence: Fence,
    /// When it may run.
    pub run_at: Timestamp,
    /// Until when its worker has it, while it runs.
    pub lease_until: Option<Timestamp>,
    /// Who has it, while it runs.
    pub worker: Option<WorkerId>,
    /// Whether its end was asked for.
    pub cancel_requested: bool,
    /// Only one job with this key waits or runs in a tenant at a time.
    pub unique_key: Option<String>,
    /// How far the run has come.
    pub progress: Progress,
    /// What it ended with.
    pub result: Option<Value>,
    /// Why the last run failed.
    pub error: Option<JobError>,
    /// When it was stored.
    pub created_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Done. The result and the jobs that follow from it are stored together, or not at all.
    Completed {
        /// What the job was for.
        result: Value,
        /// Jobs of the same tenant to be stored with it.
        follow_ups: Vec<NewJob>,
    },
    /// It failed and may succeed later.
    Failed {
        /// Why.
        error: JobError,
        /// The least time to wait, as a provider may ask for.
        not_before: Duration,
    },
    /// It failed and would fail again.
    Hopeless(JobError),
    /// It wants to run later, without blame.
    Snoozed(Duration),
    /// It stopped because it was told to.
    Cancelled,
    /// The worker goes down and gives it back, without blame.
    Released,
}

impl Outcome {
    /// Done, with nothing that follows.
    #[must_use]
    pub const fn completed(result: Value) -> Self {
        Self::Completed { result, follow_ups: Vec::new() }
    }
}

/// How the queue decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueuePolicy {
    /// How long a claim or a heartbeat holds.
    pub lease: Duration,
    /// The longest wait after the first failure; it doubles with each.
    pub backoff: Duration,
    /// The longest wait after any failure, and of a snooze.
    pub most_backoff: Duration,
    /// How many workers a job may take down with it.
    pub most_crashes: u32,
}

impl Default for QueuePolicy {
    /// A lease of 60 seconds, a backoff from 2 seconds to 15 minutes, 3 crashes.
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(60),
            backoff: Duration::from_secs(2),
            most_backoff: Duration::from_secs(900),
            most_crashes: 3,
        }
    }
}
