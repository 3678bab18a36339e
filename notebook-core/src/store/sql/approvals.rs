use async_trait::async_trait;

use super::{SqlStore, statement::approvals as statement};
use crate::{
    Error, Result, RunId, TenantId, TenantScope, UserId,
    approval::{Answer, Approval, ApprovalId, ApprovalStore, NewApproval, rules},
    sql::{Lock, Row, Tx, codec::name, values},
};

const ASK: &str = "ask for approval";
const FIND: &str = "find approval";
const DECIDE: &str = "decide approval";

#[async_trait]
impl ApprovalStore for SqlStore {
    async fn ask(&self, scope: &TenantScope, new: NewApproval) -> Result<Approval> {
        rules::check(ASK, &new)?;
        self.database
            .write(scope, ASK, (scope.tenant(), new), |tx, (tenant, new)| {
                Box::pin(ask(tx, *tenant, new.clone()))
            })
            .await
    }

    async fn approval(&self, scope: &TenantScope, id: ApprovalId) -> Result<Approval> {
        self.database
            .read(scope, FIND, (scope.tenant(), id), |tx, (tenant, id)| {
                Box::pin(async move {
                    let values = values![tenant.as_bytes(), id.as_bytes()];
                    let found = tx.one(statement::GET, values, read).await?;
                    let found = found.ok_or_else(|| Error::not_found(FIND, "approval"))?;
                    Ok(rules::at(found, tx.now().await?))
                })
            })
            .await
    }

    async fn approvals(&self, scope: &TenantScope, run: RunId) -> Result<Vec<Approval>> {
        self.database
            .read(scope, "list approvals", (scope.tenant(), run), |tx, (tenant, run)| {
                Box::pin(async move {
                    let values = values![tenant.as_bytes(), run.as_bytes()];
                    let found = tx.all(statement::LIST, values, read).await?;
                    let now = tx.now().await?;
                    Ok(found.into_iter().map(|found| rules::at(found, now)).collect())
                })
            })
            .await
    }

    async fn decide(
        &self,
        scope: &TenantScope,
        id: ApprovalId,
        answer: Answer,
    ) -> Result<Approval> {
        rules::check_answer(DECIDE, &answer)?;
        self.database
            .write(scope, DECIDE, (scope.tenant(), id, answer), |tx, (tenant, id, answer)| {
                Box::pin(decide(tx, *tenant, *id, answer.clone()))
            })
            .await
    }
}

async fn ask(tx: &mut Tx<'_>, tenant: TenantId, new: NewApproval) -> Result<Approval> {
    let now = tx.now().await?;
    let wakes = new.wakes.clone();
    let asked = rules::asked(new, now);
    let key = values![tenant.as_bytes(), asked.run.as_bytes()];
    let id = |row: &Row<'_>| row.id(0, RunId::from_u128);
    if tx.one_locked(Lock::Keep, statement::RUN, key, id).await?.is_none() {
        return Err(Error::not_found(ASK, "run"));
    }
    let state = name(ASK, asked.state)?;
    let decided_by: Option<&[u8; 16]> = None;
    let decided_at: Option<i64> = None;
    let values = values![
        tenant.as_bytes(),
        wakes,
        asked.id.as_bytes(),
        asked.run.as_bytes(),
        asked.call,
        asked.tool,
        asked.arguments,
        asked.digest,
        asked.reason,
        state,
        asked.asked_at.as_millis(),
        asked.expires_at.as_millis(),
        decided_at,
        decided_by,
        asked.note,
    ];
    if tx.execute(statement::INSERT, values).await? == 1 {
        return Ok(rules::at(asked, now));
    }
    let key = values![tenant.as_bytes(), asked.run.as_bytes(), asked.call];
    let stored = tx.one(statement::BY_CALL, key, read).await?;
    let stored = stored.ok_or_else(|| Error::not_found(ASK, "run"))?;
    Ok(rules::at(rules::again(ASK, stored, &asked.digest)?, now))
}

async fn decide(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    id: ApprovalId,
    answer: Answer,
) -> Result<Approval> {
    let key = values![tenant.as_bytes(), id.as_bytes()];
    let with_job = |row: &Row<'_>| Ok((read(row)?, row.get::<Option<String>>(13)?));
    let found = tx.one_locked(Lock::Change, statement::GET, key, with_job).await?;
    let (stored, wakes) = found.ok_or_else(|| Error::not_found(DECIDE, "approval"))?;
    let now = tx.now().await?;
    let (decided, is_new) = rules::decided(DECIDE, stored, answer, now)?;
    if !is_new {
        return Ok(decided);
    }
    let state = name(DECIDE, decided.state)?;
    let by = decided.decided_by.as_ref().map(UserId::as_bytes);
    let now = now.as_millis();
    let (tenant, run) = (tenant.as_bytes(), decided.run.as_bytes());
    let values = values![state, now, by, decided.note, tenant, run, decided.call];
    tx.execute(statement::DECIDE, values).await?;
    if let Some(key) = wakes {
        tx.execute(statement::WAKE, values![now, tenant, key]).await?;
    }
    Ok(decided)
}

fn read(row: &Row<'_>) -> Result<Approval> {
    Ok(Approval {
        id: row.id(0, ApprovalId::from_u128)?,
        run: row.id(1, RunId::from_u128)?,
        call: row.get(2)?,
        tool: row.get(3)?,
        arguments: row.get(4)?,
        digest: row.get(5)?,
        reason: row.get(6)?,
        state: row.name(7)?,
        asked_at: row.get(8)?,
        expires_at: row.get(9)?,
        decided_at: row.get(10)?,
        decided_by: row.optional_id(11, UserId::from_u128)?,
        note: row.get(12)?,
    })
}
