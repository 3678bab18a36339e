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
        events::Dialect,
        remote::{self, OPERATION},
    },
    http::{Redactor, kind_of, refused},
};

/// Reads a stream of generated content.
///
/// The dialect has no last event, and some models give a reason to finish with every event: the
/// answer is whole when the body ends cleanly after one with a reason.
pub(super) struct Answer {
    calls: Calls,
    finish: Option<FinishReason>,
    redactor: Redactor,
}

impl Answer {
    pub(super) const fn new(redactor: Redactor, calls: Calls) -> Self {
        Self { calls, finish: None, redactor }
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

impl Dialect for Answer {
    type Event = Chunk;

    const ENDS_WITH_BODY: bool = true;

    fn error(&self, event: &Value) -> Option<Error> {
        let refusal = error::read(event)?;
        let kind = error::status_within(event).map_or(ErrorKind::Unavailable, kind_of);
        Some(refused(OPERATION, refusal, kind, &self.redactor))
    }

    fn reason(&mut self) -> Option<FinishReason> {
        self.finish.take()
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
            out.push_back(remote::counted(prompt_tokens, completion_tokens));
        }
        Ok(())
    }

    fn end(&mut self, reason: FinishReason, out: &mut VecDeque<ChatEvent>) -> Result<()> {
        self.calls.finish(reason, out)
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
