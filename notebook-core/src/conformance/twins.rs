//! T34: two tenants who do the same with the same ids neither see nor change anything of each other.
//!
//! Each tells what it is answered at every step, with both in one store, in turns. It must be what it would be told
//! were it alone, which is asked of a store in memory of its own. Whatever condition on the tenant a statement lacks, one
//! of the two is shown, changes or removes what is the other's: ids are the same in both, contents are not. Once more
//! with ids of notebooks and conversations of their own, which are asked for across, as those of jobs always are: no two
//! tenants may share one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a suite speaks by panicking, and acts for tenants of its own"
)]

use std::{fmt::Debug, sync::Arc};

use serde_json::json;

use super::Scenario;
use crate::{
    ConversationId, JobId, MessageId, NotebookId, Result, RunId, Secret, SourceId, TenantScope,
    Timestamp, WebhookId,
    clock::SystemClock,
    document::{Document, Span},
    model::{
        Chunk, Conversation, Message, NewRun, Notebook, PageRequest, RunOutcome, RunState, Source,
        Stage,
    },
    queue::{
        NewJob, QueuePolicy, conformance::outbox::Shared, memory::MemoryQueue, outbox::MemoryOutbox,
    },
    store::{
        conformance::samples::{self, at},
        memory::MemoryStore,
    },
    usage::{Day, UsageStore},
    vector::VectorSpace,
    webhook::{Event, EventType, SigningSecret, Webhook, WebhookChange, conformance::Parts},
};

/// Every port that keeps a tenant's rows, on one storage.
#[derive(Clone, Copy)]
pub struct Whole<'a> {
    /// The store, the run log, the queue and the webhooks.
    pub parts: Parts<'a>,
    /// What was used.
    pub usage: &'a dyn UsageStore,
}

impl Debug for Whole<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Whole").finish_non_exhaustive()
    }
}

/// Every scenario of the suite.
#[must_use]
pub fn scenarios<'a>() -> Vec<Scenario<Whole<'a>>> {
    crate::scenarios![
        Whole<'a>;
        t34_twins_neither_see_nor_change_each_other,
        t34_twins_with_ids_of_their_own_neither,
        t34_an_erased_twin_leaves_the_other_whole
    ]
}

/// Runs every scenario.
///
/// # Panics
/// When a tenant saw or changed what is another's.
pub async fn run_all(whole: Whole<'_>) {
    for scenario in scenarios() {
        (scenario.run)(&whole).await;
    }
}

pub async fn t34_twins_neither_see_nor_change_each_other(whole: &Whole<'_>) {
    in_turns(whole, &Ids::new(true)).await;
}

pub async fn t34_twins_with_ids_of_their_own_neither(whole: &Whole<'_>) {
    in_turns(whole, &Ids::new(false)).await;
}

/// T27: with the same ids in both, what one has is removed a row at a time, and the other has all that it had.
pub async fn t34_an_erased_twin_leaves_the_other_whole(whole: &Whole<'_>) {
    let ids = Ids::new(true);
    let twins = [Twin::new("Anna", &ids, 0), Twin::new("Berthold", &ids, 1)];
    let until = STEPS.iter().position(|name| *name == "removal of parts").unwrap();
    for step in 0..until {
        for twin in &twins {
            twin.tell(whole, step).await;
        }
    }
    let store = whole.parts.shared.store;
    let [gone, stays] = &twins;
    let has = async |twin: &Twin<'_>| {
        let mut told = Told(Vec::new());
        twin.look(whole, &mut told).await;
        (told.0, store.remains(&twin.scope).await.unwrap())
    };
    let before = has(stays).await;
    assert!(before.1.len() > 5, "{:?}", before.1);
    let mut rows = 0;
    while store.erase(&gone.scope, 1).await.unwrap() > 0 {
        rows += 1;
        assert!(rows < 10_000, "it goes on for ever");
    }
    let left = store.remains(&gone.scope).await.unwrap();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(has(stays).await, before);
}

async fn in_turns(whole: &Whole<'_>, ids: &Ids) {
    let twins = [Twin::new("Anna", ids, 0), Twin::new("Berthold", ids, 1)];
    let mut alone = Vec::new();
    for twin in &twins {
        alone.push(told_alone(twin).await);
    }
    // First the one and then the other goes ahead, so that each does everything beside one who has not done it yet.
    for (step, name) in STEPS.iter().enumerate() {
        let order = if step % 2 == 0 { [0, 1] } else { [1, 0] };
        for place in order {
            let told = twins[place].tell(whole, step).await;
            let expected = &alone[place][step];
            for (told, expected) in told.iter().zip(expected) {
                assert_eq!(told, expected, "{} at step {name}", twins[place].name);
            }
            assert_eq!(told.len(), expected.len());
        }
    }
}

/// What a twin is told who has a store to himself.
async fn told_alone(twin: &Twin<'_>) -> Vec<Vec<String>> {
    let store = Arc::new(MemoryStore::new());
    let queue = Arc::new(MemoryQueue::new(Arc::new(SystemClock), QueuePolicy::default()));
    let outbox = MemoryOutbox::new(Arc::clone(&store), Arc::clone(&queue));
    let shared =
        Shared { store: &*store, log: &*store, queue: &*queue, worklist: &*queue, outbox: &outbox };
    let whole = Whole { parts: Parts { shared, webhooks: &*store }, usage: &*store };
    let mut told = Vec::new();
    for step in 0..STEPS.len() {
        told.push(twin.tell(&whole, step).await);
    }
    told
}

/// What both do, in this order; before and after each they look at all there is.
const STEPS: &[&str] = &[
    "notebooks",
    "sources",
    "texts",
    "a change of a source",
    "conversations",
    "runs",
    "events",
    "ends",
    "changes",
    "usage",
    "pruning",
    "removal of parts",
    "hiding",
    "removal",
];

/// What both have in common, and what each has to itself.
struct Ids {
    sources: [SourceId; 3],
    runs: [RunId; 4],
    messages: [MessageId; 8],
    webhook: WebhookId,
    notebooks: [[NotebookId; 3]; 2],
    conversations: [[ConversationId; 2]; 2],
    jobs: [[JobId; 3]; 2],
}

impl Ids {
    fn new(same: bool) -> Self {
        let notebooks = std::array::from_fn(|_| NotebookId::new());
        let conversations = std::array::from_fn(|_| ConversationId::new());
        Self {
            sources: std::array::from_fn(|_| SourceId::new()),
            runs: std::array::from_fn(|_| RunId::new()),
            messages: std::array::from_fn(|_| MessageId::new()),
            webhook: WebhookId::new(),
            notebooks: match same {
                true => [notebooks; 2],
                false => [notebooks, std::array::from_fn(|_| NotebookId::new())],
            },
            conversations: match same {
                true => [conversations; 2],
                false => [conversations, std::array::from_fn(|_| ConversationId::new())],
            },
            jobs: std::array::from_fn(|_| std::array::from_fn(|_| JobId::new())),
        }
    }
}

struct Twin<'i> {
    name: &'static str,
    scope: TenantScope,
    ids: &'i Ids,
    own: usize,
}

/// What was answered, in words that are the same whenever it is asked.
#[derive(Default)]
struct Told(Vec<String>);

impl Told {
    fn add<T: Debug>(&mut self, what: &str, answer: Result<T>) {
        let answer = answer.map_err(|error| error.kind());
        self.0.push(format!("{what}: {answer:?}"));
    }
}

impl<'i> Twin<'i> {
    fn new(name: &'static str, ids: &'i Ids, own: usize) -> Self {
        Self { name, scope: samples::tenant(), ids, own }
    }

    async fn tell(&self, whole: &Whole<'_>, step: usize) -> Vec<String> {
        let mut told = Told::default();
        self.look(whole, &mut told).await;
        self.act(whole, &mut told, step).await;
        self.look(whole, &mut told).await;
        told.0
    }

    fn notebook(&self, place: usize) -> Notebook {
        let id = self.ids.notebooks[self.own][place];
        Notebook { id, name: format!("{}'s {place}", self.name), ..samples::notebook() }
    }

    fn source(&self, place: usize, revision: u32) -> Source {
        Source {
            id: self.ids.sources[place],
            name: format!("{}'s source {place}", self.name),
            title: Some(format!("{}'s title", self.name)),
            keywords_ready: revision > 0,
            failure: None,
            revision,
            stage: if revision > 0 { Stage::Ready } else { Stage::Queued },
            ..samples::source(self.ids.notebooks[self.own][0])
        }
    }

    fn document(&self) -> Document {
        // Both lengths are more than one segment of a stored text.
        let mut document = samples::document(140_000);
        document.title = Some(format!("{}'s document", self.name));
        document.text = document.text.replacen("Biene", self.name, usize::MAX);
        let mut at = 0;
        document.blocks.retain_mut(|block| {
            let length = document.text[at..].find("\n\n").unwrap();
            block.span = Span { start: at, end: at + length };
            at += length + 2;
            true
        });
        document.pages.clear();
        document
    }

    /// Where a stored text is cut into segments, and around it: other characters are there for each.
    fn spans(&self) -> Vec<Span> {
        let text = self.document().text;
        let whole = |at: usize| (at..).find(|at| text.is_char_boundary(*at)).unwrap();
        let around = [0, 65_526, 65_530, 65_532, 65_534, 65_536, 65_538, 65_540, 131_060, 131_072];
        around.into_iter().map(|at| Span { start: whole(at), end: whole(at + 40) }).collect()
    }

    fn chunk(&self, source: usize, ordinal: u32) -> Chunk {
        let text = format!("{}'s chunk {ordinal}", self.name);
        Chunk { text, ..samples::chunk(self.ids.sources[source], ordinal) }
    }

    fn space() -> VectorSpace {
        VectorSpace { model: "twins".into(), dimensions: 2 }
    }

    fn vectors(&self) -> Vec<(u32, Vec<f32>)> {
        // One has a vector less.
        (0..3 - self.own as u32).map(|ordinal| (ordinal, vec![self.own as f32, 0.5])).collect()
    }

    fn conversation(&self, place: usize) -> Conversation {
        Conversation {
            id: self.ids.conversations[self.own][place],
            title: format!("{}'s conversation {place}", self.name),
            excluded_sources: vec![self.ids.sources[0]],
            ..samples::conversation(self.ids.notebooks[self.own][0])
        }
    }

    fn run(&self, place: usize) -> NewRun {
        let mut new = samples::new_run(&self.conversation(0));
        new.run.id = self.ids.runs[place];
        new.run.question = self.ids.messages[place * 2];
        new.run.answer = self.ids.messages[place * 2 + 1];
        new.question = Some(samples::question(&new.run, &format!("{} asks", self.name)));
        new.idempotency_key = Some(format!("key {place}"));
        new.request_hash = self.name.to_owned();
        new
    }

    fn end(&self, place: usize, seq: u64) -> RunOutcome {
        let run = self.run(place).run;
        let text = format!("{} is answered", self.name);
        RunOutcome {
            state: RunState::Completed,
            events: vec![samples::completed(seq)],
            answer: Some(Message { text, ..samples::answer(&run) }),
        }
    }

    fn webhook(&self) -> Webhook {
        Webhook {
            id: self.ids.webhook,
            url: format!("https://{}.example/", self.name.to_lowercase()),
            description: self.name.to_owned(),
            // One wants to know of everything.
            events: EventType::ALL.into_iter().take(if self.own == 0 { 9 } else { 1 }).collect(),
            enabled: true,
            disabled: None,
            failing_since: None,
            created_at: at(1),
            updated_at: at(2),
        }
    }

    fn secret(&self, number: u8) -> SigningSecret {
        use base64::Engine as _;
        let bytes = [number + 100 * self.own as u8; 32];
        let text = base64::engine::general_purpose::STANDARD.encode(bytes);
        SigningSecret::parse(Secret::new(format!("whsec_{text}"))).unwrap()
    }

    fn job(&self, place: usize) -> NewJob {
        NewJob {
            id: self.ids.jobs[self.own][place],
            unique_key: Some(format!("twins {place}")),
            ..NewJob::new(format!("twins {}", self.ids.webhook), json!(self.name))
        }
    }

    /// All that there is, by every call that reads.
    async fn look(&self, whole: &Whole<'_>, told: &mut Told) {
        let shared = &whole.parts.shared;
        let (scope, page) = (&self.scope, || PageRequest::first(100));
        let other = 1 - self.own;
        told.add("notebooks", shared.store.notebooks(scope, true, page()).await);
        told.add("hidden", shared.store.hidden_notebooks(scope).await);
        told.add("unfinished", shared.store.unfinished_notebooks(scope).await);
        for id in self.ids.notebooks[self.own].iter().chain(&self.ids.notebooks[other]) {
            told.add("notebook", shared.store.notebook(scope, *id).await);
            told.add("sources", shared.store.sources(scope, *id).await);
            told.add("conversations", shared.store.conversations(scope, *id).await);
        }
        self.look_at_sources(whole, told).await;
        self.look_at_runs(whole, told).await;
        self.look_at_webhooks(whole, told).await;
        let day = Day::of(at(0));
        told.add("open day", whole.usage.first_open_day(scope).await);
        told.add("usage", whole.usage.usage(scope, day, day).await);
        told.add("dead", shared.queue.dead(scope, 10).await.map(|jobs| jobs.len()));
        for place in 0..3 {
            let key = format!("twins {place}");
            let holder = shared.queue.holder(scope, &key).await;
            told.add("holder", holder.map(|job| job.map(|job| (job.id, job.payload))));
            for own in [self.own, other] {
                let job = shared.queue.job(scope, self.ids.jobs[own][place]).await;
                told.add("job", job.map(|job| (job.id, job.payload, job.state)));
            }
        }
    }

    async fn look_at_sources(&self, whole: &Whole<'_>, told: &mut Told) {
        let (store, scope) = (whole.parts.shared.store, &self.scope);
        told.add("unfinished sources", store.unfinished_sources(scope).await);
        told.add("indexed", store.indexed_sources(scope).await);
        for id in self.ids.sources {
            told.add("source", store.source(scope, id).await);
            let document = store.document(scope, id).await;
            told.add("document", document.map(|document| (document.title, document.text.len())));
            let layout = store.layout(scope, id).await;
            told.add("layout", layout.map(|layout| (layout.title, layout.text_bytes)));
            for span in self.spans() {
                told.add("text", store.text(scope, id, span).await);
            }
            told.add("chunks", store.chunks(scope, id, 1, 10).await);
            told.add("vectors", store.embeddings(scope, id, &Self::space(), 0, 10).await);
            told.add("count", store.count_embeddings(scope, id, &Self::space()).await);
        }
        let keys: Vec<_> = (0..3).map(|ordinal| self.chunk(0, ordinal).key).collect();
        told.add("chunks by key", store.chunks_by_key(scope, &keys).await);
    }

    async fn look_at_runs(&self, whole: &Whole<'_>, told: &mut Told) {
        let (store, log, scope) = (whole.parts.shared.store, whole.parts.shared.log, &self.scope);
        told.add("unfinished runs", log.unfinished(scope).await);
        told.add("stopping", log.stopping(scope).await);
        for id in self.ids.conversations.as_flattened() {
            told.add("conversation", store.conversation(scope, *id).await);
            told.add("messages", store.messages(scope, *id, PageRequest::first(10)).await);
            told.add("runs", log.runs(scope, *id, 10).await);
        }
        for id in self.ids.runs {
            told.add("run", log.run(scope, id).await);
            told.add("answer", log.answer(scope, id).await);
            told.add("events", log.events(scope, id, 0, 100).await);
        }
        for id in self.ids.messages {
            told.add("message", store.message(scope, id).await);
        }
    }

    async fn look_at_webhooks(&self, whole: &Whole<'_>, told: &mut Told) {
        let (webhooks, scope, id) = (whole.parts.webhooks, &self.scope, self.ids.webhook);
        told.add("webhooks", webhooks.webhooks(scope).await);
        told.add("webhook", webhooks.webhook(scope, id).await);
        let secrets = webhooks.secrets(scope, id).await;
        let secrets = secrets.map(|both| {
            let previous = both.previous.map(|previous| previous.secret.expose().to_owned());
            (both.current.expose().to_owned(), previous)
        });
        told.add("secrets", secrets);
        let deliveries = webhooks.deliveries(scope, id, PageRequest::first(100)).await;
        let all = deliveries.map(|page| {
            let told = |one: crate::webhook::Delivery| (one.event, one.body, one.state, one.tried);
            page.items.into_iter().map(told).collect::<Vec<_>>()
        });
        told.add("deliveries", all);
    }

    async fn act(&self, whole: &Whole<'_>, told: &mut Told, step: usize) {
        match STEPS[step] {
            "notebooks" => self.make_notebooks(whole, told).await,
            "sources" => self.make_sources(whole, told).await,
            "texts" => self.make_texts(whole, told).await,
            "a change of a source" => self.change_sources(whole, told).await,
            "conversations" => {
                for place in 0..2 {
                    let new = self.conversation(place);
                    let made = whole.parts.shared.store.create_conversation(&self.scope, new).await;
                    told.add("create conversation", made);
                }
            }
            "runs" => self.open_runs(whole, told).await,
            "events" => self.tell_events(whole, told).await,
            "ends" => self.close_runs(whole, told).await,
            "changes" => self.change_all(whole, told).await,
            "usage" => {
                for close in [false, true] {
                    let day = Day::of(at(0));
                    told.add("count", whole.usage.count_day(&self.scope, day, close).await);
                }
            }
            "pruning" => self.prune(whole, told).await,
            "removal of parts" => self.remove_parts(whole, told).await,
            "hiding" => self.hide(whole, told).await,
            _ => self.remove(whole, told).await,
        }
    }

    async fn make_notebooks(&self, whole: &Whole<'_>, told: &mut Told) {
        let (store, scope) = (whole.parts.shared.store, &self.scope);
        for place in 0..2 {
            told.add("create", store.create_notebook(scope, self.notebook(place)).await);
            told.add("again", store.create_notebook(scope, self.notebook(place)).await);
        }
        let (webhooks, id) = (whole.parts.webhooks, self.ids.webhook);
        let change = WebhookChange { enabled: Some(false), ..WebhookChange::default() };
        told.add("early", webhooks.change_webhook(scope, id, change, at(7)).await);
        told.add("early", webhooks.rotate_secret(scope, id, self.secret(3), at(7), at(8)).await);
        told.add("early", webhooks.delete_webhook(scope, id).await);
        told.add("early", webhooks.send(scope, id, Event::ping(id, at(7))).await.map(drop));
        let unfinished = self.notebook(2);
        told.add("create", store.create_unfinished_notebook(scope, unfinished).await);
        let made = webhooks.create_webhook(scope, self.webhook(), self.secret(1)).await;
        told.add("create webhook", made);
        told.add(
            "send",
            webhooks.send(scope, id, Event::ping(id, at(9))).await.map(|sent| sent.body),
        );
    }

    async fn make_sources(&self, whole: &Whole<'_>, told: &mut Told) {
        let (shared, scope) = (&whole.parts.shared, &self.scope);
        // Of the two, one has none yet and the other has.
        self.change_sources_too_early(whole, told).await;
        told.add("create", shared.store.create_source(scope, self.source(0, 0)).await);
        told.add("create", shared.store.create_source(scope, self.source(1, 0)).await);
        let jobs = vec![self.job(0)];
        told.add("create", shared.outbox.create_source(scope, self.source(2, 0), jobs).await);
        told.add("insert", shared.queue.insert(scope, vec![self.job(1)]).await);
    }

    async fn change_sources_too_early(&self, whole: &Whole<'_>, told: &mut Told) {
        let (store, scope, id) = (whole.parts.shared.store, &self.scope, self.ids.sources[0]);
        told.add("early", store.update_source(scope, self.source(0, 0)).await);
        told.add("early", store.delete_source(scope, id).await);
        told.add("early", store.put_document(scope, id, self.document()).await);
        told.add("early", store.put_chunks(scope, id, vec![self.chunk(0, 9)]).await);
        told.add("early", store.put_embeddings(scope, id, &Self::space(), self.vectors()).await);
    }

    async fn make_texts(&self, whole: &Whole<'_>, told: &mut Told) {
        let (store, scope, id) = (whole.parts.shared.store, &self.scope, self.ids.sources[0]);
        told.add("document", store.put_document(scope, id, self.document()).await);
        told.add("document", store.put_document(scope, self.ids.sources[1], self.document()).await);
        // One has a chunk more.
        let chunks = (0..4 - self.own as u32).map(|ordinal| self.chunk(0, ordinal)).collect();
        told.add("chunks", store.put_chunks(scope, id, chunks).await);
        let chunks = (0..2).map(|ordinal| self.chunk(1, ordinal)).collect();
        told.add("chunks", store.put_chunks(scope, self.ids.sources[1], chunks).await);
        told.add("vectors", store.put_embeddings(scope, id, &Self::space(), self.vectors()).await);
        // Of what it does not have, whoever else has.
        let missing = vec![(3, vec![1.0, 2.0])];
        if self.own == 1 {
            told.add("vectors", store.put_embeddings(scope, id, &Self::space(), missing).await);
        }
    }

    async fn change_sources(&self, whole: &Whole<'_>, told: &mut Told) {
        let (shared, scope) = (&whole.parts.shared, &self.scope);
        let changed = |place| Source { revision: 0, ..self.source(place, 1) };
        told.add("update", shared.store.update_source(scope, changed(0)).await);
        told.add("again", shared.store.update_source(scope, changed(0)).await);
        let jobs = vec![self.job(2)];
        told.add("update", shared.outbox.update_source(scope, changed(1), jobs).await);
    }

    async fn open_runs(&self, whole: &Whole<'_>, told: &mut Told) {
        let (shared, scope) = (&whole.parts.shared, &self.scope);
        let early = self.ids.runs[0];
        told.add("early", shared.log.start(scope, early).await);
        told.add("early", shared.log.append(scope, early, &samples::deltas(1, 1)).await);
        told.add("early", shared.log.request_stop(scope, early).await);
        told.add("early", shared.log.close(scope, early, self.end(0, 1)).await);
        // Behind a message that only the other may have.
        let mut behind = self.run(0);
        behind.question = behind
            .question
            .map(|question| Message { parent: Some(self.ids.messages[2]), ..question });
        told.add("behind", shared.log.open(scope, behind).await);
        for place in 0..2 {
            told.add("open", shared.log.open(scope, self.run(place)).await);
            told.add("again", shared.log.open(scope, self.run(place)).await);
        }
        told.add("open", shared.outbox.open_run(scope, self.run(2), Vec::new()).await);
        // What is one's own answer was brought by an import to the other.
        if self.own == 0 {
            told.add("open", shared.log.open(scope, self.run(3)).await);
        }
        // In the other's conversation.
        let mut foreign = self.run(0);
        foreign.run.conversation = self.ids.conversations[1 - self.own][0];
        foreign.run.notebook = self.ids.notebooks[1 - self.own][0];
        foreign.question = foreign
            .question
            .map(|question| Message { conversation: foreign.run.conversation, ..question });
        foreign.run.id = RunId::from_u128(foreign.run.id.as_u128() ^ 1);
        told.add("foreign", shared.log.open(scope, foreign).await);
    }

    async fn tell_events(&self, whole: &Whole<'_>, told: &mut Told) {
        let (log, scope) = (whole.parts.shared.log, &self.scope);
        for id in self.ids.runs {
            told.add("start", log.start(scope, id).await);
        }
        // One is ahead of the other.
        let count = 3 + 2 * self.own as u64;
        told.add("append", log.append(scope, self.ids.runs[0], &samples::deltas(1, count)).await);
        told.add("append", log.append(scope, self.ids.runs[1], &samples::deltas(1, 2)).await);
        if self.own == 0 {
            told.add("stop", log.request_stop(scope, self.ids.runs[2]).await);
        }
    }

    async fn close_runs(&self, whole: &Whole<'_>, told: &mut Told) {
        let (log, scope) = (whole.parts.shared.log, &self.scope);
        let first = 4 + 2 * self.own as u64;
        for (place, seq) in [(0, first), (1, 3)] {
            let end = self.end(place, seq);
            told.add("close", log.close(scope, self.ids.runs[place], end).await);
        }
        let (last, end) = (self.run(3), self.end(3, 1));
        match self.own {
            0 => told.add("close", log.close(scope, last.run.id, end).await),
            _ => told.add("record", log.record(scope, last, end).await),
        }
    }

    async fn change_all(&self, whole: &Whole<'_>, told: &mut Told) {
        let (store, webhooks, scope) =
            (whole.parts.shared.store, whole.parts.webhooks, &self.scope);
        let other = 1 - self.own;
        let name = format!("{} changes", self.name);
        let changed = Notebook { name: name.clone(), updated_at: at(50), ..self.notebook(0) };
        told.add("notebook", store.update_notebook(scope, changed.clone()).await);
        let foreign = Notebook { id: self.ids.notebooks[other][1], ..changed };
        told.add("foreign", store.update_notebook(scope, foreign).await);
        told.add("foreign", store.show_notebook(scope, self.ids.notebooks[other][2]).await);
        let changed = Conversation { title: name, updated_at: at(50), ..self.conversation(0) };
        told.add("conversation", store.update_conversation(scope, changed.clone()).await);
        let foreign = Conversation { id: self.ids.conversations[other][1], ..changed };
        told.add("foreign", store.update_conversation(scope, foreign).await);
        let change = WebhookChange {
            description: Some(format!("{} again", self.name)),
            ..WebhookChange::default()
        };
        let id = self.ids.webhook;
        told.add("webhook", webhooks.change_webhook(scope, id, change, at(60)).await);
        let rotated = webhooks.rotate_secret(scope, id, self.secret(2), at(70), at(80)).await;
        told.add("rotate", rotated.map(|both| both.current.expose().to_owned()));
        told.add("resume", webhooks.resume(scope, 10).await);
        for place in 0..3 {
            let foreign = self.ids.jobs[other][place];
            told.add("foreign", whole.parts.shared.queue.cancel(scope, foreign).await.map(drop));
            told.add("foreign", whole.parts.shared.queue.revive(scope, foreign).await.map(drop));
        }
        told.add("show", store.show_notebook(scope, self.ids.notebooks[self.own][2]).await);
    }

    async fn prune(&self, whole: &Whole<'_>, told: &mut Told) {
        let (scope, late) = (&self.scope, Timestamp::from_millis(i64::MAX >> 1));
        told.add("prune", whole.parts.shared.log.prune(scope, late, 10).await);
        told.add("prune", whole.parts.webhooks.prune_deliveries(scope, late, 10).await);
    }

    async fn remove_parts(&self, whole: &Whole<'_>, told: &mut Told) {
        let (shared, scope, other) = (&whole.parts.shared, &self.scope, 1 - self.own);
        told.add(
            "text",
            shared.store.put_document(scope, self.ids.sources[1], samples::document(9)).await,
        );
        told.add("source", shared.store.delete_source(scope, self.ids.sources[1]).await);
        let foreign = self.ids.conversations[other][1];
        told.add("foreign", shared.store.delete_conversation(scope, foreign).await);
        let own = self.ids.conversations[self.own][1];
        told.add("conversation", shared.store.delete_conversation(scope, own).await);
        told.add("cancel", shared.queue.cancel(scope, self.ids.jobs[self.own][0]).await.map(drop));
        let foreign = self.ids.notebooks[other][1];
        told.add("foreign", shared.store.delete_notebook(scope, foreign).await);
        told.add("foreign", shared.outbox.hide_notebook(scope, foreign, Vec::new()).await);
    }

    async fn hide(&self, whole: &Whole<'_>, told: &mut Told) {
        let (shared, scope, other) = (&whole.parts.shared, &self.scope, 1 - self.own);
        let own = self.ids.notebooks[self.own][0];
        // Hidden for the one, and not yet for the other.
        told.add("not hidden", shared.store.empty_notebook(scope, own, 10).await);
        told.add("hide", shared.outbox.hide_notebook(scope, own, Vec::new()).await);
        let foreign = self.ids.notebooks[other][0];
        if foreign != own {
            told.add("foreign", shared.store.empty_notebook(scope, foreign, 10).await);
            told.add("foreign", shared.store.delete_notebook(scope, foreign).await);
        }
    }

    async fn remove(&self, whole: &Whole<'_>, told: &mut Told) {
        let (shared, scope) = (&whole.parts.shared, &self.scope);
        let own = self.ids.notebooks[self.own][0];
        told.add("empty", shared.store.empty_notebook(scope, own, 10).await);
        told.add("delete", shared.store.delete_notebook(scope, own).await);
        told.add("webhook", whole.parts.webhooks.delete_webhook(scope, self.ids.webhook).await);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn memory_keeps_every_promise() {
        let store = Arc::new(MemoryStore::new());
        let queue = Arc::new(MemoryQueue::new(Arc::new(SystemClock), QueuePolicy::default()));
        let outbox = MemoryOutbox::new(Arc::clone(&store), Arc::clone(&queue));
        let shared = Shared {
            store: &*store,
            log: &*store,
            queue: &*queue,
            worklist: &*queue,
            outbox: &outbox,
        };
        run_all(Whole { parts: Parts { shared, webhooks: &*store }, usage: &*store }).await;
    }
}
