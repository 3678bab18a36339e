//! Workspaces and who is in them.

use std::time::Duration;

use notebook_core::{
    Error, ErrorKind, InvitationId, Result, Secret, TenantId, TenantScope, UserId,
    identity::{
        Invitation, Invited, Member, NewInvitation, Place, Role, Workspace, WorkspaceKind, rules,
    },
};

use super::{Auth, Principal, accounts::email};
use crate::{
    invitation,
    rbac::{self, Permission},
};

/// How long an invitation is good.
const INVITED: Duration = Duration::from_secs(7 * 24 * 60 * 60);

impl Auth {
    /// Makes a team workspace, whose admin the maker is.
    ///
    /// # Errors
    /// `Forbidden` for API keys; `InvalidInput` when the name is empty or too long.
    pub async fn create_workspace(&self, by: &Principal, name: &str) -> Result<Workspace> {
        by.signed_in()?;
        let workspace = Workspace {
            tenant: TenantId::new(),
            kind: WorkspaceKind::Team,
            name: rules::name("create workspace", name)?,
            active: true,
            created_at: self.identity.now().await?,
        };
        self.identity.create_workspace(by.user, workspace.clone()).await?;
        Ok(workspace)
    }

    /// Gives the workspace another name.
    ///
    /// # Errors
    /// `Forbidden` when the one who does it may not; `InvalidInput` when the name is empty or too long.
    pub async fn rename_workspace(&self, by: &Principal, name: &str) -> Result<()> {
        by.require(Permission::WorkspaceManage)?;
        self.identity.rename(&by.scope, by.actor(), name.to_owned()).await
    }

    /// Who is in the workspace, longest there first.
    ///
    /// # Errors
    /// `Forbidden` when the one who asks may not know.
    pub async fn members(&self, by: &Principal) -> Result<Vec<Member>> {
        by.require(Permission::MemberRead)?;
        self.identity.members(&by.scope).await
    }

    /// Gives a member another role, or makes somebody a member; none takes them out.
    ///
    /// # Errors
    /// `Forbidden` when the one who does it may not; those of
    /// [`Workspaces::set_role`](notebook_core::identity::Workspaces::set_role).
    pub async fn set_role(&self, by: &Principal, user: UserId, after: Option<Role>) -> Result<()> {
        by.require(Permission::MemberManage)?;
        // Of somebody who is no member it is the least.
        let before = self.identity.standing(user, by.scope.tenant()).await?.role;
        may_set_role(by, Some(before), after)?;
        let done = match after {
            Some(role) => self.identity.set_role(&by.scope, by.actor(), user, role).await,
            None => self.identity.remove_member(&by.scope, by.actor(), user).await,
        };
        self.live.forget_all();
        done
    }

    /// Takes somebody out of the workspace, with their API keys; everybody who signed in may leave.
    ///
    /// # Errors
    /// Those of [`set_role`](Self::set_role).
    pub async fn remove_member(&self, by: &Principal, user: UserId) -> Result<()> {
        if user != by.user || by.signed_in().is_err() {
            return self.set_role(by, user, None).await;
        }
        let done = self.identity.remove_member(&by.scope, by.actor(), user).await;
        self.live.forget_all();
        done
    }

    /// Invites an address for a week, in place of an earlier invitation of the same. The token is for the one who has the
    /// address, and is shown this once.
    ///
    /// # Errors
    /// `Forbidden` when the one who does it may not; `InvalidInput` when the address is none; those of
    /// [`Invitations::invite`](notebook_core::identity::Invitations::invite).
    pub async fn invite(
        &self,
        by: &Principal,
        address: &str,
        role: Role,
    ) -> Result<(Invitation, Secret)> {
        by.require(Permission::MemberManage)?;
        may_set_role(by, None, Some(role))?;
        let email = email("invite", address)?;
        let (id, invited_by) = (InvitationId::new(), Some(by.user));
        let (token, hash) = invitation::of(&self.links, id)?;
        let new = NewInvitation { id, email, role, invited_by, hash, life: INVITED };
        let made = self.identity.invite(&by.scope, by.actor(), new).await?;
        Ok((made, token))
    }

    /// An open invitation with its token, to be sent to its address; none when it was accepted, taken back or is too old.
    /// No request may cause it but that of the invitation's maker.
    ///
    /// # Errors
    /// `Conflict` when it was made of another secret.
    pub async fn invitation_to_send(
        &self,
        scope: &TenantScope,
        id: InvitationId,
    ) -> Result<Option<(Invited, Secret)>> {
        let is_open = async || {
            let open = self.identity.invitations(scope).await?;
            Ok::<_, Error>(open.iter().any(|invitation| invitation.id == id))
        };
        if !is_open().await? {
            return Ok(None);
        }
        let (token, hash) = invitation::of(&self.links, id)?;
        match self.identity.invitation(hash).await {
            Ok(invited) => Ok(Some((invited, token))),
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            // Between the two looks it was accepted or taken back.
            Err(_) if !is_open().await? => Ok(None),
            Err(_) => Err(Error::new(ErrorKind::Conflict, "make link")
                .with("fix", "the secret has changed since: invite again")),
        }
    }

    /// The workspace's open invitations, newest first.
    ///
    /// # Errors
    /// `Forbidden` when the one who asks may not know.
    pub async fn invitations(&self, by: &Principal) -> Result<Vec<Invitation>> {
        by.require(Permission::MemberManage)?;
        self.identity.invitations(&by.scope).await
    }

    /// Takes an invitation back.
    ///
    /// # Errors
    /// `Forbidden` when the one who does it may not; `NotFound` when there is none.
    pub async fn revoke_invitation(&self, by: &Principal, id: InvitationId) -> Result<()> {
        by.require(Permission::MemberManage)?;
        self.identity.revoke_invitation(&by.scope, by.actor(), id).await
    }

    /// What a token invites to: for who holds it, and need not be a user yet.
    ///
    /// # Errors
    /// `NotFound` when there is no such invitation any more.
    pub async fn invited(&self, token: &str) -> Result<Invited> {
        self.identity.invitation(invitation::hash(token)).await
    }

    /// Makes the one who signed in a member by an invitation that names their address.
    ///
    /// # Errors
    /// `Forbidden` for API keys; `NotFound` when there is no such invitation any more, or it names another address.
    pub async fn accept_invitation(&self, by: &Principal, token: &str) -> Result<Place> {
        by.signed_in()?;
        self.identity.accept_invitation(by.user, invitation::hash(token)).await
    }
}

fn may_set_role(by: &Principal, before: Option<Role>, after: Option<Role>) -> Result<()> {
    if rbac::may_set_role(by.role, before, after) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Forbidden, "set role")
        .with("fix", "a role manages only lower or equal roles"))
}
