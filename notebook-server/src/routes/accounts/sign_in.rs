//! Becoming a user, signing in, staying signed in, going from one workspace to another.

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use notebook_auth::{RefreshFault, Registration as NewUser, SignIn};
use notebook_core::{Error, ErrorKind, Secret, TenantId, identity::WorkspaceKind};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Accounts, Carried, Client, SessionReply, Transport, WorkspaceView, no_store, session_view,
    signed_in, with_tokens,
};
use crate::{
    access::{Access, cookies, gate::OwnPage},
    app::App,
    config::{AuthMode, Registration},
    extract::{Json, Who},
    problem::{Problem, Reply},
};

/// How people reach this server.
#[derive(Serialize, ToSchema)]
pub(in crate::routes) struct AuthReply {
    /// Whether people sign in.
    mode: AuthMode,
    /// Who may become a user; only with accounts.
    #[serde(skip_serializing_if = "Option::is_none")]
    registration: Option<Registration>,
    /// Whether mail to set a forgotten password can be asked for.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    password_reset: bool,
}

/// Whether people sign in here, and who may become a user. For anyone.
#[utoipa::path(get, path = "/api/auth", responses((status = 200, body = AuthReply)))]
pub(in crate::routes) async fn mode(State(app): State<App>) -> Json<AuthReply> {
    Json(match &app.access {
        Access::SingleUser(_) => {
            AuthReply { mode: AuthMode::SingleUser, registration: None, password_reset: false }
        }
        Access::Accounts(accounts) => AuthReply {
            mode: AuthMode::Accounts,
            registration: Some(accounts.registration),
            password_reset: accounts.password_reset && app.post.is_some(),
        },
    })
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct Register {
    /// Such as `ada@example.org`.
    email: String,
    /// 1 to 100 characters.
    name: String,
    /// 8 to 256 bytes.
    #[schema(value_type = String)]
    password: Secret,
    /// The token of an invitation to this address.
    invitation: Option<String>,
    #[serde(default)]
    transport: Transport,
}

/// Makes a user with a personal workspace, and signs them in. With an invitation they are members of its workspace too,
/// and begin there.
#[utoipa::path(post, path = "/api/auth/register", request_body = Register,
    responses((status = 201, body = SessionReply), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem),
              (status = 422, body = Problem), (status = 429, body = Problem)))]
pub(in crate::routes) async fn register(
    State(app): State<App>,
    accounts: Accounts,
    _: OwnPage,
    client: Client,
    Json(body): Json<Register>,
) -> Reply<Response> {
    let Register { email, name, password, invitation, transport } = body;
    let new = NewUser { email: email.clone(), name, password: password.clone() };
    let user = match (&invitation, accounts.registration) {
        (Some(token), Registration::Open | Registration::Invited) => {
            accounts.auth.register_invited(new, token).await?
        }
        (None, Registration::Open) => accounts.auth.register(new).await?,
        (None, Registration::Invited) => return Err(closed("ask a member for an invitation")),
        (_, Registration::Closed) => return Err(closed("ask who runs this server")),
    };
    let begin = match &invitation {
        None => None,
        Some(_) => {
            let places = accounts.auth.places(user.id).await?;
            let team = places.iter().find(|place| place.workspace.kind == WorkspaceKind::Team);
            team.map(|place| place.workspace.tenant)
        }
    };
    let request = SignIn {
        email,
        password,
        address: client.address,
        client: client.name,
        tenant: begin,
        binding: None,
    };
    let tokens = accounts.auth.sign_in(request).await?;
    signed_in(&app, &accounts, tokens, transport, StatusCode::CREATED).await
}

fn closed(fix: &'static str) -> Problem {
    Error::new(ErrorKind::Forbidden, "register").with("fix", fix).into()
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct Login {
    email: String,
    #[schema(value_type = String)]
    password: Secret,
    /// The workspace to begin in; else the oldest.
    workspace: Option<TenantId>,
    #[serde(default)]
    transport: Transport,
}

/// Signs in.
#[utoipa::path(post, path = "/api/auth/login", request_body = Login,
    responses((status = 200, body = SessionReply), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem),
              (status = 422, body = Problem), (status = 429, body = Problem)))]
pub(in crate::routes) async fn login(
    State(app): State<App>,
    accounts: Accounts,
    _: OwnPage,
    client: Client,
    Json(body): Json<Login>,
) -> Reply<Response> {
    let request = SignIn {
        email: body.email,
        password: body.password,
        address: client.address,
        client: client.name,
        tenant: body.workspace,
        binding: None,
    };
    let tokens = accounts.auth.sign_in(request).await?;
    signed_in(&app, &accounts, tokens, body.transport, StatusCode::OK).await
}

#[derive(Deserialize, ToSchema, Default)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct Refresh {
    /// For clients that keep their tokens themselves; else the cookie's.
    #[schema(value_type = Option<String>)]
    refresh_token: Option<Secret>,
}

/// New tokens for a refresh token. A reply that was lost costs nothing: ask again.
#[utoipa::path(post, path = "/api/auth/refresh", request_body = Option<Refresh>,
    responses((status = 200, body = SessionReply), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem),
              (status = 415, body = Problem), (status = 429, body = Problem), (status = 503, body = Problem)))]
pub(in crate::routes) async fn refresh(
    State(app): State<App>,
    accounts: Accounts,
    _: OwnPage,
    headers: HeaderMap,
    body: Bytes,
) -> Reply<Response> {
    let given = token_of(&headers, &body)?;
    let cookie = || cookies::get(&headers, cookies::REFRESH).map(Secret::new);
    let (token, transport) = match given {
        Some(token) => (Some(token), Transport::Bearer),
        None => (cookie(), Transport::Cookie),
    };
    let Some(token) = token else {
        return Err(Error::new(ErrorKind::Unauthenticated, "refresh").into());
    };
    match accounts.auth.refresh(token.expose(), None, None).await {
        Ok(tokens) => signed_in(&app, &accounts, tokens, transport, StatusCode::OK).await,
        Err(fault) => Ok(refused(&fault, transport)),
    }
}

/// The token in the body, if there is one. Nothing but JSON, so that no form of another page can send it (R32).
#[allow(clippy::result_large_err, reason = "a reply, made once a request")]
fn token_of(headers: &HeaderMap, body: &[u8]) -> Result<Option<Secret>, Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let is_json = kind.is_some_and(|kind| {
        kind.split(';')
            .next()
            .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
    });
    match (kind, body.is_empty()) {
        (None, true) => Ok(None),
        _ if is_json && body.is_empty() => Ok(None),
        _ if is_json => serde_json::from_slice::<Refresh>(body)
            .map(|body| body.refresh_token)
            .map_err(|error| Error::invalid("refresh", "body", error.to_string()).into()),
        _ => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "invalid_input",
            "Send JSON, or nothing and the cookie.",
        )),
    }
}

fn refused(fault: &RefreshFault, transport: Transport) -> Response {
    let error = |kind| Error::new(kind, "refresh");
    let (problem, retry_after) = match fault {
        RefreshFault::Unauthorized { .. } | RefreshFault::Expired => {
            let fix = error(ErrorKind::Unauthenticated).with("fix", "sign in again");
            (Problem::from(fix), None)
        }
        RefreshFault::TooMany { retry_after } => {
            let fix =
                error(ErrorKind::RateLimited).with("fix", "wait, and ask with the same token");
            (Problem::from(fix), Some(*retry_after))
        }
        RefreshFault::Unavailable { retry_after, source } => {
            tracing::warn!(%source, "a refresh could not be decided");
            let fix = error(ErrorKind::Unavailable).with("fix", "ask again with the same token");
            (Problem::from(fix), Some(*retry_after))
        }
    };
    let mut response = problem.into_response();
    if let Some(wait) = retry_after {
        let seconds = HeaderValue::from(wait.as_secs().max(1));
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    if transport == Transport::Cookie && fault.clears_cookie() {
        cookies::clear(response.headers_mut());
    }
    no_store(response)
}

/// Ends the session of the refresh token. Without one, or with an old one: nothing but that cookies are cleared.
#[utoipa::path(post, path = "/api/auth/logout", request_body = Option<Refresh>,
    responses((status = 204), (status = 403, body = Problem), (status = 404, body = Problem), (status = 503, body = Problem)))]
pub(in crate::routes) async fn logout(
    accounts: Accounts,
    _: OwnPage,
    principal: Option<axum::Extension<notebook_auth::Principal>>,
    headers: HeaderMap,
    body: Bytes,
) -> Reply<Response> {
    let given = token_of(&headers, &body)?;
    let token = given.or_else(|| cookies::get(&headers, cookies::REFRESH).map(Secret::new));
    if let Some(token) = token {
        accounts.auth.sign_out(token.expose()).await?;
    }
    // The access token says a session too: it is over, whichever of the two the client had left.
    if let Some(axum::Extension(principal)) = principal
        && let Some(session) = principal.session
    {
        accounts.auth.end_session(principal.user, session).await.or_else(gone_is_done)?;
        accounts.streams().end(session);
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    cookies::clear(response.headers_mut());
    Ok(no_store(response))
}

fn gone_is_done(error: Error) -> Result<(), Error> {
    if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// Who I am, where, and what I may do.
#[utoipa::path(get, path = "/api/auth/session",
    responses((status = 200, body = SessionReply), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(in crate::routes) async fn session(accounts: Accounts, Who(principal): Who) -> Reply<Response> {
    let session = principal.signed_in()?;
    let live = accounts.identity.session(session).await?;
    let view = session_view(
        &accounts,
        principal.user,
        principal.scope.tenant(),
        live.session.absolute_end,
    );
    // When the token ends that this was asked with, so that a page that was loaded anew knows it.
    let view = SessionReply { expires_at: principal.expires_at, ..view.await? };
    Ok(no_store(Json(view).into_response()))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct Switch {
    /// One of mine.
    workspace: TenantId,
    #[serde(default)]
    transport: Transport,
}

/// Goes on in another workspace of mine. Streams of the one before end.
#[utoipa::path(post, path = "/api/auth/workspace", request_body = Switch,
    responses((status = 200, body = SessionReply), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(in crate::routes) async fn switch(
    State(app): State<App>,
    accounts: Accounts,
    Who(principal): Who,
    Json(body): Json<Switch>,
) -> Reply<Response> {
    let switched = accounts.auth.switch_workspace(&principal, body.workspace).await?;
    accounts.streams().end(switched.session);
    let view =
        session_view(&accounts, switched.user, switched.tenant, switched.session_ends_at).await?;
    let carried = Carried {
        transport: body.transport,
        access: switched.access,
        expires_at: switched.access_expires_at,
        refresh: None,
    };
    Ok(with_tokens(&app, view, carried, StatusCode::OK))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct Accept {
    /// From the invitation's link.
    token: String,
}

/// Accepts an invitation to my address: I am a member of its workspace from now on.
#[utoipa::path(post, path = "/api/auth/invitation", request_body = Accept,
    responses((status = 200, body = WorkspaceView), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(in crate::routes) async fn accept(
    accounts: Accounts,
    Who(principal): Who,
    Json(body): Json<Accept>,
) -> Reply<Json<WorkspaceView>> {
    let place = accounts.auth.accept_invitation(&principal, &body.token).await?;
    Ok(Json(place.into()))
}

/// The public keys of access tokens (RFC 7517).
#[utoipa::path(get, path = "/.well-known/jwks.json",
    responses((status = 200, body = serde_json::Value), (status = 404, body = Problem)))]
pub(in crate::routes) async fn keys(accounts: Accounts) -> Response {
    let mut response = Json(accounts.auth.public_keys()).into_response();
    let cached = HeaderValue::from_static("public, max-age=300");
    response.headers_mut().insert(header::CACHE_CONTROL, cached);
    response
}
