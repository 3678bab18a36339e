//! Finds out who sent a request.

use axum::{
    extract::{FromRequestParts, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use notebook_auth::Principal;
use notebook_core::{Error, ErrorKind};

use super::{Access, Accounts, cookies, origin};
use crate::{app::App, guard, problem::Problem};

/// How API keys begin.
const KEY: &str = "nbk_";

/// Puts the [`Principal`] into the request, where there is one.
pub(crate) async fn gate(State(app): State<App>, request: Request, next: Next) -> Response {
    match &app.access {
        Access::SingleUser(_) => guard::single_user(request, next).await,
        Access::Accounts(accounts) => with_accounts(accounts, request, next).await,
    }
}

async fn with_accounts(accounts: &Accounts, mut request: Request, next: Next) -> Response {
    match recognise(accounts, request.headers(), request.method()).await {
        Ok(Some(principal)) => {
            request.extensions_mut().insert(principal);
        }
        Ok(None) => {}
        Err(problem) if problem.status() == StatusCode::UNAUTHORIZED => {
            request.extensions_mut().insert(BadCredentials);
        }
        Err(problem) => return problem.into_response(),
    }
    next.run(request).await
}

/// What a request was sent with is not good.
#[derive(Clone, Copy)]
struct BadCredentials;

/// Refuses bad credentials once the request is counted: nobody may guess more often than a stranger may ask.
pub(crate) async fn refuse(request: Request, next: Next) -> Response {
    if request.extensions().get::<BadCredentials>().is_some() {
        return unauthenticated().into_response();
    }
    next.run(request).await
}

/// Who it is; nobody without credentials, or with a cookie that is good no more: whatever needs somebody says so.
async fn recognise(
    accounts: &Accounts,
    headers: &HeaderMap,
    method: &axum::http::Method,
) -> Result<Option<Principal>, Problem> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        // Whoever sends this means it: no cookie is looked at, and a bad one is told.
        let token = bearer(value).ok_or_else(unauthenticated)?;
        let found = match token.starts_with(KEY) {
            true => accounts.auth.authenticate_key(token).await,
            false => accounts.auth.authenticate(token).await,
        };
        return found.map(Some).map_err(Problem::from);
    }
    let Some(token) = cookies::get(headers, cookies::ACCESS) else { return Ok(None) };
    let origin = accounts.origins.of(headers);
    if !accounts.origins.may_use_cookies(origin, method) {
        // As if there were no cookie: a route for everyone decides for itself.
        return Ok(None);
    }
    match accounts.auth.authenticate(&token).await {
        Ok(principal) => Ok(Some(principal)),
        Err(error) if error.kind() == ErrorKind::Unauthenticated => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// What a request without credentials is told, or with bad ones.
pub(crate) fn unauthenticated() -> Problem {
    Error::new(ErrorKind::Unauthenticated, "recognise the sender").into()
}

/// Proof that a request comes from our page, from one that was allowed, or from no browser's page at all: for what a foreign page must not cause
/// although it needs no permission, and for what changes something by `GET`.
pub(crate) struct OwnPage;

impl FromRequestParts<App> for OwnPage {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let origins = match &app.access {
            // The guard of single-user mode has looked.
            Access::SingleUser(_) => return Ok(Self),
            Access::Accounts(accounts) => &accounts.origins,
        };
        let by_cookie = !parts.headers.contains_key(header::AUTHORIZATION)
            && parts.headers.contains_key(header::COOKIE);
        let allowed = match origins.of(&parts.headers) {
            origin::Origin::Ours => true,
            // Without its cookies, where it may not use any.
            origin::Origin::Allowed => !by_cookie || origins.share_cookies(),
            origin::Origin::Foreign => false,
            // A browser would say more with its cookies.
            origin::Origin::Person | origin::Origin::Unsaid => !by_cookie,
        };
        if allowed {
            return Ok(Self);
        }
        Err(Problem::new(
            StatusCode::FORBIDDEN,
            "forbidden",
            "Requests from pages of another origin are refused.",
        ))
    }
}
