//! Notebooks, sources with their texts, chunks and vectors, conversations.

pub(super) const V1: &str = "
CREATE TABLE notebooks (
    tenant_id BLOB NOT NULL,
    id BLOB NOT NULL,
    name TEXT NOT NULL,
    named_by_user INTEGER NOT NULL,
    archived INTEGER NOT NULL,
    settings TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id)
) STRICT, WITHOUT ROWID;
-- The client makes this id: another tenant's must not be taken twice.
CREATE UNIQUE INDEX notebooks_id ON notebooks (id);

CREATE TABLE sources (
    tenant_id BLOB NOT NULL,
    id BLOB NOT NULL,
    notebook_id BLOB NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    blob TEXT,
    stage TEXT NOT NULL,
    unfinished INTEGER NOT NULL,
    progress_done INTEGER NOT NULL,
    progress_total INTEGER NOT NULL,
    keywords_ready INTEGER NOT NULL,
    vectors_ready INTEGER NOT NULL,
    failure TEXT,
    title TEXT,
    pages INTEGER,
    text_bytes INTEGER NOT NULL,
    chunks INTEGER NOT NULL,
    notes TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, notebook_id) REFERENCES notebooks (tenant_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX sources_notebook ON sources (tenant_id, notebook_id, id);
CREATE INDEX sources_unfinished ON sources (tenant_id, id) WHERE unfinished = 1;

CREATE TABLE documents (
    tenant_id BLOB NOT NULL,
    source_id BLOB NOT NULL,
    text_bytes INTEGER NOT NULL,
    title TEXT,
    pages TEXT NOT NULL,
    blocks TEXT NOT NULL,
    flags TEXT NOT NULL,
    PRIMARY KEY (tenant_id, source_id),
    FOREIGN KEY (tenant_id, source_id) REFERENCES sources (tenant_id, id) ON DELETE CASCADE
) STRICT;

CREATE TABLE text_segments (
    tenant_id BLOB NOT NULL,
    source_id BLOB NOT NULL,
    start_at INTEGER NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (tenant_id, source_id, start_at),
    FOREIGN KEY (tenant_id, source_id)
        REFERENCES documents (tenant_id, source_id) ON DELETE CASCADE
) STRICT;

CREATE TABLE chunks (
    tenant_id BLOB NOT NULL,
    source_id BLOB NOT NULL,
    ordinal INTEGER NOT NULL,
    span_start INTEGER NOT NULL,
    span_end INTEGER NOT NULL,
    page INTEGER,
    headings TEXT NOT NULL,
    tokens INTEGER NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (tenant_id, source_id, ordinal),
    FOREIGN KEY (tenant_id, source_id) REFERENCES sources (tenant_id, id) ON DELETE CASCADE
) STRICT;

CREATE TABLE conversations (
    tenant_id BLOB NOT NULL,
    id BLOB NOT NULL,
    notebook_id BLOB NOT NULL,
    title TEXT NOT NULL,
    excluded_sources TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, notebook_id) REFERENCES notebooks (tenant_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX conversations_id ON conversations (id);
CREATE INDEX conversations_notebook ON conversations (tenant_id, notebook_id, id);

CREATE TABLE messages (
    tenant_id BLOB NOT NULL,
    id BLOB NOT NULL,
    conversation_id BLOB NOT NULL,
    parent_id BLOB,
    role TEXT NOT NULL,
    text TEXT NOT NULL,
    citations TEXT NOT NULL,
    dropped_citations INTEGER NOT NULL,
    run_id BLOB,
    model TEXT,
    usage TEXT,
    timings TEXT NOT NULL,
    partial INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, conversation_id)
        REFERENCES conversations (tenant_id, id) ON DELETE CASCADE
) STRICT;
CREATE INDEX messages_conversation ON messages (tenant_id, conversation_id, id);

CREATE TABLE runs (
    tenant_id BLOB NOT NULL,
    id BLOB NOT NULL,
    notebook_id BLOB NOT NULL,
    conversation_id BLOB NOT NULL,
    question_id BLOB NOT NULL,
    answer_id BLOB NOT NULL,
    state TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    ended_at INTEGER,
    idempotency_key TEXT,
    request_hash TEXT NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, conversation_id)
        REFERENCES conversations (tenant_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX runs_conversation ON runs (tenant_id, conversation_id, id);
CREATE UNIQUE INDEX runs_idempotency_key
    ON runs (tenant_id, conversation_id, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX runs_unfinished ON runs (tenant_id, id) WHERE ended_at IS NULL;

CREATE TABLE run_events (
    tenant_id BLOB NOT NULL,
    run_id BLOB NOT NULL,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (tenant_id, run_id, seq),
    FOREIGN KEY (tenant_id, run_id) REFERENCES runs (tenant_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
";

pub(super) const V4: &str = "
ALTER TABLE sources ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
";

pub(super) const V6: &str = "
CREATE TABLE embeddings (
    tenant_id BLOB NOT NULL,
    source_id BLOB NOT NULL,
    ordinal INTEGER NOT NULL,
    space TEXT NOT NULL,
    vector BLOB NOT NULL,
    PRIMARY KEY (tenant_id, source_id, ordinal),
    FOREIGN KEY (tenant_id, source_id, ordinal)
        REFERENCES chunks (tenant_id, source_id, ordinal) ON DELETE CASCADE
) STRICT;
";

pub(super) const V9: &str = "
ALTER TABLE notebooks ADD COLUMN hidden INTEGER NOT NULL DEFAULT 0;
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
