mod deliveries;

use std::collections::BTreeSet;

use async_trait::async_trait;

pub(crate) use deliveries::attempted;
pub(super) use deliveries::tell;

use super::{SqlStore, statement::webhooks as statement};
use crate::{
    DeliveryId, Error, ErrorKind, Result, Secret, TenantId, TenantScope, Timestamp, WebhookId,
    model::{Page, PageRequest},
    sql::{
        self, Lock, Row, Tx,
        codec::{json, name},
        values,
    },
    store::rules as store_rules,
    webhook::{
        Delivery, Event, EventType, Previous, SigningSecret, SigningSecrets, Webhook,
        WebhookChange, WebhookStore, rules,
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
            .write(scope, "create webhook", input, |tx, (tenant, webhook, secret)| {
                Box::pin(create(tx, *tenant, webhook, secret))
            })
            .await
    }

    async fn webhook(&self, scope: &TenantScope, id: WebhookId) -> Result<Webhook> {
        let input = (scope.tenant(), id);
        self.database
            .read(scope, "read webhook", input, |tx, (tenant, id)| Box::pin(find(tx, *tenant, *id)))
            .await
    }

    async fn webhooks(&self, scope: &TenantScope) -> Result<Vec<Webhook>> {
        self.database
            .read(scope, "list webhooks", scope.tenant(), |tx, tenant| Box::pin(list(tx, *tenant)))
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
            .write(scope, "change webhook", input, |tx, (tenant, id, change, at)| {
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
            .write(scope, "delete webhook", input, |tx, (tenant, id)| {
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
            .read(scope, "read secrets", input, |tx, (tenant, id)| {
                Box::pin(secrets(tx, *tenant, *id))
            })
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
            .write(scope, "rotate secret", input, |tx, (tenant, id, secret, at, until)| {
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
            .write(scope, "send event", input, |tx, (tenant, id, event)| {
                Box::pin(async move {
                    let webhook = find_locked(tx, *tenant, *id, Lock::Keep).await?;
                    rules::check_enabled(tx.operation, &webhook)?;
                    let delivery = event.delivery(*id);
                    deliveries::add(tx, *tenant, &delivery).await?;
                    deliveries::find(tx, *tenant, *id, delivery.id).await
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
            .read(scope, "read delivery", input, |tx, (tenant, webhook, id)| {
                Box::pin(deliveries::find(tx, *tenant, *webhook, *id))
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
            self.database.read(scope, "list deliveries", input, |tx, (tenant, webhook, cursor)| {
                Box::pin(deliveries::list(tx, *tenant, *webhook, *cursor))
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
            .write(scope, "replay delivery", input, |tx, (tenant, webhook, id, at)| {
                Box::pin(deliveries::replay(tx, *tenant, *webhook, *id, *at))
            })
            .await
    }

    async fn resume(&self, scope: &TenantScope, limit: usize) -> Result<usize> {
        let input = (scope.tenant(), limit);
        self.database
            .write(scope, "resume deliveries", input, |tx, (tenant, limit)| {
                Box::pin(deliveries::resume(tx, *tenant, *limit))
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
            .write(scope, "prune deliveries", input, |tx, (tenant, before, limit)| {
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

fn found(tx: &Tx<'_>, changed: usize, what: &'static str) -> Result<()> {
    if changed == 0 { Err(Error::not_found(tx.operation, what)) } else { Ok(()) }
}
