//! Pages of other origins: what browsers are told of them, and that they have no cookies unless that was said.

use std::time::Duration;

use axum::{
    extract::{Request, State},
    http::{HeaderName, HeaderValue, Method, header},
    middleware::Next,
    response::Response,
};
use tower_http::cors::{AllowCredentials, AllowOrigin, CorsLayer};

use crate::{
    access::{Access, origin::Origin},
    app::App,
    config::Cors,
};

/// What browsers are told; none where no other origin may call.
pub(crate) fn layer(config: &Cors) -> Option<CorsLayer> {
    if config.origins.is_empty() {
        return None;
    }
    let origins = match config.is_any() {
        true => AllowOrigin::any(),
        false => AllowOrigin::list(
            config.origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()),
        ),
    };
    // To those alone that may: others are told nothing.
    let with_cookies =
        if config.cookies && !config.is_any() { config.origins.clone() } else { Vec::new() };
    let credentials = AllowCredentials::predicate(move |origin, _| {
        with_cookies.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes())
    });
    let name = HeaderName::from_static;
    let layer = CorsLayer::new()
        .allow_origin(origins)
        .allow_credentials(credentials)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([
            header::ACCEPT,
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::RANGE,
            name("idempotency-key"),
            name("last-event-id"),
        ])
        .expose_headers([
            header::CONTENT_DISPOSITION,
            header::DATE,
            header::ETAG,
            header::LOCATION,
            header::RETRY_AFTER,
            header::WWW_AUTHENTICATE,
            name("ratelimit"),
            name("ratelimit-policy"),
            name("x-request-id"),
        ])
        .max_age(Duration::from_secs(config.max_age_seconds.into()));
    Some(layer)
}

/// Takes the cookies from requests of origins that are allowed, and allowed to use none; and from their replies, so that
/// they sign nobody in on our own page either.
pub(crate) async fn without_cookies(
    State(app): State<App>,
    mut request: Request,
    next: Next,
) -> Response {
    let Access::Accounts(accounts) = &app.access else { return next.run(request).await };
    let origins = &accounts.origins;
    if origins.share_cookies() || origins.of(request.headers()) != Origin::Allowed {
        return next.run(request).await;
    }
    request.headers_mut().remove(header::COOKIE);
    let mut response = next.run(request).await;
    response.headers_mut().remove(header::SET_COOKIE);
    response
}
