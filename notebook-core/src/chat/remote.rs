//! What the adapters of remote models share: from an HTTP answer to a [`ChatStream`].

use std::{collections::VecDeque, time::Duration};

use futures::stream;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{ChatEvent, ChatStream};
use crate::{
    Error, Result,
    http::{HttpResponse, protocol},
    model::Usage,
};

pub(super) const OPERATION: &str = "read answer";

/// Reads one dialect. A state machine without I/O.
pub(super) trait Decode: Send + 'static {
    /// Reads the next bytes and appends the events that they complete.
    fn push(&mut self, chunk: &[u8], out: &mut VecDeque<ChatEvent>) -> Result<()>;

    /// The body ended, cleanly or (`broken`) not. Appends the last events, if the answer is whole
    /// nevertheless.
    fn end(&mut self, broken: Option<Error>, out: &mut VecDeque<ChatEvent>) -> Result<()>;
}

/// How long the rest of an answer is waited for after its last event, so that the connection
/// can be used again.
const DRAIN: Duration = Duration::from_millis(50);

struct Reader<D> {
    body: Option<HttpResponse>,
    decoder: D,
    events: VecDeque<ChatEvent>,
    failure: Option<Error>,
}

/// The events of an accepted answer. Dropping the stream closes the connection.
pub(super) fn events<D: Decode>(body: HttpResponse, decoder: D) -> ChatStream {
    let reader = Reader { body: Some(body), decoder, events: VecDeque::new(), failure: None };
    Box::pin(stream::unfold(reader, |mut reader| async move {
        let item = reader.next().await?;
        Some((item, reader))
    }))
}

impl<D: Decode> Reader<D> {
    async fn next(&mut self) -> Option<Result<ChatEvent>> {
        loop {
            if let Some(event) = self.events.pop_front() {
                if matches!(event, ChatEvent::Finish(_)) {
                    self.events.clear();
                    self.failure = None;
                    self.finish().await;
                }
                return Some(Ok(event));
            }
            if let Some(error) = self.failure.take() {
                self.body = None;
                return Some(Err(error));
            }
            let chunk = self.body.as_mut()?.chunk().await;
            let read = match chunk {
                Ok(Some(chunk)) => self.decoder.push(&chunk, &mut self.events),
                Ok(None) => self.end(None),
                Err(error) => self.end(Some(error)),
            };
            // Events that came before the failure are handed out before it.
            self.failure = read.err();
        }
    }

    fn end(&mut self, broken: Option<Error>) -> Result<()> {
        self.body = None;
        self.decoder.end(broken, &mut self.events)?;
        if self.events.iter().any(|event| matches!(event, ChatEvent::Finish(_))) {
            return Ok(());
        }
        Err(cut_off())
    }

    async fn finish(&mut self) {
        if let Some(mut body) = self.body.take() {
            body.drain(DRAIN).await;
        }
    }
}

/// S34: the answer ended without the provider saying that it is whole.
pub(super) fn cut_off() -> Error {
    Error::new(crate::ErrorKind::Unavailable, OPERATION)
        .with("problem", "the provider broke off before the end of the answer")
        .retry(crate::Retry::Backoff)
}

/// A message of the dialect.
pub(super) fn parsed<T: DeserializeOwned>(value: Value) -> Result<T> {
    serde_json::from_value(value)
        .map_err(|error| protocol(OPERATION, "sent a message of another shape").caused_by(error))
}

/// What the provider counted.
pub(super) const fn counted(prompt_tokens: u64, completion_tokens: u64) -> ChatEvent {
    ChatEvent::Usage(Usage { prompt_tokens, completion_tokens, exact: true, cost_micros: None })
}

/// The answer's body, where the provider accepts the request. `refusal` finds the error in a body; `document` is the media
/// type that no stream of this dialect has.
#[cfg(any(feature = "anthropic", feature = "google", feature = "ollama"))]
pub(super) async fn accepted(
    operation: &'static str,
    response: HttpResponse,
    refusal: fn(&[u8]) -> Option<crate::http::Refusal>,
    document: Option<&str>,
) -> Result<HttpResponse> {
    use crate::http::{refused, success};

    let response = success(operation, response, |_, body| refusal(body)).await?;
    let redactor = response.redactor().clone();
    require_stream(operation, response, document).await.map_err(|(error, body)| {
        match refusal(&body) {
            Some(refusal) => refused(operation, refusal, crate::ErrorKind::Unavailable, &redactor),
            None => error,
        }
    })
}

/// Refuses a success whose body cannot be a stream: a page of HTML, or one JSON document.
pub(super) async fn require_stream(
    operation: &'static str,
    mut response: HttpResponse,
    document: Option<&str>,
) -> Result<HttpResponse, (Error, Vec<u8>)> {
    let media_type = response.media_type();
    let html = media_type == "text/html" || media_type == "application/xhtml+xml";
    if !html && document != Some(media_type.as_str()) {
        return Ok(response);
    }
    let body = response.beginning().await;
    let problem = if html {
        "answered with a web page: check the provider's address"
    } else {
        "answered with one document instead of a stream"
    };
    let excerpt = response.redactor().excerpt(&body);
    let error =
        protocol(operation, problem).with("content_type", media_type).with("excerpt", excerpt);
    Err((error, body))
}
