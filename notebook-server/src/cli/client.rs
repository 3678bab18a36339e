//! The commands talk to the REST interface: of the server that has the data folder open, or else of
//! one that they start in their own process. There is one way to do everything.

use std::net::SocketAddr;

use futures::{Stream, StreamExt};
use notebook_agent::mcp::Begin;
use notebook_core::{JobId, Secret, sse::EventStream};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{compose, config::Config, routes, server};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// The environment variable with an API key, for servers with accounts.
const API_KEY: &str = "NOTEBOOK_API_KEY";
/// How often a job is asked after.
const POLL: std::time::Duration = std::time::Duration::from_millis(100);

/// A client for this machine's own server, and nothing else.
#[allow(
    clippy::disallowed_methods,
    reason = "it connects to loopback only, where no guard is needed"
)]
fn loopback_client() -> Result<reqwest::Client, Error> {
    // Needed to build a client at all; a second start in one process keeps the first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Ok(reqwest::Client::builder().no_proxy().build()?)
}

/// A connection to a server.
pub(super) struct Client {
    http: reqwest::Client,
    base: String,
    /// For servers with accounts.
    key: Option<Secret>,
    own: Option<Own>,
}

/// A server of this process.
struct Own {
    ending: CancellationToken,
    serving: JoinHandle<()>,
}

impl Client {
    /// Finds the server of the data folder, or starts one.
    pub(super) async fn connect(config: &Config) -> Result<Self, Error> {
        let http = loopback_client()?;
        let key = std::env::var(API_KEY).ok().filter(|key| !key.is_empty()).map(Secret::new);
        if compose::is_locked(&config.data_dir) {
            let base = compose::running_server(&config.data_dir).ok_or_else(|| {
                format!(
                    "another notebook process has {} open but does not serve; wait for it to end",
                    config.data_dir.display()
                )
            })?;
            return Ok(Self { http, base, key, own: None });
        }
        let ending = CancellationToken::new();
        let listener = server::listen(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        let base = format!("http://{}", listener.local_addr()?);
        // Answers need no other programs; a research that an earlier process left unfinished does.
        let running = compose::open(config, Begin::WhenWanted, ending.clone()).await?;
        let router = routes::server(running.app.clone());
        let (ended, head) = (ending.clone(), config.limits.head());
        let serving = tokio::spawn(async move {
            server::serve(listener, router, head, ended).await;
            running.shutdown().await;
        });
        Ok(Self { http, base, key, own: Some(Own { ending, serving }) })
    }

    /// Ends a server of this process and waits until everything is written down.
    pub(super) async fn close(self) {
        if let Some(own) = self.own {
            own.ending.cancel();
            let _ = own.serving.await;
        }
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        Ok(self.send(self.request(Method::GET, path)).await?.json().await?)
    }

    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Error> {
        Ok(self.send(self.request(Method::POST, path).json(body)).await?.json().await?)
    }

    /// Uploads a file, streamed from disk.
    pub(super) async fn upload<T: DeserializeOwned>(
        &self,
        path: &str,
        file: &std::path::Path,
    ) -> Result<T, Error> {
        let form = reqwest::multipart::Form::new().file("file", file).await?;
        Ok(self.send(self.request(Method::POST, path).multipart(form)).await?.json().await?)
    }

    /// The job, once it has ended with a result.
    pub(super) async fn job(&self, id: JobId) -> Result<Value, Error> {
        loop {
            let job: Value = self.get(&format!("/api/jobs/{id}")).await?;
            let text = |value: &Value| value.as_str().map(str::to_owned);
            match job.get("state").and_then(Value::as_str) {
                Some("completed") => return Ok(job.get("result").cloned().unwrap_or_default()),
                Some("dead") => {
                    let said = job.pointer("/error/message").and_then(text);
                    return Err(said.unwrap_or_else(|| "the job failed".to_owned()).into());
                }
                Some("cancelled") => return Err("the job was cancelled".into()),
                _ => tokio::time::sleep(POLL).await,
            }
        }
    }

    /// What a path answers with, into a file.
    pub(super) async fn download(
        &self,
        path: &str,
        file: &mut (impl std::io::Write + Send),
    ) -> Result<(), Error> {
        let response = self.send(self.request(Method::GET, path)).await?;
        let mut pieces = response.bytes_stream();
        while let Some(piece) = pieces.next().await {
            file.write_all(&piece?)?;
        }
        Ok(())
    }

    /// The events of a stream: name and data.
    pub(super) async fn events(
        &self,
        path: &str,
    ) -> Result<impl Stream<Item = Result<(String, Value), Error>> + use<>, Error> {
        let response = self.send(self.request(Method::GET, path)).await?;
        Ok(EventStream::new(response.bytes_stream()).map(|event| {
            let event = event?;
            Ok((event.event.into_owned(), serde_json::from_str(&event.data)?))
        }))
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.key {
            Some(key) => request.bearer_auth(key.expose()),
            None => request,
        }
    }

    /// Sends, and turns a problem into its sentence.
    async fn send(&self, request: RequestBuilder) -> Result<Response, Error> {
        let response = request.send().await?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        if status == StatusCode::UNAUTHORIZED {
            return Err(format!(
                "the server has accounts: set {API_KEY} to an API key that is good"
            )
            .into());
        }
        let problem: Value = response.json().await.unwrap_or_default();
        let detail = problem.get("detail").and_then(Value::as_str).map(str::to_owned);
        Err(detail.unwrap_or_else(|| format!("the server answered {status}")).into())
    }
}
