//! What every adapter decides alike: pure functions over what was read.

use std::time::Duration;

use super::{Attempt, Delivery, DeliveryState, Disabled, Webhook, WebhookChange};
use crate::{Error, ErrorKind, JobId, Result, Timestamp, queue::NewJob};

/// The most webhooks of a tenant.
pub const MOST_WEBHOOKS: usize = 20;
/// The most bytes of an address.
const MOST_URL: usize = 2_048;
/// The most characters of a description.
const MOST_DESCRIPTION: usize = 500;
/// How long a message waits at least, and at most, while as many as may be are on their way to its webhook.
const CROWDED: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(300));
/// How many attempts are kept in a delivery's record.
const MOST_ATTEMPTS: usize = 20;

/// When a delivery that failed is tried again, and when a webhook is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How many attempts are made.
    pub attempts: u32,
    /// The least wait after the first attempt; it is four times as long after each further one. Up to half of it is
    /// added by chance.
    pub backoff: Duration,
    /// The longest such wait.
    pub most_backoff: Duration,
    /// The longest wait that a receiver may ask for.
    pub most_asked: Duration,
    /// For how long all deliveries must have failed for the webhook to be disabled.
    pub disable_after: Duration,
}

impl Default for RetryPolicy {
    /// 3 attempts, after 30 seconds and 2 minutes, never later than 6 hours; receivers may ask for an hour; disabled
    /// after 5 days.
    fn default() -> Self {
        Self {
            attempts: 3,
            backoff: Duration::from_secs(30),
            most_backoff: Duration::from_secs(6 * 3_600),
            most_asked: Duration::from_secs(3_600),
            disable_after: Duration::from_secs(5 * 86_400),
        }
    }
}

/// What an attempt changes of its webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Nothing.
    Unchanged,
    /// Deliveries succeed again.
    Recovered,
    /// Deliveries fail since then.
    Failing(Timestamp),
    /// It is given up.
    Disabled(Disabled),
}

/// What an attempt makes of its delivery and of the webhook, to be stored with the end of the attempt's job.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempted {
    /// The delivery as it is then.
    pub delivery: Delivery,
    /// The address that was called; none when nothing was sent.
    pub called: Option<String>,
    /// What becomes of the webhook.
    pub health: Health,
    /// The job of the next attempt, where there is one.
    pub next: Option<NewJob>,
}

/// Checks a webhook's fields. Whether its address may be called is the sender's to say.
///
/// # Errors
/// `InvalidInput` that names the field.
pub fn check(operation: &'static str, webhook: &Webhook) -> Result<()> {
    if webhook.url.is_empty() || webhook.url.len() > MOST_URL {
        return Err(Error::invalid(operation, "url", "give an address of at most 2,048 bytes"));
    }
    if webhook.description.chars().count() > MOST_DESCRIPTION {
        return Err(Error::invalid(operation, "description", "use at most 500 characters"));
    }
    if webhook.events.is_empty() || webhook.events.contains(&super::EventType::Ping) {
        let all = super::EventType::ALL.map(super::EventType::name).join(", ");
        return Err(Error::invalid(operation, "events", format!("name one or more of: {all}")));
    }
    Ok(())
}

/// Checks that a tenant that has `count` webhooks may have one more.
///
/// # Errors
/// `Conflict` when it has as many as it may.
pub fn check_count(operation: &'static str, count: usize) -> Result<()> {
    if count < MOST_WEBHOOKS {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Conflict, operation)
        .with("fix", format!("{MOST_WEBHOOKS} webhooks are the most; delete one first")))
}

/// A webhook after its owner changed it at `at`.
///
/// # Errors
/// As [`check`].
pub fn changed(
    operation: &'static str,
    webhook: Webhook,
    change: WebhookChange,
    at: Timestamp,
) -> Result<Webhook> {
    let WebhookChange { url, description, events, enabled } = change;
    let anew = enabled == Some(true) || (url.is_some() && url.as_ref() != Some(&webhook.url));
    let webhook = Webhook {
        url: url.unwrap_or(webhook.url),
        description: description.unwrap_or(webhook.description),
        events: events.unwrap_or(webhook.events),
        enabled: enabled.unwrap_or(webhook.enabled),
        disabled: webhook.disabled.filter(|_| enabled.is_none()),
        // What was at another address, or before it was enabled again, is not held against it.
        failing_since: webhook.failing_since.filter(|_| !anew),
        updated_at: at,
        ..webhook
    };
    check(operation, &webhook)?;
    Ok(webhook)
}

/// A webhook, as it is stored now, after an attempt.
#[must_use]
pub fn after(webhook: Webhook, made: &Attempted) -> Webhook {
    if made.called.as_ref() != Some(&webhook.url) {
        // What is at another address says nothing of this one.
        return webhook;
    }
    match made.health {
        Health::Unchanged => webhook,
        Health::Recovered => Webhook { failing_since: None, ..webhook },
        // Of attempts side by side the first says since when.
        Health::Failing(since) => {
            Webhook { failing_since: webhook.failing_since.or(Some(since)), ..webhook }
        }
        // One arrived meanwhile, or its owner made it begin anew.
        Health::Disabled(Disabled::Failing) if webhook.failing_since.is_none() => webhook,
        Health::Disabled(why) => Webhook {
            enabled: false,
            disabled: Some(why),
            updated_at: made.delivery.updated_at,
            ..webhook
        },
    }
}

/// What an attempt makes of a pending delivery of the webhook: 2xx is success, 410 is the end of the webhook, and all
/// else is tried again as long as there are attempts left.
///
/// `asked` is how long the receiver asked to be left alone, `random` any number.
#[must_use]
pub fn attempted(
    webhook: &Webhook,
    mut delivery: Delivery,
    attempt: Attempt,
    asked: Option<Duration>,
    policy: &RetryPolicy,
    random: u64,
) -> Attempted {
    let (at, status) = (attempt.at, attempt.status);
    delivery.tried = delivery.tried.saturating_add(1);
    record(&mut delivery, attempt);
    let called = Some(webhook.url.clone());
    let ended = |delivery, health| Attempted { delivery, called, health, next: None };
    if status.is_some_and(|status| (200..300).contains(&status)) {
        delivery.state = DeliveryState::Delivered;
        let recovered = webhook.failing_since.is_some();
        let health = if recovered { Health::Recovered } else { Health::Unchanged };
        return ended(delivery, health);
    }
    if status == Some(410) {
        delivery.state = DeliveryState::Failed;
        return ended(delivery, Health::Disabled(Disabled::Gone));
    }
    if delivery.tried >= policy.attempts {
        delivery.state = DeliveryState::Failed;
        let health = match webhook.failing_since {
            None => Health::Failing(at),
            Some(since) if at.since(since) >= policy.disable_after => {
                Health::Disabled(Disabled::Failing)
            }
            Some(_) => Health::Unchanged,
        };
        return ended(delivery, health);
    }
    let asked = asked.unwrap_or_default().min(policy.most_asked);
    let wait = backoff(delivery.tried, policy, random).max(asked);
    delivery.job = JobId::new();
    let next = Some(delivery.job_after(wait));
    Attempted { next, ..ended(delivery, Health::Unchanged) }
}

/// What becomes of a pending delivery whose webhook is disabled: nothing is sent.
#[must_use]
pub fn unsent(mut delivery: Delivery, at: Timestamp) -> Attempted {
    let error = Some("The webhook is disabled.".to_owned());
    record(&mut delivery, Attempt { at, millis: 0, status: None, error, answer: None });
    delivery.state = DeliveryState::Failed;
    Attempted { delivery, called: None, health: Health::Unchanged, next: None }
}

/// Keeps the last attempts.
fn record(delivery: &mut Delivery, attempt: Attempt) {
    delivery.updated_at = attempt.at.after(Duration::from_millis(attempt.millis));
    delivery.attempts.push(attempt);
    let excess = delivery.attempts.len().saturating_sub(MOST_ATTEMPTS);
    delivery.attempts.drain(..excess);
}

/// A delivery that is sent once more.
///
/// # Errors
/// `Conflict` when it is still to be sent, or its webhook is disabled.
pub fn replayed(
    operation: &'static str,
    webhook: &Webhook,
    delivery: Delivery,
    at: Timestamp,
) -> Result<Delivery> {
    check_enabled(operation, webhook)?;
    if delivery.state == DeliveryState::Pending {
        return Err(Error::new(ErrorKind::Conflict, operation)
            .with("reason", "it is still being delivered; wait until it has ended"));
    }
    let (state, job) = (DeliveryState::Pending, JobId::new());
    Ok(Delivery { state, job, tried: 0, updated_at: at, ..delivery })
}

/// Checks that something may be sent.
///
/// # Errors
/// `Conflict` when the webhook is disabled.
pub fn check_enabled(operation: &'static str, webhook: &Webhook) -> Result<()> {
    if webhook.enabled {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Conflict, operation)
        .with("fix", "the webhook is disabled; enable it first"))
}

/// How long a message waits that found as many on their way as may be, for the `snoozes`th time since its last attempt,
/// where another one `took` so long: a backlog for a receiver that answers goes on soon, one for a receiver that does
/// not must not keep the queue busy. Up to half of it is added by chance.
#[must_use]
pub fn crowded(took: Duration, snoozes: u32, random: u64) -> Duration {
    let (least, most) = CROWDED;
    spread(took.saturating_mul(snoozes.saturating_add(1)).clamp(least, most), random)
}

/// Four times as long after each attempt, and up to half of that by chance.
fn backoff(tried: u32, policy: &RetryPolicy, random: u64) -> Duration {
    let factor = 4_u32.checked_pow(tried.saturating_sub(1)).unwrap_or(u32::MAX);
    let least = policy.backoff.saturating_mul(factor).min(policy.most_backoff);
    spread(least, random)
}

/// Up to half of a wait is added by chance.
fn spread(least: Duration, random: u64) -> Duration {
    let half = least.as_millis() / 2;
    let chance = (u128::from(random) * half) >> 64;
    least + Duration::from_millis(u64::try_from(chance).unwrap_or(0))
}

#[cfg(test)]
mod tests;
