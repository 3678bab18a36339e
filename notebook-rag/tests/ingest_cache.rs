//! The embedding cache in the pipeline: a text is embedded once, and forgotten with its source.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use notebook_core::{
    Result, SourceId, TenantScope,
    cache::memory::MemoryCache,
    clock::SystemClock,
    document::SourceKind,
    embed::{EmbedKind, Embedder, HashingEmbedder},
    keyword::MemoryKeywordIndex,
    model::Stage,
    store::{NotebookStore, SourceStore, conformance::samples, memory::MemoryStore},
    vector::{MemoryVectorIndex, VectorSpace},
};
use notebook_rag::{
    ingest::{Ingest, IngestConfig, IngestParts, IngestWorkers},
    parse::ChildParser,
};
use object_store::memory::InMemory;

/// Counts the texts that reach the model.
#[derive(Default)]
struct Counting {
    inner: HashingEmbedder,
    texts: AtomicUsize,
}

#[async_trait]
impl Embedder for Counting {
    fn space(&self) -> &VectorSpace {
        self.inner.space()
    }

    fn max_tokens(&self) -> usize {
        self.inner.max_tokens()
    }

    async fn embed(&self, kind: EmbedKind, texts: &[String]) -> Result<Vec<Vec<f32>>> {
        self.texts.fetch_add(texts.len(), Ordering::Relaxed);
        self.inner.embed(kind, texts).await
    }

    fn count_tokens(&self, text: &str) -> usize {
        self.inner.count_tokens(text)
    }
}

async fn ready(store: &MemoryStore, scope: &TenantScope, id: SourceId) {
    loop {
        let source = store.source(scope, id).await.unwrap();
        if source.stage == Stage::Ready {
            return;
        }
        assert!(source.stage != Stage::Failed, "{:?}", source.failure);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn b1_a_text_is_embedded_once_and_forgotten_with_its_source() {
    let (scope, store) = (samples::tenant(), Arc::new(MemoryStore::new()));
    let embedder = Arc::new(Counting::default());
    let cache = Arc::new(MemoryCache::new(1 << 20));
    let notebook = store.create_notebook(&scope, samples::notebook()).await.unwrap().id;
    let index = Arc::new(MemoryVectorIndex::new(embedder.space().clone()));
    let parts = IngestParts {
        store: store.clone(),
        blobs: Arc::new(InMemory::new()),
        parser: ChildParser::new(env!("CARGO_BIN_EXE_notebook-parse"), ["none"]),
        keyword: Arc::new(MemoryKeywordIndex::new()),
        vectors: Some((index, embedder.clone())),
        embedding_cache: Some(cache.clone()),
        clock: Arc::new(SystemClock),
    };
    let ingest = Ingest::new(parts, IngestConfig::default()).unwrap();
    let _workers = IngestWorkers::start(&ingest, &scope).await.unwrap();
    let add = async || {
        let bytes = "Herons wait in shallow water.".into();
        let added = ingest.add_bytes(&scope, notebook, "a.txt", SourceKind::Text, bytes).await;
        let id = added.unwrap().id;
        ready(&store, &scope, id).await;
        id
    };
    let (first, second) = (add().await, add().await);
    assert_eq!(embedder.texts.load(Ordering::Relaxed), 1);
    assert!(cache.bytes() > 0);
    ingest.delete(&scope, first).await.unwrap();
    assert_eq!(cache.bytes(), 0);
    ingest.delete(&scope, second).await.unwrap();
    let third = add().await;
    assert_eq!(embedder.texts.load(Ordering::Relaxed), 2);
    ingest.delete(&scope, third).await.unwrap();
}
