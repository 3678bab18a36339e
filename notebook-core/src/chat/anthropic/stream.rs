//! From events of the dialect to [`ChatEvent`]s.

use std::collections::VecDeque;

use serde_json::Value;

use super::{
    error,
    wire::{Delta, Event, StartedBlock, WireUsage},
};
use crate::{
    Error, ErrorKind, Result,
    chat::{
        ChatEvent, FinishReason,
        calls::{Calls, Piece},
        remote,
        remote::Decode,
    },
    http::{MAX_MESSAGE_BYTES, Redactor, protocol, refused},
    model::Usage,
    sse::Parser,
};

const OPERATION: &str = "read answer";

/// Reads a stream of blocks. The answer is whole with its last event, or where the body ends after the reason.
pub(super) struct Decoder {
    parser: Parser,
    answer: Answer,
}

struct Answer {
    calls: Calls,
    /// The call that is being sent: its index, and whether its input stood in its first event.
    open: Option<(u64, bool)>,
    prompt_tokens: Option<u64>,
    finish: Option<FinishReason>,
    redactor: Redactor,
}

impl Decoder {
    pub(super) const fn new(redactor: Redactor, calls: Calls) -> Self {
        let parser = Parser::with_max_event_bytes(MAX_MESSAGE_BYTES);
        let answer = Answer { calls, open: None, prompt_tokens: None, finish: None, redactor };
        Self { parser, answer }
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
            return Err(refused(OPERATION, refusal, ErrorKind::Unavailable, &self.redactor));
        }
        let event: Event = serde_json::from_value(value).map_err(|error| {
            protocol(OPERATION, "sent an event of another shape").caused_by(error)
        })?;
        self.take(event, out)
    }

    fn take(&mut self, event: Event, out: &mut VecDeque<ChatEvent>) -> Result<()> {
        match event {
            Event::MessageStart { message } => {
                self.prompt_tokens = message.usage.and_then(WireUsage::prompt);
            }
            Event::ContentBlockStart { index, content_block } => {
                self.begin(index, content_block, out)?;
            }
            Event::ContentBlockDelta { index, delta } => self.delta(index, delta, out)?,
            Event::ContentBlockStop { index } => {
                self.open.take_if(|(open, _)| *open == index);
            }
            Event::MessageDelta { delta, usage } => {
                if let Some(usage) = usage {
                    self.usage(usage, out);
                }
                if let Some(reason) = delta.stop_reason {
                    self.finish = Some(reason_of(&reason)?);
                }
            }
            Event::MessageStop => {
                let reason = self.finish.take().ok_or_else(remote::cut_off)?;
                self.end(reason, out)?;
            }
            Event::Other => {}
        }
        Ok(())
    }

    fn begin(
        &mut self,
        index: u64,
        block: StartedBlock,
        out: &mut VecDeque<ChatEvent>,
    ) -> Result<()> {
        match block {
            StartedBlock::Text { text } => tell(text, out),
            StartedBlock::ToolUse { id, name, input } => {
                let whole = !input.is_empty();
                let arguments =
                    if whole { Value::Object(input).to_string() } else { String::new() };
                self.open = Some((index, whole));
                let (id, name) = (Some(id.as_str()), Some(name.as_str()));
                let index = Some(index);
                self.calls.whole(&Piece { index, id, name, arguments: &arguments })?;
            }
            StartedBlock::Other => {}
        }
        Ok(())
    }

    fn delta(&mut self, index: u64, delta: Delta, out: &mut VecDeque<ChatEvent>) -> Result<()> {
        match delta {
            Delta::Text { text } => tell(text, out),
            Delta::InputJson { partial_json } => match self.open {
                Some((open, false)) if open == index => {
                    let index = Some(index);
                    let piece = Piece { index, arguments: &partial_json, ..Piece::default() };
                    self.calls.push(&piece)?;
                }
                _ if partial_json.is_empty() => {}
                _ => return Err(protocol(OPERATION, "sent input of a tool call that is not open")),
            },
            Delta::Other => {}
        }
        Ok(())
    }

    fn usage(&mut self, usage: WireUsage, out: &mut VecDeque<ChatEvent>) {
        let prompt = usage.prompt().filter(|tokens| *tokens > 0).or(self.prompt_tokens);
        if let (Some(prompt_tokens), Some(completion_tokens)) = (prompt, usage.output_tokens) {
            let usage = Usage { prompt_tokens, completion_tokens, exact: true, cost_micros: None };
            out.push_back(ChatEvent::Usage(usage));
        }
    }

    fn end(&mut self, reason: FinishReason, out: &mut VecDeque<ChatEvent>) -> Result<()> {
        let cut = matches!(reason, FinishReason::Length | FinishReason::ContentFilter);
        if self.open.is_some() && !cut {
            return Err(protocol(OPERATION, "ended within a tool call"));
        }
        let reason = self.calls.finish(reason, out)?;
        out.push_back(ChatEvent::Finish(reason));
        Ok(())
    }
}

fn tell(text: String, out: &mut VecDeque<ChatEvent>) {
    if !text.is_empty() {
        out.push_back(ChatEvent::Delta(text));
    }
}

fn reason_of(name: &str) -> Result<FinishReason> {
    Ok(match name {
        "max_tokens" | "model_context_window_exceeded" => FinishReason::Length,
        "refusal" => FinishReason::ContentFilter,
        "tool_use" => FinishReason::ToolCalls,
        // Only of tools that run at the provider, which nobody asks for here: the answer is not whole.
        "pause_turn" => return Err(remote::cut_off().with("provider_code", name)),
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
        match (self.answer.finish.take(), broken) {
            (Some(reason), _) => self.answer.end(reason, out),
            (None, Some(error)) => Err(error),
            (None, None) => Ok(()),
        }
    }
}
