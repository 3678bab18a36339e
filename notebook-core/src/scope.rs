//! The right to touch one tenant's data.

use std::fmt;

use async_trait::async_trait;

use crate::{Result, id::TenantId};

/// Proof that the holder may act for one tenant.
///
/// Every port takes it as its first argument, so that code without a scope cannot
/// name a tenant's data at all. It can be neither deserialised nor made from a request:
/// authentication and the job runner make it, through [`TenantScope::authenticated`].
///
/// With one, and an id of the right kind, there is something to read:
///
/// ```
/// use notebook_core::{NotebookId, TenantScope, store::Store};
///
/// async fn read(store: &dyn Store, scope: &TenantScope, id: NotebookId) {
///     let _ = store.notebook(scope, id).await;
/// }
/// ```
///
/// Without one there is not, whatever ids somebody has:
///
/// ```compile_fail,E0308
/// use notebook_core::{NotebookId, TenantId, store::Store};
///
/// async fn read(store: &dyn Store, tenant: &TenantId, id: NotebookId) {
///     let _ = store.notebook(tenant, id).await;
/// }
/// ```
///
/// ```compile_fail,E0308
/// use notebook_core::{SourceId, TenantScope, store::Store};
///
/// async fn read(store: &dyn Store, scope: &TenantScope, id: SourceId) {
///     let _ = store.notebook(scope, id).await;
/// }
/// ```
///
/// It is not put together, changed, read from what somebody sent, made of an id, or there by default:
///
/// ```compile_fail,E0451
/// use notebook_core::{TenantId, TenantScope};
///
/// let _ = TenantScope { tenant: TenantId::new() };
/// ```
///
/// ```compile_fail,E0616
/// use notebook_core::{TenantId, TenantScope};
///
/// fn turn(scope: &mut TenantScope, other: TenantId) {
///     scope.tenant = other;
/// }
/// ```
///
/// ```compile_fail,E0277
/// let _: notebook_core::TenantScope = serde_json::from_str("{}").unwrap();
/// ```
///
/// ```compile_fail,E0277
/// use notebook_core::{TenantId, TenantScope};
///
/// let _: TenantScope = TenantId::new().into();
/// ```
///
/// ```compile_fail,E0599
/// let _ = notebook_core::TenantScope::default();
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TenantScope {
    tenant: TenantId,
}

impl TenantScope {
    /// A scope for a tenant that the caller has authenticated.
    ///
    /// Only the authentication layer and the job runner may call this; `clippy.toml`
    /// lists it as a disallowed method for everyone else.
    #[must_use]
    pub const fn authenticated(tenant: TenantId) -> Self {
        Self { tenant }
    }

    /// The tenant that this scope is for.
    #[must_use]
    pub const fn tenant(&self) -> TenantId {
        self.tenant
    }
}

impl fmt::Debug for TenantScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TenantScope({})", self.tenant)
    }
}

/// The tenants that a process does things for without being asked: schedules, looking after what is unfinished,
/// following what other processes do.
#[async_trait]
pub trait Tenants: Send + Sync + 'static {
    /// Some of them, in the order of their ids, from the one after `after`; none: there are no more.
    ///
    /// # Errors
    /// Those of what keeps them.
    async fn after(&self, after: Option<TenantId>) -> Result<Vec<TenantScope>>;

    /// One of them, if it is one.
    ///
    /// # Errors
    /// Those of what keeps them.
    async fn one(&self, tenant: TenantId) -> Result<Option<TenantScope>>;
}

/// A single tenant.
#[async_trait]
impl Tenants for TenantScope {
    async fn after(&self, after: Option<TenantId>) -> Result<Vec<TenantScope>> {
        Ok(if after.is_none() { vec![self.clone()] } else { Vec::new() })
    }

    async fn one(&self, tenant: TenantId) -> Result<Option<TenantScope>> {
        Ok((tenant == self.tenant).then(|| self.clone()))
    }
}
