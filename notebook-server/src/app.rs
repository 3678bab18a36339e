//! The parts of the server, put together.

use std::sync::Arc;

use notebook_agent::{chat::Chat, mcp::Servers, runs::Runs};
use notebook_auth::Principal;
use notebook_core::{
    Clock, Result,
    embed::layers::EmbedStack,
    http::egress::EgressClient,
    identity::audit::NewEntry,
    queue::Queue,
    recording::Recordings,
    redis::RedisPubSub,
    report::Reports,
    store::{Store, sql::SqlStore},
    usage::UsageStore,
    webhook::WebhookStore,
};
use notebook_rag::{ingest::Ingest, retrieve::Retriever};
use object_store::ObjectStore;
use tokio_util::sync::CancellationToken;

use crate::{
    access::Access,
    config::{Cors, Limits},
    deletion::Deletion,
    erasure::Erasure,
    limit::{Forwarding, Limiter},
    mail::Post,
    models::{ByHand, Models},
    reserve::Reserve,
    status::Status,
    stream::socket::Sockets,
};

/// What the routes work with. Cloning it is cheap.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// The parts of an [`App`].
pub struct Parts {
    /// Who may reach the server, and as whom.
    pub access: Access,
    /// Notebooks, sources, conversations, messages.
    pub store: Arc<dyn Store>,
    /// Originals.
    pub blobs: Arc<dyn ObjectStore>,
    /// The same, as rows in a database.
    pub rows: Arc<SqlStore>,
    /// How servers tell each other, where it is by Redis.
    pub redis: Option<Arc<RedisPubSub>>,
    /// What is slow.
    pub queue: Arc<dyn Queue>,
    /// Rung when there is a new job.
    pub bell: Arc<tokio::sync::Notify>,
    /// Adds and removes sources.
    pub ingest: Ingest,
    /// Deletes notebooks.
    pub(crate) deletion: Deletion,
    /// Removes workspaces, where there are accounts.
    pub(crate) erasure: Option<Erasure>,
    /// Other programs whose tools models may be given.
    pub(crate) programs: Servers,
    /// Finds passages.
    pub retriever: Arc<Retriever>,
    /// Makes vectors, where there is a model for it.
    pub embedder: Option<EmbedStack>,
    /// Answers questions.
    pub chat: Chat,
    /// Runs and their events.
    pub runs: Arc<Runs>,
    /// Places that are told of events.
    pub webhooks: Arc<dyn WebhookStore>,
    /// Says which addresses may be called.
    pub egress: EgressClient,
    /// Says which pages may be read.
    pub pages: EgressClient,
    /// What answers used.
    pub usage: Arc<dyn UsageStore>,
    /// What users say of questions that were refused wrongly.
    pub reports: Arc<dyn Reports>,
    /// What was recorded of runs.
    pub recordings: Arc<dyn Recordings>,
    /// The current time.
    pub clock: Arc<dyn Clock>,
    /// Counts requests, where there are limits.
    pub(crate) limiter: Option<Arc<Limiter>>,
    /// Whose word on a client's address is believed.
    pub(crate) forwarding: Forwarding,
    /// Where mail is asked for, where any is sent.
    pub(crate) post: Option<Arc<Post>>,
    /// Pages of other origins that may call.
    pub cors: Cors,
    /// Limits of what clients may send.
    pub limits: Limits,
    /// Folder for uploads on their way.
    pub spool: std::path::PathBuf,
    /// Room on the disk for deletions.
    pub(crate) reserve: Reserve,
    /// What the server says about itself.
    pub status: Status,
    /// The models that answer.
    pub models: Arc<Models>,
    /// Where breakers are set by hand.
    pub(crate) breakers: Arc<ByHand>,
    /// WebSockets of each user.
    pub sockets: Sockets,
    /// Cancelled when the server goes down; streams end then.
    pub ending: CancellationToken,
}

impl App {
    /// An application of these parts.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// Notes in the workspace's audit log what somebody did.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn log(
        &self,
        by: &Principal,
        action: &str,
        target: impl ToString,
    ) -> Result<()> {
        let entry = NewEntry::new(by.actor(), action).about(target);
        self.access.identity().append(&by.scope, vec![entry]).await.map(drop)
    }
}

impl std::ops::Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}
