//! Signing in, staying signed in, and being recognised.

pub(crate) mod accounts;
mod clock;
mod closing;
#[cfg(feature = "oidc")]
mod external;
mod keys;
mod members;
mod operators;
mod passwords;
mod principal;
mod sessions;
mod switch;

use std::{net::IpAddr, sync::Arc, time::Duration};

use notebook_core::{
    Clock, Error, Result, Secret, SessionId, TenantId, Timestamp, UserId,
    identity::{Identity, Role, session::SessionPolicy, token::TokenIssuer},
};
use parking_lot::Mutex;

use crate::{
    LiveSessions,
    password::Passwords,
    refresh::RefreshKeys,
    throttle::{Throttle, ThrottlePolicy},
};
use clock::StoreClock;
pub use closing::DeletedAccount;
#[cfg(feature = "oidc")]
pub use external::ExternalSignIn;
pub use operators::{NewAccount, Operator};
pub use principal::Principal;
pub use switch::Access;

/// What [`Auth`] is made of.
pub struct AuthConfig {
    /// Where users and sessions are; it goes by `policy` too.
    pub identity: Arc<dyn Identity>,
    /// How passwords are hashed.
    pub passwords: Passwords,
    /// Who makes access tokens.
    pub issuer: Arc<dyn TokenIssuer>,
    /// The keys of refresh tokens.
    pub refresh: RefreshKeys,
    /// How long sessions and tokens live.
    pub policy: SessionPolicy,
    /// How often passwords may be tried.
    pub throttle: ThrottlePolicy,
    /// How long a token to set a forgotten password is good.
    pub reset_life: Duration,
    /// What the tokens of links are made of.
    pub links: Secret,
    /// This machine's clock. What counts is the store's time, which this one is compared with.
    pub clock: Arc<dyn Clock>,
}

/// Somebody who wants to become a user.
#[derive(Debug, Clone)]
pub struct Registration {
    /// Their address.
    pub email: String,
    /// What to call them; up to 100 characters.
    pub name: String,
    /// Their password.
    pub password: Secret,
}

/// Somebody who signs in.
#[derive(Debug, Clone)]
pub struct SignIn {
    /// Their address.
    pub email: String,
    /// Their password.
    pub password: Secret,
    /// Where the request came from.
    pub address: IpAddr,
    /// What the client calls itself.
    pub client: String,
    /// The workspace; else the oldest that they may act in.
    pub tenant: Option<TenantId>,
    /// SHA-256 of what the client proves to have at each refresh, if it does.
    pub binding: Option<[u8; 32]>,
}

/// What a client gets.
#[derive(Debug, Clone)]
pub struct Tokens {
    /// The access token.
    pub access: Secret,
    /// When it expires.
    pub access_expires_at: Timestamp,
    /// The refresh token.
    pub refresh: Secret,
    /// When the session ends at the latest, and so the refresh token's cookie.
    pub session_ends_at: Timestamp,
    /// Whose.
    pub user: UserId,
    /// The session.
    pub session: SessionId,
    /// The workspace.
    pub tenant: TenantId,
    /// What the user is there.
    pub role: Role,
}

/// Why a refresh gave no tokens.
#[derive(Debug, thiserror::Error)]
pub enum RefreshFault {
    /// Sign in again.
    #[error("sign in again")]
    Unauthorized {
        /// Whether the cookie with the token should be cleared: only where the session ended so long ago that no other
        /// tab can have got a new cookie since this request left. What replies meet in the browser is the newest cookie,
        /// not the one that was sent.
        clear: bool,
    },
    /// Sign in again: it was too long.
    #[error("the session has expired")]
    Expired,
    /// Too often with one token. The client keeps it and waits.
    #[error("too many refreshes with one token")]
    TooMany {
        /// How long to wait.
        retry_after: Duration,
    },
    /// X14: what became of it is not known. The client keeps its token and asks again.
    #[error("the store did not answer")]
    Unavailable {
        /// How long to wait.
        retry_after: Duration,
        /// Why.
        #[source]
        source: Error,
    },
}

impl RefreshFault {
    /// Whether the client's refresh cookie is to be cleared.
    #[must_use]
    pub const fn clears_cookie(&self) -> bool {
        matches!(self, Self::Unauthorized { clear: true } | Self::Expired)
    }
}

/// Signs people in and recognises them.
pub struct Auth {
    identity: Arc<dyn Identity>,
    passwords: Passwords,
    issuer: Arc<dyn TokenIssuer>,
    refresh: RefreshKeys,
    policy: SessionPolicy,
    throttle: Mutex<Throttle>,
    reset_life: Duration,
    links: Secret,
    live: LiveSessions,
    clock: StoreClock,
}

impl Auth {
    /// Makes ready, and asks the store for its time.
    ///
    /// # Errors
    /// `InvalidInput` when the policy's parts do not go together; those of the store.
    pub async fn new(config: AuthConfig) -> Result<Self> {
        let policy = config.policy.checked()?;
        let clock = StoreClock::new(config.clock);
        clock.align(config.identity.now().await?);
        Ok(Self {
            live: LiveSessions::new(Arc::clone(&config.identity)),
            identity: config.identity,
            passwords: config.passwords,
            issuer: config.issuer,
            refresh: config.refresh,
            policy,
            throttle: Mutex::new(Throttle::new(config.throttle)),
            reset_life: config.reset_life,
            links: config.links,
            clock,
        })
    }

    /// The public keys of access tokens, as a JSON Web Key Set.
    #[must_use]
    pub fn public_keys(&self) -> serde_json::Value {
        self.issuer.public_keys()
    }
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Auth").field("policy", &self.policy).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
