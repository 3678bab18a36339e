//! Counts in the store's database: an SQLite file, or PostgreSQL for many processes.

use async_trait::async_trait;

use super::{Day, KeyCount, KeyHash, KeyUsage, Use};
use crate::{
    Error, ErrorKind, Result, Timestamp,
    sql::{Database, Reach, Row, Tx, values},
    store::sql::SqlStore,
};

/// One statement, so that callers at once are counted one after the other by the row's lock. No row: it was not counted.
const TAKE: &str =
    "INSERT INTO key_usage AS k (key, day, used, resting_until) VALUES ($1, $2, 1, 0)
    ON CONFLICT (key) DO UPDATE SET
        used = CASE WHEN k.day >= $2 THEN k.used + 1 ELSE 1 END,
        day = CASE WHEN k.day >= $2 THEN k.day ELSE $2 END
    WHERE k.resting_until <= $3 AND (k.day < $2 OR k.used < $4)
    RETURNING used";
const REST: &str = "INSERT INTO key_usage (key, day, used, resting_until) VALUES ($1, 0, 0, $2)
    ON CONFLICT (key) DO UPDATE SET resting_until = excluded.resting_until";
const COUNT: &str = "SELECT day, used, resting_until FROM key_usage WHERE key = $1";
const PRUNE: &str = "DELETE FROM key_usage WHERE day < $1 AND resting_until <= $2";

/// [`KeyUsage`] in a database.
#[derive(Debug, Clone)]
pub struct SqlKeyUsage(Database);

impl SqlKeyUsage {
    /// The counts that lie beside a store's tables.
    #[must_use]
    pub fn new(store: &SqlStore) -> Self {
        Self(store.database().clone())
    }
}

fn count(row: &Row<'_>) -> Result<KeyCount> {
    Ok(KeyCount {
        day: Day(row.get(0)?),
        used: row.get::<i64>(1)?.try_into().unwrap_or(0),
        resting_until: Timestamp::from_millis(row.get(2)?),
    })
}

async fn take(tx: &mut Tx<'_>, (key, day, limit, now): &(KeyHash, i64, i64, i64)) -> Result<Use> {
    let values = values![key.as_bytes(), *day, *now, *limit];
    if let Some(used) = tx.one(TAKE, values, |row| row.get::<i64>(0)).await? {
        return Ok(Use::Counted { used: used.try_into().unwrap_or(0) });
    }
    let found = tx.one(COUNT, values![key.as_bytes()], count).await?;
    let found = found.ok_or_else(|| Error::new(ErrorKind::Unavailable, tx.operation))?;
    let until = found.resting_until;
    Ok(if until.as_millis() > *now { Use::Resting { until } } else { Use::Spent })
}

#[async_trait]
impl KeyUsage for SqlKeyUsage {
    async fn take(
        &self,
        key: KeyHash,
        day: Day,
        limit: Option<u64>,
        now: Timestamp,
    ) -> Result<Use> {
        let limit = limit.map_or(i64::MAX, |limit| i64::try_from(limit).unwrap_or(i64::MAX));
        let input = (key, day.0, limit, now.as_millis());
        self.0.write_singly("count use of key", input, |tx, input| Box::pin(take(tx, input))).await
    }

    async fn rest(&self, key: KeyHash, until: Timestamp) -> Result<()> {
        let input = (key, until.as_millis());
        self.0
            .write_singly("let key rest", input, |tx, (key, until)| {
                Box::pin(async move {
                    tx.execute(REST, values![key.as_bytes(), *until]).await.map(drop)
                })
            })
            .await
    }

    async fn counts(&self, keys: &[KeyHash]) -> Result<Vec<KeyCount>> {
        self.0
            .read(Reach::Installation, "read uses of keys", keys.to_vec(), |tx, keys| {
                Box::pin(async move {
                    let mut counts = Vec::with_capacity(keys.len());
                    for key in keys {
                        let found = tx.one(COUNT, values![key.as_bytes()], count).await?;
                        counts.push(found.unwrap_or_default());
                    }
                    Ok(counts)
                })
            })
            .await
    }

    async fn prune(&self, day: Day, now: Timestamp) -> Result<usize> {
        self.0
            .write_singly("forget keys", (day.0, now.as_millis()), |tx, (day, now)| {
                Box::pin(async move { tx.execute(PRUNE, values![*day, *now]).await })
            })
            .await
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn statements_number_their_parameters_in_order() {
        crate::sql::check_statements(&[super::TAKE, super::REST, super::COUNT, super::PRUNE]);
    }
}
