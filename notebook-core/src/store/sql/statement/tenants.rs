//! Statements that remove all of a tenant, table by table.

/// A table of what tenants have.
pub(in crate::store::sql) struct Table {
    pub(in crate::store::sql) name: &'static str,
    /// Removes at most `$2` rows of the tenant `$1`.
    pub(in crate::store::sql) erase: &'static str,
    pub(in crate::store::sql) count: &'static str,
}

macro_rules! tables {
    ($($name:literal by $key:literal),* $(,)?) => {
        /// In an order in which no row takes others along by a foreign key: a batch stays one. Jobs are the queue's.
        pub(in crate::store::sql) const TABLES: &[Table] = &[$(Table {
            name: $name,
            erase: concat!(
                "DELETE FROM ", $name, " WHERE (tenant_id, ", $key, ") IN (SELECT tenant_id, ", $key,
                " FROM ", $name, " WHERE tenant_id = $1 LIMIT $2)"
            ),
            count: concat!("SELECT COUNT(*) FROM ", $name, " WHERE tenant_id = $1"),
        }),*];
    };
}

tables!(
    "checkpoints" by "run_id",
    "approvals" by "id",
    "recordings" by "run_id, part",
    "run_events" by "run_id, seq",
    "runs" by "id",
    "messages" by "id",
    "conversations" by "id",
    "embeddings" by "source_id, ordinal",
    "chunks" by "source_id, ordinal",
    "text_segments" by "source_id, start_at",
    "documents" by "source_id",
    "sources" by "id",
    "notebooks" by "id",
    "webhook_deliveries" by "id",
    "webhooks" by "id",
    "guard_reports" by "id",
    "usage_days" by "day, model, notebook_id",
    "usage_closed" by "tenant_id",
);
