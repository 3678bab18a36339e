use super::*;

#[tokio::test(start_paused = true)]
async fn g3_roles_are_given_by_those_who_may() {
    let bench = bench().await;
    let (ada, bob) =
        (bench.register("ada@example.org").await, bench.register("bob@example.org").await);
    let admin = bench.team("owner@example.org").await;
    let team = admin.scope.clone();
    bench.auth.set_role(&admin, ada.id, Some(Role::DataScientist)).await.unwrap();
    let scientist = bench.in_workspace("ada@example.org", team.tenant()).await;
    for role in [Some(Role::Viewer), None] {
        let error = bench.auth.set_role(&scientist, bob.id, role).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Forbidden);
    }
    let system = bench.auth.set_role(&admin, bob.id, Some(Role::System)).await.unwrap_err();
    assert_eq!(system.kind(), ErrorKind::Forbidden);
    bench.auth.set_role(&admin, ada.id, None).await.unwrap();
    assert!(!bench.identity.standing(ada.id, team.tenant()).await.unwrap().active);
    // T13: a workspace that is not theirs.
    let foreign = SignIn { tenant: Some(team.tenant()), ..request("bob@example.org", PASSWORD) };
    assert_eq!(bench.auth.sign_in(foreign).await.unwrap_err().kind(), ErrorKind::Unauthenticated);
}

#[tokio::test(start_paused = true)]
async fn g3_teams_are_made_named_and_left() {
    let bench = bench().await;
    let tokens = bench.signed_in().await;
    let ada = bench.principal(&tokens).await;
    refused(bench.auth.create_workspace(&ada, " ").await, ErrorKind::InvalidInput);
    let team = bench.auth.create_workspace(&ada, " Herons ").await.unwrap();
    assert_eq!((team.name.as_str(), team.kind), ("Herons", WorkspaceKind::Team));
    let places = bench.auth.places(ada.user).await.unwrap();
    assert_eq!(places.len(), 2);
    assert_eq!((places[1].workspace.tenant, places[1].role), (team.tenant, Role::Admin));
    let admin = bench.in_workspace("ada@example.org", team.tenant).await;
    bench.auth.rename_workspace(&admin, "Storks").await.unwrap();
    assert_eq!(bench.identity.workspace(&admin.scope).await.unwrap().name, "Storks");
    let bob = bench.register("bob@example.org").await;
    bench.auth.set_role(&admin, bob.id, Some(Role::Viewer)).await.unwrap();
    let bob = bench.in_workspace("bob@example.org", team.tenant).await;
    refused(bench.auth.rename_workspace(&bob, "Bob's").await, ErrorKind::Forbidden);
    assert_eq!(bench.auth.members(&bob).await.unwrap().len(), 2);
    refused(bench.auth.remove_member(&bob, ada.user).await, ErrorKind::Forbidden);
    // Everybody may go, but for the last admin; and a key takes nobody with it.
    refused(bench.auth.remove_member(&admin, ada.user).await, ErrorKind::Conflict);
    let key = Principal {
        session: None,
        key: Some((notebook_core::ApiKeyId::new(), vec![])),
        ..bob.clone()
    };
    refused(bench.auth.remove_member(&key, bob.user).await, ErrorKind::Forbidden);
    refused(bench.auth.create_workspace(&key, "x").await.map(drop), ErrorKind::Forbidden);
    bench.auth.remove_member(&bob, bob.user).await.unwrap();
    assert!(!bench.auth.still_good(&bob).await.unwrap());
    assert_eq!(bench.auth.members(&admin).await.unwrap().len(), 1);
}
