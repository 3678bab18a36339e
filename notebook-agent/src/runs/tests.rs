use std::{sync::Arc, time::Duration};

use notebook_core::{
    ConversationId, ErrorKind, MessageId, NotebookId, RunId, TenantId, TenantScope, Timestamp,
    clock::ManualClock,
    model::{
        Conversation, EventBody, GENERATION, Message, NewRun, Notebook, Role, Run, RunState, Usage,
    },
    pubsub::MemoryPubSub,
    run_log::RunLog,
    store::{ConversationStore, NotebookStore, memory::MemoryStore},
};

use super::*;

mod stalled;

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
        let conversation = Conversation::new(notebook.id, now);
        let run = Run {
            id: RunId::new(),
            notebook: notebook.id,
            conversation: conversation.id,
            question: MessageId::new(),
            answer: MessageId::new(),
            state: RunState::Queued,
            created_at: now,
            ended_at: None,
            stop_requested: false,
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

    async fn begin(&self) -> RunWriter {
        self.runs.begin(&self.scope, &self.run, Closing::Log).await.unwrap()
    }

    /// The runs of another process that shares the store, and hears of this one.
    fn elsewhere(&self, pubsub: &Arc<MemoryPubSub>) -> Arc<Runs> {
        let clock = Arc::new(ManualClock::default());
        Runs::shared(self.store.clone(), clock, Some(pubsub.clone()), None)
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
        warnings: Vec::new(),
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

async fn read_all(mut reader: EventReader) -> Vec<Arc<LoggedEvent>> {
    let mut all = Vec::new();
    while let Some(events) = reader.next().await.unwrap() {
        all.extend(events);
    }
    all
}

fn text_of(events: &[Arc<LoggedEvent>]) -> String {
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
    let mut writer = fixture.begin().await;
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
    let mut writer = fixture.begin().await;
    writer.emit(delta("part"));
    let signal = writer.stop_signal();
    fixture.runs.stop(&fixture.scope, fixture.run.id).await.unwrap();
    fixture.runs.stop(&fixture.scope, fixture.run.id).await.unwrap();
    assert_eq!(signal.given().await, StopReason::Asked);
    let answer = message(&fixture.run, fixture.run.answer, Role::Assistant, "part");
    assert_eq!(writer.close(EventBody::Stopped, Some(answer)).await, Closed::Stored);
    let run = fixture.runs.stop(&fixture.scope, fixture.run.id).await.unwrap();
    assert_eq!(run.state, RunState::Stopped);
    let kept = fixture.store.message(&fixture.scope, fixture.run.answer).await.unwrap();
    assert_eq!(kept.text, "part");
}

/// S44: a foreign id is an unknown id, live or not.
#[tokio::test]
async fn s44_a_foreign_run_is_not_found() {
    let fixture = Fixture::new().await;
    let _writer = fixture.begin().await;
    let other = scope();
    let foreign = fixture.runs.reader(&other, fixture.run.id, 0).await.err().unwrap();
    let absent = fixture.runs.reader(&other, RunId::new(), 0).await.err().unwrap();
    assert_eq!(foreign.kind(), ErrorKind::NotFound);
    assert_eq!(foreign.to_string(), absent.to_string());
    assert!(fixture.runs.stop(&other, fixture.run.id).await.is_err());
}

/// S47: a run whose process died, and that nobody takes up, is closed with its text kept.
#[tokio::test]
async fn s47_an_interrupted_run_is_closed_with_its_text() {
    let fixture = Fixture::new().await;
    let mut writer = fixture.begin().await;
    writer.emit(delta("half an "));
    writer.emit(delta("answer"));
    let (code, message) = ("answer_cut".to_owned(), "It is cut.".to_owned());
    writer.emit(EventBody::Warning { code, message });
    tokio::time::sleep(Duration::from_millis(250)).await;
    drop(writer);

    let next = Runs::new(fixture.store.clone(), Arc::new(ManualClock::default()));
    next.close_unheld(&fixture.scope, &fixture.run, interrupted(), None).await.unwrap();
    let again = next.close_unheld(&fixture.scope, &fixture.run, interrupted(), None).await;
    assert_eq!(again.unwrap_err().kind(), ErrorKind::Conflict);
    let events = read_all(next.reader(&fixture.scope, fixture.run.id, 0).await.unwrap()).await;
    let last = &events.last().unwrap().body;
    assert!(matches!(last, EventBody::Failed { code, .. } if code == "interrupted"), "{last:?}");
    let kept = fixture.store.message(&fixture.scope, fixture.run.answer).await.unwrap();
    assert_eq!((kept.text.as_str(), kept.partial), ("half an answer", true));
    assert_eq!(kept.warnings.len(), 1);
    // Whoever saw more than was stored is told what is kept, and sees the end.
    let rest = read_all(next.reader(&fixture.scope, fixture.run.id, 57).await.unwrap()).await;
    let kept = EventBody::Resync { text: "half an answer".into(), citations: Vec::new() };
    assert_eq!((rest.len(), &rest[0].body), (2, &kept));
    assert_eq!(rest[1], *events.last().unwrap());
    assert!(rest[0].seq < rest[1].seq);
}

/// S47: a worker that is lost before it has stored anything has shown its readers numbers that no other uses: neither the
/// next one, nor the end of a run that nobody takes up.
#[tokio::test]
async fn s47_numbers_that_were_shown_and_never_stored_are_not_used_again() {
    for taken_up in [true, false] {
        let fixture = Fixture::new().await;
        fixture.store.start(&fixture.scope, fixture.run.id).await.unwrap();
        let run = fixture.store.run(&fixture.scope, fixture.run.id).await.unwrap();
        let mut seen = fixture.reader(0).await;
        let mut lost = fixture.runs.begin(&fixture.scope, &run, Closing::Log).await.unwrap();
        for _ in 0..5 {
            lost.emit(delta("seen, and lost"));
        }
        let mut after = 0;
        while after < GENERATION + 6 {
            after = seen.next().await.unwrap().unwrap().last().unwrap().seq;
        }
        // Before anything but its beginning is stored.
        drop(lost);
        let answer = if taken_up {
            let mut next = fixture.runs.begin(&fixture.scope, &run, Closing::Log).await.unwrap();
            next.emit(delta("the answer"));
            let answer = message(&fixture.run, fixture.run.answer, Role::Assistant, "the answer");
            assert_eq!(next.close(completed(), Some(answer)).await, Closed::Stored);
            "the answer"
        } else {
            fixture.runs.close_unheld(&fixture.scope, &run, interrupted(), None).await.unwrap();
            ""
        };
        let rest = tokio::time::timeout(Duration::from_secs(5), read_all(seen)).await.unwrap();
        let anew = |event: &Arc<LoggedEvent>| {
            matches!(event.body, EventBody::Restarted | EventBody::Resync { .. })
        };
        assert!(anew(&rest[0]), "{rest:?}");
        assert_eq!(text_of(&rest), answer);
        assert!(rest.last().unwrap().body.terminal_state().is_some());
        assert!(rest.iter().all(|event| event.seq > after), "{after}: {rest:?}");
    }
}

/// S47: the same where it was the first worker, whose numbers begin at 1. An hour of kills found it: the end had number 1
/// too, and whoever had seen that number waited for ever.
#[tokio::test]
async fn s47_the_end_is_seen_where_the_first_worker_stored_nothing() {
    let fixture = Fixture::new().await;
    let mut lost = fixture.begin().await;
    let mut seen = fixture.reader(0).await;
    lost.emit(delta("seen, and lost"));
    let after = seen.next().await.unwrap().unwrap().last().unwrap().seq;
    // Before anything is stored.
    drop(lost);
    fixture.runs.close_unheld(&fixture.scope, &fixture.run, interrupted(), None).await.unwrap();
    let next = Runs::new(fixture.store.clone(), Arc::new(ManualClock::default()));
    let reader = next.reader(&fixture.scope, fixture.run.id, after).await.unwrap();
    let rest = tokio::time::timeout(Duration::from_secs(5), read_all(reader)).await.unwrap();
    assert!(rest.last().unwrap().body.terminal_state().is_some(), "{rest:?}");
    assert!(rest.iter().all(|event| event.seq > after), "{after}: {rest:?}");
}

/// S47: another worker begins anew where one was lost; its readers, old and new, end with the same text.
#[tokio::test]
async fn s47_another_worker_begins_anew_and_readers_follow() {
    let fixture = Fixture::new().await;
    fixture.store.start(&fixture.scope, fixture.run.id).await.unwrap();
    let mut lost = fixture.begin().await;
    let reading = tokio::spawn(read_all(fixture.reader(0).await));
    lost.emit(delta("a lost "));
    tokio::time::sleep(Duration::from_millis(250)).await;
    // Seen, and never stored.
    lost.emit(delta("beginning"));
    tokio::time::sleep(Duration::from_millis(20)).await;
    drop(lost);
    tokio::time::sleep(Duration::from_millis(20)).await;

    let run = fixture.store.run(&fixture.scope, fixture.run.id).await.unwrap();
    let mut second = fixture.runs.begin(&fixture.scope, &run, Closing::Log).await.unwrap();
    second.emit(delta("the answer"));
    let answer = message(&fixture.run, fixture.run.answer, Role::Assistant, "the answer");
    assert_eq!(second.close(completed(), Some(answer)).await, Closed::Stored);

    let seen = tokio::time::timeout(Duration::from_secs(5), reading).await.unwrap().unwrap();
    assert_eq!(text_of(&seen), "a lost beginningthe answer");
    let restart = seen.iter().position(|event| event.body == EventBody::Restarted).unwrap();
    assert_eq!(text_of(&seen[restart..]), "the answer");
    assert!(seen.windows(2).all(|pair| pair[0].seq < pair[1].seq), "no number comes twice");
    let later = read_all(fixture.reader(0).await).await;
    let restart = later.iter().position(|event| event.body == EventBody::Restarted).unwrap();
    assert_eq!(later[restart..], seen[seen.len() - (later.len() - restart)..]);
}

/// A worker that was thought dead writes nothing more, and says so to who runs it.
#[tokio::test]
async fn q3_a_worker_whose_place_was_taken_stops_writing() {
    let fixture = Fixture::new().await;
    fixture.store.start(&fixture.scope, fixture.run.id).await.unwrap();
    let mut zombie = fixture.begin().await;
    zombie.emit(delta("old"));
    tokio::time::sleep(Duration::from_millis(250)).await;
    let run = fixture.store.run(&fixture.scope, fixture.run.id).await.unwrap();
    let elsewhere = Runs::new(fixture.store.clone(), Arc::new(ManualClock::default()));
    let mut second = elsewhere.begin(&fixture.scope, &run, Closing::Log).await.unwrap();
    second.emit(delta("new"));
    tokio::time::sleep(Duration::from_millis(250)).await;
    zombie.emit(delta("er"));
    let signal = zombie.stop_signal();
    let told = tokio::time::timeout(Duration::from_secs(5), signal.given());
    // A run whose log another holds was opened as running: the second one began after the first's events.
    assert_eq!(told.await.unwrap(), StopReason::Lost);
    let answer = message(&fixture.run, fixture.run.answer, Role::Assistant, "older");
    assert_eq!(zombie.close(completed(), Some(answer)).await, Closed::Lost);
    let answer = message(&fixture.run, fixture.run.answer, Role::Assistant, "new");
    assert_eq!(second.close(completed(), Some(answer)).await, Closed::Stored);
    let kept = fixture.store.message(&fixture.scope, fixture.run.answer).await.unwrap();
    assert_eq!(kept.text, "new");
}

/// S46, E5: a reader in another process follows by the log, and a stop from there arrives (S42), told or not.
#[tokio::test]
async fn s42_s46_another_process_reads_and_stops() {
    for told in [true, false] {
        let fixture = Fixture::new().await;
        let pubsub = Arc::new(MemoryPubSub::new());
        let here = fixture.elsewhere(&pubsub);
        let there = fixture.elsewhere(&if told { pubsub } else { Arc::default() });
        let mut writer = here.begin(&fixture.scope, &fixture.run, Closing::Log).await.unwrap();
        let reader = there.reader(&fixture.scope, fixture.run.id, 0).await.unwrap();
        let reading = tokio::spawn(read_all(reader));
        tokio::time::sleep(Duration::from_millis(50)).await;
        writer.emit(delta("far "));
        writer.emit(delta("away"));
        let asked = std::time::Instant::now();
        let run = there.stop(&fixture.scope, fixture.run.id).await.unwrap();
        assert!(run.stop_requested);
        let signal = writer.stop_signal();
        let given = tokio::time::timeout(Duration::from_secs(1), signal.given()).await;
        assert_eq!(given.expect("within a second"), StopReason::Asked);
        if told {
            assert!(asked.elapsed() < Duration::from_millis(400), "{:?}", asked.elapsed());
        }
        let answer = message(&fixture.run, fixture.run.answer, Role::Assistant, "far away");
        writer.close(EventBody::Stopped, Some(answer)).await;
        let seen = tokio::time::timeout(Duration::from_secs(5), reading).await.unwrap().unwrap();
        assert_eq!(text_of(&seen), "far away");
        assert_eq!(seen.last().unwrap().body, EventBody::Stopped);
    }
}

/// A run that nobody watches ends after a while; one that is watched anywhere goes on (S38, S39).
#[tokio::test]
async fn s38_s39_a_run_that_nobody_watches_ends_as_the_policy_says() {
    let patience = |patience| async move {
        let fixture = Fixture::new().await;
        let clock = Arc::new(ManualClock::default());
        let runs = Runs::shared(fixture.store.clone(), clock, None, patience);
        let writer = runs.begin(&fixture.scope, &fixture.run, Closing::Log).await.unwrap();
        let mut reader = runs.reader(&fixture.scope, fixture.run.id, 0).await.unwrap();
        let waited = tokio::time::timeout(Duration::from_millis(700), reader.next()).await;
        assert!(waited.is_err() && writer.stop_signal().reason().is_none(), "it is watched");
        drop(reader);
        let given = writer.stop_signal();
        tokio::time::timeout(Duration::from_millis(1_500), given.given()).await.ok()
    };
    assert_eq!(patience(Some(Duration::ZERO)).await, Some(StopReason::Unwatched));
    assert_eq!(patience(Some(Duration::from_millis(300))).await, Some(StopReason::Unwatched));
    assert_eq!(patience(Some(Duration::from_secs(60))).await, None);
    assert_eq!(patience(None).await, None);
}

/// A reader that came before the run began in its own process has left when it leaves (S38): what it told the others
/// meanwhile does not keep the run.
#[tokio::test]
async fn s38_a_reader_does_not_hear_itself() {
    let fixture = Fixture::new().await;
    let clock = Arc::new(ManualClock::default());
    let pubsub = Arc::new(MemoryPubSub::new());
    let patience = Some(Duration::ZERO);
    let runs = Runs::shared(fixture.store.clone(), clock, Some(pubsub), patience);
    let mut reader = runs.reader(&fixture.scope, fixture.run.id, 0).await.unwrap();
    // It says that it watches, and this process hears of it when the run has begun.
    assert!(futures::poll!(std::pin::pin!(reader.next())).is_pending());
    let writer = runs.begin(&fixture.scope, &fixture.run, Closing::Log).await.unwrap();
    let waited = tokio::time::timeout(Duration::from_millis(200), reader.next()).await;
    assert!(waited.is_err() && writer.stop_signal().reason().is_none(), "it is watched");
    drop(reader);
    let given = writer.stop_signal();
    let given = tokio::time::timeout(Duration::from_secs(5), given.given()).await;
    assert_eq!(given.expect("it ends with its reader"), StopReason::Unwatched);
}

/// A million events cost one encoding each, however many read them.
#[tokio::test]
async fn events_are_encoded_once_for_all_readers() {
    let fixture = Fixture::new().await;
    let mut writer = fixture.begin().await;
    writer.emit(delta("once\nand for all"));
    let (mut one, mut two) = (fixture.reader(0).await, fixture.reader(0).await);
    let (one, two) = (one.next().await.unwrap().unwrap(), two.next().await.unwrap().unwrap());
    assert_eq!(one[0].sse().as_ptr(), two[0].sse().as_ptr());
    let block = String::from_utf8(one[0].sse().to_vec()).unwrap();
    let id = format!("id: {}:1\n", fixture.run.id);
    assert!(block.starts_with("event: delta\n") && block.contains(&id), "{block}");
    assert!(block.ends_with("\n\n") && block.contains("once\\nand for all"), "{block}");
}

/// S45: a reader whose place is pruned gets the text as it is, then the end.
#[tokio::test]
async fn s45_a_pruned_log_is_resynced() {
    let fixture = Fixture::new().await;
    let mut writer = fixture.begin().await;
    for word in ["one ", "two ", "three"] {
        writer.emit(delta(word));
    }
    let answer = message(&fixture.run, fixture.run.answer, Role::Assistant, "one two three");
    writer.close(completed(), Some(answer)).await;
    let whole = read_all(fixture.reader(0).await).await;
    let later = Timestamp::from_millis(1_000);
    assert_eq!(fixture.store.prune(&fixture.scope, later, 10).await.unwrap(), 1);
    for after in 0..=4 {
        let events = read_all(fixture.reader(after).await).await;
        let expected: &[&str] = match after {
            0..=2 => &["resync", "completed"],
            3 => &["completed"],
            _ => &[],
        };
        let names: Vec<&str> = events.iter().map(|event| event.body.name()).collect();
        assert_eq!(names, expected, "after {after}");
        if let Some(EventBody::Resync { text, .. }) = events.first().map(|event| &event.body) {
            assert_eq!(text, "one two three");
            assert!(events[0].seq > after && events[0].seq < whole[3].seq);
        }
    }
}
