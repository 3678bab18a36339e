//! The suite that every adapter of the store is held to.
//!
//! ```
//! use notebook_core::store::{conformance, memory::MemoryStore};
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! conformance::run_all(&MemoryStore::new()).await;
//! # });
//! # Ok::<(), std::io::Error>(())
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a suite speaks by panicking, and a scenario's name is its documentation"
)]

pub mod conversations;
pub mod notebooks;
pub mod samples;
pub mod sources;
pub mod tenants;

use super::Store;
pub(crate) use crate::conformance::refused;
use crate::{Error, ErrorKind, conformance::Scenario};

/// Every scenario of the suite.
#[must_use]
pub fn scenarios() -> Vec<Scenario<dyn Store>> {
    let parts = [
        notebooks::scenarios(),
        sources::scenarios(),
        conversations::scenarios(),
        tenants::scenarios(),
    ];
    parts.into_iter().flatten().collect()
}

/// Runs every scenario, one after the other.
///
/// # Panics
/// When the store breaks a promise.
pub async fn run_all(store: &dyn Store) {
    crate::conformance::run_all(scenarios(), store).await;
}

/// Checks that two calls failed alike, so that a foreign thing cannot be told from an absent one.
#[track_caller]
pub(crate) fn same_not_found<T: std::fmt::Debug, U: std::fmt::Debug>(
    foreign: Result<T, Error>,
    absent: Result<U, Error>,
) {
    let foreign = refused(foreign, ErrorKind::NotFound);
    let absent = refused(absent, ErrorKind::NotFound);
    assert_eq!(foreign.to_string(), absent.to_string());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{conformance::unlisted, store::memory::MemoryStore};

    #[test]
    fn every_scenario_is_listed() {
        let names: Vec<_> = scenarios().iter().map(|scenario| scenario.name).collect();
        for source in [
            include_str!("notebooks.rs"),
            include_str!("sources.rs"),
            include_str!("conversations.rs"),
            include_str!("tenants.rs"),
        ] {
            assert_eq!(unlisted(source, &names), Vec::<&str>::new());
        }
    }

    #[tokio::test]
    async fn memory_keeps_every_promise() {
        run_all(&MemoryStore::new()).await;
    }
}
