//! The events of runs: live in memory while they happen, in the run log for ever.
//!
//! A reader holds a cursor, not a queue: a slow one costs nothing but its position. The
//! terminal event is stored, with the answer, before any reader sees it.
//!
//! Any process can show any run: one that does not produce it reads the log, and is told by
//! [publish and subscribe](notebook_core::pubsub) when there is more. What is told is a hint; what is stored counts.

mod event;
mod hints;
mod live;
mod partial;
mod reader;
mod tend;
mod writer;

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
    time::Duration,
};

use notebook_core::{
    Clock, Error, ErrorKind, Result, Retry, RunId, TenantId, TenantScope,
    model::{EventBody, Run, RunEvent, RunState, Usage, next_generation},
    pubsub::PubSub,
    run_log::RunLog,
};
use parking_lot::Mutex;
use uuid::Uuid;

pub use event::LoggedEvent;
use hints::Hints;
use live::LiveRun;
pub use live::{StopReason, StopSignal};
pub(crate) use partial::interrupted;
pub use reader::EventReader;
pub use writer::{Closed, Closing, RunWriter};

/// How many stored events are read at once.
const PAGE: usize = 500;

/// All runs of this process, and the way to those of others through the log.
pub struct Runs {
    log: Arc<dyn RunLog>,
    clock: Arc<dyn Clock>,
    pubsub: Option<Arc<dyn PubSub>>,
    /// Which process this is, among those that are told: what it says itself is no news to it.
    process: Uuid,
    /// How long a run goes on while nobody watches it; for ever when absent.
    patience: Option<Duration>,
    live: Mutex<HashMap<(TenantId, RunId), Arc<LiveRun>>>,
    hints: Hints,
    tending: OnceLock<tokio_util::task::AbortOnDropHandle<()>>,
}

impl Runs {
    /// Runs over `log`, in this process alone. They go on whether anybody watches or not.
    #[must_use]
    pub fn new(log: Arc<dyn RunLog>, clock: Arc<dyn Clock>) -> Arc<Self> {
        Self::shared(log, clock, None, None)
    }

    /// Runs over a `log` that other processes share, who are told by `pubsub`. A run that nobody has watched for
    /// longer than `patience`, in any process, is ended: at once when it is zero, never when it is absent.
    #[must_use]
    pub fn shared(
        log: Arc<dyn RunLog>,
        clock: Arc<dyn Clock>,
        pubsub: Option<Arc<dyn PubSub>>,
        patience: Option<Duration>,
    ) -> Arc<Self> {
        let (live, hints, tending) = (Mutex::default(), Hints::default(), OnceLock::new());
        let process = Uuid::new_v4();
        Arc::new(Self { log, clock, pubsub, process, patience, live, hints, tending })
    }

    /// The log.
    #[must_use]
    pub fn log(&self) -> &Arc<dyn RunLog> {
        &self.log
    }

    /// How many runs are being produced in this process.
    #[must_use]
    pub fn live(&self) -> usize {
        self.live.lock().len()
    }

    /// Begins to produce a run that was opened in the log. Readers that come from now on see its events at once.
    /// Where another worker has begun before, its readers are told to drop what they have.
    ///
    /// # Errors
    /// Those of the log; `Unavailable` when another worker writes to the run at the same time.
    pub async fn begin(
        self: &Arc<Self>,
        scope: &TenantScope,
        run: &Run,
        closing: Closing,
    ) -> Result<RunWriter> {
        self.tend();
        let restarted = match run.state {
            RunState::Running => Some(self.restart(scope, run.id).await?),
            _ => None,
        };
        let base = restarted.as_ref().map_or(0, |event| event.seq - 1);
        let live = Arc::new(LiveRun::new(scope.clone(), base));
        if run.stop_requested {
            live.signal.give(StopReason::Asked);
        }
        self.live.lock().insert((scope.tenant(), run.id), live.clone());
        let mut writer = RunWriter::new(self.clone(), scope.clone(), run.clone(), live, closing);
        if let Some(event) = restarted {
            writer.show_stored(event);
        }
        self.hints.give(scope.tenant(), run.id);
        Ok(writer)
    }

    /// Notes in the log that a worker begins anew. It is stored before anybody sees an event of this worker: should this
    /// one be lost before it has stored more, the next one's numbers begin past those that it has shown.
    async fn restart(&self, scope: &TenantScope, run: RunId) -> Result<RunEvent> {
        let last = partial::read(&*self.log, scope, run).await?.last;
        let (seq, at) = (next_generation(last), self.clock.now());
        let event = RunEvent { seq, at, body: EventBody::Restarted };
        match self.log.append(scope, run, std::slice::from_ref(&event)).await {
            Ok(()) => Ok(event),
            // Whose job it is will show: a worker that lost it ends nothing, and the other comes again.
            Err(error) if error.kind() == ErrorKind::Conflict => {
                Err(Error::new(ErrorKind::Unavailable, "begin anew")
                    .with("reason", "another worker writes to the run, or has ended it")
                    .retry(Retry::Backoff)
                    .caused_by(error))
            }
            Err(error) => Err(error),
        }
    }

    /// A reader of the run's events after `after` (0 for all).
    ///
    /// # Errors
    /// `NotFound` when there is no such run in this scope.
    pub async fn reader(
        self: &Arc<Self>,
        scope: &TenantScope,
        run: RunId,
        after: u64,
    ) -> Result<EventReader> {
        self.tend();
        // Asked first, so that a foreign or unknown id is refused whatever is live.
        self.log.run(scope, run).await?;
        Ok(EventReader::new(self.clone(), scope.clone(), run, after))
    }

    /// The run as it is now. Who asks counts as watching it.
    ///
    /// # Errors
    /// `NotFound` when there is no such run in this scope.
    pub async fn look(&self, scope: &TenantScope, run: RunId) -> Result<Run> {
        let found = self.log.run(scope, run).await?;
        if !found.state.is_terminal() {
            match self.find(scope, run) {
                Some(live) => live.touch(),
                None => self.tell("watch", scope, run),
            }
        }
        Ok(found)
    }

    /// Asks the run to stop, wherever it is produced, and returns it as it is now. A run that has ended stays as it is.
    ///
    /// # Errors
    /// `NotFound` when there is no such run in this scope.
    pub async fn stop(&self, scope: &TenantScope, run: RunId) -> Result<Run> {
        let asked = self.log.request_stop(scope, run).await?;
        match self.find(scope, run) {
            Some(live) => live.signal.give(StopReason::Asked),
            None if !asked.state.is_terminal() => self.tell("stop", scope, run),
            None => {}
        }
        Ok(asked)
    }

    /// Asks all runs of this process to end, as at shutdown.
    pub fn interrupt_all(&self) {
        for live in self.live.lock().values() {
            live.signal.give(StopReason::Interrupted);
        }
    }

    /// Ends a run that nobody produces, with this terminal event; its partial text is kept as the answer, and what it is known to have used
    /// with that or with the run.
    ///
    /// # Errors
    /// Those of the log; `Conflict` when it has ended meanwhile.
    pub async fn close_unheld(
        &self,
        scope: &TenantScope,
        run: &Run,
        terminal: EventBody,
        used: Option<Usage>,
    ) -> Result<()> {
        let partial = partial::read(&*self.log, scope, run.id).await?;
        let outcome = partial.outcome(run, self.clock.now(), terminal, used);
        self.log.close(scope, run.id, outcome).await?;
        self.hints.give(scope.tenant(), run.id);
        self.tell("stored", scope, run.id);
        Ok(())
    }

    fn find(&self, scope: &TenantScope, run: RunId) -> Option<Arc<LiveRun>> {
        self.live.lock().get(&(scope.tenant(), run)).cloned()
    }

    /// Whether this process produces the run.
    #[must_use]
    pub fn is_live(&self, scope: &TenantScope, run: RunId) -> bool {
        self.find(scope, run).is_some()
    }

    /// Takes a run that this process no longer produces out of its list.
    fn forget(&self, scope: &TenantScope, run: RunId, which: &Arc<LiveRun>) {
        let mut live = self.live.lock();
        let key = (scope.tenant(), run);
        if live.get(&key).is_some_and(|found| Arc::ptr_eq(found, which)) {
            live.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests;
