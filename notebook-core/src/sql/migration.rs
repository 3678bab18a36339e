//! Schema versions: each is applied once, in order, and remembered with its checksum.

use sha2::{Digest as _, Sha256};

use crate::{Error, ErrorKind, Result};

/// What migrating is called in errors.
pub(crate) const MIGRATE: &str = "migrate database";

/// One step of a schema. Once released it never changes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Migration {
    /// From 1, without gaps.
    pub(crate) version: u32,
    /// What it does, in a few words.
    pub(crate) name: &'static str,
    /// The statements.
    pub(crate) sql: &'static str,
}

impl Migration {
    /// Of the statements: a step that was changed is another step.
    pub(crate) fn checksum(&self) -> [u8; 32] {
        Sha256::digest(self.sql.as_bytes()).into()
    }
}

/// The steps that are left to do, if what was applied is the beginning of what is known.
///
/// # Errors
/// `Conflict` when a step that was applied is not the one known here; `Unsupported` when the data was written by
/// a newer program.
pub(crate) fn pending<'s>(
    applied: &[(u32, [u8; 32])],
    steps: &'s [Migration],
) -> Result<&'s [Migration]> {
    // First whether it is of this kind at all, then whether it is too new.
    for ((version, checksum), step) in applied.iter().zip(steps) {
        if *version != step.version || *checksum != step.checksum() {
            return Err(Error::new(ErrorKind::Conflict, MIGRATE)
                .with("schema", version.to_string())
                .with("fix", "the data was written by another build: start that one"));
        }
    }
    let newest = steps.last().map_or(0, |step| step.version);
    if let Some((version, _)) = applied.iter().find(|(version, _)| *version > newest) {
        return Err(Error::new(ErrorKind::Unsupported, MIGRATE)
            .with("schema", version.to_string())
            .with("known", newest.to_string())
            .with("fix", "the data was written by a newer version: start that one"));
    }
    Ok(steps.get(applied.len()..).unwrap_or_default())
}
