//! Webhooks: real messages to a real receiver, signed, retried, refused, and sent after a crash.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../../notebook-core/tests/support/postgres.rs"]
mod cluster;
mod common;
mod receiver;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use cluster::Cluster;
use common::{PATIENCE, Server, Setup, folder};
use receiver::{Answer, Receiver};
use serde_json::{Value, json};

/// A server that may call these receivers, and tries again at once.
fn allowing(folder: &Path, receivers: &[&Receiver]) -> Setup {
    let places: Vec<_> =
        receivers.iter().map(|receiver| format!("\"{}\"", receiver.address)).collect();
    Setup::new(folder)
        .with("NOTEBOOK__EGRESS__ALLOW", format!("[{}]", places.join(",")))
        .with("NOTEBOOK__WEBHOOKS__BACKOFF_SECONDS", 0)
}

/// Creates a webhook; its id and secret.
async fn hook(server: &Server, url: &str, events: &[&str]) -> (String, String) {
    let response = server.post("/api/webhooks", json!({ "url": url, "events": events })).await;
    assert_eq!(response.status(), 201);
    assert_eq!(response.headers()["cache-control"], "no-store");
    let made: Value = response.json().await.unwrap();
    (text(&made["id"]), text(&made["secret"]))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

async fn post(server: &Server, path: &str) -> Value {
    let response = server.post(path, json!({})).await;
    assert!(response.status().is_success(), "{path}: {}", response.status());
    response.json().await.unwrap()
}

/// Sends a ping; its delivery once it has ended.
async fn ping(server: &Server, id: &str) -> Value {
    let sent = post(server, &format!("/api/webhooks/{id}/test")).await;
    ended(server, &sent).await
}

async fn ended(server: &Server, delivery: &Value) -> Value {
    until(server, delivery, |now| now["state"] != "pending").await
}

async fn until(server: &Server, delivery: &Value, done: impl Fn(&Value) -> bool) -> Value {
    let path = format!(
        "/api/webhooks/{}/deliveries/{}",
        text(&delivery["webhook"]),
        text(&delivery["id"])
    );
    let deadline = Instant::now() + PATIENCE;
    loop {
        let now = server.json(&path).await;
        if done(&now) {
            return now;
        }
        assert!(Instant::now() < deadline, "{now}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn statuses(delivery: &Value) -> Vec<u64> {
    let attempts = delivery["attempts"].as_array().unwrap();
    attempts.iter().map(|attempt| attempt["status"].as_u64().unwrap_or(0)).collect()
}

/// F3: a source and an answer are told of, to whom they matter, signed as the public verifier wants it, with the old
/// secret too while a new one takes its place.
#[tokio::test]
async fn f3_events_arrive_and_the_public_verifier_takes_them() {
    let (all, failures) = (Receiver::start().await, Receiver::start().await);
    let folder = folder();
    let server = allowing(folder.path(), &[&all, &failures]).start();
    let events = ["source.ready", "source.failed", "run.completed"];
    let (id, secret) = hook(&server, &all.url(), &events).await;
    let (_, other) = hook(&server, &failures.url(), &["source.failed"]).await;
    let notebook = server.notebook().await;
    let text = b"The heron waits by the pond. It eats frogs.".to_vec();
    let source = server.ready(notebook, "heron \"1\".txt", text).await;
    let message = all.received(1).await.remove(0);
    let body = message.json();
    assert_eq!(
        (&body["type"], &body["data"]["source"]),
        (&json!("source.ready"), &json!(source.id))
    );
    assert_eq!(body["data"]["name"], "heron \"1\".txt");
    assert_eq!(
        (message.path.as_str(), &message.headers["content-type"]),
        ("/hook", &"application/json".parse().unwrap())
    );
    let conversation = server.conversation(notebook).await;
    let run = server.ask(conversation, "What does the heron eat?").await;
    let answered = all.received(2).await.remove(1);
    let data = answered.json()["data"].clone();
    assert_eq!((&data["run"], &data["answer"]), (&json!(run.id), &json!(run.answer)));
    server.add(notebook, "broken.pdf", b"%PDF-1.7 nothing".to_vec()).await;
    let failed = failures.received(1).await.remove(0);
    assert_eq!(failed.json()["data"]["failure"]["code"].as_str().map(str::is_empty), Some(false));
    assert!(failed.is_verified_by(&other) && !failed.is_verified_by(&secret));
    for message in all.received(3).await {
        assert!(message.is_verified_by(&secret));
        let torn =
            receiver::Message { body: message.body.replace("\"type\"", "\"Type\""), ..message };
        assert!(!torn.is_verified_by(&secret), "a changed body");
    }
    let rotated = post(&server, &format!("/api/webhooks/{id}/secret/rotate")).await;
    let new = rotated["secret"].as_str().unwrap();
    assert!(rotated["previous_until"].as_i64().is_some() && new != secret);
    assert_eq!(ping(&server, &id).await["state"], "delivered");
    let message = all.received(4).await.remove(3);
    assert!(message.is_verified_by(new) && message.is_verified_by(&secret));
    assert_eq!(message.json()["type"], "webhook.ping");
    assert_eq!(failures.messages().len(), 1, "only what it asked for");
}

/// Q40: the server is killed after the event was committed and before it was sent; it is sent after the next start,
/// once, with the id and the body that were stored. What was on its way is sent again, the same.
async fn killed_before_sending(setup: &Setup, busy: &Receiver, receiver: &Receiver) {
    let server = setup.start();
    busy.otherwise(Answer::Stall);
    let mut stalled = Vec::new();
    // All that send have their hands full: 16, four for each webhook.
    for _ in 0..4 {
        let (id, _) = hook(&server, &busy.url(), &["run.failed"]).await;
        for _ in 0..4 {
            stalled.push(post(&server, &format!("/api/webhooks/{id}/test")).await);
        }
    }
    let on_their_way = busy.received(16).await;
    let (id, secret) = hook(&server, &receiver.url(), &["source.ready"]).await;
    let notebook = server.notebook().await;
    server.ready(notebook, "heron.txt", b"The heron waits.".to_vec()).await;
    let stored = server.json(&format!("/api/webhooks/{id}/deliveries")).await["items"].clone();
    assert_eq!(stored.as_array().unwrap().len(), 1);
    assert_eq!((&stored[0]["state"], &stored[0]["attempts"]), (&json!("pending"), &json!([])));
    assert_eq!(receiver.messages(), []);
    server.kill();
    assert_eq!(receiver.messages(), [], "nothing was sent yet");

    busy.otherwise(Answer::Status(200));
    let server = setup.start();
    let message = receiver.received(1).await.remove(0);
    assert_eq!((message.id(), &message.body), (text(&stored[0]["id"]), &text(&stored[0]["body"])));
    assert!(message.is_verified_by(&secret));
    let delivery = ended(&server, &stored[0]).await;
    assert_eq!(
        (&delivery["state"], delivery["attempts"].as_array().unwrap().len()),
        (&json!("delivered"), 1)
    );
    let again = busy.received(32).await.split_off(16);
    for first in &on_their_way {
        let same = again.iter().filter(|message| message.id() == first.id());
        let same: Vec<_> = same.map(|message| &message.body).collect();
        assert_eq!(same, [&first.body]);
    }
    for delivery in &stalled {
        assert_eq!(ended(&server, delivery).await["state"], "delivered");
    }
    assert_eq!((receiver.messages().len(), busy.messages().len()), (1, 32));
}

#[tokio::test]
async fn q40_killed_before_sending_with_sqlite() {
    let (busy, receiver) = (Receiver::start().await, Receiver::start().await);
    let folder = folder();
    let setup = allowing(folder.path(), &[&busy, &receiver])
        .with("NOTEBOOK__WEBHOOKS__TIMEOUT_SECONDS", 120);
    killed_before_sending(&setup, &busy, &receiver).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn q40_killed_before_sending_with_postgres() {
    let (busy, receiver) = (Receiver::start().await, Receiver::start().await);
    let (folder, cluster) = (folder(), Cluster::start());
    let setup = allowing(folder.path(), &[&busy, &receiver])
        .with("NOTEBOOK__STORAGE__POSTGRES", cluster.url())
        .with("NOTEBOOK__JOBS__LEASE_SECONDS", 3)
        .with("NOTEBOOK__WEBHOOKS__TIMEOUT_SECONDS", 120);
    killed_before_sending(&setup, &busy, &receiver).await;
}

/// F3: three attempts and no more, all with one id and one body; then a replay, again with these.
#[tokio::test]
async fn f3_attempts_are_counted_and_replayed_under_one_id() {
    let receiver = Receiver::start().await;
    let folder = folder();
    let server = allowing(folder.path(), &[&receiver]).start();
    let (id, _) = hook(&server, &receiver.url(), &["run.failed"]).await;
    receiver.answers([Answer::Status(500), Answer::Status(404)]);
    let delivery = ping(&server, &id).await;
    assert_eq!(
        (&delivery["state"], statuses(&delivery)),
        (&json!("delivered"), vec![500, 404, 200])
    );
    assert_eq!(
        (&delivery["attempts"][0]["answer"], &delivery["attempts"][2]["error"]),
        (&json!("said"), &Value::Null)
    );
    receiver.otherwise(Answer::Status(500));
    let failed = ping(&server, &id).await;
    assert_eq!((&failed["state"], statuses(&failed)), (&json!("failed"), vec![500, 500, 500]));
    assert!(server.json(&format!("/api/webhooks/{id}")).await["failing_since"].is_i64());
    let messages = receiver.received(6).await;
    for group in messages.chunks(3) {
        assert!(group.iter().all(|one| one.id() == group[0].id() && one.body == group[0].body));
    }
    receiver.otherwise(Answer::Status(204));
    let path = format!("/api/webhooks/{id}/deliveries/{}/replay", text(&failed["id"]));
    let replayed = post(&server, &path).await;
    assert_eq!((&replayed["state"], &replayed["id"]), (&json!("pending"), &failed["id"]));
    let done = ended(&server, &replayed).await;
    assert_eq!((&done["state"], statuses(&done)), (&json!("delivered"), vec![500, 500, 500, 204]));
    let last = receiver.received(7).await.remove(6);
    assert_eq!((last.id(), &last.body), (messages[5].id(), &messages[5].body));
    assert_eq!(server.json(&format!("/api/webhooks/{id}")).await["failing_since"], Value::Null);
    assert_eq!(receiver.messages().len(), 7);
}

/// F3: 410 ends the webhook; a redirect is a failure and goes nowhere; a receiver may ask to be left alone, for an
/// hour at most.
#[tokio::test]
async fn f3_what_receivers_answer_is_heeded() {
    let (receiver, elsewhere) = (Receiver::start().await, Receiver::start().await);
    let folder = folder();
    let server = allowing(folder.path(), &[&receiver, &elsewhere]).start();
    let (id, _) = hook(&server, &receiver.url(), &["source.ready"]).await;
    receiver.answers((301..=303).map(|status| Answer::Header(status, "location", elsewhere.url())));
    let redirected = ping(&server, &id).await;
    assert_eq!(
        (&redirected["state"], statuses(&redirected)),
        (&json!("failed"), vec![301, 302, 303])
    );
    assert!(text(&redirected["attempts"][0]["error"]).contains("redirects"));
    assert_eq!(elsewhere.messages(), []);

    receiver.answers([Answer::Header(503, "retry-after", "100000".into())]);
    let asked = post(&server, &format!("/api/webhooks/{id}/test")).await;
    let asked = until(&server, &asked, |now| now["attempts"].as_array().unwrap().len() == 1).await;
    let job = server.json(&format!("/api/jobs/{}", text(&asked["job"]))).await;
    let wait = job["run_at"].as_i64().unwrap() - job["created_at"].as_i64().unwrap();
    assert_eq!(
        (wait, &job["state"], &asked["state"]),
        (3_600_000, &json!("scheduled"), &json!("pending"))
    );
    let early = format!("/api/webhooks/{id}/deliveries/{}/replay", text(&asked["id"]));
    assert_eq!(server.post(&early, json!({})).await.status(), 409);
    let cancel = format!("/api/jobs/{}/cancel", text(&asked["job"]));
    assert_eq!(server.post(&cancel, json!({})).await.status(), 409);

    receiver.answers([Answer::Status(410)]);
    let gone = ping(&server, &id).await;
    assert_eq!((&gone["state"], statuses(&gone)), (&json!("failed"), vec![410]));
    let hook = server.json(&format!("/api/webhooks/{id}")).await;
    assert_eq!((&hook["enabled"], &hook["disabled"]), (&json!(false), &json!("gone")));
    assert_eq!(server.post(&format!("/api/webhooks/{id}/test"), json!({})).await.status(), 409);
    let notebook = server.notebook().await;
    server.ready(notebook, "heron.txt", b"The heron waits.".to_vec()).await;
    let path = format!("{}/api/webhooks/{id}", server.url);
    let enabled = server.http.patch(path).json(&json!({ "enabled": true })).send().await.unwrap();
    assert_eq!(enabled.json::<Value>().await.unwrap()["disabled"], Value::Null);
    assert_eq!(ping(&server, &id).await["state"], "delivered");
    assert_eq!(receiver.messages().len(), 6, "the source was not told of while it was disabled");
}

/// U46: a receiver that never answers costs its time and no more, and one that never ends is delivered to.
#[tokio::test]
async fn u46_slow_and_endless_receivers_are_bounded() {
    let receiver = Receiver::start().await;
    let folder = folder();
    let setup = allowing(folder.path(), &[&receiver])
        .with("NOTEBOOK__WEBHOOKS__TIMEOUT_SECONDS", 1)
        .with("NOTEBOOK__WEBHOOKS__ATTEMPTS", 1);
    let server = setup.start();
    let (id, _) = hook(&server, &receiver.url(), &["run.failed"]).await;
    receiver.answers([Answer::Stall, Answer::Endless]);
    let slow = ping(&server, &id).await;
    assert_eq!((&slow["state"], statuses(&slow)), (&json!("failed"), vec![0]));
    assert!(text(&slow["attempts"][0]["error"]).contains("in time"));
    let endless = ping(&server, &id).await;
    assert_eq!((&endless["state"], statuses(&endless)), (&json!("delivered"), vec![200]));
    assert_eq!(text(&endless["attempts"][0]["answer"]).len(), 1_024);
}

/// U41, U45, U52: what may not be called is refused when a webhook is made or changed, whatever it looks like.
#[tokio::test]
async fn u52_private_targets_are_refused_at_the_route() {
    let folder = folder();
    let server = Setup::new(folder.path()).start();
    let (id, _) = hook(&server, "https://example.org/", &["run.failed"]).await;
    for url in [
        "http://127.0.0.1/",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0177.0.0.1/",
        "http://0/",
        "http://0.0.0.0:80/",
        "http://10.0.0.1/",
        "http://172.16.0.1/",
        "http://192.168.1.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::]/",
        "http://[::1]:8080/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:169.254.169.254]/",
        "http://[64:ff9b::a9fe:a9fe]/",
        "http://[2002:7f00:1::]/",
        "http://[fd00:ec2::254]/",
        "http://[fe80::1]/",
        "http://100.64.1.1/",
        "http://198.18.0.1/",
        "http://224.0.0.1/",
        "http://127.0.0.1./",
        "http://127。0。0。1/",
        "http://①②⑦.0.0.1/",
        "http://127%2e0%2e0%2e1/",
        "https://user:password@example.org/",
        "http://example.org\\@127.0.0.1/",
        "http://exa\tmple.org/",
        " https://example.org/",
        "file:///etc/passwd",
        "gopher://example.org/",
        "unix:/run/docker.sock",
        "//example.org/",
        "example.org",
        "",
    ] {
        let made =
            server.post("/api/webhooks", json!({ "url": url, "events": ["run.failed"] })).await;
        assert_eq!(made.status(), 422, "{url}");
        let problem: Value = made.json().await.unwrap();
        assert_eq!(problem["field"], "url", "{url}: {problem}");
        let path = format!("{}/api/webhooks/{id}", server.url);
        let changed = server.http.patch(path).json(&json!({ "url": url })).send().await.unwrap();
        assert_eq!(changed.status(), 422, "{url}");
    }
    let hooks = server.json("/api/webhooks").await["items"].clone();
    assert_eq!(
        (hooks.as_array().unwrap().len(), &hooks[0]["url"]),
        (1, &json!("https://example.org/"))
    );
}

/// U42, U43, U52: what a name leads to, and an address that was allowed once, is looked at each time that something is
/// sent; nothing is told of what is there.
#[tokio::test]
async fn u52_private_targets_are_refused_at_each_delivery() {
    let receiver = Receiver::start().await;
    let folder = folder();
    let server = allowing(folder.path(), &[&receiver]).start();
    let (literal, _) = hook(&server, &receiver.url(), &["run.failed"]).await;
    assert_eq!(ping(&server, &literal).await["state"], "delivered");
    let mut ids = vec![literal];
    for name in ["localhost", "localhost.", "LOCALHOST"] {
        ids.push(hook(&server, &format!("http://{name}/"), &["run.failed"]).await.0);
    }
    server.terminate();
    let allowing_nothing = Setup::new(folder.path()).with("NOTEBOOK__WEBHOOKS__ATTEMPTS", 1);
    let server = allowing_nothing.start();
    for id in ids {
        let refused = ping(&server, &id).await;
        assert_eq!((&refused["state"], statuses(&refused)), (&json!("failed"), vec![0]));
        let error = text(&refused["attempts"][0]["error"]);
        assert!(error.contains("public internet") && !error.contains("127"), "{error}");
    }
    assert_eq!(receiver.messages().len(), 1);
}

/// The secret is shown where it is made and asked for, and nowhere else: no reply, no log.
#[tokio::test]
async fn f3_the_secret_is_in_no_reply_and_no_log() {
    let receiver = Receiver::start().await;
    let (folder, logs) = (folder(), folder());
    let log = logs.path().join("log");
    let setup =
        allowing(folder.path(), &[&receiver]).with("RUST_LOG", "trace").logging_to(log.clone());
    let server = setup.start();
    let (id, first) = hook(&server, &receiver.url(), &["source.ready"]).await;
    let reveal = format!("/api/webhooks/{id}/secret/reveal");
    let shown = post(&server, &reveal).await;
    assert_eq!((text(&shown["secret"]), &shown["previous_until"]), (first.clone(), &Value::Null));
    let own = format!("whsec_{}", "QUJD".repeat(8));
    let rotate = format!("/api/webhooks/{id}/secret/rotate");
    assert_eq!(server.post(&rotate, json!({ "secret": own })).await.status(), 200);
    assert_eq!(text(&post(&server, &reveal).await["secret"]), own);
    let short = format!("whsec_{}", "QUJD".repeat(7));
    let bad = server.post(&rotate, json!({ "secret": short })).await;
    assert_eq!(bad.status(), 422);
    let mut said = vec![bad.text().await.unwrap()];
    receiver.answers([Answer::Status(500)]);
    let delivery = ping(&server, &id).await;
    let notebook = server.notebook().await;
    server.ready(notebook, "heron.txt", b"The heron waits.".to_vec()).await;
    receiver.received(3).await;
    for path in [
        "/api/webhooks".to_owned(),
        format!("/api/webhooks/{id}"),
        format!("/api/webhooks/{id}/deliveries"),
        format!("/api/webhooks/{id}/deliveries/{}", text(&delivery["id"])),
        format!("/api/jobs/{}", text(&delivery["job"])),
        "/api/jobs/dead".to_owned(),
    ] {
        said.push(server.get(&path).await.text().await.unwrap());
    }
    server.terminate();
    said.push(std::fs::read_to_string(log).unwrap());
    assert!(said.iter().any(|text| text.contains("a message was sent")), "the log is there");
    for secret in [&first, &own, &short] {
        let key = secret.strip_prefix("whsec_").unwrap();
        for text in &said {
            let found = text.lines().find(|line| line.contains(key));
            assert_eq!(found, None);
        }
    }
}

/// A receiver that does not answer holds up no other, however many messages wait for it.
#[tokio::test]
async fn f3_a_receiver_that_hangs_holds_up_no_other() {
    let (busy, receiver) = (Receiver::start().await, Receiver::start().await);
    let folder = folder();
    let setup = allowing(folder.path(), &[&busy, &receiver])
        .with("NOTEBOOK__WEBHOOKS__TIMEOUT_SECONDS", 120);
    let server = setup.start();
    busy.otherwise(Answer::Stall);
    let (stalled, _) = hook(&server, &busy.url(), &["run.failed"]).await;
    for _ in 0..40 {
        post(&server, &format!("/api/webhooks/{stalled}/test")).await;
    }
    busy.received(4).await;
    let (id, _) = hook(&server, &receiver.url(), &["run.failed"]).await;
    assert_eq!(ping(&server, &id).await["state"], "delivered");
    assert_eq!(busy.messages().len(), 4, "the others wait");
}

/// F3: webhooks are made, listed, changed and deleted; what is wrong is named.
#[tokio::test]
async fn f3_webhooks_are_managed() {
    let receiver = Receiver::start().await;
    let folder = folder();
    let server = allowing(folder.path(), &[&receiver]).start();
    let (id, _) = hook(&server, &receiver.url(), &["run.failed", "run.completed"]).await;
    let path = format!("{}/api/webhooks/{id}", server.url);
    let change = json!({ "description": "Bienen 🐝", "events": ["source.failed"] });
    let changed: Value =
        server.http.patch(&path).json(&change).send().await.unwrap().json().await.unwrap();
    assert_eq!(
        (&changed["description"], &changed["events"]),
        (&change["description"], &change["events"])
    );
    assert_eq!(server.json("/api/webhooks").await["items"], json!([changed]));
    for (field, body) in [
        ("events[0]", json!({ "url": receiver.url(), "events": ["source.eaten"] })),
        ("events", json!({ "url": receiver.url(), "events": [] })),
        ("events", json!({ "url": receiver.url(), "events": ["webhook.ping"] })),
        ("secret", json!({ "url": receiver.url(), "events": ["run.failed"], "secret": "x" })),
        (
            "description",
            json!({ "url": receiver.url(), "events": ["run.failed"], "description": "x".repeat(501) }),
        ),
        ("tenant", json!({ "url": receiver.url(), "events": ["run.failed"], "tenant": "x" })),
    ] {
        let response = server.post("/api/webhooks", body.clone()).await;
        assert_eq!(response.status(), 422, "{body}");
        assert_eq!(response.json::<Value>().await.unwrap()["field"], field, "{body}");
    }
    let mut sent = Vec::new();
    for _ in 0..3 {
        sent.push(text(&ping(&server, &id).await["id"]));
    }
    sent.reverse();
    let deliveries = format!("/api/webhooks/{id}/deliveries?limit=2");
    let first = server.json(&deliveries).await;
    let rest = server.json(&format!("{deliveries}&after={}", text(&first["next"]))).await;
    let items =
        [first["items"].as_array().unwrap().as_slice(), rest["items"].as_array().unwrap()].concat();
    let ids: Vec<_> = items.iter().map(|item| text(&item["id"])).collect();
    assert_eq!((ids, &rest["next"]), (sent.clone(), &Value::Null));
    assert_eq!(server.get(&format!("{deliveries}&after=x")).await.status(), 422);
    assert_eq!(server.http.delete(&path).send().await.unwrap().status(), 204);
    for path in [String::new(), "/deliveries".to_owned(), format!("/deliveries/{}", sent[0])] {
        assert_eq!(server.get(&format!("/api/webhooks/{id}{path}")).await.status(), 404, "{path}");
    }
    for path in ["test", "secret/reveal", "secret/rotate"] {
        let response = server.post(&format!("/api/webhooks/{id}/{path}"), json!({})).await;
        assert_eq!(response.status(), 404, "{path}");
    }
}
