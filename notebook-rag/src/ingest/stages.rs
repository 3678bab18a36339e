//! The work of each stage. Each stores its result before the source moves on.

use futures::TryStreamExt;
use notebook_core::{
    Error, ErrorKind, Result, SourceId, TenantScope,
    document::{Document, SourceKind},
    embed::{CachingEmbedder, Embedder, ScopedEmbedder, layers::Purpose},
    model::{Chunk, Progress, Source, Stage},
    queue::runner::{Ended, Work},
    vector::{ChunkFilter, VectorRecord},
};
use object_store::{GetResultPayload, ObjectStoreExt, path::Path as BlobPath};
use std::{collections::BTreeSet, io::Write as _, sync::Arc, time::Duration};
use tokio::{sync::mpsc::Receiver, task::JoinHandle};
use tracing::info;

use super::{
    Inner, blob_error,
    fetch::{link_name, name_of},
};
use crate::{
    chunk::{WordCounts, keyword_record, vector_records},
    parse::{Opened, ParseFailure, Parsed},
};

/// How long a file is read before the source is shown as being read: for most there is nothing to show.
const SHOWN_AFTER: Duration = Duration::from_millis(300);
/// The batches of chunks that a small text has at most.
const AT_ONCE: usize = 8;

impl Inner {
    /// Parses, unless the text is stored already, and cuts the text.
    pub(super) async fn read(&self, work: &Work, id: SourceId) -> Result<Ended> {
        let scope = &work.scope;
        // Held until the text is stored: as many documents are in memory as there are parsers.
        let parser = self.parsers.acquire().await.map_err(|error| {
            Error::new(ErrorKind::Internal, "wait for a parser").caused_by(error)
        })?;
        let source = self.parts.store.source(scope, id).await?;
        let read = if source.stage == Stage::Chunk {
            Read { document: Arc::new(self.parts.store.document(scope, id).await?), new: None }
        } else {
            let Parsed { kind, document } = match self.parse(scope, &source).await? {
                Opened::Parsed(parsed) => parsed,
                Opened::Recording(recording) => {
                    // Documents are not kept waiting for hours.
                    drop(parser);
                    self.listen(work, id, recording).await?
                }
            };
            Read { document: Arc::new(document), new: Some(kind) }
        };
        self.chunk(work, id, read).await
    }

    async fn parse(&self, scope: &TenantScope, source: &Source) -> Result<Opened> {
        let id = source.id;
        let file = self.original(source).await?;
        let parsing = async {
            let parser = &self.parts.parser;
            match &source.origin {
                Some(origin) => {
                    parser.open_page(file, name_of(origin), origin.content_type.as_deref()).await
                }
                None => parser.open(file, &source.name, None).await,
            }
        };
        tokio::pin!(parsing);
        let parsed = match tokio::time::timeout(SHOWN_AFTER, &mut parsing).await {
            Ok(parsed) => parsed,
            Err(_) => {
                self.advance(scope, id, |source| source.stage = Stage::Parse).await?;
                parsing.await
            }
        };
        parsed.map_err(|failure| unreadable(id, failure))
    }

    /// The original as a file that a child process can be given: the blob itself where blobs are files.
    async fn original(&self, source: &Source) -> Result<std::fs::File> {
        let key =
            source.blob.as_deref().ok_or_else(|| Error::not_found("read original", "original"))?;
        let got = self.parts.blobs.get(&BlobPath::from(key)).await.map_err(blob_error)?;
        let mut stream = match got.payload {
            GetResultPayload::File(file, _) => return Ok(file),
            GetResultPayload::Stream(stream) => stream,
        };
        let io = |error: std::io::Error| {
            Error::new(ErrorKind::Unavailable, "copy original").caused_by(error)
        };
        let mut file = tempfile::tempfile().map_err(io)?;
        while let Some(bytes) = stream.try_next().await.map_err(blob_error)? {
            file = tokio::task::spawn_blocking(move || file.write_all(&bytes).map(|()| file))
                .await
                .map_err(|error| Error::new(ErrorKind::Internal, "copy original").caused_by(error))?
                .map_err(io)?;
        }
        std::io::Seek::rewind(&mut file).map_err(io)?;
        Ok(file)
    }

    /// Cuts a text and stores the chunks: those of a small one together with the text and the stage's end, those of
    /// a large one in batches.
    async fn chunk(&self, work: &Work, id: SourceId, read: Read) -> Result<Ended> {
        let scope = &work.scope;
        let (cutting, mut batches) = self.cut(id, Arc::clone(&read.document));
        let mut first = Vec::new();
        let mut all = false;
        if read.new.is_some() {
            while !all && first.len() < self.config.batch * AT_ONCE {
                match batches.recv().await {
                    Some(batch) => first.extend(batch),
                    None => all = true,
                }
            }
            if !all {
                let document = (*read.document).clone();
                self.parts.store.put_document(scope, id, document).await?;
                let parsed = |source: &mut Source| {
                    read.describe(source);
                    source.stage = Stage::Chunk;
                };
                self.advance(scope, id, parsed).await?;
            }
        }
        let mut total = first.len();
        if !all {
            self.parts.store.put_chunks(scope, id, std::mem::take(&mut first)).await?;
            while let Some(batch) = batches.recv().await {
                total += batch.len();
                self.parts.store.put_chunks(scope, id, batch).await?;
            }
        }
        cutting
            .await
            .map_err(|error| Error::new(ErrorKind::Internal, "chunk source").caused_by(error))?;
        let text = all.then(|| ((*read.document).clone(), first));
        let total = u32::try_from(total).unwrap_or(u32::MAX);
        let cut = |source: &mut Source| {
            read.describe(source);
            source.stage = Stage::Index;
            source.chunks = total;
            if self.following.is_some() {
                // Each process adds the words to its own index.
                self.searchable(source);
            }
            source.progress = Progress { done: 0, total: u64::from(total) };
        };
        self.finish(work, id, text, cut).await
    }

    /// Cuts a text on a thread of its own.
    fn cut(&self, id: SourceId, document: Arc<Document>) -> (JoinHandle<()>, Receiver<Vec<Chunk>>) {
        let (send, receive) = tokio::sync::mpsc::channel::<Vec<Chunk>>(2);
        let (chunker, batch) = (self.chunker, self.config.batch);
        let embedder = self.parts.vectors.as_ref().map(|(_, embedder)| embedder.clone());
        let cutting = tokio::task::spawn_blocking(move || {
            let exact = |text: &str| match &embedder {
                Some(embedder) => embedder.count_tokens(text),
                None => crate::chunk::estimate_tokens(text),
            };
            // A tokenizer is slow; words repeat.
            let words = WordCounts::new(&exact);
            let count = |text: &str| words.count(text);
            let mut full = Vec::with_capacity(batch);
            for chunk in chunker.chunks(&document, id, &count) {
                full.push(chunk);
                if full.len() == batch {
                    let ready = std::mem::replace(&mut full, Vec::with_capacity(batch));
                    if send.blocking_send(ready).is_err() {
                        return;
                    }
                }
            }
            let _ = send.blocking_send(full);
        });
        (cutting, receive)
    }

    /// Makes the source's words searchable.
    pub(super) async fn index(&self, work: &Work, id: SourceId) -> Result<Ended> {
        let scope = &work.scope;
        if self.following.is_none() {
            self.add_keywords(scope, id).await?;
            let interval = self.config.commit_interval;
            self.state.committer.commit(&*self.parts.keyword, scope, interval).await?;
        }
        self.finish(work, id, None, |source| self.searchable(source)).await
    }

    /// Notes that a source is found by its words.
    fn searchable(&self, source: &mut Source) {
        source.stage = if self.parts.vectors.is_some() { Stage::Embed } else { Stage::Ready };
        source.keywords_ready = true;
        source.progress = Progress { done: 0, total: u64::from(source.chunks) };
    }

    /// How many of a source's vectors are kept.
    pub(super) async fn count_vectors(&self, scope: &TenantScope, id: SourceId) -> Result<u64> {
        let Some((index, _)) = &self.parts.vectors else { return Ok(0) };
        if self.following.is_some() {
            return self.parts.store.count_embeddings(scope, id, index.space()).await;
        }
        let filter = ChunkFilter { notebook: None, sources: Some(BTreeSet::from([id])) };
        index.count(scope, &filter).await
    }

    /// Keeps vectors of a source: in the store where others share it, else in the index at once.
    async fn keep_vectors(
        &self,
        scope: &TenantScope,
        id: SourceId,
        records: Vec<VectorRecord>,
    ) -> Result<()> {
        let Some((index, _)) = &self.parts.vectors else { return Ok(()) };
        if self.following.is_none() {
            return index.upsert(scope, records).await;
        }
        let vectors = records.into_iter().map(|record| (record.key.ordinal, record.vector));
        self.parts.store.put_embeddings(scope, id, index.space(), vectors.collect()).await
    }

    pub(super) async fn add_keywords(&self, scope: &TenantScope, id: SourceId) -> Result<()> {
        let source = self.parts.store.source(scope, id).await?;
        // A stage that is done again must not leave its words twice.
        self.parts.keyword.delete_source(scope, id).await?;
        let mut from = 0;
        loop {
            let chunks = self.parts.store.chunks(scope, id, from, self.config.batch * 4).await?;
            let Some(last) = chunks.last() else { return Ok(()) };
            from = last.key.ordinal + 1;
            let records = chunks.iter().map(keyword_record);
            self.parts.keyword.add(scope, source.notebook, id, records.collect()).await?;
        }
    }

    /// The embedder through the cache, where there are both.
    pub(super) fn cached(&self, scope: &TenantScope) -> Option<ScopedEmbedder> {
        let (_, embedder) = self.parts.vectors.as_ref()?;
        let cache = self.parts.embedding_cache.as_ref()?;
        let embedder = Arc::new(embedder.for_scope(Some(scope), Purpose::Source));
        Some(CachingEmbedder::new(embedder, cache.clone()).for_scope(scope))
    }

    /// Embeds the chunks that have no vector yet.
    pub(super) async fn embed(&self, work: &Work, id: SourceId) -> Result<Ended> {
        let scope = &work.scope;
        let Some((_, embedder)) = &self.parts.vectors else {
            return self.finish(work, id, None, |source| source.stage = Stage::Ready).await;
        };
        let embedder: Arc<dyn Embedder> = match self.cached(scope) {
            Some(cached) => Arc::new(cached),
            None => Arc::new(embedder.for_scope(Some(scope), Purpose::Source)),
        };
        let source = self.parts.store.source(scope, id).await?;
        // Batches are stored whole and in order, so their number tells where to go on.
        let mut from = u32::try_from(self.count_vectors(scope, id).await?).unwrap_or(u32::MAX);
        loop {
            let chunks = self.parts.store.chunks(scope, id, from, self.config.batch).await?;
            let Some(last) = chunks.last() else { break };
            from = last.key.ordinal + 1;
            let records = vector_records(&*embedder, source.notebook, &chunks).await?;
            self.keep_vectors(scope, id, records).await?;
            let source = self
                .advance(scope, id, |source| {
                    source.progress =
                        Progress { done: u64::from(from), total: u64::from(source.chunks) };
                })
                .await?;
            work.progress(source.progress);
        }
        let embedded = |source: &mut Source| {
            source.stage = Stage::Ready;
            source.vectors_ready = true;
        };
        self.finish(work, id, None, embedded).await
    }
}

/// Why a source could not be read, for its row.
pub(super) fn unreadable(id: SourceId, failure: ParseFailure) -> Error {
    info!(source = %id, code = failure.code.as_str(), detail = failure.detail, "parsing failed");
    Error::new(ErrorKind::InvalidInput, "parse source")
        .with("code", failure.code.as_str())
        .with("message", failure.message)
}

/// A text to be cut.
struct Read {
    document: Arc<Document>,
    /// What it was recognised as, when it is not stored yet.
    new: Option<SourceKind>,
}

impl Read {
    /// Notes of a new text what there is to know about it.
    fn describe(&self, source: &mut Source) {
        let (Some(kind), document) = (self.new, &*self.document) else { return };
        source.kind = kind;
        source.title.clone_from(&document.title);
        if let (Some(origin), Some(title)) = (&source.origin, &document.title)
            && source.name == link_name(&origin.url)
        {
            source.name.clone_from(title);
        }
        source.pages = document.pages.last().map(|page| page.number);
        source.text_bytes = document.text.len() as u64;
        source.notes = document.flags.iter().map(ToString::to_string).collect();
    }
}
