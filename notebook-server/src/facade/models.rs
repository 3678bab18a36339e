//! OpenAI's list of models: the notebooks, and the model that makes vectors.

use axum::extract::State;
use notebook_core::{
    Result, TenantScope,
    model::{Notebook, PageRequest},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{model_name, notebook_of, seconds};
use crate::{
    app::App,
    extract::{Json, Path, Scope, need},
    problem::{Problem, Reply},
};

/// The most notebooks that are listed.
const MOST: usize = 1_000;

/// A model in OpenAI's shape.
#[derive(Serialize, ToSchema)]
pub(super) struct Model {
    id: String,
    object: &'static str,
    created: i64,
    owned_by: &'static str,
    /// The notebook's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

/// A list in OpenAI's shape.
#[derive(Serialize, ToSchema)]
pub(super) struct Models {
    object: &'static str,
    data: Vec<Model>,
}

fn of(notebook: Notebook) -> Model {
    Model {
        id: model_name(notebook.id),
        object: "model",
        created: seconds(notebook.created_at),
        owned_by: "notebook",
        name: Some(notebook.name),
    }
}

/// The notebooks, newest first, and the embedding model.
#[utoipa::path(get, path = "/v1/models", responses((status = 200, body = Models)))]
pub(super) async fn list(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::NotebookRead>,
) -> Reply<Json<Models>> {
    let mut data: Vec<Model> = all(&app, &scope).await?.into_iter().map(of).collect();
    if let Some(embedder) = &app.embedder {
        let id = embedder.space().model.clone();
        data.push(Model { id, object: "model", created: 0, owned_by: "embeddings", name: None });
    }
    Ok(Json(Models { object: "list", data }))
}

async fn all(app: &App, scope: &TenantScope) -> Result<Vec<Notebook>> {
    let page = PageRequest { after: None, limit: MOST };
    Ok(app.store.notebooks(scope, false, page).await?.items)
}

/// One notebook.
#[utoipa::path(get, path = "/v1/models/{model}",
    params(("model" = String, Path, description = "notebook:<id>")),
    responses((status = 200, body = Model), (status = 404, body = Problem)))]
pub(super) async fn get(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::NotebookRead>,
    Path(model): Path<String>,
) -> Reply<Json<Model>> {
    Ok(Json(of(app.store.notebook(&scope, notebook_of(&model)?).await?)))
}
