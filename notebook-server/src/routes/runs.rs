use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use notebook_agent::{
    chat::{Ask, Mode, Parent, Question},
    runs::EventReader,
};
use notebook_core::{
    ConversationId, Error, MessageId, RunId,
    model::{ModelSettings, Opened, Run, RunEvent},
};
use serde::Deserialize;
use tracing::warn;
use utoipa::{IntoParams, ToSchema};

use crate::{
    app::App,
    extract::{Ending, Json, Path, Query, Scope, need},
    problem::{Problem, Reply},
    stream::sse,
};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateRun {
    /// A new question. Either this or `regenerate`.
    question: Option<String>,
    /// The message that the question follows; the newest one when absent, none when null.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<MessageId>)]
    parent: Option<Option<MessageId>>,
    /// An existing question to answer again.
    regenerate: Option<MessageId>,
    /// Settings for this answer alone.
    #[serde(default)]
    settings: ModelSettings,
    /// `answer`, or `research`: the model looks for itself, with the tools that the notebook allows.
    #[serde(default)]
    #[schema(value_type = String, example = "answer")]
    mode: Mode,
}

/// Tells null (`Some(None)`) from absent (`None`).
pub(super) fn present<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<MessageId>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// What a question follows.
pub(super) fn parent(given: Option<Option<MessageId>>) -> Parent {
    match given {
        None => Parent::Newest,
        Some(None) => Parent::Nothing,
        Some(Some(id)) => Parent::Message(id),
    }
}

/// Asks a question: stores it and starts the answer.
#[utoipa::path(post, path = "/api/conversations/{id}/runs",
    params(("id" = ConversationId, Path),
           ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeated request return the first run")),
    request_body = CreateRun,
    responses((status = 201, body = Run), (status = 200, body = Run), (status = 404, body = Problem),
              (status = 409, body = Problem), (status = 413, body = Problem), (status = 422, body = Problem), (status = 429, body = Problem)))]
pub(super) async fn create(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::Chat>,
    Path(conversation): Path<ConversationId>,
    headers: HeaderMap,
    Json(body): Json<CreateRun>,
) -> Reply<(StatusCode, Json<Run>)> {
    let question = match (body.question, body.regenerate) {
        (Some(text), None) => Question::New { text, parent: parent(body.parent) },
        (None, Some(id)) => Question::Again(id),
        _ => {
            return Err(Error::invalid(
                "ask",
                "question",
                "send either `question` or `regenerate`",
            )
            .into());
        }
    };
    let ask = Ask {
        conversation,
        question,
        settings: body.settings,
        mode: body.mode,
        history: None,
        idempotency_key: idempotency_key(&headers)?,
    };
    Ok(match app.chat.ask(&scope, ask).await? {
        Opened::Created(run) => (StatusCode::CREATED, Json(run)),
        Opened::Existing(run) => (StatusCode::OK, Json(run)),
    })
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Error> {
    headers
        .get("idempotency-key")
        .map(|value| {
            value.to_str().map(str::to_owned).map_err(|_| {
                Error::invalid("ask", "Idempotency-Key", "use visible ASCII characters")
            })
        })
        .transpose()
}

/// One run.
#[utoipa::path(get, path = "/api/runs/{id}", params(("id" = RunId, Path)),
    responses((status = 200, body = Run), (status = 404, body = Problem)))]
pub(super) async fn get(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::NotebookRead>,
    Path(id): Path<RunId>,
) -> Reply<Json<Run>> {
    Ok(Json(app.runs.look(&scope, id).await?))
}

/// Ends the run and keeps what it wrote. Repeated, or after the end: changes nothing.
#[utoipa::path(post, path = "/api/runs/{id}/stop", params(("id" = RunId, Path)),
    responses((status = 202, body = Run), (status = 404, body = Problem)))]
pub(super) async fn stop(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::Chat>,
    Path(id): Path<RunId>,
) -> Reply<(StatusCode, Json<Run>)> {
    Ok((StatusCode::ACCEPTED, Json(app.chat.stop(&scope, id).await?)))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct EventsQuery {
    /// The number of the last event that the reader has.
    after: Option<u64>,
}

/// The run's events as `text/event-stream`; ends after the terminal event. Closing it does not stop the run.
#[utoipa::path(get, path = "/api/runs/{id}/events",
    params(("id" = RunId, Path), EventsQuery,
           ("Last-Event-ID" = Option<String>, Header, description = "Resumes after this event")),
    responses((status = 200, body = RunEvent, content_type = "text/event-stream"), (status = 404, body = Problem)))]
pub(super) async fn events(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::NotebookRead>,
    Path(id): Path<RunId>,
    Query(query): Query<EventsQuery>,
    headers: HeaderMap,
    Ending(ending): Ending,
) -> Reply<Response> {
    let after = match headers.get("last-event-id") {
        Some(value) => last_event(value.to_str().unwrap_or_default(), id)?,
        None => query.after.unwrap_or(0),
    };
    let reader = app.runs.reader(&scope, id, after).await?;
    Ok(sse::reply(blocks(reader, id), ending))
}

/// The sequence number in the id of an event of this run; 0 for an empty id.
fn last_event(value: &str, run: RunId) -> Result<u64, Error> {
    if value.is_empty() {
        return Ok(0);
    }
    match event_id(value)? {
        (of, seq) if of == run => Ok(seq),
        _ => Err(bad_id()),
    }
}

/// The parts of an event id `<run id>:<seq>`.
pub(super) fn event_id(value: &str) -> Result<(RunId, u64), Error> {
    let parts = value.split_once(':');
    let ids = parts.and_then(|(run, seq)| Some((run.parse().ok()?, seq.parse().ok()?)));
    ids.ok_or_else(bad_id)
}

fn bad_id() -> Error {
    Error::invalid("read events", "Last-Event-ID", "send the id of the last event of this run")
}

/// The events as blocks, each encoded once for all who read it.
fn blocks(reader: EventReader, run: RunId) -> impl Stream<Item = Bytes> {
    stream::unfold(reader, move |mut reader| async move {
        match reader.next().await {
            Ok(Some(events)) => Some((stream::iter(events).map(|event| event.sse()), reader)),
            Ok(None) => None,
            Err(error) => {
                // The connection closes without a terminal event, so the client resumes where it was.
                warn!(%run, %error, "reading events failed");
                None
            }
        }
    })
    .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s43_only_an_event_id_of_this_run_resumes() {
        let run = RunId::new();
        assert_eq!(last_event(&format!("{run}:7"), run).unwrap(), 7);
        assert_eq!(last_event("", run).unwrap(), 0);
        for bad in
            ["7", "x:7", &format!("{run}:"), &format!("{run}:-1"), &format!("{}:7", RunId::new())]
        {
            assert!(last_event(bad, run).is_err(), "{bad}");
        }
    }
}
