//! From lines of the dialect to [`ChatEvent`]s.

use std::collections::VecDeque;

use serde_json::Value;

use super::{error, wire::Line};
use crate::{
    Error, ErrorKind, Result,
    chat::{ChatEvent, FinishReason, remote::Decode},
    http::{LineTooLong, Lines, MAX_MESSAGE_BYTES, Redactor, protocol, refused},
    model::Usage,
};

const OPERATION: &str = "read answer";

/// Reads a stream of newline-delimited JSON.
pub(super) struct Decoder {
    lines: Lines,
    redactor: Redactor,
}

impl Decoder {
    pub(super) const fn new(redactor: Redactor) -> Self {
        Self { lines: Lines::new(MAX_MESSAGE_BYTES), redactor }
    }
}

fn read_line(line: &[u8], redactor: &Redactor, out: &mut VecDeque<ChatEvent>) -> Result<()> {
    if matches!(out.back(), Some(ChatEvent::Finish(_))) {
        return Ok(());
    }
    let value: Value = serde_json::from_slice(line)
        .map_err(|error| protocol(OPERATION, "sent a line that is no JSON").caused_by(error))?;
    // S33: an error in the middle of an answer with status 200.
    if let Some(refusal) = error::read(&value) {
        return Err(refused(OPERATION, refusal, ErrorKind::Unavailable, redactor));
    }
    let line: Line = serde_json::from_value(value)
        .map_err(|error| protocol(OPERATION, "sent a line of another shape").caused_by(error))?;
    if let Some(message) = line.message.filter(|message| !message.content.is_empty()) {
        out.push_back(ChatEvent::Delta(message.content));
    }
    if !line.done {
        return Ok(());
    }
    if let (Some(prompt_tokens), Some(completion_tokens)) =
        (line.prompt_eval_count, line.eval_count)
    {
        let usage = Usage { prompt_tokens, completion_tokens, exact: true, cost_micros: None };
        out.push_back(ChatEvent::Usage(usage));
    }
    let reason = match line.done_reason.as_deref() {
        Some("length") => FinishReason::Length,
        _ => FinishReason::Stop,
    };
    out.push_back(ChatEvent::Finish(reason));
    Ok(())
}

impl From<LineTooLong> for Error {
    fn from(_: LineTooLong) -> Self {
        Self::new(ErrorKind::TooLarge, OPERATION)
            .with("limit", format!("{MAX_MESSAGE_BYTES} bytes a line"))
    }
}

impl Decode for Decoder {
    fn push(&mut self, chunk: &[u8], out: &mut VecDeque<ChatEvent>) -> Result<()> {
        let redactor = &self.redactor;
        self.lines.push(chunk, |line| read_line(line, redactor, out))
    }

    fn end(&mut self, broken: Option<Error>, out: &mut VecDeque<ChatEvent>) -> Result<()> {
        if let Some(error) = broken {
            return Err(error);
        }
        let last = self.lines.finish();
        if last.is_empty() { Ok(()) } else { read_line(&last, &self.redactor, out) }
    }
}
