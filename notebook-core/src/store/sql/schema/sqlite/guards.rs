//! What holds callers and providers back, and what users say of it.

pub(super) const V13: &str = "
CREATE TABLE rate_limits (
    key BLOB NOT NULL PRIMARY KEY,
    full_at INTEGER NOT NULL,
    taken INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
";

/// How often the keys of model providers were used: the installation's, by a hash of the key.
pub(super) const V20: &str = "
CREATE TABLE key_usage (
    key BLOB NOT NULL PRIMARY KEY,
    day INTEGER NOT NULL,
    used INTEGER NOT NULL,
    resting_until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
";

/// What users say of questions that were refused wrongly.
pub(super) const V21: &str = "
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

/// What somebody has decided of breakers: the installation's.
pub(super) const V27: &str = "
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
