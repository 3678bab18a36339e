//! An answer whose body is read under limits.

use std::time::Duration;

use bytes::Bytes;
use reqwest::{StatusCode, header::HeaderMap};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::{
    MAX_MESSAGE_BYTES, Redactor, Timeouts,
    error::{protocol, transport, waited_too_long},
};
use crate::{Error, ErrorKind, Result};

/// The head of an answer, and its body still to be read. Dropping it closes the connection.
#[derive(Debug)]
pub struct HttpResponse {
    operation: &'static str,
    inner: reqwest::Response,
    timeouts: Timeouts,
    redactor: Redactor,
    begun: bool,
}

impl HttpResponse {
    pub(super) const fn new(
        operation: &'static str,
        inner: reqwest::Response,
        timeouts: Timeouts,
        redactor: Redactor,
    ) -> Self {
        Self { operation, inner, timeouts, redactor, begun: false }
    }

    /// What must not come back in errors.
    pub(crate) const fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.inner.status()
    }

    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        self.inner.headers()
    }

    /// Where a redirect leads, as a whole address; the client follows none by itself.
    ///
    /// # Errors
    /// `Protocol` when the answer names no place, one that is not HTTP, or one without encryption
    /// after one with it.
    pub fn redirect(&self) -> Result<String> {
        let from = self.inner.url();
        let place = self.headers().get(reqwest::header::LOCATION);
        let place = place.and_then(|place| from.join(place.to_str().ok()?).ok());
        let place = place.filter(|to| match to.scheme() {
            "https" => true,
            scheme => scheme == "http" && from.scheme() == "http",
        });
        place.map(String::from).ok_or_else(|| {
            Error::new(ErrorKind::Protocol, self.operation)
                .with("reason", "the answer redirects to no place that may be followed")
        })
    }

    /// The media type in lower case, without parameters; empty if there is none.
    #[must_use]
    pub fn media_type(&self) -> String {
        let value = self.headers().get(reqwest::header::CONTENT_TYPE);
        let value = value.and_then(|value| value.to_str().ok()).unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// The next piece of the body; `None` at its end.
    ///
    /// # Errors
    /// `Timeout` when nothing comes for too long; `Unavailable` when the connection breaks off.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>> {
        let Timeouts { first_byte, idle } = self.timeouts;
        let (what, limit) =
            if self.begun { ("next byte", idle) } else { ("first byte", first_byte) };
        match timeout(limit, self.inner.chunk()).await {
            Ok(Ok(chunk)) => {
                self.begun = true;
                Ok(chunk)
            }
            Ok(Err(error)) => Err(transport(self.operation, error)),
            Err(_) => Err(waited_too_long(self.operation, what, limit)),
        }
    }

    /// The whole body.
    ///
    /// # Errors
    /// As [`chunk`](Self::chunk); `TooLarge` when it is longer than `limit` bytes.
    pub async fn bytes(&mut self, limit: usize) -> Result<Vec<u8>> {
        let mut all = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            if chunk.len() > limit - all.len() {
                return Err(Error::new(ErrorKind::TooLarge, self.operation)
                    .with("limit", format!("{limit} bytes of an answer")));
            }
            all.extend_from_slice(&chunk);
        }
        Ok(all)
    }

    /// The beginning of the body, as far as it can be had: for errors.
    pub(crate) async fn beginning(&mut self) -> Vec<u8> {
        self.beginning_of(MAX_MESSAGE_BYTES, Duration::MAX).await
    }

    /// At most `limit` bytes of the body, as far as they come within `wait`.
    pub(super) async fn beginning_of(&mut self, limit: usize, wait: Duration) -> Vec<u8> {
        let mut all = Vec::new();
        let read = async {
            while all.len() < limit
                && let Ok(Some(chunk)) = self.chunk().await
            {
                let room = limit - all.len();
                all.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
            }
        };
        // What came in time is what there is.
        let _ = timeout(wait, read).await;
        all
    }

    /// The whole body as JSON.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes); `Protocol` when it is not the JSON that was expected, with the
    /// beginning of it if it is no JSON at all.
    pub async fn json<T: DeserializeOwned>(&mut self, limit: usize) -> Result<T> {
        let media_type = self.media_type();
        let body = self.bytes(limit).await?;
        serde_json::from_slice(&body).map_err(|error| {
            let problem = protocol(self.operation, "answered with JSON of another shape");
            if error.is_data() {
                return problem.caused_by(error);
            }
            protocol(self.operation, "did not answer with JSON")
                .with("content_type", media_type)
                .with("excerpt", self.redactor.excerpt(&body))
                .caused_by(error)
        })
    }

    /// Reads what is left, for a moment, so that the connection can be used again.
    pub(crate) async fn drain(&mut self, wait: Duration) {
        let rest = async { while let Ok(Some(_)) = self.inner.chunk().await {} };
        // Running out of time only costs the connection.
        let _ = timeout(wait, rest).await;
    }
}
