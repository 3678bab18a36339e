//! The tables of the cache.

use crate::sql::Migration;

/// Every step of the schema, in order.
pub(super) const MIGRATIONS: &[Migration] =
    &[Migration { version: 1, name: "cache entries by tenant", sql: V1 }];

const V1: &str = "
CREATE TABLE cache_tenants (
    tenant_id BLOB NOT NULL PRIMARY KEY,
    bytes INTEGER NOT NULL,
    uses INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX cache_tenants_bytes ON cache_tenants (bytes);

CREATE TABLE cache_entries (
    tenant_id BLOB NOT NULL REFERENCES cache_tenants (tenant_id) ON DELETE CASCADE,
    key BLOB NOT NULL,
    used INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (tenant_id, key)
) STRICT;
CREATE INDEX cache_entries_used ON cache_entries (tenant_id, used);
";
