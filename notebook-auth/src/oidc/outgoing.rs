//! The project's HTTP client, as `openidconnect` calls it.

use std::{future::Future, pin::Pin, time::Duration};

use notebook_core::{
    Error, ErrorKind, Result, Secret,
    http::{HttpClient, HttpRequest, HttpResponse, Timeouts},
};
use openidconnect::{AsyncHttpClient, http};

const OPERATION: &str = "ask OpenID provider";
/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest answer that is read.
const LONGEST: usize = 256 * 1024;

/// Follows no redirects, and sends secrets only where its caller says.
#[derive(Debug, Clone)]
pub(super) struct Outgoing(pub(super) HttpClient);

impl<'c> AsyncHttpClient<'c> for Outgoing {
    type Error = Error;
    type Future =
        Pin<Box<dyn Future<Output = Result<openidconnect::HttpResponse>> + Send + Sync + 'c>>;

    fn call(&'c self, request: openidconnect::HttpRequest) -> Self::Future {
        Box::pin(call(&self.0, request))
    }
}

async fn call(
    client: &HttpClient,
    request: openidconnect::HttpRequest,
) -> Result<openidconnect::HttpResponse> {
    let slow = |_| Error::new(ErrorKind::Timeout, OPERATION);
    let whole = async { answer(client.send(translated(request)?).await?).await };
    tokio::time::timeout(PATIENCE, whole).await.map_err(slow)?
}

fn translated(request: openidconnect::HttpRequest) -> Result<HttpRequest> {
    let (head, body) = request.into_parts();
    let text = |name: http::HeaderName| head.headers.get(name).and_then(|it| it.to_str().ok());
    let timeouts = Timeouts { first_byte: PATIENCE, idle: PATIENCE };
    let url = head.uri.to_string();
    let request = match head.method {
        http::Method::POST => {
            let kind = text(http::header::CONTENT_TYPE).unwrap_or_default().to_owned();
            HttpRequest::post(OPERATION, url, timeouts, &[("content-type", kind)], body)?
        }
        _ => HttpRequest::get(OPERATION, url, timeouts),
    };
    let request = request.accept("application/json");
    match text(http::header::AUTHORIZATION) {
        None => Ok(request),
        Some(value) => request.secret_header("client_secret", "authorization", &Secret::new(value)),
    }
}

/// A provider that is not well says nothing about who somebody is.
async fn answer(mut response: HttpResponse) -> Result<openidconnect::HttpResponse> {
    let status = response.status();
    if status.is_server_error() || status.is_redirection() || status.as_u16() == 429 {
        return Err(Error::new(ErrorKind::Unavailable, OPERATION).with("status", status.as_str()));
    }
    let kind = response.headers().get(http::header::CONTENT_TYPE).cloned();
    let body = response.bytes(LONGEST).await?;
    let mut answer = http::Response::new(body);
    *answer.status_mut() = status;
    if let Some(kind) = kind {
        answer.headers_mut().insert(http::header::CONTENT_TYPE, kind);
    }
    Ok(answer)
}
