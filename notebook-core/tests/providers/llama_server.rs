//! The OpenAI adapters against llama.cpp's real server with a small model.

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use futures::StreamExt;
use notebook_core::{
    ErrorKind, Secret,
    chat::{
        ChatModel, FinishReason, conformance,
        openai::{OpenAiChat, OpenAiConfig},
    },
    embed::{
        EmbedKind, Embedder,
        openai::{OpenAiEmbedConfig, OpenAiEmbedder},
    },
};
use serde_json::Value;

use crate::{ask, hear, http};

fn cached(name: &str) -> PathBuf {
    let folder = std::env::var_os("NOTEBOOK_CACHE").map(PathBuf::from).unwrap_or_else(|| {
        PathBuf::from(std::env::var_os("HOME").expect("HOME is set")).join(".cache/notebook")
    });
    let path = folder.join(name);
    assert!(
        path.exists(),
        "{} is not there: run scripts/fetch-models.py models llama-server",
        path.display()
    );
    path
}

/// A running server; its process ends with the value.
struct Llama {
    process: Child,
    base: String,
    log: tempfile::TempDir,
}

impl Drop for Llama {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Llama {
    /// Starts a server on a free port, with a window of 1,024 tokens.
    ///
    /// The only build that can be had uses instructions that some processors lack (AMX): there it ends at once, and there is
    /// no server to test with, which is said.
    #[allow(clippy::print_stderr, reason = "what is not tested is said")]
    async fn start(extra: &[&str]) -> Option<Self> {
        let server = cached("bin/llama-server/llama-server");
        let model = cached("models/SmolLM2-135M-Instruct.Q4_1.gguf");
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let log = tempfile::tempdir().unwrap();
        let output = std::fs::File::create(log.path().join("log")).unwrap();
        let process = Command::new(&server)
            .env("LD_LIBRARY_PATH", server.parent().unwrap())
            .arg("-m")
            .arg(model)
            .args(["--host", "127.0.0.1", "--port", &free.port().to_string()])
            .args(["-ngl", "0", "-c", "1024", "-np", "1", "-t", "2", "--slots"])
            .args(extra)
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        let mut llama = Self { process, base: format!("http://{free}"), log };
        if !llama.is_ready(free).await {
            eprintln!(
                "not tested: llama-server was built for instructions that this processor does not have"
            );
            return None;
        }
        Some(llama)
    }

    /// Whether it runs; not where the processor does not know its instructions.
    async fn is_ready(&mut self, address: std::net::SocketAddr) -> bool {
        use std::os::unix::process::ExitStatusExt as _;
        const ILLEGAL_INSTRUCTION: i32 = 4;
        for _ in 0..600 {
            if let Some(status) = self.process.try_wait().unwrap() {
                if status.signal() == Some(ILLEGAL_INSTRUCTION) {
                    return false;
                }
                let log = std::fs::read_to_string(self.log.path().join("log")).unwrap_or_default();
                panic!("llama-server ended with {status}: {log}");
            }
            if get(address, "/health").await.is_some_and(|answer| answer.contains("200 OK")) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        panic!("llama-server did not become ready within two minutes");
    }

    fn config(&self) -> OpenAiConfig {
        OpenAiConfig {
            provider: "llamacpp".into(),
            ..OpenAiConfig::new(format!("{}/v1", self.base), "smollm2")
        }
    }

    fn model(&self) -> OpenAiChat {
        OpenAiChat::new(http(), self.config()).unwrap()
    }

    /// Whether the server's one slot generates.
    async fn is_busy(&self) -> bool {
        let address = self.base.strip_prefix("http://").unwrap().parse().unwrap();
        let answer = get(address, "/slots").await.unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let slots: Value = serde_json::from_str(body).unwrap();
        slots[0]["is_processing"].as_bool().unwrap()
    }
}

/// The raw answer to a GET; `None` when nobody listens yet.
async fn get(address: std::net::SocketAddr, path: &str) -> Option<String> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut connection = tokio::net::TcpStream::connect(address).await.ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).await.ok()?;
    String::from_utf8(answer).ok()
}

#[tokio::test]
async fn a_real_server_answers_stops_and_refuses() {
    let Some(llama) = Llama::start(&[]).await else { return };
    let model = llama.model();
    model.check().await.unwrap();

    let capabilities = conformance::Capabilities {
        reports_usage: true,
        limits_tokens: true,
        ..conformance::Capabilities::default()
    };
    let plain = OpenAiChat::new(http(), OpenAiConfig { tools: false, ..llama.config() }).unwrap();
    let report = conformance::run_all(&plain, &capabilities).await;
    assert_eq!(report.failures, Vec::<String>::new());

    let mut request = ask("Name one colour.");
    (request.max_tokens, request.temperature, request.seed) = (Some(8), Some(0.0), Some(1));
    let heard = hear(&model, request).await.unwrap();
    assert!(!heard.text.is_empty());
    let (prompt, completion) = heard.tokens();
    assert!(prompt > 5 && (1..=8).contains(&completion));

    let error = hear(&model, ask(&"word ".repeat(3000))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ContextTooLong, "{error:?}");

    // Dropping a long answer closes the connection, and the server stops generating.
    let mut request = ask("Count from one to a thousand.");
    request.max_tokens = Some(900);
    let mut stream = model.stream(request).await.unwrap();
    stream.next().await.unwrap().unwrap();
    assert!(llama.is_busy().await, "the answer ended before it could be stopped");
    drop(stream);
    while llama.is_busy().await {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_real_server_embeds_and_asks_for_its_key() {
    let arguments = ["--embedding", "--pooling", "mean", "--api-key", "k1"];
    let Some(llama) = Llama::start(&arguments).await else { return };
    let error = hear(&llama.model(), ask("Hi")).await.unwrap_err();
    assert_eq!((error.kind(), error.context("status")), (ErrorKind::Unauthorized, Some("401")));
    let model = OpenAiChat::new(
        http(),
        OpenAiConfig { api_key: Some(Secret::new("k1")), ..llama.config() },
    );
    let mut request = ask("Hi");
    request.max_tokens = Some(2);
    assert_eq!(hear(&model.unwrap(), request).await.unwrap().finish, Some(FinishReason::Length));

    let mut config = OpenAiEmbedConfig::new(format!("{}/v1", llama.base), "smollm2");
    let refused = OpenAiEmbedder::connect(http(), config.clone()).await.err().unwrap();
    assert_eq!(refused.kind(), ErrorKind::Unauthorized);
    config.api_key = Some(Secret::new("k1"));
    let embedder = OpenAiEmbedder::connect(http(), config.clone()).await.unwrap();
    assert_eq!(embedder.space().dimensions, 576);
    let texts = ["Bees make honey.", "", "Bees make honey."].map(str::to_owned);
    let vectors = embedder.embed(EmbedKind::Passage, &texts).await.unwrap();
    for vector in &vectors {
        assert!((vector.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-4);
    }
    let near: f32 = vectors[0].iter().zip(&vectors[2]).map(|(a, b)| a * b).sum();
    assert!(near > 0.999);

    // A text over the server's batch, which the default limit would have cut.
    config.options.max_tokens = 10_000;
    let embedder = OpenAiEmbedder::connect(http(), config).await.unwrap();
    let error = embedder.embed(EmbedKind::Passage, &["word ".repeat(3000)]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ContextTooLong, "{error:?}");
}
