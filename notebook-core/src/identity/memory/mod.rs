//! Users, workspaces, sessions and audit logs in memory: the reference that other adapters are tested against.
//!
//! One lock over ordered maps. Nothing is durable and nothing is bounded: it is for tests, for examples, and for
//! hosts that want no files.

mod accounts;
mod closing;
mod invitations;
mod links;
mod sessions;
mod workspaces;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use async_trait::async_trait;
use parking_lot::Mutex;

use super::{
    ApiKey, AuditLog, Invitation, Link, Reset, Role, Standing, User, Workspace,
    audit::{AuditKeys, Entry, Head, NewEntry, chained},
    session::{Session, SessionPolicy},
};
use crate::{
    ApiKeyId, Clock, Error, InvitationId, LinkId, Result, SessionId, TenantId, TenantScope,
    Timestamp, UserId, clock::SystemClock,
};

/// All ports of [`identity`](super) in memory.
pub struct MemoryIdentity {
    state: Mutex<State>,
    clock: Arc<dyn Clock>,
    policy: SessionPolicy,
}

impl MemoryIdentity {
    /// An empty store.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, policy: SessionPolicy) -> Self {
        Self { state: Mutex::default(), clock, policy }
    }

    /// The same with keys of the audit log, for the entries to come.
    #[must_use]
    pub fn with_audit_keys(self, keys: AuditKeys) -> Self {
        self.state.lock().keys_of_chains = Some(keys);
        self
    }

    /// Everything as it is now, as another store: what a backup holds.
    #[must_use]
    pub fn copy(&self) -> Self {
        let state = Mutex::new(self.state.lock().clone());
        Self { state, clock: Arc::clone(&self.clock), policy: self.policy }
    }

    fn with<T>(&self, work: impl FnOnce(&mut State, Timestamp) -> T) -> T {
        // The time is asked for under the lock, so that decisions are in its order.
        let mut state = self.state.lock();
        let now = self.clock.now();
        work(&mut state, now)
    }
}

impl Default for MemoryIdentity {
    fn default() -> Self {
        Self::new(Arc::new(SystemClock), SessionPolicy::default())
    }
}

impl std::fmt::Debug for MemoryIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryIdentity").finish_non_exhaustive()
    }
}

#[derive(Clone, Default)]
struct State {
    users: BTreeMap<UserId, User>,
    workspaces: BTreeMap<TenantId, Workspace>,
    /// Those that are to be erased: for all others there are none of them.
    closed: BTreeMap<TenantId, Workspace>,
    members: BTreeMap<(TenantId, UserId), Membership>,
    keys: BTreeMap<(TenantId, ApiKeyId), ApiKey>,
    resets: HashMap<[u8; 32], Reset>,
    invitations: BTreeMap<(TenantId, InvitationId), KeptInvitation>,
    links: BTreeMap<LinkId, Link>,
    sessions: BTreeMap<SessionId, Session>,
    chains: HashMap<TenantId, Vec<Entry>>,
    keys_of_chains: Option<AuditKeys>,
}

#[derive(Clone)]
struct KeptInvitation {
    invitation: Invitation,
    hash: [u8; 32],
}

#[derive(Debug, Clone, Copy)]
struct Membership {
    role: Role,
    since: Timestamp,
}

impl State {
    fn user(&mut self, operation: &'static str, id: UserId) -> Result<&mut User> {
        self.users.get_mut(&id).ok_or_else(|| Error::not_found(operation, "user"))
    }

    fn workspace(&mut self, operation: &'static str, id: TenantId) -> Result<&mut Workspace> {
        self.workspaces.get_mut(&id).ok_or_else(|| Error::not_found(operation, "workspace"))
    }

    fn standing(&self, user: UserId, tenant: TenantId) -> Standing {
        let found = self.users.get(&user);
        let place = self.workspaces.get(&tenant);
        let member = self.members.get(&(tenant, user));
        match (found, place, member) {
            (Some(user), Some(place), Some(member)) => Standing {
                active: user.active && place.active,
                epoch: user.epoch,
                role: member.role,
            },
            _ => Standing {
                active: false,
                epoch: found.map_or(0, |user| user.epoch),
                role: Role::Viewer,
            },
        }
    }

    fn head(&self, tenant: TenantId) -> Head {
        let last = self.chains.get(&tenant).and_then(|chain| chain.last());
        last.map_or_else(Head::default, |last| Head { seq: last.seq, hash: last.hash })
    }

    /// Adds an entry whose fields are within their bounds.
    fn log(&mut self, tenant: TenantId, now: Timestamp, what: NewEntry) {
        let entry = chained(tenant, self.head(tenant), now, what, self.keys_of_chains.as_ref());
        self.chains.entry(tenant).or_default().push(entry);
    }
}

#[async_trait]
impl AuditLog for MemoryIdentity {
    async fn append(&self, scope: &TenantScope, entries: Vec<NewEntry>) -> Result<Head> {
        let entries = entries.into_iter().map(NewEntry::checked).collect::<Result<Vec<_>>>()?;
        self.with(|state, now| {
            for entry in entries {
                state.log(scope.tenant(), now, entry);
            }
            Ok(state.head(scope.tenant()))
        })
    }

    async fn entries(&self, scope: &TenantScope, after: u64, limit: usize) -> Result<Vec<Entry>> {
        self.with(|state, _| {
            let chain = state.chains.get(&scope.tenant()).into_iter().flatten();
            Ok(chain.filter(|entry| entry.seq > after).take(limit).cloned().collect())
        })
    }

    async fn newest(
        &self,
        scope: &TenantScope,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Entry>> {
        let before = before.unwrap_or(u64::MAX);
        self.with(|state, _| {
            let chain = state.chains.get(&scope.tenant()).into_iter().flatten().rev();
            Ok(chain.filter(|entry| entry.seq < before).take(limit).cloned().collect())
        })
    }

    async fn head(&self, scope: &TenantScope) -> Result<Head> {
        self.with(|state, _| Ok(state.head(scope.tenant())))
    }
}
