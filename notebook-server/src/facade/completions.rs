//! OpenAI's Chat Completions.

use axum::{
    extract::State,
    http::HeaderMap,
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream};
use notebook_core::{Error, Result, model::ModelSettings};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{
    block, calls_nothing, chat_usage,
    follow::{Cited, Ended, How, Piece, pieces, whole},
    forgotten::Forgotten,
    is_empty,
    message::{self, InputMessage},
    model_name, notebook_of, origin, problem, raw, seconds,
    thread::{self, Begun},
    with,
};
use crate::{
    app::App,
    extract::{Ending, Json, Scope, need},
    problem::{Problem, Reply},
    stream::sse,
};

/// A request of Chat Completions. What has no meaning here and would change the answer is refused.
#[derive(Deserialize, ToSchema)]
pub(super) struct CreateCompletion {
    /// `notebook:<id>`.
    model: String,
    messages: Vec<InputMessage>,
    stream: Option<bool>,
    #[serde(default)]
    stream_options: Option<StreamOptions>,
    /// 0 to 2.
    temperature: Option<f32>,
    /// Over 0, up to 1.
    top_p: Option<f32>,
    /// The most tokens of the answer.
    max_completion_tokens: Option<u32>,
    /// The older name of the same.
    max_tokens: Option<u32>,
    /// False: a conversation that is made for this is deleted when the answer has ended.
    store: Option<bool>,
    n: Option<u32>,
    #[serde(default)]
    #[schema(value_type = Object)]
    tools: Value,
    #[serde(default)]
    #[schema(value_type = Object)]
    tool_choice: Value,
    #[serde(default)]
    #[schema(value_type = Object)]
    functions: Value,
    #[serde(default)]
    #[schema(value_type = Object)]
    function_call: Value,
    #[serde(default)]
    #[schema(value_type = Object)]
    stop: Value,
    #[serde(default)]
    #[schema(value_type = Object)]
    response_format: Value,
    #[serde(default)]
    #[schema(value_type = Object)]
    modalities: Value,
    #[serde(default)]
    #[schema(value_type = Object)]
    audio: Value,
    #[serde(default)]
    #[schema(value_type = Object)]
    web_search_options: Value,
    #[serde(default)]
    #[schema(value_type = Object)]
    logit_bias: Value,
    logprobs: Option<bool>,
    presence_penalty: Option<f32>,
    frequency_penalty: Option<f32>,
}

#[derive(Deserialize, ToSchema)]
struct StreamOptions {
    include_usage: Option<bool>,
}

/// An answer in OpenAI's shape; `annotations` hold the citations.
#[derive(Serialize, ToSchema)]
pub(super) struct Completion {
    id: String,
    object: &'static str,
    created: i64,
    model: String,
    #[schema(value_type = Vec<Object>)]
    choices: Vec<Value>,
    #[schema(value_type = Object)]
    usage: Value,
}

impl CreateCompletion {
    /// Refuses what would change the answer and is not done here.
    fn check(&self) -> Result<()> {
        let text =
            |value: &Value| value.is_null() || value.get("type").is_some_and(|kind| kind == "text");
        let only_text = |value: &Value| value.is_null() || *value == json!(["text"]);
        let none = |value: Option<f32>| value.is_none_or(|value| value == 0.0);
        let notebook = "leave it out: answers are made of the notebook's sources";
        let (empty, no_call) = (is_empty, calls_nothing);
        for (field, good, fix) in [
            ("n", self.n.is_none_or(|n| n == 1), "ask for one answer"),
            ("tools", empty(&self.tools), notebook),
            ("tool_choice", no_call(&self.tool_choice), notebook),
            ("functions", empty(&self.functions), notebook),
            ("function_call", no_call(&self.function_call), notebook),
            ("stop", empty(&self.stop), "leave it out"),
            ("response_format", text(&self.response_format), "ask for text"),
            ("modalities", only_text(&self.modalities), "ask for text"),
            ("audio", self.audio.is_null(), "ask for text"),
            ("web_search_options", self.web_search_options.is_null(), notebook),
            ("logit_bias", empty(&self.logit_bias), "leave it out"),
            ("logprobs", self.logprobs != Some(true), "leave it out"),
            ("presence_penalty", none(self.presence_penalty), "leave it out"),
            ("frequency_penalty", none(self.frequency_penalty), "leave it out"),
        ] {
            if !good {
                return Err(Error::invalid("complete chat", field, fix));
            }
        }
        Ok(())
    }

    fn settings(&self) -> ModelSettings {
        ModelSettings {
            temperature: self.temperature,
            top_p: self.top_p,
            max_tokens: self.max_completion_tokens.or(self.max_tokens),
            ..ModelSettings::default()
        }
    }
}

/// Answers the last message from the notebook's sources. Earlier messages that are those of a stored conversation go on with it;
/// others are read as they are given, in a new one.
#[utoipa::path(post, path = "/v1/chat/completions", request_body = CreateCompletion,
    responses((status = 200, body = Completion), (status = 404, body = Problem), (status = 413, body = Problem),
              (status = 422, body = Problem), (status = 429, body = Problem)))]
pub(super) async fn create(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::Chat>,
    headers: HeaderMap,
    Ending(ending): Ending,
    Json(body): Json<CreateCompletion>,
) -> Reply<Response> {
    body.check()?;
    let notebook = notebook_of(&body.model)?;
    let settings = body.settings();
    let most =
        if body.max_completion_tokens.is_some() { "max_completion_tokens" } else { "max_tokens" };
    let said = message::read(body.messages, "messages")?;
    let begun = thread::begin(&app, &scope, notebook, said, settings).await;
    let Begun { run, new } = begun.map_err(|error| thread::named(error, "messages", most))?;
    // From here on: whoever goes away now leaves nothing behind.
    let forgotten = (body.store == Some(false) && new).then(|| Forgotten::new(&app, &scope, &run));
    let telling = Telling {
        id: format!("chatcmpl-{}", run.id),
        created: seconds(run.created_at),
        model: model_name(notebook),
        origin: origin(&app, &headers),
    };
    let read = pieces(&app, &scope, run.clone()).await?;
    if body.stream == Some(true) {
        let options = body.stream_options;
        let counts = options.is_some_and(|options| options.include_usage == Some(true));
        let blocks = telling.chunks(read, counts).chain(after(forgotten));
        return Ok(sse::reply(blocks, ending));
    }
    let whole = whole(read).await;
    if let Some(forgotten) = forgotten {
        forgotten.now().await;
    }
    let ended = whole.ended.ok_or_else(|| Error::not_found("read answer", "end"))?;
    if let How::Failed { code, message } = &ended.how {
        return Err(failed(code, message));
    }
    let annotations: Vec<Value> = whole.citations.iter().map(|c| telling.annotation(c)).collect();
    let message = json!({
        "role": "assistant", "content": whole.text, "refusal": null, "annotations": annotations,
    });
    let choice = json!({
        "index": 0, "message": message, "logprobs": null, "finish_reason": reason(&ended.how),
    });
    let Telling { id, created, model, .. } = telling;
    let (object, usage) = ("chat.completion", chat_usage(&ended.usage));
    let completion = Completion { id, object, created, model, choices: vec![choice], usage };
    Ok(Json(completion).into_response())
}

/// What a failed answer is as a reply.
pub(super) fn failed(code: &str, message: &str) -> Problem {
    let status = match code {
        "rate_limited" => axum::http::StatusCode::TOO_MANY_REQUESTS,
        "context_too_long" | "too_large" => axum::http::StatusCode::PAYLOAD_TOO_LARGE,
        "timeout" => axum::http::StatusCode::GATEWAY_TIMEOUT,
        "unavailable" | "interrupted" | "begun_anew" | "not_stored" => {
            axum::http::StatusCode::SERVICE_UNAVAILABLE
        }
        _ => axum::http::StatusCode::BAD_GATEWAY,
    };
    Problem::new(status, code, message)
}

/// Deletes what is not to be kept at a stream's end, and adds nothing to it.
fn after(forgotten: Option<Forgotten>) -> impl Stream<Item = Bytes> + Send {
    stream::once(async move {
        if let Some(forgotten) = forgotten {
            forgotten.now().await;
        }
        stream::empty()
    })
    .flatten()
}

const fn reason(how: &How) -> &'static str {
    match how {
        How::Cut => "length",
        _ => "stop",
    }
}

/// What stands in every part of one answer.
#[derive(Clone)]
struct Telling {
    id: String,
    created: i64,
    model: String,
    origin: String,
}

impl Telling {
    fn annotation(&self, cited: &Cited) -> Value {
        let Cited { citation, name } = cited;
        let (source, span) = (citation.source, citation.span);
        let url = format!(
            "{}/api/sources/{source}/passage?start={}&end={}",
            self.origin, span.start, span.end
        );
        json!({
            "type": "url_citation",
            "url_citation": {
                "start_index": citation.at_utf16, "end_index": citation.at_utf16, "title": name, "url": url,
            },
            // What the interface of our own says: the exact words and where they stand.
            "citation": citation,
        })
    }

    fn chunk(&self, delta: &Value, finish: Option<&str>) -> Bytes {
        let choice =
            json!({ "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish });
        block(None, &self.with(json!([choice])))
    }

    fn with(&self, choices: Value) -> Value {
        let Self { id, created, model, .. } = self;
        let object = "chat.completion.chunk";
        json!({ "id": id, "object": object, "created": created, "model": model, "choices": choices })
    }

    fn chunks(
        self,
        pieces: impl Stream<Item = Piece> + Send + 'static,
        counts: bool,
    ) -> impl Stream<Item = Bytes> + Send + 'static {
        let first = self.chunk(&json!({ "role": "assistant", "content": "" }), None);
        let rest = pieces.flat_map(move |piece| stream::iter(self.blocks(piece, counts)));
        stream::iter([first]).chain(rest)
    }

    fn blocks(&self, piece: Piece, counts: bool) -> Vec<Bytes> {
        match piece {
            Piece::Text(text) => vec![self.chunk(&json!({ "content": text }), None)],
            Piece::Citation(cited) => {
                vec![self.chunk(&json!({ "annotations": [self.annotation(&cited)] }), None)]
            }
            Piece::End(Ended { how: How::Failed { code, message }, .. }) => {
                let error = problem::body(&failed(&code, &message));
                vec![block(None, &json!({ "error": error }))]
            }
            Piece::End(ended) => {
                let mut blocks = vec![self.chunk(&json!({}), Some(reason(&ended.how)))];
                if counts {
                    let usage = ("usage", chat_usage(&ended.usage));
                    blocks.push(block(None, &with(self.with(json!([])), [usage])));
                }
                blocks.push(raw(None, "[DONE]"));
                blocks
            }
        }
    }
}
