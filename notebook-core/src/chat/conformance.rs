//! What every [`ChatModel`] must do, as scenarios that an adapter's tests run.
//!
//! The model is a working one: real, or an adapter whose provider is played by a test. It must
//! answer every question with at least two pieces of text.

use futures::{StreamExt, future::BoxFuture};

use super::{
    ChatEvent, ChatMessage, ChatModel, ChatRequest, ChatRole, ChatStream, FinishReason, ToolCall,
};
use crate::{Error, ErrorKind, model::Usage};

mod tools;

pub use crate::conformance::Report;
use tools::{
    a_tool_can_be_forced, a_tool_is_asked_for, offered_tools_are_accepted,
    results_of_tools_are_read, several_tools_are_asked_for, tools_are_refused_where_there_are_none,
    wrong_tools_are_refused,
};

/// What an adapter promises beyond the port.
#[derive(Debug, Clone, Copy, Default)]
pub struct Capabilities {
    /// It reports the provider's token counts.
    pub reports_usage: bool,
    /// It ends with `Length` at `max_tokens`.
    pub limits_tokens: bool,
    /// It counts with the model's own tokenizer.
    pub exact_tokens: bool,
    /// It can be offered tools.
    pub tools: bool,
    /// It asks for a tool where a question needs one.
    pub chooses_tools: bool,
    /// It asks for several at once where a question needs them.
    pub parallel_tools: bool,
    /// It asks for tools where it must.
    pub forces_tools: bool,
}

type Outcome = Result<(), String>;

struct Scenario {
    name: &'static str,
    promised: fn(&Capabilities) -> bool,
    run: for<'a> fn(&'a dyn ChatModel, &'a Capabilities) -> BoxFuture<'a, Outcome>,
}

macro_rules! scenarios {
    ($($name:ident if $promised:expr),* $(,)?) => {
        const SCENARIOS: &[Scenario] = &[$(Scenario {
            name: stringify!($name),
            promised: $promised,
            run: |model, capabilities| Box::pin($name(model, capabilities)),
        }),*];
    };
}

scenarios!(
    the_model_has_a_name if |_| true,
    the_check_passes if |_| true,
    an_answer_has_one_end if |_| true,
    wrong_requests_are_refused if |_| true,
    a_dropped_answer_harms_no_other if |_| true,
    answers_at_once_do_not_mix if |_| true,
    tokens_are_counted if |_| true,
    usage_is_reported if |capabilities| capabilities.reports_usage,
    the_token_limit_is_kept if |capabilities| capabilities.limits_tokens,
    tools_are_refused_where_there_are_none if |capabilities| !capabilities.tools,
    offered_tools_are_accepted if |capabilities| capabilities.tools,
    wrong_tools_are_refused if |capabilities| capabilities.tools,
    results_of_tools_are_read if |capabilities| capabilities.tools,
    a_tool_is_asked_for if |capabilities| capabilities.chooses_tools,
    several_tools_are_asked_for if |capabilities| capabilities.parallel_tools,
    a_tool_can_be_forced if |capabilities| capabilities.forces_tools,
);

/// Runs all scenarios that the adapter promises.
pub async fn run_all(model: &dyn ChatModel, capabilities: &Capabilities) -> Report {
    let mut report = Report::default();
    for scenario in SCENARIOS {
        let promised = (scenario.promised)(capabilities);
        report.add(scenario.name, promised, (scenario.run)(model, capabilities)).await;
    }
    report
}

/// A question that the scenarios ask.
#[must_use]
pub fn question() -> ChatRequest {
    ChatRequest {
        messages: vec![
            ChatMessage::new(ChatRole::System, "Answer in one sentence."),
            ChatMessage::new(ChatRole::User, "What do bees make?"),
        ],
        max_tokens: Some(24),
        ..ChatRequest::default()
    }
}

struct Answer {
    pieces: usize,
    calls: Vec<ToolCall>,
    usage: Option<Usage>,
    finish: FinishReason,
}

fn told(error: &Error) -> String {
    format!("{error:?}")
}

fn require(condition: bool, reason: &str) -> Outcome {
    if condition { Ok(()) } else { Err(reason.to_owned()) }
}

async fn start(model: &dyn ChatModel, request: ChatRequest) -> Result<ChatStream, String> {
    model.stream(request).await.map_err(|error| told(&error))
}

/// Reads an answer to a question without tools.
async fn read(stream: ChatStream) -> Result<Answer, String> {
    let answer = read_any(stream).await?;
    match answer.calls.first() {
        None => Ok(answer),
        Some(call) => Err(format!("it asked for the tool {}, which nobody offered", call.name)),
    }
}

/// Reads an answer and checks what holds for every stream.
async fn read_any(mut stream: ChatStream) -> Result<Answer, String> {
    let (mut pieces, mut calls, mut usage) = (0, Vec::new(), None);
    while let Some(event) = stream.next().await {
        match event.map_err(|error| told(&error))? {
            ChatEvent::Delta(text) if text.is_empty() => return Err("an empty piece".into()),
            ChatEvent::Delta(_) => pieces += 1,
            ChatEvent::ToolCall(call) => calls.push(call),
            ChatEvent::Usage(counts) => usage = Some(counts),
            ChatEvent::Replaced(_) => {}
            ChatEvent::Finish(finish) => {
                let after = stream.next().await;
                require(after.is_none(), "something came after the end")?;
                return Ok(Answer { pieces, calls, usage, finish });
            }
        }
    }
    Err("the stream ended without an end".into())
}

async fn the_model_has_a_name(model: &dyn ChatModel, _: &Capabilities) -> Outcome {
    let info = model.info();
    require(!info.provider.is_empty() && !info.model.is_empty(), "the name is empty")?;
    require(info.context_tokens != Some(0), "the window is 0")
}

async fn the_check_passes(model: &dyn ChatModel, _: &Capabilities) -> Outcome {
    model.check().await.map_err(|error| told(&error))
}

async fn an_answer_has_one_end(model: &dyn ChatModel, _: &Capabilities) -> Outcome {
    let answer = read(start(model, question()).await?).await?;
    require(answer.pieces >= 2, "the answer came in fewer than two pieces")
}

async fn wrong_requests_are_refused(model: &dyn ChatModel, _: &Capabilities) -> Outcome {
    for (field, request) in [
        ("messages", ChatRequest { messages: Vec::new(), ..question() }),
        ("temperature", ChatRequest { temperature: Some(f32::INFINITY), ..question() }),
        ("temperature", ChatRequest { temperature: Some(-0.5), ..question() }),
        ("top_p", ChatRequest { top_p: Some(1.5), ..question() }),
        ("max_tokens", ChatRequest { max_tokens: Some(0), ..question() }),
        ("stop", ChatRequest { stop: vec![String::new()], ..question() }),
    ] {
        let Err(error) = model.stream(request).await else {
            return Err(format!("a wrong {field} was accepted"));
        };
        let named =
            error.kind() == ErrorKind::InvalidInput && error.context("field") == Some(field);
        require(named, &told(&error))?;
    }
    Ok(())
}

async fn a_dropped_answer_harms_no_other(model: &dyn ChatModel, _: &Capabilities) -> Outcome {
    // Dropped before it is accepted, before the first event, and in the middle.
    drop(model.stream(question()));
    drop(start(model, question()).await?);
    let mut begun = start(model, question()).await?;
    let first = begun.next().await;
    drop(begun);
    require(matches!(first, Some(Ok(_))), "no first event")?;
    read(start(model, question()).await?).await.map(|_| ())
}

async fn answers_at_once_do_not_mix(model: &dyn ChatModel, _: &Capabilities) -> Outcome {
    let ask = || async { read(start(model, question()).await?).await };
    let (one, two, three) = futures::join!(ask(), ask(), ask());
    for answer in [one?, two?, three?] {
        require(answer.pieces >= 2, "an answer lacks pieces")?;
    }
    Ok(())
}

async fn tokens_are_counted(model: &dyn ChatModel, capabilities: &Capabilities) -> Outcome {
    require(model.count_tokens("").tokens == 0, "an empty text has tokens")?;
    let (short, long) =
        (model.count_tokens("one two"), model.count_tokens(&"one two ".repeat(1000)));
    require(short.tokens >= 2 && long.tokens >= 2000, "a text has too few tokens")?;
    require(short.exact == capabilities.exact_tokens, "exact is not what is promised")?;
    require(
        model.count_tokens("日本語\u{0}\u{1F600}").tokens >= 3,
        "other scripts have too few tokens",
    )
}

async fn usage_is_reported(model: &dyn ChatModel, _: &Capabilities) -> Outcome {
    let usage = read(start(model, question()).await?).await?.usage;
    let usage = usage.ok_or("no usage")?;
    require(usage.exact && usage.prompt_tokens > 0 && usage.completion_tokens > 0, "no counts")
}

async fn the_token_limit_is_kept(model: &dyn ChatModel, _: &Capabilities) -> Outcome {
    let request = ChatRequest { max_tokens: Some(2), ..question() };
    let answer = read(start(model, request).await?).await?;
    require(answer.finish == FinishReason::Length, "the end is not Length")?;
    require(answer.usage.is_none_or(|usage| usage.completion_tokens <= 2), "too many tokens")
}
