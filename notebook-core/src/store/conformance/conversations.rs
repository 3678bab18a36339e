//! Scenarios of [`ConversationStore`](crate::store::ConversationStore). Messages come to be through
//! the run log, whose suite holds the scenarios that need them.

use super::{refused, same_not_found, samples::*};
use crate::{
    ConversationId, ErrorKind, MessageId, NotebookId,
    conformance::Scenario,
    model::{Conversation, PageRequest},
    store::Store,
};

/// Every scenario of this file.
#[must_use]
pub fn scenarios() -> Vec<Scenario<dyn Store>> {
    crate::scenarios![
        dyn Store;
        creating_a_conversation_twice_creates_it_once,
        a_conversation_needs_its_notebook,
        conversations_are_listed_newest_first,
        another_tenants_conversation_is_absent,
        updating_a_conversation_keeps_its_place,
        deleting_a_conversation_removes_it,
        bad_message_pages_are_refused,
    ]
}

pub async fn creating_a_conversation_twice_creates_it_once(store: &dyn Store) {
    let scope = tenant();
    let notebook = store.create_notebook(&scope, notebook()).await.unwrap();
    let first = conversation(notebook.id);
    assert_eq!(store.create_conversation(&scope, first.clone()).await.unwrap(), first);
    let second = Conversation { title: "Other".into(), ..first.clone() };
    assert_eq!(store.create_conversation(&scope, second).await.unwrap(), first);
    assert_eq!(store.conversation(&scope, first.id).await.unwrap(), first);
}

pub async fn a_conversation_needs_its_notebook(store: &dyn Store) {
    let (owner, other) = (tenant(), tenant());
    let theirs = store.create_notebook(&owner, notebook()).await.unwrap();
    same_not_found(
        store.create_conversation(&other, conversation(theirs.id)).await,
        store.create_conversation(&other, conversation(NotebookId::new())).await,
    );
    assert_eq!(store.conversations(&owner, theirs.id).await.unwrap(), []);
    refused(store.conversations(&owner, NotebookId::new()).await, ErrorKind::NotFound);
}

pub async fn conversations_are_listed_newest_first(store: &dyn Store) {
    let scope = tenant();
    let notebooks = [
        store.create_notebook(&scope, notebook()).await.unwrap(),
        store.create_notebook(&scope, notebook()).await.unwrap(),
    ];
    let mut expected = [Vec::new(), Vec::new()];
    for i in 0..6 {
        let new = conversation(notebooks[i % 2].id);
        expected[i % 2].insert(0, store.create_conversation(&scope, new).await.unwrap());
    }
    for (notebook, expected) in notebooks.iter().zip(expected) {
        assert_eq!(store.conversations(&scope, notebook.id).await.unwrap(), expected);
    }
}

pub async fn another_tenants_conversation_is_absent(store: &dyn Store) {
    let (owner, other) = (tenant(), tenant());
    let notebooks = [
        store.create_notebook(&owner, notebook()).await.unwrap(),
        store.create_notebook(&other, notebook()).await.unwrap(),
    ];
    let theirs = store.create_conversation(&owner, conversation(notebooks[0].id)).await.unwrap();
    let absent = ConversationId::new();
    let page = || PageRequest::first(10);
    same_not_found(
        store.conversation(&other, theirs.id).await,
        store.conversation(&other, absent).await,
    );
    same_not_found(
        store.update_conversation(&other, theirs.clone()).await,
        store.update_conversation(&other, Conversation { id: absent, ..theirs.clone() }).await,
    );
    same_not_found(
        store.delete_conversation(&other, theirs.id).await,
        store.delete_conversation(&other, absent).await,
    );
    same_not_found(
        store.messages(&other, theirs.id, page()).await,
        store.messages(&other, absent, page()).await,
    );
    assert_eq!(store.conversations(&other, notebooks[1].id).await.unwrap(), []);
    // T1: an id that is another's is as free as any, and its conversation another one.
    let mine = Conversation { notebook: notebooks[1].id, title: "mine".into(), ..theirs.clone() };
    assert_eq!(store.create_conversation(&other, mine.clone()).await.unwrap(), mine);
    assert_eq!(store.conversation(&other, theirs.id).await.unwrap(), mine);
    assert_eq!(store.conversation(&owner, theirs.id).await.unwrap(), theirs);
    store.delete_conversation(&other, theirs.id).await.unwrap();
    assert_eq!(store.conversation(&owner, theirs.id).await.unwrap(), theirs);
}

pub async fn updating_a_conversation_keeps_its_place(store: &dyn Store) {
    let scope = tenant();
    let notebook = store.create_notebook(&scope, notebook()).await.unwrap();
    let old = store.create_conversation(&scope, conversation(notebook.id)).await.unwrap();
    let new = Conversation {
        title: "New".into(),
        excluded_sources: Vec::new(),
        updated_at: at(77),
        ..old.clone()
    };
    let sent = Conversation { created_at: at(-5), notebook: NotebookId::new(), ..new.clone() };
    store.update_conversation(&scope, sent).await.unwrap();
    assert_eq!(store.conversation(&scope, old.id).await.unwrap(), new);
    let absent = conversation(notebook.id);
    refused(store.update_conversation(&scope, absent).await, ErrorKind::NotFound);
}

pub async fn deleting_a_conversation_removes_it(store: &dyn Store) {
    let scope = tenant();
    let notebook = store.create_notebook(&scope, notebook()).await.unwrap();
    let gone = store.create_conversation(&scope, conversation(notebook.id)).await.unwrap();
    let kept = store.create_conversation(&scope, conversation(notebook.id)).await.unwrap();
    store.delete_conversation(&scope, gone.id).await.unwrap();
    refused(store.delete_conversation(&scope, gone.id).await, ErrorKind::NotFound);
    refused(store.conversation(&scope, gone.id).await, ErrorKind::NotFound);
    assert_eq!(store.conversations(&scope, notebook.id).await.unwrap(), [kept]);
}

pub async fn bad_message_pages_are_refused(store: &dyn Store) {
    let scope = tenant();
    let notebook = store.create_notebook(&scope, notebook()).await.unwrap();
    let here = store.create_conversation(&scope, conversation(notebook.id)).await.unwrap();
    let page = PageRequest { after: Some("nonsense".into()), limit: 5 };
    let error = refused(store.messages(&scope, here.id, page).await, ErrorKind::InvalidInput);
    assert_eq!(error.context("field"), Some("after"));
    let none = PageRequest::first(0);
    let error = refused(store.messages(&scope, here.id, none).await, ErrorKind::InvalidInput);
    assert_eq!(error.context("field"), Some("limit"));
    refused(store.message(&scope, MessageId::new()).await, ErrorKind::NotFound);
    let empty = store.messages(&scope, here.id, PageRequest::first(5)).await.unwrap();
    assert_eq!((empty.items.len(), empty.next), (0, None));
}
