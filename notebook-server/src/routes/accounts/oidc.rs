//! Signing in at an OpenID provider: to it, and back.

mod local_path;

use std::time::Duration;

use axum::{
    Extension,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use notebook_auth::{
    ExternalSignIn, Principal,
    oidc::{Arrival, Pending, Purpose, Refusal, Refused},
};
use notebook_core::{Error, ErrorKind, Secret, TenantId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use self::local_path::local_path;
use super::{Accounts, Client, no_store};
use crate::{
    access::{cookies, gate::OwnPage, oidc::Entry},
    app::App,
    extract::{Json, Path, Query},
    problem::{Problem, Reply},
    routes::Items,
};

/// How long a sign-in may take once the browser is back: longer than any single answer of the provider may.
const PATIENCE: Duration = Duration::from_secs(25);
/// The longest invitation that is carried along.
const LONGEST_INVITATION: usize = 200;

/// A provider that people may sign in at.
#[derive(Serialize, ToSchema)]
pub(in crate::routes) struct ProviderView {
    /// In addresses.
    name: String,
    /// For people.
    label: String,
}

/// The providers that people may sign in at. For anyone.
#[utoipa::path(get, path = "/api/auth/oidc",
    responses((status = 200, body = Items<ProviderView>), (status = 404, body = Problem)))]
pub(in crate::routes) async fn list(accounts: Accounts) -> Json<Items<ProviderView>> {
    let view = |entry: &Entry| ProviderView {
        name: entry.provider.name().to_owned(),
        label: entry.label.clone(),
    };
    Json(Items { items: accounts.oidc().providers.iter().map(view).collect() })
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::routes) struct Go {
    /// Where to go afterwards: a path of this server; `/` when absent.
    to: Option<String>,
    /// The workspace to begin in; else the oldest.
    workspace: Option<TenantId>,
}

/// Sends the browser to a provider to sign in, for links. It comes back signed in, or to the sign-in page with
/// `?sign_in=` and the reason.
#[utoipa::path(get, path = "/api/auth/oidc/{name}/start", params(("name" = String, Path), Go),
    responses((status = 303), (status = 404, body = Problem), (status = 422, body = Problem), (status = 429, body = Problem)))]
pub(in crate::routes) async fn go(
    State(app): State<App>,
    accounts: Accounts,
    Path(name): Path<String>,
    Query(query): Query<Go>,
) -> Reply<Response> {
    let entry = named(&accounts, &name)?;
    let to = to(query.to)?;
    let purpose = Purpose::SignIn { workspace: query.workspace, invitation: None };
    match Box::pin(entry.provider.begin(purpose, to)).await {
        Ok((location, pending)) => {
            let mut response = see_other(&location);
            keep(&app, &accounts, &mut response, &pending)?;
            Ok(response)
        }
        Err(refused) => {
            told(&name, &refused);
            Ok(see_other(&back(&accounts, &name, None, refused.refusal)))
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct Begin {
    /// Where to go afterwards: a path of this server; `/` when absent.
    to: Option<String>,
    /// The workspace to begin in; else the oldest.
    workspace: Option<TenantId>,
    /// The token of an invitation to the address that the provider has.
    invitation: Option<String>,
    /// Whether the account there is to be linked to mine here, instead of signing in by it.
    #[serde(default)]
    link: bool,
}

/// Where the browser has to go.
#[derive(Serialize, ToSchema)]
pub(in crate::routes) struct Destination {
    /// The provider's address.
    location: String,
}

/// Begins the same for our own page, which goes there itself: with an invitation, or to link an account.
#[utoipa::path(post, path = "/api/auth/oidc/{name}/start", params(("name" = String, Path)), request_body = Begin,
    responses((status = 200, body = Destination), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem),
              (status = 422, body = Problem), (status = 429, body = Problem), (status = 502, body = Problem), (status = 503, body = Problem)))]
pub(in crate::routes) async fn begin(
    State(app): State<App>,
    accounts: Accounts,
    _: OwnPage,
    principal: Option<Extension<Principal>>,
    Path(name): Path<String>,
    Json(body): Json<Begin>,
) -> Reply<Response> {
    let entry = named(&accounts, &name)?;
    let to = to(body.to)?;
    let purpose = if body.link {
        let Some(Extension(principal)) = principal else {
            return Err(Error::new(ErrorKind::Unauthenticated, "link account").into());
        };
        Purpose::Link { user: principal.user, session: principal.signed_in()? }
    } else {
        if !body.invitation.as_deref().is_none_or(may_be_invitation) {
            return Err(Error::not_found("sign in", "invitation").into());
        }
        Purpose::SignIn { workspace: body.workspace, invitation: body.invitation }
    };
    let begun = Box::pin(entry.provider.begin(purpose, to)).await;
    let (location, pending) = begun.map_err(|refused| problem(&name, refused))?;
    let mut response = Json(Destination { location }).into_response();
    keep(&app, &accounts, &mut response, &pending)?;
    Ok(no_store(response))
}

/// Whether a text may be the token of an invitation, which stands in an address later.
fn may_be_invitation(token: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=LONGEST_INVITATION).contains(&token.len()) && token.bytes().all(word)
}

/// What a provider sends the browser back with. Others are not looked at.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::routes) struct Callback {
    state: Option<String>,
    code: Option<String>,
    error: Option<String>,
    iss: Option<String>,
}

/// Where a provider sends the browser back to. It goes on to the page, signed in or with the reason why not.
#[utoipa::path(get, path = "/api/auth/oidc/{name}/callback", params(("name" = String, Path), Callback),
    responses((status = 303), (status = 404, body = Problem), (status = 429, body = Problem)))]
pub(in crate::routes) async fn callback(
    State(app): State<App>,
    accounts: Accounts,
    client: Client,
    Path(name): Path<String>,
    headers: HeaderMap,
    Query(callback): Query<Callback>,
) -> Reply<Response> {
    let entry = named(&accounts, &name)?;
    let state = callback.state.as_deref().unwrap_or_default();
    let pending = match pending(&app, &accounts, &headers, &name, state) {
        Ok(pending) => pending,
        Err(refusal) => return Ok(see_other(&back(&accounts, &name, None, refusal))),
    };
    // What the provider says of itself is long: it is not part of every request's own state.
    let finish = Box::pin(finish(&app, &accounts, entry, &client, callback, &pending));
    let done = tokio::time::timeout(PATIENCE, finish).await;
    let done = done.unwrap_or_else(|_| Err(Refusal::Unavailable.into()));
    let mut response = match done {
        Ok(response) => response,
        Err(refused) => {
            told(&name, &refused);
            accounts.auth.external_refused(&name, refused.refusal, client.address).await?;
            see_other(&back(&accounts, &name, Some(&pending.purpose), refused.refusal))
        }
    };
    // Of use once.
    cookies::clear_pending(response.headers_mut());
    Ok(response)
}

/// What this browser has begun, if it is this.
fn pending(
    app: &App,
    accounts: &Accounts,
    headers: &HeaderMap,
    name: &str,
    state: &str,
) -> Result<Pending, Refusal> {
    let sealed = cookies::get(headers, cookies::PENDING).ok_or(Refusal::Expired)?;
    let pending = accounts.oidc().keys.open(&sealed).map_err(|refused| refused.refusal)?;
    pending.check(name, state, app.clock.now())?;
    Ok(pending)
}

async fn finish(
    app: &App,
    accounts: &Accounts,
    entry: &Entry,
    client: &Client,
    callback: Callback,
    pending: &Pending,
) -> Result<Response, Refused> {
    if let Some(error) = callback.error {
        return Err(said_no(&error));
    }
    let code = callback.code.filter(|code| !code.is_empty()).ok_or(Refusal::Invalid)?;
    let arrival = Arrival { code, issuer: callback.iss };
    let person = Box::pin(entry.provider.identify(arrival, pending)).await?;
    match &pending.purpose {
        Purpose::Link { user, session } => {
            accounts.auth.link_external(*user, *session, &person, &entry.rules).await?;
            Ok(see_other(&whole(accounts, &pending.to)))
        }
        Purpose::SignIn { workspace, invitation } => {
            let request = ExternalSignIn {
                person,
                rules: entry.rules.clone(),
                invitation: invitation.clone(),
                address: client.address,
                client: client.name.clone(),
                tenant: *workspace,
            };
            let (tokens, made) = accounts.auth.sign_in_external(request).await?;
            let mut to = whole(accounts, &pending.to);
            if let (Some(token), false) = (invitation, made) {
                // Who is a user already accepts it on the page.
                to.push_str("#invitation=");
                to.push_str(token);
            }
            let mut response = see_other(&to);
            let (headers, now) = (response.headers_mut(), app.clock.now());
            cookies::set_access(headers, &tokens.access, tokens.access_expires_at, now);
            cookies::set_refresh(headers, &tokens.refresh, tokens.session_ends_at, now);
            Ok(response)
        }
    }
}

/// What an error of the provider's means (RFC 6749, section 4.1.2.1, and OpenID Connect Core, section 3.1.2.6).
fn said_no(error: &str) -> Refused {
    let refusal = match error {
        "access_denied"
        | "login_required"
        | "consent_required"
        | "interaction_required"
        | "account_selection_required" => Refusal::Denied,
        "server_error" | "temporarily_unavailable" => Refusal::Unavailable,
        _ => Refusal::Misconfigured,
    };
    let said: String = error.chars().filter(|c| !c.is_control()).take(100).collect();
    let cause = Error::new(ErrorKind::Protocol, "sign in").with("error", said);
    Refused { refusal, cause: Some(cause) }
}

#[allow(clippy::result_large_err, reason = "a reply, made once a request")]
fn named<'a>(accounts: &'a Accounts, name: &str) -> Result<&'a Entry, Problem> {
    let found = accounts.oidc().named(name);
    found.ok_or_else(|| Error::not_found("sign in", "OpenID provider").into())
}

#[allow(clippy::result_large_err, reason = "a reply, made once a request")]
fn to(asked: Option<String>) -> Result<String, Problem> {
    let Some(asked) = asked else { return Ok("/".to_owned()) };
    local_path(&asked).ok_or_else(|| {
        Error::invalid("sign in", "to", "give a path of this server, such as /").into()
    })
}

/// Lets the browser keep what has begun.
#[allow(clippy::result_large_err, reason = "a reply, made once a request")]
fn keep(
    app: &App,
    accounts: &Accounts,
    response: &mut Response,
    pending: &Pending,
) -> Result<(), Problem> {
    let sealed: Secret = accounts.oidc().keys.seal(pending)?;
    let (end, now) = (pending.expires_at, app.clock.now());
    cookies::set_pending(response.headers_mut(), &sealed, end, now);
    Ok(())
}

/// The address on the page where the reason is told: the sign-in, or what the account was to be linked from.
fn back(accounts: &Accounts, name: &str, purpose: Option<&Purpose>, refusal: Refusal) -> String {
    let reason = refusal.code();
    let path = match purpose {
        Some(Purpose::Link { .. }) => format!("/account/profile?link={reason}&provider={name}"),
        _ => format!("/?sign_in={reason}&provider={name}"),
    };
    whole(accounts, &path)
}

/// With the origin before it, a path leads nowhere else, whatever it looks like.
fn whole(accounts: &Accounts, path: &str) -> String {
    let origin = accounts.origins.ours().unwrap_or_default();
    format!("{origin}{path}")
}

fn see_other(location: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    // Addresses that were parsed, and ours: there is nothing that a header cannot hold.
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    no_store(response)
}

fn told(name: &str, refused: &Refused) {
    let (reason, cause) = (refused.refusal.code(), refused.cause.as_ref());
    tracing::warn!(
        provider = name,
        reason,
        ?cause,
        "a sign-in at an OpenID provider came to nothing"
    );
}

fn problem(name: &str, refused: Refused) -> Problem {
    told(name, &refused);
    let (kind, fix) = match refused.refusal {
        Refusal::Unavailable => {
            (ErrorKind::Unavailable, "the OpenID provider does not answer: try again in a minute")
        }
        _ => (
            ErrorKind::Protocol,
            "the OpenID provider is not set up as it must be: see the server's log",
        ),
    };
    Error::new(kind, "sign in").with("fix", fix).into()
}
