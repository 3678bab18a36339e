//! Scenarios of attempts, replays and records.

use super::*;

/// Every scenario of this file.
#[must_use]
pub fn scenarios<'a>() -> Vec<Scenario<Parts<'a>>> {
    crate::scenarios![
        Parts<'a>;
        an_attempt_and_the_end_of_its_job_are_stored_together,
        a_late_answer_of_an_old_address_says_nothing_of_the_new_one,
        a_worker_that_lost_its_job_records_no_attempt,
        what_has_ended_is_replayed_under_its_id,
        deliveries_are_listed_newest_first_in_pages,
        a_pending_delivery_without_a_job_gets_one,
        old_deliveries_are_pruned_but_no_pending_ones,
        t34_a_tenants_deliveries_are_pruned_alone,
    ]
}

pub async fn an_attempt_and_the_end_of_its_job_are_stored_together(parts: &Parts<'_>) {
    let scope = tenant();
    let hook = create(parts, &scope, &[]).await;
    let sent = ping(parts, &scope, &hook, 1).await;
    let tried = try_once(parts, &scope, &sent, 500, &at_once(2)).await;
    assert_eq!((tried.state, tried.tried), (DeliveryState::Pending, 1));
    assert_eq!(parts.webhooks.delivery(&scope, hook.id, sent.id).await.unwrap(), tried);
    let first = parts.shared.queue.job(&scope, sent.job).await.unwrap();
    assert_eq!(first.state, JobState::Completed);
    let next = parts.shared.queue.job(&scope, tried.job).await.unwrap();
    assert_eq!((next.state, next.unique_key), (JobState::Available, first.unique_key));
    let failed = try_once(parts, &scope, &tried, 500, &at_once(2)).await;
    assert_eq!((failed.state, failed.attempts.len()), (DeliveryState::Failed, 2));
    assert_eq!(parts.webhooks.delivery(&scope, hook.id, sent.id).await.unwrap(), failed);
    let since = parts.webhooks.webhook(&scope, hook.id).await.unwrap().failing_since;
    assert_eq!(since, Some(at(1_000)));
    // One that arrives ends that.
    let sent = ping(parts, &scope, &hook, 2).await;
    let delivered = try_once(parts, &scope, &sent, 204, &at_once(2)).await;
    assert_eq!(delivered.state, DeliveryState::Delivered);
    assert_eq!(parts.webhooks.webhook(&scope, hook.id).await.unwrap(), hook);
    // And one that is gone ends the webhook.
    let sent = ping(parts, &scope, &hook, 3).await;
    try_once(parts, &scope, &sent, 410, &at_once(2)).await;
    let gone = parts.webhooks.webhook(&scope, hook.id).await.unwrap();
    assert_eq!((gone.enabled, gone.disabled), (false, Some(Disabled::Gone)));
}

pub async fn a_late_answer_of_an_old_address_says_nothing_of_the_new_one(parts: &Parts<'_>) {
    let scope = tenant();
    let hook = create(parts, &scope, &[]).await;
    let sent = ping(parts, &scope, &hook, 1).await;
    let claimed = claim(parts, KIND, Some(&sent)).await;
    let policy = RetryPolicy::default();
    let made = rules::attempted(&hook, sent.clone(), attempt(410), None, &policy, 0);
    let change =
        WebhookChange { url: Some("https://example.org/new".into()), ..Default::default() };
    let changed = parts.webhooks.change_webhook(&scope, hook.id, change, at(5)).await.unwrap();
    let finish = end(&claimed, Vec::new());
    assert!(parts.shared.outbox.finish_delivery(&scope, finish, made.clone()).await.unwrap());
    assert_eq!(parts.webhooks.webhook(&scope, hook.id).await.unwrap(), changed);
    let stored = parts.webhooks.delivery(&scope, hook.id, sent.id).await.unwrap();
    assert_eq!(stored, made.delivery);
}

pub async fn a_worker_that_lost_its_job_records_no_attempt(parts: &Parts<'_>) {
    let scope = tenant();
    let hook = create(parts, &scope, &[]).await;
    let sent = ping(parts, &scope, &hook, 1).await;
    let claimed = claim(parts, KIND, Some(&sent)).await;
    parts.shared.worklist.take_back(10_000).await.unwrap();
    let policy = RetryPolicy::default();
    let made = rules::attempted(&hook, sent.clone(), attempt(410), None, &policy, 0);
    let finish = end(&claimed, Vec::new());
    assert!(
        !parts.shared.outbox.finish_delivery(&scope, finish.clone(), made.clone()).await.unwrap()
    );
    assert_eq!(parts.webhooks.delivery(&scope, hook.id, sent.id).await.unwrap(), sent);
    assert_eq!(parts.webhooks.webhook(&scope, hook.id).await.unwrap(), hook);
    // Deleted meanwhile: the job has not ended, and nothing is stored.
    let claimed = claim(parts, KIND, Some(&sent)).await;
    parts.webhooks.delete_webhook(&scope, hook.id).await.unwrap();
    let refusal =
        parts.shared.outbox.finish_delivery(&scope, end(&claimed, Vec::new()), made).await;
    refused(refusal, ErrorKind::NotFound);
    let job = parts.shared.queue.job(&scope, claimed.job.id).await.unwrap();
    assert_eq!(job.state, JobState::Running);
}

pub async fn what_has_ended_is_replayed_under_its_id(parts: &Parts<'_>) {
    let scope = tenant();
    let hook = create(parts, &scope, &[]).await;
    let sent = ping(parts, &scope, &hook, 1).await;
    let pending = parts.webhooks.replay(&scope, hook.id, sent.id, at(2)).await;
    refused(pending, ErrorKind::Conflict);
    for status in [500, 200] {
        let now = parts.webhooks.delivery(&scope, hook.id, sent.id).await.unwrap();
        let ended = try_once(parts, &scope, &now, status, &at_once(1)).await;
        let again = parts.webhooks.replay(&scope, hook.id, sent.id, at(2)).await.unwrap();
        assert_eq!((again.state, again.tried), (DeliveryState::Pending, 0));
        assert_eq!(
            (again.id, &again.body, &again.attempts),
            (sent.id, &sent.body, &ended.attempts)
        );
        assert_eq!(parts.webhooks.delivery(&scope, hook.id, sent.id).await.unwrap(), again);
        let job = parts.shared.queue.job(&scope, again.job).await.unwrap();
        assert_eq!(job.state, JobState::Available);
    }
    let other = create(parts, &scope, &[]).await;
    let wrong = parts.webhooks.replay(&scope, other.id, sent.id, at(2)).await;
    refused(wrong, ErrorKind::NotFound);
}

pub async fn deliveries_are_listed_newest_first_in_pages(parts: &Parts<'_>) {
    let scope = tenant();
    let hook = create(parts, &scope, &[]).await;
    let other = create(parts, &scope, &[]).await;
    let mut all = Vec::new();
    for when in 0..7 {
        all.push(ping(parts, &scope, &hook, when).await);
        ping(parts, &scope, &other, when).await;
    }
    all.reverse();
    for limit in [1, 2, 3, 6, 7, 8] {
        let (mut seen, mut page) = (Vec::new(), PageRequest::first(limit));
        loop {
            let got = parts.webhooks.deliveries(&scope, hook.id, page).await.unwrap();
            assert!(got.items.len() <= limit);
            seen.extend(got.items);
            let Some(next) = got.next else { break };
            page = PageRequest { after: Some(next), limit };
        }
        assert_eq!(seen, all, "limit {limit}");
    }
    let page = PageRequest { after: Some("x".into()), limit: 5 };
    refused(parts.webhooks.deliveries(&scope, hook.id, page).await, ErrorKind::InvalidInput);
}

pub async fn a_pending_delivery_without_a_job_gets_one(parts: &Parts<'_>) {
    let scope = tenant();
    let hook = create(parts, &scope, &[]).await;
    let [lost, kept] = [ping(parts, &scope, &hook, 1).await, ping(parts, &scope, &hook, 2).await];
    assert_eq!(parts.webhooks.resume(&scope, 10).await.unwrap(), 0);
    parts.shared.queue.cancel(&scope, lost.job).await.unwrap();
    // T34: it is nobody else's.
    assert_eq!(parts.webhooks.resume(&tenant(), 10).await.unwrap(), 0);
    assert_eq!(parts.webhooks.resume(&scope, 10).await.unwrap(), 1);
    assert_eq!(parts.webhooks.resume(&scope, 10).await.unwrap(), 0);
    let now = parts.webhooks.delivery(&scope, hook.id, lost.id).await.unwrap();
    assert_ne!(now.job, lost.job);
    let job = parts.shared.queue.job(&scope, now.job).await.unwrap();
    assert_eq!(job.state, JobState::Available);
    assert_eq!(parts.webhooks.delivery(&scope, hook.id, kept.id).await.unwrap(), kept);
}

pub async fn old_deliveries_are_pruned_but_no_pending_ones(parts: &Parts<'_>) {
    let scope = tenant();
    let hook = create(parts, &scope, &[]).await;
    let mut ended = Vec::new();
    for when in 0..3 {
        let sent = ping(parts, &scope, &hook, when).await;
        ended.push(try_once(parts, &scope, &sent, 200, &at_once(1)).await.id);
    }
    let pending = ping(parts, &scope, &hook, 3).await;
    let prune = |before, limit| parts.webhooks.prune_deliveries(&scope, at(before), limit);
    assert_eq!(prune(1_000, 10).await.unwrap(), 0, "they ended at 1007");
    assert_eq!(prune(1_008, 2).await.unwrap(), 2);
    assert_eq!(prune(100_000, 10).await.unwrap(), 1);
    assert_eq!(prune(100_000, 10).await.unwrap(), 0);
    assert_eq!(deliveries(parts, &scope, &hook).await, [pending]);
}

/// The same webhook, with deliveries of the same ids and of others, in two tenants.
pub async fn t34_a_tenants_deliveries_are_pruned_alone(parts: &Parts<'_>) {
    let (one, other) = (tenant(), tenant());
    let hook = create(parts, &one, &[]).await;
    let secret = SigningSecret::generate().unwrap();
    parts.webhooks.create_webhook(&other, hook.clone(), secret).await.unwrap();
    let send = async |scope, event: &Event, status| {
        let sent = parts.webhooks.send(scope, hook.id, event.clone()).await.unwrap();
        try_once(parts, scope, &sent, status, &at_once(1)).await;
    };
    let events: Vec<Event> = (0..3).map(|when| Event::ping(hook.id, at(when))).collect();
    send(&other, &events[0], 200).await;
    send(&other, &events[1], 200).await;
    let before = deliveries(parts, &other, &hook).await;
    send(&one, &events[1], 500).await;
    send(&one, &events[2], 200).await;
    assert_eq!(deliveries(parts, &other, &hook).await, before);
    // Whichever is the oldest of all: each has one of its own removed.
    let prune = |scope, limit| parts.webhooks.prune_deliveries(scope, at(100_000), limit);
    assert_eq!(prune(&one, 1).await.unwrap(), 1);
    assert_eq!(deliveries(parts, &other, &hook).await, before);
    assert_eq!(prune(&other, 1).await.unwrap(), 1);
    assert_eq!(deliveries(parts, &one, &hook).await.len(), 1);
    assert_eq!(deliveries(parts, &other, &hook).await.len(), 1);
    assert_eq!(prune(&one, 10).await.unwrap(), 1);
    assert_eq!(deliveries(parts, &other, &hook).await.len(), 1);
}
