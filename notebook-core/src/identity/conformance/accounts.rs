//! Scenarios of [`Accounts`](crate::identity::Accounts).

use futures::future::join_all;

use super::{Subject, new_user, refused};
use crate::{
    ErrorKind, TenantId, UserId,
    conformance::Scenario,
    identity::{
        NewUser, Reset, Role, SINGLE_USER, SetPassword, Workspace, WorkspaceKind,
        audit::{Actor, INSTALLATION, NewEntry},
        rules::MOST_RESETS,
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
        reset_tokens_stand_side_by_side,
        a_reset_token_runs_out,
        ids_that_are_taken_for_good_are_no_workspaces,
        users_and_workspaces_are_listed_by_cursor,
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
    let after = identity.set_password(change(Some("$argon2id$one"), "two", false)).await.unwrap();
    let stored = identity.user(user.id).await.unwrap();
    assert_eq!((stored.password.as_deref(), stored.epoch), (Some("two"), 0));
    assert_eq!(after, stored);
    let calls = (0..8).map(|_| identity.set_password(change(Some("two"), "three", true)));
    let done = join_all(calls).await.into_iter().filter(Result::is_ok).count();
    let stored = identity.user(user.id).await.unwrap();
    assert_eq!((done, stored.epoch), (1, 1));
    let after = identity.set_password(change(Some("three"), "four", true)).await.unwrap();
    assert_eq!((after.epoch, after.password.as_deref()), (2, Some("four")));
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

/// Who asks in another's name voids nothing that was sent to them, and does not fill their mailbox.
pub async fn reset_tokens_stand_side_by_side(subject: &Subject) {
    let identity = &subject.identity;
    let (user, _) = subject.user().await;
    let (other, _) = subject.user().await;
    let expires_at = identity.now().await.unwrap().after(std::time::Duration::from_secs(60));
    let hashes: Vec<_> = (0..MOST_RESETS + 2).map(|_| digest_of(UserId::new())).collect();
    let mut kept = Vec::new();
    for hash in &hashes {
        let reset = Reset { hash: *hash, user: user.id, expires_at };
        kept.push(identity.put_reset(reset).await.unwrap());
    }
    assert_eq!(kept.iter().filter(|kept| **kept).count(), MOST_RESETS);
    assert_eq!(kept.iter().position(|kept| !kept), Some(MOST_RESETS), "the first ones stay");
    let theirs = Reset { hash: digest_of(other.id), user: other.id, expires_at };
    assert!(identity.put_reset(theirs.clone()).await.unwrap(), "another user has their own");
    assert_eq!(identity.reset(theirs.hash).await.unwrap(), theirs);
    refused(identity.reset(hashes[MOST_RESETS]).await, ErrorKind::NotFound);
    let absent = Reset { hash: [5; 32], user: UserId::new(), expires_at };
    refused(identity.put_reset(absent).await, ErrorKind::NotFound);
    // The first is as good as the last, and one that is used voids the others.
    assert_eq!(identity.use_reset(hashes[0], "x".into()).await.unwrap(), user.id);
    refused(identity.reset(hashes[1]).await, ErrorKind::NotFound);
    refused(identity.use_reset(hashes[1], "x".into()).await, ErrorKind::NotFound);
    identity.reset(theirs.hash).await.unwrap();
    // Those whose time is over take no place.
    for hash in &hashes[..MOST_RESETS] {
        let reset = Reset { hash: *hash, user: user.id, expires_at };
        assert!(identity.put_reset(reset).await.unwrap());
    }
    subject.wait(60);
    let later = identity.now().await.unwrap().after(std::time::Duration::from_secs(60));
    let reset = Reset { hash: hashes[MOST_RESETS], user: user.id, expires_at: later };
    assert!(identity.put_reset(reset).await.unwrap());
}

pub async fn a_reset_token_runs_out(subject: &Subject) {
    let identity = &subject.identity;
    let (user, _) = subject.user().await;
    let expires_at = identity.now().await.unwrap().after(std::time::Duration::from_secs(60));
    let hash = digest_of(user.id);
    identity.put_reset(Reset { hash, user: user.id, expires_at }).await.unwrap();
    subject.wait(60);
    let late = refused(identity.use_reset(hash, "x".into()).await, ErrorKind::NotFound);
    let unknown = identity.use_reset([9; 32], "x".into()).await.unwrap_err();
    assert_eq!(unknown.to_string(), late.to_string(), "why is nobody's business");
    let late = refused(identity.reset(hash).await, ErrorKind::NotFound);
    assert_eq!(late.to_string(), identity.reset([9; 32]).await.unwrap_err().to_string());
    // A password that is changed voids what was sent before.
    let expires_at = identity.now().await.unwrap().after(std::time::Duration::from_secs(60));
    let second = digest_of(UserId::new());
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

/// The installation's audit log and the data of single-user mode lie under ids that no workspace may have.
pub async fn ids_that_are_taken_for_good_are_no_workspaces(subject: &Subject) {
    let identity = &subject.identity;
    let (owner, _) = subject.user().await;
    for tenant in [INSTALLATION, SINGLE_USER] {
        let new = NewUser { workspace: tenant, ..new_user() };
        let email = new.email.clone();
        let error = refused(identity.create_user(new).await, ErrorKind::InvalidInput);
        assert_eq!(error.context("field"), Some("tenant_id"));
        assert_eq!(identity.user_by_email(&email).await.unwrap(), None);
        let workspace = Workspace {
            tenant,
            kind: WorkspaceKind::Team,
            name: "Team".into(),
            active: true,
            created_at: owner.created_at,
        };
        let made = identity.create_workspace(owner.id, workspace).await;
        refused(made, ErrorKind::InvalidInput);
        assert!(!identity.standing(owner.id, tenant).await.unwrap().active);
    }
}

/// Cursors go over all there is, also over what comes meanwhile.
pub async fn users_and_workspaces_are_listed_by_cursor(subject: &Subject) {
    let identity = &subject.identity;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(subject.user().await);
    }
    let off = made[1].1.tenant();
    identity.set_workspace_active(Actor::System, off, false).await.unwrap();
    identity.set_user_active(Actor::System, made[2].0.id, false).await.unwrap();
    let (mut users, mut after) = (Vec::new(), None);
    loop {
        let page = identity.users(after, 2).await.unwrap();
        assert!(page.len() <= 2);
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        users.extend(page.into_iter().map(|user| user.id));
    }
    assert!(users.windows(2).all(|pair| pair[0] < pair[1]));
    assert!(made.iter().all(|(user, _)| users.contains(&user.id)), "the switched off too");
    let (mut tenants, mut after) = (Vec::new(), None);
    loop {
        let page = identity.tenants(after, 2).await.unwrap();
        assert!(page.len() <= 2);
        let Some(last) = page.last() else { break };
        after = Some(*last);
        tenants.extend(page);
    }
    assert!(tenants.windows(2).all(|pair| pair[0] < pair[1]));
    for (_, scope) in &made {
        assert_eq!(tenants.contains(&scope.tenant()), scope.tenant() != off);
    }
    let one = identity.users(Some(made[0].0.id), 1).await.unwrap();
    assert_eq!(one[0], identity.user(one[0].id).await.unwrap());
}

pub async fn switching_a_user_or_workspace_off_counts_at_once(subject: &Subject) {
    let identity = &subject.identity;
    let (user, scope) = subject.user().await;
    let tenant = scope.tenant();
    let active = async || identity.standing(user.id, tenant).await.unwrap().active;
    assert!(active().await);
    identity.set_user_active(Actor::System, user.id, false).await.unwrap();
    assert!(!active().await);
    identity.set_user_active(Actor::System, user.id, true).await.unwrap();
    identity.set_workspace_active(Actor::System, tenant, false).await.unwrap();
    assert!(!active().await);
    identity.set_workspace_active(Actor::System, tenant, true).await.unwrap();
    assert!(active().await);
    refused(
        identity.set_user_active(Actor::System, UserId::new(), false).await,
        ErrorKind::NotFound,
    );
    let absent = identity.set_workspace_active(Actor::System, TenantId::new(), false).await;
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
