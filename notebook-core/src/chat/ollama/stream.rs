//! From lines of the dialect to [`ChatEvent`]s.

use std::collections::VecDeque;

use serde_json::Value;

use super::{
    error,
    wire::{Line, Message},
};
use crate::{
    Error, ErrorKind, Result,
    chat::{
        ChatEvent, FinishReason,
        calls::{Calls, Piece},
        remote::{self, Decode, OPERATION},
    },
    http::{LineTooLong, Lines, MAX_MESSAGE_BYTES, Redactor, protocol, refused},
};

/// Reads a stream of newline-delimited JSON.
pub(super) struct Decoder {
    lines: Lines,
    answer: Answer,
}

struct Answer {
    calls: Calls,
    redactor: Redactor,
}

impl Decoder {
    pub(super) const fn new(redactor: Redactor, calls: Calls) -> Self {
        Self { lines: Lines::new(MAX_MESSAGE_BYTES), answer: Answer { calls, redactor } }
    }
}

impl Answer {
    fn line(&mut self, line: &[u8], out: &mut VecDeque<ChatEvent>) -> Result<()> {
        if matches!(out.back(), Some(ChatEvent::Finish(_))) {
            return Ok(());
        }
        let value: Value = serde_json::from_slice(line)
            .map_err(|error| protocol(OPERATION, "sent a line that is no JSON").caused_by(error))?;
        // S33: an error in the middle of an answer with status 200.
        if let Some(refusal) = error::read(&value) {
            return Err(refused(OPERATION, refusal, ErrorKind::Unavailable, &self.redactor));
        }
        let mut line: Line = remote::parsed(value)?;
        if let Some(message) = line.message.take() {
            self.message(message, out)?;
        }
        if line.done { self.end(&line, out) } else { Ok(()) }
    }

    fn message(&mut self, message: Message, out: &mut VecDeque<ChatEvent>) -> Result<()> {
        if !message.content.is_empty() {
            out.push_back(ChatEvent::Delta(message.content));
        }
        for call in message.tool_calls.into_iter().flatten() {
            let arguments = call.function.arguments.map(|object| Value::Object(object).to_string());
            self.calls.whole(&Piece {
                index: None,
                id: call.id.as_deref(),
                name: Some(&call.function.name),
                arguments: arguments.as_deref().unwrap_or("{}"),
            })?;
        }
        Ok(())
    }

    fn end(&mut self, line: &Line, out: &mut VecDeque<ChatEvent>) -> Result<()> {
        if let (Some(prompt_tokens), Some(completion_tokens)) =
            (line.prompt_eval_count, line.eval_count)
        {
            out.push_back(remote::counted(prompt_tokens, completion_tokens));
        }
        let reason = match line.done_reason.as_deref() {
            Some("length") => FinishReason::Length,
            _ => FinishReason::Stop,
        };
        self.calls.finish(reason, out)
    }
}

impl From<LineTooLong> for Error {
    fn from(_: LineTooLong) -> Self {
        Self::new(ErrorKind::TooLarge, OPERATION)
            .with("limit", format!("{MAX_MESSAGE_BYTES} bytes a line"))
    }
}

impl Decode for Decoder {
    fn push(&mut self, chunk: &[u8], out: &mut VecDeque<ChatEvent>) -> Result<()> {
        let answer = &mut self.answer;
        self.lines.push(chunk, |line| answer.line(line, out))
    }

    fn end(&mut self, broken: Option<Error>, out: &mut VecDeque<ChatEvent>) -> Result<()> {
        if let Some(error) = broken {
            return Err(error);
        }
        let last = self.lines.finish();
        if last.is_empty() { Ok(()) } else { self.answer.line(&last, out) }
    }
}
