//! Who may reach the server, and as whom: one user without a login, or people with accounts.
//!
//! The [`gate`] finds out who sent a request and puts a [`Principal`] into it. Nothing is refused there for want of
//! one: a handler that touches what belongs to somebody asks for a [`Scope`](crate::extract::Scope), which is made of
//! the principal alone and names the permission that it needs. A route that asks for none has nothing to touch.

pub(crate) mod cookies;
pub(crate) mod gate;
mod keys;
pub(crate) mod oidc;
pub(crate) mod origin;
mod setup;
mod streams;
mod tidy;

use std::sync::Arc;

use notebook_auth::{Auth, ClosedTenants, Principal, rbac::Permission};
use notebook_core::{
    Error, ErrorKind, Result, TenantScope, Tenants, UserId,
    identity::{Identity, audit::AuditKeys},
};
use tokio_util::sync::CancellationToken;

pub(crate) use self::{
    origin::Origins,
    setup::{audit_keys, auth, identity, policy},
    streams::Streams,
};
use crate::config::Registration;

/// How people reach the server.
#[derive(Clone)]
pub enum Access {
    /// Everyone who reaches the loopback address is the one user.
    SingleUser(Arc<dyn Identity>),
    /// People sign in.
    Accounts(Arc<Accounts>),
}

/// What signing in needs.
pub struct Accounts {
    /// Signs people in and recognises them.
    pub auth: Auth,
    /// Where users, workspaces and audit logs are.
    pub identity: Arc<dyn Identity>,
    /// Who may become a user.
    pub registration: Registration,
    oidc: oidc::Oidc,
    /// Whether people may ask for mail to set a forgotten password.
    pub password_reset: bool,
    /// Whose pages may do what.
    pub(crate) origins: Origins,
    audit_keys: Option<AuditKeys>,
    streams: Arc<Streams>,
    operators: Vec<UserId>,
}

impl Accounts {
    /// The streams of sessions.
    pub(crate) fn streams(&self) -> &Streams {
        &self.streams
    }

    /// Where people may sign in elsewhere.
    pub(crate) const fn oidc(&self) -> &oidc::Oidc {
        &self.oidc
    }
}

impl Access {
    /// Users, workspaces and audit logs.
    #[must_use]
    pub fn identity(&self) -> &Arc<dyn Identity> {
        match self {
            Self::SingleUser(identity) => identity,
            Self::Accounts(accounts) => &accounts.identity,
        }
    }

    /// Whether there is no login.
    pub(crate) const fn is_single_user(&self) -> bool {
        matches!(self, Self::SingleUser(_))
    }

    /// Where what somebody does for the whole installation is logged, if they may: the one user, and with accounts those whom
    /// the configuration names, when they have signed in themselves.
    ///
    /// # Errors
    /// `Forbidden` for all others.
    pub(crate) fn operates(&self, principal: &Principal) -> Result<TenantScope> {
        match self {
            Self::SingleUser(_) => Ok(principal.scope.clone()),
            Self::Accounts(accounts) => {
                let named = principal.key.is_none() && accounts.operators.contains(&principal.user);
                named.then(notebook_auth::installation).ok_or_else(|| {
                    Error::new(ErrorKind::Forbidden, "check permission")
                        .with("permission", Permission::Operate.name())
                        .with("fix", "sign in as a user whom auth.operators names")
                })
            }
        }
    }

    /// The origin of our page, where it is configured.
    pub(crate) fn public_origin(&self) -> Option<&str> {
        match self {
            Self::SingleUser(_) => None,
            Self::Accounts(accounts) => accounts.origins.ours(),
        }
    }

    /// What chains of audit logs are made with.
    pub(crate) fn audit_keys(&self) -> Option<&AuditKeys> {
        match self {
            Self::SingleUser(_) => None,
            Self::Accounts(accounts) => accounts.audit_keys.as_ref(),
        }
    }

    /// For whom the server does things without being asked.
    pub(crate) fn tenants(&self) -> Arc<dyn Tenants> {
        match self {
            Self::SingleUser(_) => Arc::new(notebook_auth::single_user()),
            Self::Accounts(accounts) => {
                Arc::new(notebook_auth::ActiveTenants(Arc::clone(&accounts.identity)))
            }
        }
    }

    /// What is left of workspaces that are deleted, where there are any.
    pub(crate) fn closed_tenants(&self) -> Option<ClosedTenants> {
        match self {
            Self::SingleUser(_) => None,
            Self::Accounts(accounts) => Some(ClosedTenants(Arc::clone(&accounts.identity))),
        }
    }

    /// Cancelled when a stream for this principal has to end: the server goes down, or their session is over.
    pub(crate) fn ending(
        &self,
        principal: &Principal,
        server: &CancellationToken,
    ) -> CancellationToken {
        match (self, principal.session) {
            (Self::Accounts(accounts), Some(session)) => {
                accounts.streams.ending(session, principal, server)
            }
            _ => server.clone(),
        }
    }
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::SingleUser(_) => "SingleUser",
            Self::Accounts(_) => "Accounts",
        })
    }
}
