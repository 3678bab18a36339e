//! Sessions and their tokens.

use std::time::Duration;

use notebook_core::{
    Error, ErrorKind, Result, Retry, Secret, SessionId, TenantId, Timestamp, UserId,
    identity::{
        ApiKey, Role,
        audit::Actor,
        session::{EndReason, NewSession, Presented, Refused, Reply, Session},
        token::AccessClaims,
    },
};
use sha2::{Digest as _, Sha256};

use super::{Auth, Principal, RefreshFault, Tokens};
use crate::{api_key, rbac::Permission, refresh::RefreshToken, scope_of};

/// How long a client waits that came too often, or when the store did not answer.
const LATER: Duration = Duration::from_secs(2);

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
                    Refused::Unauthorized => RefreshFault::Unauthorized { clear: true },
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
        let live = match self.live.get(claims.session).await {
            Ok(live) => live,
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(unauthorized()),
            Err(error) => return Err(error),
        };
        let session = &live.session;
        let same = session.user == claims.user
            && session.tenant == claims.tenant
            && live.standing.role == claims.role;
        if !live.is_active() || !same {
            return Err(unauthorized());
        }
        if claims.generation > session.generation {
            // The token was made a moment after the session was last looked at, or the store was set back.
            self.live.forget(session.id);
            let now = self.live.get(session.id).await?;
            if !now.is_active() || claims.generation > now.session.generation {
                return Err(unauthorized());
            }
            self.live.used(&now, claims.generation).await?;
        } else {
            self.live.used(&live, claims.generation).await?;
        }
        Ok(Principal {
            user: claims.user,
            scope: scope_of(claims.tenant),
            role: claims.role,
            session: Some(claims.session),
            key: None,
        })
    }

    /// Who an API key stands for.
    ///
    /// # Errors
    /// `Unauthenticated`, whatever is wrong with it.
    pub async fn authenticate_key(&self, key: &str) -> Result<Principal> {
        let hash = api_key::recognise(key).ok_or_else(unauthorized)?;
        let holder = self.identity.key_holder(hash).await?;
        let holder = holder.filter(|holder| holder.standing.active).ok_or_else(unauthorized)?;
        self.identity.key_used(holder.tenant, holder.key.id).await?;
        // A name that is no permission any more permits nothing.
        let named = |name: &String| Permission::named(name);
        let scopes = holder.key.scopes.iter().filter_map(named).collect();
        Ok(Principal {
            user: holder.key.user,
            scope: scope_of(holder.tenant),
            role: holder.standing.role,
            session: None,
            key: Some((holder.key.id, scopes)),
        })
    }

    /// Makes an API key that may do `scopes`, of what its maker may do. The key is shown this once.
    ///
    /// # Errors
    /// `Forbidden` when its maker may not; `InvalidInput` when the name is empty or too long, or a scope is beyond
    /// what its maker may.
    pub async fn create_key(
        &self,
        by: &Principal,
        name: &str,
        scopes: &[Permission],
        expires_at: Option<Timestamp>,
    ) -> Result<(ApiKey, Secret)> {
        const OPERATION: &str = "create API key";
        by.require(Permission::ApiKeyCreate)?;
        let name = name.trim();
        if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
            return Err(Error::invalid(OPERATION, "name", "give 1 to 100 characters"));
        }
        if let Some(beyond) = scopes.iter().find(|scope| !by.may(**scope)) {
            let fix = format!("leave out {}, which you may not do yourself", beyond.name());
            return Err(Error::invalid(OPERATION, "scopes", fix));
        }
        if scopes.is_empty() {
            return Err(Error::invalid(OPERATION, "scopes", "name at least one"));
        }
        let made = api_key::make()?;
        let key = ApiKey {
            id: notebook_core::ApiKeyId::new(),
            user: by.user,
            name: name.to_owned(),
            prefix: made.prefix,
            hash: made.hash,
            scopes: scopes.iter().map(|scope| scope.name().to_owned()).collect(),
            created_at: self.identity.now().await?,
            expires_at,
            last_used_at: None,
            revoked_at: None,
        };
        self.identity.create_key(&by.scope, by.actor(), key.clone()).await?;
        Ok((key, made.key))
    }

    /// Ends the session of a refresh token. Unknown, ended or no token at all: nothing.
    ///
    /// # Errors
    /// Those of the store: then the session may go on, and the client is told so.
    pub async fn sign_out(&self, token: &str) -> Result<()> {
        let Some(read) = self.refresh.read(token) else { return Ok(()) };
        self.end(read.session, EndReason::SignedOut).await.map(drop)
    }

    /// The sessions of a user, newest first.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn sessions(&self, user: UserId) -> Result<Vec<Session>> {
        self.identity.sessions(user).await
    }

    /// Ends a session of the user's own.
    ///
    /// # Errors
    /// `NotFound` when there is none of theirs.
    pub async fn end_session(&self, user: UserId, session: SessionId) -> Result<()> {
        let missing = || Error::not_found("end session", "session");
        let live = self.identity.session(session).await.map_err(|error| match error.kind() {
            ErrorKind::NotFound => missing(),
            _ => error,
        })?;
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

    /// Gives a member another role, or makes somebody a member; none takes them out.
    ///
    /// # Errors
    /// `Forbidden` when the one who does it may not; those of
    /// [`Workspaces::set_role`](notebook_core::identity::Workspaces::set_role).
    pub async fn set_role(&self, by: &Principal, user: UserId, after: Option<Role>) -> Result<()> {
        by.require(Permission::MemberManage)?;
        // Of somebody who is no member it is the least.
        let before = self.identity.standing(user, by.scope.tenant()).await?.role;
        if !crate::rbac::may_set_role(by.role, Some(before), after) {
            return Err(Error::new(ErrorKind::Forbidden, "set role")
                .with("fix", "a role manages only lower or equal roles"));
        }
        let actor: Actor = by.actor();
        let done = match after {
            Some(role) => self.identity.set_role(&by.scope, actor, user, role).await,
            None => self.identity.remove_member(&by.scope, actor, user).await,
        };
        self.live.forget_all();
        done
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
            match error.kind() {
                // Switched off, or another password since it was checked.
                ErrorKind::NotFound | ErrorKind::Conflict => unauthorized().caused_by(error),
                _ => error,
            }
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
        let access_expires_at = access_end(session.id, generation, access_from, self.policy.access);
        let claims = AccessClaims {
            user: session.user,
            tenant: session.tenant,
            session: session.id,
            generation,
            role,
            issued_at: access_from,
            expires_at: access_expires_at,
        };
        let refresh = RefreshToken { session: session.id, generation, key: session.key };
        Ok(Tokens {
            access: Secret::new(self.issuer.issue(&claims)?),
            access_expires_at,
            refresh: self.refresh.make(refresh)?,
            session_ends_at: session.absolute_end,
            user: session.user,
            session: session.id,
            tenant: session.tenant,
        })
    }
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

fn unauthorized() -> Error {
    Error::new(ErrorKind::Unauthenticated, "authenticate")
}

/// An error of the store at a refresh.
fn fault(error: Error) -> RefreshFault {
    if error.kind() == ErrorKind::NotFound {
        // The session is gone, or from after a backup that was put back: its token is good for nothing.
        return RefreshFault::Unauthorized { clear: true };
    }
    let retry_after = match error.retry_status() {
        Retry::After(wait) => wait,
        _ => LATER,
    };
    RefreshFault::Unavailable { retry_after, source: error }
}
