//! How runs end.
#![allow(missing_docs, reason = "a scenario's name is its documentation")]
use std::time::Duration;

use serde_json::json;

use super::{Subject, completed, error, failed, finish, kind, new, tenant};
use crate::{
    conformance::Scenario,
    queue::{JobState, NewJob, Outcome, Pulse},
};

pub(super) fn scenarios<'a>() -> Vec<Scenario<Subject<'a>>> {
    crate::scenarios![
        Subject<'a>;
        y5_a_result_is_stored_with_what_follows,
        q3_the_result_of_the_second_worker_stands,
        q4_a_zombie_that_fails_late_changes_nothing,
        q5_a_zombie_is_told_to_stop,
        a_run_ends_once,
        q29_an_end_that_is_repeated_has_counted,
        y6_a_failure_is_tried_again_later,
        y9_a_job_dies_when_its_attempts_are_used_up,
        y9_a_hopeless_job_dies_at_once,
        q32_a_snooze_costs_no_attempt_and_has_a_bound,
        y12_a_release_costs_nothing,
        y14_what_ended_long_ago_is_forgotten,
        ends_of_many_jobs_are_told_apart,
    ]
}

pub async fn y5_a_result_is_stored_with_what_follows(subject: &Subject<'_>) {
    let (scope, first, second) = (tenant(), kind(), kind());
    let id = subject.insert(&scope, new(&first)).await;
    let claimed = subject.claim_one(&first).await;
    let outcome =
        Outcome::Completed { result: json!({ "pages": 3 }), follow_ups: vec![new(&second)] };
    assert!(subject.finish(finish(&claimed, outcome)).await);
    let job = subject.job(&scope, id).await;
    assert_eq!((job.state, job.result), (JobState::Completed, Some(json!({ "pages": 3 }))));
    assert!(job.finished_at.is_some() && job.lease_until.is_none());
    let next = subject.claim_one(&second).await;
    assert_eq!(next.scope, scope);
}

pub async fn q3_the_result_of_the_second_worker_stands(subject: &Subject<'_>) {
    let (scope, kind, follow) = (tenant(), kind(), kind());
    let id = subject.insert(&scope, new(&kind)).await;
    let zombie = subject.claim_one(&kind).await;
    subject.seconds(61);
    subject.rescue().await;
    let second = subject.claim_one(&kind).await;
    let outcome = Outcome::Completed { result: json!("late"), follow_ups: vec![new(&follow)] };
    assert!(!subject.finish(finish(&zombie, outcome)).await);
    assert_eq!(subject.job(&scope, id).await.state, JobState::Running);
    assert!(subject.finish(completed(&second, json!("second"))).await);
    assert_eq!(subject.job(&scope, id).await.result, Some(json!("second")));
    assert!(subject.claim(&follow, 1).await.is_empty(), "what follows a lost run is not stored");
}

pub async fn q4_a_zombie_that_fails_late_changes_nothing(subject: &Subject<'_>) {
    let (scope, kind) = (tenant(), kind());
    let id = subject.insert(&scope, new(&kind)).await;
    let zombie = subject.claim_one(&kind).await;
    subject.seconds(61);
    subject.rescue().await;
    let waiting = subject.job(&scope, id).await;
    assert!(!subject.finish(failed(&zombie)).await);
    assert!(!subject.finish(finish(&zombie, Outcome::Hopeless(error()))).await);
    assert!(!subject.finish(finish(&zombie, Outcome::Released)).await);
    assert_eq!(subject.job(&scope, id).await, waiting);
}

pub async fn q5_a_zombie_is_told_to_stop(subject: &Subject<'_>) {
    let (scope, kind) = (tenant(), kind());
    let id = subject.insert(&scope, new(&kind)).await;
    let zombie = subject.claim_one(&kind).await;
    subject.seconds(61);
    subject.rescue().await;
    assert_eq!(subject.beat(&zombie).await, Pulse::Lost);
    let second = subject.claim_one(&kind).await;
    assert_eq!(subject.beat(&zombie).await, Pulse::Lost);
    assert_eq!(subject.beat(&second).await, Pulse::Kept);
    assert_eq!(subject.job(&scope, id).await.fence, second.job.fence);
}

pub async fn a_run_ends_once(subject: &Subject<'_>) {
    let (scope, kind) = (tenant(), kind());
    let id = subject.insert(&scope, new(&kind)).await;
    let claimed = subject.claim_one(&kind).await;
    let ends = (0..10).map(|i| subject.worklist.finish(vec![completed(&claimed, json!(i))]));
    let counted = futures::future::join_all(ends).await;
    let counted: Vec<_> = counted.into_iter().map(|ended| ended.unwrap()[0]).collect();
    let winner = counted.iter().position(|counted| *counted).unwrap();
    assert_eq!(counted.iter().filter(|counted| **counted).count(), 1);
    assert_eq!(subject.job(&scope, id).await.result, Some(json!(winner)));
}

/// Whoever got no reply asks again, and is told what became of the first time; what follows is stored once.
pub async fn q29_an_end_that_is_repeated_has_counted(subject: &Subject<'_>) {
    let (scope, kind, follow) = (tenant(), kind(), kind());
    let follow_up = new(&follow);
    let last = [
        Outcome::Completed { result: json!("once"), follow_ups: vec![follow_up.clone()] },
        Outcome::completed(json!("plain")),
        Outcome::Hopeless(error()),
        Outcome::Failed { error: error(), not_before: Duration::ZERO },
    ];
    for outcome in last {
        let id = subject.insert(&scope, NewJob { max_attempts: 1, ..new(&kind) }).await;
        let claimed = subject.claim_one(&kind).await;
        assert!(subject.finish(finish(&claimed, outcome.clone())).await);
        let ended = subject.job(&scope, id).await;
        assert!(subject.finish(finish(&claimed, outcome.clone())).await, "{outcome:?}");
        let both = vec![finish(&claimed, outcome.clone()), finish(&claimed, outcome.clone())];
        assert_eq!(subject.worklist.finish(both).await.unwrap(), [true, true], "{outcome:?}");
        // Another end, or that of another run, is none.
        let other = completed(&claimed, json!("another"));
        assert!(!subject.finish(other).await, "{outcome:?}");
        let mut before = finish(&claimed, outcome.clone());
        before.fence.0 -= 1;
        assert!(!subject.finish(before).await, "{outcome:?}");
        assert_eq!(subject.job(&scope, id).await, ended);
    }
    assert_eq!(subject.claim(&follow, 9).await.len(), 1);
}

pub async fn y6_a_failure_is_tried_again_later(subject: &Subject<'_>) {
    let (scope, kind) = (tenant(), kind());
    let id = subject.insert(&scope, new(&kind)).await;
    let claimed = subject.claim_one(&kind).await;
    let not_before = Duration::from_secs(20);
    let outcome = Outcome::Failed { error: error(), not_before };
    assert!(subject.finish(finish(&claimed, outcome)).await);
    let job = subject.job(&scope, id).await;
    assert_eq!((job.state, job.attempt), (JobState::Scheduled, 1));
    assert_eq!(job.error, Some(error()));
    subject.seconds(19);
    assert!(subject.claim(&kind, 1).await.is_empty(), "the provider asked for 20 seconds");
    subject.seconds(1);
    assert_eq!(subject.claim_one(&kind).await.job.fence.0, 2);
}

pub async fn y9_a_job_dies_when_its_attempts_are_used_up(subject: &Subject<'_>) {
    let (scope, kind) = (tenant(), kind());
    let id = subject.insert(&scope, NewJob { max_attempts: 3, ..new(&kind) }).await;
    for attempt in 1..=3 {
        let claimed = subject.claim_one(&kind).await;
        assert!(subject.finish(failed(&claimed)).await);
        assert_eq!(subject.job(&scope, id).await.attempt, attempt);
        subject.seconds(1_000);
    }
    let job = subject.job(&scope, id).await;
    assert_eq!((job.state, job.error), (JobState::Dead, Some(error())));
    assert!(subject.claim(&kind, 1).await.is_empty());
}

pub async fn y9_a_hopeless_job_dies_at_once(subject: &Subject<'_>) {
    let (scope, kind) = (tenant(), kind());
    let id = subject.insert(&scope, new(&kind)).await;
    let claimed = subject.claim_one(&kind).await;
    assert!(subject.finish(finish(&claimed, Outcome::Hopeless(error()))).await);
    let job = subject.job(&scope, id).await;
    assert_eq!((job.state, job.error), (JobState::Dead, Some(error())));
}

pub async fn q32_a_snooze_costs_no_attempt_and_has_a_bound(subject: &Subject<'_>) {
    let (scope, kind) = (tenant(), kind());
    let id = subject.insert(&scope, new(&kind)).await;
    for _ in 0..20 {
        let claimed = subject.claim_one(&kind).await;
        let outcome = Outcome::Snoozed(Duration::from_secs(86_400));
        assert!(subject.finish(finish(&claimed, outcome)).await);
        subject.seconds(900);
    }
    let job = subject.job(&scope, id).await;
    assert_eq!((job.attempt, job.snooze_count, job.crash_count), (0, 20, 0));
}

pub async fn y12_a_release_costs_nothing(subject: &Subject<'_>) {
    let (scope, kind) = (tenant(), kind());
    let id = subject.insert(&scope, new(&kind)).await;
    for _ in 0..10 {
        let claimed = subject.claim_one(&kind).await;
        assert!(subject.finish(finish(&claimed, Outcome::Released)).await);
    }
    let job = subject.job(&scope, id).await;
    assert_eq!((job.state, job.attempt, job.crash_count), (JobState::Available, 0, 0));
    assert_eq!(job.fence.0, 10);
}

pub async fn y14_what_ended_long_ago_is_forgotten(subject: &Subject<'_>) {
    let (scope, kind) = (tenant(), kind());
    let old = subject.insert(&scope, new(&kind)).await;
    let claimed = subject.claim_one(&kind).await;
    assert!(subject.finish(completed(&claimed, json!(1))).await);
    let waits = subject.insert(&scope, new(&kind)).await;
    subject.seconds(3_000);
    let fresh = subject.insert(&scope, new(&kind)).await;
    subject.queue.cancel(&scope, fresh).await.unwrap();
    subject.seconds(700);
    assert!(subject.worklist.forget(Duration::from_secs(3_600), 1_000).await.unwrap() >= 1);
    assert!(subject.queue.job(&scope, old).await.is_err());
    assert_eq!(subject.job(&scope, fresh).await.state, JobState::Cancelled);
    assert_eq!(subject.job(&scope, waits).await.state, JobState::Available);
}

pub async fn ends_of_many_jobs_are_told_apart(subject: &Subject<'_>) {
    let (scope, kind) = (tenant(), kind());
    subject.queue.insert(&scope, (0..6).map(|_| new(&kind)).collect()).await.unwrap();
    let claimed = subject.claim(&kind, 6).await;
    assert_eq!(claimed.len(), 6);
    assert!(subject.finish(completed(&claimed[2], json!(2))).await);
    let ends = claimed.iter().map(|claimed| completed(claimed, json!("all"))).collect();
    let counted = subject.worklist.finish(ends).await.unwrap();
    assert_eq!(counted, [true, true, false, true, true, true]);
    assert_eq!(subject.job(&scope, claimed[2].job.id).await.result, Some(json!(2)));
}
