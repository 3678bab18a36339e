//! What every model asks of a request.

use super::{ChatModelInfo, ChatRequest, ChatRole, ToolChoice};
use crate::{Error, ErrorKind, Result};

/// Refuses a request that no provider could serve, or not this model, so that all adapters refuse alike.
///
/// # Errors
/// `InvalidInput` that names the field and the fix; those of [`check_tools`].
pub fn check_request(info: &ChatModelInfo, request: &ChatRequest) -> Result<()> {
    let invalid = |field, fix: &str| Err(Error::invalid("start answer", field, fix));
    let empty = |text: &str| text.trim().is_empty();
    if request.messages.iter().all(|message| empty(&message.content)) {
        return invalid("messages", "give at least one message with text");
    }
    if request.temperature.is_some_and(|t| !(0.0..=2.0).contains(&t)) {
        return invalid("temperature", "give a number from 0 to 2");
    }
    if request.top_p.is_some_and(|p| !(p > 0.0 && p <= 1.0)) {
        return invalid("top_p", "give a number over 0 and up to 1");
    }
    if request.max_tokens == Some(0) {
        return invalid("max_tokens", "give a number over 0, or none");
    }
    if request.stop.iter().any(String::is_empty) {
        return invalid("stop", "remove the empty text");
    }
    check_messages(request)?;
    check_offer(request)?;
    check_tools(info, request)
}

/// Results of tools stand behind what asked for them.
fn check_messages(request: &ChatRequest) -> Result<()> {
    let invalid = |fix: &str| Err(Error::invalid("start answer", "messages", fix));
    let mut asked: Vec<&str> = Vec::new();
    for message in &request.messages {
        match (message.role, &message.tool_call_id) {
            (ChatRole::Tool, Some(id)) if asked.contains(&id.as_str()) => {}
            (ChatRole::Tool, _) => {
                return invalid("name the tool call before it that each result answers");
            }
            (_, Some(_)) => return invalid("only a result of a tool answers a tool call"),
            (_, None) => {}
        }
        if message.role != ChatRole::Assistant && !message.tool_calls.is_empty() {
            return invalid("only the assistant asks for tools");
        }
        asked.extend(message.tool_calls.iter().map(|call| call.id.as_str()));
    }
    Ok(())
}

fn check_offer(request: &ChatRequest) -> Result<()> {
    let invalid = |field, fix: &str| Err(Error::invalid("start answer", field, fix));
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    for (at, tool) in request.tools.iter().enumerate() {
        if tool.name.is_empty() || tool.name.len() > 64 || !tool.name.chars().all(plain) {
            return invalid("tools", "name each tool with 1 to 64 letters, digits, _ and -");
        }
        if request.tools.iter().take(at).any(|other| other.name == tool.name) {
            return invalid("tools", "name each tool once");
        }
        if !tool.parameters.is_object() {
            return invalid("tools", "give a JSON Schema for each tool's parameters");
        }
    }
    let offered = |name: &String| request.tools.iter().any(|tool| tool.name == *name);
    match &request.tool_choice {
        ToolChoice::Required if request.tools.is_empty() => {
            invalid("tool_choice", "offer tools, or leave the choice to the model")
        }
        ToolChoice::Named(name) if !offered(name) => {
            invalid("tool_choice", "name one of the tools that are offered")
        }
        _ => Ok(()),
    }
}

/// Refuses tools where the model has no way to ask for them.
///
/// # Errors
/// `Unsupported`.
pub fn check_tools(info: &ChatModelInfo, request: &ChatRequest) -> Result<()> {
    let used = request.messages.iter().any(|message| message.role == ChatRole::Tool);
    if info.tools || (request.tools.is_empty() && !used) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Unsupported, "start answer")
        .with("model", info.label())
        .with("fix", "choose a model that can use tools, or offer none"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::{ChatMessage, ToolCall, ToolSpec};
    use super::*;

    fn tool(name: &str) -> ToolSpec {
        let parameters = json!({ "type": "object" });
        ToolSpec { name: name.into(), description: String::new(), parameters }
    }

    fn result(call: &ToolCall) -> ChatMessage {
        ChatMessage::tool(call, "42")
    }

    #[test]
    fn each_wrong_field_is_named() {
        let good = ChatRequest {
            messages: vec![ChatMessage::new(ChatRole::User, "Hi")],
            ..ChatRequest::default()
        };
        let info = ChatModelInfo {
            provider: "a".into(),
            model: "b".into(),
            context_tokens: None,
            local: true,
            tools: true,
        };
        let call = ToolCall { id: "1".into(), name: "a".into(), arguments: "{}".into() };
        assert!(check_request(&info, &good).is_ok());
        let messages = vec![
            ChatMessage::new(ChatRole::User, "Hi"),
            ChatMessage::assistant("", vec![call.clone()]),
            result(&call),
        ];
        let with_tools =
            ChatRequest { messages, tools: vec![tool("a"), tool("b-2")], ..good.clone() };
        assert!(check_request(&info, &with_tools).is_ok());
        let without = ChatModelInfo { tools: false, ..info.clone() };
        assert_eq!(
            check_request(&without, &with_tools).unwrap_err().kind(),
            ErrorKind::Unsupported
        );
        assert!(check_request(&without, &good).is_ok());
        for (field, wrong) in [
            ("messages", ChatRequest { messages: Vec::new(), ..good.clone() }),
            ("temperature", ChatRequest { temperature: Some(f32::NAN), ..good.clone() }),
            ("temperature", ChatRequest { temperature: Some(2.1), ..good.clone() }),
            ("top_p", ChatRequest { top_p: Some(0.0), ..good.clone() }),
            ("max_tokens", ChatRequest { max_tokens: Some(0), ..good.clone() }),
            ("stop", ChatRequest { stop: vec![String::new()], ..good.clone() }),
            ("tools", ChatRequest { tools: vec![tool("has space")], ..good.clone() }),
            ("tools", ChatRequest { tools: vec![tool("a"), tool("a")], ..good.clone() }),
            (
                "tools",
                ChatRequest {
                    tools: vec![ToolSpec { parameters: Value::Null, ..tool("a") }],
                    ..good.clone()
                },
            ),
            ("tool_choice", ChatRequest { tool_choice: ToolChoice::Required, ..good.clone() }),
            (
                "tool_choice",
                ChatRequest {
                    tool_choice: ToolChoice::Named("b".into()),
                    tools: vec![tool("a")],
                    ..good.clone()
                },
            ),
            ("messages", ChatRequest { messages: vec![result(&call)], ..good.clone() }),
            (
                "messages",
                ChatRequest {
                    messages: vec![result(&call), ChatMessage::assistant("", vec![call.clone()])],
                    ..good.clone()
                },
            ),
            (
                "messages",
                ChatRequest {
                    messages: vec![ChatMessage {
                        tool_calls: vec![call.clone()],
                        ..ChatMessage::new(ChatRole::User, "Hi")
                    }],
                    ..good.clone()
                },
            ),
        ] {
            assert_eq!(check_request(&info, &wrong).unwrap_err().context("field"), Some(field));
        }
    }
}
