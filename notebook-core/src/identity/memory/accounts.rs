use std::ops::Bound;

use async_trait::async_trait;

use super::{Membership, MemoryIdentity, State};
use crate::{
    ApiKeyId, Error, ErrorKind, Result, TenantId, Timestamp, UserId,
    identity::{
        Accounts, KeyHolder, NewUser, Place, Reset, Role, SetPassword, Standing, User, Workspace,
        WorkspaceKind,
        audit::{Actor, INSTALLATION, NewEntry},
        rules,
    },
};

#[async_trait]
impl Accounts for MemoryIdentity {
    async fn now(&self) -> Result<Timestamp> {
        Ok(self.clock.now())
    }

    async fn create_user(&self, new: NewUser) -> Result<User> {
        self.with(|state, now| create_user(state, now, new))
    }

    async fn user(&self, id: UserId) -> Result<User> {
        self.with(|state, _| state.user("read user", id).cloned())
    }

    async fn user_by_email(&self, email: &str) -> Result<Option<User>> {
        self.with(|state, _| Ok(state.users.values().find(|user| user.email == email).cloned()))
    }

    async fn users(&self, after: Option<UserId>, limit: usize) -> Result<Vec<User>> {
        let after = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.with(|state, _| {
            let users = state.users.range((after, Bound::Unbounded)).take(limit);
            Ok(users.map(|(_, user)| user.clone()).collect())
        })
    }

    async fn set_password(&self, change: SetPassword) -> Result<User> {
        self.with(|state, now| {
            let user = state.user("set password", change.user)?;
            rules::change_password("set password", user, change.old.as_deref())?;
            user.password = Some(change.new);
            user.epoch += u32::from(change.ends_sessions);
            let user = user.clone();
            if change.ends_sessions {
                state.resets.retain(|_, reset| reset.user != change.user);
                let what = NewEntry::new(Actor::User(change.user), "password.changed");
                state.log(INSTALLATION, now, what.about(change.user));
            }
            Ok(user)
        })
    }

    async fn set_user_active(&self, by: Actor, id: UserId, active: bool) -> Result<()> {
        self.with(|state, now| {
            state.user("switch user", id)?.active = active;
            if !active {
                state.invitations.retain(|_, kept| kept.invitation.invited_by != Some(id));
            }
            let action = if active { "user.enabled" } else { "user.disabled" };
            state.log(INSTALLATION, now, NewEntry::new(by, action).about(id));
            Ok(())
        })
    }

    async fn put_reset(&self, reset: Reset) -> Result<bool> {
        self.with(|state, now| {
            state.user("keep reset token", reset.user)?;
            state.resets.retain(|_, other| now < other.expires_at);
            let others = state.resets.values().filter(|other| other.user == reset.user);
            if others.count() >= rules::MOST_RESETS {
                return Ok(false);
            }
            let what = NewEntry::new(Actor::Unknown, "password.reset_requested");
            state.log(INSTALLATION, now, what.about(reset.user));
            state.resets.insert(reset.hash, reset);
            Ok(true)
        })
    }

    async fn reset(&self, hash: [u8; 32]) -> Result<Reset> {
        self.with(|state, now| {
            let found = state.resets.get(&hash).filter(|reset| now < reset.expires_at);
            found.cloned().ok_or_else(|| rules::no_reset("read reset token"))
        })
    }

    async fn use_reset(&self, hash: [u8; 32], new_password: String) -> Result<UserId> {
        const OPERATION: &str = "reset password";
        self.with(|state, now| {
            let found = state.resets.get(&hash).filter(|reset| now < reset.expires_at);
            let user = found.ok_or_else(|| rules::no_reset(OPERATION))?.user;
            let changed = state.user(OPERATION, user)?;
            changed.password = Some(new_password);
            changed.epoch += 1;
            state.resets.retain(|_, reset| reset.user != user);
            let what = NewEntry::new(Actor::User(user), "password.reset").about(user);
            state.log(INSTALLATION, now, what);
            Ok(user)
        })
    }

    async fn create_workspace(&self, owner: UserId, workspace: Workspace) -> Result<()> {
        const OPERATION: &str = "create workspace";
        rules::workspace_id(OPERATION, workspace.tenant)?;
        self.with(|state, now| {
            state.user(OPERATION, owner)?;
            if state.is_taken(workspace.tenant) {
                return Err(Error::new(ErrorKind::AlreadyExists, OPERATION));
            }
            add_workspace(state, now, owner, workspace);
            Ok(())
        })
    }

    async fn places(&self, user: UserId) -> Result<Vec<Place>> {
        self.with(|state, _| {
            let own = state.members.iter().filter(|((_, member), _)| *member == user);
            let places = own.filter_map(|((tenant, _), member)| {
                let workspace = state.workspaces.get(tenant)?.clone();
                Some(Place { workspace, role: member.role })
            });
            Ok(places.collect())
        })
    }

    async fn tenants(&self, after: Option<TenantId>, limit: usize) -> Result<Vec<TenantId>> {
        let after = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.with(|state, _| {
            let all = state.workspaces.range((after, Bound::Unbounded)).map(|(_, found)| found);
            let active = all.filter(|workspace| workspace.active).take(limit);
            Ok(active.map(|workspace| workspace.tenant).collect())
        })
    }

    async fn set_workspace_active(&self, by: Actor, tenant: TenantId, active: bool) -> Result<()> {
        self.with(|state, now| {
            state.workspace("switch workspace", tenant)?.active = active;
            let action = if active { "workspace.enabled" } else { "workspace.disabled" };
            state.log(tenant, now, NewEntry::new(by, action));
            Ok(())
        })
    }

    async fn standing(&self, user: UserId, tenant: TenantId) -> Result<Standing> {
        self.with(|state, _| Ok(state.standing(user, tenant)))
    }

    async fn key_holder(&self, hash: [u8; 32]) -> Result<Option<KeyHolder>> {
        self.with(|state, now| {
            let found = state.keys.iter().find(|(_, key)| key.hash == hash);
            let good = found.filter(|(_, key)| rules::key_is_good(key, now));
            Ok(good.map(|((tenant, _), key)| KeyHolder {
                key: key.clone(),
                tenant: *tenant,
                standing: state.standing(key.user, *tenant),
                now,
            }))
        })
    }

    async fn key_used(&self, tenant: TenantId, id: ApiKeyId) -> Result<()> {
        self.with(|state, now| {
            if let Some(key) = state.keys.get_mut(&(tenant, id))
                && rules::key_use_is_due(key, now)
            {
                key.last_used_at = Some(now);
            }
            Ok(())
        })
    }

    async fn log(&self, tenant: Option<TenantId>, entry: NewEntry) -> Result<()> {
        let entry = entry.checked()?;
        self.with(|state, now| state.log(tenant.unwrap_or(INSTALLATION), now, entry));
        Ok(())
    }
}

pub(super) fn create_user(state: &mut State, now: Timestamp, new: NewUser) -> Result<User> {
    rules::workspace_id("create user", new.workspace)?;
    let taken = state.users.contains_key(&new.id)
        || state.is_taken(new.workspace)
        || state.users.values().any(|user| user.email == new.email);
    if taken {
        return Err(Error::new(ErrorKind::AlreadyExists, "create user").with("field", "email"));
    }
    let created = rules::user_entry(&new);
    let user = User {
        id: new.id,
        email: new.email,
        name: new.name,
        password: new.password,
        active: true,
        epoch: 0,
        created_at: now,
    };
    state.users.insert(user.id, user.clone());
    let workspace = Workspace {
        tenant: new.workspace,
        kind: WorkspaceKind::Personal,
        name: user.name.clone(),
        active: true,
        created_at: now,
    };
    add_workspace(state, now, user.id, workspace);
    state.log(INSTALLATION, now, created);
    Ok(user)
}

fn add_workspace(state: &mut State, now: Timestamp, owner: UserId, workspace: Workspace) {
    let tenant = workspace.tenant;
    state.workspaces.insert(tenant, Workspace { created_at: now, ..workspace });
    state.members.insert((tenant, owner), Membership { role: Role::Admin, since: now });
    state.log(tenant, now, NewEntry::new(Actor::User(owner), "workspace.created"));
}
