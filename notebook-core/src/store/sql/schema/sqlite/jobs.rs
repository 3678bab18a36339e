//! Jobs.

pub(super) const V2: &str = "
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

pub(super) const V3: &str = "
CREATE INDEX jobs_dead ON jobs (tenant_id, id) WHERE state = 'dead';
";
