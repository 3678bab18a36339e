//! Tokens by which a forgotten password is set anew: 256 random bits, of which only the hash is stored.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use notebook_core::{Result, Secret};
use sha2::{Digest as _, Sha256};

/// A new token, and its hash to be stored.
///
/// # Errors
/// `Unavailable` when the system has no randomness.
pub fn make() -> Result<(Secret, [u8; 32])> {
    let token = URL_SAFE_NO_PAD.encode(crate::random::random::<32>()?);
    let hash = hash(&token);
    Ok((Secret::new(token), hash))
}

/// What is stored of a token.
#[must_use]
pub fn hash(token: &str) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(b"notebook reset 1");
    hasher.update(token);
    hasher.finalize().into()
}
