use notebook_core::{NotebookId, SourceId, TenantId, TenantScope, model::Source};
use tokio::sync::broadcast;

/// A change of a source.
#[derive(Debug, Clone, PartialEq)]
pub enum SourceEvent {
    /// It was added or changed; this is how it is now.
    Changed(Box<Source>),
    /// It is gone.
    Deleted {
        /// Which.
        id: SourceId,
        /// Where it was.
        notebook: NotebookId,
    },
}

impl SourceEvent {
    const fn notebook(&self) -> NotebookId {
        match self {
            Self::Changed(source) => source.notebook,
            Self::Deleted { notebook, .. } => *notebook,
        }
    }
}

/// Tells watchers about changes. A watcher that falls behind is told to look again.
#[derive(Debug)]
pub struct SourceEvents(broadcast::Sender<(TenantId, SourceEvent)>);

/// What a watcher gets.
#[derive(Debug, Clone, PartialEq)]
pub enum Watched {
    /// A change.
    Event(SourceEvent),
    /// Some changes were missed: list the sources again.
    Missed,
}

impl Default for SourceEvents {
    fn default() -> Self {
        Self(broadcast::Sender::new(1024))
    }
}

impl SourceEvents {
    pub(super) fn changed(&self, scope: &TenantScope, source: &Source) {
        // No watcher is no error.
        let _ = self.0.send((scope.tenant(), SourceEvent::Changed(Box::new(source.clone()))));
    }

    pub(super) fn deleted(&self, scope: &TenantScope, id: SourceId, notebook: NotebookId) {
        let _ = self.0.send((scope.tenant(), SourceEvent::Deleted { id, notebook }));
    }

    /// Watches the sources of one notebook from now on.
    #[must_use]
    pub fn watch(&self, scope: &TenantScope, notebook: NotebookId) -> SourceWatch {
        SourceWatch { events: self.0.subscribe(), tenant: scope.tenant(), notebook }
    }
}

/// A watcher of one notebook's sources.
#[derive(Debug)]
pub struct SourceWatch {
    events: broadcast::Receiver<(TenantId, SourceEvent)>,
    tenant: TenantId,
    notebook: NotebookId,
}

impl SourceWatch {
    /// The next change; `None` when ingestion is gone. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Watched> {
        loop {
            match self.events.recv().await {
                Ok((tenant, event))
                    if tenant == self.tenant && event.notebook() == self.notebook =>
                {
                    return Some(Watched::Event(event));
                }
                Ok(_) => {}
                Err(broadcast::error::RecvError::Lagged(_)) => return Some(Watched::Missed),
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}
