use notebook_core::{
    clock::SystemClock,
    keyword::MemoryKeywordIndex,
    queue::{QueuePolicy, memory::MemoryQueue, outbox::MemoryOutbox},
    store::{NotebookStore as _, SourceStore as _, conformance::samples, memory::MemoryStore},
};
use object_store::memory::InMemory;
use tokio::sync::Notify;

use super::*;
use crate::{
    ingest::{IngestConfig, IngestParts},
    parse::ChildParser,
};

fn importer(store: &Arc<MemoryStore>) -> Importer {
    let queue = Arc::new(MemoryQueue::new(Arc::new(SystemClock), QueuePolicy::default()));
    let blobs: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let parts = IngestParts {
        store: store.clone(),
        outbox: Arc::new(MemoryOutbox::new(store.clone(), queue.clone())),
        queue,
        bell: Arc::new(Notify::new()),
        blobs: blobs.clone(),
        parser: ChildParser::new("unused", ["unused"]),
        transcriber: None,
        web: None,
        keyword: Arc::new(MemoryKeywordIndex::new()),
        vectors: None,
        shared: None,
        embedding_cache: None,
        clock: Arc::new(SystemClock),
    };
    Importer {
        parts: ArchiveParts { store: store.clone(), log: store.clone(), blobs },
        ingest: Ingest::new(parts, IngestConfig::default()).unwrap(),
        limits: Limits::default(),
    }
}

/// A7: an import that ended between an original and the row of its source leaves neither; what is not its own stays.
#[tokio::test]
async fn a7_a_discarded_import_leaves_no_original() {
    let (scope, store, job) = (samples::tenant(), Arc::new(MemoryStore::new()), JobId::new());
    let importer = importer(&store);
    let blobs = &importer.parts.blobs;
    let mut ids = NewIds::new(job);
    let hidden = Notebook { id: ids.notebook(), ..samples::notebook() };
    store.create_unfinished_notebook(&scope, hidden).await.unwrap();
    let [stored, begun] = [ids.source(SourceId::new()), ids.source(SourceId::new())];
    let other =
        samples::source(store.create_notebook(&scope, samples::notebook()).await.unwrap().id);
    let key = |id: SourceId| format!("{}/{id}", scope.tenant());
    let row = Source { id: stored, blob: Some(key(stored)), ..samples::source(ids.notebook()) };
    store.create_source(&scope, row).await.unwrap();
    let keys =
        [key(stored), key(begun), key(other.id), format!("{}/imports/{job}", scope.tenant())];
    for key in &keys {
        blobs.put(&BlobPath::from(key.as_str()), "x".into()).await.unwrap();
    }
    // Another job's import is not this one's.
    importer.discard(&scope, JobId::new()).await.unwrap();
    let there = async || {
        let mut there = Vec::new();
        for key in &keys {
            there.push(blobs.head(&BlobPath::from(key.as_str())).await.is_ok());
        }
        there
    };
    assert_eq!(there().await, [true, true, true, true]);
    importer.discard(&scope, job).await.unwrap();
    assert_eq!(there().await, [false, false, true, true]);
    assert!(store.source(&scope, stored).await.is_err());
    assert!(store.unfinished_notebooks(&scope).await.unwrap().is_empty());
}
