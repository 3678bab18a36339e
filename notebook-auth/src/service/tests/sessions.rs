use super::*;

/// R44, J16: at once where it was done, and within five seconds elsewhere.
#[tokio::test(start_paused = true)]
async fn r44_and_j16_roles_and_ends_count_within_five_seconds() {
    let bench = bench().await;
    let owner = bench.team("owner@example.org").await;
    let team = owner.scope.clone();
    let user = bench.register("ada@example.org").await;
    let by = owner.actor();
    bench.identity.set_role(&team, by, user.id, Role::DataScientist).await.unwrap();
    let there = SignIn { tenant: Some(team.tenant()), ..request("ada@example.org", PASSWORD) };
    let tokens = bench.auth.sign_in(there.clone()).await.unwrap();
    let principal = bench.auth.authenticate(tokens.access.expose()).await.unwrap();
    assert!(principal.may(Permission::SourceWrite));
    // At another server.
    bench.identity.set_role(&team, by, user.id, Role::Viewer).await.unwrap();
    tokio::time::advance(Duration::from_millis(5_001)).await;
    assert!(!bench.is_good(&tokens).await);
    bench.wait(61);
    let tokens = bench.refreshed(&tokens).await.unwrap();
    let principal = bench.auth.authenticate(tokens.access.expose()).await.unwrap();
    assert_eq!(principal.role, Role::Viewer);
    let error = principal.require(Permission::Chat).unwrap_err();
    assert_eq!(error.context("permission"), Some("chat"));
    // An end at another server, a workspace that is switched off there.
    bench.identity.set_workspace_active(Actor::System, team.tenant(), false).await.unwrap();
    assert!(bench.is_good(&tokens).await, "still believed");
    tokio::time::advance(Duration::from_millis(5_001)).await;
    assert!(!bench.is_good(&tokens).await);
    bench.auth.sign_in(there).await.unwrap_err();
    // Here: at once.
    let tokens = bench.auth.sign_in(request("ada@example.org", PASSWORD)).await.unwrap();
    assert!(bench.is_good(&tokens).await);
    bench.auth.end_session(user.id, tokens.session).await.unwrap();
    assert!(!bench.is_good(&tokens).await);
}

#[tokio::test(start_paused = true)]
async fn g2_sessions_are_listed_and_ended_by_their_user_alone() {
    let bench = bench().await;
    let one = bench.signed_in().await;
    let other = bench.auth.sign_in(request("ada@example.org", PASSWORD)).await.unwrap();
    let stranger = bench.register("eve@example.org").await;
    for id in [one.session, SessionId::new()] {
        let error = bench.auth.end_session(stranger.id, id).await.unwrap_err();
        assert_eq!(error.to_string(), "end session: not_found (what: session)");
    }
    assert_eq!(bench.auth.sessions(one.user).await.unwrap().len(), 2);
    assert_eq!(bench.auth.end_other_sessions(one.user, Some(one.session)).await.unwrap(), 1);
    assert!(bench.is_good(&one).await && !bench.is_good(&other).await);
}

/// J15, T13: a good token of another installation, and one whose user is another's.
#[tokio::test(start_paused = true)]
async fn j15_tokens_of_elsewhere_are_refused() {
    let (here, elsewhere) = (bench().await, bench().await);
    let theirs = elsewhere.signed_in().await;
    here.signed_in().await;
    assert!(!here.is_good(&theirs).await, "the same keys, and no such session");
    let fault = here.refreshed(&theirs).await.unwrap_err();
    assert!(matches!(fault, RefreshFault::Unauthorized { .. }));
    assert!(here.auth.authenticate(&NotebookId::new().to_string()).await.is_err());
    assert_eq!(here.auth.public_keys()["keys"][0]["kid"], "one");
}

/// R44: who has another role since a moment ago is let in with the token that says so, at every server at once; and the
/// token of before is good no more there.
#[tokio::test(start_paused = true)]
async fn r44_a_new_role_is_believed_at_once() {
    let bench = bench().await;
    let owner = bench.team("owner@example.org").await;
    let ada = bench.register("ada@example.org").await;
    let (team, by) = (owner.scope.clone(), owner.actor());
    bench.identity.set_role(&team, by, ada.id, Role::Viewer).await.unwrap();
    let there = SignIn { tenant: Some(team.tenant()), ..request("ada@example.org", PASSWORD) };
    let old = bench.auth.sign_in(there).await.unwrap();
    assert!(bench.is_good(&old).await, "and remembered here");
    // Elsewhere: the role, and the refresh.
    let elsewhere = bench.other_server().await;
    bench.identity.set_role(&team, by, ada.id, Role::DataScientist).await.unwrap();
    bench.wait(61);
    let new = elsewhere.refresh(old.refresh.expose(), None, None).await.unwrap();
    let asked = bench.hooks.calls("session");
    let principal = bench.auth.authenticate(new.access.expose()).await.unwrap();
    assert_eq!((principal.role, new.role), (Role::DataScientist, Role::DataScientist));
    assert!(!bench.is_good(&old).await);
    // Once for each mismatch, and not for what is as it was.
    assert_eq!(bench.hooks.calls("session"), asked + 2);
    assert!(bench.is_good(&new).await);
    assert_eq!(bench.hooks.calls("session"), asked + 2);
}

/// A list of sessions is of those that go on.
#[tokio::test(start_paused = true)]
async fn sessions_that_are_over_are_not_listed() {
    let bench = bench().await;
    let one = bench.signed_in().await;
    bench.wait(20 * 24 * 3_600);
    let two = bench.auth.sign_in(request("ada@example.org", PASSWORD)).await.unwrap();
    assert_eq!(bench.auth.sessions(one.user).await.unwrap().len(), 2);
    bench.wait(11 * 24 * 3_600);
    let listed = bench.auth.sessions(one.user).await.unwrap();
    assert_eq!(listed.iter().map(|session| session.id).collect::<Vec<_>>(), [two.session]);
}

/// T15, S54: what goes on for long asks whether it still may.
#[tokio::test(start_paused = true)]
async fn t15_who_was_recognised_may_be_good_no_more() {
    let bench = bench().await;
    let owner = bench.team("owner@example.org").await;
    let ada = bench.register("ada@example.org").await;
    bench.auth.set_role(&owner, ada.id, Some(Role::DataScientist)).await.unwrap();
    let tenant = owner.scope.tenant();
    let by_session = bench.in_workspace("ada@example.org", tenant).await;
    let scopes = [Permission::Chat];
    let (stored, key) = bench.auth.create_key(&by_session, "x", &scopes, None).await.unwrap();
    let by_key = bench.auth.authenticate_key(key.expose()).await.unwrap();
    let single = Principal {
        user: ada.id,
        scope: crate::single_user(),
        role: Role::Admin,
        session: None,
        key: None,
        expires_at: None,
    };
    let good = async || {
        let mut good = Vec::new();
        for principal in [&by_session, &by_key, &single] {
            good.push(bench.auth.still_good(principal).await.unwrap());
        }
        good
    };
    assert_eq!(good().await, [true, true, true]);
    bench.auth.set_role(&owner, ada.id, Some(Role::Admin)).await.unwrap();
    assert_eq!(good().await, [true, true, true], "more than before");
    bench.auth.set_role(&owner, ada.id, Some(Role::Analyst)).await.unwrap();
    assert_eq!(good().await, [false, false, true]);
    bench.auth.set_role(&owner, ada.id, Some(Role::DataScientist)).await.unwrap();
    assert_eq!(good().await, [true, true, true]);
    bench.auth.revoke_key(&by_session, stored.id).await.unwrap();
    assert_eq!(good().await, [true, false, true]);
    bench.auth.end_session(ada.id, by_session.session.unwrap()).await.unwrap();
    assert_eq!(good().await, [false, false, true]);
}
