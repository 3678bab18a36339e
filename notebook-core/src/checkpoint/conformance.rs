//! The suite that every adapter of [`Checkpoints`] is held to.
//!
//! ```
//! use std::sync::Arc;
//! use notebook_core::checkpoint::{Checkpoints, conformance::{self, Capabilities, Subject}, memory::MemoryCheckpoints};
//! use notebook_core::{Timestamp, clock::ManualClock};
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_700_000_000_000)));
//! let checkpoints: Arc<dyn Checkpoints> = Arc::new(MemoryCheckpoints::new(clock.clone()));
//! let processes = [checkpoints.clone(), checkpoints];
//! let capabilities = Capabilities { prunes: true };
//! assert!(conformance::run_all(&Subject { processes, clock, capabilities }).await.is_empty());
//! # });
//! # Ok::<(), std::io::Error>(())
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a suite speaks by panicking, and a scenario's name is its documentation"
)]

use std::{sync::Arc, time::Duration};

use futures::future::join_all;

use super::{Checkpoint, Checkpoints, MOST_BYTES};
use crate::{
    Clock as _, ErrorKind, RunId, TenantScope,
    clock::ManualClock,
    conformance::{Scenario, tenant},
    queue::Fence,
};

/// What an adapter promises beyond the port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// Whether it forgets when it is told to, by the subject's clock, and not by itself.
    pub prunes: bool,
}

/// An adapter as two processes have it, and the clock that it goes by.
pub struct Subject {
    /// Two handles with connections of their own, or the same twice where there is but one process.
    pub processes: [Arc<dyn Checkpoints>; 2],
    /// Their clock.
    pub clock: Arc<ManualClock>,
    /// What they promise.
    pub capabilities: Capabilities,
}

/// Every scenario of the suite.
#[must_use]
pub fn scenarios() -> Vec<Scenario<Subject>> {
    crate::scenarios![
        Subject;
        a_checkpoint_reads_back_as_written,
        the_newest_is_kept,
        a_repeated_save_changes_nothing,
        an_older_or_another_version_is_refused,
        who_takes_a_run_shuts_out_lower_fences,
        a_run_without_a_checkpoint_can_be_taken,
        t18_the_same_run_in_another_tenant_is_another,
        what_is_removed_is_gone_with_its_fence,
        wrong_input_is_refused_by_name,
        of_many_at_once_one_wins_each_version,
        what_nobody_uses_is_pruned,
    ]
}

/// Runs every scenario, one after the other, and returns the names of those that the capabilities leave out.
///
/// # Panics
/// When the adapter breaks a promise.
pub async fn run_all(subject: &Subject) -> Vec<&'static str> {
    let mut skipped = Vec::new();
    for scenario in scenarios() {
        if scenario.name == "what_nobody_uses_is_pruned" && !subject.capabilities.prunes {
            skipped.push(scenario.name);
            continue;
        }
        tracing::info!(scenario = scenario.name, "checkpoint conformance");
        (scenario.run)(subject).await;
    }
    skipped
}

fn at(run: RunId, fence: u64, version: u64) -> Checkpoint {
    let body = format!("{{\"fence\":{fence},\"version\":{version}}}").into_bytes();
    Checkpoint { run, fence: Fence(fence), version, schema: 3, body }
}

impl Subject {
    async fn save(&self, scope: &TenantScope, checkpoint: &Checkpoint) {
        self.processes[0].save(scope, checkpoint).await.unwrap();
    }

    async fn refused(&self, scope: &TenantScope, checkpoint: &Checkpoint) -> ErrorKind {
        let refused = self.processes[1].save(scope, checkpoint).await;
        refused.expect_err("this write is to be refused").kind()
    }

    async fn read(&self, scope: &TenantScope, run: RunId) -> Option<Checkpoint> {
        self.processes[1].read(scope, run).await.unwrap()
    }
}

pub async fn a_checkpoint_reads_back_as_written(subject: &Subject) {
    let (scope, run) = (tenant(), RunId::new());
    assert_eq!(subject.read(&scope, run).await, None);
    let largest = Checkpoint { body: vec![7; MOST_BYTES], ..at(run, 1, 4) };
    let bytes = Checkpoint { body: (0..=255).collect(), ..at(run, 1, 3) };
    let empty = Checkpoint { body: vec![], schema: u32::MAX, ..at(run, 1, 2) };
    for checkpoint in [at(run, 1, 1), empty, bytes, largest] {
        subject.save(&scope, &checkpoint).await;
        assert_eq!(subject.read(&scope, run).await.as_ref(), Some(&checkpoint));
        let taken = subject.processes[1].take(&scope, run, Fence(1)).await.unwrap();
        assert!(taken == Some(checkpoint));
    }
    subject.processes[0].remove(&scope, run).await.unwrap();
}

pub async fn the_newest_is_kept(subject: &Subject) {
    let (scope, run) = (tenant(), RunId::new());
    // Some may be missing: they were written elsewhere while this store was away.
    for version in [1, 2, 3, 7, (1 << 53) - 1] {
        subject.save(&scope, &at(run, 4, version)).await;
        assert_eq!(subject.read(&scope, run).await, Some(at(run, 4, version)));
    }
}

pub async fn a_repeated_save_changes_nothing(subject: &Subject) {
    let (scope, run) = (tenant(), RunId::new());
    for _ in 0..3 {
        subject.save(&scope, &at(run, 2, 5)).await;
    }
    assert_eq!(subject.read(&scope, run).await, Some(at(run, 2, 5)));
}

pub async fn an_older_or_another_version_is_refused(subject: &Subject) {
    let (scope, run) = (tenant(), RunId::new());
    subject.save(&scope, &at(run, 2, 5)).await;
    for other in [at(run, 2, 4), at(run, 3, 5), Checkpoint { body: vec![1], ..at(run, 2, 5) }] {
        assert_eq!(subject.refused(&scope, &other).await, ErrorKind::Conflict, "{other:?}");
    }
    assert_eq!(subject.read(&scope, run).await, Some(at(run, 2, 5)));
    // Who was refused has not shown its fence.
    subject.save(&scope, &at(run, 2, 6)).await;
}

pub async fn who_takes_a_run_shuts_out_lower_fences(subject: &Subject) {
    let (scope, run) = (tenant(), RunId::new());
    subject.save(&scope, &at(run, 1, 1)).await;
    for _ in 0..2 {
        let found = subject.processes[1].take(&scope, run, Fence(2)).await.unwrap();
        assert_eq!(found, Some(at(run, 1, 1)));
    }
    assert_eq!(subject.refused(&scope, &at(run, 1, 2)).await, ErrorKind::Conflict);
    let late = subject.processes[0].take(&scope, run, Fence(1)).await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Conflict);
    assert_eq!(subject.read(&scope, run).await, Some(at(run, 1, 1)), "looking shows no fence");
    subject.save(&scope, &at(run, 2, 2)).await;
    assert_eq!(subject.read(&scope, run).await, Some(at(run, 2, 2)));
}

/// A worker that was lost before its first checkpoint writes none later.
pub async fn a_run_without_a_checkpoint_can_be_taken(subject: &Subject) {
    let (scope, run) = (tenant(), RunId::new());
    assert_eq!(subject.processes[0].take(&scope, run, Fence(1)).await.unwrap(), None);
    assert_eq!(subject.processes[1].take(&scope, run, Fence(2)).await.unwrap(), None);
    assert_eq!(subject.read(&scope, run).await, None);
    assert_eq!(subject.refused(&scope, &at(run, 1, 1)).await, ErrorKind::Conflict);
    subject.save(&scope, &at(run, 2, 1)).await;
}

pub async fn t18_the_same_run_in_another_tenant_is_another(subject: &Subject) {
    let (a, b, run) = (tenant(), tenant(), RunId::new());
    subject.save(&a, &at(run, 9, 9)).await;
    assert_eq!(subject.read(&b, run).await, None);
    assert_eq!(subject.processes[0].take(&b, run, Fence(1)).await.unwrap(), None);
    subject.save(&b, &at(run, 1, 1)).await;
    assert!(subject.processes[0].remove(&b, run).await.unwrap());
    assert_eq!(subject.read(&a, run).await, Some(at(run, 9, 9)));
}

pub async fn what_is_removed_is_gone_with_its_fence(subject: &Subject) {
    let (scope, run, other) = (tenant(), RunId::new(), RunId::new());
    assert!(!subject.processes[0].remove(&scope, run).await.unwrap());
    subject.save(&scope, &at(run, 5, 5)).await;
    subject.save(&scope, &at(other, 5, 5)).await;
    assert!(subject.processes[1].remove(&scope, run).await.unwrap());
    assert_eq!(subject.read(&scope, run).await, None);
    subject.save(&scope, &at(run, 1, 1)).await;
    assert_eq!(subject.read(&scope, other).await, Some(at(other, 5, 5)));
}

pub async fn wrong_input_is_refused_by_name(subject: &Subject) {
    let (scope, run) = (tenant(), RunId::new());
    let large = Checkpoint { body: vec![0; MOST_BYTES + 1], ..at(run, 1, 1) };
    for (field, kind, wrong) in [
        ("version", ErrorKind::InvalidInput, at(run, 1, 0)),
        ("version", ErrorKind::InvalidInput, at(run, 1, 1 << 53)),
        ("fence", ErrorKind::InvalidInput, at(run, 1 << 53, 1)),
        ("body", ErrorKind::TooLarge, large),
    ] {
        let error = subject.processes[0].save(&scope, &wrong).await.unwrap_err();
        assert_eq!((error.kind(), error.context("field")), (kind, Some(field)));
    }
    let error = subject.processes[0].take(&scope, run, Fence(u64::MAX)).await.unwrap_err();
    assert_eq!(error.context("field"), Some("fence"));
    assert_eq!(subject.read(&scope, run).await, None);
}

/// Two workers that believe to have the same run, by two processes: each version is one's, whole.
pub async fn of_many_at_once_one_wins_each_version(subject: &Subject) {
    let (scope, run) = (tenant(), RunId::new());
    for version in 1..=10 {
        let (scope, processes) = (&scope, &subject.processes);
        let writes = (0..8_usize).map(|writer| async move {
            let body = vec![u8::try_from(writer).unwrap(); 100];
            let checkpoint = Checkpoint { body, ..at(run, 1, version) };
            let saved = processes[writer % 2].save(scope, &checkpoint).await;
            saved.is_ok().then_some(checkpoint)
        });
        let won: Vec<_> = join_all(writes).await.into_iter().flatten().collect();
        assert_eq!(won.len(), 1, "version {version}");
        assert_eq!(subject.read(scope, run).await.as_ref(), won.first());
    }
}

pub async fn what_nobody_uses_is_pruned(subject: &Subject) {
    let (scope, other) = (tenant(), tenant());
    let runs: Vec<_> = (0..5).map(|_| RunId::new()).collect();
    for run in &runs {
        subject.save(&scope, &at(*run, 1, 1)).await;
    }
    subject.save(&other, &at(runs[0], 1, 1)).await;
    subject.clock.advance(Duration::from_secs(60));
    let before = subject.clock.now();
    subject.save(&scope, &at(runs[0], 1, 2)).await;
    subject.processes[1].take(&scope, runs[1], Fence(1)).await.unwrap();
    assert_eq!(subject.processes[0].prune(&scope, before, 2).await.unwrap(), 2);
    assert_eq!(subject.processes[0].prune(&scope, before, 100).await.unwrap(), 1);
    assert_eq!(subject.processes[0].prune(&scope, before, 100).await.unwrap(), 0);
    for (i, run) in runs.iter().enumerate() {
        assert_eq!(subject.read(&scope, *run).await.is_some(), i < 2, "{i}");
    }
    assert!(subject.read(&other, runs[0]).await.is_some());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Timestamp,
        checkpoint::{memory::MemoryCheckpoints, tiered::Tiered},
        conformance::unlisted,
    };

    #[test]
    fn every_scenario_is_listed() {
        let names: Vec<_> = scenarios().iter().map(|scenario| scenario.name).collect();
        assert_eq!(unlisted(include_str!("conformance.rs"), &names), Vec::<&str>::new());
    }

    fn clock() -> Arc<ManualClock> {
        Arc::new(ManualClock::at(Timestamp::from_millis(1_700_000_000_000)))
    }

    #[tokio::test]
    async fn memory_keeps_every_promise() {
        let clock = clock();
        let memory: Arc<dyn Checkpoints> = Arc::new(MemoryCheckpoints::new(clock.clone()));
        let processes = [memory.clone(), memory];
        let capabilities = Capabilities { prunes: true };
        let skipped = run_all(&Subject { processes, clock, capabilities }).await;
        assert_eq!(skipped, [] as [&str; 0]);
    }

    /// Two processes: a hot store each, and the cold one between them.
    #[tokio::test]
    async fn two_tiers_keep_every_promise() {
        let clock = clock();
        let cold: Arc<dyn Checkpoints> = Arc::new(MemoryCheckpoints::new(clock.clone()));
        let shared: Arc<dyn Checkpoints> = Arc::new(MemoryCheckpoints::new(clock.clone()));
        let processes = [(); 2].map(|()| -> Arc<dyn Checkpoints> {
            let patience = Duration::from_secs(60);
            Arc::new(Tiered::new(shared.clone(), cold.clone(), clock.clone(), patience))
        });
        let capabilities = Capabilities { prunes: true };
        let skipped = run_all(&Subject { processes, clock, capabilities }).await;
        assert_eq!(skipped, [] as [&str; 0]);
    }

    /// The bound in bytes holds, the longest unused go first, and each use prolongs.
    #[tokio::test]
    async fn memory_is_bounded_in_bytes_and_time() {
        let clock = clock();
        let kept = Duration::from_secs(100);
        let memory = MemoryCheckpoints::bounded(clock.clone(), kept, 100_000);
        let (scope, first) = (tenant(), RunId::new());
        memory.save(&scope, &at(first, 1, 1)).await.unwrap();
        for _ in 0..500 {
            let run = RunId::new();
            let checkpoint = Checkpoint { body: vec![0; 5_000], ..at(run, 1, 1) };
            memory.save(&scope, &checkpoint).await.unwrap();
            assert!(memory.bytes() <= 100_000);
            assert!(
                memory.read(&scope, first).await.unwrap().is_some(),
                "it is used again and again"
            );
        }
        let too_large = Checkpoint { body: vec![0; 100_000], ..at(first, 1, 2) };
        let error = memory.save(&scope, &too_large).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        for _ in 0..3 {
            clock.advance(Duration::from_secs(99));
            assert!(memory.read(&scope, first).await.unwrap().is_some());
        }
        assert!(memory.bytes() < 1_000, "the others are gone");
        clock.advance(kept);
        assert_eq!(memory.read(&scope, first).await.unwrap(), None);
    }
}
