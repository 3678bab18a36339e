//! A server over streamable HTTP, called by this program's own client.
//!
//! The client follows no redirects, so what is sent as a secret goes to the address that the operator wrote, and nowhere else.

use std::{borrow::Cow, collections::BTreeMap, collections::HashMap, sync::Arc, time::Duration};

use futures::{StreamExt as _, TryStreamExt as _, future, stream, stream::BoxStream};
use http::{HeaderName, HeaderValue, StatusCode};
use notebook_core::{
    Error, ErrorKind, Secret,
    http::{HttpClient, HttpRequest, HttpResponse, Timeouts},
    sse::{EventStream, Parser},
};
use rmcp::{
    model::{ClientJsonRpcMessage, ClientRequest, ErrorData, JsonRpcMessage, ServerJsonRpcMessage},
    transport::streamable_http_client::{
        AuthRequiredError, HttpStatusError, SseError, StreamableHttpClient, StreamableHttpError,
        StreamableHttpPostResponse,
    },
};
use sse_stream::Sse;

use super::{leash::Leash, stdio::MOST_MESSAGE};

/// The most bytes of a refusal.
const MOST_REFUSAL: usize = 64 << 10;
/// How much of an answer is told that is none.
const TOLD: usize = 200;
/// How long a stream may say nothing: servers keep them for what they have to tell.
const QUIET: Duration = Duration::from_secs(3_600);
/// A stream that ended is not opened again before.
const AGAIN: Duration = Duration::from_secs(1);
const SESSION: &str = "mcp-session-id";
const BOTH: &str = "application/json, text/event-stream";
const EVENTS: &str = "text/event-stream";
const JSON: &str = "application/json";

/// An address to call.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// The whole address, such as `https://tools.example.org/mcp`.
    pub url: String,
    /// Headers of each call, such as `authorization`.
    pub headers: BTreeMap<String, Secret>,
    /// Sent with each call as `Authorization: Bearer`.
    pub token: Option<Secret>,
}

impl Endpoint {
    /// What must stand nowhere: also what a header has behind a word such as `Bearer`.
    pub(super) fn secrets(&self) -> Vec<Secret> {
        let behind = |secret: &Secret| {
            let (_, behind) = secret.expose().split_once(' ')?;
            Some(Secret::new(behind.trim()))
        };
        let whole = self.headers.values().chain(&self.token);
        whole.clone().cloned().chain(whole.filter_map(behind)).collect()
    }
}

/// The client of one server.
#[derive(Clone)]
pub(super) struct Caller {
    pub(super) http: HttpClient,
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) leash: Arc<Leash>,
    /// How long an answer may take to begin.
    pub(super) time: Duration,
}

type Failed = StreamableHttpError<Error>;
type Headers = HashMap<HeaderName, HeaderValue>;

impl Caller {
    fn timeouts(&self, idle: Duration) -> Timeouts {
        Timeouts { first_byte: self.time, idle }
    }

    /// Sends a request with its headers, and looks at what is refused in whatever way.
    async fn send(
        &self,
        mut request: HttpRequest,
        session: Option<&str>,
        headers: Headers,
    ) -> Result<HttpResponse, Failed> {
        for (name, value) in headers {
            let value = value.to_str().map_err(|_| unexpected("a header that is no text"))?;
            request = shown(request, name.as_str(), value)?;
        }
        if let Some(session) = session {
            request = shown(request, SESSION, session)?;
        }
        for (name, value) in &self.endpoint.headers {
            request =
                request.secret_header(name, name, value).map_err(StreamableHttpError::Client)?;
        }
        let token = self.endpoint.token.as_ref();
        request = request.bearer(token).map_err(StreamableHttpError::Client)?;
        let response = self.http.send(request).await.map_err(StreamableHttpError::Client)?;
        let status = response.status();
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            // What the server says of it may repeat what it was sent.
            return Err(StreamableHttpError::AuthRequired(AuthRequiredError::new(format!(
                "HTTP {status}"
            ))));
        }
        if status.is_redirection() {
            return Err(unexpected(
                "a redirect, which is not followed: give the address that it leads to as `url`",
            ));
        }
        if status == StatusCode::TOO_MANY_REQUESTS {
            return Err(HttpStatusError::new(status.as_u16(), None).into());
        }
        Ok(response)
    }
}

fn shown(request: HttpRequest, name: &str, value: &str) -> Result<HttpRequest, Failed> {
    request.secret_header(name, name, &Secret::new(value)).map_err(StreamableHttpError::Client)
}

fn unexpected(what: &'static str) -> Failed {
    StreamableHttpError::UnexpectedServerResponse(Cow::Borrowed(what))
}

fn cut_off(why: &'static str) -> Error {
    Error::new(ErrorKind::TooLarge, "listen to MCP server").with("reason", why)
}

/// The events of an answer, each within so many bytes, and all of them within what the leash allows.
fn events(
    response: HttpResponse,
    most: usize,
    leash: &Arc<Leash>,
) -> BoxStream<'static, Result<Sse, SseError>> {
    let (bytes, each) = (Arc::clone(leash), Arc::clone(leash));
    let chunks = stream::try_unfold((response, bytes), |(mut response, leash)| async move {
        let Some(chunk) = response.chunk().await? else { return Ok(None) };
        leash.said(0, chunk.len()).map_err(cut_off)?;
        Ok::<_, Error>(Some((chunk, (response, leash))))
    });
    let parser = Parser::with_max_event_bytes(most.min(MOST_MESSAGE));
    EventStream::with_parser(chunks, parser)
        .map_ok(|event| Sse {
            event: Some(event.event.into_owned()),
            data: Some(event.data),
            id: event.id,
            // However soon it wants to be asked again: not in a loop.
            retry: event.retry.map(|retry| retry.max(AGAIN).as_millis() as u64),
        })
        .map_err(|error| SseError::Body(Box::new(error)))
        .and_then(move |event| {
            let said = each.said(1, 0).map_err(|why| SseError::Body(Box::new(cut_off(why))));
            future::ready(said.map(|()| event))
        })
        .boxed()
}

impl StreamableHttpClient for Caller {
    type Error = Error;

    async fn post_message(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session_id: Option<Arc<str>>,
        auth_header: Option<String>,
        custom_headers: Headers,
    ) -> Result<StreamableHttpPostResponse, Failed> {
        self.post_message_with_max_sse_event_size(
            uri,
            message,
            session_id,
            auth_header,
            custom_headers,
            MOST_MESSAGE,
        )
        .await
    }

    async fn post_message_with_max_sse_event_size(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session_id: Option<Arc<str>>,
        _: Option<String>,
        custom_headers: Headers,
        max_sse_event_size: usize,
    ) -> Result<StreamableHttpPostResponse, Failed> {
        let timeouts = self.timeouts(QUIET);
        let request = HttpRequest::post_json("call MCP server", &*uri, timeouts, &message)
            .map_err(StreamableHttpError::Client)?
            .accept(BOTH);
        let mut response = self.send(request, session_id.as_deref(), custom_headers).await?;
        let status = response.status();
        if matches!(status, StatusCode::ACCEPTED | StatusCode::NO_CONTENT) {
            return Ok(StreamableHttpPostResponse::Accepted);
        }
        if status == StatusCode::NOT_FOUND && session_id.is_some() {
            return Err(StreamableHttpError::SessionExpired);
        }
        let session = response.headers().get(SESSION).and_then(|value| value.to_str().ok());
        let session = session.map(ToOwned::to_owned);
        let kind = response.media_type();
        if status.is_success() && kind == EVENTS {
            return Ok(StreamableHttpPostResponse::Sse(
                events(response, max_sse_event_size, &self.leash),
                session,
            ));
        }
        let most = if status.is_success() { MOST_MESSAGE } else { MOST_REFUSAL };
        let body = response.bytes(most).await.map_err(StreamableHttpError::Client)?;
        let is_request = matches!(message, ClientJsonRpcMessage::Request(_));
        if !status.is_success() {
            return refused(&message, session_id.is_some(), status, &kind, &body, session);
        }
        match serde_json::from_slice::<ServerJsonRpcMessage>(&body) {
            Ok(answer) if kind == JSON => Ok(StreamableHttpPostResponse::Json(answer, session)),
            _ if !is_request => Ok(StreamableHttpPostResponse::Accepted),
            _ => Err(said(status, &body)),
        }
    }

    async fn delete_session(
        &self,
        uri: Arc<str>,
        session_id: Arc<str>,
        _: Option<String>,
        custom_headers: Headers,
    ) -> Result<(), Failed> {
        let request = HttpRequest::delete("end MCP session", &*uri, self.timeouts(self.time));
        let response = self.send(request, Some(&session_id), custom_headers).await?;
        match response.status() {
            status if status.is_success() => Ok(()),
            StatusCode::METHOD_NOT_ALLOWED => {
                Err(StreamableHttpError::ServerDoesNotSupportDeleteSession)
            }
            status => Err(HttpStatusError::new(status.as_u16(), None).into()),
        }
    }

    async fn get_stream(
        &self,
        uri: Arc<str>,
        session_id: Option<Arc<str>>,
        last_event_id: Option<String>,
        auth_header: Option<String>,
        custom_headers: Headers,
    ) -> Result<BoxStream<'static, Result<Sse, SseError>>, Failed> {
        self.get_stream_with_max_sse_event_size(
            uri,
            session_id,
            last_event_id,
            auth_header,
            custom_headers,
            MOST_MESSAGE,
        )
        .await
    }

    async fn get_stream_with_max_sse_event_size(
        &self,
        uri: Arc<str>,
        session_id: Option<Arc<str>>,
        last_event_id: Option<String>,
        _: Option<String>,
        custom_headers: Headers,
        max_sse_event_size: usize,
    ) -> Result<BoxStream<'static, Result<Sse, SseError>>, Failed> {
        // Streams that end at once and are opened again are a flood, too.
        self.leash.said(1, 0).map_err(unexpected)?;
        let timeouts = Timeouts { first_byte: QUIET, idle: QUIET };
        let mut request = HttpRequest::get("listen to MCP server", &*uri, timeouts).accept(BOTH);
        if let Some(last) = &last_event_id {
            request = shown(request, "last-event-id", last)?;
        }
        let response = self.send(request, session_id.as_deref(), custom_headers).await?;
        match response.status() {
            StatusCode::METHOD_NOT_ALLOWED => Err(StreamableHttpError::ServerDoesNotSupportSse),
            status if !status.is_success() => {
                Err(HttpStatusError::new(status.as_u16(), None).into())
            }
            _ if response.media_type() != EVENTS => {
                Err(StreamableHttpError::UnexpectedContentType(Some(response.media_type())))
            }
            _ => Ok(events(response, max_sse_event_size, &self.leash)),
        }
    }
}

/// What a refusal means. An older server that knows no `server/discover` says so in whatever way it can.
fn refused(
    message: &ClientJsonRpcMessage,
    in_session: bool,
    status: StatusCode,
    kind: &str,
    body: &[u8],
    session: Option<String>,
) -> Result<StreamableHttpPostResponse, Failed> {
    let error = match serde_json::from_slice::<ServerJsonRpcMessage>(body) {
        Ok(JsonRpcMessage::Error(error)) => Some(error),
        _ => None,
    };
    if let ClientJsonRpcMessage::Request(request) = message
        && matches!(request.request, ClientRequest::DiscoverRequest(_))
        && !in_session
        && status.is_client_error()
    {
        let unknown = || ErrorData::invalid_request(format!("HTTP {status}"), None);
        let error = error.map_or_else(unknown, |error| error.error);
        // Such answers do not always name the request that they are to.
        let answer = ServerJsonRpcMessage::error(error, Some(request.id.clone()));
        return Ok(StreamableHttpPostResponse::Json(answer, None));
    }
    match error {
        Some(error) if kind == JSON => {
            Ok(StreamableHttpPostResponse::Json(JsonRpcMessage::Error(error), session))
        }
        _ if status.is_server_error() => Err(HttpStatusError::new(status.as_u16(), None).into()),
        _ => Err(said(status, body)),
    }
}

fn said(status: StatusCode, body: &[u8]) -> Failed {
    let beginning = String::from_utf8_lossy(body.get(..TOLD).unwrap_or(body)).into_owned();
    StreamableHttpError::UnexpectedServerResponse(Cow::Owned(format!("HTTP {status}: {beginning}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// G9: a server that repeats what it was sent may leave out the word before it.
    #[test]
    fn g9_what_stands_behind_a_word_in_a_header_is_a_secret_too() {
        let headers = [("authorization", "Bearer hunter2"), ("x-key", "hunter3")];
        let headers = headers.map(|(name, value)| (name.to_owned(), Secret::new(value)));
        let token = Some(Secret::new("hunter4"));
        let endpoint = Endpoint { url: String::new(), headers: headers.into(), token };
        let said = "no: Bearer hunter2, hunter2, hunter3, hunter4";
        let told =
            endpoint.secrets().iter().fold(said.to_owned(), |told, secret| secret.redact(&told));
        assert_eq!(told, "no: …, …, …, …");
    }
}
