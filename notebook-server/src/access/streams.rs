//! Ends the streams of sessions that are over (S54).

use std::{collections::HashMap, sync::Arc, time::Duration};

use notebook_auth::Principal;
use notebook_core::{
    ErrorKind, SessionId, TenantId, UserId,
    identity::{Identity, session::Live},
};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

/// How often the sessions with streams are looked at: an access token of an ended session lives as long.
const ROUND: Duration = Duration::from_secs(5);

/// The sessions that streams are open for.
pub(crate) struct Streams {
    identity: Arc<dyn Identity>,
    open: Mutex<HashMap<SessionId, Open>>,
}

/// Whose streams, and what ends them. All streams of a session share it.
struct Open {
    user: UserId,
    tenant: TenantId,
    ending: CancellationToken,
}

impl Streams {
    /// Watches as long as `server` is not cancelled.
    pub(crate) fn start(identity: Arc<dyn Identity>, server: CancellationToken) -> Arc<Self> {
        let streams = Arc::new(Self { identity, open: Mutex::default() });
        let watching = Arc::clone(&streams);
        tokio::spawn(async move {
            while server.run_until_cancelled(tokio::time::sleep(ROUND)).await.is_some() {
                watching.look().await;
            }
        });
        streams
    }

    /// What ends a stream of a session.
    pub(super) fn ending(
        &self,
        session: SessionId,
        principal: &Principal,
        server: &CancellationToken,
    ) -> CancellationToken {
        let mut open = self.open.lock();
        let entry = open.entry(session).or_insert_with(|| Open {
            user: principal.user,
            tenant: principal.scope.tenant(),
            ending: server.child_token(),
        });
        if entry.tenant != principal.scope.tenant() || entry.ending.is_cancelled() {
            // The session went on in another workspace: what was open in the old one is over (T14).
            entry.ending.cancel();
            *entry = Open {
                user: principal.user,
                tenant: principal.scope.tenant(),
                ending: server.child_token(),
            };
        }
        entry.ending.clone()
    }

    /// Ends the streams of a session now.
    pub(crate) fn end(&self, session: SessionId) {
        if let Some(open) = self.open.lock().remove(&session) {
            open.ending.cancel();
        }
    }

    /// Ends the streams of all sessions of a user now, but those of one session.
    pub(crate) fn end_of(&self, user: UserId, except: Option<SessionId>) {
        self.open.lock().retain(|session, open| {
            let ends = open.user == user && Some(*session) != except;
            if ends {
                open.ending.cancel();
            }
            !ends
        });
    }

    /// Ends the streams in a workspace now.
    pub(crate) fn end_in(&self, tenant: TenantId) {
        self.open.lock().retain(|_, open| {
            if open.tenant == tenant {
                open.ending.cancel();
            }
            open.tenant != tenant
        });
    }

    async fn look(&self) {
        // A stream that has ended leaves its token: only this map has it then.
        let watched: Vec<(SessionId, UserId, TenantId)> = self
            .open
            .lock()
            .iter()
            .map(|(session, open)| (*session, open.user, open.tenant))
            .collect();
        for (session, user, tenant) in watched {
            match self.identity.session(session).await {
                Ok(live) if goes_on(&live, user, tenant) => {}
                Ok(_) => self.end(session),
                Err(error) if error.kind() == ErrorKind::NotFound => self.end(session),
                Err(error) => {
                    tracing::warn!(%error, "sessions could not be looked at; it is tried again")
                }
            }
        }
    }
}

fn goes_on(live: &Live, user: UserId, tenant: TenantId) -> bool {
    live.is_active() && live.session.user == user && live.session.tenant == tenant
}
