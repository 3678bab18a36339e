//! Where I am signed in.

use axum::http::StatusCode;
use notebook_core::{SessionId, Timestamp, identity::session::Session};
use serde::Serialize;
use utoipa::ToSchema;

use super::Accounts;
use crate::{
    extract::{Json, Path, Who},
    problem::{Problem, Reply},
    routes::Items,
};

/// A session.
#[derive(Serialize, ToSchema)]
pub(in crate::routes) struct SessionView {
    id: SessionId,
    /// What the client calls itself.
    client: String,
    /// Where it began from.
    address: String,
    created_at: Timestamp,
    /// When it ends if nothing is refreshed.
    ends_at: Timestamp,
    /// Whether it is the one that asks.
    current: bool,
}

impl SessionView {
    fn new(session: Session, own: Option<SessionId>) -> Self {
        Self {
            current: Some(session.id) == own,
            id: session.id,
            client: session.client,
            address: session.address,
            created_at: session.created_at,
            ends_at: session.idle_end.min(session.absolute_end),
        }
    }
}

/// My sessions, newest first.
#[utoipa::path(get, path = "/api/auth/sessions",
    responses((status = 200, body = Items<SessionView>), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(in crate::routes) async fn list(
    accounts: Accounts,
    Who(principal): Who,
) -> Reply<Json<Items<SessionView>>> {
    let own = principal.signed_in()?;
    let now = accounts.identity.now().await?;
    let sessions = accounts.auth.sessions(principal.user).await?;
    let open = sessions.into_iter().filter(|s| now < s.idle_end.min(s.absolute_end));
    Ok(Json(Items { items: open.map(|session| SessionView::new(session, Some(own))).collect() }))
}

/// Ends one of my sessions.
#[utoipa::path(delete, path = "/api/auth/sessions/{id}", params(("id" = SessionId, Path)),
    responses((status = 204), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(in crate::routes) async fn end(
    accounts: Accounts,
    Who(principal): Who,
    Path(id): Path<SessionId>,
) -> Reply<StatusCode> {
    principal.signed_in()?;
    accounts.auth.end_session(principal.user, id).await?;
    accounts.streams().end(id);
    Ok(StatusCode::NO_CONTENT)
}

/// How many sessions were ended.
#[derive(Serialize, ToSchema)]
pub(in crate::routes) struct Ended {
    ended: usize,
}

/// Ends all my sessions but this one.
#[utoipa::path(delete, path = "/api/auth/sessions",
    responses((status = 200, body = Ended), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(in crate::routes) async fn end_others(
    accounts: Accounts,
    Who(principal): Who,
) -> Reply<Json<Ended>> {
    let own = principal.signed_in()?;
    let ended = accounts.auth.end_other_sessions(principal.user, Some(own)).await?;
    accounts.streams().end_of(principal.user, Some(own));
    Ok(Json(Ended { ended }))
}
