//! The run log port: every run has one append-only event log and ends exactly once.
//!
//! It shares its storage with the [store](crate::store): opening a run stores the question
//! with it, closing it stores the answer with the terminal event, each in one transaction.
//! Both move `updated_at` of the conversation and the notebook forward, never back.
//!
//! Adapters: [`store::memory`](crate::store::memory), `sqlite` (feature). All are held to the
//! suite in `run_log::conformance` (feature `conformance`). What holds for every method of
//! the store holds here; what all adapters decide alike stands in [`rules`].

#[cfg(feature = "conformance")]
pub mod conformance;
pub mod rules;

use async_trait::async_trait;

use crate::{
    Result, RunId, TenantScope, Timestamp,
    model::{Message, NewRun, Opened, Run, RunEvent, RunOutcome},
};

/// Runs and their events.
#[async_trait]
pub trait RunLog: Send + Sync + 'static {
    /// Stores a run and, if given, its question.
    ///
    /// - Repeated with the same idempotency key and request hash in the same conversation: returns the first
    ///   run as it is now, and stores nothing. The ids of the repeated request do not matter.
    /// - Without a key, every open is a new run.
    ///
    /// # Errors
    /// `NotFound` when the conversation, an existing question or the question's parent does not exist in it,
    /// or the run's notebook is not the conversation's; `Conflict` when the idempotency key was used for
    /// another request; `AlreadyExists` when the run id or the question's id was; `InvalidInput` when the
    /// run is not queued or the question is not the message that the run names.
    async fn open(&self, scope: &TenantScope, new: NewRun) -> Result<Opened>;

    /// The run.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    async fn run(&self, scope: &TenantScope, id: RunId) -> Result<Run>;

    /// The newest runs of a conversation, newest first, at most `limit`.
    ///
    /// # Errors
    /// `NotFound` when the conversation does not exist.
    async fn runs(
        &self,
        scope: &TenantScope,
        conversation: crate::ConversationId,
        limit: usize,
    ) -> Result<Vec<Run>>;

    /// Moves a queued run to running. Repeated: no change.
    ///
    /// # Errors
    /// `NotFound` when there is none; `Conflict` when it has ended.
    async fn start(&self, scope: &TenantScope, id: RunId) -> Result<()>;

    /// Appends events that are not terminal, all or none. An empty list is checked like any other and
    /// changes nothing.
    ///
    /// # Errors
    /// `NotFound` when there is no such run; `Conflict` when the run has ended or the numbers do not continue the log:
    /// without a gap, or from the first number of a later [generation](crate::model::GENERATION); so a worker whose
    /// place another has taken writes nothing more. `InvalidInput` when an event is terminal.
    async fn append(&self, scope: &TenantScope, id: RunId, events: &[RunEvent]) -> Result<()>;

    /// Ends the run: last events, state and answer in one transaction. A second close is refused and changes
    /// nothing.
    ///
    /// - A queued run may be closed without having been started.
    /// - `ended_at` becomes the time of the terminal event.
    ///
    /// # Errors
    /// `NotFound` when there is no such run, or the answer's parent is not in the conversation; `Conflict` when
    /// it has ended already or the numbers do not continue the log; `InvalidInput` when the last event and the
    /// state disagree, another event is terminal, or the answer is not the message that the run names;
    /// `AlreadyExists` when a message with the answer's id exists.
    async fn close(&self, scope: &TenantScope, id: RunId, outcome: RunOutcome) -> Result<Run>;

    /// Stores a run that has ended elsewhere, with its question, its end and its answer, in one transaction: nobody
    /// sees it unfinished. [`open`](Self::open) and [`close`](Self::close) in one.
    ///
    /// - Repeated with the same run id: changes nothing.
    ///
    /// # Errors
    /// As there; then nothing is stored.
    async fn record(&self, scope: &TenantScope, new: NewRun, outcome: RunOutcome) -> Result<()>;

    /// The answer; none while the run goes on, and where it ended without a text.
    ///
    /// # Errors
    /// `NotFound` when there is no such run.
    async fn answer(&self, scope: &TenantScope, id: RunId) -> Result<Option<Message>>;

    /// Events after `after` (0 for all), in order, at most `limit`; empty when there are none yet.
    ///
    /// # Errors
    /// `NotFound` when there is no such run.
    async fn events(
        &self,
        scope: &TenantScope,
        id: RunId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<RunEvent>>;

    /// Notes that somebody asked for the run's end, for whichever process works on it, and returns the run as it is
    /// now. One that has ended stays as it is.
    ///
    /// # Errors
    /// `NotFound` when there is no such run.
    async fn request_stop(&self, scope: &TenantScope, id: RunId) -> Result<Run>;

    /// Runs that have not ended although their end was asked for.
    ///
    /// # Errors
    /// Only those of the storage itself.
    async fn stopping(&self, scope: &TenantScope) -> Result<Vec<RunId>>;

    /// Deletes the events of runs that ended before a moment, but for the terminal ones; of at most `limit` runs. How
    /// many runs that were. Their answers stay.
    ///
    /// # Errors
    /// Only those of the storage itself.
    async fn prune(&self, scope: &TenantScope, before: Timestamp, limit: usize) -> Result<usize>;

    /// Runs that have not ended, oldest first: what a starting server has to take up or close.
    ///
    /// # Errors
    /// Only those of the storage itself.
    async fn unfinished(&self, scope: &TenantScope) -> Result<Vec<Run>>;
}
