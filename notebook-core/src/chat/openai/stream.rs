//! From events of the dialect to [`ChatEvent`]s.

use std::collections::VecDeque;

use serde_json::Value;

use super::{
    error,
    wire::{CallDelta, Chunk},
};
use crate::{
    Error, Result,
    chat::{
        ChatEvent, FinishReason,
        calls::{Calls, Piece},
        events::Dialect,
        remote::{self, OPERATION},
    },
    http::Redactor,
};

/// Reads a stream of completions.
///
/// The reason to finish is held back until `[DONE]` or the end of the body, for the usage comes
/// after it. `[DONE]` without a reason is a broken stream: proxies send it when the server
/// behind them breaks off.
pub(super) struct Answer {
    calls: Calls,
    finish: Option<FinishReason>,
    redactor: Redactor,
}

impl Answer {
    pub(super) const fn new(redactor: Redactor, calls: Calls) -> Self {
        Self { calls, finish: None, redactor }
    }

    fn call(&mut self, call: CallDelta) -> Result<()> {
        let (name, arguments) =
            call.function.map_or((None, None), |function| (function.name, function.arguments));
        let arguments = match arguments {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text,
            Some(other) => other.to_string(),
        };
        self.calls.push(&Piece {
            index: call.index,
            id: call.id.as_deref(),
            name: name.as_deref(),
            arguments: &arguments,
        })
    }
}

impl Dialect for Answer {
    type Event = Chunk;

    fn error(&self, event: &Value) -> Option<Error> {
        error::of_event(OPERATION, event, &self.redactor)
    }

    fn reason(&mut self) -> Option<FinishReason> {
        self.finish.take()
    }

    fn take(&mut self, chunk: Chunk, out: &mut VecDeque<ChatEvent>) -> Result<()> {
        let choices = chunk.choices.unwrap_or_default();
        for choice in choices.into_iter().filter(|choice| choice.index == 0) {
            if let Some(delta) = choice.delta {
                let texts = [delta.content, delta.refusal];
                for text in texts.into_iter().flatten().filter(|text| !text.is_empty()) {
                    out.push_back(ChatEvent::Delta(text));
                }
                for call in delta.tool_calls.into_iter().flatten() {
                    self.call(call)?;
                }
            }
            if let Some(reason) = choice.finish_reason.filter(|reason| !reason.is_empty()) {
                self.finish = Some(reason_of(&reason)?);
            }
        }
        if let Some(usage) = chunk.usage
            && let (Some(prompt_tokens), Some(completion_tokens)) =
                (usage.prompt_tokens, usage.completion_tokens)
        {
            out.push_back(remote::counted(prompt_tokens, completion_tokens));
        }
        Ok(())
    }

    fn end(&mut self, reason: FinishReason, out: &mut VecDeque<ChatEvent>) -> Result<()> {
        self.calls.finish(reason, out)
    }
}

/// The names differ between servers; those that mean a failure are errors.
fn reason_of(name: &str) -> Result<FinishReason> {
    Ok(match name {
        "length" | "max_tokens" | "model_length" => FinishReason::Length,
        "content_filter" => FinishReason::ContentFilter,
        "tool_calls" | "function_call" => FinishReason::ToolCalls,
        "error" | "abort" | "insufficient_system_resource" => {
            return Err(remote::cut_off().with("provider_code", name));
        }
        _ => FinishReason::Stop,
    })
}
