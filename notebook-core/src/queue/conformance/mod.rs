//! The suite that every adapter of the queue is held to.
//!
//! Scenarios move the queue's time, so they run one after the other; each has kinds of its own.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a suite speaks by panicking, and a scenario's name is its documentation"
)]

pub mod claims;
pub mod ends;
pub mod outbox;
pub mod requests;

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use super::{
    ClaimRequest, Claimed, Finish, Heartbeat, Job, JobError, JobId, KindRule, NewJob, Outcome,
    Pulse, Queue, WorkerId, Worklist,
};
use crate::{
    TenantScope,
    conformance::{Scenario, tenant},
};

/// A queue, and a way to let its time pass.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The tenants' side.
    pub queue: &'a dyn Queue,
    /// The workers' side of the same queue, with the default policy.
    pub worklist: &'a dyn Worklist,
    /// Lets time pass for both.
    pub advance: &'a (dyn Fn(Duration) + Sync),
}

impl std::fmt::Debug for Subject<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subject").finish_non_exhaustive()
    }
}

/// Every scenario of the suite.
#[must_use]
pub fn scenarios<'a>() -> Vec<Scenario<Subject<'a>>> {
    let mut all = claims::scenarios();
    all.extend(ends::scenarios());
    all.extend(requests::scenarios());
    all
}

/// Runs every scenario, one after the other.
///
/// # Panics
/// When the queue breaks a promise.
pub async fn run_all<Q: Queue + Worklist>(queue: &Q, advance: &(dyn Fn(Duration) + Sync)) {
    crate::conformance::run_all(scenarios(), &Subject { queue, worklist: queue, advance }).await;
}

/// A kind that no other scenario uses.
fn kind() -> String {
    format!("kind-{}", JobId::new())
}

fn request(kind: &str, max: usize) -> ClaimRequest {
    let rule = KindRule { payload_version: 1, limit: None, ..KindRule::default() };
    let kinds = BTreeMap::from([(kind.to_owned(), rule)]);
    ClaimRequest { worker: WorkerId::new(), kinds, per_tenant: None, max }
}

fn completed(claimed: &Claimed, result: Value) -> Finish {
    finish(claimed, Outcome::completed(result))
}

fn failed(claimed: &Claimed) -> Finish {
    let outcome = Outcome::Failed { error: error(), not_before: Duration::ZERO };
    finish(claimed, outcome)
}

fn finish(claimed: &Claimed, outcome: Outcome) -> Finish {
    Finish { id: claimed.job.id, fence: claimed.job.fence, outcome }
}

fn error() -> JobError {
    JobError { code: "provider_away".into(), message: "The provider did not answer.".into() }
}

impl Subject<'_> {
    async fn insert(&self, scope: &TenantScope, new: NewJob) -> JobId {
        self.queue.insert(scope, vec![new]).await.unwrap().remove(0)
    }

    async fn job(&self, scope: &TenantScope, id: JobId) -> Job {
        self.queue.job(scope, id).await.unwrap()
    }

    async fn claim(&self, kind: &str, max: usize) -> Vec<Claimed> {
        self.worklist.claim(&request(kind, max)).await.unwrap()
    }

    /// Claims the one job of a kind that is available.
    async fn claim_one(&self, kind: &str) -> Claimed {
        let mut claimed = self.claim(kind, 2).await;
        assert_eq!(claimed.len(), 1, "one job of {kind} is available");
        claimed.remove(0)
    }

    async fn finish(&self, end: Finish) -> bool {
        self.worklist.finish(vec![end]).await.unwrap().remove(0)
    }

    async fn beat(&self, claimed: &Claimed) -> Pulse {
        let beat = Heartbeat { id: claimed.job.id, fence: claimed.job.fence, progress: None };
        self.worklist.heartbeat(vec![beat]).await.unwrap().remove(0)
    }

    async fn rescue(&self) -> usize {
        self.worklist.rescue(1_000).await.unwrap()
    }

    fn seconds(&self, seconds: u64) {
        (self.advance)(Duration::from_secs(seconds));
    }
}

/// A job of a kind.
fn new(kind: &str) -> NewJob {
    NewJob::new(kind, json!({ "source": 7 }))
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_scenario_of_the_outbox_is_listed() {
        let listed: Vec<_> =
            super::outbox::scenarios().iter().map(|scenario| scenario.name).collect();
        assert!(crate::conformance::unlisted(include_str!("outbox.rs"), &listed).is_empty());
    }

    #[test]
    fn every_scenario_is_listed() {
        let listed: Vec<_> = super::scenarios().iter().map(|scenario| scenario.name).collect();
        for source in
            [include_str!("claims.rs"), include_str!("ends.rs"), include_str!("requests.rs")]
        {
            assert!(crate::conformance::unlisted(source, &listed).is_empty());
        }
    }
}
