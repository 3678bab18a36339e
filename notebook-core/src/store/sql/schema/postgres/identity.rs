//! Who may come in: users, workspaces, sessions, the audit log.

pub(super) const V11: &str = r#"
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

pub(super) const V12: &str = r#"
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

/// Who a user is elsewhere. What a provider calls somebody is theirs for good; addresses are not.
pub(super) const V17: &str = r#"
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

/// Since when nobody acts in it: it waits to be removed, with all that is in it.
pub(super) const V19: &str = "
ALTER TABLE workspaces ADD COLUMN closed_at BIGINT;
CREATE INDEX workspaces_closed ON workspaces (tenant_id) WHERE closed_at IS NOT NULL;
CREATE INDEX sessions_tenant ON sessions (tenant_id);
";
