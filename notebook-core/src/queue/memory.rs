//! The queue in this process's memory.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use parking_lot::Mutex;

use super::{
    ClaimRequest, Claimed, Event, Fence, Finish, Heartbeat, Job, JobId, JobState, NewJob, Outcome,
    Pulse, Queue, QueuePolicy, Worklist,
    plan::{Candidate, Tenant, plan},
    random, scope_of, step,
    step::{has, has_ended_so},
};
use crate::{Clock, Error, ErrorKind, Result, TenantId, TenantScope};

const INSERT: &str = "insert job";
const FINISH: &str = "finish job";

/// A queue that ends with the process.
pub struct MemoryQueue {
    clock: Arc<dyn Clock>,
    policy: QueuePolicy,
    jobs: Mutex<BTreeMap<JobId, Job>>,
}

impl MemoryQueue {
    /// An empty queue.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, policy: QueuePolicy) -> Self {
        Self { clock, policy, jobs: Mutex::default() }
    }

    /// Applies an event to a job of a tenant.
    fn apply(
        &self,
        jobs: &mut BTreeMap<JobId, Job>,
        id: JobId,
        event: Event,
    ) -> Option<std::result::Result<Job, super::Refusal>> {
        let job = jobs.get_mut(&id)?;
        let stepped = step(job.clone(), event, self.clock.now(), &self.policy);
        if let Ok(next) = &stepped {
            *job = next.clone();
        }
        Some(stepped)
    }

    /// Takes running jobs from their workers.
    fn take(&self, limit: usize, event: impl Fn(Fence) -> Event) -> usize {
        let mut jobs = self.jobs.lock();
        let running = jobs.values().filter(|job| job.state == JobState::Running);
        let running: Vec<_> = running.map(|job| (job.id, job.fence)).collect();
        let taken = running
            .into_iter()
            .filter(|(id, fence)| matches!(self.apply(&mut jobs, *id, event(*fence)), Some(Ok(_))));
        taken.take(limit).count()
    }

    fn insert_one(&self, jobs: &mut BTreeMap<JobId, Job>, tenant: TenantId, new: NewJob) -> JobId {
        let holder = match &new.unique_key {
            Some(key) => key_holder(jobs, tenant, key),
            None => None,
        };
        let existing = holder.or_else(|| jobs.contains_key(&new.id).then_some(new.id));
        existing.unwrap_or_else(|| {
            let job = new.into_job(tenant, self.clock.now());
            let id = job.id;
            jobs.insert(id, job);
            id
        })
    }

    /// Ends a run, if it counts and `store` succeeds, which gives the jobs that follow from it; whether it counted, now
    /// or before.
    fn finish_one(
        &self,
        jobs: &mut BTreeMap<JobId, Job>,
        end: Finish,
        store: impl FnOnce() -> Result<Vec<NewJob>>,
    ) -> Result<bool> {
        let Finish { id, fence, outcome } = end;
        let event = Event::Finish { fence, outcome: outcome.clone(), random: random() };
        let Some(job) = jobs.get(&id).cloned() else { return Ok(false) };
        if has_ended_so(&job, fence, &outcome) {
            return Ok(true);
        }
        let Ok(ended) = step(job, event, self.clock.now(), &self.policy) else { return Ok(false) };
        let tenant = ended.tenant;
        let follow_ups = match outcome {
            Outcome::Completed { follow_ups, .. } => follow_ups,
            _ => Vec::new(),
        };
        check_ids(FINISH, jobs, tenant, &follow_ups)?;
        let told = store()?;
        jobs.insert(id, ended);
        for new in follow_ups.into_iter().chain(told) {
            self.insert_one(jobs, tenant, new);
        }
        Ok(true)
    }

    /// The same, for what is stored elsewhere together with the end.
    pub(super) fn finish_with(
        &self,
        end: Finish,
        store: impl FnOnce() -> Result<Vec<NewJob>>,
    ) -> Result<bool> {
        self.finish_one(&mut self.jobs.lock(), end, store)
    }

    /// Checks jobs of a tenant before something else is stored that they belong to.
    ///
    /// # Errors
    /// As [`Queue::insert`].
    pub(super) fn check(
        &self,
        operation: &'static str,
        tenant: TenantId,
        new: &[NewJob],
    ) -> Result<()> {
        new.iter().try_for_each(NewJob::check)?;
        check_ids(operation, &self.jobs.lock(), tenant, new)
    }

    /// Whether a job is there that has not ended.
    pub(crate) fn is_live(&self, id: JobId) -> bool {
        self.jobs.lock().get(&id).is_some_and(|job| !job.state.is_final())
    }

    /// Makes the job due that has this key and waits for its time.
    pub(crate) fn wake(&self, tenant: TenantId, key: &str) {
        let mut jobs = self.jobs.lock();
        let Some(id) = key_holder(&jobs, tenant, key) else { return };
        if let Some(job) = jobs.get_mut(&id).filter(|job| job.state == JobState::Scheduled) {
            job.state = JobState::Available;
            job.run_at = self.clock.now();
        }
    }

    /// Stores jobs of a tenant that this program made; how many were not there already.
    pub(crate) fn store_jobs(&self, tenant: TenantId, new: Vec<NewJob>) -> usize {
        let mut jobs = self.jobs.lock();
        let before = jobs.len();
        for new in new {
            self.insert_one(&mut jobs, tenant, new);
        }
        jobs.len() - before
    }
}

fn key_holder(jobs: &BTreeMap<JobId, Job>, tenant: TenantId, key: &str) -> Option<JobId> {
    let holds = |job: &&Job| {
        job.tenant == tenant && !job.state.is_final() && job.unique_key.as_deref() == Some(key)
    };
    jobs.values().find(holds).map(|job| job.id)
}

/// Checks that no id is another tenant's job.
fn check_ids(
    operation: &'static str,
    jobs: &BTreeMap<JobId, Job>,
    tenant: TenantId,
    new: &[NewJob],
) -> Result<()> {
    let is_foreign = |new: &NewJob| {
        let held = new.unique_key.as_ref().and_then(|key| key_holder(jobs, tenant, key));
        held.is_none() && jobs.get(&new.id).is_some_and(|job| job.tenant != tenant)
    };
    if new.iter().any(is_foreign) { Err(foreign_id(operation)) } else { Ok(()) }
}

/// Why a job is not stored whose id another tenant's job has.
pub(super) fn foreign_id(operation: &'static str) -> Error {
    Error::invalid(operation, "id", "make a new one")
}

fn own<'a>(
    jobs: &'a BTreeMap<JobId, Job>,
    scope: &TenantScope,
    operation: &'static str,
    id: JobId,
) -> Result<&'a Job> {
    jobs.get(&id)
        .filter(|job| job.tenant == scope.tenant())
        .ok_or_else(|| Error::not_found(operation, "job"))
}

#[async_trait]
impl Queue for MemoryQueue {
    async fn insert(&self, scope: &TenantScope, new: Vec<NewJob>) -> Result<Vec<JobId>> {
        new.iter().try_for_each(NewJob::check)?;
        let mut jobs = self.jobs.lock();
        check_ids(INSERT, &jobs, scope.tenant(), &new)?;
        Ok(new.into_iter().map(|new| self.insert_one(&mut jobs, scope.tenant(), new)).collect())
    }

    async fn job(&self, scope: &TenantScope, id: JobId) -> Result<Job> {
        own(&self.jobs.lock(), scope, "read job", id).cloned()
    }

    async fn holder(&self, scope: &TenantScope, unique_key: &str) -> Result<Option<Job>> {
        let jobs = self.jobs.lock();
        let holder = key_holder(&jobs, scope.tenant(), unique_key);
        Ok(holder.and_then(|id| jobs.get(&id)).cloned())
    }

    async fn dead(&self, scope: &TenantScope, limit: usize) -> Result<Vec<Job>> {
        let jobs = self.jobs.lock();
        let dead = |job: &&Job| job.tenant == scope.tenant() && job.state == JobState::Dead;
        Ok(jobs.values().rev().filter(dead).take(limit).cloned().collect())
    }

    async fn cancel(&self, scope: &TenantScope, id: JobId) -> Result<Job> {
        let mut jobs = self.jobs.lock();
        let before = own(&jobs, scope, "cancel job", id)?.clone();
        Ok(self
            .apply(&mut jobs, id, Event::Cancel)
            .and_then(std::result::Result::ok)
            .unwrap_or(before))
    }

    async fn revive(&self, scope: &TenantScope, id: JobId) -> Result<Job> {
        let mut jobs = self.jobs.lock();
        let job = own(&jobs, scope, "revive job", id)?;
        let held = match &job.unique_key {
            Some(key) => key_holder(&jobs, job.tenant, key).is_some(),
            None => false,
        };
        let stepped = if held { None } else { self.apply(&mut jobs, id, Event::Revive) };
        stepped.and_then(std::result::Result::ok).ok_or_else(not_dead)
    }

    async fn clear(&self, scope: &TenantScope) -> Result<usize> {
        let mut jobs = self.jobs.lock();
        let tenant = scope.tenant();
        jobs.retain(|_, job| job.tenant != tenant || job.state == JobState::Running);
        let running = jobs.values().filter(|job| job.tenant == tenant).map(|job| job.id);
        let running: Vec<_> = running.collect();
        for id in &running {
            self.apply(&mut jobs, *id, Event::Cancel);
        }
        Ok(running.len())
    }
}

/// Why a job cannot be revived.
pub(super) fn not_dead() -> Error {
    Error::new(ErrorKind::Conflict, "revive job")
        .with("reason", "only a dead job whose unique key is free can be run again")
}

#[async_trait]
impl Worklist for MemoryQueue {
    async fn claim(&self, request: &ClaimRequest) -> Result<Vec<Claimed>> {
        let mut jobs = self.jobs.lock();
        let due: Vec<_> = jobs.keys().copied().collect();
        for id in due {
            self.apply(&mut jobs, id, Event::Due);
        }
        let mut tenants: BTreeMap<TenantId, Tenant> = BTreeMap::new();
        let mut running: BTreeMap<String, usize> = BTreeMap::new();
        for job in jobs.values() {
            let tenant = tenants.entry(job.tenant).or_default();
            let rule = request.kinds.get(&job.kind);
            match job.state {
                JobState::Running => {
                    tenant.running += 1;
                    *running.entry(job.kind.clone()).or_default() += 1;
                }
                JobState::Available
                    if rule.is_some_and(|rule| rule.payload_version >= job.payload_version) =>
                {
                    tenant.waiting.push(Candidate::from(job));
                }
                _ => {}
            }
        }
        for tenant in tenants.values_mut() {
            tenant.waiting.sort_by_key(Candidate::order);
        }
        let chosen = plan(request, tenants, running);
        let claimed = chosen.into_iter().filter_map(|id| {
            let job = self.apply(&mut jobs, id, Event::Claim(request.worker))?.ok()?;
            Some(Claimed { scope: scope_of(&job), job })
        });
        Ok(claimed.collect())
    }

    async fn heartbeat(&self, beats: Vec<Heartbeat>) -> Result<Vec<Pulse>> {
        let mut jobs = self.jobs.lock();
        let pulse = |beat: Heartbeat| {
            let Heartbeat { id, fence, progress } = beat;
            Pulse::of(self.apply(&mut jobs, id, Event::Heartbeat { fence, progress }))
        };
        Ok(beats.into_iter().map(pulse).collect())
    }

    async fn finish(&self, ends: Vec<Finish>) -> Result<Vec<bool>> {
        ends.iter().try_for_each(Finish::check)?;
        let mut jobs = self.jobs.lock();
        // All first: when one is refused, none has counted.
        for Finish { id, fence, outcome } in &ends {
            let job = jobs.get(id).filter(|job| has(job, *fence));
            if let (Some(job), Outcome::Completed { follow_ups, .. }) = (job, outcome) {
                check_ids(FINISH, &jobs, job.tenant, follow_ups)?;
            }
        }
        ends.into_iter().map(|end| self.finish_one(&mut jobs, end, || Ok(Vec::new()))).collect()
    }

    async fn rescue(&self, limit: usize) -> Result<usize> {
        Ok(self.take(limit, Event::Expire))
    }

    async fn take_back(&self, limit: usize) -> Result<usize> {
        Ok(self.take(limit, Event::Lose))
    }

    async fn forget(&self, keep: Duration, limit: usize) -> Result<usize> {
        let mut jobs = self.jobs.lock();
        let now = self.clock.now();
        let old = |job: &&Job| job.finished_at.is_some_and(|at| now.since(at) > keep);
        let old: Vec<_> = jobs.values().filter(old).take(limit).map(|job| job.id).collect();
        for id in &old {
            jobs.remove(id);
        }
        Ok(old.len())
    }
}

#[cfg(all(test, feature = "conformance"))]
mod tests {
    use super::*;
    use crate::{Timestamp, clock::ManualClock, queue::conformance};

    #[tokio::test]
    async fn conforms() {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_000_000)));
        let queue = MemoryQueue::new(clock.clone(), QueuePolicy::default());
        conformance::run_all(&queue, &|by| clock.advance(by)).await;
    }
}
