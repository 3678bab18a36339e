//! Tokens that are sent as links: 256 bits that nobody can guess, of which only the hash is stored.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use notebook_core::{Error, ErrorKind, Result, Secret};
use sha2::{Digest as _, Sha256};

/// A new token, and its hash. Tokens for one purpose are none for another.
pub(crate) fn make(purpose: &[u8]) -> Result<(Secret, [u8; 32])> {
    let token = URL_SAFE_NO_PAD.encode(crate::random::random::<32>()?);
    let hash = hash(purpose, &token);
    Ok((Secret::new(token), hash))
}

/// The token of an id: the same whenever it is made, so that a job that is repeated sends the same link, and no job has to
/// be stored with a token in it.
pub(crate) fn derive(key: &Secret, purpose: &[u8], id: u128) -> Result<(Secret, [u8; 32])> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose().as_bytes())
        .map_err(|_| Error::new(ErrorKind::Internal, "make link"))?;
    mac.update(purpose);
    mac.update(&[0]);
    mac.update(&id.to_be_bytes());
    let token = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
    let hash = hash(purpose, &token);
    Ok((Secret::new(token), hash))
}

pub(crate) fn hash(purpose: &[u8], token: &str) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(purpose);
    hasher.update(token);
    hasher.finalize().into()
}
