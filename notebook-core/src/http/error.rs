//! From failed calls to this crate's error.

use std::{error::Error as StdError, time::Duration};

use reqwest::{StatusCode, header::HeaderMap};

use crate::{Error, ErrorKind, Result, Retry, Secret};

/// What a provider says about a refused call, read from its dialect by the adapter.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The provider's own short name of the reason.
    pub(crate) code: Option<String>,
    /// The provider's sentence, as it came.
    pub(crate) message: Option<String>,
    /// The kind, where the body tells more than the status does.
    pub(crate) kind: Option<ErrorKind>,
    /// How long to wait, where the body says so.
    pub(crate) retry_after: Option<Duration>,
    /// The call will fail again, whatever the status says: an account without credit.
    pub(crate) permanent: bool,
}

/// The longest text of a provider that is put into an error, in bytes.
const EXCERPT_BYTES: usize = 300;

/// The longest wait that is taken from a provider.
const MAX_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// The secrets of a call, which must not come back in its errors: some providers repeat the key,
/// and a broken proxy may repeat the headers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Redactor(pub(super) Vec<Secret>);

impl Redactor {
    /// The beginning of a provider's text, on one line, without secrets.
    pub(crate) fn excerpt(&self, bytes: &[u8]) -> String {
        let text = String::from_utf8_lossy(bytes).into_owned();
        excerpt(&self.0.iter().fold(text, |text, secret| secret.redact(&text)))
    }
}

/// The beginning of a text on one line, without control characters.
fn excerpt(text: &str) -> String {
    let mut short = String::new();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty())
    {
        if !short.is_empty() {
            short.push(' ');
        }
        short.push_str(word);
        if short.len() > EXCERPT_BYTES {
            short.truncate(short.floor_char_boundary(EXCERPT_BYTES));
            short.push('…');
            break;
        }
    }
    short
}

/// An answer outside the provider's dialect.
pub(crate) fn protocol(operation: &'static str, problem: &str) -> Error {
    Error::new(ErrorKind::Protocol, operation).with("problem", format!("the provider {problem}"))
}

/// The kind that a status stands for, unless the body says more.
pub(crate) fn kind_of(status: u16) -> ErrorKind {
    match status {
        401 | 403 => ErrorKind::Unauthorized,
        402 | 429 => ErrorKind::RateLimited,
        408 | 504 => ErrorKind::Timeout,
        413 => ErrorKind::TooLarge,
        400..=499 => ErrorKind::InvalidInput,
        500..=599 => ErrorKind::Unavailable,
        _ => ErrorKind::Protocol,
    }
}

/// Kinds that may pass: the same call can succeed later.
const fn is_passing(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::RateLimited | ErrorKind::Timeout | ErrorKind::Unavailable)
}

/// The error of a refusal without a status of its own: one that came within a stream.
pub(crate) fn refused(
    operation: &'static str,
    refusal: Refusal,
    kind: ErrorKind,
    redactor: &Redactor,
) -> Error {
    let kind = refusal.kind.unwrap_or(kind);
    let mut error = Error::new(kind, operation);
    if is_passing(kind) && !refusal.permanent {
        error = error.retry(refusal.retry_after.map_or(Retry::Backoff, after));
    }
    if let Some(code) = refusal.code {
        error = error.with("provider_code", redactor.excerpt(code.as_bytes()));
    }
    if let Some(message) = refusal.message {
        error = error.with("message", redactor.excerpt(message.as_bytes()));
    }
    error
}

/// The error of a call that was answered with a status other than success.
pub(crate) fn failure(
    operation: &'static str,
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    refusal: Option<Refusal>,
    redactor: &Redactor,
) -> Error {
    let kind = kind_of(status.as_u16());
    let understood = refusal.is_some();
    let mut refusal = refusal.unwrap_or_default();
    refusal.permanent |= status.as_u16() == 402;
    refusal.retry_after = retry_after(headers).or(refusal.retry_after);
    let mut error = refused(operation, refusal, kind, redactor).with("status", status.as_str());
    if let Some(id) = request_id(headers) {
        error = error.with("request_id", redactor.excerpt(id));
    }
    if status.is_redirection() {
        error =
            error.with("fix", "the provider redirects: configure the address that it redirects to");
    } else if status == StatusCode::NOT_FOUND {
        error =
            error.with("fix", "check the name of the model and the path in the provider's address");
    }
    if !understood && !body.is_empty() {
        error = error.with("excerpt", redactor.excerpt(body));
    }
    error
}

fn after(wait: Duration) -> Retry {
    Retry::After(wait.min(MAX_WAIT))
}

fn request_id(headers: &HeaderMap) -> Option<&[u8]> {
    let names = ["x-request-id", "request-id", "x-goog-request-id"];
    names.iter().find_map(|name| headers.get(*name)).map(|value| value.as_bytes())
}

/// The wait that the headers ask for: seconds, milliseconds, or a date, which is compared with
/// the answer's own date so that no clock of ours takes part.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    if let Some(milliseconds) = text("retry-after-ms").and_then(seconds) {
        return Some(milliseconds / 1000);
    }
    let value = text("retry-after")?;
    if let Some(wait) = seconds(value) {
        return Some(wait);
    }
    let until = httpdate::parse_http_date(value).ok()?;
    let now = httpdate::parse_http_date(text("date")?).ok()?;
    Some(until.duration_since(now).unwrap_or_default())
}

fn seconds(text: &str) -> Option<Duration> {
    let number: f64 = text.parse().ok()?;
    if number < 0.0 || number.is_nan() {
        return None;
    }
    Some(Duration::try_from_secs_f64(number).unwrap_or(MAX_WAIT))
}

/// Nothing came for too long.
pub(super) fn waited_too_long(operation: &'static str, what: &str, limit: Duration) -> Error {
    Error::new(ErrorKind::Timeout, operation)
        .with("waited", format!("{limit:?} for the {what}"))
        .retry(Retry::Backoff)
}

/// The error of a connection.
pub(super) fn transport(operation: &'static str, error: reqwest::Error) -> Error {
    let error = error.without_url();
    let unavailable = || Error::new(ErrorKind::Unavailable, operation);
    let tls = find(&error, |cause| cause.downcast_ref::<rustls::Error>().map(tls_problem));
    let hyper =
        find(&error, |cause| cause.downcast_ref::<hyper::Error>().map(hyper::Error::is_parse));
    let problem = match (tls.flatten(), hyper) {
        (Some((kind, fix)), _) => Error::new(kind, operation).with("fix", fix),
        (None, Some(true)) => protocol(operation, "does not speak HTTP")
            .with("fix", "check the port, and whether the address must begin with https://"),
        _ if error.is_builder() => {
            Error::invalid(operation, "base_url", "check the provider's address")
        }
        _ if error.is_timeout() => Error::new(ErrorKind::Timeout, operation).retry(Retry::Backoff),
        _ if error.is_connect() => unavailable()
            .with("fix", "check that the server runs and that its address is right")
            .retry(Retry::Backoff),
        _ => unavailable().with("problem", "the connection broke off").retry(Retry::Backoff),
    };
    problem.caused_by(error)
}

/// What a TLS failure means to a person; `None` for those that are a broken connection.
fn tls_problem(error: &rustls::Error) -> Option<(ErrorKind, &'static str)> {
    match error {
        rustls::Error::InvalidMessage(_) => Some((
            ErrorKind::Protocol,
            "the other side does not speak TLS: check the port, and whether the address must begin with http://",
        )),
        rustls::Error::InvalidCertificate(_) => Some((
            ErrorKind::Unavailable,
            "the certificate is not trusted: name the file of its authority in extra_roots",
        )),
        _ => None,
    }
}

/// The first answer of `look` in a chain of causes. An `io::Error` hides its cause one level deeper.
fn find<T>(
    error: &(dyn StdError + 'static),
    look: impl Fn(&(dyn StdError + 'static)) -> Option<T>,
) -> Option<T> {
    let mut cause = Some(error);
    while let Some(current) = cause {
        if let Some(found) = look(current) {
            return Some(found);
        }
        cause = match current.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => current.source(),
        };
    }
    None
}

/// The answer itself if its status is success, else the error that `read` finds in the body.
pub(crate) async fn success(
    operation: &'static str,
    mut response: super::HttpResponse,
    read: impl FnOnce(u16, &[u8]) -> Option<Refusal>,
) -> Result<super::HttpResponse> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let body = response.beginning().await;
    let refusal = read(status.as_u16(), &body);
    Err(failure(operation, status, response.headers(), &body, refusal, response.redactor()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(k, v)| (k.parse().unwrap(), v.parse().unwrap())).collect()
    }

    #[test]
    fn waits_are_read_from_every_form() {
        let secs = |n| Some(Duration::from_secs(n));
        assert_eq!(retry_after(&headers(&[("retry-after", "7")])), secs(7));
        assert_eq!(
            retry_after(&headers(&[("retry-after", "0.5")])),
            Some(Duration::from_millis(500))
        );
        assert_eq!(
            retry_after(&headers(&[("retry-after-ms", "1500")])),
            Some(Duration::from_millis(1500))
        );
        assert_eq!(retry_after(&headers(&[("retry-after", "1e300")])), Some(MAX_WAIT));
        let date = [
            ("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT"),
            ("date", "Sun, 06 Nov 1994 08:49:07 GMT"),
        ];
        assert_eq!(retry_after(&headers(&date)), secs(30));
        for wrong in ["soon", "-1", "NaN", ""] {
            assert_eq!(retry_after(&headers(&[("retry-after", wrong)])), None, "{wrong}");
        }
    }

    #[test]
    fn a_status_is_mapped_without_a_body() {
        for (status, kind, retry) in [
            (400, ErrorKind::InvalidInput, false),
            (401, ErrorKind::Unauthorized, false),
            (402, ErrorKind::RateLimited, false),
            (404, ErrorKind::InvalidInput, false),
            (413, ErrorKind::TooLarge, false),
            (429, ErrorKind::RateLimited, true),
            (302, ErrorKind::Protocol, false),
            (500, ErrorKind::Unavailable, true),
            (503, ErrorKind::Unavailable, true),
            (504, ErrorKind::Timeout, true),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let error = failure("call", status, &HeaderMap::new(), b"", None, &Redactor::default());
            assert_eq!((error.kind(), error.is_retryable()), (kind, retry), "{status}");
            assert_eq!(error.context("status"), Some(status.as_str()));
        }
    }

    #[test]
    fn a_repeated_key_is_taken_out() {
        let redactor = Redactor(vec![Secret::new("sk-1")]);
        let refusal = Refusal { message: Some("wrong key: sk-1".into()), ..Refusal::default() };
        let (status, none) = (StatusCode::UNAUTHORIZED, HeaderMap::new());
        for refusal in [Some(refusal), None] {
            let error = failure("call", status, &none, b"<p>Bearer sk-1</p>", refusal, &redactor);
            assert!(!format!("{error} {error:?}").contains("sk-1"));
        }
    }

    #[test]
    fn an_excerpt_is_short_and_clean() {
        let html =
            format!("<html>\r\n\t<title>502\u{1b}[31m Bad Gateway</title>{}", "ü".repeat(1000));
        let short = excerpt(&html);
        assert!(short.starts_with("<html> <title>502 [31m Bad Gateway</title>üü"));
        assert!(short.ends_with('…') && short.len() <= EXCERPT_BYTES + '…'.len_utf8());
    }
}
