//! API keys.

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use notebook_auth::rbac::Permission;
use notebook_core::{ApiKeyId, Error, Timestamp, UserId, identity::ApiKey};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Accounts, no_store};
use crate::{
    extract::{Json, May, Path, Who, need},
    problem::{Problem, Reply},
    routes::Items,
};

/// A key without its secret.
#[derive(Serialize, ToSchema)]
pub(in crate::routes) struct KeyView {
    id: ApiKeyId,
    name: String,
    /// How it begins.
    prefix: String,
    /// What it may do.
    scopes: Vec<String>,
    /// Who made it.
    user: UserId,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
    /// To the minute.
    last_used_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
}

impl From<ApiKey> for KeyView {
    fn from(key: ApiKey) -> Self {
        Self {
            id: key.id,
            name: key.name,
            prefix: key.prefix,
            scopes: key.scopes,
            user: key.user,
            created_at: key.created_at,
            expires_at: key.expires_at,
            last_used_at: key.last_used_at,
            revoked_at: key.revoked_at,
        }
    }
}

/// My API keys in this workspace, newest first; everybody's for who manages them.
#[utoipa::path(get, path = "/api/keys",
    responses((status = 200, body = Items<KeyView>), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(in crate::routes) async fn list(
    accounts: Accounts,
    May(principal, ..): May<need::ApiKeyCreate>,
) -> Reply<Json<Items<KeyView>>> {
    let keys = accounts.auth.keys(&principal).await?;
    Ok(Json(Items { items: keys.into_iter().map(KeyView::from).collect() }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct CreateKey {
    /// 1 to 100 characters: what it is for.
    name: String,
    /// Permissions that I have myself.
    scopes: Vec<String>,
    /// Never when absent.
    expires_at: Option<Timestamp>,
}

/// A key with its secret.
#[derive(Serialize, ToSchema)]
pub(in crate::routes) struct MadeKey {
    key: KeyView,
    /// Shown this once.
    secret: String,
}

/// Makes an API key for this workspace.
#[utoipa::path(post, path = "/api/keys", request_body = CreateKey,
    responses((status = 201, body = MadeKey), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem),
              (status = 422, body = Problem)))]
pub(in crate::routes) async fn create(
    accounts: Accounts,
    May(principal, ..): May<need::ApiKeyCreate>,
    Json(body): Json<CreateKey>,
) -> Reply<Response> {
    let scope = |name: &String| {
        Permission::named(name).ok_or_else(|| {
            let known: Vec<_> = Permission::ALL.iter().map(|p| p.name()).collect();
            Error::invalid("create API key", "scopes", format!("use some of {}", known.join(", ")))
        })
    };
    let scopes = body.scopes.iter().map(scope).collect::<Result<Vec<_>, _>>()?;
    let made = accounts.auth.create_key(&principal, &body.name, &scopes, body.expires_at).await?;
    let made = MadeKey { key: made.0.into(), secret: made.1.expose().to_owned() };
    Ok(no_store((StatusCode::CREATED, Json(made)).into_response()))
}

/// Ends an API key of mine, or anybody's for who manages them.
#[utoipa::path(delete, path = "/api/keys/{id}", params(("id" = ApiKeyId, Path)),
    responses((status = 204), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(in crate::routes) async fn revoke(
    accounts: Accounts,
    Who(principal): Who,
    Path(id): Path<ApiKeyId>,
) -> Reply<StatusCode> {
    accounts.auth.revoke_key(&principal, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
