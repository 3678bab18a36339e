//! What every adapter decides alike about users and members: pure functions over what was read.

use std::time::Duration;

use super::{
    ApiKey, Role, Standing, User, Workspace, WorkspaceKind,
    audit::{Actor, NewEntry},
    session::Session,
};
use crate::{Error, ErrorKind, Result, Timestamp, UserId};

/// Checks a change of a member's role, or a member's going (`to` is none). `admins` are those of the workspace.
///
/// # Errors
/// See [`Workspaces::set_role`](super::Workspaces::set_role).
pub fn change_role(
    operation: &'static str,
    workspace: &Workspace,
    admins: &[UserId],
    user: UserId,
    to: Option<Role>,
) -> Result<()> {
    let conflict = |fix: &str| Err(Error::new(ErrorKind::Conflict, operation).with("fix", fix));
    if to == Some(Role::System) {
        return Err(Error::invalid(
            operation,
            "role",
            "give viewer, analyst, data_scientist or admin",
        ));
    }
    if admins == [user] && to != Some(Role::Admin) {
        return conflict("make somebody else an admin first");
    }
    if workspace.kind == WorkspaceKind::Personal && !admins.contains(&user) {
        return conflict("a personal workspace is one person's: make a team workspace");
    }
    Ok(())
}

/// Checks that a password's hash is the one that a change was made from.
///
/// # Errors
/// `Conflict` when it is not.
pub fn change_password(operation: &'static str, user: &User, old: Option<&str>) -> Result<()> {
    if user.password.as_deref() == old {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Conflict, operation)
        .with("reason", "the password was changed meanwhile"))
}

/// The error for a token that is unknown, used, or too old: which of them is nobody's business.
#[must_use]
pub fn no_reset(operation: &'static str) -> Error {
    Error::not_found(operation, "reset token").with("fix", "ask for a new one")
}

/// What is logged of a change of roles; none is no member.
#[must_use]
pub fn role_entry(by: Actor, user: UserId, before: Option<Role>, after: Option<Role>) -> NewEntry {
    let action = match (before, after) {
        (None, _) => "member.added",
        (Some(_), Some(_)) => "role.changed",
        (Some(_), None) => "member.removed",
    };
    let detail = serde_json::json!({ "before": before, "after": after });
    NewEntry::new(by, action).about(user).with(&detail)
}

/// The sessions that give way to a new one, oldest first, given a user's active ones from the newest.
pub fn gives_way(active: &[Session], most: usize) -> impl Iterator<Item = &Session> {
    active.iter().skip(most.saturating_sub(1)).rev()
}

/// Checks that a session may begin.
///
/// # Errors
/// See [`Sessions::open_session`](super::Sessions::open_session).
pub fn may_open(operation: &'static str, standing: &Standing, epoch: u32) -> Result<()> {
    if !standing.active {
        return Err(Error::not_found(operation, "user or workspace"));
    }
    if standing.epoch != epoch {
        return Err(Error::new(ErrorKind::Conflict, operation)
            .with("reason", "the user's sessions were ended meanwhile"));
    }
    Ok(())
}

/// What is logged when a session begins.
#[must_use]
pub fn opened_entry(session: &Session) -> NewEntry {
    NewEntry::new(Actor::User(session.user), "session.opened").about(session.id)
}

/// How far apart uses of an API key are noted.
pub const KEY_USE_APART: Duration = Duration::from_secs(60);

/// Whether a key is neither revoked nor past its end.
#[must_use]
pub fn key_is_good(key: &ApiKey, now: Timestamp) -> bool {
    key.revoked_at.is_none() && key.expires_at.is_none_or(|end| now < end)
}

/// What is logged of a new key.
#[must_use]
pub fn key_entry(by: Actor, key: &ApiKey) -> NewEntry {
    let detail = serde_json::json!({ "user": key.user, "scopes": key.scopes });
    NewEntry::new(by, "api_key.created").about(key.id).with(&detail)
}
