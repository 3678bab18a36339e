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
mod flood;
mod health;
mod http;
mod keep;
mod leash;
mod lines;
mod listing;
pub mod names;
pub mod offer;
mod pace;
mod server;
pub mod state;
mod stdio;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use futures::future;
use notebook_core::{Clock, Result, TenantId, TenantScope};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use http::Endpoint;
pub use keep::keep;
pub use listing::{Listed, Unreadable};
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
    /// The workspaces that it is there for; all when absent. For the others there is no such server.
    pub workspaces: Option<BTreeSet<TenantId>>,
}

/// When servers are begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// At once: somebody will want them soon.
    AtOnce,
    /// Each when a run wants its tools.
    WhenWanted,
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
    /// Begins them, all or none yet, and waits for none.
    ///
    /// # Errors
    /// `InvalidInput` when a file of certificates cannot be read.
    pub fn start(
        settings: Vec<ServerSettings>,
        clock: &Arc<dyn Clock>,
        begin: Begin,
    ) -> Result<Self> {
        let (tasks, ending) = (TaskTracker::new(), CancellationToken::new());
        let mut servers = BTreeMap::new();
        for settings in settings {
            let server = Server::new(settings, clock.clone())?;
            servers.insert(server.settings.taking.server.clone(), server);
        }
        for server in servers.values() {
            if begin == Begin::AtOnce {
                server.want();
            }
            tasks.spawn(server.clone().keep(ending.clone()));
        }
        tasks.close();
        Ok(Self(Arc::new(Inner { servers, tasks, ending })))
    }

    /// How each stands that there is for a workspace, by name.
    #[must_use]
    pub fn standing(&self, scope: &TenantScope) -> BTreeMap<String, Standing> {
        let standing = |(name, server): (&String, &Arc<Server>)| (name.clone(), server.standing());
        self.there(scope).map(standing).collect()
    }

    /// Whether there is one of this name for a workspace.
    #[must_use]
    pub fn knows(&self, scope: &TenantScope, name: &str) -> bool {
        self.one(scope, name).is_some()
    }

    /// The names of all that there are for a workspace.
    #[must_use]
    pub fn names(&self, scope: &TenantScope) -> Vec<String> {
        self.there(scope).map(|(name, _)| name.clone()).collect()
    }

    /// Ends all connections and children.
    pub async fn close(&self) {
        self.0.ending.cancel();
        if tokio::time::timeout(END, self.0.tasks.wait()).await.is_err() {
            tracing::warn!("some MCP servers do not end; their processes are killed");
        }
    }

    fn there(&self, scope: &TenantScope) -> impl Iterator<Item = (&String, &Arc<Server>)> {
        self.0.servers.iter().filter(|(_, server)| server.serves(scope))
    }

    fn one(&self, scope: &TenantScope, name: &str) -> Option<&Arc<Server>> {
        self.0.servers.get(name).filter(|server| server.serves(scope))
    }

    fn of<'s>(
        &'s self,
        scope: &TenantScope,
        names: &'s [String],
    ) -> impl Iterator<Item = &'s Arc<Server>> {
        names.iter().filter_map(|name| self.one(scope, name))
    }
}

#[async_trait]
impl MoreTools for Servers {
    async fn settled(&self, scope: &TenantScope, programs: &[String], wait: Duration) {
        let settled = future::join_all(self.of(scope, programs).map(|server| server.settled()));
        // Whoever is not there by then is away.
        let _ = tokio::time::timeout(wait, settled).await;
    }

    fn offered(&self, scope: &TenantScope, programs: &[String]) -> Registry {
        let registries =
            self.of(scope, programs).map(|server| server.standing().offer.registry.clone());
        registries.fold(Registry::new(), Registry::and)
    }

    fn away(&self, scope: &TenantScope, programs: &[String]) -> Vec<String> {
        let away = |name: &&String| match self.one(scope, name) {
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
