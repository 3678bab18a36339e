use async_trait::async_trait;

use super::{Membership, MemoryIdentity, State};
use crate::{
    ApiKeyId, Error, ErrorKind, Result, TenantId, TenantScope, UserId,
    identity::{
        ApiKey, Member, Role, Workspace, Workspaces,
        audit::{Actor, NewEntry},
        rules,
    },
};

#[async_trait]
impl Workspaces for MemoryIdentity {
    async fn workspace(&self, scope: &TenantScope) -> Result<Workspace> {
        self.with(|state, _| state.workspace("read workspace", scope.tenant()).cloned())
    }

    async fn rename(&self, scope: &TenantScope, by: Actor, name: String) -> Result<()> {
        const OPERATION: &str = "rename workspace";
        let name = rules::name(OPERATION, &name)?;
        let tenant = scope.tenant();
        self.with(|state, now| {
            state.workspace(OPERATION, tenant)?.name = name;
            state.log(tenant, now, NewEntry::new(by, "workspace.renamed"));
            Ok(())
        })
    }

    async fn members(&self, scope: &TenantScope) -> Result<Vec<Member>> {
        self.with(|state, _| {
            let all = state.members.iter().filter(|((tenant, _), _)| *tenant == scope.tenant());
            let members = all.filter_map(|((_, user), member)| {
                let user = state.users.get(user)?;
                let (email, name) = (user.email.clone(), user.name.clone());
                let Membership { role, since } = *member;
                Some(Member { user: user.id, email, name, role, since })
            });
            let mut members: Vec<_> = members.collect();
            members.sort_by_key(|member| (member.since, member.user));
            Ok(members)
        })
    }

    async fn set_role(
        &self,
        scope: &TenantScope,
        by: Actor,
        user: UserId,
        role: Role,
    ) -> Result<()> {
        const OPERATION: &str = "set role";
        let tenant = scope.tenant();
        self.with(|state, now| {
            let admins = admins(state, tenant);
            let workspace = state.workspace(OPERATION, tenant)?.clone();
            state.user(OPERATION, user)?;
            rules::change_role(OPERATION, &workspace, &admins, user, Some(role))?;
            let member = state.members.entry((tenant, user));
            let before = match &member {
                std::collections::btree_map::Entry::Occupied(member) => Some(member.get().role),
                std::collections::btree_map::Entry::Vacant(_) => None,
            };
            member.or_insert(Membership { role, since: now }).role = role;
            if role != Role::Admin {
                state.void_invitations(tenant, user);
            }
            state.log(tenant, now, rules::role_entry(by, user, before, Some(role)));
            Ok(())
        })
    }

    async fn remove_member(&self, scope: &TenantScope, by: Actor, user: UserId) -> Result<()> {
        const OPERATION: &str = "remove member";
        let tenant = scope.tenant();
        self.with(|state, now| {
            let admins = admins(state, tenant);
            let Some(member) = state.members.get(&(tenant, user)).copied() else {
                return Err(Error::not_found(OPERATION, "member"));
            };
            let workspace = state.workspace(OPERATION, tenant)?.clone();
            rules::change_role(OPERATION, &workspace, &admins, user, None)?;
            state.members.remove(&(tenant, user));
            state.keys.retain(|(of, _), key| *of != tenant || key.user != user);
            state.void_invitations(tenant, user);
            state.log(tenant, now, rules::role_entry(by, user, Some(member.role), None));
            Ok(())
        })
    }

    async fn create_key(&self, scope: &TenantScope, by: Actor, key: ApiKey) -> Result<()> {
        const OPERATION: &str = "create API key";
        let tenant = scope.tenant();
        self.with(|state, now| {
            if !state.members.contains_key(&(tenant, key.user)) {
                return Err(Error::not_found(OPERATION, "member"));
            }
            let taken = |((_, id), other): (&(TenantId, ApiKeyId), &ApiKey)| {
                *id == key.id || other.hash == key.hash
            };
            if state.keys.iter().any(taken) {
                return Err(Error::new(ErrorKind::AlreadyExists, OPERATION));
            }
            state.log(tenant, now, rules::key_entry(by, &key));
            let key = ApiKey { created_at: now, last_used_at: None, revoked_at: None, ..key };
            state.keys.insert((tenant, key.id), key);
            Ok(())
        })
    }

    async fn keys(&self, scope: &TenantScope) -> Result<Vec<ApiKey>> {
        self.with(|state, _| {
            let own = state.keys.iter().rev().filter(|((of, _), _)| *of == scope.tenant());
            Ok(own.map(|(_, key)| key.clone()).collect())
        })
    }

    async fn revoke_key(&self, scope: &TenantScope, by: Actor, id: ApiKeyId) -> Result<()> {
        let tenant = scope.tenant();
        self.with(|state, now| {
            let key = state.keys.get_mut(&(tenant, id));
            let key = key.ok_or_else(|| Error::not_found("revoke API key", "API key"))?;
            if key.revoked_at.is_none() {
                key.revoked_at = Some(now);
                state.log(tenant, now, NewEntry::new(by, "api_key.revoked").about(id));
            }
            Ok(())
        })
    }
}

pub(super) fn admins(state: &State, tenant: TenantId) -> Vec<UserId> {
    let admins = state
        .members
        .iter()
        .filter(|((of, _), member)| *of == tenant && member.role == Role::Admin);
    admins.map(|((_, user), _)| *user).collect()
}
