//! Webhooks: a tenant's own addresses, told of events as [Standard Webhooks](https://www.standardwebhooks.com) has it.
//!
//! An event is stored with what it tells of: a source or a run that ends, and for each webhook that wants to know a
//! delivery and its job, are one transaction. So nothing is told that did not happen, and a crash before the sending
//! sends later, with the same id. Every [`WebhookStore`] lies beside the store, the run log and the queue whose
//! changes it hears of.
//!
//! What a webhook and a delivery become is decided by pure functions in [`rules`]. Adapters: memory, `sql` (features
//! `sqlite`, `postgres`), in the types of the store; all are held to `webhook::conformance` (feature `conformance`).
//! What sends lies in `webhook::deliver` (feature `http`).

#[cfg(feature = "conformance")]
pub mod conformance;
#[cfg(feature = "http")]
pub mod deliver;
mod event;
mod model;
pub mod rules;
mod secret;

use async_trait::async_trait;

pub use event::{Event, EventType};
pub use model::{Attempt, Delivery, DeliveryState, Disabled, Webhook, WebhookChange};
pub use secret::{Previous, SigningSecret, SigningSecrets};

use crate::{
    DeliveryId, Result, TenantScope, Timestamp, WebhookId,
    model::{Page, PageRequest},
};

/// The kind of the jobs that send.
pub const KIND: &str = "webhook";

/// Webhooks and what was and is to be sent to them.
#[async_trait]
pub trait WebhookStore: Send + Sync + 'static {
    /// Stores a new webhook.
    ///
    /// # Errors
    /// `InvalidInput` when its fields are out of their bounds; `Conflict` when the tenant has as many as it may;
    /// `AlreadyExists` when the id is taken.
    async fn create_webhook(
        &self,
        scope: &TenantScope,
        webhook: Webhook,
        secret: SigningSecret,
    ) -> Result<()>;

    /// The webhook.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    async fn webhook(&self, scope: &TenantScope, id: WebhookId) -> Result<Webhook>;

    /// All webhooks, oldest first.
    ///
    /// # Errors
    /// Only those of the storage itself.
    async fn webhooks(&self, scope: &TenantScope) -> Result<Vec<Webhook>>;

    /// Changes what is given, as [`rules::changed`] says, and returns what it has become.
    ///
    /// # Errors
    /// `NotFound` when there is none; `InvalidInput` when a field is out of its bounds.
    async fn change_webhook(
        &self,
        scope: &TenantScope,
        id: WebhookId,
        change: WebhookChange,
        at: Timestamp,
    ) -> Result<Webhook>;

    /// Removes the webhook with its deliveries. What is being sent meanwhile arrives, and is not recorded.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    async fn delete_webhook(&self, scope: &TenantScope, id: WebhookId) -> Result<()>;

    /// What a webhook's messages are signed with.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    async fn secrets(&self, scope: &TenantScope, id: WebhookId) -> Result<SigningSecrets>;

    /// Puts a new secret in place of the present one, which goes on to sign beside it until `until`. One that was
    /// replaced before signs no more.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    async fn rotate_secret(
        &self,
        scope: &TenantScope,
        id: WebhookId,
        secret: SigningSecret,
        at: Timestamp,
        until: Timestamp,
    ) -> Result<SigningSecrets>;

    /// Stores an event for one webhook, whatever it wants to know, with the job that sends it.
    ///
    /// # Errors
    /// `NotFound` when there is no such webhook; `Conflict` when it is disabled.
    async fn send(&self, scope: &TenantScope, id: WebhookId, event: Event) -> Result<Delivery>;

    /// One delivery of a webhook.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    async fn delivery(
        &self,
        scope: &TenantScope,
        webhook: WebhookId,
        id: DeliveryId,
    ) -> Result<Delivery>;

    /// The deliveries of a webhook, newest id first.
    ///
    /// # Errors
    /// `NotFound` when there is no such webhook; `InvalidInput` when the cursor is no delivery id or the limit is not 1
    /// to 1,000.
    async fn deliveries(
        &self,
        scope: &TenantScope,
        webhook: WebhookId,
        page: PageRequest,
    ) -> Result<Page<Delivery>>;

    /// Sends what was delivered or has failed once more, under the same id, with a new budget of attempts.
    ///
    /// # Errors
    /// `NotFound` when there is none; `Conflict` when it is still pending, or its webhook is disabled.
    async fn replay(
        &self,
        scope: &TenantScope,
        webhook: WebhookId,
        id: DeliveryId,
        at: Timestamp,
    ) -> Result<Delivery>;

    /// Gives pending deliveries a new job whose own has ended without them, as by workers that were lost again and
    /// again; at most `limit`; how many.
    ///
    /// # Errors
    /// Only those of the storage itself.
    async fn resume(&self, scope: &TenantScope, limit: usize) -> Result<usize>;

    /// Removes deliveries that ended before `before`, at most `limit`; how many.
    ///
    /// # Errors
    /// Only those of the storage itself.
    async fn prune_deliveries(
        &self,
        scope: &TenantScope,
        before: Timestamp,
        limit: usize,
    ) -> Result<usize>;
}
