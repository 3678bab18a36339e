//! What sends: the handler of jobs of kind [`KIND`].
//!
//! A message may arrive more than once: a worker that is killed after it sent and before it stored that sends again,
//! under the same `webhook-id`, by which a receiver knows it.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::json;

use super::{
    Attempt, Delivery, DeliveryState, KIND, Webhook, WebhookStore,
    rules::{self, Attempted, RetryPolicy},
};
use crate::{
    Clock, DeliveryId, Error, ErrorKind, Result, WebhookId,
    http::egress::{EgressClient, Posted},
    queue::{
        JobError, Outcome,
        outbox::Outbox,
        runner::{Ended, Handler, HandlerRule, Handlers, Work},
    },
};

/// How many messages to one webhook may be on their way at once in a process, so that one that does not answer holds up
/// no other.
const PER_WEBHOOK: usize = 4;
/// How long after a delivery could not be read or stored its job is tried again.
const STORE_WAIT: Duration = Duration::from_secs(5);

/// What a sender needs.
#[derive(Clone)]
pub struct Sender {
    /// Webhooks and deliveries.
    pub store: Arc<dyn WebhookStore>,
    /// Ends attempts.
    pub outbox: Arc<dyn Outbox>,
    /// Calls the receivers, who are anybody.
    pub egress: EgressClient,
    /// When messages are sent.
    pub clock: Arc<dyn Clock>,
    /// When they are sent again.
    pub policy: RetryPolicy,
}

/// What is named in a job.
#[derive(Deserialize)]
struct Payload {
    webhook: WebhookId,
    delivery: DeliveryId,
}

/// How an attempt went.
struct Tried {
    attempt: Attempt,
    asked: Option<Duration>,
}

impl Sender {
    /// The handler, which may have this many messages on their way at once in this process.
    #[must_use]
    pub fn handlers(self, slots: usize) -> Handlers {
        let rule = HandlerRule {
            slots: Some(slots),
            timeout: Duration::from_secs(300),
            ..HandlerRule::default()
        };
        Handlers::new().with(KIND, rule, Deliverer { sender: self, crowd: Crowd::default() })
    }

    /// One attempt. None when the worker goes down before it has an answer.
    async fn attempt(&self, work: &Work, named: Payload) -> Result<Option<Ended>> {
        let Payload { webhook, delivery } = named;
        let delivery = self.store.delivery(&work.scope, webhook, delivery).await?;
        if delivery.state != DeliveryState::Pending {
            // Another run of the job, or an earlier one, had ended it.
            return Ok(Some(Outcome::completed(result(&delivery)).into()));
        }
        let webhook = self.store.webhook(&work.scope, webhook).await?;
        let made = if webhook.enabled {
            let sent = self.send(work, &webhook, &delivery);
            let Some(tried) = work.stop.run_until_cancelled(sent).await else { return Ok(None) };
            let Tried { attempt, asked } = tried?;
            let random = crate::queue::random();
            rules::attempted(&webhook, delivery, attempt, asked, &self.policy, random)
        } else {
            rules::unsent(delivery, self.clock.now())
        };
        self.store(work, made).await.map(Some)
    }

    async fn store(&self, work: &Work, made: Attempted) -> Result<Ended> {
        let result = result(&made.delivery);
        let follow_ups = made.next.iter().cloned().collect();
        let end = work.end(Outcome::Completed { result, follow_ups });
        if self.outbox.finish_delivery(&work.scope, end, made.clone()).await? {
            tell(&made);
        }
        Ok(Ended::Stored)
    }

    async fn send(&self, work: &Work, webhook: &Webhook, delivery: &Delivery) -> Result<Tried> {
        let secrets = self.store.secrets(&work.scope, webhook.id).await?;
        let at = self.clock.now();
        let [id, time, signature] = secrets.headers(delivery.id, at, &delivery.body)?;
        let kind = ("content-type", "application/json".to_owned());
        let (headers, body) = ([kind, id, time, signature], delivery.body.clone().into_bytes());
        let begun = Instant::now();
        let answer = self.egress.post(&webhook.url, &headers, body).await;
        let millis = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(match answer {
            Ok(posted) => Tried {
                asked: posted.retry_after.filter(|_| matches!(posted.status, 429 | 503)),
                attempt: answered(at, millis, &posted),
            },
            Err(error) => {
                let error = Some(sentence(&error));
                let attempt = Attempt { at, millis, status: None, error, answer: None };
                Tried { attempt, asked: None }
            }
        })
    }
}

/// The messages that are on their way to each webhook.
#[derive(Default)]
struct Crowd(Mutex<BTreeMap<WebhookId, OnTheirWay>>);

/// Those to one webhook.
#[derive(Default)]
struct OnTheirWay {
    /// When each began.
    begun: Vec<Instant>,
    /// How long the last one took that is not among them any more.
    took: Duration,
}

/// A place among them.
struct Place<'c> {
    crowd: &'c Crowd,
    webhook: WebhookId,
    begun: Instant,
}

impl Crowd {
    /// A place; when there is none, how long one takes to become free.
    fn enter(&self, webhook: WebhookId) -> std::result::Result<Place<'_>, Duration> {
        let mut all = self.0.lock();
        let on_their_way = all.entry(webhook).or_default();
        if on_their_way.begun.len() >= PER_WEBHOOK {
            let oldest = on_their_way.begun.iter().min().map(Instant::elapsed);
            return Err(on_their_way.took.max(oldest.unwrap_or_default()));
        }
        let begun = Instant::now();
        on_their_way.begun.push(begun);
        Ok(Place { crowd: self, webhook, begun })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut all = self.crowd.0.lock();
        if let Entry::Occupied(mut entry) = all.entry(self.webhook) {
            let OnTheirWay { begun, took } = entry.get_mut();
            *took = self.begun.elapsed();
            if let Some(place) = begun.iter().position(|begun| *begun == self.begun) {
                begun.swap_remove(place);
            }
            if begun.is_empty() {
                entry.remove();
            }
        }
    }
}

/// The handler of the jobs.
struct Deliverer {
    sender: Sender,
    crowd: Crowd,
}

impl Deliverer {
    async fn attempt(&self, work: &Work) -> Result<Option<Ended>> {
        let named: Payload = serde_json::from_value(work.job.payload.clone())
            .map_err(|error| Error::new(ErrorKind::Corrupt, "send message").caused_by(error))?;
        match self.crowd.enter(named.webhook) {
            Ok(_place) => self.sender.attempt(work, named).await,
            Err(took) => {
                let random = crate::queue::random();
                let wait = rules::crowded(took, work.job.snooze_count, random);
                Ok(Some(Outcome::Snoozed(wait).into()))
            }
        }
    }
}

#[async_trait]
impl Handler for Deliverer {
    async fn run(&self, work: Work) -> Ended {
        match self.attempt(&work).await {
            Ok(Some(ended)) => ended,
            Ok(None) => Outcome::Released.into(),
            // The webhook was deleted, and its deliveries with it.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Outcome::completed(json!({ "state": "deleted" })).into()
            }
            Err(error) => {
                tracing::warn!(job = %work.job.id, %error, "a message could not be read or its end stored");
                let error =
                    JobError { code: error.kind().code().to_owned(), message: error.to_string() };
                Outcome::Failed { error, not_before: STORE_WAIT }.into()
            }
        }
    }
}

fn result(delivery: &Delivery) -> serde_json::Value {
    json!({ "delivery": delivery.id, "state": delivery.state })
}

fn tell(made: &Attempted) {
    let (id, webhook) = (made.delivery.id, made.delivery.webhook);
    match made.delivery.state {
        DeliveryState::Failed => {
            let last = made.delivery.attempts.last();
            let status = last.and_then(|attempt| attempt.status);
            tracing::warn!(delivery = %id, %webhook, status, tried = made.delivery.tried, "a message could not be delivered");
        }
        _ => tracing::debug!(delivery = %id, %webhook, "a message was sent"),
    }
}

fn answered(at: crate::Timestamp, millis: u64, posted: &Posted) -> Attempt {
    let error = match posted.status {
        200..300 => None,
        300..400 => Some(
            "The receiver redirects, which is not followed: give the address that it redirects to.",
        ),
        410 => Some("The receiver wants no more messages; the webhook was disabled."),
        _ => Some("The receiver did not answer with a status of success."),
    };
    let answer = (!posted.body.is_empty()).then(|| excerpt(&posted.body));
    Attempt { at, millis, status: Some(posted.status), error: error.map(str::to_owned), answer }
}

/// What a person is told; causes and addresses stay out of it.
fn sentence(error: &Error) -> String {
    match (error.kind(), error.context("fix").or_else(|| error.context("problem"))) {
        (ErrorKind::Timeout, _) => "The receiver did not answer in time.".to_owned(),
        (ErrorKind::InvalidInput, Some(fix)) => format!("The address is not called: {fix}."),
        (_, Some(fix)) => format!("The receiver could not be reached: {fix}."),
        (kind, None) => format!("The receiver could not be reached ({}).", kind.code()),
    }
}

/// A text of the beginning, without what a database or a terminal would stumble over.
fn excerpt(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A webhook has so many places; who finds none is told how long they take; nothing is kept of one that is idle.
    #[test]
    fn places_are_counted_and_forgotten() {
        let (crowd, webhook) = (Crowd::default(), WebhookId::new());
        let mut places: Vec<_> =
            (0..PER_WEBHOOK).map(|_| crowd.enter(webhook).ok().unwrap()).collect();
        std::thread::sleep(Duration::from_millis(30));
        let waits = crowd.enter(webhook).err().unwrap();
        assert!(waits >= Duration::from_millis(30), "{waits:?}");
        assert!(crowd.enter(WebhookId::new()).is_ok(), "each has its own");
        places.pop();
        let place = crowd.enter(webhook).ok().unwrap();
        assert!(crowd.enter(webhook).is_err());
        places.clear();
        assert_eq!(crowd.0.lock().len(), 1);
        drop(place);
        assert!(crowd.0.lock().is_empty());
    }
}
