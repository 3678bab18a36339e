//! Going from one workspace to another.

use notebook_core::{
    Result, Secret, SessionId, TenantId, Timestamp, UserId,
    identity::{Place, Role},
};

use super::{
    Auth, Principal,
    sessions::{is_missing, unauthorized},
};

/// An access token for a session that has its refresh token already.
#[derive(Debug, Clone)]
pub struct Access {
    /// The access token.
    pub access: Secret,
    /// When it expires.
    pub access_expires_at: Timestamp,
    /// When the session ends at the latest.
    pub session_ends_at: Timestamp,
    /// Whose.
    pub user: UserId,
    /// The session.
    pub session: SessionId,
    /// The workspace.
    pub tenant: TenantId,
    /// What the user is there.
    pub role: Role,
}

impl Auth {
    /// The workspaces that somebody may act in, oldest first.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn places(&self, user: UserId) -> Result<Vec<Place>> {
        let mut places = self.identity.places(user).await?;
        places.retain(|place| place.workspace.active);
        Ok(places)
    }

    /// Lets a session go on in another workspace of its user's. Its refresh token stays the same, so that a reply that is
    /// lost costs nothing; access tokens of before are good no more, at once here and within five seconds elsewhere.
    ///
    /// # Errors
    /// `Forbidden` for API keys, which are of one workspace; `NotFound` when there is no such workspace of theirs;
    /// `Unauthenticated` when the session has ended.
    pub async fn switch_workspace(&self, by: &Principal, tenant: TenantId) -> Result<Access> {
        let id = by.signed_in()?;
        let switched = self.identity.switch_session(id, tenant).await;
        self.live.forget(id);
        let live = switched
            .map_err(|error| if is_missing(&error, "session") { unauthorized() } else { error })?;
        self.clock.align(live.now);
        let (session, role) = (live.session, live.standing.role);
        // Of a generation that was seen already: the token says nothing new of the refresh token, which this one does not
        // show that anybody has.
        let (access, access_expires_at) = self.access(&session, role, session.used, live.now)?;
        Ok(Access {
            access,
            access_expires_at,
            session_ends_at: session.absolute_end,
            user: session.user,
            session: session.id,
            tenant: session.tenant,
            role,
        })
    }
}
