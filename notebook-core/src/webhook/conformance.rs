//! The suite that every adapter is held to, together with the store, the run log and the queue beside it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a suite speaks by panicking, and a scenario's name is its documentation"
)]

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};

use super::{
    Attempt, Delivery, DeliveryState, Disabled, Event, EventType, KIND, SigningSecret, Webhook,
    WebhookChange, WebhookStore,
    rules::{self, RetryPolicy},
};
use crate::{
    DeliveryId, ErrorKind, TenantScope, WebhookId,
    conformance::Scenario,
    model::{EventBody, PageRequest, RunEvent, RunOutcome, RunState, Source, SourceFailure, Stage},
    queue::{
        ClaimRequest, Claimed, Finish, JobState, KindRule, NewJob, Outcome, WorkerId,
        conformance::outbox::Shared, outbox::SourceChange,
    },
    store::conformance::{
        refused, same_not_found,
        samples::{self, at, tenant},
    },
};

/// The webhooks with what they hear of.
#[derive(Clone, Copy)]
pub struct Parts<'a> {
    /// The store, the run log and the queue.
    pub shared: Shared<'a>,
    /// The webhooks.
    pub webhooks: &'a dyn WebhookStore,
}

impl std::fmt::Debug for Parts<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").finish_non_exhaustive()
    }
}

/// Every scenario of the suite.
#[must_use]
pub fn scenarios<'a>() -> Vec<Scenario<Parts<'a>>> {
    crate::scenarios![
        Parts<'a>;
        a_webhook_reads_back_as_written,
        a_webhook_is_changed_in_what_is_given,
        bad_webhooks_are_refused,
        another_tenants_webhooks_are_absent,
        a_secret_is_replaced_and_goes_on_for_a_while,
        q40_a_source_that_ends_is_told_once_to_each_that_wants_to_know,
        q40_a_refused_change_tells_nothing,
        q40_a_stage_tells_in_the_transaction_of_its_end,
        q40_a_run_that_ends_is_told_however_it_is_closed,
        an_attempt_and_the_end_of_its_job_are_stored_together,
        a_worker_that_lost_its_job_records_no_attempt,
        a_disabled_webhook_is_told_nothing,
        what_has_ended_is_replayed_under_its_id,
        deliveries_are_listed_newest_first_in_pages,
        a_pending_delivery_without_a_job_gets_one,
        old_deliveries_are_pruned_but_no_pending_ones,
        deleting_a_webhook_takes_its_deliveries,
    ]
}

/// Runs every scenario, one after the other.
///
/// # Panics
/// When the adapter breaks a promise.
pub async fn run_all(parts: Parts<'_>) {
    for scenario in scenarios() {
        (scenario.run)(&parts).await;
    }
}

/// A webhook that wants to know of these, or of everything.
fn webhook(events: &[EventType]) -> Webhook {
    let events: BTreeSet<_> = events.iter().copied().collect();
    let all = EventType::ALL.into_iter().collect();
    Webhook {
        id: WebhookId::new(),
        url: "https://example.org/höök?a='b'".into(),
        description: "Bienen 🐝".into(),
        events: if events.is_empty() { all } else { events },
        enabled: true,
        disabled: None,
        failing_since: None,
        created_at: at(1),
        updated_at: at(2),
    }
}

async fn create(parts: &Parts<'_>, scope: &TenantScope, events: &[EventType]) -> Webhook {
    let new = webhook(events);
    let secret = SigningSecret::generate().unwrap();
    parts.webhooks.create_webhook(scope, new.clone(), secret).await.unwrap();
    new
}

async fn deliveries(parts: &Parts<'_>, scope: &TenantScope, webhook: &Webhook) -> Vec<Delivery> {
    let page = PageRequest::first(1_000);
    parts.webhooks.deliveries(scope, webhook.id, page).await.unwrap().items
}

/// A source in a notebook of the tenant.
async fn source(parts: &Parts<'_>, scope: &TenantScope) -> Source {
    let notebook = parts.shared.store.create_notebook(scope, samples::notebook()).await.unwrap();
    let source = Source { revision: 0, failure: None, ..samples::source(notebook.id) };
    parts.shared.store.create_source(scope, source.clone()).await.unwrap();
    source
}

/// The same in another stage, to be stored.
fn in_stage(source: &Source, stage: Stage, revision: u32) -> Source {
    let failure = (stage == Stage::Failed).then(|| SourceFailure {
        code: "bad_page".into(),
        message: "Page 3 is \"broken\".".into(),
        stage: Stage::Parse,
    });
    Source { stage, failure, revision, updated_at: at(i64::from(revision) * 10), ..source.clone() }
}

async fn claim(parts: &Parts<'_>, kind: &str, delivery: Option<&Delivery>) -> Claimed {
    let rule = KindRule { payload_version: 1, limit: None, take: usize::MAX };
    let request = ClaimRequest {
        worker: WorkerId::new(),
        kinds: [(kind.to_owned(), rule)].into(),
        per_tenant: None,
        max: 10_000,
    };
    let claimed = parts.shared.worklist.claim(&request).await.unwrap();
    let wanted = |claimed: &Claimed| delivery.is_none_or(|wanted| wanted.job == claimed.job.id);
    claimed.into_iter().rfind(wanted).unwrap()
}

fn end(claimed: &Claimed, follow_ups: Vec<NewJob>) -> Finish {
    let outcome = Outcome::Completed { result: json!({}), follow_ups };
    Finish { id: claimed.job.id, fence: claimed.job.fence, outcome }
}

fn attempt(status: u16) -> Attempt {
    let answer = Some("ünd <b>".to_owned());
    Attempt { at: at(1_000), millis: 7, status: Some(status), error: None, answer }
}

/// Makes one attempt with this status and stores it; whether it counted.
async fn try_once(
    parts: &Parts<'_>,
    scope: &TenantScope,
    delivery: &Delivery,
    status: u16,
    policy: &RetryPolicy,
) -> Delivery {
    let claimed = claim(parts, KIND, Some(delivery)).await;
    let webhook = parts.webhooks.webhook(scope, delivery.webhook).await.unwrap();
    let made = rules::attempted(&webhook, delivery.clone(), attempt(status), None, policy, 0);
    let end = end(&claimed, made.next.iter().cloned().collect());
    assert!(parts.shared.outbox.finish_delivery(scope, end, made.clone()).await.unwrap());
    made.delivery
}

fn at_once(attempts: u32) -> RetryPolicy {
    RetryPolicy { attempts, backoff: Duration::ZERO, ..RetryPolicy::default() }
}

async fn ping(parts: &Parts<'_>, scope: &TenantScope, webhook: &Webhook, when: i64) -> Delivery {
    parts.webhooks.send(scope, webhook.id, Event::ping(webhook.id, at(when))).await.unwrap()
}

pub async fn a_webhook_reads_back_as_written(parts: &Parts<'_>) {
    let scope = tenant();
    let store = parts.webhooks;
    let first = create(parts, &scope, &[]).await;
    let bare = Webhook {
        description: String::new(),
        enabled: false,
        disabled: Some(Disabled::Gone),
        failing_since: Some(at(5)),
        ..webhook(&[EventType::RunFailed])
    };
    let secret = SigningSecret::generate().unwrap();
    store.create_webhook(&scope, bare.clone(), secret.clone()).await.unwrap();
    assert_eq!(store.webhook(&scope, bare.id).await.unwrap(), bare);
    assert_eq!(store.webhooks(&scope).await.unwrap(), [first, bare.clone()]);
    let secrets = store.secrets(&scope, bare.id).await.unwrap();
    assert_eq!((secrets.current, secrets.previous), (secret.clone(), None));
    refused(store.create_webhook(&scope, bare, secret).await, ErrorKind::AlreadyExists);
}

pub async fn a_webhook_is_changed_in_what_is_given(parts: &Parts<'_>) {
    let scope = tenant();
    let old = create(parts, &scope, &[]).await;
    let off = WebhookChange { enabled: Some(false), ..WebhookChange::default() };
    let changed = parts.webhooks.change_webhook(&scope, old.id, off, at(9)).await.unwrap();
    assert_eq!(changed, Webhook { enabled: false, updated_at: at(9), ..old.clone() });
    let all = WebhookChange {
        url: Some("https://example.com/".into()),
        description: Some("x".into()),
        events: Some([EventType::SourceFailed].into()),
        enabled: Some(true),
    };
    parts.webhooks.change_webhook(&scope, old.id, all, at(10)).await.unwrap();
    let whole = Webhook {
        url: "https://example.com/".into(),
        description: "x".into(),
        events: [EventType::SourceFailed].into(),
        updated_at: at(10),
        ..old.clone()
    };
    assert_eq!(parts.webhooks.webhook(&scope, old.id).await.unwrap(), whole);
    let bad = WebhookChange { url: Some(String::new()), ..WebhookChange::default() };
    let refusal = parts.webhooks.change_webhook(&scope, old.id, bad, at(11)).await;
    refused(refusal, ErrorKind::InvalidInput);
    assert_eq!(parts.webhooks.webhook(&scope, old.id).await.unwrap(), whole);
}

pub async fn bad_webhooks_are_refused(parts: &Parts<'_>) {
    let scope = tenant();
    let secret = || SigningSecret::generate().unwrap();
    let none = Webhook { events: BTreeSet::new(), ..webhook(&[]) };
    let refusal = parts.webhooks.create_webhook(&scope, none, secret()).await;
    refused(refusal, ErrorKind::InvalidInput);
    for _ in 0..rules::MOST_WEBHOOKS {
        create(parts, &scope, &[]).await;
    }
    let refusal = parts.webhooks.create_webhook(&scope, webhook(&[]), secret()).await;
    refused(refusal, ErrorKind::Conflict);
}

pub async fn another_tenants_webhooks_are_absent(parts: &Parts<'_>) {
    let (owner, other) = (tenant(), tenant());
    let store = parts.webhooks;
    let theirs = create(parts, &owner, &[]).await;
    let sent = ping(parts, &owner, &theirs, 1).await;
    let (id, absent) = (theirs.id, WebhookId::new());
    same_not_found(store.webhook(&other, id).await, store.webhook(&other, absent).await);
    same_not_found(store.secrets(&other, id).await, store.secrets(&other, absent).await);
    same_not_found(
        store.delete_webhook(&other, id).await,
        store.delete_webhook(&other, absent).await,
    );
    let change = || WebhookChange { enabled: Some(false), ..WebhookChange::default() };
    same_not_found(
        store.change_webhook(&other, id, change(), at(1)).await,
        store.change_webhook(&other, absent, change(), at(1)).await,
    );
    let secret = || SigningSecret::generate().unwrap();
    same_not_found(
        store.rotate_secret(&other, id, secret(), at(1), at(2)).await,
        store.rotate_secret(&other, absent, secret(), at(1), at(2)).await,
    );
    let page = || PageRequest::first(5);
    same_not_found(
        store.deliveries(&other, id, page()).await,
        store.deliveries(&other, absent, page()).await,
    );
    same_not_found(
        store.delivery(&other, id, sent.id).await,
        store.delivery(&other, id, DeliveryId::new()).await,
    );
    same_not_found(
        store.replay(&other, id, sent.id, at(3)).await,
        store.replay(&other, absent, sent.id, at(3)).await,
    );
    same_not_found(
        store.send(&other, id, Event::ping(id, at(3))).await,
        store.send(&other, absent, Event::ping(absent, at(3))).await,
    );
    assert_eq!(store.webhooks(&other).await.unwrap(), []);
    assert_eq!(store.resume(&other, 10).await.unwrap(), 0);
    // Nor are they told of what happens here.
    let here = source(parts, &other).await;
    let ready = in_stage(&here, Stage::Ready, 0);
    parts.shared.store.update_source(&other, ready).await.unwrap();
    assert_eq!(deliveries(parts, &owner, &theirs).await, [sent]);
}

pub async fn a_secret_is_replaced_and_goes_on_for_a_while(parts: &Parts<'_>) {
    let scope = tenant();
    let hook = create(parts, &scope, &[]).await;
    let first = parts.webhooks.secrets(&scope, hook.id).await.unwrap().current;
    let [second, third] = [SigningSecret::generate().unwrap(), SigningSecret::generate().unwrap()];
    let rotate = |secret, now: i64| {
        parts.webhooks.rotate_secret(&scope, hook.id, secret, at(now), at(now + 100))
    };
    let secrets = rotate(second.clone(), 10).await.unwrap();
    let previous = secrets.previous.clone().unwrap();
    assert_eq!((&secrets.current, previous.secret, previous.until), (&second, first, at(110)));
    assert_eq!(parts.webhooks.secrets(&scope, hook.id).await.unwrap(), secrets);
    let secrets = rotate(third.clone(), 20).await.unwrap();
    let previous = secrets.previous.unwrap();
    assert_eq!((secrets.current, previous.secret, previous.until), (third, second, at(120)));
}

pub async fn q40_a_source_that_ends_is_told_once_to_each_that_wants_to_know(parts: &Parts<'_>) {
    let scope = tenant();
    let both = create(parts, &scope, &[EventType::SourceReady, EventType::SourceFailed]).await;
    let failed = create(parts, &scope, &[EventType::SourceFailed]).await;
    let runs = create(parts, &scope, &[EventType::RunCompleted]).await;
    let source = source(parts, &scope).await;
    // A source fails, is tried again, is ready, and changes once more without news.
    for (revision, stage) in
        [Stage::Parse, Stage::Failed, Stage::Queued, Stage::Ready, Stage::Ready]
            .into_iter()
            .enumerate()
    {
        let changed = in_stage(&source, stage, u32::try_from(revision).unwrap());
        parts.shared.store.update_source(&scope, changed).await.unwrap();
    }
    let told = deliveries(parts, &scope, &both).await;
    let events: Vec<_> = told.iter().map(|delivery| delivery.event).collect();
    assert_eq!(events, [EventType::SourceReady, EventType::SourceFailed], "newest first");
    assert_eq!(deliveries(parts, &scope, &failed).await.len(), 1);
    assert_eq!(deliveries(parts, &scope, &runs).await, []);
    let ready: Value = serde_json::from_str(&told[0].body).unwrap();
    assert_eq!(
        (&ready["type"], &ready["data"]["source"]),
        (&json!("source.ready"), &json!(source.id))
    );
    assert_eq!(ready["data"]["failure"], Value::Null);
    let broken: Value = serde_json::from_str(&told[1].body).unwrap();
    let why = json!({ "code": "bad_page", "message": "Page 3 is \"broken\"." });
    assert_eq!(
        (&broken["data"]["failure"], &broken["data"]["notebook"]),
        (&why, &json!(source.notebook))
    );
    for delivery in told {
        assert_eq!((delivery.state, delivery.tried), (DeliveryState::Pending, 0));
        let job = parts.shared.queue.job(&scope, delivery.job).await.unwrap();
        assert_eq!((job.kind.as_str(), job.state), (KIND, JobState::Available));
        assert_eq!(job.unique_key, Some(format!("webhook:{}", delivery.id)));
        assert_eq!(job.payload, json!({ "webhook": both.id, "delivery": delivery.id }));
    }
}

pub async fn q40_a_refused_change_tells_nothing(parts: &Parts<'_>) {
    let scope = tenant();
    let hook = create(parts, &scope, &[]).await;
    let source = source(parts, &scope).await;
    let stale = in_stage(&source, Stage::Ready, 7);
    refused(parts.shared.store.update_source(&scope, stale).await, ErrorKind::Conflict);
    let bad = NewJob { max_attempts: 0, ..NewJob::new("x", json!({})) };
    let ready = in_stage(&source, Stage::Ready, 0);
    let refusal = parts.shared.outbox.update_source(&scope, ready, vec![bad]).await;
    refused(refusal, ErrorKind::InvalidInput);
    let gone = in_stage(&samples::source(source.notebook), Stage::Ready, 0);
    refused(parts.shared.store.update_source(&scope, gone).await, ErrorKind::NotFound);
    assert_eq!(deliveries(parts, &scope, &hook).await, []);
}

pub async fn q40_a_stage_tells_in_the_transaction_of_its_end(parts: &Parts<'_>) {
    let scope = tenant();
    let hook = create(parts, &scope, &[]).await;
    let source = source(parts, &scope).await;
    let new = NewJob::new("webhook-suite-stage", json!({}));
    parts.shared.queue.insert(&scope, vec![new]).await.unwrap();
    let claimed = claim(parts, "webhook-suite-stage", None).await;
    let made = SourceChange { source: in_stage(&source, Stage::Ready, 0), text: None };
    let finish = end(&claimed, Vec::new());
    // Taken away and told: nothing; whoever has it now: once.
    let stale = Finish { fence: crate::queue::Fence(99), ..finish.clone() };
    assert!(!parts.shared.outbox.finish_source(&scope, stale, made.clone()).await.unwrap());
    assert_eq!(deliveries(parts, &scope, &hook).await, []);
    assert!(parts.shared.outbox.finish_source(&scope, finish.clone(), made.clone()).await.unwrap());
    assert!(!parts.shared.outbox.finish_source(&scope, finish, made).await.unwrap());
    let told = deliveries(parts, &scope, &hook).await;
    assert_eq!(told.len(), 1);
    let job = parts.shared.queue.job(&scope, told[0].job).await.unwrap();
    assert_eq!(job.state, JobState::Available);
}

pub async fn q40_a_run_that_ends_is_told_however_it_is_closed(parts: &Parts<'_>) {
    let scope = tenant();
    let hook = create(parts, &scope, &[]).await;
    let notebook = parts.shared.store.create_notebook(&scope, samples::notebook()).await.unwrap();
    let conversation = samples::conversation(notebook.id);
    let conversation = parts.shared.store.create_conversation(&scope, conversation).await.unwrap();
    let failed = EventBody::Failed { code: "c".into(), message: "m".into(), retryable: true };
    let mut ids = Vec::new();
    for (state, body) in [
        (RunState::Completed, samples::completed(1).body),
        (RunState::Stopped, EventBody::Stopped),
        (RunState::Abandoned, EventBody::Abandoned),
        (RunState::Failed, failed),
    ] {
        let new = samples::new_run(&conversation);
        parts.shared.log.open(&scope, new.clone()).await.unwrap();
        let events = vec![RunEvent { seq: 1, at: at(ids.len() as i64 * 10), body }];
        let outcome = RunOutcome { state, events, answer: None };
        parts.shared.log.close(&scope, new.run.id, outcome.clone()).await.unwrap();
        let again = parts.shared.log.close(&scope, new.run.id, outcome).await;
        refused(again, ErrorKind::Conflict);
        ids.push(new.run.id);
    }
    // The same with the end of a job, as answers are stored.
    let run = samples::new_run(&conversation);
    let new = NewJob::new("webhook-suite-answer", json!({}));
    parts.shared.outbox.open_run(&scope, run.clone(), vec![new]).await.unwrap();
    let claimed = claim(parts, "webhook-suite-answer", None).await;
    let events = vec![RunEvent { at: at(50), ..samples::completed(1) }];
    let answer = Some(samples::answer(&run.run));
    let outcome = RunOutcome { state: RunState::Completed, events, answer };
    let closed =
        parts.shared.outbox.close_run(&scope, end(&claimed, Vec::new()), run.run.id, outcome);
    assert!(closed.await.unwrap());
    ids.push(run.run.id);
    let mut told = deliveries(parts, &scope, &hook).await;
    told.reverse();
    let bodies: Vec<Value> =
        told.iter().map(|delivery| serde_json::from_str(&delivery.body).unwrap()).collect();
    let names: Vec<_> = bodies.iter().map(|body| body["type"].as_str().unwrap()).collect();
    let all = ["run.completed", "run.stopped", "run.abandoned", "run.failed", "run.completed"];
    assert_eq!(names, all);
    for (body, id) in bodies.iter().zip(&ids) {
        assert_eq!(
            (&body["data"]["run"], &body["data"]["conversation"]),
            (&json!(id), &json!(conversation.id))
        );
    }
    let error = json!({ "code": "c", "message": "m", "retryable": true });
    assert_eq!((&bodies[3]["data"]["error"], &bodies[0]["data"]["error"]), (&error, &Value::Null));
    assert_eq!(bodies[3]["data"]["answer"], Value::Null, "nothing was written");
    assert_eq!(bodies[4]["data"]["answer"], json!(run.run.answer));
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

pub async fn a_disabled_webhook_is_told_nothing(parts: &Parts<'_>) {
    let scope = tenant();
    let hook = create(parts, &scope, &[]).await;
    let sent = ping(parts, &scope, &hook, 1).await;
    let done = try_once(parts, &scope, &sent, 200, &at_once(1)).await;
    let off = WebhookChange { enabled: Some(false), ..WebhookChange::default() };
    parts.webhooks.change_webhook(&scope, hook.id, off, at(9)).await.unwrap();
    let source = source(parts, &scope).await;
    parts.shared.store.update_source(&scope, in_stage(&source, Stage::Ready, 0)).await.unwrap();
    assert_eq!(deliveries(parts, &scope, &hook).await, std::slice::from_ref(&done));
    let event = Event::ping(hook.id, at(10));
    refused(parts.webhooks.send(&scope, hook.id, event).await, ErrorKind::Conflict);
    let replay = parts.webhooks.replay(&scope, hook.id, done.id, at(10)).await;
    refused(replay, ErrorKind::Conflict);
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

pub async fn deleting_a_webhook_takes_its_deliveries(parts: &Parts<'_>) {
    let scope = tenant();
    let [gone, kept] = [create(parts, &scope, &[]).await, create(parts, &scope, &[]).await];
    let sent = ping(parts, &scope, &gone, 1).await;
    let stays = ping(parts, &scope, &kept, 1).await;
    parts.webhooks.delete_webhook(&scope, gone.id).await.unwrap();
    refused(parts.webhooks.delete_webhook(&scope, gone.id).await, ErrorKind::NotFound);
    refused(parts.webhooks.delivery(&scope, gone.id, sent.id).await, ErrorKind::NotFound);
    assert_eq!(parts.webhooks.webhooks(&scope).await.unwrap(), std::slice::from_ref(&kept));
    assert_eq!(deliveries(parts, &scope, &kept).await, [stays]);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        clock::SystemClock,
        conformance::unlisted,
        queue::{QueuePolicy, memory::MemoryQueue, outbox::MemoryOutbox},
        store::memory::MemoryStore,
    };

    #[test]
    fn every_scenario_is_listed() {
        let names: Vec<_> = scenarios().iter().map(|scenario| scenario.name).collect();
        assert_eq!(unlisted(include_str!("conformance.rs"), &names), Vec::<&str>::new());
    }

    #[tokio::test]
    async fn memory_keeps_every_promise() {
        let store = Arc::new(MemoryStore::new());
        let queue = Arc::new(MemoryQueue::new(Arc::new(SystemClock), QueuePolicy::default()));
        let outbox = MemoryOutbox::new(store.clone(), queue.clone());
        let shared = Shared {
            store: &*store,
            log: &*store,
            queue: &*queue,
            worklist: &*queue,
            outbox: &outbox,
        };
        run_all(Parts { shared, webhooks: &*store }).await;
    }
}
