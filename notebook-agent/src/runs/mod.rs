//! The events of runs: live in memory while they happen, in the run log for ever.
//!
//! A reader holds a cursor, not a queue: a slow one costs nothing but its position. The
//! terminal event is stored, with the answer, before any reader sees it.

mod live;
mod reader;
mod writer;

use std::{collections::HashMap, sync::Arc};

use notebook_core::{
    Clock, Result, RunId, TenantId, TenantScope,
    model::{EventBody, Message, Role, Run, RunEvent, RunOutcome, RunState},
    run_log::RunLog,
};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use live::LiveRun;
pub use reader::EventReader;
pub use writer::RunWriter;

/// How many stored events are read at once.
const PAGE: usize = 500;

/// All runs of this process, and the way to those of others through the log.
pub struct Runs {
    log: Arc<dyn RunLog>,
    clock: Arc<dyn Clock>,
    live: Mutex<HashMap<(TenantId, RunId), Arc<LiveRun>>>,
}

impl Runs {
    /// Runs over `log`.
    #[must_use]
    pub fn new(log: Arc<dyn RunLog>, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { log, clock, live: Mutex::default() })
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
    #[must_use]
    pub fn begin(self: &Arc<Self>, scope: &TenantScope, run: &Run) -> RunWriter {
        let live = Arc::new(LiveRun::new());
        self.live.lock().insert((scope.tenant(), run.id), live.clone());
        RunWriter::new(self.clone(), scope.clone(), run.clone(), live)
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
        // Asked first, so that a foreign or unknown id is refused whatever is live.
        self.log.run(scope, run).await?;
        let live = self.find(scope, run);
        Ok(EventReader::new(self.clone(), scope.clone(), run, live, after))
    }

    /// Asks the run to stop, and returns it as it is now. A run that has ended stays as it is.
    ///
    /// # Errors
    /// `NotFound` when there is no such run in this scope.
    pub async fn stop(&self, scope: &TenantScope, run: RunId) -> Result<Run> {
        if let Some(live) = self.find(scope, run) {
            live.stop.cancel();
        }
        self.log.run(scope, run).await
    }

    /// Asks all runs of this process to end, as at shutdown.
    pub fn stop_all(&self) {
        for live in self.live.lock().values() {
            live.interrupt.cancel();
            live.stop.cancel();
        }
    }

    /// Ends the runs that an earlier process left unfinished: they fail with code `interrupted`, and
    /// their partial text is kept as the answer. Returns how many there were.
    ///
    /// # Errors
    /// Those of the log.
    pub async fn recover(&self, scope: &TenantScope) -> Result<usize> {
        let mut closed = 0;
        for run in self.log.unfinished(scope).await? {
            if self.find(scope, run.id).is_none() {
                self.close_interrupted(scope, &run).await?;
                closed += 1;
            }
        }
        Ok(closed)
    }

    async fn close_interrupted(&self, scope: &TenantScope, run: &Run) -> Result<()> {
        let (mut seq, mut text, mut citations, mut model) = (0, String::new(), Vec::new(), None);
        loop {
            let events = self.log.events(scope, run.id, seq, PAGE).await?;
            let Some(last) = events.last() else { break };
            seq = last.seq;
            for event in events {
                match event.body {
                    EventBody::Delta { text: more } => text.push_str(&more),
                    EventBody::Citation(citation) => citations.push(citation),
                    EventBody::Started { model: label, .. } => model = Some(label),
                    _ => {}
                }
            }
        }
        let now = self.clock.now();
        let terminal = RunEvent { seq: seq + 1, at: now, body: interrupted() };
        let answer = (!text.is_empty()).then(|| Message {
            id: run.answer,
            conversation: run.conversation,
            parent: Some(run.question),
            role: Role::Assistant,
            text,
            citations,
            dropped_citations: 0,
            run: Some(run.id),
            model,
            usage: None,
            timings: Vec::new(),
            partial: true,
            created_at: now,
        });
        let outcome = RunOutcome { state: RunState::Failed, events: vec![terminal], answer };
        self.log.close(scope, run.id, outcome).await.map(drop)
    }

    fn find(&self, scope: &TenantScope, run: RunId) -> Option<Arc<LiveRun>> {
        self.live.lock().get(&(scope.tenant(), run)).cloned()
    }

    fn forget(&self, scope: &TenantScope, run: RunId) {
        self.live.lock().remove(&(scope.tenant(), run));
    }
}

/// The terminal event of a run whose process went away.
pub(crate) fn interrupted() -> EventBody {
    EventBody::Failed {
        code: "interrupted".to_owned(),
        message: "The server stopped before the answer was finished. What was written is kept; ask again for the rest."
            .to_owned(),
        retryable: true,
    }
}

/// Ends a run when told to.
#[derive(Debug, Clone)]
pub struct StopSignal {
    stop: CancellationToken,
    interrupt: CancellationToken,
}

impl StopSignal {
    /// Waits until the run is asked to end.
    pub async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    /// Whether the run was asked to end.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Whether the reason is that the process is going down, rather than a person.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        self.interrupt.is_cancelled()
    }
}

#[cfg(test)]
mod tests;
