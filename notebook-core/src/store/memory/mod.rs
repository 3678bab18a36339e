//! The store and the run log in memory: the reference that other adapters are tested against.
//!
//! One lock over ordered maps per tenant. Nothing is durable and nothing is bounded: it is
//! for tests, for examples, and for hosts that want no files.

mod approvals;
mod conversations;
mod embeddings;
mod notebooks;
mod recordings;
mod runs;
mod sources;
mod tenants;
mod usage;
mod webhooks;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use parking_lot::Mutex;

use crate::{
    ApprovalId, ConversationId, DeliveryId, Error, MessageId, NotebookId, Result, RunId, SourceId,
    TenantId, TenantScope, WebhookId,
    approval::Approval,
    document::Document,
    model::{Chunk, ChunkKey, Conversation, Message, Notebook, Run, RunEvent, Source, Used},
    queue::{NewJob, memory::MemoryQueue},
    recording::RecordedPart,
    usage::{Day, DayUsage},
    vector::VectorSpace,
    webhook::{Delivery, SigningSecrets, Webhook},
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
    /// Where the jobs of deliveries go; without one nothing is sent.
    queue: Mutex<Option<Arc<MemoryQueue>>>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Jobs that follow from what is stored go to this queue from now on.
    pub(crate) fn attach(&self, queue: Arc<MemoryQueue>) {
        *self.queue.lock() = Some(queue);
    }

    /// Stores the jobs of what was just stored.
    fn enqueue(&self, scope: &TenantScope, jobs: Vec<NewJob>) {
        let queue = self.queue.lock().clone();
        if let Some(queue) = queue {
            queue.store_jobs(scope.tenant(), jobs);
        }
    }

    /// Works on one tenant's data; one that has none yet gets an empty one.
    fn with<T>(&self, scope: &TenantScope, work: impl FnOnce(&mut Tenant) -> T) -> T {
        work(self.tenants.lock().entry(scope.tenant()).or_default())
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
    /// Those of them that are being put together, and not shown yet.
    unfinished: BTreeSet<NotebookId>,
    /// Those that are being deleted.
    hidden: BTreeMap<NotebookId, Notebook>,
    sources: BTreeMap<SourceId, Source>,
    documents: BTreeMap<SourceId, Document>,
    chunks: BTreeMap<ChunkKey, Chunk>,
    embeddings: BTreeMap<ChunkKey, (VectorSpace, Vec<f32>)>,
    conversations: BTreeMap<ConversationId, Conversation>,
    messages: BTreeMap<MessageId, Message>,
    runs: BTreeMap<RunId, StoredRun>,
    /// With the keys of the jobs that they wake.
    approvals: BTreeMap<ApprovalId, (Approval, Option<String>)>,
    recordings: BTreeMap<RunId, Vec<RecordedPart>>,
    webhooks: BTreeMap<WebhookId, (Webhook, SigningSecrets)>,
    deliveries: BTreeMap<DeliveryId, Delivery>,
    usage: BTreeMap<Day, Vec<DayUsage>>,
    /// The first day that is not closed, where one was.
    usage_open_from: Option<Day>,
}

/// A run with its log and what its opening is recognised by.
struct StoredRun {
    run: Run,
    idempotency_key: Option<String>,
    request_hash: String,
    events: Vec<RunEvent>,
    /// What it used, where there is no answer to keep it with.
    used: Option<Used>,
    /// It was made elsewhere.
    recorded: bool,
}

impl Tenant {
    /// Questions go with their runs.
    fn forget_approvals(&mut self) {
        let runs = &self.runs;
        self.approvals.retain(|_, (approval, _)| runs.contains_key(&approval.run));
    }

    /// And so do recordings.
    fn forget_recordings(&mut self) {
        let runs = &self.runs;
        self.recordings.retain(|run, _| runs.contains_key(run));
    }

    fn notebook(&self, operation: &'static str, id: NotebookId) -> Result<&Notebook> {
        self.notebooks.get(&id).ok_or_else(|| Error::not_found(operation, "notebook"))
    }

    /// The same, but not one that is hidden.
    fn shown(&self, operation: &'static str, id: NotebookId) -> Result<&Notebook> {
        let notebook = self.notebook(operation, id)?;
        if self.unfinished.contains(&id) {
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
        let found = self.conversations.get(&id);
        let shown = found.filter(|conversation| self.is_shown(conversation.notebook));
        shown.ok_or_else(|| Error::not_found(operation, "conversation"))
    }

    fn run(&mut self, operation: &'static str, id: RunId) -> Result<&mut StoredRun> {
        let hidden = &self.hidden;
        let found = self.runs.get_mut(&id);
        let shown = found.filter(|stored| !hidden.contains_key(&stored.run.notebook));
        shown.ok_or_else(|| Error::not_found(operation, "run"))
    }

    fn is_shown(&self, notebook: NotebookId) -> bool {
        !self.hidden.contains_key(&notebook)
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
