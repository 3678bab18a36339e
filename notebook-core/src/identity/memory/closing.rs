use std::ops::Bound;

use async_trait::async_trait;

use super::{MemoryIdentity, State, workspaces::admins};
use crate::{
    Error, Result, TenantId, Timestamp, UserId,
    identity::{
        Closing,
        audit::{Actor, INSTALLATION, NewEntry},
        rules,
    },
};

#[async_trait]
impl Closing for MemoryIdentity {
    async fn close_workspace(&self, by: Actor, tenant: TenantId) -> Result<()> {
        const OPERATION: &str = "close workspace";
        self.with(|state, now| {
            rules::close(OPERATION, state.workspace(OPERATION, tenant)?)?;
            state.close(tenant, now, by);
            Ok(())
        })
    }

    async fn closed_workspaces(
        &self,
        after: Option<TenantId>,
        limit: usize,
    ) -> Result<Vec<TenantId>> {
        let after = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.with(|state, _| {
            let closed = state.closed.range((after, Bound::Unbounded)).take(limit);
            Ok(closed.map(|(tenant, _)| *tenant).collect())
        })
    }

    async fn erase_workspace(&self, tenant: TenantId, receipt: NewEntry) -> Result<()> {
        let receipt = receipt.checked()?;
        self.with(|state, now| {
            if state.closed.remove(&tenant).is_none() {
                return Err(Error::not_found("erase workspace", "workspace"));
            }
            state.sessions.retain(|_, session| session.tenant != tenant);
            state.members.retain(|(of, _), _| *of != tenant);
            state.keys.retain(|(of, _), _| *of != tenant);
            state.invitations.retain(|(of, _), _| *of != tenant);
            state.log(INSTALLATION, now, receipt);
            Ok(())
        })
    }

    async fn delete_user(&self, by: Actor, user: UserId) -> Result<Vec<TenantId>> {
        const OPERATION: &str = "delete user";
        self.with(|state, now| {
            state.user(OPERATION, user)?;
            let places = state.members.keys().filter(|(_, member)| *member == user);
            let places: Vec<TenantId> = places.map(|(tenant, _)| *tenant).collect();
            let (mut close, mut leave) = (Vec::new(), Vec::new());
            for tenant in places {
                let Some(workspace) = state.workspaces.get(&tenant) else { continue };
                let members = state.members.keys().filter(|(of, _)| *of == tenant).count();
                let admins = admins(state, tenant);
                let goes = rules::goes_along(OPERATION, workspace, &admins, members, user)?;
                if goes { close.push(tenant) } else { leave.push(tenant) }
            }
            for tenant in leave {
                let member = state.members.get(&(tenant, user)).map(|member| member.role);
                state.log(tenant, now, rules::role_entry(by, user, member, None));
            }
            for tenant in &close {
                state.close(*tenant, now, by);
            }
            state.users.remove(&user);
            state.members.retain(|(_, member), _| *member != user);
            state.keys.retain(|_, key| key.user != user);
            state.resets.retain(|_, reset| reset.user != user);
            state.invitations.retain(|_, kept| kept.invitation.invited_by != Some(user));
            state.sessions.retain(|_, session| session.user != user);
            state.log(INSTALLATION, now, NewEntry::new(by, "user.deleted").about(user));
            Ok(close)
        })
    }
}

impl State {
    fn close(&mut self, tenant: TenantId, now: Timestamp, by: Actor) {
        if let Some(workspace) = self.workspaces.remove(&tenant) {
            self.closed.insert(tenant, workspace);
        }
        self.invitations.retain(|(of, _), _| *of != tenant);
        self.log(tenant, now, NewEntry::new(by, "workspace.closed"));
    }

    pub(super) fn is_taken(&self, tenant: TenantId) -> bool {
        self.workspaces.contains_key(&tenant) || self.closed.contains_key(&tenant)
    }
}
