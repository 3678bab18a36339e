use async_trait::async_trait;

use super::{MemoryIdentity, State};
use crate::{
    Error, Result, SessionId, TenantId, Timestamp, UserId,
    identity::{
        rules,
        session::{
            self, EndReason, Live, NewSession, Presentation, Presented, Session, SessionState,
            Sessions, Stepped,
        },
    },
};

#[async_trait]
impl Sessions for MemoryIdentity {
    async fn open_session(&self, new: NewSession) -> Result<Session> {
        const OPERATION: &str = "open session";
        let policy = self.policy;
        self.with(|state, now| {
            rules::may_open(OPERATION, &state.standing(new.user, new.tenant), new.epoch)?;
            let active = active(state, new.user);
            for closed in rules::make_room(&active, new.epoch, policy.most_sessions, now) {
                store(state, now, closed.after);
            }
            let session = session::first(new, now, &policy);
            state.log(session.tenant, now, rules::opened_entry(&session));
            state.sessions.insert(session.id, session.clone());
            Ok(session)
        })
    }

    async fn present(&self, id: SessionId, presented: Presented) -> Result<Presentation> {
        self.with(|state, now| {
            let found = state.sessions.get(&id).filter(|found| found.key == presented.key);
            let found = found.ok_or_else(|| missing("present token"))?;
            let standing = state.standing(found.user, found.tenant);
            let stepped = session::present(found, &standing, &presented, now, &self.policy);
            let (rule, reply) = (stepped.rule, stepped.reply);
            let session = store(state, now, stepped);
            Ok(Presentation { session, standing, rule, reply, now })
        })
    }

    async fn switch_session(&self, id: SessionId, tenant: TenantId) -> Result<Live> {
        const OPERATION: &str = "switch workspace";
        self.with(|state, now| {
            let found = state.sessions.get(&id).ok_or_else(|| missing(OPERATION))?;
            let standing = state.standing(found.user, tenant);
            let session = rules::switch(OPERATION, found, &standing, tenant, now)?;
            let before = found.tenant;
            if before != tenant {
                let [left, entered] = rules::switch_entries(&session);
                state.log(before, now, left);
                state.log(tenant, now, entered);
                state.sessions.insert(id, session.clone());
            }
            Ok(Live { session, standing, now })
        })
    }

    async fn mark_used(&self, id: SessionId, generation: u32) -> Result<()> {
        self.with(|state, _| {
            if let Some(session) = state.sessions.get_mut(&id)
                && let Some(next) = session::used(session, generation)
            {
                *session = next;
            }
            Ok(())
        })
    }

    async fn end_session(&self, id: SessionId, reason: EndReason) -> Result<bool> {
        self.with(|state, now| {
            let ended = state.sessions.get(&id).and_then(|found| session::end(found, reason, now));
            Ok(ended.map(|ended| store(state, now, ended)).is_some())
        })
    }

    async fn end_sessions(
        &self,
        user: UserId,
        except: Option<SessionId>,
        reason: EndReason,
    ) -> Result<usize> {
        self.with(|state, now| {
            let mut count = 0;
            for found in active(state, user) {
                if Some(found.id) != except
                    && let Some(ended) = session::end(&found, reason, now)
                {
                    store(state, now, ended);
                    count += 1;
                }
            }
            Ok(count)
        })
    }

    async fn session(&self, id: SessionId) -> Result<Live> {
        self.with(|state, now| {
            let session = state.sessions.get(&id).cloned();
            let session = session.ok_or_else(|| missing("read session"))?;
            let standing = state.standing(session.user, session.tenant);
            Ok(Live { session, standing, now })
        })
    }

    async fn sessions(&self, user: UserId) -> Result<Vec<Session>> {
        self.with(|state, _| Ok(active(state, user)))
    }

    async fn forget_sessions(&self, before: Timestamp, most: usize) -> Result<usize> {
        self.with(|state, _| {
            let over =
                |session: &Session| session.ended_at.unwrap_or(session.absolute_end) < before;
            let gone = state.sessions.values().filter(|session| over(session)).take(most);
            let gone: Vec<_> = gone.map(|session| session.id).collect();
            state.sessions.retain(|id, _| !gone.contains(id));
            Ok(gone.len())
        })
    }
}

/// Newest first.
fn active(state: &State, user: UserId) -> Vec<Session> {
    let all = state.sessions.values().rev().filter(|session| session.user == user);
    all.filter(|session| session.state == SessionState::Active).cloned().collect()
}

fn store(state: &mut State, now: Timestamp, stepped: Stepped) -> Session {
    if let Some(entry) = stepped.entry {
        state.log(stepped.session.tenant, now, entry);
    }
    state.sessions.insert(stepped.session.id, stepped.session.clone());
    stepped.session
}

fn missing(operation: &'static str) -> Error {
    Error::not_found(operation, "session")
}
