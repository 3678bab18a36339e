use std::{collections::BTreeSet, time::Duration};

use async_trait::async_trait;

use super::{SqlStore, statement::webhooks as statement};
use crate::{
    DeliveryId, Error, ErrorKind, JobId, Result, Secret, TenantId, TenantScope, Timestamp,
    WebhookId,
    model::{Page, PageRequest},
    queue::sql::store_jobs,
    sql::{
        self, AFTER_ALL, Lock, Row, Tx,
        codec::{json, name},
        values,
    },
    store::rules::{self as store_rules, Cursor},
    webhook::{
        Delivery, Event, EventType, Previous, SigningSecret, SigningSecrets, Webhook,
        WebhookChange, WebhookStore,
        rules::{self, Attempted, Health},
    },
};

#[async_trait]
impl WebhookStore for SqlStore {
    async fn create_webhook(
        &self,
        scope: &TenantScope,
        webhook: Webhook,
        secret: SigningSecret,
    ) -> Result<()> {
        rules::check("create webhook", &webhook)?;
        let input = (scope.tenant(), webhook, secret);
        self.database
            .write("create webhook", input, |tx, (tenant, webhook, secret)| {
                Box::pin(create(tx, *tenant, webhook, secret))
            })
            .await
    }

    async fn webhook(&self, scope: &TenantScope, id: WebhookId) -> Result<Webhook> {
        let input = (scope.tenant(), id);
        self.database
            .read("read webhook", input, |tx, (tenant, id)| Box::pin(find(tx, *tenant, *id)))
            .await
    }

    async fn webhooks(&self, scope: &TenantScope) -> Result<Vec<Webhook>> {
        self.database
            .read("list webhooks", scope.tenant(), |tx, tenant| Box::pin(list(tx, *tenant)))
            .await
    }

    async fn change_webhook(
        &self,
        scope: &TenantScope,
        id: WebhookId,
        change: WebhookChange,
        at: Timestamp,
    ) -> Result<Webhook> {
        let input = (scope.tenant(), id, change, at);
        self.database
            .write("change webhook", input, |tx, (tenant, id, change, at)| {
                Box::pin(async move {
                    let webhook = find_locked(tx, *tenant, *id, Lock::Change).await?;
                    let webhook = rules::changed(tx.operation, webhook, change.clone(), *at)?;
                    update(tx, *tenant, &webhook).await?;
                    Ok(webhook)
                })
            })
            .await
    }

    async fn delete_webhook(&self, scope: &TenantScope, id: WebhookId) -> Result<()> {
        let input = (scope.tenant(), id);
        self.database
            .write("delete webhook", input, |tx, (tenant, id)| {
                Box::pin(async move {
                    let values = values![tenant.as_bytes(), id.as_bytes()];
                    let changed = tx.execute(statement::DELETE, values).await?;
                    found(tx, changed, "webhook")
                })
            })
            .await
    }

    async fn secrets(&self, scope: &TenantScope, id: WebhookId) -> Result<SigningSecrets> {
        let input = (scope.tenant(), id);
        self.database
            .read("read secrets", input, |tx, (tenant, id)| Box::pin(secrets(tx, *tenant, *id)))
            .await
    }

    async fn rotate_secret(
        &self,
        scope: &TenantScope,
        id: WebhookId,
        secret: SigningSecret,
        at: Timestamp,
        until: Timestamp,
    ) -> Result<SigningSecrets> {
        let input = (scope.tenant(), id, secret, at, until);
        self.database
            .write("rotate secret", input, |tx, (tenant, id, secret, at, until)| {
                Box::pin(async move {
                    let (until, at) = (until.as_millis(), at.as_millis());
                    let secret = secret.expose();
                    let values = values![until, secret, at, tenant.as_bytes(), id.as_bytes()];
                    let changed = tx.execute(statement::ROTATE, values).await?;
                    found(tx, changed, "webhook")?;
                    secrets(tx, *tenant, *id).await
                })
            })
            .await
    }

    async fn send(&self, scope: &TenantScope, id: WebhookId, event: Event) -> Result<Delivery> {
        let input = (scope.tenant(), id, event);
        self.database
            .write("send event", input, |tx, (tenant, id, event)| {
                Box::pin(async move {
                    let webhook = find_locked(tx, *tenant, *id, Lock::Keep).await?;
                    rules::check_enabled(tx.operation, &webhook)?;
                    let delivery = event.delivery(*id);
                    add(tx, *tenant, &delivery).await?;
                    find_delivery(tx, *tenant, *id, delivery.id).await
                })
            })
            .await
    }

    async fn delivery(
        &self,
        scope: &TenantScope,
        webhook: WebhookId,
        id: DeliveryId,
    ) -> Result<Delivery> {
        let input = (scope.tenant(), webhook, id);
        self.database
            .read("read delivery", input, |tx, (tenant, webhook, id)| {
                Box::pin(find_delivery(tx, *tenant, *webhook, *id))
            })
            .await
    }

    async fn deliveries(
        &self,
        scope: &TenantScope,
        webhook: WebhookId,
        page: PageRequest,
    ) -> Result<Page<Delivery>> {
        let cursor = store_rules::cursor::<DeliveryId>("list deliveries", &page)?;
        let input = (scope.tenant(), webhook, cursor);
        let items =
            self.database.read("list deliveries", input, |tx, (tenant, webhook, cursor)| {
                Box::pin(list_deliveries(tx, *tenant, *webhook, *cursor))
            });
        Ok(store_rules::page(items.await?, cursor.limit, |delivery| delivery.id))
    }

    async fn replay(
        &self,
        scope: &TenantScope,
        webhook: WebhookId,
        id: DeliveryId,
        at: Timestamp,
    ) -> Result<Delivery> {
        let input = (scope.tenant(), webhook, id, at);
        self.database
            .write("replay delivery", input, |tx, (tenant, webhook, id, at)| {
                Box::pin(replay(tx, *tenant, *webhook, *id, *at))
            })
            .await
    }

    async fn resume(&self, scope: &TenantScope, limit: usize) -> Result<usize> {
        let input = (scope.tenant(), limit);
        self.database
            .write("resume deliveries", input, |tx, (tenant, limit)| {
                Box::pin(resume(tx, *tenant, *limit))
            })
            .await
    }

    async fn prune_deliveries(
        &self,
        scope: &TenantScope,
        before: Timestamp,
        limit: usize,
    ) -> Result<usize> {
        let input = (scope.tenant(), before, limit);
        self.database
            .write("prune deliveries", input, |tx, (tenant, before, limit)| {
                Box::pin(async move {
                    let limit = sql::limit(*limit);
                    let values = values![tenant.as_bytes(), before.as_millis(), limit];
                    tx.execute(statement::PRUNE, values).await
                })
            })
            .await
    }
}

/// The enabled webhooks that want to know of an event; they stay until the transaction ends.
pub(super) async fn wanting(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    kind: EventType,
) -> Result<Vec<WebhookId>> {
    let read = |row: &Row<'_>| {
        let events: BTreeSet<EventType> = row.json(1)?;
        Ok(events.contains(&kind).then_some(row.id(0, WebhookId::from_u128)?))
    };
    let values = values![tenant.as_bytes()];
    let all = tx.all_locked(Lock::Keep, statement::ENABLED, values, read).await?;
    Ok(all.into_iter().flatten().collect())
}

/// Stores an event for webhooks, with the jobs that send it.
pub(super) async fn tell(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    event: &Event,
    webhooks: &[WebhookId],
) -> Result<()> {
    for webhook in webhooks {
        add(tx, tenant, &event.delivery(*webhook)).await?;
    }
    Ok(())
}

/// Stores what an attempt made, but for its next job, which follows from the job's end.
pub(crate) async fn attempted(tx: &mut Tx<'_>, tenant: TenantId, made: &Attempted) -> Result<()> {
    let Attempted { delivery, health, .. } = made;
    // From the top down, as a deletion takes its rows.
    let lock = if *health == Health::Unchanged { Lock::Keep } else { Lock::Change };
    let webhook = find_locked(tx, tenant, delivery.webhook, lock).await?;
    if *health != Health::Unchanged {
        update(tx, tenant, &rules::after(webhook, *health, delivery.updated_at)).await?;
    }
    update_delivery(tx, tenant, delivery).await
}

async fn create(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    webhook: &Webhook,
    secret: &SigningSecret,
) -> Result<()> {
    rules::check_count(tx.operation, list(tx, tenant).await?.len())?;
    let changed = tx
        .execute(
            statement::INSERT,
            values![
                tenant.as_bytes(),
                webhook.id.as_bytes(),
                webhook.url,
                webhook.description,
                json(tx.operation, &webhook.events)?,
                webhook.enabled,
                disabled(tx, webhook)?,
                webhook.failing_since.map(Timestamp::as_millis),
                webhook.created_at.as_millis(),
                webhook.updated_at.as_millis(),
                secret.expose(),
            ],
        )
        .await?;
    if changed == 1 {
        return Ok(());
    }
    Err(Error::new(ErrorKind::AlreadyExists, tx.operation).with("what", "webhook"))
}

async fn find(tx: &mut Tx<'_>, tenant: TenantId, id: WebhookId) -> Result<Webhook> {
    let found = tx.one(statement::SELECT, values![tenant.as_bytes(), id.as_bytes()], read).await?;
    found.ok_or_else(|| Error::not_found(tx.operation, "webhook"))
}

async fn find_locked(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    id: WebhookId,
    lock: Lock,
) -> Result<Webhook> {
    let values = values![tenant.as_bytes(), id.as_bytes()];
    let found = tx.one_locked(lock, statement::SELECT, values, read).await?;
    found.ok_or_else(|| Error::not_found(tx.operation, "webhook"))
}

async fn list(tx: &mut Tx<'_>, tenant: TenantId) -> Result<Vec<Webhook>> {
    tx.all(statement::LIST, values![tenant.as_bytes()], read).await
}

async fn update(tx: &mut Tx<'_>, tenant: TenantId, webhook: &Webhook) -> Result<()> {
    let changed = tx
        .execute(
            statement::UPDATE,
            values![
                webhook.url,
                webhook.description,
                json(tx.operation, &webhook.events)?,
                webhook.enabled,
                disabled(tx, webhook)?,
                webhook.failing_since.map(Timestamp::as_millis),
                webhook.updated_at.as_millis(),
                tenant.as_bytes(),
                webhook.id.as_bytes(),
            ],
        )
        .await?;
    found(tx, changed, "webhook")
}

fn disabled(tx: &Tx<'_>, webhook: &Webhook) -> Result<Option<String>> {
    webhook.disabled.map(|why| name(tx.operation, why)).transpose()
}

async fn secrets(tx: &mut Tx<'_>, tenant: TenantId, id: WebhookId) -> Result<SigningSecrets> {
    let read = |row: &Row<'_>| {
        let secret = |column| row.get::<Option<String>>(column);
        Ok((secret(0)?, secret(1)?, row.get::<Option<Timestamp>>(2)?))
    };
    let found = tx.one(statement::SECRETS, values![tenant.as_bytes(), id.as_bytes()], read).await?;
    let (current, previous, until) =
        found.ok_or_else(|| Error::not_found(tx.operation, "webhook"))?;
    let parse = |text: String| SigningSecret::parse(Secret::new(text));
    let current = parse(current.unwrap_or_default())?;
    let previous = match previous.zip(until) {
        Some((secret, until)) => Some(Previous { secret: parse(secret)?, until }),
        None => None,
    };
    Ok(SigningSecrets { current, previous })
}

/// Stores a delivery and its job, unless the same was stored before.
async fn add(tx: &mut Tx<'_>, tenant: TenantId, delivery: &Delivery) -> Result<()> {
    let changed = tx
        .execute(
            statement::INSERT_DELIVERY,
            values![
                tenant.as_bytes(),
                delivery.id.as_bytes(),
                delivery.webhook.as_bytes(),
                name(tx.operation, delivery.event)?,
                delivery.body,
                name(tx.operation, delivery.state)?,
                json(tx.operation, &delivery.attempts)?,
                delivery.tried,
                delivery.job.as_bytes(),
                delivery.created_at.as_millis(),
                delivery.updated_at.as_millis(),
            ],
        )
        .await?;
    if changed == 1 {
        store_jobs(tx, tenant, &[delivery.job_after(Duration::ZERO)]).await?;
    }
    Ok(())
}

async fn find_delivery(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    webhook: WebhookId,
    id: DeliveryId,
) -> Result<Delivery> {
    let values = values![tenant.as_bytes(), webhook.as_bytes(), id.as_bytes()];
    let found = tx.one(statement::SELECT_DELIVERY, values, read_delivery).await?;
    found.ok_or_else(|| Error::not_found(tx.operation, "delivery"))
}

async fn list_deliveries(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    webhook: WebhookId,
    cursor: Cursor<DeliveryId>,
) -> Result<Vec<Delivery>> {
    find(tx, tenant, webhook).await?;
    let before = cursor.after.map_or(AFTER_ALL, |id| *id.as_bytes());
    let limit = sql::limit(cursor.limit + 1);
    let values = values![tenant.as_bytes(), webhook.as_bytes(), before, limit];
    tx.all(statement::LIST_DELIVERIES, values, read_delivery).await
}

async fn update_delivery(tx: &mut Tx<'_>, tenant: TenantId, delivery: &Delivery) -> Result<()> {
    let changed = tx
        .execute(
            statement::UPDATE_DELIVERY,
            values![
                name(tx.operation, delivery.state)?,
                json(tx.operation, &delivery.attempts)?,
                delivery.tried,
                delivery.job.as_bytes(),
                delivery.updated_at.as_millis(),
                tenant.as_bytes(),
                delivery.id.as_bytes(),
            ],
        )
        .await?;
    found(tx, changed, "delivery")
}

async fn replay(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    webhook: WebhookId,
    id: DeliveryId,
    at: Timestamp,
) -> Result<Delivery> {
    let webhook = find_locked(tx, tenant, webhook, Lock::Keep).await?;
    let values = values![tenant.as_bytes(), webhook.id.as_bytes(), id.as_bytes()];
    let found =
        tx.one_locked(Lock::Change, statement::SELECT_DELIVERY, values, read_delivery).await?;
    let delivery = found.ok_or_else(|| Error::not_found(tx.operation, "delivery"))?;
    let delivery = rules::replayed(tx.operation, &webhook, delivery, at)?;
    update_delivery(tx, tenant, &delivery).await?;
    store_jobs(tx, tenant, &[delivery.job_after(Duration::ZERO)]).await?;
    Ok(delivery)
}

async fn resume(tx: &mut Tx<'_>, tenant: TenantId, limit: usize) -> Result<usize> {
    let values = values![tenant.as_bytes(), sql::limit(limit)];
    let orphaned = tx.all_locked(Lock::Skip, statement::ORPHANED, values, read_delivery).await?;
    for delivery in &orphaned {
        let delivery = Delivery { job: JobId::new(), ..delivery.clone() };
        update_delivery(tx, tenant, &delivery).await?;
        store_jobs(tx, tenant, &[delivery.job_after(Duration::ZERO)]).await?;
    }
    Ok(orphaned.len())
}

fn read(row: &Row<'_>) -> Result<Webhook> {
    let disabled: Option<&str> = row.get(5)?;
    Ok(Webhook {
        id: row.id(0, WebhookId::from_u128)?,
        url: row.get(1)?,
        description: row.get(2)?,
        events: row.json(3)?,
        enabled: row.get(4)?,
        disabled: if disabled.is_some() { Some(row.name(5)?) } else { None },
        failing_since: row.get(6)?,
        created_at: row.get(7)?,
        updated_at: row.get(8)?,
    })
}

fn read_delivery(row: &Row<'_>) -> Result<Delivery> {
    Ok(Delivery {
        id: row.id(0, DeliveryId::from_u128)?,
        webhook: row.id(1, WebhookId::from_u128)?,
        event: row.name(2)?,
        body: row.get(3)?,
        state: row.name(4)?,
        attempts: row.json(5)?,
        tried: row.get(6)?,
        job: row.id(7, JobId::from_u128)?,
        created_at: row.get(8)?,
        updated_at: row.get(9)?,
    })
}

fn found(tx: &Tx<'_>, changed: usize, what: &'static str) -> Result<()> {
    if changed == 0 { Err(Error::not_found(tx.operation, what)) } else { Ok(()) }
}
