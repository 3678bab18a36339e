//! Jobs as rows.

use std::collections::{BTreeMap, BTreeSet};

use parking_lot::Mutex;

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

/// How many jobs become available at once when their time has come.
const DUE_AT_ONCE: usize = 1_000;

/// How many parts of what waits are looked at for something that a worker can do.
const PARTS: usize = 64;

/// The job as it is.
pub(super) async fn find(tx: &mut Tx<'_>, id: JobId) -> Result<Option<Job>> {
    tx.one(statement::BY_ID, values![id.as_bytes()], read).await
}

/// The job of a tenant as it is.
pub(super) async fn find_own(tx: &mut Tx<'_>, tenant: TenantId, id: JobId) -> Result<Option<Job>> {
    tx.one(statement::OWN, values![id.as_bytes(), tenant.as_bytes()], read).await
}

/// The job of a tenant; its row is locked until the transaction ends.
pub(super) async fn own(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    id: JobId,
    lock: Lock,
) -> Result<Option<Job>> {
    tx.one_locked(lock, statement::OWN, values![id.as_bytes(), tenant.as_bytes()], read).await
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
    let found = tx.each_locked(lock, (statement::BY_ID, statement::BY_IDS), &keys, read).await?;
    Ok(found.into_iter().map(|job| (job.id, job)).collect())
}

/// The jobs as they are.
pub(super) async fn find_all(tx: &mut Tx<'_>, ids: &[JobId]) -> Result<BTreeMap<JobId, Job>> {
    let keys: Vec<Vec<Value<'_>>> = ids.iter().map(|id| values![id.as_bytes()].to_vec()).collect();
    let found = tx.each((statement::BY_ID, statement::BY_IDS), &keys, read).await?;
    Ok(found.into_iter().map(|job| (job.id, job)).collect())
}

/// Removes all jobs of a tenant but those that run, and asks for the end of those; how many are left.
pub(super) async fn clear(tx: &mut Tx<'_>, tenant: TenantId) -> Result<usize> {
    let values = values![tenant.as_bytes()];
    // First: one that is claimed just then is told to end.
    tx.execute(statement::CLEAR, values).await?;
    tx.execute(statement::CANCEL_RUNNING, values).await?;
    let left = tx.one(statement::COUNT, values, |row| row.get::<usize>(0)).await?;
    Ok(left.unwrap_or(0))
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

/// Stores jobs whose ids and keys are free; these.
pub(super) async fn insert_all(tx: &mut Tx<'_>, jobs: &[Job]) -> Result<BTreeSet<JobId>> {
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
    let id = |row: &Row<'_>| row.id(0, JobId::from_u128);
    let stored = tx.each((statement::INSERT, statement::INSERT_ALL), &rows, id).await?;
    Ok(stored.into_iter().collect())
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
    tx.execute(statement::MAKE_DUE, values![now.as_millis(), limit(DUE_AT_ONCE)]).await.map(drop)
}

/// Gives a worker the first `most` of the jobs that are still available, in their order.
pub(super) async fn claim(
    tx: &mut Tx<'_>,
    chosen: &[JobId],
    most: usize,
    worker: WorkerId,
    lease_until: Timestamp,
) -> Result<Vec<Job>> {
    let (until, most) = (lease_until.as_millis(), limit(most));
    let rows =
        chosen.iter().map(|id| values![until, worker.as_bytes(), id.as_bytes(), most].to_vec());
    let rows: Vec<Vec<Value<'_>>> = rows.collect();
    let claimed = tx.each((statement::CLAIM, statement::CLAIM_ALL), &rows, read).await?;
    let mut claimed: BTreeMap<JobId, Job> = claimed.into_iter().map(|job| (job.id, job)).collect();
    Ok(chosen.iter().filter_map(|id| claimed.remove(id)).collect())
}

/// Ends runs with results; the jobs and fences of those that still had them.
pub(super) async fn complete(
    tx: &mut Tx<'_>,
    ends: &[(JobId, Fence, &serde_json::Value)],
    now: Timestamp,
) -> Result<BTreeMap<JobId, Fence>> {
    let operation = tx.operation;
    let encode = |(_, fence, result): &(JobId, Fence, &serde_json::Value)| {
        Ok((json(operation, result)?, number(operation, "fence", fence.0)?))
    };
    let encoded = ends.iter().map(encode).collect::<Result<Vec<_>>>()?;
    let at = now.as_millis();
    let rows = ends
        .iter()
        .zip(&encoded)
        .map(|((id, ..), (result, had))| values![*result, at, id.as_bytes(), *had].to_vec());
    let rows: Vec<Vec<Value<'_>>> = rows.collect();
    let run = |row: &Row<'_>| Ok((row.id(0, JobId::from_u128)?, Fence(row.get(1)?)));
    let ended = tx.each((statement::COMPLETE, statement::COMPLETE_ALL), &rows, run).await?;
    Ok(ended.into_iter().collect())
}

/// What there is to claim.
#[derive(Default)]
pub(super) struct Look {
    /// When the first of the jobs that wait for their time may run.
    pub(super) due: Option<Timestamp>,
    /// How many kinds wait, counted in each tenant.
    kinds: usize,
    /// The last tenant of whom something waits.
    last: Option<TenantId>,
    /// What waits for the worker, by tenant.
    pub(super) tenants: BTreeMap<TenantId, Tenant>,
}

/// What waits for a worker, by tenant: of each kind as many jobs as it may take, and `spare` more. When there are more
/// than `most` kinds in all tenants, it is the first of them and, each time, those that follow the last time's: `turn`
/// is the tenant where these begin. It goes on while it finds nothing that the worker can do.
pub(super) async fn look(
    tx: &mut Tx<'_>,
    request: &ClaimRequest,
    turn: &Mutex<u128>,
    most: usize,
    spare: usize,
) -> Result<Look> {
    let mut look = look_from(tx, request, 0, most, spare).await?;
    let first = look.last.map_or(0, TenantId::as_u128);
    let mut begin = (*turn.lock()).max(first);
    // From the middle to the end, and once more from the start.
    let mut ends = match look.kinds < most {
        true => 0,
        false if begin == first => 1,
        false => 2,
    };
    for _ in 0..PARTS {
        if ends == 0 {
            break;
        }
        let part = look_from(tx, request, begin, most, spare).await?;
        let last = part.last.map_or(0, TenantId::as_u128);
        ends -= usize::from(part.kinds < most);
        // Not all kinds of the last tenant may have been among them: it comes first the next time.
        begin = if part.kinds < most { first } else { last.max(begin.saturating_add(1)) };
        look.tenants.extend(part.tenants);
        if look.tenants.values().any(|tenant| !tenant.waiting.is_empty()) {
            break;
        }
    }
    *turn.lock() = begin;
    for tenant in look.tenants.values_mut() {
        tenant.waiting.sort_by_key(Candidate::order);
    }
    Ok(look)
}

async fn look_from(
    tx: &mut Tx<'_>,
    request: &ClaimRequest,
    from: u128,
    most: usize,
    spare: usize,
) -> Result<Look> {
    let each = limit(request.max.saturating_add(spare));
    let from = from.to_be_bytes();
    if tx.is_remote() {
        at_once(tx, request, from, most, each).await
    } else {
        in_steps(tx, request, from, most, each).await
    }
}

/// A kind that a worker can do, as [`statement::LOOK`] reads it.
#[derive(serde::Serialize)]
struct Rule<'k> {
    kind: &'k str,
    payload_version: u16,
}

async fn at_once(
    tx: &mut Tx<'_>,
    request: &ClaimRequest,
    from: [u8; 16],
    most: usize,
    each: i64,
) -> Result<Look> {
    let rules = request.kinds.iter();
    let rules = rules.map(|(kind, rule)| Rule { kind, payload_version: rule.payload_version });
    let rules: Vec<Rule<'_>> = rules.collect();
    let rules = json(tx.operation, &rules)?;
    let mut look = Look::default();
    let mut kinds = BTreeSet::new();
    let (due, waiting) = (&mut look.due, &mut look.tenants);
    let read = |row: &Row<'_>| {
        *due = row.get(0)?;
        let Some(tenant) = row.optional_id(1, TenantId::from_u128)? else { return Ok(()) };
        let kind: String = row.get(2)?;
        let found: &mut Tenant = waiting.entry(tenant).or_default();
        found.running = row.get(3)?;
        if let Some(id) = row.optional_id(4, JobId::from_u128)? {
            let (priority, run_at) = (priority(row.get(5)?), row.get(6)?);
            found.waiting.push(Candidate { id, kind: kind.clone(), priority, run_at });
        }
        kinds.insert((tenant, kind));
        Ok(())
    };
    tx.all(statement::LOOK, values![from, limit(most), rules, each], read).await?;
    look.kinds = kinds.len();
    look.last = kinds.last().map(|(tenant, _)| *tenant);
    Ok(look)
}

/// The same by a statement for each part: in a file, they have no way to go.
async fn in_steps(
    tx: &mut Tx<'_>,
    request: &ClaimRequest,
    from: [u8; 16],
    most: usize,
    each: i64,
) -> Result<Look> {
    let due = tx.one(statement::DUE, &[], |row| row.get(0)).await?;
    let read = |row: &Row<'_>| Ok((row.id(0, TenantId::from_u128)?, row.get::<String>(1)?));
    let kinds = tx.all(statement::WAITING_KINDS, values![from, limit(most)], read).await?;
    let last = kinds.last().map(|(tenant, _)| *tenant);
    let mut look = Look { due, kinds: kinds.len(), last, ..Look::default() };
    for (id, kind) in kinds {
        let Some(rule) = request.kinds.get(&kind) else { continue };
        let candidate = |row: &Row<'_>| {
            Ok(Candidate {
                id: row.id(0, JobId::from_u128)?,
                kind: kind.clone(),
                priority: priority(row.get(1)?),
                run_at: row.get(2)?,
            })
        };
        let values = values![id.as_bytes(), kind, rule.payload_version, each];
        let waiting = tx.all(statement::WAITING, values, candidate).await?;
        look.tenants.entry(id).or_default().waiting.extend(waiting);
    }
    for (id, tenant) in &mut look.tenants {
        let values = values![id.as_bytes()];
        let running = tx.one(statement::RUNNING_OF_TENANT, values, |row| row.get(0)).await?;
        tenant.running = running.unwrap_or_default();
    }
    Ok(look)
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
