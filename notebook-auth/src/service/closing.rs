//! Workspaces and accounts that go for good.

use notebook_core::{
    Error, ErrorKind, Result, Secret, SessionId, TenantId, UserId, identity::audit::Actor,
};

use super::{Auth, Principal};
use crate::rbac::{self, Permission};

/// An account that was deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletedAccount {
    /// Whose it was.
    pub user: UserId,
    /// The workspaces that went with it: what is in them is still to be removed.
    pub workspaces: Vec<TenantId>,
}

impl Auth {
    /// Closes a workspace for good: nobody acts in it any more, here at once. What is in it is still to be removed.
    ///
    /// # Errors
    /// `Forbidden` for API keys, and for members who may not; `NotFound` when the one who does it is no member;
    /// `InvalidInput` when `name` is not its name; `Conflict` when it is personal.
    pub async fn delete_workspace(
        &self,
        by: &Principal,
        tenant: TenantId,
        name: &str,
    ) -> Result<()> {
        const OPERATION: &str = "delete workspace";
        by.signed_in()?;
        let places = self.identity.places(by.user).await?;
        let place = places.into_iter().find(|place| place.workspace.tenant == tenant);
        let place = place.filter(|place| place.workspace.active);
        let place = place.ok_or_else(|| Error::not_found(OPERATION, "workspace"))?;
        if !rbac::may(place.role, Permission::WorkspaceManage) {
            return Err(Error::new(ErrorKind::Forbidden, OPERATION)
                .with("permission", Permission::WorkspaceManage.name())
                .with("fix", "ask an admin of the workspace"));
        }
        if place.workspace.name != name.trim() {
            return Err(Error::invalid(OPERATION, "name", "type the workspace's name as it is"));
        }
        let done = self.identity.close_workspace(by.actor(), tenant).await;
        self.live.forget_all();
        done
    }

    /// Deletes the account of the one who signed in, with their personal workspace and the teams that have nobody else.
    ///
    /// # Errors
    /// `InvalidInput` when the password is wrong; `RateLimited` after too many tries; `Conflict` when they have no password,
    /// or are the last admin of a team that has other members.
    pub async fn delete_account(
        &self,
        session: SessionId,
        password: &Secret,
    ) -> Result<DeletedAccount> {
        const OPERATION: &str = "delete account";
        let (_, user) = self.who_knows(OPERATION, session, "password", password).await?;
        let done = self.identity.delete_user(Actor::User(user.id), user.id).await;
        self.live.forget_all();
        Ok(DeletedAccount { user: user.id, workspaces: done? })
    }
}
