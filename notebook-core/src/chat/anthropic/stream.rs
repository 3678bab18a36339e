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
        events::Dialect,
        remote::{self, OPERATION},
    },
    http::{Redactor, protocol, refused},
};

/// Reads a stream of blocks. The answer is whole with its last event, or where the body ends after the reason.
pub(super) struct Answer {
    calls: Calls,
    /// The call that is being sent: its index, and whether its input stood in its first event.
    open: Option<(u64, bool)>,
    prompt_tokens: Option<u64>,
    finish: Option<FinishReason>,
    redactor: Redactor,
}

impl Answer {
    pub(super) const fn new(redactor: Redactor, calls: Calls) -> Self {
        Self { calls, open: None, prompt_tokens: None, finish: None, redactor }
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
            out.push_back(remote::counted(prompt_tokens, completion_tokens));
        }
    }
}

impl Dialect for Answer {
    type Event = Event;

    fn error(&self, event: &Value) -> Option<Error> {
        let refusal = error::read(event)?;
        Some(refused(OPERATION, refusal, ErrorKind::Unavailable, &self.redactor))
    }

    fn reason(&mut self) -> Option<FinishReason> {
        self.finish.take()
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

    fn end(&mut self, reason: FinishReason, out: &mut VecDeque<ChatEvent>) -> Result<()> {
        let cut = matches!(reason, FinishReason::Length | FinishReason::ContentFilter);
        if self.open.is_some() && !cut {
            return Err(protocol(OPERATION, "ended within a tool call"));
        }
        self.calls.finish(reason, out)
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
