//! What the answers of a day used.

// Of notebooks that may be gone: no foreign key.
pub(super) const V10: &str = "
CREATE TABLE usage_days (
    tenant_id BLOB NOT NULL,
    day INTEGER NOT NULL,
    model TEXT NOT NULL,
    notebook_id BLOB NOT NULL,
    answers INTEGER NOT NULL,
    completed INTEGER NOT NULL,
    stopped INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    abandoned INTEGER NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    estimated INTEGER NOT NULL,
    first_token TEXT NOT NULL,
    total TEXT NOT NULL,
    PRIMARY KEY (tenant_id, day, model, notebook_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE usage_closed (
    tenant_id BLOB NOT NULL PRIMARY KEY,
    open_from INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX runs_ended ON runs (tenant_id, ended_at, id) WHERE ended_at IS NOT NULL;
";

/// Days that were counted before had no prices.
pub(super) const V23: &str = "
ALTER TABLE usage_days ADD COLUMN cost_micros INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage_days ADD COLUMN priced INTEGER NOT NULL DEFAULT 0;
";
