//! Who may act on which tenant. So far: single-user mode, in which the server listens on the
//! loopback interface and everyone who can reach it is the one user.
//!
//! This crate is the one place that makes a [`TenantScope`]; `clippy.toml` forbids it elsewhere.

use notebook_core::{TenantId, TenantScope};

/// The tenant of single-user mode: the same on every machine, so that a data folder can be moved.
pub const SINGLE_USER: TenantId = TenantId::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001);

/// The scope of single-user mode. Only a server bound to loopback may hand it to requests.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "this crate is where scopes are made")]
pub const fn single_user() -> TenantScope {
    TenantScope::authenticated(SINGLE_USER)
}
