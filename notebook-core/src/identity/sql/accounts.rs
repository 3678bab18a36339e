//! Users and workspaces as rows.

use async_trait::async_trait;

use super::{SqlIdentity, audit::append, statement, workspaces::read_key};
use crate::{
    ApiKeyId, Error, ErrorKind, Result, TenantId, Timestamp, UserId,
    identity::{
        Accounts, KeyHolder, NewUser, Place, Reset, Role, SetPassword, Standing, User, Workspace,
        WorkspaceKind,
        audit::{Actor, INSTALLATION, NewEntry},
        rules,
    },
    sql::{Lock, Row, Tx, codec::name, values},
};

#[async_trait]
impl Accounts for SqlIdentity {
    async fn now(&self) -> Result<Timestamp> {
        self.read("read time", (), |_, (), now| Box::pin(async move { Ok(now) })).await
    }

    async fn create_user(&self, new: NewUser) -> Result<User> {
        self.write("create user", new, |tx, new, now| Box::pin(create_user(tx, new, now.at))).await
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

    async fn set_password(&self, change: SetPassword) -> Result<()> {
        self.write("set password", change, |tx, change, now| {
            Box::pin(set_password(tx, change, now.at))
        })
        .await
    }

    async fn set_user_active(&self, id: UserId, active: bool) -> Result<()> {
        self.write("switch user", (id, active), |tx, (id, active), now| {
            Box::pin(async move {
                let mut user = locked_user(tx, *id).await?;
                user.active = *active;
                update(tx, &user).await?;
                let action = if *active { "user.enabled" } else { "user.disabled" };
                log(tx, INSTALLATION, now.at, NewEntry::new(Actor::System, action).about(id)).await
            })
        })
        .await
    }

    async fn put_reset(&self, reset: Reset) -> Result<()> {
        self.write("keep reset token", reset, |tx, reset, now| {
            Box::pin(async move {
                let user = locked_user(tx, reset.user).await?.id;
                tx.execute(statement::DELETE_RESETS, values![user.as_bytes()]).await?;
                let ends = reset.expires_at.as_millis();
                let values = values![user.as_bytes(), reset.hash, ends];
                tx.execute(statement::INSERT_RESET, values).await?;
                let what = NewEntry::new(Actor::Unknown, "password.reset_requested").about(user);
                log(tx, INSTALLATION, now.at, what).await
            })
        })
        .await
    }

    async fn use_reset(&self, hash: [u8; 32], new_password: String) -> Result<UserId> {
        self.write("reset password", (hash, new_password), |tx, (hash, new_password), now| {
            Box::pin(use_reset(tx, hash, new_password, now.at))
        })
        .await
    }

    async fn create_workspace(&self, owner: UserId, workspace: Workspace) -> Result<()> {
        self.write("create workspace", (owner, workspace), |tx, (owner, workspace), now| {
            Box::pin(async move {
                locked_user(tx, *owner).await?;
                if add_workspace(tx, *owner, workspace, now.at).await? {
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

    async fn set_workspace_active(&self, tenant: TenantId, active: bool) -> Result<()> {
        self.write("switch workspace", (tenant, active), |tx, (tenant, active), now| {
            Box::pin(async move {
                let values = values![*active, tenant.as_bytes()];
                if tx.execute(statement::SET_WORKSPACE_ACTIVE, values).await? == 0 {
                    return Err(Error::not_found(tx.operation, "workspace"));
                }
                let action = if *active { "workspace.enabled" } else { "workspace.disabled" };
                log(tx, *tenant, now.at, NewEntry::new(Actor::System, action)).await
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
                Ok(Some(KeyHolder { key, tenant, standing }))
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
            Box::pin(log(tx, *tenant, now.at, entry.clone()))
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
    at: Timestamp,
    what: NewEntry,
) -> Result<()> {
    append(tx, tenant, at, &[what]).await.map(drop)
}

async fn create_user(tx: &mut Tx<'_>, new: &NewUser, at: Timestamp) -> Result<User> {
    let user = User {
        id: new.id,
        email: new.email.clone(),
        name: new.name.clone(),
        password: new.password.clone(),
        active: true,
        epoch: 0,
        created_at: at,
    };
    let values = values![
        user.id.as_bytes(),
        user.email,
        user.name,
        user.password,
        user.active,
        user.epoch,
        at.as_millis(),
    ];
    let workspace = Workspace {
        tenant: new.workspace,
        kind: WorkspaceKind::Personal,
        name: new.name.clone(),
        active: true,
        created_at: at,
    };
    if tx.execute(statement::INSERT_USER, values).await? == 1
        && add_workspace(tx, user.id, &workspace, at).await?
    {
        return Ok(user);
    }
    Err(Error::new(ErrorKind::AlreadyExists, tx.operation).with("field", "email"))
}

/// Says whether the id was free.
async fn add_workspace(
    tx: &mut Tx<'_>,
    owner: UserId,
    workspace: &Workspace,
    at: Timestamp,
) -> Result<bool> {
    let tenant = workspace.tenant;
    let kind = name(tx.operation, workspace.kind)?;
    let values = values![tenant.as_bytes(), kind, workspace.name, workspace.active, at.as_millis()];
    if tx.execute(statement::INSERT_WORKSPACE, values).await? == 0 {
        return Ok(false);
    }
    let role = name(tx.operation, Role::Admin)?;
    let values = values![tenant.as_bytes(), owner.as_bytes(), role, at.as_millis()];
    tx.execute(statement::INSERT_MEMBER, values).await?;
    log(tx, tenant, at, NewEntry::new(Actor::User(owner), "workspace.created")).await?;
    Ok(true)
}

async fn set_password(tx: &mut Tx<'_>, change: &SetPassword, at: Timestamp) -> Result<()> {
    let mut user = locked_user(tx, change.user).await?;
    rules::change_password(tx.operation, &user, change.old.as_deref())?;
    user.password = Some(change.new.clone());
    if !change.ends_sessions {
        return update(tx, &user).await;
    }
    user.epoch += 1;
    update(tx, &user).await?;
    tx.execute(statement::DELETE_RESETS, values![user.id.as_bytes()]).await?;
    let what = NewEntry::new(Actor::User(user.id), "password.changed").about(user.id);
    log(tx, INSTALLATION, at, what).await
}

async fn use_reset(
    tx: &mut Tx<'_>,
    hash: &[u8; 32],
    new_password: &str,
    at: Timestamp,
) -> Result<UserId> {
    let find = |row: &Row<'_>| Ok((row.id(0, UserId::from_u128)?, row.get::<Timestamp>(1)?));
    // First the user's row, as everywhere, and then what hangs on it: another may have used the token meanwhile.
    let seen = tx.one(statement::RESET, values![hash], find).await?;
    let Some((user, _)) = seen else { return Err(rules::no_reset(tx.operation)) };
    let mut user = locked_user(tx, user).await?;
    let found = tx.one_locked(Lock::Change, statement::RESET, values![hash], find).await?;
    if found.is_none_or(|(_, expires_at)| at >= expires_at) {
        return Err(rules::no_reset(tx.operation));
    }
    user.password = Some(new_password.to_owned());
    user.epoch += 1;
    update(tx, &user).await?;
    tx.execute(statement::DELETE_RESETS, values![user.id.as_bytes()]).await?;
    let what = NewEntry::new(Actor::User(user.id), "password.reset").about(user.id);
    log(tx, INSTALLATION, at, what).await?;
    Ok(user.id)
}

async fn update(tx: &mut Tx<'_>, user: &User) -> Result<()> {
    let values = values![user.password, user.active, user.epoch, user.id.as_bytes()];
    tx.execute(statement::UPDATE_USER, values).await.map(drop)
}

fn read_user(row: &Row<'_>) -> Result<User> {
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
