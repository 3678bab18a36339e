use std::{sync::Arc, time::Duration};

use notebook_core::{
    Result, TenantScope,
    model::{EventBody, Message, Run, RunEvent, RunOutcome, RunState},
};
use parking_lot::Mutex;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::{error, warn};

use super::{Runs, StopSignal, live::LiveRun};

/// How long events may wait in memory before they are stored.
const FLUSH_EVERY: Duration = Duration::from_millis(100);
/// Tries to store the end of a run before readers are told that it could not be stored.
const CLOSE_TRIES: u32 = 5;

/// Produces the events of one run. Dropped without [`close`](Self::close), the run ends for its
/// readers, and the next start of the server closes it in the log.
pub struct RunWriter {
    runs: Arc<Runs>,
    scope: TenantScope,
    run: Run,
    live: Arc<LiveRun>,
    seq: u64,
    unstored: Arc<Mutex<Vec<RunEvent>>>,
    done: CancellationToken,
    flusher: Option<AbortOnDropHandle<()>>,
}

impl RunWriter {
    pub(super) fn new(runs: Arc<Runs>, scope: TenantScope, run: Run, live: Arc<LiveRun>) -> Self {
        Self {
            runs,
            scope,
            run,
            live,
            seq: 0,
            unstored: Arc::default(),
            done: CancellationToken::new(),
            flusher: None,
        }
    }

    /// The run.
    #[must_use]
    pub const fn run(&self) -> &Run {
        &self.run
    }

    /// Tells when the run is to end.
    #[must_use]
    pub fn stop_signal(&self) -> StopSignal {
        StopSignal { stop: self.live.stop.clone(), interrupt: self.live.interrupt.clone() }
    }

    /// Adds an event that is not terminal: readers see it at once, the log within a moment.
    pub fn emit(&mut self, body: EventBody) {
        debug_assert!(body.terminal_state().is_none(), "terminal events go through close");
        let event = self.number(body);
        self.unstored.lock().push(event.clone());
        self.live.publish([Arc::new(event)], false);
        if self.flusher.is_none() {
            self.flusher = Some(self.spawn_flusher());
        }
    }

    /// Ends the run: stores the rest, the answer and the terminal event as one, then shows the event.
    ///
    /// When the store cannot take it, readers get `failed` with code `not_stored`.
    pub async fn close(mut self, terminal: EventBody, answer: Option<Message>) -> RunState {
        self.done.cancel();
        if let Some(flusher) = self.flusher.take() {
            let _ = flusher.await;
        }
        let state = terminal.terminal_state().unwrap_or(RunState::Failed);
        let terminal = self.number(terminal);
        let mut events = std::mem::take(&mut *self.unstored.lock());
        events.push(terminal.clone());
        let outcome = RunOutcome { state, events, answer };
        match self.store_outcome(outcome).await {
            Ok(_) => {
                self.live.publish([Arc::new(terminal)], true);
                state
            }
            Err(error) => {
                error!(run = %self.run.id, %error, "the end of a run could not be stored");
                let body = EventBody::Failed {
                    code: "not_stored".to_owned(),
                    message: format!(
                        "The answer could not be stored ({}). Ask again when the server's storage works.",
                        error.kind().code()
                    ),
                    retryable: true,
                };
                self.live.publish([Arc::new(RunEvent { body, ..terminal })], true);
                RunState::Failed
            }
        }
    }

    async fn store_outcome(&self, outcome: RunOutcome) -> Result<Run> {
        let mut wait = Duration::from_millis(50);
        for _ in 1..CLOSE_TRIES {
            match self.runs.log().close(&self.scope, self.run.id, outcome.clone()).await {
                Err(error) if error.is_retryable() => {
                    warn!(run = %self.run.id, %error, "storing the end of a run failed; trying again");
                    tokio::time::sleep(wait).await;
                    wait *= 2;
                }
                result => return result,
            }
        }
        self.runs.log().close(&self.scope, self.run.id, outcome).await
    }

    const fn next_seq(&mut self) -> u64 {
        self.seq += 1;
        self.seq
    }

    fn number(&mut self, body: EventBody) -> RunEvent {
        RunEvent { seq: self.next_seq(), at: self.runs.clock.now(), body }
    }

    /// Stores events in small batches beside the generation, so that a slow disk delays no token.
    fn spawn_flusher(&self) -> AbortOnDropHandle<()> {
        let (runs, scope, run) = (self.runs.clone(), self.scope.clone(), self.run.id);
        let (unstored, done) = (self.unstored.clone(), self.done.clone());
        AbortOnDropHandle::new(tokio::spawn(async move {
            while done.run_until_cancelled(tokio::time::sleep(FLUSH_EVERY)).await.is_some() {
                let batch = std::mem::take(&mut *unstored.lock());
                if batch.is_empty() {
                    continue;
                }
                if let Err(error) = runs.log.append(&scope, run, &batch).await {
                    // Kept in order: the next flush, or the close, stores them.
                    warn!(%run, %error, "storing events failed; trying again");
                    let mut waiting = unstored.lock();
                    let newer = std::mem::replace(&mut *waiting, batch);
                    waiting.extend(newer);
                }
            }
        }))
    }
}

impl Drop for RunWriter {
    fn drop(&mut self) {
        self.done.cancel();
        self.live.abandon();
        self.runs.forget(&self.scope, self.run.id);
    }
}
