//! Users and workspaces, as the installation sees them.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{
    audit::{Actor, NewEntry},
    workspace::KeyHolder,
};
use crate::{ApiKeyId, Result, TenantId, Timestamp, UserId};

/// What somebody is in a workspace, from the least to the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads.
    Viewer,
    /// Asks.
    Analyst,
    /// Adds sources and changes notebooks.
    DataScientist,
    /// Manages the workspace and its members.
    Admin,
    /// The installation itself; no person has it.
    System,
}

/// Somebody who signs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Who.
    pub id: UserId,
    /// The address, in lower case: unique in the installation.
    pub email: String,
    /// What to call them.
    pub name: String,
    /// How their password is recognised, in the PHC string format (or bcrypt's own, from an older system). None for those who sign in elsewhere.
    pub password: Option<String>,
    /// Whether they may sign in.
    pub active: bool,
    /// Rises when all sessions of before are to end.
    pub epoch: u32,
    /// When they came.
    pub created_at: Timestamp,
}

/// A user who is to be made.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// A new id.
    pub id: UserId,
    /// The address, normalised by the caller.
    pub email: String,
    /// What to call them; the name of their personal workspace too.
    pub name: String,
    /// See [`User::password`].
    pub password: Option<String>,
    /// The id of their personal workspace.
    pub workspace: TenantId,
    /// Who makes them: themselves, or an operator.
    pub by: Actor,
}

/// Whether a workspace is one person's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum WorkspaceKind {
    /// One person's own: nobody else becomes a member.
    Personal,
    /// Shared.
    Team,
}

/// A tenant: what belongs together and is kept apart from all else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    /// Which.
    pub tenant: TenantId,
    /// Whether it is one person's.
    pub kind: WorkspaceKind,
    /// What its members call it.
    pub name: String,
    /// Whether anybody may act in it.
    pub active: bool,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A workspace with what a user is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The workspace.
    pub workspace: Workspace,
    /// What the user is there.
    pub role: Role,
}

/// Whether a user may act in a workspace now, and as what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The user, the workspace and the membership are there, and none is switched off.
    pub active: bool,
    /// The user's epoch: sessions of an earlier one are over.
    pub epoch: u32,
    /// What the user is there; the least where `active` is false.
    pub role: Role,
}

/// A change of a password's hash.
#[derive(Debug, Clone)]
pub struct SetPassword {
    /// Whose.
    pub user: UserId,
    /// The hash that must be the stored one: another change is not overwritten.
    pub old: Option<String>,
    /// The new one.
    pub new: String,
    /// Whether all sessions of before end: when the password is another one, and not when only its hash is.
    pub ends_sessions: bool,
}

/// A request to set a forgotten password anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reset {
    /// SHA-256 of the token that was sent.
    pub hash: [u8; 32],
    /// Whose password.
    pub user: UserId,
    /// When the token stops being good.
    pub expires_at: Timestamp,
}

/// Users, their passwords and workspaces. For those who sign people in, and for operators.
#[async_trait]
pub trait Accounts: Send + Sync {
    /// The store's time.
    ///
    /// # Errors
    /// Only those of the storage itself.
    async fn now(&self) -> Result<Timestamp>;

    /// Makes a user with a personal workspace, in which they are admin.
    ///
    /// - Two at the same time with one address: one is made.
    ///
    /// # Errors
    /// `AlreadyExists` when the address is taken, and says no more; `InvalidInput` when the workspace's id is one that
    /// [nobody has](super::rules::workspace_id).
    async fn create_user(&self, new: NewUser) -> Result<User>;

    /// The user.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    async fn user(&self, id: UserId) -> Result<User>;

    /// The user with this address, if there is one.
    ///
    /// # Errors
    /// Only those of the storage itself.
    async fn user_by_email(&self, email: &str) -> Result<Option<User>>;

    /// Users with ids after `after`, oldest first, at most `limit`; those who are switched off too.
    ///
    /// # Errors
    /// Only those of the storage itself.
    async fn users(&self, after: Option<UserId>, limit: usize) -> Result<Vec<User>>;

    /// Changes the hash of a password, and gives the user as they are after it: with the epoch that sessions begin with
    /// which know the new password.
    ///
    /// - With `ends_sessions` the user's epoch rises and every reset token of theirs is void.
    ///
    /// # Errors
    /// `NotFound` when there is no such user; `Conflict` when the stored hash is not `old`.
    async fn set_password(&self, change: SetPassword) -> Result<User>;

    /// Lets a user sign in or not. When not, their sessions end at the next use, and the invitations that they made are
    /// void.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    async fn set_user_active(&self, by: Actor, id: UserId, active: bool) -> Result<()>;

    /// Keeps a reset token beside earlier ones of the user, and says whether it did: not when as many as
    /// [`MOST_RESETS`](super::rules::MOST_RESETS) are good. Those stay, so that nobody voids what another has been sent.
    ///
    /// # Errors
    /// `NotFound` when there is no such user.
    async fn put_reset(&self, reset: Reset) -> Result<bool>;

    /// The reset token of this hash.
    ///
    /// # Errors
    /// `NotFound` when the token is unknown, was used, or is no longer good.
    async fn reset(&self, hash: [u8; 32]) -> Result<Reset>;

    /// Uses a reset token: stores the new hash, ends all sessions, and forgets all tokens of the user.
    ///
    /// - Many at the same time with one token: one of them does it.
    ///
    /// # Errors
    /// `NotFound` when the token is unknown, was used, or is no longer good.
    async fn use_reset(&self, hash: [u8; 32], new_password: String) -> Result<UserId>;

    /// Makes a workspace, with a user as its admin.
    ///
    /// # Errors
    /// `NotFound` when there is no such user; `AlreadyExists` when the id is taken; `InvalidInput` when the id is one that
    /// [nobody has](super::rules::workspace_id).
    async fn create_workspace(&self, owner: UserId, workspace: Workspace) -> Result<()>;

    /// The workspaces of a user, oldest first; those that are switched off too.
    ///
    /// # Errors
    /// Only those of the storage itself.
    async fn places(&self, user: UserId) -> Result<Vec<Place>>;

    /// Workspaces that are not switched off, with ids after `after`, in the order of their ids, at most `limit`: for what
    /// is done for each of them.
    ///
    /// # Errors
    /// Only those of the storage itself.
    async fn tenants(&self, after: Option<TenantId>, limit: usize) -> Result<Vec<TenantId>>;

    /// Switches a workspace on or off for all.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    async fn set_workspace_active(&self, by: Actor, tenant: TenantId, active: bool) -> Result<()>;

    /// Whether a user may act in a workspace.
    ///
    /// - Unknown users, unknown workspaces and strangers alike are not active.
    ///
    /// # Errors
    /// Only those of the storage itself.
    async fn standing(&self, user: UserId, tenant: TenantId) -> Result<Standing>;

    /// The API key with this hash, with its workspace and its maker's standing there; none when it is unknown,
    /// revoked or past its end.
    ///
    /// # Errors
    /// Only those of the storage itself.
    async fn key_holder(&self, hash: [u8; 32]) -> Result<Option<KeyHolder>>;

    /// Notes that a key was used now, if the last note is a minute old; unknown keys are no error.
    ///
    /// # Errors
    /// Only those of the storage itself.
    async fn key_used(&self, tenant: TenantId, id: ApiKeyId) -> Result<()>;

    /// Logs what happened where there is no tenant yet, such as a sign-in that failed, or in one.
    ///
    /// # Errors
    /// `InvalidInput` when a field is out of its bounds.
    async fn log(&self, tenant: Option<TenantId>, entry: NewEntry) -> Result<()>;
}
