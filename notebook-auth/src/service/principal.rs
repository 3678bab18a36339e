use notebook_core::{
    ApiKeyId, Error, ErrorKind, Result, SessionId, TenantScope, Timestamp, UserId,
    identity::{Role, audit::Actor},
};

use crate::rbac::{self, Permission};

/// Somebody who was recognised: who, where, and what they may do.
#[derive(Debug, Clone)]
pub struct Principal {
    /// Who, or whose key it is.
    pub user: UserId,
    /// The right to touch the workspace's data.
    pub scope: TenantScope,
    /// What they are in the workspace.
    pub role: Role,
    /// In which session; none for an API key.
    pub session: Option<SessionId>,
    /// By which key, and what it was made for; none for a session, which may all that its user may.
    pub key: Option<(ApiKeyId, Vec<Permission>)>,
    /// When the access token ends that they were recognised by; none without one.
    pub expires_at: Option<Timestamp>,
}

impl Principal {
    /// Whether they may do something: their role must allow it, and their key too.
    #[must_use]
    pub fn may(&self, permission: Permission) -> bool {
        let by_key = self.key.as_ref().is_none_or(|(_, scopes)| scopes.contains(&permission));
        by_key && rbac::may(self.role, permission)
    }

    /// Goes on only if they may.
    ///
    /// # Errors
    /// `Forbidden` that names the permission.
    pub fn require(&self, permission: Permission) -> Result<()> {
        if self.may(permission) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Forbidden, "check permission")
            .with("permission", permission.name())
            .with("fix", "ask an admin of the workspace"))
    }

    /// Goes on only with somebody who signed in themselves: what concerns the person is not for their keys.
    ///
    /// # Errors
    /// `Forbidden` for API keys.
    pub fn signed_in(&self) -> Result<SessionId> {
        let session = self.session.filter(|_| self.key.is_none());
        session.ok_or_else(|| {
            Error::new(ErrorKind::Forbidden, "check session")
                .with("fix", "sign in: an API key does not do")
        })
    }

    /// Who they are in the audit log.
    #[must_use]
    pub fn actor(&self) -> Actor {
        self.key.as_ref().map_or(Actor::User(self.user), |(id, _)| Actor::Key(*id))
    }
}
