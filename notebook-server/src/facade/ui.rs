//! The AI SDK's UI message stream, version 1: for pages that are built with `useChat`.

use axum::{
    extract::State,
    http::{HeaderValue, StatusCode},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream};
use notebook_agent::chat::{Ask, Parent, Question};
use notebook_core::{
    ConversationId, Error, Result,
    model::{ModelSettings, Role, Run},
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{
    block,
    follow::{Cited, Ended, How, Piece, pieces},
    raw,
};
use crate::{
    app::App,
    extract::{Ending, Json, Path, Scope, need},
    problem::{Problem, Reply},
    stream::sse,
};

/// What `useChat` sends. The conversation itself is kept here; of the messages only the last question is read.
#[derive(Deserialize, ToSchema)]
pub(super) struct UiRequest {
    messages: Vec<UiMessage>,
    /// `submit-message`, or `regenerate-message`, which answers the newest question again.
    trigger: Option<String>,
}

#[derive(Deserialize, ToSchema)]
struct UiMessage {
    role: String,
    #[serde(default)]
    parts: Vec<UiPart>,
}

#[derive(Deserialize, ToSchema)]
struct UiPart {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    text: String,
}

/// Asks the last message's question in this conversation and streams the answer for the AI SDK.
#[utoipa::path(post, path = "/api/conversations/{id}/ui-messages",
    params(("id" = ConversationId, Path)), request_body = UiRequest,
    responses((status = 200, content_type = "text/event-stream"), (status = 404, body = Problem), (status = 413, body = Problem),
              (status = 422, body = Problem), (status = 429, body = Problem)))]
pub(super) async fn ask(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::Chat>,
    Path(conversation): Path<ConversationId>,
    Ending(ending): Ending,
    Json(body): Json<UiRequest>,
) -> Reply<Response> {
    app.store.conversation(&scope, conversation).await?;
    let question = match body.trigger.as_deref() {
        Some("regenerate-message") => {
            let page = notebook_core::model::PageRequest::first(2);
            let newest = app.store.messages(&scope, conversation, page).await?.items;
            let asked = newest.into_iter().find(|message| message.role == Role::User);
            Question::Again(asked.ok_or_else(|| wrong("ask a question first"))?.id)
        }
        None | Some("submit-message") => {
            Question::New { text: last(body.messages)?, parent: Parent::Newest }
        }
        Some(_) => {
            let fix = "use submit-message or regenerate-message";
            return Err(Error::invalid("ask", "trigger", fix).into());
        }
    };
    let ask = Ask {
        mode: notebook_agent::chat::Mode::Answer,
        conversation,
        question,
        settings: ModelSettings::default(),
        history: None,
        idempotency_key: None,
    };
    let opened = app
        .chat
        .ask(&scope, ask)
        .await
        .map_err(|error| super::thread::named(error, "messages", "max_tokens"))?;
    let run = opened.run().clone();
    let read = pieces(&app, &scope, run.clone()).await?;
    Ok(reply(run, read, ending))
}

/// Goes on with the answer that is being made in this conversation: what `useChat` asks for after a reload. 204 when there is none.
#[utoipa::path(get, path = "/api/conversations/{id}/ui-messages/{chat}/stream",
    params(("id" = ConversationId, Path), ("chat" = String, Path, description = "The client's own name of the chat; anything")),
    responses((status = 200, content_type = "text/event-stream"), (status = 204), (status = 404, body = Problem)))]
pub(super) async fn resume(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::NotebookRead>,
    Path(place): Path<(ConversationId, String)>,
    Ending(ending): Ending,
) -> Reply<Response> {
    // What the client calls the chat means nothing here.
    let (conversation, _) = place;
    app.store.conversation(&scope, conversation).await?;
    let newest = app.runs.log().runs(&scope, conversation, 1).await?.into_iter().next();
    let Some(run) = newest.filter(|run| !run.state.is_terminal()) else {
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    let read = pieces(&app, &scope, run.clone()).await?;
    Ok(reply(run, read, ending))
}

fn wrong(fix: &'static str) -> Error {
    Error::invalid("ask", "messages", fix)
}

fn last(messages: Vec<UiMessage>) -> Result<String> {
    let last = messages.into_iter().next_back().filter(|message| message.role == "user");
    let parts = last.ok_or_else(|| wrong("end with the user's message"))?.parts;
    if parts.iter().any(|part| part.kind == "file") {
        return Err(wrong("add files as sources of the notebook"));
    }
    Ok(parts.into_iter().filter(|part| part.kind == "text").map(|part| part.text).collect())
}

fn reply(
    run: Run,
    pieces: impl Stream<Item = Piece> + Send + 'static,
    ending: tokio_util::sync::CancellationToken,
) -> Response {
    let mut reply = sse::reply(blocks(run, pieces), ending);
    let version = HeaderValue::from_static("v1");
    reply.headers_mut().insert("x-vercel-ai-ui-message-stream", version);
    reply
}

/// The text's id: there is one.
const TEXT: &str = "text";

fn blocks(
    run: Run,
    pieces: impl Stream<Item = Piece> + Send + 'static,
) -> impl Stream<Item = Bytes> + Send + 'static {
    let metadata = json!({ "run": run.id, "conversation": run.conversation });
    let begin = [
        json!({ "type": "start", "messageId": run.answer, "messageMetadata": metadata }),
        json!({ "type": "start-step" }),
        json!({ "type": "text-start", "id": TEXT }),
    ];
    let begin = begin.map(|part| block(None, &part));
    stream::iter(begin).chain(pieces.flat_map(|piece| stream::iter(parts(piece))))
}

fn parts(piece: Piece) -> Vec<Bytes> {
    let part = |value: Value| block(None, &value);
    match piece {
        Piece::Text(text) => {
            vec![part(json!({ "type": "text-delta", "id": TEXT, "delta": text }))]
        }
        Piece::Citation(Cited { citation, name }) => {
            let source = json!({
                "type": "source-document", "sourceId": format!("{}:{}", citation.source, citation.number),
                "mediaType": "text/plain", "title": name, "providerMetadata": { "notebook": { "citation": citation } },
            });
            vec![part(source), part(json!({ "type": "data-citation", "data": citation }))]
        }
        Piece::End(ended) => {
            end(&ended).into_iter().map(part).chain([raw(None, "[DONE]")]).collect()
        }
    }
}

fn end(ended: &Ended) -> Vec<Value> {
    let text = json!({ "type": "text-end", "id": TEXT });
    let step = json!({ "type": "finish-step" });
    let finish = |reason: &str| {
        let metadata = json!({ "usage": ended.usage });
        json!({ "type": "finish", "finishReason": reason, "messageMetadata": metadata })
    };
    match &ended.how {
        How::Whole => vec![text, step, finish("stop")],
        How::Cut => vec![text, step, finish("length")],
        How::Stopped => vec![text, json!({ "type": "abort", "reason": "stopped" })],
        How::Failed { message, .. } => {
            vec![text, json!({ "type": "error", "errorText": message }), step, finish("error")]
        }
    }
}
