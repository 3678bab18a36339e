//! Scenarios of [`SourceStore`](crate::store::SourceStore).

use super::{refused, same_not_found, samples::*};
use crate::{
    ErrorKind, NotebookId, SourceId, TenantScope,
    conformance::Scenario,
    document::{Document, SourceKind, Span},
    model::{ChunkKey, Progress, Source, Stage},
    store::{IndexedSource, Layout, Store},
    vector::VectorSpace,
};

/// Every scenario of this file.
#[must_use]
pub fn scenarios() -> Vec<Scenario<dyn Store>> {
    crate::scenarios![
        dyn Store;
        source_reads_back_as_written,
        a_source_needs_its_notebook,
        a_source_id_is_used_once,
        another_tenants_source_is_absent,
        the_same_source_id_in_two_tenants_is_two_sources,
        sources_are_listed_oldest_first,
        unfinished_sources_are_found,
        updating_a_source_keeps_its_place_and_text,
        sources_that_an_index_holds_are_listed,
        vectors_read_back_as_written_and_go_with_their_chunks,
        a_document_reads_back_as_written,
        a_document_replaces_the_one_before_and_its_chunks,
        text_is_read_at_every_character_boundary,
        text_of_a_long_document_is_read_in_parts,
        spans_outside_the_text_are_refused,
        an_empty_document_has_an_empty_text,
        chunks_are_read_in_order,
        chunks_replace_those_with_their_keys,
        chunks_of_another_source_are_refused,
        chunks_by_key_come_in_the_order_of_the_keys,
        a_source_being_deleted_is_invisible_to_retrieval,
        deleting_a_source_takes_text_and_chunks,
    ]
}

async fn new_source(store: &dyn Store, scope: &TenantScope) -> Source {
    let notebook = store.create_notebook(scope, notebook()).await.unwrap();
    let source = source(notebook.id);
    store.create_source(scope, source.clone()).await.unwrap();
    source
}

pub async fn source_reads_back_as_written(store: &dyn Store) {
    let scope = tenant();
    let full = new_source(store, &scope).await;
    assert_eq!(store.source(&scope, full.id).await.unwrap(), full);
    let bare = Source {
        id: SourceId::new(),
        name: String::new(),
        kind: SourceKind::Text,
        bytes: 0,
        blob: None,
        progress: Progress::default(),
        failure: None,
        title: None,
        pages: None,
        text_bytes: 0,
        chunks: 0,
        notes: Vec::new(),
        ..full
    };
    store.create_source(&scope, bare.clone()).await.unwrap();
    assert_eq!(store.source(&scope, bare.id).await.unwrap(), bare);
}

pub async fn a_source_needs_its_notebook(store: &dyn Store) {
    let (owner, other) = (tenant(), tenant());
    let theirs = store.create_notebook(&owner, notebook()).await.unwrap();
    same_not_found(
        store.create_source(&other, source(theirs.id)).await,
        store.create_source(&other, source(NotebookId::new())).await,
    );
    assert_eq!(store.sources(&owner, theirs.id).await.unwrap(), []);
    refused(store.sources(&owner, NotebookId::new()).await, ErrorKind::NotFound);
}

pub async fn a_source_id_is_used_once(store: &dyn Store) {
    let scope = tenant();
    let first = new_source(store, &scope).await;
    let second = Source { name: "Other".into(), ..first.clone() };
    refused(store.create_source(&scope, second).await, ErrorKind::AlreadyExists);
    assert_eq!(store.source(&scope, first.id).await.unwrap(), first);
}

pub async fn another_tenants_source_is_absent(store: &dyn Store) {
    let (owner, other) = (tenant(), tenant());
    let theirs = new_source(store, &owner).await;
    let mine = new_source(store, &other).await;
    store.put_document(&owner, theirs.id, document(200)).await.unwrap();
    store.put_chunks(&owner, theirs.id, vec![chunk(theirs.id, 0)]).await.unwrap();
    let (theirs_id, absent) = (theirs.id, SourceId::new());
    let span = Span { start: 0, end: 3 };
    same_not_found(store.source(&other, theirs_id).await, store.source(&other, absent).await);
    same_not_found(
        store.update_source(&other, theirs.clone()).await,
        store.update_source(&other, Source { id: absent, ..theirs.clone() }).await,
    );
    same_not_found(
        store.delete_source(&other, theirs_id).await,
        store.delete_source(&other, absent).await,
    );
    same_not_found(
        store.put_document(&other, theirs_id, document(10)).await,
        store.put_document(&other, absent, document(10)).await,
    );
    same_not_found(store.document(&other, theirs_id).await, store.document(&other, absent).await);
    same_not_found(store.layout(&other, theirs_id).await, store.layout(&other, absent).await);
    same_not_found(
        store.text(&other, theirs_id, span).await,
        store.text(&other, absent, span).await,
    );
    same_not_found(
        store.put_chunks(&other, theirs_id, vec![chunk(theirs_id, 1)]).await,
        store.put_chunks(&other, absent, vec![chunk(absent, 1)]).await,
    );
    same_not_found(
        store.chunks(&other, theirs_id, 0, 10).await,
        store.chunks(&other, absent, 0, 10).await,
    );
    let keys = [chunk(theirs_id, 0).key];
    assert_eq!(store.chunks_by_key(&other, &keys).await.unwrap(), []);
    let unfinished = store.unfinished_sources(&other).await.unwrap();
    assert_eq!(unfinished, [mine]);
    // Nothing of the above changed anything.
    assert_eq!(store.source(&owner, theirs_id).await.unwrap(), theirs);
    assert_eq!(store.document(&owner, theirs_id).await.unwrap(), document(200));
    assert_eq!(store.chunks(&owner, theirs_id, 0, 10).await.unwrap(), [chunk(theirs_id, 0)]);
}

pub async fn the_same_source_id_in_two_tenants_is_two_sources(store: &dyn Store) {
    let (a, b) = (tenant(), tenant());
    let first = new_source(store, &a).await;
    let id = first.id;
    let notebook = store.create_notebook(&b, notebook()).await.unwrap();
    let second = Source { id, name: "b".into(), ..source(notebook.id) };
    store.create_source(&b, second.clone()).await.unwrap();
    let chunks = [chunk(id, 0), chunk(id, 1)];
    let keys = chunks.clone().map(|chunk| chunk.key);
    store.put_document(&a, id, document(200_000)).await.unwrap();
    store.put_chunks(&a, id, chunks.to_vec()).await.unwrap();

    // What one has is not the other's.
    refused(store.document(&b, id).await, ErrorKind::NotFound);
    refused(store.text(&b, id, Span { start: 0, end: 3 }).await, ErrorKind::NotFound);
    assert_eq!(store.chunks(&b, id, 0, 10).await.unwrap(), []);
    assert_eq!(store.chunks_by_key(&b, &keys).await.unwrap(), []);
    assert_eq!(store.source(&b, id).await.unwrap(), second);

    // What one writes, replaces or removes is its own.
    let short = Document { text: "of b".into(), ..Document::default() };
    store.put_document(&b, id, short.clone()).await.unwrap();
    let mut own = chunk(id, 0);
    own.text = "of b".into();
    store.put_chunks(&b, id, vec![own.clone()]).await.unwrap();
    assert_eq!(store.document(&b, id).await.unwrap(), short);
    assert_eq!(store.chunks_by_key(&b, &keys).await.unwrap(), [own]);
    store.update_source(&b, Source { stage: Stage::Deleting, ..second }).await.unwrap();
    assert_eq!(store.chunks_by_key(&a, &keys).await.unwrap(), chunks);
    store.delete_source(&b, id).await.unwrap();
    assert_eq!(store.source(&a, id).await.unwrap(), first);
    assert!(store.document(&a, id).await.unwrap() == document(200_000));
    assert_eq!(store.chunks(&a, id, 0, 10).await.unwrap(), chunks);
}

pub async fn sources_are_listed_oldest_first(store: &dyn Store) {
    let scope = tenant();
    let first = new_source(store, &scope).await;
    new_source(store, &scope).await;
    let mut expected = vec![first];
    for _ in 0..4 {
        let next = source(expected[0].notebook);
        store.create_source(&scope, next.clone()).await.unwrap();
        expected.push(next);
    }
    assert_eq!(store.sources(&scope, expected[0].notebook).await.unwrap(), expected);
}

pub async fn unfinished_sources_are_found(store: &dyn Store) {
    let scope = tenant();
    let notebook = store.create_notebook(&scope, notebook()).await.unwrap();
    let mut expected = Vec::new();
    for stage in [
        Stage::Ready,
        Stage::Queued,
        Stage::Fetch,
        Stage::Parse,
        Stage::Failed,
        Stage::Chunk,
        Stage::Index,
        Stage::Embed,
        Stage::Deleting,
    ] {
        let source = Source { stage, ..source(notebook.id) };
        store.create_source(&scope, source.clone()).await.unwrap();
        if stage.is_unfinished() {
            expected.push(source);
        }
    }
    assert_eq!(store.unfinished_sources(&scope).await.unwrap(), expected);
    let done = Source { stage: Stage::Ready, ..expected.remove(0) };
    store.update_source(&scope, done).await.unwrap();
    assert_eq!(store.unfinished_sources(&scope).await.unwrap(), expected);
}

pub async fn updating_a_source_keeps_its_place_and_text(store: &dyn Store) {
    let scope = tenant();
    let old = new_source(store, &scope).await;
    store.put_document(&scope, old.id, document(200)).await.unwrap();
    store.put_chunks(&scope, old.id, vec![chunk(old.id, 0)]).await.unwrap();
    let new = Source {
        name: "New".into(),
        stage: Stage::Ready,
        progress: Progress { done: 9, total: 9 },
        vectors_ready: true,
        failure: None,
        title: None,
        blob: None,
        updated_at: at(99),
        ..old.clone()
    };
    let sent = Source { notebook: NotebookId::new(), created_at: at(-7), ..new.clone() };
    store.update_source(&scope, sent.clone()).await.unwrap();
    let stored = store.source(&scope, old.id).await.unwrap();
    assert_eq!(stored, Source { revision: old.revision + 1, ..new });
    // What was made from an earlier revision undoes nothing.
    refused(store.update_source(&scope, sent).await, ErrorKind::Conflict);
    assert_eq!(store.source(&scope, old.id).await.unwrap(), stored);
    assert_eq!(store.document(&scope, old.id).await.unwrap(), document(200));
    assert_eq!(store.chunks(&scope, old.id, 0, 10).await.unwrap().len(), 1);
    refused(store.update_source(&scope, source(old.notebook)).await, ErrorKind::NotFound);
}

pub async fn a_document_reads_back_as_written(store: &dyn Store) {
    let scope = tenant();
    let source = new_source(store, &scope).await;
    refused(store.document(&scope, source.id).await, ErrorKind::NotFound);
    refused(store.layout(&scope, source.id).await, ErrorKind::NotFound);
    let span = Span { start: 0, end: 0 };
    refused(store.text(&scope, source.id, span).await, ErrorKind::NotFound);
    for bytes in [1, 1_000, 65_536, 300_000] {
        let document = document(bytes);
        store.put_document(&scope, source.id, document.clone()).await.unwrap();
        assert!(store.document(&scope, source.id).await.unwrap() == document, "{bytes} bytes");
        let layout = store.layout(&scope, source.id).await.unwrap();
        assert!(layout == Layout::of(&document), "{bytes} bytes");
    }
}

pub async fn a_document_replaces_the_one_before_and_its_chunks(store: &dyn Store) {
    let scope = tenant();
    let source = new_source(store, &scope).await;
    store.put_document(&scope, source.id, document(200_000)).await.unwrap();
    let chunks: Vec<_> = (0..5).map(|i| chunk(source.id, i)).collect();
    store.put_chunks(&scope, source.id, chunks).await.unwrap();
    let short = Document { text: "Kürzer.".into(), ..Document::default() };
    store.put_document(&scope, source.id, short.clone()).await.unwrap();
    assert_eq!(store.document(&scope, source.id).await.unwrap(), short);
    assert_eq!(store.chunks(&scope, source.id, 0, 10).await.unwrap(), []);
    let whole = Span { start: 0, end: short.text.len() };
    assert_eq!(store.text(&scope, source.id, whole).await.unwrap(), short.text);
    let beyond = Span { start: 0, end: 1_000 };
    refused(store.text(&scope, source.id, beyond).await, ErrorKind::InvalidInput);
}

pub async fn text_is_read_at_every_character_boundary(store: &dyn Store) {
    let scope = tenant();
    let source = new_source(store, &scope).await;
    let text = "aé蜜🐝\u{0301}\u{200d}ß";
    let document = Document { text: text.into(), ..Document::default() };
    store.put_document(&scope, source.id, document).await.unwrap();
    for start in 0..=text.len() + 1 {
        for end in 0..=text.len() + 1 {
            let got = store.text(&scope, source.id, Span { start, end }).await;
            match text.get(start..end) {
                Some(expected) => assert_eq!(got.unwrap(), expected),
                None => {
                    let error = refused(got, ErrorKind::InvalidInput);
                    assert_eq!(error.context("field"), Some("span"));
                }
            }
        }
    }
}

pub async fn text_of_a_long_document_is_read_in_parts(store: &dyn Store) {
    let scope = tenant();
    let source = new_source(store, &scope).await;
    let document = document(400_000);
    let text = document.text.clone();
    store.put_document(&scope, source.id, document).await.unwrap();
    let near = |place: usize| (place.saturating_sub(5)..place + 5).filter(|i| *i <= text.len());
    // Adapters may store the text in parts, most likely of a power of two.
    for part in [4_096, 65_536, 131_072, 262_144] {
        for start in near(part) {
            for end in near(part).chain(near(2 * part)).chain([text.len()]) {
                let got = store.text(&scope, source.id, Span { start, end }).await;
                match text.get(start..end) {
                    Some(expected) => assert!(got.unwrap() == expected, "{start}..{end}"),
                    None => drop(refused(got, ErrorKind::InvalidInput)),
                }
            }
        }
    }
    let whole = Span { start: 0, end: text.len() };
    assert!(store.text(&scope, source.id, whole).await.unwrap() == text);
}

pub async fn spans_outside_the_text_are_refused(store: &dyn Store) {
    let scope = tenant();
    let source = new_source(store, &scope).await;
    let document = document(100_000);
    let end = document.text.len();
    store.put_document(&scope, source.id, document).await.unwrap();
    for (start, end) in
        [(0, end + 1), (end, end + 1), (end + 1, end + 1), (5, 4), (usize::MAX, 0), (0, usize::MAX)]
    {
        let got = store.text(&scope, source.id, Span { start, end }).await;
        refused(got, ErrorKind::InvalidInput);
    }
    assert_eq!(store.text(&scope, source.id, Span { start: end, end }).await.unwrap(), "");
}

pub async fn an_empty_document_has_an_empty_text(store: &dyn Store) {
    let scope = tenant();
    let source = new_source(store, &scope).await;
    store.put_document(&scope, source.id, Document::default()).await.unwrap();
    assert_eq!(store.document(&scope, source.id).await.unwrap(), Document::default());
    let text = |start, end| store.text(&scope, source.id, Span { start, end });
    assert_eq!(text(0, 0).await.unwrap(), "");
    refused(text(0, 1).await, ErrorKind::InvalidInput);
}

pub async fn chunks_are_read_in_order(store: &dyn Store) {
    let scope = tenant();
    let source = new_source(store, &scope).await;
    assert_eq!(store.chunks(&scope, source.id, 0, 10).await.unwrap(), []);
    let all: Vec<_> = (0..30).map(|i| chunk(source.id, i)).collect();
    let (odd, even): (Vec<_>, Vec<_>) = all.iter().cloned().partition(|c| c.key.ordinal % 2 == 1);
    store.put_chunks(&scope, source.id, odd.into_iter().rev().collect()).await.unwrap();
    store.put_chunks(&scope, source.id, even).await.unwrap();
    for (from, limit) in [(0, 30), (0, usize::MAX), (0, 7), (12, 5), (29, 9), (30, 9), (0, 0)] {
        let got = store.chunks(&scope, source.id, from, limit).await.unwrap();
        let expected: Vec<_> = all.iter().skip(from as usize).take(limit).cloned().collect();
        assert_eq!(got, expected, "from {from}, limit {limit}");
    }
    assert_eq!(store.chunks(&scope, source.id, u32::MAX, 5).await.unwrap(), []);
    refused(store.chunks(&scope, SourceId::new(), 0, 5).await, ErrorKind::NotFound);
}

pub async fn chunks_replace_those_with_their_keys(store: &dyn Store) {
    let scope = tenant();
    let source = new_source(store, &scope).await;
    let old: Vec<_> = (0..3).map(|i| chunk(source.id, i)).collect();
    store.put_chunks(&scope, source.id, old.clone()).await.unwrap();
    let mut new = chunk(source.id, 1);
    new.text = "new".into();
    new.page = None;
    new.headings = Vec::new();
    let mut newer = new.clone();
    newer.text = "newer".into();
    store.put_chunks(&scope, source.id, vec![new, newer.clone()]).await.unwrap();
    let got = store.chunks(&scope, source.id, 0, 10).await.unwrap();
    assert_eq!(got, [old[0].clone(), newer, old[2].clone()]);
}

pub async fn chunks_of_another_source_are_refused(store: &dyn Store) {
    let scope = tenant();
    let source = new_source(store, &scope).await;
    let other = new_source(store, &scope).await;
    let mixed = vec![chunk(source.id, 0), chunk(other.id, 0)];
    let got = store.put_chunks(&scope, source.id, mixed).await;
    refused(got, ErrorKind::InvalidInput);
    assert_eq!(store.chunks(&scope, source.id, 0, 10).await.unwrap(), []);
    let absent = SourceId::new();
    let got = store.put_chunks(&scope, absent, vec![chunk(absent, 0)]).await;
    refused(got, ErrorKind::NotFound);
    refused(store.put_chunks(&scope, absent, Vec::new()).await, ErrorKind::NotFound);
}

pub async fn chunks_by_key_come_in_the_order_of_the_keys(store: &dyn Store) {
    let scope = tenant();
    let [a, b] = [new_source(store, &scope).await.id, new_source(store, &scope).await.id];
    for id in [a, b] {
        let chunks = (0..5).map(|i| chunk(id, i)).collect();
        store.put_chunks(&scope, id, chunks).await.unwrap();
    }
    let key = |source, ordinal| ChunkKey { source, ordinal };
    let keys =
        [key(b, 4), key(a, 0), key(a, 9), key(SourceId::new(), 0), key(b, 0), key(a, 0), key(a, 4)];
    let got = store.chunks_by_key(&scope, &keys).await.unwrap();
    let expected = [chunk(b, 4), chunk(a, 0), chunk(b, 0), chunk(a, 0), chunk(a, 4)];
    assert_eq!(got, expected);
    assert_eq!(store.chunks_by_key(&scope, &[]).await.unwrap(), []);
}

pub async fn a_source_being_deleted_is_invisible_to_retrieval(store: &dyn Store) {
    let scope = tenant();
    let source = new_source(store, &scope).await;
    store.put_chunks(&scope, source.id, vec![chunk(source.id, 0)]).await.unwrap();
    let deleting = Source { stage: Stage::Deleting, ..source.clone() };
    store.update_source(&scope, deleting).await.unwrap();
    let keys = [chunk(source.id, 0).key];
    assert_eq!(store.chunks_by_key(&scope, &keys).await.unwrap(), []);
    // The worker that removes it still sees what there is.
    assert_eq!(store.chunks(&scope, source.id, 0, 10).await.unwrap().len(), 1);
}

pub async fn deleting_a_source_takes_text_and_chunks(store: &dyn Store) {
    let scope = tenant();
    let gone = new_source(store, &scope).await;
    let kept = new_source(store, &scope).await;
    for id in [gone.id, kept.id] {
        store.put_document(&scope, id, document(100_000)).await.unwrap();
        store.put_chunks(&scope, id, vec![chunk(id, 0)]).await.unwrap();
    }
    store.delete_source(&scope, gone.id).await.unwrap();
    refused(store.delete_source(&scope, gone.id).await, ErrorKind::NotFound);
    refused(store.source(&scope, gone.id).await, ErrorKind::NotFound);
    refused(store.chunks(&scope, gone.id, 0, 1).await, ErrorKind::NotFound);
    let keys = [chunk(gone.id, 0).key, chunk(kept.id, 0).key];
    assert_eq!(store.chunks_by_key(&scope, &keys).await.unwrap(), [chunk(kept.id, 0)]);
    assert!(store.document(&scope, kept.id).await.unwrap() == document(100_000));
    // A new source with the old id starts empty.
    store.create_source(&scope, gone.clone()).await.unwrap();
    refused(store.document(&scope, gone.id).await, ErrorKind::NotFound);
    assert_eq!(store.chunks(&scope, gone.id, 0, 10).await.unwrap(), []);
}

pub async fn sources_that_an_index_holds_are_listed(store: &dyn Store) {
    let scope = tenant();
    let notebook = store.create_notebook(&scope, notebook()).await.unwrap();
    let mut expected = Vec::new();
    for (stage, keywords_ready, vectors_ready, chunks) in [
        (Stage::Queued, false, false, 0),
        (Stage::Index, false, false, 3),
        (Stage::Embed, true, false, 4),
        (Stage::Ready, true, true, 5),
        (Stage::Failed, true, false, 6),
        (Stage::Deleting, true, true, 7),
    ] {
        let new = Source { stage, keywords_ready, vectors_ready, chunks, ..source(notebook.id) };
        store.create_source(&scope, new.clone()).await.unwrap();
        if keywords_ready && stage != Stage::Deleting {
            let (id, notebook, vectors) = (new.id, new.notebook, vectors_ready);
            expected.push(IndexedSource { id, notebook, chunks, vectors });
        }
    }
    assert_eq!(store.indexed_sources(&scope).await.unwrap(), expected);
    assert_eq!(store.indexed_sources(&tenant()).await.unwrap(), []);
}

pub async fn vectors_read_back_as_written_and_go_with_their_chunks(store: &dyn Store) {
    let scope = tenant();
    let source = new_source(store, &scope).await;
    store.put_document(&scope, source.id, document(200)).await.unwrap();
    let chunks = (0..5).map(|ordinal| chunk(source.id, ordinal)).collect();
    store.put_chunks(&scope, source.id, chunks).await.unwrap();
    let space = VectorSpace { model: "a model".into(), dimensions: 3 };
    let other = VectorSpace { model: "another".into(), ..space.clone() };
    let vector = |ordinal: u32| (ordinal, vec![ordinal as f32, -0.5, f32::MIN_POSITIVE]);
    let put = |ordinals: Vec<u32>, space: VectorSpace| {
        let (scope, id) = (scope.clone(), source.id);
        async move {
            let vectors = ordinals.into_iter().map(vector).collect();
            store.put_embeddings(&scope, id, &space, vectors).await
        }
    };
    put(vec![1, 0], space.clone()).await.unwrap();
    put(vec![2], space.clone()).await.unwrap();
    put(vec![2], space.clone()).await.unwrap();
    put(vec![], space.clone()).await.unwrap();
    put(vec![3], other.clone()).await.unwrap();
    let got = store.embeddings(&scope, source.id, &space, 0, 10).await.unwrap();
    assert_eq!(got, [vector(0), vector(1), vector(2)]);
    let got = store.embeddings(&scope, source.id, &space, 1, 1).await.unwrap();
    assert_eq!(got, [vector(1)]);
    assert_eq!(store.count_embeddings(&scope, source.id, &space).await.unwrap(), 3);
    assert_eq!(store.count_embeddings(&scope, source.id, &other).await.unwrap(), 1);
    // A chunk that is not there, a source that is not there, a vector of another length.
    refused(put(vec![5], space.clone()).await, ErrorKind::NotFound);
    refused(put(vec![4, 9], space.clone()).await, ErrorKind::NotFound);
    refused(put(vec![0, 9], space.clone()).await, ErrorKind::NotFound);
    let short = vec![(4, vec![1.0])];
    let short = store.put_embeddings(&scope, source.id, &space, short).await;
    refused(short, ErrorKind::InvalidInput);
    assert_eq!(store.count_embeddings(&scope, source.id, &space).await.unwrap(), 3);
    let stranger = tenant();
    let foreign = store.put_embeddings(&stranger, source.id, &space, vec![vector(0)]).await;
    refused(foreign, ErrorKind::NotFound);
    refused(store.embeddings(&stranger, source.id, &space, 0, 1).await, ErrorKind::NotFound);
    // A new text has new chunks.
    store.put_document(&scope, source.id, document(100)).await.unwrap();
    assert_eq!(store.count_embeddings(&scope, source.id, &space).await.unwrap(), 0);
}
