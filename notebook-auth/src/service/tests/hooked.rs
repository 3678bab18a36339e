//! A store that counts what it is asked, fails where a test wants it to, and lets something happen after a call.

use std::{collections::HashMap, sync::Arc};

use futures::future::BoxFuture;
use notebook_core::{
    ApiKeyId, Error, InvitationId, LinkId, Result, SessionId, TenantId, TenantScope, Timestamp,
    UserId,
    identity::{
        Accounts, ApiKey, AuditLog, Closing, External, Identity, Invitation, Invitations, Invited,
        KeyHolder, Link, Links, Member, NewInvitation, NewUser, Place, Reset, Role, Sessions,
        SetPassword, Standing, User, Workspace, Workspaces,
        audit::{Actor, Entry, Head, NewEntry},
        session::{EndReason, Live, NewSession, Presentation, Presented, Session},
    },
};
use parking_lot::Mutex;

type Then = Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>;

/// What a call answers instead.
type Fault = fn() -> Error;

pub(super) struct Hooked {
    pub(super) inner: Arc<dyn Identity>,
    calls: Mutex<HashMap<&'static str, usize>>,
    faults: Mutex<HashMap<&'static str, Fault>>,
    thens: Mutex<HashMap<&'static str, Then>>,
}

impl Hooked {
    pub(super) fn new(inner: Arc<dyn Identity>) -> Self {
        Self { inner, calls: Mutex::default(), faults: Mutex::default(), thens: Mutex::default() }
    }

    /// How often a method was called until now.
    pub(super) fn calls(&self, method: &str) -> usize {
        self.calls.lock().get(method).copied().unwrap_or(0)
    }

    /// Lets a method fail from now on.
    pub(super) fn fail(&self, method: &'static str, fault: fn() -> Error) {
        self.faults.lock().insert(method, fault);
    }

    /// Lets something happen once, after the next call of a method and before it returns.
    pub(super) fn then(&self, method: &'static str, then: Then) {
        self.thens.lock().insert(method, then);
    }

    fn before(&self, method: &'static str) -> Result<()> {
        *self.calls.lock().entry(method).or_default() += 1;
        self.faults.lock().get(method).map_or(Ok(()), |fault| Err(fault()))
    }

    async fn after(&self, method: &'static str) {
        let then = self.thens.lock().remove(method);
        if let Some(then) = then {
            then().await;
        }
    }
}

macro_rules! forward {
    ($port:ident { $(fn $name:ident($($arg:ident: $ty:ty),*) -> $out:ty;)* }) => {
        #[async_trait::async_trait]
        impl $port for Hooked {
            $(async fn $name(&self, $($arg: $ty),*) -> Result<$out> {
                self.before(stringify!($name))?;
                let done = self.inner.$name($($arg),*).await;
                self.after(stringify!($name)).await;
                done
            })*
        }
    };
}

forward!(Accounts {
    fn now() -> Timestamp;
    fn create_user(new: NewUser) -> User;
    fn user(id: UserId) -> User;
    fn user_by_email(email: &str) -> Option<User>;
    fn users(after: Option<UserId>, limit: usize) -> Vec<User>;
    fn set_password(change: SetPassword) -> User;
    fn set_user_active(by: Actor, id: UserId, active: bool) -> ();
    fn put_reset(reset: Reset) -> bool;
    fn reset(hash: [u8; 32]) -> Reset;
    fn use_reset(hash: [u8; 32], new_password: String) -> UserId;
    fn create_workspace(owner: UserId, workspace: Workspace) -> ();
    fn places(user: UserId) -> Vec<Place>;
    fn tenants(after: Option<TenantId>, limit: usize) -> Vec<TenantId>;
    fn set_workspace_active(by: Actor, tenant: TenantId, active: bool) -> ();
    fn standing(user: UserId, tenant: TenantId) -> Standing;
    fn key_holder(hash: [u8; 32]) -> Option<KeyHolder>;
    fn key_used(tenant: TenantId, id: ApiKeyId) -> ();
    fn log(tenant: Option<TenantId>, entry: NewEntry) -> ();
});

forward!(Links {
    fn create_linked_user(new: NewUser, external: External) -> User;
    fn linked_user(external: &External) -> Option<User>;
    fn link(by: Actor, user: UserId, external: External) -> Link;
    fn links(user: UserId) -> Vec<Link>;
    fn unlink(by: Actor, user: UserId, id: LinkId) -> ();
});

forward!(Workspaces {
    fn workspace(scope: &TenantScope) -> Workspace;
    fn rename(scope: &TenantScope, by: Actor, name: String) -> ();
    fn members(scope: &TenantScope) -> Vec<Member>;
    fn set_role(scope: &TenantScope, by: Actor, user: UserId, role: Role) -> ();
    fn remove_member(scope: &TenantScope, by: Actor, user: UserId) -> ();
    fn create_key(scope: &TenantScope, by: Actor, key: ApiKey) -> ();
    fn keys(scope: &TenantScope) -> Vec<ApiKey>;
    fn revoke_key(scope: &TenantScope, by: Actor, id: ApiKeyId) -> ();
});

forward!(Invitations {
    fn invite(scope: &TenantScope, by: Actor, new: NewInvitation) -> Invitation;
    fn invitations(scope: &TenantScope) -> Vec<Invitation>;
    fn revoke_invitation(scope: &TenantScope, by: Actor, id: InvitationId) -> ();
    fn invitation(hash: [u8; 32]) -> Invited;
    fn accept_invitation(user: UserId, hash: [u8; 32]) -> Place;
});

forward!(Sessions {
    fn open_session(new: NewSession) -> Session;
    fn present(id: SessionId, presented: Presented) -> Presentation;
    fn switch_session(id: SessionId, tenant: TenantId) -> Live;
    fn mark_used(id: SessionId, generation: u32) -> ();
    fn end_session(id: SessionId, reason: EndReason) -> bool;
    fn end_sessions(user: UserId, except: Option<SessionId>, reason: EndReason) -> usize;
    fn session(id: SessionId) -> Live;
    fn sessions(user: UserId) -> Vec<Session>;
    fn forget_sessions(before: Timestamp, most: usize) -> usize;
});

forward!(AuditLog {
    fn append(scope: &TenantScope, entries: Vec<NewEntry>) -> Head;
    fn entries(scope: &TenantScope, after: u64, limit: usize) -> Vec<Entry>;
    fn newest(scope: &TenantScope, before: Option<u64>, limit: usize) -> Vec<Entry>;
    fn head(scope: &TenantScope) -> Head;
});

forward!(Closing {
    fn close_workspace(by: Actor, tenant: TenantId) -> ();
    fn closed_workspaces(after: Option<TenantId>, limit: usize) -> Vec<TenantId>;
    fn erase_workspace(tenant: TenantId, receipt: NewEntry) -> ();
    fn delete_user(by: Actor, user: UserId) -> Vec<TenantId>;
});
