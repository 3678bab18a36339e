use async_trait::async_trait;

use super::{KeptInvitation, Membership, MemoryIdentity, State};
use crate::{
    Error, ErrorKind, InvitationId, Result, TenantId, TenantScope, Timestamp, UserId,
    identity::{
        Invitation, Invitations, Invited, NewInvitation, Place,
        audit::{Actor, NewEntry},
        rules,
    },
};

#[async_trait]
impl Invitations for MemoryIdentity {
    async fn invite(
        &self,
        scope: &TenantScope,
        by: Actor,
        new: NewInvitation,
    ) -> Result<Invitation> {
        const OPERATION: &str = "invite";
        let tenant = scope.tenant();
        self.with(|state, now| {
            state.forget_invitations(now);
            let workspace = state.workspace(OPERATION, tenant)?.clone();
            let is_member = state.has_address(tenant, &new.email);
            let others = state.of(tenant).filter(|kept| kept.invitation.email != new.email);
            rules::may_invite(OPERATION, &workspace, new.role, is_member, others.count())?;
            let taken =
                |kept: &KeptInvitation| kept.invitation.id == new.id || kept.hash == new.hash;
            if state.invitations.values().any(taken) {
                return Err(Error::new(ErrorKind::AlreadyExists, OPERATION));
            }
            state
                .invitations
                .retain(|(of, _), kept| *of != tenant || kept.invitation.email != new.email);
            let invitation = rules::invitation(&new, now);
            let kept = KeptInvitation { invitation: invitation.clone(), hash: new.hash };
            state.invitations.insert((tenant, new.id), kept);
            state.log(tenant, now, rules::invitation_entry(by, "invitation.created", &invitation));
            Ok(invitation)
        })
    }

    async fn invitations(&self, scope: &TenantScope) -> Result<Vec<Invitation>> {
        self.with(|state, now| {
            state.forget_invitations(now);
            let own = state.of(scope.tenant()).map(|kept| kept.invitation.clone());
            let mut own: Vec<_> = own.collect();
            own.reverse();
            Ok(own)
        })
    }

    async fn revoke_invitation(
        &self,
        scope: &TenantScope,
        by: Actor,
        id: InvitationId,
    ) -> Result<()> {
        let tenant = scope.tenant();
        self.with(|state, now| {
            state.forget_invitations(now);
            if state.invitations.remove(&(tenant, id)).is_none() {
                return Err(rules::no_invitation("revoke invitation"));
            }
            state.log(tenant, now, NewEntry::new(by, "invitation.revoked").about(id));
            Ok(())
        })
    }

    async fn invitation(&self, hash: [u8; 32]) -> Result<Invited> {
        const OPERATION: &str = "read invitation";
        self.with(|state, now| {
            state.forget_invitations(now);
            let (tenant, invitation) = state.by_hash(OPERATION, hash)?;
            let workspace = state.workspace(OPERATION, tenant)?;
            if !workspace.active {
                return Err(rules::no_invitation(OPERATION));
            }
            Ok(Invited { invitation, workspace: workspace.name.clone() })
        })
    }

    async fn accept_invitation(&self, user: UserId, hash: [u8; 32]) -> Result<Place> {
        const OPERATION: &str = "accept invitation";
        self.with(|state, now| {
            state.forget_invitations(now);
            let (tenant, invitation) = state.by_hash(OPERATION, hash)?;
            let workspace = state.workspace(OPERATION, tenant)?.clone();
            let theirs = state
                .users
                .get(&user)
                .is_some_and(|user| user.active && user.email == invitation.email);
            if !theirs || !workspace.active {
                return Err(rules::no_invitation(OPERATION));
            }
            state.invitations.remove(&(tenant, invitation.id));
            let by = Actor::User(user);
            state.log(tenant, now, rules::invitation_entry(by, "invitation.accepted", &invitation));
            if let Some(member) = state.members.get(&(tenant, user)) {
                return Ok(Place { workspace, role: member.role });
            }
            let role = invitation.role;
            state.members.insert((tenant, user), Membership { role, since: now });
            state.log(tenant, now, rules::role_entry(by, user, None, Some(role)));
            Ok(Place { workspace, role })
        })
    }
}

impl State {
    /// The invitations of a workspace, oldest first.
    fn of(&self, tenant: TenantId) -> impl Iterator<Item = &KeptInvitation> {
        self.invitations.iter().filter(move |((of, _), _)| *of == tenant).map(|(_, kept)| kept)
    }

    fn by_hash(&self, operation: &'static str, hash: [u8; 32]) -> Result<(TenantId, Invitation)> {
        let found = self.invitations.iter().find(|(_, kept)| kept.hash == hash);
        let ((tenant, _), kept) = found.ok_or_else(|| rules::no_invitation(operation))?;
        Ok((*tenant, kept.invitation.clone()))
    }

    fn forget_invitations(&mut self, now: Timestamp) {
        self.invitations.retain(|_, kept| now < kept.invitation.expires_at);
    }

    /// Those that a user made in a workspace are void.
    pub(super) fn void_invitations(&mut self, tenant: TenantId, by: UserId) {
        self.invitations
            .retain(|(of, _), kept| *of != tenant || kept.invitation.invited_by != Some(by));
    }

    fn has_address(&self, tenant: TenantId, email: &str) -> bool {
        let members = self.members.keys().filter(|(of, _)| *of == tenant);
        let mut users = members.filter_map(|(_, user)| self.users.get(user));
        users.any(|user| user.email == email)
    }
}
