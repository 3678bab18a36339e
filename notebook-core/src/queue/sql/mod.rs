//! The queue in the store's database: an SQLite file, or PostgreSQL for workers on many machines.
//!
//! Time is the database's own, so that workers whose clocks disagree agree on leases. Rows are locked before
//! they are decided on. Where a kind or a tenant has a limit, claims take turns, so that it holds over all
//! workers; else each passes over the jobs that another has its hands on.

mod rows;
mod statement;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use futures::future::BoxFuture;
use tokio::sync::Notify;

use super::{
    ClaimRequest, Claimed, Event, Fence, Finish, Heartbeat, Job, JobId, JobState, NewJob, Outcome,
    Pulse, Queue, QueuePolicy, Worklist,
    memory::not_dead,
    outbox::{self, Outbox, SourceChange},
    plan::plan,
    random, scope_of, step,
};
use crate::{
    Clock, Error, ErrorKind, Result, Retry, RunId, TenantId, TenantScope, Timestamp,
    model::{NewRun, Opened, RunOutcome, Source},
    pubsub::PubSub,
    run_log::rules::check_new,
    sql::{Database, Lock, Tx},
    store::sql::{SqlStore, work},
};

/// The most kinds of waiting jobs, counted in each tenant, that one claim chooses from. Which ones changes
/// with each claim.
const WAITING_KINDS: usize = 128;
/// How often an insert looks for the holder of a key that ends at the same time.
const LOOKS: usize = 10;
/// How often a claim looks again when others had their hands on what it chose: more often than there are
/// likely to be others at that moment.
const CHOICES: usize = 64;
/// Claims under limits take turns by it: any number that nobody else uses in the database.
const TURN: i64 = 0x6e6f_7465_5f71_7565;

/// What is published when there is a new job.
const TOPIC: &str = "jobs";

/// Whose time counts.
#[derive(Clone)]
pub enum QueueTime {
    /// The database's: a server's own, or that of the machine where the file is.
    Database,
    /// A clock's: for tests that move it.
    Clock(Arc<dyn Clock>),
}

/// A queue that lies beside a store's tables.
#[derive(Clone)]
pub struct SqlQueue {
    database: Database,
    /// Heartbeats get through whatever else waits for a connection.
    hearts: Database,
    pubsub: Arc<dyn PubSub>,
    time: QueueTime,
    policy: QueuePolicy,
}

/// What decisions depend on beside the rows.
#[derive(Clone, Copy)]
struct Now {
    at: Timestamp,
    policy: QueuePolicy,
}

impl SqlQueue {
    /// The queue of a store.
    #[must_use]
    pub fn new(store: &SqlStore, time: QueueTime, policy: QueuePolicy) -> Self {
        let database = store.database().clone();
        let pubsub = Arc::clone(store.pubsub());
        Self { hearts: database.reserved(), database, pubsub, time, policy }
    }

    /// Rings the bell of a runner when a job has been stored in any process, where the store can tell (PostgreSQL).
    /// It is a hint: a ring may be lost, and the runner looks by itself all the same. Ends when the store is closed.
    pub async fn listen(&self, bell: &Notify) {
        let mut rings = self.pubsub.subscribe(TOPIC);
        while rings.next().await.is_some() {
            bell.notify_one();
        }
    }

    /// Tells all processes that there is a new job: after the commit, and never a reason to fail.
    fn ring(&self) {
        if let Err(error) = self.pubsub.publish(TOPIC, "") {
            tracing::error!(%error, "new jobs are not told of; they are found by looking");
        }
    }

    /// A write that may store jobs: others are told.
    async fn write_jobs<I, T>(
        &self,
        operation: &'static str,
        input: I,
        work: impl for<'t> Fn(&'t mut Tx<'_>, &'t I, Now) -> BoxFuture<'t, Result<T>>
        + Send
        + Sync
        + 'static,
    ) -> Result<T>
    where
        I: Send + Sync + 'static,
        T: Send + 'static,
    {
        let done = self.write_to(&self.database, operation, input, work).await?;
        self.ring();
        Ok(done)
    }

    /// Ends a job together with what it made, if it may still end it.
    async fn finish_with<I: Send + Sync + 'static>(
        &self,
        operation: &'static str,
        scope: &TenantScope,
        end: Finish,
        made: I,
        store: impl for<'t> Fn(&'t mut Tx<'_>, TenantId, &'t I) -> BoxFuture<'t, Result<()>>
        + Send
        + Sync
        + 'static,
    ) -> Result<bool> {
        let follow = end.has_follow_ups();
        let input = (scope.tenant(), [end], made, store);
        let work = self.write(operation, input, |tx, (tenant, end, made, store), now| {
            Box::pin(async move {
                let counts = finish(tx, end, now).await?.first() == Some(&true);
                if counts {
                    store(tx, *tenant, made).await?;
                }
                Ok(counts)
            })
        });
        let counts = work.await?;
        if follow {
            self.ring();
        }
        Ok(counts)
    }

    async fn write<I, T>(
        &self,
        operation: &'static str,
        input: I,
        work: impl for<'t> Fn(&'t mut Tx<'_>, &'t I, Now) -> BoxFuture<'t, Result<T>>
        + Send
        + Sync
        + 'static,
    ) -> Result<T>
    where
        I: Send + Sync + 'static,
        T: Send + 'static,
    {
        self.write_to(&self.database, operation, input, work).await
    }

    /// Runs `work` in a transaction with the moment that counts in it, which may begin long after the call.
    async fn write_to<I, T, W>(
        &self,
        database: &Database,
        operation: &'static str,
        input: I,
        work: W,
    ) -> Result<T>
    where
        I: Send + Sync + 'static,
        T: Send + 'static,
        W: for<'t> Fn(&'t mut Tx<'_>, &'t I, Now) -> BoxFuture<'t, Result<T>>
            + Send
            + Sync
            + 'static,
    {
        let input = (input, work, self.time.clone(), self.policy);
        database
            .write(operation, input, |tx, (input, work, time, policy)| {
                Box::pin(async move {
                    let at = match time {
                        QueueTime::Clock(clock) => clock.now(),
                        QueueTime::Database => tx.now().await?,
                    };
                    work(tx, input, Now { at, policy: *policy }).await
                })
            })
            .await
    }
}

impl Now {
    /// What jobs, whose rows are locked, have become, where the event may happen; stored.
    async fn apply_all(
        self,
        tx: &mut Tx<'_>,
        events: Vec<(Job, Event)>,
    ) -> Result<Vec<Option<Job>>> {
        let apply = |(job, event): (Job, Event)| {
            let fence = job.fence;
            step(job, event, self.at, &self.policy).ok().map(|next| (next, fence))
        };
        let next: Vec<Option<(Job, Fence)>> = events.into_iter().map(apply).collect();
        let changed: Vec<_> = next.iter().flatten().collect();
        rows::update_all(tx, &changed).await?;
        Ok(next.into_iter().map(|next| next.map(|(job, _)| job)).collect())
    }

    /// The same for one job.
    async fn apply(self, tx: &mut Tx<'_>, job: Job, event: Event) -> Result<Option<Job>> {
        Ok(self.apply_all(tx, vec![(job, event)]).await?.pop().flatten())
    }
}

/// Stores jobs of a tenant, or finds the holders of their keys.
async fn insert_all(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    jobs: &[NewJob],
    now: Now,
) -> Result<Vec<JobId>> {
    let plain = |new: &NewJob| new.unique_key.is_none();
    let distinct = jobs.iter().map(|new| new.id).collect::<BTreeSet<_>>().len() == jobs.len();
    if jobs.len() > 1 && distinct && jobs.iter().all(plain) {
        let made: Vec<Job> = jobs.iter().map(|new| new.clone().into_job(tenant, now.at)).collect();
        let stored = rows::insert_all(tx, &made).await?;
        if stored == made.len() {
            return Ok(made.iter().map(|job| job.id).collect());
        }
        // Some were there already: each is looked at, and those just stored are found.
    }
    let mut ids = Vec::with_capacity(jobs.len());
    for new in jobs {
        ids.push(insert(tx, tenant, new.clone(), now).await?);
    }
    Ok(ids)
}

async fn insert(tx: &mut Tx<'_>, tenant: TenantId, new: NewJob, now: Now) -> Result<JobId> {
    let (id, key) = (new.id, new.unique_key.clone());
    let job = new.into_job(tenant, now.at);
    for _ in 0..LOOKS {
        if rows::insert_all(tx, std::slice::from_ref(&job)).await? == 1 {
            return Ok(id);
        }
        if let Some(key) = &key
            && let Some(holder) = rows::key_holder(tx, tenant, key).await?
        {
            return Ok(holder);
        }
        if let Some(job) = rows::by_id(tx, id, Lock::Keep).await? {
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

async fn own(tx: &mut Tx<'_>, tenant: TenantId, id: JobId, lock: Lock) -> Result<Job> {
    let job = rows::by_id(tx, id, lock).await?.filter(|job| job.tenant == tenant);
    job.ok_or_else(|| Error::not_found(tx.operation, "job"))
}

async fn read(tx: &mut Tx<'_>, tenant: TenantId, id: JobId) -> Result<Job> {
    let job = rows::find(tx, id).await?.filter(|job| job.tenant == tenant);
    job.ok_or_else(|| Error::not_found(tx.operation, "job"))
}

async fn holder(tx: &mut Tx<'_>, tenant: TenantId, key: &str) -> Result<Option<Job>> {
    match rows::key_holder(tx, tenant, key).await? {
        Some(id) => rows::find(tx, id).await,
        None => Ok(None),
    }
}

async fn cancel(tx: &mut Tx<'_>, tenant: TenantId, id: JobId, now: Now) -> Result<Job> {
    let job = own(tx, tenant, id, Lock::Change).await?;
    Ok(now.apply(tx, job.clone(), Event::Cancel).await?.unwrap_or(job))
}

async fn revive(tx: &mut Tx<'_>, tenant: TenantId, id: JobId, now: Now) -> Result<Job> {
    let job = own(tx, tenant, id, Lock::Change).await?;
    if let Some(key) = &job.unique_key
        && rows::key_holder(tx, tenant, key).await?.is_some()
    {
        return Err(not_dead());
    }
    now.apply(tx, job, Event::Revive).await?.ok_or_else(not_dead)
}

#[async_trait]
impl Queue for SqlQueue {
    async fn insert(&self, scope: &TenantScope, jobs: Vec<NewJob>) -> Result<Vec<JobId>> {
        jobs.iter().try_for_each(NewJob::check)?;
        self.write_jobs("insert job", (scope.tenant(), jobs), |tx, (tenant, jobs), now| {
            Box::pin(insert_all(tx, *tenant, jobs, now))
        })
        .await
    }

    async fn job(&self, scope: &TenantScope, id: JobId) -> Result<Job> {
        let input = (scope.tenant(), id);
        self.database
            .read("read job", input, |tx, (tenant, id)| Box::pin(read(tx, *tenant, *id)))
            .await
    }

    async fn holder(&self, scope: &TenantScope, unique_key: &str) -> Result<Option<Job>> {
        let input = (scope.tenant(), unique_key.to_owned());
        self.database
            .read("find job", input, |tx, (tenant, key)| Box::pin(holder(tx, *tenant, key)))
            .await
    }

    async fn dead(&self, scope: &TenantScope, limit: usize) -> Result<Vec<Job>> {
        let input = (scope.tenant(), limit);
        self.database
            .read("list dead jobs", input, |tx, (tenant, limit)| {
                Box::pin(rows::dead(tx, *tenant, *limit))
            })
            .await
    }

    async fn cancel(&self, scope: &TenantScope, id: JobId) -> Result<Job> {
        self.write("cancel job", (scope.tenant(), id), |tx, (tenant, id), now| {
            Box::pin(cancel(tx, *tenant, *id, now))
        })
        .await
    }

    async fn revive(&self, scope: &TenantScope, id: JobId) -> Result<Job> {
        self.write_jobs("revive job", (scope.tenant(), id), |tx, (tenant, id), now| {
            Box::pin(revive(tx, *tenant, *id, now))
        })
        .await
    }
}

#[async_trait]
impl Worklist for SqlQueue {
    async fn claim(&self, request: &ClaimRequest) -> Result<Vec<Claimed>> {
        self.write("claim jobs", request.clone(), |tx, request, now| {
            Box::pin(claim(tx, request, now))
        })
        .await
    }

    async fn heartbeat(&self, beats: Vec<Heartbeat>) -> Result<Vec<Pulse>> {
        self.write_to(&self.hearts, "prolong leases", beats, |tx, beats, now| {
            Box::pin(heartbeat(tx, beats, now))
        })
        .await
    }

    async fn finish(&self, ends: Vec<Finish>) -> Result<Vec<bool>> {
        ends.iter().try_for_each(Finish::check)?;
        let follow = ends.iter().any(Finish::has_follow_ups);
        let work = self.write("finish jobs", ends, |tx, ends, now| Box::pin(finish(tx, ends, now)));
        let counted = work.await?;
        if follow {
            self.ring();
        }
        Ok(counted)
    }

    async fn rescue(&self, limit: usize) -> Result<usize> {
        self.write("rescue jobs", limit, |tx, limit, now| Box::pin(rescue(tx, *limit, now))).await
    }

    async fn take_back(&self, limit: usize) -> Result<usize> {
        self.write("take jobs back", limit, |tx, limit, now| Box::pin(take_back(tx, *limit, now)))
            .await
    }

    async fn forget(&self, keep: Duration, limit: usize) -> Result<usize> {
        self.write("forget jobs", (keep, limit), |tx, (keep, limit), now| {
            Box::pin(rows::forget(tx, now.at.before(*keep), *limit))
        })
        .await
    }
}

#[async_trait]
impl Outbox for SqlQueue {
    async fn create_source(
        &self,
        scope: &TenantScope,
        source: Source,
        jobs: Vec<NewJob>,
    ) -> Result<()> {
        jobs.iter().try_for_each(NewJob::check)?;
        let input = (scope.tenant(), source, jobs);
        self.write_jobs("create source", input, |tx, (tenant, source, jobs), now| {
            Box::pin(async move {
                work::create_source(tx, *tenant, source).await?;
                insert_all(tx, *tenant, jobs, now).await.map(drop)
            })
        })
        .await
    }

    async fn update_source(
        &self,
        scope: &TenantScope,
        source: Source,
        jobs: Vec<NewJob>,
    ) -> Result<()> {
        jobs.iter().try_for_each(NewJob::check)?;
        let input = (scope.tenant(), source, jobs);
        self.write_jobs("update source", input, |tx, (tenant, source, jobs), now| {
            Box::pin(async move {
                work::update_source(tx, *tenant, source).await?;
                insert_all(tx, *tenant, jobs, now).await.map(drop)
            })
        })
        .await
    }

    async fn finish_source(
        &self,
        scope: &TenantScope,
        end: Finish,
        made: SourceChange,
    ) -> Result<bool> {
        outbox::check(&end, &made)?;
        self.finish_with("store stage", scope, end, made, |tx, tenant, made| {
            Box::pin(work::change_source(tx, tenant, made))
        })
        .await
    }

    async fn close_run(
        &self,
        scope: &TenantScope,
        end: Finish,
        id: RunId,
        outcome: RunOutcome,
    ) -> Result<bool> {
        end.check()?;
        self.finish_with("close run", scope, end, (id, outcome), |tx, tenant, (id, outcome)| {
            Box::pin(async move { work::close_run(tx, tenant, *id, outcome).await.map(drop) })
        })
        .await
    }

    async fn open_run(
        &self,
        scope: &TenantScope,
        run: NewRun,
        jobs: Vec<NewJob>,
    ) -> Result<Opened> {
        check_new("open run", &run)?;
        jobs.iter().try_for_each(NewJob::check)?;
        let input = (scope.tenant(), run, jobs);
        self.write_jobs("open run", input, |tx, (tenant, run, jobs), now| {
            Box::pin(async move {
                let opened = work::open_run(tx, *tenant, run).await?;
                if matches!(opened, Opened::Created(_)) {
                    insert_all(tx, *tenant, jobs, now).await?;
                }
                Ok(opened)
            })
        })
        .await
    }
}

async fn claim(tx: &mut Tx<'_>, request: &ClaimRequest, now: Now) -> Result<Vec<Claimed>> {
    let limited = request.kinds.values().any(|rule| rule.limit.is_some());
    if limited || request.per_tenant.is_some() {
        tx.take_turn(TURN).await?;
    }
    rows::make_due(tx, now.at).await?;
    let mut claimed = Vec::new();
    let mut passed = BTreeSet::new();
    for _ in 0..CHOICES {
        let request = ClaimRequest { max: request.max - claimed.len(), ..request.clone() };
        let chosen = choose(tx, &request, &passed).await?;
        let jobs = rows::by_ids(tx, &chosen, Lock::Skip).await?;
        let events = chosen.iter().filter_map(|id| {
            // Between the choice and the lock another may have taken it.
            let job = jobs.get(id).filter(|job| job.state == JobState::Available)?;
            Some((job.clone(), Event::Claim(request.worker)))
        });
        let taken = now.apply_all(tx, events.collect()).await?;
        let taken: Vec<Job> = taken.into_iter().flatten().collect();
        let got_all = taken.len() == chosen.len();
        claimed.extend(taken.into_iter().map(|job| Claimed { scope: scope_of(&job), job }));
        if got_all {
            break;
        }
        passed.extend(chosen);
    }
    Ok(claimed)
}

/// The jobs to claim, but for those that were tried already.
async fn choose(
    tx: &mut Tx<'_>,
    request: &ClaimRequest,
    passed: &BTreeSet<JobId>,
) -> Result<Vec<JobId>> {
    let mut tenants = rows::waiting(tx, request, random(), WAITING_KINDS, passed.len()).await?;
    for tenant in tenants.values_mut() {
        tenant.waiting.retain(|job| !passed.contains(&job.id));
    }
    tenants.retain(|_, tenant| !tenant.waiting.is_empty());
    let mut running = BTreeMap::new();
    for (kind, rule) in &request.kinds {
        if rule.limit.is_some() && !tenants.is_empty() {
            running.insert(kind.clone(), rows::running_of_kind(tx, kind).await?);
        }
    }
    Ok(plan(request, tenants, running))
}

async fn heartbeat(tx: &mut Tx<'_>, beats: &[Heartbeat], now: Now) -> Result<Vec<Pulse>> {
    let ids: Vec<JobId> = beats.iter().map(|beat| beat.id).collect();
    let mut jobs = rows::by_ids(tx, &ids, Lock::Change).await?;
    let mut pulses = vec![Pulse::Lost; beats.len()];
    let (mut places, mut events) = (Vec::new(), Vec::new());
    for (place, beat) in beats.iter().enumerate() {
        // Of two beats for one job, at most one has its fence.
        if let Some(job) = jobs.get(&beat.id).filter(|job| job.fence == beat.fence).cloned() {
            jobs.remove(&beat.id);
            places.push(place);
            events.push((job, Event::Heartbeat { fence: beat.fence, progress: beat.progress }));
        }
    }
    let kept = now.apply_all(tx, events).await?;
    for (place, job) in places.into_iter().zip(kept) {
        if let (Some(pulse), Some(job)) = (pulses.get_mut(place), job) {
            *pulse = Pulse::of(Some(Ok(job)));
        }
    }
    Ok(pulses)
}

async fn finish(tx: &mut Tx<'_>, ends: &[Finish], now: Now) -> Result<Vec<bool>> {
    let ids: Vec<JobId> = ends.iter().map(|end| end.id).collect();
    let mut jobs = rows::by_ids(tx, &ids, Lock::Change).await?;
    let mut counted = vec![false; ends.len()];
    let (mut places, mut events) = (Vec::new(), Vec::new());
    for (place, end) in ends.iter().enumerate() {
        // Of two ends of one run the first counts.
        if let Some(job) = jobs.get(&end.id).filter(|job| job.fence == end.fence).cloned() {
            jobs.remove(&end.id);
            let outcome = end.outcome.clone();
            places.push(place);
            events.push((job, Event::Finish { fence: end.fence, outcome, random: random() }));
        }
    }
    let ended = now.apply_all(tx, events).await?;
    for (place, job) in places.into_iter().zip(ended) {
        let (Some(counts), Some(end), Some(job)) = (counted.get_mut(place), ends.get(place), job)
        else {
            continue;
        };
        *counts = true;
        if let Outcome::Completed { follow_ups, .. } = &end.outcome {
            insert_all(tx, job.tenant, follow_ups, now).await?;
        }
    }
    Ok(counted)
}

async fn rescue(tx: &mut Tx<'_>, limit: usize, now: Now) -> Result<usize> {
    let expired = rows::expired(tx, now.at, limit).await?;
    take(tx, expired, Event::Expire, now).await
}

async fn take_back(tx: &mut Tx<'_>, limit: usize, now: Now) -> Result<usize> {
    // Every lease has run out at the end of time.
    let running = rows::expired(tx, Timestamp::from_millis(i64::MAX), limit).await?;
    take(tx, running, Event::Lose, now).await
}

async fn take(
    tx: &mut Tx<'_>,
    jobs: Vec<Job>,
    event: impl Fn(Fence) -> Event + Send,
    now: Now,
) -> Result<usize> {
    let events = jobs.into_iter().map(|job| {
        let event = event(job.fence);
        (job, event)
    });
    let taken = now.apply_all(tx, events.collect()).await?;
    Ok(taken.into_iter().flatten().count())
}
