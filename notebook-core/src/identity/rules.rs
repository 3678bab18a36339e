//! What every adapter decides alike about users and members: pure functions over what was read.

use std::time::Duration;

use super::{
    ApiKey, External, Invitation, Link, NewInvitation, NewUser, Role, SINGLE_USER, Standing, User,
    Workspace, WorkspaceKind,
    audit::{Actor, INSTALLATION, NewEntry},
    session::{self, EndReason, Session, SessionState, Stepped},
};
use crate::{Error, ErrorKind, Result, TenantId, Timestamp, UserId};

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
    if let Some(role) = to {
        persons(operation, role)?;
    }
    if admins == [user] && to != Some(Role::Admin) {
        return conflict("make somebody else an admin first");
    }
    if workspace.kind == WorkspaceKind::Personal && !admins.contains(&user) {
        return Err(personal(operation));
    }
    Ok(())
}

fn persons(operation: &'static str, role: Role) -> Result<()> {
    if role != Role::System {
        return Ok(());
    }
    Err(Error::invalid(operation, "role", "give viewer, analyst, data_scientist or admin"))
}

fn personal(operation: &'static str) -> Error {
    Error::new(ErrorKind::Conflict, operation)
        .with("fix", "a personal workspace is one person's: make a team workspace")
}

/// Checks that a workspace may be closed by itself.
///
/// # Errors
/// See [`Closing::close_workspace`](super::Closing::close_workspace).
pub fn close(operation: &'static str, workspace: &Workspace) -> Result<()> {
    if workspace.kind == WorkspaceKind::Team {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Conflict, operation)
        .with("fix", "a personal workspace goes with its user: delete the account"))
}

/// Whether a workspace goes with a user who goes, of its admins and as many members; else it only loses a member.
///
/// # Errors
/// See [`Closing::delete_user`](super::Closing::delete_user).
pub fn goes_along(
    operation: &'static str,
    workspace: &Workspace,
    admins: &[UserId],
    members: usize,
    user: UserId,
) -> Result<bool> {
    if workspace.kind == WorkspaceKind::Personal || members <= 1 {
        return Ok(true);
    }
    if admins != [user] {
        return Ok(false);
    }
    Err(Error::new(ErrorKind::Conflict, operation).with(
        "fix",
        format!("make somebody else an admin of {}, or delete that workspace", workspace.name),
    ))
}

/// Checks the id of a workspace that is to be made: not the one of the installation's audit log, nor that of single-user
/// mode, whose data would be the workspace's.
///
/// # Errors
/// `InvalidInput` when it is one of them.
pub fn workspace_id(operation: &'static str, tenant: TenantId) -> Result<()> {
    if tenant != INSTALLATION && tenant != SINGLE_USER {
        return Ok(());
    }
    Err(Error::invalid(operation, "tenant_id", "give a new id"))
}

/// The longest name of a user or workspace, in characters.
pub const LONGEST_NAME: usize = 100;

/// A name of a user or a workspace without spaces around it.
///
/// # Errors
/// `InvalidInput` when it is empty, longer than [`LONGEST_NAME`], or has a control character.
pub fn name(operation: &'static str, name: &str) -> Result<String> {
    let name = name.trim();
    let bad = name.is_empty()
        || name.chars().count() > LONGEST_NAME
        || name.chars().any(char::is_control);
    if bad {
        let fix = "give 1 to 100 characters, none of them a control character";
        return Err(Error::invalid(operation, "name", fix));
    }
    Ok(name.to_owned())
}

/// How many reset tokens of a user are good at once: so many messages are sent to them in the life of one.
pub const MOST_RESETS: usize = 5;

/// How many invitations a workspace has at once.
pub const MOST_INVITATIONS: usize = 500;

/// Checks an invitation that is to be made, where there are `open` others and `is_member` says whether a member has the
/// address.
///
/// # Errors
/// See [`Invitations::invite`](super::Invitations::invite).
pub fn may_invite(
    operation: &'static str,
    workspace: &Workspace,
    role: Role,
    is_member: bool,
    open: usize,
) -> Result<()> {
    persons(operation, role)?;
    if workspace.kind == WorkspaceKind::Personal {
        return Err(personal(operation));
    }
    if is_member {
        return Err(Error::new(ErrorKind::AlreadyExists, operation)
            .with("field", "email")
            .with("fix", "they are a member already: change their role instead"));
    }
    if open >= MOST_INVITATIONS {
        return Err(Error::new(ErrorKind::Conflict, operation)
            .with("fix", "revoke some of the workspace's invitations first"));
    }
    Ok(())
}

/// An invitation at its beginning.
#[must_use]
pub fn invitation(new: &NewInvitation, now: Timestamp) -> Invitation {
    Invitation {
        id: new.id,
        email: new.email.clone(),
        role: new.role,
        invited_by: new.invited_by,
        created_at: now,
        expires_at: now.after(new.life),
    }
}

/// The error for an invitation that is unknown, too old, taken back, or another's: which of them is nobody's business.
#[must_use]
pub fn no_invitation(operation: &'static str) -> Error {
    Error::not_found(operation, "invitation")
}

/// What is logged of an invitation. The address is the invited one's own business: it is not in the log.
#[must_use]
pub fn invitation_entry(by: Actor, action: &str, invitation: &Invitation) -> NewEntry {
    let detail = serde_json::json!({ "role": invitation.role });
    NewEntry::new(by, action).about(invitation.id).with(&detail)
}

/// At how many providers a user may be somebody.
pub const MOST_LINKS: usize = 20;

/// Checks what a provider calls somebody: an issuer of 1 to 2,048 bytes, and a subject of 1 to 255.
///
/// # Errors
/// `InvalidInput` that names the field.
pub fn external(operation: &'static str, external: &External) -> Result<()> {
    let good = |text: &str, most| {
        !text.is_empty() && text.len() <= most && !text.chars().any(char::is_control)
    };
    for (field, text, most) in
        [("issuer", &external.issuer, 2_048), ("subject", &external.subject, 255)]
    {
        if !good(text, most) {
            let fix = format!("give 1 to {most} bytes without control characters");
            return Err(Error::invalid(operation, field, fix));
        }
    }
    Ok(())
}

/// Checks that a user may be somebody at one more provider, where they are somebody at `links` already.
///
/// # Errors
/// See [`Links::link`](super::Links::link).
pub fn may_link(operation: &'static str, user: &User, links: usize) -> Result<()> {
    if !user.active {
        return Err(Error::not_found(operation, "user"));
    }
    if links >= MOST_LINKS {
        let fix = "take a linked account away first";
        return Err(Error::new(ErrorKind::Conflict, operation).with("fix", fix));
    }
    Ok(())
}

/// The error for a person of a provider who is a user here already.
#[must_use]
pub fn linked_already(operation: &'static str) -> Error {
    Error::new(ErrorKind::AlreadyExists, operation)
        .with("field", "subject")
        .with("fix", "that account is linked to another user: sign in as them")
}

/// Checks that a link may be taken away from a user who has `links` of them, that one included.
///
/// # Errors
/// See [`Links::unlink`](super::Links::unlink).
pub fn may_unlink(operation: &'static str, user: &User, links: usize) -> Result<()> {
    if user.password.is_some() || links > 1 {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Conflict, operation)
        .with("fix", "set a password by a reset link first: there would be no way to sign in"))
}

/// What is logged of a link. What the provider calls somebody is not in the log.
#[must_use]
pub fn link_entry(by: Actor, action: &str, link: &Link) -> NewEntry {
    let detail = serde_json::json!({ "issuer": link.external.issuer, "link": link.id });
    NewEntry::new(by, action).about(link.user).with(&detail)
}

/// What is logged of a new user.
#[must_use]
pub fn user_entry(new: &NewUser) -> NewEntry {
    NewEntry::new(new.by, "user.created").about(new.id)
}

/// The session in another workspace, in which its user has a standing.
///
/// # Errors
/// See [`Sessions::switch_session`](super::Sessions::switch_session).
pub fn switch(
    operation: &'static str,
    session: &Session,
    there: &Standing,
    tenant: TenantId,
    now: Timestamp,
) -> Result<Session> {
    let goes_on = session.state == SessionState::Active
        && !session::is_over(session, now)
        && session.epoch >= there.epoch;
    if !goes_on {
        return Err(Error::not_found(operation, "session"));
    }
    if !there.active {
        return Err(Error::not_found(operation, "workspace"));
    }
    Ok(Session { tenant, ..session.clone() })
}

/// What is logged, in both workspaces, when a session goes from one to the other.
#[must_use]
pub fn switch_entries(session: &Session) -> [NewEntry; 2] {
    let entry = |action| NewEntry::new(Actor::User(session.user), action).about(session.id);
    [entry("session.left"), entry("session.entered")]
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

/// A session that is closed to make room, as it was and as it is then.
#[derive(Debug)]
pub struct Closed<'s> {
    /// As it is stored.
    pub before: &'s Session,
    /// What is to be stored.
    pub after: Stepped,
}

/// What is closed before another session of a user begins, given those that are not closed, from the newest: all that
/// are over, which do not count, and then the oldest, until there is room for one.
#[must_use]
pub fn make_room(active: &[Session], epoch: u32, most: usize, now: Timestamp) -> Vec<Closed<'_>> {
    let mut room = most.saturating_sub(1);
    let close = |before| {
        if let Some(after) = session::lapsed(before, epoch, now) {
            return Some(Closed { before, after });
        }
        if room > 0 {
            room -= 1;
            return None;
        }
        let after = session::end(before, EndReason::Limit, now)?;
        Some(Closed { before, after })
    };
    active.iter().filter_map(close).collect()
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

/// Whether the last note of a key's use is old enough for another.
#[must_use]
pub fn key_use_is_due(key: &ApiKey, now: Timestamp) -> bool {
    key.last_used_at.is_none_or(|last| now.since(last) >= KEY_USE_APART)
}

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
