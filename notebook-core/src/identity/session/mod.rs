//! Sessions: one sign-in each, with a line of refresh tokens of which one is alive.
//!
//! A token says its session and its **generation**, from 0; there is no row for a token. The newest generation is
//! the live one. What the older ones are good for is decided by [`present`], the table of rules that [`Rule`] names.

mod policy;
mod step;

use async_trait::async_trait;

pub use policy::SessionPolicy;
pub use step::{Refused, Reply, Rule, Stepped, end, first, is_over, lapsed, present, used};

use super::Standing;
use crate::{Result, SessionId, TenantId, Timestamp, UserId};
use serde::{Deserialize, Serialize};

/// Whether a session goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// Its newest token is good.
    Active,
    /// It was ended before its time. Nothing makes it active again.
    Revoked,
    /// Its time is over.
    Expired,
}

/// Why a session was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// Its user signed out.
    SignedOut,
    /// Its user ended it from another session.
    EndedElsewhere,
    /// There were too many, and it was the oldest.
    Limit,
    /// An operator ended it.
    Operator,
}

/// A session as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Which: the refresh token says it.
    pub id: SessionId,
    /// Whose.
    pub user: UserId,
    /// Where the user acts now.
    pub tenant: TenantId,
    /// Whether it goes on.
    pub state: SessionState,
    /// The newest generation.
    pub generation: u32,
    /// When that one was made.
    pub rotated_at: Timestamp,
    /// When it was last given out for a reply that was lost.
    pub recovered_at: Option<Timestamp>,
    /// The highest generation of which a refresh or an access token was seen.
    pub used: u32,
    /// The highest generation of which a refresh token was seen.
    pub presented: u32,
    /// When a crashed client last recovered.
    pub crash_recovered_at: Option<Timestamp>,
    /// How often the newest generation was given out again.
    pub replays: u32,
    /// How often a token was presented after the session was revoked, up to [`LATE`].
    pub late: u32,
    /// SHA-256 of what the client proves to have, if it is bound to one.
    pub binding: Option<[u8; 32]>,
    /// The number of the key that its tokens are made with.
    pub key: u32,
    /// The user's epoch when it began.
    pub epoch: u32,
    /// When it began.
    pub created_at: Timestamp,
    /// When it ends at the latest.
    pub absolute_end: Timestamp,
    /// When it ends if nothing is refreshed.
    pub idle_end: Timestamp,
    /// When it was ended.
    pub ended_at: Option<Timestamp>,
    /// What the client calls itself, for the list of sessions.
    pub client: String,
    /// The address that it began from.
    pub address: String,
}

/// How many late uses of a revoked session are logged: its tokens must not fill the log.
pub const LATE: u32 = 10;

/// A session that is to begin.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// A new id.
    pub id: SessionId,
    /// Whose.
    pub user: UserId,
    /// Where.
    pub tenant: TenantId,
    /// The user's epoch when they were recognised: a password that was changed meanwhile opens nothing.
    pub epoch: u32,
    /// See [`Session::binding`].
    pub binding: Option<[u8; 32]>,
    /// See [`Session::key`].
    pub key: u32,
    /// See [`Session::client`].
    pub client: String,
    /// See [`Session::address`].
    pub address: String,
}

/// A refresh token that was found genuine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Presented {
    /// Its generation.
    pub generation: u32,
    /// The number of the key that it was made with.
    pub key: u32,
    /// What the client proved to have.
    pub binding: Option<[u8; 32]>,
}

/// What became of a presented token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presentation {
    /// The session after it.
    pub session: Session,
    /// What the user is in the workspace.
    pub standing: Standing,
    /// By which rule.
    pub rule: Rule,
    /// What to answer.
    pub reply: Reply,
    /// The moment that it was decided at.
    pub now: Timestamp,
}

/// A session with what its user is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Live {
    /// The session.
    pub session: Session,
    /// What the user is in the workspace.
    pub standing: Standing,
    /// The store's time.
    pub now: Timestamp,
}

impl Live {
    /// Whether access tokens of the session are good: it goes on, and so does its user.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.session.state == SessionState::Active
            && self.standing.active
            && self.session.epoch >= self.standing.epoch
            && self.now < self.session.absolute_end
    }
}

/// Sessions of all users. For those who sign people in: an id is proof of nothing.
#[async_trait]
pub trait Sessions: Send + Sync {
    /// Begins a session. Those of the user whose time is over are closed; when as many as the user may have are left, the
    /// oldest is revoked.
    ///
    /// # Errors
    /// `NotFound` when the user may not act in the workspace; `Conflict` when their epoch is another one.
    async fn open_session(&self, new: NewSession) -> Result<Session>;

    /// Decides what a presented token means, and stores what follows.
    ///
    /// - Many at the same time: they are decided one after the other.
    /// - Whatever is answered, no session becomes active again, and no generation falls.
    ///
    /// # Errors
    /// `NotFound` when there is no such session, or its tokens are made with another key.
    async fn present(&self, id: SessionId, presented: Presented) -> Result<Presentation>;

    /// Lets a session go on in another workspace: its refresh token stays the same, and access tokens of before are good
    /// no more.
    ///
    /// - It is there already: nothing.
    ///
    /// # Errors
    /// `NotFound` when there is no such session that goes on, or no such workspace that its user may act in.
    async fn switch_session(&self, id: SessionId, tenant: TenantId) -> Result<Live>;

    /// Notes that an access token of a generation was seen. Repeated, too old or too new: nothing.
    ///
    /// # Errors
    /// Only those of the storage itself.
    async fn mark_used(&self, id: SessionId, generation: u32) -> Result<()>;

    /// Ends a session; says whether it went on until now.
    ///
    /// - Unknown or ended: nothing. It wins over everything that happens at the same time.
    ///
    /// # Errors
    /// Only those of the storage itself.
    async fn end_session(&self, id: SessionId, reason: EndReason) -> Result<bool>;

    /// Ends all sessions of a user but `except`; how many those were.
    ///
    /// # Errors
    /// Only those of the storage itself.
    async fn end_sessions(
        &self,
        user: UserId,
        except: Option<SessionId>,
        reason: EndReason,
    ) -> Result<usize>;

    /// The session with its user's standing.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    async fn session(&self, id: SessionId) -> Result<Live>;

    /// The active sessions of a user, newest first. Some may be past their time.
    ///
    /// # Errors
    /// Only those of the storage itself.
    async fn sessions(&self, user: UserId) -> Result<Vec<Session>>;

    /// Deletes sessions that were over before `before`, at most `most`; how many those were.
    ///
    /// # Errors
    /// Only those of the storage itself.
    async fn forget_sessions(&self, before: Timestamp, most: usize) -> Result<usize>;
}
