//! Who I am at OpenID providers.

use axum::http::StatusCode;
use notebook_core::{LinkId, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::Accounts;
use crate::{
    extract::{Json, Path, Who},
    problem::{Problem, Reply},
    routes::Items,
};

/// An account elsewhere by which I sign in.
#[derive(Serialize, ToSchema)]
pub(in crate::routes) struct IdentityView {
    id: LinkId,
    /// The provider's name here; none when it is not set up any more.
    provider: Option<String>,
    /// What the provider calls itself.
    issuer: String,
    created_at: Timestamp,
}

/// My accounts elsewhere, oldest first.
#[utoipa::path(get, path = "/api/auth/identities",
    responses((status = 200, body = Items<IdentityView>), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(in crate::routes) async fn list(
    accounts: Accounts,
    Who(principal): Who,
) -> Reply<Json<Items<IdentityView>>> {
    let links = accounts.auth.links(&principal).await?;
    let name = |issuer: &str| {
        let entry = accounts.oidc().providers.iter().find(|entry| entry.issuer == issuer);
        entry.map(|entry| entry.provider.name().to_owned())
    };
    let view = |link: notebook_core::identity::Link| IdentityView {
        id: link.id,
        provider: name(&link.external.issuer),
        issuer: link.external.issuer,
        created_at: link.created_at,
    };
    Ok(Json(Items { items: links.into_iter().map(view).collect() }))
}

/// I do not sign in by this account any more. Sessions go on.
#[utoipa::path(delete, path = "/api/auth/identities/{id}", params(("id" = LinkId, Path)),
    responses((status = 204), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(in crate::routes) async fn unlink(
    accounts: Accounts,
    Who(principal): Who,
    Path(id): Path<LinkId>,
) -> Reply<StatusCode> {
    accounts.auth.unlink(&principal, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
