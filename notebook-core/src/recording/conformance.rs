//! The suite that every adapter of the port is held to, together with the store and the run log it shares.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a suite speaks by panicking, and a scenario's name is its documentation"
)]

use super::{MOST_BYTES, MOST_PARTS, RecordedPart, Recordings};
use crate::{
    ErrorKind, RunId, TenantScope,
    conformance::Scenario,
    model::Run,
    run_log::RunLog,
    store::{
        Store,
        conformance::samples::{self, at},
    },
};

/// Recordings with the store and the run log that share their storage.
#[derive(Clone, Copy)]
pub struct Recorded<'a> {
    /// Holds the conversations.
    pub store: &'a dyn Store,
    /// Holds the runs.
    pub log: &'a dyn RunLog,
    /// Holds the recordings.
    pub recordings: &'a dyn Recordings,
}

impl std::fmt::Debug for Recorded<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorded").finish_non_exhaustive()
    }
}

/// Every scenario of the suite.
#[must_use]
pub fn scenarios<'a>() -> Vec<Scenario<Recorded<'a>>> {
    crate::scenarios![
        Recorded<'a>;
        d7_parts_read_back_in_their_order,
        d7_what_is_too_much_is_refused_by_name,
        t34_a_run_of_the_same_id_elsewhere_has_its_own,
        a6_recordings_go_with_their_conversation,
    ]
}

/// Runs every scenario, one after the other.
///
/// # Panics
/// When the adapter breaks a promise.
pub async fn run_all(store: &dyn Store, log: &dyn RunLog, recordings: &dyn Recordings) {
    let recorded = Recorded { store, log, recordings };
    crate::conformance::run_all(scenarios(), &recorded).await;
}

impl Recorded<'_> {
    async fn run(&self, scope: &TenantScope, id: RunId) -> Run {
        let notebook = self.store.create_notebook(scope, samples::notebook()).await.unwrap();
        let conversation = samples::conversation(notebook.id);
        let conversation = self.store.create_conversation(scope, conversation).await.unwrap();
        let mut new = samples::new_run(&conversation);
        new.run.id = id;
        new.question = Some(samples::question(&new.run, "Why do bees dance?"));
        self.log.open(scope, new).await.unwrap().run().clone()
    }

    async fn bodies(&self, scope: &TenantScope, run: RunId) -> Vec<Vec<u8>> {
        let parts = self.recordings.recording(scope, run).await.unwrap();
        parts.into_iter().map(|part| part.body).collect()
    }
}

pub async fn d7_parts_read_back_in_their_order(recorded: &Recorded<'_>) {
    let scope = samples::tenant();
    let run = recorded.run(&scope, RunId::new()).await.id;
    assert_eq!(recorded.recordings.recording(&scope, run).await.unwrap(), []);
    let bodies = [b"{\"begin\":\"\\u0000\"}".to_vec(), Vec::new(), (0..=255).collect()];
    let mut expected = Vec::new();
    for (place, body) in bodies.into_iter().enumerate() {
        let (part, recorded_at) = (place as u32 + 1, at(10 + place as i64));
        let added = recorded.recordings.add(&scope, run, recorded_at, body.clone()).await;
        assert_eq!(added.unwrap(), part);
        expected.push(RecordedPart { part, recorded_at, body });
    }
    assert_eq!(recorded.recordings.recording(&scope, run).await.unwrap(), expected);
}

pub async fn d7_what_is_too_much_is_refused_by_name(recorded: &Recorded<'_>) {
    let scope = samples::tenant();
    let run = recorded.run(&scope, RunId::new()).await.id;
    let add = async |run, body| recorded.recordings.add(&scope, run, at(1), body).await;
    let missing = add(RunId::new(), vec![1]).await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    let error = add(run, vec![0; MOST_BYTES + 1]).await.unwrap_err();
    assert_eq!((error.kind(), error.context("field")), (ErrorKind::TooLarge, Some("body")));
    for part in 1..=MOST_PARTS {
        assert_eq!(add(run, vec![part as u8]).await.unwrap(), part);
    }
    let error = add(run, vec![0]).await.unwrap_err();
    assert_eq!((error.kind(), error.context("field")), (ErrorKind::TooLarge, Some("part")));
    assert_eq!(recorded.bodies(&scope, run).await.len(), MOST_PARTS as usize);
}

pub async fn t34_a_run_of_the_same_id_elsewhere_has_its_own(recorded: &Recorded<'_>) {
    let (scope, other, third) = (samples::tenant(), samples::tenant(), samples::tenant());
    let run = recorded.run(&scope, RunId::new()).await.id;
    recorded.recordings.add(&scope, run, at(1), vec![1]).await.unwrap();
    let foreign = recorded.recordings.add(&other, run, at(1), vec![2]).await.unwrap_err();
    assert_eq!(foreign.kind(), ErrorKind::NotFound);
    assert!(recorded.bodies(&other, run).await.is_empty());
    recorded.run(&third, run).await;
    assert_eq!(recorded.recordings.add(&third, run, at(1), vec![3]).await.unwrap(), 1);
    assert_eq!(recorded.bodies(&scope, run).await, [[1]]);
    assert_eq!(recorded.bodies(&third, run).await, [[3]]);
}

pub async fn a6_recordings_go_with_their_conversation(recorded: &Recorded<'_>) {
    let scope = samples::tenant();
    let run = recorded.run(&scope, RunId::new()).await;
    recorded.recordings.add(&scope, run.id, at(1), vec![1]).await.unwrap();
    recorded.store.delete_conversation(&scope, run.conversation).await.unwrap();
    assert!(recorded.bodies(&scope, run.id).await.is_empty());
    let gone = recorded.recordings.add(&scope, run.id, at(2), vec![2]).await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
}
