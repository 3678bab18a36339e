//! Checkpoints in the store's database: an SQLite file, or PostgreSQL for many processes. One row a run.

use async_trait::async_trait;

use super::{
    Checkpoint, Checkpoints,
    rules::{self, Stored},
};
use crate::{
    Result, RunId, TenantId, TenantScope, Timestamp,
    queue::{Fence, sql::QueueTime as StoreTime},
    sql::{Database, Row, Tx, codec::number, limit, values},
    store::sql::SqlStore,
};

/// Says what [`rules::decide`] does.
const SAVE: &str = "INSERT INTO checkpoints AS c
        (tenant_id, run_id, fence, written_under, version, schema_version, body, used_at)
    VALUES ($1, $2, $3, $3, $4, $5, $6, $7)
    ON CONFLICT (tenant_id, run_id) DO UPDATE SET fence = excluded.fence,
        written_under = excluded.written_under, version = excluded.version,
        schema_version = excluded.schema_version, body = excluded.body, used_at = excluded.used_at
    WHERE c.fence <= excluded.fence AND (c.version < excluded.version
        OR (c.version = excluded.version AND c.written_under = excluded.fence AND c.body = excluded.body))";

/// Version 0 where there is no checkpoint: the fence counts from then on.
const TAKE: &str = "INSERT INTO checkpoints AS c
        (tenant_id, run_id, fence, written_under, version, schema_version, body, used_at)
    VALUES ($1, $2, $3, $3, 0, 0, $4, $5)
    ON CONFLICT (tenant_id, run_id) DO UPDATE SET fence = excluded.fence, used_at = excluded.used_at
    WHERE c.fence <= excluded.fence
    RETURNING version, schema_version, body, written_under";

const READ: &str = "SELECT version, schema_version, body, written_under, fence FROM checkpoints
    WHERE tenant_id = $1 AND run_id = $2";

const REMOVE: &str = "DELETE FROM checkpoints WHERE tenant_id = $1 AND run_id = $2";

/// The moment stands twice: a row that somebody else has used meanwhile stays.
const PRUNE: &str = "DELETE FROM checkpoints WHERE (tenant_id, run_id) IN (
    SELECT tenant_id, run_id FROM checkpoints
    WHERE tenant_id = $1 AND used_at < $2 ORDER BY used_at LIMIT $3) AND used_at < $2";

/// [`Checkpoints`] in a database.
#[derive(Clone)]
pub struct SqlCheckpoints {
    database: Database,
    time: StoreTime,
}

impl SqlCheckpoints {
    /// The checkpoints that lie beside a store's tables.
    #[must_use]
    pub fn new(store: &SqlStore, time: StoreTime) -> Self {
        Self { database: store.database().clone(), time }
    }
}

fn checkpoint(row: &Row<'_>, run: RunId) -> Result<Option<Checkpoint>> {
    let version: u64 = row.get(0)?;
    if version == 0 {
        return Ok(None);
    }
    let (schema, body, fence) = (row.get(1)?, row.get(2)?, Fence(row.get(3)?));
    Ok(Some(Checkpoint { run, fence, version, schema, body }))
}

async fn stored(tx: &mut Tx<'_>, tenant: TenantId, run: RunId) -> Result<Option<Stored>> {
    let values = values![tenant.as_bytes(), run.as_bytes()];
    let read = |row: &Row<'_>| Ok(Stored { version: row.get(0)?, fence: Fence(row.get(4)?) });
    tx.one(READ, values, read).await
}

async fn save(
    tx: &mut Tx<'_>,
    (tenant, checkpoint, time): &(TenantId, Checkpoint, StoreTime),
) -> Result<()> {
    let now = time.now(tx).await?.as_millis();
    let fence = number(tx.operation, "fence", checkpoint.fence.0)?;
    let version = number(tx.operation, "version", checkpoint.version)?;
    let Checkpoint { run, schema, body, .. } = checkpoint;
    let values = values![tenant.as_bytes(), run.as_bytes(), fence, version, *schema, *body, now];
    if tx.execute(SAVE, values).await? == 1 {
        return Ok(());
    }
    let stored = stored(tx, *tenant, *run).await?;
    Err(rules::lost(tx.operation, stored))
}

async fn take(
    tx: &mut Tx<'_>,
    (tenant, run, fence, time): &(TenantId, RunId, Fence, StoreTime),
) -> Result<Option<Checkpoint>> {
    let now = time.now(tx).await?.as_millis();
    let shown = number(tx.operation, "fence", fence.0)?;
    let empty = Vec::new();
    let values = values![tenant.as_bytes(), run.as_bytes(), shown, empty, now];
    match tx.one(TAKE, values, |row| checkpoint(row, *run)).await? {
        Some(found) => Ok(found),
        None => {
            let stored = stored(tx, *tenant, *run).await?;
            Err(rules::lost(tx.operation, stored))
        }
    }
}

#[async_trait]
impl Checkpoints for SqlCheckpoints {
    async fn save(&self, scope: &TenantScope, checkpoint: &Checkpoint) -> Result<()> {
        const OPERATION: &str = "save checkpoint";
        rules::check(OPERATION, checkpoint)?;
        let input = (scope.tenant(), checkpoint.clone(), self.time.clone());
        self.database.write(scope, OPERATION, input, |tx, input| Box::pin(save(tx, input))).await
    }

    async fn take(
        &self,
        scope: &TenantScope,
        run: RunId,
        fence: Fence,
    ) -> Result<Option<Checkpoint>> {
        const OPERATION: &str = "take run";
        rules::check_fence(OPERATION, fence)?;
        let input = (scope.tenant(), run, fence, self.time.clone());
        self.database.write(scope, OPERATION, input, |tx, input| Box::pin(take(tx, input))).await
    }

    async fn read(&self, scope: &TenantScope, run: RunId) -> Result<Option<Checkpoint>> {
        self.database
            .read(scope, "read checkpoint", (scope.tenant(), run), |tx, (tenant, run)| {
                Box::pin(async move {
                    let read = |row: &Row<'_>| checkpoint(row, *run);
                    let values = values![tenant.as_bytes(), run.as_bytes()];
                    Ok(tx.one(READ, values, read).await?.flatten())
                })
            })
            .await
    }

    async fn remove(&self, scope: &TenantScope, run: RunId) -> Result<bool> {
        self.database
            .write(scope, "remove checkpoint", (scope.tenant(), run), |tx, (tenant, run)| {
                Box::pin(async move {
                    let values = values![tenant.as_bytes(), run.as_bytes()];
                    Ok(tx.execute(REMOVE, values).await? > 0)
                })
            })
            .await
    }

    async fn prune(&self, scope: &TenantScope, before: Timestamp, most: usize) -> Result<usize> {
        let input = (scope.tenant(), before.as_millis(), limit(most));
        self.database
            .write(scope, "prune checkpoints", input, |tx, (tenant, before, most)| {
                Box::pin(async move {
                    tx.execute(PRUNE, values![tenant.as_bytes(), *before, *most]).await
                })
            })
            .await
    }
}

impl std::fmt::Debug for SqlCheckpoints {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqlCheckpoints").field("database", &self.database).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{PRUNE, READ, REMOVE, SAVE, TAKE};

    #[test]
    fn statements_number_their_parameters_and_name_the_tenant() {
        let all = [SAVE, TAKE, READ, REMOVE, PRUNE];
        crate::sql::check_statements(&all);
        assert!(all.iter().all(|sql| sql.contains("tenant_id")));
    }
}
