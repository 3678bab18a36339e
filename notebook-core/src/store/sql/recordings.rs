use async_trait::async_trait;

use super::{SqlStore, statement::recordings as statement};
use crate::{
    Error, Result, RunId, TenantId, TenantScope, Timestamp,
    recording::{self, RecordedPart, Recordings},
    sql::{Lock, Row, Tx, values},
};

#[async_trait]
impl Recordings for SqlStore {
    async fn add(
        &self,
        scope: &TenantScope,
        run: RunId,
        at: Timestamp,
        body: Vec<u8>,
    ) -> Result<u32> {
        recording::check(&body)?;
        let input = (scope.tenant(), run, at, body);
        self.database
            .write(scope, recording::ADD, input, |tx, (tenant, run, at, body)| {
                Box::pin(add(tx, *tenant, *run, *at, body))
            })
            .await
    }

    async fn recording(&self, scope: &TenantScope, run: RunId) -> Result<Vec<RecordedPart>> {
        self.database
            .read(scope, "read recording", (scope.tenant(), run), |tx, (tenant, run)| {
                Box::pin(async move {
                    tx.all(statement::LIST, values![tenant.as_bytes(), run.as_bytes()], read).await
                })
            })
            .await
    }
}

async fn add(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    run: RunId,
    at: Timestamp,
    body: &[u8],
) -> Result<u32> {
    let key = values![tenant.as_bytes(), run.as_bytes()];
    let id = |row: &Row<'_>| row.id(0, RunId::from_u128);
    // Held until the part is stored: two at once get two numbers.
    if tx.one_locked(Lock::Change, statement::RUN, key, id).await?.is_none() {
        return Err(Error::not_found(recording::ADD, "run"));
    }
    let newest = tx.one(statement::NEWEST, key, |row| row.get::<u32>(0)).await?;
    let part = recording::following(newest.unwrap_or(0))?;
    let values = values![tenant.as_bytes(), run.as_bytes(), i64::from(part), at.as_millis(), body,];
    tx.execute(statement::INSERT, values).await?;
    Ok(part)
}

fn read(row: &Row<'_>) -> Result<RecordedPart> {
    Ok(RecordedPart { part: row.get(0)?, recorded_at: row.get(1)?, body: row.get(2)? })
}
