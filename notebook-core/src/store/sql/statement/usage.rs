//! Statements about usage.

/// Answers that were made here and ended after the moment and id `$2`, `$3` and before `$4`.
pub(in crate::store::sql) const ENDED: &str = "SELECT r.id, r.notebook_id, r.state, r.created_at,
        r.ended_at, m.model, m.usage, m.timings, r.used
    FROM runs r LEFT JOIN messages m ON m.tenant_id = r.tenant_id AND m.id = r.answer_id
    WHERE r.tenant_id = $1 AND (r.ended_at, r.id) > ($2, $3) AND r.ended_at < $4 AND r.recorded = 0
    ORDER BY r.ended_at, r.id LIMIT $5";

pub(in crate::store::sql) const FIRST_ENDED: &str = "SELECT ended_at FROM runs
    WHERE tenant_id = $1 AND ended_at IS NOT NULL AND recorded = 0 ORDER BY ended_at LIMIT 1";

pub(in crate::store::sql) const OPEN_FROM: &str =
    "SELECT open_from FROM usage_closed WHERE tenant_id = $1";

pub(in crate::store::sql) const CLOSE: &str = "INSERT INTO usage_closed (tenant_id, open_from)
    VALUES ($1, $2) ON CONFLICT (tenant_id) DO UPDATE SET open_from = excluded.open_from
    WHERE usage_closed.open_from < excluded.open_from";

pub(in crate::store::sql) const DELETE_DAY: &str =
    "DELETE FROM usage_days WHERE tenant_id = $1 AND day = $2";

macro_rules! columns {
    () => {
        "day, model, notebook_id, answers, completed, stopped, failed, abandoned, \
         prompt_tokens, completion_tokens, estimated, first_token, total, cost_micros, priced"
    };
}

pub(in crate::store::sql) const INSERT: &str = concat!(
    "INSERT INTO usage_days (tenant_id, ",
    columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)"
);

pub(in crate::store::sql) const LIST: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM usage_days WHERE tenant_id = $1 AND day >= $2 AND day <= $3
      ORDER BY day, model, notebook_id"
);

#[cfg(test)]
pub(in crate::store::sql) const ALL: &[&str] =
    &[ENDED, FIRST_ENDED, OPEN_FROM, CLOSE, DELETE_DAY, INSERT, LIST];
