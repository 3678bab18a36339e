//! Scenarios of [`Accounts`](crate::identity::Accounts).

use futures::future::join_all;

use super::{Subject, new_user, refused};
use crate::{
    ErrorKind, TenantId, UserId,
    conformance::Scenario,
    identity::{
        NewUser, Reset, Role, SetPassword, Workspace, WorkspaceKind,
        audit::{Actor, NewEntry},
    },
};

/// Every scenario of this file.
#[must_use]
pub fn scenarios() -> Vec<Scenario<Subject>> {
    crate::scenarios![
        Subject;
        a_user_reads_back_with_a_personal_workspace,
        an_address_is_taken_once,
        a_password_is_changed_from_what_it_was,
        a_reset_token_is_used_once,
        a_reset_token_runs_out_and_gives_way,
        switching_a_user_or_workspace_off_counts_at_once,
        strangers_have_no_standing,
    ]
}

pub async fn a_user_reads_back_with_a_personal_workspace(subject: &Subject) {
    let identity = &subject.identity;
    let new = new_user();
    let user = identity.create_user(new.clone()).await.unwrap();
    assert_eq!((user.id, &user.email, user.active, user.epoch), (new.id, &new.email, true, 0));
    assert_eq!(identity.user(user.id).await.unwrap(), user);
    assert_eq!(identity.user_by_email(&new.email).await.unwrap(), Some(user.clone()));
    assert_eq!(identity.user_by_email("nobody@example.org").await.unwrap(), None);
    refused(identity.user(UserId::new()).await, ErrorKind::NotFound);
    let places = identity.places(user.id).await.unwrap();
    assert_eq!(places.len(), 1);
    assert_eq!(places[0].workspace.tenant, new.workspace);
    assert_eq!((places[0].workspace.kind, places[0].role), (WorkspaceKind::Personal, Role::Admin));
}

pub async fn an_address_is_taken_once(subject: &Subject) {
    let email = format!("{}@example.org", UserId::new());
    let calls = (0..8)
        .map(|_| subject.identity.create_user(NewUser { email: email.clone(), ..new_user() }));
    let results = join_all(calls).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    for result in results {
        if let Err(error) = result {
            assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        }
    }
}

pub async fn a_password_is_changed_from_what_it_was(subject: &Subject) {
    let identity = &subject.identity;
    let (user, _) = subject.user().await;
    let change = |old: Option<&str>, new: &str, ends_sessions| SetPassword {
        user: user.id,
        old: old.map(str::to_owned),
        new: new.into(),
        ends_sessions,
    };
    for old in [None, Some("$argon2id$other")] {
        refused(identity.set_password(change(old, "x", true)).await, ErrorKind::Conflict);
    }
    identity.set_password(change(Some("$argon2id$one"), "two", false)).await.unwrap();
    let stored = identity.user(user.id).await.unwrap();
    assert_eq!((stored.password.as_deref(), stored.epoch), (Some("two"), 0));
    let calls = (0..8).map(|_| identity.set_password(change(Some("two"), "three", true)));
    let done = join_all(calls).await.into_iter().filter(Result::is_ok).count();
    let stored = identity.user(user.id).await.unwrap();
    assert_eq!((done, stored.epoch), (1, 1));
    let absent = SetPassword { user: UserId::new(), ..change(None, "x", true) };
    refused(identity.set_password(absent).await, ErrorKind::NotFound);
}

/// J25
pub async fn a_reset_token_is_used_once(subject: &Subject) {
    let identity = &subject.identity;
    let (user, _) = subject.user().await;
    let hash = digest_of(user.id);
    let expires_at = identity.now().await.unwrap().after(std::time::Duration::from_secs(900));
    identity.put_reset(Reset { hash, user: user.id, expires_at }).await.unwrap();
    let calls = (0..100).map(|i| identity.use_reset(hash, format!("new {i}")));
    let results = join_all(calls).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    let stored = identity.user(user.id).await.unwrap();
    assert_eq!(stored.epoch, 1, "all sessions of before have ended, once");
    let won = results.iter().position(Result::is_ok).unwrap();
    assert_eq!(stored.password, Some(format!("new {won}")));
    for result in results.into_iter().filter(Result::is_err) {
        refused(result, ErrorKind::NotFound);
    }
}

pub async fn a_reset_token_runs_out_and_gives_way(subject: &Subject) {
    let identity = &subject.identity;
    let (user, _) = subject.user().await;
    let expires_at = identity.now().await.unwrap().after(std::time::Duration::from_secs(60));
    let first = digest_of(user.id);
    let second = digest_of(UserId::new());
    for hash in [first, second] {
        identity.put_reset(Reset { hash, user: user.id, expires_at }).await.unwrap();
    }
    let error = refused(identity.use_reset(first, "x".into()).await, ErrorKind::NotFound);
    subject.wait(60);
    let late = refused(identity.use_reset(second, "x".into()).await, ErrorKind::NotFound);
    let unknown = identity.use_reset([9; 32], "x".into()).await.unwrap_err();
    assert_eq!(error.to_string(), late.to_string());
    assert_eq!(unknown.to_string(), late.to_string(), "why is nobody's business");
    // A password that is changed voids what was sent before.
    let expires_at = identity.now().await.unwrap().after(std::time::Duration::from_secs(60));
    identity.put_reset(Reset { hash: second, user: user.id, expires_at }).await.unwrap();
    let change = SetPassword {
        user: user.id,
        old: user.password,
        new: "changed".into(),
        ends_sessions: true,
    };
    identity.set_password(change).await.unwrap();
    refused(identity.use_reset(second, "x".into()).await, ErrorKind::NotFound);
}

pub async fn switching_a_user_or_workspace_off_counts_at_once(subject: &Subject) {
    let identity = &subject.identity;
    let (user, scope) = subject.user().await;
    let tenant = scope.tenant();
    let active = async || identity.standing(user.id, tenant).await.unwrap().active;
    assert!(active().await);
    identity.set_user_active(user.id, false).await.unwrap();
    assert!(!active().await);
    identity.set_user_active(user.id, true).await.unwrap();
    identity.set_workspace_active(tenant, false).await.unwrap();
    assert!(!active().await);
    identity.set_workspace_active(tenant, true).await.unwrap();
    assert!(active().await);
    refused(identity.set_user_active(UserId::new(), false).await, ErrorKind::NotFound);
    let absent = identity.set_workspace_active(TenantId::new(), false).await;
    refused(absent, ErrorKind::NotFound);
}

pub async fn strangers_have_no_standing(subject: &Subject) {
    let identity = &subject.identity;
    let (user, _) = subject.user().await;
    let (other, place) = subject.user().await;
    for (who, tenant) in
        [(user.id, place.tenant()), (user.id, TenantId::new()), (UserId::new(), place.tenant())]
    {
        assert!(!identity.standing(who, tenant).await.unwrap().active);
    }
    let team = Workspace {
        tenant: TenantId::new(),
        kind: WorkspaceKind::Team,
        name: "Team".into(),
        active: true,
        created_at: other.created_at,
    };
    identity.create_workspace(other.id, team.clone()).await.unwrap();
    let taken = identity.create_workspace(user.id, team.clone()).await;
    refused(taken, ErrorKind::AlreadyExists);
    assert_eq!(identity.standing(other.id, team.tenant).await.unwrap().role, Role::Admin);
    assert!(!identity.standing(user.id, team.tenant).await.unwrap().active);
    let bad = NewEntry::new(Actor::Unknown, "Not An Action");
    refused(identity.log(None, bad).await, ErrorKind::InvalidInput);
}

/// Some bytes of its own for each id.
fn digest_of(id: UserId) -> [u8; 32] {
    use sha2::Digest as _;
    sha2::Sha256::digest(id.as_bytes()).into()
}
