//! The suite that every adapter of the run log is held to, together with the store it shares.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a suite speaks by panicking, and a scenario's name is its documentation"
)]

pub mod closing;
pub mod events;
pub mod opening;

use super::RunLog;
use crate::{
    TenantScope,
    conformance::Scenario,
    model::{Conversation, NewRun},
    store::{Store, conformance::samples},
};

/// A run log with the store that it shares its storage with.
#[derive(Clone, Copy)]
pub struct Pair<'a> {
    /// Holds the notebooks, conversations and messages.
    pub store: &'a dyn Store,
    /// Holds the runs.
    pub log: &'a dyn RunLog,
}

impl std::fmt::Debug for Pair<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pair").finish_non_exhaustive()
    }
}

impl Pair<'_> {
    /// A new conversation in a new notebook.
    pub(crate) async fn conversation(&self, scope: &TenantScope) -> Conversation {
        let notebook = self.store.create_notebook(scope, samples::notebook()).await.unwrap();
        let new = samples::conversation(notebook.id);
        self.store.create_conversation(scope, new).await.unwrap()
    }

    /// A run opened in a new conversation.
    pub(crate) async fn opened(&self, scope: &TenantScope) -> NewRun {
        let new = samples::new_run(&self.conversation(scope).await);
        self.log.open(scope, new.clone()).await.unwrap();
        new
    }
}

/// Every scenario of the suite.
#[must_use]
pub fn scenarios<'a>() -> Vec<Scenario<Pair<'a>>> {
    let parts = [opening::scenarios(), events::scenarios(), closing::scenarios()];
    parts.into_iter().flatten().collect()
}

/// Runs every scenario, one after the other.
///
/// # Panics
/// When the run log breaks a promise.
pub async fn run_all(store: &dyn Store, log: &dyn RunLog) {
    let pair = Pair { store, log };
    crate::conformance::run_all(scenarios(), &pair).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{conformance::unlisted, store::memory::MemoryStore};

    #[test]
    fn every_scenario_is_listed() {
        let names: Vec<_> = scenarios().iter().map(|scenario| scenario.name).collect();
        for source in
            [include_str!("opening.rs"), include_str!("events.rs"), include_str!("closing.rs")]
        {
            assert_eq!(unlisted(source, &names), Vec::<&str>::new());
        }
    }

    #[tokio::test]
    async fn memory_keeps_every_promise() {
        let store = MemoryStore::new();
        run_all(&store, &store).await;
    }
}
