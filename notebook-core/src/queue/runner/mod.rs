//! Does jobs: claims them, runs their handlers, keeps their leases, and stores how they end.
//!
//! - A handler that panics, is too slow, or loses its lease ends its own run and nothing else.
//! - Leases are kept by a thread of their own, so that a handler that blocks the executor keeps its job.
//! - A run whose lease cannot be kept is stopped before it runs out: from then on another worker may
//!   have the job.
//! - A run that cannot be stopped, because it never gives way, is no longer kept: the queue takes the job
//!   away from it, and its fence keeps it from storing anything.
//! - Where runs of a kind were short of late, more of its jobs are claimed than there are free slots: what the slots
//!   work off in 50 ms, and at most 256. They show as running, and count as such for tenants and kinds. They are given
//!   back, with no attempt counted, when the runner drains, or when they still wait after half a second; one whose end
//!   was asked for does not begin. Kinds with a `limit`, and all kinds where tenants have one, are claimed for free
//!   slots only.
//! - A slot is free for the next job when its handler has returned; up to 256 ends are stored behind the slots. A job
//!   may so show as running for a moment after its handler returned. With follow-up jobs the slot waits for its end.
//! - A worker that is killed leaves all that it had claimed to be rescued, and that counts as a crash of each job: of
//!   those that ran, of those that waited for a slot, and of those whose ends were not stored yet. So that a job that
//!   takes its workers down does not take others with it again and again, jobs with a crash are never held: where a
//!   claim brings one, or one runs, no more is claimed than there are free slots.

mod asking;
mod desk;
mod heart;
mod run;
mod work;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, Semaphore},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use self::{heart::Heart, work::Loop};
use super::{Finish, Job, Outcome, QueuePolicy, WorkerId, Worklist};
use crate::{Result, TenantScope, model::Progress};

/// The most ends of runs that wait to be stored; with more, slots wait for them.
const ENDS: usize = 256;
/// How many old jobs are forgotten at once.
const FORGOTTEN: usize = 10_000;

/// How a handler's run ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Ended {
    /// Like this, to be stored.
    With(Outcome),
    /// The handler has stored the end itself, together with what it made, or learned that the job is no longer its
    /// own: see [`Outbox::finish_source`](super::outbox::Outbox::finish_source).
    Stored,
}

impl From<Outcome> for Ended {
    fn from(outcome: Outcome) -> Self {
        Self::With(outcome)
    }
}

/// Does the jobs of a kind.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// Does one job. It may run more than once: effects are keyed by the job's id, or checked by its fence.
    ///
    /// - Cancelled: the token says that the job's end was asked for, its time is up, or the worker goes down.
    ///   A handler returns soon after; one that does not is dropped.
    async fn run(&self, work: Work) -> Ended;
}

/// A job as its handler sees it.
#[derive(Debug, Clone)]
pub struct Work {
    /// The job, with the fence of this run.
    pub job: Job,
    /// The right to act for its tenant.
    pub scope: TenantScope,
    /// Tells the handler to come to an end.
    pub stop: CancellationToken,
    progress: Arc<Mutex<Option<Progress>>>,
}

impl Work {
    /// This run's end, for a handler that stores it itself.
    #[must_use]
    pub const fn end(&self, outcome: Outcome) -> Finish {
        Finish { id: self.job.id, fence: self.job.fence, outcome }
    }

    /// Says how far the run has come. It is stored with the next heartbeat.
    pub fn progress(&self, progress: Progress) {
        *self.progress.lock() = Some(progress);
    }
}

/// How jobs of a kind are done.
#[derive(Debug, Clone, Copy)]
pub struct HandlerRule {
    /// The newest version of the payload that the handler understands.
    pub payload_version: u16,
    /// The most runs at once, all workers together.
    pub limit: Option<usize>,
    /// The most runs at once in this process, of its slots.
    pub slots: Option<usize>,
    /// How long a run may take before it is told to stop; it then fails and may be tried again.
    pub timeout: Duration,
}

impl Default for HandlerRule {
    /// Version 1, no limit, ten minutes.
    fn default() -> Self {
        Self { payload_version: 1, limit: None, slots: None, timeout: Duration::from_secs(600) }
    }
}

/// How a runner works.
#[derive(Debug, Clone, Copy)]
pub struct RunnerConfig {
    /// The most runs at once in this process.
    pub slots: usize,
    /// How often the queue is asked when nothing says that there is work.
    pub poll: Duration,
    /// The queue's lease.
    pub lease: Duration,
    /// How often leases are prolonged: a third of the lease.
    pub heartbeat: Duration,
    /// How long before the end of a lease that could not be prolonged its run is stopped.
    pub safety: Duration,
    /// How long a run that was told to stop may take.
    pub grace: Duration,
    /// The most running jobs of one tenant, all workers together.
    pub per_tenant: Option<usize>,
    /// How long ended jobs are kept.
    pub keep: Duration,
}

impl RunnerConfig {
    /// The default, with leases as the queue has them: prolonged every third of a lease, given up a sixth before
    /// its end.
    #[must_use]
    pub fn of(policy: &QueuePolicy) -> Self {
        let lease = policy.lease;
        Self { lease, heartbeat: lease / 3, safety: lease / 6, ..Self::default() }
    }
}

impl Default for RunnerConfig {
    /// 8 slots, asked every second; a lease of 60 seconds, kept every 20, given up 10 before its end; 5 seconds
    /// of grace; a week of ended jobs.
    fn default() -> Self {
        Self {
            slots: 8,
            poll: Duration::from_secs(1),
            lease: Duration::from_secs(60),
            heartbeat: Duration::from_secs(20),
            safety: Duration::from_secs(10),
            grace: Duration::from_secs(5),
            per_tenant: None,
            keep: Duration::from_secs(7 * 86_400),
        }
    }
}

/// The handlers, by the kinds that they do.
#[derive(Default, Clone)]
pub struct Handlers(BTreeMap<String, (HandlerRule, Arc<dyn Handler>)>);

impl Handlers {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the handler of a kind, in place of an earlier one.
    #[must_use]
    pub fn with(mut self, kind: &str, rule: HandlerRule, handler: impl Handler) -> Self {
        self.0.insert(kind.to_owned(), (rule, Arc::new(handler)));
        self
    }

    /// Adds others.
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// The same with something around each of them, such as a look whether its tenant is still there.
    #[must_use]
    pub fn within(mut self, around: impl Fn(Arc<dyn Handler>) -> Arc<dyn Handler>) -> Self {
        for (_, handler) in self.0.values_mut() {
            *handler = around(Arc::clone(handler));
        }
        self
    }
}

/// A worker. Dropping it aborts its runs; their jobs are taken up when their leases have run out.
pub struct Runner {
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
    heart: Heart,
}

struct Shared {
    worklist: Arc<dyn Worklist>,
    handlers: Handlers,
    config: RunnerConfig,
    worker: WorkerId,
    /// Rung when there may be work.
    bell: Arc<Notify>,
    heart: heart::Registry,
    /// No more jobs are claimed.
    draining: CancellationToken,
    /// Runs come to an end.
    ending: CancellationToken,
    /// Nothing is claimed any more, all runs have ended, and their ends are stored.
    done: CancellationToken,
    /// Ends that may wait to be stored.
    ends: Semaphore,
}

impl Runner {
    /// Starts to work. `bell` is rung by whoever stores a job; without it, work begins within a poll.
    ///
    /// # Errors
    /// `Unavailable` when the heartbeat's thread cannot be started.
    pub fn start(
        worklist: Arc<dyn Worklist>,
        handlers: Handlers,
        bell: Arc<Notify>,
        config: RunnerConfig,
    ) -> Result<Self> {
        let registry = heart::Registry::default();
        let heart = Heart::start(Arc::clone(&worklist), registry.clone(), config)?;
        let shared = Arc::new(Shared {
            worklist,
            handlers,
            config,
            worker: WorkerId::new(),
            bell,
            heart: registry,
            draining: CancellationToken::new(),
            ending: CancellationToken::new(),
            done: CancellationToken::new(),
            ends: Semaphore::new(ENDS),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(Arc::clone(&shared).look_after());
        tasks.spawn(Loop::new(Arc::clone(&shared)).work());
        Ok(Self { shared, tasks, heart })
    }

    /// Stops claiming when `token` is cancelled; runs go on.
    pub fn drain_on(&mut self, token: CancellationToken) {
        let shared = Arc::clone(&self.shared);
        self.tasks.spawn(async move {
            token.cancelled().await;
            shared.draining.cancel();
        });
    }

    /// Stops claiming and gives back what has not begun, lets runs end for as long as `patience`, then tells the rest
    /// to stop and gives their jobs back. Waits until all of that is stored.
    pub async fn shutdown(mut self, patience: Duration) {
        self.shared.draining.cancel();
        let done = self.shared.done.cancelled();
        if tokio::time::timeout(patience, done).await.is_err() {
            self.shared.ending.cancel();
            // A run that never gives way is left to its lease.
            let most = self.shared.config.grace * 2 + Duration::from_secs(1);
            if tokio::time::timeout(most, self.shared.done.cancelled()).await.is_err() {
                warn!("some runs did not end; their jobs are taken up when their leases run out");
            }
        }
        self.tasks.shutdown().await;
        self.heart.stop();
    }
}

impl Shared {
    /// Forgets jobs that ended long ago, however many they are.
    async fn forget(&self) -> Result<()> {
        while self.worklist.forget(self.config.keep, FORGOTTEN).await? == FORGOTTEN {}
        Ok(())
    }

    /// Takes jobs from workers that are gone, and forgets old ones.
    async fn look_after(self: Arc<Self>) {
        let mut rounds = 0_u32;
        loop {
            match self.worklist.rescue(1_000).await {
                Ok(0) => {}
                Ok(taken) => {
                    warn!(taken, "jobs were taken from workers that are gone");
                    self.bell.notify_one();
                }
                Err(error) => warn!(%error, "lost jobs could not be looked for; it is tried again"),
            }
            if rounds.is_multiple_of(100)
                && let Err(error) = self.forget().await
            {
                warn!(%error, "old jobs could not be deleted; it is tried again");
            }
            rounds = rounds.wrapping_add(1);
            tokio::time::sleep(self.config.heartbeat / 4).await;
        }
    }
}
