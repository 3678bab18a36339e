use std::collections::HashMap;

use notebook_core::SourceId;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::{commit::Committer, events::SourceEvents};

/// What this process knows about the sources in its hands. The truth is in the store.
#[derive(Default)]
pub(super) struct State {
    pub(super) events: SourceEvents,
    pub(super) committer: Committer,
    /// Of the sources that this process works on.
    tokens: Mutex<HashMap<SourceId, CancellationToken>>,
}

impl State {
    /// Notes that this process works on a source, until the note is dropped.
    pub(super) fn working(&self, id: SourceId) -> Working<'_> {
        let token = CancellationToken::new();
        self.tokens.lock().insert(id, token.clone());
        Working { state: self, id, token }
    }

    /// Ends the work on a source, if this process does it. Another hears of it with its next heartbeat.
    pub(super) fn cancel(&self, id: SourceId) {
        if let Some(token) = self.tokens.lock().get(&id) {
            token.cancel();
        }
    }
}

/// That this process works on a source.
pub(super) struct Working<'s> {
    state: &'s State,
    id: SourceId,
    /// Ends the work.
    pub(super) token: CancellationToken,
}

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.state.tokens.lock().remove(&self.id);
    }
}
