//! Jobs as rows.

use std::collections::{BTreeMap, BTreeSet};

use super::statement::{self, priority, rank};
use crate::{
    Error, ErrorKind, Result, TenantId, Timestamp,
    model::Progress,
    queue::{
        ClaimRequest, Fence, Job, JobId, WorkerId,
        plan::{Candidate, Tenant},
    },
    sql::{
        Lock, Row, Tx, Value,
        codec::{json, name, number, optional_json},
        limit, values,
    },
};

/// The job as it is.
pub(super) async fn find(tx: &mut Tx<'_>, id: JobId) -> Result<Option<Job>> {
    tx.one(statement::BY_ID, values![id.as_bytes()], read).await
}

/// The job; its row is locked until the transaction ends.
pub(super) async fn by_id(tx: &mut Tx<'_>, id: JobId, lock: Lock) -> Result<Option<Job>> {
    tx.one_locked(lock, statement::BY_ID, values![id.as_bytes()], read).await
}

/// The jobs; their rows are locked until the transaction ends.
pub(super) async fn by_ids(
    tx: &mut Tx<'_>,
    ids: &[JobId],
    lock: Lock,
) -> Result<BTreeMap<JobId, Job>> {
    let keys: Vec<[u8; 16]> = ids.iter().map(|id| *id.as_bytes()).collect();
    if keys.is_empty() {
        return Ok(BTreeMap::new());
    }
    let found = tx.each_locked(lock, (statement::BY_ID, statement::BY_IDS), &keys, read).await?;
    Ok(found.into_iter().map(|job| (job.id, job)).collect())
}

/// What is not a plain field of a job in its row.
struct Encoded {
    payload: String,
    state: String,
    fence: i64,
    done: i64,
    total: i64,
    result: Option<String>,
    error: Option<String>,
}

impl Encoded {
    fn of(operation: &'static str, job: &Job) -> Result<Self> {
        Ok(Self {
            payload: json(operation, &job.payload)?,
            state: name(operation, job.state)?,
            fence: number(operation, "fence", job.fence.0)?,
            done: number(operation, "progress", job.progress.done)?,
            total: number(operation, "progress", job.progress.total)?,
            result: optional_json(operation, job.result.as_ref())?,
            error: optional_json(operation, job.error.as_ref())?,
        })
    }
}

/// Stores jobs whose ids and keys are free; how many were.
pub(super) async fn insert_all(tx: &mut Tx<'_>, jobs: &[Job]) -> Result<usize> {
    let operation = tx.operation;
    let encoded = jobs.iter().map(|job| Encoded::of(operation, job)).collect::<Result<Vec<_>>>()?;
    let rows = jobs.iter().zip(&encoded).map(|(job, encoded)| {
        values![
            job.id.as_bytes(),
            job.tenant.as_bytes(),
            job.kind,
            encoded.payload,
            job.payload_version,
            rank(job.priority),
            encoded.state,
            job.attempt,
            job.max_attempts,
            job.crash_count,
            job.snooze_count,
            encoded.fence,
            job.run_at.as_millis(),
            job.lease_until.map(Timestamp::as_millis),
            job.worker.as_ref().map(WorkerId::as_bytes),
            job.cancel_requested,
            job.unique_key,
            encoded.done,
            encoded.total,
            encoded.result,
            encoded.error,
            job.created_at.as_millis(),
            job.finished_at.map(Timestamp::as_millis),
        ]
        .to_vec()
    });
    let rows: Vec<Vec<Value<'_>>> = rows.collect();
    tx.execute_all(statement::INSERT, statement::INSERT_ALL, &rows).await
}

/// Stores what can change in jobs, whose rows are locked and have the fences given.
///
/// # Errors
/// `Unavailable` when one has not: somebody changed it all the same.
pub(super) async fn update_all(tx: &mut Tx<'_>, jobs: &[&(Job, Fence)]) -> Result<()> {
    let operation = tx.operation;
    let encode = |(job, had): &&(Job, Fence)| {
        Ok((Encoded::of(operation, job)?, number(operation, "fence", had.0)?))
    };
    let encoded = jobs.iter().map(encode).collect::<Result<Vec<_>>>()?;
    let rows = jobs.iter().zip(&encoded).map(|((job, _), (encoded, had))| {
        values![
            encoded.state,
            job.attempt,
            job.crash_count,
            job.snooze_count,
            encoded.fence,
            job.run_at.as_millis(),
            job.lease_until.map(Timestamp::as_millis),
            job.worker.as_ref().map(WorkerId::as_bytes),
            job.cancel_requested,
            encoded.done,
            encoded.total,
            encoded.result,
            encoded.error,
            job.finished_at.map(Timestamp::as_millis),
            job.id.as_bytes(),
            *had,
        ]
        .to_vec()
    });
    let rows: Vec<Vec<Value<'_>>> = rows.collect();
    if tx.execute_all(statement::UPDATE, statement::UPDATE_ALL, &rows).await? == jobs.len() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Unavailable, operation).with("reason", "a job changed meanwhile"))
}

pub(super) async fn key_holder(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    key: &str,
) -> Result<Option<JobId>> {
    let values = values![tenant.as_bytes(), key];
    tx.one(statement::KEY_HOLDER, values, |row| row.id(0, JobId::from_u128)).await
}

pub(super) async fn make_due(tx: &mut Tx<'_>, now: Timestamp) -> Result<()> {
    tx.execute(statement::MAKE_DUE, values![now.as_millis()]).await.map(drop)
}

/// What waits for a worker, by tenant: of each kind as many jobs as it may take, and `passed` more. When there is
/// more than `most` kinds in all tenants, it is that which follows a place that `random` chooses.
pub(super) async fn waiting(
    tx: &mut Tx<'_>,
    request: &ClaimRequest,
    random: u64,
    most: usize,
    passed: usize,
) -> Result<BTreeMap<TenantId, Tenant>> {
    let mut all = kinds(tx, 0, most).await?;
    if all.len() == most {
        // There may be more: another part of them each time.
        let further = kinds(tx, u128::from(random) << 64, most).await?;
        if further.len() == most {
            all = further;
        } else {
            all.extend(further);
        }
    }
    let mut found: BTreeMap<TenantId, Tenant> = BTreeMap::new();
    for (id, kind) in all {
        let Some(rule) = request.kinds.get(&kind) else { continue };
        let each = limit(request.max.min(rule.take).saturating_add(passed));
        let values = values![id.as_bytes(), kind, rule.payload_version, each];
        let candidate = |row: &Row<'_>| {
            Ok(Candidate {
                id: row.id(0, JobId::from_u128)?,
                kind: kind.clone(),
                priority: priority(row.get(1)?),
                run_at: row.get(2)?,
            })
        };
        let waiting = tx.all(statement::WAITING, values, candidate).await?;
        found.entry(id).or_default().waiting.extend(waiting);
    }
    for (id, tenant) in &mut found {
        tenant.waiting.sort_by_key(Candidate::order);
        let values = values![id.as_bytes()];
        let running = tx.one(statement::RUNNING_OF_TENANT, values, |row| row.get(0)).await?;
        tenant.running = running.unwrap_or_default();
    }
    Ok(found)
}

async fn kinds(tx: &mut Tx<'_>, from: u128, most: usize) -> Result<BTreeSet<(TenantId, String)>> {
    let from = from.to_be_bytes();
    let values = values![from, limit(most)];
    let read = |row: &Row<'_>| Ok((row.id(0, TenantId::from_u128)?, row.get(1)?));
    Ok(tx.all(statement::WAITING_KINDS, values, read).await?.into_iter().collect())
}

pub(super) async fn running_of_kind(tx: &mut Tx<'_>, kind: &str) -> Result<usize> {
    let running = tx.one(statement::RUNNING_OF_KIND, values![kind], |row| row.get(0)).await?;
    Ok(running.unwrap_or_default())
}

pub(super) async fn dead(tx: &mut Tx<'_>, tenant: TenantId, most: usize) -> Result<Vec<Job>> {
    tx.all(statement::DEAD, values![tenant.as_bytes(), limit(most)], read).await
}

/// Jobs whose leases have run out, locked; those that another transaction has are left to it.
pub(super) async fn expired(tx: &mut Tx<'_>, now: Timestamp, most: usize) -> Result<Vec<Job>> {
    let values = values![now.as_millis(), limit(most)];
    tx.all_locked(Lock::Skip, statement::EXPIRED, values, read).await
}

pub(super) async fn forget(tx: &mut Tx<'_>, before: Timestamp, most: usize) -> Result<usize> {
    tx.execute(statement::FORGET, values![before.as_millis(), limit(most)]).await
}

fn read(row: &Row<'_>) -> Result<Job> {
    Ok(Job {
        id: row.id(0, JobId::from_u128)?,
        tenant: row.id(1, TenantId::from_u128)?,
        kind: row.get(2)?,
        payload: row.json(3)?,
        payload_version: row.get(4)?,
        priority: priority(row.get(5)?),
        state: row.name(6)?,
        attempt: row.get(7)?,
        max_attempts: row.get(8)?,
        crash_count: row.get(9)?,
        snooze_count: row.get(10)?,
        fence: Fence(row.get(11)?),
        run_at: row.get(12)?,
        lease_until: row.get(13)?,
        worker: row.optional_id(14, WorkerId::from_u128)?,
        cancel_requested: row.get(15)?,
        unique_key: row.get(16)?,
        progress: Progress { done: row.get(17)?, total: row.get(18)? },
        result: row.optional_json(19)?,
        error: row.optional_json(20)?,
        created_at: row.get(21)?,
        finished_at: row.get(22)?,
    })
}
