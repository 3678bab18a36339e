//! Who is in the workspace, and who is invited.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use notebook_core::{
    InvitationId, Timestamp, UserId,
    identity::{Invitation, Member, Role},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Accounts, no_store};
use crate::{
    app::App,
    extract::{Json, May, Path, Who, need},
    problem::{Problem, Reply},
    routes::Items,
};

/// Somebody in the workspace.
#[derive(Serialize, ToSchema)]
pub(in crate::routes) struct MemberView {
    user: UserId,
    email: String,
    name: String,
    role: Role,
    since: Timestamp,
}

impl From<Member> for MemberView {
    fn from(member: Member) -> Self {
        let Member { user, email, name, role, since } = member;
        Self { user, email, name, role, since }
    }
}

/// The members of the workspace, longest there first.
#[utoipa::path(get, path = "/api/members",
    responses((status = 200, body = Items<MemberView>), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(in crate::routes) async fn list(
    accounts: Accounts,
    May(principal, ..): May<need::MemberRead>,
) -> Reply<Json<Items<MemberView>>> {
    let members = accounts.auth.members(&principal).await?;
    Ok(Json(Items { items: members.into_iter().map(MemberView::from).collect() }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct SetRole {
    /// Not above my own.
    role: Role,
}

/// Gives a member another role.
#[utoipa::path(put, path = "/api/members/{user}", params(("user" = UserId, Path)), request_body = SetRole,
    responses((status = 204), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem),
              (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(in crate::routes) async fn set_role(
    accounts: Accounts,
    May(principal, ..): May<need::MemberManage>,
    Path(user): Path<UserId>,
    Json(body): Json<SetRole>,
) -> Reply<StatusCode> {
    // Who is no member is invited, and decides for themselves; here they are as if there were none.
    let members = accounts.identity.members(&principal.scope).await?;
    if !members.iter().any(|member| member.user == user) {
        return Err(notebook_core::Error::not_found("set role", "member").into());
    }
    accounts.auth.set_role(&principal, user, Some(body.role)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes a member out of the workspace, or me. Their API keys for it end.
#[utoipa::path(delete, path = "/api/members/{user}", params(("user" = UserId, Path)),
    responses((status = 204), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(in crate::routes) async fn remove(
    accounts: Accounts,
    Who(principal): Who,
    Path(user): Path<UserId>,
) -> Reply<StatusCode> {
    accounts.auth.remove_member(&principal, user).await?;
    accounts.streams().end_of(user, None);
    Ok(StatusCode::NO_CONTENT)
}

/// An invitation that was not accepted yet.
#[derive(Serialize, ToSchema)]
pub(in crate::routes) struct InvitationView {
    id: InvitationId,
    email: String,
    role: Role,
    /// Who made it.
    by: Option<UserId>,
    created_at: Timestamp,
    expires_at: Timestamp,
}

impl From<Invitation> for InvitationView {
    fn from(invitation: Invitation) -> Self {
        let Invitation { id, email, role, invited_by, created_at, expires_at } = invitation;
        Self { id, email, role, by: invited_by, created_at, expires_at }
    }
}

/// The open invitations to the workspace.
#[utoipa::path(get, path = "/api/invitations",
    responses((status = 200, body = Items<InvitationView>), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(in crate::routes) async fn invitations(
    accounts: Accounts,
    May(principal, ..): May<need::MemberManage>,
) -> Reply<Json<Items<InvitationView>>> {
    let open = accounts.auth.invitations(&principal).await?;
    Ok(Json(Items { items: open.into_iter().map(InvitationView::from).collect() }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct Invite {
    /// Only who signs in with this address can accept.
    email: String,
    /// Not above my own.
    role: Role,
}

/// An invitation with its token.
#[derive(Serialize, ToSchema)]
pub(in crate::routes) struct Made {
    invitation: InvitationView,
    /// Shown this once: send it to them.
    token: String,
    /// Whether mail with it is on its way to them.
    mailed: bool,
}

/// Invites somebody to the workspace, for a week.
#[utoipa::path(post, path = "/api/invitations", request_body = Invite,
    responses((status = 201, body = Made), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem),
              (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(in crate::routes) async fn invite(
    State(app): State<App>,
    accounts: Accounts,
    May(principal, ..): May<need::MemberManage>,
    Json(body): Json<Invite>,
) -> Reply<Response> {
    let made = accounts.auth.invite(&principal, &body.email, body.role).await?;
    let mailed = match &app.post {
        Some(post) => post.send_invitation(&principal.scope, made.0.id).await.map(|()| true)?,
        None => false,
    };
    let (invitation, token) = (made.0.into(), made.1.expose().to_owned());
    Ok(no_store((StatusCode::CREATED, Json(Made { invitation, token, mailed })).into_response()))
}

/// Takes an invitation back.
#[utoipa::path(delete, path = "/api/invitations/{id}", params(("id" = InvitationId, Path)),
    responses((status = 204), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(in crate::routes) async fn revoke(
    accounts: Accounts,
    May(principal, ..): May<need::MemberManage>,
    Path(id): Path<InvitationId>,
) -> Reply<StatusCode> {
    accounts.auth.revoke_invitation(&principal, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
