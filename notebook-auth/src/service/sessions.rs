//! Sessions and their tokens.

use std::time::Duration;

use notebook_core::{
    Error, ErrorKind, Result, Retry, Secret, SessionId, TenantId, Timestamp, UserId,
    identity::{
        Role,
        session::{EndReason, Live, NewSession, Presented, Refused, Reply, Session, is_over},
        token::AccessClaims,
    },
};
use sha2::{Digest as _, Sha256};

use super::{Auth, Principal, RefreshFault, Tokens};
use crate::{refresh::RefreshToken, scope_of};

/// How long a client waits that came too often, or when the store did not answer.
const LATER: Duration = Duration::from_secs(2);
/// The shortest time after which no reply to a request of before is on its way any more.
const SETTLED: Duration = Duration::from_secs(60);

impl Auth {
    /// New tokens for a refresh token. `binding` is what the client proved to have; `host` is the workspace that the
    /// request was sent to, where that is known.
    ///
    /// # Errors
    /// See [`RefreshFault`].
    pub async fn refresh(
        &self,
        token: &str,
        binding: Option<[u8; 32]>,
        host: Option<TenantId>,
    ) -> Result<Tokens, RefreshFault> {
        // X0: nothing is asked of the store.
        let genuine = self.refresh.read(token);
        let read = genuine.ok_or(RefreshFault::Unauthorized { clear: false })?;
        if let Some(host) = host {
            let live = self.identity.session(read.session).await.map_err(fault)?;
            if live.session.tenant != host {
                // A session of another workspace, whose cookie should not be here: it is left alone.
                return Err(RefreshFault::Unauthorized { clear: false });
            }
        }
        let presented = Presented { generation: read.generation, key: read.key, binding };
        let found = self.identity.present(read.session, presented).await.map_err(fault)?;
        self.clock.align(found.now);
        match found.reply {
            Reply::Token { generation, access_from } => self
                .tokens(&found.session, found.standing.role, generation, access_from)
                .map_err(fault),
            Reply::Refused(refused) => {
                self.live.forget(read.session);
                Err(match refused {
                    Refused::Unauthorized => {
                        let settled = self.policy.coalesce.max(SETTLED);
                        let ended = found.session.ended_at;
                        let clear = ended.is_some_and(|at| found.now.since(at) >= settled);
                        RefreshFault::Unauthorized { clear }
                    }
                    Refused::Expired => RefreshFault::Expired,
                    Refused::TooMany => RefreshFault::TooMany { retry_after: LATER },
                })
            }
        }
    }

    /// Who an access token stands for.
    ///
    /// # Errors
    /// `Unauthenticated`, whatever is wrong with it: the client refreshes, or signs in again.
    pub async fn authenticate(&self, token: &str) -> Result<Principal> {
        let claims = self.issuer.verify(token, self.clock.now());
        let claims = claims.map_err(|fault| unauthorized().caused_by(fault))?;
        let mut live = self.live.get(claims.session).await.map_err(unless_missing)?;
        if !admits(&live, &claims) {
            // The token may be of a moment after the session was last looked at: another role, another workspace, the next
            // generation.
            live = self.live.anew(claims.session).await.map_err(unless_missing)?;
            if !admits(&live, &claims) {
                return Err(unauthorized());
            }
        }
        self.live.used(&live, claims.generation).await?;
        Ok(Principal {
            user: claims.user,
            scope: scope_of(claims.tenant),
            role: claims.role,
            session: Some(claims.session),
            key: None,
            expires_at: Some(claims.expires_at),
        })
    }

    /// Ends the session of a refresh token. Unknown, ended or no token at all: nothing.
    ///
    /// # Errors
    /// Those of the store: then the session may go on, and the client is told so.
    pub async fn sign_out(&self, token: &str) -> Result<()> {
        let Some(read) = self.refresh.read(token) else { return Ok(()) };
        self.end(read.session, EndReason::SignedOut).await.map(drop)
    }

    /// The sessions of a user that go on, newest first.
    ///
    /// # Errors
    /// `NotFound` when there is no such user.
    pub async fn sessions(&self, user: UserId) -> Result<Vec<Session>> {
        let epoch = self.identity.user(user).await?.epoch;
        let now = self.clock.now();
        let mut sessions = self.identity.sessions(user).await?;
        sessions.retain(|session| session.epoch >= epoch && !is_over(session, now));
        Ok(sessions)
    }

    /// Whether somebody who was recognised would be again, with as much as then: for what goes on for longer than a
    /// request. As with access tokens, what another process ended is seen within five seconds.
    ///
    /// - No more: when the session or key ended, the session is in another workspace, or the role is a lower one.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn still_good(&self, principal: &Principal) -> Result<bool> {
        let tenant = principal.scope.tenant();
        if let Some((id, _)) = &principal.key {
            return self.key_still_good(principal, *id).await;
        }
        let Some(session) = principal.session else { return Ok(true) };
        match self.live.get(session).await {
            Ok(live) => Ok(live.is_active()
                && live.session.user == principal.user
                && live.session.tenant == tenant
                && live.standing.role >= principal.role),
            Err(error) if is_missing(&error, "session") => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Ends a session of the user's own.
    ///
    /// # Errors
    /// `NotFound` when there is none of theirs.
    pub async fn end_session(&self, user: UserId, session: SessionId) -> Result<()> {
        let missing = || Error::not_found("end session", "session");
        let live = self
            .identity
            .session(session)
            .await
            .map_err(|error| if is_missing(&error, "session") { missing() } else { error })?;
        if live.session.user != user {
            return Err(missing());
        }
        self.end(session, EndReason::EndedElsewhere).await.map(drop)
    }

    /// Ends all sessions of a user but one; how many those were.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn end_other_sessions(
        &self,
        user: UserId,
        except: Option<SessionId>,
    ) -> Result<usize> {
        let ended = self.identity.end_sessions(user, except, EndReason::EndedElsewhere).await;
        self.live.forget_all();
        ended
    }

    async fn end(&self, session: SessionId, reason: EndReason) -> Result<bool> {
        let ended = self.identity.end_session(session, reason).await;
        self.live.forget(session);
        ended
    }

    /// Begins a session and makes its first tokens.
    pub(super) async fn open(&self, new: NewSession) -> Result<Tokens> {
        let (user, tenant) = (new.user, new.tenant);
        let session = self.identity.open_session(new).await.map_err(|error| {
            // Switched off, or another password since it was checked.
            let refused = is_missing(&error, "user or workspace")
                || is_missing(&error, "user")
                || error.kind() == ErrorKind::Conflict;
            if refused { unauthorized().caused_by(error) } else { error }
        })?;
        self.clock.align(session.created_at);
        let role = self.identity.standing(user, tenant).await?.role;
        self.tokens(&session, role, session.generation, session.rotated_at)
    }

    fn tokens(
        &self,
        session: &Session,
        role: Role,
        generation: u32,
        access_from: Timestamp,
    ) -> Result<Tokens> {
        let (access, access_expires_at) = self.access(session, role, generation, access_from)?;
        let refresh = RefreshToken { session: session.id, generation, key: session.key };
        Ok(Tokens {
            access,
            access_expires_at,
            refresh: self.refresh.make(refresh)?,
            session_ends_at: session.absolute_end,
            user: session.user,
            session: session.id,
            tenant: session.tenant,
            role,
        })
    }

    /// An access token with its end.
    pub(super) fn access(
        &self,
        session: &Session,
        role: Role,
        generation: u32,
        from: Timestamp,
    ) -> Result<(Secret, Timestamp)> {
        let expires_at = access_end(session.id, generation, from, self.policy.access);
        let claims = AccessClaims {
            user: session.user,
            tenant: session.tenant,
            session: session.id,
            generation,
            role,
            issued_at: from,
            expires_at,
        };
        Ok((Secret::new(self.issuer.issue(&claims)?), expires_at))
    }
}

/// Whether a session is what a token says of it.
fn admits(live: &Live, claims: &AccessClaims) -> bool {
    let session = &live.session;
    live.is_active()
        && session.user == claims.user
        && session.tenant == claims.tenant
        && live.standing.role == claims.role
        && claims.generation <= session.generation
}

/// The end of an access token's life: up to a twentieth earlier than the policy says, so that not all come back at
/// once; and the same for one token each time.
fn access_end(session: SessionId, generation: u32, from: Timestamp, life: Duration) -> Timestamp {
    let mut hasher = Sha256::new();
    hasher.update(session.as_bytes());
    hasher.update(generation.to_be_bytes());
    let dice = hasher.finalize();
    let share = u32::from(dice.first().copied().unwrap_or_default());
    from.after(life - life * share / (20 * 256))
}

/// Whether an error says that this is not there. Errors of the storage itself may be of the same kind.
pub(super) fn is_missing(error: &Error, what: &str) -> bool {
    error.kind() == ErrorKind::NotFound && error.context("what") == Some(what)
}

fn unless_missing(error: Error) -> Error {
    if is_missing(&error, "session") { unauthorized() } else { error }
}

pub(super) fn unauthorized() -> Error {
    Error::new(ErrorKind::Unauthenticated, "authenticate")
}

/// An error of the store at a refresh.
fn fault(error: Error) -> RefreshFault {
    if is_missing(&error, "session") {
        // Forgotten long ago, or of after a backup that was put back: then it may have a follower in the same browser.
        return RefreshFault::Unauthorized { clear: false };
    }
    let retry_after = match error.retry_status() {
        Retry::After(wait) => wait,
        _ => LATER,
    };
    RefreshFault::Unavailable { retry_after, source: error }
}
