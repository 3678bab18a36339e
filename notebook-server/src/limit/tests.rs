use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Method, StatusCode, header},
    middleware,
    routing::{any, get},
};
use notebook_core::{ApiKeyId, TenantScope, UserId, identity::Role};
use serde_json::Value;
use tower::ServiceExt as _;

use super::*;
use crate::config::Config;

/// An hour gives so little that nothing comes back during a test.
fn config(toml: &str) -> Config {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), toml).unwrap();
    crate::config::load(Some(file.path())).unwrap()
}

#[allow(clippy::disallowed_methods, reason = "a test acts for tenants of its own")]
fn principal(user: UserId, tenant: TenantId, key: Option<ApiKeyId>) -> Principal {
    Principal {
        user,
        scope: TenantScope::authenticated(tenant),
        role: Role::Analyst,
        session: None,
        key: key.map(|id| (id, Vec::new())),
        expires_at: None,
    }
}

struct House {
    router: Router,
}

struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl Reply {
    /// What is left, without when there is more: a machine may take its time.
    fn left(&self) -> String {
        let of = |item: &str| item.split(";t=").next().unwrap_or_default().to_owned();
        self.header("ratelimit").split(", ").map(of).collect::<Vec<_>>().join(", ")
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl House {
    fn new(toml: &str) -> Self {
        let limiter = Arc::new(Limiter::of(&config(toml), None).unwrap());
        let router = Router::new()
            .route("/api/conversations/{id}/runs", any(|| async { StatusCode::CREATED }))
            .route("/api/notebooks", get(|| async { "" }))
            .fallback(|| async { "the page" })
            .layer(middleware::from_fn_with_state(Some(limiter), limit));
        Self { router }
    }

    async fn send(&self, method: Method, path: &str, from: &str, who: Option<&Principal>) -> Reply {
        let mut request = Request::new(Body::empty());
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().unwrap();
        let peer: std::net::SocketAddr = format!("{from}:4711").parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(peer));
        if let Some(who) = who {
            request.extensions_mut().insert(who.clone());
        }
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        let body = serde_json::from_slice(&bytes).unwrap_or_default();
        Reply { status: parts.status, headers: parts.headers, body }
    }

    async fn ask(&self, from: &str, who: Option<&Principal>) -> Reply {
        self.send(Method::POST, "/api/conversations/x/runs", from, who).await
    }
}

#[tokio::test]
async fn g6_strangers_are_limited_by_address_and_told_so() {
    let house = House::new("[rate_limits]\nanonymous.ask = { quota = 3, seconds = 3600 }\n");
    for left in [2, 1, 0] {
        let reply = house.ask("192.0.2.1", None).await;
        assert_eq!(reply.status, StatusCode::CREATED);
        assert_eq!(reply.header("ratelimit-policy"), "\"ask\";q=3;w=3600");
        assert_eq!(reply.left(), format!("\"ask\";r={left}"));
    }
    let refused = house.ask("192.0.2.1", None).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.header("content-type"), "application/problem+json");
    assert_eq!(refused.left(), "\"ask\";r=0");
    let wait: u64 = refused.header(header::RETRY_AFTER.as_str()).parse().unwrap();
    assert!((1..=1_200).contains(&wait), "{wait}");
    assert_eq!(refused.header("ratelimit"), format!("\"ask\";r=0;t={wait}"));
    assert_eq!(refused.body["code"], "rate_limited");
    let detail = refused.body["detail"].as_str().unwrap();
    assert!(detail.contains(&format!("wait {wait} s: the limit ask is 3 in 3600 s")), "{detail}");
    assert_eq!(house.ask("192.0.2.2", None).await.status, StatusCode::CREATED);
    // Reading goes on, and the page is not counted.
    let read = house.send(Method::GET, "/api/notebooks", "192.0.2.1", None).await;
    assert_eq!((read.status, &*read.left()), (StatusCode::OK, "\"read\";r=299"));
    let page = house.send(Method::GET, "/assets/x.js", "192.0.2.1", None).await;
    assert_eq!((page.status, page.header("ratelimit")), (StatusCode::OK, ""));
}

#[tokio::test]
async fn g6_users_and_keys_have_limits_of_their_own_and_their_workspace_has_one() {
    let (team, vip) = (TenantId::new(), TenantId::new());
    let house = House::new(&format!(
        "[rate_limits]\nuser.ask = {{ quota = 2, seconds = 3600 }}\ntier = \"small\"\n\
         tiers.small.ask = {{ quota = 5, seconds = 7200, burst = 3 }}\n\
         workspaces.{vip} = \"enterprise\"\n"
    ));
    let (ada, bob) = (UserId::new(), UserId::new());
    let people = [
        principal(ada, team, None),
        principal(ada, team, Some(ApiKeyId::new())),
        principal(bob, team, None),
    ];
    let first = house.ask("192.0.2.1", Some(&people[0])).await;
    let policy = "\"ask\";q=2;w=3600, \"ask-workspace\";q=5;w=7200;notebook-burst=3";
    assert_eq!(first.header("ratelimit-policy"), policy);
    assert_eq!(first.left(), "\"ask\";r=1, \"ask-workspace\";r=2");
    assert_eq!(house.ask("192.0.2.2", Some(&people[0])).await.status, StatusCode::CREATED);
    // Who is above their own limit does not use up the workspace's.
    for _ in 0..5 {
        let refused = house.ask("192.0.2.1", Some(&people[0])).await;
        assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(refused.left(), "\"ask\";r=0");
    }
    assert_eq!(house.ask("192.0.2.1", Some(&people[1])).await.status, StatusCode::CREATED);
    let refused = house.ask("192.0.2.1", Some(&people[2])).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.left(), "\"ask\";r=1, \"ask-workspace\";r=0");
    assert!(refused.body["detail"].as_str().unwrap().contains("ask-workspace is 5 in 7200 s"));
    // Another workspace, of another tier.
    let elsewhere = house.ask("192.0.2.1", Some(&principal(bob, vip, None))).await;
    assert_eq!(elsewhere.left(), "\"ask\";r=0, \"ask-workspace\";r=9999");
    assert_eq!(elsewhere.status, StatusCode::CREATED);
    // Strangers from the same address have limits of their own.
    assert_eq!(house.ask("192.0.2.1", None).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn g6_a_connection_counts_what_is_said_in_it() {
    let toml = "[rate_limits]\nanonymous.ask = { quota = 2, seconds = 3600 }\n";
    let limiter = Arc::new(Limiter::of(&config(toml), None).unwrap());
    let meter = Meter { limiter, who: Who::Stranger([192, 0, 2, 1].into()) };
    meter.take(Class::Ask).await.unwrap();
    meter.take(Class::Ask).await.unwrap();
    let error = meter.take(Class::Ask).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RateLimited);
    assert!(matches!(error.retry_status(), Retry::After(wait) if wait.as_secs() > 0));
    meter.take(Class::Write).await.unwrap();
}
