//! My workspaces.

use axum::{extract::State, http::StatusCode};
use notebook_core::{TenantId, identity::Role};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{Accounts, WorkspaceView};
use crate::{
    app::App,
    extract::{Json, May, Path, Who, need},
    problem::{Problem, Reply},
    routes::Items,
};

/// My workspaces, oldest first.
#[utoipa::path(get, path = "/api/workspaces",
    responses((status = 200, body = Items<WorkspaceView>), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(in crate::routes) async fn list(
    accounts: Accounts,
    Who(principal): Who,
) -> Reply<Json<Items<WorkspaceView>>> {
    principal.signed_in()?;
    let places = accounts.auth.places(principal.user).await?;
    Ok(Json(Items { items: places.into_iter().map(WorkspaceView::from).collect() }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct NameWorkspace {
    /// 1 to 100 characters.
    name: String,
}

/// Makes a team workspace whose admin I am.
#[utoipa::path(post, path = "/api/workspaces", request_body = NameWorkspace,
    responses((status = 201, body = WorkspaceView), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem),
              (status = 422, body = Problem)))]
pub(in crate::routes) async fn create(
    accounts: Accounts,
    Who(principal): Who,
    Json(body): Json<NameWorkspace>,
) -> Reply<(StatusCode, Json<WorkspaceView>)> {
    let workspace = accounts.auth.create_workspace(&principal, &body.name).await?;
    Ok((StatusCode::CREATED, Json(WorkspaceView::new(workspace, Role::Admin))))
}

/// Renames the workspace that I act in.
#[utoipa::path(patch, path = "/api/workspace", request_body = NameWorkspace,
    responses((status = 200, body = WorkspaceView), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem),
              (status = 422, body = Problem)))]
pub(in crate::routes) async fn rename(
    accounts: Accounts,
    May(principal, ..): May<need::WorkspaceManage>,
    Json(body): Json<NameWorkspace>,
) -> Reply<Json<WorkspaceView>> {
    accounts.auth.rename_workspace(&principal, &body.name).await?;
    let workspace = accounts.identity.workspace(&principal.scope).await?;
    Ok(Json(WorkspaceView::new(workspace, principal.role)))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct DeleteWorkspace {
    /// The workspace's name, typed again.
    name: String,
}

/// Deletes a team workspace whose admin I am, with everything in it. Nobody acts in it from now on; what is in it is removed
/// from every place behind this. A personal workspace goes with its account.
#[utoipa::path(delete, path = "/api/workspaces/{id}", params(("id" = TenantId, Path)), request_body = DeleteWorkspace,
    responses((status = 202), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem),
              (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(in crate::routes) async fn delete(
    State(app): State<App>,
    accounts: Accounts,
    Who(principal): Who,
    Path(id): Path<TenantId>,
    Json(body): Json<DeleteWorkspace>,
) -> Reply<StatusCode> {
    accounts.auth.delete_workspace(&principal, id, &body.name).await?;
    gone(&app, &accounts, &[id]).await;
    Ok(StatusCode::ACCEPTED)
}

/// Ends what is open in workspaces that were just closed, and has their contents removed.
pub(super) async fn gone(app: &App, accounts: &Accounts, workspaces: &[TenantId]) {
    for workspace in workspaces {
        accounts.streams().end_in(*workspace);
    }
    if let Some(erasure) = &app.erasure {
        erasure.begin_all(workspaces).await;
    }
}
