//! Scenarios of [`Workspaces`](crate::identity::Workspaces).

use futures::future::join_all;

use super::{Subject, refused, scope};
use crate::{
    ApiKeyId, ErrorKind, TenantId, Timestamp, UserId,
    conformance::Scenario,
    identity::{ApiKey, Role, audit::Actor},
};

/// Every scenario of this file.
#[must_use]
pub fn scenarios() -> Vec<Scenario<Subject>> {
    crate::scenarios![
        Subject;
        members_come_change_and_go,
        a_workspace_keeps_an_admin,
        a_personal_workspace_stays_one_persons,
        another_tenants_members_and_keys_are_absent,
        t34_a_role_is_that_of_one_workspace,
        an_api_key_is_found_by_its_hash_while_it_is_good,
        a_member_who_goes_takes_their_keys_along,
        the_use_of_a_key_is_noted_to_the_minute,
        a_workspace_is_renamed_by_its_own,
    ]
}

fn key(user: UserId) -> ApiKey {
    let id = ApiKeyId::new();
    let mut hash = [0; 32];
    hash[..16].copy_from_slice(id.as_bytes());
    ApiKey {
        id,
        user,
        name: "Build".into(),
        prefix: "nbk_abcd".into(),
        hash,
        scopes: vec!["notebook.read".into(), "chat".into()],
        created_at: Timestamp::default(),
        expires_at: None,
        last_used_at: None,
        revoked_at: None,
    }
}

pub async fn members_come_change_and_go(subject: &Subject) {
    let identity = &subject.identity;
    let (owner, scope) = subject.team().await;
    let (user, _) = subject.user().await;
    let by = Actor::User(owner.id);
    subject.wait(1);
    identity.set_role(&scope, by, user.id, Role::Viewer).await.unwrap();
    identity.set_role(&scope, by, user.id, Role::DataScientist).await.unwrap();
    let members = identity.members(&scope).await.unwrap();
    let roles: Vec<_> = members.iter().map(|member| (member.user, member.role)).collect();
    assert_eq!(roles, [(owner.id, Role::Admin), (user.id, Role::DataScientist)]);
    assert_eq!(members[1].email, user.email);
    assert_eq!(identity.places(user.id).await.unwrap().len(), 2);
    let standing = identity.standing(user.id, scope.tenant()).await.unwrap();
    assert_eq!((standing.active, standing.role), (true, Role::DataScientist));
    identity.remove_member(&scope, by, user.id).await.unwrap();
    refused(identity.remove_member(&scope, by, user.id).await, ErrorKind::NotFound);
    assert!(!identity.standing(user.id, scope.tenant()).await.unwrap().active);
    let absent = identity.set_role(&scope, by, UserId::new(), Role::Viewer).await;
    refused(absent, ErrorKind::NotFound);
    let system = identity.set_role(&scope, by, user.id, Role::System).await;
    refused(system, ErrorKind::InvalidInput);
    let log = identity.entries(&scope, 0, 100).await.unwrap();
    let actions: Vec<_> = log.iter().map(|entry| entry.what.action.as_str()).collect();
    let expected = ["workspace.created", "member.added", "role.changed", "member.removed"];
    assert_eq!(actions, expected);
    assert!(log[1..].iter().all(|entry| entry.what.actor == by));
}

pub async fn a_workspace_keeps_an_admin(subject: &Subject) {
    let identity = &subject.identity;
    let (owner, scope) = subject.team().await;
    let (other, _) = subject.user().await;
    let by = Actor::User(owner.id);
    let demote = identity.set_role(&scope, by, owner.id, Role::Viewer).await;
    refused(demote, ErrorKind::Conflict);
    refused(identity.remove_member(&scope, by, owner.id).await, ErrorKind::Conflict);
    identity.set_role(&scope, by, other.id, Role::Admin).await.unwrap();
    // Each would have the other be the last: one of them is.
    let calls = [
        identity.set_role(&scope, by, owner.id, Role::Viewer),
        identity.set_role(&scope, by, other.id, Role::Viewer),
    ];
    let results = join_all(calls).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
    let members = identity.members(&scope).await.unwrap();
    assert_eq!(members.iter().filter(|member| member.role == Role::Admin).count(), 1);
}

pub async fn a_personal_workspace_stays_one_persons(subject: &Subject) {
    let (owner, scope) = subject.user().await;
    let (other, _) = subject.user().await;
    let by = Actor::User(owner.id);
    let added = subject.identity.set_role(&scope, by, other.id, Role::Viewer).await;
    refused(added, ErrorKind::Conflict);
}

pub async fn another_tenants_members_and_keys_are_absent(subject: &Subject) {
    let identity = &subject.identity;
    let (owner, theirs) = subject.team().await;
    let (stranger, own) = subject.team().await;
    let new = key(owner.id);
    identity.create_key(&theirs, Actor::System, new.clone()).await.unwrap();
    let by = Actor::User(stranger.id);
    refused(identity.remove_member(&own, by, owner.id).await, ErrorKind::NotFound);
    refused(identity.revoke_key(&own, by, new.id).await, ErrorKind::NotFound);
    assert_eq!(identity.keys(&own).await.unwrap(), []);
    assert_eq!(identity.members(&own).await.unwrap().len(), 1);
    refused(identity.workspace(&scope(TenantId::new())).await, ErrorKind::NotFound);
    assert_eq!(identity.keys(&theirs).await.unwrap()[0].revoked_at, None);
    refused(identity.create_key(&own, by, key(owner.id)).await, ErrorKind::NotFound);
}

pub async fn t34_a_role_is_that_of_one_workspace(subject: &Subject) {
    let identity = &subject.identity;
    let ((owner, one), (_, other)) = (subject.team().await, subject.team().await);
    let (user, _) = subject.user().await;
    let by = Actor::User(owner.id);
    for scope in [&one, &other] {
        identity.set_role(scope, by, user.id, Role::Analyst).await.unwrap();
    }
    identity.set_role(&one, by, user.id, Role::Viewer).await.unwrap();
    let role = async |scope: &crate::TenantScope| {
        identity.standing(user.id, scope.tenant()).await.unwrap().role
    };
    assert_eq!((role(&one).await, role(&other).await), (Role::Viewer, Role::Analyst));
    identity.remove_member(&one, by, user.id).await.unwrap();
    assert_eq!(role(&other).await, Role::Analyst);
}

pub async fn an_api_key_is_found_by_its_hash_while_it_is_good(subject: &Subject) {
    let identity = &subject.identity;
    let (owner, scope) = subject.team().await;
    let by = Actor::User(owner.id);
    let now = identity.now().await.unwrap();
    let ends = now.after(std::time::Duration::from_secs(100));
    let (lasting, ending) = (key(owner.id), ApiKey { expires_at: Some(ends), ..key(owner.id) });
    for new in [&lasting, &ending] {
        identity.create_key(&scope, by, new.clone()).await.unwrap();
        refused(identity.create_key(&scope, by, new.clone()).await, ErrorKind::AlreadyExists);
    }
    let same = ApiKey { id: ApiKeyId::new(), ..lasting.clone() };
    refused(identity.create_key(&scope, by, same).await, ErrorKind::AlreadyExists);
    let found = identity.key_holder(lasting.hash).await.unwrap().unwrap();
    assert_eq!((found.tenant, found.key.id), (scope.tenant(), lasting.id));
    assert_eq!(found.now, now);
    assert_eq!((found.standing.active, found.standing.role), (true, Role::Admin));
    assert_eq!(found.key.scopes, lasting.scopes);
    let listed = identity.keys(&scope).await.unwrap();
    assert_eq!(listed.iter().map(|key| key.id).collect::<Vec<_>>(), [ending.id, lasting.id]);
    assert!(identity.key_holder(ending.hash).await.unwrap().is_some());
    subject.wait(100);
    assert_eq!(identity.key_holder(ending.hash).await.unwrap(), None);
    for _ in 0..2 {
        identity.revoke_key(&scope, by, lasting.id).await.unwrap();
    }
    assert_eq!(identity.key_holder(lasting.hash).await.unwrap(), None);
    assert_eq!(identity.key_holder([7; 32]).await.unwrap(), None);
    refused(identity.revoke_key(&scope, by, ApiKeyId::new()).await, ErrorKind::NotFound);
    let log = identity.newest(&scope, None, 2).await.unwrap();
    let actions: Vec<_> = log.iter().map(|entry| entry.what.action.as_str()).collect();
    assert_eq!(actions, ["api_key.revoked", "api_key.created"], "revoked once");
}

pub async fn a_member_who_goes_takes_their_keys_along(subject: &Subject) {
    let identity = &subject.identity;
    let (owner, scope) = subject.team().await;
    let (user, _) = subject.user().await;
    let by = Actor::User(owner.id);
    identity.set_role(&scope, by, user.id, Role::Analyst).await.unwrap();
    let (theirs, own) = (key(user.id), key(owner.id));
    for new in [&theirs, &own] {
        identity.create_key(&scope, by, new.clone()).await.unwrap();
    }
    identity.set_user_active(Actor::System, user.id, false).await.unwrap();
    let holder = identity.key_holder(theirs.hash).await.unwrap().unwrap();
    assert!(!holder.standing.active);
    identity.remove_member(&scope, by, user.id).await.unwrap();
    assert_eq!(identity.key_holder(theirs.hash).await.unwrap(), None);
    assert!(identity.key_holder(own.hash).await.unwrap().is_some());
}

pub async fn the_use_of_a_key_is_noted_to_the_minute(subject: &Subject) {
    let identity = &subject.identity;
    let (owner, scope) = subject.team().await;
    let new = key(owner.id);
    identity.create_key(&scope, Actor::System, new.clone()).await.unwrap();
    let last = async || identity.keys(&scope).await.unwrap()[0].last_used_at;
    assert_eq!(last().await, None);
    let first = identity.now().await.unwrap();
    for _ in 0..3 {
        identity.key_used(scope.tenant(), new.id).await.unwrap();
        assert_eq!(last().await, Some(first));
        subject.wait(19);
    }
    subject.wait(3);
    identity.key_used(scope.tenant(), new.id).await.unwrap();
    assert!(last().await > Some(first));
    let noted = last().await;
    subject.wait(100);
    // T34: what is said of it for another workspace is said of nothing.
    identity.key_used(TenantId::new(), new.id).await.unwrap();
    assert_eq!(last().await, noted);
}

pub async fn a_workspace_is_renamed_by_its_own(subject: &Subject) {
    let identity = &subject.identity;
    let (owner, one) = subject.team().await;
    let (_, other) = subject.team().await;
    let by = Actor::User(owner.id);
    identity.rename(&one, by, "  Herons ".into()).await.unwrap();
    assert_eq!(identity.workspace(&one).await.unwrap().name, "Herons");
    assert_eq!(identity.workspace(&other).await.unwrap().name, "Team");
    for bad in ["", " ", "a\nb", &"x".repeat(101)] {
        let error =
            refused(identity.rename(&one, by, bad.to_owned()).await, ErrorKind::InvalidInput);
        assert_eq!(error.context("field"), Some("name"));
    }
    let absent = identity.rename(&scope(TenantId::new()), by, "x".into()).await;
    refused(absent, ErrorKind::NotFound);
    let log = identity.newest(&one, None, 1).await.unwrap();
    assert_eq!((log[0].what.action.as_str(), log[0].what.actor), ("workspace.renamed", by));
}
