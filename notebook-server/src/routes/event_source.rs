//! The simple form for a browser's `EventSource`: one GET asks and reads.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream};
use notebook_agent::{
    chat::{Ask, Parent, Question},
    runs::{EventReader, LoggedEvent},
};
use notebook_core::{
    ConversationId, Error, ErrorKind, NotebookId, Result, TenantScope,
    model::{Conversation, EventBody, Message, ModelSettings, Run},
    sse::{EventRef, encode},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tracing::warn;
use utoipa::{IntoParams, ToSchema};

use crate::{
    access::gate::OwnPage,
    app::App,
    extract::{Ending, Path, Query, Scope, need},
    problem::{Problem, Reply},
    stream::sse,
};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AskQuery {
    /// The question.
    content: String,
    /// Where; the notebook's newest conversation when absent, a new one when it has none.
    conversation: Option<ConversationId>,
}

/// The last event: the whole reply.
#[derive(Serialize, ToSchema)]
struct End {
    run: Run,
    /// The answer with its citations; null when there is no text.
    answer: Option<Message>,
    /// Why there is no whole answer.
    error: Option<String>,
}

/// Asks a question and streams its answer, as `EventSource` can read it: `data: {"delta": "..."}` for each piece of text,
/// `event: restart` when text so far is to be dropped, and last `event: end` with the whole reply. A reader that was cut
/// off comes back by itself with `Last-Event-ID` and goes on; after the end it is told to stay away (204).
#[utoipa::path(get, path = "/api/projects/{id}/messages/stream",
    params(("id" = NotebookId, Path), AskQuery,
           ("Last-Event-ID" = Option<String>, Header, description = "Goes on after this event, and asks nothing")),
    responses((status = 200, body = End, content_type = "text/event-stream"), (status = 204, description = "That answer was read to its end"),
              (status = 404, body = Problem), (status = 413, body = Problem), (status = 422, body = Problem), (status = 429, body = Problem)))]
pub(super) async fn ask(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::Chat>,
    Path(notebook): Path<NotebookId>,
    Query(query): Query<AskQuery>,
    headers: HeaderMap,
    Ending(ending): Ending,
    _: OwnPage,
) -> Reply<Response> {
    let (run, after) = match headers.get("last-event-id") {
        Some(id) => {
            let (run, after) = super::runs::event_id(id.to_str().unwrap_or_default())?;
            let run = app.runs.log().run(&scope, run).await?;
            if run.notebook != notebook {
                return Err(Error::not_found("read answer", "run").into());
            }
            (run, after)
        }
        None => (begin(&app, &scope, notebook, query).await?, 0),
    };
    let log = app.runs.log();
    if run.state.is_terminal() && log.events(&scope, run.id, after, 1).await?.is_empty() {
        // `EventSource` would come back for ever.
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let reader = app.runs.reader(&scope, run.id, after).await?;
    Ok(sse::reply(blocks(app.clone(), scope, run, reader), ending))
}

async fn begin(
    app: &App,
    scope: &TenantScope,
    notebook: NotebookId,
    query: AskQuery,
) -> Result<Run> {
    let conversation = match query.conversation {
        Some(id) => app.store.conversation(scope, id).await?,
        None => newest(app, scope, notebook).await?,
    };
    if conversation.notebook != notebook {
        return Err(Error::not_found("ask", "conversation"));
    }
    let ask = Ask {
        mode: notebook_agent::chat::Mode::Answer,
        conversation: conversation.id,
        question: Question::New { text: query.content, parent: Parent::Newest },
        settings: ModelSettings::default(),
        history: None,
        idempotency_key: None,
    };
    match app.chat.ask(scope, ask).await {
        Err(error) if error.context("field") == Some("question") => {
            Err(error.with("field", "content"))
        }
        opened => opened.map(|opened| opened.run().clone()),
    }
}

async fn newest(app: &App, scope: &TenantScope, notebook: NotebookId) -> Result<Conversation> {
    let mut all = app.store.conversations(scope, notebook).await?;
    if !all.is_empty() {
        return Ok(all.swap_remove(0));
    }
    app.store.create_conversation(scope, Conversation::new(notebook, app.clock.now())).await
}

/// The run's events in this form.
fn blocks(
    app: App,
    scope: TenantScope,
    run: Run,
    reader: EventReader,
) -> impl Stream<Item = Bytes> + Send {
    stream::unfold(Some(reader), move |reader| {
        let (app, scope, run) = (app.clone(), scope.clone(), run.clone());
        async move {
            let mut reader = reader?;
            let events = match reader.next().await {
                Ok(events) => events?,
                Err(error) => {
                    // The connection closes without an end, so the reader comes back where it was.
                    warn!(run = %run.id, %error, "reading events failed");
                    return None;
                }
            };
            let mut blocks = Vec::new();
            let mut last = false;
            for event in events {
                if event.body.terminal_state().is_some() {
                    last = true;
                    blocks.push(end(&app, &scope, &run, &event).await?);
                } else {
                    blocks.extend(piece(&run, &event));
                }
            }
            Some((stream::iter(blocks), (!last).then_some(reader)))
        }
    })
    .flatten()
}

fn piece(run: &Run, event: &LoggedEvent) -> Option<Bytes> {
    match &event.body {
        EventBody::Delta { text } => block(run, event, "message", &json!({ "delta": text })),
        EventBody::Citation(citation) => block(run, event, "citation", &json!(citation)),
        EventBody::Restarted => block(run, event, "restart", &json!({})),
        _ => None,
    }
}

/// The last block; none when the store is away, and the reader comes back for it.
async fn end(app: &App, scope: &TenantScope, run: &Run, event: &LoggedEvent) -> Option<Bytes> {
    let read = async {
        let run = app.runs.log().run(scope, run.id).await?;
        let answer = match app.store.message(scope, run.answer).await {
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            answer => Some(answer?),
        };
        Ok::<_, Error>((run, answer))
    };
    let (ended, answer) = read
        .await
        .inspect_err(|error| warn!(run = %run.id, %error, "reading an answer failed"))
        .ok()?;
    let error = match &event.body {
        EventBody::Failed { message, .. } => Some(message.clone()),
        _ => None,
    };
    block(run, event, "end", &json!(End { run: ended, answer, error }))
}

fn block(run: &Run, event: &LoggedEvent, name: &str, data: &serde_json::Value) -> Option<Bytes> {
    let (id, data) = (format!("{}:{}", run.id, event.seq), data.to_string());
    let event = EventRef { id: Some(&id), event: name, ..EventRef::message(&data) };
    let mut block = Vec::new();
    encode::event(&event, &mut block).ok()?;
    Some(block.into())
}
