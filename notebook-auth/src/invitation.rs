//! Tokens by which somebody accepts an invitation to a workspace: 256 bits that nobody can guess, of which only the hash is stored.

use notebook_core::{InvitationId, Result, Secret};

use crate::link;

const PURPOSE: &[u8] = b"notebook invitation 1";

/// The token of an invitation, and its hash to be stored.
///
/// # Errors
/// `Internal` when the key cannot be used.
pub fn of(key: &Secret, invitation: InvitationId) -> Result<(Secret, [u8; 32])> {
    link::derive(key, PURPOSE, invitation.as_u128())
}

/// What is stored of a token.
#[must_use]
pub fn hash(token: &str) -> [u8; 32] {
    link::hash(PURPOSE, token)
}
