//! The audit log: what was done, by whom, in a chain of hashes for each tenant.
//!
//! Every entry's hash covers its contents, its place and the hash before it, so that an entry that is changed,
//! taken out, put in or moved shows. Who may write the tables can make hashes anew, so they are made with [`AuditKeys`]
//! where there are some. What a chain cannot show even then is that its end was cut off and its head set back to an
//! earlier one: who wants to know that keeps heads elsewhere, and gives one to [`verify`].

mod chain;
mod keys;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

pub use chain::{Break, Fault, Follower, Verified, chained, verify};
pub use keys::AuditKeys;

use crate::{ApiKeyId, Error, Result, TenantId, TenantScope, Timestamp, UserId};

/// The chain of what happens outside all tenants, such as sign-ins that fail: a tenant that nobody can have, for ids
/// have a version.
pub const INSTALLATION: TenantId = TenantId::from_u128(0);

/// Who did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "id")]
pub enum Actor {
    /// Nobody that is known.
    Unknown,
    /// The program itself.
    System,
    /// A user.
    User(UserId),
    /// A program, by its key.
    Key(ApiKeyId),
}

/// How much somebody should care.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// As it should be.
    Info,
    /// Worth a look when there are many.
    Warning,
    /// Somebody may have what is another's.
    Alarm,
}

/// Something that happened. No secrets, no tokens, no text of documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEntry {
    /// Who did it.
    pub actor: Actor,
    /// What, such as `session.rotated`: letters, digits, dots and underscores, up to 64 bytes.
    pub action: String,
    /// To what, such as an id; up to 256 bytes.
    pub target: Option<String>,
    /// How much somebody should care.
    pub severity: Severity,
    /// More, as a JSON object in text; up to 4 KiB.
    pub detail: String,
}

impl NewEntry {
    /// An entry of everyday, without more to say.
    #[must_use]
    pub fn new(actor: Actor, action: &str) -> Self {
        Self {
            actor,
            action: action.to_owned(),
            target: None,
            severity: Severity::Info,
            detail: "{}".to_owned(),
        }
    }

    /// The same about a target.
    #[must_use]
    pub fn about(mut self, target: impl ToString) -> Self {
        self.target = Some(target.to_string());
        self
    }

    /// The same as a warning.
    #[must_use]
    pub const fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// The same with more to say.
    #[must_use]
    pub fn with(mut self, detail: &serde_json::Value) -> Self {
        self.detail = detail.to_string();
        self
    }

    /// The entry, if its fields are within their bounds.
    ///
    /// # Errors
    /// `InvalidInput` that names the field.
    pub fn checked(self) -> Result<Self> {
        let wrong = |field, fix| Err(Error::invalid("log", field, fix));
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.' || c == '_';
        if self.action.is_empty() || self.action.len() > 64 || !self.action.chars().all(plain) {
            return wrong("action", "use a-z, 0-9, dots and underscores, up to 64 of them");
        }
        if self.target.as_ref().is_some_and(|target| target.len() > 256 || target.contains('\0')) {
            return wrong("target", "give up to 256 bytes without U+0000");
        }
        if self.detail.len() > 4096 || !self.detail.starts_with('{') || self.detail.contains('\0') {
            return wrong("detail", "give a JSON object of up to 4096 bytes");
        }
        Ok(self)
    }
}

/// An entry in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its place in its chain, from 1.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// What happened.
    pub what: NewEntry,
    /// See [`chained`].
    pub hash: [u8; 32],
}

/// The end of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Head {
    /// The last entry's place; 0 when there is none.
    pub seq: u64,
    /// The last entry's hash; zeros when there is none.
    pub hash: [u8; 32],
}

/// A tenant's log.
#[async_trait]
pub trait AuditLog: Send + Sync {
    /// Adds entries, all or none.
    ///
    /// - Many at the same time, in any processes: each gets a place of its own, without gaps.
    ///
    /// # Errors
    /// `InvalidInput` when a field is out of its bounds.
    async fn append(&self, scope: &TenantScope, entries: Vec<NewEntry>) -> Result<Head>;

    /// Entries with places after `after`, oldest first, at most `limit`.
    ///
    /// # Errors
    /// Only those of the storage itself.
    async fn entries(&self, scope: &TenantScope, after: u64, limit: usize) -> Result<Vec<Entry>>;

    /// Entries with places before `before`, newest first, at most `limit`.
    ///
    /// # Errors
    /// Only those of the storage itself.
    async fn newest(
        &self,
        scope: &TenantScope,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Entry>>;

    /// Where the chain ends.
    ///
    /// # Errors
    /// Only those of the storage itself.
    async fn head(&self, scope: &TenantScope) -> Result<Head>;
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Missing => "is missing",
            Self::Altered => "is not what was logged",
            Self::Head => "is where the log ends, but its head says otherwise",
            Self::Kept => "is another one than was kept elsewhere",
        })
    }
}
