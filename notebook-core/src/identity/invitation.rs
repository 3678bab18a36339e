//! Invitations to a workspace.

use std::time::Duration;

use async_trait::async_trait;

use super::{Place, Role, audit::Actor};
use crate::{InvitationId, Result, TenantScope, Timestamp, UserId};

/// What somebody is invited to. The token that proves it is not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Which.
    pub id: InvitationId,
    /// Whom: an address, in lower case. Nobody else can accept.
    pub email: String,
    /// What they are to be.
    pub role: Role,
    /// The user who invites; none for the program itself.
    pub invited_by: Option<UserId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops being good.
    pub expires_at: Timestamp,
}

/// An invitation that is to be made.
#[derive(Debug, Clone)]
pub struct NewInvitation {
    /// A new id.
    pub id: InvitationId,
    /// See [`Invitation::email`]; normalised by the caller.
    pub email: String,
    /// See [`Invitation::role`].
    pub role: Role,
    /// See [`Invitation::invited_by`].
    pub invited_by: Option<UserId>,
    /// SHA-256 of the token. Tokens are long and random: a slow hash would protect nothing.
    pub hash: [u8; 32],
    /// How long it is good.
    pub life: Duration,
}

/// An invitation as who holds its token sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invited {
    /// The invitation.
    pub invitation: Invitation,
    /// The name of the workspace.
    pub workspace: String,
}

/// Invitations to workspaces. An invitation is there until it is accepted, revoked or too old; those that are too old are
/// nowhere to be seen.
#[async_trait]
pub trait Invitations: Send + Sync {
    /// Invites an address, in place of an earlier invitation of the same.
    ///
    /// # Errors
    /// `NotFound` when there is no such workspace; `AlreadyExists` when a member has the address, or the id or the hash is
    /// taken; `Conflict` when the workspace is personal, or has as many invitations as
    /// [`MOST_INVITATIONS`](super::rules::MOST_INVITATIONS); `InvalidInput` for the role `system`.
    async fn invite(
        &self,
        scope: &TenantScope,
        by: Actor,
        new: NewInvitation,
    ) -> Result<Invitation>;

    /// The workspace's invitations, newest first.
    ///
    /// # Errors
    /// Only those of the storage itself.
    async fn invitations(&self, scope: &TenantScope) -> Result<Vec<Invitation>>;

    /// Takes an invitation back.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    async fn revoke_invitation(
        &self,
        scope: &TenantScope,
        by: Actor,
        id: InvitationId,
    ) -> Result<()>;

    /// The invitation of a token, whose hash this is. For the whole installation: who holds the token need not be a user
    /// yet.
    ///
    /// # Errors
    /// `NotFound` when there is none, or its workspace is switched off.
    async fn invitation(&self, hash: [u8; 32]) -> Result<Invited>;

    /// Makes a user a member by an invitation, which is gone then.
    ///
    /// - Many at the same time with one token: one of them does it.
    /// - Who is a member already stays what they are.
    ///
    /// # Errors
    /// `NotFound` when there is no such invitation, it names another address, or the user or the workspace is switched
    /// off: which of them is nobody's business.
    async fn accept_invitation(&self, user: UserId, hash: [u8; 32]) -> Result<Place>;
}
