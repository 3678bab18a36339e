//! From events of the dialect to [`ChatEvent`]s.

use std::collections::VecDeque;

use serde_json::Value;

use super::{
    error,
    wire::{Chunk, Part, joined},
};
use crate::{
    Error, ErrorKind, Result,
    chat::{
        ChatEvent, FinishReason,
        calls::{Calls, Piece},
        remote,
        remote::Decode,
    },
    http::{MAX_MESSAGE_BYTES, Redactor, kind_of, protocol, refused},
    model::Usage,
    sse::Parser,
};

const OPERATION: &str = "read answer";

/// Reads a stream of generated content.
///
/// The dialect has no last event, and some models give a reason to finish with every event: the
/// answer is whole when the body ends cleanly after one with a reason.
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
    fn event(&mut self, data: &str, out: &mut VecDeque<ChatEvent>) -> Result<()> {
        if data.trim().is_empty() {
            return Ok(());
        }
        let value: Value = serde_json::from_str(data).map_err(|error| {
            protocol(OPERATION, "sent an event that is no JSON").caused_by(error)
        })?;
        // S33: an error in the middle of an answer with status 200.
        if let Some(refusal) = error::read(&value) {
            let kind = error::status_within(&value).map_or(ErrorKind::Unavailable, kind_of);
            return Err(refused(OPERATION, refusal, kind, &self.redactor));
        }
        let chunk: Chunk = serde_json::from_value(value).map_err(|error| {
            protocol(OPERATION, "sent an event of another shape").caused_by(error)
        })?;
        self.take(chunk, out)
    }

    fn take(&mut self, chunk: Chunk, out: &mut VecDeque<ChatEvent>) -> Result<()> {
        for candidate in chunk.candidates.into_iter().filter(|candidate| candidate.index == 0) {
            for part in candidate.content.map(|content| content.parts).unwrap_or_default() {
                self.part(part, out)?;
            }
            if let Some(reason) = candidate.finish_reason {
                self.finish = Some(reason_of(&reason)?);
            }
        }
        if chunk.prompt_feedback.is_some_and(|feedback| feedback.block_reason.is_some()) {
            self.finish = Some(FinishReason::ContentFilter);
        }
        if let Some(usage) = chunk.usage_metadata
            && let Some(prompt_tokens) = usage.prompt_token_count
        {
            let generated = usage.candidates_token_count.unwrap_or(0);
            let completion_tokens =
                generated.saturating_add(usage.thoughts_token_count.unwrap_or(0));
            let usage = Usage { prompt_tokens, completion_tokens, exact: true, cost_micros: None };
            out.push_back(ChatEvent::Usage(usage));
        }
        Ok(())
    }

    fn part(&mut self, part: Part, out: &mut VecDeque<ChatEvent>) -> Result<()> {
        if let Some(call) = part.function_call {
            let id = match &part.thought_signature {
                Some(signature) => Some(joined(call.id.as_deref().unwrap_or_default(), signature)),
                None => call.id,
            };
            let arguments = call.args.map(|object| Value::Object(object).to_string());
            self.calls.whole(&Piece {
                index: None,
                id: id.as_deref(),
                name: Some(&call.name),
                arguments: arguments.as_deref().unwrap_or("{}"),
            })?;
        }
        if let Some(text) = part.text.filter(|text| !part.thought && !text.is_empty()) {
            out.push_back(ChatEvent::Delta(text));
        }
        Ok(())
    }
}

fn reason_of(name: &str) -> Result<FinishReason> {
    Ok(match name {
        "MAX_TOKENS" => FinishReason::Length,
        "SAFETY" | "RECITATION" | "LANGUAGE" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII"
        | "IMAGE_SAFETY" => FinishReason::ContentFilter,
        "OTHER" | "MALFORMED_FUNCTION_CALL" | "UNEXPECTED_TOOL_CALL" | "MALFORMED_RESPONSE" => {
            return Err(remote::cut_off().with("provider_code", name));
        }
        _ => FinishReason::Stop,
    })
}

impl Decode for Decoder {
    fn push(&mut self, mut chunk: &[u8], out: &mut VecDeque<ChatEvent>) -> Result<()> {
        while let Some(event) = self.parser.next_event(&mut chunk)? {
            self.answer.event(event.data, out)?;
        }
        Ok(())
    }

    fn end(&mut self, broken: Option<Error>, out: &mut VecDeque<ChatEvent>) -> Result<()> {
        if let Some(error) = broken {
            return Err(error);
        }
        self.parser.finish()?;
        if let Some(reason) = self.answer.finish.take() {
            let reason = self.answer.calls.finish(reason, out)?;
            out.push_back(ChatEvent::Finish(reason));
        }
        Ok(())
    }
}
