//! Statements about notebooks.

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

/// The same for one that is hidden.
pub(in crate::store::sql) const INSERT_HIDDEN: &str = concat!(
    "INSERT INTO notebooks (tenant_id, ",
    columns!(),
    ", hidden) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1) ON CONFLICT DO NOTHING"
);

/// Hidden or not.
pub(in crate::store::sql) const SELECT: &str =
    concat!("SELECT ", columns!(), " FROM notebooks WHERE tenant_id = $1 AND id = $2");

pub(in crate::store::sql) const SELECT_SHOWN: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM notebooks WHERE tenant_id = $1 AND id = $2 AND hidden = 0"
);

pub(in crate::store::sql) const SHOW: &str =
    "UPDATE notebooks SET hidden = 0 WHERE tenant_id = $1 AND id = $2";

pub(in crate::store::sql) const LIST_HIDDEN: &str =
    "SELECT id FROM notebooks WHERE tenant_id = $1 AND hidden = 1 ORDER BY id";

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

/// Takes what is in the notebook with it, by foreign keys.
pub(in crate::store::sql) const DELETE: &str =
    "DELETE FROM notebooks WHERE tenant_id = $1 AND id = $2";

#[cfg(test)]
pub(in crate::store::sql) const ALL: &[&str] =
    &[INSERT, INSERT_HIDDEN, SELECT, SELECT_SHOWN, SHOW, LIST, LIST_HIDDEN, UPDATE, TOUCH, DELETE];
