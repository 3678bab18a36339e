//! The port for access tokens: short-lived, signed, and good without a look into the store.

use serde::{Deserialize, Serialize};

use super::Role;
use crate::{Result, SessionId, TenantId, Timestamp, UserId};

/// What an access token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessClaims {
    /// Who.
    pub user: UserId,
    /// Where they act.
    pub tenant: TenantId,
    /// In which session.
    pub session: SessionId,
    /// The generation of the refresh token that it was given out with.
    pub generation: u32,
    /// What the user was in the workspace when it was made.
    pub role: Role,
    /// When it was made, to the second.
    pub issued_at: Timestamp,
    /// When it stops being good, to the second.
    pub expires_at: Timestamp,
}

/// Why a token is not good. Clients are told only that it is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TokenFault {
    /// It is longer than 4 KiB.
    #[error("it is too long")]
    TooLong,
    /// It is not three parts in canonical base64url, with JSON in the first two.
    #[error("it is no token")]
    Malformed,
    /// Its header names another algorithm or type, or something that is not taken.
    #[error("its header is not ours")]
    Header,
    /// Its key is not known, or known no more.
    #[error("its key is not known")]
    UnknownKey,
    /// Its signature is not the key's.
    #[error("its signature is wrong")]
    Signature,
    /// A claim is missing, twice there, or of another type or range.
    #[error("a claim is missing or wrong")]
    Claims,
    /// It is another issuer's.
    #[error("it is another issuer's")]
    Issuer,
    /// It is for somebody else.
    #[error("it is for another audience")]
    Audience,
    /// Its time is over.
    #[error("it has expired")]
    Expired,
    /// Its time has not come.
    #[error("it is not good yet")]
    NotYet,
}

/// Makes and checks access tokens.
pub trait TokenIssuer: Send + Sync + 'static {
    /// A token that says `claims`.
    ///
    /// # Errors
    /// `InvalidInput` when a time is before 1970 or the end is not after the beginning.
    fn issue(&self, claims: &AccessClaims) -> Result<String>;

    /// What a token says, if it is good at `now`.
    ///
    /// - Nothing about it is taken on trust: the algorithm is the issuer's own, the key is one it has by exactly this
    ///   name, and every claim is there once, with its type.
    ///
    /// # Errors
    /// The first fault.
    fn verify(&self, token: &str, now: Timestamp) -> Result<AccessClaims, TokenFault>;

    /// The public keys as a JSON Web Key Set (RFC 7517): those in use, and those to come. Empty where the keys are
    /// secret on both sides.
    fn public_keys(&self) -> serde_json::Value;
}
