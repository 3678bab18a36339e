//! G7: pages of other origins, over real requests.

use reqwest::{Method, Response, header};
use serde_json::{Value, json};

use crate::{
    common::{
        Server, Setup, folder,
        people::{PASSWORD, with_accounts},
    },
    notebook,
};

const APP: &str = "https://app.example";
const FOREIGN: [&str; 7] = [
    "null",
    "https://app.example.evil",
    "https://evil-app.example",
    "https://sub.app.example",
    "http://app.example",
    "https://app.example:8443",
    "http://localhost:3001",
];

fn start(folder: &std::path::Path, origins: &str, cookies: bool) -> Server {
    with_accounts(Setup::new(folder))
        .with("NOTEBOOK__SERVER__CORS__ORIGINS", origins)
        .with("NOTEBOOK__SERVER__CORS__COOKIES", cookies)
        .start()
}

async fn send(
    server: &Server,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&Value>,
) -> Response {
    let mut request = server.http.request(method, format!("{}{path}", server.url));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    match body {
        Some(body) => request.json(body),
        None => request,
    }
    .send()
    .await
    .unwrap()
}

fn text(response: &Response, name: &str) -> String {
    let all = response.headers().get_all(name).iter().map(|value| value.to_str().unwrap());
    all.collect::<Vec<_>>().join(", ").to_lowercase()
}

async fn preflight(server: &Server, origin: &str) -> Response {
    let asks = [
        ("origin", origin),
        ("access-control-request-method", "PATCH"),
        ("access-control-request-headers", "authorization,content-type"),
    ];
    send(server, Method::OPTIONS, "/api/notebooks", &asks, None).await
}

fn cookies(response: &Response) -> String {
    let lines = response.headers().get_all(header::SET_COOKIE).iter();
    let pairs = lines.map(|line| line.to_str().unwrap().split("; ").next().unwrap().to_owned());
    pairs.collect::<Vec<_>>().join("; ")
}

fn account() -> Value {
    json!({ "email": "ada@example.org", "name": "Ada", "password": PASSWORD })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g7_pages_of_named_origins_call_with_tokens_and_without_cookies() {
    let folder = folder();
    let server =
        start(folder.path(), "[\"https://app.example\", \"http://localhost:3000\"]", false);
    for origin in [APP, "http://localhost:3000"] {
        let told = preflight(&server, origin).await;
        assert_eq!(told.status(), 200);
        assert_eq!(text(&told, "access-control-allow-origin"), origin);
        assert_eq!(text(&told, "access-control-allow-credentials"), "");
        assert_eq!(text(&told, "access-control-max-age"), "600");
        assert!(text(&told, "access-control-allow-methods").contains("patch"));
        assert!(text(&told, "access-control-allow-headers").contains("authorization"));
        assert!(text(&told, "vary").contains("origin"));
    }
    for origin in FOREIGN {
        for told in [
            preflight(&server, origin).await,
            send(&server, Method::GET, "/api/auth", &[("origin", origin)], None).await,
        ] {
            assert_eq!(text(&told, "access-control-allow-origin"), "", "{origin}");
            assert_eq!(text(&told, "access-control-allow-credentials"), "", "{origin}");
            assert!(text(&told, "vary").contains("origin"), "{origin}");
        }
    }
    // Also what is said to nobody in particular must not be kept for them.
    assert!(text(&server.get("/api/auth").await, "vary").contains("origin"));

    let ours = [("origin", server.url.as_str()), ("sec-fetch-site", "same-origin")];
    let made = send(&server, Method::POST, "/api/auth/register", &ours, Some(&account())).await;
    assert_eq!(made.status(), 201);
    let jar = cookies(&made);

    // From the other origin: tokens are made and good, and every reply can be read.
    let from = [("origin", APP), ("sec-fetch-site", "cross-site")];
    let login = json!({ "email": "ada@example.org", "password": PASSWORD, "transport": "bearer" });
    let signed = send(&server, Method::POST, "/api/auth/login", &from, Some(&login)).await;
    assert_eq!(signed.status(), 200);
    assert_eq!(text(&signed, "access-control-allow-origin"), APP);
    let exposed = text(&signed, "access-control-expose-headers");
    for name in ["ratelimit", "ratelimit-policy", "etag", "location", "x-request-id", "retry-after"]
    {
        assert!(exposed.contains(name), "{name}: {exposed}");
    }
    let session: Value = signed.json().await.unwrap();
    let bearer = format!("Bearer {}", session["access_token"].as_str().unwrap());
    let with_token = [from[0], from[1], ("authorization", &bearer)];
    let made =
        send(&server, Method::POST, "/api/notebooks", &with_token, Some(&json!({ "name": "a" })))
            .await;
    assert_eq!(made.status(), 201);
    let refused = send(&server, Method::GET, "/api/notebooks", &from, None).await;
    assert_eq!(
        (refused.status().as_u16(), text(&refused, "access-control-allow-origin").as_str()),
        (401, APP)
    );

    // Cookies are neither used nor set, whatever a browser does.
    let with_cookie = [from[0], from[1], ("cookie", jar.as_str())];
    for (method, path) in [
        (Method::GET, "/api/notebooks"),
        (Method::POST, "/api/notebooks"),
        (Method::POST, "/api/auth/refresh"),
    ] {
        let body = json!({ "name": "b" });
        let body = (path == "/api/notebooks" && method == Method::POST).then_some(&body);
        let refused = send(&server, method, path, &with_cookie, body).await;
        assert_eq!(refused.status(), 401, "{path}");
        assert_eq!(cookies(&refused), "", "{path}");
    }
    let by_cookie = json!({ "email": "ada@example.org", "password": PASSWORD });
    let signed = send(&server, Method::POST, "/api/auth/login", &from, Some(&by_cookie)).await;
    assert_eq!(cookies(&signed), "", "nobody is signed in on our page by another");
    // Who is not named is refused as before.
    for origin in FOREIGN {
        let from = [("origin", origin), ("sec-fetch-site", "cross-site"), ("cookie", jar.as_str())];
        let refused = send(&server, Method::POST, "/api/auth/login", &from, Some(&login)).await;
        assert_eq!(refused.status(), 403, "{origin}");
        assert_eq!(send(&server, Method::GET, "/api/notebooks", &from, None).await.status(), 401);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g7_cookies_only_where_that_was_said_and_never_for_all() {
    let named = folder();
    let server = start(named.path(), "[\"https://app.example\"]", true);
    assert_eq!(text(&preflight(&server, APP).await, "access-control-allow-credentials"), "true");
    let from = [("origin", APP), ("sec-fetch-site", "same-site")];
    let made = send(&server, Method::POST, "/api/auth/register", &from, Some(&account())).await;
    assert_eq!(made.status(), 201);
    let jar = cookies(&made);
    let body = json!({ "name": "a" });
    let with_cookie = [from[0], from[1], ("cookie", jar.as_str())];
    let made = send(&server, Method::POST, "/api/notebooks", &with_cookie, Some(&body)).await;
    assert_eq!(made.status(), 201);
    for origin in FOREIGN {
        let from = [("origin", origin), ("cookie", jar.as_str())];
        let refused = send(&server, Method::POST, "/api/notebooks", &from, Some(&body)).await;
        assert_eq!(refused.status(), 401, "{origin}");
        assert_eq!(text(&refused, "access-control-allow-credentials"), "", "{origin}");
    }
    drop(server);

    let any = folder();
    let server = start(any.path(), "[\"*\"]", false);
    let told = preflight(&server, "https://whoever.example").await;
    assert_eq!(text(&told, "access-control-allow-origin"), "*");
    assert_eq!(text(&told, "access-control-allow-credentials"), "");
    let made = server.post("/api/auth/register", account()).await;
    let jar = cookies(&made);
    let from = [("origin", "null"), ("cookie", jar.as_str())];
    assert_eq!(send(&server, Method::GET, "/api/notebooks", &from, None).await.status(), 401);
    drop(server);

    let both = [
        ("NOTEBOOK__AUTH__MODE", "accounts"),
        ("NOTEBOOK__SERVER__CORS__ORIGINS", "[\"*\"]"),
        ("NOTEBOOK__SERVER__CORS__COOKIES", "true"),
    ];
    let (started, said) = notebook(any.path(), &["serve", "--port", "0"], &both);
    assert!(!started && said.contains("server.cors.cookies cannot go together"), "{said}");
    let alone = [("NOTEBOOK__SERVER__CORS__ORIGINS", "[\"https://app.example\"]")];
    let (started, said) = notebook(any.path(), &["serve", "--port", "0"], &alone);
    assert!(
        !started && said.contains("server.cors.origins is for servers with accounts"),
        "{said}"
    );
}
