//! Tokens by which a forgotten password is set anew: 256 bits that nobody can guess, of which only the hash is stored.

use notebook_core::{JobId, Result, Secret};

use crate::link;

const PURPOSE: &[u8] = b"notebook reset 1";

/// A new token, and its hash to be stored.
///
/// # Errors
/// `Unavailable` when the system has no randomness.
pub fn make() -> Result<(Secret, [u8; 32])> {
    link::make(PURPOSE)
}

/// The token that a job sends, and its hash to be stored: the same at each of its tries.
///
/// # Errors
/// `Internal` when the key cannot be used.
pub fn of_job(key: &Secret, job: JobId) -> Result<(Secret, [u8; 32])> {
    link::derive(key, PURPOSE, job.as_u128())
}

/// What is stored of a token.
#[must_use]
pub fn hash(token: &str) -> [u8; 32] {
    link::hash(PURPOSE, token)
}
