use std::{sync::Arc, time::Duration};

use notebook_core::{
    Error, ErrorKind, Result, TenantScope,
    model::{EventBody, Message, Run, RunEvent, RunOutcome, RunState, Used},
    queue::{JobError, Outcome, outbox::Outbox, runner::Work},
};
use parking_lot::Mutex;
use serde_json::json;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::{error, info, warn};

use super::{LoggedEvent, Runs, StopReason, StopSignal, live::LiveRun};

/// How long events may wait in memory before they are stored.
const FLUSH_EVERY: Duration = Duration::from_millis(100);
/// Tries to store the end of a run before readers are told that it could not be stored.
const CLOSE_TRIES: u32 = 5;

/// The longest time between two tries.
const CLOSE_PAUSE: Duration = Duration::from_secs(1);

/// How the end of a run is stored.
pub enum Closing {
    /// In the log alone.
    Log,
    /// Together with the end of the job that it is done by, so that a worker that lost the job ends nothing.
    Job {
        /// Stores both.
        outbox: Arc<dyn Outbox>,
        /// The job.
        work: Box<Work>,
    },
}

/// Whether the end of a run was stored.
#[derive(Debug, Clone, PartialEq)]
pub enum Closed {
    /// It was.
    Stored,
    /// It was not: another worker has ended the run, or has taken it over.
    Lost,
    /// The store could not take it. Readers were told.
    NotStored(JobError),
}

/// Produces the events of one run. Dropped without [`close`](Self::close), its readers wait for another worker.
pub struct RunWriter {
    runs: Arc<Runs>,
    scope: TenantScope,
    run: Run,
    live: Arc<LiveRun>,
    closing: Closing,
    seq: u64,
    unstored: Arc<Mutex<Vec<RunEvent>>>,
    done: CancellationToken,
    flusher: Option<AbortOnDropHandle<()>>,
    used: Option<Used>,
}

impl RunWriter {
    pub(super) fn new(
        runs: Arc<Runs>,
        scope: TenantScope,
        run: Run,
        live: Arc<LiveRun>,
        closing: Closing,
    ) -> Self {
        let (seq, unstored, done) = (live.base, Arc::default(), CancellationToken::new());
        let (flusher, used) = (None, None);
        Self { runs, scope, run, live, closing, seq, unstored, done, flusher, used }
    }

    /// The run.
    #[must_use]
    pub const fn run(&self) -> &Run {
        &self.run
    }

    /// Tells when the run is to end.
    #[must_use]
    pub fn stop_signal(&self) -> StopSignal {
        self.live.signal.clone()
    }

    /// Tells the run that its process wants the work back.
    pub fn interrupter(&self) -> impl FnOnce() + Send + use<> {
        let signal = self.live.signal.clone();
        move || signal.give(StopReason::Interrupted)
    }

    /// Whether another worker can go on where this one gives the run back.
    #[must_use]
    pub const fn can_be_released(&self) -> bool {
        matches!(self.closing, Closing::Job { .. })
    }

    /// Adds an event that is not terminal: readers see it at once, the log within a moment.
    pub fn emit(&mut self, body: EventBody) {
        debug_assert!(body.terminal_state().is_none(), "terminal events go through close");
        let event = self.number(body);
        self.unstored.lock().push(event.clone());
        self.live.publish([self.logged(event)], false);
        if self.flusher.is_none() {
            self.flusher = Some(self.spawn_flusher());
        }
    }

    /// Shows an event that is stored already; the next one's number follows.
    pub(super) fn show_stored(&mut self, event: RunEvent) {
        self.seq = event.seq;
        self.live.publish([self.logged(event)], false);
        self.tell_stored();
    }

    /// What is kept with the run should it end without an answer, which would have its usage.
    pub fn used(&mut self, used: Used) {
        self.used = Some(used);
    }

    /// Ends the run: stores the rest, the answer and the terminal event as one, then shows the event.
    ///
    /// When the store cannot take it, readers get `failed` with code `not_stored`.
    pub async fn close(mut self, terminal: EventBody, answer: Option<Message>) -> Closed {
        self.stop_flusher().await;
        let state = terminal.terminal_state().unwrap_or(RunState::Failed);
        let terminal = self.number(terminal);
        let mut events = std::mem::take(&mut *self.unstored.lock());
        events.push(terminal.clone());
        let used = self.used.take().filter(|_| answer.is_none());
        let outcome = RunOutcome { state, events, answer, used };
        match self.store_outcome(outcome).await {
            Ok(true) => {
                self.live.publish([self.logged(terminal)], true);
                self.tell_stored();
                info!(run = %self.run.id, ?state, "run ended");
                Closed::Stored
            }
            Ok(false) => {
                info!(run = %self.run.id, "a run was ended, or taken over, by another worker");
                Closed::Lost
            }
            Err(error) => {
                error!(run = %self.run.id, %error, "the end of a run could not be stored");
                let message = "The answer could not be stored. Ask again in a moment.".to_owned();
                let reason = JobError { code: "not_stored".to_owned(), message };
                let JobError { code, message } = reason.clone();
                let detail = Some(format!("store answer: {}", error.kind().code()));
                let body = EventBody::Failed { code, message, retryable: true, detail };
                self.live.publish([self.logged(RunEvent { body, ..terminal })], true);
                Closed::NotStored(reason)
            }
        }
    }

    /// Stores what there is and leaves the rest to another worker.
    pub async fn release(mut self) {
        self.stop_flusher().await;
        let rest = std::mem::take(&mut *self.unstored.lock());
        if let Err(error) = self.runs.log.append(&self.scope, self.run.id, &rest).await {
            // The next worker begins anew.
            warn!(run = %self.run.id, %error, "the last events of a run that was given back are lost");
        }
    }

    async fn stop_flusher(&mut self) {
        self.done.cancel();
        if let Some(flusher) = self.flusher.take() {
            let _ = flusher.await;
        }
    }

    /// Whether this worker ended the run.
    async fn store_outcome(&self, outcome: RunOutcome) -> Result<bool> {
        let (mut wait, mut tries) = (Duration::from_millis(50), 1);
        loop {
            match self.store_once(outcome.clone()).await {
                Err(error)
                    if error.is_retryable() && (tries < CLOSE_TRIES || self.may_wait(&error)) =>
                {
                    warn!(run = %self.run.id, %error, "storing the end of a run failed; trying again");
                }
                result => return result,
            }
            tokio::time::sleep(wait).await;
            (wait, tries) = ((wait * 2).min(CLOSE_PAUSE), tries + 1);
        }
    }

    /// Whether the end may be stored as late as it likes: a database that is away comes back, or the job's lease runs
    /// out, its runner drops this, and another worker begins anew. Nobody is told of an end that is not stored.
    fn may_wait(&self, error: &Error) -> bool {
        matches!(self.closing, Closing::Job { .. })
            && matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout)
    }

    async fn store_once(&self, outcome: RunOutcome) -> Result<bool> {
        let (scope, id) = (&self.scope, self.run.id);
        let stored = match &self.closing {
            Closing::Log => self.runs.log.close(scope, id, outcome).await.map(|_| true),
            Closing::Job { outbox, work } => {
                let result = json!({ "run": id, "state": outcome.state });
                let end = work.end(Outcome::completed(result));
                outbox.close_run(scope, end, id, outcome).await
            }
        };
        match stored {
            // It has ended already, or another worker writes: a try of our own may have been stored and its reply lost.
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(false),
            stored => stored,
        }
    }

    fn tell_stored(&self) {
        if self.live.is_watched_elsewhere() {
            self.runs.tell("stored", &self.scope, self.run.id);
        }
    }

    fn logged(&self, event: RunEvent) -> Arc<LoggedEvent> {
        Arc::new(LoggedEvent::new(self.run.id, event))
    }

    fn number(&mut self, body: EventBody) -> RunEvent {
        self.seq += 1;
        RunEvent { seq: self.seq, at: self.runs.clock.now(), body }
    }

    /// Stores events in small batches beside the generation, so that a slow disk delays no token.
    fn spawn_flusher(&self) -> AbortOnDropHandle<()> {
        let (runs, scope, run) = (self.runs.clone(), self.scope.clone(), self.run.id);
        let (unstored, done) = (self.unstored.clone(), self.done.clone());
        let live = Arc::clone(&self.live);
        AbortOnDropHandle::new(tokio::spawn(async move {
            while done.run_until_cancelled(tokio::time::sleep(FLUSH_EVERY)).await.is_some() {
                let batch = std::mem::take(&mut *unstored.lock());
                if batch.is_empty() {
                    continue;
                }
                match runs.log.append(&scope, run, &batch).await {
                    Ok(()) if live.is_watched_elsewhere() => runs.tell("stored", &scope, run),
                    Ok(()) => {}
                    Err(error)
                        if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::NotFound) =>
                    {
                        // Another worker has taken over, or the conversation is gone.
                        warn!(%run, %error, "a run is no longer this worker's");
                        live.signal.give(StopReason::Lost);
                        return;
                    }
                    Err(error) => {
                        // Kept in order: the next flush, or the close, stores them.
                        warn!(%run, %error, "storing events failed; trying again");
                        let mut waiting = unstored.lock();
                        let newer = std::mem::replace(&mut *waiting, batch);
                        waiting.extend(newer);
                    }
                }
            }
        }))
    }
}

impl Drop for RunWriter {
    fn drop(&mut self) {
        self.done.cancel();
        self.live.close();
        self.runs.forget(&self.scope, self.run.id, &self.live);
    }
}
