//! Jobs as rows.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{params, types::Value};

use super::super::{
    ClaimRequest, Fence, Job, JobId, WorkerId,
    plan::{Candidate, Tenant},
    sql::{self, priority, rank},
};
use crate::{
    Result, TenantId, Timestamp,
    model::Progress,
    sqlite::{Row, Tx},
    store::sql::{
        codec::{json, name, number, optional_json},
        limit,
    },
};

pub(super) fn by_id(tx: &Tx<'_>, id: JobId) -> Result<Option<Job>> {
    tx.one(sql::BY_ID, params![id.as_bytes()], read)
}

pub(super) fn insert(tx: &Tx<'_>, job: &Job) -> Result<()> {
    let values = params![
        job.id.as_bytes(),
        job.tenant.as_bytes(),
        job.kind,
        json(tx.operation, &job.payload)?,
        job.payload_version,
        rank(job.priority),
        name(tx.operation, job.state)?,
        job.attempt,
        job.max_attempts,
        job.crash_count,
        job.snooze_count,
        number(tx.operation, "fence", job.fence.0)?,
        job.run_at.as_millis(),
        job.lease_until.map(Timestamp::as_millis),
        worker(job),
        job.cancel_requested,
        job.unique_key,
        number(tx.operation, "progress", job.progress.done)?,
        number(tx.operation, "progress", job.progress.total)?,
        optional_json(tx.operation, job.result.as_ref())?,
        optional_json(tx.operation, job.error.as_ref())?,
        job.created_at.as_millis(),
        job.finished_at.map(Timestamp::as_millis),
    ];
    tx.execute(sql::INSERT, values).map(drop)
}

/// Stores what can change, if the row still has the `fence` that it had; says whether it had.
pub(super) fn update(tx: &Tx<'_>, job: &Job, fence: Fence) -> Result<bool> {
    let values = params![
        name(tx.operation, job.state)?,
        job.attempt,
        job.crash_count,
        job.snooze_count,
        number(tx.operation, "fence", job.fence.0)?,
        job.run_at.as_millis(),
        job.lease_until.map(Timestamp::as_millis),
        worker(job),
        job.cancel_requested,
        number(tx.operation, "progress", job.progress.done)?,
        number(tx.operation, "progress", job.progress.total)?,
        optional_json(tx.operation, job.result.as_ref())?,
        optional_json(tx.operation, job.error.as_ref())?,
        job.finished_at.map(Timestamp::as_millis),
        job.id.as_bytes(),
        number(tx.operation, "fence", fence.0)?,
    ];
    Ok(tx.execute(sql::UPDATE, values)? == 1)
}

pub(super) fn key_holder(tx: &Tx<'_>, tenant: TenantId, key: &str) -> Result<Option<JobId>> {
    tx.one(sql::KEY_HOLDER, params![tenant.as_bytes(), key], |row| row.id(0, JobId::from_u128))
}

pub(super) fn make_due(tx: &Tx<'_>, now: Timestamp) -> Result<()> {
    tx.execute(sql::MAKE_DUE, params![now.as_millis()]).map(drop)
}

/// What waits for a worker, by tenant. When there is more than `most` kinds in all tenants, it is that which
/// follows a place that `random` chooses.
pub(super) fn waiting(
    tx: &Tx<'_>,
    request: &ClaimRequest,
    random: u64,
    most: usize,
) -> Result<BTreeMap<TenantId, Tenant>> {
    let kinds = |from: u128| {
        tx.all(sql::WAITING_KINDS, params![from.to_be_bytes(), limit(most)], |row| {
            Ok((row.id(0, TenantId::from_u128)?, row.get::<String>(1)?))
        })
    };
    let mut all: BTreeSet<_> = kinds(0)?.into_iter().collect();
    if all.len() == most {
        // There may be more: another part of them each time.
        let further: BTreeSet<_> = kinds(u128::from(random) << 64)?.into_iter().collect();
        if further.len() == most {
            all = further;
        } else {
            all.extend(further);
        }
    }
    let mut found: BTreeMap<TenantId, Tenant> = BTreeMap::new();
    for (id, kind) in all {
        let Some(rule) = request.kinds.get(&kind) else { continue };
        let values = params![id.as_bytes(), kind, rule.payload_version, limit(request.max)];
        let waiting = tx.all(sql::WAITING, values, |row| {
            Ok(Candidate {
                id: row.id(0, JobId::from_u128)?,
                kind: kind.clone(),
                priority: priority(row.get(1)?),
                run_at: row.time(2)?,
            })
        })?;
        found.entry(id).or_default().waiting.extend(waiting);
    }
    for (id, tenant) in &mut found {
        tenant.waiting.sort_by_key(Candidate::order);
        tenant.running = count(tx, sql::RUNNING_OF_TENANT, Value::Blob(id.as_bytes().to_vec()))?;
    }
    Ok(found)
}

pub(super) fn running_of_kind(tx: &Tx<'_>, kind: &str) -> Result<usize> {
    count(tx, sql::RUNNING_OF_KIND, Value::Text(kind.to_owned()))
}

fn count(tx: &Tx<'_>, statement: &'static str, of: Value) -> Result<usize> {
    Ok(tx.one(statement, params![of], |row| row.unsigned(0))?.unwrap_or_default())
}

pub(super) fn expired(tx: &Tx<'_>, now: Timestamp, most: usize) -> Result<Vec<Job>> {
    tx.all(sql::EXPIRED, params![now.as_millis(), limit(most)], read)
}

pub(super) fn forget(tx: &Tx<'_>, before: Timestamp, most: usize) -> Result<usize> {
    tx.execute(sql::FORGET, params![before.as_millis(), limit(most)])
}

fn worker(job: &Job) -> Option<&[u8; 16]> {
    job.worker.as_ref().map(WorkerId::as_bytes)
}

fn read(row: &Row<'_>) -> Result<Job> {
    Ok(Job {
        id: row.id(0, JobId::from_u128)?,
        tenant: row.id(1, TenantId::from_u128)?,
        kind: row.get(2)?,
        payload: row.json(3)?,
        payload_version: row.unsigned(4)?,
        priority: priority(row.get(5)?),
        state: row.name(6)?,
        attempt: row.unsigned(7)?,
        max_attempts: row.unsigned(8)?,
        crash_count: row.unsigned(9)?,
        snooze_count: row.unsigned(10)?,
        fence: Fence(row.unsigned(11)?),
        run_at: row.time(12)?,
        lease_until: row.get::<Option<i64>>(13)?.map(Timestamp::from_millis),
        worker: row.optional_id(14, WorkerId::from_u128)?,
        cancel_requested: row.get(15)?,
        unique_key: row.get(16)?,
        progress: Progress { done: row.unsigned(17)?, total: row.unsigned(18)? },
        result: row.optional_json(19)?,
        error: row.optional_json(20)?,
        created_at: row.time(21)?,
        finished_at: row.get::<Option<i64>>(22)?.map(Timestamp::from_millis),
    })
}
