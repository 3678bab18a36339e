//! Passwords.

use axum::{extract::State, http::StatusCode, response::Response};
use notebook_core::Secret;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{Accounts, Client, SessionReply, Transport, signed_in};
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
pub(in crate::routes) struct Forgot {
    /// Such as `ada@example.org`.
    email: String,
}

/// Asks for mail with a link to set a forgotten password. The answer is the same whether somebody has the address or not.
#[utoipa::path(post, path = "/api/auth/password/forgot", request_body = Forgot,
    responses((status = 202), (status = 403, body = Problem), (status = 404, body = Problem), (status = 422, body = Problem), (status = 429, body = Problem)))]
pub(in crate::routes) async fn forgot(
    State(app): State<App>,
    accounts: Accounts,
    _: OwnPage,
    client: Client,
    Json(body): Json<Forgot>,
) -> Reply<StatusCode> {
    let post = app.post.as_ref().filter(|_| accounts.password_reset).ok_or_else(|| {
        Problem::new(
            StatusCode::NOT_FOUND,
            "not_found",
            "This server sends no mail for forgotten passwords. Ask who runs it for a link (notebook user reset).",
        )
    })?;
    // Whoever is asked about: a job is stored, and finds out the rest.
    if let Some(address) = accounts.auth.admit_reset(&body.email, client.address)? {
        post.send_reset(address).await?;
    }
    Ok(StatusCode::ACCEPTED)
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct ResetPassword {
    /// Of the link that was mailed, or that `notebook user reset` made.
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
