//! The HTTP interface: a file a resource.

mod accounts;
mod approvals;
mod breakers;
mod conversations;
mod event_source;
mod exports;
mod guard_reports;
mod health;
mod jobs;
mod mcp_servers;
mod notebooks;
mod pictures;
mod recordings;
mod runs;
mod source_text;
mod sources;
mod tools;
mod usage;
mod webhooks;
mod websocket;

use std::time::Duration;

use axum::{Json, Router, extract::DefaultBodyLimit, middleware, routing::get};
use tower_http::{catch_panic::CatchPanicLayer, timeout::RequestBodyTimeoutLayer};
use utoipa::OpenApi;
use utoipa_axum::{
    router::{OpenApiRouter, UtoipaMethodRouterExt},
    routes,
};

use self::accounts::{
    account, audit, identities, keys, members, oidc, password, sessions, sign_in, workspaces,
};
pub(crate) use self::conversations::Items;
use crate::{access::gate, app::App, assets, cors, facade, guard, limit, mcp, reserve};

#[derive(OpenApi)]
#[openapi(info(
    title = "AI notebook",
    description = "Sources in, cited answers out. Errors are `application/problem+json`."
))]
struct Api;

/// The routes of the notebook, without authentication: whoever mounts them puts a
/// [`Principal`](notebook_auth::Principal) into the extensions of each request.
pub fn api(app: App) -> (Router, utoipa::openapi::OpenApi) {
    OpenApiRouter::with_openapi(Api::openapi())
        .routes(routes!(notebooks::list, notebooks::create))
        .routes(routes!(notebooks::get, notebooks::update, notebooks::delete))
        // The spool has a limit of its own, and holds nothing in memory.
        .routes(routes!(sources::list, sources::upload).layer(DefaultBodyLimit::disable()))
        .routes(routes!(sources::paste))
        .routes(routes!(sources::link))
        .routes(routes!(sources::events))
        .routes(routes!(sources::get, sources::delete))
        .routes(routes!(sources::retry))
        .routes(routes!(sources::cancel))
        .routes(routes!(source_text::outline))
        .routes(routes!(source_text::text))
        .routes(routes!(source_text::passage))
        .routes(routes!(source_text::original))
        .routes(routes!(pictures::picture))
        .routes(routes!(pictures::regions))
        .routes(routes!(exports::conversation))
        .routes(routes!(exports::notebook))
        .routes(routes!(exports::import).layer(DefaultBodyLimit::disable()))
        .routes(routes!(exports::file))
        .routes(routes!(jobs::dead))
        .routes(routes!(jobs::get))
        .routes(routes!(jobs::cancel))
        .routes(routes!(jobs::retry))
        .routes(routes!(webhooks::list, webhooks::create))
        .routes(routes!(webhooks::get, webhooks::update, webhooks::delete))
        .routes(routes!(webhooks::reveal))
        .routes(routes!(webhooks::rotate))
        .routes(routes!(webhooks::test))
        .routes(routes!(webhooks::deliveries))
        .routes(routes!(webhooks::delivery))
        .routes(routes!(webhooks::replay))
        .routes(routes!(conversations::list, conversations::create))
        .routes(routes!(conversations::update, conversations::delete))
        .routes(routes!(conversations::messages))
        .routes(routes!(conversations::runs, runs::create))
        .routes(routes!(runs::get))
        .routes(routes!(runs::events))
        .routes(routes!(recordings::get))
        .routes(routes!(runs::stop))
        .routes(routes!(approvals::open))
        .routes(routes!(approvals::list))
        .routes(routes!(approvals::get, approvals::decide))
        .routes(routes!(tools::list))
        .routes(routes!(mcp_servers::list))
        .routes(routes!(event_source::ask))
        .routes(routes!(websocket::chat))
        .merge(facade::routes())
        .routes(routes!(usage::usage))
        .routes(routes!(guard_reports::list, guard_reports::create))
        .routes(routes!(guard_reports::delete))
        .routes(routes!(sign_in::mode))
        .routes(routes!(sign_in::register))
        .routes(routes!(sign_in::login))
        .routes(routes!(sign_in::refresh))
        .routes(routes!(sign_in::logout))
        .routes(routes!(sign_in::session))
        .routes(routes!(sign_in::switch))
        .routes(routes!(sign_in::accept))
        .routes(routes!(sign_in::keys))
        .routes(routes!(oidc::list))
        .routes(routes!(oidc::go, oidc::begin))
        .routes(routes!(oidc::callback))
        .routes(routes!(identities::list))
        .routes(routes!(identities::unlink))
        .routes(routes!(account::delete))
        .routes(routes!(password::change))
        .routes(routes!(password::forgot))
        .routes(routes!(password::reset))
        .routes(routes!(sessions::list, sessions::end_others))
        .routes(routes!(sessions::end))
        .routes(routes!(workspaces::list, workspaces::create))
        .routes(routes!(workspaces::rename))
        .routes(routes!(workspaces::delete))
        .routes(routes!(members::list))
        .routes(routes!(members::set_role, members::remove))
        .routes(routes!(members::invitations, members::invite))
        .routes(routes!(members::revoke))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::revoke))
        .routes(routes!(audit::list))
        .routes(routes!(audit::check))
        .routes(routes!(breakers::list, breakers::set))
        .routes(routes!(health::status))
        .layer(DefaultBodyLimit::max(app.limits.body_bytes))
        .layer(middleware::from_fn_with_state(app.reserve.clone(), reserve::for_deletions))
        .with_state(app)
        .split_for_parts()
}

/// The whole server: the interface, its description, health checks and the page, for whom the configuration says.
pub fn server(app: App) -> Router {
    let (api, description) = api(app.clone());
    let stall = Duration::from_secs(app.limits.body_stall_seconds.into());
    let others = cors::layer(&app.cors);
    let cookies = middleware::from_fn_with_state(app.clone(), cors::without_cookies);
    let router = Router::new()
        .merge(api)
        .merge(mcp::router(&app))
        .route("/openapi.json", get(move || std::future::ready(Json(description))))
        .fallback(assets::serve)
        .method_not_allowed_fallback(assets::other_method)
        .layer(middleware::from_fn(gate::refuse))
        .layer(middleware::from_fn_with_state(app.limiter.clone(), limit::limit))
        .layer(middleware::from_fn_with_state(app.clone(), gate::gate))
        .merge(health::router(app))
        .layer(CatchPanicLayer::custom(guard::panicked))
        .layer(RequestBodyTimeoutLayer::new(stall));
    let router = match others {
        Some(others) => router.layer(cookies).layer(others),
        None => router,
    };
    router
        .layer(middleware::from_fn(facade::problem::reshape))
        .layer(middleware::from_fn(guard::security_headers))
        .layer(middleware::from_fn(guard::request_id))
}
