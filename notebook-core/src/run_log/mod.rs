//! The run log port: every run has one append-only event log and ends exactly once.
//!
//! It shares its storage with the [store](crate::store): opening a run stores the question
//! with it, closing it stores the answer with the terminal event, each in one transaction.

use async_trait::async_trait;

use crate::{
    Result, RunId, TenantScope,
    model::{NewRun, Opened, Run, RunEvent, RunOutcome},
};

/// Runs and their events.
#[async_trait]
pub trait RunLog: Send + Sync + 'static {
    /// Stores a run and, if given, its question.
    ///
    /// - Repeated with the same idempotency key and request hash in the same conversation: returns the first run.
    ///
    /// # Errors
    /// `NotFound` when the conversation or an existing question does not exist; `Conflict` when the
    /// idempotency key was used for another request; `AlreadyExists` when the run id was.
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

    /// Appends events that are not terminal. An empty list changes nothing.
    ///
    /// # Errors
    /// `NotFound` when there is no such run; `Conflict` when the run has ended or the numbers do not
    /// continue the log without a gap; `InvalidInput` when an event is terminal.
    async fn append(&self, scope: &TenantScope, id: RunId, events: &[RunEvent]) -> Result<()>;

    /// Ends the run: last events, state and answer in one transaction. A second close is refused.
    ///
    /// # Errors
    /// `NotFound` when there is no such run; `Conflict` when it has ended already or the numbers do not
    /// continue the log; `InvalidInput` when the last event and the state disagree or another event is terminal.
    async fn close(&self, scope: &TenantScope, id: RunId, outcome: RunOutcome) -> Result<Run>;

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

    /// Runs that have not ended, oldest first: what a starting server has to take up or close.
    ///
    /// # Errors
    /// Only those of the storage itself.
    async fn unfinished(&self, scope: &TenantScope) -> Result<Vec<Run>>;
}
