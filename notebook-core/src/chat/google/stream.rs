//! From events of the dialect to [`ChatEvent`]s.

use std::collections::VecDeque;

use serde_json::Value;

use super::{error, wire::Chunk};
use crate::{
    Error, ErrorKind, Result,
    chat::{ChatEvent, FinishReason, remote, remote::Decode},
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
    finish: Option<FinishReason>,
    redactor: Redactor,
}

impl Decoder {
    pub(super) const fn new(redactor: Redactor) -> Self {
        let parser = Parser::with_max_event_bytes(MAX_MESSAGE_BYTES);
        Self { parser, finish: None, redactor }
    }
}

fn read_event(
    data: &str,
    redactor: &Redactor,
    out: &mut VecDeque<ChatEvent>,
) -> Result<Option<FinishReason>> {
    if data.trim().is_empty() {
        return Ok(None);
    }
    let value: Value = serde_json::from_str(data)
        .map_err(|error| protocol(OPERATION, "sent an event that is no JSON").caused_by(error))?;
    // S33: an error in the middle of an answer with status 200.
    if let Some(refusal) = error::read(&value) {
        let kind = error::status_within(&value).map_or(ErrorKind::Unavailable, kind_of);
        return Err(refused(OPERATION, refusal, kind, redactor));
    }
    let chunk: Chunk = serde_json::from_value(value)
        .map_err(|error| protocol(OPERATION, "sent an event of another shape").caused_by(error))?;
    take_chunk(chunk, out)
}

fn take_chunk(chunk: Chunk, out: &mut VecDeque<ChatEvent>) -> Result<Option<FinishReason>> {
    let mut finish = None;
    for candidate in chunk.candidates.into_iter().filter(|candidate| candidate.index == 0) {
        let parts = candidate.content.map(|content| content.parts).unwrap_or_default();
        for text in parts.into_iter().filter(|part| !part.thought).filter_map(|part| part.text) {
            if !text.is_empty() {
                out.push_back(ChatEvent::Delta(text));
            }
        }
        if let Some(reason) = candidate.finish_reason {
            finish = Some(reason_of(&reason)?);
        }
    }
    if chunk.prompt_feedback.is_some_and(|feedback| feedback.block_reason.is_some()) {
        finish = Some(FinishReason::ContentFilter);
    }
    if let Some(usage) = chunk.usage_metadata
        && let Some(prompt_tokens) = usage.prompt_token_count
    {
        let generated = usage.candidates_token_count.unwrap_or(0);
        let completion_tokens = generated.saturating_add(usage.thoughts_token_count.unwrap_or(0));
        let usage = Usage { prompt_tokens, completion_tokens, exact: true, cost_micros: None };
        out.push_back(ChatEvent::Usage(usage));
    }
    Ok(finish)
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
            if let Some(reason) = read_event(event.data, &self.redactor, out)? {
                self.finish = Some(reason);
            }
        }
        Ok(())
    }

    fn end(&mut self, broken: Option<Error>, out: &mut VecDeque<ChatEvent>) -> Result<()> {
        if let Some(error) = broken {
            return Err(error);
        }
        self.parser.finish()?;
        if let Some(reason) = self.finish.take() {
            out.push_back(ChatEvent::Finish(reason));
        }
        Ok(())
    }
}
