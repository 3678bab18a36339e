//! Keys of audit chains.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use crate::{Error, Result, Secret};

/// Secrets that hashes of audit entries are made with. Who may write the tables, and has none of them, cannot make a
/// chain anew from any entry on.
///
/// All processes need the same one. It lies where the database does not: who has both has the log.
#[derive(Clone)]
pub struct AuditKeys {
    current: Hmac<Sha256>,
    older: Vec<Hmac<Sha256>>,
}

impl AuditKeys {
    /// The key for new entries, and those that older entries were made with.
    ///
    /// # Errors
    /// `InvalidInput` when one has less than 32 bytes.
    pub fn new(current: &Secret, older: &[Secret]) -> Result<Self> {
        let older = older.iter().map(key).collect::<Result<_>>()?;
        Ok(Self { current: key(current)?, older })
    }

    pub(super) fn hash(&self, text: &[u8]) -> [u8; 32] {
        self.current.clone().chain_update(text).finalize().into_bytes().into()
    }

    /// Whether a hash was made with one of them.
    pub(super) fn made(&self, text: &[u8], hash: &[u8; 32]) -> bool {
        let by = |key: &Hmac<Sha256>| key.clone().chain_update(text).verify_slice(hash).is_ok();
        by(&self.current) || self.older.iter().any(by)
    }
}

impl std::fmt::Debug for AuditKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuditKeys").field("older", &self.older.len()).finish_non_exhaustive()
    }
}

/// The hash of a text without a key.
pub(super) fn keyless(text: &[u8]) -> [u8; 32] {
    Sha256::digest(text).into()
}

fn key(secret: &Secret) -> Result<Hmac<Sha256>> {
    let wrong = || Error::invalid("set up audit log", "secret", "give at least 32 bytes");
    let bytes = secret.expose().as_bytes();
    if bytes.len() < 32 {
        return Err(wrong());
    }
    Hmac::new_from_slice(bytes).map_err(|_| wrong())
}
