//! The compact form: three parts in base64url without padding, between dots (RFC 7515, 3.1).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use notebook_core::{Error, ErrorKind, Result, identity::token::TokenFault};
use serde::Serialize;

use super::MAX_BYTES;

/// A token taken apart.
pub(super) struct Parts<'t> {
    /// What is signed: the first two parts with the dot between them.
    pub(super) signed: &'t str,
    pub(super) header: Vec<u8>,
    pub(super) claims: Vec<u8>,
    pub(super) signature: Vec<u8>,
}

/// Takes a token apart. Each part has one way to be written: padding, other alphabets and loose last bits are none.
pub(super) fn read(token: &str) -> Result<Parts<'_>, TokenFault> {
    if token.len() > MAX_BYTES {
        return Err(TokenFault::TooLong);
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(TokenFault::Malformed)?;
    let (header, claims) = signed.split_once('.').ok_or(TokenFault::Malformed)?;
    let decode = |part| URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenFault::Malformed);
    Ok(Parts {
        signed,
        header: decode(header)?,
        claims: decode(claims)?,
        signature: decode(signature)?,
    })
}

/// Puts a token together.
pub(super) fn write(
    header: &impl Serialize,
    claims: &impl Serialize,
    sign: impl FnOnce(&[u8]) -> Vec<u8>,
) -> Result<String> {
    let mut token = format!("{}.{}", encoded(header)?, encoded(claims)?);
    let signature = URL_SAFE_NO_PAD.encode(sign(token.as_bytes()));
    token.push('.');
    token.push_str(&signature);
    Ok(token)
}

fn encoded(part: &impl Serialize) -> Result<String> {
    let json = serde_json::to_vec(part)
        .map_err(|error| Error::new(ErrorKind::Internal, "issue access token").caused_by(error))?;
    Ok(URL_SAFE_NO_PAD.encode(json))
}
