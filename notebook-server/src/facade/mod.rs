//! Other products' interfaces over the same runs, so that their clients work unchanged: OpenAI's Chat Completions, Responses,
//! Embeddings and Models under `/v1`, and the AI SDK's UI message stream. Each is a view of a run's log; what a protocol has no
//! words for is refused by name, and nothing that a client asks for is left out in silence.

mod completions;
mod embeddings;
mod follow;
mod forgotten;
mod message;
mod models;
pub(crate) mod problem;
mod responses;
mod thread;
mod ui;

pub(crate) use self::{
    follow::{How, pieces, whole},
    message::Said,
    thread::{Begun, begin},
};

use axum::http::{HeaderMap, header};
use bytes::Bytes;
use notebook_core::{
    Error, NotebookId, Result,
    model::Usage,
    sse::{EventRef, encode},
};
use serde_json::{Value, json};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::app::App;

/// What models are called here: a notebook answers.
const MODEL: &str = "notebook:";

/// The routes.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(completions::create))
        .routes(routes!(responses::create))
        .routes(routes!(responses::get))
        .routes(routes!(responses::cancel))
        .routes(routes!(embeddings::create))
        .routes(routes!(models::list))
        .routes(routes!(models::get))
        .routes(routes!(ui::ask))
        .routes(routes!(ui::resume))
}

/// The notebook that a model's name stands for.
fn notebook_of(model: &str) -> Result<NotebookId> {
    let id = model.strip_prefix(MODEL).and_then(|id| id.parse().ok());
    id.ok_or_else(|| {
        let fix = "name a notebook as notebook:<id>; GET /v1/models lists them";
        Error::not_found("choose notebook", "model").with("field", "model").with("fix", fix)
    })
}

/// Whether a field that asks for something asks for nothing.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

/// Whether a choice of tools leaves it at text.
fn calls_nothing(choice: &Value) -> bool {
    choice.is_null() || choice.as_str().is_some_and(|choice| matches!(choice, "none" | "auto"))
}

fn model_name(notebook: NotebookId) -> String {
    format!("{MODEL}{notebook}")
}

/// A block of a stream.
fn block(name: Option<&str>, data: &Value) -> Bytes {
    raw(name, &data.to_string())
}

fn raw(name: Option<&str>, data: &str) -> Bytes {
    let event = EventRef { event: name.unwrap_or("message"), ..EventRef::message(data) };
    let mut block = Vec::new();
    // Names are ours, and JSON has no line breaks.
    let _ = encode::event(&event, &mut block);
    block.into()
}

/// An object with more in it.
fn with<const N: usize>(mut object: Value, more: [(&str, Value); N]) -> Value {
    if let Value::Object(fields) = &mut object {
        fields.extend(more.map(|(name, value)| (name.to_owned(), value)));
    }
    object
}

/// Where this server is, for links to it: as it is configured, or else as the client calls it.
fn origin(app: &App, headers: &HeaderMap) -> String {
    match app.access.public_origin() {
        Some(ours) => ours.to_owned(),
        None => called_origin(headers),
    }
}

fn called_origin(headers: &HeaderMap) -> String {
    let text = |name: header::HeaderName| headers.get(name)?.to_str().ok();
    let scheme = headers.get("x-forwarded-proto").and_then(|value| value.to_str().ok());
    let host = text(header::HOST).unwrap_or("localhost");
    let scheme = if scheme == Some("https") { "https" } else { "http" };
    format!("{scheme}://{host}")
}

fn seconds(at: notebook_core::Timestamp) -> i64 {
    at.as_millis() / 1_000
}

fn chat_usage(usage: &Usage) -> Value {
    json!({
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    })
}
