//! A workspace from within: its members and API keys.

use async_trait::async_trait;

use super::{Role, Standing, Workspace, audit::Actor};
use crate::{ApiKeyId, Result, TenantId, TenantScope, Timestamp, UserId};

/// Somebody in a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub user: UserId,
    /// Their address.
    pub email: String,
    /// What to call them.
    pub name: String,
    /// What they are here.
    pub role: Role,
    /// Since when.
    pub since: Timestamp,
}

/// A key by which a program acts for its maker in a workspace. The key itself is not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Which.
    pub id: ApiKeyId,
    /// Who made it: the key can do no more than they can.
    pub user: UserId,
    /// What it is for.
    pub name: String,
    /// How it begins, to tell it from others.
    pub prefix: String,
    /// SHA-256 of the key. Keys are long and random: a slow hash would protect nothing.
    pub hash: [u8; 32],
    /// The names of what it may do.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops being good.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// What a presented API key stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyHolder {
    /// The key.
    pub key: ApiKey,
    /// Its workspace.
    pub tenant: TenantId,
    /// What its maker is there now.
    pub standing: Standing,
    /// The store's time.
    pub now: Timestamp,
}

/// Members and keys of one workspace. Each change names who makes it, for the audit log.
#[async_trait]
pub trait Workspaces: Send + Sync {
    /// The workspace.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    async fn workspace(&self, scope: &TenantScope) -> Result<Workspace>;

    /// Gives it another name.
    ///
    /// # Errors
    /// `NotFound` when there is none; `InvalidInput` when the name is [none](super::rules::name).
    async fn rename(&self, scope: &TenantScope, by: Actor, name: String) -> Result<()>;

    /// Its members, longest there first.
    ///
    /// # Errors
    /// Only those of the storage itself.
    async fn members(&self, scope: &TenantScope) -> Result<Vec<Member>>;

    /// Makes a user a member, or gives a member another role. Who is admin no more has their invitations void.
    ///
    /// # Errors
    /// `NotFound` when there is no such workspace or user; `Conflict` when the last admin would be none any more, or
    /// the workspace is personal and the user not its own; `InvalidInput` for the role `system`.
    async fn set_role(
        &self,
        scope: &TenantScope,
        by: Actor,
        user: UserId,
        role: Role,
    ) -> Result<()>;

    /// Takes a user out of the workspace, and their API keys and the invitations that they made with them.
    ///
    /// # Errors
    /// `NotFound` when the user is no member; `Conflict` when the user is the last admin.
    async fn remove_member(&self, scope: &TenantScope, by: Actor, user: UserId) -> Result<()>;

    /// Keeps a new API key.
    ///
    /// # Errors
    /// `NotFound` when its maker is no member; `AlreadyExists` when the id or the hash is taken.
    async fn create_key(&self, scope: &TenantScope, by: Actor, key: ApiKey) -> Result<()>;

    /// The workspace's keys, newest first; revoked ones too.
    ///
    /// # Errors
    /// Only those of the storage itself.
    async fn keys(&self, scope: &TenantScope) -> Result<Vec<ApiKey>>;

    /// Ends a key. Repeated: does nothing.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    async fn revoke_key(&self, scope: &TenantScope, by: Actor, id: ApiKeyId) -> Result<()>;
}
