use async_trait::async_trait;

use super::{MemoryStore, Tenant};
use crate::{
    Error, ErrorKind, NotebookId, Result, SourceId, TenantScope,
    document::{Document, Span},
    model::{Chunk, ChunkKey, Source},
    queue::{NewJob, outbox::SourceChange},
    store::{IndexedSource, Layout, SourceStore, rules},
    webhook::{Event, EventType},
};

impl Tenant {
    /// Stores a change of a source, and gives the jobs that tell of it.
    fn update_source(&mut self, operation: &'static str, source: Source) -> Result<Vec<NewJob>> {
        let stored = self.source(operation, source.id)?;
        let before = stored.stage;
        let source = rules::updated_source(operation, stored, source)?;
        self.sources.insert(source.id, source.clone());
        Ok(match EventType::of_stage(source.stage) {
            Some(kind) if source.stage != before => {
                self.tell(kind, || Event::of_source(kind, &source))
            }
            _ => Vec::new(),
        })
    }

    fn put_document(&mut self, id: SourceId, document: Document) {
        self.remove_text_of(id);
        self.documents.insert(id, document);
    }

    fn put_chunks(&mut self, chunks: Vec<Chunk>) {
        self.chunks.extend(chunks.into_iter().map(|chunk| (chunk.key, chunk)));
    }
}

impl MemoryStore {
    /// Stores what a stage made, all or nothing, and gives the jobs that tell of it.
    pub(crate) fn apply(&self, scope: &TenantScope, made: SourceChange) -> Result<Vec<NewJob>> {
        let SourceChange { source, text } = made;
        self.with(scope, |tenant| {
            let id = source.id;
            let jobs = tenant.update_source("store stage", source)?;
            if let Some((document, chunks)) = text {
                tenant.put_document(id, document);
                tenant.put_chunks(chunks);
            }
            Ok(jobs)
        })
    }

    /// See [`SourceStore::delete_source`].
    pub(crate) fn remove(&self, scope: &TenantScope, id: SourceId) -> Result<()> {
        self.with(scope, |tenant| {
            tenant.source("delete source", id)?;
            tenant.sources.remove(&id);
            tenant.remove_text_of(id);
            Ok(())
        })
    }
}

#[async_trait]
impl SourceStore for MemoryStore {
    async fn create_source(&self, scope: &TenantScope, source: Source) -> Result<()> {
        self.with(scope, |tenant| {
            tenant.notebook("create source", source.notebook)?;
            if tenant.sources.contains_key(&source.id) {
                return Err(Error::new(ErrorKind::AlreadyExists, "create source"));
            }
            tenant.sources.insert(source.id, source);
            Ok(())
        })
    }

    async fn source(&self, scope: &TenantScope, id: SourceId) -> Result<Source> {
        self.with(scope, |tenant| tenant.source("read source", id).cloned())
    }

    async fn sources(&self, scope: &TenantScope, notebook: NotebookId) -> Result<Vec<Source>> {
        self.with(scope, |tenant| {
            tenant.notebook("list sources", notebook)?;
            Ok(tenant.sources.values().filter(|s| s.notebook == notebook).cloned().collect())
        })
    }

    async fn unfinished_sources(&self, scope: &TenantScope) -> Result<Vec<Source>> {
        Ok(self.with(scope, |tenant| {
            tenant.sources.values().filter(|s| s.stage.is_unfinished()).cloned().collect()
        }))
    }

    async fn indexed_sources(&self, scope: &TenantScope) -> Result<Vec<IndexedSource>> {
        let indexed = |source: &Source| IndexedSource {
            id: source.id,
            notebook: source.notebook,
            chunks: source.chunks,
            vectors: source.vectors_ready,
        };
        Ok(self.with(scope, |tenant| {
            tenant.sources.values().filter(|s| rules::is_indexed(s)).map(indexed).collect()
        }))
    }

    async fn update_source(&self, scope: &TenantScope, source: Source) -> Result<()> {
        let jobs = self.with(scope, |tenant| tenant.update_source("update source", source))?;
        self.enqueue(scope, jobs);
        Ok(())
    }

    async fn delete_source(&self, scope: &TenantScope, id: SourceId) -> Result<()> {
        self.remove(scope, id)
    }

    async fn put_document(
        &self,
        scope: &TenantScope,
        id: SourceId,
        document: Document,
    ) -> Result<()> {
        self.with(scope, |tenant| {
            tenant.source("store document", id)?;
            tenant.put_document(id, document);
            Ok(())
        })
    }

    async fn document(&self, scope: &TenantScope, id: SourceId) -> Result<Document> {
        self.with(scope, |tenant| tenant.document("read document", id).cloned())
    }

    async fn layout(&self, scope: &TenantScope, id: SourceId) -> Result<Layout> {
        self.with(scope, |tenant| tenant.document("read layout", id).map(Layout::of))
    }

    async fn text(&self, scope: &TenantScope, id: SourceId, span: Span) -> Result<String> {
        self.with(scope, |tenant| {
            let text = &tenant.document("read text", id)?.text;
            rules::check_span("read text", span, text.len())?;
            let found = text.get(span.start..span.end);
            found
                .map(str::to_owned)
                .ok_or_else(|| rules::invalid_span("read text", span, text.len()))
        })
    }

    async fn put_chunks(
        &self,
        scope: &TenantScope,
        id: SourceId,
        chunks: Vec<Chunk>,
    ) -> Result<()> {
        rules::check_chunks("store chunks", id, &chunks)?;
        self.with(scope, |tenant| {
            tenant.source("store chunks", id)?;
            tenant.put_chunks(chunks);
            Ok(())
        })
    }

    async fn chunks(
        &self,
        scope: &TenantScope,
        id: SourceId,
        from: u32,
        limit: usize,
    ) -> Result<Vec<Chunk>> {
        let range =
            ChunkKey { source: id, ordinal: from }..=ChunkKey { source: id, ordinal: u32::MAX };
        self.with(scope, |tenant| {
            tenant.source("list chunks", id)?;
            Ok(tenant.chunks.range(range).take(limit).map(|(_, chunk)| chunk.clone()).collect())
        })
    }

    async fn chunks_by_key(&self, scope: &TenantScope, keys: &[ChunkKey]) -> Result<Vec<Chunk>> {
        Ok(self.with(scope, |tenant| {
            keys.iter()
                .filter(|key| {
                    tenant.sources.get(&key.source).is_some_and(|s| rules::is_visible(s.stage))
                })
                .filter_map(|key| tenant.chunks.get(key).cloned())
                .collect()
        }))
    }
}
