//! The cache port: bytes by key, per tenant, that may be forgotten at any time.
//!
//! A tenant sees only what it stored itself: the same key in another tenant is another entry.
//! An adapter is bounded in bytes. When it is full it forgets what the largest tenant has not
//! used for longest, so that a tenant that floods the cache pushes out its own entries.

#[cfg(feature = "conformance")]
pub mod conformance;
pub mod memory;
#[cfg(feature = "sqlite")]
pub mod sqlite;

use async_trait::async_trait;
use sha2::{Digest, Sha256};

use crate::{Result, TenantScope};

/// Names a cached value by the hash of everything that it depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CacheKey([u8; 32]);

impl CacheKey {
    /// A key from its parts. Their lengths are hashed too, so that `["ab", "c"]` and `["a", "bc"]` differ.
    #[must_use]
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        Self(hash.finalize().into())
    }

    /// The 32 bytes of the key.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Keeps values within a bounded size.
#[async_trait]
pub trait Cache: Send + Sync + 'static {
    /// The values of the keys, in their order; `None` where there is none (any more).
    ///
    /// # Errors
    /// Only those of the storage itself. A caller goes on without the cache.
    async fn get(&self, scope: &TenantScope, keys: &[CacheKey]) -> Result<Vec<Option<Vec<u8>>>>;

    /// Stores values; an existing key is replaced. May forget older values to keep its bound.
    ///
    /// # Errors
    /// Only those of the storage itself.
    async fn put(&self, scope: &TenantScope, entries: Vec<(CacheKey, Vec<u8>)>) -> Result<()>;

    /// Forgets these keys; those that are not there are no error.
    ///
    /// # Errors
    /// Only those of the storage itself.
    async fn remove(&self, scope: &TenantScope, keys: &[CacheKey]) -> Result<()>;

    /// Forgets everything of this tenant.
    ///
    /// # Errors
    /// Only those of the storage itself.
    async fn clear(&self, scope: &TenantScope) -> Result<()>;
}
