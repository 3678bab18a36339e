//! Invitations as rows.

use async_trait::async_trait;

use super::{
    Now, SqlIdentity,
    accounts::{locked_user, log},
    audit::append,
    statement,
    workspaces::{locked_workspace, role_of},
};
use crate::{
    Error, ErrorKind, InvitationId, Result, TenantId, TenantScope, Timestamp, UserId,
    identity::{
        Invitation, Invitations, Invited, NewInvitation, Place,
        audit::{Actor, NewEntry},
        rules,
    },
    sql::{Row, Tx, codec::name, values},
};

#[async_trait]
impl Invitations for SqlIdentity {
    async fn invite(
        &self,
        scope: &TenantScope,
        by: Actor,
        new: NewInvitation,
    ) -> Result<Invitation> {
        self.write_in(scope, "invite", (scope.tenant(), by, new), |tx, (tenant, by, new), now| {
            Box::pin(invite(tx, *tenant, *by, new, now))
        })
        .await
    }

    async fn invitations(&self, scope: &TenantScope) -> Result<Vec<Invitation>> {
        self.read_in(scope, "list invitations", scope.tenant(), |tx, tenant, now| {
            Box::pin(async move {
                let values = values![tenant.as_bytes(), now.as_millis()];
                let read = |row: &Row<'_>| Ok(read(row)?.1);
                tx.all(statement::INVITATIONS, values, read).await
            })
        })
        .await
    }

    async fn revoke_invitation(
        &self,
        scope: &TenantScope,
        by: Actor,
        id: InvitationId,
    ) -> Result<()> {
        let input = (scope.tenant(), by, id);
        self.write_in(scope, "revoke invitation", input, |tx, (tenant, by, id), now| {
            Box::pin(async move {
                let values = values![tenant.as_bytes(), id.as_bytes(), now.at.as_millis()];
                if tx.execute(statement::REVOKE_INVITATION, values).await? == 0 {
                    return Err(rules::no_invitation(tx.operation));
                }
                log(tx, *tenant, now, NewEntry::new(*by, "invitation.revoked").about(id)).await
            })
        })
        .await
    }

    async fn invitation(&self, hash: [u8; 32]) -> Result<Invited> {
        self.read("read invitation", hash, |tx, hash, now| {
            Box::pin(async move {
                let (tenant, invitation) = good(tx, hash, now).await?;
                let key = values![tenant.as_bytes()];
                let read = |row: &Row<'_>| Ok((row.get::<String>(2)?, row.get::<bool>(3)?));
                match tx.one(statement::WORKSPACE, key, read).await? {
                    Some((workspace, true)) => Ok(Invited { invitation, workspace }),
                    _ => Err(rules::no_invitation(tx.operation)),
                }
            })
        })
        .await
    }

    async fn accept_invitation(&self, user: UserId, hash: [u8; 32]) -> Result<Place> {
        self.write("accept invitation", (user, hash), |tx, (user, hash), now| {
            Box::pin(accept(tx, *user, hash, now))
        })
        .await
    }
}

async fn invite(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    by: Actor,
    new: &NewInvitation,
    now: Now<'_>,
) -> Result<Invitation> {
    // Locked, so that the workspace's invitations are made one after the other.
    let workspace = locked_workspace(tx, tenant).await?;
    let old = values![tenant.as_bytes(), new.email, now.at.as_millis()];
    tx.execute(statement::FORGET_INVITATIONS, old).await?;
    let whom = values![tenant.as_bytes(), new.email];
    let members = tx.one(statement::COUNT_MEMBERS_BY_EMAIL, whom, count).await?;
    let open = tx.one(statement::COUNT_INVITATIONS, values![tenant.as_bytes()], count).await?;
    let is_member = members.unwrap_or(0) > 0;
    rules::may_invite(tx.operation, &workspace, new.role, is_member, open.unwrap_or(0))?;
    let invitation = rules::invitation(new, now.at);
    let role = name(tx.operation, invitation.role)?;
    let values = values![
        tenant.as_bytes(),
        invitation.id.as_bytes(),
        invitation.email,
        role,
        invitation.invited_by.as_ref().map(UserId::as_bytes),
        new.hash,
        invitation.created_at.as_millis(),
        invitation.expires_at.as_millis(),
    ];
    if tx.execute(statement::INSERT_INVITATION, values).await? == 0 {
        return Err(Error::new(ErrorKind::AlreadyExists, tx.operation));
    }
    log(tx, tenant, now, rules::invitation_entry(by, "invitation.created", &invitation)).await?;
    Ok(invitation)
}

async fn accept(tx: &mut Tx<'_>, user: UserId, hash: &[u8; 32], now: Now<'_>) -> Result<Place> {
    let gone = rules::no_invitation(tx.operation);
    let (tenant, _) = good(tx, hash, now.at).await?;
    // First the workspace's row and the user's, as where members change; then the invitation again: another may have used
    // it meanwhile.
    let workspace = locked_workspace(tx, tenant).await?;
    let user = locked_user(tx, user).await?;
    let (_, invitation) = good(tx, hash, now.at).await?;
    if !user.active || user.email != invitation.email || !workspace.active {
        return Err(gone);
    }
    let key = values![tenant.as_bytes(), invitation.id.as_bytes(), now.at.as_millis()];
    if tx.execute(statement::REVOKE_INVITATION, key).await? == 0 {
        return Err(gone);
    }
    let by = Actor::User(user.id);
    let accepted = rules::invitation_entry(by, "invitation.accepted", &invitation);
    if let Some(role) = role_of(tx, tenant, user.id).await? {
        log(tx, tenant, now, accepted).await?;
        return Ok(Place { workspace, role });
    }
    let role = invitation.role;
    let as_text = name(tx.operation, role)?;
    let member = values![tenant.as_bytes(), user.id.as_bytes(), as_text, now.at.as_millis()];
    tx.execute(statement::INSERT_MEMBER, member).await?;
    let added = rules::role_entry(by, user.id, None, Some(role));
    append(tx, tenant, now, &[accepted, added]).await?;
    Ok(Place { workspace, role })
}

/// The invitation of a hash with its workspace, if its time is not over.
async fn good(tx: &mut Tx<'_>, hash: &[u8; 32], now: Timestamp) -> Result<(TenantId, Invitation)> {
    let found = tx.one(statement::INVITATION_BY_HASH, values![hash], read).await?;
    let good = found.filter(|(_, invitation)| now < invitation.expires_at);
    good.ok_or_else(|| rules::no_invitation(tx.operation))
}

fn count(row: &Row<'_>) -> Result<usize> {
    row.get(0)
}

fn read(row: &Row<'_>) -> Result<(TenantId, Invitation)> {
    let invitation = Invitation {
        id: row.id(1, InvitationId::from_u128)?,
        email: row.get(2)?,
        role: row.name(3)?,
        invited_by: row.optional_id(4, UserId::from_u128)?,
        created_at: row.get(5)?,
        expires_at: row.get(6)?,
    };
    Ok((row.id(0, TenantId::from_u128)?, invitation))
}
