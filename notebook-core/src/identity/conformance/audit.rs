//! Scenarios of [`AuditLog`](crate::identity::AuditLog).

use futures::future::join_all;

use super::{Subject, refused, scope};
use crate::{
    ErrorKind, TenantId, UserId,
    conformance::Scenario,
    identity::audit::{Actor, Head, INSTALLATION, NewEntry, Severity, verify},
};

/// Every scenario of this file.
#[must_use]
pub fn scenarios() -> Vec<Scenario<Subject>> {
    crate::scenarios![
        Subject;
        entries_read_back_in_order,
        entries_of_many_writers_form_one_chain,
        another_tenants_entries_are_absent,
        bad_entries_are_refused_with_their_batch,
        what_is_no_tenants_has_its_own_chain,
    ]
}

fn entry(action: &str) -> NewEntry {
    NewEntry::new(Actor::User(UserId::from_u128(1)), action)
}

pub async fn entries_read_back_in_order(subject: &Subject) {
    let log = &subject.identity;
    let tenant = scope(TenantId::new());
    assert_eq!(log.head(&tenant).await.unwrap(), Head::default());
    assert_eq!(verify(&**log, &tenant, None, None).await.unwrap().head, Head::default());
    let written: Vec<_> = [Actor::Unknown, Actor::System, Actor::User(UserId::new())]
        .into_iter()
        .map(|actor| NewEntry { actor, severity: Severity::Alarm, ..entry("a.b").about("x") })
        .collect();
    let head = log.append(&tenant, written.clone()).await.unwrap();
    assert_eq!(head.seq, 3);
    let read = log.entries(&tenant, 0, 10).await.unwrap();
    assert_eq!(read.iter().map(|entry| entry.what.clone()).collect::<Vec<_>>(), written);
    assert_eq!(read.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(log.entries(&tenant, 1, 1).await.unwrap(), read[1..2]);
    assert_eq!(log.newest(&tenant, Some(3), 10).await.unwrap(), [read[1].clone(), read[0].clone()]);
    assert_eq!(log.newest(&tenant, None, 1).await.unwrap(), read[2..]);
    assert_eq!(log.head(&tenant).await.unwrap(), head);
}

pub async fn entries_of_many_writers_form_one_chain(subject: &Subject) {
    let log = &subject.identity;
    let tenant = scope(TenantId::new());
    let calls = (0..100).map(|i| log.append(&tenant, vec![entry("a").about(i), entry("b")]));
    for result in join_all(calls).await {
        result.unwrap();
    }
    let found = verify(&**log, &tenant, None, None).await.unwrap();
    assert_eq!((found.head.seq, found.broken), (200, None));
    let read = log.entries(&tenant, 0, 1_000).await.unwrap();
    let pairs = read.chunks(2).all(|two| two[0].what.action == "a" && two[1].what.action == "b");
    assert!(pairs, "what is added together stands together");
    // A head that was kept is gone through, and another one is not.
    let kept = Head { seq: 50, hash: read[49].hash };
    assert_eq!(verify(&**log, &tenant, Some(kept), None).await.unwrap().broken, None);
    let other = Head { seq: 50, hash: [1; 32] };
    assert_eq!(verify(&**log, &tenant, Some(other), None).await.unwrap().broken.unwrap().seq, 50);
    let cut = Head { seq: 300, hash: [1; 32] };
    assert_eq!(verify(&**log, &tenant, Some(cut), None).await.unwrap().broken.unwrap().seq, 201);
}

pub async fn another_tenants_entries_are_absent(subject: &Subject) {
    let log = &subject.identity;
    let [one, other] = [scope(TenantId::new()), scope(TenantId::new())];
    log.append(&one, vec![entry("secret")]).await.unwrap();
    assert_eq!(log.entries(&other, 0, 10).await.unwrap(), []);
    assert_eq!(log.newest(&other, None, 10).await.unwrap(), []);
    assert_eq!(log.head(&other).await.unwrap(), Head::default());
}

pub async fn bad_entries_are_refused_with_their_batch(subject: &Subject) {
    let log = &subject.identity;
    let tenant = scope(TenantId::new());
    let batch = vec![entry("good"), entry("Not good")];
    refused(log.append(&tenant, batch).await, ErrorKind::InvalidInput);
    assert_eq!(log.head(&tenant).await.unwrap(), Head::default());
}

pub async fn what_is_no_tenants_has_its_own_chain(subject: &Subject) {
    let log = &subject.identity;
    let installation = scope(INSTALLATION);
    let before = log.head(&installation).await.unwrap().seq;
    log.log(None, entry("sign_in.failed")).await.unwrap();
    let tenant = scope(TenantId::new());
    log.log(Some(tenant.tenant()), entry("sign_in.failed")).await.unwrap();
    assert_eq!(log.head(&installation).await.unwrap().seq, before + 1);
    assert_eq!(log.head(&tenant).await.unwrap().seq, 1);
    assert_eq!(verify(&**log, &installation, None, None).await.unwrap().broken, None);
}
