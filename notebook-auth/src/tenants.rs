//! For whom a server does things without being asked, and as whom the one user of single-user mode acts.

use std::sync::Arc;

use async_trait::async_trait;
use notebook_core::{
    ErrorKind, Result, TenantId, TenantScope, Tenants, UserId,
    identity::{Identity, Role, rules},
};

use crate::{Principal, scope_of, single_user};

/// How many workspaces are read at once.
const AT_ONCE: usize = 500;
/// The one user of single-user mode, in its audit log.
const ONE: UserId = UserId::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0002);

/// The workspaces of an installation that are not switched off: what a server does by itself, it does for each of them.
pub struct ActiveTenants(pub Arc<dyn Identity>);

#[async_trait]
impl Tenants for ActiveTenants {
    async fn after(&self, after: Option<TenantId>) -> Result<Vec<TenantScope>> {
        let some = self.0.tenants(after, AT_ONCE).await?;
        Ok(some.into_iter().map(scope_of).collect())
    }

    async fn one(&self, tenant: TenantId) -> Result<Option<TenantScope>> {
        let scope = scope_of(tenant);
        match self.0.workspace(&scope).await {
            Ok(workspace) => Ok(workspace.active.then_some(scope)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The way to what is left of workspaces that are deleted, and of no others: for the job that removes it.
#[derive(Clone)]
pub struct ClosedTenants(pub Arc<dyn Identity>);

impl ClosedTenants {
    /// Those that are not erased yet.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn all(&self) -> Result<Vec<TenantId>> {
        let mut all = Vec::new();
        loop {
            let some = self.0.closed_workspaces(all.last().copied(), AT_ONCE).await?;
            if some.is_empty() {
                return Ok(all);
            }
            all.extend(some);
        }
    }

    /// The right to touch what is left of a workspace; none while it stands, whether it is switched off or not, and none
    /// for what is no workspace's.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn scope(&self, tenant: TenantId) -> Result<Option<TenantScope>> {
        if rules::workspace_id("delete workspace", tenant).is_err() {
            return Ok(None);
        }
        let scope = scope_of(tenant);
        match self.0.workspace(&scope).await {
            Ok(_) => Ok(None),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Some(scope)),
            Err(error) => Err(error),
        }
    }
}

impl std::fmt::Debug for ClosedTenants {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClosedTenants").finish_non_exhaustive()
    }
}

impl Principal {
    /// The one user of single-user mode, who may everything in the one workspace. Only a server bound to loopback may
    /// hand it to requests.
    #[must_use]
    pub const fn single_user() -> Self {
        Self {
            user: ONE,
            scope: single_user(),
            role: Role::Admin,
            session: None,
            key: None,
            expires_at: None,
        }
    }
}
