//! The store port: notebooks, sources with their text and vectors, conversations, messages.
//!
//! Adapters: [`memory`], `sql` (features `sqlite`, `postgres`). All are held to the suite in
//! `store::conformance` (feature `conformance`).
//!
//! # Behaviour that holds for every method
//! - A thing in another tenant is [`ErrorKind::NotFound`](crate::ErrorKind::NotFound), exactly as one that does not exist.
//! - A call that returned `Ok` is durable, as far as the adapter stores anything durably.
//! - A call whose future is dropped either happened wholly or not at all.
//! - Writes of one caller are seen by its next read.
//! - Ids order by the time they were made; "oldest first" and "newest first" go by id.
//! - A list read in pages shows every thing that was there all along exactly once, however
//!   many are added and removed meanwhile. The thing that a cursor names may be gone.
//!
//! What all adapters decide alike stands in [`rules`].

#[cfg(feature = "conformance")]
pub mod conformance;
pub mod memory;
pub mod rules;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub mod sql;

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::{
    ConversationId, MessageId, NotebookId, Result, SourceId, TenantScope,
    document::{self, Block, Document, Flag, PictureMap, Span},
    model::{Chunk, ChunkKey, Conversation, Message, Notebook, Page, PageRequest, Source},
    vector::VectorSpace,
};

/// A [`Document`] without its text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Layout {
    /// Title found in the file.
    pub title: Option<String>,
    /// Length of the text in bytes.
    pub text_bytes: usize,
    /// Pages in order; empty for formats without pages.
    pub pages: Vec<document::Page>,
    /// Blocks in order.
    pub blocks: Vec<Block>,
    /// What parsing noticed.
    pub flags: Vec<Flag>,
    /// Where words stand in the picture that they were recognised in.
    pub picture: Option<PictureMap>,
}

impl Layout {
    /// The layout of a document.
    #[must_use]
    pub fn of(document: &Document) -> Self {
        Self {
            title: document.title.clone(),
            text_bytes: document.text.len(),
            pages: document.pages.clone(),
            blocks: document.blocks.clone(),
            flags: document.flags.clone(),
            picture: document.picture.clone(),
        }
    }
}

/// Notebooks.
#[async_trait]
pub trait NotebookStore: Send + Sync {
    /// Stores a new notebook.
    ///
    /// - Repeated with the same id: returns the stored one, changed by nothing; the new contents are ignored.
    /// - Two at the same time: both get the one that was stored first.
    /// - The same id in another tenant is no obstacle: it is another notebook.
    ///
    /// # Errors
    /// `NotFound` when the id belongs to one that is being deleted.
    async fn create_notebook(&self, scope: &TenantScope, notebook: Notebook) -> Result<Notebook>;

    /// The notebook.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    async fn notebook(&self, scope: &TenantScope, id: NotebookId) -> Result<Notebook>;

    /// Notebooks, newest id first; archived ones only when `archived` is true.
    ///
    /// # Errors
    /// `InvalidInput` when the cursor is no notebook id or the limit is not 1 to 1,000.
    async fn notebooks(
        &self,
        scope: &TenantScope,
        archived: bool,
        page: PageRequest,
    ) -> Result<Page<Notebook>>;

    /// Replaces name, flags, settings and `updated_at`; `id` and `created_at` stay.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    async fn update_notebook(&self, scope: &TenantScope, notebook: Notebook) -> Result<()>;

    /// Stores a notebook that is neither found, listed nor updated until it is shown: one that is being put together.
    /// What is in it is found by its own id, and by lists of the notebook's.
    ///
    /// - Repeated with the same id: no change, whether it is shown by now or not.
    ///
    /// # Errors
    /// `NotFound` when the id belongs to one that is being deleted.
    async fn create_unfinished_notebook(
        &self,
        scope: &TenantScope,
        notebook: Notebook,
    ) -> Result<()>;

    /// Shows an unfinished notebook. Repeated: no change.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    async fn show_notebook(&self, scope: &TenantScope, id: NotebookId) -> Result<()>;

    /// The notebooks that are being put together, oldest id first.
    ///
    /// # Errors
    /// Only those of the storage itself.
    async fn unfinished_notebooks(&self, scope: &TenantScope) -> Result<Vec<NotebookId>>;

    /// Notebooks that were [hidden](crate::queue::outbox::Outbox::hide_notebook) to be deleted and are not deleted yet,
    /// oldest first.
    ///
    /// # Errors
    /// Only those of the storage itself.
    async fn hidden_notebooks(&self, scope: &TenantScope) -> Result<Vec<NotebookId>>;

    /// Removes at most `most` conversations of a hidden notebook with their messages, runs and run events; how many.
    /// None of one that is not hidden, or does not exist.
    ///
    /// # Errors
    /// Only those of the storage itself.
    async fn empty_notebook(
        &self,
        scope: &TenantScope,
        id: NotebookId,
        most: usize,
    ) -> Result<usize>;

    /// Removes the notebook, hidden or not, with its sources, texts, chunks, conversations, messages, runs and run
    /// events.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    async fn delete_notebook(&self, scope: &TenantScope, id: NotebookId) -> Result<()>;
}

/// Sources, their canonical texts and their chunks.
#[async_trait]
pub trait SourceStore: Send + Sync {
    /// Stores a new source.
    ///
    /// - The same id in another tenant is no obstacle: it is another source.
    ///
    /// # Errors
    /// `NotFound` when the notebook does not exist; `AlreadyExists` when the id does.
    async fn create_source(&self, scope: &TenantScope, source: Source) -> Result<()>;

    /// The source.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    async fn source(&self, scope: &TenantScope, id: SourceId) -> Result<Source>;

    /// All sources of a notebook, oldest first.
    ///
    /// # Errors
    /// `NotFound` when the notebook does not exist.
    async fn sources(&self, scope: &TenantScope, notebook: NotebookId) -> Result<Vec<Source>>;

    /// Sources whose stage [is unfinished](crate::model::Stage::is_unfinished), oldest first: what a
    /// worker takes up after a restart.
    ///
    /// # Errors
    /// Only those of the storage itself.
    async fn unfinished_sources(&self, scope: &TenantScope) -> Result<Vec<Source>>;

    /// The sources that are to be found by their words, oldest first: what an index that follows the store holds.
    /// Those that are being deleted are not among them.
    ///
    /// # Errors
    /// Only those of the storage itself.
    async fn indexed_sources(&self, scope: &TenantScope) -> Result<Vec<IndexedSource>>;

    /// Replaces everything but `id`, `notebook` and `created_at`, and adds one to `revision`. The text and the
    /// chunks stay.
    ///
    /// # Errors
    /// `NotFound` when there is none; `Conflict` when `revision` is not the stored one: the source was changed since
    /// it was read.
    async fn update_source(&self, scope: &TenantScope, source: Source) -> Result<()>;

    /// Removes the source with its text and chunks.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    async fn delete_source(&self, scope: &TenantScope, id: SourceId) -> Result<()>;

    /// Stores the canonical text with its pages and blocks; replaces an earlier one and removes its chunks.
    ///
    /// # Errors
    /// `NotFound` when the source does not exist.
    async fn put_document(
        &self,
        scope: &TenantScope,
        id: SourceId,
        document: Document,
    ) -> Result<()>;

    /// The whole document.
    ///
    /// # Errors
    /// `NotFound` when the source or its document does not exist.
    async fn document(&self, scope: &TenantScope, id: SourceId) -> Result<Document>;

    /// The document without its text, read without loading the text.
    ///
    /// # Errors
    /// `NotFound` when the source or its document does not exist.
    async fn layout(&self, scope: &TenantScope, id: SourceId) -> Result<Layout>;

    /// The canonical text at `span`, read without loading the rest of the text.
    ///
    /// - An empty span gives the empty text, also at the very end.
    ///
    /// # Errors
    /// `NotFound` when the source or its document does not exist; `InvalidInput` when the span ends
    /// after the text, starts after its end, or cuts a character.
    async fn text(&self, scope: &TenantScope, id: SourceId, span: Span) -> Result<String>;

    /// Adds chunks of one source. Keys that exist are replaced, others stay.
    ///
    /// - One call is one transaction; callers give a large source in several.
    /// - Two chunks of one call with the same key: the later one stays.
    ///
    /// # Errors
    /// `NotFound` when the source does not exist; `InvalidInput` when a chunk is of another source.
    async fn put_chunks(&self, scope: &TenantScope, id: SourceId, chunks: Vec<Chunk>)
    -> Result<()>;

    /// Chunks of a source with ordinals from `from`, at most `limit`, in order; empty past the end.
    ///
    /// # Errors
    /// `NotFound` when the source does not exist.
    async fn chunks(
        &self,
        scope: &TenantScope,
        id: SourceId,
        from: u32,
        limit: usize,
    ) -> Result<Vec<Chunk>>;

    /// The chunks with these keys, in the order of the keys. Keys that do not exist, and keys of
    /// sources that are being deleted, are left out. A key given twice is answered twice.
    ///
    /// # Errors
    /// Only those of the storage itself.
    async fn chunks_by_key(&self, scope: &TenantScope, keys: &[ChunkKey]) -> Result<Vec<Chunk>>;
}

/// Vectors of chunks kept beside them, for the vector indexes of several processes that follow one store. A store
/// whose index lies in the same process needs none.
#[async_trait]
pub trait EmbeddingStore: Send + Sync {
    /// Stores vectors of a source's chunks by their ordinals, in place of earlier ones. They go with their chunks.
    ///
    /// # Errors
    /// `NotFound` when the source or one of the chunks does not exist; `InvalidInput` when a vector has not the length
    /// of the space.
    async fn put_embeddings(
        &self,
        scope: &TenantScope,
        id: SourceId,
        space: &VectorSpace,
        vectors: Vec<Embedding>,
    ) -> Result<()>;

    /// Vectors of a source with ordinals from `from`, at most `limit`, in order. Those of another space are left out.
    ///
    /// # Errors
    /// `NotFound` when the source does not exist.
    async fn embeddings(
        &self,
        scope: &TenantScope,
        id: SourceId,
        space: &VectorSpace,
        from: u32,
        limit: usize,
    ) -> Result<Vec<Embedding>>;

    /// How many vectors of the space a source has.
    ///
    /// # Errors
    /// `NotFound` when the source does not exist.
    async fn count_embeddings(
        &self,
        scope: &TenantScope,
        id: SourceId,
        space: &VectorSpace,
    ) -> Result<u64>;
}

/// A chunk's vector, by the chunk's ordinal.
pub type Embedding = (u32, Vec<f32>);

/// What an index has to hold of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexedSource {
    /// The source.
    pub id: SourceId,
    /// Where it is.
    pub notebook: NotebookId,
    /// How many chunks it has.
    pub chunks: u32,
    /// Whether its vectors are there too.
    pub vectors: bool,
}

/// Conversations and their messages.
#[async_trait]
pub trait ConversationStore: Send + Sync {
    /// Stores a new conversation.
    ///
    /// - Repeated with the same id: returns the stored one, changed by nothing.
    /// - The same id in another tenant is no obstacle: it is another conversation.
    ///
    /// # Errors
    /// `NotFound` when the notebook does not exist.
    async fn create_conversation(
        &self,
        scope: &TenantScope,
        conversation: Conversation,
    ) -> Result<Conversation>;

    /// The conversation.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    async fn conversation(&self, scope: &TenantScope, id: ConversationId) -> Result<Conversation>;

    /// All conversations of a notebook, newest id first.
    ///
    /// # Errors
    /// `NotFound` when the notebook does not exist.
    async fn conversations(
        &self,
        scope: &TenantScope,
        notebook: NotebookId,
    ) -> Result<Vec<Conversation>>;

    /// Replaces title, excluded sources and `updated_at`; `id`, `notebook` and `created_at` stay.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    async fn update_conversation(
        &self,
        scope: &TenantScope,
        conversation: Conversation,
    ) -> Result<()>;

    /// Removes the conversation with its messages, runs and run events.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    async fn delete_conversation(&self, scope: &TenantScope, id: ConversationId) -> Result<()>;

    /// Messages of a conversation, newest id first, so that the first page is what a reader sees.
    ///
    /// # Errors
    /// `NotFound` when the conversation does not exist; `InvalidInput` when the cursor is no message id or the limit is not 1 to 1,000.
    async fn messages(
        &self,
        scope: &TenantScope,
        id: ConversationId,
        page: PageRequest,
    ) -> Result<Page<Message>>;

    /// One message.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    async fn message(&self, scope: &TenantScope, id: MessageId) -> Result<Message>;
}

/// All that a tenant has in the store, its run log, webhooks and usage too: for one that is being deleted.
#[async_trait]
pub trait TenantStore: Send + Sync {
    /// Removes some of it, at most `most` rows in a transaction; how many. To be called again until there are none. Webhooks
    /// are told nothing.
    ///
    /// # Errors
    /// Only those of the storage itself.
    async fn erase(&self, scope: &TenantScope, most: usize) -> Result<usize>;

    /// How many things of each kind are left; kinds of which none is left are not listed.
    ///
    /// # Errors
    /// Only those of the storage itself.
    async fn remains(&self, scope: &TenantScope) -> Result<BTreeMap<&'static str, u64>>;
}

/// The whole store.
pub trait Store:
    NotebookStore + SourceStore + EmbeddingStore + ConversationStore + TenantStore + 'static
{
}

impl<T> Store for T where
    T: NotebookStore + SourceStore + EmbeddingStore + ConversationStore + TenantStore + 'static
{
}
