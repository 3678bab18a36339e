//! Runs, and what hangs on them.

pub(super) const V5: &str = "
ALTER TABLE runs ADD COLUMN stop_requested INTEGER NOT NULL DEFAULT 0;
CREATE INDEX runs_stopping ON runs (tenant_id, id) WHERE stop_requested = 1 AND ended_at IS NULL;
";

pub(super) const V7: &str = "
ALTER TABLE runs ADD COLUMN pruned INTEGER NOT NULL DEFAULT 0;
CREATE INDEX runs_prunable ON runs (tenant_id, ended_at) WHERE pruned = 0 AND ended_at IS NOT NULL;
";

/// Those that an archive brought are known by what stands where requests have their hash.
pub(super) const V14: &str = "
ALTER TABLE runs ADD COLUMN recorded INTEGER NOT NULL DEFAULT 0;
UPDATE runs SET recorded = 1 WHERE request_hash = 'imported';
";

pub(super) const V18: &str = "
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

/// What runs ask people to allow, with the exact arguments, and what they said.
pub(super) const V22: &str = "
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

/// What came into runs and what came out, where that is kept.
pub(super) const V25: &str = "
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

/// What runs used that have no answer to keep it with.
pub(super) const V28: &str = "ALTER TABLE runs ADD COLUMN used TEXT;";
