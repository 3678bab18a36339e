//! Is it alive, is it ready, and what does it work with.

use std::time::{Duration, Instant};

use axum::{Router, extract::State, http::StatusCode, routing::get};
use notebook_core::{document::SourceKind, redis::RedisPubSub};
use notebook_rag::retrieve::LastAsked;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    app::App,
    extract::{Json, May, need},
    models::{KeyState, ModelState, ProviderState, Route},
    problem::{Problem, Reply},
    status::{ChatStatus, EmbeddingStatus, RerankStatus},
};

/// How long a check may take.
const CHECK: Duration = Duration::from_secs(3);

#[derive(Serialize, ToSchema)]
pub(super) struct StatusReply {
    version: &'static str,
    chat: ChatReply,
    /// How the models of the configuration stand.
    models: Vec<ModelState>,
    /// Whether whoever asks may set breakers of models by hand.
    operator: bool,
    /// How busy providers are, and how their keys are used: where the person is the operator, in single-user mode.
    #[serde(skip_serializing_if = "Option::is_none")]
    load: Option<LoadReply>,
    embedding: Option<EmbeddingStatus>,
    embedding_reason: String,
    rerank: Option<RerankReply>,
    limits: LimitsReply,
    kinds: Vec<SourceKind>,
}

#[derive(Serialize, ToSchema)]
struct ChatReply {
    #[serde(flatten)]
    model: ChatStatus,
    /// `ok`, or the code of what is wrong.
    check: String,
    detail: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct RerankReply {
    #[serde(flatten)]
    model: RerankStatus,
    /// What came of it when it was asked last: `ok`, or the code of what went wrong; `null` when nobody has asked yet.
    check: Option<&'static str>,
}

impl RerankReply {
    /// What it said of its failure may have the words of somebody's question: the code has not.
    fn new(model: RerankStatus, last: LastAsked) -> Self {
        let check = match last {
            LastAsked::Never => None,
            LastAsked::Well => Some("ok"),
            LastAsked::Failed(kind) => Some(kind.code()),
        };
        Self { model, check }
    }
}

#[derive(Serialize, ToSchema)]
struct LoadReply {
    providers: Vec<ProviderState>,
    keys: Vec<KeyState>,
}

#[derive(Serialize, ToSchema)]
struct LimitsReply {
    document_bytes: u64,
    image_bytes: u64,
    audio_bytes: u64,
    question_bytes: usize,
}

/// Which models work here, and why these.
#[utoipa::path(get, path = "/api/status", responses((status = 200, body = StatusReply), (status = 403, body = Problem)))]
pub(super) async fn status(
    State(app): State<App>,
    May(principal, ..): May<need::NotebookRead>,
) -> Reply<Json<StatusReply>> {
    let checked = tokio::time::timeout(CHECK, app.models.default_model().check()).await;
    let (check, detail) = match checked {
        Ok(Ok(())) => ("ok".to_owned(), None),
        Ok(Err(error)) => (error.kind().code().to_owned(), Some(error.to_string())),
        Err(_) => ("timeout".to_owned(), Some(format!("no answer within {} s", CHECK.as_secs()))),
    };
    let (layers, rerank) = (app.models.layers(), app.status.rerank.clone());
    // Names that somebody else's settings hold are nobody's business.
    let configured: Vec<String> = app.models.configured().collect();
    let mut models = layers.models();
    models.retain(|state| state.route != Route::Answers || configured.contains(&state.model));
    let load = match app.access.is_single_user() {
        true => Some(LoadReply { providers: layers.limits(), keys: layers.keys().await? }),
        false => None,
    };
    Ok(Json(StatusReply {
        version: env!("CARGO_PKG_VERSION"),
        chat: ChatReply { model: app.status.chat.clone(), check, detail },
        models,
        operator: app.access.operates(&principal).is_ok(),
        load,
        embedding: app.status.embedding.clone(),
        embedding_reason: app.status.embedding_reason.clone(),
        rerank: rerank.map(|model| RerankReply::new(model, app.retriever.reranker())),
        limits: LimitsReply {
            document_bytes: app.limits.document_bytes,
            image_bytes: app.limits.image_bytes,
            audio_bytes: app.limits.audio_bytes,
            question_bytes: app.limits.question_bytes,
        },
        kinds: SourceKind::ALL.to_vec(),
    }))
}

/// `/live` and `/ready`, which need no authentication and say nothing about a tenant.
pub(super) fn router(app: App) -> Router {
    Router::new()
        .route("/live", get(|| async { axum::Json(json!({ "status": "ok" })) }))
        .route("/ready", get(ready))
        .with_state(app)
}

async fn ready(State(app): State<App>) -> (StatusCode, axum::Json<Value>) {
    let since = Instant::now();
    let database = tokio::time::timeout(CHECK, app.access.identity().now()).await;
    let mut database = check(since, matches!(database, Ok(Ok(_))));
    if let Some(database) = database.as_object_mut() {
        // Numbers of this process, which say nothing about a tenant.
        database.insert("statistics".to_owned(), json!(app.rows.statistics()));
    }
    let since = Instant::now();
    let spool = tempfile::NamedTempFile::new_in(&app.spool).is_ok();
    let spool = check(since, spool);
    let redis = match &app.redis {
        Some(redis) => Some(told(redis).await),
        None => None,
    };
    let up = [&database, &spool].iter().all(|check| check["status"] == "ok");
    let vectors = app.status.embedding.is_some();
    // Without Redis everything is done, though not at once.
    let alone = app.limiter.as_ref().and_then(|limiter| limiter.is_alone());
    let left_alone = app.models.layers().is_degraded();
    let degraded = !vectors
        || left_alone
        || alone == Some(true)
        || redis.as_ref().is_some_and(|check| check["status"] != "ok");
    let status = match (up, degraded) {
        (false, _) => "down",
        (true, true) => "degraded",
        (true, false) => "ok",
    };
    let code = if up { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let embeds = vectors && app.models.layers().embeds();
    let embedding = json!({ "status": if embeds { "ok" } else { "degraded" }, "micros": 0 });
    let models = json!({
        "status": if left_alone { "degraded" } else { "ok" },
        "micros": 0,
        "breakers": app.models.layers().phases(),
        // Calls for vectors of questions: all, those made twice, and those of them that the second one answered.
        "hedging": app.models.layers().hedging(),
    });
    let mut checks =
        json!({ "database": database, "files": spool, "embedding": embedding, "models": models });
    if let (Some(redis), Some(checks)) = (redis, checks.as_object_mut()) {
        checks.insert("redis".to_owned(), redis);
    }
    if let (Some(alone), Some(checks)) = (alone, checks.as_object_mut()) {
        let status = if alone { "degraded" } else { "ok" };
        checks.insert("rate_limits".to_owned(), json!({ "status": status, "micros": 0 }));
    }
    (code, axum::Json(json!({ "status": status, "checks": checks })))
}

/// Whether servers tell each other at once.
async fn told(redis: &RedisPubSub) -> Value {
    let since = Instant::now();
    let checked = tokio::time::timeout(CHECK, redis.check()).await;
    let micros = since.elapsed().as_micros() as u64;
    let detail = match checked {
        Ok(Ok(())) => return json!({ "status": "ok", "micros": micros }),
        // Why stands in the log: this route is open to all.
        Ok(Err(error)) => error.kind().code(),
        Err(_) => "timeout",
    };
    json!({ "status": "degraded", "micros": micros, "detail": detail })
}

fn check(since: Instant, good: bool) -> Value {
    json!({ "status": if good { "ok" } else { "down" }, "micros": since.elapsed().as_micros() as u64 })
}
