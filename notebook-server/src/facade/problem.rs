//! Errors under `/v1`, in the shape that OpenAI's clients read.

use axum::{
    Json,
    extract::Request,
    http::{StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use serde_json::{Value, json};

use crate::problem::Problem;

/// Puts problems of `/v1` into OpenAI's shape.
pub(crate) async fn reshape(request: Request, next: Next) -> Response {
    let ours = request.uri().path().starts_with("/v1/");
    let mut response = next.run(request).await;
    if !ours {
        return response;
    }
    let Some(problem) = response.extensions_mut().remove::<Problem>() else { return response };
    let (mut parts, _) = response.into_parts();
    let body = Json(json!({ "error": body(&problem) })).into_response();
    parts.headers.remove(header::CONTENT_LENGTH);
    let (made, body) = body.into_parts();
    parts.headers.extend(made.headers);
    Response::from_parts(parts, body)
}

/// An error's body.
pub(super) fn body(problem: &Problem) -> Value {
    let kind = match problem.status() {
        StatusCode::UNAUTHORIZED => "authentication_error",
        StatusCode::FORBIDDEN => "permission_error",
        StatusCode::NOT_FOUND => "not_found_error",
        StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
        status if status.is_server_error() => "server_error",
        _ => "invalid_request_error",
    };
    json!({
        "message": problem.sentence(),
        "type": kind,
        "param": problem.at(),
        "code": problem.code(),
    })
}
