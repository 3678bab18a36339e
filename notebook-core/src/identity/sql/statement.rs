//! The statements. Those of one workspace's data name its tenant; users and sessions are the installation's.

macro_rules! user_columns {
    () => {
        "id, email, name, password, active, epoch, created_at"
    };
}
macro_rules! workspace_columns {
    () => {
        "tenant_id, kind, name, active, created_at"
    };
}
macro_rules! key_columns {
    () => {
        "tenant_id, id, user_id, name, prefix, hash, scopes, created_at, expires_at, last_used_at,
        revoked_at"
    };
}
macro_rules! invitation_columns {
    () => {
        "tenant_id, id, email, role, invited_by, created_at, expires_at"
    };
}
macro_rules! link_columns {
    () => {
        "id, user_id, issuer, subject, created_at"
    };
}
macro_rules! session_columns {
    () => {
        "id, user_id, tenant_id, state, generation, rotated_at, recovered_at, used, presented,
        crash_recovered_at, replays, late, binding, key_number, epoch, created_at, absolute_end,
        idle_end, ended_at, client, address"
    };
}
macro_rules! entry_columns {
    () => {
        "seq, at, actor, actor_id, action, target, severity, detail, hash"
    };
}

/// Changes nothing when the id or the address is taken.
pub(super) const INSERT_USER: &str = concat!(
    "INSERT INTO users (",
    user_columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING"
);

pub(super) const USER: &str = concat!("SELECT ", user_columns!(), " FROM users WHERE id = $1");

pub(super) const USER_BY_EMAIL: &str =
    concat!("SELECT ", user_columns!(), " FROM users WHERE email = $1");

/// Oldest first.
pub(super) const USERS: &str =
    concat!("SELECT ", user_columns!(), " FROM users WHERE id > $1 ORDER BY id LIMIT $2");

pub(super) const UPDATE_USER: &str =
    "UPDATE users SET password = $1, active = $2, epoch = $3 WHERE id = $4";

pub(super) const DELETE_RESETS: &str = "DELETE FROM password_resets WHERE user_id = $1";

/// Those of a user whose time is over.
pub(super) const FORGET_RESETS: &str =
    "DELETE FROM password_resets WHERE user_id = $1 AND expires_at <= $2";

pub(super) const COUNT_RESETS: &str = "SELECT COUNT(*) FROM password_resets WHERE user_id = $1";

pub(super) const INSERT_RESET: &str =
    "INSERT INTO password_resets (user_id, hash, expires_at) VALUES ($1, $2, $3)";

pub(super) const RESET: &str =
    "SELECT user_id, expires_at, hash FROM password_resets WHERE hash = $1";

pub(super) const INSERT_WORKSPACE: &str = concat!(
    "INSERT INTO workspaces (",
    workspace_columns!(),
    ") VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING"
);

/// Not one that is closed.
pub(super) const WORKSPACE: &str = concat!(
    "SELECT ",
    workspace_columns!(),
    " FROM workspaces WHERE tenant_id = $1 AND closed_at IS NULL"
);

/// Those that are not switched off.
pub(super) const TENANTS_PAGE: &str = "SELECT tenant_id FROM workspaces
    WHERE tenant_id > $1 AND active = 1 ORDER BY tenant_id LIMIT $2";

pub(super) const RENAME_WORKSPACE: &str =
    "UPDATE workspaces SET name = $1 WHERE tenant_id = $2 AND closed_at IS NULL";

pub(super) const SET_WORKSPACE_ACTIVE: &str =
    "UPDATE workspaces SET active = $1 WHERE tenant_id = $2 AND closed_at IS NULL";

/// It is switched off too, so that whatever acts only in active ones does nothing there.
pub(super) const CLOSE_WORKSPACE: &str = "UPDATE workspaces SET active = 0, closed_at = $1
    WHERE tenant_id = $2 AND closed_at IS NULL";

pub(super) const CLOSED_PAGE: &str = "SELECT tenant_id FROM workspaces
    WHERE tenant_id > $1 AND closed_at IS NOT NULL ORDER BY tenant_id LIMIT $2";

/// Takes members, their API keys and invitations along, by foreign keys.
pub(super) const ERASE_WORKSPACE: &str =
    "DELETE FROM workspaces WHERE tenant_id = $1 AND closed_at IS NOT NULL";

pub(super) const ERASE_SESSIONS: &str = "DELETE FROM sessions WHERE tenant_id = $1";

pub(super) const DELETE_INVITATIONS: &str = "DELETE FROM invitations WHERE tenant_id = $1";

pub(super) const COUNT_MEMBERS: &str = "SELECT COUNT(*) FROM memberships WHERE tenant_id = $1";

/// Takes memberships, sessions, reset tokens and invitations along, by foreign keys.
pub(super) const DELETE_USER: &str = "DELETE FROM users WHERE id = $1";

/// Oldest first.
pub(super) const PLACES: &str = "SELECT w.tenant_id, w.kind, w.name, w.active, w.created_at, m.role
    FROM memberships m JOIN workspaces w ON w.tenant_id = m.tenant_id
    WHERE m.user_id = $1 AND w.closed_at IS NULL ORDER BY w.tenant_id";

/// One row where the user is; the rest is null where there is no workspace or membership.
pub(super) const STANDING: &str = "SELECT u.active, u.epoch, w.active, m.role FROM users u
    LEFT JOIN memberships m ON m.tenant_id = $1 AND m.user_id = u.id
    LEFT JOIN workspaces w ON w.tenant_id = m.tenant_id
    WHERE u.id = $2";

pub(super) const MEMBERS: &str = "SELECT u.id, u.email, u.name, m.role, m.since FROM memberships m
    JOIN users u ON u.id = m.user_id WHERE m.tenant_id = $1 ORDER BY m.since, u.id";

pub(super) const ADMINS: &str =
    "SELECT user_id FROM memberships WHERE tenant_id = $1 AND role = 'admin'";

pub(super) const ROLE: &str = "SELECT role FROM memberships WHERE tenant_id = $1 AND user_id = $2";

pub(super) const INSERT_MEMBER: &str =
    "INSERT INTO memberships (tenant_id, user_id, role, since) VALUES ($1, $2, $3, $4)";

pub(super) const SET_ROLE: &str =
    "UPDATE memberships SET role = $1 WHERE tenant_id = $2 AND user_id = $3";

/// Takes the member's API keys along, by a foreign key.
pub(super) const DELETE_MEMBER: &str =
    "DELETE FROM memberships WHERE tenant_id = $1 AND user_id = $2";

pub(super) const COUNT_MEMBERS_BY_EMAIL: &str = "SELECT COUNT(*) FROM memberships m
    JOIN users u ON u.id = m.user_id WHERE m.tenant_id = $1 AND u.email = $2";

/// Changes nothing when that person of the provider has a user.
pub(super) const INSERT_LINK: &str = concat!(
    "INSERT INTO linked_identities (",
    link_columns!(),
    ") VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING"
);

pub(super) const LINKED_USER: &str =
    "SELECT u.id, u.email, u.name, u.password, u.active, u.epoch, u.created_at
    FROM linked_identities l JOIN users u ON u.id = l.user_id
    WHERE l.issuer = $1 AND l.subject = $2";

pub(super) const LINK: &str = concat!(
    "SELECT ",
    link_columns!(),
    " FROM linked_identities WHERE issuer = $1 AND subject = $2"
);

/// Oldest first.
pub(super) const LINKS: &str =
    concat!("SELECT ", link_columns!(), " FROM linked_identities WHERE user_id = $1 ORDER BY id");

pub(super) const DELETE_LINK: &str = "DELETE FROM linked_identities WHERE id = $1 AND user_id = $2";

/// Changes nothing when the id or the hash is taken.
pub(super) const INSERT_INVITATION: &str = "INSERT INTO invitations
    (tenant_id, id, email, role, invited_by, hash, created_at, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING";

/// Newest first, without those that are too old at `$2`.
pub(super) const INVITATIONS: &str = concat!(
    "SELECT ",
    invitation_columns!(),
    " FROM invitations WHERE tenant_id = $1 AND expires_at > $2 ORDER BY id DESC"
);

pub(super) const INVITATION_BY_HASH: &str =
    concat!("SELECT ", invitation_columns!(), " FROM invitations WHERE hash = $1");

pub(super) const COUNT_INVITATIONS: &str = "SELECT COUNT(*) FROM invitations WHERE tenant_id = $1";

/// Of an address, and those that are too old at `$3`.
pub(super) const FORGET_INVITATIONS: &str =
    "DELETE FROM invitations WHERE tenant_id = $1 AND (email = $2 OR expires_at <= $3)";

/// If it is not too old at `$3`.
pub(super) const REVOKE_INVITATION: &str =
    "DELETE FROM invitations WHERE tenant_id = $1 AND id = $2 AND expires_at > $3";

/// Those that a user made in a workspace.
pub(super) const VOID_INVITATIONS: &str =
    "DELETE FROM invitations WHERE tenant_id = $1 AND invited_by = $2";

/// Those that a user made anywhere.
pub(super) const VOID_ALL_INVITATIONS: &str = "DELETE FROM invitations WHERE invited_by = $1";

pub(super) const INSERT_KEY: &str = concat!(
    "INSERT INTO api_keys (",
    key_columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, NULL, NULL) ON CONFLICT DO NOTHING"
);

/// Newest first.
pub(super) const KEYS: &str =
    concat!("SELECT ", key_columns!(), " FROM api_keys WHERE tenant_id = $1 ORDER BY id DESC");

pub(super) const KEY: &str =
    concat!("SELECT ", key_columns!(), " FROM api_keys WHERE tenant_id = $1 AND id = $2");

pub(super) const KEY_BY_HASH: &str =
    concat!("SELECT ", key_columns!(), " FROM api_keys WHERE hash = $1");

pub(super) const REVOKE_KEY: &str =
    "UPDATE api_keys SET revoked_at = $1 WHERE tenant_id = $2 AND id = $3";

/// Only when the last use was not after `$4`.
pub(super) const KEY_USED: &str = "UPDATE api_keys SET last_used_at = $1
    WHERE tenant_id = $2 AND id = $3 AND COALESCE(last_used_at, $4) <= $4";

pub(super) const INSERT_SESSION: &str = concat!(
    "INSERT INTO sessions (",
    session_columns!(),
    ", over_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
        $19, $20, $21, $22)"
);

pub(super) const SESSION: &str =
    concat!("SELECT ", session_columns!(), " FROM sessions WHERE id = $1");

/// Newest first.
pub(super) const ACTIVE_SESSIONS: &str = concat!(
    "SELECT ",
    session_columns!(),
    " FROM sessions WHERE user_id = $1 AND state = 'active' ORDER BY id DESC"
);

/// What can change in a session; `$15` and `$16` are the generation and the state that its row had.
pub(super) const UPDATE_SESSION: &str = "UPDATE sessions SET state = $1, generation = $2,
    rotated_at = $3, recovered_at = $4, used = $5, presented = $6, crash_recovered_at = $7,
    replays = $8, late = $9, idle_end = $10, ended_at = $11, tenant_id = $12, over_at = $13
    WHERE id = $14 AND generation = $15 AND state = $16";

pub(super) const FORGET_SESSIONS: &str = "DELETE FROM sessions WHERE id IN (
    SELECT id FROM sessions WHERE over_at < $1 ORDER BY over_at LIMIT $2)";

pub(super) const CHAIN: &str = "SELECT seq, hash FROM audit_chains WHERE tenant_id = $1";

pub(super) const INSERT_CHAIN: &str =
    "INSERT INTO audit_chains (tenant_id, seq, hash) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";

pub(super) const UPDATE_CHAIN: &str =
    "UPDATE audit_chains SET seq = $1, hash = $2 WHERE tenant_id = $3";

pub(super) const INSERT_ENTRY: &str = concat!(
    "INSERT INTO audit_entries (tenant_id, ",
    entry_columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
);

pub(super) const ENTRIES: &str = concat!(
    "SELECT ",
    entry_columns!(),
    " FROM audit_entries WHERE tenant_id = $1 AND seq > $2 ORDER BY seq LIMIT $3"
);

pub(super) const NEWEST_ENTRIES: &str = concat!(
    "SELECT ",
    entry_columns!(),
    " FROM audit_entries WHERE tenant_id = $1 AND seq < $2 ORDER BY seq DESC LIMIT $3"
);

#[cfg(test)]
mod tests {
    use super::*;

    const TENANTS: &[&str] = &[
        WORKSPACE,
        SET_WORKSPACE_ACTIVE,
        STANDING,
        MEMBERS,
        ADMINS,
        ROLE,
        INSERT_MEMBER,
        SET_ROLE,
        DELETE_MEMBER,
        INSERT_KEY,
        KEYS,
        KEY,
        REVOKE_KEY,
        KEY_USED,
        CHAIN,
        INSERT_CHAIN,
        UPDATE_CHAIN,
        INSERT_ENTRY,
        ENTRIES,
        NEWEST_ENTRIES,
        INSERT_WORKSPACE,
        RENAME_WORKSPACE,
        COUNT_MEMBERS_BY_EMAIL,
        INSERT_INVITATION,
        INVITATIONS,
        COUNT_INVITATIONS,
        FORGET_INVITATIONS,
        REVOKE_INVITATION,
        VOID_INVITATIONS,
        CLOSE_WORKSPACE,
        ERASE_WORKSPACE,
        ERASE_SESSIONS,
        DELETE_INVITATIONS,
        COUNT_MEMBERS,
    ];

    const INSTALLATIONS: &[&str] = &[
        INSERT_USER,
        USER,
        USER_BY_EMAIL,
        UPDATE_USER,
        DELETE_RESETS,
        INSERT_RESET,
        RESET,
        PLACES,
        KEY_BY_HASH,
        INSERT_SESSION,
        SESSION,
        ACTIVE_SESSIONS,
        UPDATE_SESSION,
        FORGET_SESSIONS,
        USERS,
        FORGET_RESETS,
        COUNT_RESETS,
        TENANTS_PAGE,
        INVITATION_BY_HASH,
        VOID_ALL_INVITATIONS,
        CLOSED_PAGE,
        INSERT_LINK,
        LINKED_USER,
        LINK,
        LINKS,
        DELETE_LINK,
        DELETE_USER,
    ];

    #[test]
    fn parameters_first_appear_in_rising_order() {
        crate::sql::check_statements(&[TENANTS, INSTALLATIONS].concat());
    }

    #[test]
    fn every_statement_of_a_tenant_names_it() {
        for sql in TENANTS {
            assert!(sql.contains("tenant_id = $") || sql.contains("INSERT"), "{sql}");
        }
    }

    #[test]
    fn every_statement_is_listed() {
        let written = include_str!("statement.rs").matches("const ").count();
        // Without the two lists themselves.
        let named = include_str!("statement.rs").matches(": &str =").count();
        assert!(written > named);
        assert_eq!(named - 1, TENANTS.len() + INSTALLATIONS.len());
    }
}
