use axum::{
    extract::State,
    http::{HeaderName, StatusCode, header::LOCATION},
};
use notebook_core::{
    Error, NotebookId, TenantScope,
    model::{Notebook, NotebookSettings, Page, PageRequest},
};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::sources::{Accepted, in_task};
use crate::{
    app::App,
    extract::{Json, May, Path, Query, Scope, need},
    problem::{Problem, Reply},
};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Include archived notebooks.
    #[serde(default)]
    archived: bool,
    /// `next` of the page before.
    after: Option<String>,
    /// 1 to 1,000; 50 when absent.
    limit: Option<usize>,
}

/// Notebooks, newest first.
#[utoipa::path(get, path = "/api/notebooks", params(ListQuery),
    responses((status = 200, body = Page<Notebook>), (status = 422, body = Problem)))]
pub(super) async fn list(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::NotebookRead>,
    Query(query): Query<ListQuery>,
) -> Reply<Json<Page<Notebook>>> {
    let page = PageRequest { after: query.after, limit: query.limit.unwrap_or(50) };
    Ok(Json(app.store.notebooks(&scope, query.archived, page).await?))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateNotebook {
    /// Made by the client (UUID version 7), so that creating it twice creates it once; else by the server.
    id: Option<NotebookId>,
    /// 1 to 200 characters; without one the first question names it.
    name: Option<String>,
    #[serde(default)]
    settings: NotebookSettings,
}

/// Creates a notebook, or returns the one that has this id.
#[utoipa::path(post, path = "/api/notebooks", request_body = CreateNotebook,
    responses((status = 201, body = Notebook), (status = 200, body = Notebook), (status = 422, body = Problem)))]
pub(super) async fn create(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::NotebookWrite>,
    Json(body): Json<CreateNotebook>,
) -> Reply<(StatusCode, Json<Notebook>)> {
    validate(&app, &scope, &body.settings, &[])?;
    let now = app.clock.now();
    let id = body.id.unwrap_or_else(NotebookId::new);
    let existed = app.store.notebook(&scope, id).await.is_ok();
    let notebook = Notebook {
        id,
        named_by_user: body.name.is_some(),
        name: body
            .name
            .map_or_else(|| Ok(Notebook::UNNAMED.to_owned()), |name| checked_name(&name))?,
        archived: false,
        settings: body.settings,
        created_at: now,
        updated_at: now,
    };
    let notebook = app.store.create_notebook(&scope, notebook).await?;
    Ok((if existed { StatusCode::OK } else { StatusCode::CREATED }, Json(notebook)))
}

/// One notebook.
#[utoipa::path(get, path = "/api/notebooks/{id}", params(("id" = NotebookId, Path)),
    responses((status = 200, body = Notebook), (status = 404, body = Problem)))]
pub(super) async fn get(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::NotebookRead>,
    Path(id): Path<NotebookId>,
) -> Reply<Json<Notebook>> {
    Ok(Json(app.store.notebook(&scope, id).await?))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UpdateNotebook {
    /// 1 to 200 characters.
    name: Option<String>,
    archived: Option<bool>,
    settings: Option<NotebookSettings>,
}

/// Changes what the body names.
#[utoipa::path(patch, path = "/api/notebooks/{id}", params(("id" = NotebookId, Path)),
    request_body = UpdateNotebook,
    responses((status = 200, body = Notebook), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn update(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::NotebookWrite>,
    Path(id): Path<NotebookId>,
    Json(body): Json<UpdateNotebook>,
) -> Reply<Json<Notebook>> {
    let mut notebook = app.store.notebook(&scope, id).await?;
    if let Some(name) = body.name {
        notebook.name = checked_name(&name)?;
        notebook.named_by_user = true;
    }
    if let Some(archived) = body.archived {
        notebook.archived = archived;
    }
    if let Some(settings) = body.settings {
        validate(&app, &scope, &settings, &notebook.settings.mcp_servers)?;
        notebook.settings = settings;
    }
    notebook.updated_at = app.clock.now();
    app.store.update_notebook(&scope, notebook.clone()).await?;
    Ok(Json(notebook))
}

/// Checks what a notebook is set to. MCP servers that it allowed `before` may be gone from the configuration meanwhile.
fn validate(
    app: &App,
    scope: &TenantScope,
    settings: &NotebookSettings,
    before: &[String],
) -> Result<(), Error> {
    settings.model.validate()?;
    let known = |name: &String| app.programs.knows(scope, name) || before.contains(name);
    if !settings.mcp_servers.iter().all(known) {
        let fix = match app.programs.names(scope).as_slice() {
            [] => "name none: no MCP servers are set up here".to_owned(),
            names => format!("use names of MCP servers that there are: {}", names.join(", ")),
        };
        return Err(Error::invalid("set up notebook", "mcp_servers", fix));
    }
    let known = app.chat.tools().map(notebook_agent::tools::Registry::names).unwrap_or_default();
    match settings.tools.iter().flatten().find(|name| !known.contains(*name)) {
        None => Ok(()),
        Some(_) => {
            let known: Vec<String> = known.into_iter().collect();
            let fix = format!("use names of tools that there are: {}", known.join(", "));
            Err(Error::invalid("set up notebook", "tools", fix))
        }
    }
}

/// Deletes a notebook with its sources and conversations. It is gone for every other call from now on; a job removes
/// what was in it from every place, looks for what is left, and ends with a receipt as its result.
#[utoipa::path(delete, path = "/api/notebooks/{id}", params(("id" = NotebookId, Path)),
    responses((status = 202, body = Accepted), (status = 404, body = Problem)))]
pub(super) async fn delete(
    State(app): State<App>,
    May(by, ..): May<need::NotebookDelete>,
    Path(id): Path<NotebookId>,
) -> Reply<(StatusCode, [(HeaderName, String); 1], Json<Accepted>)> {
    let job = in_task(async move {
        let job = app.deletion.delete(&by.scope, id).await?;
        app.models.layers().forget(&by.scope).await?;
        app.log(&by, "notebook.deleted", id).await?;
        Ok(job)
    })
    .await?;
    let place = [(LOCATION, format!("/api/jobs/{job}"))];
    Ok((StatusCode::ACCEPTED, place, Json(Accepted { job })))
}

fn checked_name(name: &str) -> Result<String, Error> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > 200 {
        return Err(Error::invalid("name notebook", "name", "use 1 to 200 characters"));
    }
    Ok(name.to_owned())
}
