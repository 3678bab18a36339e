//! The queue in PostgreSQL, for workers on many machines.
//!
//! Time is the database's own, so that workers whose clocks disagree agree on leases. Rows are locked before
//! they are decided on; claims take turns, so that limits hold over all workers.

mod rows;
mod schema;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::future::BoxFuture;

use super::{
    ClaimRequest, Claimed, Event, Finish, Heartbeat, Job, JobId, NewJob, Outcome, Pulse, Queue,
    QueuePolicy, Worklist, memory::not_dead, plan::plan, random, scope_of, step,
};
use crate::{
    Clock, Error, ErrorKind, Result, Retry, TenantId, TenantScope, Timestamp,
    postgres::{Client, PostgresConfig, Tx},
};

/// The most kinds of waiting jobs, counted in each tenant, that one claim chooses from. Which ones changes
/// with each claim.
const WAITING_KINDS: usize = 128;
/// How often an insert looks for the holder of a key that ends at the same time.
const LOOKS: usize = 10;

/// Whose time counts.
#[derive(Clone)]
pub enum QueueTime {
    /// The database's.
    Database,
    /// A clock's: for tests that move it.
    Clock(Arc<dyn Clock>),
}

/// A queue in PostgreSQL.
#[derive(Clone)]
pub struct PostgresQueue {
    client: Client,
    time: QueueTime,
    policy: QueuePolicy,
}

impl PostgresQueue {
    /// Connects, makes the schema and its tables if missing, and brings them up to date.
    ///
    /// # Errors
    /// `InvalidInput` when the URL or the schema's name is none; `Unauthorized`; `Unavailable`; `Unsupported` when
    /// the tables were written by a newer version, `Conflict` by another build.
    pub async fn open(
        config: &PostgresConfig,
        time: QueueTime,
        policy: QueuePolicy,
    ) -> Result<Self> {
        let client = Client::open(config, schema::MIGRATIONS).await?;
        Ok(Self { client, time, policy })
    }

    /// Closes the connections once they are idle. Later calls fail.
    pub async fn close(&self) {
        self.client.close().await;
    }

    /// Runs `work` in a transaction with the moment that counts in it.
    async fn write<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl for<'t> Fn(&'t mut Tx, Now) -> BoxFuture<'t, Result<T>> + Send + Sync + 'static,
    ) -> Result<T> {
        let (time, policy) = (self.time.clone(), self.policy);
        let work = Arc::new(work);
        self.client
            .write(operation, move |tx| {
                let (time, work) = (time.clone(), Arc::clone(&work));
                Box::pin(async move {
                    let at = match time {
                        QueueTime::Clock(clock) => clock.now(),
                        QueueTime::Database => rows::now(tx).await?,
                    };
                    work(tx, Now { at, policy }).await
                })
            })
            .await
    }
}

/// What decisions depend on beside the rows.
#[derive(Clone, Copy)]
struct Now {
    at: Timestamp,
    policy: QueuePolicy,
}

impl Now {
    /// What a job, whose row is locked, has become, if the event may happen; stored.
    async fn apply(&self, tx: &mut Tx, job: Job, event: Event) -> Result<Option<Job>> {
        let fence = job.fence;
        let Ok(next) = step(job, event, self.at, &self.policy) else { return Ok(None) };
        Ok(rows::update(tx, &next, fence).await?.then_some(next))
    }
}

async fn insert(tx: &mut Tx, tenant: TenantId, new: NewJob, now: Now) -> Result<JobId> {
    let (id, key) = (new.id, new.unique_key.clone());
    let job = new.into_job(tenant, now.at);
    for _ in 0..LOOKS {
        if rows::insert(tx, &job).await? {
            return Ok(id);
        }
        if let Some(key) = &key
            && let Some(holder) = rows::key_holder(tx, tenant, key).await?
        {
            return Ok(holder);
        }
        if let Some(job) = rows::by_id(tx, id).await? {
            // Made by a client: another tenant's id must not be told from a free one.
            let own = job.tenant == tenant;
            return if own {
                Ok(id)
            } else {
                Err(Error::invalid(tx.operation, "id", "make a new one"))
            };
        }
        // The holder ended between the two looks: the key is free now.
    }
    Err(Error::new(ErrorKind::Unavailable, tx.operation).retry(Retry::Backoff))
}

async fn own(tx: &mut Tx, tenant: TenantId, id: JobId) -> Result<Job> {
    let job = rows::by_id(tx, id).await?.filter(|job| job.tenant == tenant);
    job.ok_or_else(|| Error::not_found(tx.operation, "job"))
}

#[async_trait]
impl Queue for PostgresQueue {
    async fn insert(&self, scope: &TenantScope, jobs: Vec<NewJob>) -> Result<Vec<JobId>> {
        jobs.iter().try_for_each(NewJob::check)?;
        let (tenant, jobs) = (scope.tenant(), Arc::new(jobs));
        self.write("insert job", move |tx, now| {
            let jobs = Arc::clone(&jobs);
            Box::pin(async move {
                let mut ids = Vec::with_capacity(jobs.len());
                for new in jobs.iter() {
                    ids.push(insert(tx, tenant, new.clone(), now).await?);
                }
                Ok(ids)
            })
        })
        .await
    }

    async fn job(&self, scope: &TenantScope, id: JobId) -> Result<Job> {
        let tenant = scope.tenant();
        self.write("read job", move |tx, _| Box::pin(own(tx, tenant, id))).await
    }

    async fn cancel(&self, scope: &TenantScope, id: JobId) -> Result<Job> {
        let tenant = scope.tenant();
        self.write("cancel job", move |tx, now| {
            Box::pin(async move {
                let job = own(tx, tenant, id).await?;
                Ok(now.apply(tx, job.clone(), Event::Cancel).await?.unwrap_or(job))
            })
        })
        .await
    }

    async fn revive(&self, scope: &TenantScope, id: JobId) -> Result<Job> {
        let tenant = scope.tenant();
        let revived = self.write("revive job", move |tx, now| {
            Box::pin(async move {
                let job = own(tx, tenant, id).await?;
                if let Some(key) = &job.unique_key
                    && rows::key_holder(tx, tenant, key).await?.is_some()
                {
                    return Err(not_dead());
                }
                now.apply(tx, job, Event::Revive).await?.ok_or_else(not_dead)
            })
        });
        // Somebody else may have taken the key after the look.
        revived.await.map_err(|error| if rows::is_taken(&error) { not_dead() } else { error })
    }
}

#[async_trait]
impl Worklist for PostgresQueue {
    async fn claim(&self, request: &ClaimRequest) -> Result<Vec<Claimed>> {
        let request = Arc::new(request.clone());
        self.write("claim jobs", move |tx, now| {
            let request = Arc::clone(&request);
            Box::pin(async move {
                rows::take_turn(tx).await?;
                rows::make_due(tx, now.at).await?;
                let tenants = rows::waiting(tx, &request, random(), WAITING_KINDS).await?;
                let mut running = BTreeMap::new();
                for (kind, rule) in &request.kinds {
                    if rule.limit.is_some() && !tenants.is_empty() {
                        running.insert(kind.clone(), rows::running_of_kind(tx, kind).await?);
                    }
                }
                let mut claimed = Vec::new();
                for id in plan(&request, tenants, running) {
                    let Some(job) = rows::by_id(tx, id).await? else { continue };
                    if let Some(job) = now.apply(tx, job, Event::Claim(request.worker)).await? {
                        claimed.push(Claimed { scope: scope_of(&job), job });
                    }
                }
                Ok(claimed)
            })
        })
        .await
    }

    async fn heartbeat(&self, beats: Vec<Heartbeat>) -> Result<Vec<Pulse>> {
        let beats = Arc::new(beats);
        self.write("prolong leases", move |tx, now| {
            let beats = Arc::clone(&beats);
            Box::pin(async move {
                let mut pulses = Vec::with_capacity(beats.len());
                for Heartbeat { id, fence, progress } in beats.iter().copied() {
                    let event = Event::Heartbeat { fence, progress };
                    let kept = match rows::by_id(tx, id).await? {
                        Some(job) => now.apply(tx, job, event).await?,
                        None => None,
                    };
                    pulses.push(kept.map_or(Pulse::Lost, |job| Pulse::of(Some(Ok(job)))));
                }
                Ok(pulses)
            })
        })
        .await
    }

    async fn finish(&self, ends: Vec<Finish>) -> Result<Vec<bool>> {
        ends.iter().try_for_each(Finish::check)?;
        let ends = Arc::new(ends);
        self.write("finish jobs", move |tx, now| {
            let ends = Arc::clone(&ends);
            Box::pin(async move {
                let mut counted = Vec::with_capacity(ends.len());
                for Finish { id, fence, outcome } in ends.iter() {
                    let event =
                        Event::Finish { fence: *fence, outcome: outcome.clone(), random: random() };
                    let ended = match rows::by_id(tx, *id).await? {
                        Some(job) => now.apply(tx, job, event).await?,
                        None => None,
                    };
                    if let (Some(job), Outcome::Completed { follow_ups, .. }) = (&ended, outcome) {
                        for new in follow_ups {
                            insert(tx, job.tenant, new.clone(), now).await?;
                        }
                    }
                    counted.push(ended.is_some());
                }
                Ok(counted)
            })
        })
        .await
    }

    async fn rescue(&self, limit: usize) -> Result<usize> {
        self.write("rescue jobs", move |tx, now| {
            Box::pin(async move {
                let mut taken = 0;
                for job in rows::expired(tx, now.at, limit).await? {
                    let fence = job.fence;
                    let next = now.apply(tx, job, Event::Expire(fence)).await?;
                    taken += usize::from(next.is_some());
                }
                Ok(taken)
            })
        })
        .await
    }

    async fn forget(&self, keep: Duration, limit: usize) -> Result<usize> {
        self.write("forget jobs", move |tx, now| {
            Box::pin(rows::forget(tx, now.at.before(keep), limit))
        })
        .await
    }
}
