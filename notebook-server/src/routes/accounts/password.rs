//! Passwords.

use axum::{extract::State, http::StatusCode, response::Response};
use notebook_core::Secret;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{Accounts, SessionReply, Transport, signed_in};
use crate::{
    access::gate::OwnPage,
    app::App,
    extract::{Json, Who},
    problem::{Problem, Reply},
};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct ChangePassword {
    #[schema(value_type = String)]
    old: Secret,
    /// 8 to 256 bytes.
    #[schema(value_type = String)]
    new: Secret,
    #[serde(default)]
    transport: Transport,
}

/// Changes my password. All my sessions end; a new one begins for this client.
#[utoipa::path(post, path = "/api/auth/password", request_body = ChangePassword,
    responses((status = 200, body = SessionReply), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem),
              (status = 422, body = Problem), (status = 429, body = Problem)))]
pub(in crate::routes) async fn change(
    State(app): State<App>,
    accounts: Accounts,
    Who(principal): Who,
    Json(body): Json<ChangePassword>,
) -> Reply<Response> {
    let session = principal.signed_in()?;
    let tokens = accounts.auth.change_password(session, &body.old, &body.new).await?;
    accounts.streams().end_of(principal.user, None);
    signed_in(&app, &accounts, tokens, body.transport, StatusCode::OK).await
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct ResetPassword {
    /// Made by `notebook user reset`.
    token: String,
    /// 8 to 256 bytes.
    #[schema(value_type = String)]
    password: Secret,
}

/// Sets a forgotten password. All sessions of the user end.
#[utoipa::path(post, path = "/api/auth/password/reset", request_body = ResetPassword,
    responses((status = 204), (status = 403, body = Problem), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(in crate::routes) async fn reset(
    accounts: Accounts,
    _: OwnPage,
    Json(body): Json<ResetPassword>,
) -> Reply<StatusCode> {
    let user = accounts.auth.reset_password(&body.token, &body.password).await?;
    accounts.streams().end_of(user, None);
    Ok(StatusCode::NO_CONTENT)
}
