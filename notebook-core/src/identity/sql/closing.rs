//! Workspaces and users that go.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::{
    Now, SqlIdentity,
    accounts::{locked_user, log, read_workspace},
    statement,
    workspaces::{locked, locked_workspace, role_of, void_invitations},
};
use crate::{
    Error, ErrorKind, Result, TenantId, UserId,
    identity::{
        Closing, Workspace,
        audit::{Actor, INSTALLATION, NewEntry},
        rules,
    },
    sql::{Row, Tx, limit as sql_limit, values},
};

#[async_trait]
impl Closing for SqlIdentity {
    async fn close_workspace(&self, by: Actor, tenant: TenantId) -> Result<()> {
        self.write("close workspace", (by, tenant), |tx, (by, tenant), now| {
            Box::pin(async move {
                let workspace = locked_workspace(tx, *tenant).await?;
                rules::close(tx.operation, &workspace)?;
                close(tx, *tenant, *by, now).await
            })
        })
        .await
    }

    async fn closed_workspaces(
        &self,
        after: Option<TenantId>,
        limit: usize,
    ) -> Result<Vec<TenantId>> {
        self.read("list closed workspaces", (after, limit), |tx, (after, most), _| {
            Box::pin(async move {
                let after = after.map_or([0; 16], |id| *id.as_bytes());
                let id = |row: &Row<'_>| row.id(0, TenantId::from_u128);
                tx.all(statement::CLOSED_PAGE, values![after, sql_limit(*most)], id).await
            })
        })
        .await
    }

    async fn erase_workspace(&self, tenant: TenantId, receipt: NewEntry) -> Result<()> {
        let input = (tenant, receipt.checked()?);
        self.write("erase workspace", input, |tx, (tenant, receipt), now| {
            Box::pin(async move {
                let key = values![tenant.as_bytes()];
                if tx.execute(statement::ERASE_WORKSPACE, key).await? == 0 {
                    return Err(Error::not_found(tx.operation, "workspace"));
                }
                tx.execute(statement::ERASE_SESSIONS, key).await?;
                log(tx, INSTALLATION, now, receipt.clone()).await
            })
        })
        .await
    }

    async fn delete_user(&self, by: Actor, user: UserId) -> Result<Vec<TenantId>> {
        self.write("delete user", (by, user), |tx, (by, user), now| {
            Box::pin(delete_user(tx, *by, *user, now))
        })
        .await
    }
}

async fn close(tx: &mut Tx<'_>, tenant: TenantId, by: Actor, now: Now<'_>) -> Result<()> {
    let values = values![now.at.as_millis(), tenant.as_bytes()];
    tx.execute(statement::CLOSE_WORKSPACE, values).await?;
    tx.execute(statement::DELETE_INVITATIONS, values![tenant.as_bytes()]).await?;
    log(tx, tenant, now, NewEntry::new(by, "workspace.closed")).await
}

async fn delete_user(
    tx: &mut Tx<'_>,
    by: Actor,
    user: UserId,
    now: Now<'_>,
) -> Result<Vec<TenantId>> {
    // First the workspaces' rows and then the user's, as where members change. From then on nobody makes them a member.
    let mut found = BTreeMap::new();
    for tenant in places(tx, user).await? {
        found.insert(tenant, locked(tx, tenant).await?);
    }
    locked_user(tx, user).await?;
    let places = places(tx, user).await?;
    if places.iter().any(|tenant| !found.contains_key(tenant)) {
        return Err(Error::new(ErrorKind::Conflict, tx.operation)
            .with("fix", "try again: the user became a member of another workspace meanwhile"));
    }
    let mut closed = Vec::new();
    for tenant in places {
        let Some((workspace, admins)) = found.get(&tenant) else { continue };
        if goes_along(tx, workspace, admins, user).await? {
            close(tx, tenant, by, now).await?;
            closed.push(tenant);
        } else {
            let before = role_of(tx, tenant, user).await?;
            void_invitations(tx, tenant, user).await?;
            log(tx, tenant, now, rules::role_entry(by, user, before, None)).await?;
        }
    }
    tx.execute(statement::DELETE_USER, values![user.as_bytes()]).await?;
    log(tx, INSTALLATION, now, NewEntry::new(by, "user.deleted").about(user)).await?;
    Ok(closed)
}

async fn goes_along(
    tx: &mut Tx<'_>,
    workspace: &Workspace,
    admins: &[UserId],
    user: UserId,
) -> Result<bool> {
    let key = values![workspace.tenant.as_bytes()];
    let members = tx.one(statement::COUNT_MEMBERS, key, |row| row.get::<usize>(0)).await?;
    rules::goes_along(tx.operation, workspace, admins, members.unwrap_or(0), user)
}

async fn places(tx: &mut Tx<'_>, user: UserId) -> Result<Vec<TenantId>> {
    let tenant = |row: &Row<'_>| Ok(read_workspace(row)?.tenant);
    tx.all(statement::PLACES, values![user.as_bytes()], tenant).await
}
