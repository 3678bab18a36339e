//! The port of approvals: what a run asks people to allow, and what they said.
//!
//! A run that wants to write or to reach out asks first, with the exact arguments. Whoever decides names the [digest] of what they were
//! shown, so that what is done is what was seen. A question that nobody answered in time is [expired](ApprovalState::Expired) by the
//! clock alone: nothing has to happen for that. Adapters share their storage with the [store](crate::store):
//! [`store::memory`](crate::store::memory), `sql` (features `sqlite`, `postgres`). All are held to the suite in
//! `approval::conformance` (feature `conformance`).

#[cfg(feature = "conformance")]
pub mod conformance;
pub mod rules;
mod visible;

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

pub use crate::id::ApprovalId;
pub use visible::visible;

use crate::{Result, RunId, TenantScope, Timestamp, UserId};

/// Where a question stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ApprovalState {
    /// Nobody has answered yet.
    Pending,
    /// It may be done, as shown.
    Approved,
    /// It may not.
    Refused,
    /// Nobody answered in time.
    Expired,
}

/// What a person says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Say {
    /// Do it.
    Approve,
    /// Do not.
    Refuse,
}

/// A question to be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewApproval {
    /// The run that asks.
    pub run: RunId,
    /// The engine's key of the question: asked again after a crash it is the same.
    pub call: String,
    /// The tool.
    pub tool: String,
    /// Its exact arguments, as JSON.
    pub arguments: String,
    /// Why a person is asked.
    pub reason: String,
    /// How long the answer is waited for.
    pub wait: Duration,
    /// The unique key of a job that sleeps until there is an answer: it is made due with the answer, in the same transaction.
    pub wakes: Option<String>,
}

/// A question, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Approval {
    /// Its id.
    pub id: ApprovalId,
    /// The run that asks.
    pub run: RunId,
    /// The engine's key of the question.
    pub call: String,
    /// The tool.
    pub tool: String,
    /// Its exact arguments, as JSON.
    pub arguments: String,
    /// The [digest] of tool and arguments.
    pub digest: String,
    /// Why a person is asked.
    pub reason: String,
    /// Where it stands now.
    pub state: ApprovalState,
    /// When it was asked.
    pub asked_at: Timestamp,
    /// Until when it can be answered.
    pub expires_at: Timestamp,
    /// When it was answered.
    pub decided_at: Option<Timestamp>,
    /// Who answered, where there are users.
    pub decided_by: Option<UserId>,
    /// What they said about it, for the model.
    pub note: String,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Yes or no.
    pub say: Say,
    /// The [digest] of what the person was shown.
    pub digest: String,
    /// Who says it.
    pub by: Option<UserId>,
    /// What they say about it, for the model.
    pub note: String,
}

/// What stands for a tool with its exact arguments: lower-case hex of SHA-256.
#[must_use]
pub fn digest(tool: &str, arguments: &str) -> String {
    let mut hash = Sha256::new();
    // The length keeps one from running into the other.
    hash.update((tool.len() as u64).to_be_bytes());
    hash.update(tool);
    hash.update(arguments);
    crate::hex(hash.finalize())
}

/// Keeps questions and answers.
///
/// # Behaviour
/// - Another tenant's question is not found, and its run's list is empty.
/// - Questions go with their run.
/// - The moment is the storage's own.
#[async_trait]
pub trait ApprovalStore: Send + Sync + 'static {
    /// Asks, and returns the question as it stands.
    ///
    /// - Repeated with the same run and call: the one that was asked first, with its answer.
    ///
    /// # Errors
    /// `InvalidInput` when a field is out of its bounds; `NotFound` when there is no such run; `Conflict` when it was asked with other arguments.
    async fn ask(&self, scope: &TenantScope, new: NewApproval) -> Result<Approval>;

    /// The question.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    async fn approval(&self, scope: &TenantScope, id: ApprovalId) -> Result<Approval>;

    /// All questions of a run, oldest first; none of a run that there is not.
    ///
    /// # Errors
    /// Only those of the storage itself.
    async fn approvals(&self, scope: &TenantScope, run: RunId) -> Result<Vec<Approval>>;

    /// Answers, and makes the job due that sleeps until then.
    ///
    /// - Repeated with the same answer: the first one stays.
    ///
    /// # Errors
    /// `NotFound` when there is none; `Conflict` when something else was shown, it was answered otherwise, or it has expired; `InvalidInput` when
    /// the note is over 2,000 bytes.
    async fn decide(&self, scope: &TenantScope, id: ApprovalId, answer: Answer)
    -> Result<Approval>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p8_a_digest_stands_for_one_tool_and_its_arguments() {
        let one = digest("write", "{}");
        assert_eq!(one.len(), 64);
        for other in [("writ", "e{}"), ("write", "{} "), ("write{", "}"), ("", "write{}")] {
            assert_ne!(one, digest(other.0, other.1));
        }
    }
}
