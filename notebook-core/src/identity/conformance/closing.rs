//! Scenarios of [`Closing`](crate::identity::Closing).

use super::{Subject, new_session, new_user, refused, scope, token};
use crate::{
    ApiKeyId, ErrorKind, InvitationId, TenantId, TenantScope, Timestamp, UserId,
    conformance::Scenario,
    identity::{
        ApiKey, NewInvitation, Role,
        audit::{Actor, INSTALLATION, NewEntry},
        session::Rule,
    },
};

/// Every scenario of this file.
#[must_use]
pub fn scenarios() -> Vec<Scenario<Subject>> {
    crate::scenarios![
        Subject;
        a_closed_workspace_is_as_none,
        an_erased_workspace_leaves_its_audit_log_and_a_receipt,
        a_personal_workspace_is_not_closed_by_itself,
        a_user_who_goes_takes_what_is_only_theirs,
        the_last_admin_of_others_does_not_go,
    ]
}

fn receipt(tenant: TenantId) -> NewEntry {
    NewEntry::new(Actor::System, "workspace.deleted").about(tenant)
}

async fn key(subject: &Subject, scope: &TenantScope, user: UserId) -> [u8; 32] {
    let (id, mut hash) = (ApiKeyId::new(), [7; 32]);
    hash[..16].copy_from_slice(id.as_bytes());
    let key = ApiKey {
        id,
        user,
        name: "Build".into(),
        prefix: "nbk_abcd".into(),
        hash,
        scopes: vec!["chat".into()],
        created_at: Timestamp::default(),
        expires_at: None,
        last_used_at: None,
        revoked_at: None,
    };
    subject.identity.create_key(scope, Actor::User(user), key).await.unwrap();
    hash
}

async fn invite(subject: &Subject, scope: &TenantScope, by: UserId) -> [u8; 32] {
    let (id, mut hash) = (InvitationId::new(), [8; 32]);
    hash[..16].copy_from_slice(id.as_bytes());
    let life = std::time::Duration::from_secs(1_000);
    let (role, email) = (Role::Viewer, format!("{id}@example.org"));
    let new = NewInvitation { id, email, role, invited_by: Some(by), hash, life };
    subject.identity.invite(scope, Actor::User(by), new).await.unwrap();
    hash
}

/// All workspaces that wait to be erased.
async fn closed(subject: &Subject) -> Vec<TenantId> {
    let (mut all, mut last) = (Vec::new(), None);
    loop {
        let some = subject.identity.closed_workspaces(last, 2).await.unwrap();
        let Some(end) = some.last() else { return all };
        last = Some(*end);
        all.extend(some);
    }
}

pub async fn a_closed_workspace_is_as_none(subject: &Subject) {
    let identity = &subject.identity;
    let (owner, team) = subject.team().await;
    let (member, _) = subject.user().await;
    let (by, tenant) = (Actor::User(owner.id), team.tenant());
    identity.set_role(&team, by, member.id, Role::Admin).await.unwrap();
    let session = identity.open_session(new_session(&member, tenant)).await.unwrap();
    let (key, invited) =
        (key(subject, &team, owner.id).await, invite(subject, &team, owner.id).await);
    identity.close_workspace(by, tenant).await.unwrap();
    assert!(closed(subject).await.contains(&tenant));
    assert!(!identity.session(session.id).await.unwrap().is_active());
    assert_eq!(identity.present(session.id, token(0)).await.unwrap().rule, Rule::Disowned);
    assert!(!identity.standing(member.id, tenant).await.unwrap().active);
    assert!(!identity.key_holder(key).await.unwrap().unwrap().standing.active);
    refused(identity.invitation(invited).await, ErrorKind::NotFound);
    assert!(identity.places(owner.id).await.unwrap().iter().all(|p| p.workspace.tenant != tenant));
    refused(identity.open_session(new_session(&owner, tenant)).await, ErrorKind::NotFound);
    // Nobody opens it again, or changes it.
    refused(identity.workspace(&team).await, ErrorKind::NotFound);
    refused(identity.set_workspace_active(by, tenant, true).await, ErrorKind::NotFound);
    refused(identity.rename(&team, by, "Mine".into()).await, ErrorKind::NotFound);
    refused(identity.set_role(&team, by, member.id, Role::Viewer).await, ErrorKind::NotFound);
    refused(identity.close_workspace(by, tenant).await, ErrorKind::NotFound);
    refused(identity.close_workspace(by, TenantId::new()).await, ErrorKind::NotFound);
    let log = identity.newest(&team, None, 1).await.unwrap();
    assert_eq!(log[0].what.action, "session.disowned");
}

pub async fn an_erased_workspace_leaves_its_audit_log_and_a_receipt(subject: &Subject) {
    let identity = &subject.identity;
    let (owner, team) = subject.team().await;
    let (_, other) = subject.team().await;
    let (waiting_owner, waiting) = subject.team().await;
    identity.close_workspace(Actor::User(waiting_owner.id), waiting.tenant()).await.unwrap();
    let (by, tenant) = (Actor::User(owner.id), team.tenant());
    let session = identity.open_session(new_session(&owner, tenant)).await.unwrap();
    let elsewhere = subject.identity.places(owner.id).await.unwrap()[0].workspace.tenant;
    let kept = identity.open_session(new_session(&owner, elsewhere)).await.unwrap();
    let key = key(subject, &team, owner.id).await;
    refused(identity.erase_workspace(tenant, receipt(tenant)).await, ErrorKind::NotFound);
    identity.close_workspace(by, tenant).await.unwrap();
    let wrong = NewEntry { detail: "no object".into(), ..receipt(tenant) };
    refused(identity.erase_workspace(tenant, wrong).await, ErrorKind::InvalidInput);
    identity.erase_workspace(tenant, receipt(tenant)).await.unwrap();
    refused(identity.erase_workspace(tenant, receipt(tenant)).await, ErrorKind::NotFound);
    let still_closed = closed(subject).await;
    assert!(!still_closed.contains(&tenant) && still_closed.contains(&waiting.tenant()));
    refused(identity.session(session.id).await, ErrorKind::NotFound);
    assert!(identity.session(kept.id).await.unwrap().is_active());
    assert_eq!(identity.key_holder(key).await.unwrap(), None);
    assert_eq!(identity.members(&team).await.unwrap(), []);
    assert_eq!(identity.keys(&team).await.unwrap(), []);
    assert_eq!(identity.members(&other).await.unwrap().len(), 1);
    let log = identity.entries(&team, 0, 100).await.unwrap();
    let actions: Vec<_> = log.iter().map(|entry| entry.what.action.as_str()).collect();
    assert_eq!(actions[0], "workspace.created");
    assert_eq!(actions[actions.len() - 1], "workspace.closed");
    let log = identity.newest(&scope(INSTALLATION), None, 1).await.unwrap();
    assert_eq!(log[0].what, receipt(tenant));
}

pub async fn a_personal_workspace_is_not_closed_by_itself(subject: &Subject) {
    let (user, own) = subject.user().await;
    let closed = subject.identity.close_workspace(Actor::User(user.id), own.tenant()).await;
    refused(closed, ErrorKind::Conflict);
    assert!(subject.identity.workspace(&own).await.unwrap().active);
}

pub async fn a_user_who_goes_takes_what_is_only_theirs(subject: &Subject) {
    let identity = &subject.identity;
    let (user, personal) = subject.user().await;
    let (owner, shared) = subject.team().await;
    let by = Actor::User(user.id);
    identity.set_role(&shared, Actor::User(owner.id), user.id, Role::Admin).await.unwrap();
    let alone = TenantId::new();
    let workspace = identity.workspace(&shared).await.unwrap();
    let workspace = crate::identity::Workspace { tenant: alone, ..workspace };
    identity.create_workspace(user.id, workspace).await.unwrap();
    let session = identity.open_session(new_session(&user, shared.tenant())).await.unwrap();
    let key = key(subject, &shared, user.id).await;
    let (theirs, others) =
        (invite(subject, &shared, user.id).await, invite(subject, &shared, owner.id).await);
    let mut gone = identity.delete_user(by, user.id).await.unwrap();
    gone.sort_unstable();
    let mut expected = vec![personal.tenant(), alone];
    expected.sort_unstable();
    assert_eq!(gone, expected);
    let waiting = closed(subject).await;
    assert!(expected.iter().all(|tenant| waiting.contains(tenant)), "{waiting:?}");
    refused(identity.user(user.id).await, ErrorKind::NotFound);
    assert_eq!(identity.user_by_email(&user.email).await.unwrap(), None);
    refused(identity.session(session.id).await, ErrorKind::NotFound);
    assert_eq!(identity.key_holder(key).await.unwrap(), None);
    refused(identity.invitation(theirs).await, ErrorKind::NotFound);
    identity.invitation(others).await.unwrap();
    let members = identity.members(&shared).await.unwrap();
    assert_eq!(members.iter().map(|member| member.user).collect::<Vec<_>>(), [owner.id]);
    let log = identity.newest(&shared, None, 1).await.unwrap();
    assert_eq!(log[0].what.action, "member.removed");
    let log = identity.newest(&scope(INSTALLATION), None, 1).await.unwrap();
    assert_eq!(log[0].what, NewEntry::new(by, "user.deleted").about(user.id));
    refused(identity.delete_user(by, user.id).await, ErrorKind::NotFound);
    // The address is free again.
    let again = crate::identity::NewUser { email: user.email, ..new_user() };
    identity.create_user(again).await.unwrap();
}

pub async fn the_last_admin_of_others_does_not_go(subject: &Subject) {
    let identity = &subject.identity;
    let (owner, team) = subject.team().await;
    let (member, _) = subject.user().await;
    let by = Actor::User(owner.id);
    identity.set_role(&team, by, member.id, Role::Viewer).await.unwrap();
    let error = refused(identity.delete_user(by, owner.id).await, ErrorKind::Conflict);
    assert!(error.context("fix").unwrap().contains("Team"), "{error}");
    assert_eq!(identity.places(owner.id).await.unwrap().len(), 2, "nothing is changed");
    identity.set_role(&team, by, member.id, Role::Admin).await.unwrap();
    identity.delete_user(by, owner.id).await.unwrap();
    assert_eq!(identity.members(&team).await.unwrap().len(), 1);
    assert!(identity.workspace(&team).await.unwrap().active);
}
