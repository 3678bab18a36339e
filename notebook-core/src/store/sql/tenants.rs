use std::collections::BTreeMap;

use async_trait::async_trait;

use super::{SqlStore, statement::tenants::TABLES};
use crate::{
    Result, TenantId, TenantScope,
    sql::{Tx, limit, values},
    store::TenantStore,
};

#[async_trait]
impl TenantStore for SqlStore {
    async fn erase(&self, scope: &TenantScope, most: usize) -> Result<usize> {
        let input = (scope.tenant(), most);
        self.database
            .write(scope, "erase tenant", input, |tx, (tenant, most)| {
                Box::pin(erase(tx, *tenant, *most))
            })
            .await
    }

    async fn remains(&self, scope: &TenantScope) -> Result<BTreeMap<&'static str, u64>> {
        self.database
            .read(scope, "count what is left", scope.tenant(), |tx, tenant| {
                Box::pin(remains(tx, *tenant))
            })
            .await
    }
}

async fn erase(tx: &mut Tx<'_>, tenant: TenantId, most: usize) -> Result<usize> {
    for table in TABLES {
        let removed = tx.execute(table.erase, values![tenant.as_bytes(), limit(most)]).await?;
        if removed > 0 {
            return Ok(removed);
        }
    }
    Ok(0)
}

async fn remains(tx: &mut Tx<'_>, tenant: TenantId) -> Result<BTreeMap<&'static str, u64>> {
    let mut left = BTreeMap::new();
    for table in TABLES {
        let read = |row: &crate::sql::Row<'_>| row.get::<u64>(0);
        let count = tx.one(table.count, values![tenant.as_bytes()], read).await?.unwrap_or(0);
        if count > 0 {
            left.insert(table.name, count);
        }
    }
    Ok(left)
}
