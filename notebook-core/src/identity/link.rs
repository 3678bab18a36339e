//! Who users are at OpenID providers.

use async_trait::async_trait;

use super::{NewUser, User, audit::Actor};
use crate::{LinkId, Result, Timestamp, UserId};

/// Somebody as a provider knows them. An address is not part of it: addresses are given to others in time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct External {
    /// The provider (`iss`).
    pub issuer: String,
    /// What it calls them (`sub`), for good.
    pub subject: String,
}

/// That a user is somebody at a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Which.
    pub id: LinkId,
    /// The user here.
    pub user: UserId,
    /// Who they are there.
    pub external: External,
    /// Since when.
    pub created_at: Timestamp,
}

/// Users who sign in elsewhere. For those who sign people in.
///
/// - An [`External`] that is out of its bounds (see [`external`](super::rules::external)) is nobody's: reads find
///   nothing, and writes are `InvalidInput`.
#[async_trait]
pub trait Links: Send + Sync {
    /// Makes a user, as [`create_user`](super::Accounts::create_user) does, who is somebody at a provider.
    ///
    /// - Two at the same time for one person there: one is made.
    ///
    /// # Errors
    /// Those of `create_user`; `AlreadyExists` with the field `subject` when that person has a user here.
    async fn create_linked_user(&self, new: NewUser, external: External) -> Result<User>;

    /// The user who is this person at a provider, if there is one; those who are switched off too.
    ///
    /// # Errors
    /// Only those of the storage itself.
    async fn linked_user(&self, external: &External) -> Result<Option<User>>;

    /// Says that a user is this person at a provider too.
    ///
    /// - Said again: what was said first, and nothing is logged.
    ///
    /// # Errors
    /// `NotFound` when there is no such user, or they are switched off; `AlreadyExists` when the person is another user
    /// here; `Conflict` when the user is [as many](super::rules::MOST_LINKS) as they may be.
    async fn link(&self, by: Actor, user: UserId, external: External) -> Result<Link>;

    /// Who a user is elsewhere, oldest first.
    ///
    /// # Errors
    /// Only those of the storage itself.
    async fn links(&self, user: UserId) -> Result<Vec<Link>>;

    /// Takes a link of a user away. Sessions go on.
    ///
    /// # Errors
    /// `NotFound` when the user has no such link; `Conflict` when it is the last of a user without a password, who could
    /// not sign in any more.
    async fn unlink(&self, by: Actor, user: UserId, id: LinkId) -> Result<()>;
}
