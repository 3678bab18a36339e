//! Rate limits, seen from outside: by real servers, one and two, with their database taken away.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../../notebook-core/tests/support/postgres.rs"]
mod cluster;
mod common;

use std::time::Duration;

use cluster::Cluster;
use common::{
    PATIENCE, Server, Setup, folder,
    people::{Person, with_accounts},
};
use futures::{SinkExt as _, StreamExt as _, future::join_all};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

/// Limits of which nothing comes back during a test.
fn limited(setup: Setup, class: &str, quota: u32) -> Setup {
    let name = |field: &str| format!("NOTEBOOK__RATE_LIMITS__USER__{class}__{field}");
    setup
        .with("NOTEBOOK__RATE_LIMITS__ENABLED", true)
        .with(&name("QUOTA"), quota)
        .with(&name("SECONDS"), 86_400)
}

/// The status, and what is left, without when there is more: a machine may take its time.
async fn status(server: &Server) -> (u16, String) {
    let reply = server.get("/api/notebooks").await;
    let limit = reply.headers().get("ratelimit").map_or("", |value| value.to_str().unwrap());
    let left = limit.split(";t=").next().unwrap();
    (reply.status().as_u16(), left.to_owned())
}

/// G6: refused with what a client needs to know; health and the page are not counted. Without the setting there are
/// no limits in single-user mode.
#[tokio::test]
async fn g6_a_client_that_asks_too_often_is_told_when_to_come_back() {
    let folder = folder();
    let server = limited(Setup::new(folder.path()), "READ", 3).start();
    for left in [2, 1, 0] {
        assert_eq!(status(&server).await, (200, format!("\"read\";r={left}")));
    }
    let refused = server.get("/api/notebooks").await;
    assert_eq!(refused.status(), 429);
    let header = |name: &str| refused.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("ratelimit-policy"), "\"read\";q=3;w=86400");
    let wait: u64 = header("retry-after").parse().unwrap();
    assert!((1..=28_800).contains(&wait), "{wait}");
    assert_eq!(header("content-type"), "application/problem+json");
    let id = header("x-request-id");
    let body: Value = refused.json().await.unwrap();
    assert_eq!(body["code"], "rate_limited");
    assert_eq!(body["request_id"], id.as_str());
    for path in ["/live", "/ready", "/", "/openapi.json"] {
        let reply = server.get(path).await;
        assert_eq!(reply.status(), 200, "{path}");
        assert!(!reply.headers().contains_key("ratelimit"), "{path}");
    }
    server.terminate();
    let server = Setup::new(folder.path()).start();
    for _ in 0..5 {
        assert_eq!(status(&server).await, (200, String::new()));
    }
}

/// G6, E4: a question is a question, by whichever way it comes; resuming is none.
#[tokio::test]
async fn g6_questions_count_by_every_way() {
    let folder = folder();
    let server = limited(Setup::new(folder.path()), "ASK", 3).start();
    let notebook = server.notebook().await;
    let conversation = server.conversation(notebook).await;
    let run = server.ask(conversation, "Who wrote it?").await;
    server.events(&run, 0).await;
    let stream = format!("/api/projects/{notebook}/messages/stream?content=Who");
    let reply = server.get(&stream).await;
    assert_eq!(reply.status(), 200);
    reply.bytes().await.unwrap();
    let url = server.url.replace("http", "ws") + &format!("/ws/chat/{conversation}");
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    for expected in ["task_queued", "rate_limited"] {
        let ask = json!({ "type": "ask", "question": "Who wrote it?" });
        socket.send(Message::text(ask.to_string())).await.unwrap();
        let heard = async {
            loop {
                let text = socket.next().await.unwrap().unwrap().into_text().unwrap();
                let said: Value = serde_json::from_str(&text).unwrap();
                if said["type"] == expected || said["code"] == expected {
                    break;
                }
                assert!(said["run"].is_string(), "{said}");
            }
        };
        tokio::time::timeout(PATIENCE, heard).await.expect("it is answered");
    }
    assert_eq!(server.get(&stream).await.status(), 429);
    let again = server.http.get(format!("{}{stream}", server.url));
    let again = again.header("last-event-id", format!("{}:1", run.id)).send().await.unwrap();
    assert_eq!(again.status(), 200, "who comes back asks nothing");
    let path = format!("/api/conversations/{conversation}/runs");
    assert_eq!(server.post(&path, json!({ "question": "Who?" })).await.status(), 429);
}

/// G6, I3: two servers that share PostgreSQL have one limit; 200 requests at once meet it exactly. Without the database
/// each has the limit for itself, says that it is degraded, and they count together again when it is back.
#[tokio::test(flavor = "multi_thread")]
async fn g6_servers_share_a_limit() {
    let (mut cluster, blobs) = (Cluster::start(), folder());
    let folders = [folder(), folder()];
    let servers = folders.each_ref().map(|folder| {
        let setup = Setup::new(folder.path())
            .with("NOTEBOOK__STORAGE__POSTGRES", cluster.url())
            .with("NOTEBOOK__STORAGE__BLOBS", blobs.path().display())
            // A slow machine is no database that is gone.
            .with("NOTEBOOK__RATE_LIMITS__PATIENCE_MILLIS", 10_000);
        limited(setup, "READ", 50).start()
    });
    let found = join_all((0..200).map(|i| status(&servers[i % 2]))).await;
    assert_eq!(found.iter().filter(|(status, _)| *status == 200).count(), 50);
    assert!(found.iter().all(|(status, _)| [200, 429].contains(status)));
    let check = async |server: &Server| {
        let ready: Value = server.get("/ready").await.json().await.unwrap();
        ready["checks"]["rate_limits"]["status"].as_str().unwrap().to_owned()
    };
    assert_eq!(check(&servers[0]).await, "ok");
    cluster.die();
    for server in &servers {
        // The rows are away too: what is admitted fails, though not as refused.
        let passes = |(status, _): &(u16, String)| usize::from(*status != 429);
        let mut admitted = 0;
        // It is known for a second that nothing is left.
        while check(server).await != "degraded" {
            admitted += passes(&status(server).await);
        }
        let found = join_all((0..100).map(|_| status(server))).await;
        admitted += found.iter().map(passes).sum::<usize>();
        assert_eq!(admitted, 50, "a limit, and no more");
    }
    cluster.rise();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while check(&servers[0]).await != "ok" {
        assert!(tokio::time::Instant::now() < deadline, "they never count together again");
        status(&servers[0]).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// G6: who tries tokens is a stranger, and may not try more often than strangers ask; what others do from elsewhere, and
/// what is good from the same place, goes on.
#[tokio::test]
async fn g6_bad_tokens_are_limited_by_address() {
    let folder = folder();
    let server = with_accounts(Setup::new(folder.path()))
        .with("NOTEBOOK__RATE_LIMITS__ENABLED", true)
        .with("NOTEBOOK__RATE_LIMITS__ANONYMOUS__READ__QUOTA", 3)
        .with("NOTEBOOK__RATE_LIMITS__ANONYMOUS__READ__SECONDS", 86_400)
        .with("NOTEBOOK__SERVER__TRUSTED_PROXIES", "[\"127.0.0.1\"]")
        .start();
    let ada = Person::register(&server, "ada").await;
    let ask = async |token: &str, from: &str| {
        let request = server.http.get(format!("{}/api/notebooks", server.url)).bearer_auth(token);
        request.header("x-forwarded-for", from).send().await.unwrap().status()
    };
    for token in ["nbk_wrong", "wrong", "nbk_wrong_again"] {
        assert_eq!(ask(token, "198.51.100.7").await, 401);
    }
    assert_eq!(ask("nbk_guess", "198.51.100.7").await, 429);
    assert_eq!(ask("guess", "198.51.100.7").await, 429);
    assert_eq!(ask("guess", "198.51.100.8").await, 401);
    assert_eq!(ask(&ada.access, "198.51.100.7").await, 200);
}

/// G6: signing in is limited by address, which is whom a trusted proxy was called by, and nobody's invention.
#[tokio::test]
async fn g6_signing_in_is_limited_by_address() {
    let folder = folder();
    let server = with_accounts(Setup::new(folder.path()))
        .with("NOTEBOOK__RATE_LIMITS__ENABLED", true)
        .with("NOTEBOOK__RATE_LIMITS__ANONYMOUS__SIGN_IN__QUOTA", 3)
        .with("NOTEBOOK__RATE_LIMITS__ANONYMOUS__SIGN_IN__SECONDS", 86_400)
        .with("NOTEBOOK__SERVER__TRUSTED_PROXIES", "[\"127.0.0.1\"]")
        .start();
    let login = async |forwarded: &str| {
        let body = json!({ "email": "ada@example.org", "password": "wrong horse battery staple" });
        let request = server.http.post(format!("{}/api/auth/login", server.url)).json(&body);
        request.header("x-forwarded-for", forwarded).send().await.unwrap()
    };
    for invented in ["203.0.113.1", "203.0.113.2", "203.0.113.3"] {
        assert_eq!(login(&format!("{invented}, 198.51.100.7")).await.status(), 401);
    }
    let refused = login("203.0.113.4, 198.51.100.7").await;
    assert_eq!(refused.status(), 429);
    let left = refused.headers()["ratelimit"].to_str().unwrap();
    assert!(left.starts_with("\"sign-in\";r=0;t="), "{left}");
    let body: Value = refused.json().await.unwrap();
    assert_eq!(body["code"], "rate_limited");
    assert_eq!(login("198.51.100.8").await.status(), 401);
}
