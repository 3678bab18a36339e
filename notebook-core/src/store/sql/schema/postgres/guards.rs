//! What holds callers and providers back, and what users say of it.

// Counts are worth little after a crash, and a log would cost more than they do. Rows stay where they are when they change.
pub(super) const V13: &str = r#"
CREATE UNLOGGED TABLE rate_limits (
    key BYTEA NOT NULL PRIMARY KEY,
    full_at BIGINT NOT NULL,
    taken BIGINT NOT NULL
) WITH (fillfactor = 50);
"#;

/// How often the keys of model providers were used: the installation's, by a hash of the key.
pub(super) const V20: &str = "
CREATE TABLE key_usage (
    key BYTEA NOT NULL PRIMARY KEY,
    day BIGINT NOT NULL,
    used BIGINT NOT NULL,
    resting_until BIGINT NOT NULL
);
CREATE POLICY reach ON key_usage USING (whole_installation());
ALTER TABLE key_usage ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
";

/// What users say of questions that were refused wrongly.
pub(super) const V21: &str = "
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

/// What somebody has decided of breakers: the installation's.
pub(super) const V27: &str = r#"
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
