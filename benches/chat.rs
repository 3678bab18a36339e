//! What the chat adds to a model: from the question to the model's call, from the model's first word to the reader's, and answers a second.
//!
//! `cargo bench --bench chat`. The model is in this process and answers at once, 50 words without a pause; passages are those of a source
//! of the size of a chapter; questions, answers and events are stored in an SQLite file. There is no peer: it is run on two commits in turn,
//! to see what a change to the chat costs.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use futures::{StreamExt as _, future::join_all, stream};
use notebook_agent::{
    chat::{Ask, Chat, ChatConfig, Mode, Parent, Question, Work},
    runs::Runs,
};
use notebook_core::{
    Clock as _, ConversationId, NotebookId, TenantScope,
    chat::{
        ChatEvent, ChatModel, ChatModelInfo, ChatRequest, ChatStream, FinishReason, TokenCount,
    },
    clock::SystemClock,
    document::DocumentBuilder,
    keyword::{KeywordIndex as _, KeywordRecord, MemoryKeywordIndex},
    model::{Conversation, EventBody, ModelSettings, Run, Stage},
    sqlite::SqliteConfig,
    store::{
        ConversationStore as _, NotebookStore as _, SourceStore as _, conformance::samples,
        sql::SqlStore,
    },
};
use notebook_rag::{
    chunk::{ChunkConfig, Chunker, estimate_tokens},
    retrieve::{RetrieveConfig, Retriever},
};

const WORDS: usize = 50;
/// Questions one after the other, then so many at a time.
const ALONE: usize = 300;
const AT_ONCE: usize = 16;
const ROUNDS: usize = 20;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Answers at once, and notes when it was asked, in nanoseconds since the beginning.
struct Instantly {
    info: ChatModelInfo,
    begin: Instant,
    asked: AtomicU64,
}

#[async_trait]
impl ChatModel for Instantly {
    fn info(&self) -> &ChatModelInfo {
        &self.info
    }

    async fn stream(&self, _: ChatRequest) -> notebook_core::Result<ChatStream> {
        self.asked.store(self.begin.elapsed().as_nanos() as u64, Ordering::SeqCst);
        let words = (0..WORDS).map(|word| Ok(ChatEvent::Delta(format!("word {word} "))));
        let end = Ok(ChatEvent::Finish(FinishReason::Stop));
        Ok(stream::iter(words.chain([end]).collect::<Vec<_>>()).boxed())
    }

    fn count_tokens(&self, text: &str) -> TokenCount {
        TokenCount::estimate(text)
    }

    async fn check(&self) -> notebook_core::Result<()> {
        Ok(())
    }
}

struct Bench {
    scope: TenantScope,
    store: Arc<SqlStore>,
    model: Arc<Instantly>,
    chat: Chat,
    notebook: NotebookId,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<()> {
    let folder = tempfile::tempdir_in(".")?;
    let bench = Bench::new(SqliteConfig::new(folder.path().join("chat.db"))).await?;
    let (mut to_model, mut to_reader, mut whole) = (vec![], vec![], vec![]);
    for number in 0..ALONE + 20 {
        let conversation = bench.conversation().await?;
        let (called, came, ended) = bench.answer(conversation).await?;
        // The first ones warm the caches.
        if number >= 20 {
            to_model.push(called);
            to_reader.push(came);
            whole.push(ended);
        }
    }
    let mut rates = Vec::new();
    for _ in 0..ROUNDS {
        let conversations = join_all((0..AT_ONCE).map(|_| bench.conversation())).await;
        let conversations: Vec<_> = conversations.into_iter().collect::<Result<_>>()?;
        let started = Instant::now();
        let answers = conversations.into_iter().map(|conversation| bench.answer(conversation));
        join_all(answers).await.into_iter().collect::<Result<Vec<_>>>()?;
        rates.push(started.elapsed() / AT_ONCE as u32);
    }
    println!(
        "question to model {}, model to reader {}, whole answer {}; {AT_ONCE} at once: one each {}",
        shown(&mut to_model),
        shown(&mut to_reader),
        shown(&mut whole),
        shown(&mut rates),
    );
    Ok(())
}

fn shown(times: &mut [Duration]) -> String {
    times.sort();
    let at = |percent: usize| times[times.len() * percent / 100].as_secs_f64() * 1e3;
    format!("p50 {:.2} ms (p90 {:.2})", at(50), at(90))
}

impl Bench {
    async fn new(config: SqliteConfig) -> Result<Self> {
        let (scope, clock) = (samples::tenant(), Arc::new(SystemClock));
        let store = Arc::new(SqlStore::sqlite(config).await?);
        let notebook = store.create_notebook(&scope, samples::notebook()).await?.id;
        let keyword = Arc::new(MemoryKeywordIndex::default());
        let source = notebook_core::model::Source {
            stage: Stage::Ready,
            keywords_ready: true,
            ..samples::source(notebook)
        };
        let id = source.id;
        store.create_source(&scope, source).await?;
        let mut builder = DocumentBuilder::new(1 << 20);
        for number in 0..200 {
            let text =
                format!("Grey herons stand in shallow water and wait, number {number}. ").repeat(8);
            builder.paragraph(&text)?;
        }
        let document = builder.finish();
        let chunks: Vec<_> =
            Chunker::new(ChunkConfig::default())?.chunks(&document, id, &estimate_tokens).collect();
        let records = chunks.iter().map(|chunk| KeywordRecord {
            ordinal: chunk.key.ordinal,
            headings: String::new(),
            text: chunk.text.clone(),
        });
        keyword.add(&scope, notebook, id, records.collect()).await?;
        keyword.commit(&scope).await?;
        store.put_document(&scope, id, document).await?;
        store.put_chunks(&scope, id, chunks).await?;
        let retriever = Retriever::new(keyword, None, store.clone(), RetrieveConfig::default())?;
        let runs = Runs::new(store.clone(), clock.clone());
        let info = ChatModelInfo {
            provider: "bench".into(),
            model: "instantly".into(),
            context_tokens: None,
            local: true,
            tools: false,
        };
        let model = Arc::new(Instantly { info, begin: Instant::now(), asked: AtomicU64::new(0) });
        let config = ChatConfig { concurrent_runs: AT_ONCE, ..ChatConfig::default() };
        let chat = Chat::new(
            store.clone(),
            runs,
            Arc::new(retriever),
            Arc::new(model.clone()),
            clock,
            config,
            Work::Tasks,
        );
        Ok(Self { scope, store, model, chat, notebook })
    }

    async fn conversation(&self) -> Result<ConversationId> {
        let conversation = Conversation::new(self.notebook, SystemClock.now());
        Ok(self.store.create_conversation(&self.scope, conversation).await?.id)
    }

    /// An answer: how long until the model was called, until the reader had its first word from then, and to the end.
    async fn answer(&self, conversation: ConversationId) -> Result<(Duration, Duration, Duration)> {
        let asked = Instant::now();
        let text = "Where do grey herons stand and wait?".into();
        let ask = Ask {
            mode: Mode::Answer,
            history: None,
            conversation,
            question: Question::New { text, parent: Parent::Newest },
            settings: ModelSettings::default(),
            idempotency_key: None,
        };
        let run = self.chat.ask(&self.scope, ask).await?.run().clone();
        let came = self.first(&run).await?;
        let called =
            self.model.begin + Duration::from_nanos(self.model.asked.load(Ordering::SeqCst));
        Ok((
            called.saturating_duration_since(asked),
            came.saturating_duration_since(called),
            asked.elapsed(),
        ))
    }

    /// Reads a run to its end; when its first word came.
    async fn first(&self, run: &Run) -> Result<Instant> {
        let mut reader = self.chat.runs().reader(&self.scope, run.id, 0).await?;
        let mut came = None;
        while let Some(events) = reader.next().await? {
            let word = events.iter().any(|event| matches!(event.body, EventBody::Delta { .. }));
            if word && came.is_none() {
                came = Some(Instant::now());
            }
        }
        came.ok_or_else(|| "no answer".into())
    }
}
