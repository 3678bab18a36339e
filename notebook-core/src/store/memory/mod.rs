//! The store and the run log in memory: the reference that other adapters are tested against.
//!
//! One lock over ordered maps per tenant. Nothing is durable and nothing is bounded: it is
//! for tests, for examples, and for hosts that want no files.

mod conversations;
mod embeddings;
mod notebooks;
mod runs;
mod sources;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use parking_lot::Mutex;

use crate::{
    ConversationId, Error, MessageId, NotebookId, Result, RunId, SourceId, TenantId, TenantScope,
    document::Document,
    model::{Chunk, ChunkKey, Conversation, Message, Notebook, Run, RunEvent, Source},
    vector::VectorSpace,
};

/// [`Store`](super::Store) and [`RunLog`](crate::run_log::RunLog) in memory.
///
/// ```
/// use notebook_core::store::{Store, memory::MemoryStore};
///
/// let store: std::sync::Arc<dyn Store> = std::sync::Arc::new(MemoryStore::new());
/// # let _ = store;
/// ```
#[derive(Default)]
pub struct MemoryStore {
    tenants: Mutex<HashMap<TenantId, Tenant>>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Works on one tenant's data; one that has none yet gets an empty one.
    fn with<T>(&self, scope: &TenantScope, work: impl FnOnce(&mut Tenant) -> T) -> T {
        work(self.tenants.lock().entry(scope.tenant()).or_default())
    }

    /// Works on one tenant's data after checking that no other tenant `has` the id.
    fn with_own<T>(
        &self,
        scope: &TenantScope,
        foreign: Error,
        has: impl Fn(&Tenant) -> bool,
        work: impl FnOnce(&mut Tenant) -> Result<T>,
    ) -> Result<T> {
        let mut tenants = self.tenants.lock();
        if tenants.iter().any(|(id, tenant)| *id != scope.tenant() && has(tenant)) {
            return Err(foreign);
        }
        work(tenants.entry(scope.tenant()).or_default())
    }
}

impl std::fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

/// Everything of one tenant.
#[derive(Default)]
struct Tenant {
    notebooks: BTreeMap<NotebookId, Notebook>,
    /// Those that are not shown yet.
    hidden: BTreeSet<NotebookId>,
    sources: BTreeMap<SourceId, Source>,
    documents: BTreeMap<SourceId, Document>,
    chunks: BTreeMap<ChunkKey, Chunk>,
    embeddings: BTreeMap<ChunkKey, (VectorSpace, Vec<f32>)>,
    conversations: BTreeMap<ConversationId, Conversation>,
    messages: BTreeMap<MessageId, Message>,
    runs: BTreeMap<RunId, StoredRun>,
}

/// A run with its log and what its opening is recognised by.
struct StoredRun {
    run: Run,
    idempotency_key: Option<String>,
    request_hash: String,
    events: Vec<RunEvent>,
}

impl Tenant {
    fn notebook(&self, operation: &'static str, id: NotebookId) -> Result<&Notebook> {
        self.notebooks.get(&id).ok_or_else(|| Error::not_found(operation, "notebook"))
    }

    /// The same, but not one that is hidden.
    fn shown(&self, operation: &'static str, id: NotebookId) -> Result<&Notebook> {
        let notebook = self.notebook(operation, id)?;
        if self.hidden.contains(&id) {
            return Err(Error::not_found(operation, "notebook"));
        }
        Ok(notebook)
    }

    fn source(&self, operation: &'static str, id: SourceId) -> Result<&Source> {
        self.sources.get(&id).ok_or_else(|| Error::not_found(operation, "source"))
    }

    fn document(&self, operation: &'static str, id: SourceId) -> Result<&Document> {
        self.source(operation, id)?;
        self.documents.get(&id).ok_or_else(|| Error::not_found(operation, "document"))
    }

    fn conversation(&self, operation: &'static str, id: ConversationId) -> Result<&Conversation> {
        self.conversations.get(&id).ok_or_else(|| Error::not_found(operation, "conversation"))
    }

    fn run(&mut self, operation: &'static str, id: RunId) -> Result<&mut StoredRun> {
        self.runs.get_mut(&id).ok_or_else(|| Error::not_found(operation, "run"))
    }

    fn remove_text_of(&mut self, id: SourceId) {
        self.documents.remove(&id);
        self.chunks.retain(|key, _| key.source != id);
        self.embeddings.retain(|key, _| key.source != id);
    }

    fn remove_conversation(&mut self, id: ConversationId) {
        self.conversations.remove(&id);
        self.messages.retain(|_, message| message.conversation != id);
        self.runs.retain(|_, stored| stored.run.conversation != id);
    }
}
