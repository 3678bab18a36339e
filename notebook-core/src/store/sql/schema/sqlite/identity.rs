//! Who may come in: users, workspaces, sessions, the audit log.

pub(super) const V11: &str = "
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

pub(super) const V12: &str = "
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

/// Who a user is elsewhere. What a provider calls somebody is theirs for good; addresses are not.
pub(super) const V17: &str = "
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

/// Since when nobody acts in it: it waits to be removed, with all that is in it.
pub(super) const V19: &str = "
ALTER TABLE workspaces ADD COLUMN closed_at INTEGER;
CREATE INDEX workspaces_closed ON workspaces (tenant_id) WHERE closed_at IS NOT NULL;
CREATE INDEX sessions_tenant ON sessions (tenant_id);
";
