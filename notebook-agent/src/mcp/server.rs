//! One server: the shell around its connection.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use async_trait::async_trait;
use notebook_core::{
    Clock, Result as CoreResult, Timestamp,
    approval::visible,
    http::{HttpClient, HttpConfig},
};
use parking_lot::Mutex;
use rmcp::{
    ClientHandler, RoleClient,
    model::{
        CallToolRequestParams, CallToolResponse, ClientCapabilities, ClientConfig, Implementation,
        PaginatedRequestParams, ProtocolVersion, SubscriptionFilter, Tool,
    },
    service::{
        ClientInitializeError, ClientLifecycleMode, NotificationContext, Peer, RunningService,
        ServiceError, Subscription, serve_client_with_lifecycle,
    },
    transport::{
        StreamableHttpClientTransport, streamable_http_client::StreamableHttpClientTransportConfig,
    },
};
use serde_json::Value;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::{
    Reach, ServerSettings, content,
    http::Caller,
    offer::Offer,
    state::{Act, Connection, Event},
    stdio::{MOST_MESSAGE, Running},
};
use crate::{
    graph::Failure,
    tools::{At, Observation, RawTool, changed},
};

/// How long a server may take until it answers for the first time: some are downloaded then.
const BEGIN: Duration = Duration::from_secs(60);
/// The most pages of a list of tools, and the most tools that are looked at.
const PAGES: usize = 100;
const LOOKED_AT: usize = 10_000;
/// How old what is known of a server's tools may be when one is called.
const FRESH: Duration = Duration::from_secs(60);
/// How long the end of a connection may take.
const END: Duration = Duration::from_secs(1);
/// After a change of tools, so long until they are listed: changes come in bursts.
const SETTLE: Duration = Duration::from_millis(100);

/// What a server says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// The revision of the protocol that is spoken.
    pub protocol: String,
    /// What it calls itself, with its version.
    pub name: String,
}

/// How a server stands now.
#[derive(Debug, Clone)]
pub struct Standing {
    /// The connection.
    pub connection: Connection,
    /// What it says of itself; of its last connection, where it has none.
    pub about: Option<About>,
    /// What it offers; what it did last, where it has no connection.
    pub offer: Arc<Offer>,
}

pub(super) struct Server {
    pub(super) settings: ServerSettings,
    http: Option<HttpClient>,
    clock: Arc<dyn Clock>,
    standing: watch::Sender<Standing>,
    live: Mutex<Option<Live>>,
    /// Rung to begin anew at once.
    wake: Notify,
}

/// What is there while it is connected.
#[derive(Clone)]
struct Live {
    peer: Peer<RoleClient>,
    listed: Timestamp,
}

/// Hears what a server tells, and does nothing that it asks for: it gets no model, no folders, no questions to people.
struct Ears(Arc<Notify>);

impl ClientHandler for Ears {
    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.0.notify_one();
    }

    fn get_info(&self) -> ClientConfig {
        let own = Implementation::new("notebook", env!("CARGO_PKG_VERSION"));
        ClientConfig::new(ClientCapabilities::default(), own)
            .with_protocol_version(ProtocolVersion::LATEST_WITH_INITIALIZE)
    }
}

type Service = RunningService<RoleClient, Ears>;

impl Server {
    pub(super) fn new(settings: ServerSettings, clock: Arc<dyn Clock>) -> CoreResult<Arc<Self>> {
        let http = match &settings.reach {
            Reach::Http(_) => {
                let extra_roots = settings.extra_roots.clone();
                Some(HttpClient::new(&HttpConfig { extra_roots, ..HttpConfig::default() })?)
            }
            Reach::Program(_) => None,
        };
        let connection = Connection::new(clock.now());
        let standing = Standing { connection, about: None, offer: Arc::default() };
        let (standing, _) = watch::channel(standing);
        Ok(Arc::new(Self {
            settings,
            http,
            clock,
            standing,
            live: Mutex::new(None),
            wake: Notify::new(),
        }))
    }

    pub(super) fn standing(&self) -> Standing {
        self.standing.borrow().clone()
    }

    /// Waits until it is known what becomes of it.
    pub(super) async fn settled(&self) {
        let mut seen = self.standing.subscribe();
        // The sender lives as long as this does.
        let _ = seen.wait_for(|standing| !standing.connection.is_beginning()).await;
    }

    fn tell(&self, event: Event) -> Act {
        let now = self.clock.now();
        let mut act = Act::Go;
        self.standing.send_modify(|standing| {
            let (connection, next) = standing.connection.clone().step(event, now);
            standing.connection = connection;
            act = next;
        });
        act
    }

    /// Keeps the connection, until the end.
    pub(super) async fn keep(self: Arc<Self>, ending: CancellationToken) {
        let mut act = self.tell(Event::Begin);
        loop {
            act = match act {
                Act::Connect | Act::Go => {
                    let why = self.session(&ending).await;
                    *self.live.lock() = None;
                    if ending.is_cancelled() {
                        self.tell(Event::Close)
                    } else {
                        let why = self.without_secrets(&why);
                        tracing::warn!(
                            server = self.settings.taking.server,
                            why,
                            "an MCP server is lost; it is begun anew"
                        );
                        self.tell(Event::Down(why))
                    }
                }
                Act::Wait(wait) => tokio::select! {
                    () = tokio::time::sleep(wait) => self.tell(Event::Begin),
                    () = self.wake.notified() => self.tell(Event::Wanted),
                    () = ending.cancelled() => self.tell(Event::Close),
                },
                Act::Stop => return,
            };
        }
    }

    /// What a person is told: on one line, with nothing hidden, and without what the server was given as secrets.
    fn without_secrets(&self, why: &str) -> String {
        let secrets = match &self.settings.reach {
            Reach::Program(program) => &program.env,
            Reach::Http(endpoint) => &endpoint.headers,
        };
        let why = secrets.values().fold(why.to_owned(), |why, secret| secret.redact(&why));
        visible(&why.replace('\n', " "))
    }

    /// One connection, from its beginning to its end; why it ended.
    async fn session(self: &Arc<Self>, ending: &CancellationToken) -> String {
        let changes = Arc::new(Notify::new());
        let opened = tokio::select! {
            opened = self.open(Ears(changes.clone())) => opened,
            () = ending.cancelled() => return String::new(),
        };
        let (service, mut child) = match opened {
            Ok(opened) => opened,
            Err(why) => return why,
        };
        let why = tokio::select! {
            biased;
            () = ending.cancelled() => String::new(),
            why = ended(&mut child) => why,
            why = self.serve(&service, &changes) => why,
        };
        *self.live.lock() = None;
        let mut service = service;
        // Closes the input of a child, or the session of a server; what hangs is given up.
        let _ = service.close_with_timeout(END).await;
        if let Some(child) = child {
            child.end().await;
        }
        why
    }

    async fn open(&self, ears: Ears) -> Result<(Service, Option<Running>), String> {
        let versions = vec![ProtocolVersion::V_2026_07_28];
        let mode = ClientLifecycleMode::Auto {
            preferred_versions: versions,
            legacy_version: Some(ProtocolVersion::LATEST_WITH_INITIALIZE),
        };
        let name = &self.settings.taking.server;
        let late = || format!("it has not answered within {} s", BEGIN.as_secs());
        match (&self.settings.reach, &self.http) {
            (Reach::Program(program), _) => {
                let started = program.start(name);
                let (mut child, pipes) =
                    started.map_err(|error| format!("the program cannot be started: {error}"))?;
                let served = serve_client_with_lifecycle(ears, pipes, mode);
                match tokio::time::timeout(BEGIN, served).await {
                    Ok(Ok(service)) => Ok((service, Some(child))),
                    // Its output may end a moment before it does.
                    Ok(Err(error)) => match tokio::time::timeout(END, child.ended()).await {
                        Ok(how) => Err(how),
                        Err(_) => Err(cannot_begin(&error)),
                    },
                    Err(_) => Err(late()),
                }
            }
            (Reach::Http(endpoint), Some(http)) => {
                let headers = Arc::new(endpoint.headers.clone());
                let caller =
                    Caller { http: http.clone(), headers, time: self.settings.taking.time };
                let mut config =
                    StreamableHttpClientTransportConfig::with_uri(endpoint.url.as_str());
                config.max_sse_event_size = MOST_MESSAGE;
                let transport = StreamableHttpClientTransport::with_client(caller, config);
                let served = serve_client_with_lifecycle(ears, transport, mode);
                match tokio::time::timeout(BEGIN, served).await {
                    Ok(Ok(service)) => Ok((service, None)),
                    Ok(Err(error)) => Err(cannot_begin(&error)),
                    Err(_) => Err(late()),
                }
            }
            (Reach::Http(_), None) => Err("there is no client for it".to_owned()),
        }
    }

    /// What is done while it is connected; why that is over.
    async fn serve(self: &Arc<Self>, service: &Service, changes: &Notify) -> String {
        let peer = service.peer().clone();
        if let Err(why) = self.list(&peer).await {
            return why;
        }
        let info = peer.peer_info();
        let about = info.as_ref().map(|info| About {
            protocol: info.protocol_version.as_str().to_owned(),
            name: info.server_info.as_ref().map_or_else(String::new, |own| {
                let name = format!("{} {}", own.name, own.version);
                visible(&name.chars().take(100).collect::<String>())
            }),
        });
        self.standing.send_modify(|standing| standing.about = about);
        self.tell(Event::Up);
        tracing::info!(server = self.settings.taking.server, "an MCP server is connected");
        let mut told = self.subscribe(&peer).await;
        loop {
            tokio::select! {
                () = closed(&peer) => return "it ended the connection".to_owned(),
                () = changes.notified() => {}
                // A subscription that ends leaves what every call looks at.
                more = next(&mut told) => if !more { told = None },
            }
            tokio::time::sleep(SETTLE).await;
            if let Err(why) = self.list(&peer).await {
                return why;
            }
        }
    }

    /// From the revision of 2026 on, changes are told to who has asked for them.
    async fn subscribe(&self, peer: &Peer<RoleClient>) -> Option<Subscription> {
        let info = peer.peer_info()?;
        let tells = info.capabilities.tools.as_ref()?.list_changed == Some(true);
        if info.protocol_version.has_initialize() || !tells {
            return None;
        }
        let filter = SubscriptionFilter::builder().tools_list_changed().build();
        tokio::time::timeout(self.settings.taking.time, peer.listen(filter)).await.ok()?.ok()
    }

    /// Lists the tools, and offers what can be taken of them.
    async fn list(self: &Arc<Self>, peer: &Peer<RoleClient>) -> Result<(), String> {
        let time = self.settings.taking.time;
        let mut tools: Vec<Tool> = Vec::new();
        let listing = async {
            let mut cursor = None;
            for _ in 0..PAGES {
                let asked = PaginatedRequestParams::default().with_cursor(cursor.take());
                let page = peer.list_tools(Some(asked)).await?;
                tools.extend(page.tools);
                cursor = page.next_cursor;
                if cursor.is_none() || tools.len() >= LOOKED_AT {
                    break;
                }
            }
            Ok::<_, ServiceError>(())
        };
        match tokio::time::timeout(time, listing).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(format!("it does not list its tools: {}", lost(&error))),
            Err(_) => {
                return Err(format!("it has not listed its tools within {} s", time.as_secs()));
            }
        }
        let offer = Offer::of(&self.settings.taking, &tools, |tool, digest| {
            Arc::new(Remote {
                server: Arc::downgrade(self),
                tool: tool.to_owned(),
                digest: digest.to_owned(),
            })
        });
        for refused in &offer.refused {
            tracing::warn!(
                server = self.settings.taking.server,
                refused,
                "a tool of an MCP server is not offered"
            );
        }
        *self.live.lock() = Some(Live { peer: peer.clone(), listed: self.clock.now() });
        self.standing.send_modify(|standing| standing.offer = Arc::new(offer));
        Ok(())
    }

    async fn call(
        self: &Arc<Self>,
        tool: &str,
        digest: &str,
        arguments: Value,
    ) -> Result<Observation, Failure> {
        let name = &self.settings.taking.server;
        let live = self.live.lock().clone();
        let Some(live) = live.filter(|live| !live.peer.is_transport_closed()) else {
            // Somebody wants it now.
            self.wake.notify_one();
            let message = format!("the MCP server {name} is not connected now");
            return Err(Failure { retryable: true, ..Failure::new("unavailable", message) });
        };
        if self.clock.now().since(live.listed) > FRESH {
            let listed = self.list(&live.peer).await;
            listed.map_err(|why| {
                Failure::new("unavailable", format!("the MCP server {name}: {why}"))
            })?;
        }
        if !self.standing.borrow().offer.has(tool, digest) {
            return Err(changed());
        }
        let Value::Object(arguments) = arguments else {
            return Err(Failure::new("bad_arguments", "give the arguments as one JSON object"));
        };
        let asked = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
        match live.peer.call_tool_once(asked).await {
            Ok(CallToolResponse::Complete(result)) => content::observation(name, &result),
            Ok(_) => {
                let message = format!(
                    "the MCP server {name} wants more before it answers, which nobody gives it"
                );
                Err(Failure::new("unsupported", message))
            }
            Err(error) => {
                let message =
                    format!("the MCP server {name}: {}", self.without_secrets(&lost(&error)));
                Err(Failure::new("tool_failed", message))
            }
        }
    }
}

/// Until a child ends; never, where there is none.
async fn ended(child: &mut Option<Running>) -> String {
    match child {
        Some(child) => child.ended().await,
        None => std::future::pending().await,
    }
}

async fn closed(peer: &Peer<RoleClient>) {
    while !peer.is_transport_closed() {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Whether there is more to come.
async fn next(told: &mut Option<Subscription>) -> bool {
    match told {
        Some(subscription) => matches!(subscription.next().await, Ok(Some(_))),
        None => std::future::pending().await,
    }
}

fn cannot_begin(error: &ClientInitializeError) -> String {
    match error {
        ClientInitializeError::ConnectionClosed(_) => "it ended the connection at once".to_owned(),
        ClientInitializeError::TransportError { error, .. } => {
            format!("it cannot be reached: {}", chain(&*error.error))
        }
        error => format!("it does not speak the protocol as it should: {error}"),
    }
}

fn lost(error: &ServiceError) -> String {
    match error {
        ServiceError::McpError(error) => error.message.chars().take(500).collect(),
        ServiceError::TransportClosed => "it ended the connection".to_owned(),
        ServiceError::TransportSend(error) => chain(&*error.error),
        error => error.to_string(),
    }
}

/// An error with what caused it.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        told = format!("{told}: {error}");
        cause = error.source();
    }
    told
}

/// A tool of a server, as it was defined once.
struct Remote {
    server: Weak<Server>,
    tool: String,
    digest: String,
}

#[async_trait]
impl RawTool for Remote {
    async fn call(&self, _: At<'_>, arguments: Value) -> Result<Observation, Failure> {
        let gone = || Failure::new("unavailable", "the MCP servers are gone");
        let server = self.server.upgrade().ok_or_else(gone)?;
        server.call(&self.tool, &self.digest, arguments).await
    }
}
