//! Scenarios of [`Sessions`](crate::identity::Sessions). What the rules say is proved where they stand; here it is
//! that they are asked, in order, and that what they say is stored.

use futures::future::join_all;

use super::{Subject, new_session, policy, refused, token};
use crate::{
    ErrorKind, SessionId, TenantId,
    conformance::Scenario,
    identity::{
        Role, SetPassword,
        audit::{Actor, Severity},
        session::{EndReason, NewSession, Presented, Refused, Reply, Rule, SessionState},
    },
};

/// Every scenario of this file.
#[must_use]
pub fn scenarios() -> Vec<Scenario<Subject>> {
    crate::scenarios![
        Subject;
        a_session_reads_back,
        only_who_may_act_opens_a_session,
        many_presentations_rotate_once,
        a_burst_of_recoveries_gives_one_child,
        theft_is_stored_with_its_alarm,
        an_end_wins_over_rotations,
        the_user_and_the_workspace_count,
        sessions_end_together,
        the_oldest_gives_way,
        sessions_that_are_over_take_no_place,
        t14_a_session_goes_to_another_workspace,
        the_use_of_a_generation_is_noted_once,
        tokens_of_another_key_are_unknown,
        sessions_that_are_over_are_forgotten,
    ]
}

pub async fn a_session_reads_back(subject: &Subject) {
    let identity = &subject.identity;
    let (user, scope) = subject.user().await;
    let new = NewSession { binding: Some([4; 32]), ..new_session(&user, scope.tenant()) };
    let opened = identity.open_session(new.clone()).await.unwrap();
    let live = identity.session(new.id).await.unwrap();
    assert_eq!(live.session, opened);
    assert!(live.is_active());
    assert_eq!((opened.generation, opened.state), (0, SessionState::Active));
    assert_eq!(
        (opened.binding, &opened.client, &opened.address),
        (new.binding, &new.client, &new.address)
    );
    assert_eq!(identity.sessions(user.id).await.unwrap(), [opened]);
    refused(identity.session(SessionId::new()).await, ErrorKind::NotFound);
    refused(identity.present(SessionId::new(), token(0)).await, ErrorKind::NotFound);
    assert!(!identity.end_session(SessionId::new(), EndReason::SignedOut).await.unwrap());
}

pub async fn only_who_may_act_opens_a_session(subject: &Subject) {
    let identity = &subject.identity;
    let (user, scope) = subject.user().await;
    let (_, foreign) = subject.user().await;
    for tenant in [foreign.tenant(), TenantId::new()] {
        let opened = identity.open_session(new_session(&user, tenant)).await;
        refused(opened, ErrorKind::NotFound);
    }
    let old = NewSession { epoch: user.epoch + 1, ..new_session(&user, scope.tenant()) };
    refused(identity.open_session(old).await, ErrorKind::Conflict);
    identity.set_user_active(Actor::System, user.id, false).await.unwrap();
    let opened = identity.open_session(new_session(&user, scope.tenant())).await;
    refused(opened, ErrorKind::NotFound);
    assert_eq!(identity.sessions(user.id).await.unwrap(), []);
}

/// R2, R45: 1,000 at once.
pub async fn many_presentations_rotate_once(subject: &Subject) {
    let identity = &subject.identity;
    let (user, scope) = subject.user().await;
    let session = identity.open_session(new_session(&user, scope.tenant())).await.unwrap();
    subject.wait(61);
    let calls = (0..1_000).map(|_| identity.present(session.id, token(0)));
    let results: Vec<_> = join_all(calls).await.into_iter().map(Result::unwrap).collect();
    let count = |rule| results.iter().filter(|found| found.rule == rule).count();
    assert_eq!((count(Rule::Rotated), count(Rule::Replayed)), (1, 50));
    assert_eq!(count(Rule::TooManyReplays), 949);
    let made = results.iter().find(|found| found.rule == Rule::Rotated).unwrap().reply;
    for found in results.iter().filter(|found| found.rule == Rule::Replayed) {
        assert_eq!(found.reply, made, "the same child, and access no longer than the first");
    }
    let live = identity.session(session.id).await.unwrap();
    assert_eq!((live.session.generation, live.is_active()), (1, true));
    // R38: opened, rotated, fifty replays, one line for all the others; the workspace itself comes first.
    let log = identity.entries(&scope, 0, 2_000).await.unwrap();
    assert_eq!(log.len(), 1 + 1 + 1 + 50 + 1);
}

/// R8, R47
pub async fn a_burst_of_recoveries_gives_one_child(subject: &Subject) {
    let identity = &subject.identity;
    let (user, scope) = subject.user().await;
    let session = identity.open_session(new_session(&user, scope.tenant())).await.unwrap();
    subject.wait(900);
    let rotated = identity.present(session.id, token(0)).await.unwrap();
    assert_eq!(rotated.rule, Rule::Rotated);
    subject.wait(3_600);
    let results = join_all((0..8).map(|_| identity.present(session.id, token(0)))).await;
    let mut recovered = 0;
    for result in results {
        let found = result.unwrap();
        recovered += usize::from(found.rule == Rule::Recovered);
        assert!(matches!(found.reply, Reply::Token { generation: 1, .. }), "{found:?}");
    }
    assert_eq!(recovered, 1);
    let live = identity.session(session.id).await.unwrap().session;
    assert!(live.recovered_at > Some(live.rotated_at));
}

/// R7, R12, R38
pub async fn theft_is_stored_with_its_alarm(subject: &Subject) {
    let identity = &subject.identity;
    let (user, scope) = subject.user().await;
    let session = identity.open_session(new_session(&user, scope.tenant())).await.unwrap();
    for generation in 0..3 {
        subject.wait(900);
        let found = identity.present(session.id, token(generation)).await.unwrap();
        assert_eq!(found.rule, Rule::Rotated);
    }
    let stolen = identity.present(session.id, token(1)).await.unwrap();
    assert_eq!((stolen.rule, stolen.reply), (Rule::Stale, Reply::Refused(Refused::Unauthorized)));
    let live = identity.session(session.id).await.unwrap();
    assert_eq!((live.session.state, live.is_active()), (SessionState::Revoked, false));
    let late = identity.present(session.id, token(3)).await.unwrap();
    assert_eq!(late.rule, Rule::Late);
    let log = identity.newest(&scope, None, 2).await.unwrap();
    let severities: Vec<_> = log.iter().map(|entry| entry.what.severity).collect();
    assert_eq!(severities, [Severity::Warning, Severity::Alarm]);
    assert_eq!(log[1].what.action, "session.stale");
    assert_eq!(log[1].what.target, Some(session.id.to_string()));
    assert!(identity.sessions(user.id).await.unwrap().is_empty());
}

/// R17: whichever comes first, no token is good after the end was answered.
pub async fn an_end_wins_over_rotations(subject: &Subject) {
    let identity = &subject.identity;
    let (user, scope) = subject.user().await;
    for _ in 0..20 {
        let session = identity.open_session(new_session(&user, scope.tenant())).await.unwrap();
        subject.wait(61);
        let race = async {
            let ended = identity.end_session(session.id, EndReason::SignedOut).await.unwrap();
            assert!(ended);
            for generation in 0..3 {
                let found = identity.present(session.id, token(generation)).await.unwrap();
                assert_eq!(found.rule, Rule::Late);
            }
        };
        let rotations = join_all((0..4).map(|_| identity.present(session.id, token(0))));
        let ((), found) = futures::join!(race, rotations);
        for found in found {
            let rule = found.unwrap().rule;
            assert!(matches!(rule, Rule::Rotated | Rule::Replayed | Rule::Late), "{rule:?}");
        }
        assert!(!identity.end_session(session.id, EndReason::SignedOut).await.unwrap(), "X12");
        assert!(!identity.session(session.id).await.unwrap().is_active());
    }
}

/// R18, R19
pub async fn the_user_and_the_workspace_count(subject: &Subject) {
    let identity = &subject.identity;
    let (user, scope) = subject.user().await;
    let open = async |epoch| {
        let new = NewSession { epoch, ..new_session(&user, scope.tenant()) };
        identity.open_session(new).await.unwrap().id
    };
    let session = open(0).await;
    let change = SetPassword {
        user: user.id,
        old: user.password.clone(),
        new: "two".into(),
        ends_sessions: true,
    };
    identity.set_password(change).await.unwrap();
    assert!(!identity.session(session).await.unwrap().is_active());
    assert_eq!(identity.present(session, token(0)).await.unwrap().rule, Rule::Disowned);
    let session = open(1).await;
    identity.set_workspace_active(Actor::System, scope.tenant(), false).await.unwrap();
    assert!(!identity.session(session).await.unwrap().is_active());
    assert_eq!(identity.present(session, token(0)).await.unwrap().rule, Rule::Disowned);
    identity.set_workspace_active(Actor::System, scope.tenant(), true).await.unwrap();
    assert_eq!(identity.present(session, token(0)).await.unwrap().rule, Rule::Late);
}

pub async fn sessions_end_together(subject: &Subject) {
    let identity = &subject.identity;
    let (user, scope) = subject.user().await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        let new = new_session(&user, scope.tenant());
        ids.push(identity.open_session(new).await.unwrap().id);
    }
    let reason = EndReason::EndedElsewhere;
    assert_eq!(identity.end_sessions(user.id, Some(ids[1]), reason).await.unwrap(), 2);
    let left = identity.sessions(user.id).await.unwrap();
    assert_eq!(left.iter().map(|session| session.id).collect::<Vec<_>>(), [ids[1]]);
    assert_eq!(identity.end_sessions(user.id, None, reason).await.unwrap(), 1);
    assert_eq!(identity.end_sessions(user.id, None, reason).await.unwrap(), 0);
}

/// R40, also when many begin at once.
pub async fn the_oldest_gives_way(subject: &Subject) {
    let identity = &subject.identity;
    let most = policy().most_sessions;
    let (user, scope) = subject.user().await;
    let mut ids = Vec::new();
    for _ in 0..most + 2 {
        let new = new_session(&user, scope.tenant());
        ids.push(identity.open_session(new).await.unwrap().id);
    }
    ids.reverse();
    ids.truncate(most);
    let left: Vec<_> = identity.sessions(user.id).await.unwrap();
    assert_eq!(left.iter().map(|session| session.id).collect::<Vec<_>>(), ids);
    let calls = (0..3 * most).map(|_| identity.open_session(new_session(&user, scope.tenant())));
    for opened in join_all(calls).await {
        opened.unwrap();
    }
    assert_eq!(identity.sessions(user.id).await.unwrap().len(), most);
}

/// R40: what is over is closed, and does not push out what goes on.
pub async fn sessions_that_are_over_take_no_place(subject: &Subject) {
    let identity = &subject.identity;
    let most = policy().most_sessions;
    let (user, scope) = subject.user().await;
    let open = async |epoch| {
        let new = NewSession { epoch, ..new_session(&user, scope.tenant()) };
        identity.open_session(new).await.unwrap().id
    };
    // Of an epoch that is over.
    for _ in 0..most {
        open(0).await;
    }
    let change = SetPassword {
        user: user.id,
        old: user.password.clone(),
        new: "two".into(),
        ends_sessions: true,
    };
    identity.set_password(change).await.unwrap();
    let kept = open(1).await;
    let left = identity.sessions(user.id).await.unwrap();
    assert_eq!(left.iter().map(|session| session.id).collect::<Vec<_>>(), [kept]);
    // Of a time that is over: all but one, which is refreshed.
    let mut others = Vec::new();
    for _ in 1..most {
        others.push(open(1).await);
    }
    subject.wait(policy().idle.as_secs() / 2);
    assert_eq!(identity.present(kept, token(0)).await.unwrap().rule, Rule::Rotated);
    subject.wait(policy().idle.as_secs() / 2 + 1);
    let new = open(1).await;
    let left = identity.sessions(user.id).await.unwrap();
    assert_eq!(left.iter().map(|session| session.id).collect::<Vec<_>>(), [new, kept]);
    let closed = identity.session(others[0]).await.unwrap().session;
    assert_eq!(closed.state, SessionState::Expired);
    assert!(closed.ended_at.is_some());
    assert_eq!(identity.present(others[0], token(0)).await.unwrap().rule, Rule::Expired);
    // R38: each with its line.
    let log = identity.entries(&scope, 0, 100).await.unwrap();
    let count = |action| log.iter().filter(|entry| entry.what.action == action).count();
    assert_eq!(count("session.disowned"), most);
    assert_eq!((count("session.expired"), count("session.ended")), (most - 1, 0));
}

/// T14: the same refresh token, another workspace, and both know of it.
pub async fn t14_a_session_goes_to_another_workspace(subject: &Subject) {
    let identity = &subject.identity;
    let (user, own) = subject.user().await;
    let (owner, team) = subject.team().await;
    let (_, foreign) = subject.team().await;
    identity.set_role(&team, Actor::User(owner.id), user.id, Role::Viewer).await.unwrap();
    let opened = identity.open_session(new_session(&user, own.tenant())).await.unwrap();
    let id = opened.id;
    for tenant in [foreign.tenant(), TenantId::new()] {
        refused(identity.switch_session(id, tenant).await, ErrorKind::NotFound);
    }
    assert_eq!(identity.session(id).await.unwrap().session, opened, "nothing happened");
    let there = identity.switch_session(id, team.tenant()).await.unwrap();
    assert_eq!(there.session.tenant, team.tenant());
    assert_eq!((there.standing.active, there.standing.role), (true, Role::Viewer));
    assert_eq!(identity.session(id).await.unwrap().session, there.session);
    identity.switch_session(id, team.tenant()).await.unwrap();
    // Its refresh token goes on where it was: nothing is lost with a reply.
    subject.wait(61);
    let found = identity.present(id, token(0)).await.unwrap();
    assert_eq!((found.rule, found.session.tenant), (Rule::Rotated, team.tenant()));
    let last = async |scope| identity.newest(scope, None, 1).await.unwrap()[0].what.clone();
    assert_eq!(last(&own).await.action, "session.left");
    assert_eq!(last(&own).await.target, Some(id.to_string()));
    let log = identity.newest(&team, None, 2).await.unwrap();
    let actions: Vec<_> = log.iter().map(|entry| entry.what.action.as_str()).collect();
    assert_eq!(actions, ["session.rotated", "session.entered"], "once");
    // It counts there: whoever is taken out of the workspace is out.
    identity.remove_member(&team, Actor::User(owner.id), user.id).await.unwrap();
    assert!(!identity.session(id).await.unwrap().is_active());
    // What is over goes nowhere.
    identity.end_session(id, EndReason::SignedOut).await.unwrap();
    refused(identity.switch_session(id, own.tenant()).await, ErrorKind::NotFound);
    refused(identity.switch_session(SessionId::new(), own.tenant()).await, ErrorKind::NotFound);
    let late = identity.open_session(new_session(&user, own.tenant())).await.unwrap().id;
    subject.wait(policy().idle.as_secs());
    refused(identity.switch_session(late, own.tenant()).await, ErrorKind::NotFound);
}

pub async fn the_use_of_a_generation_is_noted_once(subject: &Subject) {
    let identity = &subject.identity;
    let (user, scope) = subject.user().await;
    let session = identity.open_session(new_session(&user, scope.tenant())).await.unwrap().id;
    subject.wait(61);
    identity.present(session, token(0)).await.unwrap();
    for generation in [1, 0, 1, 2, 9] {
        identity.mark_used(session, generation).await.unwrap();
        assert_eq!(identity.session(session).await.unwrap().session.used, 1, "{generation}");
    }
    identity.mark_used(SessionId::new(), 1).await.unwrap();
    // R7: it counts.
    subject.wait(3_600);
    assert_eq!(identity.present(session, token(0)).await.unwrap().rule, Rule::Reused);
}

/// R37: a session keeps the key that it began with.
pub async fn tokens_of_another_key_are_unknown(subject: &Subject) {
    let identity = &subject.identity;
    let (user, scope) = subject.user().await;
    let session = identity.open_session(new_session(&user, scope.tenant())).await.unwrap().id;
    let other = Presented { key: 2, ..token(0) };
    refused(identity.present(session, other).await, ErrorKind::NotFound);
    assert!(identity.session(session).await.unwrap().is_active());
}

pub async fn sessions_that_are_over_are_forgotten(subject: &Subject) {
    let identity = &subject.identity;
    let (user, scope) = subject.user().await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        let new = new_session(&user, scope.tenant());
        ids.push(identity.open_session(new).await.unwrap().id);
    }
    subject.wait(1);
    identity.end_session(ids[0], EndReason::SignedOut).await.unwrap();
    let ended = identity.session(ids[0]).await.unwrap().session.ended_at.unwrap();
    while identity.forget_sessions(ended, 10).await.unwrap() > 0 {}
    assert!(identity.session(ids[0]).await.is_ok(), "not before its time");
    subject.wait(1);
    let now = identity.now().await.unwrap();
    assert!(identity.forget_sessions(now, 10).await.unwrap() >= 1);
    refused(identity.session(ids[0]).await, ErrorKind::NotFound);
    assert_eq!(identity.sessions(user.id).await.unwrap().len(), 2);
    // Those that nobody ended are over when their time is.
    subject.wait(policy().absolute.as_secs() + 1);
    let now = identity.now().await.unwrap();
    while identity.forget_sessions(now, 10).await.unwrap() > 0 {}
    assert!(identity.sessions(user.id).await.unwrap().is_empty());
}
