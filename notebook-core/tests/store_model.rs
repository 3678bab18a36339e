//! Random sequences of calls on SQLite, against the store in memory: equal answers throughout.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::fmt::Debug;

use notebook_core::{
    ConversationId, MessageId, NotebookId, Result, RunId, SourceId, TenantScope,
    document::{Document, Span},
    model::{
        ChunkKey, Conversation, EventBody, Message, NewRun, Notebook, PageRequest, RunEvent,
        RunOutcome, RunState, Source, Stage,
    },
    run_log::RunLog,
    sqlite::{Durability, SqliteConfig},
    store::{Store, conformance::samples, memory::MemoryStore, sql::SqlStore},
};
use proptest::prelude::*;

/// A call, with small numbers for ids so that calls meet each other.
#[derive(Debug, Clone)]
enum Call {
    CreateNotebook {
        id: u8,
        archived: bool,
    },
    UpdateNotebook {
        id: u8,
        archived: bool,
    },
    DeleteNotebook {
        id: u8,
    },
    ListNotebooks {
        archived: bool,
        after: Option<u8>,
        limit: usize,
    },
    CreateSource {
        id: u8,
        notebook: u8,
    },
    UpdateSource {
        id: u8,
        stage: Stage,
        stale: bool,
    },
    DeleteSource {
        id: u8,
    },
    ListSources {
        notebook: u8,
    },
    PutDocument {
        id: u8,
        bytes: usize,
    },
    ReadText {
        id: u8,
        start: usize,
        length: usize,
    },
    PutChunks {
        id: u8,
        first: u8,
        count: u8,
        of: u8,
    },
    ReadChunks {
        id: u8,
        from: u8,
        limit: usize,
    },
    ChunksByKey {
        keys: Vec<(u8, u8)>,
    },
    CreateConversation {
        id: u8,
        notebook: u8,
    },
    UpdateConversation {
        id: u8,
    },
    DeleteConversation {
        id: u8,
    },
    ListConversations {
        notebook: u8,
    },
    ListMessages {
        id: u8,
        after: Option<u8>,
        limit: usize,
    },
    Open {
        id: u8,
        conversation: u8,
        notebook: u8,
        again: Option<u8>,
        parent: Option<u8>,
        key: Option<u8>,
        hash: u8,
    },
    Start {
        id: u8,
    },
    Append {
        id: u8,
        first: u64,
        count: u64,
        terminal: bool,
    },
    Close {
        id: u8,
        first: u64,
        count: u64,
        answer: bool,
    },
    ReadRun {
        id: u8,
        after: u64,
        limit: usize,
    },
    ListRuns {
        conversation: u8,
        limit: usize,
    },
    Unfinished,
}

fn calls() -> impl Strategy<Value = Vec<(bool, Call)>> {
    let id = || 0..3_u8;
    let limit = || 0..5_usize;
    let stage = prop_oneof![Just(Stage::Queued), Just(Stage::Ready), Just(Stage::Deleting)];
    let some = || prop::option::of(0..3_u8);
    let call = prop_oneof![
        4 => (id(), any::<bool>()).prop_map(|(id, archived)| Call::CreateNotebook { id, archived }),
        1 => (id(), any::<bool>()).prop_map(|(id, archived)| Call::UpdateNotebook { id, archived }),
        1 => id().prop_map(|id| Call::DeleteNotebook { id }),
        1 => (any::<bool>(), some(), limit())
            .prop_map(|(archived, after, limit)| Call::ListNotebooks { archived, after, limit }),
        4 => (id(), id()).prop_map(|(id, notebook)| Call::CreateSource { id, notebook }),
        1 => (id(), stage, proptest::bool::weighted(0.2))
            .prop_map(|(id, stage, stale)| Call::UpdateSource { id, stage, stale }),
        1 => id().prop_map(|id| Call::DeleteSource { id }),
        1 => id().prop_map(|notebook| Call::ListSources { notebook }),
        3 => (id(), prop_oneof![0..200_usize, 65_000..140_000_usize])
            .prop_map(|(id, bytes)| Call::PutDocument { id, bytes }),
        3 => (id(), prop_oneof![0..200_usize, 65_400..65_700_usize], 0..300_usize)
            .prop_map(|(id, start, length)| Call::ReadText { id, start, length }),
        3 => (id(), 0..5_u8, 0..4_u8, prop_oneof![5 => Just(0_u8), 1 => Just(1)])
            .prop_map(|(id, first, count, of)| Call::PutChunks { id, first, count, of }),
        1 => (id(), 0..6_u8, limit()).prop_map(|(id, from, limit)| Call::ReadChunks { id, from, limit }),
        1 => prop::collection::vec((id(), 0..6_u8), 0..5).prop_map(|keys| Call::ChunksByKey { keys }),
        4 => (id(), id()).prop_map(|(id, notebook)| Call::CreateConversation { id, notebook }),
        1 => id().prop_map(|id| Call::UpdateConversation { id }),
        1 => id().prop_map(|id| Call::DeleteConversation { id }),
        1 => id().prop_map(|notebook| Call::ListConversations { notebook }),
        1 => (id(), some(), limit())
            .prop_map(|(id, after, limit)| Call::ListMessages { id, after, limit }),
        8 => (0..6_u8, id(), id(), prop::option::weighted(0.2, 0..6_u8), prop::option::weighted(0.2, 0..6_u8), prop::option::weighted(0.3, 0..2_u8), 0..2_u8)
            .prop_map(|(id, conversation, notebook, again, parent, key, hash)| Call::Open {
                id, conversation, notebook, again, parent, key, hash
            }),
        2 => (0..6_u8).prop_map(|id| Call::Start { id }),
        6 => (0..6_u8, 1..5_u64, 0..4_u64, prop::bool::weighted(0.1))
            .prop_map(|(id, first, count, terminal)| Call::Append { id, first, count, terminal }),
        4 => (0..6_u8, 1..5_u64, 0..3_u64, any::<bool>())
            .prop_map(|(id, first, count, answer)| Call::Close { id, first, count, answer }),
        2 => (0..6_u8, 0..5_u64, limit())
            .prop_map(|(id, after, limit)| Call::ReadRun { id, after, limit }),
        1 => (id(), limit()).prop_map(|(conversation, limit)| Call::ListRuns { conversation, limit }),
        1 => Just(Call::Unfinished),
    ];
    prop::collection::vec((prop::bool::weighted(0.8), call), 1..60)
}

fn notebook_id(id: u8) -> NotebookId {
    NotebookId::from_u128(0x100 + u128::from(id))
}
fn source_id(id: u8) -> SourceId {
    SourceId::from_u128(0x200 + u128::from(id))
}
fn conversation_id(id: u8) -> ConversationId {
    ConversationId::from_u128(0x300 + u128::from(id))
}
fn run_id(id: u8) -> RunId {
    RunId::from_u128(0x400 + u128::from(id))
}
fn question_id(id: u8) -> MessageId {
    MessageId::from_u128(0x500 + u128::from(id))
}
fn answer_id(id: u8) -> MessageId {
    MessageId::from_u128(0x600 + u128::from(id))
}

/// What a call answered, to be compared.
fn said<T: Debug>(result: Result<T>) -> String {
    format!("{:?}", result.map_err(|error| error.kind()))
}

fn page<Id: ToString>(after: Option<Id>, limit: usize) -> PageRequest {
    PageRequest { after: after.map(|id| id.to_string()), limit }
}

async fn run_call(store: &dyn Store, log: &dyn RunLog, scope: &TenantScope, call: Call) -> String {
    match call {
        Call::Open { .. }
        | Call::Start { .. }
        | Call::Append { .. }
        | Call::Close { .. }
        | Call::ReadRun { .. }
        | Call::ListRuns { .. }
        | Call::Unfinished => run_log_call(log, scope, call).await,
        _ => store_call(store, scope, call).await,
    }
}

async fn store_call(store: &dyn Store, scope: &TenantScope, call: Call) -> String {
    let notebook = |id, archived| Notebook { id: notebook_id(id), archived, ..samples::notebook() };
    let source = |id, notebook, stage| Source {
        id: source_id(id),
        stage,
        ..samples::source(notebook_id(notebook))
    };
    let conversation = |id, notebook| Conversation {
        id: conversation_id(id),
        excluded_sources: vec![source_id(1)],
        ..samples::conversation(notebook_id(notebook))
    };
    match call {
        Call::CreateNotebook { id, archived } => {
            said(store.create_notebook(scope, notebook(id, archived)).await)
        }
        Call::UpdateNotebook { id, archived } => {
            let new = Notebook { name: "updated".into(), ..notebook(id, archived) };
            said(store.update_notebook(scope, new).await)
        }
        Call::DeleteNotebook { id } => said(store.delete_notebook(scope, notebook_id(id)).await),
        Call::ListNotebooks { archived, after, limit } => {
            said(store.notebooks(scope, archived, page(after.map(notebook_id), limit)).await)
        }
        Call::CreateSource { id, notebook } => {
            said(store.create_source(scope, source(id, notebook, Stage::Queued)).await)
        }
        Call::UpdateSource { id, stage, stale } => {
            let stored = store.source(scope, source_id(id)).await;
            let revision = stored.map_or(1, |source| source.revision).wrapping_sub(stale.into());
            said(store.update_source(scope, Source { revision, ..source(id, 0, stage) }).await)
                + &said(store.unfinished_sources(scope).await)
        }
        Call::DeleteSource { id } => said(store.delete_source(scope, source_id(id)).await),
        Call::ListSources { notebook } => said(store.sources(scope, notebook_id(notebook)).await),
        Call::PutDocument { id, bytes } => {
            let document = samples::document(bytes);
            said(store.put_document(scope, source_id(id), document).await)
        }
        Call::ReadText { id, start, length } => {
            let span = Span { start, end: start + length };
            let document: Result<Document> = store.document(scope, source_id(id)).await;
            said(store.text(scope, source_id(id), span).await)
                + &said(store.layout(scope, source_id(id)).await)
                + &said(document)
        }
        Call::PutChunks { id, first, count, of } => {
            let chunk = |ordinal: u8| samples::chunk(source_id((id + of) % 3), ordinal.into());
            let chunks = (first..first + count).map(chunk).collect();
            said(store.put_chunks(scope, source_id(id), chunks).await)
        }
        Call::ReadChunks { id, from, limit } => {
            said(store.chunks(scope, source_id(id), from.into(), limit).await)
        }
        Call::ChunksByKey { keys } => {
            let key = |(id, ordinal): (u8, u8)| ChunkKey {
                source: source_id(id),
                ordinal: ordinal.into(),
            };
            let keys: Vec<_> = keys.into_iter().map(key).collect();
            said(store.chunks_by_key(scope, &keys).await)
        }
        Call::CreateConversation { id, notebook } => {
            said(store.create_conversation(scope, conversation(id, notebook)).await)
        }
        Call::UpdateConversation { id } => {
            let new = Conversation { title: "updated".into(), ..conversation(id, 0) };
            said(store.update_conversation(scope, new).await)
        }
        Call::DeleteConversation { id } => {
            said(store.delete_conversation(scope, conversation_id(id)).await)
        }
        Call::ListConversations { notebook } => {
            said(store.conversations(scope, notebook_id(notebook)).await)
        }
        Call::ListMessages { id, after, limit } => {
            let page = page(after.map(question_id), limit);
            said(store.messages(scope, conversation_id(id), page).await)
        }
        _ => unreachable!("a call of the run log"),
    }
}

async fn run_log_call(log: &dyn RunLog, scope: &TenantScope, call: Call) -> String {
    match call {
        Call::Open { id, conversation, notebook, again, parent, key, hash } => {
            let conversation = Conversation {
                id: conversation_id(conversation),
                ..samples::conversation(notebook_id(notebook))
            };
            let mut new = samples::new_run(&conversation);
            new.run.id = run_id(id);
            new.run.answer = answer_id(id);
            new.run.question = question_id(again.unwrap_or(id));
            let question = samples::question(&new.run, "Why?");
            let parent = parent.map(question_id);
            let new = NewRun {
                question: again.is_none().then_some(Message { parent, ..question }),
                idempotency_key: key.map(|key| key.to_string()),
                request_hash: hash.to_string(),
                ..new
            };
            said(log.open(scope, new).await)
        }
        Call::Start { id } => said(log.start(scope, run_id(id)).await),
        Call::Append { id, first, count, terminal } => {
            let mut events = samples::deltas(first, count);
            if terminal {
                events.push(samples::completed(first + count));
            }
            said(log.append(scope, run_id(id), &events).await)
        }
        Call::Close { id, first, count, answer } => {
            let mut events = samples::deltas(first, count);
            let seq = first + count;
            events.push(RunEvent { seq, at: samples::at(5), body: EventBody::Stopped });
            let answer = match log.run(scope, run_id(id)).await {
                Ok(run) if answer => Some(samples::answer(&run)),
                _ => None,
            };
            let outcome = RunOutcome { state: RunState::Stopped, events, answer, used: None };
            said(log.close(scope, run_id(id), outcome).await)
        }
        Call::ReadRun { id, after, limit } => {
            said(log.run(scope, run_id(id)).await)
                + &said(log.events(scope, run_id(id), after, limit).await)
        }
        Call::ListRuns { conversation, limit } => {
            said(log.runs(scope, conversation_id(conversation), limit).await)
        }
        Call::Unfinished => said(log.unfinished(scope).await),
        _ => unreachable!("a call of the store"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// T3 in small: two tenants use the same ids; each call answers as the model does.
    #[test]
    fn sqlite_answers_as_memory_does(calls in calls()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let config = SqliteConfig {
                durability: Durability::Relaxed,
                readers: 1,
                ..SqliteConfig::new(folder.path().join("notebook.db"))
            };
            let sqlite = SqlStore::sqlite(config).await.unwrap();
            let memory = MemoryStore::new();
            let tenants = [samples::tenant(), samples::tenant()];
            let mut before = Vec::new();
            for (first, call) in calls {
                let scope = &tenants[usize::from(!first)];
                let expected = run_call(&memory, &memory, scope, call.clone()).await;
                let got = run_call(&sqlite, &sqlite, scope, call.clone()).await;
                before.push((first, call));
                assert!(got == expected, "after {before:?}\nSQLite: {got}\nmemory: {expected}");
            }
            sqlite.close().await.unwrap();
        });
    }
}
