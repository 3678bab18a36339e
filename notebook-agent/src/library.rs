//! Notebooks inside your own program, without a server: texts in, cited answers out.
//!
//! ```
//! use std::sync::Arc;
//! use notebook_agent::library::{Backends, Library};
//! use notebook_core::{keyword::MemoryKeywordIndex, store::memory::MemoryStore};
//! use notebook_rag::extractive::ExtractiveModel;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), notebook_core::Error> {
//! let backends = Backends::new(Arc::new(MemoryStore::new()), Arc::new(MemoryKeywordIndex::new()));
//! let library = Library::open(backends, Arc::new(ExtractiveModel::default()))?;
//! let rivers = library.notebook(&notebook_auth::single_user(), "Rivers").await?;
//! rivers.add_text("wensum.txt", "The Wensum is 78 kilometres long. It joins the Yare.").await?;
//!
//! let answer = rivers.ask("How long is the Wensum?").await?;
//! assert_eq!(answer.citations[0].quote, "The Wensum is 78 kilometres long.");
//! # Ok(())
//! # }
//! ```
//!
//! Another store, index or model changes the constructor lines only. With `notebook_core`'s feature
//! `sqlite` and `notebook_rag`'s feature `candle`, for example:
//!
//! ```ignore
//! let store = Arc::new(SqlStore::sqlite(SqliteConfig::new("notebook.db")).await?);
//! let keyword = Arc::new(TantivyIndex::new(KeywordConfig::in_folder("keywords"))?);
//! let embedder = Arc::new(CandleEmbedder::load("all-MiniLM-L6-v2", folder, &LocalOptions::default())?);
//! let vectors = Arc::new(EmbeddedIndex::open("vectors", embedder.space().clone())?);
//! let backends = Backends::new(store, keyword).with_vectors(vectors, embedder);
//! ```

use std::sync::Arc;

use notebook_core::{
    Clock, ConversationId, Error, ErrorKind, NotebookId, Result, SourceId, TenantScope,
    chat::ChatModel,
    clock::SystemClock,
    document::{Document, DocumentBuilder, SourceKind},
    embed::Embedder,
    keyword::KeywordIndex,
    model::{
        Chunk, Conversation, EventBody, Message, ModelSettings, Notebook, NotebookSettings,
        PageRequest, Progress, Run, Source, Stage,
    },
    run_log::RunLog,
    store::Store,
    vector::VectorIndex,
};
use notebook_rag::{
    chunk::{ChunkConfig, Chunker, WordCounts, estimate_tokens, keyword_record, vector_records},
    retrieve::{RetrieveConfig, Retriever, VectorSearch},
};

use crate::{
    chat::{Ask, Chat, ChatConfig, ModelSource, Parent, Question, Work},
    runs::Runs,
};

/// The longest canonical text of one document, in bytes.
const LONGEST_TEXT: usize = 64 << 20;
/// Chunks stored and embedded at a time.
const BATCH: usize = 64;

/// Where a [`Library`] keeps things.
#[derive(Clone)]
pub struct Backends {
    store: Arc<dyn Store>,
    log: Arc<dyn RunLog>,
    keyword: Arc<dyn KeywordIndex>,
    vectors: Option<(Arc<dyn VectorIndex>, Arc<dyn Embedder>)>,
}

impl Backends {
    /// A store, which keeps the runs too, and a keyword index.
    #[must_use]
    pub fn new<S: Store + RunLog>(store: Arc<S>, keyword: Arc<dyn KeywordIndex>) -> Self {
        Self { store: store.clone(), log: store, keyword, vectors: None }
    }

    /// Finds passages by meaning, too.
    #[must_use]
    pub fn with_vectors(
        mut self,
        index: Arc<dyn VectorIndex>,
        embedder: Arc<dyn Embedder>,
    ) -> Self {
        self.vectors = Some((index, embedder));
        self
    }
}

/// Notebooks in your own program.
#[derive(Clone)]
pub struct Library {
    backends: Backends,
    chunker: Chunker,
    chat: Chat,
}

struct OneModel(Arc<dyn ChatModel>);

impl ModelSource for OneModel {
    fn model(&self, _: &TenantScope, _: &ModelSettings) -> Result<Arc<dyn ChatModel>> {
        Ok(self.0.clone())
    }
}

impl Library {
    /// A library over these backends, answered by this model.
    ///
    /// # Errors
    /// `Conflict` when the vector index was built with another embedder.
    pub fn open(backends: Backends, model: Arc<dyn ChatModel>) -> Result<Self> {
        let search = backends
            .vectors
            .clone()
            .map(|(index, embedder)| VectorSearch { index, embedder: embedder.into() });
        let retriever = Retriever::new(
            backends.keyword.clone(),
            search,
            backends.store.clone(),
            RetrieveConfig::default(),
        )?;
        let chunks =
            backends.vectors.as_ref().map_or_else(ChunkConfig::default, |(_, embedder)| {
                ChunkConfig::for_embedder(embedder.max_tokens())
            });
        let clock = Arc::new(SystemClock);
        let chat = Chat::new(
            backends.store.clone(),
            Runs::new(backends.log.clone(), clock.clone()),
            Arc::new(retriever),
            Arc::new(OneModel(model)),
            clock,
            ChatConfig::default(),
            Work::Tasks,
        );
        Ok(Self { backends, chunker: Chunker::new(chunks)?, chat })
    }

    /// The newest notebook with this name, created if there is none.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn notebook(&self, scope: &TenantScope, name: &str) -> Result<OpenNotebook> {
        let mut page = PageRequest::first(500);
        let id = loop {
            let found = self.backends.store.notebooks(scope, true, page).await?;
            if let Some(notebook) = found.items.iter().find(|notebook| notebook.name == name) {
                break notebook.id;
            }
            match found.next {
                Some(next) => page = PageRequest { after: Some(next), limit: 500 },
                None => break self.create(scope, name).await?,
            }
        };
        let conversation = self.conversation(scope, id).await?;
        Ok(OpenNotebook { library: self.clone(), scope: scope.clone(), id, conversation })
    }

    async fn create(&self, scope: &TenantScope, name: &str) -> Result<NotebookId> {
        let now = SystemClock.now();
        let notebook = Notebook {
            id: NotebookId::new(),
            name: name.to_owned(),
            named_by_user: true,
            archived: false,
            settings: NotebookSettings::default(),
            created_at: now,
            updated_at: now,
        };
        Ok(self.backends.store.create_notebook(scope, notebook).await?.id)
    }

    async fn conversation(
        &self,
        scope: &TenantScope,
        notebook: NotebookId,
    ) -> Result<ConversationId> {
        let conversation = Conversation::new(notebook, SystemClock.now());
        Ok(self.backends.store.create_conversation(scope, conversation).await?.id)
    }
}

/// One notebook of a [`Library`], with a conversation of its own.
#[derive(Clone)]
pub struct OpenNotebook {
    library: Library,
    scope: TenantScope,
    id: NotebookId,
    conversation: ConversationId,
}

impl OpenNotebook {
    /// The notebook's id.
    #[must_use]
    pub const fn id(&self) -> NotebookId {
        self.id
    }

    /// Adds plain text; a blank line ends a paragraph.
    ///
    /// # Errors
    /// `InvalidInput` when there is no text; `TooLarge` over 64 MiB; those of the backends.
    pub async fn add_text(&self, name: &str, text: &str) -> Result<SourceId> {
        let mut builder = DocumentBuilder::new(LONGEST_TEXT);
        for paragraph in text.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty()) {
            builder.paragraph(paragraph).map_err(|limit| {
                Error::new(ErrorKind::TooLarge, "add text")
                    .with("field", "text")
                    .with("limit", "64 MiB")
                    .caused_by(limit)
            })?;
        }
        if builder.is_empty() {
            return Err(Error::invalid("add text", "text", "give some text"));
        }
        self.add_document(name, SourceKind::Text, builder.finish()).await
    }

    /// Adds a parsed document. It can be asked about when this returns.
    ///
    /// # Errors
    /// Those of the backends.
    pub async fn add_document(
        &self,
        name: &str,
        kind: SourceKind,
        document: Document,
    ) -> Result<SourceId> {
        let Library { backends, chunker, .. } = &self.library;
        let id = SourceId::new();
        let embedder = backends.vectors.as_ref().map(|(_, embedder)| embedder.clone());
        let exact = |text: &str| match &embedder {
            Some(embedder) => embedder.count_tokens(text),
            None => estimate_tokens(text),
        };
        let words = WordCounts::new(&exact);
        let count = |text: &str| words.count(text);
        let chunks: Vec<Chunk> = chunker.chunks(&document, id, &count).collect();
        let source = self.source(id, name, kind, &document, chunks.len());
        backends.store.create_source(&self.scope, source.clone()).await?;
        backends.store.put_document(&self.scope, id, document).await?;
        for batch in chunks.chunks(BATCH) {
            self.index(id, batch).await?;
        }
        backends.keyword.commit(&self.scope).await?;
        let ready = Source {
            stage: Stage::Ready,
            keywords_ready: true,
            vectors_ready: embedder.is_some(),
            ..source
        };
        backends.store.update_source(&self.scope, ready).await?;
        Ok(id)
    }

    async fn index(&self, id: SourceId, batch: &[Chunk]) -> Result<()> {
        let backends = &self.library.backends;
        backends.store.put_chunks(&self.scope, id, batch.to_vec()).await?;
        let records = batch.iter().map(keyword_record);
        backends.keyword.add(&self.scope, self.id, id, records.collect()).await?;
        let Some((index, embedder)) = &backends.vectors else { return Ok(()) };
        let records = vector_records(&**embedder, self.id, batch).await?;
        index.upsert(&self.scope, records).await
    }

    fn source(
        &self,
        id: SourceId,
        name: &str,
        kind: SourceKind,
        document: &Document,
        chunks: usize,
    ) -> Source {
        let now = SystemClock.now();
        Source {
            id,
            notebook: self.id,
            name: name.to_owned(),
            kind,
            bytes: document.text.len() as u64,
            sha256: String::new(),
            blob: None,
            stage: Stage::Index,
            progress: Progress::default(),
            keywords_ready: false,
            vectors_ready: false,
            failure: None,
            title: document.title.clone(),
            pages: document.pages.last().map(|page| page.number),
            text_bytes: document.text.len() as u64,
            chunks: chunks as u32,
            notes: document.flags.iter().map(ToString::to_string).collect(),
            origin: None,
            created_at: now,
            updated_at: now,
            revision: 0,
        }
    }

    /// Asks, waits for the end, and returns the answer with its verified citations.
    ///
    /// # Errors
    /// As [`Chat::ask`]; `Unavailable` with the reason when the answer could not be produced.
    pub async fn ask(&self, question: &str) -> Result<Message> {
        let run = self.start(question).await?;
        let mut reader = self.chat().runs().reader(&self.scope, run.id, 0).await?;
        while let Some(events) = reader.next().await? {
            for event in events {
                if let EventBody::Failed { message, detail, .. } = &event.body {
                    let reason = detail.as_ref().unwrap_or(message);
                    return Err(
                        Error::new(ErrorKind::Unavailable, "answer").with("reason", reason.clone())
                    );
                }
            }
        }
        self.library.backends.store.message(&self.scope, run.answer).await
    }

    /// Asks, and returns at once; the events are read through [`Chat::runs`].
    ///
    /// # Errors
    /// As [`Chat::ask`].
    pub async fn start(&self, question: &str) -> Result<Run> {
        let ask = Ask {
            mode: crate::chat::Mode::Answer,
            conversation: self.conversation,
            question: Question::New { text: question.to_owned(), parent: Parent::Newest },
            settings: ModelSettings::default(),
            history: None,
            idempotency_key: None,
        };
        Ok(self.chat().ask(&self.scope, ask).await?.run().clone())
    }

    /// The chat behind the notebook: its events, and stop.
    #[must_use]
    pub const fn chat(&self) -> &Chat {
        &self.library.chat
    }

    /// The scope that the notebook was opened with.
    #[must_use]
    pub const fn scope(&self) -> &TenantScope {
        &self.scope
    }
}
