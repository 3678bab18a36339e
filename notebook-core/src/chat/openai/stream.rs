//! From events of the dialect to [`ChatEvent`]s.

use std::collections::VecDeque;

use serde_json::Value;

use super::{error, wire::Chunk};
use crate::{
    Error, Result,
    chat::{ChatEvent, FinishReason, remote, remote::Decode},
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
    finish: Option<FinishReason>,
    redactor: Redactor,
}

impl Decoder {
    pub(super) const fn new(redactor: Redactor) -> Self {
        Self { parser: Parser::with_max_event_bytes(MAX_MESSAGE_BYTES), finish: None, redactor }
    }

    /// Reads one event.
    fn event(
        data: &str,
        finish: &mut Option<FinishReason>,
        redactor: &Redactor,
        out: &mut VecDeque<ChatEvent>,
    ) -> Result<()> {
        if data.trim().is_empty() {
            return Ok(());
        }
        if is_done(data) {
            let reason = finish.take().ok_or_else(remote::cut_off)?;
            out.push_back(ChatEvent::Finish(reason));
            return Ok(());
        }
        let value: Value = serde_json::from_str(data).map_err(|error| {
            protocol(OPERATION, "sent an event that is no JSON").caused_by(error)
        })?;
        if let Some(error) = error::of_event(OPERATION, &value, redactor) {
            return Err(error);
        }
        let chunk: Chunk = serde_json::from_value(value).map_err(|error| {
            protocol(OPERATION, "sent an event of another shape").caused_by(error)
        })?;
        take_chunk(chunk, finish, out)
    }
}

fn take_chunk(
    chunk: Chunk,
    finish: &mut Option<FinishReason>,
    out: &mut VecDeque<ChatEvent>,
) -> Result<()> {
    for choice in chunk.choices.unwrap_or_default().into_iter().filter(|choice| choice.index == 0) {
        if let Some(delta) = choice.delta {
            let texts = [delta.content, delta.refusal];
            for text in texts.into_iter().flatten().filter(|text| !text.is_empty()) {
                out.push_back(ChatEvent::Delta(text));
            }
        }
        if let Some(reason) = choice.finish_reason.filter(|reason| !reason.is_empty()) {
            *finish = Some(reason_of(&reason)?);
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

/// The names differ between servers; those that mean a failure are errors.
fn reason_of(name: &str) -> Result<FinishReason> {
    Ok(match name {
        "length" | "max_tokens" | "model_length" => FinishReason::Length,
        "content_filter" => FinishReason::ContentFilter,
        "error" | "abort" | "insufficient_system_resource" => {
            return Err(remote::cut_off().with("provider_code", name));
        }
        _ => FinishReason::Stop,
    })
}

impl Decode for Decoder {
    fn push(&mut self, mut chunk: &[u8], out: &mut VecDeque<ChatEvent>) -> Result<()> {
        while let Some(event) = self.parser.next_event(&mut chunk)? {
            Self::event(event.data, &mut self.finish, &self.redactor, out)?;
            if matches!(out.back(), Some(ChatEvent::Finish(_))) {
                break;
            }
        }
        Ok(())
    }

    fn end(&mut self, broken: Option<Error>, out: &mut VecDeque<ChatEvent>) -> Result<()> {
        // With the reason the answer is whole, whether or not `[DONE]` came through.
        match (self.finish.take(), broken) {
            (Some(reason), _) => out.push_back(ChatEvent::Finish(reason)),
            (None, Some(error)) => return Err(error),
            (None, None) => {}
        }
        Ok(())
    }
}
