//! Tools of other programs, by the Model Context Protocol.
//!
//! [`Servers`] keeps a connection to each server that the operator names: to a child process over its pipes, or to an address over streamable
//! HTTP. One that dies is begun anew after a while ([`state`]). Its tools are tools like ours ([`MoreTools`]), under names of their own
//! ([`names`]): what it says of them, and what they answer, is nobody's word ([`offer`]).
//!
//! - **It is told nothing** beyond the calls: it gets no model, no folders and no questions to people, whatever it asks for.
//! - **Tools reach out**, so that a person sees each call, unless the operator says that they only read. What the server says of that itself is not
//!   believed.
//! - **A definition is part of what is allowed.** A tool that is described differently from when the run began is not called by that run.
//! - **All is bounded**: messages, lists, definitions, answers, what is logged, the time of a call, the pause after a failure.
//!
//! Revision 2026-07-28 of the protocol is tried first, then those of 2025 and 2024 by their handshake.

mod content;
mod http;
mod keep;
mod lines;
pub mod names;
pub mod offer;
mod server;
pub mod state;
mod stdio;

use std::{collections::BTreeMap, fmt, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::future;
use notebook_core::{Clock, Result};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use http::Endpoint;
pub use keep::keep;
pub use server::{About, Standing};
pub use stdio::Program;

use crate::tools::{MoreTools, Registry};
use offer::Taking;
use server::Server;

/// How long the ends of all connections may take together.
const END: Duration = Duration::from_secs(4);

/// How a server is reached.
#[derive(Debug, Clone)]
pub enum Reach {
    /// As a child process.
    Program(Program),
    /// At an address, which may be a private one: the operator names it.
    Http(Endpoint),
}

/// A server.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// What is taken of it.
    pub taking: Taking,
    /// How it is reached.
    pub reach: Reach,
    /// Files with more certificate authorities to trust, as PEM.
    pub extra_roots: Vec<PathBuf>,
}

/// The servers of this program.
#[derive(Clone)]
pub struct Servers(Arc<Inner>);

struct Inner {
    servers: BTreeMap<String, Arc<Server>>,
    tasks: TaskTracker,
    ending: CancellationToken,
}

impl Servers {
    /// Begins them all, and waits for none.
    ///
    /// # Errors
    /// `InvalidInput` when a file of certificates cannot be read.
    pub fn start(settings: Vec<ServerSettings>, clock: &Arc<dyn Clock>) -> Result<Self> {
        let (tasks, ending) = (TaskTracker::new(), CancellationToken::new());
        let mut servers = BTreeMap::new();
        for settings in settings {
            let server = Server::new(settings, clock.clone())?;
            servers.insert(server.settings.taking.server.clone(), server);
        }
        for server in servers.values() {
            tasks.spawn(server.clone().keep(ending.clone()));
        }
        tasks.close();
        Ok(Self(Arc::new(Inner { servers, tasks, ending })))
    }

    /// How each stands, by name.
    #[must_use]
    pub fn standing(&self) -> BTreeMap<String, Standing> {
        let standing = |(name, server): (&String, &Arc<Server>)| (name.clone(), server.standing());
        self.0.servers.iter().map(standing).collect()
    }

    /// Whether there is one of this name.
    #[must_use]
    pub fn knows(&self, name: &str) -> bool {
        self.0.servers.contains_key(name)
    }

    /// The names of all.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.0.servers.keys().cloned().collect()
    }

    /// Ends all connections and children.
    pub async fn close(&self) {
        self.0.ending.cancel();
        if tokio::time::timeout(END, self.0.tasks.wait()).await.is_err() {
            tracing::warn!("some MCP servers do not end; their processes are killed");
        }
    }

    fn of<'s>(&'s self, names: &'s [String]) -> impl Iterator<Item = &'s Arc<Server>> {
        names.iter().filter_map(|name| self.0.servers.get(name))
    }
}

#[async_trait]
impl MoreTools for Servers {
    async fn settled(&self, programs: &[String], wait: Duration) {
        let settled = future::join_all(self.of(programs).map(|server| server.settled()));
        // Whoever is not there by then is away.
        let _ = tokio::time::timeout(wait, settled).await;
    }

    fn offered(&self, programs: &[String]) -> Registry {
        let registries = self.of(programs).map(|server| server.standing().offer.registry.clone());
        registries.fold(Registry::new(), Registry::and)
    }

    fn away(&self, programs: &[String]) -> Vec<String> {
        let away = |name: &&String| match self.0.servers.get(*name) {
            Some(server) => server.standing().connection.status() != state::Status::Connected,
            None => true,
        };
        programs.iter().filter(away).cloned().collect()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.ending.cancel();
    }
}

impl fmt::Debug for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.servers.keys()).finish()
    }
}
