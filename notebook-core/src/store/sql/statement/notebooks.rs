//! Statements about notebooks. `hidden`: 0 for shown, 1 for being deleted, 2 for being put together.

macro_rules! columns {
    () => {
        "id, name, named_by_user, archived, settings, created_at, updated_at"
    };
}

/// Changes nothing when the id is taken, by whichever tenant.
pub(in crate::store::sql) const INSERT: &str = concat!(
    "INSERT INTO notebooks (tenant_id, ",
    columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING"
);

/// The same for one that is being put together.
pub(in crate::store::sql) const INSERT_UNFINISHED: &str = concat!(
    "INSERT INTO notebooks (tenant_id, ",
    columns!(),
    ", hidden) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 2) ON CONFLICT DO NOTHING"
);

/// Shown, or being put together.
pub(in crate::store::sql) const SELECT: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM notebooks WHERE tenant_id = $1 AND id = $2 AND hidden <> 1"
);

pub(in crate::store::sql) const SELECT_SHOWN: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM notebooks WHERE tenant_id = $1 AND id = $2 AND hidden = 0"
);

pub(in crate::store::sql) const SHOW: &str =
    "UPDATE notebooks SET hidden = 0 WHERE tenant_id = $1 AND id = $2 AND hidden <> 1";

pub(in crate::store::sql) const LIST_UNFINISHED: &str =
    "SELECT id FROM notebooks WHERE tenant_id = $1 AND hidden = 2 ORDER BY id";

/// Newest first, older than `$2`, with archived ones when `$3` is 1.
pub(in crate::store::sql) const LIST: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM notebooks WHERE tenant_id = $1 AND id < $2 AND archived <= $3 AND hidden = 0
      ORDER BY id DESC LIMIT $4"
);

pub(in crate::store::sql) const UPDATE: &str = "UPDATE notebooks
    SET name = $1, named_by_user = $2, archived = $3, settings = $4, updated_at = $5
    WHERE tenant_id = $6 AND id = $7 AND hidden = 0";

/// Moves the time forward, never back.
pub(in crate::store::sql) const TOUCH: &str = "UPDATE notebooks SET updated_at = $1
    WHERE updated_at < $1 AND tenant_id = $2 AND id = $3";

pub(in crate::store::sql) const HIDE: &str =
    "UPDATE notebooks SET hidden = 1 WHERE tenant_id = $1 AND id = $2";

pub(in crate::store::sql) const HIDE_SOURCES: &str =
    "UPDATE sources SET stage = $1, unfinished = 1, revision = revision + 1
    WHERE tenant_id = $2 AND notebook_id = $3 AND stage <> $1";

pub(in crate::store::sql) const STOP_RUNS: &str = "UPDATE runs SET stop_requested = 1
    WHERE tenant_id = $1 AND notebook_id = $2 AND ended_at IS NULL";

pub(in crate::store::sql) const LIST_HIDDEN: &str =
    "SELECT id FROM notebooks WHERE tenant_id = $1 AND hidden = 1 ORDER BY id";

/// Where the runs of a hidden notebook stand.
pub(in crate::store::sql) const EMPTY_CHECKPOINTS: &str = "DELETE FROM checkpoints
    WHERE (tenant_id, run_id) IN (
        SELECT r.tenant_id, r.id FROM runs r
        JOIN notebooks n ON n.tenant_id = r.tenant_id AND n.id = r.notebook_id
        WHERE r.tenant_id = $1 AND r.notebook_id = $2 AND n.hidden = 1)";

/// Some conversations of a hidden notebook, with what hangs on them.
pub(in crate::store::sql) const EMPTY: &str = "DELETE FROM conversations
    WHERE tenant_id = $1 AND id IN (
        SELECT c.id FROM conversations c
        JOIN notebooks n ON n.tenant_id = c.tenant_id AND n.id = c.notebook_id
        WHERE c.tenant_id = $1 AND c.notebook_id = $2 AND n.hidden = 1 ORDER BY c.id LIMIT $3)";

/// Takes what is in the notebook with it, by foreign keys.
pub(in crate::store::sql) const DELETE: &str =
    "DELETE FROM notebooks WHERE tenant_id = $1 AND id = $2";

#[cfg(test)]
pub(in crate::store::sql) const ALL: &[&str] = &[
    INSERT,
    INSERT_UNFINISHED,
    SELECT,
    SELECT_SHOWN,
    SHOW,
    LIST,
    LIST_UNFINISHED,
    UPDATE,
    TOUCH,
    HIDE,
    HIDE_SOURCES,
    STOP_RUNS,
    LIST_HIDDEN,
    EMPTY_CHECKPOINTS,
    EMPTY,
    DELETE,
];
