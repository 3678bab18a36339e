//! Models from a hub: `notebook models fetch` against a server that speaks its interface.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Redirect, Response},
    routing::get,
};
use common::folder;
use futures::StreamExt as _;
use sha2::{Digest as _, Sha256};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const MODEL: &str = "models--acme--tiny";
/// A tokenizer of three words.
const TOKENIZER: &str = r#"{"version":"1.0","pre_tokenizer":{"type":"Whitespace"},"model":{"type":"WordLevel","vocab":{"a":0,"word":1,"?":2},"unk_token":"?"}}"#;

/// What the hub does wrong.
#[derive(Default)]
struct Hub {
    weights: Vec<u8>,
    /// The hash that it names, when it is not the right one.
    hash: Option<String>,
    /// The first answers of the store behind the redirect end after so many bytes.
    breaks: AtomicUsize,
    cut: usize,
    /// Nothing is shown without it.
    token: Option<&'static str>,
    /// `Range` of each request to the store.
    ranges: std::sync::Mutex<Vec<Option<String>>>,
    /// Whether the store ever saw the token.
    leaked: AtomicUsize,
}

impl Hub {
    fn hash(&self) -> String {
        self.hash.clone().unwrap_or_else(|| notebook_core::hex(Sha256::digest(&self.weights)))
    }

    /// Serves until the test ends.
    async fn start(self) -> (Arc<Self>, String) {
        let hub = Arc::new(self);
        let store = Router::new().route("/blob", get(blob)).with_state(Arc::clone(&hub));
        let store = serve(store).await;
        let resolve = move |State(hub): State<Arc<Hub>>, request: Request| {
            let store = store.clone();
            async move { resolve(&hub, &store, &request) }
        };
        let app = Router::new()
            .route("/acme/tiny/resolve/main/{*file}", get(resolve))
            .with_state(Arc::clone(&hub));
        let address = serve(app).await;
        (hub, address)
    }
}

async fn serve(app: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

fn resolve(hub: &Hub, store: &str, request: &Request) -> Response {
    let bearer = hub.token.map(|token| format!("Bearer {token}"));
    if bearer.is_some()
        && request.headers().get("authorization").map(|v| v.to_str().unwrap()) != bearer.as_deref()
    {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let about =
        |etag: &str| [("x-repo-commit", COMMIT.to_owned()), ("etag", format!("\"{etag}\""))];
    match request.uri().path().rsplit("main/").next().unwrap() {
        "config.json" => (about("c0ffee"), "{\"model_type\": \"bert\"}").into_response(),
        "1_Pooling/config.json" => (about("beef"), "{}").into_response(),
        "tokenizer.json" => (about("7abc"), TOKENIZER).into_response(),
        "model.safetensors" => {
            let mut redirect =
                Redirect::temporary(&format!("{store}/blob?signature=1")).into_response();
            let size = hub.weights.len().to_string();
            for (name, value) in [
                ("x-repo-commit", COMMIT),
                ("x-linked-etag", &format!("\"{}\"", hub.hash())),
                ("x-linked-size", &size),
            ] {
                redirect
                    .headers_mut()
                    .insert(header::HeaderName::try_from(name).unwrap(), value.parse().unwrap());
            }
            redirect
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn blob(State(hub): State<Arc<Hub>>, headers: HeaderMap) -> Response {
    if headers.contains_key("authorization") {
        hub.leaked.fetch_add(1, Ordering::SeqCst);
    }
    let range = headers.get("range").map(|value| value.to_str().unwrap().to_owned());
    hub.ranges.lock().unwrap().push(range.clone());
    let start = range.as_deref().map_or(0, |range| {
        range.strip_prefix("bytes=").unwrap().strip_suffix('-').unwrap().parse().unwrap()
    });
    if start >= hub.weights.len() {
        return StatusCode::RANGE_NOT_SATISFIABLE.into_response();
    }
    let status = if range.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let rest = hub.weights[start..].to_vec();
    let broken = hub.breaks.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
    let length = rest.len();
    let body = if broken.is_ok() {
        let part = rest[..hub.cut.min(length)].to_vec();
        let cut = async {
            // What was sent must be on its way before the connection is reset.
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            Err(std::io::Error::other("the line is cut"))
        };
        Body::from_stream(futures::stream::iter([Ok(part)]).chain(futures::stream::once(cut)))
    } else {
        Body::from(rest)
    };
    (status, [("content-length", length.to_string())], body).into_response()
}

async fn fetch(hub: &str, cache: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_notebook"));
    command
        .args(["models", "fetch", "acme/tiny"])
        .args(more)
        .env("HF_ENDPOINT", hub)
        .env("HF_HUB_CACHE", cache)
        .env_remove("HF_TOKEN");
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn error(output: &Output) -> String {
    assert!(!output.status.success(), "it must fail: {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn snapshot(cache: &Path) -> PathBuf {
    cache.join(MODEL).join("snapshots").join(COMMIT)
}

fn weights() -> Vec<u8> {
    (0..300_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

#[tokio::test]
async fn a_model_is_fetched_into_the_layout_of_the_hub_s_cache() {
    let (hub, address) = Hub { weights: weights(), ..Hub::default() }.start().await;
    let cache = folder();
    let output = fetch(&address, cache.path(), &[]).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let snapshot = snapshot(cache.path());
    assert!(String::from_utf8_lossy(&output.stdout).contains(snapshot.to_str().unwrap()));
    assert_eq!(fs::read(snapshot.join("model.safetensors")).unwrap(), hub.weights);
    assert_eq!(fs::read_to_string(snapshot.join("1_Pooling/config.json")).unwrap(), "{}");
    assert!(!snapshot.join("sentence_bert_config.json").exists(), "the hub has none");
    let reference = cache.path().join(MODEL).join("refs/main");
    assert_eq!(fs::read_to_string(reference).unwrap(), COMMIT);
    let blob = fs::read_link(snapshot.join("model.safetensors")).unwrap();
    assert_eq!(blob, Path::new("../../blobs").join(hub.hash()));
    // Again: nothing large is fetched.
    let output = fetch(&address, cache.path(), &[]).await;
    assert!(output.status.success());
    assert_eq!(hub.ranges.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_broken_connection_costs_only_what_is_missing() {
    let hub = Hub { weights: weights(), breaks: 1.into(), cut: 120_000, ..Hub::default() };
    let (hub, address) = hub.start().await;
    let cache = folder();
    let file = ["--file", "model.safetensors"];
    error(&fetch(&address, cache.path(), &file).await);
    assert!(!snapshot(cache.path()).exists(), "half a file is not shown");
    let output = fetch(&address, cache.path(), &file).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(fs::read(snapshot(cache.path()).join("model.safetensors")).unwrap(), hub.weights);
    let ranges = hub.ranges.lock().unwrap().clone();
    let [None, Some(range)] = ranges.as_slice() else { panic!("{ranges:?}") };
    let start: usize = range.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap();
    assert!(start > 0 && start <= 120_000, "{range}");
}

#[tokio::test]
async fn a_file_that_is_not_what_the_hub_says_is_thrown_away() {
    let hash = "ab".repeat(32);
    let hub = Hub { weights: weights(), hash: Some(hash), ..Hub::default() };
    let (_, address) = hub.start().await;
    let cache = folder();
    let error = error(&fetch(&address, cache.path(), &["--file", "model.safetensors"]).await);
    assert!(error.contains("hash is not what the hub says"), "{error}");
    assert!(!snapshot(cache.path()).exists());
    let left: Vec<_> = fs::read_dir(cache.path().join(MODEL).join("blobs")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn a_closed_model_needs_the_token_and_only_the_hub_sees_it() {
    let hub = Hub { weights: weights(), token: Some("hf_secret"), ..Hub::default() };
    let (hub, address) = hub.start().await;
    let cache = folder();
    let error = error(&fetch(&address, cache.path(), &[]).await);
    assert!(error.contains("HF_TOKEN") && !error.contains("hf_secret"), "{error}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_notebook"));
    command
        .args(["models", "fetch", "acme/tiny"])
        .envs([("HF_ENDPOINT", address.as_str()), ("HF_TOKEN", "hf_secret")])
        .env("HF_HUB_CACHE", cache.path());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(hub.leaked.load(Ordering::SeqCst), 0, "another host is not told the token");
}

#[tokio::test]
async fn what_is_not_there_or_not_a_hub_is_an_error_that_says_so() {
    let (_, address) = Hub { weights: weights(), ..Hub::default() }.start().await;
    let cache = folder();
    for (hub, file, wanted) in [
        (address.as_str(), "absent.gguf", "does not show such a file"),
        (address.as_str(), "../../etc/passwd", "file"),
        ("http://127.0.0.1:9", "config.json", "127.0.0.1:9"),
        ("no address", "config.json", "http://"),
    ] {
        let error = error(&fetch(hub, cache.path(), &["--file", file]).await);
        assert!(error.contains(wanted), "{hub} {file}: {error}");
    }
    let plain = serve(Router::new().fallback(get(|| async { "<html>hello</html>" }))).await;
    let error = error(&fetch(&plain, cache.path(), &["--file", "config.json"]).await);
    assert!(error.contains("HF_ENDPOINT"), "{error}");
    let files: Vec<_> = fs::read_dir(cache.path()).unwrap().collect();
    assert!(files.is_empty(), "{files:?}");
}

/// C4: a model's public tokenizer is fetched like a model, and counts; without it the setting is named, with the command that fetches
/// it, and nothing starts that would count otherwise than it was told to.
#[tokio::test]
async fn c4_a_tokenizer_is_fetched_and_counts() {
    let (_hub, address) = Hub::default().start().await;
    let (cache, data) = (folder(), folder());
    let settings = data.path().join("notebook.toml");
    let doctor = async |tokenizer: &str| {
        let table = format!("[chat.tokenizers.\"openai/*\"]\n{tokenizer}\n");
        fs::write(&settings, table).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_notebook"));
        command.args(["doctor", "--data-dir"]).arg(data.path().join("data"));
        command.env("NOTEBOOK_CONFIG", &settings).env("HF_HUB_CACHE", cache.path());
        command.env("NOTEBOOK_CACHE", cache.path().join("none"));
        for (name, value) in [
            ("CHAT__PROVIDER", "openai"),
            ("CHAT__OPENAI__BASE_URL", "http://127.0.0.1:1/v1"),
            ("CHAT__OPENAI__MODEL", "llama"),
            ("EMBEDDING__PROVIDER", "none"),
        ] {
            command.env(format!("NOTEBOOK__{name}"), value);
        }
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let said = doctor("hub = \"acme/tiny\"").await;
    for part in
        ["chat.tokenizers.\"openai/*\"", "notebook models fetch acme/tiny --file tokenizer.json"]
    {
        assert!(said.contains(part), "{said}");
    }
    assert!(!said.contains("tokenizer is not at hand"), "{said}");
    let output = fetch(&address, cache.path(), &["--file", "tokenizer.json"]).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for tokenizer in [
        "hub = \"acme/tiny\"".to_owned(),
        format!("file = {:?}", snapshot(cache.path()).join("tokenizer.json")),
    ] {
        let said = doctor(&tokenizer).await;
        assert!(said.contains("counted with the model's own tokenizer"), "{said}");
    }
    let said = doctor("file = \"/nowhere/tokenizer.json\"").await;
    assert!(said.contains("chat.tokenizers.\"openai/*\"") && said.contains("/nowhere"), "{said}");
}
