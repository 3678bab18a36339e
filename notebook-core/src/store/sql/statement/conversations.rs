//! Statements about conversations and their messages.

macro_rules! columns {
    () => {
        "id, notebook_id, title, excluded_sources, created_at, updated_at"
    };
}

/// But for what is in a notebook that is being deleted.
macro_rules! shown {
    () => {
        " AND NOT EXISTS (SELECT 1 FROM notebooks n
            WHERE n.tenant_id = $1 AND n.id = notebook_id AND n.hidden = 1)"
    };
}

macro_rules! message_columns {
    () => {
        "id, conversation_id, parent_id, role, text, citations, dropped_citations, run_id, \
         model, usage, timings, partial, created_at, warnings"
    };
}

/// Changes nothing when the id is taken, by whichever tenant.
pub(in crate::store::sql) const INSERT: &str = concat!(
    "INSERT INTO conversations (tenant_id, ",
    columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING"
);

pub(in crate::store::sql) const SELECT: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM conversations WHERE tenant_id = $1 AND id = $2",
    shown!()
);

pub(in crate::store::sql) const LIST: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM conversations WHERE tenant_id = $1 AND notebook_id = $2 ORDER BY id DESC"
);

pub(in crate::store::sql) const UPDATE: &str = "UPDATE conversations
    SET title = $1, excluded_sources = $2, updated_at = $3 WHERE tenant_id = $4 AND id = $5";

/// Moves the time forward, never back.
pub(in crate::store::sql) const TOUCH: &str = "UPDATE conversations SET updated_at = $1
    WHERE updated_at < $1 AND tenant_id = $2 AND id = $3";

/// Where its runs stand: they have no foreign key, for runs that are no answers have checkpoints too.
pub(in crate::store::sql) const DELETE_CHECKPOINTS: &str = "DELETE FROM checkpoints
    WHERE (tenant_id, run_id) IN (
        SELECT tenant_id, id FROM runs WHERE tenant_id = $1 AND conversation_id = $2)";

/// Takes messages, runs and events with it, by foreign keys.
pub(in crate::store::sql) const DELETE: &str =
    "DELETE FROM conversations WHERE tenant_id = $1 AND id = $2";

/// Changes nothing when the id is taken.
pub(in crate::store::sql) const INSERT_MESSAGE: &str = concat!(
    "INSERT INTO messages (tenant_id, ",
    message_columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
     ON CONFLICT DO NOTHING"
);

pub(in crate::store::sql) const SELECT_MESSAGE: &str =
    concat!("SELECT ", message_columns!(), " FROM messages WHERE tenant_id = $1 AND id = $2");

/// Whether a message is in a conversation.
pub(in crate::store::sql) const MESSAGE_EXISTS: &str =
    "SELECT 1 FROM messages WHERE tenant_id = $1 AND conversation_id = $2 AND id = $3";

/// Newest first, older than `$3`.
pub(in crate::store::sql) const LIST_MESSAGES: &str = concat!(
    "SELECT ",
    message_columns!(),
    " FROM messages WHERE tenant_id = $1 AND conversation_id = $2 AND id < $3
      ORDER BY id DESC LIMIT $4"
);

#[cfg(test)]
pub(in crate::store::sql) const ALL: &[&str] = &[
    INSERT,
    SELECT,
    LIST,
    UPDATE,
    TOUCH,
    DELETE_CHECKPOINTS,
    DELETE,
    INSERT_MESSAGE,
    SELECT_MESSAGE,
    MESSAGE_EXISTS,
    LIST_MESSAGES,
];
