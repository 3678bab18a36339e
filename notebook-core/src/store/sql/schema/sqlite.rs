//! The tables, in SQLite's words.
//!
//! Small rows lie in the tree of their primary key (`WITHOUT ROWID`), so that a tenant's rows
//! are neighbours; rows with long texts do not, for there the tree would hold the texts too.

use crate::sql::Migration;

/// Every step of the schema, in order.
pub(in crate::store::sql) const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, name: "notebooks, sources, conversations, runs", sql: V1 },
    Migration { version: 2, name: "jobs", sql: V2 },
    Migration { version: 3, name: "dead jobs", sql: V3 },
    Migration { version: 4, name: "revisions of sources", sql: V4 },
    Migration { version: 5, name: "requests to stop runs", sql: V5 },
    Migration { version: 6, name: "vectors", sql: V6 },
    Migration { version: 7, name: "pruned runs", sql: V7 },
    Migration { version: 8, name: "webhooks", sql: V8 },
    Migration { version: 9, name: "notebooks that are being deleted", sql: V9 },
    Migration { version: 10, name: "usage by day", sql: V10 },
    Migration { version: 11, name: "users, workspaces, sessions, audit log", sql: V11 },
    Migration { version: 12, name: "invitations; several reset tokens of a user", sql: V12 },
    Migration { version: 13, name: "rate limits", sql: V13 },
    Migration { version: 14, name: "runs from elsewhere", sql: V14 },
    Migration { version: 15, name: "ids of notebooks and conversations by tenant", sql: V15 },
    Migration { version: 16, name: "row security, which PostgreSQL alone has", sql: "" },
    Migration { version: 17, name: "accounts at OpenID providers", sql: V17 },
    Migration { version: 18, name: "checkpoints", sql: V18 },
    Migration { version: 19, name: "workspaces that are being deleted", sql: V19 },
    Migration { version: 20, name: "uses of providers' keys", sql: V20 },
    Migration { version: 21, name: "reports of wrong refusals", sql: V21 },
    Migration { version: 22, name: "approvals", sql: V22 },
    Migration { version: 23, name: "costs by day", sql: V23 },
    Migration { version: 24, name: "sources from the web", sql: V24 },
    Migration { version: 25, name: "recordings of runs", sql: V25 },
    Migration { version: 26, name: "places of words in pictures", sql: V26 },
    Migration { version: 27, name: "breakers set by hand", sql: V27 },
    Migration { version: 28, name: "warnings of answers", sql: V28 },
];

const V1: &str = "
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

const V2: &str = "
CREATE TABLE jobs (
    id BLOB NOT NULL PRIMARY KEY,
    tenant_id BLOB NOT NULL,
    kind TEXT NOT NULL,
    payload TEXT NOT NULL,
    payload_version INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    state TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    max_attempts INTEGER NOT NULL,
    crash_count INTEGER NOT NULL,
    snooze_count INTEGER NOT NULL,
    fence INTEGER NOT NULL,
    run_at INTEGER NOT NULL,
    lease_until INTEGER,
    worker_id BLOB,
    cancel_requested INTEGER NOT NULL,
    unique_key TEXT,
    progress_done INTEGER NOT NULL,
    progress_total INTEGER NOT NULL,
    result TEXT,
    error TEXT,
    created_at INTEGER NOT NULL,
    finished_at INTEGER
) STRICT;
-- Of the jobs that have not ended, one has the key.
CREATE UNIQUE INDEX jobs_unique_key ON jobs (tenant_id, unique_key)
    WHERE unique_key IS NOT NULL AND state IN ('scheduled', 'available', 'running');
CREATE INDEX jobs_available ON jobs (tenant_id, kind, priority, run_at, id)
    WHERE state = 'available';
CREATE INDEX jobs_scheduled ON jobs (run_at) WHERE state = 'scheduled';
-- As many as there are slots in all workers: few enough to be read through for a kind or a lease.
CREATE INDEX jobs_running ON jobs (tenant_id, kind, lease_until) WHERE state = 'running';
CREATE INDEX jobs_finished ON jobs (finished_at) WHERE finished_at IS NOT NULL;
";

const V3: &str = "
CREATE INDEX jobs_dead ON jobs (tenant_id, id) WHERE state = 'dead';
";

const V4: &str = "
ALTER TABLE sources ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
";

const V5: &str = "
ALTER TABLE runs ADD COLUMN stop_requested INTEGER NOT NULL DEFAULT 0;
CREATE INDEX runs_stopping ON runs (tenant_id, id) WHERE stop_requested = 1 AND ended_at IS NULL;
";

const V6: &str = "
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

const V7: &str = "
ALTER TABLE runs ADD COLUMN pruned INTEGER NOT NULL DEFAULT 0;
CREATE INDEX runs_prunable ON runs (tenant_id, ended_at) WHERE pruned = 0 AND ended_at IS NOT NULL;
";

const V8: &str = "
CREATE TABLE webhooks (
    tenant_id BLOB NOT NULL,
    id BLOB NOT NULL,
    url TEXT NOT NULL,
    description TEXT NOT NULL,
    events TEXT NOT NULL,
    enabled INTEGER NOT NULL,
    disabled TEXT,
    failing_since INTEGER,
    secret TEXT NOT NULL,
    previous_secret TEXT,
    previous_until INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE webhook_deliveries (
    tenant_id BLOB NOT NULL,
    id BLOB NOT NULL,
    webhook_id BLOB NOT NULL,
    event TEXT NOT NULL,
    body TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts TEXT NOT NULL,
    tried INTEGER NOT NULL,
    job_id BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, webhook_id) REFERENCES webhooks (tenant_id, id) ON DELETE CASCADE
) STRICT;
CREATE INDEX webhook_deliveries_webhook ON webhook_deliveries (tenant_id, webhook_id, id);
CREATE INDEX webhook_deliveries_pending ON webhook_deliveries (tenant_id, id)
    WHERE state = 'pending';
CREATE INDEX webhook_deliveries_ended ON webhook_deliveries (tenant_id, updated_at)
    WHERE state <> 'pending';
";

const V9: &str = "
ALTER TABLE notebooks ADD COLUMN hidden INTEGER NOT NULL DEFAULT 0;
CREATE INDEX notebooks_hidden ON notebooks (tenant_id, id) WHERE hidden = 1;
";

// Of notebooks that may be gone: no foreign key.
const V10: &str = "
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

const V11: &str = "
CREATE TABLE users (
    id BLOB NOT NULL PRIMARY KEY,
    email TEXT NOT NULL,
    name TEXT NOT NULL,
    password TEXT,
    active INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX users_email ON users (email);

CREATE TABLE workspaces (
    tenant_id BLOB NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    active INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE memberships (
    tenant_id BLOB NOT NULL REFERENCES workspaces (tenant_id) ON DELETE CASCADE,
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role TEXT NOT NULL,
    since INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, user_id)
) STRICT;
CREATE INDEX memberships_user ON memberships (user_id, tenant_id);

CREATE TABLE api_keys (
    tenant_id BLOB NOT NULL,
    id BLOB NOT NULL,
    user_id BLOB NOT NULL,
    name TEXT NOT NULL,
    prefix TEXT NOT NULL,
    hash BLOB NOT NULL,
    scopes TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    last_used_at INTEGER,
    revoked_at INTEGER,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES memberships (tenant_id, user_id) ON DELETE CASCADE
) STRICT;
CREATE UNIQUE INDEX api_keys_id ON api_keys (id);
CREATE UNIQUE INDEX api_keys_hash ON api_keys (hash);
CREATE INDEX api_keys_user ON api_keys (tenant_id, user_id);

CREATE TABLE password_resets (
    user_id BLOB NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    hash BLOB NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX password_resets_hash ON password_resets (hash);

CREATE TABLE sessions (
    id BLOB NOT NULL PRIMARY KEY,
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    tenant_id BLOB NOT NULL,
    state TEXT NOT NULL,
    generation INTEGER NOT NULL,
    rotated_at INTEGER NOT NULL,
    recovered_at INTEGER,
    used INTEGER NOT NULL,
    presented INTEGER NOT NULL,
    crash_recovered_at INTEGER,
    replays INTEGER NOT NULL,
    late INTEGER NOT NULL,
    binding BLOB,
    key_number INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    absolute_end INTEGER NOT NULL,
    idle_end INTEGER NOT NULL,
    ended_at INTEGER,
    client TEXT NOT NULL,
    address TEXT NOT NULL,
    over_at INTEGER NOT NULL
) STRICT;
CREATE INDEX sessions_user ON sessions (user_id, id) WHERE state = 'active';
CREATE INDEX sessions_over ON sessions (over_at);

-- The ends of the chains, so that entries are added one after the other.
CREATE TABLE audit_chains (
    tenant_id BLOB NOT NULL PRIMARY KEY,
    seq INTEGER NOT NULL,
    hash BLOB NOT NULL
) STRICT;

CREATE TABLE audit_entries (
    tenant_id BLOB NOT NULL,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    actor_id BLOB,
    action TEXT NOT NULL,
    target TEXT,
    severity TEXT NOT NULL,
    detail TEXT NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (tenant_id, seq)
) STRICT;
";

const V12: &str = "
CREATE TABLE invitations (
    tenant_id BLOB NOT NULL REFERENCES workspaces (tenant_id) ON DELETE CASCADE,
    id BLOB NOT NULL,
    email TEXT NOT NULL,
    role TEXT NOT NULL,
    invited_by BLOB REFERENCES users (id) ON DELETE CASCADE,
    hash BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id)
) STRICT;
CREATE UNIQUE INDEX invitations_id ON invitations (id);
CREATE UNIQUE INDEX invitations_hash ON invitations (hash);
CREATE INDEX invitations_by ON invitations (invited_by);

-- Tokens live for minutes: those that are out are asked for again.
DROP TABLE password_resets;
CREATE TABLE password_resets (
    hash BLOB NOT NULL PRIMARY KEY,
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX password_resets_user ON password_resets (user_id);
";

const V13: &str = "
CREATE TABLE rate_limits (
    key BLOB NOT NULL PRIMARY KEY,
    full_at INTEGER NOT NULL,
    taken INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
";

/// Those that an archive brought are known by what stands where requests have their hash.
const V14: &str = "
ALTER TABLE runs ADD COLUMN recorded INTEGER NOT NULL DEFAULT 0;
UPDATE runs SET recorded = 1 WHERE request_hash = 'imported';
";

/// Whether an id is taken elsewhere must not show: an id is a tenant's own.
const V15: &str = "
DROP INDEX notebooks_id;
DROP INDEX conversations_id;
";

/// Who a user is elsewhere. What a provider calls somebody is theirs for good; addresses are not.
const V17: &str = "
CREATE TABLE linked_identities (
    id BLOB NOT NULL PRIMARY KEY,
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX linked_identities_subject ON linked_identities (issuer, subject);
CREATE INDEX linked_identities_user ON linked_identities (user_id);
";

const V18: &str = "
CREATE TABLE checkpoints (
    tenant_id BLOB NOT NULL,
    run_id BLOB NOT NULL,
    fence INTEGER NOT NULL,
    written_under INTEGER NOT NULL,
    version INTEGER NOT NULL,
    schema_version INTEGER NOT NULL,
    body BLOB NOT NULL,
    used_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, run_id)
) STRICT;
CREATE INDEX checkpoints_used_at ON checkpoints (tenant_id, used_at);
";

/// Since when nobody acts in it: it waits to be removed, with all that is in it.
const V19: &str = "
ALTER TABLE workspaces ADD COLUMN closed_at INTEGER;
CREATE INDEX workspaces_closed ON workspaces (tenant_id) WHERE closed_at IS NOT NULL;
CREATE INDEX sessions_tenant ON sessions (tenant_id);
";

/// How often the keys of model providers were used: the installation's, by a hash of the key.
const V20: &str = "
CREATE TABLE key_usage (
    key BLOB NOT NULL PRIMARY KEY,
    day INTEGER NOT NULL,
    used INTEGER NOT NULL,
    resting_until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
";

/// Days that were counted before had no prices.
const V23: &str = "
ALTER TABLE usage_days ADD COLUMN cost_micros INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage_days ADD COLUMN priced INTEGER NOT NULL DEFAULT 0;
";

/// What users say of questions that were refused wrongly.
const V21: &str = "
CREATE TABLE guard_reports (
    tenant_id BLOB NOT NULL,
    id BLOB NOT NULL,
    labels TEXT NOT NULL,
    question_sha256 TEXT NOT NULL,
    question TEXT,
    remark TEXT,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id)
) STRICT, WITHOUT ROWID;
";

/// What runs ask people to allow, with the exact arguments, and what they said.
const V22: &str = "
CREATE TABLE approvals (
    tenant_id BLOB NOT NULL,
    id BLOB NOT NULL,
    run_id BLOB NOT NULL,
    call_key TEXT NOT NULL,
    tool TEXT NOT NULL,
    arguments TEXT NOT NULL,
    digest TEXT NOT NULL,
    reason TEXT NOT NULL,
    state TEXT NOT NULL,
    asked_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    decided_at INTEGER,
    decided_by BLOB,
    note TEXT NOT NULL,
    wakes TEXT,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, run_id) REFERENCES runs (tenant_id, id) ON DELETE CASCADE
) STRICT;
CREATE UNIQUE INDEX approvals_call ON approvals (tenant_id, run_id, call_key);
";

/// Where on the web a source comes from.
const V24: &str = "ALTER TABLE sources ADD COLUMN origin TEXT;";

/// What came into runs and what came out, where that is kept.
const V25: &str = "
CREATE TABLE recordings (
    tenant_id BLOB NOT NULL,
    run_id BLOB NOT NULL,
    part INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (tenant_id, run_id, part),
    FOREIGN KEY (tenant_id, run_id) REFERENCES runs (tenant_id, id) ON DELETE CASCADE
) STRICT;
";

/// Where words stand in the pictures that they were recognised in.
const V26: &str = "ALTER TABLE documents ADD COLUMN picture TEXT;";

/// What somebody has decided of breakers: the installation's.
const V27: &str = "
CREATE TABLE breakers_by_hand (
    route TEXT NOT NULL,
    model TEXT NOT NULL,
    state TEXT NOT NULL,
    set_by TEXT NOT NULL,
    set_at INTEGER NOT NULL,
    until INTEGER,
    PRIMARY KEY (route, model)
) STRICT, WITHOUT ROWID;
";

/// What readers of an answer were told beside its text. Of answers that are stored already the run's log still says.
const V28: &str = "ALTER TABLE messages ADD COLUMN warnings TEXT NOT NULL DEFAULT '[]';";
