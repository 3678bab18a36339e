//! The queue in the store's database: an SQLite file, or PostgreSQL for workers on many machines.
//!
//! Time is the database's own, so that workers whose clocks disagree agree on leases. Rows are locked before
//! they are decided on. Where a kind or a tenant has a limit, claims take turns, so that it holds over all
//! workers; else each passes over the jobs that another has its hands on.

mod jobs;
mod rows;
mod statement;
#[cfg(all(test, feature = "postgres", feature = "conformance"))]
mod tests;
mod together;
mod worklist;

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use tokio::sync::Notify;

pub use self::jobs::QueueTime;
use self::{
    jobs::{Jobs, Now},
    together::Together,
    worklist::Counted,
};
use super::{
    Event, Finish, Job, JobId, NewJob, Queue, QueuePolicy,
    memory::{foreign_id, not_dead},
    outbox::{self, Outbox, SourceChange},
};
use crate::{
    Error, NotebookId, Result, RunId, SourceId, TenantId, TenantScope,
    model::{NewRun, Opened, RunOutcome, Source},
    pubsub::PubSub,
    run_log::rules::check_new,
    sql::{Lock, Tx, WorkAt},
    store::sql::{SqlStore, work},
    webhook::rules::Attempted,
};

/// How often an insert looks for the holder of a key that ends at the same time.
const LOOKS: usize = 10;
const INSERT: &str = "insert job";
const FINISH: &str = "finish job";

/// What is published when there is a new job.
const TOPIC: &str = "jobs";

/// A queue that lies beside a store's tables.
#[derive(Clone)]
pub struct SqlQueue {
    jobs: Jobs,
    pubsub: Arc<dyn PubSub>,
    /// Single jobs to be stored: whether their ids and keys were free.
    inserts: Together<(TenantId, NewJob), bool>,
    /// Results of runs: whether they counted.
    ends: Together<Finish, bool>,
    /// Other ends of runs from which nothing follows.
    rest: Together<Finish, bool>,
}

impl SqlQueue {
    /// The queue of a store.
    #[must_use]
    pub fn new(store: &SqlStore, time: QueueTime, policy: QueuePolicy) -> Self {
        let database = store.database().clone();
        let pubsub = Arc::clone(store.pubsub());
        let (hearts, turn) = (database.reserved(), Arc::default());
        let jobs = Jobs { database, hearts, time, policy, turn };
        let (storing, ending, resting) = (jobs.clone(), jobs.clone(), jobs.clone());
        let inserts = Together::new(INSERT, move |new| {
            let jobs = storing.clone();
            Box::pin(async move { jobs.insert(new).await })
        });
        let ends = Together::new(FINISH, move |ends| {
            let jobs = ending.clone();
            Box::pin(async move { jobs.complete(ends).await })
        });
        let rest = Together::new(FINISH, move |ends| {
            let jobs = resting.clone();
            Box::pin(async move { jobs.finish(ends).await })
        });
        Self { jobs, pubsub, inserts, ends, rest }
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
    async fn write_jobs<I: Send + Sync + 'static, T: Send + 'static>(
        &self,
        scope: &TenantScope,
        operation: &'static str,
        input: I,
        work: impl WorkAt<Now, I, T>,
    ) -> Result<T> {
        let done = self.jobs.write(scope, operation, input, work).await?;
        self.ring();
        Ok(done)
    }

    /// Stores something together with the jobs that follow from it.
    async fn store_with<I: Send + Sync + 'static>(
        &self,
        operation: &'static str,
        scope: &TenantScope,
        made: I,
        jobs: Vec<NewJob>,
        store: impl WorkAt<TenantId, I, ()>,
    ) -> Result<()> {
        jobs.iter().try_for_each(NewJob::check)?;
        let input = (scope.tenant(), made, jobs, store);
        self.write_jobs(scope, operation, input, |tx, (tenant, made, jobs, store), now| {
            Box::pin(async move {
                store(tx, made, *tenant).await?;
                insert_all(tx, *tenant, jobs, now).await.map(drop)
            })
        })
        .await
    }

    /// Ends a job together with what it made, if it may still end it. Done before, nothing of it is stored again.
    async fn finish_with<I: Send + Sync + 'static>(
        &self,
        operation: &'static str,
        scope: &TenantScope,
        end: Finish,
        made: I,
        store: impl WorkAt<TenantId, I, ()>,
    ) -> Result<bool> {
        let input = (scope.tenant(), [end], made, store);
        let work =
            self.jobs.write(scope, operation, input, |tx, (tenant, end, made, store), now| {
                Box::pin(async move {
                    let counted =
                        worklist::finish(tx, end, now).await?.pop().unwrap_or(Counted::Not);
                    if counted == Counted::Now {
                        store(tx, made, *tenant).await?;
                    }
                    Ok(counted.counts())
                })
            });
        let counts = work.await?;
        if counts {
            // What follows from it, and who is told of it, may be jobs.
            self.ring();
        }
        Ok(counts)
    }
}

/// Stores jobs whose ids and keys are free; these.
async fn insert_new(
    tx: &mut Tx<'_>,
    jobs: impl Iterator<Item = (TenantId, &NewJob)> + Send,
    now: Now,
) -> Result<BTreeSet<JobId>> {
    let made: Vec<Job> = jobs.map(|(tenant, new)| new.clone().into_job(tenant, now.at)).collect();
    rows::insert_all(tx, &made).await
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
    if jobs.len() > 1
        && distinct
        && jobs.iter().all(plain)
        && insert_new(tx, jobs.iter().map(|new| (tenant, new)), now).await?.len() == jobs.len()
    {
        return Ok(jobs.iter().map(|job| job.id).collect());
    }
    // Some were there already: each is looked at, and those just stored are found.
    let mut ids = Vec::with_capacity(jobs.len());
    for new in jobs {
        ids.push(insert(tx, tenant, new.clone(), now).await?);
    }
    Ok(ids)
}

/// Stores a job that follows from what else is stored.
pub(crate) async fn store_job(tx: &mut Tx<'_>, tenant: TenantId, new: NewJob) -> Result<()> {
    let now = Now { at: tx.now().await?, policy: QueuePolicy::default() };
    insert(tx, tenant, new, now).await.map(drop)
}

async fn insert(tx: &mut Tx<'_>, tenant: TenantId, new: NewJob, now: Now) -> Result<JobId> {
    let (id, key) = (new.id, new.unique_key.clone());
    let job = new.into_job(tenant, now.at);
    // Without a key nothing but the id can be taken.
    let looks = if key.is_some() { LOOKS } else { 2 };
    for _ in 0..looks {
        if rows::insert_all(tx, std::slice::from_ref(&job)).await?.contains(&id) {
            return Ok(id);
        }
        if let Some(key) = &key
            && let Some(holder) = rows::key_holder(tx, tenant, key).await?
        {
            return Ok(holder);
        }
        if let Some(job) = rows::by_id(tx, id, Lock::Keep).await? {
            let own = job.tenant == tenant;
            return if own { Ok(id) } else { Err(foreign_id(tx.operation)) };
        }
        // The holder ended between the two looks: the key is free now. Or another tenant has the id, and PostgreSQL does
        // not show it.
    }
    Err(foreign_id(tx.operation))
}

async fn own(tx: &mut Tx<'_>, tenant: TenantId, id: JobId, lock: Lock) -> Result<Job> {
    let job = rows::own(tx, tenant, id, lock).await?;
    job.ok_or_else(|| Error::not_found(tx.operation, "job"))
}

async fn read(tx: &mut Tx<'_>, tenant: TenantId, id: JobId) -> Result<Job> {
    let job = rows::find_own(tx, tenant, id).await?;
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
        if let [only] = jobs.as_slice()
            && self.inserts.call((scope.tenant(), only.clone())).await?
        {
            self.ring();
            return Ok(vec![only.id]);
        }
        self.write_jobs(scope, INSERT, (scope.tenant(), jobs), |tx, (tenant, jobs), now| {
            Box::pin(insert_all(tx, *tenant, jobs, now))
        })
        .await
    }

    async fn job(&self, scope: &TenantScope, id: JobId) -> Result<Job> {
        let input = (scope.tenant(), id);
        self.jobs
            .database
            .read(scope, "read job", input, |tx, (tenant, id)| Box::pin(read(tx, *tenant, *id)))
            .await
    }

    async fn holder(&self, scope: &TenantScope, unique_key: &str) -> Result<Option<Job>> {
        let input = (scope.tenant(), unique_key.to_owned());
        self.jobs
            .database
            .read(scope, "find job", input, |tx, (tenant, key)| Box::pin(holder(tx, *tenant, key)))
            .await
    }

    async fn dead(&self, scope: &TenantScope, limit: usize) -> Result<Vec<Job>> {
        let input = (scope.tenant(), limit);
        self.jobs
            .database
            .read(scope, "list dead jobs", input, |tx, (tenant, limit)| {
                Box::pin(rows::dead(tx, *tenant, *limit))
            })
            .await
    }

    async fn cancel(&self, scope: &TenantScope, id: JobId) -> Result<Job> {
        self.jobs
            .write(scope, "cancel job", (scope.tenant(), id), |tx, (tenant, id), now| {
                Box::pin(cancel(tx, *tenant, *id, now))
            })
            .await
    }

    async fn revive(&self, scope: &TenantScope, id: JobId) -> Result<Job> {
        self.write_jobs(scope, "revive job", (scope.tenant(), id), |tx, (tenant, id), now| {
            Box::pin(revive(tx, *tenant, *id, now))
        })
        .await
    }

    async fn clear(&self, scope: &TenantScope) -> Result<usize> {
        self.jobs
            .database
            .write(scope, "clear jobs", scope.tenant(), |tx, tenant| {
                Box::pin(rows::clear(tx, *tenant))
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
        self.store_with("create source", scope, source, jobs, |tx, source, tenant| {
            Box::pin(work::create_source(tx, tenant, source))
        })
        .await
    }

    async fn update_source(
        &self,
        scope: &TenantScope,
        source: Source,
        jobs: Vec<NewJob>,
    ) -> Result<()> {
        self.store_with("update source", scope, source, jobs, |tx, source, tenant| {
            Box::pin(work::update_source(tx, tenant, source))
        })
        .await
    }

    async fn hide_notebook(
        &self,
        scope: &TenantScope,
        id: NotebookId,
        jobs: Vec<NewJob>,
    ) -> Result<()> {
        self.store_with("hide notebook", scope, id, jobs, |tx, id, tenant| {
            Box::pin(work::hide_notebook(tx, tenant, *id))
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
        self.finish_with("store stage", scope, end, made, |tx, made, tenant| {
            Box::pin(work::change_source(tx, tenant, made))
        })
        .await
    }

    async fn finish_removal(&self, scope: &TenantScope, end: Finish, id: SourceId) -> Result<bool> {
        end.check()?;
        self.finish_with("remove source", scope, end, id, |tx, id, tenant| {
            Box::pin(work::remove_source(tx, tenant, *id))
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
        self.finish_with("close run", scope, end, (id, outcome), |tx, (id, outcome), tenant| {
            Box::pin(async move { work::close_run(tx, tenant, *id, outcome).await.map(drop) })
        })
        .await
    }

    async fn finish_delivery(
        &self,
        scope: &TenantScope,
        end: Finish,
        made: Attempted,
    ) -> Result<bool> {
        end.check()?;
        self.finish_with("store attempt", scope, end, made, |tx, made, tenant| {
            Box::pin(work::attempted(tx, tenant, made))
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
        self.write_jobs(scope, "open run", input, |tx, (tenant, run, jobs), now| {
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
