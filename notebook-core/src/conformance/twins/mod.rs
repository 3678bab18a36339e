//! T34: two tenants who do the same with the same ids neither see nor change anything of each other.
//!
//! Each tells what it is answered at every step, with both in one store, in turns. It must be what it would be told
//! were it alone, which is asked of a store in memory of its own. Whatever condition on the tenant a statement lacks, one
//! of the two is shown, changes or removes what is the other's: ids are the same in both, contents are not. Once more
//! with ids of notebooks and conversations of their own, which are asked for across, as those of jobs always are: no two
//! tenants may share one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a suite speaks by panicking, and acts for tenants of its own"
)]

mod act;
mod look;
mod things;

use std::{fmt::Debug, sync::Arc};

use things::Ids;

use super::Scenario;
use crate::{
    Result, TenantScope,
    approval::ApprovalStore,
    checkpoint::{Checkpoints, memory::MemoryCheckpoints},
    clock::SystemClock,
    queue::{QueuePolicy, conformance::outbox::Shared, memory::MemoryQueue, outbox::MemoryOutbox},
    recording::Recordings,
    report::{Reports, memory::MemoryReports},
    store::{conformance::samples, memory::MemoryStore},
    usage::UsageStore,
    webhook::conformance::Parts,
};

/// Every port that keeps a tenant's rows, on one storage.
#[derive(Clone, Copy)]
pub struct Whole<'a> {
    /// The store, the run log, the queue and the webhooks.
    pub parts: Parts<'a>,
    /// What was used.
    pub usage: &'a dyn UsageStore,
    /// What people are asked.
    pub approvals: &'a dyn ApprovalStore,
    /// Where runs stand.
    pub checkpoints: &'a dyn Checkpoints,
    /// What was recorded of runs.
    pub recordings: &'a dyn Recordings,
    /// What people say of refusals.
    pub reports: &'a dyn Reports,
}

impl Debug for Whole<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Whole").finish_non_exhaustive()
    }
}

/// Every scenario of the suite.
#[must_use]
pub fn scenarios<'a>() -> Vec<Scenario<Whole<'a>>> {
    crate::scenarios![
        Whole<'a>;
        t34_twins_neither_see_nor_change_each_other,
        t34_twins_with_ids_of_their_own_neither,
        t34_an_erased_twin_leaves_the_other_whole
    ]
}

/// Runs every scenario.
///
/// # Panics
/// When a tenant saw or changed what is another's.
pub async fn run_all(whole: Whole<'_>) {
    crate::conformance::run_all(scenarios(), &whole).await;
}

pub async fn t34_twins_neither_see_nor_change_each_other(whole: &Whole<'_>) {
    in_turns(whole, &Ids::new(true)).await;
}

pub async fn t34_twins_with_ids_of_their_own_neither(whole: &Whole<'_>) {
    in_turns(whole, &Ids::new(false)).await;
}

/// T27: with the same ids in both, what one has is removed a row at a time, and the other has all that it had.
pub async fn t34_an_erased_twin_leaves_the_other_whole(whole: &Whole<'_>) {
    let ids = Ids::new(true);
    let twins = [Twin::new("Anna", &ids, 0), Twin::new("Berthold", &ids, 1)];
    let until = STEPS.iter().position(|name| *name == "removal of parts").unwrap();
    for step in 0..until {
        for twin in &twins {
            twin.tell(whole, step).await;
        }
    }
    let (store, queue) = (whole.parts.shared.store, whole.parts.shared.queue);
    let [gone, stays] = &twins;
    let has = async |twin: &Twin<'_>| {
        let mut told = Told(Vec::new());
        twin.look(whole, &mut told).await;
        (told.0, store.remains(&twin.scope).await.unwrap())
    };
    let before = has(stays).await;
    assert!(before.1.len() > 5, "{:?}", before.1);
    assert_eq!(queue.clear(&gone.scope).await.unwrap(), 0);
    let mut rows = 0;
    while store.erase(&gone.scope, 1).await.unwrap() > 0 {
        rows += 1;
        assert!(rows < 10_000, "it goes on for ever");
    }
    let left = store.remains(&gone.scope).await.unwrap();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(has(stays).await, before);
}

async fn in_turns(whole: &Whole<'_>, ids: &Ids) {
    let twins = [Twin::new("Anna", ids, 0), Twin::new("Berthold", ids, 1)];
    let mut alone = Vec::new();
    for twin in &twins {
        alone.push(told_alone(twin).await);
    }
    // First the one and then the other goes ahead, so that each does everything beside one who has not done it yet.
    for (step, name) in STEPS.iter().enumerate() {
        let order = if step % 2 == 0 { [0, 1] } else { [1, 0] };
        for place in order {
            let told = twins[place].tell(whole, step).await;
            let expected = &alone[place][step];
            for (told, expected) in told.iter().zip(expected) {
                assert_eq!(told, expected, "{} at step {name}", twins[place].name);
            }
            assert_eq!(told.len(), expected.len());
        }
    }
}

/// What a twin is told who has a store to himself.
async fn told_alone(twin: &Twin<'_>) -> Vec<Vec<String>> {
    let store = Arc::new(MemoryStore::new());
    let queue = Arc::new(MemoryQueue::new(Arc::new(SystemClock), QueuePolicy::default()));
    let outbox = MemoryOutbox::new(Arc::clone(&store), Arc::clone(&queue));
    let shared =
        Shared { store: &*store, log: &*store, queue: &*queue, worklist: &*queue, outbox: &outbox };
    let checkpoints = MemoryCheckpoints::new(Arc::new(SystemClock));
    let reports = MemoryReports::default();
    let whole = Whole {
        parts: Parts { shared, webhooks: &*store },
        usage: &*store,
        approvals: &*store,
        checkpoints: &checkpoints,
        recordings: &*store,
        reports: &reports,
    };
    let mut told = Vec::new();
    for step in 0..STEPS.len() {
        told.push(twin.tell(&whole, step).await);
    }
    told
}

/// What both do, in this order; before and after each they look at all there is.
const STEPS: &[&str] = &[
    "notebooks",
    "sources",
    "texts",
    "a change of a source",
    "conversations",
    "runs",
    "events",
    "ends",
    "changes",
    "usage",
    "pruning",
    "removal of parts",
    "hiding",
    "removal",
];

struct Twin<'i> {
    name: &'static str,
    scope: TenantScope,
    ids: &'i Ids,
    own: usize,
}

/// What was answered, in words that are the same whenever it is asked.
#[derive(Default)]
struct Told(Vec<String>);

impl Told {
    fn add<T: Debug>(&mut self, what: &str, answer: Result<T>) {
        let answer = answer.map_err(|error| error.kind());
        self.0.push(format!("{what}: {answer:?}"));
    }
}

impl<'i> Twin<'i> {
    fn new(name: &'static str, ids: &'i Ids, own: usize) -> Self {
        Self { name, scope: samples::tenant(), ids, own }
    }

    async fn tell(&self, whole: &Whole<'_>, step: usize) -> Vec<String> {
        let mut told = Told::default();
        self.look(whole, &mut told).await;
        self.act(whole, &mut told, step).await;
        self.look(whole, &mut told).await;
        told.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn memory_keeps_every_promise() {
        let store = Arc::new(MemoryStore::new());
        let queue = Arc::new(MemoryQueue::new(Arc::new(SystemClock), QueuePolicy::default()));
        let outbox = MemoryOutbox::new(Arc::clone(&store), Arc::clone(&queue));
        let shared = Shared {
            store: &*store,
            log: &*store,
            queue: &*queue,
            worklist: &*queue,
            outbox: &outbox,
        };
        let checkpoints = MemoryCheckpoints::new(Arc::new(SystemClock));
        let whole = Whole {
            parts: Parts { shared, webhooks: &*store },
            usage: &*store,
            approvals: &*store,
            checkpoints: &checkpoints,
            recordings: &*store,
            reports: &MemoryReports::default(),
        };
        run_all(whole).await;
    }
}
