//! The queue port: everything slow is a job, and every accepted job ends exactly once.
//!
//! A job runs at least once; its result is stored at most once. Each claim of a job gets a **fence**,
//! a number that only grows, and every write that prolongs or ends the run must show it: a worker
//! that was thought dead and wakes up writes nothing any more.
//!
//! Every adapter decides by the same pure functions: [`step`] says what a job becomes,
//! [`plan`](plan::plan) which jobs are claimed. Adapters: [`memory`], `sql` (features `sqlite`,
//! `postgres`). All are held
//! to the suite in `queue::conformance` (feature `conformance`).
//!
//! The two sides are two traits: [`Queue`] belongs to a tenant's requests and takes their scope;
//! [`Worklist`] belongs to the workers, who serve all tenants and are given each job's scope with it.

#[cfg(feature = "conformance")]
pub mod conformance;
#[cfg(feature = "cron")]
pub mod cron;
mod job;
pub mod memory;
pub mod outbox;
pub mod plan;
pub mod runner;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub mod sql;
mod step;

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;

pub use job::{
    Fence, Job, JobError, JobId, JobState, NewJob, Outcome, Priority, QueuePolicy, WorkerId,
};
pub use step::{Event, Refusal, step};

use crate::{Result, TenantScope, model::Progress};

/// A tenant's side of the queue.
#[async_trait]
pub trait Queue: Send + Sync + 'static {
    /// Stores jobs, all or none, and returns their ids in order.
    ///
    /// - A job whose unique key is held by one that has not ended is not stored: the id is that one's.
    ///
    /// # Errors
    /// `InvalidInput` when a job's fields are out of their bounds, or its id is that of another tenant's job.
    async fn insert(&self, scope: &TenantScope, jobs: Vec<NewJob>) -> Result<Vec<JobId>>;

    /// The job.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    async fn job(&self, scope: &TenantScope, id: JobId) -> Result<Job>;

    /// The job that holds a unique key: the one of its jobs that has not ended.
    ///
    /// # Errors
    /// Only those of the storage itself.
    async fn holder(&self, scope: &TenantScope, unique_key: &str) -> Result<Option<Job>>;

    /// Dead jobs, newest first.
    ///
    /// # Errors
    /// Only those of the storage itself.
    async fn dead(&self, scope: &TenantScope, limit: usize) -> Result<Vec<Job>>;

    /// Asks for the end of a job and returns what it is now: one that waits is cancelled at once, one
    /// that runs is told at its next heartbeat, one that has ended stays as it is.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    async fn cancel(&self, scope: &TenantScope, id: JobId) -> Result<Job>;

    /// Gives a dead job a new budget of attempts and makes it available.
    ///
    /// # Errors
    /// `NotFound` when there is none; `Conflict` when it is not dead, or its unique key has been taken.
    async fn revive(&self, scope: &TenantScope, id: JobId) -> Result<Job>;

    /// Removes all jobs of the tenant but those that run, whose end is asked for; how many are left. For a tenant that is
    /// being deleted: to be called again until there are none.
    ///
    /// # Errors
    /// Only those of the storage itself.
    async fn clear(&self, scope: &TenantScope) -> Result<usize>;
}

/// The workers' side of the queue. No request may reach it.
#[async_trait]
pub trait Worklist: Send + Sync + 'static {
    /// Takes up to `request.max` jobs for a worker, each with a new fence and a lease.
    ///
    /// # Errors
    /// Only those of the storage itself.
    async fn claim(&self, request: &ClaimRequest) -> Result<Vec<Claimed>>;

    /// Prolongs leases, and stores the progress that is given.
    ///
    /// # Errors
    /// Only those of the storage itself: a worker then counts its leases as running out.
    async fn heartbeat(&self, beats: Vec<Heartbeat>) -> Result<Vec<Pulse>>;

    /// Ends runs. For each, whether it counted: `false` means that the run had been taken away, and that
    /// nothing was stored.
    ///
    /// - Repeated, as by a worker that got no reply: an end that its job still has, by the same fence and outcome, has
    ///   counted and is not stored again. That is said of results, and of what made the job dead.
    ///
    /// # Errors
    /// Only those of the storage itself; then none has counted.
    async fn finish(&self, ends: Vec<Finish>) -> Result<Vec<bool>>;

    /// Takes jobs away from workers whose leases have run out, at most `limit`; how many.
    ///
    /// # Errors
    /// Only those of the storage itself.
    async fn rescue(&self, limit: usize) -> Result<usize>;

    /// Takes all running jobs away, at most `limit`; how many. For a process that knows that every other worker is
    /// gone, such as one that has the only file open.
    ///
    /// # Errors
    /// Only those of the storage itself.
    async fn take_back(&self, limit: usize) -> Result<usize>;

    /// Deletes jobs that ended longer than `keep` ago, at most `limit`; how many.
    ///
    /// # Errors
    /// Only those of the storage itself.
    async fn forget(&self, keep: Duration, limit: usize) -> Result<usize>;
}

/// What a worker asks for.
#[derive(Debug, Clone)]
pub struct ClaimRequest {
    /// Who asks: new for each start of a process.
    pub worker: WorkerId,
    /// The kinds that it can do.
    pub kinds: BTreeMap<String, KindRule>,
    /// The most running jobs of one tenant, all workers together.
    pub per_tenant: Option<usize>,
    /// The most jobs to take.
    pub max: usize,
}

/// How jobs of a kind are claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KindRule {
    /// The newest version of the payload that the worker understands; jobs of newer ones stay.
    pub payload_version: u16,
    /// The most running jobs of this kind, all workers together.
    pub limit: Option<usize>,
    /// The most jobs of this kind to take now.
    pub take: usize,
}

impl Default for KindRule {
    /// Version 1, without limits.
    fn default() -> Self {
        Self { payload_version: 1, limit: None, take: usize::MAX }
    }
}

/// A job that was taken, with the right to act for its tenant.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// The job, running.
    pub job: Job,
    /// Its tenant's scope.
    pub scope: TenantScope,
}

/// A sign of life of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heartbeat {
    /// The job.
    pub id: JobId,
    /// The fence of this run.
    pub fence: Fence,
    /// How far it has come, when that has changed.
    pub progress: Option<Progress>,
}

/// What a heartbeat is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pulse {
    /// Go on.
    Kept,
    /// Go on to the next point where it can be cancelled, and end there.
    Cancel,
    /// Something else is being written of the job at this moment, such as this run's own end. The lease is as it was:
    /// ask again. Nobody else gets the job meanwhile.
    Busy,
    /// The run was taken away: stop, and store nothing.
    Lost,
}

/// The end of a run.
#[derive(Debug, Clone)]
pub struct Finish {
    /// The job.
    pub id: JobId,
    /// The fence of this run.
    pub fence: Fence,
    /// How it ended.
    pub outcome: Outcome,
}

impl Finish {
    /// Checks the jobs that follow.
    pub(crate) fn check(&self) -> Result<()> {
        match &self.outcome {
            Outcome::Completed { follow_ups, .. } => follow_ups.iter().try_for_each(NewJob::check),
            _ => Ok(()),
        }
    }

    /// Whether jobs are stored with it.
    pub(crate) fn has_follow_ups(&self) -> bool {
        matches!(&self.outcome, Outcome::Completed { follow_ups, .. } if !follow_ups.is_empty())
    }
}

impl Pulse {
    /// What a run is told when the job has become this, or has not.
    pub(crate) fn of(stepped: Option<std::result::Result<Job, Refusal>>) -> Self {
        match stepped {
            Some(Ok(job)) if job.cancel_requested => Self::Cancel,
            Some(Ok(_)) => Self::Kept,
            _ => Self::Lost,
        }
    }
}

/// The queue is the one place beside authentication where a scope begins: the job's row says whose it is.
#[allow(clippy::disallowed_methods, reason = "the job runner acts for the tenant of the job's row")]
const fn scope_of(job: &Job) -> TenantScope {
    TenantScope::authenticated(job.tenant)
}

/// A number that nobody can foresee, for backoffs.
pub(crate) fn random() -> u64 {
    // All bits of the low half are random but the two highest, which are turned to the end.
    let [_, _, _, _, _, _, _, _, low @ ..] = uuid::Uuid::new_v4().into_bytes();
    u64::from_be_bytes(low).rotate_left(8)
}
