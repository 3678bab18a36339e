//! Scenarios of [`TenantStore`](crate::store::TenantStore).

use std::collections::BTreeMap;

use super::{refused, samples::*};
use crate::{
    ErrorKind, TenantScope, conformance::Scenario, model::Source, store::Store, vector::VectorSpace,
};

/// Every scenario of this file.
#[must_use]
pub fn scenarios() -> Vec<Scenario<dyn Store>> {
    crate::scenarios![
        dyn Store;
        t27_an_erased_tenant_leaves_nothing,
    ]
}

async fn furnish(store: &dyn Store, scope: &TenantScope) -> Source {
    let space = VectorSpace { model: "toy".into(), dimensions: 2 };
    store.create_unfinished_notebook(scope, notebook()).await.unwrap();
    let notebook = store.create_notebook(scope, notebook()).await.unwrap();
    let source = source(notebook.id);
    store.create_source(scope, source.clone()).await.unwrap();
    store.put_document(scope, source.id, document(200_000)).await.unwrap();
    let chunks = (0..50).map(|ordinal| chunk(source.id, ordinal)).collect();
    store.put_chunks(scope, source.id, chunks).await.unwrap();
    let vectors = (0..50).map(|ordinal| (ordinal, vec![0.6, 0.8])).collect();
    store.put_embeddings(scope, source.id, &space, vectors).await.unwrap();
    for _ in 0..30 {
        store.create_conversation(scope, conversation(notebook.id)).await.unwrap();
    }
    source
}

/// T27: and takes nothing of another's, though all ids are the same.
pub async fn t27_an_erased_tenant_leaves_nothing(store: &dyn Store) {
    let (gone, kept) = (tenant(), tenant());
    assert_eq!(store.erase(&gone, 10).await.unwrap(), 0);
    assert_eq!(store.remains(&gone).await.unwrap(), BTreeMap::new());
    let source = furnish(store, &gone).await;
    let other = furnish(store, &kept).await;
    let same = Source { notebook: other.notebook, ..source.clone() };
    store.create_source(&kept, same.clone()).await.unwrap();
    let before = store.remains(&kept).await.unwrap();
    for kind in ["notebooks", "sources", "documents", "chunks", "embeddings", "conversations"] {
        assert!(before.get(kind) > Some(&0), "{kind}: {before:?}");
    }
    let mut removed = 0;
    loop {
        match store.erase(&gone, 7).await.unwrap() {
            0 => break,
            some => removed += some,
        }
    }
    assert!(removed > 130, "{removed}");
    assert_eq!(store.remains(&gone).await.unwrap(), BTreeMap::new());
    refused(store.notebook(&gone, source.notebook).await, ErrorKind::NotFound);
    refused(store.document(&gone, source.id).await, ErrorKind::NotFound);
    assert!(store.unfinished_notebooks(&gone).await.unwrap().is_empty());
    assert_eq!(store.remains(&kept).await.unwrap(), before);
    assert_eq!(store.source(&kept, same.id).await.unwrap(), same);
}
