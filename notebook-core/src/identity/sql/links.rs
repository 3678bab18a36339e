//! Who users are at OpenID providers, as rows.

use async_trait::async_trait;

use super::{
    Now, SqlIdentity,
    accounts::{create_user, locked_user, log, read_user},
    statement,
};
use crate::{
    Error, LinkId, Result, UserId,
    identity::{
        External, Link, Links, NewUser, User,
        audit::{Actor, INSTALLATION},
        rules,
    },
    sql::{Row, Tx, values},
};

#[async_trait]
impl Links for SqlIdentity {
    async fn create_linked_user(&self, new: NewUser, external: External) -> Result<User> {
        rules::external("create user", &external)?;
        self.write("create user", (new, external), |tx, (new, external), now| {
            Box::pin(async move {
                if find(tx, external).await?.is_some() {
                    return Err(rules::linked_already(tx.operation));
                }
                let user = create_user(tx, new, now).await?;
                insert(tx, new.by, user.id, external, now).await?;
                Ok(user)
            })
        })
        .await
    }

    async fn linked_user(&self, external: &External) -> Result<Option<User>> {
        self.read("read user", external.clone(), |tx, external, _| {
            Box::pin(async move {
                let key = values![external.issuer, external.subject];
                tx.one(statement::LINKED_USER, key, read_user).await
            })
        })
        .await
    }

    async fn link(&self, by: Actor, user: UserId, external: External) -> Result<Link> {
        rules::external("link account", &external)?;
        self.write("link account", (by, user, external), |tx, (by, user, external), now| {
            Box::pin(link(tx, *by, *user, external, now))
        })
        .await
    }

    async fn links(&self, user: UserId) -> Result<Vec<Link>> {
        self.read("list linked accounts", user, |tx, user, _| {
            Box::pin(async move { all(tx, *user).await })
        })
        .await
    }

    async fn unlink(&self, by: Actor, user: UserId, id: LinkId) -> Result<()> {
        self.write("unlink account", (by, user, id), |tx, (by, user, id), now| {
            Box::pin(unlink(tx, *by, *user, *id, now))
        })
        .await
    }
}

async fn link(
    tx: &mut Tx<'_>,
    by: Actor,
    user: UserId,
    external: &External,
    now: Now<'_>,
) -> Result<Link> {
    // Locked, so that the links of one user are made and taken away one after the other.
    let user = locked_user(tx, user).await?;
    match find(tx, external).await? {
        Some(link) if link.user == user.id && user.active => return Ok(link),
        Some(link) if link.user != user.id => return Err(rules::linked_already(tx.operation)),
        _ => {}
    }
    let links = all(tx, user.id).await?.len();
    rules::may_link(tx.operation, &user, links)?;
    insert(tx, by, user.id, external, now).await
}

async fn unlink(tx: &mut Tx<'_>, by: Actor, user: UserId, id: LinkId, now: Now<'_>) -> Result<()> {
    let missing = Error::not_found(tx.operation, "linked account");
    // The user's row first, as everywhere; who is gone has no links.
    let Ok(user) = locked_user(tx, user).await else { return Err(missing) };
    let links = all(tx, user.id).await?;
    let Some(link) = links.iter().find(|link| link.id == id) else { return Err(missing) };
    rules::may_unlink(tx.operation, &user, links.len())?;
    tx.execute(statement::DELETE_LINK, values![id.as_bytes(), user.id.as_bytes()]).await?;
    log(tx, INSTALLATION, now, rules::link_entry(by, "identity.unlinked", link)).await
}

async fn insert(
    tx: &mut Tx<'_>,
    by: Actor,
    user: UserId,
    external: &External,
    now: Now<'_>,
) -> Result<Link> {
    let link = Link { id: LinkId::new(), user, external: external.clone(), created_at: now.at };
    let values = values![
        link.id.as_bytes(),
        link.user.as_bytes(),
        link.external.issuer,
        link.external.subject,
        link.created_at.as_millis(),
    ];
    if tx.execute(statement::INSERT_LINK, values).await? == 0 {
        // Another was faster.
        return Err(rules::linked_already(tx.operation));
    }
    log(tx, INSTALLATION, now, rules::link_entry(by, "identity.linked", &link)).await?;
    Ok(link)
}

async fn find(tx: &mut Tx<'_>, external: &External) -> Result<Option<Link>> {
    tx.one(statement::LINK, values![external.issuer, external.subject], read).await
}

async fn all(tx: &mut Tx<'_>, user: UserId) -> Result<Vec<Link>> {
    tx.all(statement::LINKS, values![user.as_bytes()], read).await
}

fn read(row: &Row<'_>) -> Result<Link> {
    Ok(Link {
        id: row.id(0, LinkId::from_u128)?,
        user: row.id(1, UserId::from_u128)?,
        external: External { issuer: row.get(2)?, subject: row.get(3)? },
        created_at: row.get(4)?,
    })
}
