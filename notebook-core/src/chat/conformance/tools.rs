//! Scenarios for models that can be offered tools, and one for those that cannot.

use serde_json::{Value, json};

use super::{Answer, Capabilities, Outcome, question, read_any, require, start, told};
use crate::{
    ErrorKind,
    chat::{
        ChatMessage, ChatModel, ChatRequest, ChatRole, FinishReason, ToolCall, ToolChoice, ToolSpec,
    },
};

fn tool(name: &str) -> ToolSpec {
    ToolSpec {
        name: name.to_owned(),
        description: "The weather in a city.".to_owned(),
        parameters: json!({
            "type": "object",
            "properties": { "city": { "type": "string" } },
            "required": ["city"],
        }),
    }
}

/// A question that needs the tool once for each city.
fn offer(cities: &str) -> ChatRequest {
    ChatRequest {
        messages: vec![ChatMessage::new(
            ChatRole::User,
            format!("What is the weather in {cities}? Ask the tool, once for each city."),
        )],
        max_tokens: Some(100),
        tools: vec![tool("get_weather")],
        ..ChatRequest::default()
    }
}

async fn asked(model: &dyn ChatModel, request: ChatRequest) -> Result<Answer, String> {
    read_any(start(model, request).await?).await
}

/// What holds for every answer with calls.
fn check_calls(answer: &Answer, least: usize) -> Outcome {
    require(answer.calls.len() >= least, &format!("{} calls", answer.calls.len()))?;
    require(answer.finish == FinishReason::ToolCalls, "the end is not ToolCalls")?;
    for (at, call) in answer.calls.iter().enumerate() {
        require(call.name == "get_weather", &format!("it asked for {}", call.name))?;
        require(!call.id.is_empty(), "a call without an id")?;
        require(
            answer.calls.iter().take(at).all(|other| other.id != call.id),
            "two calls with one id",
        )?;
        let arguments: Value =
            serde_json::from_str(&call.arguments).map_err(|error| format!("arguments: {error}"))?;
        require(arguments.is_object(), "the arguments are no object")?;
    }
    Ok(())
}

pub(super) async fn tools_are_refused_where_there_are_none(
    model: &dyn ChatModel,
    _: &Capabilities,
) -> Outcome {
    require(!model.info().tools, "the description promises tools")?;
    match model.stream(offer("Paris")).await {
        Ok(_) => Err("tools were accepted".into()),
        Err(error) => require(error.kind() == ErrorKind::Unsupported, &told(&error)),
    }
}

pub(super) async fn offered_tools_are_accepted(model: &dyn ChatModel, _: &Capabilities) -> Outcome {
    require(model.info().tools, "the description promises no tools")?;
    let answer = asked(model, offer("Paris")).await?;
    if answer.calls.is_empty() { Ok(()) } else { check_calls(&answer, 1) }?;
    // Offered and forbidden.
    let never = ChatRequest { tool_choice: ToolChoice::None, ..offer("Paris") };
    let answer = asked(model, never).await?;
    require(answer.calls.is_empty(), "it asked for a tool although it must not")
}

pub(super) async fn wrong_tools_are_refused(model: &dyn ChatModel, _: &Capabilities) -> Outcome {
    let named = |name: &str| ToolChoice::Named(name.to_owned());
    let call = ToolCall { id: "x".into(), name: "get_weather".into(), arguments: "{}".into() };
    let alone = vec![ChatMessage::tool(&call, "sunny")];
    for (field, request) in [
        ("tools", ChatRequest { tools: vec![tool("get weather")], ..offer("Paris") }),
        ("tools", ChatRequest { tools: vec![tool("a"), tool("a")], ..offer("Paris") }),
        ("tool_choice", ChatRequest { tool_choice: named("other"), ..offer("Paris") }),
        ("tool_choice", ChatRequest { tool_choice: ToolChoice::Required, ..question() }),
        ("messages", ChatRequest { messages: alone, ..offer("Paris") }),
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

/// Also of calls whose arguments are no JSON, and whose ids another provider made.
pub(super) async fn results_of_tools_are_read(model: &dyn ChatModel, _: &Capabilities) -> Outcome {
    let call = |id: &str, arguments: &str| ToolCall {
        id: id.to_owned(),
        name: "get_weather".to_owned(),
        arguments: arguments.to_owned(),
    };
    let (one, two) = (call("made_call_1", "{\"city\":\"Paris\"}"), call("functions.f:1", "{\"ci"));
    let mut request = offer("Paris and Rome");
    request.messages.extend([
        ChatMessage::assistant("", vec![one.clone(), two.clone()]),
        ChatMessage::tool(&one, "Sunny, 21 degrees."),
        ChatMessage::tool(&two, "the arguments are no JSON"),
    ]);
    let answer = asked(model, request).await?;
    require(answer.pieces > 0 || !answer.calls.is_empty(), "the answer is empty")
}

pub(super) async fn a_tool_is_asked_for(model: &dyn ChatModel, _: &Capabilities) -> Outcome {
    check_calls(&asked(model, offer("Paris")).await?, 1)
}

pub(super) async fn several_tools_are_asked_for(
    model: &dyn ChatModel,
    _: &Capabilities,
) -> Outcome {
    check_calls(&asked(model, offer("Paris and Rome")).await?, 2)
}

pub(super) async fn a_tool_can_be_forced(model: &dyn ChatModel, _: &Capabilities) -> Outcome {
    for choice in [ToolChoice::Required, ToolChoice::Named("get_weather".to_owned())] {
        let request = ChatRequest { tool_choice: choice, ..offer("Paris") };
        check_calls(&asked(model, request).await?, 1)?;
    }
    Ok(())
}
