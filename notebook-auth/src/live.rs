//! Whether a session is still alive, asked of the store at most every few seconds for each.

use std::{collections::HashMap, sync::Arc, time::Duration};

use notebook_core::{
    Result, SessionId,
    identity::{Identity, session::Live},
};
use parking_lot::Mutex;
use tokio::time::Instant;

/// How long an answer of the store is good for: so long lives an access token at most after its session was ended by
/// another process.
const FRESH: Duration = Duration::from_secs(5);
/// How many sessions are remembered.
const MOST: usize = 100_000;

/// Sessions as they were seen a moment ago.
pub struct LiveSessions {
    identity: Arc<dyn Identity>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    sessions: HashMap<SessionId, (Instant, Live)>,
    /// How often something was forgotten: an answer that was asked for before that is not kept.
    forgotten: u64,
}

impl LiveSessions {
    /// Remembers nothing yet.
    #[must_use]
    pub fn new(identity: Arc<dyn Identity>) -> Self {
        Self { identity, seen: Mutex::default() }
    }

    /// The session, as it was at most five seconds ago.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub async fn get(&self, id: SessionId) -> Result<Live> {
        let (seen, forgotten) = {
            let seen = self.seen.lock();
            let fresh = seen.sessions.get(&id).filter(|(at, _)| at.elapsed() < FRESH);
            (fresh.map(|(_, live)| live.clone()), seen.forgotten)
        };
        if let Some(live) = seen {
            return Ok(live);
        }
        self.ask(id, forgotten).await
    }

    /// The session as it is now: for who has reason to believe that it was changed by another process.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub async fn anew(&self, id: SessionId) -> Result<Live> {
        let forgotten = self.seen.lock().forgotten;
        self.ask(id, forgotten).await
    }

    async fn ask(&self, id: SessionId, forgotten: u64) -> Result<Live> {
        // Before the question: what is answered may be older than the answer.
        let asked = Instant::now();
        let live = self.identity.session(id).await?;
        let mut seen = self.seen.lock();
        let newer = seen.sessions.get(&id).is_some_and(|(at, _)| *at > asked);
        if newer || seen.forgotten != forgotten {
            return Ok(live);
        }
        if seen.sessions.len() >= MOST {
            seen.sessions.retain(|_, (at, _)| at.elapsed() < FRESH);
            if seen.sessions.len() >= MOST {
                seen.sessions.clear();
            }
        }
        seen.sessions.insert(id, (asked, live.clone()));
        Ok(live)
    }

    /// Notes that an access token of a generation was used: one write for each generation.
    ///
    /// # Errors
    /// Only those of the storage itself.
    pub async fn used(&self, live: &Live, generation: u32) -> Result<()> {
        let session = &live.session;
        if generation <= session.used {
            return Ok(());
        }
        self.identity.mark_used(session.id, generation).await?;
        if let Some((_, seen)) = self.seen.lock().sessions.get_mut(&session.id) {
            seen.session.used = seen.session.used.max(generation);
        }
        Ok(())
    }

    /// Asks anew next time: something happened to the session.
    pub fn forget(&self, id: SessionId) {
        let mut seen = self.seen.lock();
        seen.sessions.remove(&id);
        seen.forgotten += 1;
    }

    /// Asks anew about all: something happened to their users.
    pub fn forget_all(&self) {
        let mut seen = self.seen.lock();
        seen.sessions.clear();
        seen.forgotten += 1;
    }
}

impl std::fmt::Debug for LiveSessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LiveSessions").finish_non_exhaustive()
    }
}
