//! The suite that every adapter of [`identity`](super) is held to.
//!
//! ```
//! use std::sync::Arc;
//! use notebook_core::{
//!     clock::{ManualClock, Timestamp},
//!     identity::{conformance::{self, Subject}, memory::MemoryIdentity},
//! };
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_700_000_000_000)));
//! let identity = Arc::new(MemoryIdentity::new(clock.clone(), conformance::policy()));
//! conformance::run_all(&Subject { identity, clock }).await;
//! # });
//! # Ok::<(), std::io::Error>(())
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a suite speaks by panicking, and a scenario's name is its documentation"
)]

pub mod accounts;
pub mod audit;
pub mod closing;
pub mod invitations;
pub mod links;
pub mod sessions;
pub mod workspaces;

use std::{sync::Arc, time::Duration};

use super::{
    Identity, NewUser, User, Workspace, WorkspaceKind,
    audit::Actor,
    session::{NewSession, Presented, SessionPolicy},
};
use crate::{
    SessionId, TenantId, TenantScope, UserId,
    clock::ManualClock,
    conformance::{Scenario, refused},
};

/// An adapter, and the clock that it goes by. The suite moves the clock, so scenarios run one after the other.
pub struct Subject {
    /// The adapter, with [`policy`].
    pub identity: Arc<dyn Identity>,
    /// Its clock.
    pub clock: Arc<ManualClock>,
}

/// The default policy with fewer sessions for each user, so that the limit is soon met.
#[must_use]
pub fn policy() -> SessionPolicy {
    SessionPolicy { most_sessions: 4, ..SessionPolicy::default() }
}

/// Every scenario of the suite.
#[must_use]
pub fn scenarios() -> Vec<Scenario<Subject>> {
    let parts = [
        accounts::scenarios(),
        workspaces::scenarios(),
        invitations::scenarios(),
        links::scenarios(),
        sessions::scenarios(),
        audit::scenarios(),
        closing::scenarios(),
    ];
    parts.into_iter().flatten().collect()
}

/// Runs every scenario, one after the other.
///
/// # Panics
/// When the adapter breaks a promise.
pub async fn run_all(subject: &Subject) {
    crate::conformance::run_all(scenarios(), subject).await;
}

impl Subject {
    fn wait(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// A user, admin of a personal workspace.
    async fn user(&self) -> (User, TenantScope) {
        let new = new_user();
        let scope = scope(new.workspace);
        (self.identity.create_user(new).await.unwrap(), scope)
    }

    /// A team workspace with its admin.
    async fn team(&self) -> (User, TenantScope) {
        let (owner, _) = self.user().await;
        let workspace = Workspace {
            tenant: TenantId::new(),
            kind: WorkspaceKind::Team,
            name: "Team".into(),
            active: true,
            created_at: owner.created_at,
        };
        self.identity.create_workspace(owner.id, workspace.clone()).await.unwrap();
        (owner, scope(workspace.tenant))
    }
}

/// A user whom nobody knows yet.
#[must_use]
pub fn new_user() -> NewUser {
    let id = UserId::new();
    NewUser {
        id,
        email: format!("{id}@example.org"),
        name: "Ada Lovelace".into(),
        password: Some("$argon2id$one".into()),
        workspace: TenantId::new(),
        by: Actor::User(id),
    }
}

/// A session of a user.
#[must_use]
pub fn new_session(user: &User, tenant: TenantId) -> NewSession {
    NewSession {
        id: SessionId::new(),
        user: user.id,
        tenant,
        epoch: user.epoch,
        binding: None,
        key: 1,
        client: "Firefox".into(),
        address: "192.0.2.1".into(),
    }
}

/// The genuine token of a generation.
#[must_use]
pub const fn token(generation: u32) -> Presented {
    Presented { generation, key: 1, binding: None }
}

#[allow(clippy::disallowed_methods, reason = "a suite acts for tenants of its own")]
fn scope(tenant: TenantId) -> TenantScope {
    TenantScope::authenticated(tenant)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{conformance::unlisted, identity::memory::MemoryIdentity};

    #[test]
    fn every_scenario_is_listed() {
        let names: Vec<_> = scenarios().iter().map(|scenario| scenario.name).collect();
        for source in [
            include_str!("accounts.rs"),
            include_str!("workspaces.rs"),
            include_str!("invitations.rs"),
            include_str!("links.rs"),
            include_str!("sessions.rs"),
            include_str!("audit.rs"),
            include_str!("closing.rs"),
        ] {
            assert_eq!(unlisted(source, &names), Vec::<&str>::new());
        }
    }

    #[tokio::test]
    async fn memory_keeps_every_promise() {
        let clock = Arc::new(ManualClock::at(crate::Timestamp::from_millis(1_700_000_000_000)));
        let identity = Arc::new(MemoryIdentity::new(clock.clone(), policy()));
        run_all(&Subject { identity, clock }).await;
    }
}
