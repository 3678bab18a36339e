//! Statements about recordings.

/// Locked: see [`crate::sql::Lock`].
pub(in crate::store::sql) const RUN: &str = "SELECT id FROM runs WHERE tenant_id = $1 AND id = $2";

pub(in crate::store::sql) const NEWEST: &str =
    "SELECT COALESCE(MAX(part), 0) FROM recordings WHERE tenant_id = $1 AND run_id = $2";

pub(in crate::store::sql) const INSERT: &str = "INSERT INTO recordings (tenant_id, run_id, part, recorded_at, body) VALUES ($1, $2, $3, $4, $5)";

pub(in crate::store::sql) const LIST: &str = "SELECT part, recorded_at, body FROM recordings
    WHERE tenant_id = $1 AND run_id = $2 ORDER BY part";

#[cfg(test)]
pub(in crate::store::sql) const ALL: &[&str] = &[RUN, NEWEST, INSERT, LIST];
