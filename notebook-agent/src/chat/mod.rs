//! The notebook chat: from a question to a cited answer.
//!
//! [`Chat::ask`] admits a question, stores it with its run, and lets a task produce the answer;
//! the events are read through [`Runs`](crate::runs::Runs). Dropping the caller stops nothing.

mod admit;
mod again;
mod answering;
mod ask;
mod cite;
mod config;
mod early;
mod flow;
mod guard;
mod hands;
mod history;
#[cfg(feature = "tools")]
mod offer;
mod piece;
mod recorded;
#[cfg(feature = "tools")]
mod research;
#[cfg(feature = "tools")]
mod steps;
mod tape;
mod title;
mod told;
mod turn;

use std::sync::Arc;

use notebook_core::{
    Clock, Result, RunId, TenantScope,
    chat::ChatModel,
    model::{ModelSettings, Opened, Run},
    queue::{Queue, outbox::Outbox},
    recording::Recordings,
    store::Store,
};
use notebook_rag::retrieve::Retriever;
use tokio::sync::{Notify, Semaphore};

pub use again::{Again, Shown, replay};
pub use answering::ANSWER;
pub use ask::{Ask, Mode, Parent, Question};
pub use config::ChatConfig;
pub use guard::GuardConfig;
pub use piece::{joined, without_server};
#[cfg(feature = "tools")]
pub use research::Researching;

use crate::runs::Runs;

/// Chooses the model for a message.
pub trait ModelSource: Send + Sync + 'static {
    /// The model that these settings ask for, or the default, as this tenant has it: a layer around it may keep something for
    /// the tenant.
    ///
    /// # Errors
    /// `InvalidInput` naming the providers that there are, when the settings name another.
    fn model(&self, scope: &TenantScope, settings: &ModelSettings) -> Result<Arc<dyn ChatModel>>;
}

/// A single model for everything.
impl<T: ChatModel> ModelSource for Arc<T> {
    fn model(&self, _: &TenantScope, _: &ModelSettings) -> Result<Arc<dyn ChatModel>> {
        Ok(self.clone())
    }
}

/// Answers questions about notebooks.
#[derive(Clone)]
pub struct Chat(Arc<Inner>);

/// Where answers are made.
#[derive(Clone)]
pub enum Work {
    /// In tasks of this process, which end with it.
    Tasks,
    /// By whichever worker takes their jobs, again if one is lost on the way. A runner needs
    /// [`Chat::handlers`].
    Jobs {
        /// Stores a run together with its job.
        outbox: Arc<dyn Outbox>,
        /// Where the jobs are.
        queue: Arc<dyn Queue>,
        /// Rung when there is a new job, for the runner in this process.
        bell: Arc<Notify>,
    },
}

struct Inner {
    store: Arc<dyn Store>,
    runs: Arc<Runs>,
    retriever: Arc<Retriever>,
    models: Arc<dyn ModelSource>,
    clock: Arc<dyn Clock>,
    config: ChatConfig,
    work: Work,
    /// Answers in the making, where tasks make them.
    working: Semaphore,
    recordings: std::sync::OnceLock<Arc<dyn Recordings>>,
    #[cfg(feature = "tools")]
    research: std::sync::OnceLock<Researching>,
}

impl Chat {
    /// A chat over these parts, which answers where `work` says.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        runs: Arc<Runs>,
        retriever: Arc<Retriever>,
        models: Arc<dyn ModelSource>,
        clock: Arc<dyn Clock>,
        config: ChatConfig,
        work: Work,
    ) -> Self {
        let working = Semaphore::new(config.concurrent_runs);
        Self(Arc::new(Inner {
            store,
            runs,
            retriever,
            models,
            clock,
            config,
            work,
            working,
            recordings: std::sync::OnceLock::new(),
            #[cfg(feature = "tools")]
            research: std::sync::OnceLock::new(),
        }))
    }

    /// With tools for questions that are asked as [research](Mode::Research). Where answers are jobs; what is given a second time is
    /// not taken.
    #[cfg(feature = "tools")]
    #[must_use]
    pub fn with_research(self, research: Researching) -> Self {
        let _ = self.0.research.set(research);
        self
    }

    /// The tools that there are for research, by name.
    #[cfg(feature = "tools")]
    #[must_use]
    pub fn tools(&self) -> Option<&crate::tools::Registry> {
        self.0.research.get().map(|research| &research.tools)
    }

    /// Stores the question and starts the answer.
    ///
    /// - Repeated with the same idempotency key: returns the first run and starts nothing.
    ///
    /// # Errors
    /// `InvalidInput` or `TooLarge` naming the field; `NotFound` when the conversation or message does not exist;
    /// `Conflict` when the idempotency key was used for something else; `RateLimited` when too many answers are in the making.
    pub async fn ask(&self, scope: &TenantScope, ask: Ask) -> Result<Opened> {
        // In a task of its own: a caller that goes away in the middle leaves no half-started run.
        let (chat, scope) = (self.clone(), scope.clone());
        crate::chat::admit::in_task(async move { chat.0.admit(&chat, &scope, ask).await }).await
    }

    /// Asks a run to stop.
    ///
    /// # Errors
    /// `NotFound` when there is no such run.
    pub async fn stop(&self, scope: &TenantScope, run: RunId) -> Result<Run> {
        self.0.stop(scope, run).await
    }

    /// The runs and their events.
    #[must_use]
    pub fn runs(&self) -> &Arc<Runs> {
        &self.0.runs
    }
}

#[cfg(test)]
mod tests;
