//! Statements about webhooks and their deliveries.

macro_rules! columns {
    () => {
        "id, url, description, events, enabled, disabled, failing_since, created_at, updated_at"
    };
}

macro_rules! delivery_columns {
    () => {
        "id, webhook_id, event, body, state, attempts, tried, job_id, created_at, updated_at"
    };
}

/// Changes nothing when the id is taken.
pub(in crate::store::sql) const INSERT: &str = concat!(
    "INSERT INTO webhooks (tenant_id, ",
    columns!(),
    ", secret) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING"
);

pub(in crate::store::sql) const SELECT: &str =
    concat!("SELECT ", columns!(), " FROM webhooks WHERE tenant_id = $1 AND id = $2");

/// Oldest first.
pub(in crate::store::sql) const LIST: &str =
    concat!("SELECT ", columns!(), " FROM webhooks WHERE tenant_id = $1 ORDER BY id");

/// What is asked whenever something happens: a tenant has few, most have none.
pub(in crate::store::sql) const ENABLED: &str =
    "SELECT id, events FROM webhooks WHERE tenant_id = $1 AND enabled = 1 ORDER BY id";

pub(in crate::store::sql) const UPDATE: &str = "UPDATE webhooks
    SET url = $1, description = $2, events = $3, enabled = $4, disabled = $5, failing_since = $6,
        updated_at = $7
    WHERE tenant_id = $8 AND id = $9";

/// Takes the deliveries with it, by foreign keys.
pub(in crate::store::sql) const DELETE: &str =
    "DELETE FROM webhooks WHERE tenant_id = $1 AND id = $2";

pub(in crate::store::sql) const SECRETS: &str =
    "SELECT secret, previous_secret, previous_until FROM webhooks
    WHERE tenant_id = $1 AND id = $2";

pub(in crate::store::sql) const ROTATE: &str = "UPDATE webhooks
    SET previous_secret = secret, previous_until = $1, secret = $2, updated_at = $3
    WHERE tenant_id = $4 AND id = $5";

/// Changes nothing when the id is taken: the same event was told of before.
pub(in crate::store::sql) const INSERT_DELIVERY: &str = concat!(
    "INSERT INTO webhook_deliveries (tenant_id, ",
    delivery_columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING"
);

pub(in crate::store::sql) const SELECT_DELIVERY: &str = concat!(
    "SELECT ",
    delivery_columns!(),
    " FROM webhook_deliveries WHERE tenant_id = $1 AND webhook_id = $2 AND id = $3"
);

/// Newest first, older than `$3`.
pub(in crate::store::sql) const LIST_DELIVERIES: &str = concat!(
    "SELECT ",
    delivery_columns!(),
    " FROM webhook_deliveries WHERE tenant_id = $1 AND webhook_id = $2 AND id < $3
      ORDER BY id DESC LIMIT $4"
);

pub(in crate::store::sql) const UPDATE_DELIVERY: &str = "UPDATE webhook_deliveries
    SET state = $1, attempts = $2, tried = $3, job_id = $4, updated_at = $5
    WHERE tenant_id = $6 AND id = $7";

/// Pending ones that no job is for.
pub(in crate::store::sql) const ORPHANED: &str = concat!(
    "SELECT ",
    delivery_columns!(),
    " FROM webhook_deliveries WHERE tenant_id = $1 AND state = 'pending' AND NOT EXISTS (
        SELECT 1 FROM jobs WHERE jobs.id = webhook_deliveries.job_id
        AND jobs.state IN ('scheduled', 'available', 'running')) ORDER BY id LIMIT $2"
);

pub(in crate::store::sql) const PRUNE: &str =
    "DELETE FROM webhook_deliveries WHERE tenant_id = $1 AND id IN (
        SELECT id FROM webhook_deliveries WHERE tenant_id = $1 AND state <> 'pending'
        AND updated_at < $2 ORDER BY updated_at LIMIT $3)";

#[cfg(test)]
pub(in crate::store::sql) const ALL: &[&str] = &[
    INSERT,
    SELECT,
    LIST,
    ENABLED,
    UPDATE,
    DELETE,
    SECRETS,
    ROTATE,
    INSERT_DELIVERY,
    SELECT_DELIVERY,
    LIST_DELIVERIES,
    UPDATE_DELIVERY,
    ORPHANED,
    PRUNE,
];
