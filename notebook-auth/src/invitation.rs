//! Tokens by which somebody accepts an invitation to a workspace: 256 random bits, of which only the hash is stored.

use notebook_core::{Result, Secret};

use crate::link;

const PURPOSE: &[u8] = b"notebook invitation 1";

/// A new token, and its hash to be stored.
///
/// # Errors
/// `Unavailable` when the system has no randomness.
pub fn make() -> Result<(Secret, [u8; 32])> {
    link::make(PURPOSE)
}

/// What is stored of a token.
#[must_use]
pub fn hash(token: &str) -> [u8; 32] {
    link::hash(PURPOSE, token)
}
