//! What is done for the whole installation.

use notebook_core::{
    Error, ErrorKind, Result, Retry, Secret, TenantId, UserId,
    identity::{User, audit::Actor, session::EndReason},
};

use super::{Auth, Principal, accounts::email};
use crate::rbac::Permission;

/// Somebody who runs the installation.
#[derive(Debug, Clone, Copy)]
pub struct Operator(Actor);

impl Operator {
    /// Who has the machine's console: its files are theirs anyway.
    #[must_use]
    pub const fn console() -> Self {
        Self(Actor::System)
    }
}

impl Principal {
    /// Goes on only with somebody who runs the installation.
    ///
    /// # Errors
    /// `Forbidden` for all others.
    pub fn operator(&self) -> Result<Operator> {
        self.require(Permission::Operate)?;
        Ok(Operator(self.actor()))
    }
}

/// A user whom an operator makes.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// Their address.
    pub email: String,
    /// What to call them; up to 100 characters.
    pub name: String,
    /// Their password; none to let them set it by a reset token.
    pub password: Option<Secret>,
}

impl Auth {
    /// Makes a user with a personal workspace.
    ///
    /// # Errors
    /// `InvalidInput` that names the field; `AlreadyExists` when the address is taken.
    pub async fn create_user(&self, by: &Operator, new: NewAccount) -> Result<User> {
        self.add_user("create user", Some(by.0), new).await
    }

    /// Users with ids after `after`, oldest first, at most `limit`.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn users(
        &self,
        _by: &Operator,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Vec<User>> {
        self.identity.users(after, limit).await
    }

    /// Lets a user sign in or not. When not, their sessions and keys are good no more, here at once.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub async fn set_user_active(&self, by: &Operator, user: UserId, active: bool) -> Result<()> {
        let done = self.identity.set_user_active(by.0, user, active).await;
        self.live.forget_all();
        done
    }

    /// Switches a workspace on or off for all.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub async fn set_workspace_active(
        &self,
        by: &Operator,
        tenant: TenantId,
        active: bool,
    ) -> Result<()> {
        let done = self.identity.set_workspace_active(by.0, tenant, active).await;
        self.live.forget_all();
        done
    }

    /// Ends all sessions of a user; how many those were.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn end_sessions_of(&self, _by: &Operator, user: UserId) -> Result<usize> {
        let ended = self.identity.end_sessions(user, None, EndReason::Operator).await;
        self.live.forget_all();
        ended
    }

    /// A token by which the user of an address sets their password anew.
    ///
    /// # Errors
    /// `InvalidInput` when it is no address; `NotFound` when nobody who may sign in has it; `RateLimited` when as many
    /// tokens are good as may be.
    pub async fn reset_for(&self, _by: &Operator, address: &str) -> Result<(User, Secret)> {
        const OPERATION: &str = "make reset token";
        let found = self.identity.user_by_email(&email(OPERATION, address)?).await?;
        let user = found.filter(|user| user.active);
        let user = user.ok_or_else(|| Error::not_found(OPERATION, "user"))?;
        let Some(token) = self.make_reset(user.id).await? else {
            return Err(Error::new(ErrorKind::RateLimited, OPERATION)
                .retry(Retry::After(self.reset_life))
                .with("fix", "use one of the tokens that were made, or wait"));
        };
        Ok((user, token))
    }
}
