//! Accounts over HTTP: signing in and staying signed in, who may do what, and what ends with a session.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::{
    io::Write as _,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use common::{
    PATIENCE, Server, Setup, folder,
    people::{PASSWORD, Person, with_accounts},
};
use futures::{StreamExt as _, future::join_all};
use reqwest::{Method, Response, header};
use serde_json::{Value, json};

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

/// The cookies that a reply sets: name, value and the rest of the line.
fn cookies(response: &Response) -> Vec<(String, String, String)> {
    let lines = response.headers().get_all(header::SET_COOKIE).iter();
    lines
        .map(|line| {
            let line = line.to_str().unwrap();
            let (pair, rest) = line.split_once("; ").unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            (name.to_owned(), value.to_owned(), rest.to_owned())
        })
        .collect()
}

fn jar(cookies: &[(String, String, String)]) -> String {
    let pairs: Vec<_> = cookies.iter().map(|(name, value, _)| format!("{name}={value}")).collect();
    pairs.join("; ")
}

/// As our own page sends it.
async fn from_page(
    server: &Server,
    method: Method,
    path: &str,
    jar: &str,
    body: Option<Value>,
) -> Response {
    let mut request = server
        .http
        .request(method, format!("{}{path}", server.url))
        .header("sec-fetch-site", "same-origin")
        .header("origin", &server.url)
        .header("cookie", jar);
    if let Some(body) = body {
        request = request.json(&body);
    }
    request.send().await.unwrap()
}

/// G1, G2: what a browser does, with cookies that no script can read. R36: no cache on the way may keep a reply with one.
#[tokio::test]
async fn g1_g2_a_browser_signs_in_stays_and_signs_out() {
    let folder = folder();
    let server = with_accounts(Setup::new(folder.path())).start();
    let mode = server.json("/api/auth").await;
    assert_eq!(mode, json!({ "mode": "accounts", "registration": "open" }));
    assert_eq!(server.get("/api/notebooks").await.status(), 401);
    assert_eq!(server.get("/api/notebooks").await.headers()["www-authenticate"], "Bearer");
    assert_eq!(server.get("/").await.status(), 200, "the page itself is for everyone");

    let new = json!({ "email": "Ada@Example.org", "name": "Ada", "password": PASSWORD });
    let made = from_page(&server, Method::POST, "/api/auth/register", "", Some(new.clone())).await;
    assert_eq!(made.status(), 201);
    assert_eq!(made.headers()["cache-control"], "no-store");
    let set = cookies(&made);
    let body = made.text().await.unwrap();
    assert!(!body.contains("token"), "no token where a script could read it: {body}");
    assert_eq!(set.len(), 2);
    for (name, value, rest) in &set {
        assert!(!body.contains(value));
        for part in ["HttpOnly", "Secure", "SameSite=Strict", "Max-Age="] {
            assert!(rest.contains(part), "{name}: {rest}");
        }
        assert!(!rest.contains("Domain"), "{rest}");
    }
    assert!(set[0].0.starts_with("__Host-") && set[0].2.contains("Path=/;"), "{:?}", set[0]);
    assert!(
        set[1].0.starts_with("__Secure-") && set[1].2.contains("Path=/api/auth;"),
        "{:?}",
        set[1]
    );
    let again = server.post("/api/auth/register", new).await;
    assert_eq!(again.status(), 409);

    let jar = jar(&set);
    let session = from_page(&server, Method::GET, "/api/auth/session", &jar, None).await;
    let session: Value = session.json().await.unwrap();
    assert_eq!(session["user"]["email"], "ada@example.org");
    // A page that was loaded anew has to know when to renew it.
    let (ends, last) = (session["expires_at"].as_i64(), session["session_ends_at"].as_i64());
    assert!(ends.is_some() && ends < last, "{session}");
    assert_eq!(
        (&session["workspace"]["kind"], &session["workspace"]["role"]),
        (&json!("personal"), &json!("admin"))
    );
    let made =
        from_page(&server, Method::POST, "/api/notebooks", &jar, Some(json!({ "name": "a" })))
            .await;
    assert_eq!(made.status(), 201);

    let refreshed = from_page(&server, Method::POST, "/api/auth/refresh", &jar, None).await;
    assert_eq!(refreshed.status(), 200);
    assert_eq!(refreshed.headers()["cache-control"], "no-store");
    // R46: so soon after it was made the same token is given again.
    assert_eq!(cookies(&refreshed)[1].1, set[1].1);

    let out = from_page(&server, Method::POST, "/api/auth/logout", &jar, None).await;
    assert_eq!(out.status(), 204);
    assert!(
        cookies(&out).iter().all(|(_, value, rest)| value.is_empty() && rest.contains("Max-Age=0"))
    );
    assert_eq!(from_page(&server, Method::GET, "/api/notebooks", &jar, None).await.status(), 401);
    let late = from_page(&server, Method::POST, "/api/auth/refresh", &jar, None).await;
    assert_eq!(late.status(), 401);
    assert!(cookies(&late).is_empty(), "R33: another tab may just have signed in");
    assert_eq!(
        from_page(&server, Method::POST, "/api/auth/logout", &jar, None).await.status(),
        204,
        "X12"
    );
}

/// R31, R32, S55: a page of another origin does nothing with our cookies, by whatever form.
#[tokio::test]
async fn r31_r32_s55_other_origins_do_nothing_by_cookie() {
    let folder = folder();
    let server = with_accounts(Setup::new(folder.path())).start();
    let body = json!({ "email": "ada@example.org", "name": "Ada", "password": PASSWORD });
    let made = from_page(&server, Method::POST, "/api/auth/register", "", Some(body)).await;
    let jar = jar(&cookies(&made));
    let send = async |method: Method, path: &str, headers: &[(&str, &str)], body: &str| {
        let mut request = server
            .http
            .request(method, format!("{}{path}", server.url))
            .header("cookie", &jar)
            .body(body.to_owned());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap().status().as_u16()
    };
    let json_body = ("content-type", "application/json");
    for foreign in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("sec-fetch-site", "none"),
    ] {
        for path in ["/api/auth/refresh", "/api/auth/logout"] {
            assert_eq!(send(Method::POST, path, &[foreign], "").await, 403, "{path} {foreign:?}");
        }
        let refused = send(Method::POST, "/api/notebooks", &[foreign, json_body], "{}").await;
        assert_eq!(refused, 401, "{foreign:?}: the cookie does not count");
    }
    // Nothing is said about where it comes from: no browser of today.
    assert_eq!(send(Method::POST, "/api/notebooks", &[json_body], "{}").await, 401);
    assert_eq!(send(Method::POST, "/api/auth/refresh", &[], "").await, 403);
    let ours = ("sec-fetch-site", "same-origin");
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
        let status =
            send(Method::POST, "/api/auth/refresh", &[ours, ("content-type", kind)], "a=b").await;
        assert_eq!(status, 415, "{kind}");
    }
    let get = Method::GET;
    assert_eq!(
        send(get.clone(), "/api/notebooks", &[("sec-fetch-site", "cross-site")], "").await,
        401
    );
    // Asking by `EventSource` is a GET that begins an answer.
    let ask = "/api/projects/00000000-0000-7000-8000-000000000000/messages/stream?content=a";
    assert_eq!(send(get.clone(), ask, &[("sec-fetch-site", "none")], "").await, 403);
    assert_eq!(send(get, ask, &[ours], "").await, 404);
    assert_eq!(
        from_page(&server, Method::GET, "/api/auth/session", &jar, None).await.status(),
        200,
        "nothing has happened"
    );
}

/// R2 over HTTP, with the default limit: one rotation for all tabs, and nobody is signed out.
#[tokio::test]
async fn r2_many_refreshes_at_once_are_one() {
    let folder = folder();
    let server = with_accounts(Setup::new(folder.path())).start();
    let ada = Person::register(&server, "ada").await;
    let tries =
        (0..40).map(|_| server.post("/api/auth/refresh", json!({ "refresh_token": ada.refresh })));
    let mut tokens = Vec::new();
    for response in join_all(tries).await {
        assert_eq!(response.status(), 200);
        tokens.push(text(&response.json::<Value>().await.unwrap()["refresh_token"]));
    }
    tokens.dedup();
    assert_eq!(tokens.len(), 1);
    assert_eq!(ada.get("/api/notebooks").await.status(), 200);
    for bad in ["", "nonsense", "nbr_AAAA", &ada.refresh[..ada.refresh.len() - 1]] {
        let refused = server.post("/api/auth/refresh", json!({ "refresh_token": bad })).await;
        assert_eq!(refused.status(), 401, "{bad}");
    }
}

/// S54: a stream ends when its session does: at once where it was ended, and soon where another process ended it.
#[tokio::test]
async fn s54_streams_end_with_their_session() {
    let folder = folder();
    let server = with_accounts(Setup::new(folder.path())).start();
    let ada = Person::register(&server, "ada").await;
    let other = Person::sign_in(&server, "ada").await;
    let notebook = text(&ada.made("/api/notebooks", json!({ "name": "a" })).await["id"]);
    let watch = async |person: &Person| {
        let response = person.get(&format!("/api/notebooks/{notebook}/events")).await;
        assert_eq!(response.status(), 200);
        response.bytes_stream()
    };
    let ended = async |mut stream: std::pin::Pin<
        Box<dyn futures::Stream<Item = reqwest::Result<bytes::Bytes>> + Send>,
    >| {
        let since = Instant::now();
        let all = async { while stream.next().await.is_some_and(|piece| piece.is_ok()) {} };
        tokio::time::timeout(PATIENCE, all).await.expect("the stream ends");
        since.elapsed()
    };
    let (own, of_other) = (Box::pin(watch(&ada).await), Box::pin(watch(&other).await));
    assert_eq!(other.post("/api/auth/logout", json!({})).await.status(), 204);
    ended(of_other).await;
    assert_eq!(other.get("/api/notebooks").await.status(), 401);
    // By the console, in a process of its own.
    let mut own = own;
    assert!(
        tokio::time::timeout(Duration::from_millis(300), async {
            while own.next().await.is_some() {}
        })
        .await
        .is_err(),
        "the other goes on"
    );
    let said = command(folder.path(), &["user", "sign-out", "ada@example.org"], "");
    assert!(said.contains("1 sessions"), "{said}");
    ended(own).await;
    let deadline = Instant::now() + PATIENCE;
    while ada.get("/api/notebooks").await.status() != 401 {
        assert!(Instant::now() < deadline, "an ended session's token stays good");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Runs the binary as an operator at the console; what it says.
fn command(folder: &std::path::Path, arguments: &[&str], input: &str) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_notebook"))
        .args(arguments)
        .arg("--data-dir")
        .arg(folder)
        .env("NOTEBOOK__AUTH__MODE", "accounts")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

/// G1: accounts from the console beside a running server; a reset ends all sessions; the log of it holds.
#[tokio::test]
async fn g1_g8_accounts_from_the_console() {
    let folder = folder();
    let server = with_accounts(Setup::new(folder.path()))
        .with("NOTEBOOK__AUTH__REGISTRATION", "closed")
        .start();
    let refused = server
        .post(
            "/api/auth/register",
            json!({ "email": "a@example.org", "name": "a", "password": PASSWORD }),
        )
        .await;
    assert_eq!(refused.status(), 403);
    command(
        folder.path(),
        &["user", "add", "ada@example.org", "--name", "Ada"],
        &format!("{PASSWORD}\n"),
    );
    let ada = Person::sign_in(&server, "ada").await;
    assert_eq!(ada.session["user"]["name"], "Ada");
    let link = command(folder.path(), &["user", "reset", "ada@example.org"], "");
    let token = link.trim().split("#reset=").nth(1).unwrap();
    let new = json!({ "token": token, "password": "another long password" });
    assert_eq!(server.post("/api/auth/password/reset", new.clone()).await.status(), 204);
    assert_eq!(server.post("/api/auth/password/reset", new).await.status(), 404, "once only");
    let deadline = Instant::now() + PATIENCE;
    while ada.get("/api/notebooks").await.status() != 401 {
        assert!(Instant::now() < deadline);
    }
    let old = json!({ "email": "ada@example.org", "password": PASSWORD });
    assert_eq!(server.post("/api/auth/login", old).await.status(), 401);
    let listed = command(folder.path(), &["user", "list"], "");
    assert!(listed.contains("active    ada@example.org  Ada"), "{listed}");
    command(folder.path(), &["user", "disable", "ada@example.org"], "");
    let login = json!({ "email": "ada@example.org", "password": "another long password" });
    assert_eq!(server.post("/api/auth/login", login.clone()).await.status(), 401);
    command(folder.path(), &["user", "enable", "ada@example.org"], "");
    assert_eq!(server.post("/api/auth/login", login).await.status(), 200);
    let verified = command(folder.path(), &["audit", "verify"], "");
    assert!(verified.lines().all(|line| line.starts_with('✓')), "{verified}");
    assert!(verified.lines().count() >= 3, "{verified}");
}

/// G3: each role may what the table says, and nobody more; T15, R44: a role that is taken is gone within seconds.
#[tokio::test]
async fn g3_t15_roles_and_invitations() {
    let folder = folder();
    let server = with_accounts(Setup::new(folder.path())).start();
    let ada = Person::register(&server, "ada").await;
    let team = text(&ada.made("/api/workspaces", json!({ "name": "Herons" })).await["id"]);
    let switched =
        ada.made("/api/auth/workspace", json!({ "workspace": team, "transport": "bearer" })).await;
    // T14: the token of before is good no more.
    assert_eq!(ada.get("/api/notebooks").await.status(), 401);
    let ada = Person { access: text(&switched["access_token"]), ..ada };
    let notebook = text(&ada.made("/api/notebooks", json!({ "name": "shared" })).await["id"]);
    let invite = json!({ "email": "bob@example.org", "role": "viewer" });
    let invitation = ada.made("/api/invitations", invite).await;
    let token = text(&invitation["token"]);

    // T16: only who has the address can accept it.
    let eve = Person::register(&server, "eve").await;
    let accept = json!({ "token": token });
    assert_eq!(eve.post("/api/auth/invitation", accept).await.status(), 404);
    let new = json!({ "email": "bob@example.org", "name": "bob", "password": PASSWORD,
        "transport": "bearer", "invitation": token });
    let bob = server.post("/api/auth/register", new).await;
    assert_eq!(bob.status(), 201);
    let bob = Person::of(&server, bob.json().await.unwrap());
    assert_eq!(bob.session["workspace"]["id"], team.as_str());
    assert_eq!(bob.session["workspace"]["role"], "viewer");

    let may = async |person: &Person| {
        let mut may = Vec::new();
        for (name, method, path, body) in [
            ("read", Method::GET, format!("/api/notebooks/{notebook}"), json!(null)),
            ("ask", Method::POST, format!("/api/notebooks/{notebook}/conversations"), json!({})),
            ("export", Method::POST, format!("/api/notebooks/{notebook}/exports"), json!({})),
            ("write", Method::PATCH, format!("/api/notebooks/{notebook}"), json!({ "name": "b" })),
            (
                "source",
                Method::POST,
                format!("/api/notebooks/{notebook}/sources/text"),
                json!({ "name": "a.md", "text": "a" }),
            ),
            ("usage", Method::GET, "/api/usage".into(), json!(null)),
            ("audit", Method::GET, "/api/audit".into(), json!(null)),
            ("hooks", Method::GET, "/api/webhooks".into(), json!(null)),
            ("invite", Method::GET, "/api/invitations".into(), json!(null)),
        ] {
            let response = person.request(method, &path).json(&body).send().await.unwrap();
            let status = response.status().as_u16();
            if status == 403 {
                let problem: Value = response.json().await.unwrap();
                assert!(text(&problem["detail"]).contains("permission"), "{problem}");
            } else {
                assert!((200..300).contains(&status), "{name}: {status}");
                may.push(name);
            }
        }
        may
    };
    let user = text(&bob.session["user"]["id"]);
    let mut bob = bob;
    for (role, allowed) in [
        ("viewer", vec!["read"]),
        ("analyst", vec!["read", "ask", "export"]),
        ("data_scientist", vec!["read", "ask", "export", "write", "source", "usage"]),
        (
            "admin",
            vec!["read", "ask", "export", "write", "source", "usage", "audit", "hooks", "invite"],
        ),
        ("viewer", vec!["read"]),
    ] {
        let set = ada
            .request(Method::PUT, &format!("/api/members/{user}"))
            .json(&json!({ "role": role }));
        assert_eq!(set.send().await.unwrap().status(), 204, "{role}");
        let again = server.post("/api/auth/refresh", json!({ "refresh_token": bob.refresh })).await;
        bob = Person::of(&server, again.json().await.unwrap());
        assert_eq!(may(&bob).await, allowed, "{role}");
    }
    let above =
        bob.request(Method::PUT, &format!("/api/members/{user}")).json(&json!({ "role": "admin" }));
    assert_eq!(above.send().await.unwrap().status(), 403);
    // A key may no more than it was made for, and its maker may.
    let key = ada.made("/api/keys", json!({ "name": "reader", "scopes": ["notebook.read"] })).await;
    let key = Person { access: text(&key["secret"]), ..ada.clone() };
    assert_eq!(may(&key).await, ["read"]);
    assert_eq!(key.get("/api/auth/sessions").await.status(), 403, "a key is nobody who signed in");
    let keys = ada.json("/api/keys").await;
    let id = text(&keys["items"][0]["id"]);
    assert_eq!(
        ada.request(Method::DELETE, &format!("/api/keys/{id}")).send().await.unwrap().status(),
        204
    );
    assert_eq!(key.get(&format!("/api/notebooks/{notebook}")).await.status(), 401);

    let gone = ada.request(Method::DELETE, &format!("/api/members/{user}")).send().await.unwrap();
    assert_eq!(gone.status(), 204);
    assert_eq!(bob.get(&format!("/api/notebooks/{notebook}")).await.status(), 401);
    let log = ada.json("/api/audit").await.to_string();
    for action in [
        "invitation.created",
        "invitation.accepted",
        "role.changed",
        "member.removed",
        "audit.read",
    ] {
        assert!(log.contains(action), "{action}: {log}");
    }
}

/// G1: a changed password ends all other sessions, and the old one is good no more.
#[tokio::test]
async fn g1_a_changed_password_ends_other_sessions() {
    let folder = folder();
    let server = with_accounts(Setup::new(folder.path())).start();
    let ada = Person::register(&server, "ada").await;
    let other = Person::sign_in(&server, "ada").await;
    assert_eq!(ada.json("/api/auth/sessions").await["items"].as_array().unwrap().len(), 2);
    let wrong = json!({ "old": "not it at all", "new": "another long password" });
    assert!(matches!(ada.post("/api/auth/password", wrong).await.status().as_u16(), 401 | 422));
    let right = json!({ "old": PASSWORD, "new": "another long password", "transport": "bearer" });
    let changed = ada.made("/api/auth/password", right).await;
    let ada = Person { access: text(&changed["access_token"]), ..ada };
    assert_eq!(ada.get("/api/notebooks").await.status(), 200);
    assert_eq!(other.get("/api/notebooks").await.status(), 401);
    let late = server.post("/api/auth/refresh", json!({ "refresh_token": other.refresh })).await;
    assert_eq!(late.status(), 401);
}

/// R20, G2: kill -9 signs nobody out, and what is signed is good in the next process.
#[tokio::test]
async fn r20_a_restart_signs_nobody_out() {
    let folder = folder();
    let setup = with_accounts(Setup::new(folder.path()));
    let server = setup.start();
    let ada = Person::register(&server, "ada").await;
    let id = text(&ada.made("/api/notebooks", json!({ "name": "a" })).await["id"]);
    server.kill();
    let server = setup.start();
    let ada = Person { url: server.url.clone(), ..ada };
    assert_eq!(ada.json(&format!("/api/notebooks/{id}")).await["name"], "a");
    let refreshed = server.post("/api/auth/refresh", json!({ "refresh_token": ada.refresh })).await;
    assert_eq!(refreshed.status(), 200);
    assert_eq!(refreshed.headers()["cache-control"], "no-store", "R36: with tokens in the reply");
}

/// R39: no token in the log, whatever is asked for.
#[tokio::test]
async fn r39_no_token_is_logged() {
    let folder = folder();
    let log = folder.path().join("log");
    let server = with_accounts(Setup::new(&folder.path().join("data")))
        .with("RUST_LOG", "trace")
        .logging_to(log.clone())
        .start();
    let ada = Person::register(&server, "ada").await;
    let refreshed = server.post("/api/auth/refresh", json!({ "refresh_token": ada.refresh })).await;
    let refreshed = Person::of(&server, refreshed.json().await.unwrap());
    let key = ada.made("/api/keys", json!({ "name": "a", "scopes": ["notebook.read"] })).await;
    let key = text(&key["secret"]);
    let by_key = Person { access: key.clone(), ..ada.clone() };
    assert_eq!(by_key.get("/api/notebooks").await.status(), 200);
    let wrong = json!({ "email": "ada@example.org", "password": "never-to-be-logged" });
    assert_eq!(server.post("/api/auth/login", wrong).await.status(), 401);
    assert!(server.terminate().success());
    let said = std::fs::read_to_string(log).unwrap();
    assert!(!said.is_empty(), "it logs");
    for secret in
        [&*ada.access, &ada.refresh, &refreshed.access, &key, PASSWORD, "never-to-be-logged"]
    {
        assert!(!said.contains(secret));
    }
}
