//! The statements, for every engine that speaks SQL.
//!
//! What a job becomes is decided by [`step`](super::step), between a read of its row and this write
//! of it; the fence in the condition of the write is the last word. Parameters are numbered in the order
//! in which they appear: SQLite takes `$1` for a name.

use super::Priority;

/// The columns, in the order of the rows' readers and writers.
macro_rules! columns {
    () => {
        "id, tenant_id, kind, payload, payload_version, priority, state, attempt, max_attempts,
        crash_count, snooze_count, fence, run_at, lease_until, worker_id, cancel_requested, unique_key,
        progress_done, progress_total, result, error, created_at, finished_at"
    };
}

#[cfg(feature = "sqlite")]
pub(super) const BY_ID: &str = concat!("SELECT ", columns!(), " FROM jobs WHERE id = $1");

/// The same, and nobody else changes it until the transaction ends: for engines with many writers.
#[cfg(feature = "postgres")]
pub(super) const BY_ID_LOCKED: &str =
    concat!("SELECT ", columns!(), " FROM jobs WHERE id = $1 FOR UPDATE");

pub(super) const INSERT: &str = concat!(
    "INSERT INTO jobs (",
    columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19,
        $20, $21, $22, $23) ON CONFLICT DO NOTHING"
);

/// What can change in a job; `$16` is the fence that its row had.
pub(super) const UPDATE: &str = "UPDATE jobs SET state = $1, attempt = $2, crash_count = $3,
    snooze_count = $4, fence = $5, run_at = $6, lease_until = $7, worker_id = $8,
    cancel_requested = $9, progress_done = $10, progress_total = $11, result = $12, error = $13,
    finished_at = $14
    WHERE id = $15 AND fence = $16";

pub(super) const KEY_HOLDER: &str = "SELECT id FROM jobs
    WHERE tenant_id = $1 AND unique_key = $2 AND state IN ('scheduled', 'available', 'running')";

pub(super) const MAKE_DUE: &str = "UPDATE jobs SET state = 'available'
    WHERE state = 'scheduled' AND run_at <= $1";

/// Tenants with available jobs and their kinds, from a tenant's id onwards, found by leaps over an index:
/// a hundred thousand jobs of one kind cost one leap.
pub(super) const WAITING_KINDS: &str = "WITH RECURSIVE found (tenant_id, kind) AS (
    SELECT * FROM (SELECT tenant_id, kind FROM jobs WHERE state = 'available' AND tenant_id >= $1
        ORDER BY tenant_id, kind LIMIT 1) AS least
    UNION ALL
    SELECT j.tenant_id, j.kind FROM found JOIN jobs j ON j.id = COALESCE(
        (SELECT n.id FROM jobs n WHERE n.state = 'available'
            AND n.tenant_id = found.tenant_id AND n.kind > found.kind
            ORDER BY n.kind LIMIT 1),
        (SELECT n.id FROM jobs n WHERE n.state = 'available' AND n.tenant_id > found.tenant_id
            ORDER BY n.tenant_id, n.kind LIMIT 1))
    ) SELECT tenant_id, kind FROM found LIMIT $2";

/// The first available jobs of a kind in a tenant, of a version that the worker knows.
pub(super) const WAITING: &str = "SELECT id, priority, run_at FROM jobs
    WHERE state = 'available' AND tenant_id = $1 AND kind = $2 AND payload_version <= $3
    ORDER BY priority, run_at, id LIMIT $4";

pub(super) const RUNNING_OF_TENANT: &str =
    "SELECT COUNT(*) FROM jobs WHERE state = 'running' AND tenant_id = $1";

pub(super) const RUNNING_OF_KIND: &str =
    "SELECT COUNT(*) FROM jobs WHERE state = 'running' AND kind = $1";

#[cfg(feature = "sqlite")]
pub(super) const EXPIRED: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM jobs WHERE state = 'running' AND lease_until < $1 ORDER BY lease_until LIMIT $2"
);

/// The same, without those that another transaction has.
#[cfg(feature = "postgres")]
pub(super) const EXPIRED_LOCKED: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM jobs WHERE state = 'running' AND lease_until < $1 ORDER BY lease_until LIMIT $2
    FOR UPDATE SKIP LOCKED"
);

pub(super) const FORGET: &str = "DELETE FROM jobs WHERE id IN (
    SELECT id FROM jobs WHERE finished_at < $1 ORDER BY finished_at LIMIT $2)";

/// A priority's place in the order of the rows.
pub(super) const fn rank(priority: Priority) -> i64 {
    match priority {
        Priority::High => 0,
        Priority::Medium => 1,
        Priority::Low => 2,
    }
}

/// The priority of a place.
pub(super) const fn priority(rank: i64) -> Priority {
    match rank {
        0 => Priority::High,
        1 => Priority::Medium,
        _ => Priority::Low,
    }
}
