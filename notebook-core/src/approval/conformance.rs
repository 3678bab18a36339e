//! The suite that every adapter of the port is held to, together with the store and the run log it shares.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a suite speaks by panicking, and a scenario's name is its documentation"
)]

use std::time::Duration;

use super::{Answer, Approval, ApprovalId, ApprovalState, ApprovalStore, NewApproval, Say, digest};
use crate::{
    ErrorKind, RunId, TenantScope, UserId,
    conformance::Scenario,
    queue::{JobState, NewJob, Queue},
    run_log::RunLog,
    store::{Store, conformance::samples},
};

/// Approvals with the store and the run log that share their storage.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// Holds the conversations.
    pub store: &'a dyn Store,
    /// Holds the runs.
    pub log: &'a dyn RunLog,
    /// Holds the questions.
    pub approvals: &'a dyn ApprovalStore,
}

impl std::fmt::Debug for Asked<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Asked").finish_non_exhaustive()
    }
}

/// Every scenario of the suite.
#[must_use]
pub fn scenarios<'a>() -> Vec<Scenario<Asked<'a>>> {
    crate::scenarios![
        Asked<'a>;
        d5_a_question_reads_back_as_asked_and_answered,
        d5_a_question_asked_again_is_the_same,
        p8_only_what_was_shown_can_be_allowed,
        d5_an_answer_stays,
        d5_a_question_expires_by_the_clock_alone,
        d5_wrong_fields_are_named,
        t34_another_tenants_questions_are_not_there,
        t34_a_run_of_the_same_id_elsewhere_asks_for_itself,
        a6_questions_go_with_their_conversation,
    ]
}

/// Runs every scenario, one after the other.
///
/// # Panics
/// When the adapter breaks a promise.
pub async fn run_all(store: &dyn Store, log: &dyn RunLog, approvals: &dyn ApprovalStore) {
    let asked = Asked { store, log, approvals };
    crate::conformance::run_all(scenarios(), &asked).await;
}

fn new(run: RunId) -> NewApproval {
    NewApproval {
        run,
        call: "c0ffee".into(),
        tool: "write_note".into(),
        arguments: r#"{"text":"grün\u202e"}"#.into(),
        reason: "It changes your notebook.".into(),
        wait: Duration::from_secs(3_600),
        wakes: Some("run:1".into()),
    }
}

fn says(say: Say, approval: &Approval) -> Answer {
    Answer { say, digest: approval.digest.clone(), by: None, note: String::new() }
}

impl Asked<'_> {
    async fn run(&self, scope: &TenantScope) -> crate::model::Run {
        self.run_of(scope, RunId::new()).await
    }

    async fn run_of(&self, scope: &TenantScope, id: RunId) -> crate::model::Run {
        let notebook = self.store.create_notebook(scope, samples::notebook()).await.unwrap();
        let conversation = samples::conversation(notebook.id);
        let conversation = self.store.create_conversation(scope, conversation).await.unwrap();
        let mut new = samples::new_run(&conversation);
        new.run.id = id;
        new.question = Some(samples::question(&new.run, "Why do bees dance?"));
        let opened = self.log.open(scope, new).await.unwrap();
        opened.run().clone()
    }
}

async fn d5_a_question_reads_back_as_asked_and_answered(asked: &Asked<'_>) {
    let scope = samples::tenant();
    let run = asked.run(&scope).await.id;
    assert_eq!(asked.approvals.approvals(&scope, run).await.unwrap(), []);
    let first = asked.approvals.ask(&scope, new(run)).await.unwrap();
    let wanted = new(run);
    assert_eq!((first.run, &first.call, &first.tool), (run, &wanted.call, &wanted.tool));
    assert_eq!((&first.arguments, &first.reason), (&wanted.arguments, &wanted.reason));
    assert_eq!(first.digest, digest(&wanted.tool, &wanted.arguments));
    assert_eq!(
        (first.state, first.decided_at, first.decided_by),
        (ApprovalState::Pending, None, None)
    );
    assert_eq!(first.expires_at.since(first.asked_at), wanted.wait);
    let second = NewApproval { call: "2".into(), wakes: None, ..new(run) };
    let second = asked.approvals.ask(&scope, second).await.unwrap();
    assert_eq!(asked.approvals.approvals(&scope, run).await.unwrap(), [first.clone(), second]);
    let by = Some(UserId::new());
    let answer = Answer { by, note: "not today".into(), ..says(Say::Refuse, &first) };
    let decided = asked.approvals.decide(&scope, first.id, answer).await.unwrap();
    assert_eq!((decided.state, decided.decided_by), (ApprovalState::Refused, by));
    assert_eq!(decided.note, "not today");
    assert!(decided.decided_at.unwrap() >= first.asked_at);
    assert_eq!(asked.approvals.approval(&scope, first.id).await.unwrap(), decided);
}

async fn d5_a_question_asked_again_is_the_same(asked: &Asked<'_>) {
    let scope = samples::tenant();
    let run = asked.run(&scope).await.id;
    let first = asked.approvals.ask(&scope, new(run)).await.unwrap();
    assert_eq!(asked.approvals.ask(&scope, new(run)).await.unwrap(), first);
    let yes = says(Say::Approve, &first);
    asked.approvals.decide(&scope, first.id, yes).await.unwrap();
    let again = asked.approvals.ask(&scope, new(run)).await.unwrap();
    assert_eq!((again.id, again.state), (first.id, ApprovalState::Approved));
    for other in [
        NewApproval { arguments: "{}".into(), ..new(run) },
        NewApproval { tool: "fetch_url".into(), ..new(run) },
    ] {
        let error = asked.approvals.ask(&scope, other).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
    }
    // Another run may ask by the same key.
    let other = asked.run(&scope).await.id;
    let other = asked.approvals.ask(&scope, new(other)).await.unwrap();
    assert_eq!(other.state, ApprovalState::Pending);
}

async fn p8_only_what_was_shown_can_be_allowed(asked: &Asked<'_>) {
    let scope = samples::tenant();
    let run = asked.run(&scope).await.id;
    let first = asked.approvals.ask(&scope, new(run)).await.unwrap();
    let answer = Answer { digest: digest("write_note", "{}"), ..says(Say::Approve, &first) };
    let error = asked.approvals.decide(&scope, first.id, answer).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    let stored = asked.approvals.approval(&scope, first.id).await.unwrap();
    assert_eq!(stored.state, ApprovalState::Pending);
}

async fn d5_an_answer_stays(asked: &Asked<'_>) {
    let scope = samples::tenant();
    let run = asked.run(&scope).await.id;
    let first = asked.approvals.ask(&scope, new(run)).await.unwrap();
    let (yes, no) = (says(Say::Approve, &first), says(Say::Refuse, &first));
    let decided = asked.approvals.decide(&scope, first.id, yes.clone()).await.unwrap();
    let later = Answer { note: "again".into(), ..yes };
    assert_eq!(asked.approvals.decide(&scope, first.id, later).await.unwrap(), decided);
    let error = asked.approvals.decide(&scope, first.id, no).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(asked.approvals.approval(&scope, first.id).await.unwrap(), decided);
}

async fn d5_a_question_expires_by_the_clock_alone(asked: &Asked<'_>) {
    let scope = samples::tenant();
    let run = asked.run(&scope).await.id;
    let over = NewApproval { wait: Duration::ZERO, ..new(run) };
    let first = asked.approvals.ask(&scope, over.clone()).await.unwrap();
    assert_eq!(first.state, ApprovalState::Expired);
    assert_eq!(asked.approvals.ask(&scope, over).await.unwrap().state, ApprovalState::Expired);
    assert_eq!(
        asked.approvals.approvals(&scope, run).await.unwrap()[0].state,
        ApprovalState::Expired
    );
    let error =
        asked.approvals.decide(&scope, first.id, says(Say::Approve, &first)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
}

async fn d5_wrong_fields_are_named(asked: &Asked<'_>) {
    let scope = samples::tenant();
    let run = asked.run(&scope).await.id;
    for (field, wrong) in [
        ("tool", NewApproval { tool: String::new(), ..new(run) }),
        ("call", NewApproval { call: "x".repeat(201), ..new(run) }),
        ("wakes", NewApproval { wakes: Some(String::new()), ..new(run) }),
        ("arguments", NewApproval { arguments: "x".repeat((256 << 10) + 1), ..new(run) }),
        ("reason", NewApproval { reason: "x".repeat(2_001), ..new(run) }),
        ("wait", NewApproval { wait: Duration::MAX, ..new(run) }),
    ] {
        let error = asked.approvals.ask(&scope, wrong).await.unwrap_err();
        assert_eq!((error.kind(), error.context("field")), (ErrorKind::InvalidInput, Some(field)));
    }
    let error = asked.approvals.ask(&scope, new(RunId::new())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let error = asked.approvals.approval(&scope, ApprovalId::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let first = asked.approvals.ask(&scope, new(run)).await.unwrap();
    let long = Answer { note: "x".repeat(2_001), ..says(Say::Approve, &first) };
    let error = asked.approvals.decide(&scope, first.id, long).await.unwrap_err();
    assert_eq!(error.context("field"), Some("note"));
}

async fn t34_another_tenants_questions_are_not_there(asked: &Asked<'_>) {
    let (scope, other) = (samples::tenant(), samples::tenant());
    let run = asked.run(&scope).await.id;
    asked.run(&other).await;
    let first = asked.approvals.ask(&scope, new(run)).await.unwrap();
    assert_eq!(asked.approvals.approvals(&other, run).await.unwrap(), []);
    let yes = says(Say::Approve, &first);
    for error in [
        asked.approvals.ask(&other, new(run)).await.unwrap_err(),
        asked.approvals.approval(&other, first.id).await.unwrap_err(),
        asked.approvals.decide(&other, first.id, yes).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
    let stored = asked.approvals.approval(&scope, first.id).await.unwrap();
    assert_eq!(stored.state, ApprovalState::Pending);
}

/// An answer makes the job due that sleeps for it, and no other; in its own tenant.
///
/// # Panics
/// When the adapter breaks a promise.
pub async fn an_answer_wakes_its_job(asked: &Asked<'_>, queue: &dyn Queue) {
    let (scope, other) = (samples::tenant(), samples::tenant());
    let run = asked.run(&scope).await.id;
    let sleeping = |key: &str| NewJob {
        unique_key: Some(key.into()),
        delay: Duration::from_secs(3_600),
        ..NewJob::new("answer", serde_json::json!({}))
    };
    let ours = vec![sleeping("run:1"), sleeping("run:2")];
    let ours = queue.insert(&scope, ours).await.unwrap();
    let theirs = queue.insert(&other, vec![sleeping("run:1")]).await.unwrap();
    let first = asked.approvals.ask(&scope, new(run)).await.unwrap();
    asked.approvals.decide(&scope, first.id, says(Say::Refuse, &first)).await.unwrap();
    assert_eq!(queue.job(&scope, ours[0]).await.unwrap().state, JobState::Available);
    assert_eq!(queue.job(&scope, ours[1]).await.unwrap().state, JobState::Scheduled);
    assert_eq!(queue.job(&other, theirs[0]).await.unwrap().state, JobState::Scheduled);
}

async fn t34_a_run_of_the_same_id_elsewhere_asks_for_itself(asked: &Asked<'_>) {
    let (scope, other) = (samples::tenant(), samples::tenant());
    let run = asked.run(&scope).await.id;
    asked.run_of(&other, run).await;
    let ours = asked.approvals.ask(&scope, new(run)).await.unwrap();
    let theirs = asked.approvals.ask(&other, new(run)).await.unwrap();
    assert_ne!(ours.id, theirs.id);
    assert_eq!(asked.approvals.ask(&scope, new(run)).await.unwrap(), ours);
    assert_eq!(asked.approvals.ask(&other, new(run)).await.unwrap(), theirs);
    asked.approvals.decide(&scope, ours.id, says(Say::Approve, &ours)).await.unwrap();
    let stored = asked.approvals.approval(&other, theirs.id).await.unwrap();
    assert_eq!(stored, theirs);
}

async fn a6_questions_go_with_their_conversation(asked: &Asked<'_>) {
    let scope = samples::tenant();
    let run = asked.run(&scope).await;
    let first = asked.approvals.ask(&scope, new(run.id)).await.unwrap();
    asked.store.delete_conversation(&scope, run.conversation).await.unwrap();
    assert_eq!(asked.approvals.approvals(&scope, run.id).await.unwrap(), []);
    let error = asked.approvals.approval(&scope, first.id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}
