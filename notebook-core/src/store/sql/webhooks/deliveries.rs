//! The rows of deliveries, each stored together with the job that sends it.

use std::time::Duration;

use super::statement;
use crate::{
    DeliveryId, Error, JobId, Result, TenantId, Timestamp, WebhookId,
    queue::sql::store_job,
    sql::{
        self, AFTER_ALL, Lock, Row, Tx,
        codec::{json, name},
        values,
    },
    store::rules::Cursor,
    webhook::{
        Delivery, Event,
        rules::{self, Attempted, Health},
    },
};

/// Stores an event for webhooks, with the jobs that send it.
pub(in crate::store::sql) async fn tell(
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
    let webhook = super::find_locked(tx, tenant, delivery.webhook, lock).await?;
    if *health != Health::Unchanged {
        super::update(tx, tenant, &rules::after(webhook, made)).await?;
    }
    update(tx, tenant, delivery).await
}

/// Stores a delivery and its job, unless the same was stored before.
pub(super) async fn add(tx: &mut Tx<'_>, tenant: TenantId, delivery: &Delivery) -> Result<()> {
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
        store_job(tx, tenant, delivery.job_after(Duration::ZERO)).await?;
    }
    Ok(())
}

pub(super) async fn find(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    webhook: WebhookId,
    id: DeliveryId,
) -> Result<Delivery> {
    let values = values![tenant.as_bytes(), webhook.as_bytes(), id.as_bytes()];
    let found = tx.one(statement::SELECT_DELIVERY, values, read).await?;
    found.ok_or_else(|| Error::not_found(tx.operation, "delivery"))
}

pub(super) async fn list(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    webhook: WebhookId,
    cursor: Cursor<DeliveryId>,
) -> Result<Vec<Delivery>> {
    super::find(tx, tenant, webhook).await?;
    let before = cursor.after.map_or(AFTER_ALL, |id| *id.as_bytes());
    let limit = sql::limit(cursor.limit + 1);
    let values = values![tenant.as_bytes(), webhook.as_bytes(), before, limit];
    tx.all(statement::LIST_DELIVERIES, values, read).await
}

async fn update(tx: &mut Tx<'_>, tenant: TenantId, delivery: &Delivery) -> Result<()> {
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
    super::found(tx, changed, "delivery")
}

pub(super) async fn replay(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    webhook: WebhookId,
    id: DeliveryId,
    at: Timestamp,
) -> Result<Delivery> {
    let webhook = super::find_locked(tx, tenant, webhook, Lock::Keep).await?;
    let values = values![tenant.as_bytes(), webhook.id.as_bytes(), id.as_bytes()];
    let found = tx.one_locked(Lock::Change, statement::SELECT_DELIVERY, values, read).await?;
    let delivery = found.ok_or_else(|| Error::not_found(tx.operation, "delivery"))?;
    let delivery = rules::replayed(tx.operation, &webhook, delivery, at)?;
    update(tx, tenant, &delivery).await?;
    store_job(tx, tenant, delivery.job_after(Duration::ZERO)).await?;
    Ok(delivery)
}

pub(super) async fn resume(tx: &mut Tx<'_>, tenant: TenantId, limit: usize) -> Result<usize> {
    let values = values![tenant.as_bytes(), sql::limit(limit)];
    let orphaned = tx.all_locked(Lock::Skip, statement::ORPHANED, values, read).await?;
    for delivery in &orphaned {
        let delivery = Delivery { job: JobId::new(), ..delivery.clone() };
        update(tx, tenant, &delivery).await?;
        store_job(tx, tenant, delivery.job_after(Duration::ZERO)).await?;
    }
    Ok(orphaned.len())
}

fn read(row: &Row<'_>) -> Result<Delivery> {
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
