//! One server: the shell around its connection.

mod call;
mod open;
mod serve;

use std::sync::Arc;

use notebook_core::{
    Clock, Result as CoreResult, TenantScope, Timestamp,
    approval::visible,
    http::{HttpClient, HttpConfig},
};
use parking_lot::Mutex;
use rmcp::{
    ClientHandler, RoleClient,
    model::{ClientCapabilities, ClientConfig, Implementation, ProtocolVersion},
    service::{NotificationContext, Peer, RunningService, ServiceError},
};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::{
    Reach, ServerSettings,
    health::{Health, Heard},
    offer::Offer,
    state::{Act, Connection, Event},
};

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
    /// One list at a time.
    listing: tokio::sync::Mutex<()>,
    health: Mutex<Health>,
    /// Rung when calls have not been answered: is it there?
    doubt: Notify,
    /// Somebody wants it: it is begun.
    wanted: CancellationToken,
    /// Rung to begin anew at once.
    wake: Notify,
}

/// What is there while it is connected.
#[derive(Clone)]
struct Live {
    peer: Peer<RoleClient>,
    /// When its tools were listed; `None` once it has said that they are others.
    listed: Option<Timestamp>,
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
            listing: tokio::sync::Mutex::new(()),
            health: Mutex::default(),
            doubt: Notify::new(),
            wanted: CancellationToken::new(),
            wake: Notify::new(),
        }))
    }

    pub(super) fn standing(&self) -> Standing {
        self.standing.borrow().clone()
    }

    /// Whether it is there for this workspace.
    pub(super) fn serves(&self, scope: &TenantScope) -> bool {
        let workspaces = self.settings.workspaces.as_ref();
        workspaces.is_none_or(|workspaces| workspaces.contains(&scope.tenant()))
    }

    /// Has it begun, where it is not.
    pub(super) fn want(&self) {
        self.wanted.cancel();
    }

    /// Waits until it is known what becomes of it. Whoever waits wants it.
    pub(super) async fn settled(&self) {
        self.want();
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

    fn heard(&self, heard: Heard) {
        let mut health = self.health.lock();
        let (next, asks) = health.step(heard);
        *health = next;
        if asks {
            self.doubt.notify_one();
        }
    }

    /// Keeps the connection from when somebody wants it, until the end.
    pub(super) async fn keep(self: Arc<Self>, ending: CancellationToken) {
        let mut act = tokio::select! {
            () = self.wanted.cancelled() => self.tell(Event::Begin),
            () = ending.cancelled() => self.tell(Event::Close),
        };
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
            Reach::Program(program) => program.env.values().cloned().collect(),
            Reach::Http(endpoint) => endpoint.secrets(),
        };
        let why = secrets.iter().fold(why.to_owned(), |why, secret| secret.redact(&why));
        visible(&why.replace('\n', " "))
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
