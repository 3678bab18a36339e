//! Who may act on which tenant: passwords, access tokens, refresh tokens, API keys, roles; and single-user mode, in
//! which the server listens on the loopback interface and everyone who can reach it is the one user.
//!
//! This crate is the one place that makes a [`TenantScope`] for requests; `clippy.toml` forbids it elsewhere. What is
//! stored lies behind the ports of [`notebook_core::identity`].
//!
//! [`Auth`] puts the parts together. The parts:
//! - [`password`]: argon2id with a pepper, in threads of their own and not too many at once; bcrypt's hashes verify and
//!   are replaced.
//! - [`jwt`]: access tokens by Ed25519 or HMAC, with keys that take turns.
//! - [`refresh`]: refresh tokens as bytes; what they mean is decided by [`notebook_core::identity::session`].
//! - [`rbac`]: which role may do what, in one table.
//! - [`api_key`], [`invitation`], [`reset`]: secrets that are shown once, of which the hash is stored.
//! - `oidc` (feature `oidc`): signing in at an OpenID provider.
//! - [`throttle`]: how often somebody may try.
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

pub mod api_key;
pub mod invitation;
pub mod jwt;
mod link;
mod live;
#[cfg(feature = "oidc")]
pub mod oidc;
pub mod password;
mod random;
pub mod rbac;
pub mod refresh;
pub mod reset;
mod service;
mod tenants;
pub mod throttle;

pub use live::LiveSessions;
pub use notebook_core::identity::SINGLE_USER;
#[cfg(feature = "oidc")]
pub use service::ExternalSignIn;
pub use service::{
    Access, Auth, AuthConfig, DeletedAccount, NewAccount, Operator, Principal, RefreshFault,
    Registration, SignIn, Tokens,
};
pub use tenants::{ActiveTenants, ClosedTenants};

use notebook_core::{TenantId, TenantScope, identity::audit::INSTALLATION};

/// The scope of single-user mode. Only a server bound to loopback may hand it to requests.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "this crate is where scopes are made")]
pub const fn single_user() -> TenantScope {
    TenantScope::authenticated(SINGLE_USER)
}

/// The scope of the installation itself: its audit log, for operators, and jobs that are of no workspace.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "this crate is where scopes are made")]
pub const fn installation() -> TenantScope {
    TenantScope::authenticated(INSTALLATION)
}

/// The scope of somebody who was found to be who they say, in a workspace that they may act in.
#[allow(clippy::disallowed_methods, reason = "this crate is where scopes are made")]
const fn scope_of(tenant: TenantId) -> TenantScope {
    TenantScope::authenticated(tenant)
}
