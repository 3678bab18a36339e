//! My account.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use notebook_core::Secret;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{Accounts, no_store, workspaces};
use crate::{
    access::cookies,
    app::App,
    extract::{Json, Who},
    problem::{Problem, Reply},
};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct DeleteAccount {
    #[schema(value_type = String)]
    password: Secret,
}

/// Deletes my account, with my personal workspace and the teams that have nobody else. I am signed out everywhere.
#[utoipa::path(delete, path = "/api/auth/account", request_body = DeleteAccount,
    responses((status = 204), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem),
              (status = 409, body = Problem), (status = 422, body = Problem), (status = 429, body = Problem)))]
pub(in crate::routes) async fn delete(
    State(app): State<App>,
    accounts: Accounts,
    Who(principal): Who,
    Json(body): Json<DeleteAccount>,
) -> Reply<Response> {
    let session = principal.signed_in()?;
    let deleted = accounts.auth.delete_account(session, &body.password).await?;
    accounts.streams().end_of(deleted.user, None);
    workspaces::gone(&app, &accounts, &deleted.workspaces).await;
    let mut response = StatusCode::NO_CONTENT.into_response();
    cookies::clear(response.headers_mut());
    Ok(no_store(response))
}
