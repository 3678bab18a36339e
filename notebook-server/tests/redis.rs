//! Two servers on one PostgreSQL that tell each other by Redis.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../../notebook-core/tests/support/postgres.rs"]
mod cluster;
mod common;
mod provider;
#[path = "../../notebook-core/tests/support/redis.rs"]
mod redis_server;

use cluster::Cluster;
use common::{PATIENCE, Server, Setup, folder, text_of};
use futures::StreamExt;
use notebook_core::{ConversationId, model::Run};
use provider::{Provider, Script};
use redis_server::RedisServer;
use serde_json::{Value, json};

struct House {
    cluster: Cluster,
    redis: RedisServer,
    folder: tempfile::TempDir,
    provider: Provider,
}

impl House {
    async fn new(script: Script) -> Self {
        let (cluster, redis) = (Cluster::start(), RedisServer::start_with(Some("open-sesame")));
        Self { cluster, redis, folder: folder(), provider: Provider::start(script).await }
    }

    fn setup(&self, name: &str) -> Setup {
        let own = self.folder.path().join(name);
        std::fs::create_dir_all(&own).unwrap();
        Setup::new(&own)
            .with("NOTEBOOK__STORAGE__POSTGRES", self.cluster.url())
            .with("NOTEBOOK__STORAGE__REDIS", self.redis.url())
            .with("NOTEBOOK__STORAGE__REDIS_CHANNEL", "test")
            .with("NOTEBOOK__STORAGE__BLOBS", self.folder.path().join("blobs").display())
            .with("NOTEBOOK__JOBS__LEASE_SECONDS", 3)
            .with("NOTEBOOK__CHAT__PROVIDER", "openai")
            .with("NOTEBOOK__CHAT__OPENAI__BASE_URL", format!("{}/v1", self.provider.url))
            .with("NOTEBOOK__CHAT__OPENAI__MODEL", "test")
    }

    /// Two servers, and a conversation about a heron.
    async fn open(&self) -> ([Server; 2], ConversationId) {
        let servers = [self.setup("a").start(), self.setup("b").start()];
        let notebook = servers[0].notebook().await;
        let text = b"The heron waits by the pond. It eats frogs.".to_vec();
        servers[0].ready(notebook, "heron.txt", text).await;
        let conversation = servers[1].conversation(notebook).await;
        (servers, conversation)
    }
}

async fn redis_check(server: &Server) -> Value {
    let response = server.get("/ready").await;
    assert_eq!(response.status(), 200, "a Redis that is away is no reason to be down");
    response.json::<Value>().await.unwrap()["checks"]["redis"].clone()
}

async fn until_redis(server: &Server, status: &str) -> Value {
    let turned = async {
        loop {
            let check = redis_check(server).await;
            if check["status"] == status {
                return check;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, turned).await.expect("it turns")
}

/// Reads a run to its end at a server, in a task.
async fn follow(server: &Server, run: &Run) -> tokio::task::JoinHandle<Vec<Value>> {
    let stream = server.stream(run, 0).await;
    tokio::spawn(async move {
        stream.map(|event| serde_json::from_str(&event.data).unwrap()).collect().await
    })
}

/// E5, S46: the same run live at both servers, by Redis alone; PostgreSQL's notifications are not used.
#[tokio::test]
async fn e5_s46_two_servers_share_runs_over_redis() {
    let house = House::new(Script::paced(&["The heron ", "eats ", "frogs [1]."], 150)).await;
    let (servers, conversation) = house.open().await;
    let listening = "SELECT count(*) FROM pg_stat_activity WHERE query ILIKE 'LISTEN%'";
    assert_eq!(house.cluster.query(listening), ["0"]);
    let channels = house.redis.cli(&["-a", "open-sesame", "PUBSUB", "NUMSUB", "test"]);
    assert_eq!(channels.split_whitespace().collect::<Vec<_>>(), ["test", "2"]);
    for asked in [0, 1, 0, 1] {
        let run = servers[asked].ask(conversation, "What does the heron eat?").await;
        let (one, two) = tokio::join!(servers[0].events(&run, 0), servers[1].events(&run, 0));
        assert_eq!(one, two);
        assert_eq!(one.last().unwrap()["type"], "completed");
        assert_eq!(servers[1 - asked].message(&run).await.text, text_of(&one));
    }
    let ready: Value = servers[0].get("/ready").await.json().await.unwrap();
    let statistics = &ready["checks"]["database"]["statistics"];
    assert_eq!(
        (&statistics["engine"], &statistics["pool"]["most"]),
        (&json!("postgres"), &json!(16))
    );
    assert!(statistics["pool"]["lent"].as_u64().unwrap() > 10, "{statistics}");
    let check = redis_check(&servers[0]).await;
    assert_eq!(check["status"], "ok");
    assert!(check["micros"].as_u64().unwrap() > 0);
}

/// E5, Q37: Redis is killed in the middle of an answer. Readers at both servers still get all of it, though nobody can
/// be told that they watch; another question is answered without Redis, and it is used again when it is back.
#[tokio::test]
async fn e5_an_answer_arrives_elsewhere_although_redis_is_killed() {
    let words: Vec<String> = (0..24).map(|number| format!("word{number} ")).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut house = House::new(Script::paced(&words, 250)).await;
    let (servers, conversation) = house.open().await;
    for killed in [true, false] {
        let run = servers[0].ask(conversation, "What does the heron eat?").await;
        let readers = [follow(&servers[0], &run).await, follow(&servers[1], &run).await];
        if killed {
            let mut begun = Box::pin(servers[1].stream(&run, 0).await);
            while begun.next().await.expect("it begins").event != "delta" {}
            house.redis.kill();
        }
        for reader in readers {
            let events = tokio::time::timeout(PATIENCE, reader).await.unwrap().unwrap();
            assert_eq!(events.last().unwrap()["type"], "completed", "{events:?}");
            assert_eq!(text_of(&events).trim_end(), words.concat().trim_end());
        }
        let check = until_redis(&servers[1], "degraded").await;
        assert_eq!(check["detail"], "unavailable");
    }
    house.redis.restart();
    for server in &servers {
        until_redis(server, "ok").await;
    }
    // A stop from the other server is told at once again.
    let run = servers[0].ask(conversation, "What does the heron eat?").await;
    let stopped = servers[1].post(&format!("/api/runs/{}/stop", run.id), json!({})).await;
    assert_eq!(stopped.status(), 202);
    assert_eq!(servers[0].events(&run, 0).await.last().unwrap()["type"], "stopped");
}

/// Nobody can say that they watch while Redis is away: the answer is not ended for want of watchers.
#[tokio::test]
async fn s39_an_answer_watched_elsewhere_is_not_abandoned_while_redis_is_away() {
    let words: Vec<String> = (0..40).map(|number| format!("word{number} ")).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut house = House::new(Script::paced(&words, 500)).await;
    let impatient = |name| house.setup(name).with("NOTEBOOK__CHAT__UNWATCHED_SECONDS", 2).start();
    let servers = [impatient("a"), impatient("b")];
    let notebook = servers[0].notebook().await;
    let text = b"The heron waits by the pond. It eats frogs.".to_vec();
    servers[0].ready(notebook, "heron.txt", text).await;
    let conversation = servers[0].conversation(notebook).await;
    house.redis.kill();
    for server in &servers {
        until_redis(server, "degraded").await;
    }
    // Which of the two makes the answer is chance: one at each is read at the other.
    let runs = [
        servers[0].ask(conversation, "What does the heron eat?").await,
        servers[1].ask(conversation, "Where does the heron wait?").await,
    ];
    let readers = [follow(&servers[1], &runs[0]).await, follow(&servers[0], &runs[1]).await];
    for reader in readers {
        let events = tokio::time::timeout(PATIENCE, reader).await.unwrap().unwrap();
        assert_eq!(events.last().unwrap()["type"], "completed", "{:?}", events.last());
    }
}

/// A wrong password is said at the start, in words, without itself; `doctor` shows Redis and how long it takes.
#[tokio::test]
async fn a_wrong_password_is_told_and_doctor_shows_redis() {
    let house = House::new(Script::paced(&["x"], 1)).await;
    let run = |command: &str, url: &str| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_notebook"))
            .args([command, "--data-dir"])
            .arg(house.folder.path().join(command))
            .env("NOTEBOOK__STORAGE__POSTGRES", house.cluster.url())
            .env("NOTEBOOK__STORAGE__REDIS", url)
            .env("NOTEBOOK__CHAT__PROVIDER", "extractive")
            .env("NOTEBOOK__EMBEDDING__PROVIDER", "none")
            .output()
            .unwrap();
        let both = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(both).unwrap())
    };
    let wrong = house.redis.url().replace("open-sesame", "hunter2");
    for command in ["serve", "doctor"] {
        let (good, said) = run(command, &wrong);
        assert!(!good && said.contains("check the user and password in Redis's URL"), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
    let (good, said) = run("doctor", &house.redis.url());
    assert!(good && said.contains("✓ redis    answers in "), "{said}");
    let (good, said) = run("doctor", "redis://127.0.0.1:1");
    assert!(good && said.contains("! redis"), "{said}");
}
