//! Members and API keys as rows.

use async_trait::async_trait;

use super::{
    Now, SqlIdentity,
    accounts::{locked_user, log, read_workspace},
    statement,
};
use crate::{
    ApiKeyId, Error, ErrorKind, Result, TenantId, TenantScope, Timestamp, UserId,
    identity::{
        ApiKey, Member, Role, Workspace, Workspaces,
        audit::{Actor, NewEntry},
        rules,
    },
    sql::{
        Lock, Row, Tx,
        codec::{json, name},
        values,
    },
};

#[async_trait]
impl Workspaces for SqlIdentity {
    async fn workspace(&self, scope: &TenantScope) -> Result<Workspace> {
        self.read_in(scope, "read workspace", scope.tenant(), |tx, tenant, _| {
            Box::pin(async move {
                let key = values![tenant.as_bytes()];
                let found = tx.one(statement::WORKSPACE, key, read_workspace).await?;
                found.ok_or_else(|| Error::not_found(tx.operation, "workspace"))
            })
        })
        .await
    }

    async fn rename(&self, scope: &TenantScope, by: Actor, name: String) -> Result<()> {
        let name = rules::name("rename workspace", &name)?;
        self.write_in(
            scope,
            "rename workspace",
            (scope.tenant(), by, name),
            |tx, (tenant, by, name), now| {
                Box::pin(async move {
                    let values = values![*name, tenant.as_bytes()];
                    if tx.execute(statement::RENAME_WORKSPACE, values).await? == 0 {
                        return Err(Error::not_found(tx.operation, "workspace"));
                    }
                    log(tx, *tenant, now, NewEntry::new(*by, "workspace.renamed")).await
                })
            },
        )
        .await
    }

    async fn members(&self, scope: &TenantScope) -> Result<Vec<Member>> {
        self.read_in(scope, "list members", scope.tenant(), |tx, tenant, _| {
            Box::pin(async move {
                tx.all(statement::MEMBERS, values![tenant.as_bytes()], read_member).await
            })
        })
        .await
    }

    async fn set_role(
        &self,
        scope: &TenantScope,
        by: Actor,
        user: UserId,
        role: Role,
    ) -> Result<()> {
        let input = (scope.tenant(), by, user, role);
        // The user may not be a member yet: no tenant's rows show them.
        self.write("set role", input, |tx, (tenant, by, user, role), now| {
            Box::pin(set_role(tx, *tenant, *by, *user, *role, now))
        })
        .await
    }

    async fn remove_member(&self, scope: &TenantScope, by: Actor, user: UserId) -> Result<()> {
        let input = (scope.tenant(), by, user);
        self.write_in(scope, "remove member", input, |tx, (tenant, by, user), now| {
            Box::pin(remove_member(tx, *tenant, *by, *user, now))
        })
        .await
    }

    async fn create_key(&self, scope: &TenantScope, by: Actor, key: ApiKey) -> Result<()> {
        self.write_in(
            scope,
            "create API key",
            (scope.tenant(), by, key),
            |tx, (tenant, by, key), now| Box::pin(create_key(tx, *tenant, *by, key, now)),
        )
        .await
    }

    async fn keys(&self, scope: &TenantScope) -> Result<Vec<ApiKey>> {
        self.read_in(scope, "list API keys", scope.tenant(), |tx, tenant, _| {
            Box::pin(async move {
                let key = |row: &Row<'_>| Ok(read_key(row)?.1);
                tx.all(statement::KEYS, values![tenant.as_bytes()], key).await
            })
        })
        .await
    }

    async fn revoke_key(&self, scope: &TenantScope, by: Actor, id: ApiKeyId) -> Result<()> {
        self.write_in(
            scope,
            "revoke API key",
            (scope.tenant(), by, id),
            |tx, (tenant, by, id), now| {
                Box::pin(async move {
                    let key = values![tenant.as_bytes(), id.as_bytes()];
                    let found = tx.one_locked(Lock::Change, statement::KEY, key, read_key).await?;
                    let Some((_, key)) = found else {
                        return Err(Error::not_found(tx.operation, "API key"));
                    };
                    if key.revoked_at.is_some() {
                        return Ok(());
                    }
                    let values = values![now.at.as_millis(), tenant.as_bytes(), id.as_bytes()];
                    tx.execute(statement::REVOKE_KEY, values).await?;
                    log(tx, *tenant, now, NewEntry::new(*by, "api_key.revoked").about(id)).await
                })
            },
        )
        .await
    }
}

/// The workspace with its admins; nobody else changes members until the transaction ends.
pub(super) async fn locked(tx: &mut Tx<'_>, tenant: TenantId) -> Result<(Workspace, Vec<UserId>)> {
    let key = values![tenant.as_bytes()];
    let workspace = locked_workspace(tx, tenant).await?;
    let admins = tx.all(statement::ADMINS, key, |row| row.id(0, UserId::from_u128)).await?;
    Ok((workspace, admins))
}

/// The workspace; the row is locked until the transaction ends.
pub(super) async fn locked_workspace(tx: &mut Tx<'_>, tenant: TenantId) -> Result<Workspace> {
    let key = values![tenant.as_bytes()];
    let found = tx.one_locked(Lock::Change, statement::WORKSPACE, key, read_workspace).await?;
    found.ok_or_else(|| Error::not_found(tx.operation, "workspace"))
}

pub(super) async fn role_of(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    user: UserId,
) -> Result<Option<Role>> {
    let key = values![tenant.as_bytes(), user.as_bytes()];
    tx.one(statement::ROLE, key, |row| row.name(0)).await
}

async fn set_role(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    by: Actor,
    user: UserId,
    role: Role,
    now: Now<'_>,
) -> Result<()> {
    let (workspace, admins) = locked(tx, tenant).await?;
    locked_user(tx, user).await?;
    rules::change_role(tx.operation, &workspace, &admins, user, Some(role))?;
    let before = role_of(tx, tenant, user).await?;
    let to = name(tx.operation, role)?;
    if before.is_some() {
        let values = values![to, tenant.as_bytes(), user.as_bytes()];
        tx.execute(statement::SET_ROLE, values).await?;
        if role != Role::Admin {
            void_invitations(tx, tenant, user).await?;
        }
    } else {
        let values = values![tenant.as_bytes(), user.as_bytes(), to, now.at.as_millis()];
        tx.execute(statement::INSERT_MEMBER, values).await?;
    }
    log(tx, tenant, now, rules::role_entry(by, user, before, Some(role))).await
}

async fn remove_member(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    by: Actor,
    user: UserId,
    now: Now<'_>,
) -> Result<()> {
    let (workspace, admins) = locked(tx, tenant).await?;
    let Some(before) = role_of(tx, tenant, user).await? else {
        return Err(Error::not_found(tx.operation, "member"));
    };
    rules::change_role(tx.operation, &workspace, &admins, user, None)?;
    tx.execute(statement::DELETE_MEMBER, values![tenant.as_bytes(), user.as_bytes()]).await?;
    void_invitations(tx, tenant, user).await?;
    log(tx, tenant, now, rules::role_entry(by, user, Some(before), None)).await
}

/// Those that a user made here are void: they must not be a way back in.
pub(super) async fn void_invitations(tx: &mut Tx<'_>, tenant: TenantId, by: UserId) -> Result<()> {
    let values = values![tenant.as_bytes(), by.as_bytes()];
    tx.execute(statement::VOID_INVITATIONS, values).await.map(drop)
}

async fn create_key(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    by: Actor,
    key: &ApiKey,
    now: Now<'_>,
) -> Result<()> {
    if role_of(tx, tenant, key.user).await?.is_none() {
        return Err(Error::not_found(tx.operation, "member"));
    }
    let scopes = json(tx.operation, &key.scopes)?;
    let values = values![
        tenant.as_bytes(),
        key.id.as_bytes(),
        key.user.as_bytes(),
        key.name,
        key.prefix,
        key.hash,
        scopes,
        now.at.as_millis(),
        key.expires_at.map(Timestamp::as_millis),
    ];
    if tx.execute(statement::INSERT_KEY, values).await? == 0 {
        return Err(Error::new(ErrorKind::AlreadyExists, tx.operation));
    }
    log(tx, tenant, now, rules::key_entry(by, key)).await
}

fn read_member(row: &Row<'_>) -> Result<Member> {
    Ok(Member {
        user: row.id(0, UserId::from_u128)?,
        email: row.get(1)?,
        name: row.get(2)?,
        role: row.name(3)?,
        since: row.get(4)?,
    })
}

pub(super) fn read_key(row: &Row<'_>) -> Result<(TenantId, ApiKey)> {
    let key = ApiKey {
        id: row.id(1, ApiKeyId::from_u128)?,
        user: row.id(2, UserId::from_u128)?,
        name: row.get(3)?,
        prefix: row.get(4)?,
        hash: row.get(5)?,
        scopes: row.json(6)?,
        created_at: row.get(7)?,
        expires_at: row.get(8)?,
        last_used_at: row.get(9)?,
        revoked_at: row.get(10)?,
    };
    Ok((row.id(0, TenantId::from_u128)?, key))
}
