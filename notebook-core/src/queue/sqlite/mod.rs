//! The queue in the store's SQLite file.
//!
//! Calls of many workers are grouped into one transaction by the writer thread. Time is this machine's:
//! all processes that may open the file see the same clock.

mod rows;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;

use super::{
    ClaimRequest, Claimed, Event, Finish, Heartbeat, Job, JobId, NewJob, Outcome, Pulse, Queue,
    QueuePolicy, Worklist, memory::not_dead, plan::plan, random, scope_of, step,
};
use crate::{
    Clock, Error, Result, TenantId, TenantScope, Timestamp, sqlite::Tx, store::sqlite::SqliteStore,
};

/// The most kinds of waiting jobs, counted in each tenant, that one claim chooses from. Which ones changes
/// with each claim.
const WAITING_KINDS: usize = 128;

/// A queue that lies beside the store's tables.
pub struct SqliteQueue {
    store: Arc<SqliteStore>,
    clock: Arc<dyn Clock>,
    policy: QueuePolicy,
}

impl SqliteQueue {
    /// The queue of a store.
    #[must_use]
    pub fn new(store: Arc<SqliteStore>, clock: Arc<dyn Clock>, policy: QueuePolicy) -> Self {
        Self { store, clock, policy }
    }

    async fn write<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl Fn(&Tx<'_>, &Now) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (clock, policy) = (Arc::clone(&self.clock), self.policy);
        // The moment is that of the transaction, which may begin long after the call.
        self.store
            .client()
            .write(operation, move |tx| work(tx, &Now { at: clock.now(), policy }))
            .await
    }
}

/// What decisions depend on beside the rows.
struct Now {
    at: Timestamp,
    policy: QueuePolicy,
}

impl Now {
    /// What a job has become, if the event may happen, stored.
    fn apply(&self, tx: &Tx<'_>, job: Job, event: Event) -> Result<Option<Job>> {
        let fence = job.fence;
        let Ok(next) = step(job, event, self.at, &self.policy) else { return Ok(None) };
        Ok(rows::update(tx, &next, fence)?.then_some(next))
    }
}

fn insert(tx: &Tx<'_>, tenant: TenantId, new: NewJob, now: &Now) -> Result<JobId> {
    if let Some(key) = &new.unique_key
        && let Some(holder) = rows::key_holder(tx, tenant, key)?
    {
        return Ok(holder);
    }
    let id = new.id;
    if let Some(job) = rows::by_id(tx, id)? {
        // Made by a client: another tenant's id must not be told from a free one.
        let own = job.tenant == tenant;
        return if own {
            Ok(id)
        } else {
            Err(Error::invalid(tx.operation, "id", "make a new one"))
        };
    }
    rows::insert(tx, &new.into_job(tenant, now.at))?;
    Ok(id)
}

fn own(tx: &Tx<'_>, tenant: TenantId, id: JobId) -> Result<Job> {
    let job = rows::by_id(tx, id)?.filter(|job| job.tenant == tenant);
    job.ok_or_else(|| Error::not_found(tx.operation, "job"))
}

#[async_trait]
impl Queue for SqliteQueue {
    async fn insert(&self, scope: &TenantScope, jobs: Vec<NewJob>) -> Result<Vec<JobId>> {
        jobs.iter().try_for_each(NewJob::check)?;
        let tenant = scope.tenant();
        self.write("insert job", move |tx, now| {
            jobs.iter().map(|new| insert(tx, tenant, new.clone(), now)).collect()
        })
        .await
    }

    async fn job(&self, scope: &TenantScope, id: JobId) -> Result<Job> {
        let tenant = scope.tenant();
        self.store.client().read("read job", move |tx| own(tx, tenant, id)).await
    }

    async fn cancel(&self, scope: &TenantScope, id: JobId) -> Result<Job> {
        let tenant = scope.tenant();
        self.write("cancel job", move |tx, now| {
            let job = own(tx, tenant, id)?;
            Ok(now.apply(tx, job.clone(), Event::Cancel)?.unwrap_or(job))
        })
        .await
    }

    async fn revive(&self, scope: &TenantScope, id: JobId) -> Result<Job> {
        let tenant = scope.tenant();
        self.write("revive job", move |tx, now| {
            let job = own(tx, tenant, id)?;
            if let Some(key) = &job.unique_key
                && rows::key_holder(tx, tenant, key)?.is_some()
            {
                return Err(not_dead());
            }
            now.apply(tx, job, Event::Revive)?.ok_or_else(not_dead)
        })
        .await
    }
}

#[async_trait]
impl Worklist for SqliteQueue {
    async fn claim(&self, request: &ClaimRequest) -> Result<Vec<Claimed>> {
        let request = request.clone();
        self.write("claim jobs", move |tx, now| {
            rows::make_due(tx, now.at)?;
            let tenants = rows::waiting(tx, &request, random(), WAITING_KINDS)?;
            if tenants.is_empty() {
                return Ok(Vec::new());
            }
            let limited = request.kinds.iter().filter(|(_, rule)| rule.limit.is_some());
            let running = limited
                .map(|(kind, _)| Ok((kind.clone(), rows::running_of_kind(tx, kind)?)))
                .collect::<Result<BTreeMap<_, _>>>()?;
            let mut claimed = Vec::new();
            for id in plan(&request, tenants, running) {
                let Some(job) = rows::by_id(tx, id)? else { continue };
                if let Some(job) = now.apply(tx, job, Event::Claim(request.worker))? {
                    claimed.push(Claimed { scope: scope_of(&job), job });
                }
            }
            Ok(claimed)
        })
        .await
    }

    async fn heartbeat(&self, beats: Vec<Heartbeat>) -> Result<Vec<Pulse>> {
        self.write("prolong leases", move |tx, now| {
            let pulse = |beat: &Heartbeat| {
                let Heartbeat { id, fence, progress } = *beat;
                let Some(job) = rows::by_id(tx, id)? else { return Ok(Pulse::Lost) };
                let kept = now.apply(tx, job, Event::Heartbeat { fence, progress })?;
                Ok(kept.map_or(Pulse::Lost, |job| Pulse::of(Some(Ok(job)))))
            };
            beats.iter().map(pulse).collect()
        })
        .await
    }

    async fn finish(&self, ends: Vec<Finish>) -> Result<Vec<bool>> {
        ends.iter().try_for_each(Finish::check)?;
        self.write("finish jobs", move |tx, now| {
            let mut counted = Vec::with_capacity(ends.len());
            for Finish { id, fence, outcome } in &ends {
                let event =
                    Event::Finish { fence: *fence, outcome: outcome.clone(), random: random() };
                let ended = match rows::by_id(tx, *id)? {
                    Some(job) => now.apply(tx, job, event)?,
                    None => None,
                };
                if let (Some(job), Outcome::Completed { follow_ups, .. }) = (&ended, outcome) {
                    for new in follow_ups {
                        insert(tx, job.tenant, new.clone(), now)?;
                    }
                }
                counted.push(ended.is_some());
            }
            Ok(counted)
        })
        .await
    }

    async fn rescue(&self, limit: usize) -> Result<usize> {
        self.write("rescue jobs", move |tx, now| {
            let mut taken = 0;
            for job in rows::expired(tx, now.at, limit)? {
                let fence = job.fence;
                taken += usize::from(now.apply(tx, job, Event::Expire(fence))?.is_some());
            }
            Ok(taken)
        })
        .await
    }

    async fn forget(&self, keep: Duration, limit: usize) -> Result<usize> {
        self.write("forget jobs", move |tx, now| rows::forget(tx, now.at.before(keep), limit)).await
    }
}
