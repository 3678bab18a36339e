//! One answer, from the question to the terminal event.

use std::{
    collections::{BTreeSet, HashMap, hash_map::Entry},
    sync::Arc,
    time::Instant,
};

use futures::StreamExt;
use notebook_core::{
    Error, ErrorKind, Result, SourceId, TenantScope,
    chat::{ChatEvent, ChatModel, ChatRequest, ChatStream, FinishReason, Grounding},
    document::{Medium, SourceKind},
    model::{
        Chunk, Conversation, EventBody, Message, ModelSettings, Notebook, Role, StageTiming, Usage,
    },
    queue::JobError,
};
use notebook_rag::retrieve::{RetrieveRequest, Retrieved};
use tracing::warn;

use super::{Inner, Work, cite::Citer, history};
use crate::{
    answer::{AnswerBuilder, Part, is_stuck},
    context::{self, Context, ContextInput, PromptPassage},
    runs::{Closed, RunWriter, StopReason, interrupted},
};

/// What a run works on.
pub(super) struct Task {
    pub(super) notebook: Notebook,
    pub(super) conversation: Conversation,
    pub(super) question: Message,
    pub(super) settings: ModelSettings,
    pub(super) model: Arc<dyn ChatModel>,
}

/// What is said when the sources do not.
pub(super) const NOT_SAID: &str = "The sources do not say.";

/// Produces the answer and ends the run, whatever happens on the way.
pub(super) async fn produce(
    chat: &Inner,
    scope: &TenantScope,
    job: Task,
    mut writer: RunWriter,
) -> Produced {
    let stop = writer.stop_signal();
    let mut answer = Answer::default();
    let work = tokio::time::timeout(
        chat.config.run_deadline,
        work(chat, scope, &job, &mut writer, &mut answer),
    );
    let ended = tokio::select! {
        biased;
        reason = stop.given() => Ended::Stopped(reason),
        result = work => match result {
            Ok(Ok(())) => Ended::Whole,
            Ok(Err(error)) => Ended::Broken(error),
            Err(_) => Ended::Broken(Error::new(ErrorKind::Timeout, "answer")
                .with("limit", format!("{} s", chat.config.run_deadline.as_secs()))),
        },
    };
    match ended {
        Ended::Stopped(StopReason::Lost) => return Produced::Released,
        Ended::Stopped(StopReason::Interrupted) if writer.can_be_released() => {
            writer.release().await;
            return Produced::Released;
        }
        _ => {}
    }
    let terminal = terminal_event(&ended, &job, &answer);
    let partial = !matches!(ended, Ended::Whole);
    let message = answer.into_message(&job, &writer, chat.clock.now(), partial);
    store_end(writer, terminal, message).await
}

/// Ends a run that no model can answer.
pub(super) async fn refuse(writer: RunWriter, error: &Error) -> Produced {
    let terminal = EventBody::Failed {
        code: error.kind().code().to_owned(),
        message: format!("This server has no model that can answer ({error})."),
        retryable: false,
    };
    store_end(writer, terminal, None).await
}

async fn store_end(writer: RunWriter, terminal: EventBody, message: Option<Message>) -> Produced {
    match writer.close(terminal, message).await {
        Closed::Stored => Produced::Stored,
        Closed::Lost => Produced::Released,
        Closed::NotStored(reason) => Produced::NotStored(reason),
    }
}

/// What became of a run's end.
pub(super) enum Produced {
    /// It is stored, with its job's.
    Stored,
    /// The store could not take it.
    NotStored(JobError),
    /// There is none: another worker goes on.
    Released,
}

enum Ended {
    Whole,
    Stopped(StopReason),
    Broken(Error),
}

/// The answer as it grows; what stands here when a run ends early is kept.
#[derive(Default)]
struct Answer {
    text: String,
    citations: Vec<notebook_core::model::Citation>,
    dropped: u32,
    abstained: bool,
    usage: Usage,
    timings: Vec<StageTiming>,
}

impl Answer {
    fn into_message(
        self,
        job: &Task,
        writer: &RunWriter,
        now: notebook_core::Timestamp,
        partial: bool,
    ) -> Option<Message> {
        (!self.text.is_empty()).then(|| Message {
            id: writer.run().answer,
            conversation: job.conversation.id,
            parent: Some(job.question.id),
            role: Role::Assistant,
            text: self.text,
            citations: self.citations,
            dropped_citations: self.dropped,
            run: Some(writer.run().id),
            model: Some(job.model.info().label()),
            usage: Some(self.usage),
            timings: self.timings,
            partial,
            created_at: now,
        })
    }

    fn time(&mut self, stage: &str, since: Instant) {
        let micros = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.timings.push(StageTiming { stage: stage.to_owned(), micros, finished: true });
    }
}

fn terminal_event(ended: &Ended, job: &Task, answer: &Answer) -> EventBody {
    match ended {
        Ended::Whole => EventBody::Completed {
            usage: answer.usage,
            abstained: answer.abstained,
            dropped_citations: answer.dropped,
            timings: answer.timings.clone(),
        },
        Ended::Stopped(StopReason::Interrupted) => interrupted(),
        Ended::Stopped(StopReason::Unwatched) => EventBody::Abandoned,
        Ended::Stopped(StopReason::Asked | StopReason::Lost) => EventBody::Stopped,
        Ended::Broken(error) => {
            warn!(%error, model = job.model.info().label(), "run failed");
            EventBody::Failed {
                code: error.kind().code().to_owned(),
                message: explain(error, &job.model.info().label()),
                retryable: error.is_retryable(),
            }
        }
    }
}

/// A sentence for a person.
fn explain(error: &Error, model: &str) -> String {
    let what = match error.kind() {
        ErrorKind::ContextTooLong => {
            "The question with its passages does not fit the model. Ask a shorter question or choose a model that reads more."
        }
        ErrorKind::Unauthorized => {
            "The model provider refused the credentials. Check the API key in the server's configuration."
        }
        ErrorKind::RateLimited => {
            "The model provider allows no more requests for now. Try again later."
        }
        ErrorKind::Timeout => "The model took too long. What it wrote so far is kept.",
        ErrorKind::Unavailable => {
            "The model provider cannot be reached or broke off. What it wrote so far is kept."
        }
        ErrorKind::Protocol => {
            "The model provider answered with something that is not its protocol. Check its base URL in the configuration."
        }
        ErrorKind::StorageFull => "The disk is full. Free some space and ask again.",
        _ => "The answer could not be produced.",
    };
    format!("{what} ({model}: {error})")
}

fn closed(_: tokio::sync::AcquireError) -> Error {
    Error::new(ErrorKind::Cancelled, "answer")
}

/// Retrieve, build the context, generate, cite.
async fn work(
    chat: &Inner,
    scope: &TenantScope,
    job: &Task,
    writer: &mut RunWriter,
    answer: &mut Answer,
) -> Result<()> {
    let _turn = match chat.work {
        Work::Tasks => Some(chat.working.acquire().await.map_err(closed)?),
        // The runner takes no more jobs than it has slots.
        Work::Jobs { .. } => None,
    };
    let run = writer.run().clone();
    chat.runs.log().start(scope, run.id).await?;
    writer.emit(EventBody::Started { answer: run.answer, model: job.model.info().label() });

    let found = retrieve(chat, scope, job, writer, answer).await?;
    let general = job.notebook.settings.allow_general_knowledge;
    if !general && !found.relevant {
        abstain(writer, answer);
        return Ok(());
    }
    let chunks: Vec<Chunk> = found.passages.into_iter().map(|passage| passage.chunk).collect();
    let context = build_context(chat, scope, job, &chunks, writer, answer).await?;
    let passages = chunks.get(..context.passages_used).unwrap_or_default();
    let request = request(chat, job, &context, passages);
    answer.usage.prompt_tokens = context.prompt_tokens as u64;

    let since = Instant::now();
    let stream = job.model.stream(request).await?;
    generate(chat, scope, job, stream, passages, writer, answer).await?;
    answer.time("generate", since);
    Ok(())
}

async fn retrieve(
    chat: &Inner,
    scope: &TenantScope,
    job: &Task,
    writer: &mut RunWriter,
    answer: &mut Answer,
) -> Result<Retrieved> {
    let sources = selected_sources(chat, scope, &job.conversation).await?;
    let request = RetrieveRequest {
        question: job.question.text.clone(),
        notebook: job.notebook.id,
        sources,
        limit: chat.config.passages,
        deadline: Some(chat.config.retrieval_deadline),
    };
    let found = chat.retriever.retrieve(scope, &request).await?;
    answer.timings.extend(found.timings.iter().cloned());
    writer.emit(EventBody::Retrieved {
        mode: found.mode,
        passages: found.passages.len() as u32,
        partial: found.partial,
        timings: found.timings.clone(),
    });
    for warning in &found.warnings {
        writer.emit(EventBody::Warning {
            code: "retrieval_partial".to_owned(),
            message: warning.message.clone(),
        });
    }
    Ok(found)
}

/// The sources that the conversation leaves on; `None` for all.
async fn selected_sources(
    chat: &Inner,
    scope: &TenantScope,
    conversation: &Conversation,
) -> Result<Option<BTreeSet<SourceId>>> {
    if conversation.excluded_sources.is_empty() {
        return Ok(None);
    }
    let all = chat.store.sources(scope, conversation.notebook).await?;
    let on = all.into_iter().map(|source| source.id);
    Ok(Some(on.filter(|id| !conversation.excluded_sources.contains(id)).collect()))
}

fn abstain(writer: &mut RunWriter, answer: &mut Answer) {
    answer.abstained = true;
    answer.text.push_str(NOT_SAID);
    writer.emit(EventBody::Delta { text: NOT_SAID.to_owned() });
}

async fn build_context(
    chat: &Inner,
    scope: &TenantScope,
    job: &Task,
    chunks: &[Chunk],
    writer: &mut RunWriter,
    answer: &mut Answer,
) -> Result<Context> {
    let since = Instant::now();
    let history = history::before(&*chat.store, scope, &job.question).await?;
    let passages = prompt_passages(chat, scope, chunks).await?;
    let budget = budget_tokens(chat, job);
    let marker = uuid::Uuid::new_v4().simple().to_string();
    let input = ContextInput {
        instructions: job.settings.system_prompt.as_deref(),
        allow_general_knowledge: job.notebook.settings.allow_general_knowledge,
        history: &history,
        passages: &passages,
        question: &job.question.text,
        budget_tokens: budget,
        marker: marker.get(..12).unwrap_or(&marker),
    };
    let context = context::build(&input, &|text| job.model.count_tokens(text).tokens)?;
    answer.time("context", since);
    writer.emit(EventBody::Context {
        prompt_tokens: context.prompt_tokens as u64,
        budget_tokens: budget as u64,
        messages_left_out: context.messages_left_out as u32,
        passages_left_out: (passages.len() - context.passages_used) as u32,
    });
    if context.messages_left_out > 0 {
        writer.emit(EventBody::Warning {
            code: "context_limit".to_owned(),
            message: format!(
                "The conversation is longer than the model may read: its {} oldest messages were left out.",
                context.messages_left_out
            ),
        });
    }
    Ok(context)
}

/// The prompt's share of what the model can read.
fn budget_tokens(chat: &Inner, job: &Task) -> usize {
    let answer = max_tokens(chat, job) as usize;
    let window = job.model.info().context_tokens.map_or(usize::MAX, |tokens| tokens as usize);
    // A window smaller than the wanted answer is shared in halves.
    let room = window.saturating_sub(answer).max(window / 2);
    chat.config.context_tokens.min(room)
}

fn max_tokens(chat: &Inner, job: &Task) -> u32 {
    job.settings.max_tokens.unwrap_or(chat.config.answer_tokens)
}

async fn prompt_passages(
    chat: &Inner,
    scope: &TenantScope,
    chunks: &[Chunk],
) -> Result<Vec<PromptPassage>> {
    let mut names: HashMap<SourceId, (String, SourceKind)> = HashMap::new();
    let mut passages = Vec::with_capacity(chunks.len());
    for chunk in chunks {
        let id = chunk.key.source;
        if let Entry::Vacant(entry) = names.entry(id) {
            let source = chat.store.source(scope, id).await?;
            entry.insert((source.title.unwrap_or(source.name), source.kind));
        }
        let (name, kind) = names.get(&id).cloned().unwrap_or((String::new(), SourceKind::Text));
        // Parts of a recording are times, not pages.
        let (source, page) = match chunk.page {
            Some(part) if kind.medium() == Medium::Audio => {
                (format!("{name}, at {}", kind.part(part)), None)
            }
            page => (name, page),
        };
        passages.push(PromptPassage {
            source,
            page,
            headings: chunk.headings.clone(),
            text: chunk.text.clone(),
        });
    }
    Ok(passages)
}

fn request(chat: &Inner, job: &Task, context: &Context, passages: &[Chunk]) -> ChatRequest {
    ChatRequest {
        messages: context.messages.clone(),
        temperature: job.settings.temperature,
        top_p: job.settings.top_p,
        max_tokens: Some(max_tokens(chat, job)),
        stop: Vec::new(),
        seed: None,
        grounding: Some(Grounding {
            question: job.question.text.clone(),
            passages: passages.iter().map(|chunk| chunk.text.clone()).collect(),
        }),
    }
}

/// Reads the model's stream to its end.
async fn generate(
    chat: &Inner,
    scope: &TenantScope,
    job: &Task,
    mut stream: ChatStream,
    passages: &[Chunk],
    writer: &mut RunWriter,
    answer: &mut Answer,
) -> Result<()> {
    let mut builder = AnswerBuilder::default();
    let mut citer = Citer::new(&*chat.store, scope, passages);
    let mut reported = None;
    let mut finish = None;
    let mut stuck = false;
    let since = Instant::now();
    let mut first = true;
    while let Some(event) = stream.next().await {
        match event? {
            ChatEvent::Delta(delta) => {
                if std::mem::take(&mut first) {
                    answer.time("first_token", since);
                }
                let parts = builder.push(&delta);
                place(parts, &builder, &mut citer, writer, answer).await?;
                if answer.text.len() > chat.config.answer_bytes {
                    finish = Some(FinishReason::Length);
                    break;
                }
                if is_stuck(&answer.text) {
                    stuck = true;
                    break;
                }
            }
            ChatEvent::Usage(usage) => reported = Some(usage),
            ChatEvent::Finish(reason) => finish = Some(reason),
            _ => {}
        }
    }
    drop(stream);
    let parts = builder.finish();
    place(parts, &builder, &mut citer, writer, answer).await?;
    if answer.citations.is_empty() && !builder.text().is_empty() {
        for request in citer.attribute(builder.text()) {
            add_citation(&mut citer, &request, builder.text(), writer, answer).await?;
        }
    }
    answer.dropped = citer.dropped;
    answer.usage = reported.unwrap_or_else(|| Usage {
        completion_tokens: job.model.count_tokens(builder.text()).tokens as u64,
        ..answer.usage
    });
    if builder.abstained() || answer.text.is_empty() {
        abstain(writer, answer);
    }
    if stuck {
        writer.emit(EventBody::Warning {
            code: "answer_repeats".to_owned(),
            message: "The model began to repeat itself, and was stopped. Ask in other words, or choose a larger model.".to_owned(),
        });
    }
    if finish == Some(FinishReason::Length) {
        writer.emit(EventBody::Warning {
            code: "answer_cut".to_owned(),
            message: "The answer met its limit of length. Raise max_tokens in the settings for longer answers.".to_owned(),
        });
    }
    Ok(())
}

async fn place(
    parts: Vec<Part>,
    builder: &AnswerBuilder,
    citer: &mut Citer<'_>,
    writer: &mut RunWriter,
    answer: &mut Answer,
) -> Result<()> {
    for part in parts {
        match part {
            Part::Text(text) => {
                answer.text.push_str(&text);
                writer.emit(EventBody::Delta { text });
            }
            Part::Cite(request) => {
                add_citation(citer, &request, builder.text(), writer, answer).await?;
            }
        }
    }
    Ok(())
}

async fn add_citation(
    citer: &mut Citer<'_>,
    request: &crate::answer::CiteRequest,
    text: &str,
    writer: &mut RunWriter,
    answer: &mut Answer,
) -> Result<()> {
    if let Some(citation) = citer.cite(text, request).await? {
        writer.emit(EventBody::Citation(citation.clone()));
        let place = answer.citations.partition_point(|other| other.at <= citation.at);
        answer.citations.insert(place, citation);
    }
    Ok(())
}
