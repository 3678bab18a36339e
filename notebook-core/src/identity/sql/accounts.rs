//! Users and workspaces as rows.

use async_trait::async_trait;

use super::{
    Now, SqlIdentity,
    audit::append,
    passwords::{put_reset, read_reset, set_password, use_reset},
    statement,
    workspaces::read_key,
};
use crate::{
    ApiKeyId, Error, ErrorKind, Result, TenantId, Timestamp, UserId,
    identity::{
        Accounts, KeyHolder, NewUser, Place, Reset, Role, SetPassword, Standing, User, Workspace,
        WorkspaceKind,
        audit::{Actor, INSTALLATION, NewEntry},
        rules,
    },
    sql::{Lock, Row, Tx, codec::name, limit as sql_limit, values},
};

#[async_trait]
impl Accounts for SqlIdentity {
    async fn now(&self) -> Result<Timestamp> {
        self.read("read time", (), |_, (), now| Box::pin(async move { Ok(now) })).await
    }

    async fn create_user(&self, new: NewUser) -> Result<User> {
        self.write("create user", new, |tx, new, now| Box::pin(create_user(tx, new, now))).await
    }

    async fn user(&self, id: UserId) -> Result<User> {
        self.read("read user", id, |tx, id, _| {
            Box::pin(async move {
                let found = tx.one(statement::USER, values![id.as_bytes()], read_user).await?;
                found.ok_or_else(|| no_user(tx))
            })
        })
        .await
    }

    async fn user_by_email(&self, email: &str) -> Result<Option<User>> {
        self.read("read user", email.to_owned(), |tx, email, _| {
            Box::pin(
                async move { tx.one(statement::USER_BY_EMAIL, values![*email], read_user).await },
            )
        })
        .await
    }

    async fn users(&self, after: Option<UserId>, limit: usize) -> Result<Vec<User>> {
        self.read("list users", (after, limit), |tx, (after, most), _| {
            Box::pin(async move {
                let after = after.map_or([0; 16], |id| *id.as_bytes());
                tx.all(statement::USERS, values![after, sql_limit(*most)], read_user).await
            })
        })
        .await
    }

    async fn set_password(&self, change: SetPassword) -> Result<User> {
        self.write("set password", change, |tx, change, now| {
            Box::pin(set_password(tx, change, now))
        })
        .await
    }

    async fn set_user_active(&self, by: Actor, id: UserId, active: bool) -> Result<()> {
        self.write("switch user", (by, id, active), |tx, (by, id, active), now| {
            Box::pin(async move {
                let mut user = locked_user(tx, *id).await?;
                user.active = *active;
                update(tx, &user).await?;
                if !*active {
                    let of = values![id.as_bytes()];
                    tx.execute(statement::VOID_ALL_INVITATIONS, of).await?;
                }
                let action = if *active { "user.enabled" } else { "user.disabled" };
                log(tx, INSTALLATION, now, NewEntry::new(*by, action).about(id)).await
            })
        })
        .await
    }

    async fn put_reset(&self, reset: Reset) -> Result<bool> {
        self.write("keep reset token", reset, |tx, reset, now| Box::pin(put_reset(tx, reset, now)))
            .await
    }

    async fn reset(&self, hash: [u8; 32]) -> Result<Reset> {
        self.read("read reset token", hash, |tx, hash, now| {
            Box::pin(async move {
                let found = tx.one(statement::RESET, values![hash], read_reset).await?;
                let good = found.filter(|reset| now < reset.expires_at);
                good.ok_or_else(|| rules::no_reset(tx.operation))
            })
        })
        .await
    }

    async fn use_reset(&self, hash: [u8; 32], new_password: String) -> Result<UserId> {
        self.write("reset password", (hash, new_password), |tx, (hash, new_password), now| {
            Box::pin(use_reset(tx, hash, new_password, now))
        })
        .await
    }

    async fn create_workspace(&self, owner: UserId, workspace: Workspace) -> Result<()> {
        self.write("create workspace", (owner, workspace), |tx, (owner, workspace), now| {
            Box::pin(async move {
                rules::workspace_id(tx.operation, workspace.tenant)?;
                locked_user(tx, *owner).await?;
                if add_workspace(tx, *owner, workspace, now).await? {
                    return Ok(());
                }
                Err(Error::new(ErrorKind::AlreadyExists, tx.operation))
            })
        })
        .await
    }

    async fn places(&self, user: UserId) -> Result<Vec<Place>> {
        self.read("list workspaces", user, |tx, user, _| {
            Box::pin(async move {
                let place = |row: &Row<'_>| {
                    Ok(Place { workspace: read_workspace(row)?, role: row.name(5)? })
                };
                tx.all(statement::PLACES, values![user.as_bytes()], place).await
            })
        })
        .await
    }

    async fn tenants(&self, after: Option<TenantId>, limit: usize) -> Result<Vec<TenantId>> {
        self.read("list workspaces", (after, limit), |tx, (after, most), _| {
            Box::pin(async move {
                let after = after.map_or([0; 16], |id| *id.as_bytes());
                let id = |row: &Row<'_>| row.id(0, TenantId::from_u128);
                tx.all(statement::TENANTS_PAGE, values![after, sql_limit(*most)], id).await
            })
        })
        .await
    }

    async fn set_workspace_active(&self, by: Actor, tenant: TenantId, active: bool) -> Result<()> {
        self.write("switch workspace", (by, tenant, active), |tx, (by, tenant, active), now| {
            Box::pin(async move {
                let values = values![*active, tenant.as_bytes()];
                if tx.execute(statement::SET_WORKSPACE_ACTIVE, values).await? == 0 {
                    return Err(Error::not_found(tx.operation, "workspace"));
                }
                let action = if *active { "workspace.enabled" } else { "workspace.disabled" };
                log(tx, *tenant, now, NewEntry::new(*by, action)).await
            })
        })
        .await
    }

    async fn standing(&self, user: UserId, tenant: TenantId) -> Result<Standing> {
        self.read("read standing", (user, tenant), |tx, (user, tenant), _| {
            Box::pin(standing(tx, *user, *tenant))
        })
        .await
    }

    async fn key_holder(&self, hash: [u8; 32]) -> Result<Option<KeyHolder>> {
        self.read("read API key", hash, |tx, hash, now| {
            Box::pin(async move {
                let found = tx.one(statement::KEY_BY_HASH, values![hash], read_key).await?;
                let Some((tenant, key)) = found else { return Ok(None) };
                if !rules::key_is_good(&key, now) {
                    return Ok(None);
                }
                let standing = standing(tx, key.user, tenant).await?;
                Ok(Some(KeyHolder { key, tenant, standing, now }))
            })
        })
        .await
    }

    async fn key_used(&self, tenant: TenantId, id: ApiKeyId) -> Result<()> {
        self.write("note use of API key", (tenant, id), |tx, (tenant, id), now| {
            Box::pin(async move {
                let at = now.at.as_millis();
                let earlier = now.at.before(rules::KEY_USE_APART).as_millis();
                let values = values![at, tenant.as_bytes(), id.as_bytes(), earlier];
                tx.execute(statement::KEY_USED, values).await.map(drop)
            })
        })
        .await
    }

    async fn log(&self, tenant: Option<TenantId>, entry: NewEntry) -> Result<()> {
        let input = (tenant.unwrap_or(INSTALLATION), entry.checked()?);
        self.write("log", input, |tx, (tenant, entry), now| {
            Box::pin(log(tx, *tenant, now, entry.clone()))
        })
        .await
    }
}

/// Whether a user may act in a workspace.
pub(super) async fn standing(tx: &mut Tx<'_>, user: UserId, tenant: TenantId) -> Result<Standing> {
    let read = |row: &Row<'_>| {
        let (active, place): (bool, Option<bool>) = (row.get(0)?, row.get(2)?);
        let role = if row.get::<Option<&str>>(3)?.is_some() { row.name(3)? } else { Role::Viewer };
        Ok(Standing { active: active && place.unwrap_or(false), epoch: row.get(1)?, role })
    };
    let key = values![tenant.as_bytes(), user.as_bytes()];
    let found = tx.one(statement::STANDING, key, read).await?;
    Ok(found.unwrap_or(Standing { active: false, epoch: 0, role: Role::Viewer }))
}

/// The user; the row is locked until the transaction ends.
pub(super) async fn locked_user(tx: &mut Tx<'_>, id: UserId) -> Result<User> {
    let key = values![id.as_bytes()];
    let found = tx.one_locked(Lock::Change, statement::USER, key, read_user).await?;
    found.ok_or_else(|| no_user(tx))
}

pub(super) async fn log(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    now: Now<'_>,
    what: NewEntry,
) -> Result<()> {
    append(tx, tenant, now, &[what]).await.map(drop)
}

pub(super) async fn create_user(tx: &mut Tx<'_>, new: &NewUser, now: Now<'_>) -> Result<User> {
    rules::workspace_id(tx.operation, new.workspace)?;
    let user = User {
        id: new.id,
        email: new.email.clone(),
        name: new.name.clone(),
        password: new.password.clone(),
        active: true,
        epoch: 0,
        created_at: now.at,
    };
    let values = values![
        user.id.as_bytes(),
        user.email,
        user.name,
        user.password,
        user.active,
        user.epoch,
        now.at.as_millis(),
    ];
    let workspace = Workspace {
        tenant: new.workspace,
        kind: WorkspaceKind::Personal,
        name: new.name.clone(),
        active: true,
        created_at: now.at,
    };
    if tx.execute(statement::INSERT_USER, values).await? == 1
        && add_workspace(tx, user.id, &workspace, now).await?
    {
        log(tx, INSTALLATION, now, rules::user_entry(new)).await?;
        return Ok(user);
    }
    Err(Error::new(ErrorKind::AlreadyExists, tx.operation).with("field", "email"))
}

/// Says whether the id was free.
async fn add_workspace(
    tx: &mut Tx<'_>,
    owner: UserId,
    workspace: &Workspace,
    now: Now<'_>,
) -> Result<bool> {
    let tenant = workspace.tenant;
    let kind = name(tx.operation, workspace.kind)?;
    let values =
        values![tenant.as_bytes(), kind, workspace.name, workspace.active, now.at.as_millis()];
    if tx.execute(statement::INSERT_WORKSPACE, values).await? == 0 {
        return Ok(false);
    }
    let role = name(tx.operation, Role::Admin)?;
    let values = values![tenant.as_bytes(), owner.as_bytes(), role, now.at.as_millis()];
    tx.execute(statement::INSERT_MEMBER, values).await?;
    log(tx, tenant, now, NewEntry::new(Actor::User(owner), "workspace.created")).await?;
    Ok(true)
}

pub(super) async fn update(tx: &mut Tx<'_>, user: &User) -> Result<()> {
    let values = values![user.password, user.active, user.epoch, user.id.as_bytes()];
    tx.execute(statement::UPDATE_USER, values).await.map(drop)
}

pub(super) fn read_user(row: &Row<'_>) -> Result<User> {
    Ok(User {
        id: row.id(0, UserId::from_u128)?,
        email: row.get(1)?,
        name: row.get(2)?,
        password: row.get(3)?,
        active: row.get(4)?,
        epoch: row.get(5)?,
        created_at: row.get(6)?,
    })
}

pub(super) fn read_workspace(row: &Row<'_>) -> Result<Workspace> {
    Ok(Workspace {
        tenant: row.id(0, TenantId::from_u128)?,
        kind: row.name(1)?,
        name: row.get(2)?,
        active: row.get(3)?,
        created_at: row.get(4)?,
    })
}

fn no_user(tx: &Tx<'_>) -> Error {
    Error::not_found(tx.operation, "user")
}
