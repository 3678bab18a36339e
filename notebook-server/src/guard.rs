//! What stands around every route: request ids, the single-user gate, security headers, panics.

use std::net::IpAddr;

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use notebook_auth::Principal;
use tracing::Instrument;
use uuid::Uuid;

use crate::{
    access::{Origins, origin::Origin},
    problem::Problem,
};

const REQUEST_ID: &str = "x-request-id";

/// Gives each request an id, which the reply, the log and an error's body carry.
pub(crate) async fn request_id(mut request: Request, next: Next) -> Response {
    let id = Uuid::now_v7().simple().to_string();
    let value = HeaderValue::from_str(&id).unwrap_or(HeaderValue::from_static("unknown"));
    // What a client sent under this name is not trusted.
    request.headers_mut().insert(REQUEST_ID, value.clone());
    let span = tracing::info_span!("request", %id, method = %request.method(), path = request.uri().path());
    let response = next.run(request).instrument(span).await;
    let mut response = with_request_id(response, &id);
    response.headers_mut().insert(REQUEST_ID, value);
    response
}

fn with_request_id(mut response: Response, id: &str) -> Response {
    let Some(mut problem) = response.extensions_mut().remove::<Problem>() else { return response };
    problem.request_id = Some(id.to_owned());
    let headers = response.headers().clone();
    let mut replaced = problem.into_response();
    replaced.extensions_mut().clear();
    for (name, value) in &headers {
        if name != header::CONTENT_LENGTH && name != header::CONTENT_TYPE {
            replaced.headers_mut().insert(name, value.clone());
        }
    }
    replaced
}

/// Single-user mode has no login, so no page of another origin may reach it: neither by a request
/// from a foreign page (`Origin`), nor by a foreign name that resolves to this machine (`Host`).
pub(crate) async fn single_user(mut request: Request, next: Next) -> Response {
    let headers = request.headers();
    let Some(host) = host(headers) else {
        return refused("The request names no host.");
    };
    if !is_loopback(host) {
        return refused("In single-user mode the server answers to localhost only.");
    }
    if !origin_is_ours(headers, request.method()) {
        return refused("Requests from pages of another origin are refused.");
    }
    request.extensions_mut().insert(Principal::single_user());
    next.run(request).await
}

fn refused(detail: &str) -> Response {
    Problem::new(StatusCode::FORBIDDEN, "forbidden", detail).into_response()
}

fn host(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::HOST)?.to_str().ok()
}

/// `localhost`, `127.0.0.1`, `[::1]`, each with or without a port.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// A link from elsewhere may open the page; nothing else may come from elsewhere.
fn origin_is_ours(headers: &HeaderMap, method: &Method) -> bool {
    let navigates = headers.get("sec-fetch-mode").is_some_and(|mode| mode == "navigate");
    match Origins::default().of(headers) {
        Origin::Ours | Origin::Person | Origin::Unsaid => true,
        Origin::Allowed | Origin::Foreign => {
            method == Method::GET && navigates && !headers.contains_key(header::ORIGIN)
        }
    }
}

/// Headers that every reply carries.
pub(crate) async fn security_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        // A browser would look up the names in an answer's links, and a name can carry what the answer knows.
        (header::X_DNS_PREFETCH_CONTROL, "off"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'self'; img-src 'self'; style-src 'self'; object-src 'none'; \
             base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
        ),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// The reply to a request whose handler panicked: a defect, but only of that request.
pub(crate) fn panicked(cause: Box<dyn std::any::Any + Send>) -> Response<Body> {
    let message = cause
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| cause.downcast_ref::<&str>().copied())
        .unwrap_or("unknown");
    tracing::error!(message, "a request handler panicked");
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "internal",
        "Something went wrong in the server. The log has the details under this request id.",
    )
    .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_hosts_pass() {
        for host in
            ["localhost", "localhost:8080", "127.0.0.1:80", "127.9.9.9", "[::1]:8080", "LOCALHOST"]
        {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "example.org",
            "localhost.example.org",
            "10.0.0.1",
            "127.0.0.1.nip.io",
            "[::2]",
            "",
            "0.0.0.0",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn foreign_origins_are_refused() {
        let ours = |pairs: &[(&'static str, &'static str)], method: Method| {
            let headers = pairs
                .iter()
                .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)))
                .collect::<HeaderMap>();
            origin_is_ours(&headers, &method)
        };
        let host = ("host", "localhost:8080");
        assert!(ours(&[host], Method::POST));
        assert!(ours(&[host, ("origin", "http://localhost:8080")], Method::POST));
        assert!(!ours(&[host, ("origin", "http://localhost:3000")], Method::POST));
        assert!(!ours(&[host, ("origin", "null")], Method::POST));
        assert!(!ours(&[host, ("sec-fetch-site", "cross-site")], Method::GET));
        let link = [host, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")];
        assert!(ours(&link, Method::GET));
        assert!(!ours(&link, Method::POST));
    }
}
