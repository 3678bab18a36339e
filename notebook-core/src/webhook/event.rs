use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{Delivery, DeliveryState};
use crate::{
    DeliveryId, JobId, Timestamp, WebhookId,
    model::{EventBody, Run, RunOutcome, RunState, Source, Stage},
};

/// What a webhook can be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub enum EventType {
    /// A source was read, and is found by words and vectors.
    #[serde(rename = "source.ready")]
    SourceReady,
    /// A source could not be read, or was cancelled.
    #[serde(rename = "source.failed")]
    SourceFailed,
    /// An answer is whole.
    #[serde(rename = "run.completed")]
    RunCompleted,
    /// An answer broke.
    #[serde(rename = "run.failed")]
    RunFailed,
    /// A person ended an answer.
    #[serde(rename = "run.stopped")]
    RunStopped,
    /// Nobody watched an answer any more.
    #[serde(rename = "run.abandoned")]
    RunAbandoned,
    /// Sent on request, to try a webhook; nobody subscribes to it.
    #[serde(rename = "webhook.ping")]
    Ping,
}

impl EventType {
    /// All that a webhook may subscribe to.
    pub const ALL: [Self; 6] = [
        Self::SourceReady,
        Self::SourceFailed,
        Self::RunCompleted,
        Self::RunFailed,
        Self::RunStopped,
        Self::RunAbandoned,
    ];

    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SourceReady => "source.ready",
            Self::SourceFailed => "source.failed",
            Self::RunCompleted => "run.completed",
            Self::RunFailed => "run.failed",
            Self::RunStopped => "run.stopped",
            Self::RunAbandoned => "run.abandoned",
            Self::Ping => "webhook.ping",
        }
    }

    /// What a source tells that comes into a stage.
    pub(crate) const fn of_stage(stage: Stage) -> Option<Self> {
        match stage {
            Stage::Ready => Some(Self::SourceReady),
            Stage::Failed => Some(Self::SourceFailed),
            _ => None,
        }
    }

    /// What a run tells that comes into a state.
    pub(crate) const fn of_state(state: RunState) -> Option<Self> {
        match state {
            RunState::Completed => Some(Self::RunCompleted),
            RunState::Failed => Some(Self::RunFailed),
            RunState::Stopped => Some(Self::RunStopped),
            RunState::Abandoned => Some(Self::RunAbandoned),
            RunState::Queued | RunState::Running => None,
        }
    }
}

/// Something that happened. Messages name things and hold none of their text: who is told reads what it may.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    kind: EventType,
    at: Timestamp,
    /// What it happened to, and which time.
    subject: String,
    data: Value,
}

impl Event {
    /// A trial.
    #[must_use]
    pub fn ping(webhook: WebhookId, at: Timestamp) -> Self {
        // Each is another one.
        let subject = JobId::new().to_string();
        Self { kind: EventType::Ping, at, subject, data: json!({ "webhook": webhook }) }
    }

    /// A source that has just come into its stage, as it is stored.
    pub(crate) fn of_source(kind: EventType, source: &Source) -> Self {
        let failure = source.failure.as_ref();
        let failure = failure.map(|why| json!({ "code": why.code, "message": why.message }));
        let data = json!({
            "source": source.id,
            "notebook": source.notebook,
            "name": source.name,
            "kind": source.kind,
            "failure": failure.filter(|_| kind == EventType::SourceFailed),
        });
        let subject = format!("{}:{}", source.id, source.revision);
        Self { kind, at: source.updated_at, subject, data }
    }

    /// A run that has just ended.
    pub(crate) fn of_run(kind: EventType, run: &Run, outcome: &RunOutcome) -> Self {
        let error = match outcome.events.last().map(|event| &event.body) {
            Some(EventBody::Failed { code, message, retryable, .. }) => {
                json!({ "code": code, "message": message, "retryable": retryable })
            }
            _ => Value::Null,
        };
        let data = json!({
            "run": run.id,
            "notebook": run.notebook,
            "conversation": run.conversation,
            "question": run.question,
            "answer": outcome.answer.as_ref().map(|answer| answer.id),
            "error": error,
        });
        let at = run.ended_at.unwrap_or(run.created_at);
        Self { kind, at, subject: run.id.to_string(), data }
    }

    /// What is sent of it to a webhook: for the same event always under the same id.
    pub(crate) fn delivery(&self, webhook: WebhookId) -> Delivery {
        let body = json!({
            "type": self.kind,
            "timestamp": iso_8601(self.at),
            "data": self.data,
        });
        Delivery {
            id: self.id_for(webhook),
            webhook,
            event: self.kind,
            body: body.to_string(),
            state: DeliveryState::Pending,
            attempts: Vec::new(),
            tried: 0,
            job: JobId::new(),
            created_at: self.at,
            updated_at: self.at,
        }
    }

    /// Ordered by time as all ids are; the rest is a hash of what it is about.
    fn id_for(&self, webhook: WebhookId) -> DeliveryId {
        let about = format!("{webhook}\n{}\n{}", self.kind.name(), self.subject);
        let hash: [u8; 32] = Sha256::digest(about.as_bytes()).into();
        let mut rest = [0; 10];
        rest.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
        let millis = u64::try_from(self.at.as_millis()).unwrap_or(0);
        let id = uuid::Builder::from_unix_timestamp_millis(millis, &rest).into_uuid();
        DeliveryId::from_u128(Uuid::as_u128(&id))
    }
}

fn iso_8601(at: Timestamp) -> String {
    let since = std::time::Duration::from_millis(u64::try_from(at.as_millis()).unwrap_or(0));
    // To the millisecond that the event was stored with.
    humantime::format_rfc3339_millis(std::time::UNIX_EPOCH + since).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NotebookId;

    fn ping(at: i64) -> Event {
        Event::ping(WebhookId::from_u128(1), Timestamp::from_millis(at))
    }

    #[test]
    fn the_name_is_what_stands_in_json() {
        for kind in EventType::ALL.into_iter().chain([EventType::Ping]) {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
    }

    /// Q40: a repetition makes the same id, and nothing else does.
    #[test]
    fn q40_the_same_event_for_the_same_webhook_has_the_same_id() {
        let [a, b] = [WebhookId::from_u128(1), WebhookId::from_u128(2)];
        let event = ping(1_700_000_000_000);
        assert_eq!(event.delivery(a).id, event.clone().delivery(a).id);
        assert_ne!(event.delivery(a).id, event.delivery(b).id);
        assert_ne!(event.delivery(a).id, ping(1_700_000_000_000).delivery(a).id);
        let later = Event { at: Timestamp::from_millis(1_700_000_000_001), ..event.clone() };
        assert!(later.delivery(a).id > event.delivery(b).id, "in the order of time");
        let other = Event { kind: EventType::SourceReady, ..event.clone() };
        assert_ne!(other.delivery(a).id, event.delivery(a).id);
    }

    #[test]
    fn a_body_says_what_when_and_about_what() {
        let notebook = NotebookId::from_u128(7);
        let event = Event {
            kind: EventType::RunFailed,
            at: Timestamp::from_millis(1_700_000_000_123),
            subject: String::new(),
            data: json!({ "notebook": notebook }),
        };
        let body: Value =
            serde_json::from_str(&event.delivery(WebhookId::from_u128(1)).body).unwrap();
        let whole = json!({
            "type": "run.failed",
            "timestamp": "2023-11-14T22:13:20.123Z",
            "data": { "notebook": notebook },
        });
        assert_eq!(body, whole);
    }
}
