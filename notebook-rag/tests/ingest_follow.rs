//! Indexes of several processes that follow one store.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{collections::BTreeSet, path::Path, sync::Arc, time::Duration};

use notebook_core::{
    NotebookId, SourceId, TenantScope,
    clock::SystemClock,
    document::SourceKind,
    embed::{EmbedKind, Embedder, HashingEmbedder, layers::EmbedStack},
    keyword::{KeywordIndex, MemoryKeywordIndex},
    pubsub::{MemoryPubSub, PubSub},
    queue::{
        JobState, Queue, QueuePolicy,
        memory::MemoryQueue,
        outbox::MemoryOutbox,
        runner::{Runner, RunnerConfig},
    },
    store::{NotebookStore, SourceStore, conformance::samples, memory::MemoryStore},
    vector::{ChunkFilter, MemoryVectorIndex, VectorIndex},
};
use notebook_rag::{
    ingest::{Ingest, IngestConfig, IngestParts, Receipt, Shared, SourceEvent, Watched},
    parse::ChildParser,
};
use object_store::memory::InMemory;
use tokio::sync::Notify;

/// What all processes share.
struct House {
    scope: TenantScope,
    store: Arc<MemoryStore>,
    queue: Arc<MemoryQueue>,
    pubsub: Arc<MemoryPubSub>,
    blobs: Arc<InMemory>,
    bell: Arc<Notify>,
    notebook: NotebookId,
}

/// One process, with indexes that outlive it.
struct Process {
    ingest: Ingest,
    keyword: Arc<MemoryKeywordIndex>,
    vectors: Arc<MemoryVectorIndex>,
}

impl House {
    async fn new() -> Self {
        let (scope, store) = (samples::tenant(), Arc::new(MemoryStore::new()));
        let notebook = store.create_notebook(&scope, samples::notebook()).await.unwrap().id;
        Self {
            scope,
            store,
            queue: Arc::new(MemoryQueue::new(Arc::new(SystemClock), QueuePolicy::default())),
            pubsub: Arc::default(),
            blobs: Arc::default(),
            bell: Arc::default(),
            notebook,
        }
    }

    fn process(&self, folder: &Path) -> Process {
        let space = HashingEmbedder::new().space().clone();
        self.open(folder, Arc::default(), Arc::new(MemoryVectorIndex::new(space)))
    }

    fn open(
        &self,
        folder: &Path,
        keyword: Arc<MemoryKeywordIndex>,
        vectors: Arc<MemoryVectorIndex>,
    ) -> Process {
        let pubsub: Arc<dyn PubSub> = self.pubsub.clone();
        let parts = IngestParts {
            store: self.store.clone(),
            outbox: Arc::new(MemoryOutbox::new(self.store.clone(), self.queue.clone())),
            queue: self.queue.clone(),
            bell: self.bell.clone(),
            blobs: self.blobs.clone(),
            parser: ChildParser::new(env!("CARGO_BIN_EXE_notebook-parse"), ["none"]),
            transcriber: None,
            web: None,
            keyword: keyword.clone(),
            vectors: Some((vectors.clone(), EmbedStack::new(Arc::new(HashingEmbedder::new())))),
            shared: Some(Shared { pubsub, known: folder.join("known") }),
            embedding_cache: None,
            clock: Arc::new(SystemClock),
        };
        let ingest = Ingest::new(parts, IngestConfig::default()).unwrap();
        Process { ingest, keyword, vectors }
    }

    async fn add(&self, process: &Process, text: &str) -> SourceId {
        let bytes = text.to_owned().into();
        let added =
            process.ingest.add_bytes(&self.scope, self.notebook, "a.txt", SourceKind::Text, bytes);
        added.await.unwrap().id
    }

    /// How many chunks of a source the process finds by words, and by meaning.
    async fn held(&self, process: &Process, id: SourceId) -> (u64, u64) {
        let filter = ChunkFilter { notebook: None, sources: Some(BTreeSet::from([id])) };
        let words = process.keyword.count(&self.scope, &filter).await.unwrap();
        (words, process.vectors.count(&self.scope, &filter).await.unwrap())
    }

    async fn until_held(&self, process: &Process, id: SourceId, expected: (u64, u64)) {
        let wait = async {
            while self.held(process, id).await != expected {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(20), wait).await;
        assert!(waited.is_ok(), "{:?} instead of {expected:?}", self.held(process, id).await);
    }
}

impl Process {
    fn follow(&self, scope: &TenantScope) -> tokio_util::task::AbortOnDropHandle<()> {
        let (ingest, scope) = (self.ingest.clone(), scope.clone());
        let follow = async move { ingest.follow(&scope).await };
        tokio_util::task::AbortOnDropHandle::new(tokio::spawn(follow))
    }
}

/// I7, A5, A6: what one process reads, another finds; what it deletes, another forgets, even one that was away.
#[tokio::test]
async fn i7_indexes_follow_the_store() {
    let house = House::new().await;
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let worker = house.process(folders[0].path());
    let server = house.process(folders[1].path());
    let config = RunnerConfig { slots: worker.ingest.slots(), ..RunnerConfig::default() };
    let (queue, bell) = (house.queue.clone(), house.bell.clone());
    let _runner = Runner::start(queue, worker.ingest.handlers(), bell, config).unwrap();
    let following = [worker.follow(&house.scope), server.follow(&house.scope)];
    tokio::task::yield_now().await;
    let mut watch = server.ingest.events().watch(&house.scope, house.notebook);

    let first = house.add(&worker, "Herons wait in shallow water.").await;
    for process in [&worker, &server] {
        house.until_held(process, first, (1, 1)).await;
    }
    let filter = ChunkFilter::notebook(house.notebook);
    let hits = server.keyword.search(&house.scope, "heron water", 5, &filter).await.unwrap();
    assert_eq!(hits[0].key.source, first);
    let text = ["Herons wait in shallow water.".to_owned()];
    let question = HashingEmbedder::new().embed(EmbedKind::Query, &text).await.unwrap();
    let hits = server.vectors.search(&house.scope, &question[0], 5, &filter).await.unwrap();
    assert!(hits[0].score > 0.9, "the very vector that the worker made: {hits:?}");
    // Those who watch at the server see what the worker does.
    let seen = tokio::time::timeout(Duration::from_secs(10), async {
        loop {
            match watch.next().await.unwrap() {
                Watched::Event(SourceEvent::Changed(source)) if source.vectors_ready => return,
                _ => {}
            }
        }
    });
    seen.await.unwrap();

    // The server is away while one is deleted and another comes.
    let [_worker_follows, server_follows] = following;
    drop(server_follows);
    let (keyword, vectors) = (server.keyword.clone(), server.vectors.clone());
    drop(server);
    let second = house.add(&worker, "The pond is still at dawn.").await;
    house.until_held(&worker, second, (1, 1)).await;
    let job = worker.ingest.delete(&house.scope, first).await.unwrap();
    let receipt: Receipt = loop {
        let job = house.queue.job(&house.scope, job).await.unwrap();
        if job.state == JobState::Completed {
            break serde_json::from_value(job.result.unwrap()).unwrap();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert_eq!((receipt.chunks, receipt.keywords, receipt.vectors), (1, 1, 1));
    house.until_held(&worker, first, (0, 0)).await;
    let server = house.open(folders[1].path(), keyword, vectors);
    assert_eq!(house.held(&server, first).await, (1, 1), "it cannot know yet");
    server.ingest.catch_up_all(&house.scope).await.unwrap();
    assert_eq!(house.held(&server, first).await, (0, 0));
    assert_eq!(house.held(&server, second).await, (1, 1));
    // With nothing to do nothing is done; a lost index is made anew from the store.
    server.ingest.catch_up_all(&house.scope).await.unwrap();
    let anew = house.process(folders[1].path());
    anew.ingest.catch_up_all(&house.scope).await.unwrap();
    assert_eq!(house.held(&anew, second).await, (1, 1));
    assert!(house.store.source(&house.scope, second).await.unwrap().vectors_ready);
}
