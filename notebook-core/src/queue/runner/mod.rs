//! Does jobs: claims them, runs their handlers, keeps their leases, and stores how they end.
//!
//! - A handler that panics, is too slow, or loses its lease ends its own run and nothing else.
//! - Leases are kept by a thread of their own, so that a handler that blocks the executor keeps its job.
//! - A run whose lease cannot be kept is stopped before it runs out: from then on another worker may
//!   have the job.
//! - A run that cannot be stopped, because it never gives way, is no longer kept: the queue takes the job
//!   away from it, and its fence keeps it from storing anything.

mod heart;
mod run;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, Semaphore},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use self::heart::Heart;
use super::{
    ClaimRequest, Claimed, Finish, Job, KindRule, Outcome, QueuePolicy, WorkerId, Worklist,
};
use crate::{Result, TenantScope, model::Progress};

/// The least time between two claims of a runner that has something to do.
const PACE: Duration = Duration::from_millis(3);
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
    slots: Arc<Semaphore>,
    /// How many runs of each kind there are in this process.
    running: Mutex<BTreeMap<String, usize>>,
    heart: heart::Registry,
    /// No more jobs are claimed.
    draining: CancellationToken,
    /// Held from a claim until its runs have begun: who goes down waits for it, or the jobs would be left to their leases.
    claiming: tokio::sync::Mutex<()>,
    /// Runs come to an end.
    ending: CancellationToken,
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
            slots: Arc::new(Semaphore::new(config.slots)),
            running: Mutex::default(),
            heart: registry,
            draining: CancellationToken::new(),
            claiming: tokio::sync::Mutex::default(),
            ending: CancellationToken::new(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(Arc::clone(&shared).look_after());
        tasks.spawn(Arc::clone(&shared).claim_all());
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

    /// Stops claiming, lets runs end for as long as `patience`, then tells the rest to stop and gives their
    /// jobs back.
    pub async fn shutdown(mut self, patience: Duration) {
        self.shared.draining.cancel();
        let most = patience + self.shared.config.grace;
        if tokio::time::timeout(most, self.shared.claiming.lock()).await.is_err() {
            warn!("the queue does not answer; jobs that it gives out now are left to their leases");
        }
        let all = u32::try_from(self.shared.config.slots).unwrap_or(u32::MAX);
        let idle = self.shared.slots.acquire_many(all);
        if tokio::time::timeout(patience, idle).await.is_err() {
            self.shared.ending.cancel();
            // A run that never gives way is left to its lease.
            let most = self.shared.config.grace * 2 + Duration::from_secs(1);
            let idle = self.shared.slots.acquire_many(all);
            if tokio::time::timeout(most, idle).await.is_err() {
                warn!("some runs did not end; their jobs are taken up when their leases run out");
            }
        }
        self.tasks.shutdown().await;
        self.heart.stop();
    }
}

impl Shared {
    /// Takes jobs as long as there are slots.
    async fn claim_all(self: Arc<Self>) {
        let mut runs = JoinSet::new();
        while !self.draining.is_cancelled() {
            while runs.try_join_next().is_some() {}
            let claiming = self.claiming.lock().await;
            if self.draining.is_cancelled() {
                break;
            }
            let free = self.slots.available_permits();
            let asked = Instant::now();
            let claimed = if free == 0 { Vec::new() } else { self.claim(free).await };
            let (found, all) = (!claimed.is_empty(), claimed.len() == free);
            for claimed in claimed {
                // There was room for as many; only this loop takes it.
                let Ok(slot) = Arc::clone(&self.slots).acquire_owned().await else { return };
                let Some((rule, handler)) = self.handlers.0.get(&claimed.job.kind).cloned() else {
                    continue;
                };
                let (shared, kind) = (Arc::clone(&self), claimed.job.kind.clone());
                *self.running.lock().entry(kind.clone()).or_default() += 1;
                runs.spawn(async move {
                    run::run(&shared, claimed, asked, rule, handler).await;
                    if let Some(count) = shared.running.lock().get_mut(&kind) {
                        *count -= 1;
                    }
                    drop(slot);
                    // There may have been more work than slots.
                    shared.bell.notify_one();
                });
            }
            drop(claiming);
            if !found {
                let rung = tokio::time::timeout(self.config.poll, self.bell.notified());
                let _ = self.draining.run_until_cancelled(rung).await;
            }
            if !all && self.slots.available_permits() < self.config.slots {
                // There was no more to be had: while there are runs, many ends and new jobs are worth one question.
                let next = tokio::time::Instant::from_std(asked + PACE);
                let _ = self.draining.run_until_cancelled(tokio::time::sleep_until(next)).await;
            }
        }
        // The runs go on; whoever waits for the slots waits for them.
        while runs.join_next().await.is_some() {}
    }

    async fn claim(&self, max: usize) -> Vec<Claimed> {
        let kinds = {
            let running = self.running.lock();
            let rules = self.handlers.0.iter().filter_map(|(kind, (rule, _))| {
                let busy = running.get(kind).copied().unwrap_or_default();
                let take = rule.slots.map_or(usize::MAX, |slots| slots.saturating_sub(busy));
                let HandlerRule { payload_version, limit, .. } = *rule;
                (take > 0).then(|| (kind.clone(), KindRule { payload_version, limit, take }))
            });
            rules.collect()
        };
        let per_tenant = self.config.per_tenant;
        let request = ClaimRequest { worker: self.worker, kinds, per_tenant, max };
        match self.worklist.claim(&request).await {
            Ok(claimed) => claimed,
            Err(error) => {
                warn!(%error, "no jobs could be claimed; it is tried again");
                Vec::new()
            }
        }
    }

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
