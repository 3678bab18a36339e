//! Notebooks, sources with their texts, chunks and vectors, conversations.

pub(super) const V1: &str = r#"
CREATE TABLE notebooks (
    tenant_id BYTEA NOT NULL,
    id BYTEA NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    named_by_user BIGINT NOT NULL,
    archived BIGINT NOT NULL,
    settings TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
-- The client makes this id: another tenant's must not be taken twice.
CREATE UNIQUE INDEX notebooks_id ON notebooks (id);

CREATE TABLE sources (
    tenant_id BYTEA NOT NULL,
    id BYTEA NOT NULL,
    notebook_id BYTEA NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    bytes BIGINT NOT NULL,
    sha256 TEXT COLLATE "C" NOT NULL,
    blob TEXT COLLATE "C",
    stage TEXT COLLATE "C" NOT NULL,
    unfinished BIGINT NOT NULL,
    progress_done BIGINT NOT NULL,
    progress_total BIGINT NOT NULL,
    keywords_ready BIGINT NOT NULL,
    vectors_ready BIGINT NOT NULL,
    failure TEXT COLLATE "C",
    title TEXT COLLATE "C",
    pages BIGINT,
    text_bytes BIGINT NOT NULL,
    chunks BIGINT NOT NULL,
    notes TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, notebook_id) REFERENCES notebooks (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX sources_notebook ON sources (tenant_id, notebook_id, id);
CREATE INDEX sources_unfinished ON sources (tenant_id, id) WHERE unfinished = 1;

CREATE TABLE documents (
    tenant_id BYTEA NOT NULL,
    source_id BYTEA NOT NULL,
    text_bytes BIGINT NOT NULL,
    title TEXT COLLATE "C",
    pages TEXT COLLATE "C" NOT NULL,
    blocks TEXT COLLATE "C" NOT NULL,
    flags TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, source_id),
    FOREIGN KEY (tenant_id, source_id) REFERENCES sources (tenant_id, id) ON DELETE CASCADE
);

CREATE TABLE text_segments (
    tenant_id BYTEA NOT NULL,
    source_id BYTEA NOT NULL,
    start_at BIGINT NOT NULL,
    text TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, source_id, start_at),
    FOREIGN KEY (tenant_id, source_id)
        REFERENCES documents (tenant_id, source_id) ON DELETE CASCADE
);

CREATE TABLE chunks (
    tenant_id BYTEA NOT NULL,
    source_id BYTEA NOT NULL,
    ordinal BIGINT NOT NULL,
    span_start BIGINT NOT NULL,
    span_end BIGINT NOT NULL,
    page BIGINT,
    headings TEXT COLLATE "C" NOT NULL,
    tokens BIGINT NOT NULL,
    text TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, source_id, ordinal),
    FOREIGN KEY (tenant_id, source_id) REFERENCES sources (tenant_id, id) ON DELETE CASCADE
);

CREATE TABLE conversations (
    tenant_id BYTEA NOT NULL,
    id BYTEA NOT NULL,
    notebook_id BYTEA NOT NULL,
    title TEXT COLLATE "C" NOT NULL,
    excluded_sources TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, notebook_id) REFERENCES notebooks (tenant_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX conversations_id ON conversations (id);
CREATE INDEX conversations_notebook ON conversations (tenant_id, notebook_id, id);

CREATE TABLE messages (
    tenant_id BYTEA NOT NULL,
    id BYTEA NOT NULL,
    conversation_id BYTEA NOT NULL,
    parent_id BYTEA,
    role TEXT COLLATE "C" NOT NULL,
    text TEXT COLLATE "C" NOT NULL,
    citations TEXT COLLATE "C" NOT NULL,
    dropped_citations BIGINT NOT NULL,
    run_id BYTEA,
    model TEXT COLLATE "C",
    usage TEXT COLLATE "C",
    timings TEXT COLLATE "C" NOT NULL,
    partial BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, conversation_id)
        REFERENCES conversations (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX messages_conversation ON messages (tenant_id, conversation_id, id);

CREATE TABLE runs (
    tenant_id BYTEA NOT NULL,
    id BYTEA NOT NULL,
    notebook_id BYTEA NOT NULL,
    conversation_id BYTEA NOT NULL,
    question_id BYTEA NOT NULL,
    answer_id BYTEA NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    ended_at BIGINT,
    idempotency_key TEXT COLLATE "C",
    request_hash TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, conversation_id)
        REFERENCES conversations (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX runs_conversation ON runs (tenant_id, conversation_id, id);
CREATE UNIQUE INDEX runs_idempotency_key
    ON runs (tenant_id, conversation_id, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX runs_unfinished ON runs (tenant_id, id) WHERE ended_at IS NULL;

CREATE TABLE run_events (
    tenant_id BYTEA NOT NULL,
    run_id BYTEA NOT NULL,
    seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    body TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, run_id, seq),
    FOREIGN KEY (tenant_id, run_id) REFERENCES runs (tenant_id, id) ON DELETE CASCADE
);
"#;

pub(super) const V4: &str = "
ALTER TABLE sources ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;
";

pub(super) const V6: &str = r#"
CREATE TABLE embeddings (
    tenant_id BYTEA NOT NULL,
    source_id BYTEA NOT NULL,
    ordinal BIGINT NOT NULL,
    space TEXT COLLATE "C" NOT NULL,
    vector BYTEA NOT NULL,
    PRIMARY KEY (tenant_id, source_id, ordinal),
    FOREIGN KEY (tenant_id, source_id, ordinal)
        REFERENCES chunks (tenant_id, source_id, ordinal) ON DELETE CASCADE
);
"#;

pub(super) const V9: &str = "
ALTER TABLE notebooks ADD COLUMN hidden BIGINT NOT NULL DEFAULT 0;
CREATE INDEX notebooks_hidden ON notebooks (tenant_id, id) WHERE hidden = 1;
";

/// Whether an id is taken elsewhere must not show: an id is a tenant's own.
pub(super) const V15: &str = "
DROP INDEX notebooks_id;
DROP INDEX conversations_id;
";

/// Where on the web a source comes from.
pub(super) const V24: &str = "ALTER TABLE sources ADD COLUMN origin TEXT;";

/// Where words stand in the pictures that they were recognised in.
pub(super) const V26: &str = "ALTER TABLE documents ADD COLUMN picture TEXT;";

/// What readers of an answer were told beside its text. Of answers that are stored already the run's log still says.
pub(super) const V29: &str = "ALTER TABLE messages ADD COLUMN warnings TEXT NOT NULL DEFAULT '[]';";
