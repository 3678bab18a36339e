//! The matrix: what belongs to another workspace is, to the byte, what is not there. Made from the server's own
//! description of its routes, so a route that is not covered fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../../notebook-core/tests/support/postgres.rs"]
mod cluster;
mod common;

use std::collections::{BTreeMap, BTreeSet};

use cluster::Cluster;
use common::{
    Server, Setup, folder,
    people::{PASSWORD, Person, with_accounts},
};
use notebook_core::{ApprovalId, LinkId, RunId, UserId};
use reqwest::{Method, multipart};
use serde_json::{Value, json};

/// Words that only the other workspace has.
const CANARY: &str = "zyzzyva-canary";
/// All that a key may.
const SCOPES: [&str; 12] = [
    "notebook.read",
    "notebook.write",
    "notebook.delete",
    "source.write",
    "chat",
    "export",
    "member.read",
    "member.manage",
    "api_key.manage",
    "audit.read",
    "workspace.manage",
    "usage.read",
];

/// A server with accounts, and where its rows are.
struct House {
    server: Server,
    folder: tempfile::TempDir,
    cluster: Option<Cluster>,
}

impl House {
    fn sqlite() -> Self {
        let folder = folder();
        let server = with_accounts(Setup::new(folder.path())).start();
        Self { server, folder, cluster: None }
    }

    /// T7: with row security as a second wall, and a role that it binds.
    fn postgres() -> Self {
        let (folder, cluster) = (folder(), Cluster::start());
        let setup = Setup::new(folder.path())
            .with("NOTEBOOK__STORAGE__POSTGRES", cluster.url())
            .with("NOTEBOOK__AUTH__SECRETS__1", "of-this-test-alone-and-of-nobody-else");
        let server = with_accounts(setup).start();
        Self { server, folder, cluster: Some(cluster) }
    }

    /// An account elsewhere, as a provider would have brought it.
    fn link(&self, things: &mut Things) {
        let (id, user) = (LinkId::new(), things["user"].parse::<UserId>().unwrap());
        let (binary, user) = (id.as_u128(), user.as_u128());
        let insert = |bytes: &dyn Fn(u128) -> String| {
            let (binary, user) = (bytes(binary), bytes(user));
            format!(
                "INSERT INTO linked_identities (id, user_id, issuer, subject, created_at)
                VALUES ({binary}, {user}, 'https://id.example.org', '{id}', 0)"
            )
        };
        if let Some(cluster) = &self.cluster {
            let insert = insert(&|bytes| format!("decode('{bytes:032x}', 'hex')"));
            cluster.query(&format!("SET search_path TO notebook; {insert}"));
        } else {
            let file = self.folder.path().join("notebook.db");
            let rows = rusqlite::Connection::open(file).unwrap();
            rows.busy_timeout(common::PATIENCE).unwrap();
            rows.execute(&insert(&|bytes| format!("x'{bytes:032x}'")), ()).unwrap();
        }
        let elsewhere = "example-of-nobody".to_owned();
        things.extend([("identity", id.to_string()), ("provider", elsewhere)]);
    }
}

impl House {
    /// A question of a run to people, as a research would have asked it.
    fn ask(&self, things: &mut Things, word: &str) {
        let (id, run) = (ApprovalId::new(), things["run"].parse::<RunId>().unwrap());
        let (binary, run) = (id.as_u128(), run.as_u128());
        let insert = |bytes: &dyn Fn(u128) -> String| {
            let (binary, run) = (bytes(binary), bytes(run));
            format!(
                "INSERT INTO approvals (tenant_id, id, run_id, call_key, tool, arguments, digest, reason, state, asked_at, expires_at, note)
                SELECT tenant_id, {binary}, id, 'c', 'write_note', '{{}}', 'x', '{word}', 'pending', 0, 9000000000000, ''
                FROM runs WHERE id = {run}"
            )
        };
        if let Some(cluster) = &self.cluster {
            let insert = insert(&|bytes| format!("decode('{bytes:032x}', 'hex')"));
            cluster.query(&format!("SET search_path TO notebook; {insert}"));
        } else {
            let file = self.folder.path().join("notebook.db");
            let rows = rusqlite::Connection::open(file).unwrap();
            rows.busy_timeout(common::PATIENCE).unwrap();
            assert_eq!(rows.execute(&insert(&|bytes| format!("x'{bytes:032x}'")), ()).unwrap(), 1);
        }
        things.insert("approval", id.to_string());
    }
}

/// Each of the tests on both engines.
macro_rules! on_both {
    ($($name:ident),*) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                super::$name(&super::House::sqlite()).await;
            })*
        }
        mod postgres {
            $(#[tokio::test]
            async fn $name() {
                super::$name(&super::House::postgres()).await;
            })*
        }
    };
}

on_both!(
    t1_t2_what_is_anothers_is_as_what_is_not_there,
    t1_ids_in_bodies_queries_headers_and_cursors,
    t4_anothers_words_find_nothing,
    t2_a_websocket_reaches_nothing_of_anothers
);

/// Everything that somebody has, by kind; ids as texts.
type Things = BTreeMap<&'static str, String>;

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

/// Makes one of each kind of thing.
async fn furnish(person: &Person, word: &str) -> Things {
    let mut things = Things::new();
    let notebook = text(&person.made("/api/notebooks", json!({ "name": word })).await["id"]);
    let body = json!({ "name": format!("{word}.md"), "text": format!("# {word}\n\nThe {word} lives in the reeds by the pond.") });
    let source = person.made(&format!("/api/notebooks/{notebook}/sources/text"), body).await;
    let source = text(&source["id"]);
    person.until(&format!("/api/sources/{source}"), |source| source["stage"] == "ready").await;
    let conversation = person
        .made(&format!("/api/notebooks/{notebook}/conversations"), json!({ "title": word }))
        .await;
    let conversation = text(&conversation["id"]);
    let ask = json!({ "question": format!("Where does the {word} live?") });
    let run = person.made(&format!("/api/conversations/{conversation}/runs"), ask).await;
    let id = text(&run["id"]);
    person.until(&format!("/api/runs/{id}"), |run| run["state"] == "completed").await;
    let job = person.made(&format!("/api/notebooks/{notebook}/exports"), json!({})).await;
    let job = text(&job["job"]);
    person.until(&format!("/api/jobs/{job}"), |job| job["state"] == "completed").await;
    let hook = json!({ "url": "https://example.org/hook", "events": ["source.ready"] });
    let webhook = text(&person.made("/api/webhooks", hook).await["id"]);
    let delivery = person.made(&format!("/api/webhooks/{webhook}/test"), json!({})).await;
    let key = json!({ "name": word, "scopes": ["notebook.read"] });
    let key = person.made("/api/keys", key).await;
    let report = json!({ "question": format!("{word}?"), "keep_question": true });
    let report = person.made("/api/guard/reports", report).await;
    let team = person.made("/api/workspaces", json!({ "name": word })).await;
    let session = person.json("/api/auth/sessions").await;
    things.extend([
        ("model", format!("notebook:{notebook}")),
        ("response", format!("resp_{id}")),
        ("notebook", notebook),
        ("source", source),
        ("conversation", conversation),
        ("question", text(&run["question"])),
        ("message", text(&run["answer"])),
        ("run", id),
        ("job", job),
        ("webhook", webhook),
        ("delivery", text(&delivery["id"])),
        ("key", text(&key["key"]["id"])),
        ("report", text(&report["id"])),
        ("workspace", text(&team["id"])),
        ("session", text(&session["items"][0]["id"])),
        ("user", text(&person.session["user"]["id"])),
    ]);
    // An invitation is to a team: a token for it acts there.
    let there = json!({ "email": format!("{}@example.org", text(&person.session["user"]["name"])),
        "password": PASSWORD, "workspace": things["workspace"], "transport": "bearer" });
    let there = person.post("/api/auth/login", there).await.json::<Value>().await.unwrap();
    let there = Person { access: text(&there["access_token"]), ..person.clone() };
    let invite = json!({ "email": "somebody@example.org", "role": "viewer" });
    let invitation = there.made("/api/invitations", invite).await;
    things.insert("invitation", text(&invitation["invitation"]["id"]));
    things.insert("invitation token", text(&invitation["token"]));
    things
}

/// What the parameters in the paths are. A route with a parameter that is not here fails the test.
fn kind_of(path: &str, parameter: &str) -> Option<&'static str> {
    let before = path.split(&format!("/{{{parameter}}}")).next()?;
    Some(match before.rsplit('/').next()? {
        "notebooks" | "projects" => "notebook",
        "sources" => "source",
        "conversations" | "chat" => "conversation",
        "runs" => "run",
        "jobs" => "job",
        "webhooks" => "webhook",
        "deliveries" => "delivery",
        "members" => "user",
        "invitations" => "invitation",
        "keys" => "key",
        "sessions" => "session",
        "identities" => "identity",
        "reports" => "report",
        "approvals" => "approval",
        // Of the installation: in this one there are none.
        "oidc" => "provider",
        "workspaces" => "workspace",
        "models" => "model",
        "responses" => "response",
        _ => return None,
    })
}

/// Parameters that name nothing of anybody's.
const FREE: [(&str, &str); 1] = [("/api/conversations/{id}/ui-messages/{chat}/stream", "chat")];

/// A body that is right but for what the ids in it are.
fn body_of(method: &str, path: &str, ids: &Things) -> Option<Value> {
    Some(match (method, path) {
        ("PATCH", "/api/notebooks/{id}") => json!({ "name": "mine now" }),
        ("PATCH", "/api/conversations/{id}") => json!({ "title": "mine now" }),
        ("PATCH", "/api/webhooks/{id}") => json!({ "enabled": false }),
        ("POST", "/api/notebooks/{id}/sources/text") => json!({ "name": "a.md", "text": "text" }),
        ("POST", "/api/notebooks/{id}/sources/link") => json!({ "url": "https://example.org/" }),
        ("POST", "/api/notebooks/{id}/conversations") => json!({ "title": "a" }),
        ("POST", "/api/approvals/{id}") => json!({ "verdict": "refuse", "digest": "x" }),
        ("POST", "/api/conversations/{id}/runs") => json!({ "question": "Where?" }),
        ("POST", "/api/conversations/{id}/ui-messages") => {
            json!({ "messages": [{ "role": "user", "parts": [{ "type": "text", "text": "Where?" }] }] })
        }
        ("POST", "/api/conversations/{id}/exports") => json!({ "format": "markdown" }),
        ("PUT", "/api/members/{user}") => json!({ "role": "viewer" }),
        ("DELETE", "/api/workspaces/{id}") => json!({ "name": CANARY }),
        ("POST", "/api/auth/workspace") => json!({ "workspace": ids["workspace"] }),
        ("POST", _) => json!({}),
        _ => return None,
    })
}

/// A request with ids in it, and what came back with the ids and the request's own id taken out.
async fn reply(
    person: &Person,
    method: &str,
    path: &str,
    body: Option<&Value>,
    header: Option<(&str, &str)>,
    secret: &[&String],
) -> (u16, String) {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let mut request = person.request(method, path);
    if path.ends_with("/sources") || path == "/api/imports" {
        let part = multipart::Part::bytes("text".as_bytes()).file_name("a.txt");
        request = request.multipart(multipart::Form::new().part("file", part));
    } else if let Some(body) = body {
        request = request.json(body);
    }
    if let Some((name, value)) = header {
        request = request.header(name, value);
    }
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let mut said = response.text().await.unwrap();
    if let Ok(mut problem) = serde_json::from_str::<Value>(&said)
        && let Some(fields) = problem.as_object_mut()
    {
        // When it was changed is no difference.
        for own in ["request_id", "updated_at"] {
            fields.remove(own);
        }
        said = problem.to_string();
    }
    assert!(!said.contains(CANARY), "{path} says another's words: {said}");
    for id in secret {
        said = said.replace(id.as_str(), "ID");
    }
    (status, said)
}

fn absent(things: &Things) -> Things {
    let one = |(kind, id): (&&'static str, &String)| {
        // As alike as can be, and nobody's.
        let made = if id.starts_with("nb") {
            let (head, tail) = id.split_at(id.len() - 12);
            format!("{head}{}", tail.chars().rev().collect::<String>())
        } else {
            // Some have a word before them.
            let word = id.len().saturating_sub(36);
            format!("{}{}", &id[..word], uuid::Uuid::now_v7())
        };
        (*kind, made)
    };
    things.iter().map(one).collect()
}

/// T1, T2, T11, T12: every route with every id in its path, foreign and absent.
async fn t1_t2_what_is_anothers_is_as_what_is_not_there(house: &House) {
    let server = &house.server;
    let (ada, bob) = (Person::register(server, "ada").await, Person::register(server, "bob").await);
    let (mut own, mut foreign) = (furnish(&ada, "heron").await, furnish(&bob, CANARY).await);
    house.link(&mut own);
    house.link(&mut foreign);
    house.ask(&mut own, "heron");
    house.ask(&mut foreign, CANARY);
    let before = snapshot(&bob, &foreign).await;
    // With a key that may all that its maker may: the routes for people refuse it before they look.
    let scopes: Vec<&str> = SCOPES.to_vec();
    let key = ada.made("/api/keys", json!({ "name": "all", "scopes": scopes })).await;
    let by_key = Person { access: text(&key["secret"]), ..ada.clone() };

    let description = server.json("/openapi.json").await;
    let mut cases = 0;
    let mut uncovered = BTreeSet::new();
    for (path, methods) in description["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let method = method.to_uppercase();
            let parameters: Vec<&str> = operation["parameters"]
                .as_array()
                .into_iter()
                .flatten()
                .filter(|parameter| parameter["in"] == "path")
                .map(|parameter| parameter["name"].as_str().unwrap())
                .collect();
            if parameters.is_empty() || path.starts_with("/ws/") {
                continue;
            }
            for place in &parameters {
                if FREE.contains(&(path.as_str(), place)) {
                    continue;
                }
                let Some(kind) = kind_of(path, place) else {
                    uncovered.insert(format!("{method} {path}: {place}"));
                    continue;
                };
                let nowhere = absent(&foreign);
                // The other parameters: one's own, and the other's too.
                for (others, person) in
                    [(&own, &ada), (&foreign, &ada), (&own, &by_key), (&foreign, &by_key)]
                {
                    let fill = |id: &str| {
                        parameters.iter().fold(path.clone(), |path, name| {
                            let other = kind_of(&path, name).map_or("any", |kind| &others[kind]);
                            let id = if name == place { id } else { other };
                            path.replace(&format!("{{{name}}}"), id)
                        })
                    };
                    let query = match path.as_str() {
                        "/api/sources/{id}/passage"
                        | "/api/sources/{id}/regions"
                        | "/api/sources/{id}/text" => "?start=0&end=4",
                        "/api/projects/{id}/messages/stream" => "?content=Where",
                        _ => "",
                    };
                    let body = body_of(&method, path, &own);
                    let secret = [&foreign[kind], &nowhere[kind]];
                    let ask = async |id: &str| {
                        let path = format!("{}{query}", fill(id));
                        reply(person, &method, &path, body.as_ref(), None, &secret).await
                    };
                    let (theirs, none) = (ask(&foreign[kind]).await, ask(&nowhere[kind]).await);
                    assert_eq!(theirs, none, "{method} {path}: {kind}");
                    let personal = theirs.0 == 403 && std::ptr::eq(person, &by_key);
                    assert!(theirs.0 == 404 || personal, "{method} {path}: {kind}: {theirs:?}");
                    cases += 1;
                    // T11: other forms of the id are none.
                    let id = &foreign[kind];
                    for form in forms(id) {
                        let (status, said) = ask(&form).await;
                        assert!(
                            matches!(status, 400 | 404) || (personal && status == 403),
                            "{method} {path} {form}: {status} {said}"
                        );
                        cases += 1;
                    }
                }
            }
        }
    }
    assert!(uncovered.is_empty(), "say in kind_of what these are: {uncovered:#?}");
    assert_eq!(snapshot(&bob, &foreign).await, before, "something of the other's has changed");
    assert!(cases > 1_000, "{cases}");
}

/// Other ways to write an id.
fn forms(id: &str) -> Vec<String> {
    let mut letters: Vec<String> = id.chars().map(String::from).collect();
    letters[3] = format!("%{:02X}", id.as_bytes()[3]);
    vec![
        id.to_uppercase(),
        id.replace('-', ""),
        id.replace('-', "_"),
        id.replace('-', ":"),
        format!("%7B{id}%7D"),
        format!("urn:uuid:{id}"),
        format!("{id}%00"),
        format!("0{id}"),
        format!("{id}%20"),
        letters.concat(),
    ]
}

/// What somebody has, as they see it.
async fn snapshot(person: &Person, things: &Things) -> Vec<Value> {
    let id = |kind: &str| things[kind].as_str();
    let mut seen = Vec::new();
    for path in [
        format!("/api/notebooks/{}", id("notebook")),
        format!("/api/notebooks/{}/sources", id("notebook")),
        format!("/api/notebooks/{}/conversations", id("notebook")),
        format!("/api/conversations/{}/messages", id("conversation")),
        format!("/api/conversations/{}/runs", id("conversation")),
        format!("/api/runs/{}/approvals", id("run")),
        format!("/api/webhooks/{}", id("webhook")),
        "/api/guard/reports".to_owned(),
        "/api/keys".to_owned(),
        "/api/workspaces".to_owned(),
        "/api/members".to_owned(),
        "/api/auth/sessions".to_owned(),
        "/api/auth/identities".to_owned(),
    ] {
        seen.push(person.json(&path).await);
    }
    seen
}

/// Ids that are not in the path: in bodies, queries, headers and cursors.
async fn t1_ids_in_bodies_queries_headers_and_cursors(house: &House) {
    let server = &house.server;
    let (ada, bob) = (Person::register(server, "ada").await, Person::register(server, "bob").await);
    let (own, foreign) = (furnish(&ada, "heron").await, furnish(&bob, CANARY).await);
    let nowhere = absent(&foreign);
    let before = snapshot(&bob, &foreign).await;
    let (notebook, conversation, run) = (&own["notebook"], &own["conversation"], &own["run"]);
    let model = &own["model"];
    let runs = format!("/api/conversations/{conversation}/runs");
    type Case<'a> = (&'a str, String, Option<Value>, Option<(&'a str, String)>);
    let cases = |ids: &Things| -> Vec<Case<'static>> {
        let id = |kind: &str| ids[kind].clone();
        vec![
            (
                "POST",
                runs.clone(),
                Some(json!({ "question": "Where?", "parent": id("message") })),
                None,
            ),
            ("POST", runs.clone(), Some(json!({ "regenerate": id("question") })), None),
            (
                "POST",
                format!("/api/conversations/{conversation}/exports"),
                Some(json!({ "format": "markdown", "through": id("message") })),
                None,
            ),
            (
                "PATCH",
                format!("/api/conversations/{conversation}"),
                Some(json!({ "excluded_sources": [id("source")] })),
                None,
            ),
            (
                "GET",
                format!(
                    "/api/projects/{notebook}/messages/stream?content=Where&conversation={}",
                    id("conversation")
                ),
                None,
                None,
            ),
            (
                "GET",
                format!("/api/projects/{notebook}/messages/stream?content=Where"),
                None,
                Some(("last-event-id", format!("{}:1", id("run")))),
            ),
            (
                "GET",
                format!("/api/runs/{run}/events"),
                None,
                Some(("last-event-id", format!("{}:1", id("run")))),
            ),
            (
                "POST",
                "/api/auth/workspace".into(),
                Some(json!({ "workspace": id("workspace") })),
                None,
            ),
            (
                "POST",
                "/api/auth/login".into(),
                Some(
                    json!({ "email": "ada@example.org", "password": PASSWORD, "transport": "bearer",
                    "workspace": id("workspace") }),
                ),
                None,
            ),
            (
                "POST",
                "/api/auth/invitation".into(),
                Some(json!({ "token": id("invitation token") })),
                None,
            ),
            (
                "POST",
                "/v1/chat/completions".into(),
                Some(
                    json!({ "model": id("model"), "messages": [{ "role": "user", "content": "Where?" }] }),
                ),
                None,
            ),
            (
                "POST",
                "/v1/responses".into(),
                Some(json!({ "model": id("model"), "input": "Where?" })),
                None,
            ),
            (
                "POST",
                "/v1/responses".into(),
                Some(
                    json!({ "model": model, "input": "Where?", "previous_response_id": id("response") }),
                ),
                None,
            ),
            ("GET", format!("/api/notebooks?after={}", id("notebook")), None, None),
            (
                "GET",
                format!("/api/conversations/{conversation}/messages?after={}", id("message")),
                None,
                None,
            ),
            // T12: nobody says whose something is.
            (
                "POST",
                "/api/notebooks".into(),
                Some(json!({ "name": "a", "tenant_id": id("workspace") })),
                None,
            ),
            (
                "POST",
                "/api/notebooks".into(),
                Some(json!({ "name": "a", "workspace": id("workspace") })),
                None,
            ),
            ("GET", "/api/notebooks".into(), None, Some(("x-tenant-id", id("workspace")))),
        ]
    };
    for (theirs, none) in cases(&foreign).into_iter().zip(cases(&nowhere)) {
        let mut said = Vec::new();
        for (method, path, body, header) in [&theirs, &none] {
            let header = header.as_ref().map(|(name, value)| (*name, value.as_str()));
            let kinds = [
                "notebook",
                "source",
                "conversation",
                "message",
                "question",
                "run",
                "workspace",
                "invitation token",
            ];
            let secret: Vec<&String> =
                kinds.iter().flat_map(|kind| [&foreign[kind], &nowhere[kind]]).collect();
            said.push(reply(&ada, method, path, body.as_ref(), header, &secret).await);
        }
        assert_eq!(said[0], said[1], "{} {}", theirs.0, theirs.1);
    }
    // A new thing under an id that is another's: it is one's own, and the other's stays what it is.
    for (path, kind) in [
        ("/api/notebooks".to_owned(), "notebook"),
        (format!("/api/notebooks/{notebook}/conversations"), "conversation"),
    ] {
        let theirs = ada.post(&path, json!({ "id": foreign[kind] })).await;
        let none = ada.post(&path, json!({ "id": nowhere[kind] })).await;
        assert_eq!(theirs.status(), none.status(), "{path}");
        let said = theirs.text().await.unwrap();
        assert!(!said.contains(CANARY), "{said}");
    }
    assert_eq!(snapshot(&bob, &foreign).await, before, "something of the other's has changed");
    // The same key of two people begins two answers.
    let key = "one-key";
    let begin = async |person: &Person, conversation: &str| {
        let path = format!("/api/conversations/{conversation}/runs");
        let request = person.request(Method::POST, &path).header("idempotency-key", key);
        request.json(&json!({ "question": "Where?" })).send().await.unwrap().status()
    };
    assert_eq!(begin(&bob, &foreign["conversation"]).await, 201);
    assert_eq!(begin(&ada, conversation).await, 201);
    assert_eq!(begin(&ada, conversation).await, 200);
}

/// T4, T22, T24: another's very words find nothing, and lists show one's own only.
async fn t4_anothers_words_find_nothing(house: &House) {
    let server = &house.server;
    let (ada, bob) = (Person::register(server, "ada").await, Person::register(server, "bob").await);
    let (own, foreign) = (furnish(&ada, "heron").await, furnish(&bob, CANARY).await);
    for path in [
        "/api/notebooks",
        "/api/webhooks",
        "/api/keys",
        "/api/workspaces",
        "/api/members",
        "/api/auth/sessions",
        "/api/audit",
        "/api/usage",
        "/api/guard/reports",
        "/api/jobs/dead",
        "/api/status",
        "/v1/models",
    ] {
        let said = ada.json(path).await.to_string();
        assert!(!said.contains(CANARY), "{path}: {said}");
        for (kind, id) in &foreign {
            assert!(!said.contains(id), "{path} says the other's {kind}");
        }
    }
    let question = json!({ "question": format!("The {CANARY} lives in the reeds by the pond.") });
    let path = format!("/api/conversations/{}/runs", own["conversation"]);
    let run = text(&ada.made(&path, question).await["id"]);
    ada.until(&format!("/api/runs/{run}"), |run| run["state"] == "completed").await;
    let messages = ada.json(&format!("/api/conversations/{}/messages", own["conversation"])).await;
    for message in messages["items"].as_array().unwrap() {
        for citation in message["citations"].as_array().unwrap() {
            assert_eq!(citation["source"], own["source"].as_str());
        }
    }
    let metrics = server.get("/ready").await.text().await.unwrap();
    for id in foreign.values().chain(own.values()) {
        assert!(!metrics.contains(id), "T24: {metrics}");
    }
}

/// T2: the same over a WebSocket: a conversation and runs of another's are as ones that are not there.
async fn t2_a_websocket_reaches_nothing_of_anothers(house: &House) {
    let server = &house.server;
    use futures::{SinkExt as _, StreamExt as _};
    use tokio_tungstenite::{
        client_async,
        tungstenite::{Message, client::IntoClientRequest as _},
    };
    let (ada, bob) = (Person::register(server, "ada").await, Person::register(server, "bob").await);
    let (own, foreign) = (furnish(&ada, "heron").await, furnish(&bob, CANARY).await);
    let nowhere = absent(&foreign);
    let address = server.url.strip_prefix("http://").unwrap();
    let open = async |token: Option<&str>, conversation: &str| {
        let mut request =
            format!("ws://{address}/ws/chat/{conversation}").into_client_request().unwrap();
        if let Some(token) = token {
            let value = format!("Bearer {token}").parse().unwrap();
            request.headers_mut().insert("authorization", value);
        }
        let socket = tokio::net::TcpStream::connect(address).await.unwrap();
        client_async(request, socket).await.unwrap().0
    };
    let code = async |token: Option<&str>, conversation: &str| loop {
        let mut socket = open(token, conversation).await;
        if let Message::Close(Some(frame)) = socket.next().await.unwrap().unwrap() {
            return (u16::from(frame.code), frame.reason.to_string());
        }
    };
    let (theirs, none) = (
        code(Some(&ada.access), &foreign["conversation"]).await,
        code(Some(&ada.access), &nowhere["conversation"]).await,
    );
    assert_eq!(theirs, none);
    assert_eq!(theirs.0, 4004);
    assert_eq!(code(None, &own["conversation"]).await.0, 4001);
    let mut socket = open(Some(&ada.access), &own["conversation"]).await;
    for kind in ["stop", "resume"] {
        let mut said = Vec::new();
        for run in [&foreign["run"], &nowhere["run"]] {
            let message = json!({ "type": kind, "run": run }).to_string();
            socket.send(Message::text(message)).await.unwrap();
            let reply = loop {
                if let Message::Text(text) = socket.next().await.unwrap().unwrap() {
                    break text.to_string();
                }
            };
            said.push(reply);
        }
        assert_eq!(said[0], said[1], "{kind}");
        assert!(said[0].contains("not_found"), "{}", said[0]);
    }
    for kind in ["message", "question"] {
        let mut said = Vec::new();
        for id in [&foreign[kind], &nowhere[kind]] {
            let message = json!({ "type": "regenerate", "question": id }).to_string();
            socket.send(Message::text(message)).await.unwrap();
            if let Message::Text(text) = socket.next().await.unwrap().unwrap() {
                said.push(text.to_string().replace(id.as_str(), "ID"));
            }
        }
        assert_eq!(said[0], said[1], "{kind}");
    }
}

/// T21: that somebody else has the same file is not told: it is stored, read and answered as if nobody had it.
#[tokio::test]
async fn t21_the_same_file_of_two_is_twice_a_new_one() {
    let folder = folder();
    let server = with_accounts(Setup::new(folder.path())).start();
    let (ada, bob) =
        (Person::register(&server, "ada").await, Person::register(&server, "bob").await);
    let mut said = Vec::new();
    for person in [&ada, &bob] {
        let notebook = text(&person.made("/api/notebooks", json!({ "name": "a" })).await["id"]);
        let path = format!("/api/notebooks/{notebook}/sources");
        let words = "The same words of both. ".repeat(500);
        let part = multipart::Part::bytes(words.into_bytes()).file_name("same.txt");
        let form = multipart::Form::new().part("file", part);
        let response = person.request(Method::POST, &path).multipart(form).send().await.unwrap();
        let status = response.status().as_u16();
        let source: Value = response.json().await.unwrap();
        let path = format!("/api/sources/{}", text(&source["id"]));
        let done = person.until(&path, |source| source["stage"] == "ready").await;
        let original = person.get(&format!("{path}/original")).await;
        assert_eq!(original.status(), 200);
        let (mut first, mut last) = (source, done);
        for source in [&mut first, &mut last] {
            for own in ["id", "notebook", "blob", "created_at", "updated_at"] {
                source.as_object_mut().unwrap().remove(own).unwrap();
            }
        }
        said.push((status, first, last));
    }
    assert_eq!(said[0], said[1]);
    // Each has a file of its own.
    let blobs = std::fs::read_dir(folder.path().join("blobs")).unwrap().flatten();
    let counts = blobs.map(|tenant| std::fs::read_dir(tenant.path()).unwrap().count());
    assert_eq!(counts.collect::<Vec<_>>(), [1, 1]);
}

/// T26: an answer stays as it was given; what it cites is gone with its source, and no passage of it is shown any more.
#[tokio::test]
async fn t26_a_citation_of_a_deleted_source_leads_nowhere() {
    let folder = folder();
    let server = with_accounts(Setup::new(folder.path())).start();
    let ada = Person::register(&server, "ada").await;
    let own = furnish(&ada, "heron").await;
    let messages = format!("/api/conversations/{}/messages", own["conversation"]);
    let cited = async || {
        let items = ada.json(&messages).await["items"].clone();
        let all = items
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|message| message["citations"].as_array().unwrap().clone());
        all.collect::<Vec<Value>>()
    };
    let before = cited().await;
    assert!(!before.is_empty(), "it cites");
    let source = &own["source"];
    let span = &before[0]["span"];
    let passage =
        format!("/api/sources/{source}/passage?start={}&end={}", span["start"], span["end"]);
    assert_eq!(ada.json(&passage).await["quote"], before[0]["quote"]);
    let gone = ada.request(Method::DELETE, &format!("/api/sources/{source}")).send().await.unwrap();
    assert_eq!(gone.status(), 202);
    for path in [
        passage,
        format!("/api/sources/{source}"),
        format!("/api/sources/{source}/text?start=0&end=4"),
        format!("/api/sources/{source}/original"),
        format!("/api/sources/{source}/outline"),
    ] {
        let mut status = ada.get(&path).await.status().as_u16();
        // Its row is there until the last file is gone, and says no more than that it goes.
        let deadline = std::time::Instant::now() + common::PATIENCE;
        while status != 404 {
            assert!(path.ends_with(source.as_str()), "{path}: {status}");
            assert!(std::time::Instant::now() < deadline, "{path}: {status}");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            status = ada.get(&path).await.status().as_u16();
        }
    }
    assert_eq!(cited().await, before, "the answer is what was said");
    let ask = json!({ "question": "Where does the heron live?" });
    let runs = format!("/api/conversations/{}/runs", own["conversation"]);
    let run = text(&ada.made(&runs, ask).await["id"]);
    ada.until(&format!("/api/runs/{run}"), |run| run["state"] == "completed").await;
    assert_eq!(cited().await, before, "nothing new is cited");
}
