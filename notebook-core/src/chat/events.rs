//! Answers that come as server-sent events, in any dialect. No I/O.

use std::collections::VecDeque;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    ChatEvent, ChatStream, FinishReason,
    remote::{self, Decode, OPERATION, cut_off, parsed},
};
use crate::{
    Error, Result,
    http::{HttpResponse, MAX_MESSAGE_BYTES, protocol},
    sse::{Parser, is_done},
};

/// One dialect: what its events say of the answer.
pub(super) trait Dialect: Send + 'static {
    /// An event.
    type Event: DeserializeOwned;

    /// Whether nothing but the body's end says that the answer is whole.
    const ENDS_WITH_BODY: bool = false;

    /// S33: the error in the middle of an answer with status 200.
    fn error(&self, event: &Value) -> Option<Error>;

    /// Takes an event.
    fn take(&mut self, event: Self::Event, out: &mut VecDeque<ChatEvent>) -> Result<()>;

    /// The reason for the answer's end, once: when it was said, and no end after it.
    fn reason(&mut self) -> Option<FinishReason>;

    /// Ends the answer, which is whole.
    fn end(&mut self, reason: FinishReason, out: &mut VecDeque<ChatEvent>) -> Result<()>;
}

/// What no stream of events has as its media type: one document is a refusal.
pub(super) const DOCUMENT: Option<&str> = Some("application/json");

/// The events of an accepted answer in a dialect. Dropping the stream closes the connection.
pub(super) fn events(body: HttpResponse, dialect: impl Dialect) -> ChatStream {
    let parser = Parser::with_max_event_bytes(MAX_MESSAGE_BYTES);
    remote::events(body, EventDecoder { parser, dialect })
}

/// Reads a stream in a dialect.
struct EventDecoder<D> {
    parser: Parser,
    dialect: D,
}

fn read<D: Dialect>(dialect: &mut D, data: &str, out: &mut VecDeque<ChatEvent>) -> Result<()> {
    if data.trim().is_empty() {
        return Ok(());
    }
    if is_done(data) {
        let reason = dialect.reason().ok_or_else(cut_off)?;
        return dialect.end(reason, out);
    }
    let value: Value = serde_json::from_str(data)
        .map_err(|error| protocol(OPERATION, "sent an event that is no JSON").caused_by(error))?;
    match dialect.error(&value) {
        Some(error) => Err(error),
        None => dialect.take(parsed(value)?, out),
    }
}

impl<D: Dialect> Decode for EventDecoder<D> {
    fn push(&mut self, mut chunk: &[u8], out: &mut VecDeque<ChatEvent>) -> Result<()> {
        while let Some(event) = self.parser.next_event(&mut chunk)? {
            read(&mut self.dialect, event.data, out)?;
            if matches!(out.back(), Some(ChatEvent::Finish(_))) {
                break;
            }
        }
        Ok(())
    }

    fn end(&mut self, broken: Option<Error>, out: &mut VecDeque<ChatEvent>) -> Result<()> {
        if D::ENDS_WITH_BODY && broken.is_none() {
            self.parser.finish()?;
        }
        match (self.dialect.reason(), broken) {
            // Whole, however the body ended after it.
            (Some(reason), None) => self.dialect.end(reason, out),
            (Some(reason), Some(_)) if !D::ENDS_WITH_BODY => self.dialect.end(reason, out),
            (_, Some(error)) => Err(error),
            (None, None) => Ok(()),
        }
    }
}
