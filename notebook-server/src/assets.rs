//! The page, built into the binary.

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use rust_embed::{EmbeddedFile, RustEmbed};

use crate::problem::Problem;

#[derive(RustEmbed)]
#[folder = "web/dist"]
#[allow_missing = true]
struct Dist;

/// Serves a file of the page; unknown paths get the page itself, which finds its own way.
pub(crate) async fn serve(request: Request) -> Response {
    let path = request.uri().path().trim_start_matches('/');
    if !matches!(*request.method(), Method::GET | Method::HEAD) || is_interface(path) {
        return Problem::new(StatusCode::NOT_FOUND, "not_found", "There is no such route.")
            .into_response();
    }
    let path = match path {
        "docs" => "docs.html",
        other => other,
    };
    if let Some(file) = Dist::get(path) {
        return reply(path, file);
    }
    // A missing asset is an error; only paths without an extension are places in the page.
    let is_place = !path.rsplit('/').next().unwrap_or_default().contains('.');
    match Dist::get("index.html").filter(|_| is_place) {
        Some(page) => reply("index.html", page),
        None if is_place => Problem::new(
            StatusCode::NOT_FOUND,
            "page_not_built",
            "The page was not built into this binary. Run `make web`, then build again. The REST interface works.",
        )
        .into_response(),
        None => Problem::new(StatusCode::NOT_FOUND, "not_found", "There is no such file.").into_response(),
    }
}

/// What a route says to a method that it does not have; the header `allow` names those that it has.
pub(crate) async fn other_method() -> Problem {
    let status = StatusCode::METHOD_NOT_ALLOWED;
    Problem::new(status, "method_not_allowed", "This route has no such method.")
}

/// Whether a path is one of programs, to which the page is no answer.
fn is_interface(path: &str) -> bool {
    ["api", "v1", "mcp", "ws"].iter().any(|root| {
        path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

fn reply(path: &str, file: EmbeddedFile) -> Response {
    let mut response = Body::from(file.data).into_response();
    let headers = response.headers_mut();
    let kind = HeaderValue::from_str(file.metadata.mimetype())
        .unwrap_or(HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CONTENT_TYPE, kind);
    // Vite puts a hash of the content into the names below assets/.
    let cache = if path.starts_with("assets/") {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    response
}

/// Whether the page was there when the binary was built.
pub(crate) fn is_built() -> bool {
    Dist::get("index.html").is_some()
}
