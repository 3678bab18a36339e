//! Jobs.

pub(super) const V2: &str = r#"
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

pub(super) const V3: &str = "
CREATE INDEX jobs_dead ON jobs (tenant_id, id) WHERE state = 'dead';
";
