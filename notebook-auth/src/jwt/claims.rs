//! The claims: all required, each of one type.

use notebook_core::{
    Error, Result, SessionId, TenantId, Timestamp, UserId,
    identity::{
        Role,
        token::{AccessClaims, TokenFault},
    },
};
use serde::{Deserialize, Serialize};

use super::IssuerConfig;

/// The last second of the year 9999: what is later is no time but a mistake.
const LAST: u64 = 253_402_300_799;

/// As they are written. Nothing has a default; what is not here, or there twice, is refused.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Claims {
    iss: String,
    aud: String,
    sub: UserId,
    sid: SessionId,
    #[serde(rename = "gen")]
    generation: u32,
    tenant: TenantId,
    role: Role,
    iat: u64,
    nbf: u64,
    exp: u64,
}

pub(super) fn write(claims: &AccessClaims, config: &IssuerConfig) -> Result<Claims> {
    let (iat, exp) = (seconds(claims.issued_at), seconds(claims.expires_at));
    let (Some(iat), Some(exp)) = (iat, exp) else {
        let fix = "give times from 1970 to 9999";
        return Err(Error::invalid("issue access token", "issued_at, expires_at", fix));
    };
    if exp <= iat || exp - iat > config.life.as_secs() {
        let fix = "give a time after `issued_at`, and not further than a token's life";
        return Err(Error::invalid("issue access token", "expires_at", fix));
    }
    Ok(Claims {
        iss: config.issuer.clone(),
        aud: config.audience.clone(),
        sub: claims.user,
        sid: claims.session,
        generation: claims.generation,
        tenant: claims.tenant,
        role: claims.role,
        iat,
        nbf: iat,
        exp,
    })
}

/// Reads and checks claims whose signature was found good.
pub(super) fn read(
    json: &[u8],
    config: &IssuerConfig,
    now: Timestamp,
) -> Result<AccessClaims, TokenFault> {
    let claims: Claims = serde_json::from_slice(json).map_err(|_| TokenFault::Claims)?;
    let in_range = [claims.iat, claims.nbf, claims.exp].iter().all(|time| *time <= LAST);
    if !in_range || claims.exp <= claims.iat || claims.exp - claims.iat > config.life.as_secs() {
        return Err(TokenFault::Claims);
    }
    if claims.iss != config.issuer {
        return Err(TokenFault::Issuer);
    }
    if claims.aud != config.audience {
        return Err(TokenFault::Audience);
    }
    let (issued_at, expires_at) = (moment(claims.iat), moment(claims.exp));
    if now >= expires_at.after(config.leeway) {
        return Err(TokenFault::Expired);
    }
    let soonest = now.after(config.leeway);
    if issued_at > soonest || moment(claims.nbf) > soonest {
        return Err(TokenFault::NotYet);
    }
    Ok(AccessClaims {
        user: claims.sub,
        tenant: claims.tenant,
        session: claims.sid,
        generation: claims.generation,
        role: claims.role,
        issued_at,
        expires_at,
    })
}

fn seconds(at: Timestamp) -> Option<u64> {
    u64::try_from(at.as_millis().div_euclid(1_000)).ok().filter(|seconds| *seconds <= LAST)
}

fn moment(seconds: u64) -> Timestamp {
    Timestamp::from_millis(i64::try_from(seconds.saturating_mul(1_000)).unwrap_or(i64::MAX))
}
