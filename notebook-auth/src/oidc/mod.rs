//! Signing in at an OpenID provider: authorization code with PKCE (S256), state and nonce.
//!
//! - [`Provider`] knows one provider: what it says of itself, its keys, where a browser is sent to, and who came back.
//! - [`Pending`] is a sign-in that has begun. It is kept by the browser that began it, sealed by [`PendingKeys`].
//! - [`admission`] says what somebody may do here whom a provider knows: one pure function.
//!
//! The protocol is the crate `openidconnect`'s; its requests go through the project's one HTTP client. What the crate
//! leaves to its user is decided in `verify`: the authorized party, how old a token may be, the hash of the access token.
//! An ID token is read here and nowhere else: it is no access token of this server (J8).

mod admission;
mod cache;
mod outgoing;
mod pending;
mod provider;
mod refusal;
mod verify;

pub use admission::{Admission, Rules, SignUp, admission};
pub(crate) use admission::{may_sign_in, verified_email};
pub use pending::{Pending, PendingKeys, Purpose};
pub use provider::{Arrival, Provider, ProviderConfig, checked_issuer};
pub use refusal::{Refusal, Refused};

use notebook_core::identity::External;

/// Somebody as a provider says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Who, for good.
    pub external: External,
    /// Their address, if the provider gave one.
    pub email: Option<String>,
    /// Whether the provider says that the address is theirs.
    pub email_verified: bool,
    /// What they are called, if the provider says.
    pub name: Option<String>,
}
