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
    embed::{EmbedKind, Embedder, HashingEmbedder, layers::EmbedStack},
    keyword::MemoryKeywordIndex,
    model::Stage,
    queue::{
        JobId, JobState, Queue, QueuePolicy,
        memory::MemoryQueue,
        outbox::MemoryOutbox,
        runner::{Runner, RunnerConfig},
    },
    store::{NotebookStore, SourceStore, conformance::samples, memory::MemoryStore},
    vector::{MemoryVectorIndex, VectorSpace},
};
use notebook_rag::{
    ingest::{Ingest, IngestConfig, IngestParts, Receipt},
    parse::ChildParser,
};
use object_store::memory::InMemory;
use tokio::sync::Notify;

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

/// A6: what a deletion's job ends with.
async fn receipt(queue: &dyn Queue, scope: &TenantScope, id: JobId) -> Receipt {
    loop {
        let job = queue.job(scope, id).await.unwrap();
        if job.state == JobState::Completed {
            return serde_json::from_value(job.result.unwrap()).unwrap();
        }
        assert!(!job.state.is_final(), "{job:?}");
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
    let queue = Arc::new(MemoryQueue::new(Arc::new(SystemClock), QueuePolicy::default()));
    let bell = Arc::new(Notify::new());
    let parts = IngestParts {
        store: store.clone(),
        outbox: Arc::new(MemoryOutbox::new(store.clone(), queue.clone())),
        queue: queue.clone(),
        bell: bell.clone(),
        blobs: Arc::new(InMemory::new()),
        parser: ChildParser::new(env!("CARGO_BIN_EXE_notebook-parse"), ["none"]),
        transcriber: None,
        web: None,
        keyword: Arc::new(MemoryKeywordIndex::new()),
        vectors: Some((index, EmbedStack::new(embedder.clone()))),
        shared: None,
        embedding_cache: Some(cache.clone()),
        clock: Arc::new(SystemClock),
    };
    let ingest = Ingest::new(parts, IngestConfig::default()).unwrap();
    let config = RunnerConfig { slots: ingest.slots(), ..RunnerConfig::default() };
    let _runner = Runner::start(queue.clone(), ingest.handlers(), bell, config).unwrap();
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
    let delete = async |source| {
        let job = ingest.delete(&scope, source).await.unwrap();
        receipt(&*queue, &scope, job).await
    };
    let received = delete(first).await;
    assert_eq!((received.source, received.chunks), (first, 1));
    assert_eq!((received.keywords, received.vectors, received.left), (1, 1, Vec::new()));
    assert_eq!(cache.bytes(), 0);
    delete(second).await;
    let third = add().await;
    assert_eq!(embedder.texts.load(Ordering::Relaxed), 2);
    delete(third).await;
}
