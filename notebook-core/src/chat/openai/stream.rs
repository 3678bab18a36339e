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
        remote,
        remote::Decode,
    },
    http::{MAX_MESSAGE_BYTES, Redactor, protocol},
    model::Usage,
    sse::{Parser, is_done},
};

const OPERATION: &str = "read answer";

/// Reads a stream of completions.
///
/// The reason to finish is held back until `[DONE]` or the end of the body, for the usage comes
/// after it. `[DONE]` without a reason is a broken stream: proxies send it when the server
/// behind them breaks off.
pub(super) struct Decoder {
    parser: Parser,
    answer: Answer,
}

struct Answer {
    calls: Calls,
    finish: Option<FinishReason>,
    redactor: Redactor,
}

impl Decoder {
    pub(super) const fn new(redactor: Redactor, calls: Calls) -> Self {
        let parser = Parser::with_max_event_bytes(MAX_MESSAGE_BYTES);
        Self { parser, answer: Answer { calls, finish: None, redactor } }
    }
}

impl Answer {
    /// Reads one event.
    fn event(&mut self, data: &str, out: &mut VecDeque<ChatEvent>) -> Result<()> {
        if data.trim().is_empty() {
            return Ok(());
        }
        if is_done(data) {
            let reason = self.finish.take().ok_or_else(remote::cut_off)?;
            return self.end(reason, out);
        }
        let value: Value = serde_json::from_str(data).map_err(|error| {
            protocol(OPERATION, "sent an event that is no JSON").caused_by(error)
        })?;
        if let Some(error) = error::of_event(OPERATION, &value, &self.redactor) {
            return Err(error);
        }
        let chunk: Chunk = serde_json::from_value(value).map_err(|error| {
            protocol(OPERATION, "sent an event of another shape").caused_by(error)
        })?;
        self.take(chunk, out)
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
            let usage = Usage { prompt_tokens, completion_tokens, exact: true, cost_micros: None };
            out.push_back(ChatEvent::Usage(usage));
        }
        Ok(())
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

    fn end(&mut self, reason: FinishReason, out: &mut VecDeque<ChatEvent>) -> Result<()> {
        let reason = self.calls.finish(reason, out)?;
        out.push_back(ChatEvent::Finish(reason));
        Ok(())
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

impl Decode for Decoder {
    fn push(&mut self, mut chunk: &[u8], out: &mut VecDeque<ChatEvent>) -> Result<()> {
        while let Some(event) = self.parser.next_event(&mut chunk)? {
            self.answer.event(event.data, out)?;
            if matches!(out.back(), Some(ChatEvent::Finish(_))) {
                break;
            }
        }
        Ok(())
    }

    fn end(&mut self, broken: Option<Error>, out: &mut VecDeque<ChatEvent>) -> Result<()> {
        // With the reason the answer is whole, whether or not `[DONE]` came through.
        match (self.answer.finish.take(), broken) {
            (Some(reason), _) => self.answer.end(reason, out),
            (None, Some(error)) => Err(error),
            (None, None) => Ok(()),
        }
    }
}
