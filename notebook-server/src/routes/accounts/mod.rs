//! Accounts: signing in, sessions, workspaces, members, API keys, the audit log.

pub(super) mod account;
pub(super) mod audit;
pub(super) mod identities;
pub(super) mod keys;
pub(super) mod members;
pub(super) mod oidc;
pub(super) mod password;
pub(super) mod sessions;
pub(super) mod sign_in;
pub(super) mod workspaces;

use std::{net::IpAddr, net::SocketAddr, sync::Arc};

use axum::{
    Json,
    extract::{ConnectInfo, FromRequestParts},
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use notebook_auth::{Tokens, rbac};
use notebook_core::{
    Error, ErrorKind, Result, Secret, TenantId, Timestamp, UserId,
    identity::{Place, Role, User, Workspace, WorkspaceKind},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    access::{self, Access, cookies},
    app::App,
    problem::Problem,
};

/// What signing in needs; in single-user mode there is no such thing.
pub(super) struct Accounts(Arc<access::Accounts>);

impl std::ops::Deref for Accounts {
    type Target = access::Accounts;

    fn deref(&self) -> &access::Accounts {
        &self.0
    }
}

impl FromRequestParts<App> for Accounts {
    type Rejection = Problem;

    async fn from_request_parts(_: &mut Parts, app: &App) -> Result<Self, Problem> {
        match &app.access {
            Access::Accounts(accounts) => Ok(Self(Arc::clone(accounts))),
            Access::SingleUser(_) => Err(Problem::new(
                StatusCode::NOT_FOUND,
                "not_found",
                "This server has one user and no accounts (auth.mode is \"single_user\").",
            )),
        }
    }
}

/// Where a request came from.
pub(super) struct Client {
    address: IpAddr,
    /// What the client calls itself.
    name: String,
}

impl FromRequestParts<App> for Client {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let ConnectInfo(peer) = parts
            .extensions
            .get::<ConnectInfo<SocketAddr>>()
            .ok_or_else(|| Error::new(ErrorKind::Internal, "find the peer's address"))?;
        let name = parts.headers.get(header::USER_AGENT).and_then(|name| name.to_str().ok());
        let address = app.forwarding.client(peer.ip(), &parts.headers);
        Ok(Self { address, name: name.unwrap_or_default().to_owned() })
    }
}

/// How a client keeps its tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Transport {
    /// In cookies that no script can read.
    #[default]
    Cookie,
    /// In the reply.
    Bearer,
}

/// Who is signed in, where, and until when.
#[derive(Serialize, ToSchema)]
pub(super) struct SessionReply {
    /// Who.
    user: UserView,
    /// Where.
    workspace: WorkspaceView,
    /// What they may do there.
    permissions: Vec<&'static str>,
    /// When the access token ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    /// When the session ends at the latest.
    session_ends_at: Timestamp,
    /// Only for `bearer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    access_token: Option<String>,
    /// Only for `bearer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
}

/// A user.
#[derive(Serialize, ToSchema)]
pub(super) struct UserView {
    id: UserId,
    email: String,
    name: String,
}

impl From<User> for UserView {
    fn from(user: User) -> Self {
        Self { id: user.id, email: user.email, name: user.name }
    }
}

/// A workspace, and what its viewer is there.
#[derive(Serialize, ToSchema)]
pub(super) struct WorkspaceView {
    id: TenantId,
    kind: WorkspaceKind,
    name: String,
    role: Role,
}

impl WorkspaceView {
    fn new(workspace: Workspace, role: Role) -> Self {
        Self { id: workspace.tenant, kind: workspace.kind, name: workspace.name, role }
    }
}

impl From<Place> for WorkspaceView {
    fn from(place: Place) -> Self {
        Self::new(place.workspace, place.role)
    }
}

/// The tokens of a reply, and how they are carried.
struct Carried {
    transport: Transport,
    access: Secret,
    expires_at: Timestamp,
    /// None where the client has it already.
    refresh: Option<Secret>,
}

/// A session as the store has it now.
async fn session_view(
    accounts: &access::Accounts,
    user: UserId,
    tenant: TenantId,
    session_ends_at: Timestamp,
) -> Result<SessionReply> {
    let user = accounts.identity.user(user).await?;
    let places = accounts.auth.places(user.id).await?;
    let place = places.into_iter().find(|place| place.workspace.tenant == tenant);
    // Taken out of it between the two looks.
    let place = place.ok_or_else(|| Error::new(ErrorKind::Unauthenticated, "sign in"))?;
    let may = |permission: &rbac::Permission| rbac::may(place.role, *permission);
    Ok(SessionReply {
        permissions: rbac::Permission::ALL.iter().filter(|p| may(p)).map(|p| p.name()).collect(),
        user: user.into(),
        workspace: place.into(),
        expires_at: None,
        session_ends_at,
        access_token: None,
        refresh_token: None,
    })
}

/// The reply to a sign-in or a refresh.
async fn signed_in(
    app: &App,
    accounts: &access::Accounts,
    tokens: Tokens,
    transport: Transport,
    status: StatusCode,
) -> Result<Response, Problem> {
    let Tokens { user, tenant, session_ends_at, .. } = tokens;
    let view = session_view(accounts, user, tenant, session_ends_at).await?;
    let carried = Carried {
        transport,
        access: tokens.access,
        expires_at: tokens.access_expires_at,
        refresh: Some(tokens.refresh),
    };
    Ok(with_tokens(app, view, carried, status))
}

fn with_tokens(app: &App, view: SessionReply, carried: Carried, status: StatusCode) -> Response {
    let mut view = SessionReply { expires_at: Some(carried.expires_at), ..view };
    if carried.transport == Transport::Bearer {
        view.access_token = Some(carried.access.expose().to_owned());
        view.refresh_token = carried.refresh.as_ref().map(|token| token.expose().to_owned());
    }
    let ends = view.session_ends_at;
    let mut response = (status, Json(view)).into_response();
    if carried.transport == Transport::Cookie {
        let now = app.clock.now();
        let headers = response.headers_mut();
        cookies::set_access(headers, &carried.access, carried.expires_at, now);
        if let Some(refresh) = &carried.refresh {
            cookies::set_refresh(headers, refresh, ends, now);
        }
    }
    no_store(response)
}

/// Nothing with a token, or about one, is kept by anybody on its way.
fn no_store(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
