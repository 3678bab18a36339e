//! OpenAI's Embeddings, by the model that the notebook's own vectors are made with.

use axum::extract::State;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use notebook_core::{
    Error, ErrorKind,
    embed::{EmbedKind, Embedder as _, layers::Purpose},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    app::App,
    extract::{Json, Scope, need},
    problem::{Problem, Reply},
};

/// The most texts of a request.
const MOST: usize = 256;

/// A request of Embeddings.
#[derive(Deserialize, ToSchema)]
pub(super) struct CreateEmbeddings {
    /// The server's embedding model, as `GET /v1/models` calls it.
    model: String,
    /// A text, or up to 256.
    input: Input,
    /// `float` or `base64`: numbers of four bytes, the lowest first.
    encoding_format: Option<String>,
    /// That of the model, if any.
    dimensions: Option<usize>,
}

#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
enum Input {
    One(String),
    Many(Vec<String>),
    /// Refused: what a model's tokens are is its own.
    #[schema(value_type = Object)]
    Other(Value),
}

/// Vectors in OpenAI's shape.
#[derive(Serialize, ToSchema)]
pub(super) struct Embeddings {
    object: &'static str,
    #[schema(value_type = Vec<Object>)]
    data: Vec<Value>,
    model: String,
    #[schema(value_type = Object)]
    usage: Value,
}

/// Makes vectors of texts.
#[utoipa::path(post, path = "/v1/embeddings", request_body = CreateEmbeddings,
    responses((status = 200, body = Embeddings), (status = 404, body = Problem), (status = 422, body = Problem), (status = 501, body = Problem)))]
pub(super) async fn create(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::Chat>,
    Json(body): Json<CreateEmbeddings>,
) -> Reply<Json<Embeddings>> {
    let embedder = app.embedder.as_ref().ok_or_else(|| {
        Error::new(ErrorKind::Unsupported, "embed")
            .with("reason", "this server has no embedding model")
    })?;
    let space = embedder.space();
    let wrong = |field, fix: &str| Error::invalid("embed", field, fix);
    if body.model != space.model {
        let error = Error::not_found("embed", "model").with("field", "model");
        return Err(error.into());
    }
    if body.dimensions.is_some_and(|wanted| wanted != space.dimensions) {
        return Err(wrong(
            "dimensions",
            &format!("leave it out: the model has {}", space.dimensions),
        )
        .into());
    }
    let base64 = match body.encoding_format.as_deref() {
        None | Some("float") => false,
        Some("base64") => true,
        Some(_) => return Err(wrong("encoding_format", "use float or base64").into()),
    };
    let texts = match body.input {
        Input::One(text) => vec![text],
        Input::Many(texts) => texts,
        Input::Other(given) => {
            let what = if given.is_array() { "tokens" } else { "something else" };
            return Err(wrong("input", &format!("send texts, not {what}")).into());
        }
    };
    if texts.is_empty() || texts.len() > MOST || texts.iter().any(|text| text.trim().is_empty()) {
        return Err(wrong("input", "send 1 to 256 texts that are not empty").into());
    }
    let tokens: usize = texts.iter().map(|text| embedder.count_tokens(text)).sum();
    let embedder = embedder.for_scope(Some(&scope), Purpose::Waiting);
    let vectors = embedder.embed(EmbedKind::Passage, &texts).await?;
    let data = vectors.iter().enumerate().map(|(index, vector)| {
        let embedding = if base64 { json!(packed(vector)) } else { json!(vector) };
        json!({ "object": "embedding", "index": index, "embedding": embedding })
    });
    Ok(Json(Embeddings {
        object: "list",
        data: data.collect(),
        model: body.model,
        usage: json!({ "prompt_tokens": tokens, "total_tokens": tokens }),
    }))
}

fn packed(vector: &[f32]) -> String {
    let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
    STANDARD.encode(bytes)
}
