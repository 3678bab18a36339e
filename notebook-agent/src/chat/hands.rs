//! What the nodes of an answer ask for is done here: retrieve, build the prompt, generate and cite.

use std::{
    collections::{BTreeSet, HashMap, hash_map::Entry},
    sync::Arc,
    time::Instant,
};

use async_trait::async_trait;
use futures::StreamExt;
use notebook_core::{
    Error, ErrorKind, Result, SourceId, TenantScope,
    chat::{
        CallOptions, ChatEvent, ChatMessage, ChatRequest, ChatStream, FinishReason, Grounding,
        Replaced, Tally,
    },
    document::{Medium, SourceKind},
    model::{AnswerStage, Chunk, Conversation, EventBody, Run, Usage},
};
use notebook_rag::retrieve::RetrieveRequest;
use serde_json::json;
use tokio::sync::Mutex;

use crate::shown_name;

use super::{
    Inner,
    cite::Citer,
    flow::{Answer, NOT_SAID, Task},
    guard, history,
    tape::{Ask, Looked, Tape},
    told,
    turn::{CONTEXT, Found, GENERATE, Grounds, Prompt, RETRIEVE, Wanted, read},
};
use crate::{
    answer::{AnswerBuilder, CiteRequest, Part, is_stuck},
    context::{self, Context, ContextInput, PromptPassage},
    graph::{CallInfo, Failure, ModelCall, ModelReply, Models, ToolCall, ToolReply, Tools},
    guard::provenance::Trusted,
    runs::RunWriter,
};

/// An answer on its way: where its events go, and what there is of it when it ends early.
pub(super) struct Desk {
    /// `None` when the run was ended: what comes later is not told any more.
    writer: Option<RunWriter>,
    pub(super) answer: Answer,
    /// What was retrieved, best first.
    passages: Vec<Chunk>,
    /// What was said before, where it was read already.
    before: Option<Result<Vec<ChatMessage>>>,
    /// The marker of the data in the prompt.
    pub(super) marker: Option<String>,
    /// Why it fails, if it does: what the engine keeps of it has no kind.
    pub(super) error: Option<Error>,
    /// Where what it shows is written down as well, or compared with what was.
    tape: Tape,
}

/// Does what one run asks for.
#[derive(Clone)]
pub(super) struct Hands {
    pub(super) chat: Arc<Inner>,
    pub(super) scope: TenantScope,
    pub(super) task: Arc<Task>,
    pub(super) desk: Arc<Mutex<Desk>>,
    /// What comes from outside comes through it.
    pub(super) tape: Tape,
}

impl Hands {
    /// Without a writer its events are shown to the tape alone.
    pub(super) fn new(
        chat: Arc<Inner>,
        scope: TenantScope,
        task: Task,
        writer: Option<RunWriter>,
        tape: Tape,
    ) -> Self {
        let desk = Desk {
            writer,
            answer: Answer::default(),
            passages: Vec::new(),
            before: None,
            marker: None,
            error: None,
            tape: tape.clone(),
        };
        Self { chat, scope, task: Arc::new(task), desk: Arc::new(Mutex::new(desk)), tape }
    }

    /// The failure that the engine sees; the error itself stays on the desk.
    fn failed(desk: &mut Desk, error: Error) -> Failure {
        let failure = Failure {
            code: error.kind().code().to_owned(),
            message: error.to_string(),
            retryable: error.is_retryable(),
        };
        desk.error = Some(error);
        failure
    }
}

#[async_trait]
impl Tools for Hands {
    fn names(&self) -> BTreeSet<String> {
        [RETRIEVE, CONTEXT].map(str::to_owned).into()
    }

    async fn call(&self, _: &CallInfo, call: ToolCall) -> Result<ToolReply, Failure> {
        let mut desk = self.desk.lock().await;
        let done = match call.name.as_str() {
            RETRIEVE => self.retrieve(&mut desk).await.map(|found| json!(found)),
            CONTEXT => {
                let wanted: Wanted = read(call.arguments)?;
                self.context(wanted, &mut desk).await.map(|prompt| json!(prompt))
            }
            _ => return Err(Failure::new("unknown_tool", "there is no such tool")),
        };
        done.map(ToolReply::from).map_err(|error| Self::failed(&mut desk, error))
    }
}

#[async_trait]
impl Models for Hands {
    async fn call(&self, info: &CallInfo, call: ModelCall) -> Result<ModelReply, Failure> {
        if &*info.node != GENERATE {
            // What is asked on the way is not shown; the graph goes on without it if it fails.
            return crate::graph::OneModel::new(Arc::clone(&self.task.model))
                .call(info, call)
                .await;
        }
        let mut desk = self.desk.lock().await;
        let done = self.generate(info, call, &mut desk).await;
        done.map_err(|error| Self::failed(&mut desk, error))
    }
}

impl Hands {
    async fn retrieve(&self, desk: &mut Desk) -> Result<Found> {
        let Self { chat, scope, task, .. } = self;
        let sources = self.selected_sources(&task.conversation).await?;
        let request = RetrieveRequest {
            question: task.question.text.clone(),
            notebook: task.notebook.id,
            sources,
            limit: chat.config.passages,
            deadline: Some(chat.config.retrieval_deadline),
        };
        let ask = || Ask::Passages(request.limit, request.sources.clone());
        let (before, request) = (&mut desk.before, &request);
        let look = move || async move {
            // Side by side: what the prompt needs next is there when the passages are.
            let said = async {
                if task.history.is_none() {
                    *before = Some(self.said_before().await);
                }
            };
            let ((), found) = tokio::join!(said, chat.retriever.retrieve(scope, request));
            Ok(found?.into())
        };
        let found: Looked = self.tape.take(ask, look).await?;
        desk.answer.timings.extend(found.timings.iter().cloned());
        desk.emit(EventBody::Retrieved {
            mode: found.mode,
            passages: found.chunks.len() as u32,
            partial: found.partial,
            timings: found.timings,
        });
        for warning in found.warnings {
            desk.warn("retrieval_partial", warning);
        }
        desk.passages = found.chunks;
        Ok(Found { passages: desk.passages.len(), relevant: found.relevant })
    }

    /// The sources that the conversation leaves on; `None` for all.
    pub(super) async fn selected_sources(
        &self,
        conversation: &Conversation,
    ) -> Result<Option<BTreeSet<SourceId>>> {
        if conversation.excluded_sources.is_empty() {
            return Ok(None);
        }
        let list = || async {
            let all = self.chat.store.sources(&self.scope, conversation.notebook).await?;
            Ok(all.into_iter().map(|source| source.id).collect())
        };
        let all: Vec<SourceId> = self.tape.take(|| Ask::Sources, list).await?;
        Ok(Some(all.into_iter().filter(|id| !conversation.excluded_sources.contains(id)).collect()))
    }

    async fn context(&self, wanted: Wanted, desk: &mut Desk) -> Result<Prompt> {
        let since = Instant::now();
        let task = &self.task;
        let history = self.history(desk.before.take()).await?;
        let passages = self.prompt_passages(&desk.passages).await?;
        let budget = self.budget_tokens(self.chat.config.context_tokens);
        let marker = self.tape.word(marker);
        let input = ContextInput {
            instructions: task.settings.system_prompt.as_deref().map(Trusted::new),
            allow_general_knowledge: task.notebook.settings.allow_general_knowledge,
            history: &history,
            summary: wanted.summary.as_deref().filter(|summary| !summary.trim().is_empty()),
            passages: &passages,
            question: &task.question.text,
            budget_tokens: budget,
            marker: &marker,
        };
        desk.marker = Some(input.marker.to_owned());
        let context = context::build(&input, &|text| task.model.count_tokens(text).tokens)?;
        let left_out = history.get(..context.messages_left_out).unwrap_or_default();
        if self.chat.config.summarise && wanted.summary.is_none() && !left_out.is_empty() {
            let overflow =
                newest(left_out, budget / 4 * 3, &|text| task.model.count_tokens(text).tokens);
            return Ok(Prompt { messages: Vec::new(), passages: 0, overflow });
        }
        desk.answer.time(AnswerStage::Context, since);
        desk.answer.usage.prompt_tokens = context.prompt_tokens as u64;
        desk.tell_context(&context, passages.len(), budget);
        let Context { messages, passages_used, .. } = context;
        Ok(Prompt { messages, passages: passages_used, overflow: Vec::new() })
    }

    /// What was said before: as the client gave it, or as the conversation has it, where that was not read already.
    pub(super) async fn history(
        &self,
        read: Option<Result<Vec<ChatMessage>>>,
    ) -> Result<Vec<ChatMessage>> {
        if let Some(given) = &self.task.history {
            return Ok(given.clone());
        }
        let before = || async {
            match read {
                Some(read) => read,
                None => self.said_before().await,
            }
        };
        self.tape.take(|| Ask::History, before).await
    }

    async fn said_before(&self) -> Result<Vec<ChatMessage>> {
        history::before(&*self.chat.store, &self.scope, &self.task.question).await
    }

    /// The prompt's share of what the model can read, of so many tokens at most.
    pub(super) fn budget_tokens(&self, most: usize) -> usize {
        let answer = self.max_tokens() as usize;
        let window = self.task.model.info().context_tokens;
        let window = window.map_or(usize::MAX, |tokens| tokens as usize);
        // A window smaller than the wanted answer is shared in halves.
        let room = window.saturating_sub(answer).max(window / 2);
        most.min(room)
    }

    pub(super) fn max_tokens(&self) -> u32 {
        self.task.settings.max_tokens.unwrap_or(self.chat.config.answer_tokens)
    }

    async fn prompt_passages(&self, chunks: &[Chunk]) -> Result<Vec<PromptPassage>> {
        let mut names: HashMap<SourceId, (String, SourceKind)> = HashMap::new();
        let mut passages = Vec::with_capacity(chunks.len());
        for chunk in chunks {
            let id = chunk.key.source;
            if let Entry::Vacant(entry) = names.entry(id) {
                let name = || async {
                    let source = self.chat.store.source(&self.scope, id).await?;
                    Ok((shown_name(&source).to_owned(), source.kind))
                };
                entry.insert(self.tape.take(|| Ask::Source(id), name).await?);
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

    async fn generate(
        &self,
        info: &CallInfo,
        call: ModelCall,
        desk: &mut Desk,
    ) -> Result<ModelReply> {
        let since = Instant::now();
        let grounds: Grounds = read(call.attached)
            .map_err(|failure| Error::new(ErrorKind::Internal, "answer").caused_by(failure))?;
        let passages = std::mem::take(&mut desk.passages);
        let passages = passages.get(..grounds.passages).unwrap_or_default();
        let request = ChatRequest {
            messages: call.messages,
            temperature: call.temperature,
            top_p: call.top_p,
            max_tokens: call.max_tokens,
            grounding: Some(Grounding {
                question: self.task.question.text.clone(),
                passages: passages.iter().map(|chunk| chunk.text.clone()).collect(),
            }),
            call: CallOptions {
                marker: desk.marker.clone(),
                tally: Some(Tally::default()),
                ..CallOptions::ending_in(info.timeout)
            },
            ..ChatRequest::default()
        };
        desk.answer.early.tally.clone_from(&request.call.tally);
        let stream = self.task.model.stream(request).await?;
        let finish = self.write(stream, passages, since, desk).await?;
        let text = desk.answer.text.clone();
        Ok(ModelReply { text, tool_calls: Vec::new(), usage: desk.answer.usage, finish })
    }

    /// Reads what a model says from these passages, and makes the answer of it.
    pub(super) async fn write(
        &self,
        stream: ChatStream,
        passages: &[Chunk],
        since: Instant,
        desk: &mut Desk,
    ) -> Result<FinishReason> {
        let citer = Citer::new(&*self.chat.store, &self.scope, &self.tape, passages);
        let builder = AnswerBuilder::new(guard::redactor(&self.chat.config.guard, passages));
        let mut writing = Writing { hands: self, citer, builder, desk: &mut *desk };
        let finish = writing.read(stream, since).await?;
        desk.answer.time(AnswerStage::Generate, since);
        Ok(finish)
    }
}

/// A word that no text can guess.
pub(super) fn marker() -> String {
    let word = uuid::Uuid::new_v4().simple().to_string();
    word.get(..12).unwrap_or(&word).to_owned()
}

/// The newest of some messages that together fit into a number of tokens, oldest first.
fn newest(
    messages: &[ChatMessage],
    tokens: usize,
    count: &dyn Fn(&str) -> usize,
) -> Vec<ChatMessage> {
    let mut left = tokens;
    let fits = |message: &&ChatMessage| {
        let size = count(&message.content);
        let fits = size <= left;
        left = left.saturating_sub(size);
        fits
    };
    let mut kept: Vec<_> = messages.iter().rev().take_while(fits).cloned().collect();
    kept.reverse();
    kept
}

impl Desk {
    pub(super) fn emit(&mut self, body: EventBody) {
        self.answer.keep(&body);
        self.tape.show(&body);
        if let Some(writer) = &mut self.writer {
            writer.emit(body);
        }
    }

    /// A person is asked something.
    #[cfg(feature = "tools")]
    pub(super) fn heard(&self, asked: &super::steps::Asked) {
        self.tape.heard(asked);
    }

    /// The run that is written.
    pub(super) fn run(&self) -> Result<Run> {
        let writer = self.writer.as_ref().ok_or_else(|| Error::new(ErrorKind::Cancelled, "answer"));
        writer.map(|writer| writer.run().clone())
    }

    /// Takes what there is.
    pub(super) fn close(&mut self) -> (Option<RunWriter>, Answer) {
        self.tape = Tape::Off;
        (self.writer.take(), std::mem::take(&mut self.answer))
    }

    pub(super) fn warn(&mut self, code: &str, message: impl Into<String>) {
        let (code, message) = (code.to_owned(), message.into());
        self.emit(EventBody::Warning { code, message });
    }

    pub(super) fn tell_context(&mut self, context: &Context, passages: usize, budget: usize) {
        self.emit(EventBody::Context {
            prompt_tokens: context.prompt_tokens as u64,
            budget_tokens: budget as u64,
            messages_left_out: context.messages_left_out as u32,
            passages_left_out: (passages - context.passages_used) as u32,
        });
        let left_out = context.messages_left_out;
        if left_out > 0 {
            let done = if context.summarised { "summed up" } else { "left out" };
            self.warn(
                "context_limit",
                format!("The conversation is longer than the model may read: its {left_out} oldest messages were {done}."),
            );
        } else if context.is_nearly_full(budget) {
            self.warn(
                "context_near_limit",
                "The conversation nearly fills what the model may read: its oldest messages will soon be left out.",
            );
        }
    }

    /// Another model answers: the reader is told, and the answer bears its name.
    fn replaced(&mut self, replaced: Replaced) {
        let Replaced { failed, reason, answers } = replaced;
        let why = told::why(reason);
        self.warn("model_replaced", format!("{failed} {why}: {answers} answers instead."));
        self.answer.model = Some(answers);
    }

    /// Says that the sources do not.
    pub(super) fn abstain(&mut self) {
        self.answer.abstained = true;
        self.answer.text.push_str(NOT_SAID);
        self.emit(EventBody::Delta { text: NOT_SAID.to_owned() });
    }
}

/// The model's stream becoming an answer.
struct Writing<'a> {
    hands: &'a Hands,
    citer: Citer<'a>,
    builder: AnswerBuilder,
    desk: &'a mut Desk,
}

impl Writing<'_> {
    /// Reads the model's stream to its end.
    async fn read(&mut self, mut stream: ChatStream, since: Instant) -> Result<FinishReason> {
        let (mut reported, mut finish, mut stuck) = (None, FinishReason::Stop, false);
        let mut first = true;
        while let Some(event) = stream.next().await {
            match event? {
                ChatEvent::Delta(delta) => {
                    if std::mem::take(&mut first) {
                        self.desk.answer.time(AnswerStage::FirstToken, since);
                    }
                    let parts = self.builder.push(&delta);
                    self.place(parts).await?;
                    if self.desk.answer.text.len() > self.hands.chat.config.answer_bytes {
                        finish = FinishReason::Length;
                        break;
                    }
                    if is_stuck(&self.desk.answer.text) {
                        stuck = true;
                        break;
                    }
                }
                ChatEvent::Replaced(replaced) => self.desk.replaced(replaced),
                ChatEvent::Usage(usage) => {
                    reported = Some(usage);
                    self.desk.answer.early.told = reported;
                }
                ChatEvent::Finish(reason) => finish = reason,
                _ => {}
            }
        }
        drop(stream);
        self.end(reported).await?;
        if let Some(warning) = guard::taken_out(&self.builder) {
            self.desk.emit(warning);
        }
        if stuck {
            self.desk.warn(
                "answer_repeats",
                "The model began to repeat itself, and was stopped. Ask in other words, or choose a larger model.",
            );
        }
        if finish == FinishReason::Length {
            self.desk.warn(
                "answer_cut",
                "The answer met its limit of length. Raise max_tokens in the settings for longer answers.",
            );
        }
        Ok(finish)
    }

    /// What is left when the stream has ended: the last words, citations where there is none, counts.
    async fn end(&mut self, reported: Option<Usage>) -> Result<()> {
        let parts = self.builder.finish();
        self.place(parts).await?;
        if self.desk.answer.citations.is_empty() && !self.builder.text().is_empty() {
            for request in self.citer.attribute(self.builder.text()) {
                self.cite(&request).await?;
            }
        }
        let answer = &mut self.desk.answer;
        answer.dropped = self.citer.dropped;
        let counted = || self.hands.task.model.count_tokens(self.builder.text()).tokens as u64;
        answer.usage =
            reported.unwrap_or_else(|| Usage { completion_tokens: counted(), ..answer.usage });
        answer.early.counted = true;
        if self.builder.abstained() || answer.text.is_empty() {
            self.desk.abstain();
        }
        Ok(())
    }

    async fn place(&mut self, parts: Vec<Part>) -> Result<()> {
        for part in parts {
            match part {
                Part::Text(text) => {
                    self.desk.answer.text.push_str(&text);
                    self.desk.emit(EventBody::Delta { text });
                }
                Part::Cite(request) => self.cite(&request).await?,
            }
        }
        Ok(())
    }

    async fn cite(&mut self, request: &CiteRequest) -> Result<()> {
        if let Some(citation) = self.citer.cite(self.builder.text(), request).await? {
            self.desk.emit(EventBody::Citation(citation.clone()));
            let citations = &mut self.desk.answer.citations;
            let place = citations.partition_point(|other| other.at <= citation.at);
            citations.insert(place, citation);
        }
        Ok(())
    }
}
