//! The work of each stage. Each stores its result before the source moves on.

use futures::TryStreamExt;
use notebook_core::{
    Error, ErrorKind, Result, SourceId, TenantScope,
    document::Document,
    embed::{CachingEmbedder, Embedder, ScopedEmbedder},
    model::{Chunk, Progress, Source, Stage},
    queue::runner::Work,
    vector::ChunkFilter,
};
use object_store::{GetResultPayload, ObjectStoreExt, path::Path as BlobPath};
use std::{collections::BTreeSet, io::Write as _, sync::Arc};

use super::{Inner, blob_error};
use crate::{
    chunk::{WordCounts, keyword_record, vector_records},
    parse::Parsed,
};

impl Inner {
    /// Parse, unless the text is stored already, then chunk.
    pub(super) async fn parse_and_chunk(&self, work: &Work, id: SourceId) -> Result<Source> {
        let scope = &work.scope;
        // Held until the text is stored: as many documents are in memory as there are parsers.
        let _parser = self.parsers.acquire().await.map_err(|error| {
            Error::new(ErrorKind::Internal, "wait for a parser").caused_by(error)
        })?;
        let source = self.parts.store.source(scope, id).await?;
        let document = if source.stage == Stage::Chunk {
            self.parts.store.document(scope, id).await?
        } else {
            self.parse(scope, id).await?
        };
        let chunks = self.chunk(scope, id, document).await?;
        self.advance(scope, id, |source| {
            source.stage = Stage::Index;
            source.chunks = chunks;
            source.progress = Progress { done: 0, total: u64::from(chunks) };
        })
        .await
    }

    async fn parse(&self, scope: &TenantScope, id: SourceId) -> Result<Document> {
        let source = self.advance(scope, id, |source| source.stage = Stage::Parse).await?;
        let file = self.original(&source).await?;
        let parsed = self.parts.parser.parse_detected(file, &source.name, None).await;
        let Parsed { kind, document } = parsed.map_err(|failure| {
            tracing::info!(source = %id, code = failure.code.as_str(), detail = failure.detail, "parsing failed");
            Error::new(ErrorKind::InvalidInput, "parse source")
                .with("code", failure.code.as_str())
                .with("message", failure.message)
        })?;
        self.parts.store.put_document(scope, id, document.clone()).await?;
        self.advance(scope, id, |source| {
            source.stage = Stage::Chunk;
            source.kind = kind;
            source.title.clone_from(&document.title);
            source.pages = document.pages.last().map(|page| page.number);
            source.text_bytes = document.text.len() as u64;
            source.notes = document.flags.iter().map(ToString::to_string).collect();
        })
        .await?;
        Ok(document)
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

    /// Cuts the document on a thread of its own and stores the chunks in batches.
    async fn chunk(&self, scope: &TenantScope, id: SourceId, document: Document) -> Result<u32> {
        let (send, mut receive) = tokio::sync::mpsc::channel::<Vec<Chunk>>(2);
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
        let mut total = 0;
        while let Some(chunks) = receive.recv().await {
            total += chunks.len() as u32;
            self.parts.store.put_chunks(scope, id, chunks).await?;
        }
        cutting
            .await
            .map_err(|error| Error::new(ErrorKind::Internal, "chunk source").caused_by(error))?;
        Ok(total)
    }

    /// Makes the source's words searchable.
    pub(super) async fn index(&self, scope: &TenantScope, id: SourceId) -> Result<Source> {
        self.add_keywords(scope, id).await?;
        let interval = self.config.commit_interval;
        self.state.committer.commit(&*self.parts.keyword, scope, interval).await?;
        let next = if self.parts.vectors.is_some() { Stage::Embed } else { Stage::Ready };
        self.advance(scope, id, |source| {
            source.stage = next;
            source.keywords_ready = true;
            source.progress = Progress { done: 0, total: u64::from(source.chunks) };
        })
        .await
    }

    async fn add_keywords(&self, scope: &TenantScope, id: SourceId) -> Result<()> {
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
        Some(CachingEmbedder::new(embedder.clone(), cache.clone()).for_scope(scope))
    }

    /// Embeds the chunks that have no vector yet.
    pub(super) async fn embed(&self, work: &Work, id: SourceId) -> Result<Source> {
        let scope = &work.scope;
        let Some((index, embedder)) = &self.parts.vectors else {
            return self.advance(scope, id, |source| source.stage = Stage::Ready).await;
        };
        let embedder: Arc<dyn Embedder> = match self.cached(scope) {
            Some(cached) => Arc::new(cached),
            None => embedder.clone(),
        };
        let source = self.parts.store.source(scope, id).await?;
        let filter =
            ChunkFilter { notebook: Some(source.notebook), sources: Some(BTreeSet::from([id])) };
        // Batches are stored whole and in order, so their number tells where to go on.
        let mut from = u32::try_from(index.count(scope, &filter).await?).unwrap_or(u32::MAX);
        loop {
            let chunks = self.parts.store.chunks(scope, id, from, self.config.batch).await?;
            let Some(last) = chunks.last() else { break };
            from = last.key.ordinal + 1;
            let records = vector_records(&*embedder, source.notebook, &chunks).await?;
            index.upsert(scope, records).await?;
            let source = self
                .advance(scope, id, |source| {
                    source.progress =
                        Progress { done: u64::from(from), total: u64::from(source.chunks) };
                })
                .await?;
            work.progress(source.progress);
        }
        self.advance(scope, id, |source| {
            source.stage = Stage::Ready;
            source.vectors_ready = true;
        })
        .await
    }
}
