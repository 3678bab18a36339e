//! What the answers of a day used.

// Of notebooks that may be gone: no foreign key.
pub(super) const V10: &str = r#"
CREATE TABLE usage_days (
    tenant_id BYTEA NOT NULL,
    day BIGINT NOT NULL,
    model TEXT COLLATE "C" NOT NULL,
    notebook_id BYTEA NOT NULL,
    answers BIGINT NOT NULL,
    completed BIGINT NOT NULL,
    stopped BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    abandoned BIGINT NOT NULL,
    prompt_tokens BIGINT NOT NULL,
    completion_tokens BIGINT NOT NULL,
    estimated BIGINT NOT NULL,
    first_token TEXT COLLATE "C" NOT NULL,
    total TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, day, model, notebook_id)
);
CREATE TABLE usage_closed (
    tenant_id BYTEA NOT NULL PRIMARY KEY,
    open_from BIGINT NOT NULL
);
CREATE INDEX runs_ended ON runs (tenant_id, ended_at, id) WHERE ended_at IS NOT NULL;
"#;

/// Days that were counted before had no prices.
pub(super) const V23: &str = "
ALTER TABLE usage_days ADD COLUMN cost_micros BIGINT NOT NULL DEFAULT 0;
ALTER TABLE usage_days ADD COLUMN priced BIGINT NOT NULL DEFAULT 0;
";
