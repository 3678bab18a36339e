//! The chains as rows.

use async_trait::async_trait;

use super::{Now, SqlIdentity, statement};
use crate::{
    ApiKeyId, Result, TenantId, TenantScope, UserId,
    identity::audit::{Actor, AuditLog, Entry, Head, NewEntry, chained},
    sql::{
        Lock, Row, Tx,
        codec::{name, number},
        corrupt, limit, values,
    },
};

#[async_trait]
impl AuditLog for SqlIdentity {
    async fn append(&self, scope: &TenantScope, entries: Vec<NewEntry>) -> Result<Head> {
        let entries = entries.into_iter().map(NewEntry::checked).collect::<Result<Vec<_>>>()?;
        self.write_in(scope, "log", (scope.tenant(), entries), |tx, (tenant, entries), now| {
            Box::pin(append(tx, *tenant, now, entries))
        })
        .await
    }

    async fn entries(&self, scope: &TenantScope, after: u64, limit: usize) -> Result<Vec<Entry>> {
        self.read_in(
            scope,
            "read log",
            (scope.tenant(), after, limit),
            |tx, (tenant, after, most), _| {
                Box::pin(async move {
                    let after = i64::try_from(*after).unwrap_or(i64::MAX);
                    let values = values![tenant.as_bytes(), after, crate::sql::limit(*most)];
                    tx.all(statement::ENTRIES, values, read).await
                })
            },
        )
        .await
    }

    async fn newest(
        &self,
        scope: &TenantScope,
        before: Option<u64>,
        most: usize,
    ) -> Result<Vec<Entry>> {
        let before = before.unwrap_or(u64::MAX);
        self.read_in(
            scope,
            "read log",
            (scope.tenant(), before, most),
            |tx, (tenant, before, most), _| {
                Box::pin(async move {
                    let before = i64::try_from(*before).unwrap_or(i64::MAX);
                    let values = values![tenant.as_bytes(), before, limit(*most)];
                    tx.all(statement::NEWEST_ENTRIES, values, read).await
                })
            },
        )
        .await
    }

    async fn head(&self, scope: &TenantScope) -> Result<Head> {
        self.read_in(scope, "read log", scope.tenant(), |tx, tenant, _| {
            Box::pin(async move {
                let found = tx.one(statement::CHAIN, values![tenant.as_bytes()], read_head).await?;
                Ok(found.unwrap_or_default())
            })
        })
        .await
    }
}

/// Adds entries whose fields are within their bounds. Others who add to the chain wait until the transaction ends: so
/// this is the last that it does.
pub(super) async fn append(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    now: Now<'_>,
    entries: &[NewEntry],
) -> Result<Head> {
    let operation = tx.operation;
    let mut head = lock(tx, tenant).await?;
    for what in entries {
        let entry = chained(tenant, head, now.at, what.clone(), now.keys);
        let (kind, id): (&str, Option<&[u8; 16]>) = match &what.actor {
            Actor::Unknown => ("unknown", None),
            Actor::System => ("system", None),
            Actor::User(id) => ("user", Some(id.as_bytes())),
            Actor::Key(id) => ("key", Some(id.as_bytes())),
        };
        let severity = name(operation, what.severity)?;
        let values = values![
            tenant.as_bytes(),
            number(operation, "seq", entry.seq)?,
            now.at.as_millis(),
            kind,
            id,
            what.action,
            what.target,
            severity,
            what.detail,
            entry.hash,
        ];
        tx.execute(statement::INSERT_ENTRY, values).await?;
        head = Head { seq: entry.seq, hash: entry.hash };
    }
    let values = values![number(operation, "seq", head.seq)?, head.hash, tenant.as_bytes()];
    tx.execute(statement::UPDATE_CHAIN, values).await?;
    Ok(head)
}

async fn lock(tx: &mut Tx<'_>, tenant: TenantId) -> Result<Head> {
    let key = values![tenant.as_bytes()];
    if let Some(head) = tx.one_locked(Lock::Change, statement::CHAIN, key, read_head).await? {
        return Ok(head);
    }
    let new = Head::default();
    tx.execute(statement::INSERT_CHAIN, values![tenant.as_bytes(), 0_i64, new.hash]).await?;
    let head = tx.one_locked(Lock::Change, statement::CHAIN, key, read_head).await?;
    head.ok_or_else(|| corrupt(tx.operation, 0))
}

fn read_head(row: &Row<'_>) -> Result<Head> {
    Ok(Head { seq: row.get(0)?, hash: row.get(1)? })
}

fn read(row: &Row<'_>) -> Result<Entry> {
    let actor = match row.get::<&str>(2)? {
        "unknown" => Actor::Unknown,
        "system" => Actor::System,
        "user" => Actor::User(row.id(3, UserId::from_u128)?),
        "key" => Actor::Key(row.id(3, ApiKeyId::from_u128)?),
        _ => return Err(corrupt("read log", 2)),
    };
    Ok(Entry {
        seq: row.get(0)?,
        at: row.get(1)?,
        what: NewEntry {
            actor,
            action: row.get(4)?,
            target: row.get(5)?,
            severity: row.name(6)?,
            detail: row.get(7)?,
        },
        hash: row.get(8)?,
    })
}
