//! The shell around the steps: it does what they ask for and tells them what came of it.
//!
//! What a driver adds to the engine is patience: a call is ended at its deadline, a node's function that does not come back is
//! given up (its thread is lost until it does), and a store that does not answer ends the driving, not the run. Dropping
//! the future of [`Driver::start`] or [`Driver::resume`] is like a crash: calls are ended, and the run can be resumed.

mod calls;
mod drive;
mod ports;

use std::{
    fmt,
    sync::{Arc, LazyLock},
    time::Duration,
};

use notebook_core::{
    Clock, Error, ErrorKind, Result, RunId, TenantScope, checkpoint::Checkpoints,
    checkpoint::memory::MemoryCheckpoints, clock::SystemClock, queue::Fence,
};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use self::{calls::Hands, drive::Drive};
use super::{End, Event, Graph, Input, NewRun, Recorder, Spent, State};

pub use ports::{Approvals, CallInfo, Functions, Models, NoApprovals, OneModel, Tools};

/// Where steps are done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Steps {
    /// In threads for what blocks, so that a node's function that does not come back is given up.
    #[default]
    Threads,
    /// In the task that drives: two changes of thread less a step. For graphs whose functions are known to be short, over states that are
    /// small: [`step_time`](DriverConfig::step_time) does not hold for them.
    Task,
}

/// How long a driver waits, and where it works.
#[derive(Debug, Clone)]
pub struct DriverConfig {
    /// Where steps are done. Default [`Steps::Threads`].
    pub steps: Steps,
    /// The longest step: a node's function that takes longer fails the run. Default 5 seconds.
    pub step_time: Duration,
    /// The longest write of a checkpoint. Default 10 seconds.
    pub store_time: Duration,
    /// How many steps are done at once, in threads for what blocks. Default twice the processors.
    pub steps_at_once: usize,
}

impl Default for DriverConfig {
    fn default() -> Self {
        // Read once: a driver may be made for each question, and this reads files.
        static PROCESSORS: LazyLock<usize> =
            LazyLock::new(|| std::thread::available_parallelism().map_or(2, usize::from));
        Self {
            steps: Steps::default(),
            step_time: Duration::from_secs(5),
            store_time: Duration::from_secs(10),
            steps_at_once: 2 * *PROCESSORS,
        }
    }
}

/// Drives runs: any number at once. Clones share their turns.
#[derive(Clone)]
pub struct Driver {
    hands: Hands,
    checkpoints: Arc<dyn Checkpoints>,
    clock: Arc<dyn Clock>,
    config: DriverConfig,
    turns: Arc<Semaphore>,
}

/// Is told the events of a run.
pub type Listener = Arc<dyn Fn(&Event) + Send + Sync>;

/// Who watches a run, and may stop it.
#[derive(Clone, Default)]
pub struct Watch {
    /// Cancelled to stop the run.
    pub stop: CancellationToken,
    /// Told every event, in order. It is quick, and what it is told twice has the same number.
    pub events: Option<Listener>,
    /// Keeps what is needed to replay the run.
    pub recorder: Option<Arc<Recorder>>,
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("stop", &self.stop.is_cancelled()).finish_non_exhaustive()
    }
}

/// What became of a run.
#[derive(Debug)]
pub enum Outcome<S> {
    /// It ended.
    Ended(Ended<S>),
    /// It waits for people, and nobody waits with it: resume it when one has answered, and after this time at the latest.
    Parked {
        /// When the first question is answered by [`Expired`](super::Verdict::Expired).
        expires: Duration,
    },
}

/// A run that ended.
#[derive(Debug)]
pub struct Ended<S> {
    /// How.
    pub end: End,
    /// What it used.
    pub spent: Spent,
    /// The state of its first branch; `None` when it was too large to be kept.
    pub state: Option<S>,
}

impl<S> Outcome<S> {
    /// The end, if it ended.
    #[must_use]
    pub fn ended(self) -> Option<Ended<S>> {
        match self {
            Self::Ended(ended) => Some(ended),
            Self::Parked { .. } => None,
        }
    }
}

impl Driver {
    /// A driver with these models and tools, nobody to ask, and checkpoints in memory.
    #[must_use]
    pub fn new(models: Arc<dyn Models>, tools: Arc<dyn Tools>) -> Self {
        let clock = Arc::new(SystemClock);
        let hands = Hands { models, tools, approvals: Arc::new(NoApprovals) };
        let checkpoints = Arc::new(MemoryCheckpoints::new(clock.clone()));
        let config = DriverConfig::default();
        let turns = Arc::new(Semaphore::new(config.steps_at_once.max(1)));
        Self { hands, checkpoints, clock, config, turns }
    }

    /// The same with checkpoints elsewhere.
    #[must_use]
    pub fn with_checkpoints(self, checkpoints: Arc<dyn Checkpoints>) -> Self {
        Self { checkpoints, ..self }
    }

    /// The same with people to ask.
    #[must_use]
    pub fn with_approvals(mut self, approvals: Arc<dyn Approvals>) -> Self {
        self.hands.approvals = approvals;
        self
    }

    /// The same by another clock. It is read when a run is begun or resumed; between that, time passes as the runtime's does.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// The same with another patience.
    #[must_use]
    pub fn with_config(self, config: DriverConfig) -> Self {
        let turns = Arc::new(Semaphore::new(config.steps_at_once.max(1)));
        Self { config, turns, ..self }
    }

    /// Begins a run and does it to its end. The fence is that of the job that does it; outside of jobs, 0 for the first, and one more
    /// for each resume.
    ///
    /// # Errors
    /// `InvalidInput` when the budget or a tool is none; `AlreadyExists` when there is a checkpoint of the run; `Conflict` when another worker
    /// took it; those of the store. Then the run has not ended: it may be resumed.
    pub async fn start<S: State>(
        &self,
        scope: &TenantScope,
        graph: &Arc<Graph<S>>,
        new: NewRun<S>,
        fence: Fence,
        watch: &Watch,
    ) -> Result<Outcome<S>> {
        const START: &str = "begin run";
        let names = self.hands.tools.names();
        if let Some(unknown) = new.tools.iter().find(|name| !names.contains(*name)) {
            return Err(Error::invalid(START, "tools", "give names of tools that there are")
                .with("unknown", unknown.clone()));
        }
        if self.take(scope, new.id, fence).await?.is_some() {
            return Err(Error::new(ErrorKind::AlreadyExists, START)
                .with("run", new.id.to_string())
                .with("fix", "resume it, or give another id"));
        }
        let run = graph.begin(new, self.clock.now())?;
        let body = run.encode()?;
        Drive::new(self, scope, graph, fence, watch, body).drive(run, Input::Start).await
    }

    /// Goes on with a run at its last checkpoint, to its end. A run that ended ends again: with the same last events, and nothing done.
    ///
    /// # Errors
    /// `NotFound` when there is no checkpoint; `Conflict` when another worker took it, or it is another graph's; `Unsupported` when a newer
    /// program wrote it; those of the store.
    pub async fn resume<S: State>(
        &self,
        scope: &TenantScope,
        graph: &Arc<Graph<S>>,
        run: RunId,
        fence: Fence,
        watch: &Watch,
    ) -> Result<Outcome<S>> {
        let found = self.take(scope, run, fence).await?;
        let found = found.ok_or_else(|| Error::not_found("resume run", "checkpoint"))?;
        let run = graph.decode(&found.body)?;
        Drive::new(self, scope, graph, fence, watch, found.body).drive(run, Input::Resume).await
    }

    async fn take(
        &self,
        scope: &TenantScope,
        run: RunId,
        fence: Fence,
    ) -> Result<Option<notebook_core::checkpoint::Checkpoint>> {
        let taken = self.checkpoints.take(scope, run, fence);
        tokio::time::timeout(self.config.store_time, taken).await.unwrap_or_else(|_| Err(silent()))
    }
}

/// The store of checkpoints does not answer.
fn silent() -> Error {
    Error::new(ErrorKind::Timeout, "keep checkpoint")
        .retry(notebook_core::Retry::Backoff)
        .with("fix", "see that the store of checkpoints runs, and resume the run")
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("config", &self.config).finish_non_exhaustive()
    }
}
