use std::sync::Arc;

use bytes::Bytes;
use notebook_core::{
    clock::{ManualClock, SystemClock},
    keyword::MemoryKeywordIndex,
    queue::{QueuePolicy, memory::MemoryQueue, outbox::MemoryOutbox},
    store::{NotebookStore as _, conformance::samples, memory::MemoryStore},
};
use notebook_rag::{
    ingest::{IngestConfig, IngestParts},
    parse::ChildParser,
};
use object_store::{ObjectStore, ObjectStoreExt as _, memory::InMemory};
use tokio::sync::Notify;

use super::*;

/// Exports with everything in memory.
pub(crate) fn in_memory(store: &Arc<MemoryStore>, clock: Arc<dyn Clock>) -> Exports {
    let queue = Arc::new(MemoryQueue::new(clock.clone(), QueuePolicy::default()));
    let blobs: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let parts = IngestParts {
        store: store.clone(),
        outbox: Arc::new(MemoryOutbox::new(store.clone(), queue.clone())),
        queue: queue.clone(),
        bell: Arc::new(Notify::new()),
        blobs: blobs.clone(),
        parser: ChildParser::new("unused", ["unused"]),
        transcriber: None,
        web: None,
        keyword: Arc::new(MemoryKeywordIndex::new()),
        vectors: None,
        shared: None,
        embedding_cache: None,
        clock: clock.clone(),
    };
    Exports {
        parts: ArchiveParts { store: store.clone(), log: store.clone(), blobs },
        ingest: Ingest::new(parts, IngestConfig::default()).unwrap(),
        queue,
        clock,
        spool: std::env::temp_dir(),
        keep: Duration::from_secs(7 * 86_400),
        limits: Limits::default(),
    }
}

/// F2, Y14: files are removed after their time, uploads and what is left of imports when no job goes on with them.
#[tokio::test]
async fn f2_files_and_leftovers_are_removed() {
    let (scope, store) = (samples::tenant(), Arc::new(MemoryStore::new()));
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let exports = in_memory(&store, clock.clone());
    let blobs = exports.parts.blobs.clone();
    let payload = ImportPayload { name: "a.zip".into(), bytes: 1, sha256: "x".into() };
    let waiting = import_job(&payload);
    exports.queue.insert(&scope, vec![waiting.clone()]).await.unwrap();
    let lost = notebook_core::JobId::new();
    let keys = [
        export_key(&scope, lost),
        import_key(&scope, lost),
        import_key(&scope, waiting.id),
        format!("{}/original", scope.tenant()),
    ];
    for key in &keys {
        blobs.put(&key.as_str().into(), Bytes::from_static(b"x").into()).await.unwrap();
    }
    for id in [lost, waiting.id] {
        let id = NotebookId::from_u128(id.as_u128());
        let hidden = notebook_core::model::Notebook { id, ..samples::notebook() };
        store.create_unfinished_notebook(&scope, hidden).await.unwrap();
    }
    let first = exports.expire(&scope, clock.now()).await.unwrap();
    assert_eq!(first, Removed { files: 0, imports: 1 });
    clock.advance(Duration::from_secs(8 * 86_400));
    let second = exports.expire(&scope, clock.now()).await.unwrap();
    assert_eq!(second, Removed { files: 2, imports: 0 });
    for (key, there) in keys.iter().zip([false, false, true, true]) {
        assert_eq!(blobs.head(&key.as_str().into()).await.is_ok(), there, "{key}");
    }
    let hidden = store.unfinished_notebooks(&scope).await.unwrap();
    assert_eq!(hidden, [NotebookId::from_u128(waiting.id.as_u128())]);
}

/// The same request has the same key while its job has not ended, another request another.
#[test]
fn f2_the_same_export_is_one_job() {
    let conversation = ConversationId::new();
    let of = |format, through| What::Conversation { conversation, format, through };
    let key = |what| export_job(what).unique_key.unwrap();
    let message = MessageId::new();
    let keys = [
        key(of(Format::Markdown, None)),
        key(of(Format::Pdf, None)),
        key(of(Format::Pdf, Some(message))),
        key(What::Notebook { notebook: NotebookId::new() }),
    ];
    let different: std::collections::BTreeSet<_> = keys.iter().collect();
    assert_eq!(different.len(), 4);
    assert_eq!(keys[1], key(of(Format::Pdf, None)));
}
