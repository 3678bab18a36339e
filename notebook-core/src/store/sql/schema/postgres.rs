//! The tables, in PostgreSQL's words.
//!
//! Flags are numbers, so that the statements are those of SQLite. JSON is kept as text, as it came: PostgreSQL's
//! own types refuse some of it. Texts are compared by their bytes: what a machine's language says must not matter.

use crate::sql::Migration;

/// Every step of the schema, in order.
pub(crate) const MIGRATIONS: &[Migration] = &[
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
    Migration { version: 16, name: "row security", sql: V16 },
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

const V1: &str = r#"
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

const V2: &str = r#"
CREATE TABLE jobs (
    id BYTEA NOT NULL PRIMARY KEY,
    tenant_id BYTEA NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    payload TEXT COLLATE "C" NOT NULL,
    payload_version BIGINT NOT NULL,
    priority BIGINT NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    attempt BIGINT NOT NULL,
    max_attempts BIGINT NOT NULL,
    crash_count BIGINT NOT NULL,
    snooze_count BIGINT NOT NULL,
    fence BIGINT NOT NULL,
    run_at BIGINT NOT NULL,
    lease_until BIGINT,
    worker_id BYTEA,
    cancel_requested BIGINT NOT NULL,
    unique_key TEXT COLLATE "C",
    progress_done BIGINT NOT NULL,
    progress_total BIGINT NOT NULL,
    result TEXT COLLATE "C",
    error TEXT COLLATE "C",
    created_at BIGINT NOT NULL,
    finished_at BIGINT
) WITH (fillfactor = 70);
-- Of the jobs that have not ended, one has the key.
CREATE UNIQUE INDEX jobs_unique_key ON jobs (tenant_id, unique_key)
    WHERE unique_key IS NOT NULL AND state IN ('scheduled', 'available', 'running');
CREATE INDEX jobs_available ON jobs (tenant_id, kind, priority, run_at, id)
    WHERE state = 'available';
CREATE INDEX jobs_scheduled ON jobs (run_at) WHERE state = 'scheduled';
-- As many as there are slots in all workers: few enough to be read through for a kind or a lease.
CREATE INDEX jobs_running ON jobs (tenant_id, kind) WHERE state = 'running';
CREATE INDEX jobs_finished ON jobs (finished_at) WHERE finished_at IS NOT NULL;
"#;

const V3: &str = "
CREATE INDEX jobs_dead ON jobs (tenant_id, id) WHERE state = 'dead';
";

const V4: &str = "
ALTER TABLE sources ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;
";

const V5: &str = "
ALTER TABLE runs ADD COLUMN stop_requested BIGINT NOT NULL DEFAULT 0;
CREATE INDEX runs_stopping ON runs (tenant_id, id) WHERE stop_requested = 1 AND ended_at IS NULL;
";

const V6: &str = r#"
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

const V7: &str = "
ALTER TABLE runs ADD COLUMN pruned BIGINT NOT NULL DEFAULT 0;
CREATE INDEX runs_prunable ON runs (tenant_id, ended_at) WHERE pruned = 0 AND ended_at IS NOT NULL;
";

const V8: &str = r#"
CREATE TABLE webhooks (
    tenant_id BYTEA NOT NULL,
    id BYTEA NOT NULL,
    url TEXT COLLATE "C" NOT NULL,
    description TEXT COLLATE "C" NOT NULL,
    events TEXT COLLATE "C" NOT NULL,
    enabled BIGINT NOT NULL,
    disabled TEXT COLLATE "C",
    failing_since BIGINT,
    secret TEXT COLLATE "C" NOT NULL,
    previous_secret TEXT COLLATE "C",
    previous_until BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE webhook_deliveries (
    tenant_id BYTEA NOT NULL,
    id BYTEA NOT NULL,
    webhook_id BYTEA NOT NULL,
    event TEXT COLLATE "C" NOT NULL,
    body TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    attempts TEXT COLLATE "C" NOT NULL,
    tried BIGINT NOT NULL,
    job_id BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, webhook_id) REFERENCES webhooks (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX webhook_deliveries_webhook ON webhook_deliveries (tenant_id, webhook_id, id);
CREATE INDEX webhook_deliveries_pending ON webhook_deliveries (tenant_id, id)
    WHERE state = 'pending';
CREATE INDEX webhook_deliveries_ended ON webhook_deliveries (tenant_id, updated_at)
    WHERE state <> 'pending';
"#;

const V9: &str = "
ALTER TABLE notebooks ADD COLUMN hidden BIGINT NOT NULL DEFAULT 0;
CREATE INDEX notebooks_hidden ON notebooks (tenant_id, id) WHERE hidden = 1;
";

// Of notebooks that may be gone: no foreign key.
const V10: &str = r#"
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

const V11: &str = r#"
CREATE TABLE users (
    id BYTEA NOT NULL PRIMARY KEY,
    email TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    password TEXT COLLATE "C",
    active BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX users_email ON users (email);

CREATE TABLE workspaces (
    tenant_id BYTEA NOT NULL PRIMARY KEY,
    kind TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    active BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE memberships (
    tenant_id BYTEA NOT NULL REFERENCES workspaces (tenant_id) ON DELETE CASCADE,
    user_id BYTEA NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role TEXT COLLATE "C" NOT NULL,
    since BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, user_id)
);
CREATE INDEX memberships_user ON memberships (user_id, tenant_id);

CREATE TABLE api_keys (
    tenant_id BYTEA NOT NULL,
    id BYTEA NOT NULL,
    user_id BYTEA NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    prefix TEXT COLLATE "C" NOT NULL,
    hash BYTEA NOT NULL,
    scopes TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    last_used_at BIGINT,
    revoked_at BIGINT,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES memberships (tenant_id, user_id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX api_keys_id ON api_keys (id);
CREATE UNIQUE INDEX api_keys_hash ON api_keys (hash);
CREATE INDEX api_keys_user ON api_keys (tenant_id, user_id);

CREATE TABLE password_resets (
    user_id BYTEA NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    hash BYTEA NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX password_resets_hash ON password_resets (hash);

CREATE TABLE sessions (
    id BYTEA NOT NULL PRIMARY KEY,
    user_id BYTEA NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    tenant_id BYTEA NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    generation BIGINT NOT NULL,
    rotated_at BIGINT NOT NULL,
    recovered_at BIGINT,
    used BIGINT NOT NULL,
    presented BIGINT NOT NULL,
    crash_recovered_at BIGINT,
    replays BIGINT NOT NULL,
    late BIGINT NOT NULL,
    binding BYTEA,
    key_number BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    absolute_end BIGINT NOT NULL,
    idle_end BIGINT NOT NULL,
    ended_at BIGINT,
    client TEXT COLLATE "C" NOT NULL,
    address TEXT COLLATE "C" NOT NULL,
    over_at BIGINT NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX sessions_user ON sessions (user_id, id) WHERE state = 'active';
CREATE INDEX sessions_over ON sessions (over_at);

-- The ends of the chains, so that entries are added one after the other.
CREATE TABLE audit_chains (
    tenant_id BYTEA NOT NULL PRIMARY KEY,
    seq BIGINT NOT NULL,
    hash BYTEA NOT NULL
);

CREATE TABLE audit_entries (
    tenant_id BYTEA NOT NULL,
    seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    actor TEXT COLLATE "C" NOT NULL,
    actor_id BYTEA,
    action TEXT COLLATE "C" NOT NULL,
    target TEXT COLLATE "C",
    severity TEXT COLLATE "C" NOT NULL,
    detail TEXT COLLATE "C" NOT NULL,
    hash BYTEA NOT NULL,
    PRIMARY KEY (tenant_id, seq)
);
"#;

const V12: &str = r#"
CREATE TABLE invitations (
    tenant_id BYTEA NOT NULL REFERENCES workspaces (tenant_id) ON DELETE CASCADE,
    id BYTEA NOT NULL,
    email TEXT COLLATE "C" NOT NULL,
    role TEXT COLLATE "C" NOT NULL,
    invited_by BYTEA REFERENCES users (id) ON DELETE CASCADE,
    hash BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX invitations_id ON invitations (id);
CREATE UNIQUE INDEX invitations_hash ON invitations (hash);
CREATE INDEX invitations_by ON invitations (invited_by);

-- Tokens live for minutes: those that are out are asked for again.
DROP TABLE password_resets;
CREATE TABLE password_resets (
    hash BYTEA NOT NULL PRIMARY KEY,
    user_id BYTEA NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    expires_at BIGINT NOT NULL
);
CREATE INDEX password_resets_user ON password_resets (user_id);
"#;

// Counts are worth little after a crash, and a log would cost more than they do. Rows stay where they are when they change.
const V13: &str = r#"
CREATE UNLOGGED TABLE rate_limits (
    key BYTEA NOT NULL PRIMARY KEY,
    full_at BIGINT NOT NULL,
    taken BIGINT NOT NULL
) WITH (fillfactor = 50);
"#;

/// Those that an archive brought are known by what stands where requests have their hash.
const V14: &str = "
ALTER TABLE runs ADD COLUMN recorded BIGINT NOT NULL DEFAULT 0;
UPDATE runs SET recorded = 1 WHERE request_hash = 'imported';
";

/// Whether an id is taken elsewhere must not show: an id is a tenant's own.
const V15: &str = "
DROP INDEX notebooks_id;
DROP INDEX conversations_id;
";

/// PostgreSQL itself shows each transaction the rows of its tenant only, to the owner of the tables too.
///
/// A table made later needs the same two statements: a test looks for those that lack them. Data is migrated as before:
/// the migration lets the owner see all rows while it lasts.
const V16: &str = r#"
-- Whoever forgets to say for whom gets no row, and a line in the log.
CREATE FUNCTION no_tenant() RETURNS BYTEA LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    IF current_setting('notebook.reach', true) IS DISTINCT FROM 'installation' THEN
        RAISE WARNING 'a statement was made for no tenant: it is shown no row'
            USING HINT = 'set notebook.tenant in the transaction, as 32 hexadecimal digits';
    END IF;
    RETURN NULL;
END $$;

-- The tenant of the transaction, or none.
CREATE FUNCTION own_tenant() RETURNS BYTEA STABLE PARALLEL SAFE
    RETURN CASE WHEN current_setting('notebook.tenant', true) <> ''
        THEN decode(current_setting('notebook.tenant', true), 'hex') ELSE no_tenant() END;

-- Whether this is one of the connections that work for all tenants.
CREATE FUNCTION whole_installation() RETURNS BOOLEAN STABLE PARALLEL SAFE
    RETURN current_setting('notebook.reach', true) IS NOT DISTINCT FROM 'installation';

DO $$
DECLARE
    name TEXT;
BEGIN
    -- What is in a workspace.
    FOREACH name IN ARRAY ARRAY['notebooks', 'sources', 'documents', 'text_segments', 'chunks', 'embeddings',
        'conversations', 'messages', 'runs', 'run_events', 'webhooks', 'webhook_deliveries',
        'usage_days', 'usage_closed']
    LOOP
        EXECUTE format('CREATE POLICY reach ON %I USING (tenant_id = own_tenant())', name);
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
    END LOOP;
    -- What the installation works on as a whole too.
    FOREACH name IN ARRAY ARRAY['jobs', 'workspaces', 'memberships', 'invitations', 'api_keys',
        'audit_chains', 'audit_entries']
    LOOP
        EXECUTE format('CREATE POLICY reach ON %I
            USING (whole_installation() OR tenant_id = own_tenant())', name);
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
    END LOOP;
    -- What is no tenant's.
    FOREACH name IN ARRAY ARRAY['users', 'password_resets', 'sessions', 'rate_limits']
    LOOP
        EXECUTE format('CREATE POLICY reach ON %I USING (whole_installation())', name);
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
    END LOOP;
END $$;
-- A workspace sees who is in it: the policy of memberships holds here too.
CREATE POLICY members ON users FOR SELECT
    USING (EXISTS (SELECT 1 FROM memberships m WHERE m.user_id = users.id));
"#;

/// Who a user is elsewhere. What a provider calls somebody is theirs for good; addresses are not.
const V17: &str = r#"
CREATE TABLE linked_identities (
    id BYTEA NOT NULL PRIMARY KEY,
    user_id BYTEA NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    issuer TEXT COLLATE "C" NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX linked_identities_subject ON linked_identities (issuer, subject);
CREATE INDEX linked_identities_user ON linked_identities (user_id);
CREATE POLICY reach ON linked_identities USING (whole_installation());
ALTER TABLE linked_identities ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
"#;

const V18: &str = "
CREATE TABLE checkpoints (
    tenant_id BYTEA NOT NULL,
    run_id BYTEA NOT NULL,
    fence BIGINT NOT NULL,
    written_under BIGINT NOT NULL,
    version BIGINT NOT NULL,
    schema_version BIGINT NOT NULL,
    body BYTEA NOT NULL,
    used_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, run_id)
);
CREATE INDEX checkpoints_used_at ON checkpoints (tenant_id, used_at);
CREATE POLICY reach ON checkpoints USING (tenant_id = own_tenant());
ALTER TABLE checkpoints ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
";

/// Since when nobody acts in it: it waits to be removed, with all that is in it.
const V19: &str = "
ALTER TABLE workspaces ADD COLUMN closed_at BIGINT;
CREATE INDEX workspaces_closed ON workspaces (tenant_id) WHERE closed_at IS NOT NULL;
CREATE INDEX sessions_tenant ON sessions (tenant_id);
";

/// How often the keys of model providers were used: the installation's, by a hash of the key.
const V20: &str = "
CREATE TABLE key_usage (
    key BYTEA NOT NULL PRIMARY KEY,
    day BIGINT NOT NULL,
    used BIGINT NOT NULL,
    resting_until BIGINT NOT NULL
);
CREATE POLICY reach ON key_usage USING (whole_installation());
ALTER TABLE key_usage ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
";

/// Days that were counted before had no prices.
const V23: &str = "
ALTER TABLE usage_days ADD COLUMN cost_micros BIGINT NOT NULL DEFAULT 0;
ALTER TABLE usage_days ADD COLUMN priced BIGINT NOT NULL DEFAULT 0;
";

/// What users say of questions that were refused wrongly.
const V21: &str = "
CREATE TABLE guard_reports (
    tenant_id BYTEA NOT NULL,
    id BYTEA NOT NULL,
    labels TEXT NOT NULL,
    question_sha256 TEXT NOT NULL,
    question TEXT,
    remark TEXT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE POLICY reach ON guard_reports USING (tenant_id = own_tenant());
ALTER TABLE guard_reports ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
";

/// What runs ask people to allow, with the exact arguments, and what they said.
const V22: &str = r#"
CREATE TABLE approvals (
    tenant_id BYTEA NOT NULL,
    id BYTEA NOT NULL,
    run_id BYTEA NOT NULL,
    call_key TEXT COLLATE "C" NOT NULL,
    tool TEXT COLLATE "C" NOT NULL,
    arguments TEXT COLLATE "C" NOT NULL,
    digest TEXT COLLATE "C" NOT NULL,
    reason TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    asked_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    decided_at BIGINT,
    decided_by BYTEA,
    note TEXT COLLATE "C" NOT NULL,
    wakes TEXT COLLATE "C",
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, run_id) REFERENCES runs (tenant_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX approvals_call ON approvals (tenant_id, run_id, call_key);
CREATE POLICY reach ON approvals USING (tenant_id = own_tenant());
ALTER TABLE approvals ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
"#;

/// Where on the web a source comes from.
const V24: &str = "ALTER TABLE sources ADD COLUMN origin TEXT;";

/// What came into runs and what came out, where that is kept.
const V25: &str = "
CREATE TABLE recordings (
    tenant_id BYTEA NOT NULL,
    run_id BYTEA NOT NULL,
    part BIGINT NOT NULL,
    recorded_at BIGINT NOT NULL,
    body BYTEA NOT NULL,
    PRIMARY KEY (tenant_id, run_id, part),
    FOREIGN KEY (tenant_id, run_id) REFERENCES runs (tenant_id, id) ON DELETE CASCADE
);
CREATE POLICY reach ON recordings USING (tenant_id = own_tenant());
ALTER TABLE recordings ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
";

/// Where words stand in the pictures that they were recognised in.
const V26: &str = "ALTER TABLE documents ADD COLUMN picture TEXT;";

/// What somebody has decided of breakers: the installation's.
const V27: &str = r#"
CREATE TABLE breakers_by_hand (
    route TEXT COLLATE "C" NOT NULL,
    model TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    set_by TEXT COLLATE "C" NOT NULL,
    set_at BIGINT NOT NULL,
    until BIGINT,
    PRIMARY KEY (route, model)
);
CREATE POLICY reach ON breakers_by_hand USING (whole_installation());
ALTER TABLE breakers_by_hand ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
"#;

/// What readers of an answer were told beside its text. Of answers that are stored already the run's log still says.
const V28: &str = "ALTER TABLE messages ADD COLUMN warnings TEXT NOT NULL DEFAULT '[]';";
