//! The port that keeps what somebody has decided by hand of [breakers](crate::chat::layers::Breaker), for processes that
//! start later.
//!
//! The rows are the installation's, no tenant's. Adapters: [`memory`], `sql` (SQLite and PostgreSQL); held to the suite in
//! `breaker_setting::conformance` (feature `conformance`).

#[cfg(feature = "conformance")]
pub mod conformance;
pub mod memory;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub mod sql;

use async_trait::async_trait;

use crate::{Result, Timestamp, chat::layers::Forced, identity::audit::Actor};

/// What somebody has decided of a breaker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BreakerSetting {
    /// What the model is called for, in a word of the program's.
    pub route: String,
    /// `provider/model`.
    pub model: String,
    /// How it is to stand.
    pub state: Forced,
    /// Who decided.
    pub by: Actor,
    /// When.
    pub at: Timestamp,
    /// Until when; until it is cleared where there is none.
    pub until: Option<Timestamp>,
}

impl BreakerSetting {
    /// Whether it still holds.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| until > now)
    }
}

/// Keeps what was decided.
///
/// # Behaviour
/// - A breaker is known by route and model; the last decision counts, whichever process made it.
/// - What was stored is there for every process that asks afterwards, and after a restart.
/// - A call whose future is dropped is done wholly or not at all.
#[async_trait]
pub trait BreakerSettings: Send + Sync + 'static {
    /// Stores a decision in place of the one before, and forgets those of other breakers that were over when it was made.
    ///
    /// # Errors
    /// Those of the storage.
    async fn set(&self, setting: &BreakerSetting) -> Result<()>;

    /// Forgets a decision. Whether there was one.
    ///
    /// # Errors
    /// Those of the storage.
    async fn clear(&self, route: &str, model: &str) -> Result<bool>;

    /// The decisions that [hold](BreakerSetting::holds) at `now`, by route and model.
    ///
    /// # Errors
    /// Those of the storage.
    async fn all(&self, now: Timestamp) -> Result<Vec<BreakerSetting>>;
}
