use super::{SqliteCache, entries};
use crate::{
    TenantId, TenantScope,
    cache::{Cache as _, CacheKey},
    sql::values,
    sqlite::SqliteConfig,
};

fn key(name: u8) -> CacheKey {
    CacheKey::of(&[&[name]])
}

#[allow(clippy::disallowed_methods, reason = "tenants of the test's own")]
fn tenant() -> TenantScope {
    TenantScope::authenticated(TenantId::new())
}

/// A tenant's entries, the one that is forgotten first before the others.
async fn by_use(cache: &SqliteCache, scope: &TenantScope) -> Vec<[u8; 32]> {
    const ORDER: &str = "SELECT key FROM cache_entries WHERE tenant_id = $1 ORDER BY used";
    let rows = cache.client.write("read order", scope.tenant(), |tx, tenant| {
        Box::pin(async move {
            tx.all(ORDER, values![tenant.as_bytes()], |row| row.get::<[u8; 32]>(0)).await
        })
    });
    rows.await.unwrap()
}

async fn flood(cache: &SqliteCache, scope: &TenantScope, name: u8) {
    for _ in 0..=entries::FADES_AFTER {
        cache.put(scope, vec![(key(name), vec![0])]).await.unwrap();
    }
}

/// T34: which entry a tenant used last is a matter of its own uses, and of its own entries.
pub(crate) async fn each_tenant_has_its_own_order(cache: &SqliteCache) {
    let (one, other) = (tenant(), tenant());
    for scope in [&one, &other] {
        for name in 0..3 {
            cache.put(scope, vec![(key(name), vec![name])]).await.unwrap();
        }
    }
    let order = |names: [u8; 3]| names.map(|name| *key(name).as_bytes());
    let orders = async || (by_use(cache, &one).await, by_use(cache, &other).await);
    flood(cache, &one, 2).await;
    // The one's entry is fading, and the other's is not.
    for scope in [&one, &other] {
        cache.get(scope, &[key(0)]).await.unwrap();
    }
    let (ones, others) = orders().await;
    assert_eq!((&*ones, &*others), (&order([1, 2, 0])[..], &order([0, 1, 2])[..]));
    flood(cache, &other, 2).await;
    flood(cache, &other, 2).await;
    for scope in [&one, &other] {
        cache.get(scope, &[key(0)]).await.unwrap();
    }
    let (ones, others) = orders().await;
    assert_eq!((&*ones, &*others), (&order([1, 2, 0])[..], &order([1, 2, 0])[..]));
}

#[tokio::test]
async fn t34_each_tenant_has_its_own_order() {
    let folder = tempfile::tempdir().unwrap();
    let config = SqliteConfig::new(folder.path().join("a.db"));
    each_tenant_has_its_own_order(&SqliteCache::open(config, 1 << 20).await.unwrap()).await;
}
