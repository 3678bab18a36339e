use std::{sync::Arc, time::Duration};

use notebook_core::{
    ConversationId, ErrorKind, MessageId, NotebookId, RunId, TenantId, TenantScope, Timestamp,
    clock::ManualClock,
    model::{Conversation, EventBody, Message, NewRun, Notebook, Role, Run, RunState, Usage},
    run_log::RunLog,
    store::{ConversationStore, NotebookStore, memory::MemoryStore},
};

use super::*;

#[allow(clippy::disallowed_methods)]
fn scope() -> TenantScope {
    TenantScope::authenticated(TenantId::new())
}

struct Fixture {
    scope: TenantScope,
    store: Arc<MemoryStore>,
    runs: Arc<Runs>,
    run: Run,
}

impl Fixture {
    async fn new() -> Self {
        let (scope, store) = (scope(), Arc::new(MemoryStore::new()));
        let now = Timestamp::from_millis(1);
        let notebook = Notebook {
            id: NotebookId::new(),
            name: "n".into(),
            named_by_user: false,
            archived: false,
            settings: Default::default(),
            created_at: now,
            updated_at: now,
        };
        let conversation = Conversation {
            id: ConversationId::new(),
            notebook: notebook.id,
            title: String::new(),
            excluded_sources: vec![],
            created_at: now,
            updated_at: now,
        };
        let run = Run {
            id: RunId::new(),
            notebook: notebook.id,
            conversation: conversation.id,
            question: MessageId::new(),
            answer: MessageId::new(),
            state: RunState::Queued,
            created_at: now,
            ended_at: None,
        };
        let question = message(&run, run.question, Role::User, "why?");
        store.create_notebook(&scope, notebook).await.unwrap();
        store.create_conversation(&scope, conversation).await.unwrap();
        let new = NewRun {
            run: run.clone(),
            question: Some(question),
            idempotency_key: None,
            request_hash: String::new(),
        };
        store.open(&scope, new).await.unwrap();
        let runs = Runs::new(store.clone(), Arc::new(ManualClock::at(now)));
        Self { scope, store, runs, run }
    }

    async fn reader(&self, after: u64) -> EventReader {
        self.runs.reader(&self.scope, self.run.id, after).await.unwrap()
    }
}

fn message(run: &Run, id: MessageId, role: Role, text: &str) -> Message {
    Message {
        id,
        conversation: run.conversation,
        parent: None,
        role,
        text: text.into(),
        citations: vec![],
        dropped_citations: 0,
        run: None,
        model: None,
        usage: None,
        timings: vec![],
        partial: false,
        created_at: Timestamp::from_millis(2),
    }
}

fn delta(text: &str) -> EventBody {
    EventBody::Delta { text: text.into() }
}

fn completed() -> EventBody {
    EventBody::Completed {
        usage: Usage::default(),
        abstained: false,
        dropped_citations: 0,
        timings: vec![],
    }
}

async fn read_all(mut reader: EventReader) -> Vec<Arc<RunEvent>> {
    let mut all = Vec::new();
    while let Some(events) = reader.next().await.unwrap() {
        all.extend(events);
    }
    all
}

fn text_of(events: &[Arc<RunEvent>]) -> String {
    events
        .iter()
        .filter_map(|event| match &event.body {
            EventBody::Delta { text } => Some(text.as_str()),
            _ => None,
        })
        .collect()
}

/// S43, S46: whoever reads, from wherever, live or afterwards, sees the same text and one terminal event.
#[tokio::test]
async fn s43_s46_every_reader_sees_the_same() {
    let fixture = Fixture::new().await;
    let mut writer = fixture.runs.begin(&fixture.scope, &fixture.run);
    fixture.store.start(&fixture.scope, fixture.run.id).await.unwrap();
    let early = tokio::spawn(read_all(fixture.reader(0).await));
    for word in ["one ", "two ", "three"] {
        writer.emit(delta(word));
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    let late = tokio::spawn(read_all(fixture.reader(0).await));
    let answer = message(&fixture.run, fixture.run.answer, Role::Assistant, "one two three");
    writer.close(completed(), Some(answer)).await;

    let (early, late) = (early.await.unwrap(), late.await.unwrap());
    let after = read_all(fixture.reader(0).await).await;
    assert_eq!(text_of(&early), "one two three");
    assert_eq!(early, late);
    assert_eq!(early, after);
    for seq in 0..=early.len() as u64 {
        let rest = read_all(fixture.reader(seq).await).await;
        assert_eq!(rest, early[seq as usize..], "resumed after {seq}");
    }
    assert_eq!(early.iter().filter(|event| event.body.terminal_state().is_some()).count(), 1);
    assert_eq!(fixture.runs.live(), 0, "nothing is left behind");
}

/// S40, S41: stop reaches the writer, twice is once, and after the end it changes nothing.
#[tokio::test]
async fn s40_s41_stop_reaches_the_writer() {
    let fixture = Fixture::new().await;
    let mut writer = fixture.runs.begin(&fixture.scope, &fixture.run);
    writer.emit(delta("part"));
    let signal = writer.stop_signal();
    fixture.runs.stop(&fixture.scope, fixture.run.id).await.unwrap();
    fixture.runs.stop(&fixture.scope, fixture.run.id).await.unwrap();
    signal.stopped().await;
    assert!(!signal.is_interrupted());
    let answer = message(&fixture.run, fixture.run.answer, Role::Assistant, "part");
    assert_eq!(writer.close(EventBody::Stopped, Some(answer)).await, RunState::Stopped);
    let run = fixture.runs.stop(&fixture.scope, fixture.run.id).await.unwrap();
    assert_eq!(run.state, RunState::Stopped);
    let kept = fixture.store.message(&fixture.scope, fixture.run.answer).await.unwrap();
    assert_eq!(kept.text, "part");
}

/// S44: a foreign id is an unknown id, live or not.
#[tokio::test]
async fn s44_a_foreign_run_is_not_found() {
    let fixture = Fixture::new().await;
    let _writer = fixture.runs.begin(&fixture.scope, &fixture.run);
    let other = scope();
    let foreign = fixture.runs.reader(&other, fixture.run.id, 0).await.err().unwrap();
    let absent = fixture.runs.reader(&other, RunId::new(), 0).await.err().unwrap();
    assert_eq!(foreign.kind(), ErrorKind::NotFound);
    assert_eq!(foreign.to_string(), absent.to_string());
    assert!(fixture.runs.stop(&other, fixture.run.id).await.is_err());
}

/// S47: a run whose process died fails at the next start, with its text kept.
#[tokio::test]
async fn s47_an_interrupted_run_is_closed_at_the_next_start() {
    let fixture = Fixture::new().await;
    let mut writer = fixture.runs.begin(&fixture.scope, &fixture.run);
    writer.emit(delta("half an "));
    writer.emit(delta("answer"));
    tokio::time::sleep(Duration::from_millis(250)).await;
    drop(writer);

    let next = Runs::new(fixture.store.clone(), Arc::new(ManualClock::default()));
    assert_eq!(next.recover(&fixture.scope).await.unwrap(), 1);
    assert_eq!(next.recover(&fixture.scope).await.unwrap(), 0);
    let events = read_all(next.reader(&fixture.scope, fixture.run.id, 0).await.unwrap()).await;
    let last = &events.last().unwrap().body;
    assert!(matches!(last, EventBody::Failed { code, .. } if code == "interrupted"), "{last:?}");
    let kept = fixture.store.message(&fixture.scope, fixture.run.answer).await.unwrap();
    assert_eq!((kept.text.as_str(), kept.partial), ("half an answer", true));
}

/// A reader that waits on a run whose writer vanished gets an end, not silence.
#[tokio::test]
async fn a_reader_never_hangs_on_a_vanished_writer() {
    let fixture = Fixture::new().await;
    let writer = fixture.runs.begin(&fixture.scope, &fixture.run);
    let reading = tokio::spawn(read_all(fixture.reader(0).await));
    drop(writer);
    let events = tokio::time::timeout(Duration::from_secs(5), reading).await.unwrap().unwrap();
    assert!(events.is_empty());
}
