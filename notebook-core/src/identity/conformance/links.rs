//! Scenarios of [`Links`](crate::identity::Links).

use futures::future::join_all;

use super::{Subject, new_user, refused};
use crate::{
    ErrorKind, LinkId, UserId,
    conformance::Scenario,
    identity::{
        External, NewUser, SetPassword,
        audit::{Actor, INSTALLATION},
        rules::MOST_LINKS,
    },
};

/// Every scenario of this file.
#[must_use]
pub fn scenarios() -> Vec<Scenario<Subject>> {
    crate::scenarios![
        Subject;
        a_linked_user_is_found_by_issuer_and_subject,
        a_person_elsewhere_is_one_user_here,
        links_are_made_once_and_are_bounded,
        the_last_way_to_sign_in_stays,
        links_and_their_ends_are_logged,
        what_is_out_of_bounds_is_nobodys,
    ]
}

/// Somebody at a provider whom nobody knows yet.
fn somebody() -> External {
    External { issuer: "https://id.example.org".into(), subject: UserId::new().to_string() }
}

fn without_password() -> NewUser {
    NewUser { password: None, ..new_user() }
}

pub async fn a_linked_user_is_found_by_issuer_and_subject(subject: &Subject) {
    let identity = &subject.identity;
    let (new, external) = (without_password(), somebody());
    assert_eq!(identity.linked_user(&external).await.unwrap(), None);
    let user = identity.create_linked_user(new.clone(), external.clone()).await.unwrap();
    assert_eq!((user.id, user.password.as_deref()), (new.id, None));
    assert_eq!(identity.linked_user(&external).await.unwrap(), Some(user.clone()));
    assert_eq!(identity.places(user.id).await.unwrap().len(), 1);
    let others = [
        External { issuer: "https://id.example.com".into(), ..external.clone() },
        External { issuer: "https://id.example.org/".into(), ..external.clone() },
        External { subject: external.subject.to_uppercase(), ..external.clone() },
        External { subject: format!("{} ", external.subject), ..external.clone() },
    ];
    for other in others {
        assert_eq!(identity.linked_user(&other).await.unwrap(), None, "{other:?}");
    }
    let links = identity.links(user.id).await.unwrap();
    assert_eq!(links.len(), 1);
    assert_eq!((links[0].user, &links[0].external), (user.id, &external));
    assert_eq!(identity.links(UserId::new()).await.unwrap(), []);
    // Who is switched off is found too: whoever asks says that they may not sign in.
    identity.set_user_active(Actor::System, user.id, false).await.unwrap();
    assert!(!identity.linked_user(&external).await.unwrap().unwrap().active);
    refused(identity.link(Actor::System, user.id, external).await, ErrorKind::NotFound);
    refused(identity.link(Actor::System, user.id, somebody()).await, ErrorKind::NotFound);
}

pub async fn a_person_elsewhere_is_one_user_here(subject: &Subject) {
    let identity = &subject.identity;
    let external = somebody();
    let calls = (0..8).map(|_| identity.create_linked_user(without_password(), external.clone()));
    let results = join_all(calls).await;
    let made: Vec<_> = results.iter().filter_map(|result| result.as_ref().ok()).collect();
    assert_eq!(made.len(), 1);
    for result in results.iter().filter(|result| result.is_err()) {
        let error = result.as_ref().unwrap_err();
        assert_eq!(
            (error.kind(), error.context("field")),
            (ErrorKind::AlreadyExists, Some("subject"))
        );
    }
    // Of those that were not made nothing is left: no address is taken by them.
    let taken = NewUser { email: made[0].email.clone(), ..without_password() };
    let error =
        refused(identity.create_linked_user(taken, somebody()).await, ErrorKind::AlreadyExists);
    assert_eq!(error.context("field"), Some("email"));
    let new = without_password();
    refused(
        identity.create_linked_user(new.clone(), external.clone()).await,
        ErrorKind::AlreadyExists,
    );
    refused(identity.user(new.id).await, ErrorKind::NotFound);
    let (other, _) = subject.user().await;
    let error = refused(
        identity.link(Actor::User(other.id), other.id, external).await,
        ErrorKind::AlreadyExists,
    );
    assert_eq!(error.context("field"), Some("subject"));
    assert_eq!(identity.links(other.id).await.unwrap(), []);
}

pub async fn links_are_made_once_and_are_bounded(subject: &Subject) {
    let identity = &subject.identity;
    let (user, _) = subject.user().await;
    let by = Actor::User(user.id);
    let external = somebody();
    let calls = (0..8).map(|_| identity.link(by, user.id, external.clone()));
    let made: Vec<_> = join_all(calls).await.into_iter().map(Result::unwrap).collect();
    assert!(made.iter().all(|link| *link == made[0]), "{made:?}");
    assert_eq!(identity.links(user.id).await.unwrap(), std::slice::from_ref(&made[0]));
    for _ in 1..MOST_LINKS {
        identity.link(by, user.id, somebody()).await.unwrap();
    }
    refused(identity.link(by, user.id, somebody()).await, ErrorKind::Conflict);
    // What is there is said again all the same.
    assert_eq!(identity.link(by, user.id, external).await.unwrap(), made[0]);
    let links = identity.links(user.id).await.unwrap();
    assert_eq!((links.len(), links[0].id), (MOST_LINKS, made[0].id));
    refused(identity.link(by, UserId::new(), somebody()).await, ErrorKind::NotFound);
}

pub async fn the_last_way_to_sign_in_stays(subject: &Subject) {
    let identity = &subject.identity;
    let user = identity.create_linked_user(without_password(), somebody()).await.unwrap();
    let by = Actor::User(user.id);
    let first = identity.links(user.id).await.unwrap()[0].clone();
    refused(identity.unlink(by, user.id, first.id).await, ErrorKind::Conflict);
    let second = identity.link(by, user.id, somebody()).await.unwrap();
    let (stranger, _) = subject.user().await;
    for (user, id) in [(stranger.id, first.id), (user.id, LinkId::new()), (UserId::new(), first.id)]
    {
        refused(identity.unlink(by, user, id).await, ErrorKind::NotFound);
    }
    // Both at once: one of them stays.
    let calls = [first.id, second.id].map(|id| identity.unlink(by, user.id, id));
    let done = join_all(calls).await;
    assert_eq!(done.iter().filter(|done| done.is_ok()).count(), 1, "{done:?}");
    let left = identity.links(user.id).await.unwrap();
    assert_eq!(left.len(), 1);
    let change =
        SetPassword { user: user.id, old: None, new: "$argon2id$one".into(), ends_sessions: true };
    identity.set_password(change).await.unwrap();
    identity.unlink(by, user.id, left[0].id).await.unwrap();
    assert_eq!(identity.linked_user(&left[0].external).await.unwrap(), None);
    // Free again, for anybody.
    identity.link(by, stranger.id, left[0].external.clone()).await.unwrap();
}

/// G8
pub async fn links_and_their_ends_are_logged(subject: &Subject) {
    let identity = &subject.identity;
    let log = super::scope(INSTALLATION);
    let (user, _) = subject.user().await;
    let by = Actor::User(user.id);
    let link = identity.link(by, user.id, somebody()).await.unwrap();
    identity.link(by, user.id, link.external.clone()).await.unwrap();
    identity.unlink(by, user.id, link.id).await.unwrap();
    let entries = identity.newest(&log, None, 50).await.unwrap();
    let about = user.id.to_string();
    let mine: Vec<_> = entries
        .iter()
        .map(|entry| &entry.what)
        .filter(|what| what.target.as_ref() == Some(&about) && what.action.starts_with("identity."))
        .collect();
    let actions: Vec<_> = mine.iter().map(|what| what.action.as_str()).collect();
    assert_eq!(actions, ["identity.unlinked", "identity.linked"]);
    for what in mine {
        assert_eq!(what.actor, by);
        assert!(what.detail.contains(&link.external.issuer), "{}", what.detail);
        assert!(!what.detail.contains(&link.external.subject), "{}", what.detail);
    }
}

pub async fn what_is_out_of_bounds_is_nobodys(subject: &Subject) {
    let identity = &subject.identity;
    let (user, _) = subject.user().await;
    let long = "s".repeat(256);
    for (issuer, subject) in
        [("", "a"), ("https://id.example.org", ""), ("https://id.example.org", &long), ("a", "b\n")]
    {
        let external = External { issuer: issuer.into(), subject: subject.into() };
        assert_eq!(identity.linked_user(&external).await.unwrap(), None);
        refused(
            identity.link(Actor::System, user.id, external.clone()).await,
            ErrorKind::InvalidInput,
        );
        refused(identity.create_linked_user(new_user(), external).await, ErrorKind::InvalidInput);
    }
}
