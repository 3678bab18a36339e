//! Scenarios of [`NotebookStore`](crate::store::NotebookStore).

use std::collections::BTreeSet;

use super::{refused, same_not_found, samples::*};
use crate::{
    ErrorKind, NotebookId, TenantScope,
    conformance::Scenario,
    model::{Notebook, PageRequest},
    store::Store,
};

/// Every scenario of this file.
#[must_use]
pub fn scenarios() -> Vec<Scenario<dyn Store>> {
    crate::scenarios![
        dyn Store;
        notebook_reads_back_as_written,
        creating_a_notebook_twice_creates_it_once,
        creating_a_notebook_at_once_creates_it_once,
        another_tenants_notebook_is_absent,
        notebooks_are_listed_newest_first_in_pages,
        notebook_pages_stay_whole_while_others_come_and_go,
        bad_notebook_pages_are_refused,
        archived_notebooks_are_listed_on_request,
        updating_a_notebook_keeps_id_and_creation,
        deleting_a_notebook_takes_everything_in_it,
        a7_an_unfinished_notebook_is_not_there_until_it_is_shown,
    ]
}

async fn create(store: &dyn Store, scope: &TenantScope, count: usize) -> Vec<Notebook> {
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(store.create_notebook(scope, notebook()).await.unwrap());
    }
    all
}

pub async fn notebook_reads_back_as_written(store: &dyn Store) {
    let scope = tenant();
    let bare = Notebook { settings: Default::default(), archived: true, ..notebook() };
    for new in [notebook(), bare] {
        assert_eq!(store.create_notebook(&scope, new.clone()).await.unwrap(), new);
        assert_eq!(store.notebook(&scope, new.id).await.unwrap(), new);
    }
}

pub async fn creating_a_notebook_twice_creates_it_once(store: &dyn Store) {
    let scope = tenant();
    let first = store.create_notebook(&scope, notebook()).await.unwrap();
    let second = Notebook { name: "Other".into(), archived: true, ..first.clone() };
    assert_eq!(store.create_notebook(&scope, second).await.unwrap(), first);
    assert_eq!(store.notebook(&scope, first.id).await.unwrap(), first);
}

pub async fn creating_a_notebook_at_once_creates_it_once(store: &dyn Store) {
    let scope = tenant();
    let id = NotebookId::new();
    let calls = (0..8).map(|i| {
        store.create_notebook(&scope, Notebook { id, name: format!("n{i}"), ..notebook() })
    });
    let answers: Vec<_> = futures::future::try_join_all(calls).await.unwrap();
    let stored = store.notebook(&scope, id).await.unwrap();
    assert!(answers.iter().all(|answer| *answer == stored), "{answers:?}");
    let all = store.notebooks(&scope, true, PageRequest::first(10)).await.unwrap();
    assert_eq!(all.items, [stored]);
}

pub async fn another_tenants_notebook_is_absent(store: &dyn Store) {
    let (owner, other) = (tenant(), tenant());
    let theirs = store.create_notebook(&owner, notebook()).await.unwrap();
    let absent = NotebookId::new();
    same_not_found(store.notebook(&other, theirs.id).await, store.notebook(&other, absent).await);
    same_not_found(
        store.update_notebook(&other, Notebook { name: "mine".into(), ..theirs.clone() }).await,
        store.update_notebook(&other, notebook()).await,
    );
    same_not_found(
        store.delete_notebook(&other, theirs.id).await,
        store.delete_notebook(&other, absent).await,
    );
    same_not_found(store.sources(&other, theirs.id).await, store.sources(&other, absent).await);
    same_not_found(
        store.conversations(&other, theirs.id).await,
        store.conversations(&other, absent).await,
    );
    let page = store.notebooks(&other, true, PageRequest::first(10)).await.unwrap();
    assert_eq!((page.items.len(), page.next), (0, None));
    // T1: an id that is another's is as free as any, and its notebook another one.
    let mine = Notebook { name: "mine".into(), ..theirs.clone() };
    assert_eq!(store.create_notebook(&other, mine.clone()).await.unwrap(), mine);
    assert_eq!(store.notebook(&other, theirs.id).await.unwrap(), mine);
    assert_eq!(store.notebook(&owner, theirs.id).await.unwrap(), theirs);
    store.delete_notebook(&other, theirs.id).await.unwrap();
    assert_eq!(store.notebook(&owner, theirs.id).await.unwrap(), theirs);
}

pub async fn notebooks_are_listed_newest_first_in_pages(store: &dyn Store) {
    let scope = tenant();
    let mut expected = create(store, &scope, 7).await;
    expected.reverse();
    for limit in [1, 2, 3, 6, 7, 8, 1000] {
        let mut seen = Vec::new();
        let mut page = PageRequest::first(limit);
        loop {
            let got = store.notebooks(&scope, false, page).await.unwrap();
            assert!(got.items.len() <= limit);
            seen.extend(got.items);
            let Some(next) = got.next else { break };
            page = PageRequest { after: Some(next), limit };
        }
        assert_eq!(seen, expected, "limit {limit}");
    }
}

pub async fn notebook_pages_stay_whole_while_others_come_and_go(store: &dyn Store) {
    let scope = tenant();
    let all = create(store, &scope, 20).await;
    let doomed: BTreeSet<_> = all.iter().step_by(3).map(|notebook| notebook.id).collect();
    let mut removals = doomed.iter();
    let mut seen = Vec::new();
    let mut page = PageRequest::first(2);
    loop {
        let got = store.notebooks(&scope, false, page).await.unwrap();
        // The one that the cursor names goes too.
        let cursor = got.items.last().map(|notebook| notebook.id);
        seen.extend(got.items.into_iter().map(|notebook| notebook.id));
        create(store, &scope, 1).await;
        let next_doomed = cursor.filter(|id| doomed.contains(id)).or(removals.next().copied());
        if let Some(id) = next_doomed {
            // It may have gone as a cursor before.
            let _ = store.delete_notebook(&scope, id).await;
        }
        let Some(next) = got.next else { break };
        page = PageRequest { after: Some(next), limit: 2 };
    }
    let unique: BTreeSet<_> = seen.iter().copied().collect();
    assert_eq!(unique.len(), seen.len(), "a notebook was listed twice");
    let stayed = all.iter().map(|notebook| notebook.id).filter(|id| !doomed.contains(id));
    for id in stayed {
        assert!(unique.contains(&id), "a notebook that stayed was not listed");
    }
}

pub async fn bad_notebook_pages_are_refused(store: &dyn Store) {
    let scope = tenant();
    for limit in [0, 1001, usize::MAX] {
        let error = refused(
            store.notebooks(&scope, false, PageRequest::first(limit)).await,
            ErrorKind::InvalidInput,
        );
        assert_eq!(error.context("field"), Some("limit"));
    }
    for after in ["", "x", "01980000-0000-7000-8000-00000000000G", "1 OR 1=1"] {
        let page = PageRequest { after: Some(after.into()), limit: 5 };
        let error = refused(store.notebooks(&scope, false, page).await, ErrorKind::InvalidInput);
        assert_eq!(error.context("field"), Some("after"));
    }
}

pub async fn archived_notebooks_are_listed_on_request(store: &dyn Store) {
    let scope = tenant();
    let open = store.create_notebook(&scope, notebook()).await.unwrap();
    let archived =
        store.create_notebook(&scope, Notebook { archived: true, ..notebook() }).await.unwrap();
    let page = PageRequest::first(10);
    let visible = store.notebooks(&scope, false, page.clone()).await.unwrap();
    assert_eq!(visible.items, std::slice::from_ref(&open));
    let all = store.notebooks(&scope, true, page).await.unwrap();
    assert_eq!(all.items, [archived, open]);
}

pub async fn updating_a_notebook_keeps_id_and_creation(store: &dyn Store) {
    let scope = tenant();
    let old = store.create_notebook(&scope, notebook()).await.unwrap();
    let new = Notebook {
        name: "New".into(),
        named_by_user: false,
        archived: true,
        settings: Default::default(),
        updated_at: at(77),
        ..old.clone()
    };
    let sent = Notebook { created_at: at(-5), ..new.clone() };
    store.update_notebook(&scope, sent).await.unwrap();
    assert_eq!(store.notebook(&scope, old.id).await.unwrap(), new);
    refused(store.update_notebook(&scope, notebook()).await, ErrorKind::NotFound);
}

pub async fn deleting_a_notebook_takes_everything_in_it(store: &dyn Store) {
    let scope = tenant();
    let [gone, kept] =
        [create(store, &scope, 1).await.remove(0), create(store, &scope, 1).await.remove(0)];
    let mut sources = Vec::new();
    let mut conversations = Vec::new();
    for notebook in [&gone, &kept] {
        let source = source(notebook.id);
        store.create_source(&scope, source.clone()).await.unwrap();
        store.put_document(&scope, source.id, document(300)).await.unwrap();
        store.put_chunks(&scope, source.id, vec![chunk(source.id, 0)]).await.unwrap();
        sources.push(source);
        let conversation = conversation(notebook.id);
        conversations.push(store.create_conversation(&scope, conversation).await.unwrap());
    }
    store.delete_notebook(&scope, gone.id).await.unwrap();

    refused(store.notebook(&scope, gone.id).await, ErrorKind::NotFound);
    refused(store.delete_notebook(&scope, gone.id).await, ErrorKind::NotFound);
    refused(store.source(&scope, sources[0].id).await, ErrorKind::NotFound);
    refused(store.document(&scope, sources[0].id).await, ErrorKind::NotFound);
    refused(store.conversation(&scope, conversations[0].id).await, ErrorKind::NotFound);
    let keys: Vec<_> = sources.iter().map(|source| chunk(source.id, 0).key).collect();
    let left = store.chunks_by_key(&scope, &keys).await.unwrap();
    assert_eq!(left, [chunk(sources[1].id, 0)]);
    assert_eq!(store.sources(&scope, kept.id).await.unwrap(), [sources[1].clone()]);
    assert_eq!(store.document(&scope, sources[1].id).await.unwrap(), document(300));
    let conversation = store.conversation(&scope, conversations[1].id).await.unwrap();
    assert_eq!(conversation, conversations[1]);
}

pub async fn a7_an_unfinished_notebook_is_not_there_until_it_is_shown(store: &dyn Store) {
    let (scope, other) = (tenant(), tenant());
    let unfinished = notebook();
    for _ in 0..2 {
        store.create_unfinished_notebook(&scope, unfinished.clone()).await.unwrap();
    }
    refused(
        store.create_unfinished_notebook(&other, unfinished.clone()).await,
        ErrorKind::NotFound,
    );
    refused(store.notebook(&scope, unfinished.id).await, ErrorKind::NotFound);
    refused(store.update_notebook(&scope, unfinished.clone()).await, ErrorKind::NotFound);
    refused(store.create_notebook(&scope, unfinished.clone()).await, ErrorKind::NotFound);
    let all = store.notebooks(&scope, true, PageRequest::first(10)).await.unwrap();
    assert_eq!(all.items, []);
    assert_eq!(store.unfinished_notebooks(&scope).await.unwrap(), [unfinished.id]);
    assert_eq!(store.unfinished_notebooks(&other).await.unwrap(), []);
    // What is in it is stored as usual.
    let source = source(unfinished.id);
    store.create_source(&scope, source.clone()).await.unwrap();
    store.create_conversation(&scope, conversation(unfinished.id)).await.unwrap();
    assert_eq!(store.sources(&scope, unfinished.id).await.unwrap(), [source]);
    refused(store.show_notebook(&other, unfinished.id).await, ErrorKind::NotFound);
    for _ in 0..2 {
        store.show_notebook(&scope, unfinished.id).await.unwrap();
        assert_eq!(store.notebook(&scope, unfinished.id).await.unwrap(), unfinished);
    }
    store.create_unfinished_notebook(&scope, unfinished.clone()).await.unwrap();
    assert_eq!(store.notebook(&scope, unfinished.id).await.unwrap(), unfinished, "it stays shown");
    assert_eq!(store.unfinished_notebooks(&scope).await.unwrap(), []);
    let gone = notebook();
    store.create_unfinished_notebook(&scope, gone.clone()).await.unwrap();
    store.delete_notebook(&scope, gone.id).await.unwrap();
    assert_eq!(store.unfinished_notebooks(&scope).await.unwrap(), []);
    refused(store.show_notebook(&scope, gone.id).await, ErrorKind::NotFound);
}
