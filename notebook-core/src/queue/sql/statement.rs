//! The statements.
//!
//! What a job becomes is decided by [`step`](crate::queue::step), between a read of its row and this write
//! of it; the fence in the condition of the write is the last word. Two steps need nothing of the row but its
//! state and fence, and are written without a read: [`CLAIM`] and [`COMPLETE`], which say what `step` says. The suite
//! and the random histories beside the queue in memory, which asks `step`, hold them to it.

use crate::queue::Priority;

/// The columns, in the order of the rows' readers and writers.
macro_rules! columns {
    () => {
        "id, tenant_id, kind, payload, payload_version, priority, state, attempt, max_attempts,
        crash_count, snooze_count, fence, run_at, lease_until, worker_id, cancel_requested, unique_key,
        progress_done, progress_total, result, error, created_at, finished_at"
    };
}

pub(super) const BY_ID: &str = concat!("SELECT ", columns!(), " FROM jobs WHERE id = $1");

/// A tenant's own: of another's job nothing is read, so that it takes no longer to find it than to find none.
pub(super) const OWN: &str =
    concat!("SELECT ", columns!(), " FROM jobs WHERE id = $1 AND tenant_id = $2");

/// The same for an array of ids, in the order in which all lock them.
pub(super) const BY_IDS: &str =
    concat!("SELECT ", columns!(), " FROM jobs WHERE id = ANY($1) ORDER BY id");

pub(super) const INSERT: &str = concat!(
    "INSERT INTO jobs (",
    columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19,
        $20, $21, $22, $23) ON CONFLICT DO NOTHING RETURNING id"
);

/// The same for arrays.
pub(super) const INSERT_ALL: &str = concat!(
    "INSERT INTO jobs (",
    columns!(),
    ") SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::text[], $4::text[], $5::bigint[], $6::bigint[],
        $7::text[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[],
        $13::bigint[], $14::bigint[], $15::bytea[], $16::bigint[], $17::text[], $18::bigint[],
        $19::bigint[], $20::text[], $21::text[], $22::bigint[], $23::bigint[]) ON CONFLICT DO NOTHING RETURNING id"
);

/// What can change in a job; `$16` is the fence that its row had.
pub(super) const UPDATE: &str = "UPDATE jobs SET state = $1, attempt = $2, crash_count = $3,
    snooze_count = $4, fence = $5, run_at = $6, lease_until = $7, worker_id = $8,
    cancel_requested = $9, progress_done = $10, progress_total = $11, result = $12, error = $13,
    finished_at = $14
    WHERE id = $15 AND fence = $16";

/// The same for arrays.
pub(super) const UPDATE_ALL: &str = "UPDATE jobs SET state = n.state, attempt = n.attempt,
    crash_count = n.crash_count, snooze_count = n.snooze_count, fence = n.fence, run_at = n.run_at,
    lease_until = n.lease_until, worker_id = n.worker_id, cancel_requested = n.cancel_requested,
    progress_done = n.progress_done, progress_total = n.progress_total, result = n.result,
    error = n.error, finished_at = n.finished_at
    FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[],
        $7::bigint[], $8::bytea[], $9::bigint[], $10::bigint[], $11::bigint[], $12::text[],
        $13::text[], $14::bigint[], $15::bytea[], $16::bigint[])
    AS n (state, attempt, crash_count, snooze_count, fence, run_at, lease_until, worker_id,
        cancel_requested, progress_done, progress_total, result, error, finished_at, id, had)
    WHERE jobs.id = n.id AND jobs.fence = n.had";

/// A job that is still available becomes a worker's, of which it takes `$4`.
pub(super) const CLAIM: &str = concat!(
    "UPDATE jobs SET state = 'running', fence = fence + 1, progress_done = 0, progress_total = 0,
        lease_until = $1, worker_id = $2
    WHERE id = $3 AND state = 'available' AND $4 > 0 RETURNING ",
    columns!()
);

/// The same for arrays in the order of preference: the first that nobody else has his hands on.
///
/// `state || ''`: by a bare `state` a plan that was made while the table was small reads the whole index of available
/// jobs at each claim, however many wait; by this it can only look up the ids.
pub(super) const CLAIM_ALL: &str = concat!(
    "WITH chosen AS (SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::bytea[], $4::bigint[])
        WITH ORDINALITY AS c (until, worker, chosen_id, most, place)),
    free AS MATERIALIZED (SELECT j.id AS free_id, chosen.until, chosen.worker
        FROM chosen JOIN jobs j ON j.id = chosen.chosen_id WHERE j.state || '' = 'available'
        ORDER BY chosen.place LIMIT (SELECT MAX(most) FROM chosen)
        FOR NO KEY UPDATE OF j SKIP LOCKED)
    UPDATE jobs SET state = 'running', fence = fence + 1, progress_done = 0, progress_total = 0,
        lease_until = free.until, worker_id = free.worker
    FROM free WHERE id = free.free_id RETURNING ",
    columns!()
);

/// A run ends with a result: it needs to know no more of its job than that it has it.
pub(super) const COMPLETE: &str = "UPDATE jobs SET state = 'completed', result = $1, error = NULL,
    finished_at = $2, lease_until = NULL, worker_id = NULL
    WHERE id = $3 AND fence = $4 AND state = 'running' RETURNING id, fence";

/// The same for arrays; `state || ''` for the same reason, and the rows are locked in the order in which all lock them,
/// whatever the plan: no index has that of `done_id || ''`.
pub(super) const COMPLETE_ALL: &str = "WITH held AS MATERIALIZED (
        SELECT j.id AS held_id, n.result, n.finished_at
        FROM unnest($1::text[], $2::bigint[], $3::bytea[], $4::bigint[])
            AS n (result, finished_at, done_id, had)
        JOIN jobs j ON j.id = n.done_id WHERE j.fence = n.had AND j.state || '' = 'running'
        ORDER BY n.done_id || ''::bytea FOR NO KEY UPDATE OF j)
    UPDATE jobs SET state = 'completed', result = held.result, error = NULL,
        finished_at = held.finished_at, lease_until = NULL, worker_id = NULL
    FROM held WHERE id = held.held_id RETURNING id, fence";

pub(super) const KEY_HOLDER: &str = "SELECT id FROM jobs
    WHERE tenant_id = $1 AND unique_key = $2 AND state IN ('scheduled', 'available', 'running')";

/// Some of the jobs whose time has come: the next claim makes more.
pub(super) const MAKE_DUE: &str = "UPDATE jobs SET state = 'available'
    WHERE state = 'scheduled' AND id IN (SELECT id FROM jobs
        WHERE state = 'scheduled' AND run_at <= $1 ORDER BY run_at LIMIT $2)";

/// When the first of the jobs that wait for their time may run.
pub(super) const DUE: &str =
    "SELECT run_at FROM jobs WHERE state = 'scheduled' ORDER BY run_at LIMIT 1";

/// Tenants with available jobs and their kinds, from a tenant's id onwards, found by leaps over an index:
/// a hundred thousand jobs of one kind cost one leap. What stands around the id to leap to is given.
macro_rules! found {
    ($before:literal, $after:literal) => {
        concat!(
            "WITH RECURSIVE found (tenant_id, kind) AS (
    SELECT * FROM (SELECT tenant_id, kind FROM jobs WHERE state = 'available' AND tenant_id >= $1
        ORDER BY tenant_id, kind LIMIT 1) AS least
    UNION ALL
    SELECT j.tenant_id, j.kind FROM ",
            $before,
            " COALESCE(
        (SELECT n.id FROM jobs n WHERE n.state = 'available'
            AND n.tenant_id = found.tenant_id AND n.kind > found.kind
            ORDER BY n.kind LIMIT 1),
        (SELECT n.id FROM jobs n WHERE n.state = 'available' AND n.tenant_id > found.tenant_id
            ORDER BY n.tenant_id, n.kind LIMIT 1))",
            $after,
            "
    ) "
        )
    };
}

pub(super) const WAITING_KINDS: &str = concat!(
    found!("found JOIN jobs j ON j.id =", ""),
    "SELECT tenant_id, kind FROM found LIMIT $2"
);

/// All that a claim looks at, in one statement: [`DUE`], [`WAITING_KINDS`], [`RUNNING_OF_TENANT`] and
/// [`WAITING`] for each of the kinds that a worker can do, given as JSON. The id is worked out before its row is looked for:
/// under row security no index is searched by what comes of a query, and every row would be looked at.
pub(super) const LOOK: &str = concat!(
    found!("(SELECT", " AS id FROM found OFFSET 0) AS leap JOIN jobs j ON j.id = leap.id"),
    ", listed AS MATERIALIZED (SELECT tenant_id, kind FROM found LIMIT $2),
    busy AS MATERIALIZED (SELECT t.tenant_id, (SELECT COUNT(*) FROM jobs r
            WHERE r.state = 'running' AND r.tenant_id = t.tenant_id) AS running
        FROM (SELECT DISTINCT tenant_id FROM listed) t)
    SELECT due.run_at, waiting.* FROM (SELECT 1) AS always
    LEFT JOIN (SELECT run_at FROM jobs WHERE state = 'scheduled' ORDER BY run_at LIMIT 1) AS due
        ON true
    LEFT JOIN (SELECT l.tenant_id, l.kind, b.running, w.id, w.priority, w.run_at
        FROM listed l JOIN busy b ON b.tenant_id = l.tenant_id
        LEFT JOIN json_to_recordset($3::json) AS rule (kind TEXT, payload_version BIGINT)
            ON rule.kind = l.kind
        LEFT JOIN LATERAL (SELECT id, priority, run_at FROM jobs n
            WHERE n.state = 'available' AND n.tenant_id = l.tenant_id AND n.kind = rule.kind
                AND n.payload_version <= rule.payload_version
            ORDER BY n.priority, n.run_at, n.id LIMIT $4) AS w ON true) AS waiting ON true"
);

/// The first available jobs of a kind in a tenant, of a version that the worker knows.
pub(super) const WAITING: &str = "SELECT id, priority, run_at FROM jobs
    WHERE state = 'available' AND tenant_id = $1 AND kind = $2 AND payload_version <= $3
    ORDER BY priority, run_at, id LIMIT $4";

pub(super) const RUNNING_OF_TENANT: &str =
    "SELECT COUNT(*) FROM jobs WHERE state = 'running' AND tenant_id = $1";

pub(super) const RUNNING_OF_KIND: &str =
    "SELECT COUNT(*) FROM jobs WHERE state = 'running' AND kind = $1";

pub(super) const EXPIRED: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM jobs WHERE state = 'running' AND lease_until < $1 ORDER BY lease_until LIMIT $2"
);

pub(super) const DEAD: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM jobs WHERE state = 'dead' AND tenant_id = $1 ORDER BY id DESC LIMIT $2"
);

/// The same as `step` says of a job that runs and whose end is asked for.
pub(super) const CANCEL_RUNNING: &str =
    "UPDATE jobs SET cancel_requested = 1 WHERE tenant_id = $1 AND state = 'running'";

/// Of one tenant, all but those that run.
pub(super) const CLEAR: &str = "DELETE FROM jobs WHERE tenant_id = $1 AND state <> 'running'";

pub(super) const COUNT: &str = "SELECT COUNT(*) FROM jobs WHERE tenant_id = $1";

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_first_appear_in_rising_order() {
        crate::sql::check_statements(&[
            BY_ID,
            OWN,
            BY_IDS,
            INSERT,
            INSERT_ALL,
            UPDATE,
            UPDATE_ALL,
            CLAIM,
            CLAIM_ALL,
            COMPLETE,
            COMPLETE_ALL,
            KEY_HOLDER,
            MAKE_DUE,
            WAITING_KINDS,
            LOOK,
            WAITING,
            RUNNING_OF_TENANT,
            RUNNING_OF_KIND,
            EXPIRED,
            DEAD,
            CANCEL_RUNNING,
            CLEAR,
            COUNT,
            FORGET,
        ]);
    }
}
