//! Workspaces and users that go for good.

use async_trait::async_trait;

use super::audit::{Actor, NewEntry};
use crate::{Result, TenantId, UserId};

/// Deletes workspaces and users. A workspace is closed first: from then on it is as one that is not there, for everybody
/// and for every method of the other ports. What is in it lies elsewhere and takes a while; when nothing of it is left, its
/// last rows are erased. Its audit log stays.
#[async_trait]
pub trait Closing: Send + Sync {
    /// Closes a team workspace. Its invitations are void; sessions in it end at their next use.
    ///
    /// # Errors
    /// `NotFound` when there is none, or it is closed already; `Conflict` when it is personal: that goes with its user.
    async fn close_workspace(&self, by: Actor, tenant: TenantId) -> Result<()>;

    /// Workspaces that are closed and not erased yet, with ids after `after`, in the order of their ids, at most `limit`.
    ///
    /// # Errors
    /// Only those of the storage itself.
    async fn closed_workspaces(
        &self,
        after: Option<TenantId>,
        limit: usize,
    ) -> Result<Vec<TenantId>>;

    /// Removes a closed workspace with its sessions, members, invitations and API keys, and logs the receipt in the
    /// installation's own audit log.
    ///
    /// # Errors
    /// `NotFound` when no workspace of this id is closed; `InvalidInput` when a field of the receipt is out of its bounds.
    async fn erase_workspace(&self, tenant: TenantId, receipt: NewEntry) -> Result<()>;

    /// Removes a user with their sessions, reset tokens, memberships, API keys and the invitations that they made. Their
    /// personal workspace and the teams that have nobody else are closed: those are given back.
    ///
    /// # Errors
    /// `NotFound` when there is no such user; `Conflict` when they are the last admin of a team that has other members, or
    /// became a member somewhere meanwhile. Then nothing is changed.
    async fn delete_user(&self, by: Actor, user: UserId) -> Result<Vec<TenantId>>;
}
