use super::*;

/// T14: one session, one refresh token, another workspace.
#[tokio::test(start_paused = true)]
async fn t14_a_session_goes_from_one_workspace_to_another() {
    let bench = bench().await;
    let owner = bench.team("owner@example.org").await;
    let foreign = bench.team("other@example.org").await;
    let tokens = bench.signed_in().await;
    let team = owner.scope.tenant();
    bench.auth.set_role(&owner, tokens.user, Some(Role::Viewer)).await.unwrap();
    let here = bench.principal(&tokens).await;
    let elsewhere = bench.other_server().await;
    elsewhere.authenticate(tokens.access.expose()).await.unwrap();
    for tenant in [foreign.scope.tenant(), TenantId::new()] {
        let error = bench.auth.switch_workspace(&here, tenant).await;
        assert_eq!(
            refused(error, ErrorKind::NotFound).to_string(),
            "switch workspace: not_found (what: workspace)"
        );
    }
    assert!(bench.is_good(&tokens).await);
    let access = bench.auth.switch_workspace(&here, team).await.unwrap();
    assert_eq!((access.tenant, access.role, access.session), (team, Role::Viewer, tokens.session));
    // What was open with the workspace of before is over, and goes on with none of the new one's data.
    assert!(!bench.is_good(&tokens).await);
    assert!(!bench.auth.still_good(&here).await.unwrap());
    let there = bench.auth.authenticate(access.access.expose()).await.unwrap();
    assert_eq!((there.scope.tenant(), there.role), (team, Role::Viewer));
    assert!(bench.auth.still_good(&there).await.unwrap());
    // At another server too, which has the session of before in mind.
    let seen = elsewhere.authenticate(access.access.expose()).await.unwrap();
    let back = bench.auth.switch_workspace(&seen, tokens.tenant).await.unwrap();
    let seen = elsewhere.authenticate(back.access.expose()).await.unwrap();
    assert_eq!(seen.scope.tenant(), tokens.tenant);
    // The refresh token of before is still the one.
    bench.auth.switch_workspace(&seen, team).await.unwrap();
    bench.wait(900);
    let next = bench.refreshed(&tokens).await.unwrap();
    assert_eq!((next.tenant, next.role), (team, Role::Viewer));
    let key =
        Principal { session: None, key: Some((notebook_core::ApiKeyId::new(), vec![])), ..there };
    refused(bench.auth.switch_workspace(&key, tokens.tenant).await, ErrorKind::Forbidden);
    bench.auth.sign_out(next.refresh.expose()).await.unwrap();
    let ended = bench.auth.switch_workspace(&seen, tokens.tenant).await;
    refused(ended, ErrorKind::Unauthenticated);
}

/// X8: who switches with an access token of before, because the reply with the new refresh token was lost, is not taken
/// for a thief when they refresh.
#[tokio::test(start_paused = true)]
async fn x8_switching_does_not_spend_a_lost_reply() {
    let bench = bench().await;
    let tokens = bench.signed_in().await;
    let here = bench.principal(&tokens).await;
    let team = bench.auth.create_workspace(&here, "Team").await.unwrap();
    bench.wait(800);
    let lost = bench.refreshed(&tokens).await.unwrap();
    let here = bench.principal(&tokens).await;
    let access = bench.auth.switch_workspace(&here, team.tenant).await.unwrap();
    assert!(bench.is_good_text(&access.access).await);
    bench.wait(120);
    let again = bench.refreshed(&tokens).await.unwrap();
    assert_eq!((again.refresh, again.tenant), (lost.refresh, team.tenant));
}
