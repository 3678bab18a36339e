//! How jobs are given out and taken back.
#![allow(missing_docs, reason = "a scenario's name is its documentation")]
use std::{collections::BTreeMap, time::Duration};

use super::{Subject, kind, new, request, tenant};
use crate::{
    conformance::Scenario,
    model::Progress,
    queue::{ClaimRequest, Heartbeat, JobState, KindRule, Priority, Pulse},
};

pub(super) fn scenarios<'a>() -> Vec<Scenario<Subject<'a>>> {
    crate::scenarios![
        Subject<'a>;
        y3_a_claim_has_a_fence_and_a_lease,
        y3_each_job_is_claimed_once,
        a_claim_takes_no_more_of_a_kind_than_it_says,
        y3_urgent_jobs_go_first_and_then_the_older,
        y2_a_scheduled_job_waits_for_its_time,
        q30_a_newer_payload_waits_for_a_newer_worker,
        q30_parked_jobs_of_many_tenants_hold_up_nobody,
        a_kind_runs_no_more_than_its_limit,
        a_tenant_runs_no_more_than_its_limit,
        q35_a_flood_of_one_tenant_does_not_delay_another,
        q35_every_kind_of_every_tenant_is_found,
        t33_a_noisy_neighbour_costs_a_claim,
        y4_a_heartbeat_keeps_the_job_and_stores_progress,
        y8_a_job_is_taken_from_a_worker_that_is_silent,
        q18_a_rescue_leaves_a_fresh_claim_alone,
        q19_two_rescues_count_one_crash,
        what_is_taken_back_runs_again_at_once,
        q21_a_job_that_takes_workers_down_dies,
    ]
}

pub async fn y3_a_claim_has_a_fence_and_a_lease(subject: &Subject<'_>) {
    let (scope, kind) = (tenant(), kind());
    let id = subject.insert(&scope, new(&kind)).await;
    let waiting = subject.job(&scope, id).await;
    assert_eq!(
        (waiting.state, waiting.fence.0, waiting.lease_until),
        (JobState::Available, 0, None)
    );
    let claimed = subject.claim_one(&kind).await;
    assert_eq!(claimed.scope, scope);
    assert_eq!((claimed.job.id, claimed.job.fence.0), (id, 1));
    assert!(claimed.job.worker.is_some());
    assert_eq!(claimed.job.lease_until, Some(waiting.run_at.after(Duration::from_secs(60))));
    assert_eq!(subject.job(&scope, id).await, claimed.job);
}

pub async fn y3_each_job_is_claimed_once(subject: &Subject<'_>) {
    let (scope, kind) = (tenant(), kind());
    let ids = subject.queue.insert(&scope, (0..50).map(|_| new(&kind)).collect()).await.unwrap();
    let request = request(&kind, 3);
    let claims = (0..20).map(|_| subject.worklist.claim(&request));
    let claimed = futures::future::join_all(claims).await;
    let mut found: Vec<_> =
        claimed.into_iter().flat_map(Result::unwrap).map(|c| c.job.id).collect();
    found.sort();
    assert_eq!(found, ids);
}

pub async fn a_claim_takes_no_more_of_a_kind_than_it_says(subject: &Subject<'_>) {
    let (scope, few, many) = (tenant(), kind(), kind());
    for kind in [&few, &many] {
        subject.queue.insert(&scope, (0..5).map(|_| new(kind)).collect()).await.unwrap();
    }
    let rule = |take| KindRule { take, ..KindRule::default() };
    let kinds = BTreeMap::from([(few.clone(), rule(2)), (many.clone(), rule(usize::MAX))]);
    let request = ClaimRequest { kinds, ..request(&few, 6) };
    let claimed = subject.worklist.claim(&request).await.unwrap();
    let count = |kind: &String| claimed.iter().filter(|claimed| claimed.job.kind == *kind).count();
    assert_eq!((count(&few), count(&many)), (2, 4));
}

pub async fn y3_urgent_jobs_go_first_and_then_the_older(subject: &Subject<'_>) {
    let (scope, kind) = (tenant(), kind());
    let mut ids = Vec::new();
    for priority in [Priority::Low, Priority::Medium, Priority::High, Priority::Medium] {
        let job = crate::queue::NewJob { priority, ..new(&kind) };
        ids.push(subject.insert(&scope, job).await);
        subject.seconds(1);
    }
    let claimed = subject.claim(&kind, 9).await;
    let order: Vec<_> = claimed.iter().map(|claimed| claimed.job.id).collect();
    assert_eq!(order, [ids[2], ids[1], ids[3], ids[0]]);
}

pub async fn y2_a_scheduled_job_waits_for_its_time(subject: &Subject<'_>) {
    let (scope, kind) = (tenant(), kind());
    let job = crate::queue::NewJob { delay: Duration::from_secs(30), ..new(&kind) };
    let id = subject.insert(&scope, job).await;
    assert_eq!(subject.job(&scope, id).await.state, JobState::Scheduled);
    subject.seconds(29);
    assert!(subject.claim(&kind, 1).await.is_empty());
    subject.seconds(1);
    assert_eq!(subject.claim_one(&kind).await.job.id, id);
}

pub async fn q30_a_newer_payload_waits_for_a_newer_worker(subject: &Subject<'_>) {
    let (scope, kind) = (tenant(), kind());
    let newer = crate::queue::NewJob { payload_version: 2, ..new(&kind) };
    let parked = subject.insert(&scope, newer).await;
    let known = subject.insert(&scope, new(&kind)).await;
    assert_eq!(subject.claim_one(&kind).await.job.id, known, "the one behind it is not held up");
    assert_eq!(subject.job(&scope, parked).await.state, JobState::Available);
    let mut request = request(&kind, 1);
    request.kinds.get_mut(&kind).unwrap().payload_version = 2;
    let claimed = subject.worklist.claim(&request).await.unwrap();
    assert_eq!(claimed[0].job.id, parked);
}

/// More tenants than a claim looks at have jobs that no worker understands yet; a younger one has a job.
pub async fn q30_parked_jobs_of_many_tenants_hold_up_nobody(subject: &Subject<'_>) {
    let kind = kind();
    for _ in 0..300 {
        let newer = crate::queue::NewJob { payload_version: 2, ..new(&kind) };
        subject.insert(&tenant(), newer).await;
    }
    let id = subject.insert(&tenant(), new(&kind)).await;
    let mut found = Vec::new();
    for _ in 0..20 {
        found = subject.claim(&kind, 1).await;
        if !found.is_empty() {
            break;
        }
    }
    assert_eq!(found.iter().map(|claimed| claimed.job.id).collect::<Vec<_>>(), [id]);
}

pub async fn a_kind_runs_no_more_than_its_limit(subject: &Subject<'_>) {
    let (scope, kind, other) = (tenant(), kind(), kind());
    for kind in [&kind, &kind, &kind, &other] {
        subject.insert(&scope, new(kind)).await;
    }
    let mut request = request(&kind, 9);
    let rule = request.kinds[&kind];
    request.kinds.get_mut(&kind).unwrap().limit = Some(2);
    request.kinds.insert(other.clone(), rule);
    let first = subject.worklist.claim(&request).await.unwrap();
    assert_eq!(first.iter().filter(|claimed| claimed.job.kind == kind).count(), 2);
    assert_eq!(first.len(), 3, "the other kind is not held up");
    assert!(subject.worklist.claim(&request).await.unwrap().is_empty());
    let one = first.iter().find(|claimed| claimed.job.kind == kind).unwrap();
    assert!(subject.finish(super::completed(one, serde_json::Value::Null)).await);
    assert_eq!(subject.worklist.claim(&request).await.unwrap().len(), 1);
}

pub async fn a_tenant_runs_no_more_than_its_limit(subject: &Subject<'_>) {
    let (busy, other, kind) = (tenant(), tenant(), kind());
    subject.queue.insert(&busy, (0..5).map(|_| new(&kind)).collect()).await.unwrap();
    subject.insert(&other, new(&kind)).await;
    let mut request = request(&kind, 9);
    request.per_tenant = Some(2);
    let claimed = subject.worklist.claim(&request).await.unwrap();
    assert_eq!(claimed.iter().filter(|claimed| claimed.scope == busy).count(), 2);
    assert_eq!(claimed.len(), 3);
}

pub async fn q35_a_flood_of_one_tenant_does_not_delay_another(subject: &Subject<'_>) {
    let (noisy, quiet, kind) = (tenant(), tenant(), kind());
    subject.queue.insert(&noisy, (0..500).map(|_| new(&kind)).collect()).await.unwrap();
    subject.claim(&kind, 4).await;
    subject.seconds(5);
    let id = subject.insert(&quiet, new(&kind)).await;
    let next = subject.claim(&kind, 1).await;
    assert_eq!(next[0].job.id, id, "it has fewer running, though it came later");
}

/// What the one waits with is done nowhere, and comes between the other's in the order of names.
pub async fn q35_every_kind_of_every_tenant_is_found(subject: &Subject<'_>) {
    let mut tenants = [tenant(), tenant()];
    tenants.sort_by_key(crate::TenantScope::tenant);
    let mut kinds = [kind(), kind(), kind()];
    kinds.sort();
    let [first, second] = tenants;
    subject.insert(&first, new(&kinds[1])).await;
    let wanted = subject.insert(&second, new(&kinds[0])).await;
    subject.insert(&second, new(&kinds[2])).await;
    assert_eq!(subject.claim_one(&kinds[0]).await.job.id, wanted);
}

/// T33: while a flood is worked off by several slots, another tenant's job begins with the next claim, each time.
pub async fn t33_a_noisy_neighbour_costs_a_claim(subject: &Subject<'_>) {
    let (noisy, quiet, kind) = (tenant(), tenant(), kind());
    subject.queue.insert(&noisy, (0..1_000).map(|_| new(&kind)).collect()).await.unwrap();
    let mut running = subject.claim(&kind, 4).await;
    for round in 0..40 {
        subject.seconds(1);
        let waits = match round % 4 {
            0 => Some(subject.insert(&quiet, new(&kind)).await),
            _ => None,
        };
        let end = super::completed(&running.remove(0), serde_json::Value::Null);
        assert!(subject.finish(end).await);
        let next = subject.claim(&kind, 1).await.remove(0);
        match waits {
            Some(id) => assert_eq!(next.job.id, id, "round {round}"),
            None => assert_eq!(next.scope, noisy, "round {round}: no slot is idle"),
        }
        running.push(next);
    }
}

pub async fn y4_a_heartbeat_keeps_the_job_and_stores_progress(subject: &Subject<'_>) {
    let (scope, kind) = (tenant(), kind());
    let id = subject.insert(&scope, new(&kind)).await;
    let claimed = subject.claim_one(&kind).await;
    let progress = Progress { done: 3, total: 10 };
    for _ in 0..5 {
        subject.seconds(40);
        let beat = Heartbeat { id, fence: claimed.job.fence, progress: Some(progress) };
        assert_eq!(subject.worklist.heartbeat(vec![beat]).await.unwrap(), [Pulse::Kept]);
        subject.rescue().await;
    }
    let job = subject.job(&scope, id).await;
    assert_eq!((job.state, job.progress), (JobState::Running, progress));
    assert_eq!(job.crash_count, 0);
}

pub async fn y8_a_job_is_taken_from_a_worker_that_is_silent(subject: &Subject<'_>) {
    let (scope, kind) = (tenant(), kind());
    let id = subject.insert(&scope, new(&kind)).await;
    let first = subject.claim_one(&kind).await;
    subject.seconds(61);
    assert!(subject.rescue().await >= 1);
    let job = subject.job(&scope, id).await;
    assert_eq!((job.state, job.crash_count, job.attempt), (JobState::Available, 1, 0));
    let second = subject.claim_one(&kind).await;
    assert!(second.job.fence > first.job.fence);
}

pub async fn q18_a_rescue_leaves_a_fresh_claim_alone(subject: &Subject<'_>) {
    let (scope, kind) = (tenant(), kind());
    let id = subject.insert(&scope, new(&kind)).await;
    subject.claim_one(&kind).await;
    subject.seconds(59);
    subject.rescue().await;
    assert_eq!(subject.job(&scope, id).await.state, JobState::Running);
}

pub async fn what_is_taken_back_runs_again_at_once(subject: &Subject<'_>) {
    let (scope, kind) = (tenant(), kind());
    let id = subject.insert(&scope, new(&kind)).await;
    let lost = subject.claim_one(&kind).await;
    assert_eq!(subject.rescue().await, 0, "its lease has not run out");
    // Other scenarios may have left jobs that run.
    assert!(subject.worklist.take_back(1_000).await.unwrap() >= 1);
    let again = subject.claim_one(&kind).await;
    assert_eq!((again.job.id, again.job.crash_count, again.job.fence.0), (id, 1, 2));
    assert_eq!(subject.beat(&lost).await, Pulse::Lost);
}

pub async fn q19_two_rescues_count_one_crash(subject: &Subject<'_>) {
    let (scope, kind) = (tenant(), kind());
    let id = subject.insert(&scope, new(&kind)).await;
    subject.claim_one(&kind).await;
    subject.seconds(61);
    let (one, two) = futures::join!(subject.worklist.rescue(1_000), subject.worklist.rescue(1_000));
    assert!(one.unwrap() + two.unwrap() >= 1);
    assert_eq!(subject.job(&scope, id).await.crash_count, 1);
}

pub async fn q21_a_job_that_takes_workers_down_dies(subject: &Subject<'_>) {
    let (scope, kind) = (tenant(), kind());
    let poison = subject.insert(&scope, new(&kind)).await;
    for _ in 0..3 {
        subject.claim_one(&kind).await;
        subject.seconds(61);
        subject.rescue().await;
    }
    let job = subject.job(&scope, poison).await;
    assert_eq!((job.state, job.crash_count), (JobState::Dead, 3));
    assert_eq!(job.error.unwrap().code, "worker_lost");
    assert!(subject.claim(&kind, 1).await.is_empty());
}
