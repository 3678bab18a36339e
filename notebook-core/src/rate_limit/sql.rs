//! Limits in the store's database: an SQLite file, or PostgreSQL for many processes.
//!
//! One statement reads a key, decides as [`step()`] does, and writes: callers at once are decided one after the other by
//! the row's lock. PostgreSQL keeps the table without a log of its own (`UNLOGGED`): a crash of the database's machine
//! forgets the limits, and a row costs a fraction.

use async_trait::async_trait;

use super::{Decision, Key, Policy, RateLimits, Want, step, step::decide};
use crate::{
    Error, ErrorKind, Result,
    queue::sql::QueueTime as StoreTime,
    sql::{Database, Tx, limit, values},
    store::sql::SqlStore,
};

/// What the pure step does: a key that is new gets what the caller has worked out for it; one that is there is taken from.
/// `base` is when all is there again before anything is taken, `free` how many units there are, `units` how many are taken.
const TAKE: &str = "INSERT INTO rate_limits AS r (key, full_at, taken) VALUES ($1, $2, $3)
    ON CONFLICT (key) DO UPDATE SET (full_at, taken) = (
        SELECT base + units * $4, units FROM (
            SELECT base, CASE
                WHEN free < $5 THEN 0
                WHEN free <= $5 + $6 THEN $5
                WHEN free < $5 + $6 + $7 THEN free - $6
                ELSE $5 + $7 END AS units
            FROM (
                SELECT base, ($8 - base) / $4 AS free FROM (
                    SELECT CASE
                        WHEN r.full_at - $9 < $10 THEN $10
                        WHEN r.full_at - $9 > $8 THEN $8
                        ELSE r.full_at - $9 END AS base
                ) AS b
            ) AS f
        ) AS u
    )
    RETURNING full_at, taken";

/// The condition stands twice: a row that somebody else has changed meanwhile is looked at again, and stays.
const PRUNE: &str = "DELETE FROM rate_limits WHERE full_at <= $1 AND key IN (
    SELECT key FROM rate_limits WHERE full_at <= $1 LIMIT $2)";

/// [`RateLimits`] in a database.
#[derive(Clone)]
pub struct SqlRateLimits {
    database: Database,
    time: StoreTime,
}

impl SqlRateLimits {
    /// The limits that lie beside a store's tables.
    #[must_use]
    pub fn new(store: &SqlStore, time: StoreTime) -> Self {
        Self { database: store.database().clone(), time }
    }
}

async fn micros(time: &StoreTime, tx: &mut Tx<'_>) -> Result<i64> {
    Ok(time.now(tx).await?.as_millis().saturating_mul(1_000))
}

async fn take(
    tx: &mut Tx<'_>,
    (key, policy, want, time): &(Key, Policy, Want, StoreTime),
) -> Result<Decision> {
    let now = micros(time, tx).await?;
    let first = step(None, policy, *want, now);
    let (unit, latest) = (policy.unit(), now.saturating_add(policy.full()));
    let back = unit.saturating_mul(want.back.into());
    let values = values![
        key.as_bytes(),
        first.full_at,
        first.taken,
        unit,
        want.cost,
        policy.burst() / 2,
        want.ahead,
        latest,
        back,
        now,
    ];
    let row = tx.one(TAKE, values, |row| Ok((row.get::<i64>(0)?, row.get::<u32>(1)?))).await?;
    let (full_at, taken) = row.ok_or_else(|| Error::new(ErrorKind::Internal, tx.operation))?;
    Ok(decide(policy, *want, taken, full_at - now))
}

#[async_trait]
impl RateLimits for SqlRateLimits {
    async fn take(&self, key: Key, policy: &Policy, want: Want) -> Result<Decision> {
        want.check(policy)?;
        let input = (key, *policy, want, self.time.clone());
        self.database
            .write_singly("take of rate limit", input, |tx, input| Box::pin(take(tx, input)))
            .await
    }

    async fn prune(&self, most: usize) -> Result<usize> {
        let input = (most, self.time.clone());
        self.database
            .write_singly("prune rate limits", input, |tx, (most, time)| {
                Box::pin(async move {
                    let now = micros(time, tx).await?;
                    tx.execute(PRUNE, values![now, limit(*most)]).await
                })
            })
            .await
    }
}

impl std::fmt::Debug for SqlRateLimits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqlRateLimits").field("database", &self.database).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn statements_number_their_parameters_in_order() {
        crate::sql::check_statements(&[super::TAKE, super::PRUNE]);
    }
}
