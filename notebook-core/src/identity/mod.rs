//! Who there is and who may do what: users, workspaces with their members and API keys, sessions, and the log of
//! what was done with them.
//!
//! Seven ports over one database. [`Accounts`], [`Links`], [`Sessions`] and [`Closing`] belong to the whole installation, for before
//! somebody has signed in there is no tenant to act for; [`Workspaces`], [`Invitations`] and [`AuditLog`] are a tenant's and
//! take its scope. What a presented refresh token means is decided by one pure function,
//! [`present`](session::present), which the adapters ask in the transaction that stores its answer.
//!
//! Adapters: [`memory`], `sql` (features `sqlite`, `postgres`). All are held to the suite in
//! `identity::conformance` (feature `conformance`).
//!
//! # Behaviour that holds for every method
//! - A change and its entries in the audit log are stored together or not at all.
//! - A call that returned `Ok` is durable, as far as the adapter stores anything durably.
//! - A call whose future is dropped either happened wholly or not at all.
//! - The time that counts is the store's: the database's own where several processes share it.

mod account;
pub mod audit;
mod closing;
#[cfg(feature = "conformance")]
pub mod conformance;
mod invitation;
mod link;
pub mod memory;
pub mod rules;
pub mod session;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub mod sql;
pub mod token;
mod workspace;

pub use account::{
    Accounts, NewUser, Place, Reset, Role, SetPassword, Standing, User, Workspace, WorkspaceKind,
};
pub use audit::AuditLog;
pub use closing::Closing;
pub use invitation::{Invitation, Invitations, Invited, NewInvitation};
pub use link::{External, Link, Links};
pub use session::Sessions;
pub use workspace::{ApiKey, KeyHolder, Member, Workspaces};

use crate::TenantId;

/// The tenant of single-user mode: the same on every machine, so that a data folder can be moved. No workspace has it.
pub const SINGLE_USER: TenantId = TenantId::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001);

/// All of them in one store.
pub trait Identity:
    Accounts + Links + Sessions + Workspaces + Invitations + AuditLog + Closing + 'static
{
}

impl<T> Identity for T where
    T: Accounts + Links + Sessions + Workspaces + Invitations + AuditLog + Closing + 'static
{
}
