//! How a connection is made, and ended.

use std::{sync::Arc, time::Duration};

use rmcp::{
    model::ProtocolVersion,
    service::{ClientInitializeError, ClientLifecycleMode, serve_client_with_lifecycle},
    transport::{
        StreamableHttpClientTransport, streamable_http_client::StreamableHttpClientTransportConfig,
    },
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{Ears, Health, Reach, Server, Service, chain};
use crate::mcp::{
    http::Caller,
    leash::{Leash, Leashed},
    stdio::{MOST_MESSAGE, Running},
};

/// How long a server may take until it answers for the first time: some are downloaded then.
const BEGIN: Duration = Duration::from_secs(60);
/// How long the end of a connection may take.
const END: Duration = Duration::from_secs(1);

/// Why a connection ended.
pub(super) enum Over {
    /// It is gone, or nobody wants it any more.
    Ended(String),
    /// It is there and cannot be used: it is not waited for.
    Useless(String),
}

impl Server {
    /// One connection, from its beginning to its end; why it ended.
    pub(super) async fn session(self: &Arc<Self>, ending: &CancellationToken) -> String {
        let (changes, leash) = (Arc::new(Notify::new()), Leash::new());
        *self.health.lock() = Health::default();
        let opened = tokio::select! {
            opened = self.open(Ears(changes.clone()), &leash) => opened,
            () = ending.cancelled() => return String::new(),
            // What was started is dropped, and so ended.
            why = leash.until_cut() => return why,
        };
        let (mut service, mut child) = match opened {
            Ok(opened) => opened,
            Err(why) => return leash.why().unwrap_or(why),
        };
        let over = tokio::select! {
            biased;
            () = ending.cancelled() => Over::Ended(String::new()),
            why = leash.until_cut() => Over::Useless(why),
            why = ended(&mut child) => Over::Ended(why),
            over = self.serve(&service, &changes) => over,
        };
        *self.live.lock() = None;
        let why = match over {
            Over::Ended(why) => why,
            Over::Useless(why) => {
                drop(child.take());
                why
            }
        };
        // Closes the input of a child, or the session of a server; what hangs is given up.
        let _ = service.close_with_timeout(END).await;
        if let Some(child) = child {
            child.end().await;
        }
        // Whoever is cut off ends, and that may be seen first.
        leash.why().unwrap_or(why)
    }

    async fn open(
        &self,
        ears: Ears,
        leash: &Arc<Leash>,
    ) -> Result<(Service, Option<Running>), String> {
        let versions = vec![ProtocolVersion::V_2026_07_28];
        let mode = ClientLifecycleMode::Auto {
            preferred_versions: versions,
            legacy_version: Some(ProtocolVersion::LATEST_WITH_INITIALIZE),
        };
        let name = &self.settings.taking.server;
        let late = || format!("it has not answered within {} s", BEGIN.as_secs());
        match (&self.settings.reach, &self.http) {
            (Reach::Program(program), _) => {
                let started = program.start(name, leash);
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
                let caller = Caller {
                    http: http.clone(),
                    endpoint: Arc::new(endpoint.clone()),
                    leash: Arc::clone(leash),
                    time: self.settings.taking.time,
                };
                let mut config =
                    StreamableHttpClientTransportConfig::with_uri(endpoint.url.as_str());
                config.max_sse_event_size = MOST_MESSAGE;
                let inner = StreamableHttpClientTransport::with_client(caller, config);
                let transport = Leashed { inner, leash: Arc::clone(leash) };
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
}

/// Until a child ends; never, where there is none.
async fn ended(child: &mut Option<Running>) -> String {
    match child {
        Some(child) => child.ended().await,
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
