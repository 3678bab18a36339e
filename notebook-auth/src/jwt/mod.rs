//! Access tokens as JSON Web Tokens (RFC 7519, RFC 9068): EdDSA with Ed25519, or HS256, one of them for each issuer.
//!
//! Small on purpose: a header with exactly `alg`, `typ` and `kid`, and claims that all must be there. What a general
//! library would read and then check is here not read at all: keys in tokens (`jwk`, `jku`, `x5u`), `crit`, other
//! algorithms, lists of audiences. Why no library is used stands in decision 0010.

mod claims;
mod compact;
mod key;

use std::{collections::BTreeMap, time::Duration};

use notebook_core::{
    Error, Result, Timestamp,
    identity::token::{AccessClaims, TokenFault, TokenIssuer},
};
use serde::{Deserialize, Serialize};

pub use key::{Algorithm, KeyTimes, SigningKey};

/// The longest token that is looked at, in bytes.
pub const MAX_BYTES: usize = 4 * 1024;
/// The `typ` of access tokens: other tokens of the same keys are none.
const TYPE: &str = "at+jwt";
const SET_UP: &str = "set up token issuer";

/// Who issues, for whom, and for how long.
#[derive(Debug, Clone)]
pub struct IssuerConfig {
    /// `iss`: says the installation and its environment, such as `https://notebook.example.org`.
    pub issuer: String,
    /// `aud`.
    pub audience: String,
    /// How far clocks may differ. Default 30 seconds.
    pub leeway: Duration,
    /// The longest life of a token: how long an old key is kept. Default 15 minutes.
    pub life: Duration,
    /// How long others keep the public keys: a key is public twice as long before it signs. Default 5 minutes.
    pub cached: Duration,
}

impl IssuerConfig {
    /// The defaults for an issuer and an audience.
    #[must_use]
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            audience: audience.into(),
            leeway: Duration::from_secs(30),
            life: Duration::from_secs(15 * 60),
            cached: Duration::from_secs(5 * 60),
        }
    }
}

/// [`TokenIssuer`] by keys that are given.
#[derive(Debug)]
pub struct JwtIssuer {
    config: IssuerConfig,
    algorithm: Algorithm,
    keys: BTreeMap<String, SigningKey>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
}

impl JwtIssuer {
    /// An issuer with keys, all of one algorithm. The one that signs is the last whose time has come; the others are
    /// there for tokens of before, and for others to learn them in time.
    ///
    /// # Errors
    /// `InvalidInput` when there is no key, keys share a name or differ in their algorithm, a key is not public long
    /// enough before it signs, or a name is empty.
    pub fn new(config: IssuerConfig, keys: Vec<SigningKey>) -> Result<Self> {
        let wrong = |field: &str, fix: &str| Err(Error::invalid(SET_UP, field, fix));
        if config.issuer.is_empty() || config.audience.is_empty() {
            return wrong("issuer, audience", "give both");
        }
        if config.leeway > Duration::from_secs(120) {
            return wrong("leeway", "give at most 120 seconds");
        }
        let Some(algorithm) = keys.first().map(SigningKey::algorithm) else {
            return wrong("keys", "give at least one");
        };
        let first = keys.iter().map(|key| key.times.signs_from).min().unwrap_or_default();
        let mut by_name = BTreeMap::new();
        for key in keys {
            let early = key.times.signs_from.since(key.times.public_from) >= 2 * config.cached;
            if key.algorithm() != algorithm {
                return wrong("keys", "give keys of one algorithm");
            }
            if key.times.signs_from != first && !early {
                return wrong("signs_from", "give a time twice `cached` after `public_from`");
            }
            if by_name.insert(key.id.clone(), key).is_some() {
                return wrong("key id", "give each key a name of its own");
            }
        }
        Ok(Self { config, algorithm, keys: by_name })
    }

    /// The key that signs at a moment: the last whose time has come, or else the first.
    fn signing(&self, now: Timestamp) -> Option<&SigningKey> {
        let order = |key: &&SigningKey| key.times.signs_from;
        let come = self.keys.values().filter(|key| key.times.signs_from <= now).max_by_key(order);
        come.or_else(|| self.keys.values().min_by_key(order))
    }

    /// Whether tokens of a key can still be good: until all that it signed have expired.
    fn is_kept(&self, key: &SigningKey, now: Timestamp) -> bool {
        let later = self.keys.values().map(|key| key.times.signs_from);
        let next = later.filter(|from| *from > key.times.signs_from).min();
        next.is_none_or(|next| now < next.after(self.config.life + self.config.leeway))
    }
}

impl TokenIssuer for JwtIssuer {
    fn issue(&self, claims: &AccessClaims) -> Result<String> {
        const OPERATION: &str = "issue access token";
        let key = self.signing(claims.issued_at);
        let key = key.ok_or_else(|| Error::invalid(OPERATION, "keys", "give at least one"))?;
        let body = claims::write(claims, &self.config)?;
        let header = Header {
            alg: self.algorithm.name().to_owned(),
            typ: TYPE.to_owned(),
            kid: key.id.clone(),
        };
        compact::write(&header, &body, |signed| key.sign(signed))
    }

    fn verify(&self, token: &str, now: Timestamp) -> Result<AccessClaims, TokenFault> {
        let parts = compact::read(token)?;
        let header: Header =
            serde_json::from_slice(&parts.header).map_err(|_| TokenFault::Header)?;
        if header.alg != self.algorithm.name() || header.typ != TYPE {
            return Err(TokenFault::Header);
        }
        let key = self.keys.get(&header.kid).filter(|key| self.is_kept(key, now));
        let key = key.ok_or(TokenFault::UnknownKey)?;
        if !key.verifies(parts.signed.as_bytes(), &parts.signature) {
            return Err(TokenFault::Signature);
        }
        claims::read(&parts.claims, &self.config, now)
    }

    fn public_keys(&self) -> serde_json::Value {
        let keys: Vec<_> = self.keys.values().filter_map(SigningKey::public).collect();
        serde_json::json!({ "keys": keys })
    }
}

#[cfg(test)]
mod tests;
