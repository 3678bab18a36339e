//! OpenAI's Responses.

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream};
use notebook_agent::{
    chat::{Ask, Parent, Question},
    shown_name,
};
use notebook_core::{
    Error, ErrorKind, Result, RunId, TenantScope,
    model::{Message, ModelSettings, Run, RunState, Usage},
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{
    block, calls_nothing,
    completions::failed,
    follow::{Cited, Ended, How, Piece, Whole, pieces, whole},
    is_empty,
    message::{self, InputMessage},
    model_name, notebook_of, seconds, thread, with,
};
use crate::{
    app::App,
    extract::{Ending, Json, Path, Scope, need},
    problem::{Problem, Reply},
    stream::sse,
};

/// What the ids of responses begin with; a run's id follows.
const ID: &str = "resp_";

/// A request of Responses. What has no meaning here and would change the answer is refused.
#[derive(Deserialize, ToSchema)]
pub(super) struct CreateResponse {
    /// `notebook:<id>`.
    model: String,
    input: Input,
    /// Stands in the system's place for this answer.
    instructions: Option<String>,
    /// Goes on after that answer.
    previous_response_id: Option<String>,
    stream: Option<bool>,
    /// 0 to 2.
    temperature: Option<f32>,
    /// Over 0, up to 1.
    top_p: Option<f32>,
    /// The most tokens of the answer.
    max_output_tokens: Option<u32>,
    /// Answers are stored, so that they can be gone on with and read again.
    store: Option<bool>,
    background: Option<bool>,
    #[serde(default)]
    #[schema(value_type = Object)]
    tools: Value,
    #[serde(default)]
    #[schema(value_type = Object)]
    tool_choice: Value,
    #[serde(default)]
    #[schema(value_type = Object)]
    prompt: Value,
    #[serde(default)]
    #[schema(value_type = Object)]
    text: Value,
    #[serde(default)]
    #[schema(value_type = Object)]
    conversation: Value,
}

#[derive(Deserialize, ToSchema)]
#[serde(untagged, expecting = "send text, or a list of messages with `role` and `content`")]
enum Input {
    Text(String),
    Items(Vec<InputMessage>),
}

impl CreateResponse {
    fn check(&self) -> Result<()> {
        let format = self.text.get("format").filter(|format| !format.is_null());
        let kind = format.map(|format| format.get("type"));
        let is_text = kind.is_none_or(|kind| kind.is_some_and(|kind| kind == "text"));
        let notebook = "leave it out: answers are made of the notebook's sources";
        for (field, good, fix) in [
            ("tools", is_empty(&self.tools), notebook),
            ("tool_choice", calls_nothing(&self.tool_choice), notebook),
            ("prompt", self.prompt.is_null(), "send its text as input or instructions"),
            ("text.format", is_text, "ask for text"),
            (
                "store",
                self.store != Some(false),
                "leave it out: responses are kept in the notebook",
            ),
            (
                "background",
                self.background != Some(true),
                "leave it out: answers go on without a reader",
            ),
            ("conversation", self.conversation.is_null(), "use previous_response_id"),
        ] {
            if !good {
                return Err(Error::invalid("create response", field, fix));
            }
        }
        Ok(())
    }

    fn settings(&self) -> ModelSettings {
        ModelSettings {
            temperature: self.temperature,
            top_p: self.top_p,
            max_tokens: self.max_output_tokens,
            ..ModelSettings::default()
        }
    }
}

/// Answers from the notebook's sources, with citations as `file_citation` annotations.
#[utoipa::path(post, path = "/v1/responses", request_body = CreateResponse,
    responses((status = 200, body = Object), (status = 404, body = Problem), (status = 413, body = Problem),
              (status = 422, body = Problem), (status = 429, body = Problem)))]
pub(super) async fn create(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::Chat>,
    Ending(ending): Ending,
    Json(body): Json<CreateResponse>,
) -> Reply<Response> {
    body.check()?;
    let notebook = notebook_of(&body.model)?;
    let settings = body.settings();
    let items = match body.input {
        Input::Text(text) => vec![InputMessage::user(text)],
        Input::Items(items) => items,
    };
    let mut said = message::read(items, "input")?;
    if let Some(instructions) = body.instructions {
        let system = said.system.take();
        said.system =
            Some(system.map_or(instructions.clone(), |more| format!("{instructions}\n\n{more}")));
    }
    let named = |error| thread::named(error, "input", "max_output_tokens");
    let run = match &body.previous_response_id {
        Some(id) => {
            let before = run_of(id, "previous_response_id")?;
            let before = app.runs.log().run(&scope, before).await;
            let before = before.map_err(|error| match error.kind() {
                ErrorKind::NotFound => missing("previous_response_id"),
                _ => error,
            })?;
            if before.notebook != notebook {
                return Err(missing("previous_response_id").into());
            }
            if !said.history.is_empty() {
                let fix = "with previous_response_id send the new question alone";
                return Err(Error::invalid("create response", "input", fix).into());
            }
            let ask = Ask {
                mode: notebook_agent::chat::Mode::Answer,
                conversation: before.conversation,
                question: Question::New {
                    text: said.question,
                    parent: parent(&app, &scope, &before).await?,
                },
                settings: ModelSettings { system_prompt: said.system, ..settings },
                history: None,
                idempotency_key: None,
            };
            app.chat.ask(&scope, ask).await.map_err(named)?.run().clone()
        }
        None => {
            let begun = thread::begin(&app, &scope, notebook, said, settings).await;
            begun.map_err(named)?.run
        }
    };
    let telling = Telling { run: run.clone(), previous: body.previous_response_id };
    let read = pieces(&app, &scope, run).await?;
    if body.stream == Some(true) {
        return Ok(sse::reply(telling.events(read), ending));
    }
    let whole = whole(read).await;
    if let Some(Ended { how: How::Failed { code, message }, .. }) = &whole.ended {
        return Err(failed(code, message));
    }
    Ok(Json(telling.response(&whole)).into_response())
}

/// The answer that a response is, if it has any text.
async fn parent(app: &App, scope: &TenantScope, run: &Run) -> Result<Parent> {
    if !run.state.is_terminal() {
        let fix = "wait for that response's end";
        return Err(Error::new(ErrorKind::Conflict, "create response")
            .with("field", "previous_response_id")
            .with("fix", fix));
    }
    match app.store.message(scope, run.answer).await {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Parent::Message(run.question)),
        answer => Ok(Parent::Message(answer?.id)),
    }
}

/// A response as it is now.
#[utoipa::path(get, path = "/v1/responses/{id}", params(("id" = String, Path, description = "resp_<run id>")),
    responses((status = 200, body = Object), (status = 404, body = Problem)))]
pub(super) async fn get(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::NotebookRead>,
    Path(id): Path<String>,
) -> Reply<Json<Value>> {
    let run = app.runs.look(&scope, run_of(&id, "response")?).await?;
    Ok(Json(stored(&app, &scope, run).await?))
}

/// Stops a response and keeps what it says so far.
#[utoipa::path(post, path = "/v1/responses/{id}/cancel", params(("id" = String, Path, description = "resp_<run id>")),
    responses((status = 200, body = Object), (status = 404, body = Problem)))]
pub(super) async fn cancel(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::Chat>,
    Path(id): Path<String>,
) -> Reply<Json<Value>> {
    let run = app.chat.stop(&scope, run_of(&id, "response")?).await?;
    Ok(Json(stored(&app, &scope, run).await?))
}

fn missing(field: &'static str) -> Error {
    Error::not_found("find response", "response").with("field", field)
}

fn run_of(id: &str, field: &'static str) -> Result<RunId> {
    id.strip_prefix(ID).and_then(|id| id.parse().ok()).ok_or_else(|| missing(field))
}

/// A response from what is stored of it.
async fn stored(app: &App, scope: &TenantScope, run: Run) -> Result<Value> {
    let answer = match app.store.message(scope, run.answer).await {
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        answer => Some(answer?),
    };
    let mut whole = Whole::default();
    if let Some(Message { text, citations, .. }) = &answer {
        whole.text.clone_from(text);
        for citation in citations.clone() {
            let name = match app.store.source(scope, citation.source).await {
                Ok(source) => shown_name(&source).to_owned(),
                Err(error) if error.kind() == ErrorKind::NotFound => "source".to_owned(),
                Err(error) => return Err(error),
            };
            whole.citations.push(Cited { citation, name });
        }
    }
    let usage = answer.and_then(|answer| answer.usage).unwrap_or_default();
    let how = match run.state {
        RunState::Completed => Some(How::Whole),
        RunState::Stopped | RunState::Abandoned => Some(How::Stopped),
        RunState::Failed => Some(How::Failed {
            code: "failed".to_owned(),
            message: "The answer failed. What it wrote is kept.".to_owned(),
        }),
        RunState::Queued | RunState::Running => None,
    };
    whole.ended = how.map(|how| Ended { how, usage });
    Ok(Telling { run, previous: None }.response(&whole))
}

/// What stands in every part of one response.
struct Telling {
    run: Run,
    previous: Option<String>,
}

impl Telling {
    fn item_id(&self) -> String {
        format!("msg_{}", self.run.answer)
    }

    fn item(&self, whole: &Whole, status: &str) -> Value {
        json!({
            "id": self.item_id(), "type": "message", "role": "assistant", "status": status,
            "content": [content(whole)],
        })
    }

    fn response(&self, whole: &Whole) -> Value {
        let (status, error, incomplete) = match whole.ended.as_ref().map(|ended| &ended.how) {
            None => ("in_progress", Value::Null, Value::Null),
            Some(How::Whole) => ("completed", Value::Null, Value::Null),
            Some(How::Cut) => ("incomplete", Value::Null, json!({ "reason": "max_output_tokens" })),
            Some(How::Stopped) => ("cancelled", Value::Null, Value::Null),
            Some(How::Failed { message, .. }) => {
                ("failed", json!({ "code": "server_error", "message": message }), Value::Null)
            }
        };
        let output = match (&whole.ended, whole.text.is_empty()) {
            (None, true) => json!([]),
            (Some(Ended { how: How::Whole, .. }), _) => json!([self.item(whole, "completed")]),
            _ => json!([self.item(whole, "incomplete")]),
        };
        json!({
            "id": format!("{ID}{}", self.run.id),
            "object": "response",
            "created_at": seconds(self.run.created_at),
            "status": status,
            "error": error,
            "incomplete_details": incomplete,
            "instructions": null,
            "metadata": {},
            "model": model_name(self.run.notebook),
            "output": output,
            "parallel_tool_calls": false,
            "previous_response_id": self.previous,
            "store": true,
            "temperature": null,
            "text": { "format": { "type": "text" } },
            "tool_choice": "none",
            "tools": [],
            "top_p": null,
            "truncation": "auto",
            "usage": whole.ended.as_ref().map(|ended| usage(&ended.usage)),
        })
    }

    fn events(
        self,
        pieces: impl Stream<Item = Piece> + Send + 'static,
    ) -> impl Stream<Item = Bytes> + Send + 'static {
        let mut told = Told { telling: self, whole: Whole::default(), number: 0 };
        let begin = told.begin();
        stream::iter(begin).chain(pieces.flat_map(move |piece| stream::iter(told.next(piece))))
    }
}

/// The text with its citations, as a part of a message.
fn content(whole: &Whole) -> Value {
    let annotations: Vec<Value> = whole.citations.iter().map(annotation).collect();
    json!({ "type": "output_text", "text": whole.text, "annotations": annotations, "logprobs": [] })
}

fn annotation(cited: &Cited) -> Value {
    let Cited { citation, name } = cited;
    json!({
        "type": "file_citation", "file_id": citation.source, "filename": name, "index": citation.at_utf16,
        // What the interface of our own says: the exact words and where they stand.
        "citation": citation,
    })
}

fn usage(usage: &Usage) -> Value {
    json!({
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": { "cached_tokens": 0 },
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": { "reasoning_tokens": 0 },
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    })
}

/// A response in the telling.
struct Told {
    telling: Telling,
    whole: Whole,
    number: u64,
}

impl Told {
    fn event(&mut self, name: &str, data: Value) -> Bytes {
        let data = with(data, [("type", json!(name)), ("sequence_number", json!(self.number))]);
        self.number += 1;
        block(Some(name), &data)
    }

    /// An event of the text.
    fn of_text(&mut self, name: &str, data: Value) -> Bytes {
        let id = json!(self.telling.item_id());
        let place = [("item_id", id), ("output_index", json!(0)), ("content_index", json!(0))];
        self.event(name, with(data, place))
    }

    fn begin(&mut self) -> Vec<Bytes> {
        let response = self.telling.response(&self.whole);
        let item = self.telling.item(&self.whole, "in_progress");
        let item = with(item, [("content", json!([]))]);
        let part = content(&self.whole);
        vec![
            self.event("response.created", json!({ "response": response })),
            self.event("response.in_progress", json!({ "response": response })),
            self.event("response.output_item.added", json!({ "output_index": 0, "item": item })),
            self.of_text("response.content_part.added", json!({ "part": part })),
        ]
    }

    fn next(&mut self, piece: Piece) -> Vec<Bytes> {
        self.whole.add(piece.clone());
        match piece {
            Piece::Text(delta) => {
                vec![self.of_text(
                    "response.output_text.delta",
                    json!({ "delta": delta, "logprobs": [] }),
                )]
            }
            Piece::Citation(cited) => {
                let index = self.whole.citations.len() - 1;
                let data = json!({ "annotation_index": index, "annotation": annotation(&cited) });
                vec![self.of_text("response.output_text.annotation.added", data)]
            }
            Piece::End(ended) => self.end(&ended),
        }
    }

    fn end(&mut self, ended: &Ended) -> Vec<Bytes> {
        let response = self.telling.response(&self.whole);
        let (name, status) = match &ended.how {
            How::Whole => ("response.completed", "completed"),
            How::Cut | How::Stopped => ("response.incomplete", "incomplete"),
            How::Failed { .. } => {
                return vec![self.event("response.failed", json!({ "response": response }))];
            }
        };
        let (text, part) = (self.whole.text.clone(), content(&self.whole));
        let item = self.telling.item(&self.whole, status);
        vec![
            self.of_text("response.output_text.done", json!({ "text": text, "logprobs": [] })),
            self.of_text("response.content_part.done", json!({ "part": part })),
            self.event("response.output_item.done", json!({ "output_index": 0, "item": item })),
            self.event(name, json!({ "response": response })),
        ]
    }
}
