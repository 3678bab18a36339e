//! Sessions as rows.
//!
//! A session's row is locked between the read and the write that follows from it, so that presentations of one
//! session's tokens are decided one after the other; the row's generation and state in the condition of the write
//! are the last word.

use async_trait::async_trait;

use super::{
    Now, SqlIdentity,
    accounts::{locked_user, standing},
    audit::append,
    statement,
};
use crate::{
    Error, ErrorKind, Result, Retry, SessionId, TenantId, Timestamp, UserId,
    identity::{
        rules,
        session::{
            self, EndReason, Live, NewSession, Presentation, Presented, Session, Sessions, Stepped,
        },
    },
    sql::{Lock, Row, Tx, codec::name, limit, values},
};

#[async_trait]
impl Sessions for SqlIdentity {
    async fn open_session(&self, new: NewSession) -> Result<Session> {
        self.write("open session", new, |tx, new, now| Box::pin(open(tx, new, now))).await
    }

    async fn present(&self, id: SessionId, presented: Presented) -> Result<Presentation> {
        self.write("present token", (id, presented), |tx, (id, presented), now| {
            Box::pin(present(tx, *id, presented, now))
        })
        .await
    }

    async fn switch_session(&self, id: SessionId, tenant: TenantId) -> Result<Live> {
        self.write("switch workspace", (id, tenant), |tx, (id, tenant), now| {
            Box::pin(switch(tx, *id, *tenant, now))
        })
        .await
    }

    async fn mark_used(&self, id: SessionId, generation: u32) -> Result<()> {
        self.write("note use of session", (id, generation), |tx, (id, generation), _| {
            Box::pin(async move {
                let Some(session) = locked(tx, *id).await? else { return Ok(()) };
                match session::used(&session, *generation) {
                    Some(next) => update(tx, &session, &next).await,
                    None => Ok(()),
                }
            })
        })
        .await
    }

    async fn end_session(&self, id: SessionId, reason: EndReason) -> Result<bool> {
        self.write("end session", (id, reason), |tx, (id, reason), now| {
            Box::pin(async move {
                let Some(session) = locked(tx, *id).await? else { return Ok(false) };
                let Some(ended) = session::end(&session, *reason, now.at) else {
                    return Ok(false);
                };
                store(tx, &session, &ended, now).await?;
                Ok(true)
            })
        })
        .await
    }

    async fn end_sessions(
        &self,
        user: UserId,
        except: Option<SessionId>,
        reason: EndReason,
    ) -> Result<usize> {
        self.write("end sessions", (user, except, reason), |tx, (user, except, reason), now| {
            Box::pin(end_all(tx, *user, *except, *reason, now))
        })
        .await
    }

    async fn session(&self, id: SessionId) -> Result<Live> {
        self.read("read session", id, |tx, id, now| {
            Box::pin(async move {
                let found = tx.one(statement::SESSION, values![id.as_bytes()], read).await?;
                let session = found.ok_or_else(|| missing(tx))?;
                let standing = standing(tx, session.user, session.tenant).await?;
                Ok(Live { session, standing, now })
            })
        })
        .await
    }

    async fn sessions(&self, user: UserId) -> Result<Vec<Session>> {
        self.read("list sessions", user, |tx, user, _| {
            Box::pin(async move {
                tx.all(statement::ACTIVE_SESSIONS, values![user.as_bytes()], read).await
            })
        })
        .await
    }

    async fn forget_sessions(&self, before: Timestamp, most: usize) -> Result<usize> {
        self.write("forget sessions", (before, most), |tx, (before, most), _| {
            Box::pin(async move {
                let values = values![before.as_millis(), limit(*most)];
                tx.execute(statement::FORGET_SESSIONS, values).await
            })
        })
        .await
    }
}

async fn open(tx: &mut Tx<'_>, new: &NewSession, now: Now<'_>) -> Result<Session> {
    // Locked, so that sessions of one user begin one after the other, and not while a password changes.
    let user = locked_user(tx, new.user).await?.id;
    let standing = standing(tx, new.user, new.tenant).await?;
    rules::may_open(tx.operation, &standing, new.epoch)?;
    let key = values![user.as_bytes()];
    let active = tx.all_locked(Lock::Change, statement::ACTIVE_SESSIONS, key, read).await?;
    for closed in rules::make_room(&active, new.epoch, now.policy.most_sessions, now.at) {
        store(tx, closed.before, &closed.after, now).await?;
    }
    let session = session::first(new.clone(), now.at, &now.policy);
    insert(tx, &session).await?;
    append(tx, session.tenant, now, &[rules::opened_entry(&session)]).await?;
    Ok(session)
}

async fn present(
    tx: &mut Tx<'_>,
    id: SessionId,
    presented: &Presented,
    now: Now<'_>,
) -> Result<Presentation> {
    let found = locked(tx, id).await?.filter(|found| found.key == presented.key);
    let session = found.ok_or_else(|| missing(tx))?;
    let standing = standing(tx, session.user, session.tenant).await?;
    let stepped = session::present(&session, &standing, presented, now.at, &now.policy);
    store(tx, &session, &stepped, now).await?;
    let Stepped { session, rule, reply, .. } = stepped;
    Ok(Presentation { session, standing, rule, reply, now: now.at })
}

async fn switch(tx: &mut Tx<'_>, id: SessionId, tenant: TenantId, now: Now<'_>) -> Result<Live> {
    let before = locked(tx, id).await?.ok_or_else(|| missing(tx))?;
    let standing = standing(tx, before.user, tenant).await?;
    let session = rules::switch(tx.operation, &before, &standing, tenant, now.at)?;
    if session != before {
        update(tx, &before, &session).await?;
        let [left, entered] = rules::switch_entries(&session);
        // In the order of ids, so that two who go opposite ways do not wait for each other.
        let mut entries = [(before.tenant, left), (tenant, entered)];
        entries.sort_by_key(|(tenant, _)| *tenant);
        for (tenant, entry) in &entries {
            append(tx, *tenant, now, std::slice::from_ref(entry)).await?;
        }
    }
    Ok(Live { session, standing, now: now.at })
}

async fn end_all(
    tx: &mut Tx<'_>,
    user: UserId,
    except: Option<SessionId>,
    reason: EndReason,
    now: Now<'_>,
) -> Result<usize> {
    let key = values![user.as_bytes()];
    let active = tx.all_locked(Lock::Change, statement::ACTIVE_SESSIONS, key, read).await?;
    let mut count = 0;
    for found in active.iter().filter(|found| Some(found.id) != except) {
        if let Some(ended) = session::end(found, reason, now.at) {
            store(tx, found, &ended, now).await?;
            count += 1;
        }
    }
    Ok(count)
}

async fn locked(tx: &mut Tx<'_>, id: SessionId) -> Result<Option<Session>> {
    tx.one_locked(Lock::Change, statement::SESSION, values![id.as_bytes()], read).await
}

/// Stores what has changed, and what is logged of it.
async fn store(tx: &mut Tx<'_>, before: &Session, stepped: &Stepped, now: Now<'_>) -> Result<()> {
    if stepped.session != *before {
        update(tx, before, &stepped.session).await?;
    }
    if let Some(entry) = &stepped.entry {
        append(tx, before.tenant, now, std::slice::from_ref(entry)).await?;
    }
    Ok(())
}

fn over_at(session: &Session) -> i64 {
    session.ended_at.unwrap_or(session.absolute_end).as_millis()
}

async fn insert(tx: &mut Tx<'_>, session: &Session) -> Result<()> {
    let state = name(tx.operation, session.state)?;
    let values = values![
        session.id.as_bytes(),
        session.user.as_bytes(),
        session.tenant.as_bytes(),
        state,
        session.generation,
        session.rotated_at.as_millis(),
        session.recovered_at.map(Timestamp::as_millis),
        session.used,
        session.presented,
        session.crash_recovered_at.map(Timestamp::as_millis),
        session.replays,
        session.late,
        session.binding.as_ref(),
        session.key,
        session.epoch,
        session.created_at.as_millis(),
        session.absolute_end.as_millis(),
        session.idle_end.as_millis(),
        session.ended_at.map(Timestamp::as_millis),
        session.client,
        session.address,
        over_at(session),
    ];
    tx.execute(statement::INSERT_SESSION, values).await.map(drop)
}

async fn update(tx: &mut Tx<'_>, before: &Session, session: &Session) -> Result<()> {
    let (state, had) = (name(tx.operation, session.state)?, name(tx.operation, before.state)?);
    let values = values![
        state,
        session.generation,
        session.rotated_at.as_millis(),
        session.recovered_at.map(Timestamp::as_millis),
        session.used,
        session.presented,
        session.crash_recovered_at.map(Timestamp::as_millis),
        session.replays,
        session.late,
        session.idle_end.as_millis(),
        session.ended_at.map(Timestamp::as_millis),
        session.tenant.as_bytes(),
        over_at(session),
        session.id.as_bytes(),
        before.generation,
        had,
    ];
    if tx.execute(statement::UPDATE_SESSION, values).await? == 1 {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Unavailable, tx.operation)
        .retry(Retry::Backoff)
        .with("reason", "the session changed meanwhile"))
}

fn read(row: &Row<'_>) -> Result<Session> {
    Ok(Session {
        id: row.id(0, SessionId::from_u128)?,
        user: row.id(1, UserId::from_u128)?,
        tenant: row.id(2, TenantId::from_u128)?,
        state: row.name(3)?,
        generation: row.get(4)?,
        rotated_at: row.get(5)?,
        recovered_at: row.get(6)?,
        used: row.get(7)?,
        presented: row.get(8)?,
        crash_recovered_at: row.get(9)?,
        replays: row.get(10)?,
        late: row.get(11)?,
        binding: row.get(12)?,
        key: row.get(13)?,
        epoch: row.get(14)?,
        created_at: row.get(15)?,
        absolute_end: row.get(16)?,
        idle_end: row.get(17)?,
        ended_at: row.get(18)?,
        client: row.get(19)?,
        address: row.get(20)?,
    })
}

fn missing(tx: &Tx<'_>) -> Error {
    Error::not_found(tx.operation, "session")
}
