use std::time::Duration;

use async_trait::async_trait;

use super::{MemoryStore, Tenant};
use crate::{
    DeliveryId, Error, ErrorKind, JobId, Result, TenantScope, Timestamp, WebhookId,
    model::{Page, PageRequest},
    queue::NewJob,
    store::rules as store_rules,
    webhook::{
        Delivery, DeliveryState, Event, EventType, Previous, SigningSecret, SigningSecrets,
        Webhook, WebhookChange, WebhookStore,
        rules::{self, Attempted},
    },
};

impl Tenant {
    fn webhook(&self, operation: &'static str, id: WebhookId) -> Result<&Webhook> {
        let found = self.webhooks.get(&id).map(|(webhook, _)| webhook);
        found.ok_or_else(|| Error::not_found(operation, "webhook"))
    }

    fn webhook_mut(
        &mut self,
        operation: &'static str,
        id: WebhookId,
    ) -> Result<&mut (Webhook, SigningSecrets)> {
        self.webhooks.get_mut(&id).ok_or_else(|| Error::not_found(operation, "webhook"))
    }

    fn delivery(
        &self,
        operation: &'static str,
        webhook: WebhookId,
        id: DeliveryId,
    ) -> Result<&Delivery> {
        let found = self.deliveries.get(&id).filter(|delivery| delivery.webhook == webhook);
        found.ok_or_else(|| Error::not_found(operation, "delivery"))
    }

    /// Stores an event for all who want to know, and gives the jobs that send it.
    pub(super) fn tell(&mut self, kind: EventType, event: impl FnOnce() -> Event) -> Vec<NewJob> {
        let wants = |webhook: &&Webhook| webhook.enabled && webhook.events.contains(&kind);
        let all = self.webhooks.values().map(|(webhook, _)| webhook);
        let wanting: Vec<_> = all.filter(wants).map(|webhook| webhook.id).collect();
        if wanting.is_empty() {
            return Vec::new();
        }
        let event = event();
        wanting.into_iter().filter_map(|id| self.add(event.delivery(id))).collect()
    }

    /// Stores a delivery and gives its job, unless the same was stored before.
    fn add(&mut self, delivery: Delivery) -> Option<NewJob> {
        if self.deliveries.contains_key(&delivery.id) {
            return None;
        }
        let job = delivery.job_after(Duration::ZERO);
        self.deliveries.insert(delivery.id, delivery);
        Some(job)
    }
}

impl MemoryStore {
    /// Stores what an attempt made, but for its next job, which follows from the job's end.
    pub(crate) fn attempted(&self, scope: &TenantScope, made: Attempted) -> Result<Vec<NewJob>> {
        let Delivery { id, webhook, .. } = made.delivery;
        self.with(scope, |tenant| {
            tenant.delivery("store attempt", webhook, id)?;
            let (webhook, _) = tenant.webhook_mut("store attempt", webhook)?;
            *webhook = rules::after(webhook.clone(), &made);
            tenant.deliveries.insert(id, made.delivery);
            Ok(Vec::new())
        })
    }
}

#[async_trait]
impl WebhookStore for MemoryStore {
    async fn create_webhook(
        &self,
        scope: &TenantScope,
        webhook: Webhook,
        secret: SigningSecret,
    ) -> Result<()> {
        const OPERATION: &str = "create webhook";
        rules::check(OPERATION, &webhook)?;
        self.with(scope, |tenant| {
            rules::check_count(OPERATION, tenant.webhooks.len())?;
            if tenant.webhooks.contains_key(&webhook.id) {
                return Err(Error::new(ErrorKind::AlreadyExists, OPERATION).with("what", "webhook"));
            }
            let secrets = SigningSecrets { current: secret, previous: None };
            tenant.webhooks.insert(webhook.id, (webhook, secrets));
            Ok(())
        })
    }

    async fn webhook(&self, scope: &TenantScope, id: WebhookId) -> Result<Webhook> {
        self.with(scope, |tenant| tenant.webhook("read webhook", id).cloned())
    }

    async fn webhooks(&self, scope: &TenantScope) -> Result<Vec<Webhook>> {
        let all = |tenant: &mut Tenant| {
            tenant.webhooks.values().map(|(webhook, _)| webhook.clone()).collect()
        };
        Ok(self.with(scope, all))
    }

    async fn change_webhook(
        &self,
        scope: &TenantScope,
        id: WebhookId,
        change: WebhookChange,
        at: Timestamp,
    ) -> Result<Webhook> {
        const OPERATION: &str = "change webhook";
        self.with(scope, |tenant| {
            let (webhook, _) = tenant.webhook_mut(OPERATION, id)?;
            *webhook = rules::changed(OPERATION, webhook.clone(), change, at)?;
            Ok(webhook.clone())
        })
    }

    async fn delete_webhook(&self, scope: &TenantScope, id: WebhookId) -> Result<()> {
        self.with(scope, |tenant| {
            tenant.webhook("delete webhook", id)?;
            tenant.webhooks.remove(&id);
            tenant.deliveries.retain(|_, delivery| delivery.webhook != id);
            Ok(())
        })
    }

    async fn secrets(&self, scope: &TenantScope, id: WebhookId) -> Result<SigningSecrets> {
        self.with(scope, |tenant| Ok(tenant.webhook_mut("read secrets", id)?.1.clone()))
    }

    async fn rotate_secret(
        &self,
        scope: &TenantScope,
        id: WebhookId,
        secret: SigningSecret,
        at: Timestamp,
        until: Timestamp,
    ) -> Result<SigningSecrets> {
        self.with(scope, |tenant| {
            let (webhook, secrets) = tenant.webhook_mut("rotate secret", id)?;
            webhook.updated_at = at;
            let old = std::mem::replace(&mut secrets.current, secret);
            secrets.previous = Some(Previous { secret: old, until });
            Ok(secrets.clone())
        })
    }

    async fn send(&self, scope: &TenantScope, id: WebhookId, event: Event) -> Result<Delivery> {
        const OPERATION: &str = "send event";
        let (delivery, job) = self.with(scope, |tenant| {
            rules::check_enabled(OPERATION, tenant.webhook(OPERATION, id)?)?;
            let delivery = event.delivery(id);
            let job = tenant.add(delivery.clone());
            Ok::<_, Error>((tenant.delivery(OPERATION, id, delivery.id)?.clone(), job))
        })?;
        self.enqueue(scope, job.into_iter().collect());
        Ok(delivery)
    }

    async fn delivery(
        &self,
        scope: &TenantScope,
        webhook: WebhookId,
        id: DeliveryId,
    ) -> Result<Delivery> {
        self.with(scope, |tenant| tenant.delivery("read delivery", webhook, id).cloned())
    }

    async fn deliveries(
        &self,
        scope: &TenantScope,
        webhook: WebhookId,
        page: PageRequest,
    ) -> Result<Page<Delivery>> {
        const OPERATION: &str = "list deliveries";
        let cursor = store_rules::cursor::<DeliveryId>(OPERATION, &page)?;
        let items = self.with(scope, |tenant| {
            tenant.webhook(OPERATION, webhook)?;
            let all = tenant.deliveries.values().rev();
            let of_it = all.filter(|delivery| delivery.webhook == webhook);
            let after = of_it.filter(|d| cursor.after.is_none_or(|after| d.id < after));
            Ok::<_, Error>(after.take(cursor.limit + 1).cloned().collect())
        })?;
        Ok(store_rules::page(items, cursor.limit, |delivery: &Delivery| delivery.id))
    }

    async fn replay(
        &self,
        scope: &TenantScope,
        webhook: WebhookId,
        id: DeliveryId,
        at: Timestamp,
    ) -> Result<Delivery> {
        const OPERATION: &str = "replay delivery";
        let delivery = self.with(scope, |tenant| {
            let delivery = tenant.delivery(OPERATION, webhook, id)?.clone();
            let webhook = tenant.webhook(OPERATION, webhook)?;
            let delivery = rules::replayed(OPERATION, webhook, delivery, at)?;
            tenant.deliveries.insert(id, delivery.clone());
            Ok::<_, Error>(delivery)
        })?;
        self.enqueue(scope, vec![delivery.job_after(Duration::ZERO)]);
        Ok(delivery)
    }

    async fn resume(&self, scope: &TenantScope, limit: usize) -> Result<usize> {
        let Some(queue) = self.queue.lock().clone() else { return Ok(0) };
        let pending: Vec<Delivery> = self.with(scope, |tenant| {
            let all = tenant.deliveries.values();
            all.filter(|delivery| delivery.state == DeliveryState::Pending).cloned().collect()
        });
        let orphaned = pending.into_iter().filter(|delivery| !queue.is_live(delivery.job));
        let mut resumed = 0;
        for Delivery { id, job, .. } in orphaned.take(limit) {
            let next = self.with(scope, |tenant| {
                let delivery = tenant.deliveries.get_mut(&id).filter(|now| now.job == job)?;
                delivery.job = JobId::new();
                Some(delivery.job_after(Duration::ZERO))
            });
            resumed += queue.store_jobs(scope.tenant(), next.into_iter().collect());
        }
        Ok(resumed)
    }

    async fn prune_deliveries(
        &self,
        scope: &TenantScope,
        before: Timestamp,
        limit: usize,
    ) -> Result<usize> {
        Ok(self.with(scope, |tenant| {
            let old = |delivery: &&Delivery| {
                delivery.state != DeliveryState::Pending && delivery.updated_at < before
            };
            let old: Vec<_> =
                tenant.deliveries.values().filter(old).take(limit).map(|d| d.id).collect();
            old.iter().filter(|id| tenant.deliveries.remove(id).is_some()).count()
        }))
    }
}
