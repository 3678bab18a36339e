//! An agent that answers with tools: it thinks, calls what it needs, and thinks again, until it knows enough or may go no further.
//!
//! Tools that only read are called at once, several at a time. What [`decide`](super::decide) wants a person to see is shown as an
//! approval with its exact arguments, and the run is parked until there is an answer. What tools answer is in the prompt as data, between marks that no text
//! can guess; passages are numbered through the whole run, so that the answer is cited like any other.

mod agent;
mod prompt;
mod state;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc};

use notebook_core::{
    Clock, Error, ErrorKind, Result, RunId, TenantScope,
    chat::{ChatMessage, ChatModel, ChatRequest, ChatRole, ToolChoice, ToolSpec},
    checkpoint::Checkpoints,
    model::{Chunk, ChunkKey},
    queue::Fence,
    store::Store,
};

pub use agent::{NAME, graph};
pub use state::{Asking, Limits, Read, Research, Told};

use super::{Place, Policy, Registry, Taint};
use crate::{
    graph::{
        Approvals, Budget, Driver, DriverConfig, End, Ended, Graph, NewRun, NoApprovals, OneModel,
        Outcome, Spent, Watch,
    },
    guard::provenance::Origin,
};

/// The most bytes of what models are told of tools.
const MOST_OFFER: usize = 128 << 10;

/// What is to be found out.
#[derive(Debug, Clone)]
pub struct Inquiry {
    /// The prompt as [`context::build`](crate::context::build) makes it: the system's message first, the question last. What is to be
    /// known of tools is added to the system's.
    pub messages: Vec<ChatMessage>,
    /// The passages that are numbered in it, from 1.
    pub passages: Vec<Chunk>,
    /// A word that no text can guess, new for each run.
    pub marker: String,
    /// How the model is asked.
    pub asking: Asking,
    /// What the run may use.
    pub budget: Budget,
}

/// What a research came to.
#[derive(Debug)]
pub enum Researched {
    /// It ended.
    Ended(Box<Found>),
    /// It waits for people: resume it when one has answered, and after this time at the latest.
    Parked {
        /// How long the first of them may still take.
        expires: std::time::Duration,
    },
}

/// What was found out.
#[derive(Debug)]
pub struct Found {
    /// How the run ended. Whatever it was, what was read until then is here.
    pub end: End,
    /// What it used.
    pub spent: Spent,
    /// What the model answered, with marks such as `[2]`; `None` when it did not come to that.
    pub answer: Option<String>,
    /// The passages that marks stand for, from 1, as they are stored now. A passage that is stored no more has no text, and no citation of it is
    /// verified.
    pub passages: Vec<Chunk>,
    /// The prompt with all that tools answered.
    pub messages: Vec<ChatMessage>,
    /// What the model was offered.
    pub tools: Vec<ToolSpec>,
    /// Which untrusted text was read.
    pub taint: Taint,
}

impl Found {
    /// What a run came to, with the passages that it read.
    pub(crate) fn of(ended: Ended<Research>, passages: Vec<Chunk>) -> Self {
        let state = ended.state.unwrap_or_default();
        let messages = prompt::fitting(&state.messages, state.limits.prompt_tokens);
        Self {
            end: ended.end,
            spent: ended.spent,
            answer: state.answer,
            passages,
            messages,
            tools: state.specs,
            taint: state.taint,
        }
    }

    /// What to ask a model for an answer from what was found, where the run ended without one.
    #[must_use]
    pub fn request(&self, asking: &Asking) -> ChatRequest {
        ChatRequest {
            messages: self.messages.clone(),
            temperature: asking.temperature,
            top_p: asking.top_p,
            max_tokens: asking.max_tokens,
            tools: self.tools.clone(),
            tool_choice: ToolChoice::None,
            ..ChatRequest::default()
        }
    }
}

/// Whose research is done now, where, with which model, and who watches.
#[derive(Clone)]
pub struct Turn<'t> {
    /// Whose it is.
    pub scope: &'t TenantScope,
    /// The run.
    pub run: RunId,
    /// Where it works.
    pub place: Place,
    /// Who thinks.
    pub model: Arc<dyn ChatModel>,
    /// Of the job that does it now: greater than of any before.
    pub fence: Fence,
    /// Who is told its events, and may stop it.
    pub watch: &'t Watch,
}

impl fmt::Debug for Turn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").field("run", &self.run).finish_non_exhaustive()
    }
}

/// Does researches.
#[derive(Clone)]
pub struct Researcher {
    registry: Registry,
    store: Arc<dyn Store>,
    checkpoints: Arc<dyn Checkpoints>,
    approvals: Arc<dyn Approvals>,
    clock: Arc<dyn Clock>,
    policy: Policy,
    limits: Limits,
    graph: Arc<Graph<Research>>,
    config: DriverConfig,
}

/// Whether models can be told of all these tools.
///
/// # Errors
/// `TooLarge` when what they are told is over 128 KiB.
pub fn fits(registry: &Registry) -> Result<()> {
    let size = serde_json::to_vec(&registry.specs()).map_or(usize::MAX, |text| text.len());
    if size > MOST_OFFER {
        return Err(Error::new(ErrorKind::TooLarge, "set up tools")
            .with("limit", format!("{MOST_OFFER} bytes of descriptions and schemas"))
            .with("fix", "select fewer tools"));
    }
    Ok(())
}

impl Researcher {
    /// With these tools, and nobody to ask.
    ///
    /// # Errors
    /// As of [`fits`].
    pub fn new(
        registry: Registry,
        store: Arc<dyn Store>,
        checkpoints: Arc<dyn Checkpoints>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        fits(&registry)?;
        Ok(Self {
            registry,
            store,
            checkpoints,
            approvals: Arc::new(NoApprovals),
            clock,
            policy: Policy::default(),
            limits: Limits::default(),
            graph: Arc::new(graph()?),
            config: DriverConfig::default(),
        })
    }

    /// With people to ask.
    #[must_use]
    pub fn with_approvals(self, approvals: Arc<dyn Approvals>) -> Self {
        Self { approvals, ..self }
    }

    /// With another policy.
    #[must_use]
    pub fn with_policy(self, policy: Policy) -> Self {
        Self { policy, ..self }
    }

    /// With other limits.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// With another patience.
    #[must_use]
    pub fn with_config(self, config: DriverConfig) -> Self {
        Self { config, ..self }
    }

    fn driver(&self, turn: &Turn<'_>) -> Driver {
        let models = Arc::new(OneModel::new(turn.model.clone()));
        Driver::new(models, Arc::new(self.registry.at(turn.place.clone())))
            .with_config(self.config.clone())
            .with_checkpoints(self.checkpoints.clone())
            .with_approvals(self.approvals.clone())
            .with_clock(self.clock.clone())
    }

    /// Begins a research and does it to its end, or until it waits for people.
    ///
    /// # Errors
    /// `Unsupported` when the model can be offered no tools; `InvalidInput` when the prompt does not begin with the system's message; as
    /// [`Driver::start`].
    pub async fn start(&self, turn: Turn<'_>, inquiry: Inquiry) -> Result<Researched> {
        if !turn.model.info().tools {
            return Err(Error::new(ErrorKind::Unsupported, "begin research")
                .with("model", turn.model.info().label())
                .with("fix", "choose a model that can use tools"));
        }
        let budget = inquiry.budget.clone();
        let new = NewRun {
            budget,
            tools: self.registry.names(),
            ..NewRun::new(turn.run, self.state(inquiry)?)
        };
        let driver = self.driver(&turn);
        let outcome = driver.start(turn.scope, &self.graph, new, turn.fence, turn.watch).await?;
        self.researched(turn.scope, outcome).await
    }

    /// Goes on with a research after a crash, an answer of a person, or the end of a wait. One that ended ends again.
    ///
    /// # Errors
    /// As [`Driver::resume`].
    pub async fn resume(&self, turn: Turn<'_>) -> Result<Researched> {
        let driver = self.driver(&turn);
        let outcome =
            driver.resume(turn.scope, &self.graph, turn.run, turn.fence, turn.watch).await?;
        self.researched(turn.scope, outcome).await
    }

    /// The keys of what people are asked, where the research waits for nothing else; `None` where there is something to do, or no research.
    ///
    /// # Errors
    /// Those of the store of checkpoints, and of [`Graph::decode`].
    pub async fn questions(
        &self,
        scope: &TenantScope,
        run: RunId,
    ) -> Result<Option<Vec<Arc<str>>>> {
        let Some(found) = self.checkpoints.read(scope, run).await? else { return Ok(None) };
        Ok(self.graph.decode(&found.body)?.questions())
    }

    /// What a research has told of itself up to its checkpoint: who tells it elsewhere may have been lost before all of it was.
    ///
    /// # Errors
    /// As of [`questions`](Self::questions).
    pub async fn told(&self, scope: &TenantScope, run: RunId) -> Result<Vec<Told>> {
        let Some(found) = self.checkpoints.read(scope, run).await? else { return Ok(Vec::new()) };
        Ok(self.graph.decode(&found.body)?.states().flat_map(Research::told).collect())
    }

    fn state(&self, inquiry: Inquiry) -> Result<Research> {
        let mut messages = inquiry.messages;
        let Some(system) = messages.first_mut().filter(|first| first.role == ChatRole::System)
        else {
            let fix = "begin with the system's message";
            return Err(Error::invalid("begin research", "messages", fix));
        };
        system.content.push_str(&prompt::instructions(&inquiry.marker));
        let mut taint = Taint::default();
        for passage in &inquiry.passages {
            taint.mark(Origin::Source(passage.key.source));
        }
        // Earlier answers are made of sources, too.
        if messages.iter().any(|message| message.role == ChatRole::Assistant) {
            taint.mark(Origin::tool("earlier answers"));
        }
        let passages = inquiry.passages.into_iter().map(|chunk| Read {
            source: chunk.key.source,
            span: chunk.span,
            page: chunk.page,
            headings: chunk.headings,
        });
        Ok(Research {
            messages,
            specs: self.registry.specs(),
            kinds: self.registry.kinds(),
            foreign: self.registry.foreign(),
            policy: self.policy,
            limits: self.limits.clone(),
            asking: inquiry.asking,
            marker: inquiry.marker,
            taint,
            read: passages.collect(),
            ..Research::default()
        })
    }

    async fn researched(
        &self,
        scope: &TenantScope,
        outcome: Outcome<Research>,
    ) -> Result<Researched> {
        let ended = match outcome {
            Outcome::Parked { expires } => return Ok(Researched::Parked { expires }),
            Outcome::Ended(ended) => ended,
        };
        let read = ended.state.as_ref().map(Research::read).unwrap_or_default();
        let mut passages = Vec::with_capacity(read.len());
        for (place, read) in read.iter().enumerate() {
            passages.push(self.passage(scope, place, read).await?);
        }
        Ok(Researched::Ended(Box::new(Found::of(ended, passages))))
    }

    /// A passage as it is stored now. One that is gone meanwhile keeps its number.
    async fn passage(&self, scope: &TenantScope, place: usize, read: &Read) -> Result<Chunk> {
        let text = match self.store.text(scope, read.source, read.span).await {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidInput) => {
                String::new()
            }
            text => text?,
        };
        Ok(Chunk {
            // Not the place among the source's chunks: a passage may be any span.
            key: ChunkKey {
                source: read.source,
                ordinal: u32::try_from(place).unwrap_or(u32::MAX),
            },
            span: read.span,
            page: read.page,
            headings: read.headings.clone(),
            tokens: 0,
            text,
        })
    }
}

impl fmt::Debug for Researcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Researcher").field("registry", &self.registry).finish_non_exhaustive()
    }
}
