//! Statements about runs and their events.

macro_rules! columns {
    () => {
        "id, notebook_id, conversation_id, question_id, answer_id, state, created_at, ended_at, stop_requested"
    };
}

/// Changes nothing when the id is taken.
/// But for what is in a notebook that is being deleted.
macro_rules! shown {
    () => {
        " AND NOT EXISTS (SELECT 1 FROM notebooks n
            WHERE n.tenant_id = $1 AND n.id = notebook_id AND n.hidden = 1)"
    };
}

pub(in crate::store::sql) const INSERT: &str = concat!(
    "INSERT INTO runs (tenant_id, ",
    columns!(),
    ", idempotency_key, request_hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
     ON CONFLICT (tenant_id, id) DO NOTHING"
);

pub(in crate::store::sql) const SELECT: &str =
    concat!("SELECT ", columns!(), " FROM runs WHERE tenant_id = $1 AND id = $2", shown!());

/// The run that a key was first used for, with the hash of its request.
pub(in crate::store::sql) const SELECT_BY_KEY: &str = concat!(
    "SELECT ",
    columns!(),
    ", request_hash FROM runs
      WHERE tenant_id = $1 AND conversation_id = $2 AND idempotency_key = $3"
);

/// Newest first.
pub(in crate::store::sql) const LIST: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM runs WHERE tenant_id = $1 AND conversation_id = $2 ORDER BY id DESC LIMIT $3"
);

/// Oldest first.
pub(in crate::store::sql) const UNFINISHED: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM runs WHERE tenant_id = $1 AND ended_at IS NULL ORDER BY id"
);

pub(in crate::store::sql) const UPDATE_STATE: &str =
    "UPDATE runs SET state = $1, ended_at = $2 WHERE tenant_id = $3 AND id = $4";

pub(in crate::store::sql) const REQUEST_STOP: &str = "UPDATE runs SET stop_requested = 1
    WHERE tenant_id = $1 AND id = $2 AND ended_at IS NULL";

pub(in crate::store::sql) const STOPPING: &str = "SELECT id FROM runs
    WHERE tenant_id = $1 AND stop_requested = 1 AND ended_at IS NULL ORDER BY id";

/// Runs with events to be deleted.
pub(in crate::store::sql) const PRUNABLE: &str = "SELECT id FROM runs
    WHERE tenant_id = $1 AND pruned = 0 AND ended_at < $2 ORDER BY ended_at LIMIT $3";

/// Deletes all events of a run but its last one.
pub(in crate::store::sql) const PRUNE: &str = "DELETE FROM run_events
    WHERE tenant_id = $1 AND run_id = $2 AND seq < (
        SELECT MAX(seq) FROM run_events WHERE tenant_id = $1 AND run_id = $2)";

pub(in crate::store::sql) const SET_RECORDED: &str =
    "UPDATE runs SET recorded = 1 WHERE tenant_id = $1 AND id = $2";

pub(in crate::store::sql) const SET_USED: &str =
    "UPDATE runs SET used = $1 WHERE tenant_id = $2 AND id = $3";

pub(in crate::store::sql) const SET_PRUNED: &str =
    "UPDATE runs SET pruned = 1 WHERE tenant_id = $1 AND id = $2";

/// The number of the last event; null when there is none.
pub(in crate::store::sql) const LAST_EVENT: &str =
    "SELECT MAX(seq) FROM run_events WHERE tenant_id = $1 AND run_id = $2";

pub(in crate::store::sql) const INSERT_EVENT: &str =
    "INSERT INTO run_events (tenant_id, run_id, seq, at, body) VALUES ($1, $2, $3, $4, $5)";

/// The same for many events of a run, as arrays.
pub(in crate::store::sql) const INSERT_EVENTS: &str =
    "INSERT INTO run_events (tenant_id, run_id, seq, at, body)
    SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bigint[], $4::bigint[], $5::text[])";

pub(in crate::store::sql) const LIST_EVENTS: &str = "SELECT seq, at, body FROM run_events
    WHERE tenant_id = $1 AND run_id = $2 AND seq > $3 ORDER BY seq LIMIT $4";

#[cfg(test)]
pub(in crate::store::sql) const ALL: &[&str] = &[
    INSERT,
    SELECT,
    SELECT_BY_KEY,
    LIST,
    UNFINISHED,
    UPDATE_STATE,
    REQUEST_STOP,
    PRUNABLE,
    PRUNE,
    SET_PRUNED,
    SET_RECORDED,
    SET_USED,
    STOPPING,
    LAST_EVENT,
    INSERT_EVENT,
    INSERT_EVENTS,
    LIST_EVENTS,
];
