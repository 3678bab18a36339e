use super::*;
use crate::ClosedTenants;

#[tokio::test(start_paused = true)]
async fn a_workspace_is_deleted_by_its_admin_who_types_its_name() {
    let bench = bench().await;
    let admin = bench.team("owner@example.org").await;
    let team = admin.scope.tenant();
    let bob = bench.register("bob@example.org").await;
    bench.auth.set_role(&admin, bob.id, Some(Role::DataScientist)).await.unwrap();
    let bob = bench.in_workspace("bob@example.org", team).await;
    bench.register("eve@example.org").await;
    let eve = bench.auth.sign_in(request("eve@example.org", PASSWORD)).await.unwrap();
    let eve = bench.principal(&eve).await;
    let closed = ClosedTenants(Arc::clone(&bench.identity));

    let foreign =
        refused(bench.auth.delete_workspace(&eve, team, "Team").await, ErrorKind::NotFound);
    let absent = refused(
        bench.auth.delete_workspace(&eve, TenantId::new(), "Team").await,
        ErrorKind::NotFound,
    );
    assert_eq!(foreign.to_string(), absent.to_string());
    refused(bench.auth.delete_workspace(&bob, team, "Team").await, ErrorKind::Forbidden);
    let error =
        refused(bench.auth.delete_workspace(&admin, team, "team").await, ErrorKind::InvalidInput);
    assert_eq!(error.context("field"), Some("name"));
    let key = Principal {
        session: None,
        key: Some((notebook_core::ApiKeyId::new(), vec![Permission::WorkspaceManage])),
        ..admin.clone()
    };
    refused(bench.auth.delete_workspace(&key, team, "Team").await, ErrorKind::Forbidden);
    let own = eve.scope.tenant();
    refused(bench.auth.delete_workspace(&eve, own, "Ada").await, ErrorKind::Conflict);
    assert!(bench.auth.still_good(&bob).await.unwrap());
    assert!(closed.scope(team).await.unwrap().is_none(), "it stands");

    bench.auth.delete_workspace(&admin, team, " Team ").await.unwrap();
    assert!(!bench.auth.still_good(&bob).await.unwrap(), "at once");
    assert!(!bench.auth.still_good(&admin).await.unwrap());
    refused(bench.auth.delete_workspace(&admin, team, "Team").await, ErrorKind::NotFound);
    assert_eq!(bench.logged(&admin.scope).await, "workspace.closed");
    assert_eq!(closed.all().await.unwrap(), [team]);
    assert_eq!(closed.scope(team).await.unwrap(), Some(admin.scope.clone()));
    // Never the way to what is nobody's workspace.
    for tenant in [notebook_core::identity::SINGLE_USER, crate::installation().tenant(), own] {
        assert!(closed.scope(tenant).await.unwrap().is_none(), "{tenant}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_account_is_deleted_by_who_knows_its_password() {
    let bench = bench().await;
    let tokens = bench.signed_in().await;
    let ada = bench.principal(&tokens).await;
    let team = bench.auth.create_workspace(&ada, "Herons").await.unwrap().tenant;
    let admin = bench.in_workspace("ada@example.org", team).await;
    let bob = bench.register("bob@example.org").await;
    bench.auth.set_role(&admin, bob.id, Some(Role::Viewer)).await.unwrap();
    let session = ada.session.unwrap();
    let delete =
        async |password: &str| bench.auth.delete_account(session, &Secret::new(password)).await;
    let error = refused(delete("not it").await, ErrorKind::InvalidInput);
    assert_eq!(error.context("field"), Some("password"));
    let error = refused(delete(PASSWORD).await, ErrorKind::Conflict);
    assert!(error.context("fix").unwrap().contains("Herons"), "{error}");
    assert!(bench.is_good(&tokens).await);
    bench.auth.set_role(&admin, bob.id, Some(Role::Admin)).await.unwrap();
    let gone = delete(PASSWORD).await.unwrap();
    assert_eq!(bench.logged(&crate::installation()).await, "user.deleted");
    assert_eq!((gone.user, gone.workspaces), (ada.user, vec![ada.scope.tenant()]));
    assert!(!bench.is_good(&tokens).await);
    assert!(bench.refreshed(&tokens).await.is_err());
    let again = bench.auth.sign_in(request("ada@example.org", PASSWORD)).await;
    assert_eq!(again.unwrap_err().kind(), ErrorKind::Unauthenticated);
    let bob = bench.in_workspace("bob@example.org", team).await;
    assert_eq!(bench.auth.members(&bob).await.unwrap().len(), 1);
}

/// Tries of passwords are counted here too, by session.
#[tokio::test(start_paused = true)]
async fn j26_accounts_are_not_deleted_by_trying_passwords() {
    let bench = bench().await;
    let tokens = bench.signed_in().await;
    let session = bench.principal(&tokens).await.session.unwrap();
    let mut limited = false;
    for _ in 0..30 {
        let tried = bench.auth.delete_account(session, &Secret::new("wrong")).await.unwrap_err();
        limited |= tried.kind() == ErrorKind::RateLimited;
    }
    assert!(limited);
    let right = bench.auth.delete_account(session, &Secret::new(PASSWORD)).await;
    refused(right.map(drop), ErrorKind::RateLimited);
    assert!(bench.is_good(&tokens).await);
}
