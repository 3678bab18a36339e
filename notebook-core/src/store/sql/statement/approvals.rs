//! Statements about approvals.

macro_rules! columns {
    () => {
        "id, run_id, call_key, tool, arguments, digest, reason, state, asked_at, expires_at, \
         decided_at, decided_by, note"
    };
}

/// Nothing where it was asked before.
pub(in crate::store::sql) const INSERT: &str = concat!(
    "INSERT INTO approvals (tenant_id, wakes, ",
    columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
    ON CONFLICT (tenant_id, run_id, call_key) DO NOTHING"
);

pub(in crate::store::sql) const BY_CALL: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM approvals WHERE tenant_id = $1 AND run_id = $2 AND call_key = $3"
);

pub(in crate::store::sql) const GET: &str =
    concat!("SELECT ", columns!(), ", wakes FROM approvals WHERE tenant_id = $1 AND id = $2");

pub(in crate::store::sql) const LIST: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM approvals WHERE tenant_id = $1 AND run_id = $2 ORDER BY id"
);

pub(in crate::store::sql) const DECIDE: &str = "UPDATE approvals SET state = $1, decided_at = $2,
    decided_by = $3, note = $4
    WHERE tenant_id = $5 AND run_id = $6 AND call_key = $7 AND state = 'pending'";

/// The job that sleeps until there is an answer.
pub(in crate::store::sql) const WAKE: &str = "UPDATE jobs SET state = 'available', run_at = $1
    WHERE tenant_id = $2 AND unique_key = $3 AND state = 'scheduled'";

pub(in crate::store::sql) const RUN: &str = "SELECT id FROM runs WHERE tenant_id = $1 AND id = $2";

#[cfg(test)]
pub(in crate::store::sql) const ALL: &[&str] = &[INSERT, BY_CALL, GET, LIST, DECIDE, WAKE, RUN];
