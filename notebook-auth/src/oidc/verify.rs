//! Whether an ID token says what it must: OpenID Connect Core 1.0, section 3.1.3.7.

use std::time::{Duration, SystemTime};

use notebook_core::{Error, ErrorKind, Result, Timestamp};
use openidconnect::{
    AccessToken, AccessTokenHash, ClaimsVerificationError, ClientId, IssuerUrl, Nonce,
    SignatureVerificationError,
    core::{
        CoreIdToken, CoreIdTokenClaims, CoreIdTokenVerifier, CoreJsonWebKeySet,
        CoreJwsSigningAlgorithm,
    },
};

/// How far the provider's clock and ours may be apart.
const LEEWAY: Duration = Duration::from_secs(30);
/// How old a token may be that was made for a sign-in of now.
const OLDEST: Duration = Duration::from_secs(10 * 60);
/// Those with which only the provider can sign. `none` and keys that both know are not among them.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 3] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// What a token must be about.
pub(super) struct Expected<'e> {
    pub(super) issuer: &'e IssuerUrl,
    pub(super) client: &'e ClientId,
    pub(super) nonce: &'e Nonce,
    pub(super) now: Timestamp,
}

/// Why a token is not taken.
#[derive(Debug)]
pub(super) enum Unproved {
    /// None of the keys is the one that it names.
    UnknownKey,
    /// It does not hold.
    Wrong(Error),
}

/// What the token says, if it holds.
pub(super) fn verify<'t>(
    token: &'t CoreIdToken,
    access: &AccessToken,
    keys: &CoreJsonWebKeySet,
    expected: &Expected<'_>,
) -> Result<&'t CoreIdTokenClaims, Unproved> {
    let verifier = verifier(keys, expected);
    let claims = token.claims(&verifier, expected.nonce).map_err(|error| match error {
        ClaimsVerificationError::SignatureVerification(
            SignatureVerificationError::NoMatchingKey,
        ) => Unproved::UnknownKey,
        error => Unproved::Wrong(wrong("does not hold").caused_by(error)),
    })?;
    if claims.authorized_party().is_some_and(|party| party != expected.client) {
        return Err(Unproved::Wrong(wrong("was made for another client")));
    }
    if let Some(hash) = claims.access_token_hash() {
        let made = token
            .signing_alg()
            .and_then(|alg| Ok((alg, token.signing_key(&verifier)?)))
            .map_err(|error| Unproved::Wrong(wrong("does not hold").caused_by(error)))?;
        let ours = AccessTokenHash::from_token(access, made.0, made.1);
        if ours.ok().as_ref() != Some(hash) {
            return Err(Unproved::Wrong(wrong("is of another access token")));
        }
    }
    Ok(claims)
}

/// As for a client without a secret: then no token that is signed with the secret is good.
fn verifier<'v>(keys: &CoreJsonWebKeySet, expected: &Expected<'_>) -> CoreIdTokenVerifier<'v> {
    let (client, issuer) = (expected.client.clone(), expected.issuer.clone());
    let millis = |at: Timestamp| u64::try_from(at.as_millis()).unwrap_or(0);
    let earlier =
        SystemTime::UNIX_EPOCH + Duration::from_millis(millis(expected.now.before(LEEWAY)));
    let earliest = expected.now.before(OLDEST + LEEWAY).as_millis();
    let latest = expected.now.after(LEEWAY).as_millis();
    CoreIdTokenVerifier::new_public_client(client, issuer, keys.clone())
        .set_allowed_algs(ALGORITHMS)
        .set_time_fn(move || earlier.into())
        .set_issue_time_verifier_fn(move |issued| {
            let issued = issued.timestamp_millis();
            if (earliest..=latest).contains(&issued) {
                return Ok(());
            }
            Err("it was not made for this sign-in".to_owned())
        })
}

fn wrong(how: &'static str) -> Error {
    Error::new(ErrorKind::Protocol, "read ID token").with("reason", format!("the token {how}"))
}

#[cfg(test)]
mod tests;
