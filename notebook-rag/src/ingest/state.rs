use std::collections::HashMap;

use notebook_core::SourceId;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::{events::SourceEvents, queue::Queues};

/// What this process knows about the sources in its hands. The truth is in the store.
#[derive(Default)]
pub(super) struct State {
    pub(super) events: SourceEvents,
    pub(super) queues: Queues,
    /// Held while a source is read, changed and written.
    pub(super) change: tokio::sync::Mutex<()>,
    tokens: Mutex<HashMap<SourceId, CancellationToken>>,
}

impl State {
    /// The token that ends the work on a source.
    pub(super) fn token(&self, id: SourceId) -> CancellationToken {
        self.tokens.lock().entry(id).or_default().clone()
    }

    pub(super) fn cancel(&self, id: SourceId) {
        self.token(id).cancel();
    }

    /// Forgets a cancellation, and a source that is done.
    pub(super) fn revive(&self, id: SourceId) {
        self.tokens.lock().remove(&id);
    }
}
