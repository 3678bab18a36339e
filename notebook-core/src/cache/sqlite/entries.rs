//! The entries of a tenant, ordered by use.
//!
//! Each tenant counts its uses (writes, and reads of fading entries); an entry remembers the
//! count of its last one.

use super::ENTRY_OVERHEAD;
use crate::{
    Result, TenantId,
    cache::CacheKey,
    sql::{Tx, values},
};

/// An entry fades when this many uses have passed since its own.
pub(super) const FADES_AFTER: i64 = 64;

const SELECT: &str = "SELECT e.value, t.uses - e.used
    FROM cache_entries e JOIN cache_tenants t ON t.tenant_id = e.tenant_id
    WHERE e.tenant_id = $1 AND e.key = $2";
const ADD_TENANT: &str = "INSERT INTO cache_tenants (tenant_id, bytes, uses) VALUES ($1, 0, 0)
    ON CONFLICT DO NOTHING";
const REMOVE_TENANT: &str = "DELETE FROM cache_tenants WHERE tenant_id = $1";
const COUNT: &str = "UPDATE cache_tenants SET uses = uses + 1, bytes = bytes + $1
    WHERE tenant_id = $2";
const BYTES: &str = "SELECT bytes FROM cache_entries WHERE tenant_id = $1 AND key = $2";
const REMOVE: &str = "DELETE FROM cache_entries WHERE tenant_id = $1 AND key = $2";
const INSERT: &str = "INSERT INTO cache_entries (tenant_id, key, used, bytes, value)
    SELECT tenant_id, $1, uses, $2, $3 FROM cache_tenants WHERE tenant_id = $4";
const TOUCH: &str = "UPDATE cache_entries
    SET used = (SELECT uses FROM cache_tenants WHERE tenant_id = $1)
    WHERE tenant_id = $1 AND key = $2";
const TOTAL: &str = "SELECT SUM(bytes) FROM cache_tenants";
const LARGEST: &str = "SELECT tenant_id FROM cache_tenants ORDER BY bytes DESC LIMIT 1";
const OLDEST: &str = "SELECT key, bytes FROM cache_entries WHERE tenant_id = $1
    ORDER BY used LIMIT 1";

/// What a read found.
pub(super) struct Found {
    /// In the order of the keys.
    pub(super) values: Vec<Option<Vec<u8>>>,
    /// The entries found whose last use is long ago.
    pub(super) fading: Vec<CacheKey>,
}

/// The values of the keys.
pub(super) async fn get(tx: &mut Tx<'_>, tenant: TenantId, keys: &[CacheKey]) -> Result<Found> {
    let mut found = Found { values: Vec::with_capacity(keys.len()), fading: Vec::new() };
    for key in keys {
        let values = values![tenant.as_bytes(), key.as_bytes()];
        let entry = tx.one(SELECT, values, |row| Ok((row.get(0)?, row.get::<i64>(1)?))).await?;
        if entry.as_ref().is_some_and(|(_, age)| *age > FADES_AFTER) {
            found.fading.push(*key);
        }
        found.values.push(entry.map(|(value, _)| value));
    }
    Ok(found)
}

/// Makes entries the newest of their tenant.
pub(super) async fn touch(tx: &mut Tx<'_>, tenant: TenantId, keys: &[CacheKey]) -> Result<()> {
    for key in keys {
        count(tx, tenant, 0).await?;
        tx.execute(TOUCH, values![tenant.as_bytes(), key.as_bytes()]).await?;
    }
    Ok(())
}

/// Stores values and forgets others until they fit.
pub(super) async fn put(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    entries: &[(CacheKey, Vec<u8>)],
    max_bytes: i64,
) -> Result<()> {
    for (key, value) in entries {
        tx.execute(ADD_TENANT, values![tenant.as_bytes()]).await?;
        remove(tx, tenant, *key.as_bytes()).await?;
        let bytes = value.len().saturating_add(ENTRY_OVERHEAD);
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        if bytes <= max_bytes {
            count(tx, tenant, bytes).await?;
            tx.execute(INSERT, values![key.as_bytes(), bytes, *value, tenant.as_bytes()]).await?;
        }
        make_room(tx, max_bytes).await?;
    }
    Ok(())
}

/// Forgets everything of a tenant.
pub(super) async fn clear(tx: &mut Tx<'_>, tenant: TenantId) -> Result<()> {
    tx.execute(REMOVE_TENANT, values![tenant.as_bytes()]).await.map(drop)
}

/// Forgets entries, those that there are.
pub(super) async fn remove_all(tx: &mut Tx<'_>, tenant: TenantId, keys: &[CacheKey]) -> Result<()> {
    for key in keys {
        remove(tx, tenant, *key.as_bytes()).await?;
    }
    Ok(())
}

async fn remove(tx: &mut Tx<'_>, tenant: TenantId, key: [u8; 32]) -> Result<()> {
    let values = values![tenant.as_bytes(), key];
    if let Some(bytes) = tx.one(BYTES, values, |row| row.get::<i64>(0)).await? {
        tx.execute(REMOVE, values).await?;
        count(tx, tenant, -bytes).await?;
    }
    Ok(())
}

/// Counts a use, and `bytes` more.
async fn count(tx: &mut Tx<'_>, tenant: TenantId, bytes: i64) -> Result<()> {
    tx.execute(COUNT, values![bytes, tenant.as_bytes()]).await.map(drop)
}

async fn make_room(tx: &mut Tx<'_>, max_bytes: i64) -> Result<()> {
    while tx.one(TOTAL, &[], |row| row.get::<Option<i64>>(0)).await?.flatten() > Some(max_bytes) {
        let largest = tx.one(LARGEST, &[], |row| row.id(0, TenantId::from_u128)).await?;
        let Some(largest) = largest else { return Ok(()) };
        let values = values![largest.as_bytes()];
        match tx.one(OLDEST, values, |row| row.get::<[u8; 32]>(0)).await? {
            Some(key) => remove(tx, largest, key).await?,
            None => clear(tx, largest).await?,
        }
    }
    Ok(())
}
