//! Scenarios of [`Invitations`](crate::identity::Invitations).

use std::time::Duration;

use futures::future::join_all;

use super::{Subject, new_user, refused, scope};
use crate::{
    ErrorKind, InvitationId, TenantId, UserId,
    conformance::Scenario,
    identity::{
        NewInvitation, Role, User,
        audit::{Actor, verify},
        rules::MOST_INVITATIONS,
    },
};

/// Every scenario of this file.
#[must_use]
pub fn scenarios() -> Vec<Scenario<Subject>> {
    crate::scenarios![
        Subject;
        an_invitation_is_accepted_once_by_whom_it_names,
        an_invitation_runs_out_is_revoked_and_gives_way,
        t16_an_invitation_of_another_tenant_is_absent,
        t34_an_invitation_gives_way_in_its_workspace_only,
        only_teams_invite_and_not_their_members,
        who_may_invite_no_more_has_invited_nobody,
        invitations_are_bounded,
    ]
}

const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

fn invitation(by: &User, email: &str) -> NewInvitation {
    let id = InvitationId::new();
    let mut hash = [3; 32];
    hash[..16].copy_from_slice(id.as_bytes());
    NewInvitation {
        id,
        email: email.to_owned(),
        role: Role::Analyst,
        invited_by: Some(by.id),
        hash,
        life: WEEK,
    }
}

pub async fn an_invitation_is_accepted_once_by_whom_it_names(subject: &Subject) {
    let identity = &subject.identity;
    let (owner, team) = subject.team().await;
    let (user, own) = subject.user().await;
    let (stranger, _) = subject.user().await;
    let by = Actor::User(owner.id);
    let new = invitation(&owner, &user.email);
    let made = identity.invite(&team, by, new.clone()).await.unwrap();
    assert_eq!((made.id, &made.email, made.role), (new.id, &new.email, Role::Analyst));
    assert_eq!(made.expires_at, made.created_at.after(WEEK));
    assert_eq!(identity.invitations(&team).await.unwrap(), std::slice::from_ref(&made));
    let seen = identity.invitation(new.hash).await.unwrap();
    assert_eq!((&seen.invitation, seen.workspace.as_str()), (&made, "Team"));
    // Somebody else who got hold of the link.
    let error = identity.accept_invitation(stranger.id, new.hash).await;
    let error = refused(error, ErrorKind::NotFound);
    let unknown = identity.accept_invitation(stranger.id, [9; 32]).await.unwrap_err();
    assert_eq!(error.to_string(), unknown.to_string());
    assert!(!identity.standing(user.id, team.tenant()).await.unwrap().active);
    let calls = (0..8).map(|_| identity.accept_invitation(user.id, new.hash));
    let results = join_all(calls).await;
    let done: Vec<_> = results.iter().filter_map(|result| result.as_ref().ok()).collect();
    assert_eq!(done.len(), 1, "{results:?}");
    assert_eq!((done[0].workspace.tenant, done[0].role), (team.tenant(), Role::Analyst));
    let standing = identity.standing(user.id, team.tenant()).await.unwrap();
    assert_eq!((standing.active, standing.role), (true, Role::Analyst));
    assert_eq!(identity.invitations(&team).await.unwrap(), []);
    refused(identity.invitation(new.hash).await, ErrorKind::NotFound);
    assert_eq!(identity.places(user.id).await.unwrap().len(), 2);
    assert!(identity.standing(user.id, own.tenant()).await.unwrap().active);
    let log = identity.entries(&team, 0, 10).await.unwrap();
    let actions: Vec<_> = log.iter().map(|entry| entry.what.action.as_str()).collect();
    let expected =
        ["workspace.created", "invitation.created", "invitation.accepted", "member.added"];
    assert_eq!(actions, expected);
    assert_eq!((log[1].what.actor, log[2].what.actor), (by, Actor::User(user.id)));
    assert!(!format!("{log:?}").contains(&user.email));
    assert_eq!(verify(&**identity, &team, None, None).await.unwrap().broken, None);
}

pub async fn an_invitation_runs_out_is_revoked_and_gives_way(subject: &Subject) {
    let identity = &subject.identity;
    let (owner, team) = subject.team().await;
    let by = Actor::User(owner.id);
    let (user, _) = subject.user().await;
    let first = invitation(&owner, &user.email);
    let second = NewInvitation { role: Role::Viewer, ..invitation(&owner, &user.email) };
    for new in [&first, &second] {
        identity.invite(&team, by, new.clone()).await.unwrap();
    }
    // Who is invited anew is invited as the last one says.
    refused(identity.accept_invitation(user.id, first.hash).await, ErrorKind::NotFound);
    assert_eq!(identity.invitations(&team).await.unwrap().len(), 1);
    identity.revoke_invitation(&team, by, second.id).await.unwrap();
    let again = identity.revoke_invitation(&team, by, second.id).await;
    refused(again, ErrorKind::NotFound);
    refused(identity.accept_invitation(user.id, second.hash).await, ErrorKind::NotFound);
    let third = invitation(&owner, &user.email);
    identity.invite(&team, by, third.clone()).await.unwrap();
    let fourth = invitation(&owner, "other@example.org");
    identity.invite(&team, by, fourth.clone()).await.unwrap();
    let listed = identity.invitations(&team).await.unwrap();
    let ids: Vec<_> = listed.iter().map(|invitation| invitation.id).collect();
    assert_eq!(ids, [fourth.id, third.id], "newest first");
    subject.wait(WEEK.as_secs());
    refused(identity.accept_invitation(user.id, third.hash).await, ErrorKind::NotFound);
    refused(identity.invitation(third.hash).await, ErrorKind::NotFound);
    refused(identity.revoke_invitation(&team, by, third.id).await, ErrorKind::NotFound);
    assert_eq!(identity.invitations(&team).await.unwrap(), []);
}

/// T16
pub async fn t16_an_invitation_of_another_tenant_is_absent(subject: &Subject) {
    let identity = &subject.identity;
    let (owner, theirs) = subject.team().await;
    let (stranger, own) = subject.team().await;
    let (user, _) = subject.user().await;
    let new = invitation(&owner, &user.email);
    identity.invite(&theirs, Actor::User(owner.id), new.clone()).await.unwrap();
    let by = Actor::User(stranger.id);
    assert_eq!(identity.invitations(&own).await.unwrap(), []);
    let foreign = identity.revoke_invitation(&own, by, new.id).await;
    let foreign = refused(foreign, ErrorKind::NotFound);
    let absent = identity.revoke_invitation(&own, by, InvitationId::new()).await.unwrap_err();
    assert_eq!(foreign.to_string(), absent.to_string());
    // Neither its id nor its token is another's to take; and it leads into its own workspace only.
    let mut same = invitation(&stranger, "eve@example.org");
    same.hash = new.hash;
    refused(identity.invite(&own, by, same).await, ErrorKind::AlreadyExists);
    let mut same = invitation(&stranger, "eve@example.org");
    same.id = new.id;
    refused(identity.invite(&own, by, same).await, ErrorKind::AlreadyExists);
    let place = identity.accept_invitation(user.id, new.hash).await.unwrap();
    assert_eq!(place.workspace.tenant, theirs.tenant());
    assert!(!identity.standing(user.id, own.tenant()).await.unwrap().active);
    let nowhere = scope(TenantId::new());
    let absent = identity.invite(&nowhere, by, invitation(&stranger, "a@example.org")).await;
    refused(absent, ErrorKind::NotFound);
}

pub async fn t34_an_invitation_gives_way_in_its_workspace_only(subject: &Subject) {
    let identity = &subject.identity;
    let ((owner, one), (_, other)) = (subject.team().await, subject.team().await);
    let by = Actor::User(owner.id);
    identity.set_role(&other, by, owner.id, Role::Admin).await.unwrap();
    let stays = invitation(&owner, "both@example.org");
    identity.invite(&other, by, stays.clone()).await.unwrap();
    for _ in 0..2 {
        identity.invite(&one, by, invitation(&owner, "both@example.org")).await.unwrap();
    }
    identity.invitation(stays.hash).await.unwrap();
    // Who invites no more in one workspace still does in the other.
    let (second, _) = subject.user().await;
    identity.set_role(&one, by, second.id, Role::Admin).await.unwrap();
    identity.set_role(&one, by, owner.id, Role::Viewer).await.unwrap();
    assert_eq!(identity.invitations(&one).await.unwrap(), []);
    identity.invitation(stays.hash).await.unwrap();
    identity.set_role(&one, by, owner.id, Role::Admin).await.unwrap();
    identity.remove_member(&one, by, owner.id).await.unwrap();
    identity.invitation(stays.hash).await.unwrap();
}

pub async fn only_teams_invite_and_not_their_members(subject: &Subject) {
    let identity = &subject.identity;
    let (owner, team) = subject.team().await;
    let (person, personal) = subject.user().await;
    let by = Actor::User(owner.id);
    let new = invitation(&person, "a@example.org");
    let refusal = identity.invite(&personal, Actor::User(person.id), new).await;
    refused(refusal, ErrorKind::Conflict);
    let member = identity.invite(&team, by, invitation(&owner, &owner.email)).await;
    refused(member, ErrorKind::AlreadyExists);
    let system = NewInvitation { role: Role::System, ..invitation(&owner, "a@example.org") };
    refused(identity.invite(&team, by, system).await, ErrorKind::InvalidInput);
    // Made a member meanwhile: they stay what they are.
    let new = NewInvitation { role: Role::Admin, ..invitation(&owner, &person.email) };
    identity.invite(&team, by, new.clone()).await.unwrap();
    identity.set_role(&team, by, person.id, Role::Viewer).await.unwrap();
    let place = identity.accept_invitation(person.id, new.hash).await.unwrap();
    assert_eq!(place.role, Role::Viewer);
    let standing = identity.standing(person.id, team.tenant()).await.unwrap();
    assert_eq!(standing.role, Role::Viewer);
    // Neither who is switched off nor for a workspace that is.
    let user = identity.create_user(new_user()).await.unwrap();
    let new = invitation(&owner, &user.email);
    identity.invite(&team, by, new.clone()).await.unwrap();
    identity.set_user_active(Actor::System, user.id, false).await.unwrap();
    refused(identity.accept_invitation(user.id, new.hash).await, ErrorKind::NotFound);
    identity.set_user_active(Actor::System, user.id, true).await.unwrap();
    identity.set_workspace_active(Actor::System, team.tenant(), false).await.unwrap();
    refused(identity.accept_invitation(user.id, new.hash).await, ErrorKind::NotFound);
    refused(identity.invitation(new.hash).await, ErrorKind::NotFound);
    identity.set_workspace_active(Actor::System, team.tenant(), true).await.unwrap();
    identity.accept_invitation(user.id, new.hash).await.unwrap();
    let unknown = identity.accept_invitation(UserId::new(), new.hash).await;
    refused(unknown, ErrorKind::NotFound);
}

/// An admin who goes must not have a way back in in their pocket.
pub async fn who_may_invite_no_more_has_invited_nobody(subject: &Subject) {
    let identity = &subject.identity;
    let (owner, team) = subject.team().await;
    let (other, _) = subject.team().await;
    let by = Actor::User(owner.id);
    for way in 0..3 {
        identity.set_role(&team, by, other.id, Role::Admin).await.unwrap();
        let stays = invitation(&owner, &format!("stays{way}@example.org"));
        let goes = invitation(&other, &format!("goes{way}@example.org"));
        for new in [&stays, &goes] {
            identity.invite(&team, by, new.clone()).await.unwrap();
        }
        match way {
            0 => identity.set_role(&team, by, other.id, Role::Viewer).await.unwrap(),
            1 => identity.remove_member(&team, by, other.id).await.unwrap(),
            _ => identity.set_user_active(Actor::System, other.id, false).await.unwrap(),
        }
        refused(identity.invitation(goes.hash).await, ErrorKind::NotFound);
        identity.invitation(stays.hash).await.unwrap();
    }
    assert_eq!(identity.invitations(&team).await.unwrap().len(), 3);
}

pub async fn invitations_are_bounded(subject: &Subject) {
    let identity = &subject.identity;
    let (owner, team) = subject.team().await;
    let by = Actor::User(owner.id);
    for i in 0..MOST_INVITATIONS {
        let new = invitation(&owner, &format!("user{i}@example.org"));
        identity.invite(&team, by, new).await.unwrap();
    }
    let more = identity.invite(&team, by, invitation(&owner, "more@example.org")).await;
    refused(more, ErrorKind::Conflict);
    // T34: others' places are not taken.
    let (stranger, other) = subject.team().await;
    let new = invitation(&stranger, "more@example.org");
    identity.invite(&other, Actor::User(stranger.id), new).await.unwrap();
    // Who is invited already can be invited anew.
    identity.invite(&team, by, invitation(&owner, "user7@example.org")).await.unwrap();
    subject.wait(WEEK.as_secs());
    identity.invite(&team, by, invitation(&owner, "more@example.org")).await.unwrap();
}
