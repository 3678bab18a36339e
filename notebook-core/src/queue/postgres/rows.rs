//! Jobs as rows.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use sqlx::{Row as _, postgres::PgRow};

use super::super::{
    ClaimRequest, Fence, Job, JobId, WorkerId,
    plan::{Candidate, Tenant},
    sql::{self, priority, rank},
};
use crate::{
    Error, Result, TenantId, Timestamp,
    model::Progress,
    postgres::{Tx, corrupt},
    store::sql::{
        codec::{json, name, number, optional_json},
        limit,
    },
};

/// Claims take turns by it: any number that nobody else uses in this database.
const TURN: i64 = 0x6e6f_7465_5f71_7565;

/// The database's time.
pub(super) async fn now(tx: &mut Tx) -> Result<Timestamp> {
    let now = sqlx::query_scalar("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint");
    now.fetch_one(tx.connection()).await.map(Timestamp::from_millis).map_err(|e| tx.failed(e))
}

/// Waits until no other claim is at work.
pub(super) async fn take_turn(tx: &mut Tx) -> Result<()> {
    let turn = sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(TURN);
    turn.execute(tx.connection()).await.map(drop).map_err(|e| tx.failed(e))
}

/// The job; its row is locked until the transaction ends.
pub(super) async fn by_id(tx: &mut Tx, id: JobId) -> Result<Option<Job>> {
    let row = sqlx::query(sql::BY_ID_LOCKED).bind(id.as_bytes().as_slice());
    let row = row.fetch_optional(tx.connection()).await.map_err(|e| tx.failed(e))?;
    row.map(|row| read(tx, &row)).transpose()
}

/// Stores a job, if its id and its key are free; says whether they were.
pub(super) async fn insert(tx: &mut Tx, job: &Job) -> Result<bool> {
    let operation = tx.operation;
    let stored = sqlx::query(sql::INSERT)
        .bind(job.id.as_bytes().as_slice())
        .bind(job.tenant.as_bytes().as_slice())
        .bind(&job.kind)
        .bind(json(operation, &job.payload)?)
        .bind(i64::from(job.payload_version))
        .bind(rank(job.priority))
        .bind(name(operation, job.state)?)
        .bind(i64::from(job.attempt))
        .bind(i64::from(job.max_attempts))
        .bind(i64::from(job.crash_count))
        .bind(i64::from(job.snooze_count))
        .bind(number(operation, "fence", job.fence.0)?)
        .bind(job.run_at.as_millis())
        .bind(job.lease_until.map(Timestamp::as_millis))
        .bind(job.worker.as_ref().map(|worker| worker.as_bytes().as_slice()))
        .bind(job.cancel_requested)
        .bind(job.unique_key.as_deref())
        .bind(number(operation, "progress", job.progress.done)?)
        .bind(number(operation, "progress", job.progress.total)?)
        .bind(optional_json(operation, job.result.as_ref())?)
        .bind(optional_json(operation, job.error.as_ref())?)
        .bind(job.created_at.as_millis())
        .bind(job.finished_at.map(Timestamp::as_millis))
        .execute(tx.connection())
        .await
        .map_err(|e| tx.failed(e))?;
    Ok(stored.rows_affected() == 1)
}

/// Stores what can change, if the row still has the `fence` that it had; says whether it had.
pub(super) async fn update(tx: &mut Tx, job: &Job, fence: Fence) -> Result<bool> {
    let operation = tx.operation;
    let stored = sqlx::query(sql::UPDATE)
        .bind(name(operation, job.state)?)
        .bind(i64::from(job.attempt))
        .bind(i64::from(job.crash_count))
        .bind(i64::from(job.snooze_count))
        .bind(number(operation, "fence", job.fence.0)?)
        .bind(job.run_at.as_millis())
        .bind(job.lease_until.map(Timestamp::as_millis))
        .bind(job.worker.as_ref().map(|worker| worker.as_bytes().as_slice()))
        .bind(job.cancel_requested)
        .bind(number(operation, "progress", job.progress.done)?)
        .bind(number(operation, "progress", job.progress.total)?)
        .bind(optional_json(operation, job.result.as_ref())?)
        .bind(optional_json(operation, job.error.as_ref())?)
        .bind(job.finished_at.map(Timestamp::as_millis))
        .bind(job.id.as_bytes().as_slice())
        .bind(number(operation, "fence", fence.0)?)
        .execute(tx.connection())
        .await
        .map_err(|e| tx.failed(e))?;
    Ok(stored.rows_affected() == 1)
}

pub(super) async fn key_holder(tx: &mut Tx, tenant: TenantId, key: &str) -> Result<Option<JobId>> {
    let row = sqlx::query(sql::KEY_HOLDER).bind(tenant.as_bytes().as_slice()).bind(key);
    let row = row.fetch_optional(tx.connection()).await.map_err(|e| tx.failed(e))?;
    row.map(|row| id(tx, &row, 0).map(JobId::from_u128)).transpose()
}

pub(super) async fn make_due(tx: &mut Tx, now: Timestamp) -> Result<()> {
    let due = sqlx::query(sql::MAKE_DUE).bind(now.as_millis());
    due.execute(tx.connection()).await.map(drop).map_err(|e| tx.failed(e))
}

/// What waits for a worker, by tenant. When there is more than `most` kinds in all tenants, it is that which
/// follows a place that `random` chooses.
pub(super) async fn waiting(
    tx: &mut Tx,
    request: &ClaimRequest,
    random: u64,
    most: usize,
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
    for (tenant, kind) in all {
        let Some(rule) = request.kinds.get(&kind) else { continue };
        let rows = sqlx::query(sql::WAITING)
            .bind(tenant.as_bytes().as_slice())
            .bind(&kind)
            .bind(i64::from(rule.payload_version))
            .bind(limit(request.max))
            .fetch_all(tx.connection())
            .await
            .map_err(|e| tx.failed(e))?;
        let entry = found.entry(tenant).or_default();
        for row in rows {
            entry.waiting.push(Candidate {
                id: JobId::from_u128(id(tx, &row, 0)?),
                kind: kind.clone(),
                priority: priority(get(tx, &row, 1)?),
                run_at: Timestamp::from_millis(get(tx, &row, 2)?),
            });
        }
    }
    for (id, tenant) in &mut found {
        tenant.waiting.sort_by_key(Candidate::order);
        let running = sqlx::query_scalar(sql::RUNNING_OF_TENANT).bind(id.as_bytes().as_slice());
        let running: i64 = running.fetch_one(tx.connection()).await.map_err(|e| tx.failed(e))?;
        tenant.running = usize::try_from(running).unwrap_or_default();
    }
    Ok(found)
}

async fn kinds(tx: &mut Tx, from: u128, most: usize) -> Result<BTreeSet<(TenantId, String)>> {
    let rows = sqlx::query(sql::WAITING_KINDS).bind(from.to_be_bytes().to_vec()).bind(limit(most));
    let rows = rows.fetch_all(tx.connection()).await.map_err(|e| tx.failed(e))?;
    let read = |row: &PgRow| Ok((TenantId::from_u128(id(tx, row, 0)?), get(tx, row, 1)?));
    rows.iter().map(read).collect()
}

pub(super) async fn running_of_kind(tx: &mut Tx, kind: &str) -> Result<usize> {
    let running = sqlx::query_scalar(sql::RUNNING_OF_KIND).bind(kind);
    let running: i64 = running.fetch_one(tx.connection()).await.map_err(|e| tx.failed(e))?;
    Ok(usize::try_from(running).unwrap_or_default())
}

/// Jobs whose leases have run out, locked; those that another transaction has are left to it.
pub(super) async fn expired(tx: &mut Tx, now: Timestamp, most: usize) -> Result<Vec<Job>> {
    let rows = sqlx::query(sql::EXPIRED_LOCKED).bind(now.as_millis()).bind(limit(most));
    let rows = rows.fetch_all(tx.connection()).await.map_err(|e| tx.failed(e))?;
    rows.iter().map(|row| read(tx, row)).collect()
}

pub(super) async fn forget(tx: &mut Tx, before: Timestamp, most: usize) -> Result<usize> {
    let forgotten = sqlx::query(sql::FORGET).bind(before.as_millis()).bind(limit(most));
    let forgotten = forgotten.execute(tx.connection()).await.map_err(|e| tx.failed(e))?;
    Ok(usize::try_from(forgotten.rows_affected()).unwrap_or(usize::MAX))
}

/// Whether a unique index refused a write.
pub(super) fn is_taken(error: &Error) -> bool {
    let source = std::error::Error::source(error).and_then(|e| e.downcast_ref::<sqlx::Error>());
    let database = source.and_then(sqlx::Error::as_database_error);
    database.is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}

fn get<'r, T>(tx: &Tx, row: &'r PgRow, column: usize) -> Result<T>
where
    T: sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    row.try_get(column).map_err(|error| tx.failed(error))
}

fn id(tx: &Tx, row: &PgRow, column: usize) -> Result<u128> {
    let bytes: &[u8] = get(tx, row, column)?;
    let bytes = bytes.try_into().map_err(|_| damaged(tx, column))?;
    Ok(u128::from_be_bytes(bytes))
}

fn unsigned<T: TryFrom<i64>>(tx: &Tx, row: &PgRow, column: usize) -> Result<T> {
    T::try_from(get(tx, row, column)?).map_err(|_| damaged(tx, column))
}

fn parsed<T: DeserializeOwned>(tx: &Tx, row: &PgRow, column: usize) -> Result<Option<T>> {
    let text: Option<&str> = get(tx, row, column)?;
    let parse = |text| serde_json::from_str(text).map_err(|e| damaged(tx, column).caused_by(e));
    text.map(parse).transpose()
}

fn damaged(tx: &Tx, column: usize) -> Error {
    corrupt(tx.operation, column)
}

fn read(tx: &Tx, row: &PgRow) -> Result<Job> {
    let time = |column| get::<i64>(tx, row, column).map(Timestamp::from_millis);
    let maybe_time =
        |column| get::<Option<i64>>(tx, row, column).map(|time| time.map(Timestamp::from_millis));
    let worker: Option<&[u8]> = get(tx, row, 14)?;
    let worker = match worker {
        Some(_) => Some(WorkerId::from_u128(id(tx, row, 14)?)),
        None => None,
    };
    let state = serde_json::Value::String(get(tx, row, 6)?);
    Ok(Job {
        id: JobId::from_u128(id(tx, row, 0)?),
        tenant: TenantId::from_u128(id(tx, row, 1)?),
        kind: get(tx, row, 2)?,
        payload: parsed(tx, row, 3)?.ok_or_else(|| damaged(tx, 3))?,
        payload_version: unsigned(tx, row, 4)?,
        priority: priority(get(tx, row, 5)?),
        state: serde_json::from_value(state).map_err(|e| damaged(tx, 6).caused_by(e))?,
        attempt: unsigned(tx, row, 7)?,
        max_attempts: unsigned(tx, row, 8)?,
        crash_count: unsigned(tx, row, 9)?,
        snooze_count: unsigned(tx, row, 10)?,
        fence: Fence(unsigned(tx, row, 11)?),
        run_at: time(12)?,
        lease_until: maybe_time(13)?,
        worker,
        cancel_requested: get(tx, row, 15)?,
        unique_key: get(tx, row, 16)?,
        progress: Progress { done: unsigned(tx, row, 17)?, total: unsigned(tx, row, 18)? },
        result: parsed(tx, row, 19)?,
        error: parsed(tx, row, 20)?,
        created_at: time(21)?,
        finished_at: maybe_time(22)?,
    })
}
