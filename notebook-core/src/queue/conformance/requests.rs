//! What tenants ask for.
#![allow(missing_docs, reason = "a scenario's name is its documentation")]
use serde_json::json;

use super::{Subject, completed, error, failed, finish, kind, new, request, tenant};
use crate::{
    ErrorKind,
    conformance::Scenario,
    queue::{JobId, JobState, NewJob, Outcome, Pulse},
};

pub(super) fn scenarios<'a>() -> Vec<Scenario<Subject<'a>>> {
    crate::scenarios![
        Subject<'a>;
        a_job_reads_back_as_stored,
        a_job_is_seen_by_its_tenant_only,
        what_is_out_of_bounds_is_refused,
        q26_one_key_one_job,
        q27_a_key_is_free_when_its_job_has_ended,
        the_holder_of_a_key_is_found_while_it_has_not_ended,
        q29_an_insert_that_is_repeated_stores_nothing,
        one_key_in_two_tenants_is_two_jobs,
        an_id_of_another_tenant_is_refused,
        y10_a_waiting_job_is_cancelled_at_once,
        y11_a_running_job_is_told_and_ends_where_it_can,
        y11_a_cancelled_job_keeps_its_key_until_it_has_stopped,
        y11_a_cancelled_job_whose_worker_is_gone_ends_with_its_lease,
        q31_a_cancellation_beside_a_completion_leaves_one_end,
        a_cancelled_job_is_not_tried_again,
        y13_a_dead_job_can_be_revived,
        dead_jobs_are_listed_newest_first,
        y13_a_key_that_was_taken_is_not_taken_back,
        q36_a_tenants_jobs_end_with_it,
    ]
}

pub async fn a_job_reads_back_as_stored(subject: &Subject<'_>) {
    let scope = tenant();
    let payload = json!({ "text": "zwölf \u{0} 🙂", "numbers": [1, -2.5, null] });
    let new = NewJob { payload, unique_key: Some("key".into()), ..new(&kind()) };
    let id = subject.insert(&scope, new.clone()).await;
    assert_eq!(id, new.id);
    let job = subject.job(&scope, id).await;
    assert_eq!((job.kind, job.payload, job.unique_key), (new.kind, new.payload, new.unique_key));
    assert_eq!((job.max_attempts, job.priority), (new.max_attempts, new.priority));
    assert_eq!(job.tenant, scope.tenant());
}

pub async fn a_job_is_seen_by_its_tenant_only(subject: &Subject<'_>) {
    let (scope, other, kind) = (tenant(), tenant(), kind());
    let id = subject.insert(&scope, new(&kind)).await;
    for (scope, id) in [(&other, id), (&scope, JobId::new())] {
        for result in [
            subject.queue.job(scope, id).await,
            subject.queue.cancel(scope, id).await,
            subject.queue.revive(scope, id).await,
        ] {
            assert_eq!(result.unwrap_err().kind(), ErrorKind::NotFound);
        }
    }
    assert_eq!(subject.job(&scope, id).await.state, JobState::Available);
}

pub async fn the_holder_of_a_key_is_found_while_it_has_not_ended(subject: &Subject<'_>) {
    let (scope, other, kind) = (tenant(), tenant(), kind());
    let keyed = || NewJob { unique_key: Some("held".into()), ..new(&kind) };
    assert_eq!(subject.queue.holder(&scope, "held").await.unwrap(), None);
    let id = subject.insert(&scope, keyed()).await;
    let holder = async || subject.queue.holder(&scope, "held").await.unwrap();
    assert_eq!(holder().await, Some(subject.job(&scope, id).await));
    assert_eq!(subject.queue.holder(&other, "held").await.unwrap(), None);
    assert_eq!(subject.queue.holder(&scope, "hel").await.unwrap(), None);
    let claimed = subject.claim_one(&kind).await;
    assert_eq!(holder().await, Some(claimed.job.clone()));
    assert!(subject.finish(completed(&claimed, json!(1))).await);
    assert_eq!(holder().await, None);
    let next = subject.insert(&scope, keyed()).await;
    assert_eq!(holder().await.unwrap().id, next);
    subject.queue.cancel(&scope, next).await.unwrap();
}

pub async fn dead_jobs_are_listed_newest_first(subject: &Subject<'_>) {
    let (scope, other, kind) = (tenant(), tenant(), kind());
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(subject.insert(&scope, new(&kind)).await);
        let claimed = subject.claim_one(&kind).await;
        assert!(subject.finish(finish(&claimed, Outcome::Hopeless(error()))).await);
    }
    subject.insert(&scope, new(&kind)).await;
    ids.reverse();
    for limit in [1, 2, 10] {
        let dead = subject.queue.dead(&scope, limit).await.unwrap();
        let found: Vec<JobId> = dead.iter().map(|job| job.id).collect();
        assert_eq!(found, ids[..limit.min(3)]);
    }
    assert_eq!(subject.queue.dead(&other, 10).await.unwrap(), []);
    subject.queue.revive(&scope, ids[0]).await.unwrap();
    assert_eq!(subject.queue.dead(&scope, 10).await.unwrap().len(), 2);
}

pub async fn what_is_out_of_bounds_is_refused(subject: &Subject<'_>) {
    let (scope, kind) = (tenant(), kind());
    let good = new(&kind);
    for (field, bad) in [
        ("kind", NewJob { kind: String::new(), ..new(&kind) }),
        ("kind", NewJob { kind: "x".repeat(201), ..new(&kind) }),
        ("unique_key", NewJob { unique_key: Some(String::new()), ..new(&kind) }),
        ("max_attempts", NewJob { max_attempts: 0, ..new(&kind) }),
        ("payload", NewJob { payload: json!("x".repeat(2 << 20)), ..new(&kind) }),
    ] {
        let error = subject.queue.insert(&scope, vec![good.clone(), bad]).await.unwrap_err();
        assert_eq!((error.kind(), error.context("field")), (ErrorKind::InvalidInput, Some(field)));
    }
    assert!(subject.queue.job(&scope, good.id).await.is_err(), "all or none");
}

fn keyed(kind: &str) -> NewJob {
    NewJob { unique_key: Some("ingest 7".into()), ..new(kind) }
}

pub async fn q26_one_key_one_job(subject: &Subject<'_>) {
    let (scope, kind) = (tenant(), kind());
    let inserts = (0..100).map(|_| subject.queue.insert(&scope, vec![keyed(&kind)]));
    let ids = futures::future::join_all(inserts).await;
    let ids: Vec<_> = ids.into_iter().map(|ids| ids.unwrap()[0]).collect();
    assert!(ids.iter().all(|id| *id == ids[0]));
    assert_eq!(subject.claim(&kind, 9).await.len(), 1);
    assert_eq!(subject.insert(&scope, keyed(&kind)).await, ids[0], "a running job holds it");
    let both = subject.queue.insert(&scope, vec![keyed(&kind), keyed(&kind)]).await.unwrap();
    assert_eq!(both, [ids[0], ids[0]]);
}

pub async fn q27_a_key_is_free_when_its_job_has_ended(subject: &Subject<'_>) {
    let (scope, kind) = (tenant(), kind());
    let first = subject.insert(&scope, keyed(&kind)).await;
    let claimed = subject.claim_one(&kind).await;
    assert!(subject.finish(completed(&claimed, json!(null))).await);
    let second = subject.insert(&scope, keyed(&kind)).await;
    assert_ne!(first, second);
    subject.queue.cancel(&scope, second).await.unwrap();
    assert_ne!(subject.insert(&scope, keyed(&kind)).await, second);
}

pub async fn q29_an_insert_that_is_repeated_stores_nothing(subject: &Subject<'_>) {
    let (scope, kind) = (tenant(), kind());
    let job = new(&kind);
    for _ in 0..3 {
        assert_eq!(subject.insert(&scope, job.clone()).await, job.id);
    }
    assert_eq!(subject.claim(&kind, 9).await.len(), 1);
    assert_eq!(subject.insert(&scope, job.clone()).await, job.id);
    assert!(subject.claim(&kind, 9).await.is_empty());
}

pub async fn one_key_in_two_tenants_is_two_jobs(subject: &Subject<'_>) {
    let kind = kind();
    let first = subject.insert(&tenant(), keyed(&kind)).await;
    let second = subject.insert(&tenant(), keyed(&kind)).await;
    assert_ne!(first, second);
    assert_eq!(subject.claim(&kind, 9).await.len(), 2);
}

pub async fn an_id_of_another_tenant_is_refused(subject: &Subject<'_>) {
    let (scope, other, kind) = (tenant(), tenant(), kind());
    let (taken, free) = (new(&kind), new(&kind));
    subject.insert(&scope, taken.clone()).await;
    let before = subject.job(&scope, taken.id).await;
    for jobs in [vec![taken.clone()], vec![free.clone(), taken.clone()]] {
        let error = subject.queue.insert(&other, jobs).await.unwrap_err();
        assert_eq!((error.kind(), error.context("field")), (ErrorKind::InvalidInput, Some("id")));
    }
    assert!(subject.queue.job(&other, free.id).await.is_err(), "all or none");
    assert!(subject.queue.job(&other, taken.id).await.is_err());
    assert_eq!(subject.job(&scope, taken.id).await, before);
    // Nor does it follow from another's end, which is not stored then.
    let end = super::kind();
    subject.queue.insert(&other, vec![new(&end), new(&end)]).await.unwrap();
    let claimed = subject.claim(&end, 2).await;
    let outcome = Outcome::Completed { result: json!(1), follow_ups: vec![taken] };
    let ends = vec![completed(&claimed[0], json!(1)), finish(&claimed[1], outcome)];
    let error = subject.worklist.finish(ends).await.unwrap_err();
    assert_eq!((error.kind(), error.context("field")), (ErrorKind::InvalidInput, Some("id")));
    for claimed in &claimed {
        assert_eq!(subject.job(&other, claimed.job.id).await.state, JobState::Running);
        assert!(subject.finish(completed(claimed, json!(1))).await);
    }
    assert_eq!(subject.job(&scope, before.id).await, before);
}

pub async fn y10_a_waiting_job_is_cancelled_at_once(subject: &Subject<'_>) {
    let (scope, kind) = (tenant(), kind());
    let id = subject.insert(&scope, new(&kind)).await;
    let job = subject.queue.cancel(&scope, id).await.unwrap();
    assert_eq!(job.state, JobState::Cancelled);
    assert!(job.finished_at.is_some());
    assert!(subject.claim(&kind, 1).await.is_empty());
    assert_eq!(subject.queue.cancel(&scope, id).await.unwrap(), job, "again: no change");
}

pub async fn y11_a_running_job_is_told_and_ends_where_it_can(subject: &Subject<'_>) {
    let (scope, kind) = (tenant(), kind());
    let id = subject.insert(&scope, new(&kind)).await;
    let claimed = subject.claim_one(&kind).await;
    let job = subject.queue.cancel(&scope, id).await.unwrap();
    assert_eq!((job.state, job.cancel_requested), (JobState::Running, true));
    assert_eq!(subject.beat(&claimed).await, Pulse::Cancel);
    assert!(subject.finish(finish(&claimed, Outcome::Cancelled)).await);
    assert_eq!(subject.job(&scope, id).await.state, JobState::Cancelled);
}

pub async fn y11_a_cancelled_job_keeps_its_key_until_it_has_stopped(subject: &Subject<'_>) {
    let (scope, kind) = (tenant(), kind());
    let id = subject.insert(&scope, keyed(&kind)).await;
    let claimed = subject.claim_one(&kind).await;
    subject.queue.cancel(&scope, id).await.unwrap();
    assert_eq!(subject.insert(&scope, keyed(&kind)).await, id);
    assert!(subject.finish(finish(&claimed, Outcome::Cancelled)).await);
    assert_ne!(subject.insert(&scope, keyed(&kind)).await, id);
}

pub async fn y11_a_cancelled_job_whose_worker_is_gone_ends_with_its_lease(subject: &Subject<'_>) {
    let (scope, kind) = (tenant(), kind());
    let id = subject.insert(&scope, new(&kind)).await;
    subject.claim_one(&kind).await;
    subject.queue.cancel(&scope, id).await.unwrap();
    subject.seconds(61);
    subject.rescue().await;
    assert_eq!(subject.job(&scope, id).await.state, JobState::Cancelled);
}

pub async fn q31_a_cancellation_beside_a_completion_leaves_one_end(subject: &Subject<'_>) {
    let (scope, kind) = (tenant(), kind());
    for _ in 0..20 {
        let id = subject.insert(&scope, new(&kind)).await;
        let claimed = subject.claim_one(&kind).await;
        let (cancelled, ended) = futures::join!(
            subject.queue.cancel(&scope, id),
            subject.worklist.finish(vec![completed(&claimed, json!("done"))])
        );
        cancelled.unwrap();
        assert!(ended.unwrap()[0], "what was done in time counts");
        let job = subject.job(&scope, id).await;
        assert_eq!((job.state, job.result), (JobState::Completed, Some(json!("done"))));
    }
}

pub async fn a_cancelled_job_is_not_tried_again(subject: &Subject<'_>) {
    let (scope, kind) = (tenant(), kind());
    for outcome in [None, Some(Outcome::Released), Some(Outcome::Snoozed(Default::default()))] {
        let id = subject.insert(&scope, new(&kind)).await;
        let claimed = subject.claim_one(&kind).await;
        subject.queue.cancel(&scope, id).await.unwrap();
        let end = outcome.map_or_else(|| failed(&claimed), |outcome| finish(&claimed, outcome));
        assert!(subject.finish(end).await);
        assert_eq!(subject.job(&scope, id).await.state, JobState::Cancelled);
    }
}

pub async fn y13_a_dead_job_can_be_revived(subject: &Subject<'_>) {
    let (scope, kind) = (tenant(), kind());
    let id = subject.insert(&scope, NewJob { max_attempts: 1, ..new(&kind) }).await;
    let refused = subject.queue.revive(&scope, id).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    let claimed = subject.claim_one(&kind).await;
    assert!(subject.finish(failed(&claimed)).await);
    let job = subject.queue.revive(&scope, id).await.unwrap();
    assert_eq!((job.state, job.attempt, job.finished_at), (JobState::Available, 0, None));
    let again = subject.claim_one(&kind).await;
    assert!(again.job.fence > claimed.job.fence);
    assert!(subject.finish(completed(&again, json!(1))).await);
}

pub async fn y13_a_key_that_was_taken_is_not_taken_back(subject: &Subject<'_>) {
    let (scope, kind) = (tenant(), kind());
    let dead = subject.insert(&scope, NewJob { max_attempts: 1, ..keyed(&kind) }).await;
    let claimed = subject.worklist.claim(&request(&kind, 1)).await.unwrap().remove(0);
    assert!(subject.finish(failed(&claimed)).await);
    let heir = subject.insert(&scope, keyed(&kind)).await;
    assert_eq!(subject.queue.revive(&scope, dead).await.unwrap_err().kind(), ErrorKind::Conflict);
    subject.queue.cancel(&scope, heir).await.unwrap();
    subject.queue.revive(&scope, dead).await.unwrap();
}

/// Q36, T29: what waits is gone, what runs is told, and what of it ends later is stored nowhere.
pub async fn q36_a_tenants_jobs_end_with_it(subject: &Subject<'_>) {
    let (gone, kept, kind, kind_of_others) = (tenant(), tenant(), kind(), kind());
    let other = subject.insert(&kept, new(&kind)).await;
    let others = subject.claim_one(&kind).await;
    assert_eq!(others.job.id, other);
    let later = subject.insert(&kept, new(&kind_of_others)).await;
    assert_eq!(subject.queue.clear(&gone).await.unwrap(), 0);
    let runs = subject.insert(&gone, new(&kind)).await;
    let running = subject.claim_one(&kind).await;
    let done = subject.insert(&gone, new(&kind)).await;
    let ending = subject.claim_one(&kind).await;
    assert!(subject.finish(completed(&ending, json!(null))).await);
    let keyed = NewJob { unique_key: Some("key".into()), ..new(&kind) };
    let waits = subject.insert(&gone, keyed).await;
    assert_eq!(subject.queue.clear(&gone).await.unwrap(), 1, "one runs");
    for id in [done, waits] {
        assert_eq!(subject.queue.job(&gone, id).await.unwrap_err().kind(), ErrorKind::NotFound);
    }
    assert_eq!(subject.beat(&running).await, Pulse::Cancel);
    assert_eq!(subject.queue.clear(&gone).await.unwrap(), 1);
    let follow_ups = vec![new(&kind)];
    let outcome = Outcome::Completed { result: json!(null), follow_ups };
    assert!(subject.finish(finish(&running, outcome)).await);
    assert_eq!(subject.queue.clear(&gone).await.unwrap(), 0, "what followed from it is gone too");
    assert!(!subject.finish(completed(&running, json!(1))).await, "its row is no more");
    assert_eq!(subject.queue.job(&gone, runs).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(subject.job(&kept, other).await.state, JobState::Running);
    assert_eq!(subject.beat(&others).await, Pulse::Kept);
    assert_eq!(subject.job(&kept, later).await.state, JobState::Available);
    assert!(subject.claim(&kind, 9).await.is_empty());
}
