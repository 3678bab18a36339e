//! The suite that every adapter is held to, together with the store, the run log and the queue beside it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a suite speaks by panicking, and a scenario's name is its documentation"
)]

pub mod deliveries;
pub mod events;
pub mod hooks;

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
    let parts = [hooks::scenarios(), events::scenarios(), deliveries::scenarios()];
    parts.into_iter().flatten().collect()
}

/// Runs every scenario, one after the other.
///
/// # Panics
/// When the adapter breaks a promise.
pub async fn run_all(parts: Parts<'_>) {
    crate::conformance::run_all(scenarios(), &parts).await;
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
        for source in
            [include_str!("hooks.rs"), include_str!("events.rs"), include_str!("deliveries.rs")]
        {
            assert_eq!(unlisted(source, &names), Vec::<&str>::new());
        }
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
