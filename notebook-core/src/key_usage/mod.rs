//! The port that counts the uses of a provider's keys, over all processes that share the storage.
//!
//! A key is known by its [hash](KeyHash) alone. Counts are those of a [`Day`] as the provider has it. The rows are the
//! installation's, no tenant's.
//!
//! Adapters: [`memory`], `sql` (SQLite and PostgreSQL); held to the suite in `key_usage::conformance` (feature `conformance`).
//!
//! Why not [rate limits](crate::rate_limit): a bucket there fills at a steady rate, while a provider's limit is there
//! again all at once when its day begins, and a key may have to rest until a moment that the provider names.

#[cfg(feature = "conformance")]
pub mod conformance;
mod day;
pub mod memory;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub mod sql;

use std::fmt;

use async_trait::async_trait;
use sha2::{Digest as _, Sha256};

pub use day::{Day, Zone};

use crate::{Result, Secret, Timestamp};

/// A key's hash: it counts for the key, and nobody finds the key by it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    /// Of a key. Providers' keys are long and random, so a plain hash hides them.
    #[must_use]
    pub fn of(key: &Secret) -> Self {
        let hash = Sha256::new().chain_update(b"provider key 1\0").chain_update(key.expose());
        Self(hash.finalize().into())
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Its beginning, which is enough to tell keys apart in a log.
impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "KeyHash({})", crate::hex([a, b, c, d]))
    }
}

/// What becomes of a use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// It is counted.
    Counted {
        /// How many there are on this day now.
        used: u64,
    },
    /// There are no more on this day.
    Spent,
    /// The key rests.
    Resting {
        /// Until then.
        until: Timestamp,
    },
}

/// What is known of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeyCount {
    /// The last day on which it was used.
    pub day: Day,
    /// How often on that day.
    pub used: u64,
    /// Until when it rests; long ago where it does not.
    pub resting_until: Timestamp,
}

/// Counts the uses of keys.
///
/// # Behaviour
/// - On a day at most the limit is counted for a key, whichever processes ask, and however many at once.
/// - What is refused counts nothing.
/// - A day that is over is forgotten with the first use of the next one. A process whose clock is behind counts on the
///   newest day that there was.
/// - Keys are apart. One that is unknown was never used.
/// - A call whose future is dropped counted wholly or not at all.
#[async_trait]
pub trait KeyUsage: Send + Sync + 'static {
    /// Counts a use of a key on a day, unless there were as many as `limit`, or it rests at `now`.
    ///
    /// # Errors
    /// Those of the storage.
    async fn take(&self, key: KeyHash, day: Day, limit: Option<u64>, now: Timestamp)
    -> Result<Use>;

    /// Leaves a key alone until a moment. What was said before does not count any more.
    ///
    /// # Errors
    /// Those of the storage.
    async fn rest(&self, key: KeyHash, until: Timestamp) -> Result<()>;

    /// What is known of keys, in their order.
    ///
    /// # Errors
    /// Those of the storage.
    async fn counts(&self, keys: &[KeyHash]) -> Result<Vec<KeyCount>>;

    /// Forgets the keys whose last day was before `day`, and which do not rest at `now`: those that are in no configuration any
    /// more. Returns how many.
    ///
    /// # Errors
    /// Those of the storage.
    async fn prune(&self, day: Day, now: Timestamp) -> Result<usize>;
}
