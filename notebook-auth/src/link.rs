//! Tokens that are sent as links: 256 random bits, of which only the hash is stored.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use notebook_core::{Result, Secret};
use sha2::{Digest as _, Sha256};

/// A new token, and its hash. Tokens for one purpose are none for another.
pub(crate) fn make(purpose: &[u8]) -> Result<(Secret, [u8; 32])> {
    let token = URL_SAFE_NO_PAD.encode(crate::random::random::<32>()?);
    let hash = hash(purpose, &token);
    Ok((Secret::new(token), hash))
}

pub(crate) fn hash(purpose: &[u8], token: &str) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(purpose);
    hasher.update(token);
    hasher.finalize().into()
}
