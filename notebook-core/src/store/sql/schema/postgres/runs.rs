//! Runs, and what hangs on them.

pub(super) const V5: &str = "
ALTER TABLE runs ADD COLUMN stop_requested BIGINT NOT NULL DEFAULT 0;
CREATE INDEX runs_stopping ON runs (tenant_id, id) WHERE stop_requested = 1 AND ended_at IS NULL;
";

pub(super) const V7: &str = "
ALTER TABLE runs ADD COLUMN pruned BIGINT NOT NULL DEFAULT 0;
CREATE INDEX runs_prunable ON runs (tenant_id, ended_at) WHERE pruned = 0 AND ended_at IS NOT NULL;
";

/// Those that an archive brought are known by what stands where requests have their hash.
pub(super) const V14: &str = "
ALTER TABLE runs ADD COLUMN recorded BIGINT NOT NULL DEFAULT 0;
UPDATE runs SET recorded = 1 WHERE request_hash = 'imported';
";

pub(super) const V18: &str = "
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

/// What runs ask people to allow, with the exact arguments, and what they said.
pub(super) const V22: &str = r#"
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

/// What came into runs and what came out, where that is kept.
pub(super) const V25: &str = "
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

/// What runs used that have no answer to keep it with.
pub(super) const V28: &str = "ALTER TABLE runs ADD COLUMN used TEXT;";
