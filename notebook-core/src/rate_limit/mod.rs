//! The rate limit port: how much somebody may do, counted over all processes that share the storage.
//!
//! A [`Policy`] is a bucket of units that fills again at a steady rate. What becomes of it is one pure function,
//! [`step()`]; adapters read one number for a key, ask it (in SQL and in Redis one statement or script says the same), and write
//! the number back. A [`Key`] is a class of requests and whose they are, as a hash: no tenant's data.
//!
//! Adapters: [`memory`], `sql` (SQLite and PostgreSQL), `redis` (feature `redis`). Layers, from the inside:
//! [`ahead`] spares most ways to a store that is elsewhere, [`fallback`] decides locally while it does not answer.
//! All are held to the suite in `rate_limit::conformance` (feature `conformance`).
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//! use notebook_core::{
//!     clock::SystemClock,
//!     rate_limit::{Key, Policy, RateLimits as _, Subject, Want, memory::MemoryRateLimits},
//! };
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let limits = MemoryRateLimits::new(Arc::new(SystemClock));
//! let policy = Policy::new(3, Duration::from_secs(60), None)?;
//! let key = Key::new("ask", &Subject::Address("192.0.2.7".parse()?));
//! for left in [2, 1, 0] {
//!     assert_eq!(limits.take(key, &policy, Want::of(1)).await?.remaining, left);
//! }
//! let refused = limits.take(key, &policy, Want::of(1)).await?;
//! assert!(!refused.allowed && refused.retry_after <= Some(Duration::from_secs(20)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod ahead;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod fallback;
mod key;
pub mod memory;
mod policy;
#[cfg(feature = "redis")]
pub mod redis;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub mod sql;
mod step;

use async_trait::async_trait;

pub use key::{Key, Subject, network};
pub use policy::Policy;
pub use step::{Decision, Stepped, Want, step};

use crate::Result;

/// Counts what is done, and says when it is too much.
///
/// # Behaviour
/// - In any time `t`, at most the policy's burst and what comes back in `t` is allowed for a key, whichever processes
///   ask, and however many at once. Who stays at the rate is never refused.
/// - What is refused counts nothing.
/// - A key that is unknown, or was forgotten, has its whole burst.
/// - The time is the storage's own. One that goes backwards gives nothing; one that was far ahead and is set right
///   refuses for no longer than a whole burst takes to come back.
/// - A call whose future is dropped counted wholly or not at all.
/// - A policy that changes applies from the next call; what was done under the one before counts as the time that it
///   would have taken to come back.
#[async_trait]
pub trait RateLimits: Send + Sync + 'static {
    /// Takes units of a key, if there are enough.
    ///
    /// # Errors
    /// `InvalidInput` when the cost is 0 or above the policy's burst, which no waiting would mend; those of the
    /// storage.
    async fn take(&self, key: Key, policy: &Policy, want: Want) -> Result<Decision>;

    /// Forgets up to `most` keys that have their whole burst again, and says how many. Where the storage forgets by itself, 0.
    ///
    /// # Errors
    /// Those of the storage.
    async fn prune(&self, most: usize) -> Result<usize>;
}
