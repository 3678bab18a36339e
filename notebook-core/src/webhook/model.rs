use std::{collections::BTreeSet, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{EventType, KIND};
use crate::{DeliveryId, JobId, Timestamp, WebhookId, queue::NewJob};

/// A place that is told of events. Its secret lies apart from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Webhook {
    /// Identifies it.
    pub id: WebhookId,
    /// Where messages are sent, by POST.
    pub url: String,
    /// The owner's own words; may be empty.
    pub description: String,
    /// What it is told of.
    pub events: BTreeSet<EventType>,
    /// Whether it is told at all.
    pub enabled: bool,
    /// Why the server disabled it.
    pub disabled: Option<Disabled>,
    /// When the first of the deliveries failed that have all failed since.
    pub failing_since: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its owner, or the server by disabling it, last changed it.
    pub updated_at: Timestamp,
}

/// Why the server disabled a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Disabled {
    /// The receiver answered 410 Gone.
    Gone,
    /// For days no delivery succeeded.
    Failing,
}

/// What an owner changes of a webhook; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WebhookChange {
    /// Where messages are sent.
    pub url: Option<String>,
    /// The owner's own words.
    pub description: Option<String>,
    /// What it is told of.
    pub events: Option<BTreeSet<EventType>>,
    /// Whether it is told at all. Enabling forgets why it was disabled.
    pub enabled: Option<bool>,
}

/// One event for one webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Delivery {
    /// The `webhook-id`: the same for the same event and webhook, however often it is sent.
    pub id: DeliveryId,
    /// The webhook.
    pub webhook: WebhookId,
    /// What happened.
    pub event: EventType,
    /// The message's body, byte for byte as it is sent and signed.
    pub body: String,
    /// Where it stands.
    pub state: DeliveryState,
    /// The last attempts, oldest first.
    pub attempts: Vec<Attempt>,
    /// How many attempts were made since it was stored or replayed.
    pub tried: u32,
    /// The job of the next attempt, or of the last one.
    pub job: JobId,
    /// When it happened.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Delivery {
    /// The job of the next attempt.
    pub(crate) fn job_after(&self, delay: Duration) -> NewJob {
        let payload = json!({ "webhook": self.webhook, "delivery": self.id });
        let unique_key = Some(format!("{KIND}:{}", self.id));
        NewJob { id: self.job, delay, unique_key, ..NewJob::new(KIND, payload) }
    }
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// It is to be sent, for the first time or again.
    Pending,
    /// The receiver has it.
    Delivered,
    /// It is not sent any more by itself.
    Failed,
}

/// One attempt to deliver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Attempt {
    /// When it began.
    pub at: Timestamp,
    /// How long it took, in milliseconds.
    pub millis: u64,
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
    /// Why there was none, or why it does not count.
    pub error: Option<String>,
    /// The beginning of the answer's body, if it is a text.
    pub answer: Option<String>,
}
